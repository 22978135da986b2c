/* Normalizers, in the order of the file: text to text, before words are cut. Bytes that are no UTF-8 pass through. */
#ifndef CODEASK_ENGINE_TOKENIZER_NORMALIZE_H
#define CODEASK_ENGINE_TOKENIZER_NORMALIZE_H

#include "engine/tokenizer/charsmap.h"
#include "engine/tokenizer/expression.h"

enum norm_kind {
    NORM_NFC, NORM_NFD, NORM_NFKC, NORM_NFKD,
    NORM_LOWER,
    NORM_STRIP,         /* blanks at the left (a), at the right (b) */
    NORM_STRIP_ACCENTS,
    NORM_REPLACE,       /* what x finds (or the text `from`) by `to` */
    NORM_PREPEND,       /* `to`, before a text that is not empty */
    NORM_CHARSMAP,      /* as `tokenizers` reads it */
    NORM_SENTENCE,      /* SentencePiece whole: the map, then blanks: one before the text (a), runs are one (b), each `to` */
    NORM_NMT,           /* controls away, odd blanks to blanks */
};
struct norm {
    enum norm_kind kind;
    bool a, b;
    struct expression *x;
    struct buf from, to;
    struct charsmap map;
};
#define NORMS_MAX 32

void norm_release(struct norm *n);
/* Runs one normalizer: appends to *to what becomes of the text. */
void norm_run(const struct norm *n, struct buf *to, const char *p, size_t len);
/* Does it leave every text alone that is ASCII? */
bool norm_keeps_ascii(const struct norm *n);

#endif

/* Code words: the one way in which text becomes words, for indexing and for questions alike.
 *
 * A run of letters, digits and `_` (Unicode letters and marks included) is an identifier. It yields
 *   its parts, cut at `_`, at lower→Upper, at the last capital of an acronym (HTTPServer → http, server) and at digit→Upper;
 *   itself, when it has more than one part (WORD_WHOLE: `_` dropped, so thread_pool, threadPool and ThreadPool are one).
 * Everything is case-folded (Unicode simple folding, NFKC for what is not ASCII). Runs of CJK yield overlapping bigrams.
 * Words longer than WORD_MAX bytes (base64, hashes) and numbers longer than 8 digits are dropped; invalid UTF-8 ends a word.
 */
#ifndef CODEASK_BASE_WORDS_H
#define CODEASK_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORD_MAX 64 /* bytes after folding; longer runs are data, not language */

enum word_kind { WORD_PART, WORD_WHOLE };

struct word {
    const char *text; /* folded; valid until the next call */
    uint32_t len;
    uint32_t at;      /* byte offset of the identifier's (or part's) first byte in the input */
    enum word_kind kind;
};

/* One pass over a text. The text must outlive it. Plain data: no release. */
struct words {
    const char *p, *end, *start;
    uint32_t nout, next;      /* words of the current identifier still to give */
    struct word out[40];
    char fold[1024];
};

void words_init(struct words *w, const char *text, size_t len);
bool words_next(struct words *w, struct word *out);

/* Whether a list of words, sorted as strcmp does, holds this one. */
bool words_hold(const char *const *sorted, size_t count, const char *p, size_t len);

/* Stems an English word in place (Snowball porter2, libstemmer); words with other than a-z are left alone. Returns the
 * new length, never more than len. Thread-safe (one stemmer a thread). */
size_t word_stem(char *word, size_t len);

/* What a term is; terms of different kinds never collide in the index. */
enum term_kind { TERM_WORD = 1, TERM_DEF, TERM_REF, TERM_IMPORT };
/* TERM_WORD of a stemmed word; TERM_DEF/TERM_REF of an exact name, TERM_IMPORT of an import's target as written. */
uint64_t term_of(enum term_kind kind, const char *text, size_t len);

#endif

/* Inside of a tokenizer: what the loaders fill and the encoder reads.
 *
 *   text → added tokens taken out → normalizers → steps (cut into words) → model (bpe, unigram, wordpiece) → ids */
#ifndef CODEASK_ENGINE_TOKENIZER_TOKENIZER_DATA_H
#define CODEASK_ENGINE_TOKENIZER_TOKENIZER_DATA_H

#include "engine/tokenizer/bpe.h"
#include "engine/tokenizer/normalize.h"
#include "engine/tokenizer/unigram.h"
#include "engine/tokenizer/wordpiece.h"

enum model_kind { MODEL_BPE, MODEL_SPM, MODEL_UNIGRAM, MODEL_WORDPIECE };

/* What a step makes of what its expression finds and of what lies between. */
enum cut {
    CUT_ISOLATED,   /* both are pieces */
    CUT_REMOVED,    /* what was found is gone */
    CUT_CONTIGUOUS, /* finds that touch are one piece */
    CUT_MERGED_PREVIOUS,
    CUT_MERGED_NEXT,
};
enum step_kind {
    STEP_CUT,
    STEP_PREFIX, /* a blank before a piece that does not begin with one */
    STEP_BLANKS, /* Metaspace: blanks become `text`, which is put before the piece as `prepend` says */
};
enum prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };
struct step {
    enum step_kind kind;
    enum cut cut;
    bool invert; /* what lies between counts as found, and the other way round */
    enum prepend prepend;
    struct expression *x;
    char text[8];
};
#define STEPS_MAX 32

/* A token that is taken out of a text before words are cut. */
struct added {
    uint32_t id;
    bool guarded, lstrip, rstrip, word; /* word: only where no word goes on at either side */
};
/* Three rounds: in the raw text; in the raw text that the first left (guarded ones whose file wants the normal form); in
 * what the normalizers made of that. */
enum { ADDED_RAW, ADDED_SECOND, ADDED_NORMAL, ADDED_ROUNDS };
struct added_set {
    struct trie trie; /* value: index in added */
    bool begins[256], any, any_free; /* any_free: one that user text may hold */
};

#define ENDS_MAX 32

struct tokenizer {
    enum model_kind kind;
    struct tokenizer_info info;
    struct vocab vocab;
    uint64_t stamp; /* of its content: what a memory holds belongs to one tokenizer */
    struct norm norm[NORMS_MAX];
    int nnorm;
    struct step step[STEPS_MAX];
    int nstep;
    struct added *added;
    size_t nadded, added_cap;
    struct added_set set[ADDED_ROUNDS];
    struct bpe bpe;
    uint32_t byte_id[256]; /* byte-level: of one byte; else of <0x..>; TOKEN_NONE: none */
    uint32_t unk;          /* what a character without a token becomes; info.unk is what the file calls so */
    bool letters;          /* symbols are bytes, else characters */
    bool whole;            /* a word that is a token is that token */
    bool fuse;             /* unknown after unknown is one */
    bool bytes_fallback;   /* characters without a token are <0x..> tokens */
    bool cut_blanks;       /* no token holds U+2581 behind anything else: words may be cut before it */
    struct unigram unigram;
    struct wordpiece *wordpiece;
    uint32_t end[ENDS_MAX];
    int nend;
};

struct tokenizer *tokenizer_new(void);
/* Adds a token to what is taken out of texts; round: ADDED_RAW … ADDED_NORMAL (the text is the normal form then). */
void tokenizer_take_out(struct tokenizer *t, struct added a);
/* The last step of both loaders: tables from what they filled (tokens, kinds, guarded, steps). texts: [ADDED_ROUNDS] keys. */
void tokenizer_added(struct tokenizer *t, int round, struct trie_key *key, size_t n);
void tokenizer_finish(struct tokenizer *t);
/* May user text hold this token though it is no special one? Runs of blanks, plain words, HTML: yes; what a chat template
 * could write to mark a part: no. */
bool tokenizer_harmless(const char *text, size_t n);
void tokenizer_end(struct tokenizer *t, uint32_t id); /* generation may stop at it */
/* Finds the ends that families name in their texts. */
void tokenizer_find_ends(struct tokenizer *t);

/* Where GGUF's metadata is asked for: a model's file, or bytes in memory. */
struct meta_source {
    bool (*find)(const void *from, const char *key, struct meta *out);
    const void *from;
};
int tokenizer_from_gguf(struct tokenizer **out, const struct meta_source *f, struct err *e);
int tokenizer_from_folder(struct tokenizer **out, const char *folder, struct err *e);

#endif

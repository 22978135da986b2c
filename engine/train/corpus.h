/* What a model is tuned on and measured by, as a file that the retriever makes (retriever/corpus/) and the trainer reads:
 *
 *   char  magic[8]     "cacorp01"
 *   u64   seed
 *   u32   repos, repo[repos]   ids of the repositories that texts come from, ascending
 *   u32   records
 *   record
 *     u8   kind, held, right, texts
 *     u32  repo
 *     i64  time        seconds since the epoch, of a commit; else 0
 *     u16  blobs       contents that it was made of
 *     u8   blob[blobs][20]
 *     text prompt, suffix, text[texts]        text: u32 bytes, the bytes
 *   u8    hash[16]     XXH3 of all before
 * Little-endian. Foreign bytes to the reader: every count and length is checked. */
#ifndef CODEASK_ENGINE_TRAIN_CORPUS_H
#define CODEASK_ENGINE_TRAIN_CORPUS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>

#define CORPUS_MAX ((size_t)1 << 30) /* bytes of a file: half a million pages, more than a box tunes on in a week */
#define CORPUS_REPOS 65536           /* repositories that a home can name in one file */
#define CORPUS_BLOBS 64              /* of a record: a commit that touches more is no lesson */
#define CORPUS_BLOB 20               /* bytes of a content's git hash */
#define CORPUS_TEXTS 16              /* choices of a question */

/* X(symbol, name, a conversation: what is asked and what is to be answered, rendered by the model's template; else plain text that goes on) */
#define CORPUS_KINDS(X)                                                                                                    \
    X(DOC, "doc", true)           /* a definition -> its doc comment */                                                    \
    X(CODE, "code", true)         /* doc comment and signature -> the definition */                                        \
    X(WHERE, "where", true)       /* where is it defined? */                                                               \
    X(CALLERS, "callers", true)   /* who calls it? */                                                                      \
    X(RETURNS, "returns", true)   /* what does it return? */                                                               \
    X(BREAKS, "breaks", true)     /* what breaks when it is changed? */                                                    \
    X(COMMIT, "commit", true)     /* a change -> its message */                                                            \
    X(CHANGE, "change", true)     /* a message -> the files that it concerns */                                            \
    X(SECTION, "section", true)   /* a heading of a document -> what it says */                                            \
    X(FILL, "fill", false)        /* what stands between prompt and suffix */                                              \
    X(REFUSE, "refuse", true)     /* sources that do not answer -> saying so */                                            \
    X(SOURCE, "source", true)     /* sources and a question -> the number of the one that answers */                       \
    X(DEFINITION, "definition", true) /* choice: the right definition among others of its kind */                          \
    X(CITE, "cite", true)         /* choice: which source answers */                                                       \
    X(UNANSWERABLE, "unanswerable", true) /* choice: to refuse, or to name a source that says nothing of it */             \
    X(WHICH, "which", true)       /* what a definition does -> its signature */
enum corpus_kind {
#define X(symbol, name, chat) CORPUS_##symbol,
    CORPUS_KINDS(X)
#undef X
    CORPUS_KIND_COUNT
};

struct corpus_record { /* everything borrowed */
    enum corpus_kind kind;
    bool held;             /* held out: measured by, never learned */
    uint32_t repo;
    int64_t time;
    const uint8_t *blob;   /* [blobs][CORPUS_BLOB] */
    uint16_t blobs;
    struct str prompt, suffix;
    struct str text[CORPUS_TEXTS];
    uint8_t texts, right;  /* texts 1: what is learned; more: a choice, of which text[right] is the right one (held out only) */
};

const char *corpus_kind_name(enum corpus_kind k);
bool corpus_is_chat(enum corpus_kind k);

/* Writing: begin, records, end. */
void corpus_begin(struct buf *out, uint64_t seed, const uint32_t *repo, uint32_t repos);
void corpus_add(struct buf *out, const struct corpus_record *r);
void corpus_end(struct buf *out);
/* The number of records added so far. */
uint32_t corpus_count(const struct buf *out);

/* Reading: bytes stay the caller's. */
struct corpus {
    uint64_t seed;
    uint32_t *repo, repos;
    struct corpus_record *record;
    uint32_t records;
};
/* ERR_FORMAT: no such file; ERR_CORRUPT: damaged, cut off, or out of bounds. Release in either case. */
int corpus_read(struct corpus *out, const void *bytes, size_t n, struct err *e);
void corpus_release(struct corpus *c);
/* What tells two records apart: of kind, prompt, suffix and texts. */
struct hash128 corpus_hash(const struct corpus_record *r);

#endif

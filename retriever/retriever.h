/* The retriever: a question and the views that the asker may read -> ranked places with their evidence.
 *
 *   query.h     text -> words, names, quoted pieces, intent
 *   snapshot.h  a view in memory: its occurrences, paths, kinds of file, reference graph; cached by (view, generation)
 *   lexical.h   BM25F over the term segments, file and chunk level
 *   names.h     definitions by name: exact, folded, prefix, typo
 *   dense.h     exact int8 scan of the vectors
 *   signals.h   signals[]: one function and one weight each; --explain reads the same rows
 *   rerank.h    the best hits read again by a cross-encoder
 *   rank.h      fusion, coherence, twins, order of chunks inside a file
 *   trace.h     frames and quoted lines of a stack trace, compiler error or log
 *   answer.h    packed context -> extractive answer with checked citations
 *
 * Threads: any number of searches at once; each runs in one thread with one arena. Read transactions end before any model
 * call. Nothing here decides permission: what is not among the targets does not exist. */
#ifndef CODEASK_RETRIEVER_RETRIEVER_H
#define CODEASK_RETRIEVER_RETRIEVER_H

#include "base/arena.h"
#include "engine/engine.h"
#include "store/store.h"
#include "store/unsaved.h"
#include "store/view.h"

struct retriever;

int retriever_open(struct retriever **out, struct store *s, struct err *e);
void retriever_close(struct retriever *r);
/* Keeps nothing in memory of what was read: after a content was purged. Any thread; searches under way end with what they hold. */
void retriever_forget(struct retriever *r);
/* Gives back what searches keep for the next ones: texts that none has used for RETRIEVER_KEEPS seconds, and scratch that none has in use. For
 * whoever calls it every ten seconds or so, that what is held follows what is asked. Any thread. */
#define RETRIEVER_KEEPS 30
void retriever_rest(struct retriever *r, int64_t now_ns);

struct search_target;
struct snapshot; /* snapshot.h */
/* For the rest of this room: the view's snapshot (give it back with snapshot_drop), and the store behind it. */
int retriever_snapshot(struct snapshot **out, struct retriever *r, const struct search_target *target, struct err *e);
/* A read transaction that sees the targets as their snapshots do. */
int retriever_read(struct txn **out, struct retriever *r, const struct search_target *target, size_t n, struct err *e);
struct store *retriever_store(struct retriever *r);
/* From how many vectors on signs choose among them (sketch.h says the usual); for tests and tools, while nobody searches. */
void retriever_sketch_from(struct retriever *r, uint32_t vectors);

/* One view that may be searched. */
struct search_target {
    const struct repo_row *repo;
    uint32_t view;
    struct oid commit;             /* what results name; zero: no commit */
    uint8_t oid_len;               /* 20, 32 or 0 */
    bool has_overlay;              /* view is an overlay: rows stored under it are uncommitted */
    const struct unsaved *unsaved; /* texts over it (store/unsaved.h), the same ones for all targets of a request; NULL */
};

struct query_map;
struct search_request {
    const char *text;              /* the question, UTF-8 */
    const char *context;           /* standard input of the asker (trace, error, log) or NULL */
    size_t context_len;
    const struct search_target *target;
    size_t ntargets;
    const char *path_prefix;       /* relative to the repository's root; NULL: all */
    const char *language;          /* name of a languages[] row; NULL: all */
    int kind;                      /* enum symbol_kind; -1: all */
    uint32_t limit;                /* results wanted */
    bool unique_files, regex, explain;
    uint64_t blind_bytes;          /* read at most for quoted text of one or two bytes, which the index knows nothing of; 0: SEARCH_BLIND_BYTES */
    bool lines;                    /* a question of quoted text alone gets each line with it, as regex does; else it is ranked */
    struct model *embedder;        /* NULL: words and names alone */
    const struct query_map *map;   /* the embedder's adapter (engine/train/query_map.h), of its dimension; NULL: none */
    struct model *reranker;        /* NULL: none */
    double rerank_ms;              /* it may take so long */
    const volatile bool *stop;     /* polled; NULL: never */
};

struct search_hit {
    uint32_t target;               /* index into request.target */
    struct str path;
    struct oid oid;                /* of the clean bytes */
    uint8_t oid_len;
    bool uncommitted;
    uint32_t cut, chunk;           /* where it came from */
    uint32_t start_line, end_line;
    uint32_t symbol;               /* index in the cut's record, or RECORD_NONE */
    const char *symbol_name, *kind, *language; /* NULL where there is none */
    const char *crumb;             /* "Outer › method" or "" */
    struct str snippet;            /* the lines, secrets masked */
    struct str signature, doc;     /* of a definition that symbol_lookup found: one line; the first bytes of its comment. May be empty */
    const char *use;               /* of a reference: "call", "import" …; NULL */
    uint32_t symbol_start, symbol_end; /* lines of the definition that a reference stands in; 0 */
    double score;
    const double *value;           /* [signal_count()] of each signal for this hit, when explain; else NULL */
    double rerank;                 /* what a reranker added to the score; 0: nothing */
    double repeat;                 /* the same: what the score is multiplied by for chunks of its file that stand above it */
};

/* How sure the retriever is that what was asked for is there at all: calibrated in answer.c. */
struct search_evidence {
    double coverage;               /* share of the question's words, by idf, that the best file holds */
    double lexical, name, dense;   /* best of each, before scaling to the query: BM25 per query idf, match quality, cosine */
    uint32_t unknown_words;        /* question words that no searched view holds */
};

/* Files that an exact search did not look into. */
struct search_unsearched {
    uint32_t binary;               /* NUL bytes or UTF-16 */
    uint32_t unread;               /* too large, set aside, or not readable */
    uint32_t given_up;             /* the expression backtracks too much there */
    uint32_t blind;                /* quoted text without a gram: what was left when search_request.blind_bytes had been read */
};

struct search_result {
    struct search_hit *hit;
    size_t n;
    struct search_evidence evidence;
    double ms_embed, ms_lexical, ms_dense, ms_rank, ms_rerank, ms_total;
    uint32_t reranked;             /* hits that a reranker has read */
    bool dense_used;
    bool exact, truncated;         /* found in the bytes; there are more than the limit */
    struct search_unsearched left_out; /* where exact; blind also where quoted text stands beside words */
};

/* Everything in result lives in arena. ERR_USAGE for an empty or overlong (SEARCH_TEXT_MAX) question. */
#define SEARCH_TEXT_MAX (64 << 10) /* bytes of question; a pasted log goes to context */
#define SEARCH_CONTEXT_MAX (1 << 20)
#define SEARCH_LIMIT_MAX 1000
#define SEARCH_BLIND_BYTES ((uint64_t)1 << 30) /* of text that is unpacked and read: 300 MB take .2 to .6 s on two busy cores */
int search(struct search_result *out, struct retriever *r, const struct search_request *q, struct arena *arena, struct err *e);

size_t signal_count(void);
const char *signal_name(size_t i);

/* -- symbols ---------------------------------------------------------------------------------------------------------- */
enum symbol_want { WANT_DEFINITIONS = 1, WANT_CALLERS = 2, WANT_CALLEES = 4, WANT_REFERENCES = 8,
    WANT_EXACT = 16,               /* the name as it is spelled, or nothing */
    WANT_COUNTS = 32 };            /* of callers and references only how many: no source is read for them */
#define SYMBOL_DOC_MAX 800         /* bytes of a doc comment that come with a definition */
struct symbol_result {
    struct search_hit *list[4];    /* definitions, callers, callees, references */
    size_t n[4], found[4];         /* found: before the limit */
    const char *matched;           /* the name that was found: differs from the asked one after case folding or a typo */
};
int symbol_lookup(struct symbol_result *out, struct retriever *r, const char *name, unsigned want,
                  const struct search_target *target, size_t ntargets, uint32_t limit, struct arena *arena, struct err *e);

#endif

/* BM25F over the term segments: every visible chunk and file that holds a word of the question, scored.
 *
 * The universe of one search: the distinct cuts of all its targets (gid = first[target] + ucut; a cut that several targets
 * see belongs to the first). Document frequencies are counted in this universe alone, so what the asker may not read does
 * not move a score.
 *
 * Chunks: k1 1.2, b .75, tf = body + doc + 2 · names. Files: k1 1.5, b .5 over the sum of their chunks' bodies. */
#ifndef CODEASK_RETRIEVER_LEXICAL_H
#define CODEASK_RETRIEVER_LEXICAL_H

#include "retriever/query.h"
#include "retriever/snapshot.h"

#include <stdbool.h>

struct universe {
    struct snapshot *const *snap;
    size_t nsnaps;
    uint32_t *first;             /* [nsnaps + 1] */
    uint32_t ngids;
    const struct segment *seg;
    size_t nsegs;
    uint32_t **gid;              /* [nsegs][ncuts] gid of a segment's cut, or FILE_NONE */
    uint32_t *chunk0;            /* [nsegs + 1] number of a segment's first chunk in the universe */
    uint32_t *where;             /* [ngids] segment << … : see where_seg/where_cut */
    uint32_t *where_cut;
    uint32_t nchunks;            /* all chunks of the segments, visible or not */
    uint32_t visible_chunks, visible_files;
    double mean_chunk, mean_file; /* words */
    double mean_symbols;         /* of a file */
    uint32_t *file_words;        /* [ngids] */
};

struct chunk_score {
    float bm25;
    uint32_t mask;               /* terms in the chunk (first 32) */
    uint32_t symbol_mask;        /* terms in names defined in the chunk */
};

struct file_score {
    float bm25, symbol;
    float symbol_cover;          /* best share (by idf) of the question that one chunk's names hold */
    uint64_t mask, symbol_mask;
    float best_chunk, sum_chunk;
};

struct lexical {
    struct chunk_score *chunk;   /* [universe.nchunks] */
    struct file_score *file;     /* [universe.ngids] */
};

/* Opens over a read transaction whose segments are given; all arrays in arena. */
void universe_init(struct universe *u, struct snapshot *const *snap, size_t nsnaps, const struct segment *seg, size_t nsegs,
                   struct arena *arena);
void lexical_run(struct lexical *out, const struct universe *u, struct query *q, struct arena *arena);

/* The snapshot and its ucut behind a gid. */
struct snapshot *universe_snapshot(const struct universe *u, uint32_t gid, uint32_t *ucut, uint32_t *target);
/* The chunk's number in the universe of a file's n-th chunk. */
static inline uint32_t universe_chunk(const struct universe *u, uint32_t gid, uint32_t n)
{
    const struct segment *s = &u->seg[u->where[gid]];
    return u->chunk0[u->where[gid]] + s->first_chunk[u->where_cut[gid]] + n;
}

#endif

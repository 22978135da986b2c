/* BM25F over the term segments: every visible chunk and file that holds a word of the question, scored.
 *
 * Chunks: k1 1.2, b .75, tf = body + doc + 2 · names. Files: k1 1.5, b .5 over the sum of their chunks' bodies. */
#ifndef CODEASK_RETRIEVER_LEXICAL_H
#define CODEASK_RETRIEVER_LEXICAL_H

#include "retriever/query.h"
#include "retriever/universe.h"

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
    uint32_t *touched, ntouched; /* gids with any word of the question */
};

void lexical_run(struct lexical *out, const struct universe *u, struct query *q, struct arena *arena);

#endif

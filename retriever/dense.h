/* Vectors of a view: which number each chunk and card has (cached beside the snapshot, read again when vectors were added),
 * and the exact scan that gives every one of them its cosine with the question. */
#ifndef CODEASK_RETRIEVER_DENSE_H
#define CODEASK_RETRIEVER_DENSE_H

#include "retriever/lexical.h"

/* Numbers of one snapshot's vectors for one model; immutable, counted by reference. */
struct dense_map {
    uint32_t refs;
    uint16_t model;
    uint32_t vectors;            /* of the model when this was read: more of them, and it is read again */
    uint32_t *chunk0;            /* [ncuts + 1] */
    uint32_t *chunk;             /* vector number of each chunk, VECTOR_NONE where it is not made */
    uint32_t *card;              /* [nfiles] */
    uint32_t known;              /* chunks and cards that have one */
};
int dense_map_load(struct dense_map **out, const struct snapshot *s, uint16_t model, uint32_t vectors, struct txn *t, struct err *e);
void dense_map_drop(struct dense_map *m);

/* query: [dim] fp32, unit length. chunk: [u->nchunks], card: [u->ngids] cosines, 0 where there is no vector. map: one per
 * snapshot. Arrays in arena. */
int dense_scores(float **chunk, float **card, const struct universe *u, struct dense_map *const *map, const float *query,
                 uint32_t dim, uint16_t model, struct txn *t, struct arena *arena, struct err *e);

#endif

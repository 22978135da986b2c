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
size_t dense_map_bytes(const struct dense_map *m, const struct snapshot *s);

/* The vectors that are stored, one row each in the order of their numbers. Numbers are never given again, so that they have ever more
 * gaps where sweeps took some; rows have none. */
#define ROW_NONE UINT32_MAX
struct dense_rows {
    const struct vector_run *run; /* of one dimension, ascending */
    const uint32_t *row;         /* [nruns + 1] of a run's first vector */
    size_t nruns;
    uint32_t n;
    uint64_t mark;               /* the same: the same numbers stand in the same rows */
};
/* run must live as long as the rows do. */
struct dense_rows dense_rows_of(const struct vector_run *run, size_t nruns, uint32_t dim, struct arena *arena);
/* ROW_NONE: it is not stored. *at: of its run, where the next look begins; 0 at first. */
uint32_t dense_row(const struct dense_rows *r, uint32_t number, size_t *at);

/* The other way round, for a universe: whose each vector is. Immutable, counted by reference; cached with the universe. */
#define DENSE_CARD 0x80000000u   /* in an owner: the vector is a card's, not a chunk's */
struct dense_owners {
    uint32_t refs;
    uint16_t model;
    uint64_t mark;               /* of the rows */
    uint32_t *owner;             /* [rows] gid, or FILE_NONE */
    struct dense_owner {
        uint32_t row, owner;
    } *more;                     /* of vectors that several files share, the others */
    uint32_t nmore;
};
struct dense_owners *dense_owners_new(const struct universe *u, struct dense_map *const *map, uint16_t model, const struct dense_rows *rows);
void dense_owners_drop(struct dense_owners *o);

/* What a search knows of the vectors; all arrays in its arena. */
#define DENSE_NEAR .15f          /* a cosine below it is no sign of anything */
struct dense {
    struct dense_map *const *map;
    float *file;                 /* [ngids] best cosine of a file's chunks and cards; 0 where it is not above DENSE_NEAR */
    float best;                  /* of all chunks */
    float *all;                  /* [rows] cosines */
    struct dense_rows rows;
    float *chunk, *card;         /* [u->nchunks], [ngids]: cosines, 0 without a vector; only for files given to dense_of_file */
};
/* query: [dim] fp32, unit length; map: one per snapshot; owners: of these rows. */
void dense_scan(struct dense *out, const struct universe *u, struct dense_map *const *map, const struct dense_owners *owners,
                const struct dense_rows *rows, const float *query, uint32_t dim, struct arena *arena);
/* Fills chunk[] and card[] for one file. gid: of its cut; the file is ucut of the snapshot of target. */
void dense_of_file(struct dense *d, const struct universe *u, uint32_t gid, uint32_t target, uint32_t ucut);

#endif

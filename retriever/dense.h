/* Vectors of a view: which number each chunk and card has (cached beside the snapshot, read again when vectors were added), and
 * the cosine of each with the question. */
#ifndef CODEASK_RETRIEVER_DENSE_H
#define CODEASK_RETRIEVER_DENSE_H

#include "retriever/joint.h"
#include "retriever/lexical.h"
#include "retriever/sketch.h"

/* Numbers of one snapshot's vectors for one model; immutable, counted by reference. */
struct dense_map {
    uint32_t refs;
    uint16_t model;
    uint64_t stamp;              /* vecof_stamp when this was read: when it has grown, what is missing is looked up */
    uint32_t *chunk0;            /* [ncuts + 1] */
    uint32_t *chunk;             /* vector number of each chunk, VECTOR_NONE where it is not made */
    uint32_t *card;              /* [nfiles] */
};
/* before: an earlier map of the same snapshot, or NULL. What has a number keeps it for as long as the view holds it, so only the rest
 * is looked up. */
struct dense_map *dense_map_load(const struct snapshot *s, uint16_t model, const struct dense_map *before, struct txn *t);
void dense_map_drop(struct dense_map *m);
size_t dense_map_bytes(const struct dense_map *m, const struct snapshot *s);

/* The other way round, for a universe: whose each vector is. Immutable, counted by reference; cached with the universe. */
#define DENSE_CARD 0x80000000u   /* in an owner: the vector is a card's, not a chunk's */
struct dense_owners {
    uint32_t refs;
    uint16_t model;
    uint64_t mark, stamp;        /* of the rows; of the maps */
    uint32_t *owner;             /* [rows] gid, or FILE_NONE */
    uint64_t *owned;             /* a bit a row: it has one */
    uint32_t nowned;
    struct dense_owner {
        uint32_t row, owner;
    } *more;                     /* of vectors that several files share, the others */
    uint32_t nmore;
};
uint64_t dense_stamp(struct dense_map *const *map, size_t n); /* of the one that was read last */
struct dense_owners *dense_owners_new(const struct universe *u, struct dense_map *const *map, uint16_t model, const struct dense_rows *rows);
void dense_owners_drop(struct dense_owners *o);

/* What a search knows of the vectors; all arrays in its arena. */
#define DENSE_NEAR .15f          /* a cosine below it is no sign of anything */
struct dense {
    struct dense_map *const *map;
    float *file;                 /* [ngids] best cosine of a file's chunks and cards; 0 where it is not above DENSE_NEAR */
    float best;                  /* of all chunks */
    float *all;                  /* [rows] cosines of those that have an owner */
    uint64_t *exact;             /* a bit a row: all[] is its cosine, not only what its signs say. NULL: so are all */
    uint64_t *want;              /* a bit a row: dense_want asked for it */
    const int8_t *query;         /* [dim] */
    float scale;
    struct dense_rows rows;
    float *chunk, *card;         /* [u->nchunks], [ngids]: cosines, 0 without a vector; only for files given to dense_of_file */
};
/* query: [dim] fp32, unit length; map: one per snapshot; owners, sketch: of these rows, whose transaction stays open until dense_settle.
 *
 * Without a sketch every cosine is exact. With one they are what the signs say, but for those that look best: one in SKETCH_SHARE, at
 * least SKETCH_LEAST. Which files are ranked follows from that; what they are ranked by is exact again after dense_want for each
 * and dense_settle. */
#define SKETCH_SHARE 64
#define SKETCH_LEAST 2048
void dense_scan(struct dense *out, struct joint *joint, const struct universe *u, struct dense_map *const *map,
                const struct dense_owners *owners, const struct sketch *sketch, const struct dense_rows *rows, const float *query,
                uint32_t dim, struct arena *arena);
/* The cosines of a file's chunks and cards are wanted. The file is ucut of the snapshot of target. */
void dense_want(struct dense *d, const struct universe *u, uint32_t target, uint32_t ucut);
void dense_settle(struct dense *d);
/* Fills chunk[] and card[] for one such file. gid: of its cut. */
void dense_of_file(struct dense *d, const struct universe *u, uint32_t gid, uint32_t target, uint32_t ucut);

#endif

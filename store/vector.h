/* Vectors: int8 with one scale each (kernels/quant.h), in immutable segments of about 1 MiB, numbered from 0 within a model. A
 * number is never given to another text; a sweep (store/sweep.h) leaves gaps. A vector is keyed by (model file hash, hash of the exact text embedded) and made once; occurrences refer to its
 * number. The layout of a segment is drawn in vector.c; its payload is 64-byte aligned in the map. */
#ifndef CODEASK_STORE_VECTOR_H
#define CODEASK_STORE_VECTOR_H

#include "base/hash.h"
#include "store/store.h"

#define VECTOR_NONE UINT32_MAX

/* A small number for a model file hash, made on first use and kept; dim is checked. */
int vector_model(struct txn *t, const uint8_t hash[32], uint32_t dim, uint16_t *out, struct err *e);

/* The number of a text's vector, VECTOR_NONE when it is not made. */
uint32_t vector_find(struct txn *t, uint16_t model, struct hash128 text);
/* Stores n vectors ([n, dim] int8, scale [n]) for n text hashes; numbers: [n] out. One that is there already keeps its
 * number. Appends to the last segment until it is full. */
int vector_put(struct txn *t, uint16_t model, const struct hash128 *text, const int8_t *q, const float *scale, size_t n,
               uint32_t *number, struct err *e);

/* What a cut's chunks (variant 0: [nchunks]) or a file's card (variant: hash of the path words: [1]) were embedded as. */
int vecof_put(struct txn *t, uint16_t model, uint32_t cut, uint64_t variant, const uint32_t *number, size_t n, struct err *e);
/* Forgets them all, of every model and variant: with cut_drop. The vectors stay, for other cuts with the same text, until a
 * sweep finds that nothing refers to them. */
int vecof_drop(struct txn *t, uint32_t cut, struct err *e);
/* Pointer into the map or NULL; *n numbers. Unaligned: read with memcpy. */
const void *vecof_get(struct txn *t, uint16_t model, uint32_t cut, uint64_t variant, size_t *n);
/* Grows with every vecof_put: a reader with the same number knows that nothing has been added. */
uint64_t vecof_stamp(struct txn *t);

/* The variant of a file's card: its path is part of the text, so each path has its own. Never 0. */
static inline uint64_t vecof_card(struct str path)
{
    return hash64(path.p, path.n) | 1;
}

/* A run of vectors for the scan: rows [n, dim] int8, 64-byte aligned, scales [n]; numbers first … first + n - 1, or where some
 * are missing between, number [n], ascending. */
struct vector_run {
    const int8_t *q;
    const float *scale;
    const uint32_t *number;    /* NULL: in a row */
    uint32_t first, n, dim;
};
/* One more than its last number. */
static inline uint32_t vector_run_end(const struct vector_run *r)
{
    return r->number ? r->number[r->n - 1] + 1 : r->first + r->n;
}
/* All runs of a model, by their numbers, valid while t lives; array freed by the caller with free(). */
int vectors_open(struct txn *t, uint16_t model, struct vector_run **out, size_t *n, struct err *e);

#endif

/* What vector.c and vector_sweep.c share. Private to the store. */
#ifndef CODEASK_STORE_VECTOR_INSIDE_H
#define CODEASK_STORE_VECTOR_INSIDE_H

#include "store/internal.h"
#include "store/vector.h"

struct vechash_key {
    uint8_t byte[2 + 16];
};
static inline struct vechash_key vechash_key(uint16_t model, struct hash128 text)
{
    struct vechash_key k;
    put_be16(k.byte, model);
    memcpy(k.byte + 2, &text, 16);
    return k;
}

struct vecof_key {
    uint8_t byte[2 + 4 + 8];
};

/* Rows on the heap while a segment is made of them: numbers first … first + n - 1, or number [n]. */
struct vector_rows {
    uint32_t first, n, dim;
    int8_t *q;
    float *scale;
    uint32_t *number; /* NULL: in a row */
};

uint32_t vector_segment_most(uint32_t dim); /* rows of a full one */
/* False for what is none. */
bool vector_segment_of(struct vector_run *out, const MDB_val *v);
/* Makes one of n > 0 rows from `from` on, under its first number. An LMDB code. */
int vector_segment_put(struct txn *t, uint16_t model, const struct vector_rows *a, uint32_t from, uint32_t n);
int vector_dim(struct txn *t, uint16_t model, uint32_t *dim, struct err *e);

#endif

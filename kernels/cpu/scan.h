/* The rows of the table of scan kernels, each in its scan_<isa>.c; scan_isas_<machine>.c lists what a machine can have. */
#ifndef CODEASK_KERNELS_CPU_SCAN_H
#define CODEASK_KERNELS_CPU_SCAN_H

#include "kernels/scan.h"

#include <stdbool.h>

struct scan_query;
struct scan {
    const char *name;
    bool (*there)(void);
    void (*topk)(const struct scan_rows *r, const uint64_t *candidates, const struct scan_queries *q, struct scan_top *top);
    void (*scores)(const struct scan_rows *r, const struct scan_queries *q, float *const *out);
    void (*pick)(const struct scan_rows *r, const uint32_t *number, size_t n, const struct scan_queries *q, float *out);
    /* out[i] = query · (bits of row i as 0 and 1); words a row. NULL: by a table (scan_signs.c) */
    void (*signs)(int32_t *out, const uint64_t *bits, size_t n, size_t words, const struct scan_query *q);
};

/* A query as the kernels read it. */
struct scan_query {
    const int8_t *q; /* zeros up to a multiple of 64 columns, 64-byte aligned */
    int32_t sum;     /* of its elements: what a row raised by 128 adds 128 times */
    bool first;      /* of those that pass over a block: the rows to come are asked for with it alone */
};

extern const struct scan *const scans[]; /* best first, NULL at the end */
extern const struct scan scan_scalar, scan_avx2, scan_avx512, scan_neon;

#endif

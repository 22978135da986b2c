/* The signs of a model's vectors (kernels/scan.h): an eighth of their bytes, read instead of them to choose those that are worth an
 * exact product. Immutable, counted by reference, kept in the cache. */
#ifndef CODEASK_RETRIEVER_SKETCH_H
#define CODEASK_RETRIEVER_SKETCH_H

#include "retriever/rows.h"

#define SKETCH_FROM 65536u           /* vectors that are asked about: reading 25 MB takes a core 1.5 ms, their signs .4 */
#define SKETCH_MOST (4u << 20)       /* vectors: 52 bytes of memory each */

struct sketch {
    uint32_t refs;
    uint16_t model;
    uint64_t mark;               /* of the rows */
    uint64_t *bits;              /* [rows, SCAN_SIGN_WORDS(dim)] */
    float *factor;               /* [rows] */
    struct sketch_run {
        uint32_t first, end, n;
    } *run;                      /* [nruns] what the rows came from */
    size_t nruns;
};

/* before: an earlier one, or NULL: of the rows that have not moved since (vectors are added at the end) the signs are taken over. */
struct sketch *sketch_new(const struct sketch *before, uint16_t model, const struct dense_rows *rows, uint32_t dim);
void sketch_drop(struct sketch *s); /* accepts NULL */

#endif

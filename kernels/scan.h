/* Exact scan of int8 vectors (kernels/quant.h): every row's product with one or a few queries, or the best of them.
 * score = (q · row) · scale[row] · scale of the query, the same to the last bit on every instruction set.
 * A scan reads memory once at the speed of memory, for one query and for eight. It runs in the calling thread; whoever wants
 * more cores gives each its own rows and its own scan_top, and merges with scan_top_push. Elements are in [-127, 127], as
 * quant_row makes them. */
#ifndef CODEASK_KERNELS_SCAN_H
#define CODEASK_KERNELS_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define SCAN_QUERIES_MAX 8
#define SCAN_DIM_MAX 4096

struct scan_rows {
    const int8_t *q;     /* [n, dim]; faster when 64-byte aligned and dim a multiple of 64 */
    const float *scale;  /* [n] */
    size_t n, dim;       /* dim <= SCAN_DIM_MAX */
    uint32_t first;      /* number of row 0 */
};
struct scan_queries {
    const int8_t *q;     /* [n, dim] */
    const float *scale;  /* [n] */
    size_t n;            /* 1 .. SCAN_QUERIES_MAX */
};

struct scan_hit {
    float score;
    uint32_t number;
};
/* The best k seen so far, as a heap with the worst in front; of equal scores the lower number is better. */
struct scan_top {
    struct scan_hit *hit; /* [k], the caller's */
    uint32_t n, k;        /* k >= 1 */
};
void scan_top_push(struct scan_top *t, struct scan_hit h);
void scan_top_sort(struct scan_top *t); /* best first; after it only read */

struct scan;
/* The set of kernels of an instruction set ("scalar", "avx2", "avx512", "neon"), NULL where the machine lacks it or for an
 * unknown name. isa NULL: the best there is, never NULL. Cheap enough to be called for each scan. */
const struct scan *scan_find(const char *isa);
const char *scan_name(const struct scan *s);

/* Pushes every row that is good enough into top[i], for each query i. candidates: a bit for each vector number (bit
 * n % 64 of word n / 64), rows without it are passed over; NULL: all. */
void scan_topk(const struct scan *s, const struct scan_rows *r, const uint64_t *candidates, const struct scan_queries *q,
               struct scan_top *top);

/* Scores of all rows with each query by the best kernels: out[i] is query i's [n]. */
void scan_scores(const struct scan_rows *r, const struct scan_queries *q, float *const *out);
/* Scores of some rows with one query: out[i] is that of row number[i] of r, counted from 0. */
void scan_pick(const struct scan *s, const struct scan_rows *r, const uint32_t *number, size_t n, const int8_t *query, float qscale,
               float *out);

/* A row's signs, an eighth of its bytes: enough to choose the rows that are worth their exact product.
 *   bits    [n, SCAN_SIGN_WORDS(dim)] 1 where an element is above 0; zeros fill the last word
 *   factor  [n] scale · Σx² / Σ|x|, so that signs · query · factor is right for the row itself
 * The rest of a unit row is not in its signs: the error is about .75 / √dim where elements are like those of a random direction. */
#define SCAN_SIGN_WORDS(dim) (((dim) + 63) / 64)
void scan_signs_make(const struct scan_rows *r, uint64_t *bits, float *factor);
/* What the signs say of the scores of all rows with one query, the same on every instruction set: out [n]. */
void scan_signs(const struct scan *s, const uint64_t *bits, const float *factor, size_t n, size_t dim, const int8_t *query, float qscale,
                float *out);

#endif

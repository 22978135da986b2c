/* The scan, once for every instruction set. The file that includes this defines before it
 *
 *   tile_1(out, rows, dim, q)   out[i] = rows[i] · q for 16 rows
 *   tile_4(out, rows, dim, q)   out[i][j] = rows[j] · q[i] for 16 rows and 4 queries
 *   one(row, dim, q)            a row on its own
 *
 * q is struct scan_query, whose bytes are filled up with zeros to a multiple of 64.
 * Rows go by blocks of 16: with one query they fill the 16 sums of a tile; with more, a block stays in the first-level cache
 * (6 KiB of 384 columns) while the queries pass over it by fours. */
#ifndef CODEASK_KERNELS_CPU_BODY_SCAN_H
#define CODEASK_KERNELS_CPU_BODY_SCAN_H

#include <math.h>
#include <string.h>

#define BLOCK 16
#define PADDED(dim) (((dim) + 63) & ~(size_t)63)

struct prepared {
    _Alignas(64) int8_t q[SCAN_QUERIES_MAX][SCAN_DIM_MAX];
    struct scan_query query[SCAN_QUERIES_MAX];
};

static void prepare(struct prepared *p, const struct scan_queries *q, size_t dim)
{
    size_t padded = PADDED(dim), n = q->n == 1 ? 1 : (q->n + 3) & ~(size_t)3;
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        memset(p->q[i], 0, padded);
        if (i < q->n)
            memcpy(p->q[i], q->q + i * dim, dim);
        for (size_t k = 0; k < dim; k++)
            sum += p->q[i][k];
        p->query[i] = (struct scan_query){p->q[i], sum, i < 4};
    }
}

/* 16 bits of the candidates from a number on; no word past the last of count numbers is read */
static inline unsigned candidate_bits(const uint64_t *candidates, size_t at, size_t count)
{
    size_t word = at / 64, shift = at % 64;
    uint64_t bits = candidates[word] >> shift;
    if (shift + count > 64)
        bits |= candidates[word + 1] << (64 - shift);
    return (unsigned)bits & ((1u << count) - 1);
}

static inline float bar(const struct scan_top *t)
{
    return t->n < t->k ? -INFINITY : t->hit[0].score;
}

/* Offers n (<= 16) neighbouring rows; bits: those that count. Most blocks end at the comparison. */
static inline void offer(struct scan_top *t, const int32_t *dot, const float *scale, float qscale, size_t n, unsigned bits,
                         uint32_t first)
{
    float score[BLOCK], least = bar(t);
    int any = 0;
    if (n == BLOCK) {
        for (size_t i = 0; i < BLOCK; i++) {
            score[i] = (float)dot[i] * scale[i] * qscale;
            any |= score[i] >= least;
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            score[i] = (float)dot[i] * scale[i] * qscale;
            any |= score[i] >= least;
        }
    }
    if (!any)
        return;
    for (size_t i = 0; i < n; i++)
        if (bits >> i & 1 && score[i] >= least)
            scan_top_push(t, (struct scan_hit){score[i], first + (uint32_t)i});
}

static void block_1(int32_t *dot, const int8_t *rows, size_t n, size_t dim, const struct scan_query *q)
{
    if (n == BLOCK)
        tile_1(dot, rows, dim, q);
    else
        for (size_t i = 0; i < n; i++)
            dot[i] = one(rows + i * dim, dim, q);
}

static void block_4(int32_t (*dot)[BLOCK], const int8_t *rows, size_t n, size_t dim, const struct scan_query *q)
{
    if (n == BLOCK)
        tile_4(dot, rows, dim, q);
    else
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < 4; k++)
                dot[k][i] = one(rows + i * dim, dim, &q[k]);
}

static void body_topk(const struct scan_rows *r, const uint64_t *candidates, const struct scan_queries *q,
                      struct scan_top *top)
{
    struct prepared p;
    prepare(&p, q, r->dim);
    for (size_t at = 0; at < r->n; at += BLOCK) {
        size_t n = r->n - at < BLOCK ? r->n - at : BLOCK;
        unsigned bits = candidates ? candidate_bits(candidates, r->first + at, n) : (1u << n) - 1;
        if (!bits)
            continue;
        const int8_t *rows = r->q + at * r->dim;
        uint32_t first = r->first + (uint32_t)at;
        _Alignas(64) int32_t dot[4][BLOCK];
        if (q->n == 1) {
            block_1(dot[0], rows, n, r->dim, p.query);
            offer(top, dot[0], r->scale + at, q->scale[0], n, bits, first);
            continue;
        }
        for (size_t group = 0; group < q->n; group += 4) {
            block_4(dot, rows, n, r->dim, &p.query[group]);
            for (size_t k = 0; k < 4 && group + k < q->n; k++)
                offer(&top[group + k], dot[k], r->scale + at, q->scale[group + k], n, bits, first);
        }
    }
}

static void body_scores(const struct scan_rows *r, const struct scan_queries *q, float *const *out)
{
    struct prepared p;
    prepare(&p, q, r->dim);
    for (size_t at = 0; at < r->n; at += BLOCK) {
        size_t n = r->n - at < BLOCK ? r->n - at : BLOCK;
        const int8_t *rows = r->q + at * r->dim;
        _Alignas(64) int32_t dot[4][BLOCK];
        for (size_t group = 0; group < q->n; group += 4) {
            if (q->n == 1)
                block_1(dot[0], rows, n, r->dim, p.query);
            else
                block_4(dot, rows, n, r->dim, &p.query[group]);
            for (size_t k = 0; k < 4 && group + k < q->n; k++)
                for (size_t i = 0; i < n; i++)
                    out[group + k][at + i] = (float)dot[k][i] * r->scale[at + i] * q->scale[group + k];
        }
    }
}

#define PICK_AHEAD 6 /* rows asked for in advance: they lie anywhere */

static void body_pick(const struct scan_rows *r, const uint32_t *number, size_t n, const struct scan_queries *q, float *out)
{
    struct prepared p;
    prepare(&p, q, r->dim);
    for (size_t i = 0; i < n; i++) {
        const char *ahead = (const char *)(r->q + (size_t)number[i + PICK_AHEAD < n ? i + PICK_AHEAD : n - 1] * r->dim);
        for (size_t c = 0; c < r->dim; c += 64)
            __builtin_prefetch(ahead + c);
        out[i] = (float)one(r->q + (size_t)number[i] * r->dim, r->dim, p.query) * r->scale[number[i]] * q->scale[0];
    }
}

#endif

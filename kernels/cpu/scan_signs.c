/* Signs of rows: made, and multiplied by a query. */
#include "kernels/cpu/scan.h"

#include <string.h>

#define SOME 4096 /* rows at a time: their sums stay in the cache, and a table is made for enough of them */

void scan_signs_make(const struct scan_rows *r, uint64_t *bits, float *factor)
{
    size_t words = SCAN_SIGN_WORDS(r->dim);
    memset(bits, 0, r->n * words * sizeof *bits);
    for (size_t i = 0; i < r->n; i++) {
        const int8_t *row = r->q + i * r->dim;
        int64_t squares = 0, sizes = 0;
        for (size_t k = 0; k < r->dim; k++) {
            squares += row[k] * row[k];
            sizes += row[k] < 0 ? -row[k] : row[k];
            bits[i * words + k / 64] |= (uint64_t)(row[k] > 0) << k % 64;
        }
        factor[i] = sizes ? r->scale[i] * (float)squares / (float)sizes : 0;
    }
}

/* For every byte of a row what it adds: 256 sums for each eight elements of the query. */
static void by_table(int32_t *out, const uint64_t *bits, size_t n, size_t words, const struct scan_query *q)
{
    int16_t table[SCAN_DIM_MAX / 8][256]; /* at most 8 · 127 */
    for (size_t b = 0; b < words * 8; b++) {
        table[b][0] = 0;
        for (unsigned v = 1; v < 256; v++)
            table[b][v] = (int16_t)(table[b][v & (v - 1)] + q->q[8 * b + (unsigned)__builtin_ctz(v)]);
    }
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        for (size_t w = 0; w < words; w++) {
            uint64_t v = bits[i * words + w];
            for (size_t b = 0; b < 8; b++, v >>= 8)
                sum += table[8 * w + b][v & 255];
        }
        out[i] = sum;
    }
}

void scan_signs(const struct scan *s, const uint64_t *bits, const float *factor, size_t n, size_t dim, const int8_t *query, float qscale,
                float *out)
{
    size_t words = SCAN_SIGN_WORDS(dim);
    _Alignas(64) int8_t padded[SCAN_DIM_MAX];
    struct scan_query q = {padded, 0, true};
    int32_t dot[SOME];
    memset(padded, 0, words * 64);
    memcpy(padded, query, dim);
    for (size_t k = 0; k < dim; k++)
        q.sum += query[k];
    for (size_t at = 0; at < n; at += SOME) {
        size_t some = n - at < SOME ? n - at : SOME;
        (s->signs ? s->signs : by_table)(dot, bits + at * words, some, words, &q);
        for (size_t i = 0; i < some; i++)
            out[at + i] = (float)(2 * dot[i] - q.sum) * factor[at + i] * qscale; /* 1 and 0 as 1 and -1 */
    }
}

/* AVX2. vpmaddubsw multiplies unsigned by signed bytes and adds neighbours in 16 bits: with |q| and the row under q's
 * sign, two products are at most 2 · 127 · 127, which fits. */
#include "kernels/cpu/ops_x86.h"
#include "kernels/cpu/scan.h"

#include <immintrin.h>
#include <string.h>

static inline __m256i products(__m256i acc, __m256i row, __m256i q, __m256i size)
{
    __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(row, q));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* 32 columns, or what is left of them with zeros behind */
static inline __m256i part(const int8_t *row, size_t left)
{
    if (left >= 32)
        return _mm256_loadu_si256((const void *)row);
    int8_t end[32] = {0};
    memcpy(end, row, left);
    return _mm256_loadu_si256((const void *)end);
}

static int32_t one(const int8_t *row, size_t dim, const struct scan_query *q)
{
    __m256i acc = _mm256_setzero_si256();
    for (size_t c = 0; c < dim; c += 32) {
        __m256i y = _mm256_load_si256((const void *)(q->q + c));
        acc = products(acc, part(row + c, dim - c), y, _mm256_abs_epi8(y));
    }
    int32_t lane[8], sum = 0;
    _mm256_storeu_si256((void *)lane, acc);
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

/* Bytes that are asked for in advance, see scan_avx512.c. */
#define AHEAD 6144

/* The sums of four rows with one query, rows in the order of memory. */
static inline void quad(int32_t out[4], const int8_t *rows, size_t dim, const int8_t *q)
{
    __m256i acc[4];
    for (int i = 0; i < 4; i++, rows += dim) {
        __m256i a = _mm256_setzero_si256(), b = a;
        size_t c = 0;
        for (; c + 64 <= dim; c += 64) {
            __m256i y = _mm256_load_si256((const void *)(q + c)), z = _mm256_load_si256((const void *)(q + c + 32));
            _mm_prefetch((const char *)rows + c + AHEAD, _MM_HINT_T0);
            a = products(a, _mm256_loadu_si256((const void *)(rows + c)), y, _mm256_abs_epi8(y));
            b = products(b, _mm256_loadu_si256((const void *)(rows + c + 32)), z, _mm256_abs_epi8(z));
        }
        for (; c < dim; c += 32) {
            __m256i y = _mm256_load_si256((const void *)(q + c));
            a = products(a, part(rows + c, dim - c), y, _mm256_abs_epi8(y));
        }
        acc[i] = _mm256_add_epi32(a, b);
    }
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(acc[0], acc[1]), _mm256_hadd_epi32(acc[2], acc[3]));
    _mm_storeu_si128((void *)out, _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1)));
}

static inline void tile_1(int32_t *out, const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (int i = 0; i < 4; i++)
        quad(out + 4 * i, rows + 4 * i * dim, dim, q->q);
}

static inline void tile_4(int32_t (*out)[16], const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (int i = 0; i < 4; i++)
        tile_1(out[i], rows, dim, &q[i]);
}

#include "kernels/cpu/body_scan.h"

const struct scan scan_avx2 = {"avx2", x86_has_avx2, body_topk, body_scores, body_pick, NULL};

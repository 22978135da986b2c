/* AVX-512 with VNNI. vpdpbusd multiplies unsigned by signed bytes, so a row is raised by 128 (its sign bit flipped) and 128
 * times the sum of the query is taken off again. One instruction does 64 products; a row of 384 takes six. */
#include "kernels/cpu/ops_x86.h"
#include "kernels/cpu/scan.h"

#include <immintrin.h>

/* Bytes that are asked for in advance, into the second-level cache: the processor's own prefetching ends at each page, and
 * loses the thread where four rows are read side by side. Measured on Zen 5 over 190 MB in small pages, huge pages and a mapped
 * file, as shares of plain reading: one query .83 / 1.0 / 1.0 without, .99 / 1.03 / 1.05 so. Into the first-level cache it is
 * a loss that no distance repairs (.57 to .90: what is asked for there waits for the few places in which a core keeps its
 * misses), and so is more than a page. Eight queries, ms a query for 10^6 rows: 7.2 without, 6.8 into the first level 12 KiB
 * ahead, 3.0 and 2.5 into the second 4 and 8 KiB ahead. One query on a Xeon with AMX, medians beside plain reading in turns, small pages and huge
 * ones: 4 KiB ahead .94 and .83, 3 KiB 1.01 and .91, 8 KiB .89 and .88, none .69 and .70. */
#define AHEAD_1 3072
#define AHEAD_4 8192

/* out lane i = sum of a[i]: a transpose that adds as it goes, 45 instructions for 16 sums */
static inline __m512i sums(const __m512i a[16])
{
    __m512i v[4];
    for (int i = 0; i < 4; i++) {
        const __m512i *x = a + 4 * i;
        __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi32(x[0], x[1]), _mm512_unpackhi_epi32(x[0], x[1]));
        __m512i t = _mm512_add_epi32(_mm512_unpacklo_epi32(x[2], x[3]), _mm512_unpackhi_epi32(x[2], x[3]));
        v[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(s, t), _mm512_unpackhi_epi64(s, t));
    }
    __m512i a01 = _mm512_add_epi32(_mm512_shuffle_i32x4(v[0], v[1], 0x44), _mm512_shuffle_i32x4(v[0], v[1], 0xee));
    __m512i a23 = _mm512_add_epi32(_mm512_shuffle_i32x4(v[2], v[3], 0x44), _mm512_shuffle_i32x4(v[2], v[3], 0xee));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(a01, a23, 0x88), _mm512_shuffle_i32x4(a01, a23, 0xdd));
}

static inline __m512i raised(__m512i row)
{
    return _mm512_xor_si512(row, _mm512_set1_epi8((char)0x80));
}

static inline __mmask64 tail_mask(size_t n)
{
    return ((__mmask64)1 << n) - 1;
}

static int32_t one(const int8_t *row, size_t dim, const struct scan_query *q)
{
    __m512i acc = _mm512_setzero_si512();
    for (size_t c = 0; c < dim; c += 64) {
        __m512i x = dim - c >= 64 ? _mm512_loadu_si512(row + c) : _mm512_maskz_loadu_epi8(tail_mask(dim - c), row + c);
        acc = _mm512_dpbusd_epi32(acc, raised(x), _mm512_load_si512(q->q + c));
    }
    return _mm512_reduce_add_epi32(acc) - 128 * q->sum;
}

/* Rows one after the other, in the order of memory: with four rows side by side the processor's own prefetching loses the
 * thread, and a scan of what is not in the cache takes twice as long (0.48 of plain reading against 0.93, measured). */
static inline __attribute__((always_inline)) void sixteen(int32_t *out, const int8_t *rows, size_t dim,
                                                          const struct scan_query *q)
{
    __m512i acc[16];
    for (int i = 0; i < 16; i++, rows += dim) {
        __m512i a = _mm512_setzero_si512();
        size_t c = 0;
        for (; c + 64 <= dim; c += 64) {
            _mm_prefetch((const char *)rows + c + AHEAD_1, _MM_HINT_T1);
            a = _mm512_dpbusd_epi32(a, raised(_mm512_loadu_si512(rows + c)), _mm512_load_si512(q->q + c));
        }
        if (c < dim)
            a = _mm512_dpbusd_epi32(a, raised(_mm512_maskz_loadu_epi8(tail_mask(dim - c), rows + c)),
                                    _mm512_load_si512(q->q + c));
        acc[i] = a;
    }
    _mm512_storeu_si512(out, _mm512_sub_epi32(sums(acc), _mm512_set1_epi32(128 * q->sum)));
}

/* The usual widths of embedding models as constants: unrolled, they are 5 to 10 % faster. */
static inline void tile_1(int32_t *out, const int8_t *rows, size_t dim, const struct scan_query *q)
{
    switch (dim) {
    case 384:
        sixteen(out, rows, 384, q);
        break;
    case 768:
        sixteen(out, rows, 768, q);
        break;
    case 1024:
        sixteen(out, rows, 1024, q);
        break;
    default:
        sixteen(out, rows, dim, q);
    }
}

static inline __attribute__((always_inline)) void step_4(__m512i acc[16], const __m512i x[4], const struct scan_query *q,
                                                         size_t c)
{
    for (int i = 0; i < 4; i++) {
        __m512i y = _mm512_load_si512(q[i].q + c);
        for (int j = 0; j < 4; j++)
            acc[4 * i + j] = _mm512_dpbusd_epi32(acc[4 * i + j], x[j], y);
    }
}

/* Lane 4 i + j: row j by query i. 16 accumulators and 4 rows in registers, a query from the first-level cache for four
 * products. */
static inline __attribute__((always_inline)) __m512i quad_4(const int8_t *rows, size_t dim, const struct scan_query *q, bool ahead)
{
    __m512i acc[16], x[4];
    size_t c = 0;
    for (int i = 0; i < 16; i++)
        acc[i] = _mm512_setzero_si512();
    for (; c + 64 <= dim; c += 64) {
        for (int j = 0; j < 4; j++) {
            if (ahead)
                _mm_prefetch((const char *)rows + j * dim + c + AHEAD_4, _MM_HINT_T1);
            x[j] = raised(_mm512_loadu_si512(rows + j * dim + c));
        }
        step_4(acc, x, q, c);
    }
    if (c < dim) {
        for (int j = 0; j < 4; j++)
            x[j] = raised(_mm512_maskz_loadu_epi8(tail_mask(dim - c), rows + j * dim + c));
        step_4(acc, x, q, c);
    }
    return sums(acc);
}

static inline __attribute__((always_inline)) void quads(__m512i v[4], const int8_t *rows, size_t dim, const struct scan_query *q)
{
    for (int k = 0; k < 4; k++)
        v[k] = q->first ? quad_4(rows + 4 * k * dim, dim, q, true) : quad_4(rows + 4 * k * dim, dim, q, false);
}

static inline void tile_4(int32_t (*out)[16], const int8_t *rows, size_t dim, const struct scan_query *q)
{
    __m512i v[4];
    if (dim == 384)
        quads(v, rows, 384, q);
    else
        quads(v, rows, dim, q);
    /* the 128-bit lanes transposed: rows 0-15 of query i together */
    __m512i a = _mm512_shuffle_i32x4(v[0], v[1], 0x88), b = _mm512_shuffle_i32x4(v[2], v[3], 0x88);
    __m512i c = _mm512_shuffle_i32x4(v[0], v[1], 0xdd), d = _mm512_shuffle_i32x4(v[2], v[3], 0xdd);
    __m512i t[4] = {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd),
                    _mm512_shuffle_i32x4(c, d, 0xdd)};
    for (int i = 0; i < 4; i++)
        _mm512_store_si512(out[i], _mm512_sub_epi32(t[i], _mm512_set1_epi32(128 * q[i].sum)));
}

#include "kernels/cpu/body_scan.h"

/* A mask register takes 64 signs as they lie in memory: three instructions for 64 products. */
static inline __attribute__((always_inline)) void signs_of(int32_t *out, const uint64_t *bits, size_t n, const size_t words,
                                                           const struct scan_query *q)
{
    const __m512i ones = _mm512_set1_epi8(1);
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t rows = n - at < BLOCK ? n - at : BLOCK;
        __m512i acc[BLOCK];
        for (size_t i = 0; i < BLOCK; i++) {
            const uint64_t *row = bits + (at + (i < rows ? i : 0)) * words;
            __m512i a = _mm512_setzero_si512();
            _mm_prefetch((const char *)row + AHEAD_1, _MM_HINT_T0);
            for (size_t w = 0; w < words; w++)
                a = _mm512_dpbusd_epi32(a, ones, _mm512_maskz_mov_epi8(row[w], _mm512_load_si512(q->q + 64 * w)));
            acc[i] = a;
        }
        _mm512_mask_storeu_epi32(out + at, (__mmask16)((1u << rows) - 1), sums(acc));
    }
}

static void signs(int32_t *out, const uint64_t *bits, size_t n, size_t words, const struct scan_query *q)
{
    if (words == 384 / 64)
        signs_of(out, bits, n, 384 / 64, q);
    else
        signs_of(out, bits, n, words, q);
}

const struct scan scan_avx512 = {"avx512", x86_has_avx512_vnni, body_topk, body_scores, body_pick, signs};

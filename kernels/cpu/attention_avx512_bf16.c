/* Attention with vdpbf16ps: pairs of bf16 products summed in fp32. One head of one sequence at a time is packed into the
 * queue's scratch: K so that 16 keys' equal pairs of dimensions lie side by side, V so that equal dimensions of two keys do.
 * Eight rows pass at a time; their scores (fp32), then their weights (bf16, in place) stay in L1. */
#include "kernels/cpu/simd_avx512.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 8 /* × 2 vectors = 16 accumulators, enough to hide 5 cycles of latency at two a cycle */
#define MAX_DIM 128

struct head {
    __m512i *k; /* [keys/16][d/2]: 16 keys × one pair of dimensions */
    __m512i *v; /* [keys/2][d/16]: 16 dimensions × one pair of keys, zero past the last key */
    float *p;   /* [ROWS][keys_padded] */
    uint32_t keys, keys_padded;
};

static inline void transpose16(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

static void pack(struct head *h, const uint16_t *k, const uint16_t *v, size_t stride, uint32_t d)
{
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5,
                                         36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (uint32_t c = 0; c < d; c += 32) {
        for (uint32_t j = 0; j < h->keys_padded; j += 16) {
            __m512i r[16];
            for (uint32_t i = 0; i < 16; i++)
                r[i] = j + i < h->keys ? _mm512_loadu_si512(k + (size_t)(j + i) * stride + c) : _mm512_setzero_si512();
            transpose16(r);
            for (uint32_t i = 0; i < 16; i++)
                h->k[(size_t)(j / 16) * (d / 2) + c / 2 + i] = r[i];
        }
        for (uint32_t j = 0; j < h->keys_padded; j += 2) {
            __m512i a = j < h->keys ? _mm512_loadu_si512(v + (size_t)j * stride + c) : _mm512_setzero_si512();
            __m512i b = j + 1 < h->keys ? _mm512_loadu_si512(v + (size_t)(j + 1) * stride + c) : _mm512_setzero_si512();
            __m512i *to = h->v + (size_t)(j / 2) * (d / 16) + c / 16;
            to[0] = _mm512_permutex2var_epi16(a, low, b);
            to[1] = _mm512_permutex2var_epi16(a, high, b);
        }
    }
}

static inline __m512bh pair(const void *p)
{
    int two;
    memcpy(&two, p, 4);
    return (__m512bh)_mm512_set1_epi32(two);
}

static inline __attribute__((always_inline)) void scores(const struct head *h, const int rows, const uint16_t *x,
                                                         size_t stride, const uint32_t d)
{
    for (uint32_t j = 0; j < h->keys_padded; j += 32) {
        const __m512i *k0 = h->k + (size_t)(j / 16) * (d / 2), *k1 = k0 + d / 2;
        __m512 sum[ROWS][2];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        for (uint32_t c = 0; c < d / 2; c++) {
            __m512bh a = (__m512bh)k0[c], b = (__m512bh)k1[c];
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) {
                __m512bh two = pair(x + (size_t)i * stride + 2 * c);
                sum[i][0] = _mm512_dpbf16_ps(sum[i][0], two, a);
                sum[i][1] = _mm512_dpbf16_ps(sum[i][1], two, b);
            }
        }
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            _mm512_storeu_ps(h->p + (size_t)i * h->keys_padded + j, sum[i][0]);
            _mm512_storeu_ps(h->p + (size_t)i * h->keys_padded + j + 16, sum[i][1]);
        }
    }
}

/* 2^x for x ≤ 0 (0 for -∞), relative error 3e-6: it is rounded to bf16. Fitted on [-½, ½] at Chebyshev nodes. */
static inline __m512 exp2_negative(__m512 x)
{
    x = v_max(x, v_set(-126));
    __m512 whole = v_round(x), f = x - whole;
    __m512 p = v_fma(v_set(0.009560510516166687f), f, v_set(0.05591703951358795f));
    p = v_fma(p, f, v_set(0.24024981260299683f));
    p = v_fma(p, f, v_set(0.6931219696998596f));
    return _mm512_scalef_ps(v_fma(p, f, v_set(0.9999991655349731f)), whole);
}

/* fp32 scores of one row → bf16 2^(scale·(p - max)) in the first half of the same memory; returns 1 / their sum */
static inline float softmax(float *p, uint32_t keys, uint32_t padded, float scale)
{
    for (uint32_t j = keys; j < padded; j++)
        p[j] = -INFINITY;
    __m512 top0 = _mm512_loadu_ps(p), top1 = _mm512_loadu_ps(p + 16);
    for (uint32_t j = 32; j < padded; j += 32) {
        top0 = _mm512_max_ps(top0, _mm512_loadu_ps(p + j));
        top1 = _mm512_max_ps(top1, _mm512_loadu_ps(p + j + 16));
    }
    __m512 s = _mm512_set1_ps(scale), shift = _mm512_set1_ps(-scale * v_top(_mm512_max_ps(top0, top1)));
    __m512 sum0 = _mm512_setzero_ps(), sum1 = _mm512_setzero_ps();
    for (uint32_t j = 0; j < padded; j += 32) {
        __m512 a = exp2_negative(_mm512_fmadd_ps(_mm512_loadu_ps(p + j), s, shift));
        __m512 b = exp2_negative(_mm512_fmadd_ps(_mm512_loadu_ps(p + j + 16), s, shift));
        sum0 += a;
        sum1 += b;
        _mm512_storeu_si512((uint16_t *)p + j, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    }
    return 1 / v_sum(sum0 + sum1);
}

/* out: [rows][d], 32 dimensions at a time */
static inline __attribute__((always_inline)) void mix(const struct head *h, const int rows, const float *inverse,
                                                      float *out, const uint32_t d)
{
    for (uint32_t c = 0; c < d; c += 32) {
        const __m512i *v = h->v + c / 16;
        __m512 sum[ROWS][2];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
            sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        for (uint32_t j = 0; j < h->keys; j += 2, v += d / 16) {
            __m512bh a = (__m512bh)v[0], b = (__m512bh)v[1];
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) {
                __m512bh two = pair((const uint16_t *)(h->p + (size_t)i * h->keys_padded) + j);
                sum[i][0] = _mm512_dpbf16_ps(sum[i][0], two, a);
                sum[i][1] = _mm512_dpbf16_ps(sum[i][1], two, b);
            }
        }
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            _mm512_storeu_ps(out + (size_t)i * d + c, sum[i][0] * _mm512_set1_ps(inverse[i]));
            _mm512_storeu_ps(out + (size_t)i * d + c + 16, sum[i][1] * _mm512_set1_ps(inverse[i]));
        }
    }
}

static inline __attribute__((always_inline)) void rows_of_head(const struct head *h, const int rows, const uint16_t *x,
                                                               size_t stride, float scale, float *out, const uint32_t d)
{
    float inverse[ROWS];
    scores(h, rows, x, stride, d);
    for (int i = 0; i < rows; i++)
        inverse[i] = softmax(h->p + (size_t)i * h->keys_padded, h->keys, h->keys_padded, scale);
    mix(h, rows, inverse, out, d);
}

static inline __attribute__((always_inline)) void one_head(const struct head *h, struct mat *y, const struct mat *qkv,
                                                           uint32_t from, uint32_t at, float scale, const uint32_t d)
{
    float out[ROWS * MAX_DIM];
    for (uint32_t i = 0; i < h->keys;) {
        const uint16_t *x = (const uint16_t *)qkv->data + (size_t)(from + i) * qkv->stride + at;
        uint32_t left = h->keys - i, rows = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        switch (rows) {
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        rows_of_head(h, n, x, qkv->stride, scale, out, d);                                                             \
        break;
            CASE(8) CASE(4) CASE(2) CASE(1)
#undef CASE
        }
        for (uint32_t one = 0; one < rows; one++)
            store_part(y, from + i + one, at, out + (size_t)one * d, d);
        i += rows;
    }
}

void avx512_attention_bf16(struct cpu_queue *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                           const struct rows *r)
{
    uint32_t d = how->head_dim, hidden = how->heads * d;
    float scale = how->scale * 1.4426950408889634f; /* e^x = 2^(x·log2 e) */
    if (d % 32 != 0 || d > MAX_DIM || how->causal) {
        scalar_attention(q, y, qkv, how, r);
        return;
    }
    for (uint32_t s = 0; s < r->used[1]; s++) {
        uint32_t from = r->offset[s], keys = r->offset[s + 1] - from;
        struct head h = {.keys = keys, .keys_padded = round_up(keys, 32)};
        h.k = (__m512i *)q->scratch;
        h.v = h.k + (size_t)h.keys_padded * d / 32;
        h.p = (float *)(h.v + (size_t)h.keys_padded * d / 32);
        for (uint32_t head = 0; head < how->heads; head++) {
            const uint16_t *first = (const uint16_t *)qkv->data + (size_t)from * qkv->stride + head * d;
            pack(&h, first + hidden, first + 2 * hidden, qkv->stride, d);
            if (d == 32)
                one_head(&h, y, qkv, from, head * d, scale, 32);
            else if (d == 64)
                one_head(&h, y, qkv, from, head * d, scale, 64);
            else
                one_head(&h, y, qkv, from, head * d, scale, d);
        }
    }
}

/* How one token comes out of a row of logits, in whole numbers: the sampler (engine/sample) and the devices that draw where the logits
 * lie give the same token to the same row, because sums of whole numbers do not depend on their order.
 *
 * A logit's weight is e^(logit - most), in units of 2^-DRAW_BITS; what is lighter than a unit (28 below the likeliest) is never
 * drawn. The order is by logit, of equal ones by id. A cut keeps the beginning of the order; the draw then goes through the kept ones
 * by id, to the first at which the sum of weights is above sum·uniform.
 *
 * Included by C and by CUDA C++: DRAW says what a function is for each, the three operations that no compiler may fuse are named. */
#ifndef CODEASK_KERNELS_DRAW_H
#define CODEASK_KERNELS_DRAW_H

#include <stdint.h>

#ifdef __CUDACC__
#define DRAW static __device__ __forceinline__
#define DRAW_FLOAT_BITS(x) __float_as_uint(x)
#define DRAW_MULTIPLY(a, b) __fmul_rn(a, b)
#define DRAW_SUBTRACT(a, b) __fsub_rn(a, b)
#define DRAW_DIVIDE(a, b) __fdiv_rn(a, b)
#else
#include <string.h>
#define DRAW static inline
DRAW uint32_t draw_float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
#define DRAW_FLOAT_BITS(x) draw_float_bits(x)
/* C17 rounds each: sample.c is compiled without contraction */
#define DRAW_MULTIPLY(a, b) ((a) * (b))
#define DRAW_SUBTRACT(a, b) ((a) - (b))
#define DRAW_DIVIDE(a, b) ((a) / (b))
#endif

#define DRAW_BITS 40           /* of the likeliest one's weight: 2^24 tokens of it are still a sum of 64 bits */
#define DRAW_VOCAB_MAX (1u << 24)
#define DRAW_DEEP 28.f         /* e^-28 is below 2^-40 */
#define DRAW_ROWS_MAX 64       /* rows of one draw() */
#define DRAW_SAID_MAX 8192     /* tokens said before that a draw() looks at, of all its rows together */

struct draw_said { /* a token that the row's text has said, once in a row's list */
    uint32_t token, count;
};
/* What one row wants. */
struct draw_row {
    uint32_t vocab;                          /* columns that stand for tokens; 0: the row is not drawn */
    uint32_t first, said;                    /* of the list of tokens said */
    float repetition, presence, frequency;   /* sample.h */
    float scale;                             /* 1/temperature; 0: the likeliest */
    uint32_t top_k;                          /* 0: all */
    uint32_t top_p;                          /* in units of 2^-32; 0: all */
    uint32_t pad;
    uint64_t least;                          /* weight of what is kept, 1 at least (min_p) */
    uint64_t uniform;                        /* in units of 2^-64 */
};
enum draw_state { DRAW_OK, DRAW_NOTHING /* every logit is -∞ */, DRAW_BAD /* that of `token` is NaN or ∞ */, DRAW_NOT_ASKED };
struct draw_out {
    uint32_t token, state;
};

/* Of one step: row i of the logits is drawn as row[i] says. */
struct draw_batch {
    uint32_t rows, nsaid;
    struct draw_row row[DRAW_ROWS_MAX];
    struct draw_said said[DRAW_SAID_MAX];
    struct draw_out out[DRAW_ROWS_MAX];
};

/* High 64 bits of a product. */
DRAW uint64_t draw_scaled(uint64_t a, uint64_t b)
{
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t middle = ah * bl + (al * bl >> 32), other = al * bh + (uint32_t)middle;
    return ah * bh + (middle >> 32) + (other >> 32);
}

/* What the tokens that are kept must weigh: a share, in units of 2^-32, of the sum; at least 1. */
DRAW uint64_t draw_share(uint64_t sum, uint32_t share)
{
    uint64_t want = draw_scaled(sum, (uint64_t)share << 32);
    return want ? want : 1;
}

DRAW float draw_penalized(float x, uint32_t count, float repetition, float presence, float frequency)
{
    if (!count)
        return x;
    x = x > 0 ? DRAW_DIVIDE(x, repetition) : DRAW_MULTIPLY(x, repetition);
    return DRAW_SUBTRACT(DRAW_SUBTRACT(x, presence), DRAW_MULTIPLY(frequency, (float)count));
}

/* Of logits that are no NaN: greater ones have greater keys, both zeros the same. */
DRAW uint32_t draw_key(float x)
{
    uint32_t u = DRAW_FLOAT_BITS(x);
    if (u == 0x80000000u)
        u = 0;
    return u >> 31 ? ~u : u | 0x80000000u;
}

/* e^-d is 2^-whole · 2^-part of d·log2(e); the part by the polynomial that is 2^-x at the eight Chebyshev points of 0 .. 1, within 1.2e-9.
 * Coefficients in units of 2^-32. */
DRAW uint64_t draw_weight(float x, float most)
{
    float d = DRAW_SUBTRACT(most, x);
    if (x == most)
        return (uint64_t)1 << DRAW_BITS;
    if (!(d < DRAW_DEEP))
        return 0;
    uint64_t t = (uint64_t)(uint32_t)DRAW_MULTIPLY(d, 67108864.f) * 1549082005u; /* 2^26; log2(e)·2^30: t in units of 2^-56 */
    uint64_t part = t >> 24 & 0xffffffffu, sum = 46477;
    sum = 632486 - (sum * part >> 32);
    sum = 5702831 - (sum * part >> 32);
    sum = 41298541 - (sum * part >> 32);
    sum = 238385558 - (sum * part >> 32);
    sum = 1031764646 - (sum * part >> 32);
    sum = 2977044455u - (sum * part >> 32);
    sum = 4294967296u - (sum * part >> 32);
    return sum << (DRAW_BITS - 32) >> (t >> 56);
}

#endif

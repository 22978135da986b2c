/* How quantised weights lie in memory: panels of PANEL outputs, whose codes are those of the file's blocks, only in an order
 * in which a vector holds four consecutive inputs of several outputs, as dot product instructions read them.
 *
 * A panel is a row of supers, one for each `blocks` × 32 inputs; every part is a multiple of 64 bytes:
 *   d      f16 [PANEL]                  SCALE_K, _K_MIN, _K16 only
 *   dmin   f16 [PANEL]                  SCALE_K_MIN only
 *   scales [blocks][scale_bytes]        see enum scales
 *   codes  [blocks][128·bits]
 * Codes of a block, by group g of four inputs, output n and input i of the four:
 *   8 bits: [8 g][PANEL n][4 i], the signed byte + 128
 *   4 bits: [4][PANEL][4], group g in the low half of its byte, group g + 4 in the high half
 *   5 bits: and [PANEL][4] with bit g of the byte the fifth bit of group g
 *   6 bits: and [2][PANEL][4], whose byte g/4 holds bits 4 and 5 of group g at 2·(g%4)
 *
 * The value is scale·(code - offset) + least, code read through the table where there is one. To add a type: enum type, a
 * row here, its case in split.c, a line in device.c's held(). */
#ifndef CODEASK_KERNELS_CPU_HELD_H
#define CODEASK_KERNELS_CPU_HELD_H

#include "kernels/cpu/cpu.h"

enum scales {
    SCALE_F16,     /* f16 [PANEL] */
    SCALE_F16_MIN, /* f16 [PANEL], then the least value f16 [PANEL] */
    SCALE_K,       /* int8 [PANEL], times d */
    SCALE_K_MIN,   /* uint8 [PANEL], times d; uint8 [PANEL], times -dmin: the least value */
    SCALE_K16,     /* int8 [2][PANEL], times d: of 16 inputs each */
    SCALE_E8M0,    /* uint8 [PANEL], times 1/2: the table holds twice the values */
    SCALE_E4M3,    /* uint8 [2][PANEL], times 1/2: of 16 inputs each */
    /* of blocks unpacked to 8 bits: fp32 [2][PANEL] */
    SCALE_PLAIN,     /* the second unused */
    SCALE_PLAIN_MIN, /* scale, least value */
    SCALE_PLAIN16,   /* of 16 inputs each */
};

struct held {
    uint8_t bits;         /* of a code */
    uint8_t scales;       /* enum scales */
    uint8_t blocks;       /* of 32 inputs to a super */
    uint8_t offset;
    const uint8_t *table; /* [16], biased by the offset; NULL: the code itself */
};

/* Levels of IQ4_NL and IQ4_XS, twice the values of E2M1: both + 128. */
static const uint8_t held_levels[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t held_e2m1[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};

/* X(type, bits, scales, blocks, offset, table) */
#define HELD_TYPES(X)                                                                                                  \
    X(Q8, 8, SCALE_F16, 1, 128, NULL)                                                                                  \
    X(Q4_0, 4, SCALE_F16, 1, 8, NULL)                                                                                  \
    X(Q4_1, 4, SCALE_F16_MIN, 1, 0, NULL)                                                                              \
    X(Q5_0, 5, SCALE_F16, 1, 16, NULL)                                                                                 \
    X(Q5_1, 5, SCALE_F16_MIN, 1, 0, NULL)                                                                              \
    X(Q4_K, 4, SCALE_K_MIN, 8, 0, NULL)                                                                                \
    X(Q5_K, 5, SCALE_K_MIN, 8, 0, NULL)                                                                                \
    X(Q6_K, 6, SCALE_K16, 8, 32, NULL)                                                                                 \
    X(IQ4_NL, 4, SCALE_F16, 1, 128, held_levels)                                                                       \
    X(IQ4_XS, 4, SCALE_K, 8, 128, held_levels)                                                                         \
    X(MXFP4, 4, SCALE_E8M0, 2, 128, held_e2m1)                                                                         \
    X(NVFP4, 4, SCALE_E4M3, 1, 128, held_e2m1)

/* All inline: kernels call them with constants. */
static inline size_t held_scale_bytes(const struct held *h)
{
    return h->scales >= SCALE_PLAIN                               ? 8 * PANEL
           : h->scales == SCALE_F16_MIN                           ? 4 * PANEL
           : h->scales == SCALE_K || h->scales == SCALE_E8M0      ? PANEL
                                                                  : 2 * PANEL;
}
static inline size_t held_head_bytes(const struct held *h) /* of what comes before the scales */
{
    return h->scales == SCALE_K_MIN ? 4 * PANEL : h->scales == SCALE_K || h->scales == SCALE_K16 ? 2 * PANEL : 0;
}
static inline size_t held_code_bytes(const struct held *h) { return (size_t)128 * h->bits; }
static inline size_t held_super_bytes(const struct held *h)
{
    return held_head_bytes(h) + h->blocks * (held_scale_bytes(h) + held_code_bytes(h));
}
static inline bool held_sixteen(const struct held *h) 
{
    return h->scales == SCALE_K16 || h->scales == SCALE_E4M3 || h->scales == SCALE_PLAIN16;
}
static inline bool held_least(const struct held *h) 
{
    return h->scales == SCALE_F16_MIN || h->scales == SCALE_K_MIN || h->scales == SCALE_PLAIN_MIN;
}
/* What blocks of h are when unpacked. */
static inline struct held held_plain(const struct held *h)
{
    return (struct held){8, held_least(h) ? SCALE_PLAIN_MIN : held_sixteen(h) ? SCALE_PLAIN16 : SCALE_PLAIN, 1, h->offset, NULL};
}
#define PLAIN_BYTES (8 * PANEL + 32 * PANEL) /* of an unpacked block */

struct held_at { /* one block of a panel */
    const uint8_t *head, *scales, *codes;
};
static inline struct held_at held_block(const struct held *h, const void *panel, uint32_t block)
{
    const uint8_t *super = (const uint8_t *)panel + block / h->blocks * held_super_bytes(h);
    const uint8_t *scales = super + held_head_bytes(h);
    uint32_t in = block % h->blocks;
    return (struct held_at){super, scales + in * held_scale_bytes(h),
                            scales + h->blocks * held_scale_bytes(h) + in * held_code_bytes(h)};
}

const struct held *held_of(enum type t); /* NULL: t is not quantised */

/* One block of 32 inputs of one output, as a file has it: what split() takes apart and held_put() lays into a panel. */
struct held_split {
    uint8_t code[QUANT_BLOCK];
    uint16_t d, least;   /* f16: of the block, or of its super (least: dmin) */
    uint8_t scale[2], m; /* second-level scales and least value */
};
void held_put(const struct held *h, void *panel, uint32_t block, uint32_t n, const struct held_split *s);
/* The values of one block of output n of a panel. */
void held_values(const struct held *h, const void *panel, uint32_t block, uint32_t n, float to[QUANT_BLOCK]);

/* Block `block` of a row of the file's type; false: this type is not held as it is (fp32 and the like). */
bool held_split(struct held_split *s, enum block_type file, const void *row, uint32_t block);
/* fp32 values, n ≤ 32 of them, to TYPE_Q8. */
void held_split_q8(struct held_split *s, const float *x, uint32_t n);

#endif

/* Quantised weights as devices hold them: the codes and scales of the file's blocks, taken apart, so that each device can lay them
 * in the order in which it reads them (cpu/held.h: panels; cuda/params.h: planes). PANEL: outputs that lie together there.
 *
 * The value is scale·(code - offset) + least, code read through the table where there is one. To add a type: enum type, a row here,
 * its case in cpu/split.c, a line in held_as[] of each device. */
#ifndef CODEASK_KERNELS_HELD_H
#define CODEASK_KERNELS_HELD_H

#include "kernels/backend.h"

enum scales {
    SCALE_F16,     /* f16 [PANEL] */
    SCALE_F16_MIN, /* f16 [PANEL], then the least value f16 [PANEL] */
    SCALE_K,       /* int8 [PANEL], times d */
    SCALE_K_MIN,   /* uint8 [PANEL], times d; uint8 [PANEL], times -dmin: the least value */
    SCALE_K16,     /* int8 [2][PANEL], times d: of 16 inputs each */
    SCALE_E8M0,    /* uint8 [PANEL], times 1/2: the table holds twice the values */
    SCALE_E4M3,    /* uint8 [2][PANEL], times 1/2: of 16 inputs each */
    /* of blocks that the CPU has unpacked to 8 bits: fp32 [2][PANEL] */
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

/* Bytes of one output's scales of a block, and of what its super has before them. */
static inline size_t held_scale_width(const struct held *h)
{
    return h->scales >= SCALE_PLAIN                               ? 8
           : h->scales == SCALE_F16_MIN                           ? 4
           : h->scales == SCALE_K || h->scales == SCALE_E8M0      ? 1
                                                                  : 2;
}
static inline size_t held_head_width(const struct held *h)
{
    return h->scales == SCALE_K_MIN ? 4 : h->scales == SCALE_K || h->scales == SCALE_K16 ? 2 : 0;
}

const struct held *held_of(enum type t); /* NULL: t is not quantised */

/* One block of 32 inputs of one output, as a file has it: what split() takes apart and held_put() lays into a panel. */
struct held_split {
    uint8_t code[QUANT_BLOCK];
    uint16_t d, least;   /* f16: of the block, or of its super (least: dmin) */
    uint8_t scale[2], m; /* second-level scales and least value */
};
/* Block `block` of a row of the file's type; false: this type is not held as it is (fp32 and the like). */
bool held_split(struct held_split *s, enum block_type file, const void *row, uint32_t block);
/* fp32 values, n ≤ 32 of them, to TYPE_Q8. */
void held_split_q8(struct held_split *s, const float *x, uint32_t n);

#endif

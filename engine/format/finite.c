#include "engine/format/finite.h"

#include <stdint.h>
#include <string.h>

/* The first of n words, each stride bytes after the one before, whose bits of mask are all ones: an exponent of ones is an
 * infinity or a NaN. Runs of 4096 first: the loop without a branch goes at memory speed. */
#define FIND_BAD(name, word, mask)                                                                                     \
    static inline size_t name(const uint8_t *p, size_t n, size_t stride)                                               \
    {                                                                                                                  \
        for (size_t i = 0; i < n;) {                                                                                   \
            size_t end = n - i < 4096 ? n : i + 4096;                                                                  \
            word any = 0;                                                                                              \
            for (size_t k = i; k < end; k++) {                                                                         \
                word x;                                                                                                \
                memcpy(&x, p + k * stride, sizeof x);                                                                  \
                any |= (word)((x & (mask)) == (mask));                                                                 \
            }                                                                                                          \
            for (size_t k = i; any && k < end; k++) {                                                                  \
                word x;                                                                                                \
                memcpy(&x, p + k * stride, sizeof x);                                                                  \
                if ((x & (mask)) == (mask))                                                                            \
                    return k;                                                                                          \
            }                                                                                                          \
            i = end;                                                                                                   \
        }                                                                                                              \
        return n;                                                                                                      \
    }
FIND_BAD(bad_64, uint64_t, 0x7FF0000000000000u)
FIND_BAD(bad_32, uint32_t, 0x7F800000u)
FIND_BAD(bad_f16, uint16_t, 0x7C00u)
FIND_BAD(bad_bf16, uint16_t, 0x7F80u)
FIND_BAD(bad_e4m3, uint8_t, 0x7Fu)
FIND_BAD(bad_e8m0, uint8_t, 0xFFu)

/* Where the scales of a block lie: f16 at one or two places (-1: none). What has other scales has a case of its own. */
static const struct {
    int16_t f16[2];
} scales[BLOCK_COUNT] = {
    [BLOCK_Q4_0] = {{0, -1}}, [BLOCK_Q4_1] = {{0, 2}},    [BLOCK_Q5_0] = {{0, -1}},  [BLOCK_Q5_1] = {{0, 2}},
    [BLOCK_Q8_0] = {{0, -1}}, [BLOCK_Q4_K] = {{0, 2}},    [BLOCK_Q5_K] = {{0, 2}},   [BLOCK_Q6_K] = {{208, -1}},
    [BLOCK_IQ4_NL] = {{0, -1}}, [BLOCK_IQ4_XS] = {{0, -1}},
};

static size_t bad_scales(enum block_type type, const uint8_t *p, size_t n)
{
    size_t bytes = block_formats[type].bytes, first = n;
    for (int i = 0; i < 2 && scales[type].f16[i] >= 0; i++)
        first = bad_f16(p + scales[type].f16[i], first, bytes);
    return first;
}

size_t finite_blocks(enum block_type type, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    switch (type) {
    case BLOCK_F32: return bad_32(p, n, 4);
    case BLOCK_F16: return bad_f16(p, n, 2);
    case BLOCK_BF16: return bad_bf16(p, n, 2);
    case BLOCK_MXFP4: return bad_e8m0(p, n, 17);
    case BLOCK_NVFP4:
        for (int g = 0; g < 4; g++)
            n = bad_e4m3(p + g, n, 36);
        return n;
    default: return bad_scales(type, p, n);
    }
}

size_t finite_f64(const void *bytes, size_t n)
{
    return bad_64(bytes, n, 8);
}

size_t finite_e4m3(const void *bytes, size_t n)
{
    return bad_e4m3(bytes, n, 1);
}

size_t finite_e8m0(const void *bytes, size_t n)
{
    return bad_e8m0(bytes, n, 1);
}

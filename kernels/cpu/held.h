/* How quantised weights lie in memory: panels of PANEL outputs, whose codes are those of the file's blocks, only in an order
 * in which a vector holds four consecutive inputs of several outputs, as dot product instructions read them.
 *
 * A panel is a row of supers, one for each `blocks` × 32 inputs; every part is a multiple of 64 bytes:
 *   d      f16 [PANEL]                  SCALE_K, _K_MIN, _K16 only
 *   dmin   f16 [PANEL]                  SCALE_K_MIN only
 *   and for each block, or two where scale_bytes are 32:
 *     scales [scale_bytes]                see enum scales
 *     codes  [128·bits]
 * so that a product reads it from the first byte to the last: what fetches ahead in a processor follows that, and not two
 * places that move on together (docs/measurements.md: Decoders).
 *
 * Codes of a block, by group g of four inputs, output n and input i of the four:
 *   8 bits: [8 g][PANEL n][4 i], the signed byte + 128
 *   4 bits: [4][PANEL][4], group g in the low half of its byte, group g + 4 in the high half
 *   5 bits: and [PANEL][4] with bit g of the byte the fifth bit of group g
 *   6 bits: and [2][PANEL][4], whose byte g/4 holds bits 4 and 5 of group g at 2·(g%4)
 *
 * The value is scale·(code - offset) + least, code read through the table where there is one. To add a type: a row of
 * kernels/held.h. */
#ifndef CODEASK_KERNELS_CPU_HELD_H
#define CODEASK_KERNELS_CPU_HELD_H

#include "kernels/cpu/cpu.h"
#include "kernels/held.h"

/* All inline: kernels call them with constants. */
static inline size_t held_scale_bytes(const struct held *h) { return held_scale_width(h) * PANEL; }
static inline size_t held_head_bytes(const struct held *h) { return held_head_width(h) * PANEL; } /* of what comes before the scales */
static inline size_t held_code_bytes(const struct held *h) { return (size_t)128 * h->bits; }
static inline uint32_t held_together(const struct held *h) { return held_scale_bytes(h) % 64 ? 2 : 1; } /* blocks that lie together */
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
    const uint8_t *super = (const uint8_t *)panel + block / h->blocks * held_super_bytes(h), *first = super + held_head_bytes(h);
    uint32_t in = block % h->blocks, each = held_together(h);
    const uint8_t *pair = first + in / each * each * (held_scale_bytes(h) + held_code_bytes(h));
    return (struct held_at){super, pair + in % each * held_scale_bytes(h),
                            pair + each * held_scale_bytes(h) + in % each * held_code_bytes(h)};
}

void held_put(const struct held *h, void *panel, uint32_t block, uint32_t n, const struct held_split *s);
/* The same for a block as Q8_0 has it in a file: f16, then the bytes. */
void held_put_q8_0(void *panel, uint32_t block, uint32_t n, const uint8_t file[34]);
/* The values of one block of output n of a panel. */
void held_values(const struct held *h, const void *panel, uint32_t block, uint32_t n, float to[QUANT_BLOCK]);

#endif

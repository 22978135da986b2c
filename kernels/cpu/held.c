#include "kernels/cpu/held.h"
#include "kernels/block/numbers.h"

#include <string.h>

#define X(type, bits, scales, blocks, offset, table) [TYPE_##type] = {bits, scales, blocks, offset, table},
static const struct held rows[TYPE_COUNT] = {HELD_TYPES(X)};
#undef X

const struct held *held_of(enum type t)
{
    return t < TYPE_COUNT && rows[t].bits ? &rows[t] : NULL;
}

static void put_scales(const struct held *h, uint8_t *head, uint8_t *scales, uint32_t n, const struct held_split *s)
{
    switch ((enum scales)h->scales) {
    case SCALE_F16_MIN:
        store_u16(scales + 2 * PANEL + 2 * n, s->least);
        store_u16(scales + 2 * n, s->d);
        break;
    case SCALE_F16:
        store_u16(scales + 2 * n, s->d);
        break;
    case SCALE_K_MIN:
        store_u16(head + 2 * PANEL + 2 * n, s->least);
        store_u16(head + 2 * n, s->d);
        scales[n] = s->scale[0];
        scales[PANEL + n] = s->m;
        break;
    case SCALE_K16:
        store_u16(head + 2 * n, s->d);
        scales[n] = s->scale[0];
        scales[PANEL + n] = s->scale[1];
        break;
    case SCALE_K:
        store_u16(head + 2 * n, s->d);
        scales[n] = s->scale[0];
        break;
    case SCALE_E4M3:
        scales[n] = s->scale[0];
        scales[PANEL + n] = s->scale[1];
        break;
    case SCALE_E8M0:
        scales[n] = s->scale[0];
        break;
    case SCALE_PLAIN: /* made of held blocks, in registers */
    case SCALE_PLAIN_MIN:
    case SCALE_PLAIN16:
        break;
    }
}

void held_put(const struct held *h, void *panel, uint32_t block, uint32_t n, const struct held_split *s)
{
    struct held_at at = held_block(h, panel, block);
    uint8_t *codes = (uint8_t *)at.codes;
    put_scales(h, (uint8_t *)at.head, (uint8_t *)at.scales, n, s);
    uint8_t *at_lane = codes + 4 * n;
    uint32_t four[8], high[2] = {0}; /* codes of a group, one a byte; what does not fit into nibbles */
    memcpy(four, s->code, sizeof four);
    for (uint32_t g = 0; g < 8; g++) {
        if (h->bits == 8)
            memcpy(at_lane + g * 4 * PANEL, &four[g], 4);
        else if (h->bits == 5)
            high[0] |= (four[g] >> 4 & 0x01010101) << g;
        else if (h->bits == 6)
            high[g / 4] |= (four[g] >> 4 & 0x03030303) << g % 4 * 2;
    }
    for (uint32_t g = 0; g < 4 && h->bits < 8; g++) {
        uint32_t both = (four[g] & 0x0F0F0F0F) | (four[g + 4] & 0x0F0F0F0F) << 4;
        memcpy(at_lane + g * 4 * PANEL, &both, 4);
    }
    if (h->bits == 5 || h->bits == 6)
        memcpy(at_lane + 16 * PANEL, &high[0], 4);
    if (h->bits == 6)
        memcpy(at_lane + 20 * PANEL, &high[1], 4);
}

void held_put_q8_0(void *panel, uint32_t block, uint32_t n, const uint8_t file[34])
{
    static const struct held h = {.bits = 8, .scales = SCALE_F16, .blocks = 1, .offset = 128};
    struct held_at at = held_block(&h, panel, block);
    uint8_t *lane = (uint8_t *)at.codes + 4 * n;
    uint32_t four[8];
    memcpy((uint8_t *)at.scales + 2 * n, file, 2);
    memcpy(four, file + 2, sizeof four);
    for (uint32_t g = 0; g < 8; g++) {
        four[g] ^= 0x80808080;
        memcpy(lane + g * 4 * PANEL, &four[g], 4);
    }
}

static uint8_t code_at(const struct held *h, const uint8_t *codes, uint32_t n, uint32_t k)
{
    uint32_t g = k / 4, lane = n * 4 + k % 4;
    if (h->bits == 8)
        return codes[g * 4 * PANEL + lane];
    uint8_t code = codes[g % 4 * 4 * PANEL + lane] >> g / 4 * 4 & 15;
    const uint8_t *high = codes + 16 * PANEL + lane;
    if (h->bits == 5)
        code |= (uint8_t)((*high >> g & 1) << 4);
    if (h->bits == 6)
        code |= (uint8_t)((high[g / 4 * 4 * PANEL] >> g % 4 * 2 & 3) << 4);
    return h->table ? h->table[code] : code;
}

static float f16_at(const uint8_t *p, uint32_t n)
{
    return f32_from_f16(load_u16(p + 2 * n));
}

void held_values(const struct held *h, const void *panel, uint32_t block, uint32_t n, float to[QUANT_BLOCK])
{
    struct held_at at = held_block(h, panel, block);
    float scale[2] = {0}, least = 0;
    for (uint32_t half = 0; half < 2; half++)
        switch ((enum scales)h->scales) {
        case SCALE_F16_MIN:
            least = f16_at(at.scales + 2 * PANEL, n);
            scale[half] = f16_at(at.scales, n);
            break;
        case SCALE_F16:
            scale[half] = f16_at(at.scales, n);
            break;
        case SCALE_K_MIN:
            least = -(f16_at(at.head + 2 * PANEL, n) * at.scales[PANEL + n]);
            scale[half] = f16_at(at.head, n) * at.scales[n];
            break;
        case SCALE_K:
            scale[half] = f16_at(at.head, n) * (int8_t)at.scales[n];
            break;
        case SCALE_K16:
            scale[half] = f16_at(at.head, n) * (int8_t)at.scales[half * PANEL + n];
            break;
        case SCALE_E8M0:
            scale[half] = f32_from_e8m0_half(at.scales[n]);
            break;
        case SCALE_E4M3:
            scale[half] = f32_from_e4m3(at.scales[half * PANEL + n]) / 2;
            break;
        case SCALE_PLAIN:
        case SCALE_PLAIN_MIN:
        case SCALE_PLAIN16:
            break;
        }
    for (uint32_t k = 0; k < QUANT_BLOCK; k++)
        to[k] = scale[k / 16] * (float)(code_at(h, at.codes, n, k) - h->offset) + least;
}

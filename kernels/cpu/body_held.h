/* Body for every instruction set: blocks of held weights (held.h) in registers. Vector j of a panel is its outputs j·VL and on;
 * a vector of bytes holds four inputs of each. Every function is called with a constant h, and so leaves what h needs.
 * Include simd_<isa>.h first. */
#include "kernels/cpu/held.h"

#define VECTORS (PANEL / VL)
#define INLINE static inline __attribute__((always_inline))

/* Codes of group g, biased by h->offset. */
INLINE vb held_codes(const struct held *h, const uint8_t *codes, int g, int j)
{
    const uint8_t *p = codes + j * VL * 4;
    if (h->bits == 8)
        return b_load(p + g * 4 * PANEL);
    vb v = b_load(p + g % 4 * 4 * PANEL);
    v = b_and(g < 4 ? v : b_shr(v, 4), b_set(15)); /* shifts are of 16-bit lanes: the masks take off what crosses bytes */
    if (h->bits == 5) {
        vb high = b_load(p + 16 * PANEL);
        v = b_or(v, b_and(g < 4 ? b_shl(high, 4 - g) : b_shr(high, g - 4), b_set(16)));
    }
    if (h->bits == 6) {
        vb high = b_load(p + 16 * PANEL + g / 4 * 4 * PANEL);
        v = b_or(v, b_and(g % 4 < 3 ? b_shl(high, 4 - g % 4 * 2) : b_shr(high, 2), b_set(48)));
    }
    return h->table ? b_lookup(h->table, v) : v;
}

/* Half of an E4M3 number without sign: eighths times a power of two, which keeps subnormal floats, slow ones, out of it. */
INLINE vf half_e4m3(vi x)
{
    vi eighths = i_add(i_and(x, i_set(7)), i_min(i_and(x, i_set(0x78)), i_set(8)));
    vi exponent = i_max(i_shr(x, 3), i_set(1));
    return i_float(eighths) * i_as_float(i_shl(i_add(exponent, i_set(127 - 7 - 3 - 1)), 23));
}

/* Scales of the two halves of a block (one where it has one) and its least value. */
INLINE void held_scales(const struct held *h, struct held_at at, int j, vf s[2], vf *least)
{
    int n = j * VL;
    *least = v_set(0);
    switch ((enum scales)h->scales) {
    case SCALE_F16:
        s[0] = v_load_f16(at.scales + 2 * n);
        break;
    case SCALE_F16_MIN:
        s[0] = v_load_f16(at.scales + 2 * n);
        *least = v_load_f16(at.scales + 2 * PANEL + 2 * n);
        break;
    case SCALE_K:
        s[0] = v_load_f16(at.head + 2 * n) * i_float(i_load_i8(at.scales + n));
        break;
    case SCALE_K_MIN:
        s[0] = v_load_f16(at.head + 2 * n) * i_float(i_load_u8(at.scales + n));
        *least = v_set(0) - v_load_f16(at.head + 2 * PANEL + 2 * n) * i_float(i_load_u8(at.scales + PANEL + n));
        break;
    case SCALE_K16:
        s[0] = v_load_f16(at.head + 2 * n) * i_float(i_load_i8(at.scales + n));
        s[1] = v_load_f16(at.head + 2 * n) * i_float(i_load_i8(at.scales + PANEL + n));
        break;
    case SCALE_E8M0: /* 2^-128 and 2^-127, of 0 and 1, are subnormal */
        s[0] = i_as_float(i_max(i_shl(i_load_u8(at.scales + n), 23), i_set(0x400000))) * v_set(.5f);
        break;
    case SCALE_E4M3:
        s[0] = half_e4m3(i_load_u8(at.scales + n));
        s[1] = half_e4m3(i_load_u8(at.scales + PANEL + n));
        break;
    case SCALE_PLAIN:
        s[0] = v_load((const float *)at.scales + n);
        break;
    case SCALE_PLAIN_MIN:
        s[0] = v_load((const float *)at.scales + n);
        *least = v_load((const float *)at.scales + PANEL + n);
        break;
    case SCALE_PLAIN16:
        s[0] = v_load((const float *)at.scales + n);
        s[1] = v_load((const float *)at.scales + PANEL + n);
        break;
    }
    if (!held_sixteen(h))
        s[1] = s[0];
}

/* fp32 of four inputs of VL outputs. The offset goes into what is added: its product with the scale is exact. */
INLINE void held_four(const struct held *h, const uint8_t *codes, int g, int j, const vf s[2], vf least, vf to[4])
{
    vb four = held_codes(h, codes, g, j);
    vf base = v_fma(v_set(-(float)h->offset), s[g / 4], least);
    for (int i = 0; i < 4; i++)
        to[i] = v_fma(i_float(i_byte(four, i)), s[g / 4], base);
}

/* fp32 of one block: to [32 inputs][PANEL]. */
INLINE void held_floats(const struct held *h, float *to, struct held_at at)
{
    for (int j = 0; j < VECTORS; j++) {
        vf s[2], least, v[4];
        held_scales(h, at, j, s, &least);
        for (int g = 0; g < 8; g++) {
            held_four(h, at.codes, g, j, s, least, v);
            for (int i = 0; i < 4; i++)
                v_store(to + (g * 4 + i) * PANEL + j * VL, v[i]);
        }
    }
}

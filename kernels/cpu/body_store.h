/* Body for every instruction set (include simd_<isa>.h first): fp32 values into operands. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <string.h>

#define BLOCK_VECTORS (QUANT_BLOCK / VL)

/* One block of 32 floats → bytes, their scale and sums. */
static inline void store_block(int8_t *to, struct quant *quant, const vf v[BLOCK_VECTORS])
{
    vf top = v_abs(v[0]);
    for (int i = 1; i < BLOCK_VECTORS; i++)
        top = v_max(top, v_abs(v[i]));
    float max = v_top(top);
    vf inverse = v_set(max > 1e-30f ? 127 / max : 0), sum[2] = {v_set(0), v_set(0)};
    for (int i = 0; i < BLOCK_VECTORS; i++) {
        vf whole = v_round(v[i] * inverse);
        sum[i * VL / 16] += whole;
        v_store_i8(to + i * VL, whole);
    }
    float scale = max > 1e-30f ? max / 127 : 0, low = v_sum(sum[0]), all = low + v_sum(sum[1]); /* whole numbers: exact */
    *quant = (struct quant){scale, scale * all, -128 * (int)all, -128 * (int)low};
}

static inline void load_block(vf v[BLOCK_VECTORS], const float *x)
{
    for (int i = 0; i < BLOCK_VECTORS; i++)
        v[i] = v_load(x + i * VL);
}

/* x: [n] floats → row of m from column `at` (a multiple of 32 for Q8); what lies past them is not touched for n % 32 == 0. */
static inline void store_part(struct mat *m, uint32_t row, uint32_t at, const float *x, uint32_t n)
{
    size_t to = (size_t)row * m->stride + at;
    uint32_t c = 0;
    if (m->type == TYPE_F32) {
        memcpy((float *)m->data + to, x, n * sizeof *x);
        return;
    }
    for (; c + QUANT_BLOCK <= n; c += QUANT_BLOCK) {
        vf v[BLOCK_VECTORS];
        load_block(v, x + c);
        if (m->type == TYPE_Q8)
            store_block((int8_t *)m->data + to + c, m->quant + (to + c) / QUANT_BLOCK, v);
        else
            for (int i = 0; i < BLOCK_VECTORS; i++)
                v_store_bf16((uint16_t *)m->data + to + c + i * VL, v[i]);
    }
    if (c == n)
        return;
    float tail[QUANT_BLOCK] = {0};
    memcpy(tail, x + c, (n - c) * sizeof *x);
    if (m->type == TYPE_Q8) {
        vf v[BLOCK_VECTORS];
        load_block(v, tail);
        store_block((int8_t *)m->data + to + c, m->quant + (to + c) / QUANT_BLOCK, v);
    } else {
        for (uint32_t i = 0; c + i < n; i++)
            ((uint16_t *)m->data)[to + c + i] = bf16_of(tail[i]);
    }
}

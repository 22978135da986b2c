/* Q6_K: the scale of each group of 16 by least squares over a range of first guesses, rounded to eight bits, and then looked
 * at again together with its neighbours and with d. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"
#include "kernels/block/search.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { VALUES = 256, GROUP = 16, GROUPS = 16, BYTES = 210, MIDDLE = 32, MOST = 63 };

/* First guesses: the largest value is put 32 + shift steps from 0. */
#define SHIFT_FIRST (-2.f)
#define SHIFT_STEP .25f
#define SHIFTS 17
#define ROUNDS 2

/* Codes of x·inverse and the scale that fits them best; *gain is what it takes away from the error. */
static float fit_guess(float *gain, const float *x, const float *w, float inverse)
{
    float lqq[LANES], lxq[LANES];
    for (int k = 0; k < GROUP; k++) {
        float q = whole_in(x[k] * inverse + MIDDLE, MOST) - MIDDLE;
        lqq[k] = w[k] * q * q;
        lxq[k] = w[k] * q * x[k];
    }
    float sqq = lanes_sum(lqq), sxq = lanes_sum(lxq);
    *gain = sqq > 0 ? sxq * sxq / sqq : 0;
    return sqq > 0 ? sxq / sqq : 0;
}

static float fit_group(const float *x, const float *w)
{
    float most = 0, best = 0, best_gain = 0, gain;
    for (int i = 0; i < GROUP; i++)
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    if (most == 0)
        return 0;
    for (int s = 0; s < SHIFTS; s++) {
        /* the largest value takes the longer, negative end */
        float scale = fit_guess(&gain, x, w, -((float)MIDDLE + SHIFT_FIRST + SHIFT_STEP * (float)s) / most);
        if (gain > best_gain) {
            best_gain = gain;
            best = scale;
        }
    }
    return best;
}

static float code_group(float *code, const float *x, const float *w, float scale)
{
    float lane[LANES], inverse = scale != 0 ? 1 / scale : 0;
    for (int k = 0; k < GROUP; k++) {
        float q = whole_in(x[k] * inverse + MIDDLE, MOST) - MIDDLE, off = scale * q - x[k];
        code[k] = q;
        lane[k] = w[k] * off * off;
    }
    return lanes_sum(lane);
}

struct block {
    float d, s[GROUPS], code[VALUES], error;
};

static void code_block(struct block *b, const float *x, const float *w)
{
    b->error = 0;
    for (int g = 0; g < GROUPS; g++) {
        float best = __FLT_MAX__, s0 = b->s[g], code[GROUP];
        for (int i = -1; i <= 1; i++) {
            float s = s0 + (float)i;
            if (s < -128 || s > 127)
                continue;
            float error = code_group(code, x + g * GROUP, w + g * GROUP, b->d * s);
            if (error < best) {
                best = error;
                b->s[g] = s;
                memcpy(b->code + g * GROUP, code, sizeof code);
            }
        }
        b->error += best;
    }
}

static bool refit_block(struct block *b, const float *x, const float *w)
{
    float aa = 0, ax = 0;
    for (int g = 0; g < GROUPS; g++) {
        float lqq[LANES], lxq[LANES];
        for (int k = 0; k < GROUP; k++) {
            int i = g * GROUP + k;
            lqq[k] = w[i] * b->code[i] * b->code[i];
            lxq[k] = w[i] * b->code[i] * x[i];
        }
        aa += b->s[g] * b->s[g] * lanes_sum(lqq);
        ax += b->s[g] * lanes_sum(lxq);
    }
    if (!(aa > 0))
        return false;
    b->d = f32_from_f16(f16_from_f32(ax / aa));
    return b->d != 0;
}

static void write_block(uint8_t *p, const struct block *b)
{
    memset(p, 0, BYTES);
    for (int i = 0; i < VALUES; i++) {
        int half = i / 128, at = i % 128, q = (int)b->code[i] + MIDDLE;
        p[half * 64 + at % 64] |= (uint8_t)((q & 15) << at / 64 * 4);
        p[128 + half * 32 + at % 32] |= (uint8_t)(q >> 4 << at / 32 * 2);
    }
    for (int g = 0; g < GROUPS; g++)
        p[192 + g] = (uint8_t)(int8_t)b->s[g];
    store_u16(p + 208, f16_from_f32(b->d));
}

static void encode_block(uint8_t *p, const float *x, const float *w)
{
    struct block now = {0}, next;
    float scale[GROUPS], most = 0;
    for (int g = 0; g < GROUPS; g++) {
        scale[g] = fit_group(x + g * GROUP, w + g * GROUP);
        most = fabsf(scale[g]) > fabsf(most) ? scale[g] : most;
    }
    now.d = f32_from_f16(f16_from_f32(most / -128)); /* so that the largest scale is -128 */
    for (int g = 0; g < GROUPS; g++)
        now.s[g] = now.d != 0 ? whole_in(scale[g] / now.d + 128, 255) - 128 : 0;
    code_block(&now, x, w);
    for (int r = 0; r < ROUNDS; r++) {
        next = now;
        if (!refit_block(&next, x, w))
            break;
        code_block(&next, x, w);
        if (!(next.error < now.error))
            break;
        now = next;
    }
    write_block(p, &now);
}

BLOCK_VECTORS void encode_Q6_K(void *to, const float *from, const float *importance, size_t blocks)
{
    for (size_t b = 0; b < blocks; b++)
        encode_block((uint8_t *)to + b * BYTES, from + b * VALUES, importance ? importance + b * VALUES : block_ones);
}

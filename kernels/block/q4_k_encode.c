/* Q4_K: the scales and leasts of the eight groups are found by least squares over a range of first guesses, rounded to six
 * bits, and then looked at again together with their neighbours and with d and dmin. */
#include "kernels/block/formats.h"
#include "kernels/block/numbers.h"
#include "kernels/block/search.h"

#include <stdbool.h>
#include <string.h>

enum { GROUPS = 8, GROUP = 32, VALUES = 256, BYTES = 144, MOST = 15, SCALE_MOST = 63 };

/* First guesses: the range of a group is spread over 15 + shift steps. Beyond 15 its ends are cut off, which pays where one
 * value is far from the others. Measured on normal and heavy-tailed weights: a finer grid gains below 0.1%. */
#define SHIFT_FIRST (-1.2f)
#define SHIFT_STEP .3f
#define SHIFTS 16
#define REFITS 3 /* of the best guess: its own codes, fitted again */
#define ROUNDS 2 /* over the whole block; a third gains below 0.05% */

struct fit { /* of one group: x ≈ scale·q - least */
    float scale, least, error;
};

/* Codes of (x - low)·inverse, then the scale and the least that fit them best; the better of that and *best. */
static void try_guess(struct fit *best, const float *x, const float *w, float inverse, float low)
{
    float lw[LANES] = {0}, lq[LANES] = {0}, lqq[LANES] = {0}, lx[LANES] = {0}, lxq[LANES] = {0}, lxx[LANES] = {0};
    for (int i = 0; i < GROUP; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float q = whole_in((x[i + k] - low) * inverse, MOST), wq = w[i + k] * q, wx = w[i + k] * x[i + k];
            lw[k] += w[i + k];
            lq[k] += wq;
            lqq[k] += wq * q;
            lx[k] += wx;
            lxq[k] += wx * q;
            lxx[k] += wx * x[i + k];
        }
    float sw = lanes_sum(lw), sq = lanes_sum(lq), sqq = lanes_sum(lqq), sx = lanes_sum(lx), sxq = lanes_sum(lxq);
    float det = sw * sqq - sq * sq, scale = 0, least = 0;
    if (det > 0) {
        scale = (sw * sxq - sx * sq) / det;
        least = (sq * sxq - sqq * sx) / det;
    }
    if (least < 0 || det <= 0) { /* a least has no sign */
        scale = sqq > 0 ? sxq / sqq : 0;
        least = 0;
    }
    float error = lanes_sum(lxx) - 2 * scale * sxq + 2 * least * sx + scale * scale * sqq - 2 * scale * least * sq + least * least * sw;
    if (scale > 0 && error < best->error)
        *best = (struct fit){scale, least, error};
}

static struct fit fit_group(const float *x, const float *w)
{
    float low = 0, high = x[0], all = 0;
    for (int i = 0; i < GROUP; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        all += w[i] * x[i] * x[i];
    }
    struct fit best = {0, -low, __FLT_MAX__};
    if (high <= low) /* all the same, none above 0 */
        return best;
    for (int s = 0; s < SHIFTS; s++)
        try_guess(&best, x, w, ((float)MOST + SHIFT_FIRST + SHIFT_STEP * (float)s) / (high - low), low);
    for (int r = 0; r < REFITS && best.scale > 0; r++)
        try_guess(&best, x, w, 1 / best.scale, -best.least);
    return best;
}

/* The codes of a group under a scale and a least, and their error. */
static float code_group(float *code, const float *x, const float *w, float scale, float least)
{
    float lane[LANES] = {0}, inverse = scale > 0 ? 1 / scale : 0;
    for (int i = 0; i < GROUP; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float q = whole_in((x[i + k] + least) * inverse, MOST), off = scale * q - least - x[i + k];
            code[i + k] = q;
            lane[k] += w[i + k] * off * off;
        }
    return lanes_sum(lane);
}

struct block { /* what is written, as floats */
    float d, dmin, s[GROUPS], m[GROUPS], code[VALUES], error;
};

/* The best six-bit scale and least of each group around those that are there. */
static void code_block(struct block *b, const float *x, const float *w)
{
    b->error = 0;
    for (int g = 0; g < GROUPS; g++) {
        const float *xg = x + g * GROUP, *wg = w + g * GROUP;
        float best = __FLT_MAX__, s0 = b->s[g], m0 = b->m[g], code[GROUP];
        for (int i = 0; i < 9; i++) {
            float s = s0 + (float)(i / 3 - 1), m = m0 + (float)(i % 3 - 1);
            if (s < 0 || m < 0 || s > SCALE_MOST || m > SCALE_MOST)
                continue;
            float error = code_group(code, xg, wg, b->d * s, b->dmin * m);
            if (error < best) {
                best = error;
                b->s[g] = s;
                b->m[g] = m;
                memcpy(b->code + g * GROUP, code, sizeof code);
            }
        }
        b->error += best;
    }
}

/* d and dmin that fit the codes, scales and leasts best, as F16; false where they would not be positive. */
static bool refit_block(struct block *b, const float *x, const float *w)
{
    float aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int g = 0; g < GROUPS; g++) {
        float lqq[LANES] = {0}, lq[LANES] = {0}, lw[LANES] = {0}, lxq[LANES] = {0}, lx[LANES] = {0};
        for (int i = g * GROUP; i < (g + 1) * GROUP; i += LANES)
            for (int k = 0; k < LANES; k++) {
                float wq = w[i + k] * b->code[i + k];
                lqq[k] += wq * b->code[i + k];
                lq[k] += wq;
                lw[k] += w[i + k];
                lxq[k] += wq * x[i + k];
                lx[k] += w[i + k] * x[i + k];
            }
        aa += b->s[g] * b->s[g] * lanes_sum(lqq);
        ab += b->s[g] * b->m[g] * lanes_sum(lq);
        bb += b->m[g] * b->m[g] * lanes_sum(lw);
        ax += b->s[g] * lanes_sum(lxq);
        bx += b->m[g] * lanes_sum(lx);
    }
    float det = aa * bb - ab * ab, d = b->d, dmin = b->dmin;
    if (det > 0) {
        d = (ax * bb - ab * bx) / det;
        dmin = (ab * ax - aa * bx) / det;
    } else if (aa > 0) {
        d = ax / aa;
    }
    b->d = f32_from_f16(f16_from_f32(d));
    b->dmin = f32_from_f16(f16_from_f32(dmin));
    return d > 0 && dmin >= 0;
}

static void write_block(uint8_t *p, const struct block *b)
{
    store_u16(p, f16_from_f32(b->d));
    store_u16(p + 2, f16_from_f32(b->dmin));
    for (int g = 0; g < 4; g++) {
        int s = (int)b->s[g], m = (int)b->m[g], s4 = (int)b->s[g + 4], m4 = (int)b->m[g + 4];
        p[4 + g] = (uint8_t)(s | s4 >> 4 << 6);
        p[8 + g] = (uint8_t)(m | m4 >> 4 << 6);
        p[12 + g] = (uint8_t)((s4 & 15) | (m4 & 15) << 4);
    }
    for (int i = 0; i < VALUES / 2; i++) {
        const float *low = b->code + i / GROUP * 2 * GROUP + i % GROUP;
        p[16 + i] = (uint8_t)((int)low[0] | (int)low[GROUP] << 4);
    }
}

static void encode_block(uint8_t *p, const float *x, const float *w)
{
    struct block now = {0}, next;
    struct fit fit[GROUPS];
    float most_s = 0, most_m = 0;
    for (int g = 0; g < GROUPS; g++) {
        fit[g] = fit_group(x + g * GROUP, w + g * GROUP);
        most_s = fit[g].scale > most_s ? fit[g].scale : most_s;
        most_m = fit[g].least > most_m ? fit[g].least : most_m;
    }
    now.d = f32_from_f16(f16_from_f32(most_s / SCALE_MOST));
    now.dmin = f32_from_f16(f16_from_f32(most_m / SCALE_MOST));
    for (int g = 0; g < GROUPS; g++) {
        now.s[g] = now.d > 0 ? whole_in(fit[g].scale / now.d, SCALE_MOST) : 0;
        now.m[g] = now.dmin > 0 ? whole_in(fit[g].least / now.dmin, SCALE_MOST) : 0;
    }
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

BLOCK_VECTORS void encode_Q4_K(void *to, const float *from, const float *importance, size_t blocks)
{
    for (size_t b = 0; b < blocks; b++)
        encode_block((uint8_t *)to + b * BYTES, from + b * VALUES, importance ? importance + b * VALUES : block_ones);
}

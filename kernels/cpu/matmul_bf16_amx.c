/* BF16 matmul with AMX: 32 rows × 32 outputs in four tiles of 16 × 16 fp32 sums, two tiles of rows and two of weights a step
 * of 32 inputs. Weights lie as the tiles want them: struct weight's BF16 panels hold 32 outputs of a pair of inputs in 128
 * bytes, so a tile is 16 such rows, 64 bytes of each.
 *
 * The tile configuration is loaded in each call, because another library of the process may have released it; by inline
 * assembly with all of its 64 bytes as operand, because GCC 12's _tile_loadconfig declares only 8 of them as read and the
 * compiler may drop the rest. Permission to use tiles is asked in x86_has_amx_bf16(). */
#include "kernels/cpu/simd_avx512.h"
#include "kernels/cpu/body_store.h"
#include "kernels/cpu/body_finish.h"
#include "kernels/cpu/ops_x86.h"

#define ROWS 32
#define DEPTH 32 /* inputs of a step: 64 bytes of a tile's row */

struct tile_config { /* Intel SDM, LDTILECFG */
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
_Static_assert(sizeof(struct tile_config) == 64, "LDTILECFG reads 64 bytes");

/* Tiles 0-3: sums [row half][column half]; 4, 5: x of each row half; 6, 7: weights of each column half. A half without rows
 * keeps one, which reads row 0 again and whose sums are not used. */
static void configure(uint32_t rows)
{
    struct tile_config c = {.palette = 1};
    uint8_t half[2] = {(uint8_t)(rows < 16 ? rows : 16), (uint8_t)(rows > 16 ? rows - 16 : 1)};
    for (int t = 0; t < 8; t++) {
        c.row_bytes[t] = 64;
        c.rows[t] = t < 4 ? half[t / 2] : t < 6 ? half[t - 4] : 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(c));
}

static void tiles_of(uint32_t rows, float *tile, const uint16_t *x, size_t stride, const uint16_t *w, uint32_t k)
{
    const uint16_t *low = x, *high = rows > 16 ? x + 16 * stride : x;
    long row = (long)(stride * sizeof *x), weight_row = 2 * PANEL * sizeof *w, out = PANEL * sizeof *tile;
    __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" : : : "memory");
    for (uint32_t c = 0; c < k; c += DEPTH, low += DEPTH, high += DEPTH, w += DEPTH * PANEL)
        __asm__ volatile("tileloadd (%0,%2,1), %%tmm4\n\t"
                         "tileloadd (%3,%5,1), %%tmm6\n\t"
                         "tileloadd (%4,%5,1), %%tmm7\n\t"
                         "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
                         "tileloadd (%1,%2,1), %%tmm5\n\t"
                         "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
                         "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"
                         "tdpbf16ps %%tmm7, %%tmm5, %%tmm3"
                         :
                         : "r"(low), "r"(high), "r"(row), "r"(w), "r"(w + PANEL), "r"(weight_row)
                         : "memory");
    __asm__ volatile("tilestored %%tmm0, (%0,%4,1)\n\t"
                     "tilestored %%tmm1, (%1,%4,1)\n\t"
                     "tilestored %%tmm2, (%2,%4,1)\n\t"
                     "tilestored %%tmm3, (%3,%4,1)"
                     :
                     : "r"(tile), "r"(tile + 16), "r"(tile + 16 * PANEL), "r"(tile + 16 * PANEL + 16), "r"(out)
                     : "memory");
}

void amx_matmul_bf16(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                     const struct matmul *how, const struct rows *r)
{
    float tile[ROWS * PANEL] __attribute__((aligned(64)));
    uint32_t rows = r->used[0], k = round_up(w->k, DEPTH); /* x is zero past its columns up to its stride */
    if (rows == 0)
        return;
    /* panels inside, whole tiles of rows first: the configuration changes once, for the last rows */
    for (uint32_t from = 0, to = rows / ROWS * ROWS; from < rows; from = to, to = rows) {
        if (from == to)
            continue;
        configure(from == 0 && to ? (to < ROWS ? to : ROWS) : to - from);
        for (uint32_t n = 0; n < w->n; n += PANEL) {
            const uint16_t *panel = (const uint16_t *)w->data + (size_t)n * w->k_padded;
            for (uint32_t i = from; i < to; i += ROWS) {
                uint32_t some = to - i < ROWS ? to - i : ROWS;
                tiles_of(some, tile, (const uint16_t *)x->data + (size_t)i * x->stride, x->stride, panel, k);
                finish(tile, some, PANEL, y, i, n, w, how);
            }
        }
    }
    __asm__ volatile("tilerelease" : : : "memory");
}

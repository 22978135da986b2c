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
#include "kernels/cpu/body_held.h"
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

static void no_sums(void)
{
    __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" : : : "memory");
}

static void load_sums(const float *tile, uint32_t rows)
{
    long out = PANEL * sizeof *tile;
    const float *high = rows > 16 ? tile + 16 * PANEL : tile;
    __asm__ volatile("tileloadd (%0,%4,1), %%tmm0\n\t"
                     "tileloadd (%1,%4,1), %%tmm1\n\t"
                     "tileloadd (%2,%4,1), %%tmm2\n\t"
                     "tileloadd (%3,%4,1), %%tmm3"
                     :
                     : "r"(tile), "r"(tile + 16), "r"(high), "r"(high + 16), "r"(out)
                     : "memory");
}

/* tile: the sums in tiles 0-3 and x·w. low, high: the two halves of x's rows, each row_bytes behind the other; `step` elements
 * on are the next DEPTH inputs. */
static inline void tiles_of(float *tile, const uint16_t *low, const uint16_t *high, long row_bytes, size_t step, const uint16_t *w,
                            uint32_t k)
{
    long row = row_bytes, weight_row = 2 * PANEL * sizeof *w, out = PANEL * sizeof *tile;
    for (uint32_t c = 0; c < k; c += DEPTH, low += step, high += step, w += DEPTH * PANEL)
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

/* Blocks. CHUNK inputs of a panel in bf16 (from other types unpacked into L1, so that scales of blocks cost nothing in the
 * products) meet ROWS_PASS rows; their sums wait in the queue's scratch while all panels of WIDTH outputs pass, so that the
 * same inputs of x come from L2 and not, for each panel anew, from behind it: 256 × 4,096 of them are as large as L2, and one
 * panel after the other runs at a fifth of the speed (measured). */
#define CHUNK AMX_PASS_INPUTS /* 16 KB a panel; x: 128 KB */
#define ROWS_PASS AMX_PASS_ROWS
#define WIDTH AMX_PASS_WIDTH
#define DIRECT_BYTES (1 << 20) /* of x: half of L2 */

static inline __m512i bf16_pairs(vf even, vf odd)
{
    const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                                20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(interleave, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

#define X(type, bits, scales, blocks_, offset, table)                                                                  \
    static void pairs_##type(uint16_t *to, const void *panel, uint32_t from, uint32_t blocks)                          \
    {                                                                                                                  \
        const struct held h = {bits, scales, blocks_, offset, table};                                                  \
        for (uint32_t b = 0; b < blocks; b++, to += QUANT_BLOCK * PANEL)                                               \
            held_pairs(&h, to, held_block(&h, panel, from + b));                                                       \
    }
INLINE void held_pairs(const struct held *h, uint16_t *to, struct held_at at)
{
    for (int j = 0; j < VECTORS; j++) {
        vf s[2], least, v[4];
        held_scales(h, at, j, s, &least);
        for (int g = 0; g < 8; g++) {
            held_four(h, at.codes, g, j, s, least, v);
            _mm512_storeu_si512(to + (2 * g * PANEL + j * VL) * 2, bf16_pairs(v[0], v[1]));
            _mm512_storeu_si512(to + ((2 * g + 1) * PANEL + j * VL) * 2, bf16_pairs(v[2], v[3]));
        }
    }
}
HELD_TYPES(X)
#undef X

static void (*const pairs_of[TYPE_COUNT])(uint16_t *, const void *, uint32_t, uint32_t) = {
#define X(type, ...) [TYPE_##type] = pairs_##type,
    HELD_TYPES(X)
#undef X
};

/* n inputs from `from` on, filled up with zeros to whole steps. */
static void unpack_bf16(uint16_t *to, const struct weight *w, const void *panel, uint32_t from, uint32_t n)
{
    if (w->type != TYPE_F16) {
        pairs_of[w->type](to, panel, from / QUANT_BLOCK, (n + QUANT_BLOCK - 1) / QUANT_BLOCK);
        return;
    }
    const uint16_t *half = (const uint16_t *)panel + (size_t)from * PANEL;
    for (uint32_t k = 0; k < round_up(n, DEPTH); k += 2)
        for (uint32_t j = 0; j < PANEL; j += VL) {
            vf even = k < n ? v_load_f16(half + k * PANEL + j) : v_set(0);
            vf odd = k + 1 < n ? v_load_f16(half + (k + 1) * PANEL + j) : v_set(0);
            _mm512_storeu_si512(to + k * PANEL + 2 * j, bf16_pairs(even, odd));
        }
}

/* A chunk of x as tiles: to [rows/16][CHUNK/DEPTH][16][DEPTH]. Rows of x as they are, kilobytes apart, share few sets of L1. */
static void pack(uint16_t *to, const struct mat *x, uint32_t row, uint32_t rows, uint32_t k, uint32_t n)
{
    for (uint32_t i = 0; i < rows; i++) {
        const uint16_t *from = (const uint16_t *)x->data + (size_t)(row + i) * x->stride + k;
        uint16_t *tile = to + (size_t)(i / 16) * (16 * CHUNK) + i % 16 * DEPTH;
        for (uint32_t c = 0; c < n; c += DEPTH) /* x is zero past its columns up to its stride */
            _mm512_store_si512(tile + c * 16, _mm512_loadu_si512(from + c));
    }
}

/* One panel of a chunk: all rows of the pass. first: there are no sums yet. */
static void panel_chunk(float *sums, const uint16_t *x, uint32_t rows, const uint16_t *w, uint32_t n, bool first,
                        uint32_t *configured)
{
    for (uint32_t i = 0; i < rows; i += ROWS, sums += ROWS * PANEL, x += ROWS * CHUNK) {
        uint32_t some = rows - i < ROWS ? rows - i : ROWS;
        if (some != *configured)
            configure(*configured = some);
        if (first)
            no_sums();
        else
            load_sums(sums, some);
        tiles_of(sums, x, some > 16 ? x + 16 * CHUNK : x, 2 * DEPTH, 16 * DEPTH, w, n);
    }
}

/* Weights in bf16 and an x that stays in L2 beside a panel: neither needs to be copied. Whole tiles of rows first, so that the
 * configuration changes once. */
static void direct(struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how, uint32_t rows)
{
    float tile[ROWS * PANEL] __attribute__((aligned(64)));
    uint32_t k = round_up(w->k, DEPTH); /* x is zero past its columns up to its stride */
    for (uint32_t from = 0, to = rows / ROWS * ROWS; from < rows; from = to, to = rows) {
        if (from == to)
            continue;
        configure(to - from < ROWS ? to - from : ROWS);
        for (uint32_t n = 0; n < w->n; n += PANEL) {
            const uint16_t *panel = (const uint16_t *)((const char *)w->data + n / PANEL * w->panel_bytes);
            for (uint32_t i = from; i < to; i += ROWS) {
                uint32_t some = to - i < ROWS ? to - i : ROWS;
                const uint16_t *low = (const uint16_t *)x->data + (size_t)i * x->stride;
                no_sums();
                tiles_of(tile, low, some > 16 ? low + 16 * (size_t)x->stride : low, 2 * (long)x->stride, DEPTH, panel, k);
                finish(tile, some, PANEL, y, i, n, w, how);
            }
        }
    }
}

static void blocked(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                    uint32_t rows)
{
    uint16_t pairs[CHUNK * PANEL] __attribute__((aligned(64)));
    uint16_t *packed = (uint16_t *)(q->sums + WIDTH * ROWS_PASS);
    uint32_t configured = 0, panels = (w->n + PANEL - 1) / PANEL;
    for (uint32_t row = 0, pass; row < rows; row += pass) {
        pass = rows - row < ROWS_PASS ? rows - row : ROWS_PASS;
        for (uint32_t p = 0; p < panels; p += WIDTH / PANEL) {
            uint32_t end = panels - p < WIDTH / PANEL ? panels : p + WIDTH / PANEL;
            for (uint32_t k = 0; k < w->k; k += CHUNK) {
                uint32_t n = w->k - k < CHUNK ? w->k - k : CHUNK;
                pack(packed, x, row, pass, k, n);
                for (uint32_t i = p; i < end; i++) {
                    const char *panel = (const char *)w->data + i * w->panel_bytes;
                    const uint16_t *chunk = (const uint16_t *)panel + (size_t)k * PANEL;
                    if (w->type != TYPE_BF16) {
                        unpack_bf16(pairs, w, panel, k, n);
                        chunk = pairs;
                    }
                    panel_chunk(q->sums + (size_t)(i - p) * ROWS_PASS * PANEL, packed, pass, chunk, n, k == 0, &configured);
                }
            }
            for (uint32_t i = p; i < end; i++)
                finish(q->sums + (size_t)(i - p) * ROWS_PASS * PANEL, pass, PANEL, y, row, i * PANEL, w, how);
        }
    }
}

void amx_matmul_bf16(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                     const struct matmul *how, const struct rows *r)
{
    uint32_t rows = r->used[0];
    if (rows == 0)
        return;
    if (w->type == TYPE_BF16 && (size_t)rows * w->k * sizeof(uint16_t) <= DIRECT_BYTES)
        direct(y, x, w, how, rows);
    else
        blocked(q, y, x, w, how, rows);
    __asm__ volatile("tilerelease" : : : "memory");
}

/* Body for every instruction set: products of fp32 operands. fp32 weights lie in panels of 2 vectors of outputs, and a panel
 * (k·2·VL floats) stays in L1 or L2 while all rows pass, F32_ROWS at a time; others are unpacked to fp32 in L1, CHUNK inputs of a
 * panel at once. Sums go through the inputs in order whatever the number of rows. Include body_finish.h and body_held.h first. */

#define CHUNK 128     /* inputs: 16 KB */
#define ROWS_PASS 128 /* rows whose sums wait between chunks: 16 KB */

/* tile[i][j] += Σ_c x[i·stride + c·step]·w[c·w_stride + j], j < 2·VL. */
INLINE void f32_tile(const int rows, float *tile, const size_t tile_stride, const float *x, size_t stride, const size_t step,
                     const float *w, const size_t w_stride, uint32_t k)
{
    vf sum[F32_ROWS][2];
    for (int i = 0; i < rows; i++) {
        sum[i][0] = v_load(tile + i * tile_stride);
        sum[i][1] = v_load(tile + i * tile_stride + VL);
    }
    for (uint32_t c = 0; c < k; c++, w += w_stride) {
        vf w0 = v_load(w), w1 = v_load(w + VL);
        for (int i = 0; i < rows; i++) {
            vf a = v_set(x[(size_t)i * stride + c * step]);
            sum[i][0] = v_fma(a, w0, sum[i][0]);
            sum[i][1] = v_fma(a, w1, sum[i][1]);
        }
    }
    for (int i = 0; i < rows; i++) {
        v_store(tile + i * tile_stride, sum[i][0]);
        v_store(tile + i * tile_stride + VL, sum[i][1]);
    }
}

/* tile += x·w; wide: rows of tile and w are PANEL long, else 2·VL. */
INLINE void f32_rows(uint32_t rows, const bool wide, float *tile, const float *x, size_t stride, const float *w, uint32_t k)
{
    const size_t width = wide ? PANEL : 2 * VL;
    switch (rows) {
#define ROWS(n)                                                                                                        \
    case n:                                                                                                            \
        f32_tile(n, tile, width, x, stride, 1, w, width, k);                                                              \
        break;
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if F32_ROWS > 6
        ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
#endif
#undef ROWS
    }
}

static uint32_t even_step(uint32_t rows) /* of tiles of about the same number of rows */
{
    uint32_t tiles = (rows + F32_ROWS - 1) / F32_ROWS;
    return tiles ? (rows + tiles - 1) / tiles : 1;
}

#define X(type, bits, scales, blocks_, offset, table)                                                                  \
    static void floats_##type(float *to, const void *panel, uint32_t from, uint32_t blocks)                            \
    {                                                                                                                  \
        const struct held h = {bits, scales, blocks_, offset, table};                                                  \
        for (uint32_t b = 0; b < blocks; b++)                                                                          \
            held_floats(&h, to + (size_t)b * QUANT_BLOCK * PANEL, held_block(&h, panel, from + b));                    \
    }
HELD_TYPES(X)
#undef X

static void (*const floats_of[TYPE_COUNT])(float *, const void *, uint32_t, uint32_t) = {
#define X(type, ...) [TYPE_##type] = floats_##type,
    HELD_TYPES(X)
#undef X
};

/* fp32 of inputs [from, from + n) of a panel: to [n][PANEL]. from: a multiple of 32. */
static void unpack_f32(float *to, const struct weight *w, const void *panel, uint32_t from, uint32_t n)
{
    const uint16_t *half = (const uint16_t *)panel + (size_t)from * PANEL;
    if (w->type == TYPE_F16) {
        for (uint32_t i = 0; i < n * PANEL; i += VL)
            v_store(to + i, v_load_f16(half + i));
    } else if (w->type == TYPE_BF16) {
        for (uint32_t k = 0; k < n; k += 2, half += 2 * PANEL, to += 2 * PANEL)
            for (uint32_t j = 0; j < PANEL; j += VL) {
                vi pair = i_load(half + 2 * j);
                v_store(to + j, i_as_float(i_shl(pair, 16)));
                v_store(to + PANEL + j, i_as_float(i_and(pair, i_set((int)0xffff0000))));
            }
    } else {
        floats_of[w->type](to, panel, from / QUANT_BLOCK, (n + QUANT_BLOCK - 1) / QUANT_BLOCK);
    }
}

static void f32_unpacked(struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how, uint32_t rows)
{
    float sums[ROWS_PASS * PANEL] __attribute__((aligned(64))), floats[CHUNK * PANEL] __attribute__((aligned(64)));
    for (uint32_t n = 0; n < w->n; n += PANEL)
        for (uint32_t row = 0, some; row < rows; row += some) {
            some = rows - row < ROWS_PASS ? rows - row : ROWS_PASS;
            uint32_t step = even_step(some);
            memset(sums, 0, some * PANEL * sizeof *sums);
            for (uint32_t k = 0; k < w->k; k += CHUNK) {
                uint32_t part = w->k - k < CHUNK ? w->k - k : CHUNK;
                unpack_f32(floats, w, (const char *)w->data + n / PANEL * w->panel_bytes, k, part);
                for (uint32_t j = 0; j < PANEL; j += 2 * VL)
                    for (uint32_t i = 0; i < some; i += step)
                        f32_rows(some - i < step ? some - i : step, true, sums + (size_t)i * PANEL + j,
                                 (const float *)x->data + (size_t)(row + i) * x->stride + k, x->stride, floats + j, part);
            }
            finish(sums, some, PANEL, y, row, n, w, how);
        }
}

static void simd_matmul_f32(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                            const struct matmul *how, const struct rows *r)
{
    float tile[F32_ROWS * 2 * VL];
    uint32_t rows = r->used[0], step = even_step(rows);
    if (w->type != TYPE_F32) {
        f32_unpacked(y, x, w, how, rows);
        return;
    }
    for (uint32_t n = 0; n < w->n; n += 2 * VL) {
        const float *panel = (const float *)w->data + (size_t)n * w->k;
        for (uint32_t i = 0; i < rows; i += step) {
            uint32_t some = rows - i < step ? rows - i : step;
            memset(tile, 0, some * 2 * VL * sizeof *tile);
            f32_rows(some, false, tile, (const float *)x->data + (size_t)i * x->stride, x->stride, panel, w->k);
            finish(tile, some, 2 * VL, y, i, n, w, how);
        }
    }
}

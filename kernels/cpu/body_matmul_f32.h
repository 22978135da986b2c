/* Body for every instruction set: fp32 matmul. Panels of 2 vectors of outputs, F32_ROWS rows at a time; a panel (k·2·VL
 * floats) stays in L1 or L2 while all rows pass. Include body_finish.h first. */

static inline __attribute__((always_inline)) void f32_tile(const int rows, float *tile, const float *x, size_t stride,
                                                           const float *w, uint32_t k)
{
    vf sum[F32_ROWS][2];
    for (int i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = v_set(0);
    for (uint32_t c = 0; c < k; c++, w += 2 * VL) {
        vf w0 = v_load(w), w1 = v_load(w + VL);
        for (int i = 0; i < rows; i++) {
            vf a = v_set(x[(size_t)i * stride + c]);
            sum[i][0] = v_fma(a, w0, sum[i][0]);
            sum[i][1] = v_fma(a, w1, sum[i][1]);
        }
    }
    for (int i = 0; i < rows; i++) {
        v_store(tile + i * 2 * VL, sum[i][0]);
        v_store(tile + i * 2 * VL + VL, sum[i][1]);
    }
}

static void f32_rows(uint32_t rows, float *tile, const float *x, size_t stride, const float *w, uint32_t k)
{
    switch (rows) {
#define ROWS(n)                                                                                                        \
    case n:                                                                                                            \
        f32_tile(n, tile, x, stride, w, k);                                                                            \
        break;
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if F32_ROWS > 6
        ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
#endif
#undef ROWS
    }
}

static void simd_matmul_f32(struct cpu_queue *q, struct mat *y, const struct mat *x, const struct weight *w,
                            const struct matmul *how, const struct rows *r)
{
    float tile[F32_ROWS * 2 * VL];
    uint32_t rows = r->used[0];
    if (w->type != TYPE_F32) {
        scalar_matmul(q, y, x, w, how, r);
        return;
    }
    uint32_t tiles = (rows + F32_ROWS - 1) / F32_ROWS, step = tiles ? (rows + tiles - 1) / tiles : 1; /* even tiles */
    for (uint32_t n = 0; n < w->n; n += 2 * VL) {
        const float *panel = (const float *)w->data + (size_t)n * w->k;
        for (uint32_t i = 0; i < rows; i += step) {
            uint32_t some = rows - i < step ? rows - i : step;
            f32_rows(some, tile, (const float *)x->data + (size_t)i * x->stride, x->stride, panel, w->k);
            finish(tile, some, 2 * VL, y, i, n, w, how);
        }
    }
}

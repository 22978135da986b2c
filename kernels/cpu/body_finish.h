/* Body for every instruction set: what happens to a tile of a matmul before it is stored (bias, activation, residual,
 * conversion), while it is in L1. Include body_store.h first. */

/* 2^x; |x| ≤ 126 by clamping. Polynomial fitted on [-½, ½] at Chebyshev nodes for relative error 8e-8. */
static inline vf v_exp2(vf x)
{
    x = v_max(v_min(x, v_set(126)), v_set(-126));
    vf whole = v_round(x), f = x - whole;
    vf p = v_set(0.0013266970636323094f);
    p = v_fma(p, f, v_set(0.009675459936261177f));
    p = v_fma(p, f, v_set(0.05550742521882057f));
    p = v_fma(p, f, v_set(0.24022121727466583f));
    p = v_fma(p, f, v_set(0.6931469440460205f));
    p = v_fma(p, f, v_set(1.0000001192092896f));
    return p * v_pow2(whole);
}

/* x·(½ + x·P(x²)) with x·P(x²) = ½·erf(x/√2) fitted on |x| ≤ 5, in u = 2x²/25 - 1 where the coefficients stay small; beyond
 * 5 Φ is 1 or 0 to 3e-7. Absolute error to the erf form 1.4e-6 over all x (fitted at 400 Chebyshev nodes). No division and
 * no exponential: 17 instructions a vector. */
static inline vf v_gelu(vf x)
{
    static const float c[] = {0.0005895753856748343f, -0.0016060246853157878f, 0.0017775355372577906f,
                              -0.0027044962625950575f, 0.006352330558001995f, -0.011146550066769123f,
                              0.01643039658665657f, -0.02327587641775608f, 0.03143605962395668f, -0.04044143110513687f,
                              0.051520999521017075f, -0.07029633224010468f, 0.14136378467082977f};
    vf near = v_max(v_min(x, v_set(5)), v_set(-5));
    vf u = v_fma(near * near, v_set(0.08f), v_set(-1));
    vf p = v_set(c[0]);
    for (int i = 1; i < 13; i++)
        p = v_fma(p, u, v_set(c[i]));
    return x * v_fma(near, p, v_set(0.5f));
}

static inline vf v_sigmoid(vf x)
{
    return v_set(1) / (v_set(1) + v_exp2(x * v_set(-1.4426950408889634f)));
}

static inline __attribute__((always_inline)) vf v_activate(vf x, enum activation a)
{
    switch (a) {
    case ACT_GELU:
        return v_gelu(x);
    case ACT_GELU_TANH: /* ½(1 + tanh z) = sigmoid(2z) */
        return x * v_sigmoid(v_set(1.5957691216057308f) * v_fma(v_set(0.044715f) * x * x, x, x));
    case ACT_RELU:
        return v_max(x, v_set(0));
    case ACT_SILU:
        return x * v_sigmoid(x);
    case ACT_NONE:
        break;
    }
    return x;
}

/* Columns [col, col + width) of one row; all of them exist. width: 2·VL, or 32. */
static inline __attribute__((always_inline)) void finish_row(const float *tile, uint32_t width, struct mat *y,
                                                             uint32_t row, uint32_t col, float scale,
                                                             const struct matmul *how, enum activation activation)
{
    size_t at = (size_t)row * y->stride + col;
    vf v[BLOCK_VECTORS > 2 ? BLOCK_VECTORS : 2];
    uint32_t vectors = width / VL;
    const struct mat *residual = how->residual;
    for (uint32_t i = 0; i < vectors; i++) {
        v[i] = v_load(tile + i * VL) * v_set(scale);
        if (how->bias)
            v[i] += v_load(how->bias + col + i * VL);
        v[i] = v_activate(v[i], activation);
        if (residual)
            v[i] += v_load((const float *)residual->data + (size_t)row * residual->stride + col + i * VL);
    }
    if (y->type == TYPE_Q8 && width == QUANT_BLOCK) { /* device.c: only matmul of Q8 writes Q8 */
        store_block((int8_t *)y->data + at, y->quant + at / QUANT_BLOCK, v);
    } else if (y->type == TYPE_BF16) {
        for (uint32_t i = 0; i < vectors; i++)
            v_store_bf16((uint16_t *)y->data + at + i * VL, v[i]);
    } else {
        for (uint32_t i = 0; i < vectors; i++)
            v_store((float *)y->data + at + i * VL, v[i]);
    }
}

/* The last columns where they are fewer than a tile: copied to whole vectors. */
static void finish_tail(const float *tile, uint32_t width, uint32_t n, struct mat *y, uint32_t row, uint32_t col,
                        float scale, const struct matmul *how)
{
    float in[64] = {0}, bias[64] = {0}, residual[64] = {0}, out[64];
    struct matmul padded = {.bias = bias};
    struct mat to = {.data = out, .cols = width, .stride = width, .type = TYPE_F32}, add = to;
    memcpy(in, tile, n * sizeof *in);
    if (how->bias)
        memcpy(bias, how->bias + col, n * sizeof *bias);
    if (how->residual) {
        memcpy(residual, (const float *)how->residual->data + (size_t)row * how->residual->stride + col, n * sizeof *in);
        add.data = residual;
        padded.residual = &add;
    }
    finish_row(in, width, &to, 0, 0, scale, &padded, how->activation);
    store_part(y, row, col, out, n);
}

/* tile: fp32 [rows, width], rows [row, row + rows) and columns [col, col + width) of y, before the scale of w. */
static inline void finish(const float *tile, uint32_t rows, uint32_t width, struct mat *y, uint32_t row, uint32_t col,
                          const struct weight *w, const struct matmul *how)
{
    if (col + width > w->n) {
        for (uint32_t i = 0; i < rows; i++)
            finish_tail(tile + (size_t)i * width, width, w->n - col, y, row + i, col, w->scale, how);
        return;
    }
    for (uint32_t i = 0; i < rows; i++) /* one test a row for the two that matter, so that their code is straight */
        if (how->activation == ACT_NONE)
            finish_row(tile + (size_t)i * width, width, y, row + i, col, w->scale, how, ACT_NONE);
        else if (how->activation == ACT_GELU)
            finish_row(tile + (size_t)i * width, width, y, row + i, col, w->scale, how, ACT_GELU);
        else
            finish_row(tile + (size_t)i * width, width, y, row + i, col, w->scale, how, how->activation);
}

/* Body for every instruction set with products of bytes: operands of TYPE_Q8 with any quantised weight.
 *
 * A block of 32 inputs (or each half of it, where scales are of 16) is summed exactly in int32, which starts from
 * -offset·Σx, then added to fp32 sums with the scales of both sides; the least value takes Σx. The order of the fp32 operations
 * is the same for every number of rows, so a row's result does not depend on how many are computed with it.
 *
 * Up to FEW rows read the weights as they are held, codes unpacked in registers: the memory's bandwidth is the limit. More
 * rows have a part of a panel unpacked into L1 (codes to bytes, scales to fp32) that all of them pass.
 *
 * Behind: simd_<isa>.h, body_finish.h, body_held.h, and
 *   ROWS, PARTS        rows of a tile, and vectors of a panel that it computes together: ROWS·PARTS int32 sums in registers
 *   vw, w_small(vb), w_biased(vb)                  codes as the dot product wants them; biased: the value + 128
 *   dot_small(vi, vw, four), dot_biased(…)         four products of the bytes at `four` into each int32
 *   START_128          what dot_biased() leaves to be taken off, as a factor of Σx: 128, or 0 */

#define FEW 8
#define FEW_ROWS 4     /* rows of a tile over held weights */
#define CHUNK 16       /* blocks that are unpacked together: 16 KB of bytes and 4 KB of scales in L1 */
#define ROWS_PASS 128  /* rows whose sums wait between chunks: 16 KB */

struct operand { /* rows of x from one on */
    const int8_t *data;
    const struct quant *quant;
    size_t stride; /* of data, in bytes; quant's is stride/32 */
};

INLINE vi half_start(const struct held *h, int offset, const struct quant *q, int half)
{
    int from = offset == 128 ? START_128 : offset;
    return i_set(-from * (held_sixteen(h) ? q->sum[half] : q->sum[0] + q->sum[1]));
}

INLINE void held_tile(const struct held *h, int offset, const bool biased, const int rows, float *sums, struct operand x,
                      const void *panel, uint32_t blocks)
{
    vf sum[FEW_ROWS > ROWS ? FEW_ROWS : ROWS][VECTORS];
    const int halves = held_sixteen(h) ? 2 : 1;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < VECTORS; j++)
            sum[i][j] = v_load(sums + i * PANEL + j * VL);
    for (uint32_t b = 0; b < blocks; b++, x.data += QUANT_BLOCK, x.quant++) {
        struct held_at at = held_block(h, panel, b);
#pragma GCC unroll 4
        for (int part = 0; part < VECTORS; part += PARTS)
#pragma GCC unroll 2
            for (int half = 0; half < halves; half++) {
                vi acc[FEW_ROWS > ROWS ? FEW_ROWS : ROWS][PARTS];
#pragma GCC unroll 8
                for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
                    for (int j = 0; j < PARTS; j++)
                        acc[i][j] = half_start(h, offset, x.quant + i * (x.stride / QUANT_BLOCK), half);
#pragma GCC unroll 8
                for (int g = half * 4; g < (half + 1) * 8 / halves; g++) {
                    vw w[PARTS];
#pragma GCC unroll 4
                    for (int j = 0; j < PARTS; j++) {
                        vb codes = held_codes(h, at.codes, g, part + j);
                        w[j] = biased ? w_biased(codes) : w_small(codes);
                    }
#pragma GCC unroll 8
                    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
                        for (int j = 0; j < PARTS; j++) {
                            const int8_t *four = x.data + i * x.stride + g * 4;
                            acc[i][j] = biased ? dot_biased(acc[i][j], w[j], four) : dot_small(acc[i][j], w[j], four);
                        }
                }
#pragma GCC unroll 4
                for (int j = 0; j < PARTS; j++) {
                    vf s[2], least;
                    held_scales(h, at, part + j, s, &least);
#pragma GCC unroll 8
                    for (int i = 0; i < rows; i++) {
                        const struct quant *q = x.quant + i * (x.stride / QUANT_BLOCK);
                        vf *to = &sum[i][part + j];
                        *to = v_fma(i_float(acc[i][j]) * s[half], v_set(q->scale), *to);
                        if (held_least(h))
                            *to = v_fma(least, v_set(q->scale * (float)(q->sum[0] + q->sum[1])), *to);
                    }
                }
            }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < VECTORS; j++)
            v_store(sums + i * PANEL + j * VL, sum[i][j]);
}

INLINE void unpack(const struct held *h, uint8_t *to, const void *panel, uint32_t from, uint32_t blocks)
{
    const struct held plain = held_plain(h);
    for (uint32_t b = 0; b < blocks; b++) {
        struct held_at at = held_block(h, panel, from + b), out = held_block(&plain, to, b);
        float *scale = (float *)out.scales;
        for (int j = 0; j < VECTORS; j++) {
            vf s[2], least;
            held_scales(h, at, j, s, &least);
            v_store(scale + j * VL, s[0]);
            v_store(scale + PANEL + j * VL, held_sixteen(h) ? s[1] : least);
            for (int g = 0; g < 8; g++)
                b_store((uint8_t *)out.codes + g * 4 * PANEL + j * VL * 4, held_codes(h, at.codes, g, j));
        }
    }
}

/* What each type has of its own: few rows over a panel, and a part of a panel unpacked. */
#define X(type, bits, scales, blocks_, offset, table)                                                                  \
    static void few_##type(float *sums, uint32_t rows, struct operand x, const void *panel, uint32_t blocks)           \
    {                                                                                                                  \
        const struct held h = {bits, scales, blocks_, offset, table};                                                  \
        switch (rows) {                                                                                                \
        case 1: held_tile(&h, offset, offset == 128, 1, sums, x, panel, blocks); break;                                \
        case 2: held_tile(&h, offset, offset == 128, 2, sums, x, panel, blocks); break;                                \
        case 3: held_tile(&h, offset, offset == 128, 3, sums, x, panel, blocks); break;                                \
        case 4: held_tile(&h, offset, offset == 128, 4, sums, x, panel, blocks); break;                                \
        }                                                                                                              \
    }                                                                                                                  \
    static void unpack_##type(uint8_t *to, const void *panel, uint32_t from, uint32_t blocks)                          \
    {                                                                                                                  \
        const struct held h = {bits, scales, blocks_, offset, table};                                                  \
        unpack(&h, to, panel, from, blocks);                                                                           \
    }
HELD_TYPES(X)
#undef X

static const struct type_ops {
    void (*few)(float *sums, uint32_t rows, struct operand x, const void *panel, uint32_t blocks);
    void (*unpack)(uint8_t *to, const void *panel, uint32_t from, uint32_t blocks);
} type_ops[TYPE_COUNT] = {
#define X(type, ...) [TYPE_##type] = {few_##type, unpack_##type},
    HELD_TYPES(X)
#undef X
};

/* Up to ROWS rows over unpacked blocks. */
#define MANY(name, scales, biased, fixed)                                                                              \
    static void many_##name(float *sums, uint32_t rows, struct operand x, const void *plain, uint32_t blocks, int offset) \
    {                                                                                                                  \
        const struct held h = {8, scales, 1, 128, NULL};                                                               \
        switch (rows) {                                                                                                \
            MANY_CASES(scales, biased, fixed)                                                                          \
        }                                                                                                              \
    }
#define MANY_CASE(n, biased, fixed)                                                                                    \
    case n:                                                                                                            \
        held_tile(&h, fixed < 0 ? offset : fixed, biased, n, sums, x, plain, blocks);                                  \
        break;
MANY(biased, SCALE_PLAIN, true, 128)
MANY(biased16, SCALE_PLAIN16, true, 128)
MANY(small, SCALE_PLAIN, false, -1)
MANY(small16, SCALE_PLAIN16, false, -1)
MANY(least, SCALE_PLAIN_MIN, false, 0)

static void many(const struct held *h, float *sums, uint32_t rows, struct operand x, const void *plain, uint32_t blocks)
{
    if (held_least(h))
        many_least(sums, rows, x, plain, blocks, 0);
    else if (held_sixteen(h))
        (h->offset == 128 ? many_biased16 : many_small16)(sums, rows, x, plain, blocks, h->offset);
    else
        (h->offset == 128 ? many_biased : many_small)(sums, rows, x, plain, blocks, h->offset);
}

static struct operand operand_at(const struct mat *x, uint32_t row, uint32_t block)
{
    size_t at = (size_t)row * x->stride + (size_t)block * QUANT_BLOCK;
    return (struct operand){(const int8_t *)x->data + at, x->quant + at / QUANT_BLOCK, x->stride};
}

/* All rows (at most ROWS_PASS) from `row` on through one panel. */
static void pass(const struct weight *w, float *sums, const struct mat *x, uint32_t row, uint32_t rows, const void *panel)
{
    const struct held *h = held_of(w->type);
    uint8_t plain[CHUNK * PLAIN_BYTES] __attribute__((aligned(64)));
    uint32_t blocks = (w->k + QUANT_BLOCK - 1) / QUANT_BLOCK, tiles = (rows + ROWS - 1) / ROWS;
    uint32_t step = (rows + tiles - 1) / tiles; /* even tiles */
    for (uint32_t b = 0; b < blocks; b += CHUNK) {
        uint32_t some = blocks - b < CHUNK ? blocks - b : CHUNK;
        type_ops[w->type].unpack(plain, panel, b, some);
        for (uint32_t i = 0; i < rows; i += step)
            many(h, sums + (size_t)i * PANEL, rows - i < step ? rows - i : step, operand_at(x, row + i, b), plain, some);
    }
}

static void matmul_held(struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                        const struct rows *r)
{
    float sums[ROWS_PASS * PANEL] __attribute__((aligned(64)));
    uint32_t rows = r->used[0], blocks = (w->k + QUANT_BLOCK - 1) / QUANT_BLOCK;
    for (uint32_t n = 0; n < w->n; n += PANEL) {
        const char *panel = (const char *)w->data + n / PANEL * w->panel_bytes;
        for (uint32_t i = 0, some; i < rows; i += some) {
            some = rows - i < ROWS_PASS ? rows - i : ROWS_PASS;
            if (rows <= FEW)
                some = rows - i < FEW_ROWS ? rows - i : FEW_ROWS;
            memset(sums, 0, some * PANEL * sizeof *sums);
            if (rows <= FEW)
                type_ops[w->type].few(sums, some, operand_at(x, i, 0), panel, blocks);
            else
                pass(w, sums, x, i, some, panel);
            finish(sums, some, PANEL, y, i, n, w, how);
        }
    }
}

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
 *   START_128          what dot_biased() leaves to be taken off, as a factor of Σx: 128, or 0
 *   MANY_CASES(biased) MANY_CASE(n, biased) for n = 1 … ROWS */

#define FEW 8
#define FEW_ROWS 4     /* rows of a tile over held weights */
#define CHUNK 16       /* blocks that are unpacked together: 16 KB of bytes and 4 KB of scales in L1 */
#define ROWS_PASS 128  /* rows whose sums wait between chunks: 16 KB */

struct operand { /* rows of x from one on */
    const int8_t *data;
    const struct quant *quant;
    size_t stride; /* of data, in bytes; quant's is stride/32 */
};

/* -offset·Σx of a block or of half of one. shift: log2 of 128/offset. */
INLINE vi start_of(const struct held *h, const bool biased, const int shift, const struct quant *q, int half)
{
    if (held_least(h) || (biased && START_128 == 0))
        return i_set(0);
    int start = !held_sixteen(h) ? q->start : half ? q->start - q->start_low : q->start_low;
    return i_set(biased ? start : start >> shift); /* exact: a multiple of 128 */
}

/* What one pass over a panel brings of the next one into the caches, evenly: bytes [at, at + a block's share) with each block. The
 * processor itself fetches ahead only what is read next within a page, so that memory would stand still while a panel is passed again or is
 * multiplied; even for one row memory gives a sixth more (docs/measurements.md: Decoders). */
struct ahead {
    const char *at; /* NULL: nothing */
    uint32_t bytes; /* with each block, whole lines */
};
#define LINE 64
#define AHEAD_ROWS 32 /* up to so many rows; multiplying takes so much longer than reading with more that nothing is gained */

/* The share of pass i of `passes` over `some` blocks from b on, where as many follow behind one panel's bytes. */
static struct ahead ahead_of(const struct weight *w, const void *panel, uint32_t b, uint32_t some, uint32_t i, uint32_t passes)
{
    uint32_t blocks = (w->k + QUANT_BLOCK - 1) / QUANT_BLOCK, each = (uint32_t)(w->panel_bytes / blocks);
    uint32_t bytes = (each / passes + LINE - 1) / LINE * LINE;
    const char *next = (const char *)panel + w->panel_bytes + (size_t)b * each;
    return (struct ahead){next + (size_t)i * some * bytes, bytes};
}

INLINE const char *fetch(const char *at, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i += LINE)
        __builtin_prefetch(at + i, 0, 2);
    return at + bytes;
}

/* sums += x·w over blocks: rows (a constant) of x by the vectors [from, to) of a panel. */
INLINE void held_tile(const struct held *h, const bool biased, const int shift, const int rows, const int from, const int to,
                      float *sums, struct operand x, const void *panel, uint32_t blocks, struct ahead ahead)
{
    vf sum[FEW_ROWS > ROWS ? FEW_ROWS : ROWS][VECTORS];
    const int halves = held_sixteen(h) ? 2 : 1;
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = from; j < to; j++)
            sum[i][j - from] = v_load(sums + i * PANEL + j * VL);
    for (uint32_t b = 0; b < blocks; b++, x.data += QUANT_BLOCK, x.quant++) {
        struct held_at at = held_block(h, panel, b);
        ahead.at = fetch(ahead.at, ahead.bytes);
#pragma GCC unroll 4
        for (int part = from; part < to; part += PARTS)
#pragma GCC unroll 2
            for (int half = 0; half < halves; half++) {
                vi acc[FEW_ROWS > ROWS ? FEW_ROWS : ROWS][PARTS];
#pragma GCC unroll 8
                for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
                    for (int j = 0; j < PARTS; j++)
                        acc[i][j] = start_of(h, biased, shift, x.quant + i * (x.stride / QUANT_BLOCK), half);
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
                        vf *out = &sum[i][part + j - from];
                        *out = v_fma(i_float(acc[i][j]) * s[half], v_set(q->scale), *out);
                        if (held_least(h))
                            *out = v_fma(least, v_set(q->sum), *out);
                    }
                }
            }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = from; j < to; j++)
            v_store(sums + i * PANEL + j * VL, sum[i][j - from]);
}

#define SHIFT(offset) ((offset) == 8 ? 4 : (offset) == 16 ? 3 : (offset) == 32 ? 2 : 0)

/* Codes to bytes, all biased by 128 where they have an offset. */
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
                b_store((uint8_t *)out.codes + g * 4 * PANEL + j * VL * 4,
                        b_add(held_codes(h, at.codes, g, j), b_set(held_least(h) ? 0 : 128 - h->offset)));
        }
    }
}

/* What each type has of its own: few rows over a panel, and a part of a panel unpacked. */
#define X(type, bits, scales, blocks_, offset, table)                                                                  \
    static void few_##type(float *sums, uint32_t rows, struct operand x, const void *panel, uint32_t blocks,           \
                           struct ahead ahead)                                                                         \
    {                                                                                                                  \
        const struct held h = {bits, scales, blocks_, offset, table};                                                  \
        switch (rows) {                                                                                                \
        case 1: held_tile(&h, offset == 128, SHIFT(offset), 1, 0, VECTORS, sums, x, panel, blocks, ahead); break;      \
        case 2: held_tile(&h, offset == 128, SHIFT(offset), 2, 0, VECTORS, sums, x, panel, blocks, ahead); break;      \
        case 3: held_tile(&h, offset == 128, SHIFT(offset), 3, 0, VECTORS, sums, x, panel, blocks, ahead); break;      \
        case 4: held_tile(&h, offset == 128, SHIFT(offset), 4, 0, VECTORS, sums, x, panel, blocks, ahead); break;      \
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
    void (*few)(float *sums, uint32_t rows, struct operand x, const void *panel, uint32_t blocks, struct ahead ahead);
    void (*unpack)(uint8_t *to, const void *panel, uint32_t from, uint32_t blocks);
} type_ops[TYPE_COUNT] = {
#define X(type, ...) [TYPE_##type] = {few_##type, unpack_##type},
    HELD_TYPES(X)
#undef X
};

/* Up to ROWS rows over unpacked blocks, one part of a panel after the other: it is in L1. */
#define MANY(name, scales, biased)                                                                                     \
    static void many_##name(float *sums, uint32_t rows, struct operand x, const void *plain, uint32_t blocks,          \
                            struct ahead ahead)                                                                        \
    {                                                                                                                  \
        const struct held h = {8, scales, 1, 128, NULL};                                                               \
        for (int part = 0; part < VECTORS; part += PARTS)                                                              \
            switch (rows) {                                                                                            \
                MANY_CASES(biased)                                                                                     \
            }                                                                                                          \
    }
#define MANY_CASE(n, biased)                                                                                           \
    case n:                                                                                                            \
        held_tile(&h, biased, 0, n, part, part + PARTS, sums, x, plain, blocks, part ? (struct ahead){0} : ahead);     \
        break;
MANY(plain, SCALE_PLAIN, true)
MANY(q8, SCALE_F16, true) /* as they are held */
MANY(sixteen, SCALE_PLAIN16, true)
MANY(least, SCALE_PLAIN_MIN, false)

static void many(const struct held *h, float *sums, uint32_t rows, struct operand x, const void *plain, uint32_t blocks,
                 struct ahead ahead)
{
    (h->bits == 8 ? many_q8 : held_least(h) ? many_least : held_sixteen(h) ? many_sixteen : many_plain)(sums, rows, x, plain, blocks, ahead);
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
        const void *part = plain;
        if (h->bits == 8) /* bytes already: a copy of them costs 5% at 128 rows */
            part = held_block(h, panel, b).head;
        else
            type_ops[w->type].unpack(plain, panel, b, some);
        for (uint32_t i = 0; i < rows; i += step) {
            struct ahead ahead = {0};
            if (rows <= AHEAD_ROWS)
                ahead = ahead_of(w, panel, b, some, i / step, tiles);
            many(h, sums + (size_t)i * PANEL, rows - i < step ? rows - i : step, operand_at(x, row + i, b), part, some, ahead);
        }
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
                type_ops[w->type].few(sums, some, operand_at(x, i, 0), panel, blocks,
                                      ahead_of(w, panel, 0, blocks, i / FEW_ROWS, (rows + FEW_ROWS - 1) / FEW_ROWS));
            else
                pass(w, sums, x, i, some, panel);
            finish(sums, some, PANEL, y, i, n, w, how);
        }
    }
}

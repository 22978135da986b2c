/* Weights: rows as they are read, taken apart into the planes of params.h (or decoded to 16 or 32 bits), and copied in pieces. */
#include "kernels/cuda/weight.h"
#include "base/mem.h"
#include "kernels/block/numbers.h"
#include "kernels/held.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)HELD_F16 == (int)TYPE_F16 && (int)HELD_Q8 == (int)TYPE_Q8 && (int)HELD_NVFP4 == (int)TYPE_NVFP4 &&
              (int)HELD_ANY == (int)TYPE_COUNT, "the kernels' names of types");

#define PIECE_BYTES ((size_t)1 << 20) /* of host memory that holds lines until they are copied */

static const enum type held_as[BLOCK_COUNT] = {
    [BLOCK_F32] = TYPE_BF16,    [BLOCK_F16] = TYPE_F16,       [BLOCK_BF16] = TYPE_BF16,     [BLOCK_F8_E4M3] = TYPE_BF16,
    [BLOCK_Q8_0] = TYPE_Q8,     [BLOCK_Q4_0] = TYPE_Q4_0,     [BLOCK_Q4_1] = TYPE_Q4_1,     [BLOCK_Q5_0] = TYPE_Q5_0,
    [BLOCK_Q5_1] = TYPE_Q5_1,   [BLOCK_Q4_K] = TYPE_Q4_K,     [BLOCK_Q5_K] = TYPE_Q5_K,     [BLOCK_Q6_K] = TYPE_Q6_K,
    [BLOCK_IQ4_NL] = TYPE_IQ4_NL, [BLOCK_IQ4_XS] = TYPE_IQ4_XS, [BLOCK_MXFP4] = TYPE_MXFP4, [BLOCK_NVFP4] = TYPE_NVFP4,
};

enum type cuda_held(void *dev, enum block_type file, bool exact)
{
    return exact ? TYPE_F32 : held_as[file];
}

/* Up to MV_ROWS rows weights are multiplied as they lie, by int8 rows or (16 bits) by fp32 ones; from there on the tensor cores
 * multiply bf16. */
enum type cuda_operand(void *dev, enum type held, uint32_t rows)
{
    if (held == TYPE_F32)
        return TYPE_F32;
    return rows > MV_ROWS ? TYPE_BF16 : held_of(held) ? TYPE_Q8 : TYPE_F32;
}

bool weight_held(const struct weight *w)
{
    return held_of(w->type) != NULL;
}

/* Bytes of a line of each plane. */
struct line {
    size_t bytes[PLANES];
};

static struct line line_of(const struct weight *w)
{
    const struct held *h = held_of(w->type);
    size_t blocks = w->k_padded / QUANT_BLOCK, supers = (blocks + 7) / 8;
    struct line l = {{0}};
    if (!h) {
        l.bytes[PLANE_CODES] = (size_t)w->k_padded * (w->type == TYPE_F32 ? 4 : 2);
        return l;
    }
    l.bytes[PLANE_CODES] = blocks * (h->bits == 8 ? 32 : 16);
    l.bytes[PLANE_HIGH] = h->bits == 5 ? blocks * 4 : h->bits == 6 ? blocks * 8 : 0;
    l.bytes[PLANE_SCALE] = blocks * held_scale_width(h);
    l.bytes[PLANE_SUPER] = supers * held_head_width(h);
    return l;
}

static void put_codes(uint8_t *codes, uint8_t *high, const struct held *h, const struct held_split *s, uint32_t block, uint32_t blocks)
{
    for (uint32_t i = 0; i < QUANT_BLOCK; i++) {
        if (h->bits == 8) { /* the split's bytes have 128 added */
            codes[(i / 16 * blocks + block) * 16 + i % 16] = s->code[i] ^ 0x80;
            continue;
        }
        codes[block * 16 + i % 16] |= (uint8_t)((s->code[i] & 15) << i / 16 * 4);
        if (h->bits == 5)
            high[block * 4 + i % 4] |= (uint8_t)(s->code[i] >> 4 << i / 4);
        if (h->bits == 6)
            high[block * 8 + i / 16 * 4 + i % 4] |= (uint8_t)(s->code[i] >> 4 << i / 4 % 4 * 2);
    }
}

static void put_scales(uint8_t *scale, uint8_t *super, const struct held *h, const struct held_split *s, uint32_t block)
{
    switch ((enum scales)h->scales) {
    case SCALE_F16_MIN:
        store_u16(scale + 4 * block, s->d);
        store_u16(scale + 4 * block + 2, s->least);
        break;
    case SCALE_F16:
        store_u16(scale + 2 * block, s->d);
        break;
    case SCALE_K_MIN:
        scale[2 * block] = s->scale[0];
        scale[2 * block + 1] = s->m;
        store_u16(super + block / 8 * 4, s->d);
        store_u16(super + block / 8 * 4 + 2, s->least);
        break;
    case SCALE_K16:
        scale[2 * block] = s->scale[0];
        scale[2 * block + 1] = s->scale[1];
        store_u16(super + block / 8 * 2, s->d);
        break;
    case SCALE_K:
        scale[block] = s->scale[0];
        store_u16(super + block / 8 * 2, s->d);
        break;
    case SCALE_E4M3:
        scale[2 * block] = s->scale[0];
        scale[2 * block + 1] = s->scale[1];
        break;
    case SCALE_E8M0:
        scale[block] = s->scale[0];
        break;
    case SCALE_PLAIN: /* made of held blocks, on the CPU alone */
    case SCALE_PLAIN_MIN:
    case SCALE_PLAIN16:
        break;
    }
}

/* One line of the file into the planes' lines, which are zeros. values: [k] */
static void pack_held(const struct weight *w, uint8_t *const plane[PLANES], enum block_type file, const void *row, float *values)
{
    const struct held *h = held_of(w->type);
    uint32_t blocks = w->k_padded / QUANT_BLOCK;
    bool as_is = w->type == held_as[file];
    if (!as_is)
        block_formats[file].decode(values, row, w->k / block_formats[file].values);
    for (uint32_t b = 0; b * QUANT_BLOCK < w->k; b++) {
        struct held_split s = {0};
        uint32_t left = w->k - b * QUANT_BLOCK;
        if (as_is)
            held_split(&s, file, row, b);
        else
            held_split_q8(&s, values + (size_t)b * QUANT_BLOCK, left < QUANT_BLOCK ? left : QUANT_BLOCK);
        put_codes(plane[PLANE_CODES], plane[PLANE_HIGH], h, &s, b, blocks);
        put_scales(plane[PLANE_SCALE], plane[PLANE_SUPER], h, &s, b);
    }
}

static void pack_plain(const struct weight *w, void *to, enum block_type file, const void *row, float *values, float scale)
{
    block_formats[file].decode(values, row, w->k / block_formats[file].values);
    for (uint32_t c = 0; c < w->k; c++) {
        float v = values[c] * scale;
        if (w->type == TYPE_F32)
            ((float *)to)[c] = v;
        else
            ((uint16_t *)to)[c] = w->type == TYPE_BF16 ? bf16_from_f32(v) : f16_from_f32(v);
    }
}

/* All lines, as many at a time as PIECE_BYTES hold of the widest plane. */
static void upload(struct weight *w, void *q, const struct weight_source *from, uint8_t *const planes[PLANES])
{
    struct line l = line_of(w);
    size_t total = (size_t)w->n * w->experts, most = PIECE_BYTES / l.bytes[PLANE_CODES];
    uint8_t *host[PLANES] = {0}, *at[PLANES];
    float *values = mem_zero(w->k_padded, sizeof *values);
    most = most ? most : 1;
    for (int p = 0; p < PLANE_MATRIX; p++)
        host[p] = mem_alloc(most * l.bytes[p] + 1);
    for (size_t first = 0; first < total; first += most) {
        size_t n = total - first < most ? total - first : most;
        for (int p = 0; p < PLANE_MATRIX; p++)
            memset(host[p], 0, n * l.bytes[p]);
        for (size_t i = 0; i < n; i++) {
            const void *row = from->row(from->arg, (uint32_t)(first + i));
            for (int p = 0; p < PLANE_MATRIX; p++)
                at[p] = host[p] + i * l.bytes[p];
            if (weight_held(w))
                pack_held(w, at, from->type, row, values);
            else
                pack_plain(w, at[PLANE_CODES], from->type, row, values, from->scale ? from->scale[(first + i) / w->n] : 1);
        }
        for (int p = 0; p < PLANE_MATRIX; p++)
            cuda_put(q, planes[p] + first * l.bytes[p], host[p], n * l.bytes[p]);
    }
    for (uint32_t x = 0; x < w->experts && weight_held(w); x++) {
        float scale = from->scale ? from->scale[x] : 1;
        cuda_put(q, planes[PLANE_MATRIX] + x * sizeof scale, &scale, sizeof scale);
    }
    for (int p = 0; p < PLANE_MATRIX; p++)
        free(host[p]);
    free(values);
}

static int check(enum type type, const struct weight_shape *s, enum block_type file, struct err *e)
{
    if (type != TYPE_F32 && type != TYPE_BF16 && type != TYPE_Q8 && type != held_as[file])
        return err_set(e, ERR_UNSUPPORTED, "weights of %s cannot be held in type %d", block_formats[file].name, (int)type);
    if (s->n == 0 || s->k == 0 || s->n > 1u << 24 || s->k > 1u << 24 || s->experts > 1u << 12)
        return err_set(e, ERR_UNSUPPORTED, "a weight of %u x %u for %u experts", s->n, s->k, s->experts);
    if (s->k % block_formats[file].values)
        return err_set(e, ERR_UNSUPPORTED, "rows of %u are no whole blocks of %s", s->k, block_formats[file].name);
    return 0;
}

/* Planes one after the other in w->data, each from a multiple of 256 bytes. */
static int allocate(void *dev, struct weight *w, uint8_t *planes[PLANES], struct err *e)
{
    struct line l = line_of(w);
    size_t lines = (size_t)w->n * w->experts, at[PLANES];
    l.bytes[PLANE_MATRIX] = weight_held(w) ? sizeof(float) : 0;
    for (int p = 0; p < PLANES; p++) {
        at[p] = w->bytes;
        w->bytes += ((p == PLANE_MATRIX ? w->experts : lines) * l.bytes[p] + 255) / 256 * 256;
    }
    int rc = cuda_memory(dev, &w->data, w->bytes, e);
    for (int p = 0; p < PLANES && !rc; p++)
        planes[p] = (uint8_t *)w->data + at[p];
    return rc;
}

int cuda_weight(void *dev, struct weight **out, enum type type, const struct weight_shape *shape,
                const struct weight_source *from, struct err *e)
{
    int rc = check(type, shape, from->type, e);
    if (rc)
        return rc;
    struct bounds b = {.rows = 1, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1};
    struct weight *w = mem_zero(1, sizeof *w);
    uint8_t *planes[PLANES] = {0};
    void *q = NULL;
    *w = (struct weight){.type = type, .n = shape->n, .k = shape->k, .k_padded = round_up(shape->k, 64),
                         .experts = shape->experts ? shape->experts : 1};
    rc = allocate(dev, w, planes, e);
    if (!rc)
        rc = cuda_queue_open(dev, &b, &q, e);
    if (!rc) {
        upload(w, q, from, planes);
        rc = cuda_sync(q, e);
    }
    cuda_queue_close(q);
    w->held = (struct held_weight){planes[PLANE_CODES], planes[PLANE_HIGH], planes[PLANE_SCALE], planes[PLANE_SUPER],
                                   (const float *)planes[PLANE_MATRIX], (uint32_t)type, w->k_padded / QUANT_BLOCK, w->n};
    if (rc)
        cuda_weight_release(dev, w);
    else
        *out = w;
    return rc;
}

void cuda_weight_release(void *dev, struct weight *w)
{
    if (w == NULL)
        return;
    cuda_release(dev, w->data);
    free(w);
}

size_t cuda_weight_bytes(const struct weight *w)
{
    return w->bytes;
}

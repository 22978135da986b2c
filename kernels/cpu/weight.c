#include "kernels/cpu/weight.h"
#include "base/mem.h"
#include "kernels/block/numbers.h"
#include "kernels/cpu/held.h"

#include <stdlib.h>
#include <string.h>

/* How a file's blocks are held. To add a format: its row. */
static const enum type held_as[BLOCK_COUNT] = {
    [BLOCK_F32] = TYPE_F32,       [BLOCK_F16] = TYPE_F16,       [BLOCK_BF16] = TYPE_BF16,     [BLOCK_Q8_0] = TYPE_Q8,
    [BLOCK_Q4_0] = TYPE_Q4_0,     [BLOCK_Q4_1] = TYPE_Q4_1,     [BLOCK_Q5_0] = TYPE_Q5_0,     [BLOCK_Q5_1] = TYPE_Q5_1,
    [BLOCK_Q4_K] = TYPE_Q4_K,     [BLOCK_Q5_K] = TYPE_Q5_K,     [BLOCK_Q6_K] = TYPE_Q6_K,     [BLOCK_IQ4_NL] = TYPE_IQ4_NL,
    [BLOCK_IQ4_XS] = TYPE_IQ4_XS, [BLOCK_MXFP4] = TYPE_MXFP4,   [BLOCK_NVFP4] = TYPE_NVFP4,
    [BLOCK_F8_E4M3] = TYPE_BF16,
};

enum type cpu_held(void *dev, enum block_type file, bool exact)
{
    return exact ? TYPE_F32 : held_as[file];
}

static void pack_values(struct weight *w, uint8_t *panel, uint32_t in, const float *x)
{
    struct held_split s = {0};
    switch (w->type) {
    case TYPE_F32:
        for (uint32_t k = 0; k < w->k; k++)
            ((float *)panel)[(size_t)k * w->panel + in] = x[k];
        break;
    case TYPE_BF16:
        for (uint32_t k = 0; k < w->k; k++)
            ((uint16_t *)panel)[(size_t)(k / 2) * (2 * PANEL) + 2 * in + k % 2] = bf16_of(x[k]);
        break;
    default: /* weight_type() */
        for (uint32_t k = 0; k < w->k; k += QUANT_BLOCK) {
            held_split_q8(&s, x + k, w->k - k < QUANT_BLOCK ? w->k - k : QUANT_BLOCK);
            held_put(held_of(TYPE_Q8), panel, k / QUANT_BLOCK, in, &s);
        }
    }
}

static void pack_row(struct weight *w, const struct weight_source *from, uint8_t *panel, uint32_t in, const void *row,
                     float *values)
{
    struct held_split s = {0};
    if (w->type == held_as[from->type] && w->type == TYPE_F16) {
        for (uint32_t k = 0; k < w->k; k++)
            ((uint16_t *)panel)[(size_t)k * PANEL + in] = load_u16((const uint8_t *)row + 2 * k);
    } else if (w->type == held_as[from->type] && held_of(w->type)) {
        for (uint32_t b = 0; b < w->k / QUANT_BLOCK; b++) {
            held_split(&s, from->type, row, b);
            held_put(held_of(w->type), panel, b, in, &s);
        }
    } else {
        block_formats[from->type].decode(values, row, w->k / block_formats[from->type].values);
        pack_values(w, panel, in, values);
    }
}

static size_t panel_bytes(const struct weight *w)
{
    const struct held *h = held_of(w->type);
    if (h)
        return (w->k_padded / QUANT_BLOCK + h->blocks - 1) / h->blocks * held_super_bytes(h);
    return (size_t)w->panel * w->k_padded * (w->type == TYPE_F32 ? 4 : 2);
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

int cpu_weight(void *dev, struct weight **out, enum type type, const struct weight_shape *shape,
               const struct weight_source *from, struct err *e)
{
    const struct cpu_device *d = dev;
    int rc = check(type, shape, from->type, e);
    if (rc)
        return rc;
    struct weight *w = mem_zero(1, sizeof *w);
    *w = (struct weight){.type = type, .n = shape->n, .k = shape->k, .experts = shape->experts ? shape->experts : 1,
                         .panel = type == TYPE_F32 ? d->isa->panel_f32 : PANEL, .scale = 1};
    w->k_padded = type == TYPE_F32 || type == TYPE_F16 ? w->k : round_up(w->k, QUANT_BLOCK);
    w->panel_bytes = panel_bytes(w);
    w->bytes = (w->n + w->panel - 1) / w->panel * w->panel_bytes * w->experts;
    w->bytes = (w->bytes + ALIGN - 1) / ALIGN * ALIGN;
    w->data = aligned_alloc(ALIGN, w->bytes);
    if (w->data == NULL) {
        free(w);
        return err_set(e, ERR_MEMORY, "no memory for a weight of %u x %u for %u experts", shape->n, shape->k, shape->experts);
    }
    memset(w->data, 0, w->bytes);
    w->expert_scale = mem_alloc(w->experts * sizeof *w->expert_scale);
    float *values = mem_alloc(w->k * sizeof *values);
    for (uint32_t x = 0; x < w->experts; x++) {
        w->expert_scale[x] = from->scale ? from->scale[x] : 1;
        for (uint32_t i = 0; i < w->n; i++)
            pack_row(w, from, weight_panels(w, x, i / w->panel * w->panel), i % w->panel, from->row(from->arg, x * w->n + i),
                     values);
    }
    free(values);
    w->scale = w->expert_scale[0];
    *out = w;
    return 0;
}

void weight_row(const struct weight *w, uint32_t n, float *to)
{
    const struct held *h = held_of(w->type);
    const uint8_t *panel = weight_panels(w, 0, n / w->panel * w->panel);
    uint32_t in = n % w->panel;
    float block[QUANT_BLOCK];
    for (uint32_t k = 0; h && k < w->k; k += QUANT_BLOCK) {
        held_values(h, panel, k / QUANT_BLOCK, in, block);
        memcpy(to + k, block, (w->k - k < QUANT_BLOCK ? w->k - k : QUANT_BLOCK) * sizeof *to);
    }
    for (uint32_t k = 0; !h && k < w->k; k++)
        if (w->type == TYPE_BF16) {
            to[k] = bf16_to(((const uint16_t *)panel)[(size_t)(k / 2) * (2 * PANEL) + 2 * in + k % 2]);
        } else if (w->type == TYPE_F16) {
            to[k] = f32_from_f16(((const uint16_t *)panel)[(size_t)k * PANEL + in]);
        } else {
            to[k] = ((const float *)panel)[(size_t)k * w->panel + in];
        }
}

void cpu_weight_release(void *dev, struct weight *w)
{
    if (w == NULL)
        return;
    free(w->expert_scale);
    free(w->data);
    free(w);
}

size_t cpu_weight_bytes(const struct weight *w)
{
    return w->bytes;
}

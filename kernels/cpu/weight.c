#include "kernels/cpu/weight.h"
#include "base/mem.h"
#include "kernels/block/numbers.h"
#include "kernels/cpu/held.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

static void pack_row(struct weight *w, enum block_type file, uint8_t *panel, uint32_t in, const void *row, float *values)
{
    if (w->type == held_as[file] && w->type == TYPE_F16) {
        for (uint32_t k = 0; k < w->k; k++)
            ((uint16_t *)panel)[(size_t)k * PANEL + in] = load_u16((const uint8_t *)row + 2 * k);
    } else {
        block_formats[file].decode(values, row, w->k / block_formats[file].values);
        pack_values(w, panel, in, values);
    }
}

/* Blocks as the file has them, a few of all rows and then the next: what is written stays in L1. */
#define PACK_BLOCKS 8
static void pack_blocks(struct weight *w, enum block_type file, uint8_t *panel, const void *const *row, uint32_t rows)
{
    const struct held *h = held_of(w->type);
    struct held_split s = {0};
    for (uint32_t at = 0, end; at < w->k / QUANT_BLOCK; at = end) {
        end = at + PACK_BLOCKS < w->k / QUANT_BLOCK ? at + PACK_BLOCKS : w->k / QUANT_BLOCK;
        for (uint32_t i = 0; i < rows; i++)
            for (uint32_t b = at; b < end; b++) {
                if (file == BLOCK_Q8_0) { /* to take them apart was a quarter of the time of loading such a model */
                    held_put_q8_0(panel, b, i, (const uint8_t *)row[i] + (size_t)b * block_formats[file].bytes);
                    continue;
                }
                held_split(&s, file, row[i], b);
                held_put(h, panel, b, i, &s);
            }
    }
}

struct packing {
    struct weight *w;
    const struct weight_source *from;
    uint32_t first;    /* panel of part 0, counted through all experts */
    uint8_t *copied;   /* [panels of a run][panel][row_bytes]; NULL: rows stay */
    size_t row_bytes;
    float *values;     /* [threads][k] */
};

static void pack_panel(void *arg, uint32_t part, uint32_t thread)
{
    const struct packing *p = arg;
    struct weight *w = p->w;
    uint32_t panels = (w->n + w->panel - 1) / w->panel, expert = (p->first + part) / panels, n = (p->first + part) % panels * w->panel;
    uint32_t rows = w->n - n < w->panel ? w->n - n : w->panel;
    uint8_t *panel = weight_panels(w, expert, n);
    const void *row[PANEL];
    if (rows < w->panel || !held_of(w->type) || w->k % (held_of(w->type)->blocks * QUANT_BLOCK))
        memset(panel, 0, w->panel_bytes); /* else every byte is written */
    for (uint32_t i = 0; i < rows; i++)
        row[i] = p->copied ? p->copied + ((size_t)part * w->panel + i) * p->row_bytes : p->from->row(p->from->arg, expert * w->n + n + i);
    if (w->type == held_as[p->from->type] && held_of(w->type)) {
        pack_blocks(w, p->from->type, panel, row, rows);
        return;
    }
    for (uint32_t i = 0; i < rows; i++)
        pack_row(w, p->from->type, panel, i, row[i], p->values + (size_t)thread * w->k);
}

static void run(struct team *t, uint32_t parts, void (*fn)(void *, uint32_t, uint32_t), void *arg)
{
    if (t)
        team_run(t, parts, fn, arg);
    for (uint32_t i = 0; i < parts && !t; i++)
        fn(arg, i, 0);
}

/* Rows that do not stay are copied, so many panels at once. */
#define COPIED_PANELS 16
static void pack(struct weight *w, const struct weight_source *from)
{
    struct packing p = {.w = w, .from = from, .row_bytes = block_row_bytes(from->type, w->k)};
    uint32_t panels = (w->n + w->panel - 1) / w->panel, all = panels * w->experts, threads = from->team ? team_threads(from->team) : 1;
    p.values = mem_alloc((size_t)threads * w->k * sizeof *p.values);
    if (from->stays)
        run(from->team, all, pack_panel, &p);
    else
        p.copied = mem_alloc(COPIED_PANELS * w->panel * p.row_bytes);
    for (uint32_t some; !from->stays && p.first < all; p.first += some) {
        some = all - p.first < COPIED_PANELS ? all - p.first : COPIED_PANELS;
        for (uint32_t i = 0; i < some * w->panel; i++) {
            uint32_t expert = (p.first + i / w->panel) / panels, n = (p.first + i / w->panel) % panels * w->panel + i % w->panel;
            if (n < w->n)
                memcpy(p.copied + i * p.row_bytes, from->row(from->arg, expert * w->n + n), p.row_bytes);
        }
        run(from->team, some, pack_panel, &p);
    }
    free(p.copied);
    free(p.values);
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

/* Large pages where the system gives them: a step reads all weights once, through as few entries of the TLB. */
#define LARGE_PAGE ((size_t)2 << 20)
static void *weight_memory(size_t bytes)
{
    bool large = bytes >= 2 * LARGE_PAGE;
    void *p = aligned_alloc(large ? LARGE_PAGE : ALIGN, bytes);
    if (p && large)
        madvise(p, bytes, MADV_HUGEPAGE); /* a wish */
    return p;
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
    w->data = weight_memory(w->bytes);
    if (w->data == NULL) {
        free(w);
        return err_set(e, ERR_MEMORY, "no memory for a weight of %u x %u for %u experts", shape->n, shape->k, shape->experts);
    }
    w->expert_scale = mem_alloc(w->experts * sizeof *w->expert_scale);
    for (uint32_t x = 0; x < w->experts; x++)
        w->expert_scale[x] = from->scale ? from->scale[x] : 1;
    pack(w, from);
    w->scale = w->expert_scale[0];
    *out = w;
    return 0;
}

void weight_part(const struct weight *w, uint32_t n, uint32_t from, uint32_t count, float *to)
{
    const struct held *h = held_of(w->type);
    const uint8_t *panel = weight_panels(w, 0, n / w->panel * w->panel);
    uint32_t in = n % w->panel, end = from + count;
    float block[QUANT_BLOCK];
    for (uint32_t k = from; h && k < end; k += QUANT_BLOCK) {
        held_values(h, panel, k / QUANT_BLOCK, in, block);
        memcpy(to + (k - from), block, (end - k < QUANT_BLOCK ? end - k : QUANT_BLOCK) * sizeof *to);
    }
    for (uint32_t k = from; !h && k < end; k++)
        if (w->type == TYPE_BF16) {
            to[k - from] = bf16_to(((const uint16_t *)panel)[(size_t)(k / 2) * (2 * PANEL) + 2 * in + k % 2]);
        } else if (w->type == TYPE_F16) {
            to[k - from] = f32_from_f16(((const uint16_t *)panel)[(size_t)k * PANEL + in]);
        } else {
            to[k - from] = ((const float *)panel)[(size_t)k * w->panel + in];
        }
}

void weight_row(const struct weight *w, uint32_t n, float *to)
{
    weight_part(w, n, 0, w->k, to);
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

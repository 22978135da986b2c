#include "kernels/cpu/weight.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void pack_f32(struct weight *w, uint32_t n, const float *row)
{
    float *to = (float *)w->data + (size_t)(n / w->panel) * w->k_padded * w->panel + n % w->panel;
    for (uint32_t k = 0; k < w->k; k++)
        to[(size_t)k * w->panel] = row[k];
}

static void pack_bf16(struct weight *w, uint32_t n, const float *row)
{
    uint16_t *to = (uint16_t *)w->data + (size_t)(n / PANEL) * w->k_padded * PANEL + (size_t)(n % PANEL) * 2;
    for (uint32_t k = 0; k < w->k; k++)
        to[(size_t)(k / 2) * (2 * PANEL) + k % 2] = bf16_of(row[k]);
}

static void pack_q8(struct weight *w, uint32_t n, const float *row)
{
    struct q8_block *b = (struct q8_block *)w->data + (size_t)(n / PANEL) * (w->k_padded / QUANT_BLOCK);
    for (uint32_t at = 0; at < w->k; at += QUANT_BLOCK, b++) {
        uint32_t end = at + QUANT_BLOCK < w->k ? at + QUANT_BLOCK : w->k;
        float max = 0;
        int sum = 0;
        for (uint32_t k = at; k < end; k++)
            max = fmaxf(max, fabsf(row[k]));
        for (uint32_t k = at; k < end && max > 0; k++) {
            int v = (int)lrintf(row[k] * (127 / max));
            b->w[(k - at) / 4][n % PANEL][(k - at) % 4] = (int8_t)v;
            sum += v;
        }
        b->sum[n % PANEL] = -128 * sum;
        b->scale[n % PANEL] = max / 127;
    }
}

int cpu_weight(void *dev, struct weight **out, enum type type, uint32_t n, uint32_t k, read_row from, void *arg,
               struct err *e)
{
    const struct cpu_device *d = dev;
    if (type != TYPE_F32 && type != TYPE_BF16 && type != TYPE_Q8)
        return err_set(e, ERR_UNSUPPORTED, "weights cannot be held in type %d", (int)type);
    if (n == 0 || k == 0 || n > 1u << 24 || k > 1u << 24)
        return err_set(e, ERR_UNSUPPORTED, "a weight of %u x %u", n, k);
    struct weight *w = mem_zero(1, sizeof *w);
    w->type = type;
    w->n = n;
    w->k = k;
    w->panel = type == TYPE_F32 ? d->isa->panel_f32 : PANEL;
    w->k_padded = type == TYPE_F32 ? k : round_up(k, 64);
    size_t panels = (n + w->panel - 1) / w->panel;
    if (type == TYPE_Q8)
        w->bytes = panels * (w->k_padded / QUANT_BLOCK) * sizeof(struct q8_block);
    else
        w->bytes = panels * w->panel * w->k_padded * (type == TYPE_F32 ? 4 : 2);
    w->bytes = (w->bytes + ALIGN - 1) / ALIGN * ALIGN;
    w->data = aligned_alloc(ALIGN, w->bytes);
    if (w->data == NULL) {
        free(w);
        return err_set(e, ERR_MEMORY, "no memory for a weight of %u x %u", n, k);
    }
    memset(w->data, 0, w->bytes);
    float *row = mem_alloc(k * sizeof *row);
    for (uint32_t i = 0; i < n; i++) {
        from(arg, i, row);
        (type == TYPE_Q8 ? pack_q8 : type == TYPE_BF16 ? pack_bf16 : pack_f32)(w, i, row);
    }
    free(row);
    *out = w;
    return 0;
}

void cpu_weight_release(void *dev, struct weight *w)
{
    if (w == NULL)
        return;
    free(w->data);
    free(w);
}

size_t cpu_weight_bytes(const struct weight *w)
{
    return w->bytes;
}

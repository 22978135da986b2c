/* Reference: softmax(scale · Q·Kᵀ)·V of each head within each sequence, summed in double. */
#include "base/mem.h"
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>

size_t attention_scratch(const struct bounds *b)
{
    size_t keys = round_up(b->longest, 64), width = b->heads ? round_up(b->hidden / b->heads, 16) : 0;
    return (keys * width * 2 + keys * ATTENTION_ROWS + ATTENTION_ROWS * (width + 32)) * sizeof(float);
}

/* One row of one head: to[head_dim]. p: [keys] scratch. */
static void attend(float *to, double *p, const struct mat *qkv, const struct attention *how, uint32_t row, uint32_t from,
                   uint32_t keys, uint32_t head)
{
    uint32_t d = how->head_dim, hidden = how->heads * d, at = head * d;
    double max = -INFINITY, sum = 0;
    for (uint32_t j = 0; j < keys; j++) {
        p[j] = 0;
        for (uint32_t c = 0; c < d; c++)
            p[j] += (double)scalar_load(qkv, row, at + c) * scalar_load(qkv, from + j, hidden + at + c);
        p[j] *= how->scale;
        max = fmax(max, p[j]);
    }
    for (uint32_t j = 0; j < keys; j++)
        sum += p[j] = exp(p[j] - max);
    for (uint32_t c = 0; c < d; c++) {
        double v = 0;
        for (uint32_t j = 0; j < keys; j++)
            v += p[j] * scalar_load(qkv, from + j, 2 * hidden + at + c);
        to[c] = (float)(v / sum);
    }
}

void scalar_attention(struct cpu_queue *q, struct mat *y, const struct mat *qkv, const struct attention *how,
                      const struct rows *r)
{
    float *row = mem_alloc((size_t)how->heads * how->head_dim * sizeof *row);
    double *p = mem_alloc((r->longest ? r->longest : 1) * sizeof *p);
    for (uint32_t s = 0; s < r->used[1]; s++)
        for (uint32_t i = r->offset[s]; i < r->offset[s + 1]; i++) {
            uint32_t from = r->offset[s], end = how->causal ? i + 1 : r->offset[s + 1];
            if (how->window && i - from > how->window)
                from = i - how->window;
            if (how->window && end - i > how->window)
                end = i + how->window + 1 < end ? i + how->window + 1 : end;
            for (uint32_t h = 0; h < how->heads; h++)
                attend(row + (size_t)h * how->head_dim, p, qkv, how, i, from, end - from, h);
            scalar_store_row(y, i, row);
        }
    free(p);
    free(row);
}

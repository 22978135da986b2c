/* Reference: word + position + type embedding of each row, then layernorm. */
#include "kernels/cpu/cpu.h"

void scalar_embed(struct cpu_queue *q, struct mat *y, struct mat *yq, const struct rows *r, const struct embedding *t,
                  const struct norm *n)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = (float *)y->data + (size_t)i * y->stride;
        const float *word = t->word + (size_t)r->token[i] * y->cols;
        const float *position = t->position ? t->position + (size_t)r->position[i] * y->cols : NULL;
        const float *type = t->type ? t->type + (r->type ? (size_t)r->type[i] * y->cols : 0) : NULL;
        for (uint32_t c = 0; c < y->cols; c++)
            to[c] = word[c] + (position ? position[c] : 0) + (type ? type[c] : 0);
        scalar_norm_row(to, to, y->cols, n);
        if (yq)
            scalar_store_row(yq, i, to);
    }
}

/* Rows of a table that is held as a weight. Panels are no friend of single rows: one is spread over all of a panel's lines,
 * which is 10 µs for 4,096 columns and once a token. */
#include "kernels/cpu/weight.h"

void scalar_embed_rows(struct cpu_queue *q, struct mat *y, const struct weight *w, float scale, const struct rows *r)
{
    for (uint32_t i = 0; i < r->used[0]; i++) {
        float *to = (float *)y->data + (size_t)i * y->stride;
        weight_row(w, r->token[i], to);
        for (uint32_t c = 0; c < w->k; c++)
            to[c] *= w->scale * scale;
    }
}

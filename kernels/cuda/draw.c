#include "kernels/cuda/cuda.h"

void cuda_draw(void *queue, struct draw_out *out, struct mat *logits, const struct draw_row *row, const struct draw_said *said,
               const struct rows *r)
{
    struct cuda_queue *q = ready(queue, logits, NULL, NULL);
    if (!q)
        return;
    struct draw_params p = {.logits = logits->data, .row = row, .said = said, .out = out, .used = r->used, .stride = logits->stride};
    launch(q, KERNEL_draw, r->max_rows, 1, 0, &p);
}

#include "kernels/cpu/cpu.h"

#include <string.h>

void scalar_gather(struct cpu_queue *q, struct mat *y, const struct mat *x, const uint32_t *from, const uint32_t *used)
{
    size_t bytes = x->stride * (size_t)(x->type == TYPE_F32 ? 4 : x->type == TYPE_Q8 ? 1 : 2);
    uint32_t blocks = x->stride / QUANT_BLOCK;
    for (uint32_t i = 0; i < used[0]; i++) {
        memcpy((char *)y->data + i * bytes, (const char *)x->data + from[i] * bytes, bytes);
        if (x->type == TYPE_Q8)
            memcpy(y->quant + (size_t)i * blocks, x->quant + (size_t)from[i] * blocks, blocks * sizeof *x->quant);
    }
}

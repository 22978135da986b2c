/* Weights: rows as they are read, converted in pinned memory, k filled up with zeros. */
#include "base/mem.h"
#include "kernels/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

/* round to nearest even; NaN stays NaN */
static uint16_t bf16_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void upload(struct weight *w, void *q, read_row from, void *arg)
{
    size_t width = w->type == TYPE_F32 ? 4 : 2;
    float *row = mem_zero(w->k_padded, sizeof *row);
    uint16_t *half = mem_zero(w->k_padded, sizeof *half);
    for (uint32_t i = 0; i < w->n; i++) {
        from(arg, i, row);
        for (uint32_t c = 0; width == 2 && c < w->k; c++)
            half[c] = bf16_of(row[c]);
        cuda_put(q, (char *)w->data + i * w->k_padded * width, width == 2 ? (void *)half : row, w->k_padded * width);
    }
    free(row);
    free(half);
}

int cuda_weight(void *dev, struct weight **out, enum type type, uint32_t n, uint32_t k, read_row from, void *arg,
                struct err *e)
{
    if (type != TYPE_F32 && type != TYPE_BF16)
        return err_set(e, ERR_UNSUPPORTED, "the GPU holds weights in fp32 or bf16, not in type %d", (int)type);
    if (n == 0 || k == 0 || n > 1u << 24 || k > 1u << 24)
        return err_set(e, ERR_UNSUPPORTED, "a weight of %u x %u", n, k);
    struct bounds b = {.rows = 1, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1};
    struct weight *w = mem_zero(1, sizeof *w);
    void *q = NULL;
    *w = (struct weight){.type = type, .n = n, .k = k, .k_padded = round_up(k, 64)};
    w->bytes = (size_t)n * w->k_padded * (type == TYPE_F32 ? 4 : 2);
    int rc = cuda_memory(dev, &w->data, w->bytes, e);
    if (!rc)
        rc = cuda_queue_open(dev, &b, &q, e);
    if (!rc) {
        upload(w, q, from, arg);
        rc = cuda_sync(q, e);
    }
    cuda_queue_close(q);
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

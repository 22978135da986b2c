/* Weights: rows as they are read, decoded on the host, k filled up with zeros. */
#include "base/mem.h"
#include "kernels/block/numbers.h"
#include "kernels/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>

enum type cuda_held(void *dev, enum block_type file, bool exact)
{
    return exact ? TYPE_F32 : TYPE_BF16;
}

enum type cuda_operand(void *dev, enum type held, uint32_t rows)
{
    return held;
}

static void upload(struct weight *w, void *q, const struct weight_source *from)
{
    const struct block_format *f = &block_formats[from->type];
    float scale = from->scale ? from->scale[0] : 1;
    size_t width = w->type == TYPE_F32 ? 4 : 2;
    float *row = mem_zero(w->k_padded, sizeof *row);
    uint16_t *half = mem_zero(w->k_padded, sizeof *half);
    for (uint32_t i = 0; i < w->n; i++) {
        f->decode(row, from->row(from->arg, i), w->k / f->values);
        for (uint32_t c = 0; c < w->k; c++) {
            row[c] *= scale;
            half[c] = bf16_from_f32(row[c]);
        }
        cuda_put(q, (char *)w->data + i * w->k_padded * width, width == 2 ? (void *)half : row, w->k_padded * width);
    }
    free(row);
    free(half);
}

int cuda_weight(void *dev, struct weight **out, enum type type, const struct weight_shape *shape,
                const struct weight_source *from, struct err *e)
{
    uint32_t n = shape->n, k = shape->k, values = block_formats[from->type].values;
    if (type != TYPE_F32 && type != TYPE_BF16)
        return err_set(e, ERR_UNSUPPORTED, "the GPU holds weights in fp32 or bf16, not in type %d", (int)type);
    if (shape->experts > 1)
        return err_set(e, ERR_UNSUPPORTED, "the GPU has no product with the weights of several experts yet");
    if (n == 0 || k == 0 || n > 1u << 24 || k > 1u << 24 || k % values)
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
        upload(w, q, from);
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

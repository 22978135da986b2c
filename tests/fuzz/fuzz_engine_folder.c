/* Tensors put together out of a safetensors file's: every row of what is accepted lies inside the bytes and becomes numbers. */
#include "base/mem.h"
#include "engine/format/folder_parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS_MAX 4096   /* of a tensor: more of the same */
#define VALUES_MAX 65536 /* of a row: a tensor without rows may have any width */

static void read_rows(const struct tensor *t)
{
    const struct block_format *f = &block_formats[t->type];
    uint64_t k = t->shape[t->rank - 1], rows = 1;
    for (int i = 0; i < t->rank - 1; i++)
        rows *= t->shape[i];
    if (!rows || !k || k > VALUES_MAX)
        return;
    uint8_t *raw = mem_alloc(block_row_bytes(t->type, k));
    float *x = mem_alloc(k * sizeof *x);
    for (uint64_t r = 0; r < rows && r < ROWS_MAX; r++)
        f->decode(x, tensor_row(t, r, raw), k / f->values);
    free(raw);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model_file f = {.name = "fuzz"};
    struct safetensors *st = NULL;
    struct err e = {0};
    int rc = safetensors_parse(&st, "fuzz", data, size, &e);
    if (rc)
        return 0;
    arena_init(&f.arena);
    model_add_shard(&f, (struct model_shard){.name = "fuzz", .st = st});
    for (size_t i = 0; i < safetensors_count(st) && !rc; i++)
        if ((rc = folder_tensor(&f, &f.shard[0], safetensors_at(st, i), &e)) && !e.message[0])
            abort();
    for (size_t i = 0; i < f.tensors && !rc; i++) {
        read_rows(&f.tensor[i]);
        if (f.tensor[i].parts)
            folder_scales(&f, &f.tensor[i], &e);
    }
    safetensors_close(st);
    arena_release(&f.arena);
    free(f.shard);
    free(f.tensor);
    return 0;
}

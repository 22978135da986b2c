/* safetensors from memory: what is accepted lies inside the bytes. */
#include "engine/format/safetensors.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors *st = NULL;
    struct err e = {0};
    size_t all;
    if (safetensors_parse(&st, "fuzz", data, size, &e)) {
        if (!e.message[0] || st)
            abort();
        return 0;
    }
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        if (safetensors_find(st, t->name) != t)
            abort();
        for (size_t k = 0; k < t->bytes; k++)
            sum += t->data[k];
    }
    safetensors_finite(st, &e);
    safetensors_file(st, &all);
    if (all != size)
        abort();
    safetensors_close(st);
    return 0;
}

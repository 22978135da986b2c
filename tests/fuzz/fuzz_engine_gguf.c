/* GGUF from memory: what is accepted lies inside the bytes, and every key can be read. */
#include "engine/format/gguf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t bytes_of(const struct tensor *t)
{
    uint64_t bytes = block_row_bytes(t->type, t->shape[t->rank - 1]);
    for (int i = 0; i < t->rank - 1; i++)
        bytes *= t->shape[i];
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gguf *g = NULL;
    struct err e = {0};
    volatile uint64_t sum = 0;
    const char *key;
    if (gguf_parse(&g, "fuzz", data, size, &e)) {
        if (!e.message[0] || g)
            abort();
        return 0;
    }
    for (size_t i = 0; i < gguf_count(g); i++) {
        const struct tensor *t = gguf_at(g, i);
        if (t->data < data + gguf_data_at(g) || bytes_of(t) > (uint64_t)(data + size - t->data))
            abort();
        for (uint64_t k = 0; k < bytes_of(t); k++)
            sum += t->data[k];
    }
    for (size_t i = 0; (key = gguf_key_at(g, i)); i++) {
        struct meta m;
        size_t len;
        if (!gguf_meta(g, key, &m))
            abort();
        for (size_t k = 0; (m.kind == META_INTS || m.kind == META_FLOATS || m.kind == META_TEXTS) && k < m.len; k++) {
            sum += (uint64_t)meta_int(&m, k) + (meta_float(&m, k) > 0);
            const char *text = meta_text(&m, k, &len);
            for (size_t j = 0; j < len; j++)
                sum += (uint8_t)text[j];
        }
        if (m.kind == META_TEXT && m.text[m.len])
            abort();
    }
    gguf_close(g);
    return 0;
}

/* Files of tokenizers and texts: bytes that begin with "GGUF" are read as a model's metadata, with '{' as tokenizer.json, a NUL
 * ends them where there is one behind the JSON; all other bytes are texts for tokenizers of a few kinds, cut from the same
 * bytes. Whatever the bytes: ids of the vocabulary, the same from memory, and, where every byte has a token, the bytes back. */
#include "base/buf.h"
#include "engine/format/gguf.h"
#include "engine/tokenizer/tokenizer_data.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct tokenizer_memory *memory;
static uint32_t *once, *twice;
static size_t once_cap, twice_cap;

static void try_text(const struct tokenizer *t, const uint8_t *text, size_t size, bool lossless)
{
    size_t n = 0, m = 0;
    uint8_t *literal = calloc(size + 1, 1);
    for (size_t i = 0; i < size; i++)
        literal[i] = text[i] != 'x' && size % 3 == 0;
    tokenizer_encode(t, memory, (const char *)text, size, literal, &once, &n, &once_cap);
    tokenizer_encode(t, memory, (const char *)text, size, literal, &twice, &m, &twice_cap);
    if (n != m || (n && memcmp(once, twice, n * sizeof *once)))
        abort();
    struct buf back = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        if (once[i] >= tokenizer_info(t)->vocab)
            abort();
        const char *s = tokenizer_bytes(t, once[i], true, &len);
        buf_add(&back, s, len);
    }
    if (lossless && (back.len != size || (size && memcmp(back.data, text, size))))
        abort();
    buf_release(&back);
    free(literal);
}

static bool in_gguf(const void *from, const char *key, struct meta *out)
{
    return gguf_meta(from, key, out);
}

/* Byte-level over all bytes, with a few merges and marks. */
static const struct tokenizer *fixed(void)
{
    static struct tokenizer *t;
    struct buf json = BUF_INIT;
    if (t)
        return t;
    buf_adds(&json, "{\"added_tokens\":[{\"id\":300,\"content\":\"<|a|>\",\"special\":true},{\"id\":301,\"content\":\"<|a|>\\n\",\"special\":true},"
                    "{\"id\":302,\"content\":\"  \",\"special\":false}],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                    "\"model\":{\"type\":\"BPE\",\"merges\":[\"a b\",\"ab c\",\"a a\",\"aa aa\",\"\\u00e4 \\u00b8\"],\"vocab\":{");
    for (int c = 0; c < 256; c++)
        buf_addf(&json, "\"\\u%04x\":%d,", expression_letter((uint8_t)c), c);
    buf_adds(&json, "\"ab\":256,\"abc\":257,\"aa\":258,\"aaaa\":259,\"\\u00e4\\u00b8\":260}}}");
    if (tokenizer_from_json(&t, "fuzz", json.data, json.len, NULL))
        abort();
    buf_release(&json);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokenizer *t = NULL;
    struct err e = {0};
    if (!memory)
        memory = tokenizer_memory_new();
    if (size > 4 && !memcmp(data, "GGUF", 4)) {
        struct gguf *g = NULL;
        int rc = gguf_parse(&g, "fuzz", data, size, &e);
        if (!rc) {
            const struct meta_source source = {in_gguf, g};
            rc = tokenizer_from_gguf(&t, &source, &e);
        }
        if (rc && !e.message[0])
            abort();
        if (!rc)
            try_text(t, data, size, false);
        tokenizer_close(t);
        gguf_close(g);
    } else if (size && data[0] == '{') {
        const uint8_t *end = memchr(data, 0, size);
        size_t n = end ? (size_t)(end - data) : size;
        if (tokenizer_from_json(&t, "fuzz", data, n, &e)) {
            if (!e.message[0])
                abort();
        } else {
            try_text(t, data, size, false);
        }
        tokenizer_close(t);
    }
    try_text(fixed(), data, size, true);
    return 0;
}

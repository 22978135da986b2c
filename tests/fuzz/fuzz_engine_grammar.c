/* A grammar, as text or (where it begins with '{') as a JSON schema; what follows a byte 0 is fed to it. Whatever it is: an
 * error with a text, or a matcher whose masks over single bytes agree with what it accepts. */
#include "engine/sample/grammar.h"

#include "engine/format/json.h"

#include <stdlib.h>
#include <string.h>

#define FED_MOST 300 /* bytes: a grammar can be made that takes many steps for each */

static const char *one_byte(void *arg, uint32_t id, size_t *len)
{
    *len = 1;
    return (const char *)arg + id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char all[256];
    static struct grammar_vocab *v;
    struct grammar *g = NULL;
    struct err e = {0};
    if (!v) {
        for (int i = 0; i < 256; i++)
            all[i] = (char)i;
        v = grammar_vocab_new(256, one_byte, all);
    }
    const uint8_t *end = memchr(data, 0, size);
    size_t n = end ? (size_t)(end - data) : size;
    int rc;
    if (n && data[0] == '{') {
        json_t *j = NULL;
        if (json_bounded(&j, "fuzz", data, n, 40, 500, NULL))
            return 0;
        rc = grammar_from_schema(&g, j, &e);
        json_decref(j);
    } else {
        rc = grammar_from_text(&g, (const char *)data, n, &e);
    }
    if (rc) {
        if (!e.message[0])
            abort();
        return 0;
    }
    struct matcher *m = matcher_new(g, v);
    uint32_t state = MATCHER_START;
    for (size_t i = n + 1; i < size && i < n + FED_MOST; i++) {
        const uint32_t *mask = matcher_mask(m, state, &e);
        if (!mask)
            break;
        bool said = mask[data[i] / 32] >> (data[i] % 32) & 1;
        uint32_t next = state;
        if (matcher_accept(m, &next, (const char *)data + i, 1) != said)
            abort();
        if (matcher_must_end(m, state) && (said || !matcher_may_end(m, state)))
            abort();
        state = said ? next : state;
    }
    matcher_free(m);
    grammar_free(g);
    return 0;
}

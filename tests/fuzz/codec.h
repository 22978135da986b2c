/* What the fuzzers of codecs share: is what was written whole lines of JSON, and results of the service with foreign text in them. */
#ifndef CODEASK_TESTS_FUZZ_CODEC_H
#define CODEASK_TESTS_FUZZ_CODEC_H

#include "base/buf.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void check_lines(const struct buf *out)
{
    size_t at = 0;
    while (at < out->len) {
        const char *nl = memchr(out->data + at, '\n', out->len - at);
        if (!nl)
            abort();
        size_t len = (size_t)(nl - out->data) - at;
        json_t *j = json_loadb(out->data + at, len, 0, NULL);
        if (!json_is_object(j))
            abort();
        json_decref(j);
        at += len + 1;
    }
}

/* shape: with six %s, each of which becomes the beginning of the input as a JSON string. The caller frees. */
static inline char *filled(const char *shape, const uint8_t *bytes, size_t n)
{
    json_t *text = json_stringn((const char *)bytes, n < 64 ? n : 64);
    char *q = json_dumps(text ? text : json_null(), JSON_ENCODE_ANY);
    size_t room = strlen(shape) + 6 * strlen(q) + 1;
    char *out = malloc(room);
    snprintf(out, room, shape, q, q, q, q, q, q);
    free(q);
    json_decref(text);
    return out;
}

#endif

/* Which texts a grammar accepts: each line of standard input is {"schema": …} or {"grammar": text} with "texts": […]; each
 * line out is {"accepts": [bool…]} or {"error": …, "code": …}. With "sample": n and "seed", n texts are drawn from the
 * grammar through its masks over single bytes: {"accepts": …, "drawn": […]}. */
#include "engine/sample/grammar.h"
#include "engine/sample/sample.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAWN_MOST 3000 /* bytes; past it the shortest way out is looked for no further */

static const char *one_byte(void *arg, uint32_t id, size_t *len)
{
    *len = 1;
    return (const char *)arg + id;
}

static json_t *draw(struct matcher *m, uint64_t seed)
{
    struct buf b = BUF_INIT;
    json_t *text = NULL;
    uint32_t state = MATCHER_START;
    for (uint64_t at = 0; b.len < DRAWN_MOST; at++) {
        const uint32_t *mask = matcher_mask(m, state, NULL);
        uint32_t ids[256], n = 0;
        if (!mask)
            break;
        /* closing signs are likelier the longer the text is, so that texts end */
        for (uint32_t c = 0; c < 256; c++)
            if (mask[c / 32] >> (c % 32) & 1)
                for (int k = c < 0x80 && strchr("\"}],", (int)c) && c ? 3 : 1; k && n < 256; k--)
                    ids[n++] = c;
        if (matcher_may_end(m, state) && (!n || sample_uniform(seed, at, LANE_ACCEPT) < .2)) {
            text = json_stringn(b.len ? b.data : "", b.len);
            break;
        }
        if (!n)
            break;
        char c = (char)ids[(size_t)(sample_uniform(seed, at, LANE_DRAW) * n)];
        matcher_accept(m, &state, &c, 1);
        buf_addc(&b, c);
    }
    buf_release(&b);
    return text;
}

static json_t *one(const json_t *row, const struct grammar_vocab *bytes)
{
    struct grammar *g = NULL;
    struct err e = {0};
    const json_t *schema = json_object_get(row, "schema"), *text = json_object_get(row, "grammar"), *texts = json_object_get(row, "texts");
    int rc = schema ? grammar_from_schema(&g, schema, &e) : grammar_from_text(&g, json_string_value(text), json_string_length(text), &e);
    if (rc)
        return json_pack("{s:s, s:s}", "error", e.message, "code", err_name(rc));
    struct matcher *m = matcher_new(g, bytes);
    json_t *accepts = json_array(), *drawn = json_array();
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *t = json_array_get(texts, i);
        uint32_t state = MATCHER_START;
        bool fits = matcher_accept(m, &state, json_string_value(t), json_string_length(t)) && matcher_may_end(m, state);
        json_array_append_new(accepts, json_boolean(fits));
    }
    for (json_int_t i = 0; i < json_integer_value(json_object_get(row, "sample")); i++) {
        json_t *t = draw(m, (uint64_t)(json_integer_value(json_object_get(row, "seed")) * 1000 + i));
        if (t)
            json_array_append_new(drawn, t);
    }
    matcher_free(m);
    grammar_free(g);
    return json_pack("{s:o, s:o}", "accepts", accepts, "drawn", drawn);
}

int main(void)
{
    char *line = NULL, all[256];
    size_t cap = 0;
    ssize_t n;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct grammar_vocab *bytes = grammar_vocab_new(256, one_byte, all);
    while ((n = getline(&line, &cap, stdin)) > 0) {
        json_t *row = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
        json_t *answer = row ? one(row, bytes) : json_pack("{s:s}", "error", "no JSON");
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(answer);
        json_decref(row);
    }
    grammar_vocab_free(bytes);
    free(line);
    return 0;
}

/* Renders templates: each line of standard input is {"template": text, "context": {…}, "now": seconds, "literal": [names]};
 * each line out {"text": …, "origin": "0110…"} or {"error": …, "code": …}. */
#include "engine/chat/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *one(const json_t *row)
{
    struct chat_template *t = NULL;
    struct rendered out = {BUF_INIT, BUF_INIT};
    struct err e = {0};
    const char *names[16] = {NULL};
    const json_t *literal = json_object_get(row, "literal"), *text = json_object_get(row, "template");
    for (size_t i = 0; i < json_array_size(literal) && i < 15; i++)
        names[i] = json_string_value(json_array_get(literal, i));
    int rc = chat_template_parse(&t, "template", json_string_value(text), json_string_length(text), &e);
    if (!rc)
        rc = chat_template_render(&out, t, json_object_get(row, "context"), names, json_integer_value(json_object_get(row, "now")), &e);
    json_t *answer;
    if (rc) {
        answer = json_pack("{s:s, s:s}", "error", e.message, "code", err_name(rc));
    } else {
        for (size_t i = 0; i < out.origin.len; i++)
            out.origin.data[i] += '0';
        answer = json_object();
        json_object_set_new(answer, "text", json_stringn_nocheck(out.text.len ? out.text.data : "", out.text.len));
        json_object_set_new(answer, "origin", json_stringn_nocheck(out.origin.len ? out.origin.data : "", out.origin.len));
    }
    rendered_release(&out);
    chat_template_free(t);
    return answer;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        json_t *row = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, NULL);
        json_t *answer = row ? one(row) : json_pack("{s:s}", "error", "no JSON");
        json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(answer);
        json_decref(row);
    }
    free(line);
    return 0;
}

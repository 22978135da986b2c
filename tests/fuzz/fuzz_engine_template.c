/* A template, parsed and rendered with a small conversation; a byte 0 ends it, and what follows is JSON that is joined to
 * the context. Whatever it is: an error with a text, or as many origins as bytes. */
#include "engine/chat/template.h"

#include "engine/format/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const literal[] = {"bos_token", NULL};
    struct chat_template *t = NULL;
    struct err e = {0};
    const uint8_t *end = memchr(data, 0, size);
    size_t n = end ? (size_t)(end - data) : size;
    int rc = chat_template_parse(&t, "fuzz", (const char *)data, n, &e);
    if (rc && !e.message[0])
        abort();
    if (rc)
        return 0;
    json_t *context = json_pack("{s:[{s:s,s:s},{s:s,s:s,s:[{s:{s:s,s:{s:i}}}]}], s:s, s:b, s:i, s:f, s:[i,i,i], s:{s:s,s:s}, s:s}", "messages",
                                "role", "user", "content", " Hi <|x|> \xc3\xa9\n", "role", "assistant", "content", "Yo", "tool_calls", "function",
                                "name", "f", "arguments", "a", 1, "bos_token", "<s>", "add_generation_prompt", 1, "n", 3, "f", 2.5, "l", 3, 1, 2,
                                "d", "k", "v", "b", "x", "s", "a,b c");
    json_t *more = NULL;
    if (end && !json_bounded(&more, "fuzz", end + 1, size - n - 1, 64, 1000, NULL) && json_is_object(more))
        json_object_update(context, more);
    struct rendered out;
    rc = chat_template_render(&out, t, context, literal, 1754438400, &e);
    if (rc ? !e.message[0] || out.text.len : out.text.len != out.origin.len)
        abort();
    for (size_t i = 0; i < out.origin.len; i++)
        if (out.origin.data[i] & ~1)
            abort();
    rendered_release(&out);
    json_decref(more);
    json_decref(context);
    chat_template_free(t);
    return 0;
}

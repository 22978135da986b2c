/* Chat templates: the subset of Jinja that models' templates are written in, rendered byte for byte as the reference does
 * (jinja2 in the sandbox of `transformers`: trim_blocks, lstrip_blocks, loop controls, `tojson` without sorting or escaping,
 * raise_exception, strftime_now).
 *
 * A template is foreign code: parsed within bounds, run with a budget of steps, depth and bytes; one that loops ends in
 * ERR_LIMIT. What it prints carries where each byte came from: 1 for literals of the
 * template and values that the template computed from literals alone, 0 for bytes of messages, tools and documents, however
 * they were cut, joined, replaced or encoded on the way. Only bytes of 1 can be part of a special token.
 *
 * A parsed template is read-only: any thread may render. */
#ifndef CODEASK_ENGINE_CHAT_TEMPLATE_H
#define CODEASK_ENGINE_CHAT_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#define TEMPLATE_BYTES_MAX (256u << 10) /* of a template: the largest real one has 17 kB */

struct chat_template;
/* ERR_FORMAT names line and what was expected; ERR_UNSUPPORTED names what is not in the subset. name stands for the file. */
int chat_template_parse(struct chat_template **out, const char *name, const char *text, size_t len, struct err *e);
void chat_template_free(struct chat_template *t); /* accepts NULL */

struct rendered {
    struct buf text;
    struct buf origin; /* a byte for each byte of text: 1 template, 0 foreign */
};
/* context: {"messages": […], "tools": […], "add_generation_prompt": true, "bos_token": "<s>", …}, borrowed. Strings in it are
 * foreign, except the values of the keys in literal (NULL-terminated; "bos_token", "eos_token") and messages[i].role where it
 * is one of the usual roles: who calls chooses it, and some templates make their tokens of it. now: seconds since the epoch
 * for strftime_now, UTC. ERR_USAGE carries the text of raise_exception. */
int chat_template_render(struct rendered *out, const struct chat_template *t, const json_t *context, const char *const *literal,
                         int64_t now, struct err *e);
void rendered_release(struct rendered *r);

#endif

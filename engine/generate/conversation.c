#include "engine/generate/conversation.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/format/json.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX (4u << 20) /* of tokenizer_config.json: with all of its added tokens 250 kB in real ones */
#define CONFIG_DEPTH 16
#define CONFIG_VALUES 500000

/* For base models, which were taught no turns: what most of them go on with sensibly. */
static const char plain[] = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}assistant:";

struct conversation {
    const struct tokenizer *tokenizer;
    struct chat_template *parsed;
    char *text;
    size_t len;
    char *bos, *eos; /* their text; empty: none */
};

/* The folder's: chat_template.jinja, else in tokenizer_config.json, as one text or the one named "default" of several. */
static int folder_template(struct buf *out, const char *folder, struct err *e)
{
    struct buf name = BUF_INIT;
    json_t *config = NULL;
    const json_t *value;
    size_t i;
    int rc = 0;
    buf_addf(&name, "%s/chat_template.jinja", folder);
    if (!file_read(out, name.data, TEMPLATE_BYTES_MAX, NULL))
        goto out;
    buf_clear(&name);
    buf_addf(&name, "%s/tokenizer_config.json", folder);
    rc = json_file(&config, name.data, CONFIG_MAX, CONFIG_DEPTH, CONFIG_VALUES, e);
    if (rc)
        goto out;
    const json_t *t = json_object_get(config, "chat_template"), *several = t;
    json_array_foreach(several, i, value)
        if (i == 0 || !strcmp(json_get_text(value, "name", ""), "default"))
            t = json_object_get(value, "template");
    if (json_is_string(t))
        buf_add(out, json_string_value(t), json_string_length(t));
out:
    json_decref(config);
    buf_release(&name);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static char *text_of(const struct tokenizer *t, uint32_t id)
{
    size_t n = 0;
    const char *s = id == TOKEN_NONE ? "" : tokenizer_bytes(t, id, true, &n);
    char *copy = mem_alloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

int conversation_open(struct conversation **out, const struct model_file *f, const struct tokenizer *tokenizer, struct err *e)
{
    struct conversation *c = mem_zero(1, sizeof *c);
    struct buf text = BUF_INIT;
    struct meta m;
    int rc = 0;
    if (!model_file_is_gguf(f))
        rc = folder_template(&text, model_file_folder(f), e);
    else if (model_file_meta(f, "tokenizer.chat_template", &m) && m.kind == META_TEXT)
        buf_add(&text, m.text, m.len);
    if (!rc && !text.len)
        buf_add(&text, plain, sizeof plain - 1);
    c->tokenizer = tokenizer;
    c->bos = text_of(tokenizer, tokenizer_info(tokenizer)->bos);
    c->eos = text_of(tokenizer, tokenizer_info(tokenizer)->eos);
    c->len = text.len;
    c->text = buf_take(&text);
    if (!rc)
        rc = chat_template_parse(&c->parsed, "chat template", c->text, c->len, e);
    if (rc)
        conversation_close(c);
    else
        *out = c;
    return rc;
}

void conversation_close(struct conversation *c)
{
    if (!c)
        return;
    chat_template_free(c->parsed);
    free(c->text);
    free(c->bos);
    free(c->eos);
    free(c);
}

bool conversation_plain(const struct conversation *c)
{
    return c->len == sizeof plain - 1 && !memcmp(c->text, plain, c->len);
}

const char *conversation_template(const struct conversation *c, size_t *len)
{
    *len = c->len;
    return c->text;
}

static void add_message(json_t *to, const char *role, const char *text, size_t len)
{
    json_t *m = json_object();
    json_object_set_new(m, "role", json_string(role));
    json_object_set_new(m, "content", json_stringn_nocheck(text, len)); /* bytes of a repository: any */
    json_array_append_new(to, m);
}

/* merged: the system's text at the head of the first message of the user. */
static json_t *messages_json(const struct gen_message *message, size_t n, bool merged)
{
    json_t *all = json_array();
    struct buf head = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        const struct gen_message *m = &message[i];
        if (merged && !strcmp(m->role, "system")) {
            buf_add(&head, m->text, m->len);
            buf_adds(&head, "\n\n");
        } else if (head.len && !strcmp(m->role, "user")) {
            buf_add(&head, m->text, m->len);
            add_message(all, m->role, head.data, head.len);
            buf_clear(&head);
        } else {
            add_message(all, m->role, m->text, m->len);
        }
    }
    buf_release(&head);
    return all;
}

static int render(struct rendered *out, const struct conversation *c, const struct gen_message *message, size_t n, bool merged,
                  bool thinking, struct err *e)
{
    static const char *const literal[] = {"bos_token", "eos_token", "reasoning_effort", NULL};
    json_t *context = json_object();
    json_object_set_new(context, "messages", messages_json(message, n, merged));
    json_object_set_new(context, "add_generation_prompt", json_true());
    json_object_set_new(context, "enable_thinking", json_boolean(thinking));
    json_object_set_new(context, "reasoning_effort", json_string(thinking ? "medium" : "low"));
    json_object_set_new(context, "bos_token", json_stringn_nocheck(c->bos, strlen(c->bos)));
    json_object_set_new(context, "eos_token", json_stringn_nocheck(c->eos, strlen(c->eos)));
    int rc = chat_template_render(out, c->parsed, context, literal, clock_wall_ns() / 1000000000, e);
    json_decref(context);
    return rc;
}

int conversation_render(struct prompt_tokens *out, const struct conversation *c, struct tokenizer_memory *memory,
                        const struct gen_message *message, size_t n, bool thinking, struct err *e)
{
    const struct tokenizer_info *info = tokenizer_info(c->tokenizer);
    *out = (struct prompt_tokens){0};
    int rc = render(&out->text, c, message, n, false, thinking, e);
    if (rc == ERR_USAGE && n && !strcmp(message[0].role, "system")) {
        rendered_release(&out->text);
        out->text = (struct rendered){0};
        rc = render(&out->text, c, message, n, true, thinking, e);
    }
    if (rc) {
        prompt_tokens_release(out);
        return rc;
    }
    if (info->add_bos && info->bos != TOKEN_NONE && /* a template that writes it itself is not helped twice */
        (out->text.text.len < strlen(c->bos) || memcmp(out->text.text.data, c->bos, strlen(c->bos)))) {
        VEC_ROOM(out->token, out->n, out->cap);
        out->token[out->n++] = info->bos;
    }
    tokenizer_encode(c->tokenizer, memory, out->text.text.data, out->text.text.len, (const uint8_t *)out->text.origin.data,
                     &out->token, &out->n, &out->cap);
    return 0;
}

void prompt_tokens_release(struct prompt_tokens *p)
{
    rendered_release(&p->text);
    free(p->token);
    *p = (struct prompt_tokens){0};
}

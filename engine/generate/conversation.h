/* Messages to tokens: the model's own template renders, its tokenizer reads, and only what the template wrote can be special. */
#ifndef CODEASK_ENGINE_GENERATE_CONVERSATION_H
#define CODEASK_ENGINE_GENERATE_CONVERSATION_H

#include "engine/chat/template.h"
#include "engine/generate.h"
#include "engine/tokenizer/tokenizer.h"

/* Read-only once open: any thread may use it. */
struct conversation;
/* The template of the file or its folder; a plain one ("user: …") where it has none. tokenizer is borrowed. */
int conversation_open(struct conversation **out, const struct model_file *f, const struct tokenizer *tokenizer, struct err *e);
void conversation_close(struct conversation *c); /* accepts NULL */
bool conversation_plain(const struct conversation *c); /* the model has no template of its own */
const char *conversation_template(const struct conversation *c, size_t *len);

struct prompt_tokens {
    struct rendered text; /* released with it */
    uint32_t *token;      /* [n] */
    size_t n, cap;
};
/* A template that knows no system message gets it at the head of the first user's. thinking: the family may reason. ERR_USAGE
 * carries what the template itself refuses. */
int conversation_render(struct prompt_tokens *out, const struct conversation *c, struct tokenizer_memory *memory,
                        const struct gen_message *message, size_t n, bool thinking, struct err *e);
void prompt_tokens_release(struct prompt_tokens *p);

#endif

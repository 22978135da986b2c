/* What a model writes, split by its family's markers into reasoning, answer and tool calls, while it streams.
 *
 * Which markers a family has is found from its template's text. A marker that the vocabulary holds as a special token counts
 * only as that token, so that quoted text cannot forge it; one that it doesn't hold is found in the text, split anywhere.
 *
 * Reasoning has a budget of tokens: when it is spent, split_forced says what is to be written next to close it. Not thread-safe. */
#ifndef CODEASK_ENGINE_CHAT_SPLIT_H
#define CODEASK_ENGINE_CHAT_SPLIT_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

enum split_part { SPLIT_ANSWER, SPLIT_REASONING, SPLIT_TOOL };

/* Does the vocabulary hold exactly this text as a special token? */
typedef bool split_special_fn(void *arg, const char *text, size_t n);
/* A piece of a part, as soon as it is sure; bytes are valid only in the call. Of tool calls all bytes between the markers. */
typedef void split_sink_fn(void *arg, enum split_part part, const char *bytes, size_t n);

struct split_options {
    const char *template_text; /* of the model; the families' rows are found from it */
    size_t template_len;
    const char *prompt;        /* the rendered prompt: it may have opened the reasoning */
    size_t prompt_len;
    split_special_fn *special; /* NULL: no special tokens */
    void *special_arg;
    split_sink_fn *sink;
    void *sink_arg;
    uint32_t reasoning_tokens; /* budget; 0: none */
    bool tools;                /* tools were offered: a bare JSON object can be a call (Llama 3.1) */
};

struct split;
struct split *split_new(const struct split_options *o);
void split_free(struct split *s); /* accepts NULL */

/* One token's bytes. special: it is a special token, and bytes its text. */
void split_feed(struct split *s, const char *bytes, size_t n, bool special);
/* The end of the output: what was held back is given, an open call closed. */
void split_end(struct split *s);

enum split_part split_part(const struct split *s); /* where the output is now */
/* The budget is spent and reasoning still open: the bytes to write next (special tokens by their text), and their length;
 * NULL otherwise. They are fed like any other once they are written. */
const char *split_forced(const struct split *s, size_t *n);
/* No part is open (harmony alone, whose messages begin with a header): the bytes that lead to the answer's text, or, with reason, to
 * reasoning first; for who must have an answer. NULL: a part is open, or a header half written. */
const char *split_lead(struct split *s, bool reason, size_t *n);
uint32_t split_reasoned(const struct split *s); /* tokens of reasoning so far */

/* The calls so far: [{"name": text, "arguments": object}…], borrowed. What could not be read as a call: split_unread. */
const json_t *split_calls(const struct split *s);
uint32_t split_unread(const struct split *s);

#endif

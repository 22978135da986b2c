/* Text from a language model: messages in, pieces of text out as they are written. In process and through the engine process
 * alike, as engine.h, whose models these are: model_info() says whether a model can (context > 0).
 *
 * The chat template that the model file carries renders the messages inside of the engine, because it is foreign code. Text of
 * messages can never be read as a special token of the model (tokenizer.h), and what the model says is split by its family's
 * markers into reasoning, answer and tool calls before it leaves. Prompts share what they have in common with earlier ones
 * (prefix cache), so callers put the stable parts first.
 *
 * Threads: every function may be called from any thread; requests in flight are stepped together (continuous batching). */
#ifndef CODEASK_ENGINE_GENERATE_H
#define CODEASK_ENGINE_GENERATE_H

#include "engine/engine.h"

#define GENERATE_STOPS 8        /* stop strings of one request: more only slow the matcher down */
#define GENERATE_SOURCES 256    /* contents that a prompt may be made of */

/* One message. role: "system", "user", "assistant". */
struct gen_message {
    const char *role;
    const char *text; /* UTF-8, any bytes but NUL */
    size_t len;
};

struct gen_options {        /* all zero: greedy, to the model's end of turn or to the end of its window */
    uint32_t max_tokens;    /* of answer and tool calls together; 0: what the window holds */
    uint32_t max_reasoning; /* tokens of reasoning, after which it is closed; 0: none is allowed where the family can do without */
    float temperature;      /* 0: greedy */
    float top_p, min_p;     /* 0: off */
    uint32_t top_k;         /* 0: off */
    float repetition;       /* 0 or 1: off */
    uint64_t seed;          /* the same request with the same seed gives the same text, whatever runs beside it */
    const char *stop[GENERATE_STOPS]; /* NULL ends */
    const char *grammar;    /* GBNF, or a JSON schema where it begins with '{'; NULL: none */
    bool lookup;            /* drafts from the prompt itself: for answers that quote their context */
};

/* What a prompt is made of, for the prefix cache on disk: entries die with a purge of a content or with a scope. */
struct gen_provenance {
    const uint8_t (*content)[20]; /* git hashes; NULL and 0: the prompt is not kept on disk */
    size_t ncontent;
    const char *scope;            /* who may reuse it: an opaque name of a set of permissions */
};

struct gen_prompt {
    const struct gen_message *message;
    size_t n;
    struct gen_options options;
    struct gen_provenance provenance;
    const char *adapter; /* folder of the adapter to write with (train/peft.h), in the place of engine_options.adapter; NULL: that one */
};

enum gen_channel { GEN_REASONING, GEN_ANSWER, GEN_TOOL };

/* Bytes as they come, whole characters only, borrowed for the call. false: enough, the rest is canceled without an error.
 * Called from the thread that called model_generate. prompt_done/prompt_total (tokens) are told while the prompt is read, with
 * len 0. */
struct gen_piece {
    enum gen_channel channel;
    const char *text;
    size_t len;
    uint32_t prompt_done, prompt_total;
};
typedef bool (*gen_sink)(void *arg, const struct gen_piece *p);

enum gen_end { GEN_END_TURN, GEN_END_LENGTH, GEN_END_STOP, GEN_END_SINK };

struct gen_result {
    enum gen_end end;
    uint32_t prompt_tokens, reused_tokens;          /* reused: read before, from the prefix cache */
    uint32_t reasoning_tokens, answer_tokens, drafted, accepted;
    double ms_prompt, ms_first, ms_total;           /* ms_first: until the first byte of answer or reasoning */
    double ms_read;                                 /* of ms_prompt: reading it, without waiting for others */
};

/* Blocks until the answer ends. *stop, polled between steps, may be NULL (ERR_CANCELED). ERR_LIMIT: the prompt does not fit
 * the window (nothing is cut silently); ERR_BUSY: too many wait; ERR_UNSUPPORTED: no generator, or a grammar that says more
 * than the subset; what train/peft.h says of the adapter; ERR_CRASHED: the engine process died in the middle, what was given stays valid. */
int model_generate(struct model *m, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                   const volatile bool *stop, struct err *e);

/* Tokens of each text as they would count in a message, for a packer that must know what fits. out: [n]. */
int model_count(struct model *m, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e);

/* Forgets every prefix in memory, and on disk whoever wrote it, that was made with this content; NULL: all of them. */
int model_forget(struct model *m, const uint8_t content[20], struct err *e);

/* The same on disk while no engine has the folder (engine_options) open. */
void prefix_folder_forget(const char *folder, const uint8_t content[20]);

#endif

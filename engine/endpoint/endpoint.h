/* A model on another machine, behind engine.h: any server that speaks OpenAI's API (vLLM, SGLang, TensorRT-LLM, llama.cpp's server, another
 * codeask). The calls of engine.h and generate.h work on such a model as on one of ours; what they send is the text that they are given, so
 * whose text that may be is decided by the caller (service/models.h).
 *
 *   GET  BASE/models             at the opening: is it there, does it have the model
 *   POST BASE/embeddings         model_embed: ENDPOINT_BATCH texts at a time
 *   POST BASE/chat/completions   model_generate: streamed
 *
 * Vectors are keyed by the SHA-256 of address and name: the weights cannot be looked at, so that who puts another model behind the same
 * name gives it another name here. Nothing is kept for model_forget; prompts are the other machine's, which may cache them. */
#ifndef CODEASK_ENGINE_ENDPOINT_ENDPOINT_H
#define CODEASK_ENGINE_ENDPOINT_ENDPOINT_H

#include "base/buf.h"
#include "engine/generate.h"

#define ENDPOINT_BATCH 64              /* texts of a request: vLLM and llama.cpp answer the first of them before a time-out even on one GPU */
#define ENDPOINT_TRIES 3               /* of a request that brought nothing yet; after ½ and 1 s */
#define ENDPOINT_ANSWER_MAX (64u << 20) /* bytes of an answer: 64 vectors of 16,384 numbers in text */
#define ENDPOINT_TEXT_MAX (1u << 20)   /* bytes that are written to one question: beyond any answer_tokens */
#define ENDPOINT_CONTEXT 8192          /* tokens, where the server does not say */
#define ENDPOINT_RATE 2000             /* tokens of a prompt a second until one was measured (model_slowness) */
#define ENDPOINT_DIM_MAX 16384

struct endpoint_options {
    const char *url;           /* http(s)://HOST[:PORT]/v1 */
    const char *model;
    const char *key;           /* a file with the key, mode 0600; "" for none. Read for each request, never logged */
    const char *ca;            /* PEM file beside the system's; "" */
    unsigned stall_seconds;    /* without a byte: the time until the first token of a long prompt, too */
    bool embeds;               /* else it writes */
    const volatile bool *stop; /* of the opening; may be NULL */
};

/* ERR_UNAVAILABLE, ERR_DENIED …: as in net/web.h. ERR_NOT_FOUND: it has no such model. ERR_FORMAT: what it says is none of the API. */
int endpoint_open(struct model **out, const struct endpoint_options *o, struct err *e);

/* http:// or https:// with a host and without user, password, query and fragment; ERR_USAGE. host: "gpu1:8000", 256 bytes. */
int endpoint_check_url(char host[256], const char *url, struct err *e);

#define ENDPOINT_EVENT_MAX (1u << 20) /* bytes of an event of its stream: a token is some hundred */

/* Pure, for tests and fuzzing. */
struct endpoint_stream {
    gen_sink sink;
    void *arg;
    struct gen_result *out;
    size_t written;
    double began_ms;
    bool begun, done, ended, enough; /* ended: it told why it stopped; done: "[DONE]" */
    int rc;
    struct err *e;
};
/* An event of a chat's stream (net/sse.h). 1: stop reading. */
int endpoint_event(void *stream, const char *name, struct str data);
/* A text as it is sent: what a server could read as a special token of some model is parted by a word joiner. */
void endpoint_text(struct buf *out, const char *text, size_t len);
/* [n, dim] out of an answer of /embeddings, unit length; *dim 0: any, and set. ERR_FORMAT. */
int endpoint_vectors(float *out, uint32_t *dim, size_t n, const char *json, size_t len, uint32_t *tokens, struct err *e);

#endif

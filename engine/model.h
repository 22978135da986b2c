/* Inside of the engine: a model in this process, and the two kinds behind engine.h. */
#ifndef CODEASK_ENGINE_MODEL_H
#define CODEASK_ENGINE_MODEL_H

#include "engine/generate.h"
#include "engine/residency.h"

#define TEXT_MAX (256u << 10) /* bytes of a text that are read: far beyond any model's max_tokens */
#define PAIR_TEXT_MAX (64u << 10) /* the same of a text that is scored: RERANK_MAX of them are one frame */

/* The ways in which an engine does its work: in this process (local.c), through another (process/client.c). */
struct engine_kind {
    void (*close)(void *self);
    int (*pid)(void *self);
    void (*provider)(void *self, char out[64]);
    int (*model_open)(void **model, void *self, const char *path, struct model_info *info, struct err *e);
    void (*model_close)(void *model);
    int (*embed)(void *model, enum embed_kind kind, const char *const *text, const size_t *len, size_t n, enum priority p,
                 float *out, uint32_t *used, const volatile bool *stop, struct err *e);
    /* text[0]: the question; score: [n - 1] */
    int (*rerank)(void *model, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop,
                  struct err *e);
    /* a question on its way, as model_embed_start; all NULL where embed is all there is */
    int (*start)(void **flight, void *model, const char *const *text, const size_t *len, struct err *e);
    int (*finish)(void *flight, float *out, const volatile bool *stop, struct err *e);
    /* generate.h; what a model can't is refused there */
    int (*generate)(void *model, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                    const volatile bool *stop, struct err *e);
    int (*count)(void *model, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e);
    int (*forget)(void *model, const uint8_t content[20], struct err *e);
    int (*residency)(void *self, struct residency_report *out, struct err *e); /* engine_residency */
};

struct model {
    const struct engine_kind *kind;
    void *self;
    struct model_info info;
    _Atomic float slowness; /* model_slowness(); 0 before the first prompt */
};

/* What model_slowness() is after `tokens` more of a prompt behind `reused` took ms, where it was `old`. */
float slowness_after(float old, const struct model_info *info, uint32_t reused, uint32_t tokens, double ms);

int local_open(void **self, const struct engine_options *o, struct err *e);
struct backend;
int local_open_with(void **self, const struct backend *b, const struct engine_options *o, struct err *e); /* that one; for tests */
extern const struct engine_kind engine_local;

int engine_client_open(void **self, const char *program, const struct engine_options *o, struct err *e);
extern const struct engine_kind engine_client;

/* Texts with lengths, for the server, whose texts end without a NUL. As model_embed. */
int model_embed_sized(struct model *m, enum embed_kind kind, const char *const *text, const size_t *len, size_t n,
                      enum priority p, float *out, uint32_t *used, const volatile bool *stop, struct err *e);

/* The same for model_rerank; text[0] is the question. */
int model_rerank_sized(struct model *m, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop,
                       struct err *e);

#endif

/* A decoder model of this process that writes: tokenizer, template, decoder and schedule of one file. What generate.h says, for
 * engine/local.c. */
#ifndef CODEASK_ENGINE_GENERATE_GENERATOR_H
#define CODEASK_ENGINE_GENERATE_GENERATOR_H

#include "engine/generate.h"
#include "kernels/backend.h"

struct generator_options {
    int threads;
    bool exact;
    uint32_t context; /* 0: the model's own */
    uint64_t kv_bytes; /* decoder.h */
    const char *provider;      /* what computes, as it says: states are no other's */
    const char *draft;         /* drafter.h: the small model's path; NULL or "": none. One that does not fit is told and left out */
    const char *adapter;       /* train/peft.h: the folder; NULL or "": none. One that does not fit is told and left out */
    const char *prefix_folder; /* prefix_disk.h; NULL: prefixes stay in memory */
    uint64_t prefix_bytes;
};

struct generator;
/* path: a .gguf file or a folder of safetensors. backend and device are borrowed. Fills info, provider aside. Blocks until the
 * weights are repacked; measures how fast prompts are read. */
int generator_open(struct generator **out, const struct backend *b, void *device, const char *path,
                   const struct generator_options *o, struct model_info *info, struct err *e);
void generator_close(struct generator *g); /* accepts NULL; nothing may be in flight */

int generator_run(struct generator *g, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                  const volatile bool *stop, struct err *e);
int generator_count(struct generator *g, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e);
int generator_forget(struct generator *g, const uint8_t content[20], struct err *e);

#endif

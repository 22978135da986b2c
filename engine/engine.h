/* The engine: models in, vectors (later: tokens) out. It never sees the store: callers hand it texts.
 *
 * The same calls work in process (tests, tools: engine_open) and through the engine process (the daemon: engine_spawn),
 * which is this same binary started with `--engine` on a socketpair: it alone reads the foreign model files. When that
 * process dies, hangs or runs out of memory, or its GPU fails, the calls in flight end with ERR_CRASHED (or ERR_MEMORY), and the
 * next call starts another; after ENGINE_RESTARTS deaths in ten minutes calls answer ERR_UNAVAILABLE and say so. Where a GPU computed
 * in all of those the CPU serves from then on instead, until the engine is closed; engine_provider says so.
 *
 * Threads: every function may be called from any thread. Work is done by the engine's own threads in order of priority:
 * a QUERY that arrives while documents are embedded waits for at most one small batch of them. */
#ifndef CODEASK_ENGINE_ENGINE_H
#define CODEASK_ENGINE_ENGINE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_RESTARTS 3
#define ENGINE_HANG_SECONDS 600
#define ENGINE_FD 3 /* where the engine process finds its socket: `program --engine` calls engine_main(ENGINE_FD) */

enum priority { PRIORITY_QUERY, PRIORITY_DOCUMENT };     /* a user waits; background */
enum embed_kind { EMBED_QUERY, EMBED_DOCUMENT };         /* models may prefix or pool them differently */

struct engine_options {
    int threads;            /* compute threads; 0: all cores this process may run on */
    const char *backend;    /* "cpu", "cuda", or NULL: the best that opens */
    const char *instead;    /* why it is that backend, as engine_provider shows it; NULL or "": nothing to say */
    const char *isa;        /* tests and benchmarks: force "scalar", "avx2", "avx512", "amx", "neon", "neon-f32"; NULL: the best */
    size_t max_memory;      /* bytes for weights and scratch together (address space of the process); 0: no cap */
    const char *draft;      /* path of a small model that drafts for those that write (generate/drafter.h); NULL or "": none */
    const char *adapter;    /* folder of an adapter that those that write have on (train/peft.h); NULL or "": none. One that does not fit
                             * is told in the log and left out */
    const char *prefix_folder; /* where prompts that were read are kept (generate/prefix_disk.h); NULL or "": in memory alone */
    uint64_t prefix_bytes;  /* of that folder */
    bool exact;             /* engine_open: fp32 weights and operands, the reference of tests and benchmarks */
    uint64_t device_memory; /* bytes of a GPU's memory that models and their caches may take; 0: what there is (residency.h) */
    int idle_seconds;       /* engine_spawn: a process that has a GPU and was asked nothing for so long ends, so that the GPU's memory is free for
                             * others; the next call starts another. 0: it stays */
    int hang_seconds;       /* engine_spawn: an answer that takes longer ends the process; 0: ENGINE_HANG_SECONDS */
};

struct engine;
struct model;

struct model_info {
    char name[64];          /* the folder's or file's name */
    char family[32];        /* "bert", "qwen2" */
    uint8_t hash[32];       /* SHA-256 of the weights file: vectors are keyed by it */
    uint32_t dim;           /* of an embedding; 0: it gives none */
    bool scores;            /* a reranker: model_rerank */
    uint32_t context;       /* tokens of prompt and answer together; 0: it writes nothing (generate.h) */
    float prompt_rate;      /* tokens of a prompt read in a second, as measured when it was opened; 0: not known */
    float prompt_slope;     /* seconds that a token takes longer for each token before it: attention */
    char draft[64];         /* of one that writes: the model that drafts for it; empty: none */
    char adapter[64];       /* of one that writes: the adapter that it has on; empty: none */
    uint32_t max_tokens;    /* a longer text is cut there */
    uint64_t bytes;         /* resident weights */
    char provider[64];      /* "cpu avx512-vnni", "cuda NVIDIA GB10" … */
};

/* In process. Frees itself of models when closed: close models first. */
int engine_open(struct engine **out, const struct engine_options *o, struct err *e);
/* Through a process: program is the path of the binary that understands `--engine`. Nothing is started before it is needed. */
int engine_spawn(struct engine **out, const char *program, const struct engine_options *o, struct err *e);
void engine_close(struct engine *en); /* accepts NULL */
/* The engine process's id, 0 while none runs or in process: for status, and for tests that kill it. */
int engine_pid(struct engine *en);
/* What computes, for status: "cpu avx512-vnni"; "" while no engine process runs. */
void engine_provider(struct engine *en, char out[64]);
/* Who holds the GPU's memory, and what the plan would give to whom (residency.h). Starts nothing and does not wait: as it was when a model
 * was loaded or released last; not planned while no process runs, or none with a GPU. */
struct residency_report;
int engine_residency(struct engine *en, struct residency_report *out, struct err *e);
/* The engine process's main: serves requests on the socket fd until it closes; returns the exit status. */
int engine_main(int fd);

/* path: a .gguf file, or a folder with safetensors, config.json and tokenizer.json or vocab.txt. What the files say decides what it
 * does: give vectors (encoders; decoders whose last token is pooled), score pairs (cross-encoders), write (other decoders). Every
 * offset, size, shape and value is checked: ERR_FORMAT names the file and what is wrong. Blocks until the weights are repacked.
 * Where the device lacks an op that the model needs, the CPU computes, and info's provider says why. */
int model_open(struct model **out, struct engine *en, const char *path, struct err *e);
void model_close(struct model *m); /* accepts NULL; no model_embed may be in flight */
const struct model_info *model_info(const struct model *m);
/* How much longer prompts take lately than prompt_rate and prompt_slope say, which were measured in one moment at the opening: 1 until one
 * was read, then a running mean over about the last thousand tokens, the time that they waited for others included; within [1/8, 8]. */
float model_slowness(const struct model *m);
/* Tokens of a prompt that are read in so many seconds of model_slowness 1; prompt_rate > 0. */
uint32_t model_reads(const struct model_info *info, double seconds);

/* out: [n, dim] row-major, unit length; used_tokens: [n] or NULL, tokens read of each text (max_tokens means it was cut).
 * Texts are NUL-terminated UTF-8 of any length (invalid bytes read as U+FFFD). Cancelable: *stop, polled between batches,
 * may be NULL. Blocks; batches are formed without padding across all waiting callers of one priority. */
int model_embed(struct model *m, enum embed_kind kind, const char *const *text, size_t n, enum priority p, float *out,
                uint32_t *used_tokens, const volatile bool *stop, struct err *e);

/* One question (EMBED_QUERY, PRIORITY_QUERY) in two steps, so that the caller works while the model does. start: text must live
 * until finish; on 0 *out must be finished. finish: as model_embed; frees w whatever it returns. In process nothing happens
 * before finish. */
struct embed_flight;
int model_embed_start(struct embed_flight **out, struct model *m, const char *text, struct err *e);
int model_embed_finish(struct embed_flight *w, float *out, const volatile bool *stop, struct err *e);

/* A reranker's score of each document for the question, higher fits better, not bounded; comparable for one question only. A question
 * longer than half of max_tokens is cut, then the document. ERR_UNSUPPORTED: no reranker; ERR_USAGE: n > RERANK_MAX. Blocks. */
#define RERANK_MAX 255
int model_rerank(struct model *m, const char *question, const char *const *document, size_t n, float *score,
                 const volatile bool *stop, struct err *e);

/* Finds a model by name: $CODEASK_HOME/models, the folders of CODEASK_MODELS, the program's own; see config/paths.h. */

#endif

/* Low-rank adapters over a decoder whose own weights stay as they are (LoRA, Hu et al. 2021, https://arxiv.org/abs/2106.09685):
 *
 *   y += α/rank · (x·Aᵀ)·Bᵀ      A [rank, k], B [n, rank], fp32; with rslora α/√rank (Kalajdzievski 2023, arXiv:2312.03732)
 *
 * A linear map of the pass may be several of the model's (queries, keys and values lie below one another): each has an A and a B
 * of its own and adds to its columns.
 *
 * All values lie in one array, those of their gradients in another of the same layout, part after part, A before B: the optimizer and
 * checkpoints see plain arrays. Threads: as the decoder. The CPU alone: its device memory is the host's. */
#ifndef CODEASK_ENGINE_TRAIN_LORA_H
#define CODEASK_ENGINE_TRAIN_LORA_H

#include "engine/run/decoder.h"
#include "engine/run/pass.h"

/* X(symbol, module in PEFT's names, member of struct decoder_layer, how the model has it: in one piece or fused) */
#define LORA_TARGETS(X)                                                                                                \
    X(Q, "self_attn.q_proj", qkv) X(K, "self_attn.k_proj", qkv) X(V, "self_attn.v_proj", qkv) X(QKV, "self_attn.qkv_proj", qkv) \
    X(O, "self_attn.o_proj", o) X(GATE, "mlp.gate_proj", gate_up) X(UP, "mlp.up_proj", gate_up)                        \
    X(GATE_UP, "mlp.gate_up_proj", gate_up) X(DOWN, "mlp.down_proj", down)
enum lora_target {
#define X(symbol, module, member) LORA_##symbol,
    LORA_TARGETS(X)
#undef X
    LORA_TARGET_COUNT
};

#define LORA_RANK_MAX 1024
struct lora_options {
    uint32_t rank;    /* 1 .. LORA_RANK_MAX */
    float alpha;      /* > 0 */
    bool rslora;
    uint32_t targets; /* bits 1 << enum lora_target; 0: every one that the model has. What it lacks (fused or not) is passed over */
};

struct lora_part {
    enum lora_target target;
    uint32_t layer;
    uint32_t n, k;      /* outputs, inputs */
    size_t a, b;        /* where A [rank, k] and B [n, rank] begin in value and gradient */
    const struct linear *linear; /* of the pass, and which of its columns is the first */
    uint32_t first;
};

struct lora {
    struct lora_options o;
    float scale;        /* α/rank or α/√rank */
    struct lora_part *part;
    size_t parts, count; /* count: floats of value and of gradient */
    float *value, *gradient; /* gradient NULL: it does not learn */
    struct decoder *d;   /* borrowed */
    void *memory, *learning;
    float *low, *dlow;   /* [max_rows, rank] scratch */
    struct pass_adapt adapt; /* what a pass adds (run/pass.h), or the rows of a sequence (sequence_adapt) */
};

/* A and B are 0. ERR_UNSUPPORTED: as tape_supports (tape.h). ERR_USAGE: a rank or α out of bounds, or no such target. The decoder must outlive it. */
int lora_new(struct lora **out, struct decoder *d, const struct lora_options *o, struct err *e);
void lora_free(struct lora *l); /* accepts NULL; no sequence may have it */
/* Makes room for gradients, which are 0. */
int lora_learn(struct lora *l, struct err *e);

/* A: uniform in ±1/√k as PEFT draws it (kaiming_uniform_ with a = √5), from (seed, name, index) alone; B: 0. */
void lora_draw(struct lora *l, uint64_t seed);
/* "model.layers.0.self_attn.q_proj", and back: the target of such a name; false: it is none. */
void lora_name(char out[96], const struct lora_part *p);
bool lora_named(uint32_t *layer, enum lora_target *target, const char *name, size_t len);
/* "q_proj": the target as PEFT's target_modules lists it. */
const char *lora_module(enum lora_target target);

/* gradient += of the product's adapters, dx += what comes through them; x, dy: fp32 views as the tape has them (tape.h). */
void lora_back(struct lora *l, struct mat *dx, const struct mat *dy, const struct mat *x, const struct linear *w, const struct rows *r);
bool lora_has(const struct lora *l, const struct linear *w);

#endif

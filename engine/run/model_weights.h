/* Weights of one decoder on a device: found by the architecture's names, checked, handed over once. Read-only after the load. */
#ifndef CODEASK_ENGINE_RUN_MODEL_WEIGHTS_H
#define CODEASK_ENGINE_RUN_MODEL_WEIGHTS_H

#include "engine/run/arch.h"

#define LINEAR_PARTS 6
#define LINEAR_SOURCES 4

/* y = x·wᵀ + b. Parts below one another, each of one type: files hold queries, keys and values in types of their own. */
struct linear {
    struct linear_part {
        struct weight *w;
        enum type held;
        uint32_t first, n; /* columns of y */
        float *bias;       /* device, [experts, n]; NULL: none */
    } part[LINEAR_PARTS];
    int parts;             /* 0: the model has no such weight */
    uint32_t n, k, experts;
    const struct tensor *source[LINEAR_SOURCES]; /* whose rows they are, as they lie there; the file's: valid while it is open */
    int sources;
    bool shared;           /* its weights are another's (tied embeddings): not to be released */
};

struct decoder_layer {
    struct norm norm, post_norm, ff_norm, ff_post_norm; /* gain NULL: none */
    struct linear qkv;             /* q | k | v | gates of q */
    struct linear o;
    float *q_gain, *k_gain, *sinks;
    struct linear q_a, kv_a;       /* MLA; queries are qkv's where there is no bottleneck, then from q_a's result */
    struct norm q_a_norm, kv_a_norm;
    struct linear *absorb, *expand; /* [heads]: nope → kv_rank, kv_rank → v_dim */
    struct linear delta_in;        /* q | k | v | z | b | a */
    struct delta delta;
    struct linear gate_up, down;   /* gate | up */
    struct linear router, expert_gate_up, expert_down, shared_gate_up, shared_down, shared_weight;
    struct route route;
};

struct decoder_weights {
    struct knobs k;
    const struct arch *arch;
    const struct backend *backend; /* borrowed */
    void *device;
    bool exact;
    struct team *team;             /* that repacks while it is loaded; borrowed */
    struct linear embed, head;
    struct norm last_norm;
    float *frequency[ROPES];
    struct decoder_layer *layer;   /* [layers] */
    void **memory;                 /* device buffers, to release */
    size_t memory_count, memory_cap, bytes;
};

/* w->k, arch, backend, device, exact, team are set. On an error what was loaded is still to be released. */
int decoder_weights_load(struct decoder_weights *w, const struct model_file *file, struct err *e);
void decoder_weights_release(struct decoder_weights *w);

#endif

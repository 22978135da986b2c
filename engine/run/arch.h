/* Architectures as data: what a model file says about itself becomes knobs and names of weights, and the forward pass (pass.c)
 * is written once over those.
 *
 * To add an architecture: engine/run/arch_<x>.c with a function that fills struct knobs, and a row in archs[] (arch.c). */
#ifndef CODEASK_ENGINE_RUN_ARCH_H
#define CODEASK_ENGINE_RUN_ARCH_H

#include "engine/run/settings.h"
#include "kernels/backend.h"

#define LAYERS_MAX 512
#define ROPES 2 /* tables of one model: global and local (Gemma 3) */

enum mixer { MIX_ATTENTION, MIX_LATENT /* MLA */, MIX_DELTA };

enum rope_scaling { ROPE_PLAIN, ROPE_LINEAR, ROPE_YARN, ROPE_LLAMA3, ROPE_LONG };
struct rope_knobs {
    uint32_t dims;
    double base;
    enum rope_scaling scaling;
    double factor, original;      /* original: context that the model was trained with before scaling */
    double low, high;             /* llama3: low_freq_factor, high_freq_factor; YaRN: beta_slow, beta_fast */
    double magnitude;             /* of sine and cosine */
    bool whole;                   /* YaRN: the ramp begins and ends at whole columns */
    float divide[HEAD_MAX / 2];   /* longrope: of each frequency; GGUF's llama3 table too */
    bool divided;                 /* divide is set */
};

struct layer_knobs {
    enum mixer mixer;
    uint32_t window;  /* 0: all keys */
    int rope;         /* table; -1: none (NoPE) */
    bool experts;     /* mixture instead of one feed-forward */
};

struct knobs {
    uint32_t hidden, layers, vocab, context;
    uint32_t heads, kv_heads, head_dim, v_dim;
    uint32_t intermediate;            /* of dense layers */
    float eps;
    float gain_offset;                /* 1 where the file holds norms' gain - 1 (Gemma, Qwen3-Next in safetensors) */
    float embedding_scale;            /* 1: none */
    float attention_scale, attention_softcap, logit_softcap;
    struct glu glu;
    bool qk_norm, sinks, post_norms;  /* post_norms: of what attention and feed-forward give, before it is added */
    bool gated;                       /* attention's result is gated by a sigmoid of the queries' second half (Qwen3-Next) */
    bool interleaved;                 /* pairs of rope */
    bool fused_qkv, fused_glu;        /* tensors in the file (Phi-3) */
    bool tied;                        /* logits by the embedding table */
    struct rope_knobs rope[ROPES];

    struct route route;               /* bias: whether the file has one is known by its tensor; experts 0: no mixture */
    uint32_t expert_intermediate, shared_intermediate; /* shared 0: no shared expert */
    bool shared_gate;                 /* sigmoid gate of the shared expert */
    bool transposed_experts;          /* gpt-oss in safetensors: [experts, in, out], gate and up interleaved */

    uint32_t q_rank, kv_rank, nope, turned; /* MLA: q_rank 0: queries without a bottleneck */
    struct delta delta;               /* sizes and eps; pointers are the layer's */
    enum pooling pooling;             /* of embeddings */
    struct layer_knobs layer[LAYERS_MAX];
};

/* The weights of a model: X(slot, name in GGUF, name in safetensors); %u is the layer. */
#define WEIGHT_NAMES(X)                                                                                                \
    X(W_EMBED, "token_embd", "model.embed_tokens")                                                                     \
    X(W_LAST_NORM, "output_norm", "model.norm")                                                                        \
    X(W_HEAD, "output", "lm_head")                                                                                     \
    X(W_NORM, "blk.%u.attn_norm", "model.layers.%u.input_layernorm")                                                   \
    X(W_POST_NORM, "blk.%u.post_attention_norm", "model.layers.%u.post_attention_layernorm")                           \
    X(W_Q, "blk.%u.attn_q", "model.layers.%u.self_attn.q_proj")                                                        \
    X(W_K, "blk.%u.attn_k", "model.layers.%u.self_attn.k_proj")                                                        \
    X(W_V, "blk.%u.attn_v", "model.layers.%u.self_attn.v_proj")                                                        \
    X(W_QKV, "blk.%u.attn_qkv", "model.layers.%u.self_attn.qkv_proj")                                                  \
    X(W_O, "blk.%u.attn_output", "model.layers.%u.self_attn.o_proj")                                                   \
    X(W_Q_NORM, "blk.%u.attn_q_norm", "model.layers.%u.self_attn.q_norm")                                              \
    X(W_K_NORM, "blk.%u.attn_k_norm", "model.layers.%u.self_attn.k_norm")                                              \
    X(W_SINKS, "blk.%u.attn_sinks.weight", "model.layers.%u.self_attn.sinks")                                          \
    X(W_Q_A, "blk.%u.attn_q_a", "model.layers.%u.self_attn.q_a_proj")                                                  \
    X(W_Q_A_NORM, "blk.%u.attn_q_a_norm", "model.layers.%u.self_attn.q_a_layernorm")                                   \
    X(W_Q_B, "blk.%u.attn_q_b", "model.layers.%u.self_attn.q_b_proj")                                                  \
    X(W_KV_A, "blk.%u.attn_kv_a_mqa", "model.layers.%u.self_attn.kv_a_proj_with_mqa")                                  \
    X(W_KV_A_NORM, "blk.%u.attn_kv_a_norm", "model.layers.%u.self_attn.kv_a_layernorm")                                \
    X(W_KV_B, "blk.%u.attn_kv_b", "model.layers.%u.self_attn.kv_b_proj")                                               \
    X(W_K_B, "blk.%u.attn_k_b", "")                                                                                    \
    X(W_V_B, "blk.%u.attn_v_b", "")                                                                                    \
    X(W_DELTA_IN, "blk.%u.ssm_in", "model.layers.%u.linear_attn.in_proj_qkvz")                                         \
    X(W_DELTA_QKV, "blk.%u.attn_qkv", "")                                                                              \
    X(W_DELTA_Z, "blk.%u.attn_gate", "")                                                                               \
    X(W_DELTA_BA, "blk.%u.ssm_ba", "model.layers.%u.linear_attn.in_proj_ba")                                   \
    X(W_DELTA_CONV, "blk.%u.ssm_conv1d", "model.layers.%u.linear_attn.conv1d")                                         \
    X(W_DELTA_DT, "blk.%u.ssm_dt.bias", "model.layers.%u.linear_attn.dt_bias")                                         \
    X(W_DELTA_A, "blk.%u.ssm_a", "model.layers.%u.linear_attn.A_log")                                                  \
    X(W_DELTA_NORM, "blk.%u.ssm_norm", "model.layers.%u.linear_attn.norm")                                             \
    X(W_DELTA_OUT, "blk.%u.ssm_out", "model.layers.%u.linear_attn.out_proj")                                           \
    X(W_FF_NORM, "blk.%u.ffn_norm", "model.layers.%u.post_attention_layernorm")                                        \
    X(W_FF_POST_NORM, "blk.%u.post_ffw_norm", "model.layers.%u.post_feedforward_layernorm")                            \
    X(W_GATE, "blk.%u.ffn_gate", "model.layers.%u.mlp.gate_proj")                                                      \
    X(W_UP, "blk.%u.ffn_up", "model.layers.%u.mlp.up_proj")                                                            \
    X(W_DOWN, "blk.%u.ffn_down", "model.layers.%u.mlp.down_proj")                                                      \
    X(W_GATE_UP, "blk.%u.ffn_up", "model.layers.%u.mlp.gate_up_proj")                                                  \
    X(W_ROUTER, "blk.%u.ffn_gate_inp", "model.layers.%u.mlp.gate")                                                     \
    X(W_ROUTER_BIAS, "blk.%u.exp_probs_b.bias", "model.layers.%u.mlp.gate.e_score_correction_bias")                    \
    X(W_EXPERT_GATE, "blk.%u.ffn_gate_exps", "model.layers.%u.mlp.experts.%u.gate_proj")                               \
    X(W_EXPERT_UP, "blk.%u.ffn_up_exps", "model.layers.%u.mlp.experts.%u.up_proj")                                     \
    X(W_EXPERT_DOWN, "blk.%u.ffn_down_exps", "model.layers.%u.mlp.experts.%u.down_proj")                               \
    X(W_EXPERTS_GATE_UP, "", "model.layers.%u.mlp.experts.gate_up_proj")                                               \
    X(W_EXPERTS_DOWN, "", "model.layers.%u.mlp.experts.down_proj")                                                     \
    X(W_SHARED_GATE, "blk.%u.ffn_gate_shexp", "model.layers.%u.mlp.shared_experts.gate_proj")                          \
    X(W_SHARED_UP, "blk.%u.ffn_up_shexp", "model.layers.%u.mlp.shared_experts.up_proj")                                \
    X(W_SHARED_DOWN, "blk.%u.ffn_down_shexp", "model.layers.%u.mlp.shared_experts.down_proj")                          \
    X(W_SHARED_WEIGHT, "blk.%u.ffn_gate_inp_shexp", "model.layers.%u.mlp.shared_expert_gate")
enum weight_slot {
#define X(slot, gguf, hf) slot,
    WEIGHT_NAMES(X)
#undef X
    WEIGHT_SLOTS
};

struct weight_name { /* where an architecture differs from the table above */
    enum weight_slot slot;
    const char *gguf, *hf; /* NULL: as above */
};

struct arch {
    const char *family;           /* GGUF's general.architecture, and what is shown */
    const char *hf[4];            /* config.json's model_type; NULL ends */
    int (*knobs)(struct knobs *k, const struct settings *s, struct err *e);
    const struct weight_name *names; /* slot WEIGHT_SLOTS ends; NULL: all as above */
};

/* By metadata; NULL with ERR_UNSUPPORTED naming the architecture. */
const struct arch *arch_of(const struct settings *s, struct err *e);
const char *arch_name(const struct arch *a, bool gguf, enum weight_slot slot);
/* The same with the layer in it, where it has one. */
#define ARCH_TENSOR_NAME 160
void arch_tensor_name(char out[ARCH_TENSOR_NAME], const struct arch *a, bool gguf, enum weight_slot slot, uint32_t layer);

/* What most share: sizes, rope, eps, experts; the architectures' functions begin with it. */
int knobs_common(struct knobs *k, const struct settings *s, struct err *e);
/* Sizes within bounds and fitting each other; ERR_FORMAT says which not. */
int knobs_check(const struct knobs *k, struct err *e);

/* Frequencies in radians a position, [dims/2]. */
void rope_frequencies(float *out, const struct rope_knobs *r);
/* YaRN's magnitude for a factor: 1 + m·ln(factor)/10. */
double rope_yarn_magnitude(double factor, double m);

int knobs_llama(struct knobs *k, const struct settings *s, struct err *e);
int knobs_smollm3(struct knobs *k, const struct settings *s, struct err *e);
int knobs_qwen2(struct knobs *k, const struct settings *s, struct err *e);
int knobs_qwen3(struct knobs *k, const struct settings *s, struct err *e);
int knobs_qwen3moe(struct knobs *k, const struct settings *s, struct err *e);
int knobs_qwen3next(struct knobs *k, const struct settings *s, struct err *e);
int knobs_gptoss(struct knobs *k, const struct settings *s, struct err *e);
int knobs_glm4moe(struct knobs *k, const struct settings *s, struct err *e);
int knobs_deepseek2(struct knobs *k, const struct settings *s, struct err *e);
int knobs_gemma2(struct knobs *k, const struct settings *s, struct err *e);
int knobs_gemma3(struct knobs *k, const struct settings *s, struct err *e);
int knobs_phi3(struct knobs *k, const struct settings *s, struct err *e);
extern const struct weight_name names_qwen3next[], names_gptoss[], names_glm4moe[], names_gemma[], names_qwen3moe[];

#endif

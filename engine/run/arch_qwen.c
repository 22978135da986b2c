/* Qwen2, Qwen2.5 (biases, found by their tensors), Qwen3 (QK-norm), Qwen3-MoE, Qwen3-Next (gated DeltaNet), GLM-4-MoE. */
#include "engine/run/arch.h"

#include <string.h>

int knobs_qwen2(struct knobs *k, const struct settings *s, struct err *e)
{
    return knobs_common(k, s, e); /* use_sliding_window is false in every published model */
}

int knobs_qwen3(struct knobs *k, const struct settings *s, struct err *e)
{
    int rc = knobs_common(k, s, e);
    k->qk_norm = true;
    return rc;
}

int knobs_qwen3moe(struct knobs *k, const struct settings *s, struct err *e)
{
    k->route.normalise = s->gguf; /* published models set it; GGUF does not say */
    int rc = knobs_qwen3(k, s, e);
    k->route.kind = ROUTE_SOFTMAX;
    return rc;
}

const struct weight_name names_qwen3next[] = {
    {W_FF_NORM, "blk.%u.post_attention_norm", NULL},
    {W_SHARED_GATE, NULL, "model.layers.%u.mlp.shared_expert.gate_proj"},
    {W_SHARED_UP, NULL, "model.layers.%u.mlp.shared_expert.up_proj"},
    {W_SHARED_DOWN, NULL, "model.layers.%u.mlp.shared_expert.down_proj"},
    {WEIGHT_SLOTS, NULL, NULL},
};

static int delta_sizes(struct delta *d, const struct settings *s, struct err *e)
{
    uint32_t inner = 0;
    d->kernel = 4;
    int rc = setting_uint(&d->k_heads, s, "ssm.group_count", "linear_num_key_heads", 1 << 12, e);
    if (!rc)
        rc = setting_uint(&d->v_heads, s, "ssm.time_step_rank", "linear_num_value_heads", 1 << 12, e);
    if (!rc)
        rc = setting_uint(&d->k_dim, s, "ssm.state_size", "linear_key_head_dim", HEAD_MAX, e);
    if (!rc)
        rc = setting_uint(&d->v_dim, s, NULL, "linear_value_head_dim", HEAD_MAX, e);
    if (!rc)
        rc = setting_uint(&inner, s, "ssm.inner_size", NULL, 1 << 20, e);
    if (!rc)
        rc = setting_uint(&d->kernel, s, "ssm.conv_kernel", "linear_conv_kernel_dim", DELTA_KERNEL_MAX, e);
    if (s->gguf && d->v_heads)
        d->v_dim = inner / d->v_heads;
    if (!rc && (!d->k_heads || !d->v_heads || d->v_heads % d->k_heads || !d->k_dim || !d->v_dim || d->v_dim > HEAD_MAX || !d->kernel))
        rc = err_set(e, ERR_FORMAT, "a delta rule of %u heads of %u columns and %u of %u", d->k_heads, d->k_dim, d->v_heads, d->v_dim);
    return rc;
}

int knobs_qwen3next(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t every = 4;
    k->route.normalise = true;
    int rc = knobs_qwen3(k, s, e);
    if (!rc)
        rc = delta_sizes(&k->delta, s, e);
    if (!rc)
        rc = setting_uint(&k->shared_intermediate, s, "expert_shared_feed_forward_length", "shared_expert_intermediate_size", 1 << 20, e);
    if (!rc)
        rc = setting_uint(&every, s, "full_attention_interval", "full_attention_interval", LAYERS_MAX, e);
    k->delta.eps = k->eps;
    k->gated = k->shared_gate = true;
    k->gain_offset = s->gguf ? 0 : 1;
    for (uint32_t i = 0; i < k->layers && !rc; i++) {
        const json_t *kind = setting_item(s, "layer_types", i);
        const char *name = json_string_value(kind);
        bool full = name ? strcmp(name, "full_attention") == 0 : every && (i + 1) % every == 0;
        k->layer[i].mixer = full ? MIX_ATTENTION : MIX_DELTA;
    }
    return rc;
}

const struct weight_name names_glm4moe[] = {{W_FF_NORM, "blk.%u.post_attention_norm", NULL}, {WEIGHT_SLOTS, NULL, NULL}};

int knobs_glm4moe(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t dense = 0, shared = 0, ahead = 0;
    k->route.normalise = true;
    int rc = knobs_common(k, s, e);
    if (!rc)
        rc = setting_uint(&dense, s, "leading_dense_block_count", "first_k_dense_replace", LAYERS_MAX, e);
    if (!rc)
        rc = setting_uint(&shared, s, "expert_shared_count", "n_shared_experts", 64, e);
    if (!rc)
        rc = setting_uint(&k->route.groups, s, "expert_group_count", "n_group", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&k->route.top_groups, s, "expert_group_used_count", "topk_group", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&ahead, s, "nextn_predict_layers", NULL, LAYERS_MAX, e); /* of GGUF's blocks: drafts, not read here */
    if (!rc)
        rc = setting_bool(&k->qk_norm, s, NULL, "use_qk_norm", e);
    if (s->gguf)
        k->qk_norm = model_file_find(s->file, "blk.0.attn_q_norm.weight") != NULL;
    k->layers -= ahead < k->layers ? ahead : 0;
    k->route.kind = ROUTE_SIGMOID;
    if (k->route.groups <= 1)
        k->route.groups = 0;
    k->shared_intermediate = shared * k->expert_intermediate;
    for (uint32_t i = 0; i < k->layers && i < dense; i++)
        k->layer[i].experts = false;
    return rc;
}

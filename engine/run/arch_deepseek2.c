/* DeepSeek-V2 and V3: latent attention (MLA), shared experts, experts chosen by groups. */
#include "engine/run/arch.h"

#include <math.h>
#include <string.h>

static int latent_sizes(struct knobs *k, const struct settings *s, struct err *e)
{
    int rc = setting_uint(&k->q_rank, s, "attention.q_lora_rank", "q_lora_rank", 1 << 16, e);
    if (!rc)
        rc = setting_uint(&k->kv_rank, s, "attention.kv_lora_rank", "kv_lora_rank", 1 << 16, e);
    if (!rc)
        rc = setting_uint(&k->turned, s, "rope.dimension_count", "qk_rope_head_dim", HEAD_MAX, e);
    if (!rc)
        rc = setting_uint(&k->nope, s, NULL, "qk_nope_head_dim", HEAD_MAX, e);
    if (!rc)
        rc = setting_uint(&k->v_dim, s, "attention.value_length", "v_head_dim", HEAD_MAX, e);
    if (s->gguf) { /* newer files: the lengths of the latent head, with those of a whole one beside them */
        uint32_t key = k->head_dim;
        rc = rc ? rc : setting_uint(&key, s, "attention.key_length_mla", NULL, HEAD_MAX, e);
        rc = rc ? rc : setting_uint(&k->v_dim, s, "attention.value_length_mla", NULL, HEAD_MAX, e);
        k->nope = key > k->turned ? key - k->turned : 0;
    }
    if (!rc && (!k->kv_rank || !k->turned || k->turned % 2 || !k->nope || k->kv_rank + k->turned > HEAD_MAX || !k->v_dim))
        rc = err_set(e, ERR_FORMAT, "latent attention of %u + %u columns, heads of %u, values of %u", k->kv_rank, k->turned, k->nope,
                     k->v_dim);
    return rc;
}

static int yarn_scale(struct knobs *k, const struct settings *s, struct err *e)
{
    double all = 0;
    int rc = setting_double(&all, s, NULL, "rope_scaling.mscale_all_dim", e);
    if (!rc)
        rc = setting_double(&all, s, NULL, "rope_parameters.mscale_all_dim", e);
    if (!rc && s->gguf) { /* a tenth of it; the rotation's own magnitude is then 1 */
        rc = setting_double(&all, s, "rope.scaling.yarn_log_multiplier", NULL, e);
        all *= 10;
        k->rope[0].magnitude = 1;
    }
    if (k->rope[0].scaling == ROPE_YARN && all > 0) {
        double m = rope_yarn_magnitude(k->rope[0].factor, all);
        k->attention_scale *= (float)(m * m);
    }
    return rc;
}

static int experts(struct knobs *k, const struct settings *s, struct err *e)
{
    struct route *r = &k->route;
    uint32_t dense = 0, shared = 0, gating = 1;
    bool v3 = strcmp(s->arch, "deepseek_v3") == 0;
    int rc = setting_uint(&dense, s, "leading_dense_block_count", "first_k_dense_replace", LAYERS_MAX, e);
    if (!rc)
        rc = setting_uint(&shared, s, "expert_shared_count", "n_shared_experts", 64, e);
    if (!rc)
        rc = setting_uint(&r->groups, s, "expert_group_count", "n_group", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&r->top_groups, s, "expert_group_used_count", "topk_group", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&gating, s, "expert_gating_func", NULL, 4, e);
    r->kind = v3 || gating == 2 ? ROUTE_SIGMOID : ROUTE_SOFTMAX;
    r->group_max = r->kind == ROUTE_SOFTMAX;
    if (r->kind == ROUTE_SOFTMAX && !s->gguf)
        r->normalise = false; /* V2 never does, whatever its config.json says */
    const char *method = setting_text(s, NULL, "topk_method", v3 || s->gguf ? "noaux_tc" : "greedy");
    if (strcmp(method, "greedy") == 0 || r->groups <= 1)
        r->groups = 0;
    k->shared_intermediate = shared * k->expert_intermediate;
    for (uint32_t i = 0; i < k->layers && i < dense; i++)
        k->layer[i].experts = false;
    return rc;
}

int knobs_deepseek2(struct knobs *k, const struct settings *s, struct err *e)
{
    int rc = knobs_common(k, s, e);
    if (!rc)
        rc = latent_sizes(k, s, e);
    k->kv_heads = k->heads;
    k->head_dim = k->nope + k->turned;
    k->attention_scale = 1 / sqrtf((float)k->head_dim);
    k->rope[0].dims = k->turned;
    k->interleaved = true;
    if (!rc)
        rc = setting_bool(&k->interleaved, s, NULL, "rope_interleave", e);
    if (!rc)
        rc = yarn_scale(k, s, e);
    if (!rc)
        rc = experts(k, s, e);
    for (uint32_t i = 0; i < k->layers; i++)
        k->layer[i].mixer = MIX_LATENT;
    return rc;
}

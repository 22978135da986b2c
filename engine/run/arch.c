/* The table of architectures, and what most of them share. */
#include "engine/run/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CONTEXT_MAX (1u << 20)

/* To add one: its function in arch_<x>.c, a row here, a model in tests/parity/make_decoders.py. */
static const struct arch archs[] = {
    {"llama", {"llama", "mistral", "ministral"}, knobs_llama, NULL},
    {"smollm3", {"smollm3"}, knobs_smollm3, NULL},
    {"qwen2", {"qwen2"}, knobs_qwen2, NULL},
    {"qwen3", {"qwen3"}, knobs_qwen3, NULL},
    {"qwen3moe", {"qwen3_moe"}, knobs_qwen3moe, NULL},
    {"qwen3next", {"qwen3_next"}, knobs_qwen3next, names_qwen3next},
    {"gpt-oss", {"gpt_oss"}, knobs_gptoss, names_gptoss},
    {"glm4moe", {"glm4_moe"}, knobs_glm4moe, names_glm4moe},
    {"deepseek2", {"deepseek_v2", "deepseek_v3"}, knobs_deepseek2, NULL},
    {"gemma2", {"gemma2"}, knobs_gemma2, names_gemma},
    {"gemma3", {"gemma3", "gemma3_text"}, knobs_gemma3, names_gemma},
    {"phi3", {"phi3"}, knobs_phi3, NULL},
};
#define ARCHS (sizeof archs / sizeof *archs)

static const struct weight_name defaults[WEIGHT_SLOTS] = {
#define X(slot, gguf, hf) {slot, gguf, hf},
    WEIGHT_NAMES(X)
#undef X
};

const struct arch *arch_of(const struct settings *s, struct err *e)
{
    for (size_t i = 0; i < ARCHS; i++) {
        if (s->gguf && strcmp(archs[i].family, s->arch) == 0)
            return &archs[i];
        for (int j = 0; !s->gguf && j < 4 && archs[i].hf[j]; j++)
            if (strcmp(archs[i].hf[j], s->arch) == 0)
                return &archs[i];
    }
    err_set(e, ERR_UNSUPPORTED, "models of the architecture \"%s\" are not supported", s->arch);
    return NULL;
}

const char *arch_name(const struct arch *a, bool gguf, enum weight_slot slot)
{
    const char *name = gguf ? defaults[slot].gguf : defaults[slot].hf;
    for (const struct weight_name *n = a->names; n && n->slot != WEIGHT_SLOTS; n++)
        if (n->slot == slot && (gguf ? n->gguf : n->hf))
            name = gguf ? n->gguf : n->hf;
    return name;
}

void arch_tensor_name(char out[ARCH_TENSOR_NAME], const struct arch *a, bool gguf, enum weight_slot slot, uint32_t layer)
{
    const char *format = arch_name(a, gguf, slot), *mark = strstr(format, "%u");
    if (mark)
        snprintf(out, ARCH_TENSOR_NAME, "%.*s%u%s", (int)(mark - format), format, layer, mark + 2);
    else
        snprintf(out, ARCH_TENSOR_NAME, "%s", format);
}

/* config.json holds rope's numbers in rope_parameters (today), in rope_scaling (yesterday) or beside everything else. */
static int rope_number(double *out, const struct settings *s, const char *gguf, const char *key, struct err *e)
{
    static const char *const homes[] = {"", "rope_scaling.", "rope_parameters."};
    char full[96];
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++) {
        snprintf(full, sizeof full, "%s%s", homes[i], key);
        rc = setting_double(out, s, gguf, full, e);
    }
    return rc;
}

static const char *rope_text(const struct settings *s)
{
    const char *type = setting_text(s, "rope.scaling.type", "rope_parameters.rope_type", NULL);
    if (!type)
        type = setting_text(s, NULL, "rope_scaling.rope_type", NULL);
    if (!type)
        type = setting_text(s, NULL, "rope_scaling.type", NULL);
    return type ? type : "default";
}

static int rope_kind(struct rope_knobs *r, const struct settings *s, struct err *e)
{
    static const struct { const char *name; enum rope_scaling scaling; } kinds[] = {
        {"default", ROPE_PLAIN}, {"none", ROPE_PLAIN}, {"linear", ROPE_LINEAR}, {"yarn", ROPE_YARN},
        {"llama3", ROPE_LLAMA3}, {"longrope", ROPE_LONG},
    };
    const char *type = rope_text(s);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, type) == 0) {
            r->scaling = kinds[i].scaling;
            return 0;
        }
    return err_set(e, ERR_UNSUPPORTED, "RoPE scaling \"%s\" is not supported", type);
}

static int rope_common(struct knobs *k, const struct settings *s, struct err *e)
{
    struct rope_knobs *r = &k->rope[0];
    double partial = 1, magnitude = 0, all = 0, m = 0;
    bool whole = true;
    *r = (struct rope_knobs){.base = 10000, .factor = 1, .low = 1, .high = 32, .magnitude = 1, .original = k->context};
    int rc = rope_kind(r, s, e);
    if (r->scaling == ROPE_LLAMA3)
        r->high = 4;
    if (!rc)
        rc = rope_number(&r->base, s, "rope.freq_base", "rope_theta", e);
    if (!rc)
        rc = rope_number(&r->factor, s, "rope.scaling.factor", "factor", e);
    if (!rc)
        rc = rope_number(&r->original, s, "rope.scaling.original_context_length", "original_max_position_embeddings", e);
    if (!rc)
        rc = rope_number(&r->low, s, "rope.scaling.yarn_beta_slow", r->scaling == ROPE_YARN ? "beta_slow" : "low_freq_factor", e);
    if (!rc)
        rc = rope_number(&r->high, s, "rope.scaling.yarn_beta_fast", r->scaling == ROPE_YARN ? "beta_fast" : "high_freq_factor", e);
    if (!rc)
        rc = rope_number(&partial, s, NULL, "partial_rotary_factor", e);
    if (!rc)
        rc = rope_number(&magnitude, s, "rope.scaling.attn_factor", "attention_factor", e);
    if (!rc)
        rc = rope_number(&m, s, NULL, "mscale", e);
    if (!rc)
        rc = rope_number(&all, s, NULL, "mscale_all_dim", e);
    if (!rc)
        rc = setting_bool(&whole, s, NULL, "rope_parameters.truncate", e);
    if (!rc)
        rc = setting_bool(&whole, s, NULL, "rope_scaling.truncate", e);
    if (rc)
        return rc;
    r->whole = whole;
    if (!(partial > 0 && partial <= 1) || k->head_dim > HEAD_MAX)
        return err_set(e, ERR_FORMAT, "%g of heads of %u columns turn", partial, k->head_dim);
    r->dims = (uint32_t)(k->head_dim * partial) / 2 * 2;
    if (r->scaling == ROPE_YARN)
        r->magnitude = magnitude > 0 && !s->gguf ? magnitude
                       : m > 0 && all > 0        ? rope_yarn_magnitude(r->factor, m) / rope_yarn_magnitude(r->factor, all)
                                                 : rope_yarn_magnitude(r->factor, 1) * (magnitude > 0 ? magnitude : 1);
    if (r->scaling == ROPE_LONG && magnitude > 0)
        r->magnitude = magnitude;
    rc = setting_uint(&r->dims, s, "rope.dimension_count", NULL, HEAD_MAX, e);
    k->rope[1] = *r;
    return rc;
}

static int experts_common(struct knobs *k, const struct settings *s, struct err *e)
{
    struct route *r = &k->route;
    r->scale = 1;
    int rc = setting_uint(&r->experts, s, "expert_count", "num_experts", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&r->experts, s, NULL, "num_local_experts", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&r->experts, s, NULL, "n_routed_experts", EXPERTS_MAX, e);
    if (!rc)
        rc = setting_uint(&r->used, s, "expert_used_count", "num_experts_per_tok", EXPERTS_USED_MAX, e);
    if (!rc)
        rc = setting_uint(&k->expert_intermediate, s, "expert_feed_forward_length", "moe_intermediate_size", 1 << 20, e);
    if (!rc)
        rc = setting_float(&r->scale, s, "expert_weights_scale", "routed_scaling_factor", e);
    if (!rc)
        rc = setting_bool(&r->normalise, s, "expert_weights_norm", "norm_topk_prob", e);
    return rc;
}

/* Files name the size of the vocabulary in config.json; GGUF's is that of the embedding table. */
static int vocabulary(struct knobs *k, const struct settings *s, struct err *e)
{
    const struct tensor *t = model_file_find(s->file, "token_embd.weight");
    if (!s->gguf)
        return setting_uint(&k->vocab, s, NULL, "vocab_size", 1 << 24, e);
    if (!t || t->rank != 2 || t->shape[0] > 1 << 24)
        return err_set(e, ERR_FORMAT, "the file has no table token_embd.weight");
    k->vocab = (uint32_t)t->shape[0];
    return 0;
}

int knobs_common(struct knobs *k, const struct settings *s, struct err *e)
{
    k->eps = 1e-6f;
    k->embedding_scale = 1;
    k->glu.kind = GLU_SILU;
    k->pooling = POOL_LAST;
    int rc = vocabulary(k, s, e);
    if (!rc)
        rc = setting_uint(&k->hidden, s, "embedding_length", "hidden_size", 1 << 16, e);
    if (!rc)
        rc = setting_uint(&k->layers, s, "block_count", "num_hidden_layers", LAYERS_MAX, e);
    if (!rc)
        rc = setting_uint(&k->context, s, "context_length", "max_position_embeddings", CONTEXT_MAX, e);
    if (!rc)
        rc = setting_uint(&k->heads, s, "attention.head_count", "num_attention_heads", 1 << 12, e);
    k->kv_heads = k->heads;
    if (!rc)
        rc = setting_uint(&k->kv_heads, s, "attention.head_count_kv", "num_key_value_heads", 1 << 12, e);
    k->head_dim = k->heads ? k->hidden / k->heads : 0;
    if (!rc)
        rc = setting_uint(&k->head_dim, s, "attention.key_length", "head_dim", HEAD_MAX, e);
    k->v_dim = k->head_dim;
    if (!rc)
        rc = setting_uint(&k->v_dim, s, "attention.value_length", NULL, HEAD_MAX, e);
    if (!rc)
        rc = setting_uint(&k->intermediate, s, "feed_forward_length", "intermediate_size", 1 << 20, e);
    if (!rc)
        rc = setting_float(&k->eps, s, "attention.layer_norm_rms_epsilon", "rms_norm_eps", e);
    if (!rc && !s->gguf)
        rc = setting_bool(&k->tied, s, NULL, "tie_word_embeddings", e);
    if (!s->gguf && (model_file_find(s->file, "embed_tokens.weight") || model_file_find(s->file, "score.weight"))) /* without its head: it embeds, or judges */
        k->tied = true;
    if (s->gguf)
        k->tied = !model_file_find(s->file, "output.weight");
    k->attention_scale = k->head_dim ? 1 / sqrtf((float)k->head_dim) : 1;
    if (!rc)
        rc = rope_common(k, s, e);
    if (!rc)
        rc = experts_common(k, s, e);
    for (uint32_t i = 0; i < k->layers; i++)
        k->layer[i].experts = k->route.experts > 0;
    return rc;
}

int knobs_check(const struct knobs *k, struct err *e)
{
    const struct route *r = &k->route;
    if (!k->hidden || !k->layers || !k->vocab || !k->context || !k->heads || !k->kv_heads || !k->head_dim || !k->v_dim)
        return err_set(e, ERR_FORMAT, "a model of width %u, %u layers, %u words, %u positions, %u heads of %u columns, %u of keys",
                       k->hidden, k->layers, k->vocab, k->context, k->heads, k->head_dim, k->kv_heads);
    if (k->head_dim > HEAD_MAX || k->v_dim > HEAD_MAX || k->rope[0].dims > k->head_dim || k->rope[0].dims % 2)
        return err_set(e, ERR_FORMAT, "heads of %u columns, values of %u, of which %u turn", k->head_dim, k->v_dim, k->rope[0].dims);
    if (k->heads % k->kv_heads)
        return err_set(e, ERR_FORMAT, "%u heads share %u heads of keys", k->heads, k->kv_heads);
    if (!(k->eps > 0 && k->eps < 1))
        return err_set(e, ERR_FORMAT, "the norms' epsilon %g is not between 0 and 1", (double)k->eps);
    for (int i = 0; i < ROPES; i++)
        if (k->rope[i].dims > HEAD_MAX || !(k->rope[i].base > 1) || !(k->rope[i].factor > 0) || !(k->rope[i].original > 0))
            return err_set(e, ERR_FORMAT, "RoPE over %u columns, base %g, factor %g, of %g positions", k->rope[i].dims,
                           k->rope[i].base, k->rope[i].factor, k->rope[i].original);
    if (r->experts && (!r->used || r->used > r->experts || !k->expert_intermediate))
        return err_set(e, ERR_FORMAT, "%u of %u experts of width %u", r->used, r->experts, k->expert_intermediate);
    if (r->groups && (r->experts % r->groups || !r->top_groups || r->top_groups > r->groups ||
                      r->used > r->experts / r->groups * r->top_groups))
        return err_set(e, ERR_FORMAT, "%u of %u groups of %u experts", r->top_groups, r->groups, r->experts);
    for (uint32_t i = 0; i < k->layers; i++)
        if ((!k->layer[i].experts && !k->intermediate) || (k->layer[i].experts && !r->experts))
            return err_set(e, ERR_FORMAT, "layer %u has a feed-forward of no width", i);
    return 0;
}

/* Gemma 2 and 3: norms before and after, gain - 1 in the file, scaled embeddings, soft caps (2), QK-norm and a rope of its own
 * for layers within a window (3). */
#include "engine/run/arch.h"

#include <math.h>
#include <string.h>

const struct weight_name names_gemma[] = {
    {W_FF_NORM, NULL, "model.layers.%u.pre_feedforward_layernorm"},
    {WEIGHT_SLOTS, NULL, NULL},
};

static int knobs_gemma(struct knobs *k, const struct settings *s, uint32_t *window, struct err *e)
{
    double scalar = 0;
    k->tied = true;
    int rc = knobs_common(k, s, e);
    if (!rc)
        rc = setting_uint(window, s, "attention.sliding_window", "sliding_window", 1 << 20, e);
    if (!rc)
        rc = setting_double(&scalar, s, NULL, "query_pre_attn_scalar", e);
    if (scalar > 0)
        k->attention_scale = (float)(1 / sqrt(scalar));
    k->embedding_scale = sqrtf((float)k->hidden);
    k->gain_offset = s->gguf ? 0 : 1;
    k->post_norms = true;
    k->glu.kind = GLU_GELU_TANH;
    return rc;
}

int knobs_gemma2(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t window = 4096;
    int rc = knobs_gemma(k, s, &window, e);
    k->attention_softcap = 50;
    k->logit_softcap = 30;
    if (!rc)
        rc = setting_float(&k->attention_softcap, s, "attn_logit_softcapping", "attn_logit_softcapping", e);
    if (!rc)
        rc = setting_float(&k->logit_softcap, s, "final_logit_softcapping", "final_logit_softcapping", e);
    if (s->gguf && k->layers == 46) /* the 27B alone: its queries are scaled by width over heads */
        k->attention_scale = 1 / sqrtf((float)(k->hidden / k->heads));
    for (uint32_t i = 0; i < k->layers; i++) {
        const char *kind = json_string_value(setting_item(s, "layer_types", i));
        bool local = kind ? strcmp(kind, "sliding_attention") == 0 : i % 2 == 0;
        k->layer[i].window = local ? window : 0;
    }
    return rc;
}

#define GLOBAL_EVERY 6
int knobs_gemma3(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t window = 1024, every = GLOBAL_EVERY;
    int rc = knobs_gemma(k, s, &window, e);
    struct rope_knobs *global = &k->rope[0], *local = &k->rope[1];
    const char *type = setting_text(s, NULL, "rope_parameters.full_attention.rope_type", NULL);
    local->base = 10000;
    if (!s->gguf && global->base == 10000)
        global->base = 1000000;
    if (!rc)
        rc = setting_double(&local->base, s, "rope.local.freq_base", "rope_local_base_freq", e);
    if (!rc)
        rc = setting_double(&global->base, s, NULL, "rope_parameters.full_attention.rope_theta", e);
    if (!rc)
        rc = setting_double(&local->base, s, NULL, "rope_parameters.sliding_attention.rope_theta", e);
    if (!rc)
        rc = setting_double(&global->factor, s, NULL, "rope_parameters.full_attention.factor", e);
    if (!rc && type && strcmp(type, "linear") == 0)
        global->scaling = ROPE_LINEAR;
    else if (!rc && type && strcmp(type, "default") != 0)
        rc = err_set(e, ERR_UNSUPPORTED, "RoPE scaling \"%s\" in Gemma", type);
    if (!rc)
        rc = setting_uint(&every, s, NULL, "sliding_window_pattern", LAYERS_MAX, e);
    if (!rc)
        rc = setting_float(&k->logit_softcap, s, "final_logit_softcapping", "final_logit_softcapping", e);
    local->scaling = ROPE_PLAIN;
    local->factor = 1;
    k->qk_norm = true;
    if (s->gguf && k->layers == 62) /* the 27B alone, as above */
        k->attention_scale = 1 / sqrtf((float)(k->hidden / k->heads));
    for (uint32_t i = 0; i < k->layers; i++) {
        const char *kind = json_string_value(setting_item(s, "layer_types", i));
        bool near = kind ? strcmp(kind, "sliding_attention") == 0 : every == 0 || (i + 1) % every != 0;
        k->layer[i].window = near ? window : 0;
        k->layer[i].rope = near ? 1 : 0;
    }
    return rc;
}

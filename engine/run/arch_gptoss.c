/* gpt-oss: mixture of experts with biases and a clamped gate, attention sinks, every other layer within a window. */
#include "engine/run/arch.h"

#include <string.h>

const struct weight_name names_gptoss[] = {
    {W_FF_NORM, "blk.%u.post_attention_norm", NULL},
    {W_ROUTER, NULL, "model.layers.%u.mlp.router"},
    {W_EXPERTS_GATE_UP, NULL, "model.layers.%u.mlp.experts.gate_up_proj"},
    {W_EXPERTS_DOWN, NULL, "model.layers.%u.mlp.experts.down_proj"},
    {WEIGHT_SLOTS, NULL, NULL},
};

int knobs_gptoss(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t window = 128;
    k->rope[0].original = 4096;
    int rc = knobs_common(k, s, e);
    if (!rc)
        rc = setting_uint(&window, s, "attention.sliding_window", "sliding_window", 1 << 20, e);
    k->glu = (struct glu){.kind = GLU_CLAMPED, .limit = 7, .alpha = 1.702f};
    if (!rc)
        rc = setting_float(&k->glu.limit, s, NULL, "swiglu_limit", e);
    if (!rc)
        rc = setting_float(&k->glu.alpha, s, NULL, "swiglu_alpha", e);
    k->route.kind = ROUTE_LATE;
    k->route.normalise = false;
    k->sinks = true;
    k->transposed_experts = !s->gguf;
    k->expert_intermediate = k->expert_intermediate ? k->expert_intermediate : k->intermediate;
    if (s->gguf) /* its converter does not write it: the published models' ramp has no whole borders */
        k->rope[0].whole = false;
    for (uint32_t i = 0; i < k->layers; i++) {
        const char *kind = json_string_value(setting_item(s, "layer_types", i));
        bool local = kind ? strcmp(kind, "sliding_attention") == 0 : i % 2 == 0;
        k->layer[i].window = local ? window : 0;
    }
    return rc;
}

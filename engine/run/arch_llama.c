/* Llama 2 and 3, Mistral, SmolLM and SmolLM3 (some of whose layers have no rotation), Phi-3. */
#include "engine/run/arch.h"

#include <math.h>
#include <stdio.h>

static int window_of(uint32_t *window, const struct settings *s, struct err *e)
{
    return setting_uint(window, s, "attention.sliding_window", "sliding_window", 1 << 20, e);
}

/* GGUF has each frequency's divisor as a tensor (llama3's scaling, longrope's factors). */
static void divisors(struct rope_knobs *r, const struct settings *s, const char *name)
{
    const struct tensor *t = s->gguf ? model_file_find(s->file, name) : NULL;
    if (!t || t->type != BLOCK_F32 || t->rank != 1 || t->shape[0] != r->dims / 2 || r->dims > HEAD_MAX)
        return;
    block_formats[BLOCK_F32].decode(r->divide, t->data, r->dims / 2);
    r->divided = true;
}

int knobs_llama(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t window = 0;
    int rc = knobs_common(k, s, e);
    if (!rc)
        rc = window_of(&window, s, e);
    k->interleaved = s->gguf; /* its converter reorders the rows of queries and keys so */
    divisors(&k->rope[0], s, "rope_freqs.weight");
    for (uint32_t i = 0; i < k->layers; i++)
        k->layer[i].window = window;
    return rc;
}

#define NOPE_EVERY 4 /* SmolLM3 without a list: every fourth layer */
int knobs_smollm3(struct knobs *k, const struct settings *s, struct err *e)
{
    int rc = knobs_llama(k, s, e);
    for (uint32_t i = 0; i < k->layers && !rc; i++) {
        const json_t *turns = setting_item(s, "no_rope_layers", i);
        bool none = turns ? json_integer_value(turns) == 0 : (i + 1) % NOPE_EVERY == 0;
        k->layer[i].rope = none ? -1 : 0;
        k->layer[i].window = 0;
    }
    return rc;
}

static int factors(struct rope_knobs *r, const struct settings *s, bool longer, struct err *e)
{
    const char *name = longer ? "long_factor" : "short_factor";
    char now[40], before[40];
    snprintf(now, sizeof now, "rope_parameters.%s", name);
    snprintf(before, sizeof before, "rope_scaling.%s", name);
    if (s->gguf) {
        divisors(r, s, longer ? "rope_factors_long.weight" : "rope_factors_short.weight");
        return r->divided ? 0 : err_set(e, ERR_FORMAT, "the file has no tensor of rope factors");
    }
    for (uint32_t i = 0; i < r->dims / 2; i++) {
        const json_t *x = setting_item(s, now, i);
        x = x ? x : setting_item(s, before, i);
        if (!json_is_number(x) || !(json_number_value(x) > 0))
            return err_set(e, ERR_FORMAT, "config.json: %s has no number %u", name, i);
        r->divide[i] = (float)json_number_value(x);
    }
    r->divided = true;
    return 0;
}

/* longrope has factors for sequences up to the original context and for longer ones. Which are used is decided once, by the
 * context that is offered (as llama.cpp does): a sequence that grows past the border would else forget what it read. */
int knobs_phi3(struct knobs *k, const struct settings *s, struct err *e)
{
    uint32_t window = 0;
    int rc = knobs_common(k, s, e);
    if (!rc)
        rc = window_of(&window, s, e);
    struct rope_knobs *r = &k->rope[0];
    k->fused_qkv = k->fused_glu = true;
    for (uint32_t i = 0; i < k->layers; i++)
        k->layer[i].window = window < k->context ? window : 0;
    if (!rc && s->gguf && model_file_find(s->file, "rope_factors_long.weight"))
        r->scaling = ROPE_LONG;
    if (rc || r->scaling != ROPE_LONG)
        return rc;
    double factor = k->context / r->original;
    if (r->magnitude == 1 && factor > 1)
        r->magnitude = sqrt(1 + log(factor) / log(r->original));
    return factors(r, s, (s->context ? s->context : k->context) > r->original, e);
}

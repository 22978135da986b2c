/* Which weights a decoder has, by its knobs. */
#include "engine/run/loader.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void load_attention(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    uint32_t q = k->heads * k->head_dim, kk = k->kv_heads * k->head_dim, v = k->kv_heads * k->v_dim, twice = k->gated ? 2 : 1;
    struct piece p[4] = {{.rows = q}, {.rows = kk}, {.rows = v}, {.rows = q}};
    if (k->fused_qkv) {
        loader_plain(l, &y->qkv, W_QKV, q + kk + v, k->hidden);
    } else {
        p[0].t = p[3].t = loader_get(l, W_Q, (uint64_t)q * twice, k->hidden);
        p[1].t = loader_get(l, W_K, kk, k->hidden);
        p[2].t = loader_get(l, W_V, v, k->hidden);
        if (k->gated) { /* a head's queries, then its gates */
            p[0].run = p[3].run = p[3].offset = k->head_dim;
            p[0].step = p[3].step = 2 * k->head_dim;
        }
        if (!l->rc)
            loader_linear(l, &y->qkv, p, k->gated ? 4 : 3, k->hidden, 1);
    }
    loader_plain(l, &y->o, W_O, k->hidden, k->heads * k->v_dim);
    if (k->qk_norm) {
        y->q_gain = loader_vector(l, W_Q_NORM, k->head_dim, k->gain_offset, true);
        y->k_gain = loader_vector(l, W_K_NORM, k->head_dim, k->gain_offset, true);
    }
    if (k->sinks)
        y->sinks = loader_vector(l, W_SINKS, k->heads, 0, true);
}

/* A head's rows nope .. of kv_b give its values; its rows 0 .. nope-1, turned around, bring a query to the latent space. GGUF's
 * newer files hold the two halves apart, the first one turned already. */
static void load_latent_heads(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    bool apart = loader_find(l, W_K_B) != NULL;
    uint32_t head = k->nope + k->v_dim;
    const struct tensor *both = apart ? NULL : loader_get(l, W_KV_B, (uint64_t)k->heads * head, k->kv_rank);
    const struct tensor *keys = apart ? loader_get(l, W_K_B, (uint64_t)k->heads * k->kv_rank, k->nope) : both;
    const struct tensor *values = apart ? loader_get(l, W_V_B, (uint64_t)k->heads * k->v_dim, k->kv_rank) : both;
    y->absorb = mem_zero(k->heads, sizeof *y->absorb);
    y->expand = mem_zero(k->heads, sizeof *y->expand);
    for (uint32_t h = 0; h < k->heads && !l->rc; h++) {
        struct piece in = {.t = keys, .rows = k->kv_rank, .transposed = !apart, .first = (uint64_t)h * (apart ? k->kv_rank : head)};
        struct piece out = {.t = values, .rows = k->v_dim, .first = apart ? (uint64_t)h * k->v_dim : (uint64_t)h * head + k->nope};
        loader_linear(l, &y->absorb[h], &in, 1, k->nope, 1);
        loader_linear(l, &y->expand[h], &out, 1, k->kv_rank, 1);
    }
}

static void load_latent(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    uint32_t q = k->heads * (k->nope + k->turned);
    if (k->q_rank) {
        loader_plain(l, &y->q_a, W_Q_A, k->q_rank, k->hidden);
        y->q_a_norm = loader_norm(l, W_Q_A_NORM, k->q_rank, true);
        loader_plain(l, &y->qkv, W_Q_B, q, k->q_rank);
    } else {
        loader_plain(l, &y->qkv, W_Q, q, k->hidden);
    }
    loader_plain(l, &y->kv_a, W_KV_A, k->kv_rank + k->turned, k->hidden);
    y->kv_a_norm = loader_norm(l, W_KV_A_NORM, k->kv_rank, true);
    load_latent_heads(l, y);
    loader_plain(l, &y->o, W_O, k->hidden, k->heads * k->v_dim);
}

static float *floats_of(struct loader *l, enum weight_slot slot, uint64_t rows, uint64_t cols)
{
    const struct tensor *t = loader_get(l, slot, rows, cols);
    return t ? tensor_floats(t, 0, rows) : NULL;
}

/* The file's rows are in groups of a key head: its queries, keys, then values and gates of the value heads that share it. Newer
 * GGUF files have them in order, the gates in a tensor of their own. */
static void load_delta(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    struct delta *d = &y->delta;
    *d = k->delta;
    uint32_t share = d->v_heads / d->k_heads, keys = d->k_heads * d->k_dim, values = d->v_heads * d->v_dim, v = share * d->v_dim;
    uint32_t group = 2 * d->k_dim + 2 * v;
    bool ordered = loader_find(l, W_DELTA_QKV) != NULL;
    const struct tensor *in = ordered ? loader_get(l, W_DELTA_QKV, 2 * (uint64_t)keys + values, k->hidden)
                                      : loader_get(l, W_DELTA_IN, 2 * (uint64_t)keys + 2 * values, k->hidden);
    const struct tensor *ba = loader_get(l, W_DELTA_BA, 2 * (uint64_t)d->v_heads, k->hidden);
    struct piece p[] = {
        {.t = in, .rows = keys, .run = d->k_dim, .step = group},
        {.t = in, .rows = keys, .run = d->k_dim, .step = group, .offset = d->k_dim},
        {.t = in, .rows = values, .run = v, .step = group, .offset = 2 * d->k_dim},
        {.t = in, .rows = values, .run = v, .step = group, .offset = 2 * d->k_dim + v},
        {.t = ba, .rows = d->v_heads, .run = share, .step = 2 * share},
        {.t = ba, .rows = d->v_heads, .run = share, .step = 2 * share, .offset = share},
    };
    if (ordered) {
        p[2] = (struct piece){.t = in, .rows = 2 * keys + values};
        p[3] = (struct piece){.t = loader_get(l, W_DELTA_Z, values, k->hidden), .rows = values};
    }
    if (!l->rc)
        loader_linear(l, &y->delta_in, ordered ? p + 2 : p, ordered ? 4 : 6, k->hidden, 1);
    uint32_t conv = 2 * keys + values; /* [conv, kernel], in safetensors with a 1 between */
    float *w = floats_of(l, W_DELTA_CONV, conv, d->kernel);
    d->conv = w ? loader_put(l, w, (size_t)conv * d->kernel) : NULL;
    free(w);
    float *a = floats_of(l, W_DELTA_A, 1, d->v_heads);
    for (uint32_t i = 0; a && i < d->v_heads && !l->gguf; i++)
        a[i] = -expf(a[i]); /* GGUF holds this already */
    d->decay = a ? loader_put(l, a, d->v_heads) : NULL;
    free(a);
    d->dt_bias = loader_vector(l, W_DELTA_DT, d->v_heads, 0, true);
    d->gain = loader_vector(l, W_DELTA_NORM, d->v_dim, 0, true);
    loader_plain(l, &y->o, W_DELTA_OUT, k->hidden, values);
}

static void load_pair(struct loader *l, struct linear *out, enum weight_slot gate, enum weight_slot up, uint32_t n)
{
    struct piece p[2] = {{.rows = n}, {.rows = n}};
    p[0].t = loader_get(l, gate, n, l->w->k.hidden);
    p[1].t = loader_get(l, up, n, l->w->k.hidden);
    if (!l->rc)
        loader_linear(l, out, p, 2, l->w->k.hidden, 1);
}

/* safetensors: a tensor for each expert. NULL on an error; the caller frees. */
static const struct tensor **expert_tensors(struct loader *l, enum weight_slot slot, uint64_t rows, uint64_t k)
{
    uint32_t n = l->w->k.route.experts;
    const struct tensor **t = mem_zero(n, sizeof *t);
    const char *format = arch_name(l->w->arch, false, slot), *layer = strstr(format, "%u"), *expert = strstr(layer + 2, "%u");
    for (uint32_t e = 0; e < n && !l->rc; e++) {
        char name[200];
        snprintf(name, sizeof name, "%.*s%u%.*s%u%s.weight", (int)(layer - format), format, l->layer, (int)(expert - layer - 2),
                 layer + 2, e, expert + 2);
        t[e] = model_file_find(l->file, name);
        if (!t[e])
            l->rc = err_set(l->e, ERR_FORMAT, "the model has no tensor %s", name);
        else if (t[e]->rank != 2 || t[e]->shape[0] != rows || t[e]->shape[1] != k || t[e]->type != t[0]->type)
            l->rc = err_set(l->e, ERR_FORMAT, "tensor %s is not [%llu, %llu] of the first expert's type", name,
                            (unsigned long long)rows, (unsigned long long)k);
    }
    return t;
}

/* gpt-oss in safetensors: gate and up rows interleaved; [experts, out, in] in MXFP4, [experts, in, out] else. */
static void load_fused_experts(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    uint32_t n = k->route.experts, wide = k->expert_intermediate;
    const struct tensor *up = loader_find(l, W_EXPERTS_GATE_UP);
    bool turned = up && up->type != BLOCK_MXFP4;
    up = loader_get(l, W_EXPERTS_GATE_UP, (uint64_t)n * (turned ? k->hidden : 2 * wide), turned ? 2 * wide : k->hidden);
    const struct tensor *down = loader_get(l, W_EXPERTS_DOWN, (uint64_t)n * (turned ? wide : k->hidden), turned ? k->hidden : wide);
    uint64_t rows = turned ? k->hidden : 2 * wide;
    struct piece p[2] = {{.t = up, .rows = wide, .expert_rows = rows, .run = 1, .step = 2, .transposed = turned},
                         {.t = up, .rows = wide, .expert_rows = rows, .run = 1, .step = 2, .offset = 1, .transposed = turned}};
    struct piece d = {.t = down, .rows = k->hidden, .expert_rows = turned ? wide : k->hidden, .transposed = turned};
    if (!l->rc)
        loader_linear(l, &y->expert_gate_up, p, 2, k->hidden, n);
    if (!l->rc)
        loader_linear(l, &y->expert_down, &d, 1, wide, n);
}

static void load_experts(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    uint32_t n = k->route.experts, wide = k->expert_intermediate;
    const struct tensor **gate = NULL, **up = NULL, **down = NULL;
    struct piece p[2] = {{.rows = wide, .expert_rows = wide}, {.rows = wide, .expert_rows = wide}};
    struct piece d = {.rows = k->hidden, .expert_rows = k->hidden};
    if (l->gguf) {
        p[0].t = loader_get(l, W_EXPERT_GATE, (uint64_t)n * wide, k->hidden);
        p[1].t = loader_get(l, W_EXPERT_UP, (uint64_t)n * wide, k->hidden);
        d.t = loader_get(l, W_EXPERT_DOWN, (uint64_t)n * k->hidden, wide);
    } else {
        p[0].of_expert = gate = expert_tensors(l, W_EXPERT_GATE, wide, k->hidden);
        p[1].of_expert = up = expert_tensors(l, W_EXPERT_UP, wide, k->hidden);
        d.of_expert = down = expert_tensors(l, W_EXPERT_DOWN, k->hidden, wide);
    }
    if (!l->rc)
        loader_linear(l, &y->expert_gate_up, p, 2, k->hidden, n);
    if (!l->rc)
        loader_linear(l, &y->expert_down, &d, 1, wide, n);
    free(gate);
    free(up);
    free(down);
}

static void load_mixture(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    loader_plain(l, &y->router, W_ROUTER, k->route.experts, k->hidden);
    y->route = k->route;
    y->route.bias = loader_vector(l, W_ROUTER_BIAS, k->route.experts, 0, false);
    if (k->transposed_experts)
        load_fused_experts(l, y);
    else
        load_experts(l, y);
    if (!k->shared_intermediate)
        return;
    load_pair(l, &y->shared_gate_up, W_SHARED_GATE, W_SHARED_UP, k->shared_intermediate);
    loader_plain(l, &y->shared_down, W_SHARED_DOWN, k->hidden, k->shared_intermediate);
    if (k->shared_gate)
        loader_plain(l, &y->shared_weight, W_SHARED_WEIGHT, 1, k->hidden);
}

static void load_layer(struct loader *l, struct decoder_layer *y)
{
    const struct knobs *k = &l->w->k;
    const struct layer_knobs *what = &k->layer[l->layer];
    y->norm = loader_norm(l, W_NORM, k->hidden, true);
    y->ff_norm = loader_norm(l, W_FF_NORM, k->hidden, true);
    if (k->post_norms) {
        y->post_norm = loader_norm(l, W_POST_NORM, k->hidden, true);
        y->ff_post_norm = loader_norm(l, W_FF_POST_NORM, k->hidden, true);
    }
    (what->mixer == MIX_DELTA ? load_delta : what->mixer == MIX_LATENT ? load_latent : load_attention)(l, y);
    if (what->experts) {
        load_mixture(l, y);
        return;
    }
    if (k->fused_glu)
        loader_plain(l, &y->gate_up, W_GATE_UP, 2 * k->intermediate, k->hidden);
    else
        load_pair(l, &y->gate_up, W_GATE, W_UP, k->intermediate);
    loader_plain(l, &y->down, W_DOWN, k->hidden, k->intermediate);
}

static void load_rope(struct loader *l)
{
    for (int i = 0; i < ROPES && !l->rc; i++) {
        float host[HEAD_MAX / 2];
        rope_frequencies(host, &l->w->k.rope[i]);
        l->w->frequency[i] = loader_put(l, host, l->w->k.rope[i].dims / 2 + 1);
    }
}

int decoder_weights_load(struct decoder_weights *w, const struct model_file *file, struct err *e)
{
    struct loader l = {.w = w, .file = file, .gguf = model_file_is_gguf(file), .e = e};
    const struct knobs *k = &w->k;
    w->layer = mem_zero(k->layers, sizeof *w->layer);
    load_rope(&l);
    loader_plain(&l, &w->embed, W_EMBED, k->vocab, k->hidden);
    w->last_norm = loader_norm(&l, W_LAST_NORM, k->hidden, true);
    if (k->tied) {
        w->head = w->embed;
        w->head.shared = true;
    } else {
        loader_plain(&l, &w->head, W_HEAD, k->vocab, k->hidden);
    }
    for (; l.layer < k->layers && !l.rc; l.layer++)
        load_layer(&l, &w->layer[l.layer]);
    return l.rc;
}

void decoder_weights_release(struct decoder_weights *w)
{
    linear_release(&w->embed, w);
    linear_release(&w->head, w);
    for (uint32_t i = 0; w->layer && i < w->k.layers; i++) {
        struct decoder_layer *y = &w->layer[i];
        struct linear *all[] = {&y->qkv, &y->o, &y->q_a, &y->kv_a, &y->delta_in, &y->gate_up, &y->down, &y->router,
                                &y->expert_gate_up, &y->expert_down, &y->shared_gate_up, &y->shared_down, &y->shared_weight};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            linear_release(all[j], w);
        for (uint32_t h = 0; y->absorb && h < w->k.heads; h++) {
            linear_release(&y->absorb[h], w);
            linear_release(&y->expand[h], w);
        }
        free(y->absorb);
        free(y->expand);
    }
    for (size_t i = 0; i < w->memory_count; i++)
        w->backend->release(w->device, w->memory[i]);
    free(w->memory);
    free(w->layer);
    memset(w, 0, sizeof *w);
}

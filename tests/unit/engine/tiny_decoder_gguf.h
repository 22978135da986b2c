/* GGUF files of the drawn Llama (whose rows of queries and keys a converter reorders, and whose scaling is a tensor) and Qwen3. */
#ifndef CODEASK_TESTS_TINY_DECODER_GGUF_H
#define CODEASK_TESTS_TINY_DECODER_GGUF_H

#include "tests/unit/engine/tiny_gguf.h"

static const struct {
    const char *hf, *gguf;
} names[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"},
    {"input_layernorm", "attn_norm"}, {"post_attention_layernorm", "ffn_norm"}, {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"}, {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"}, {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"},
};

/* Halves of a head's rows become pairs. */
static void reorder(float *x, uint64_t rows, uint64_t k, uint64_t head)
{
    float *to = mem_alloc(rows * k * sizeof *to);
    for (uint64_t r = 0; r < rows; r++) {
        uint64_t in = r % head, from = r - in + in / 2 + in % 2 * (head / 2);
        memcpy(to + r * k, x + from * k, k * sizeof *x);
    }
    memcpy(x, to, rows * k * sizeof *x);
    free(to);
}

static void add_drawn(struct gguf *g, const json_t *t, uint64_t head)
{
    const char *name = json_string_value(json_array_get(t, 0));
    const json_t *shape = json_array_get(t, 1);
    uint64_t dims[2] = {0};
    size_t n;
    unsigned layer = 0;
    bool inside = sscanf(name, "model.layers.%u.", &layer) == 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = strstr(name, names[i].hf);
        char full[100];
        if (!at || at[strlen(names[i].hf)] != '.' || (!inside && at != name))
            continue;
        for (size_t d = 0; d < json_array_size(shape); d++)
            dims[d] = (uint64_t)json_integer_value(json_array_get(shape, d));
        float *x = tiny_draw(t, &n);
        if (strcmp(g->arch, "llama") == 0 && (strstr(name, "q_proj") || strstr(name, "k_proj")))
            reorder(x, dims[0], dims[1], head);
        if (inside)
            snprintf(full, sizeof full, "blk.%u.%s.weight", layer, names[i].gguf);
        else
            snprintf(full, sizeof full, "%s.weight", names[i].gguf);
        add_tensor(g, full, x, dims, (uint32_t)json_array_size(shape));
        free(x);
        return;
    }
    fail_msg("no name for %s", name);
}

static void add_settings(struct gguf *g, const json_t *c)
{
    static const struct {
        const char *gguf, *hf;
    } sizes[] = {{"context_length", "max_position_embeddings"}, {"embedding_length", "hidden_size"}, {"block_count", "num_hidden_layers"},
                 {"feed_forward_length", "intermediate_size"}, {"attention.head_count", "num_attention_heads"},
                 {"attention.head_count_kv", "num_key_value_heads"}, {"attention.key_length", "head_dim"},
                 {"attention.value_length", "head_dim"}, {"rope.dimension_count", "head_dim"}};
    float eps = (float)json_number_value(json_object_get(c, "rms_norm_eps"));
    float base = (float)json_number_value(json_object_get(json_object_get(c, "rope_parameters"), "rope_theta"));
    add_key(g, "general.architecture", GGUF_STRING, g->arch);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t v = (uint32_t)json_integer_value(json_object_get(c, sizes[i].hf));
        add_number(g, sizes[i].gguf, v);
    }
    add_key(g, "attention.layer_norm_rms_epsilon", GGUF_FLOAT32, &eps);
    add_key(g, "rope.freq_base", GGUF_FLOAT32, &base);
}

/* llama3's scaling as its converter writes it: by what each frequency is divided. */
static void add_divisors(struct gguf *g, const json_t *c, uint64_t head)
{
    const json_t *rope = json_object_get(c, "rope_parameters");
    float divide[64];
    double low = json_number_value(json_object_get(rope, "low_freq_factor")), high = json_number_value(json_object_get(rope, "high_freq_factor"));
    for (uint64_t i = 0; i < head / 2; i++) {
        double f = pow(json_number_value(json_object_get(rope, "rope_theta")), -2.0 * (double)i / (double)head);
        double turns = json_number_value(json_object_get(rope, "original_max_position_embeddings")) * f / (2 * M_PI);
        double smooth = fmin(fmax((turns - low) / (high - low), 0), 1);
        divide[i] = (float)(1 / ((1 - smooth) / json_number_value(json_object_get(rope, "factor")) + smooth));
    }
    add_tensor(g, "rope_freqs.weight", divide, (uint64_t[]){head / 2}, 1);
}

static inline void write_gguf(const struct tiny *t, const char *model, const char *path)
{
    struct gguf g = {.keys = BUF_INIT, .infos = BUF_INIT, .data = BUF_INIT, .arch = model};
    char source[500];
    json_error_t error;
    snprintf(source, sizeof source, TEST_SOURCE_DIR "/tests/parity/decoders/%s.json", model);
    json_t *root = json_load_file(source, 0, &error), *config = json_object_get(root, "config"), *tensors = json_object_get(root, "tensors");
    assert_non_null(root);
    uint64_t head = (uint64_t)json_integer_value(json_object_get(config, "head_dim"));
    add_settings(&g, config);
    for (size_t i = 0; i < json_array_size(tensors); i++)
        add_drawn(&g, json_array_get(tensors, i), head);
    if (strcmp(model, "llama") == 0)
        add_divisors(&g, config, head);
    gguf_end(&g, path);
    json_decref(root);
}

#endif

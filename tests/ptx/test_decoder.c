/* Whole decoders on the CUDA backend: every architecture in fp32 against transformers in double precision (the same vectors as the
 * CPU's), rows that keep their bytes however a step is cut, and weights as files hold them (bf16, Q8_0, Q4_K with Q6_K, MXFP4) against
 * the CPU's scalar reference. */
#include "engine/format/quantize.h"
#include "engine/run/pass.h"
#include "tests/unit/engine/tiny_decoder.h"

#include <dlfcn.h>

#define TOLERANCE 2e-4 /* of the largest logit, fp32 */

static const struct backend *cuda;
static void *dev;
static uint64_t (*memory_calls)(void), (*waits)(void); /* of the interpreter; NULL on a GPU */
static bool on_cpu;                                    /* the decoder that runs now is the reference */

/* decoder_step, which takes no memory of the device and waits for it once for each PASS_LOGIT_ROWS rows of logits. */
static int counted_step(struct decoder *d, const struct step_part *part, size_t n, float *logits, struct err *e)
{
    uint64_t before = memory_calls ? memory_calls() : 0, waited = waits ? waits() : 0, rows = 0;
    for (size_t i = 0; i < n; i++)
        rows += part[i].want;
    int rc = decoder_step(d, part, n, logits, e);
    if (!rc && memory_calls && !on_cpu) {
        assert_int_equal(memory_calls() - before, 0);
        assert_int_equal(waits() - waited, (rows + PASS_LOGIT_ROWS - 1) / PASS_LOGIT_ROWS);
    }
    return rc;
}

/* Logits of all rows; chunk: tokens of a sequence in a step (0: all), sequences side by side. */
static void run(struct decoder *d, const struct tiny *t, uint32_t chunk, float *got)
{
    struct sequence *s[TINY_SEQUENCES];
    uint32_t done[TINY_SEQUENCES] = {0}, base[TINY_SEQUENCES], at = 0;
    struct err e;
    float *some = mem_alloc((size_t)t->rows * t->vocab * sizeof *some);
    for (uint32_t i = 0; i < t->sequences; at += t->length[i++]) {
        base[i] = at;
        assert_int_equal(sequence_new(&s[i], d, &e), 0);
    }
    for (;;) {
        struct step_part part[TINY_SEQUENCES];
        uint32_t take[TINY_SEQUENCES];
        size_t n = 0, line = 0;
        for (uint32_t i = 0; i < t->sequences; i++) {
            uint32_t left = t->length[i] - done[i];
            take[i] = chunk && chunk < left ? chunk : left;
            if (take[i])
                part[n++] = (struct step_part){s[i], t->token + base[i] + done[i], take[i], take[i]};
        }
        if (n == 0)
            break;
        if (counted_step(d, part, n, some, &e))
            fail_msg("%s", e.message);
        for (uint32_t i = 0; i < t->sequences; i++) {
            memcpy(got + (size_t)(base[i] + done[i]) * t->vocab, some + line * t->vocab, take[i] * t->vocab * sizeof *got);
            line += take[i];
            done[i] += take[i];
        }
    }
    for (uint32_t i = 0; i < t->sequences; i++)
        sequence_free(s[i]);
    free(some);
}

/* The largest difference, as a part of the largest logit. */
static double distance(const struct tiny *t, const float *got, const float *want)
{
    double worst = 0, top = 0;
    for (size_t i = 0; i < (size_t)t->rows * t->vocab; i++) {
        double d = fabs((double)got[i] - want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        top = fmax(top, fabs((double)want[i]));
    }
    return worst / top;
}

/* Rows that are off by no more than `limit` of the largest logit. */
static uint32_t rows_within(const struct tiny *t, const float *got, const float *want, double limit)
{
    uint32_t n = 0;
    double top = 0;
    for (size_t i = 0; i < (size_t)t->rows * t->vocab; i++)
        top = fmax(top, fabs((double)want[i]));
    for (uint32_t r = 0; r < t->rows; r++) {
        double worst = 0;
        for (size_t i = (size_t)r * t->vocab; i < (size_t)(r + 1) * t->vocab; i++)
            worst = fmax(worst, fabs((double)got[i] - want[i]));
        n += worst <= limit * top;
    }
    return n;
}

/* Only the first `rows` tokens of each sequence: the interpreter's time. want: theirs of t's, to be freed. */
static struct tiny shortened(const struct tiny *t, uint32_t rows)
{
    struct tiny s = *t;
    uint32_t at = 0;
    s.rows = 0;
    s.token = mem_alloc(t->rows * sizeof *s.token);
    s.want = mem_alloc((size_t)t->rows * t->vocab * sizeof *s.want);
    for (uint32_t i = 0; i < t->sequences; at += t->length[i++]) {
        uint32_t n = t->length[i] < rows ? t->length[i] : rows;
        memcpy(s.token + s.rows, t->token + at, n * sizeof *s.token);
        memcpy(s.want + (size_t)s.rows * t->vocab, t->want + (size_t)at * t->vocab, n * t->vocab * sizeof *s.want);
        s.length[i] = n;
        s.rows += n;
    }
    return s;
}

static void shortened_release(struct tiny *s)
{
    free(s->token);
    free(s->want);
}

static struct decoder *open_decoder(const struct model_file *file, const struct backend *b, void *device, const struct decoder_options *o)
{
    struct decoder *d = NULL;
    struct err e;
    if (decoder_new(&d, file, b, device, o, &e))
        fail_msg("%s", e.message);
    return d;
}

static void architectures_like_transformers(void **state)
{
    static const char *const models[] = {"llama", "llama_linear", "mistral", "smollm3", "qwen2", "qwen3", "qwen3moe", "qwen3next",
                                         "qwen3next_even", "gptoss", "glm4moe", "deepseek2", "deepseek2_lite", "deepseek3", "gemma2",
                                         "gemma3", "phi3", "phi3_short"};
    int failed = 0;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct tiny t;
        tiny_open(&t, models[m]);
        struct tiny some = shortened(&t, m == 0 || getenv("CODEASK_TEST_LONG") ? 70 : 5);
        struct decoder *d = open_decoder(t.file, cuda, dev, &(struct decoder_options){.exact = true, .context = t.context});
        float *got = mem_alloc((size_t)t.rows * t.vocab * sizeof *got);
        run(d, &some, 0, got);
        double off = distance(&some, got, some.want);
        if (!(off <= TOLERANCE)) {
            print_error("%s: largest difference %g of the largest logit\n", models[m], off);
            failed++;
        }
        decoder_free(d);
        free(got);
        shortened_release(&some);
        tiny_close(&t);
    }
    assert_int_equal(failed, 0);
}

/* To bf16, which the GPU holds fp32 files in. */
static void round_weights(const char *folder)
{
    char path[100];
    uint64_t head;
    uint32_t bits;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fread(&head, sizeof head, 1, f), 1);
    for (long at = (long)(sizeof head + head); fseek(f, at, SEEK_SET) == 0 && fread(&bits, 4, 1, f) == 1; at += 4) {
        bits &= 0xffff0000;
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite(&bits, 4, 1, f), 1);
    }
    fclose(f);
}

/* A folder like tiny_open's, of Llama with rows of 256 columns, so that every block type fits. */
static void wide_model(struct tiny *t)
{
    static const struct { const char *name; uint32_t shape[2]; } layer[] = {
        {"input_layernorm", {256}}, {"post_attention_layernorm", {256}}, {"self_attn.q_proj", {256, 256}}, {"self_attn.k_proj", {128, 256}},
        {"self_attn.v_proj", {128, 256}}, {"self_attn.o_proj", {256, 256}}, {"mlp.gate_proj", {512, 256}}, {"mlp.up_proj", {512, 256}},
        {"mlp.down_proj", {256, 512}},
    };
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":256,\"intermediate_size\":512,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":64,\"num_hidden_layers\":2,\"vocab_size\":48,"
        "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"max_position_embeddings\":128,\"tie_word_embeddings\":false,"
        "\"hidden_act\":\"silu\"}";
    struct err e;
    json_t *tensors = json_array();
    *t = (struct tiny){.folder = "/tmp/codeask-wide-XXXXXX", .length = {1, 3, 7}, .sequences = 3, .rows = 11, .vocab = 48, .hidden = 256,
                       .context = 128};
    assert_non_null(mkdtemp(t->folder));
    json_array_append_new(tensors, json_pack("[s,[i,i],f,f]", "model.embed_tokens.weight", 48, 256, 1.0, 0.0));
    json_array_append_new(tensors, json_pack("[s,[i,i],f,f]", "lm_head.weight", 48, 256, .2, 0.0));
    json_array_append_new(tensors, json_pack("[s,[i],f,f]", "model.norm.weight", 256, .2, 1.0));
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
            char name[80];
            const uint32_t *shape = layer[i].shape;
            snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, layer[i].name);
            json_array_append_new(tensors, shape[1] ? json_pack("[s,[i,i],f,f]", name, (int)shape[0], (int)shape[1], .1, 0.0)
                                                    : json_pack("[s,[i],f,f]", name, (int)shape[0], .2, 1.0));
        }
    tiny_weights(t->folder, tensors);
    round_weights(t->folder);
    tiny_write(t->folder, "config.json", config, sizeof config - 1);
    json_decref(tensors);
    t->token = mem_alloc(t->rows * sizeof *t->token);
    t->want = NULL;
    for (uint32_t i = 0; i < t->rows; i++)
        t->token[i] = i * 31 % 48;
    if (model_file_open(&t->file, t->folder, &e))
        fail_msg("%s", e.message);
}

/* As the CPU's reference has them: a few rows at a time, where operands are of the same types, and all at once, where the GPU
 * multiplies bf16. */
static void formats_like_the_cpu(void **state)
{
    static const struct {
        const char *name;
        double few, many; /* allowed, of the largest logit. few: an operand's int8 that rounds to the other side moves a row by a
                           * percent, so most rows must be within TOLERANCE. many: bf16 has 8 bits */
    } formats[] = {{"", 2e-4, .03}, {"Q8_0", .02, .03}, {"Q4_K", .02, .04}, {"MXFP4", .02, .04}};
    struct tiny t;
    void *host;
    struct err e;
    char path[100], command[120];
    wide_model(&t);
    assert_int_equal(backend_cpu.open(&host, &(struct device_options){.isa = "scalar"}, &e), 0);
    size_t bytes = (size_t)t.rows * t.vocab * sizeof(float);
    float *want = mem_alloc(bytes), *got = mem_alloc(bytes), *one = mem_alloc(bytes);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        struct model_file *file = t.file;
        struct decoder_options o = {.context = t.context, .kv = f == 1 ? KV_Q8 : f & 2 ? KV_F32 : KV_F16};
        if (*formats[f].name) {
            struct quantize how = {.threads = 1};
            struct quantize_report report;
            snprintf(path, sizeof path, "%s-%s", t.folder, formats[f].name);
            if (quantize_type(&how.type, formats[f].name, &e) || model_quantize(&report, t.folder, path, &how, &e) ||
                model_file_open(&file, path, &e))
                fail_msg("%s: %s", formats[f].name, e.message);
        }
        struct decoder *d = open_decoder(file, &backend_cpu, host, &o);
        on_cpu = true;
        run(d, &t, 2, want);
        on_cpu = false;
        decoder_free(d);
        d = open_decoder(file, cuda, dev, &o);
        run(d, &t, 2, got);
        double few = distance(&t, got, want);
        uint32_t close = rows_within(&t, got, want, TOLERANCE);
        run(d, &t, 1, one);
        if (memcmp(got, one, bytes))
            fail_msg("%s: steps of other sizes give other bytes", formats[f].name);
        run(d, &t, 0, got);
        double many = distance(&t, got, want);
        print_message("%-5s off by %.2g in steps of a few rows (%u of %u within %g), %.2g at once\n", *formats[f].name ? formats[f].name : "bf16",
                      few, close, t.rows, TOLERANCE, many);
        if (!(few <= formats[f].few && many <= formats[f].many && close * 2 >= t.rows))
            fail_msg("%s: %g and %g", formats[f].name, few, many);
        decoder_free(d);
        if (file != t.file) {
            model_file_close(file);
            snprintf(command, sizeof command, "rm -rf %s", path);
            assert_int_equal(system(command), 0);
        }
    }
    free(want);
    free(got);
    free(one);
    backend_cpu.close(host);
    tiny_close(&t);
}

/* Cut into steps of 1 or 2 rows of each sequence: the same bytes, of mixtures, windows, latent heads and states too. */
static void rows_are_invariant(void **state)
{
    static const char *const models[] = {"qwen3", "gptoss", "deepseek2", "qwen3next"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct tiny t;
        tiny_open(&t, models[m]);
        struct tiny some = shortened(&t, getenv("CODEASK_TEST_LONG") ? 9 : 3);
        size_t bytes = (size_t)some.rows * t.vocab * sizeof(float);
        float *one = mem_alloc(bytes), *got = mem_alloc(bytes);
        for (int exact = 0; exact < 2; exact++) {
            if (exact != (int)m % 2 && !getenv("CODEASK_TEST_LONG"))
                continue;
            struct decoder_options o = {.exact = exact, .context = t.context, .kv = exact ? KV_F32 : KV_F16};
            struct decoder *d = open_decoder(t.file, cuda, dev, &o);
            run(d, &some, 1, one);
            run(d, &some, 2, got);
            if (memcmp(one, got, bytes))
                fail_msg("%s, exact %d: steps of 2 rows give other bytes", models[m], exact);
            decoder_free(d);
        }
        free(one);
        free(got);
        shortened_release(&some);
        tiny_close(&t);
    }
}

int main(void)
{
    struct err e;
    cuda = backend_find("cuda");
    if (cuda->open(&dev, NULL, &e)) {
        puts(e.message);
        return getenv("CODEASK_LIBCUDA") ? 1 : 77;
    }
    void *library = getenv("CODEASK_LIBCUDA") ? dlopen(getenv("CODEASK_LIBCUDA"), RTLD_NOW) : NULL;
    if (library) {
        *(void **)&memory_calls = dlsym(library, "ptx_memory_calls");
        *(void **)&waits = dlsym(library, "ptx_waits");
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(architectures_like_transformers), cmocka_unit_test(formats_like_the_cpu),
                                       cmocka_unit_test(rows_are_invariant)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cuda->close(dev);
    return failed;
}

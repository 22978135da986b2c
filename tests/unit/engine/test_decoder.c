/* Sequences of a decoder: forks, steps back, bytes and back, budgets and refusals, on one model of each kind of state. */
#include "tests/unit/engine/tiny_decoder.h"

static const char *const models[] = {"qwen3", "gptoss", "gemma3", "deepseek2", "qwen3next"}; /* whole, windows, latent, fixed */
#define MODELS (sizeof models / sizeof *models)

struct bench { /* a model on a device, with one decoder */
    struct tiny t;
    void *dev;
    struct decoder *d;
    float *logits; /* one row */
};

static void setup(struct bench *b, const char *model, const struct decoder_options *o)
{
    struct err e;
    tiny_open(&b->t, model);
    assert_int_equal(backend_cpu.open(&b->dev, &(struct device_options){0}, &e), 0);
    if (decoder_new(&b->d, b->t.file, &backend_cpu, b->dev, o, &e))
        fail_msg("%s: %s", model, e.message);
    b->logits = mem_alloc(b->t.vocab * sizeof *b->logits);
}

static void teardown(struct bench *b)
{
    decoder_free(b->d);
    backend_cpu.close(b->dev);
    tiny_close(&b->t);
    free(b->logits);
}

static struct sequence *new_sequence(struct bench *b)
{
    struct sequence *s = NULL;
    struct err e;
    if (sequence_new(&s, b->d, &e))
        fail_msg("%s", e.message);
    return s;
}

/* n tokens of the longest text from its token `from` on, in steps of `chunk`; the last row's logits are in b->logits. */
static void feed(struct bench *b, struct sequence *s, uint32_t from, uint32_t n, uint32_t chunk)
{
    const uint32_t *token = b->t.token + b->t.rows - b->t.length[b->t.sequences - 1] + from;
    struct err e;
    while (n) {
        uint32_t take = n < chunk ? n : chunk;
        struct step_part p = {s, token, take, take == n};
        if (decoder_step(b->d, &p, 1, b->logits, &e))
            fail_msg("%s", e.message);
        token += take;
        n -= take;
    }
}

static void same_as(struct bench *b, const float *want, const char *what)
{
    if (memcmp(b->logits, want, b->t.vocab * sizeof *want))
        fail_msg("%s: other logits, %g for %g", what, (double)b->logits[0], (double)want[0]);
}

static uint32_t free_pages(const struct bench *b)
{
    struct decoder_info info;
    decoder_info(b->d, &info);
    return info.pages_free;
}

static void forks_and_steps_back(void **state)
{
    for (size_t m = 0; m < MODELS; m++)
        for (int kv = KV_F32; kv <= KV_Q8; kv++) {
            struct bench b;
            float want[2][64];
            struct err e;
            struct sequence *fork;
            setup(&b, models[m], &(struct decoder_options){.kv = (enum kv_type)kv});
            uint32_t all = free_pages(&b);
            struct sequence *s = new_sequence(&b);
            feed(&b, s, 0, 40, 8);
            feed(&b, s, 40, 3, 1);
            memcpy(want[0], b.logits, b.t.vocab * sizeof(float));
            feed(&b, s, 43, 20, 8);
            memcpy(want[1], b.logits, b.t.vocab * sizeof(float));
            sequence_free(s);
            assert_int_equal(free_pages(&b), all);

            s = new_sequence(&b);
            feed(&b, s, 0, 40, 8);
            assert_int_equal(sequence_fork(&fork, s, &e), 0);
            feed(&b, fork, 10, 7, 8); /* another way to go on: it must not be seen by s */
            feed(&b, s, 40, 3, 3);
            same_as(&b, want[0], models[m]);
            sequence_free(fork);
            feed(&b, s, 50, 4, 4); /* a draft that is taken back, all and in part */
            assert_int_equal(sequence_roll_back(s, 4, &e), 0);
            feed(&b, s, 43, 6, 6);
            assert_int_equal(sequence_roll_back(s, 5, &e), 0);
            assert_int_equal(sequence_length(s), 44);
            feed(&b, s, 44, 19, 8);
            same_as(&b, want[1], models[m]);
            assert_int_equal(sequence_roll_back(s, 60, &e), 0); /* far back: what is gone is read again */
            feed(&b, s, 3, 40, 8);
            same_as(&b, want[0], models[m]);
            assert_int_equal(sequence_roll_back(s, 44, &e), ERR_USAGE);
            sequence_free(s);
            assert_int_equal(free_pages(&b), all);
            teardown(&b);
        }
}

static void saved_and_loaded(void **state)
{
    for (size_t m = 0; m < MODELS; m++) {
        struct bench b;
        struct buf bytes = BUF_INIT;
        struct err e;
        float want[64];
        setup(&b, models[m], &(struct decoder_options){.kv = KV_Q8});
        struct sequence *s = new_sequence(&b), *other = new_sequence(&b);
        feed(&b, s, 0, 50, 8);
        assert_int_equal(sequence_save(s, 50, &bytes, &e), 0);
        feed(&b, s, 50, 8, 8);
        memcpy(want, b.logits, b.t.vocab * sizeof(float));
        assert_int_equal(sequence_load(other, bytes.data, bytes.len, &e), 0);
        assert_int_equal(sequence_length(other), 50);
        assert_memory_equal(sequence_tokens(other), sequence_tokens(s), 50 * sizeof(uint32_t));
        feed(&b, other, 50, 8, 8);
        same_as(&b, want, models[m]);
        assert_int_equal(sequence_load(other, bytes.data, bytes.len, &e), ERR_USAGE);
        sequence_free(other);
        uint32_t before = free_pages(&b);
        for (size_t n = 0; n < bytes.len; n += 1 + bytes.len / 97) { /* cut anywhere: refused, and nothing stays behind */
            other = new_sequence(&b);
            assert_int_equal(sequence_load(other, bytes.data, n, &e), ERR_FORMAT);
            sequence_free(other);
            assert_int_equal(free_pages(&b), before);
        }
        sequence_free(s);
        buf_release(&bytes);
        teardown(&b);
    }
}

static void a_window_gives_pages_back(void **state)
{
    struct bench b;
    setup(&b, "mistral", &(struct decoder_options){.max_rows = 8});
    uint32_t all = free_pages(&b), least = all;
    struct sequence *s = new_sequence(&b);
    for (int i = 0; i < 3; i++) {
        feed(&b, s, 0, 64, 8);
        least = free_pages(&b) < least ? free_pages(&b) : least;
    }
    assert_true(all - least <= (16 + 64 + 8) / 32 + 2);
    sequence_free(s);
    teardown(&b);
}

/* Layers that see all keys make a long prompt slower, those with a window or a fixed state do not; the sequences after it are as
 * they would be. */
static void its_speed_is_measured(void **state)
{
    for (size_t m = 0; m < MODELS; m++) {
        struct bench b;
        struct decoder_speed speed;
        struct err e;
        float want[64];
        setup(&b, models[m], NULL);
        uint32_t all = free_pages(&b);
        struct sequence *s = new_sequence(&b);
        feed(&b, s, 0, 40, 8);
        memcpy(want, b.logits, b.t.vocab * sizeof(float));
        assert_int_equal(decoder_measure(b.d, &speed, &e), ERR_BUSY);
        sequence_free(s);
        assert_int_equal(decoder_measure(b.d, &speed, &e), 0);
        assert_true(speed.token_s > 0 && speed.key_s > 0);
        assert_int_equal(free_pages(&b), all);
        s = new_sequence(&b);
        feed(&b, s, 0, 40, 8);
        same_as(&b, want, models[m]);
        sequence_free(s);
        teardown(&b);
    }
    struct bench b;
    struct decoder_speed speed;
    struct err e;
    setup(&b, "mistral", NULL); /* windows alone */
    assert_int_equal(decoder_measure(b.d, &speed, &e), 0);
    assert_true(speed.token_s > 0 && speed.key_s == 0);
    teardown(&b);
}

static void budget(void **state)
{
    struct bench b;
    struct err e;
    struct sequence *three = NULL;
    struct decoder_info info;
    struct decoder *d;
    setup(&b, "qwen3", &(struct decoder_options){.context = 96, .max_rows = 16, .max_sequences = 2});
    decoder_info(b.d, &info);
    assert_int_equal(info.pages, 6);
    assert_int_equal(info.page_bytes, 3 * 2 * 32 * 2 * 20 * sizeof(float)); /* layers, keys and values, tokens, heads, columns */
    assert_true(info.weight_bytes > 0 && info.kv_bytes >= 6 * info.page_bytes);
    assert_int_equal(decoder_new(&d, b.t.file, &backend_cpu, b.dev, &(struct decoder_options){.kv_bytes = 100}, &e), ERR_MEMORY);
    teardown(&b);

    setup(&b, "qwen3", &(struct decoder_options){.context = 96, .max_rows = 16, .max_sequences = 2, .kv_bytes = 4 * info.page_bytes});
    struct sequence *s = new_sequence(&b), *two = new_sequence(&b);
    assert_int_equal(sequence_new(&three, b.d, &e), ERR_BUSY);
    feed(&b, s, 0, 64, 16);
    feed(&b, two, 0, 60, 16);
    uint32_t token[17] = {0};
    struct step_part more[] = {{s, token, 1, 0}, {two, token, 1, 0}};
    assert_int_equal(decoder_short_of(b.d, more, 2), 1);
    assert_int_equal(decoder_step(b.d, more, 2, NULL, &e), ERR_BUSY);
    assert_int_equal(sequence_length(two), 60); /* all or nothing */
    feed(&b, two, 60, 4, 4);
    sequence_free(s);
    feed(&b, two, 0, 32, 16);
    assert_int_equal(decoder_step(b.d, &(struct step_part){two, token, 1, 0}, 1, NULL, &e), ERR_LIMIT);
    assert_int_equal(sequence_roll_back(two, 20, &e), 0);
    assert_int_equal(decoder_step(b.d, &(struct step_part){two, token, 17, 0}, 1, NULL, &e), ERR_USAGE);
    assert_int_equal(decoder_step(b.d, (struct step_part[]){{two, token, 1, 0}, {two, token, 1, 0}}, 2, NULL, &e), ERR_USAGE);
    token[0] = b.t.vocab;
    assert_int_equal(decoder_step(b.d, &(struct step_part){two, token, 1, 0}, 1, NULL, &e), ERR_USAGE);
    sequence_free(two);
    teardown(&b);
}

static void embeddings(void **state)
{
    struct bench b;
    struct err e;
    float out[3][64], again[64];
    uint32_t offset[4] = {0, 5, 6, 46};
    setup(&b, "qwen3", &(struct decoder_options){.max_rows = 16, .exact = true});
    const uint32_t *token = b.t.token + b.t.rows - 70;
    assert_int_equal(decoder_embed(b.d, token, offset, 3, out[0], &e), 0);
    for (int i = 0; i < 3; i++) {
        double square = 0;
        for (int c = 0; c < 64; c++)
            square += (double)out[i][c] * out[i][c];
        assert_true(fabs(square - 1) < 1e-5);
    }
    assert_int_equal(decoder_embed(b.d, token + 5, (uint32_t[]){0, 1}, 1, again, &e), 0);
    assert_memory_equal(again, out[1], sizeof again);
    teardown(&b);
}

/* The folder of qwen3 again with one text of config.json replaced. */
static int altered(struct tiny *t, const char *from, const char *to, struct err *e)
{
    char path[200];
    struct buf text = BUF_INIT, other = BUF_INIT;
    struct model_file *file = NULL;
    struct decoder *d = NULL;
    void *dev;
    snprintf(path, sizeof path, "%s/config.json", t->folder);
    assert_int_equal(file_read(&text, path, 1 << 20, e), 0);
    buf_add(&text, "", 1);
    const char *at = strstr(text.data, from);
    if (!at)
        fail_msg("config.json has no %s", from);
    buf_addf(&other, "%.*s%s%s", (int)(at - text.data), text.data, to, at + strlen(from));
    tiny_write(t->folder, "config.json", other.data, other.len);
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, e), 0);
    int rc = model_file_open(&file, t->folder, e);
    if (!rc)
        rc = decoder_new(&d, file, &backend_cpu, dev, NULL, e);
    decoder_free(d);
    model_file_close(file);
    backend_cpu.close(dev);
    tiny_write(t->folder, "config.json", text.data, text.len - 1);
    buf_release(&text);
    buf_release(&other);
    return rc;
}

static void lying_configurations(void **state)
{
    static const struct {
        const char *from, *to;
        int rc;
        const char *says;
    } cases[] = {
        {"\"model_type\": \"qwen3\"", "\"model_type\": \"qwen9\"", ERR_UNSUPPORTED, "qwen9"},
        {"\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", ERR_FORMAT, "model.layers.3."},
        {"\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2000000000", ERR_FORMAT, "num_hidden_layers"},
        {"\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2.5", ERR_FORMAT, "num_hidden_layers"},
        {"\"vocab_size\": 48", "\"vocab_size\": 47", ERR_FORMAT, "embed_tokens"},
        {"\"hidden_size\": 64", "\"hidden_size\": 60", ERR_FORMAT, "embed_tokens"},
        {"\"head_dim\": 20", "\"head_dim\": 22", ERR_FORMAT, "q_proj"},
        {"\"head_dim\": 20", "\"head_dim\": 4000", ERR_FORMAT, "head_dim"},
        {"\"num_attention_heads\": 4", "\"num_attention_heads\": 0", ERR_FORMAT, "heads"},
        {"\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", ERR_FORMAT, "heads"},
        {"\"rms_norm_eps\": ", "\"rms_norm_eps\": -1, \"before\": ", ERR_FORMAT, "epsilon"},
        {"\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"", ERR_UNSUPPORTED, "spiral"},
        {"\"rope_type\": \"default\"", "\"partial_rotary_factor\": 1e300", ERR_FORMAT, "turn"},
        {"\"rope_type\": \"default\"", "\"rope_type\": \"linear\", \"factor\": 0", ERR_FORMAT, "factor"},
        {"\"head_dim\": 20,", "\"num_experts\": 8,", ERR_FORMAT, ""},
    };
    struct tiny t;
    struct err e;
    tiny_open(&t, "qwen3");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc = altered(&t, cases[i].from, cases[i].to, &e);
        if (rc != cases[i].rc || !strstr(e.message, cases[i].says))
            fail_msg("%s: %d, %s", cases[i].to, rc, rc ? e.message : "opened");
    }
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forks_and_steps_back), cmocka_unit_test(saved_and_loaded), cmocka_unit_test(a_window_gives_pages_back),
        cmocka_unit_test(its_speed_is_measured), cmocka_unit_test(budget), cmocka_unit_test(embeddings), cmocka_unit_test(lying_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The encoder's forward pass against PyTorch (tests/parity/make_bert.py, whose weights are drawn again here): exact operands
 * within 2e-4 of the largest value on every instruction set, fast ones by cosine; and calls from several threads at once. */
#include "engine/run/forward.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEQUENCES 5
static const uint32_t lengths[SEQUENCES] = {1, 7, 31, 33, 40};
static const char *const isas[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon"};

static const struct sample {
    const char *name;
    struct bert_config config;
} samples[] = {
    {"bert_mean", {64, 3, 2, 128, 100, 64, 2, 1e-12f, ACT_GELU, POOL_MEAN}},
    {"bert_first", {72, 2, 3, 100, 50, 40, 2, 1e-12f, ACT_GELU_TANH, POOL_FIRST}},
};

static uint64_t fnv(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static double number(uint64_t stream, uint64_t i)
{
    uint64_t z = stream + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 40) / (1 << 23) - 1;
}

struct drawn { /* a source of tensors that are drawn when they are asked for */
    const struct bert_config *config;
    enum type type;
    float *made[100];
    size_t count;
    const char *missing, *wrong; /* a name that is not found, one whose shape is wrong */
};

static bool ends(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool find(void *self, const char *name, struct tensor_view *t)
{
    struct drawn *d = self;
    const struct bert_config *c = d->config;
    if (strncmp(name, "bert.", 5) == 0 || strncmp(name, "model.", 6) == 0 || (d->missing && strcmp(name, d->missing) == 0))
        return false;
    bool table = strncmp(name, "embeddings.", 11) == 0 && !strstr(name, "LayerNorm");
    bool up = strstr(name, "intermediate.dense") != NULL, down = strstr(name, "output.dense") && !strstr(name, "attention");
    uint32_t rows = up ? c->intermediate : c->hidden, cols = down ? c->intermediate : c->hidden;
    if (table)
        rows = strstr(name, "word") ? c->vocab : strstr(name, "position") ? c->max_position : c->type_vocab;
    bool vector = ends(name, "bias") || strstr(name, "LayerNorm");
    size_t n = vector ? rows : (size_t)rows * cols;
    float *x = mem_alloc(n * sizeof *x);
    double scale = vector || table ? 1 : 4 / exp2(ceil(log2(cols) / 2));
    for (size_t i = 0; i < n; i++) {
        double u = number(fnv(name), i);
        x[i] = (float)(ends(name, "LayerNorm.weight") ? 1 + u / 2 : u * scale);
    }
    if (d->type == TYPE_BF16) /* truncated in place: only the reading is tested so */
        for (size_t i = 0; i < n; i++) {
            uint32_t bits;
            memcpy(&bits, &x[i], 4);
            ((uint16_t *)(void *)x)[i] = (uint16_t)(bits >> 16);
        }
    assert_true(d->count < 100);
    d->made[d->count++] = x;
    *t = (struct tensor_view){x, d->type, vector ? 1 : 2, {rows, vector ? 0 : cols}};
    if (d->wrong && strcmp(name, d->wrong) == 0)
        t->shape[0]++;
    return true;
}

static int open_sample(const struct sample *s, const char *isa, bool exact, int threads, struct drawn *d, void **dev,
                       struct encoder **en, struct err *e)
{
    d->config = &s->config;
    if (backend_cpu.open(dev, &(struct device_options){.isa = isa}, e))
        return 1; /* not on this machine */
    int rc = encoder_new(en, &backend_cpu, *dev, &s->config, &(struct tensor_source){find, d},
                         &(struct encoder_options){.threads = threads, .exact = exact}, e);
    for (size_t i = 0; i < d->count; i++)
        free(d->made[i]);
    d->count = 0;
    if (rc)
        backend_cpu.close(*dev);
    return rc;
}

static void draw_tokens(uint32_t *token, uint32_t *offset, uint32_t vocab)
{
    offset[0] = 0;
    for (uint32_t s = 0; s < SEQUENCES; s++) {
        offset[s + 1] = offset[s] + lengths[s];
        for (uint32_t i = 0; i < lengths[s]; i++)
            token[offset[s] + i] = (uint32_t)((number(fnv("tokens"), 1000 * s + i) + 1) / 2 * vocab);
    }
}

static void read_expected(const char *name, float *to, size_t n)
{
    char path[1000];
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/%s.txt", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(fscanf(f, "%f", &to[i]), 1);
    fclose(f);
}

static void compare(const struct sample *s, const char *isa, bool exact)
{
    struct drawn d = {.type = TYPE_F32};
    struct encoder *en;
    struct err e = {0};
    void *dev;
    uint32_t token[200], offset[SEQUENCES + 1], hidden = s->config.hidden;
    float want[SEQUENCES * 72], got[SEQUENCES * 72];
    int rc = open_sample(s, isa, exact, 1, &d, &dev, &en, &e);
    if (rc == 1)
        return;
    assert_int_equal(rc, 0);
    draw_tokens(token, offset, s->config.vocab);
    read_expected(s->name, want, SEQUENCES * hidden);
    assert_int_equal(encoder_run(en, token, offset, SEQUENCES, got, &e), 0);
    double worst = 0, top = 0, least = 1;
    for (uint32_t v = 0; v < SEQUENCES; v++) {
        double cosine = 0;
        for (uint32_t c = 0; c < hidden; c++) {
            double a = got[v * hidden + c], b = want[v * hidden + c];
            worst = fmax(worst, fabs(a - b));
            top = fmax(top, fabs(b));
            cosine += a * b;
        }
        least = fmin(least, cosine);
    }
    if (exact ? !(worst <= 2e-4 * top) : !(least >= .99))
        fail_msg("%s on %s, %s: largest difference %g of %g, least cosine %g", s->name, isa, exact ? "exact" : "fast", worst,
                 top, least);
    encoder_free(en);
    backend_cpu.close(dev);
}

static void exact_is_pytorch(void **state)
{
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
            compare(&samples[s], isas[i], true);
}

/* These weights are drawn hard (score differences of tens): a real model's cosine is far better; see tests/bench/embed.py. */
static void fast_is_close(void **state)
{
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
            compare(&samples[s], isas[i], false);
}

struct caller {
    struct encoder *en;
    const uint32_t *token, *offset;
    const float *want;
    uint32_t hidden;
    int rc, wrong;
};

static void *call_often(void *arg)
{
    struct caller *c = arg;
    float *got = mem_alloc(40 * c->hidden * sizeof *got);
    for (int i = 0; i < 20 && c->rc == 0; i++) {
        c->rc = encoder_run(c->en, c->token, c->offset, 40, got, NULL);
        for (uint32_t v = 0; v < 40; v++) /* the same numbers wherever they are computed */
            c->wrong += memcmp(got + v * c->hidden, c->want + v % SEQUENCES * c->hidden, c->hidden * sizeof *got) != 0;
    }
    free(got);
    return NULL;
}

static void threads_agree(void **state)
{
    const struct sample *s = &samples[0];
    struct drawn d = {.type = TYPE_BF16};
    struct encoder *en;
    struct err e = {0};
    void *dev;
    uint32_t token[200 * 8], offset[41];
    float want[SEQUENCES * 64];
    assert_int_equal(open_sample(s, NULL, false, 3, &d, &dev, &en, &e), 0);
    assert_true(encoder_bytes(en) > 0);
    draw_tokens(token, offset, s->config.vocab);
    assert_int_equal(encoder_run(en, token, offset, SEQUENCES, want, &e), 0);
    uint32_t total = offset[SEQUENCES];
    for (uint32_t i = SEQUENCES; i < 40; i++) /* eight times the same five */
        offset[i + 1] = offset[i] + lengths[i % SEQUENCES];
    for (uint32_t i = 1; i < 8; i++)
        memcpy(token + (size_t)i * total, token, total * sizeof *token);
    struct caller c[3];
    pthread_t t[3];
    for (int i = 0; i < 3; i++) {
        c[i] = (struct caller){en, token, offset, want, 64, 0, 0};
        assert_int_equal(pthread_create(&t[i], NULL, call_often, &c[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(c[i].rc, 0);
        assert_int_equal(c[i].wrong, 0);
    }
    encoder_free(en);
    backend_cpu.close(dev);
}

static void refusals(void **state)
{
    struct sample s = samples[0];
    struct drawn d = {.type = TYPE_F32, .missing = "encoder.layer.1.output.dense.bias"};
    struct encoder *en;
    struct err e = {0};
    void *dev;
    assert_int_equal(open_sample(&s, "scalar", true, 1, &d, &dev, &en, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "encoder.layer.1.output.dense.bias"));
    d.missing = NULL;
    d.wrong = "encoder.layer.2.attention.self.value.weight";
    assert_int_equal(open_sample(&s, "scalar", true, 1, &d, &dev, &en, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "encoder.layer.2.attention.self.value.weight"));
    d.wrong = NULL;
    s.config.heads = 3; /* 64 is not a multiple */
    assert_int_equal(open_sample(&s, "scalar", true, 1, &d, &dev, &en, &e), ERR_FORMAT);
    s.config.heads = 2;
    s.config.layers = 4000000000u;
    assert_int_equal(open_sample(&s, "scalar", true, 1, &d, &dev, &en, &e), ERR_FORMAT);
    s.config.layers = 1;
    assert_int_equal(open_sample(&s, "scalar", true, 1, &d, &dev, &en, &e), 0);
    float out[64];
    assert_int_equal(encoder_run(en, (uint32_t[]){1, 100}, (uint32_t[]){0, 2}, 1, out, &e), ERR_USAGE);
    assert_int_equal(encoder_run(en, (uint32_t[]){1, 2}, (uint32_t[]){0, 0}, 1, out, &e), ERR_USAGE);
    assert_int_equal(encoder_run(en, (uint32_t[]){1, 2}, (uint32_t[]){0, 2}, 0, out, &e), 0);
    uint32_t many[65] = {0};
    assert_int_equal(encoder_run(en, many, (uint32_t[]){0, 65}, 1, out, &e), ERR_USAGE);
    encoder_free(en);
    backend_cpu.close(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_is_pytorch), cmocka_unit_test(fast_is_close), cmocka_unit_test(threads_agree),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The forward pass of every architecture against transformers in double precision (tests/parity/make_decoders.py): logits of every
 * position within 2e-4 of the largest, however the tokens are cut into steps; and every knob, altered alone, moves them by more. */
#include "tests/unit/engine/tiny_decoder.h"

#define TOLERANCE 2e-4

static const char *const models[] = {"llama", "llama_linear", "mistral", "smollm3", "qwen2", "qwen3", "qwen3moe", "qwen3next", "qwen3next_even",
                                     "gptoss", "glm4moe", "deepseek2", "deepseek2_lite", "deepseek3", "gemma2", "gemma3", "phi3",
                                     "phi3_short"};
#define MODELS (sizeof models / sizeof *models)
static const char *const isas[] = {"scalar", NULL};

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
        size_t n = 0, line = 0;
        for (uint32_t i = 0; i < t->sequences; i++) {
            uint32_t left = t->length[i] - done[i], take = chunk && chunk < left ? chunk : left;
            if (take)
                part[n++] = (struct step_part){s[i], t->token + base[i] + done[i], take, take};
        }
        if (n == 0)
            break;
        if (decoder_step(d, part, n, some, &e))
            fail_msg("%s", e.message);
        n = 0;
        for (uint32_t i = 0; i < t->sequences; i++) {
            uint32_t left = t->length[i] - done[i], take = chunk && chunk < left ? chunk : left;
            memcpy(got + (size_t)(base[i] + done[i]) * t->vocab, some + line * t->vocab, take * t->vocab * sizeof *got);
            line += take;
            done[i] += take;
        }
    }
    for (uint32_t i = 0; i < t->sequences; i++)
        sequence_free(s[i]);
    free(some);
}

static double distance(const struct tiny *t, const float *got, double *top)
{
    double worst = 0;
    *top = 0;
    for (size_t i = 0; i < (size_t)t->rows * t->vocab; i++) {
        double d = fabs((double)got[i] - t->want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        *top = fmax(*top, fabs((double)t->want[i]));
    }
    return worst;
}

static void parity(void **state)
{
    int failed = 0;
    for (size_t m = 0; m < MODELS; m++)
        for (size_t i = 0; i < 2; i++) {
            struct tiny t;
            struct decoder *d;
            struct err e;
            void *dev;
            double top;
            tiny_open(&t, models[m]);
            assert_int_equal(backend_cpu.open(&dev, &(struct device_options){.isa = isas[i]}, &e), 0);
            if (decoder_new(&d, t.file, &backend_cpu, dev, &(struct decoder_options){.exact = true, .context = t.context}, &e)) {
                print_error("%s: %s\n", models[m], e.message);
                failed++;
            } else {
                float *got = mem_alloc((size_t)t.rows * t.vocab * sizeof *got);
                run(d, &t, 0, got);
                double worst = distance(&t, got, &top);
                if (!(worst <= TOLERANCE * top)) {
                    print_error("%s on %s: largest difference %g of %g\n", models[m], isas[i] ? isas[i] : "the best", worst, top);
                    failed++;
                }
                decoder_free(d);
                free(got);
            }
            backend_cpu.close(dev);
            tiny_close(&t);
        }
    assert_int_equal(failed, 0);
}


static struct decoder *open_decoder(const struct tiny *t, void *dev, const struct decoder_options *o, void (*tweak)(struct knobs *, void *),
                                    void *arg)
{
    struct decoder *d = NULL;
    struct err e;
    if (decoder_new_tweaked(&d, t->file, &backend_cpu, dev, o, tweak, arg, &e))
        fail_msg("%s", e.message);
    return d;
}

/* Cut into steps of 1 or 2 rows of each sequence side by side, and of 3, 8 or 16 rows of one alone: the same bytes. */
static void rows_are_invariant(void **state)
{
    for (size_t m = 0; m < MODELS; m++) {
        struct tiny t;
        struct err e;
        void *dev;
        tiny_open(&t, models[m]);
        assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
        size_t n = (size_t)t.rows * t.vocab;
        float *one = mem_alloc(n * sizeof *one), *got = mem_alloc(n * sizeof *got);
        for (int exact = 0; exact < 2; exact++) {
            struct decoder_options o = {.exact = exact, .context = t.context, .kv = exact ? KV_F32 : KV_F16};
            struct decoder *d = open_decoder(&t, dev, &o, NULL, NULL);
            struct tiny alone = t;
            for (uint32_t s = 0, at = 0; s < t.sequences; at += t.length[s++]) {
                alone.sequences = 1;
                alone.length[0] = t.length[s];
                alone.token = t.token + at;
                alone.rows = t.length[s];
                run(d, &alone, 1, one + (size_t)at * t.vocab);
            }
            for (uint32_t chunk = 1; chunk <= 2; chunk++) {
                run(d, &t, chunk, got);
                if (memcmp(one, got, n * sizeof *got))
                    fail_msg("%s, exact %d: steps of %u rows give other bytes", models[m], exact, chunk);
            }
            for (uint32_t s = 0, at = 0; s < t.sequences; at += t.length[s++]) {
                alone.length[0] = alone.rows = t.length[s];
                alone.token = t.token + at;
                for (uint32_t chunk = 3; chunk <= 16; chunk = chunk < 8 ? 8 : chunk * 2) {
                    run(d, &alone, chunk, got);
                    if (memcmp(one + (size_t)at * t.vocab, got, (size_t)t.length[s] * t.vocab * sizeof *got))
                        fail_msg("%s, exact %d: a sequence in steps of %u rows gives other bytes", models[m], exact, chunk);
                }
            }
            decoder_free(d);
        }
        free(one);
        free(got);
        backend_cpu.close(dev);
        tiny_close(&t);
    }
}

struct change {
    const char *name;
    size_t at;
    enum { FLOAT, DOUBLE, UINT, BOOL } kind;
    double factor, value; /* new = old · factor + value; of a bool: not */
    const char *of;       /* models, between blanks; NULL: all whose value is not 0 */
    const char *refused;  /* models, likewise, whose file does not fit what is altered, so that they are not opened */
};
#define K(field) #field, offsetof(struct knobs, field)
static const struct change changes[] = {
    {K(eps), FLOAT, 1, .05, NULL},
    {K(attention_scale), FLOAT, .8, 0, NULL},
    {K(gain_offset), FLOAT, 1, .2, NULL},
    {K(embedding_scale), FLOAT, 1.5, 0, " gemma2 gemma3 "},
    {K(attention_softcap), FLOAT, .5, 0, NULL},
    {K(logit_softcap), FLOAT, .5, 0, NULL},
    {K(glu.limit), FLOAT, .5, 0, NULL},
    {K(glu.alpha), FLOAT, .7, 0, NULL},
    {K(glu.kind), UINT, 0, GLU_RELU, " llama gemma2 phi3 "},
    {K(qk_norm), BOOL, 0, 0, NULL},
    {K(sinks), BOOL, 0, 0, NULL},
    {K(post_norms), BOOL, 0, 0, NULL},
    {K(gated), BOOL, 0, 0, NULL, " qwen3next qwen3next_even "}, /* without the gate the queries' matrix has half the rows */
    {K(interleaved), BOOL, 0, 0, " llama qwen3 deepseek2 deepseek3 gemma3 "},
    {K(rope[0].base), DOUBLE, 3, 0, NULL},
    {K(rope[1].base), DOUBLE, 3, 0, " gemma3 "},
    {K(rope[0].factor), DOUBLE, 2, 0, " llama llama_linear qwen2 gptoss deepseek2 deepseek3 gemma3 "},
    {K(rope[0].magnitude), DOUBLE, 1.3, 0, NULL},
    {K(rope[0].low), DOUBLE, .3, 0, " llama qwen2 gptoss deepseek2 deepseek3 "},
    {K(rope[0].high), DOUBLE, 3, 0, " llama gptoss "},
    {K(rope[0].high), DOUBLE, .1, 0, " qwen2 deepseek2 deepseek3 "}, /* a ramp of whole columns already begins at the first */
    {K(rope[0].original), DOUBLE, 3, 0, " llama qwen2 gptoss deepseek2 deepseek3 "},
    {K(rope[0].whole), BOOL, 0, 0, " gptoss "},
    {K(rope[0].scaling), UINT, 0, ROPE_PLAIN, " llama llama_linear qwen2 gptoss deepseek2 deepseek3 gemma3 "},
    {K(rope[0].divided), BOOL, 0, 0, NULL},
    {K(rope[0].dims), UINT, .5, 0, " glm4moe qwen3next llama "},
    {K(route.used), UINT, 1, -1, NULL},
    {K(route.scale), FLOAT, 1.5, 0, " qwen3moe qwen3next gptoss glm4moe deepseek2 deepseek2_lite deepseek3 "},
    {K(route.normalise), BOOL, 0, 0, " qwen3moe qwen3next glm4moe deepseek2 deepseek3 "},
    {K(route.kind), UINT, 1, 1, " qwen3moe glm4moe deepseek2 deepseek3 "},
    {K(route.groups), UINT, .5, 0, " glm4moe deepseek2 deepseek3 "},
    {K(route.top_groups), UINT, 2, 0, " glm4moe deepseek2 deepseek3 "},
    {K(route.group_max), BOOL, 0, 0, " glm4moe deepseek2 deepseek3 "},
    {K(shared_gate), BOOL, 0, 0, NULL},
    {K(shared_intermediate), UINT, 0, 0, NULL},
    {K(delta.eps), FLOAT, 1, .05, " qwen3next "},
    {K(layer[0].window), UINT, .5, 0, NULL},
    {K(layer[0].rope), UINT, 0, -1 /* no rotation */, " llama qwen3 gemma2 "},
};

static void alter(struct knobs *k, void *arg)
{
    const struct change *c = arg;
    char *at = (char *)k + c->at;
    if (c->kind == FLOAT)
        *(float *)at = (float)(*(float *)at * c->factor + c->value);
    else if (c->kind == DOUBLE)
        *(double *)at = *(double *)at * c->factor + c->value;
    else if (c->kind == UINT)
        *(uint32_t *)at = (uint32_t)(int64_t)(*(uint32_t *)at * c->factor + c->value);
    else
        *(bool *)at = !*(bool *)at;
}

static bool among(const char *model, const char *list)
{
    char word[40];
    snprintf(word, sizeof word, " %s ", model);
    return list && strstr(list, word);
}

static bool applies(const struct change *c, const char *model, const struct knobs *k)
{
    const char *at = (const char *)k + c->at;
    if (c->of)
        return among(model, c->of);
    return c->kind == FLOAT ? *(const float *)at != 0 : c->kind == DOUBLE ? *(const double *)at != 1 : c->kind == UINT
           ? *(const uint32_t *)at != 0 : *(const bool *)at;
}

static void keep_knobs(struct knobs *k, void *arg)
{
    memcpy(arg, k, sizeof *k);
}

static void every_knob_matters(void **state)
{
    int failed = 0;
    struct knobs *k = mem_alloc(sizeof *k);
    for (size_t m = 0; m < MODELS; m++) {
        struct tiny t;
        struct err e;
        void *dev;
        tiny_open(&t, models[m]);
        assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
        struct decoder_options o = {.exact = true, .context = t.context};
        decoder_free(open_decoder(&t, dev, &o, keep_knobs, k));
        float *got = mem_alloc((size_t)t.rows * t.vocab * sizeof *got);
        for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
            double top;
            if (!applies(&changes[c], models[m], k))
                continue;
            struct decoder *d;
            bool refused = decoder_new_tweaked(&d, t.file, &backend_cpu, dev, &o, alter, (void *)&changes[c], &e) != 0;
            if (refused != among(models[m], changes[c].refused)) {
                print_error("%s: with %s altered it is %s\n", models[m], changes[c].name, refused ? e.message : "opened");
                failed++;
            }
            if (refused)
                continue;
            run(d, &t, 0, got);
            double worst = distance(&t, got, &top);
            if (!(worst >= 5 * TOLERANCE * top)) {
                print_error("%s: %s altered moves the logits by %g of %g\n", models[m], changes[c].name, worst, top);
                failed++;
            }
            decoder_free(d);
        }
        free(got);
        backend_cpu.close(dev);
        tiny_close(&t);
    }
    free(k);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parity), cmocka_unit_test(rows_are_invariant), cmocka_unit_test(every_knob_matters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

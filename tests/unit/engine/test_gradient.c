/* Gradients of adapters, and of all weights, against PyTorch's autograd in double precision (tests/parity/make_gradients.py): each tensor within 1e-4 of its
 * norm, the loss within 1e-6 of itself; over weights in other types against the same values in fp32; and the same bytes whatever the
 * number of threads, and whether activations are kept or made again. */
#include "tests/unit/engine/tiny_train.h"

#include "engine/format/quantize.h"

#define TOLERANCE 1e-4
#define LOSS_TOLERANCE 1e-6

static const char *const models[] = {"llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3_short"};
#define MODELS (sizeof models / sizeof *models)

static void gradient(struct tiny_train *b, double *loss)
{
    struct err e;
    *loss = 0;
    memset(b->l->gradient, 0, b->l->count * sizeof *b->l->gradient);
    if (gradient_add(b->g, b->x, TINY_TEXTS, 1.0 / b->learned, loss, &e))
        fail_msg("%s", e.message);
    *loss /= b->learned;
}

static void parity(void **state)
{
    int failed = 0;
    for (size_t m = 0; m < MODELS; m++)
        for (int policy = ACTIVATIONS_SAVE; policy <= ACTIVATIONS_RECOMPUTE; policy++) {
            struct tiny_train b;
            char name[120] = "";
            double loss;
            tiny_train_open(&b, models[m], NULL, &(struct decoder_options){.exact = true}, (enum activations)policy);
            gradient(&b, &loss);
            double worst = tiny_distance(b.l, b.l->gradient, b.want, name), off = fabs(loss - b.loss) / b.loss;
            print_message("%s: gradients %.1e (%s), loss %.1e\n", models[m], worst, name, off);
            failed += !(worst <= TOLERANCE && off <= LOSS_TOLERANCE);
            tiny_train_close(&b);
        }
    assert_int_equal(failed, 0);
}

static void all_weights(void **state)
{
    int failed = 0;
    for (size_t m = 0; m < MODELS; m++) {
        float *first = NULL;
        for (int threads = 1; threads <= 3; threads++)
            for (int policy = ACTIVATIONS_SAVE; policy <= ACTIVATIONS_RECOMPUTE; policy++) {
                struct tiny_full t;
                struct err e;
                char name[120] = "";
                double loss = 0;
                tiny_full_open(&t, models[m], &(struct decoder_options){.threads = threads}, (enum activations)policy);
                if (gradient_add(t.g, t.b.x, TINY_TEXTS, 1.0 / t.b.learned, &loss, &e))
                    fail_msg("%s", e.message);
                size_t bytes = t.f->count * sizeof(float);
                if (!first) { /* and all others have its bytes */
                    double worst = tiny_full_distance(&t, t.f->gradient, false, name), want = json_number_value(json_object_get(t.facts, "loss"));
                    double off = fabs(loss / t.b.learned - want) / want;
                    print_message("%s: gradients of all weights %.1e (%s), loss %.1e\n", models[m], worst, name, off);
                    failed += !(worst <= TOLERANCE && off <= LOSS_TOLERANCE);
                    memcpy(first = mem_alloc(bytes), t.f->gradient, bytes);
                }
                if (memcmp(first, t.f->gradient, bytes))
                    fail_msg("%s: %d threads, policy %d: other bytes", models[m], threads, policy);
                tiny_full_close(&t);
            }
        free(first);
    }
    assert_int_equal(failed, 0);
}

/* In one pack or in several, added up: the same within rounding. And a second time: the same bytes, nothing is left of the first. */
static void packs_add_up(void **state)
{
    struct tiny_train b;
    struct err e;
    char name[120] = "";
    double loss, again = 0;
    tiny_train_open(&b, "gemma2", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_RECOMPUTE);
    gradient(&b, &loss);
    size_t bytes = b.l->count * sizeof(float);
    float *one = mem_alloc(bytes);
    memcpy(one, b.l->gradient, bytes);
    gradient(&b, &again);
    assert_memory_equal(one, b.l->gradient, bytes);
    assert_true(loss == again);
    memset(b.l->gradient, 0, bytes);
    again = 0;
    for (size_t i = 0; i < TINY_TEXTS; i++)
        assert_int_equal(gradient_add(b.g, &b.x[i], 1, 1.0 / b.learned, &again, &e), 0);
    double worst = tiny_distance(b.l, b.l->gradient, one, name);
    if (!(worst < 1e-5) || !(fabs(again / b.learned - loss) < 1e-6))
        fail_msg("one by one: %g at %s, loss %g for %g", worst, name, again / b.learned, loss);
    again = 0;
    assert_int_equal(gradient_loss(b.g, b.x, TINY_TEXTS, &again, &e), 0);
    assert_true(again / b.learned == loss); /* and the gradient is as it was */
    assert_true(tiny_distance(b.l, b.l->gradient, one, name) == worst);
    free(one);
    tiny_train_close(&b);
}

static void same_bytes(void **state)
{
    for (size_t m = 0; m < MODELS; m++) {
        float *first = NULL;
        for (int threads = 1; threads <= 3; threads++)
            for (int policy = ACTIVATIONS_SAVE; policy <= ACTIVATIONS_RECOMPUTE; policy++) {
                struct tiny_train b;
                double loss;
                tiny_train_open(&b, models[m], NULL, &(struct decoder_options){.exact = true, .threads = threads}, (enum activations)policy);
                gradient(&b, &loss);
                size_t bytes = b.l->count * sizeof(float);
                if (!first)
                    memcpy(first = mem_alloc(bytes), b.l->gradient, bytes);
                if (memcmp(first, b.l->gradient, bytes))
                    fail_msg("%s: %d threads, policy %d: other bytes", models[m], threads, policy);
                tiny_train_close(&b);
            }
        free(first);
    }
}

/* Held in Q8_0 as the file has it, against the same file decoded to fp32: the same function, whose gradient only sums elsewhere. */
static void quantised_weights(void **state)
{
    static const char *const name[] = {"llama", "qwen3", "gemma2"};
    for (size_t m = 0; m < sizeof name / sizeof *name; m++) {
        struct tiny_train b[2];
        struct tiny t;
        struct model_file *file;
        struct quantize_report report;
        struct err e;
        char out[80], path[120], where[120] = "";
        double loss[2];
        tiny_open(&t, name[m]);
        snprintf(out, sizeof out, "%s-q8", t.folder);
        if (model_quantize(&report, t.folder, out, &(struct quantize){.type = BLOCK_Q8_0, .threads = 1}, &e) || model_file_open(&file, out, &e))
            fail_msg("%s", e.message);
        assert_true(report.changed > 10);
        for (int exact = 0; exact < 2; exact++) {
            tiny_train_open(&b[exact], name[m], file, &(struct decoder_options){.exact = exact}, ACTIVATIONS_RECOMPUTE);
            assert_int_equal(b[exact].d->w.layer[0].qkv.part[0].held, exact ? TYPE_F32 : TYPE_Q8);
            gradient(&b[exact], &loss[exact]);
        }
        double worst = tiny_distance(b[0].l, b[0].l->gradient, b[1].l->gradient, where);
        double moved = tiny_distance(b[0].l, b[0].l->gradient, b[0].want, path); /* quantised it is */
        print_message("%s in Q8_0: %.1e (%s) of the same in fp32, %.1e of what it was\n", name[m], worst, where, moved);
        if (!(worst <= TOLERANCE) || !(fabs(loss[0] - loss[1]) <= LOSS_TOLERANCE * loss[1]) || !(moved > 10 * worst))
            fail_msg("%s: off by %g at %s, loss %g for %g", name[m], worst, where, loss[0], loss[1]);
        tiny_train_close(&b[0]);
        tiny_train_close(&b[1]);
        model_file_close(file);
        snprintf(path, sizeof path, "rm -rf %s", out);
        assert_int_equal(system(path), 0);
        tiny_close(&t);
    }
}

static void refusals(void **state)
{
    struct tiny_train b;
    struct lora *l = NULL;
    struct err e;
    double loss = 0;
    tiny_train_open(&b, "qwen2", NULL, &(struct decoder_options){.exact = true, .max_rows = 64}, ACTIVATIONS_SAVE);
    struct example x = b.x[1];
    const struct example wrong[] = {{x.token, 1, 0}, {x.token, x.n, 0}, {x.token, x.n, x.n}, {&b.t.vocab, 2, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(gradient_add(b.g, &wrong[i], 1, 1, &loss, &e), ERR_USAGE);
    assert_int_equal(gradient_add(b.g, (struct example[]){b.x[2], b.x[2], b.x[2]}, 3, 1, &loss, &e), ERR_USAGE); /* 90 rows */
    assert_int_equal(gradient_add(b.g, &x, 0, 1, &loss, &e), ERR_USAGE);
    const struct lora_options bad[] = {{.rank = 0, .alpha = 1}, {.rank = LORA_RANK_MAX + 1, .alpha = 1}, {.rank = 1, .alpha = NAN},
                                       {.rank = 1, .alpha = 1, .targets = 1u << LORA_QKV}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(lora_new(&l, b.d, &bad[i], &e), ERR_USAGE);
    tiny_train_close(&b);
}

static void what_has_no_gradient_is_refused(void **state)
{
    static const char *const others[] = {"qwen3moe", "qwen3next", "gptoss", "deepseek2"};
    for (size_t m = 0; m < sizeof others / sizeof *others; m++) {
        struct tiny t;
        struct err e;
        struct decoder *d;
        struct lora *l = NULL;
        struct full *f = NULL;
        void *dev;
        tiny_open(&t, others[m]);
        assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
        assert_int_equal(decoder_new(&d, t.file, &backend_cpu, dev, &(struct decoder_options){.context = t.context}, &e), 0);
        assert_int_equal(lora_new(&l, d, &(struct lora_options){.rank = 2, .alpha = 2}, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.message, "not tuned yet"));
        assert_int_equal(full_new(&f, d, t.file, &e), ERR_UNSUPPORTED);
        decoder_free(d);
        backend_cpu.close(dev);
        tiny_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parity), cmocka_unit_test(all_weights), cmocka_unit_test(packs_add_up), cmocka_unit_test(same_bytes), cmocka_unit_test(quantised_weights),
                                       cmocka_unit_test(refusals), cmocka_unit_test(what_has_no_gradient_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

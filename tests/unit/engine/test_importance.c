/* What columns weigh, against a computation by hand of the first layer's input; and that quantising by it makes the weighed error smaller. */
#include "engine/format/quantize.h"
#include "engine/run/importance.h"
#include "engine/run/rowset.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/unit/engine/tiny_writer.h"

#define HIDDEN 64

static char folder[64];
static struct err e;
static const char text[] = "static int open_file(const char *path)\n{\n    return open(path, O_RDONLY);\n}\n/* über 中 */\n";

static int begin(void **state)
{
    tiny_writer(folder);
    return 0;
}

static int end(void **state)
{
    tiny_writer_remove(folder);
    return 0;
}

/* The file that was measured is closed before anything is asked. */
static struct importance *measured(struct model_file **f)
{
    struct importance *im;
    struct model_file *once;
    assert_int_equal(model_file_open(&once, folder, &e), 0);
    if (importance_measure(&im, once, text, sizeof text - 1, 1, NULL, NULL, &e))
        fail_msg("%s", e.message);
    model_file_close(once);
    assert_int_equal(model_file_open(f, folder, &e), 0);
    return im;
}

static void first_layer(void **state)
{
    struct model_file *f;
    struct importance *im = measured(&f);
    const struct tensor *embed = model_file_find(f, "model.embed_tokens.weight"), *gain = model_file_find(f, "model.layers.0.input_layernorm.weight");
    float *table = tensor_floats(embed, 0, embed->shape[0]), *g = tensor_floats(gain, 0, 1); /* files keep no alignment */
    double want[HIDDEN] = {0}, all = 0;
    assert_int_equal(importance_tokens(im), sizeof text - 1); /* a byte, a token */
    for (size_t i = 0; i < sizeof text - 1; i++) {
        const float *row = table + (unsigned char)text[i] * HIDDEN;
        double square = 0;
        for (int c = 0; c < HIDDEN; c++)
            square += (double)row[c] * row[c] / HIDDEN;
        for (int c = 0; c < HIDDEN; c++)
            want[c] += row[c] * row[c] / (square + 1e-5) * g[c] * g[c];
    }
    for (int c = 0; c < HIDDEN; c++)
        all += want[c] / HIDDEN;
    static const char *const readers[] = {"model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight",
                                          "model.layers.0.self_attn.v_proj.weight"};
    for (int i = 0; i < 3; i++) {
        const float *w = importance_of(im, readers[i], 0, HIDDEN);
        assert_non_null(w);
        for (int c = 0; c < HIDDEN; c++)
            if (!(fabs(w[c] - want[c] / all) <= .02 * fmax(1, want[c] / all)))
                fail_msg("%s, column %d: %g for %g", readers[i], c, (double)w[c], want[c] / all);
    }
    assert_non_null(importance_of(im, "model.layers.2.mlp.down_proj.weight", 0, 96));
    assert_non_null(importance_of(im, "model.embed_tokens.weight", 0, HIDDEN)); /* it is the output too */
    assert_null(importance_of(im, "model.layers.2.mlp.down_proj.weight", 0, 95));
    assert_null(importance_of(im, "model.layers.2.mlp.down_proj.weight", 1, 96));
    assert_null(importance_of(im, "model.norm.weight", 0, HIDDEN));
    free(table);
    free(g);
    importance_free(im);
    model_file_close(f);
}

static const float *look(void *im, const char *tensor, uint64_t expert, uint64_t k)
{
    return importance_of(im, tensor, expert, k);
}

/* Σ weight · (written - read)² over all matrices that were written anew. */
static double weighed_error(const struct model_file *from, const char *path, const struct importance *im, size_t *tensors)
{
    struct model_file *to;
    double sum = 0;
    assert_int_equal(model_file_open(&to, path, &e), 0);
    *tensors = 0;
    for (size_t i = 0; i < model_file_count(from); i++) {
        const struct tensor *a = model_file_at(from, i), *b = model_file_find(to, a->name);
        const float *w = importance_of(im, a->name, 0, a->shape[a->rank - 1]);
        if (!w || b->type == a->type)
            continue;
        float y[256];
        uint64_t k = a->shape[1];
        ++*tensors;
        for (uint64_t r = 0; r < a->shape[0]; r++) {
            float *x = tensor_floats(a, r, 1);
            block_formats[b->type].decode(y, tensor_row(b, r, NULL), k / block_formats[b->type].values);
            for (uint64_t c = 0; c < k; c++)
                sum += w[c] * ((double)y[c] * tensor_scale(b, r) - x[c]) * ((double)y[c] * tensor_scale(b, r) - x[c]);
            free(x);
        }
    }
    model_file_close(to);
    return sum;
}

static void quantised(void **state)
{
    static const enum block_type types[] = {BLOCK_MXFP4, BLOCK_NVFP4, BLOCK_Q8_0};
    struct model_file *f;
    struct importance *im = measured(&f);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char plain[100], weighed[100], command[300];
        struct quantize how = {.type = types[i]};
        struct quantize_report report;
        size_t n;
        snprintf(plain, sizeof plain, "%s-plain", folder);
        snprintf(weighed, sizeof weighed, "%s-weighed", folder);
        assert_int_equal(model_quantize(&report, folder, plain, &how, &e), 0);
        assert_int_equal(report.weighed, 0);
        how.importance = look;
        how.importance_of = im;
        assert_int_equal(model_quantize(&report, folder, weighed, &how, &e), 0);
        assert_true(report.weighed > 15);
        double before = weighed_error(f, plain, im, &n), after = weighed_error(f, weighed, im, &n);
        assert_true(n > 15);
        print_message("%s: weighed error %.4f of the plain one\n", block_formats[types[i]].name, after / before);
        if (types[i] == BLOCK_Q8_0 ? !(after <= before * 1.001) : !(after < before)) /* MXFP4 has little to choose from */
            fail_msg("%s: %g, without importance %g", block_formats[types[i]].name, after, before);
        snprintf(command, sizeof command, "rm -r %s %s", plain, weighed);
        assert_int_equal(system(command), 0);
    }
    importance_free(im);
    model_file_close(f);
}

static bool at_once(void *arg, uint64_t tokens, uint64_t all)
{
    return true;
}

static void refused(void **state)
{
    struct model_file *f;
    struct importance *im;
    assert_int_equal(model_file_open(&f, folder, &e), 0);
    assert_int_equal(importance_measure(&im, f, "", 0, 1, NULL, NULL, &e), ERR_USAGE);
    assert_int_equal(importance_measure(&im, f, text, sizeof text - 1, 1, at_once, NULL, &e), ERR_CANCELED);
    model_file_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_layer), cmocka_unit_test(quantised), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, begin, end);
}

/* GGUF in, GGUF out: what becomes of which tensor, and what is left of its values. */
#include "engine/format/quantize.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/format/model_file.h"
#include "gguf_bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct err e;
static char dir[64], in[80], out[80];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/codeask-quantize-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(in, sizeof in, "%s/in.gguf", dir);
    snprintf(out, sizeof out, "%s/out.gguf", dir);
    memset(&e, 0, sizeof e);
    return 0;
}

static int remove_dir(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static float noise(uint32_t *seed)
{
    float sum = 0;
    for (int i = 0; i < 12; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        sum += (float)(*seed >> 8) * 0x1p-24f - .5f;
    }
    return sum;
}

/* Sizes innermost first, as in the file. To try another tensor: its row. */
static const struct {
    const char *name;
    uint32_t rank;
    uint64_t size[3];
    float around;
    const char *becomes[5]; /* of Q8_0, Q4_K, Q6_K, MXFP4, NVFP4 */
} tensors[] = {
    {"token_embd.weight", 2, {512, 10}, 1, {"Q8_0", "Q6_K", "Q6_K", "Q8_0", "Q8_0"}},
    {"blk.0.attn_norm.weight", 1, {512}, 1, {"F32", "F32", "F32", "F32", "F32"}},
    {"blk.0.attn_q.weight", 2, {512, 70}, .01f, {"Q8_0", "Q4_K", "Q6_K", "MXFP4", "NVFP4"}},
    {"blk.0.attn_k.weight", 2, {96, 8}, .02f, {"Q8_0", "Q5_0", "Q8_0", "MXFP4", "Q8_0"}},
    {"blk.0.ffn_gate_inp.weight", 2, {512, 4}, 1, {"F32", "F32", "F32", "F32", "F32"}},
    {"blk.0.ffn_down_exps.weight", 3, {256, 6, 3}, .05f, {"Q8_0", "Q4_K", "Q6_K", "MXFP4", "NVFP4"}},
    {"blk.0.attn_q.bias", 1, {70}, 1, {"F32", "F32", "F32", "F32", "F32"}},
    {"output.weight", 2, {96, 10}, 1, {"Q8_0", "Q8_0", "Q8_0", "Q8_0", "Q8_0"}},
};
enum { TENSORS = sizeof tensors / sizeof *tensors };
static const char *const types[5] = {"Q8_0", "q4_k", "Q6_K", "MXFP4", "nvfp4"};
static const double most_error[5] = {.008, .075, .02, .12, .085};

static uint64_t values_of(int i)
{
    uint64_t n = 1;
    for (uint32_t k = 0; k < tensors[i].rank; k++)
        n *= tensors[i].size[k];
    return n;
}

static void write_model(void)
{
    struct buf b = BUF_INIT;
    uint64_t at = 0;
    uint32_t seed = 7;
    put_head(&b, TENSORS, 5);
    put_text(&b, "general.architecture");
    put32(&b, KIND_TEXT);
    put_text(&b, "llama");
    put_u32(&b, "llama.block_count", 1);
    put_u32(&b, "general.file_type", 0);
    put_u32(&b, "general.alignment", 64);
    put_text(&b, "tokenizer.ggml.tokens");
    put32(&b, KIND_ARRAY);
    put32(&b, KIND_TEXT);
    put64(&b, 2);
    put_text(&b, "a");
    put_text(&b, "bc");
    for (int i = 0; i < TENSORS; i++) {
        put_text(&b, tensors[i].name);
        put32(&b, tensors[i].rank);
        for (uint32_t k = 0; k < tensors[i].rank; k++)
            put64(&b, tensors[i].size[k]);
        put32(&b, 0);
        put64(&b, at);
        at = (at + values_of(i) * 4 + 63) & ~(uint64_t)63;
    }
    for (int i = 0; i < TENSORS; i++) {
        buf_zero_to(&b, 64);
        for (uint64_t k = 0; k < values_of(i); k++) {
            float x = noise(&seed) * tensors[i].around * (tensors[i].rank == 3 && k / 1536 == 1 ? 100 : 1);
            buf_add(&b, &x, 4);
        }
    }
    assert_int_equal(file_write(in, b.data, b.len, 0600, &e), 0);
    buf_release(&b);
}

/* √(Σ(b-a)² / Σa²) of a matrix of an expert */
static double error_of(const struct tensor *a, const struct tensor *b, uint64_t first, uint64_t rows)
{
    uint64_t k = a->shape[a->rank - 1];
    float x[512], y[512];
    uint8_t raw[4096];
    double off = 0, all = 0;
    for (uint64_t r = first; r < first + rows; r++) {
        block_formats[a->type].decode(x, tensor_row(a, r, raw), k / block_formats[a->type].values);
        block_formats[b->type].decode(y, tensor_row(b, r, raw), k / block_formats[b->type].values);
        for (uint64_t i = 0; i < k; i++) {
            double d = (double)(y[i] * tensor_scale(b, r) - x[i]);
            off += d * d;
            all += (double)x[i] * (double)x[i];
        }
    }
    return sqrt(off / all);
}

static void check_model(int t, const struct quantize_report *report)
{
    struct model_file *a = NULL, *b = NULL;
    struct meta m;
    size_t len, changed = 0;
    assert_int_equal(model_file_open(&a, in, &e), 0);
    if (model_file_open(&b, out, &e))
        fail_msg("%s", e.message);
    assert_int_equal(model_file_finite(b, &e), 0);
    assert_true(model_file_meta(b, "llama.block_count", &m) && m.integer == 1);
    assert_true(model_file_meta(b, "general.architecture", &m) && !strcmp(m.text, "llama"));
    assert_true(model_file_meta(b, "general.quantization_version", &m) && m.integer == 2);
    assert_true(model_file_meta(b, "tokenizer.ggml.tokens", &m) && m.len == 2 && !memcmp(meta_text(&m, 1, &len), "bc", 2));
    assert_false(model_file_meta(b, "general.alignment", &m));
    for (int i = 0; i < TENSORS; i++) {
        const struct tensor *x = model_file_find(a, tensors[i].name), *y = model_file_find(b, tensors[i].name);
        assert_non_null(y);
        assert_string_equal(block_formats[y->type].name, tensors[i].becomes[t]);
        assert_memory_equal(x->shape, y->shape, sizeof x->shape);
        uint64_t experts = x->rank == 3 ? 3 : 1, rows = 1;
        for (int k = 0; k < x->rank - 1; k++)
            rows *= x->shape[k];
        for (uint64_t k = 0; k < experts; k++) {
            double error = error_of(x, y, rows / experts * k, rows / experts);
            if (error > (y->type == BLOCK_F32 ? 0 : most_error[t]))
                fail_msg("%s as %s: %.4f of expert %d", tensors[i].name, types[t], error, (int)k);
        }
        changed += y->type != BLOCK_F32;
    }
    assert_int_equal(model_file_count(b), TENSORS + (t == 4 ? 2 : 0)); /* NVFP4's scales */
    assert_int_equal(report->changed, changed);
    assert_true(report->error > 0 && report->error < most_error[t]);
    assert_true(report->bytes_out > 0 && report->bytes_out < report->bytes_in);
    model_file_close(a);
    model_file_close(b);
}

static void every_type(void **state)
{
    (void)state;
    write_model();
    for (int t = 0; t < 5; t++) {
        struct buf one = BUF_INIT, three = BUF_INIT;
        struct quantize_report report;
        struct quantize how = {.threads = 3};
        assert_int_equal(quantize_type(&how.type, types[t], &e), 0);
        if (model_quantize(&report, in, out, &how, &e))
            fail_msg("%s", e.message);
        check_model(t, &report);
        assert_int_equal(model_quantize(&report, in, out, &how, &e), ERR_USAGE); /* never over what is there */
        assert_int_equal(file_read(&three, out, 1 << 24, &e), 0);
        unlink(out);
        how.threads = 1;
        assert_int_equal(model_quantize(&report, in, out, &how, &e), 0);
        assert_int_equal(file_read(&one, out, 1 << 24, &e), 0);
        assert_true(one.len == three.len && !memcmp(one.data, three.data, one.len));
        assert_true(report.bytes_out == one.len);
        unlink(out);
        buf_release(&one);
        buf_release(&three);
    }
}

/* What was NVFP4 becomes MXFP4 with its scales taken in, and no scale is left over; it stays where more bits are asked for. */
static void out_of_fewer_bits(void **state)
{
    char between[80];
    struct quantize how = {.type = BLOCK_NVFP4};
    struct quantize_report report;
    struct model_file *a = NULL, *b = NULL;
    (void)state;
    snprintf(between, sizeof between, "%s/between.gguf", dir);
    write_model();
    assert_int_equal(model_quantize(&report, in, between, &how, &e), 0);
    how.type = BLOCK_Q8_0;
    assert_int_equal(model_quantize(&report, between, out, &how, &e), 0);
    assert_int_equal(report.changed, 0);
    assert_int_equal(model_file_open(&b, out, &e), 0);
    assert_int_equal(model_file_count(b), TENSORS + 2);
    assert_int_equal(model_file_find(b, "blk.0.attn_q.weight")->type, BLOCK_NVFP4);
    model_file_close(b);
    unlink(out);
    how.type = BLOCK_MXFP4;
    assert_int_equal(model_quantize(&report, between, out, &how, &e), 0);
    assert_int_equal(report.changed, 3); /* and attn_k, which was Q8_0 */
    assert_int_equal(model_file_open(&a, in, &e), 0);
    assert_int_equal(model_file_open(&b, out, &e), 0);
    assert_int_equal(model_file_count(b), TENSORS);
    assert_true(error_of(model_file_find(a, "blk.0.ffn_down_exps.weight"), model_file_find(b, "blk.0.ffn_down_exps.weight"), 0, 6) < .17);
    assert_true(error_of(model_file_find(a, "blk.0.ffn_down_exps.weight"), model_file_find(b, "blk.0.ffn_down_exps.weight"), 6, 6) < .17);
    model_file_close(a);
    model_file_close(b);
}

static void put_file(const char *name, const void *bytes, size_t n)
{
    char path[120];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(file_write(path, bytes, n, 0600, &e), 0);
}

/* A folder of safetensors becomes one with model.gguf, under the same names, with all that is no weight. */
static void a_folder(void **state)
{
    static const char header[] =
        "{\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[4,256],\"data_offsets\":[0,4096]},"
        "\"model.layers.0.a.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[4,256],\"data_offsets\":[4096,5120]},"
        "\"model.layers.0.a.weight_scale_inv\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[5120,5128]},"
        "\"model.layers.0.mlp.gate.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,32],\"data_offsets\":[5128,5160]},"
        "\"model.layers.0.experts.up_blocks\":{\"dtype\":\"U8\",\"shape\":[1,2,1,16],\"data_offsets\":[5160,5192]},"
        "\"model.layers.0.experts.up_scales\":{\"dtype\":\"U8\",\"shape\":[1,2,1],\"data_offsets\":[5192,5194]}}";
    struct buf b = BUF_INIT, copy = BUF_INIT;
    struct quantize how = {.type = BLOCK_Q4_K};
    struct quantize_report report;
    struct model_file *x = NULL, *y = NULL;
    char to[80], path[120];
    uint64_t len = sizeof header - 1;
    uint32_t seed = 3;
    (void)state;
    buf_add(&b, &len, 8);
    buf_adds(&b, header);
    for (int i = 0; i < 1024; i++) {
        float v = noise(&seed);
        buf_add(&b, &v, 4);
    }
    for (int i = 0; i < 1024; i++)
        buf_addc(&b, (char)((i % 97 + 16) | (i % 2 ? 0x80 : 0)));
    float scales[2] = {.5f, 8};
    buf_add(&b, scales, sizeof scales);
    for (int i = 0; i < 66; i++)
        buf_addc(&b, (char)(i % 50 + 70));
    put_file("model.safetensors", b.data, b.len);
    put_file("config.json", "{\"model_type\":\"x\"}", 18);
    put_file("pytorch_model.bin", "no", 2);
    snprintf(to, sizeof to, "%s/smaller", dir);
    if (model_quantize(&report, dir, to, &how, &e))
        fail_msg("%s", e.message);
    assert_int_equal(report.changed, 3);
    assert_int_equal(model_file_open(&x, dir, &e), 0);
    if (model_file_open(&y, to, &e))
        fail_msg("%s", e.message);
    assert_false(model_file_is_gguf(y));
    assert_string_equal(model_file_folder(y), to);
    assert_int_equal(model_file_count(y), 4);
    assert_int_equal(model_file_finite(y, &e), 0);
    static const struct {
        const char *name;
        enum block_type type;
        uint64_t rows;
        double error;
    } expect[] = {{"lm_head.weight", BLOCK_Q6_K, 4, .02}, {"model.layers.0.a.weight", BLOCK_Q4_K, 4, .15},
                  {"model.layers.0.mlp.gate.weight", BLOCK_BF16, 1, 0}, {"model.layers.0.experts.up", BLOCK_MXFP4, 2, 0}};
    for (size_t i = 0; i < sizeof expect / sizeof *expect; i++) {
        const struct tensor *t = model_file_find(y, expect[i].name);
        assert_non_null(t);
        assert_int_equal(t->type, expect[i].type);
        assert_true(error_of(model_file_find(x, expect[i].name), t, 0, expect[i].rows) <= expect[i].error);
    }
    model_file_close(x);
    model_file_close(y);
    snprintf(path, sizeof path, "%s/config.json", to);
    assert_int_equal(file_read(&copy, path, 100, &e), 0);
    assert_string_equal(copy.data, "{\"model_type\":\"x\"}");
    snprintf(path, sizeof path, "%s/pytorch_model.bin", to);
    assert_false(file_exists(path));
    buf_release(&b);
    buf_release(&copy);
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t all)
{
    int *calls = arg;
    assert_true(done <= all);
    return ++*calls == 3;
}

static void stopped_or_refused(void **state)
{
    int calls = 0;
    struct quantize how = {.type = BLOCK_Q8_0, .progress = stop_at_once, .arg = &calls};
    struct quantize_report report;
    char part[100];
    (void)state;
    snprintf(part, sizeof part, "%s.part", out);
    write_model();
    assert_int_equal(model_quantize(&report, in, out, &how, &e), ERR_CANCELED);
    assert_int_equal(calls, 3);
    assert_false(file_exists(out) || file_exists(part));
    how.progress = NULL;
    assert_int_equal(model_quantize(&report, dir, out, &how, &e), ERR_NOT_FOUND);
    assert_false(dir_exists(out));
    assert_int_equal(quantize_type(&how.type, "Q2_K", &e), ERR_USAGE);
    assert_non_null(strstr(e.message, "Q8_0, Q4_K, Q6_K, MXFP4, NVFP4"));
    struct buf b = BUF_INIT; /* a NaN is found before anything is written */
    assert_int_equal(file_read(&b, in, 1 << 24, &e), 0);
    memset(b.data + b.len - 4, 0xFF, 4);
    assert_int_equal(file_write(in, b.data, b.len, 0600, &e), 0);
    assert_int_equal(model_quantize(&report, in, out, &how, &e), ERR_FORMAT);
    assert_non_null(strstr(e.message, "output.weight: value 959"));
    assert_false(file_exists(out) || file_exists(part));
    buf_release(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {TEST(every_type), TEST(out_of_fewer_bits), TEST(a_folder), TEST(stopped_or_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* gpt-oss as it is published: experts in MXFP4 as NAME_blocks [experts, out, in/32, 16] and NAME_scales [experts, out, in/32]. The logits
 * are those of the same model with these weights written out in fp32 as [experts, in, out], the form that transformers' parity covers. */
#include "tests/unit/engine/tiny_decoder.h"

#define WIDE 64 /* of experts: the tiny model's 40 inputs are no blocks of 32 */
#define TOLERANCE 2e-4

static const float e2m1[16] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};

enum form { BLOCKS, FLOATS, SWAPPED /* blocks whose two values of each byte stand the other way round */ };

/* Bytes and scales of [experts, out, in/32] blocks, and what they mean as [experts, in, out]; sizes are multiples of 32. */
static void draw_experts(struct buf *blocks, struct buf *scales, float *value, const char *name, size_t experts, size_t in, size_t out,
                         bool swapped)
{
    uint64_t stream = tiny_fnv(name), at = 0;
    for (size_t e = 0; e < experts; e++)
        for (size_t o = 0; o < out; o++)
            for (size_t b = 0; b < in / 32; b++) {
                unsigned char scale = (unsigned char)(122 + (int)((tiny_number(stream, at++) + 1) * 1.5)); /* 2^-5 … 2^-3 */
                buf_add(scales, (const char *)&scale, 1);
                for (size_t i = 0; i < 16; i++) {
                    unsigned code = (unsigned)((tiny_number(stream, at++) + 1) * 128), low = code & 15, high = code >> 4;
                    unsigned char byte = (unsigned char)(swapped ? low << 4 | high : code);
                    buf_add(blocks, (const char *)&byte, 1);
                    float *to = value + (e * in + b * 32 + 2 * i) * out + o;
                    to[0] = ldexpf(e2m1[low], scale - 127);
                    to[out] = ldexpf(e2m1[high], scale - 127);
                }
            }
}

static void add_experts(struct tiny_file *f, const char *name, size_t experts, size_t in, size_t out, enum form form)
{
    struct buf blocks = BUF_INIT, scales = BUF_INIT;
    float *value = mem_alloc(experts * in * out * sizeof *value);
    char full[120];
    draw_experts(&blocks, &scales, value, name, experts, in, out, form == SWAPPED);
    if (form == FLOATS) {
        tiny_add(f, name, "F32", (const size_t[]){experts, in, out}, 3, value, experts * in * out * sizeof *value);
    } else {
        snprintf(full, sizeof full, "%s_blocks", name);
        tiny_add(f, full, "U8", (const size_t[]){experts, out, in / 32, 16}, 4, blocks.data, blocks.len);
        snprintf(full, sizeof full, "%s_scales", name);
        tiny_add(f, full, "U8", (const size_t[]){experts, out, in / 32}, 3, scales.data, scales.len);
    }
    buf_release(&blocks);
    buf_release(&scales);
    free(value);
}

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* The tiny gpt-oss with experts of WIDE columns, written over the folder that t has. */
static struct model_file *write_model(const struct tiny *t, enum form form)
{
    struct tiny_file f = {BUF_INIT, BUF_INIT};
    struct model_file *file;
    struct err e;
    json_error_t error;
    json_t *root = json_load_file(TEST_SOURCE_DIR "/tests/parity/decoders/gptoss.json", 0, &error), *config = json_object_get(root, "config");
    const json_t *tensors = json_object_get(root, "tensors");
    assert_non_null(root);
    size_t experts = (size_t)json_integer_value(json_object_get(config, "num_local_experts"));
    json_object_set_new(config, "intermediate_size", json_integer(WIDE));
    char *text = json_dumps(config, 0);
    tiny_write(t->folder, "config.json", text, strlen(text));
    free(text);
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        json_t *one = json_array_get(tensors, i);
        const char *name = json_string_value(json_array_get(one, 0));
        if (ends(name, "experts.gate_up_proj")) {
            add_experts(&f, name, experts, t->hidden, 2 * WIDE, form);
        } else if (ends(name, "experts.down_proj")) {
            add_experts(&f, name, experts, WIDE, t->hidden, form);
        } else {
            if (ends(name, "experts.gate_up_proj_bias"))
                json_array_set_new(json_array_get(one, 1), 1, json_integer(2 * WIDE));
            tiny_add_drawn(&f, one);
        }
    }
    tiny_end(&f, t->folder);
    json_decref(root);
    if (model_file_open(&file, t->folder, &e))
        fail_msg("%s", e.message);
    return file;
}

/* Logits of the longest sequence; the caller frees. */
static float *logits(const struct tiny *t, enum form form, bool exact)
{
    uint32_t n = t->length[t->sequences - 1];
    float *got = mem_alloc((size_t)n * t->vocab * sizeof *got);
    struct model_file *file = write_model(t, form);
    struct decoder *d;
    struct sequence *s;
    struct err e;
    void *dev;
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
    if (decoder_new(&d, file, &backend_cpu, dev, &(struct decoder_options){.exact = exact}, &e))
        fail_msg("%s", e.message);
    assert_int_equal(sequence_new(&s, d, &e), 0);
    if (decoder_step(d, &(struct step_part){s, t->token + t->rows - n, n, n}, 1, got, &e))
        fail_msg("%s", e.message);
    sequence_free(s);
    decoder_free(d);
    model_file_close(file);
    backend_cpu.close(dev);
    return got;
}

static double distance(const struct tiny *t, const float *a, const float *b, double *top)
{
    double worst = 0;
    *top = 0;
    for (size_t i = 0; i < (size_t)t->length[t->sequences - 1] * t->vocab; i++) {
        double d = fabs((double)a[i] - b[i]);
        worst = d > worst || isnan(d) ? d : worst;
        *top = fmax(*top, fabs((double)a[i]));
    }
    return worst;
}

/* As it is used, operands have 8 bits: where they turn a near tie of the router, other experts are asked, so rows are counted. */
static uint32_t rows_within(const struct tiny *t, const float *a, const float *b, double most)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < t->length[t->sequences - 1]; r++) {
        double worst = 0;
        for (size_t i = (size_t)r * t->vocab; i < (size_t)(r + 1) * t->vocab; i++)
            worst = fmax(worst, fabs((double)a[i] - b[i]));
        n += worst <= most;
    }
    return n;
}

static void blocks_like_floats(void **state)
{
    struct tiny t;
    double top;
    tiny_open(&t, "gptoss");
    float *want = logits(&t, FLOATS, true), *got = logits(&t, BLOCKS, true), *wrong = logits(&t, SWAPPED, true);
    float *quick = logits(&t, BLOCKS, false);
    double worst = distance(&t, want, got, &top);
    if (!(worst <= TOLERANCE * top))
        fail_msg("largest difference %g of %g", worst, top);
    assert_true(distance(&t, want, wrong, &top) > .1 * top); /* the order within a byte is seen */
    assert_true(2 * rows_within(&t, want, quick, .05 * top) > t.length[t.sequences - 1]);
    free(want);
    free(got);
    free(wrong);
    free(quick);
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_like_floats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

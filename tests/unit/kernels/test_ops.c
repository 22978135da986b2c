/* Every op of every instruction set that this machine has, against the scalar reference (which sums in double) on the same
 * operands, over odd sizes. Tolerances are stated where they are used. */
#include "base/mem.h"
#include "kernels/backend.h"
#include "kernels/quant.h"
#include "tests/unit/kernels/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const isas[] = {"avx2", "avxvnni", "avx512", "amx", "neon", "neon-f32"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

struct side { /* one device with a queue */
    void *dev, *q;
};

static bool side_open(struct side *s, const char *isa)
{
    struct err e;
    if (backend_cpu.open(&s->dev, &(struct device_options){.isa = isa}, &e))
        return false;
    struct bounds b = {.rows = 300, .sequences = 8, .longest = 300, .hidden = 512, .intermediate = 512, .heads = 1};
    assert_int_equal(backend_cpu.queue(s->dev, &b, &s->q, &e), 0);
    return true;
}

static void side_close(struct side *s)
{
    struct err e;
    assert_int_equal(backend_cpu.sync(s->q, &e), 0);
    backend_cpu.queue_close(s->q);
    backend_cpu.close(s->dev);
}

static struct mat mat_new(uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    size_t n = (size_t)rows * m.stride;
    struct err e;
    void *p;
    assert_int_equal(backend_cpu.memory(NULL, &p, n * 4, &e), 0);
    m.data = p;
    if (type == TYPE_Q8) {
        assert_int_equal(backend_cpu.memory(NULL, &p, n / QUANT_BLOCK * sizeof *m.quant, &e), 0);
        m.quant = p;
    }
    return m;
}

static void mat_free(struct mat *m)
{
    backend_cpu.release(NULL, m->data);
    backend_cpu.release(NULL, m->quant);
}

static void fill(struct mat *m, uint32_t stream, float scale)
{
    for (uint32_t i = 0; i < m->rows; i++)
        for (uint32_t c = 0; c < m->cols; c++)
            ((float *)m->data)[(size_t)i * m->stride + c] = scale * number(stream, (uint64_t)i * m->cols + c);
}

static float bf16(uint16_t b)
{
    uint32_t u = (uint32_t)b << 16;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static float at(const struct mat *m, uint32_t row, uint32_t col)
{
    size_t i = (size_t)row * m->stride + col;
    if (m->type == TYPE_Q8)
        return ((int8_t *)m->data)[i] * m->quant[i / QUANT_BLOCK].scale;
    return m->type == TYPE_BF16 ? bf16(((uint16_t *)m->data)[i]) : ((float *)m->data)[i];
}

/* max|a - b| ≤ tolerance · max|b|: elementwise relative tolerance fails near zero even in fp32 */
static void close_to(const struct mat *a, const struct mat *b, uint32_t rows, double tolerance, const char *what)
{
    double worst = 0, top = 0;
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t c = 0; c < a->cols; c++) {
            double d = fabs((double)at(a, i, c) - at(b, i, c));
            worst = d > worst || isnan(d) ? d : worst;
            top = fmax(top, fabs((double)at(b, i, c)));
        }
    if (!(worst <= tolerance * top))
        fail_msg("%s: max difference %g of max value %g (allowed %g)", what, worst, top, tolerance * top);
}

static void padding_is_zero(const struct mat *m, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t c = m->cols; c < m->stride; c++)
            assert_true(at(m, i, c) == 0);
}

struct some_weight {
    uint32_t k, stream;
    float row[512];
};

static const void *read_weight(void *arg, uint32_t row)
{
    struct some_weight *s = arg;
    for (uint32_t c = 0; c < s->k; c++)
        s->row[c] = number(s->stream, (uint64_t)row * s->k + c) / 8;
    return s->row;
}

static int weight_new(void *dev, struct weight **w, enum type type, uint32_t n, uint32_t k)
{
    struct some_weight source = {k, 7, {0}};
    struct err e;
    return backend_cpu.weight(dev, w, type, &(struct weight_shape){.n = n, .k = k},
                              &(struct weight_source){.type = BLOCK_F32, .row = read_weight, .arg = &source}, &e);
}

static void one_matmul(struct side *ref, struct side *fast, const char *isa, enum type type, uint32_t rows, uint32_t n,
                       uint32_t k, enum activation activation, bool residual, enum type out)
{
    uint32_t used[2] = {rows, 1};
    struct rows r = {.used = used, .max_rows = rows, .max_sequences = 1, .longest = rows};
    struct mat x = mat_new(rows, k, TYPE_F32), xq = mat_new(rows, k, type), add = mat_new(rows, n, TYPE_F32);
    struct mat want = mat_new(rows, n, TYPE_F32), got = mat_new(rows, n, out);
    struct mat bias = mat_new(1, n, TYPE_F32);
    struct weight *a, *b;
    char what[100];
    fill(&x, 1, 2);
    fill(&add, 2, 1);
    fill(&bias, 3, 1);
    assert_int_equal(weight_new(ref->dev, &a, type, n, k), 0);
    assert_int_equal(weight_new(fast->dev, &b, type, n, k), 0);
    backend_cpu.quantize(ref->q, &xq, &x, &r);
    struct matmul how = {.bias = bias.data, .activation = activation, .residual = residual ? &add : NULL};
    backend_cpu.matmul(ref->q, &want, &xq, a, &how, &r);
    backend_cpu.matmul(fast->q, &got, &xq, b, &how, &r);
    snprintf(what, sizeof what, "%s matmul type %d [%u, %u, %u] activation %d → %d", isa, (int)type, rows, n, k,
             (int)activation, (int)out);
    /* the same operands: only the order of fp32 sums differs (K ≤ 400: 3e-6), then the rounding of the output type */
    close_to(&got, &want, rows, out == TYPE_Q8 ? 1.01 / 254 : out == TYPE_BF16 ? 1.01 / 256 : 3e-6, what);
    padding_is_zero(&got, rows);
    backend_cpu.weight_release(ref->dev, a);
    backend_cpu.weight_release(fast->dev, b);
    struct mat *all[] = {&x, &xq, &add, &want, &got, &bias};
    for (size_t i = 0; i < COUNT(all); i++)
        mat_free(all[i]);
}

static const uint32_t odd[] = {1, 7, 31, 33, 64, 96};

static void matmul_like_reference(void **state)
{
    struct side ref, fast;
    assert_true(side_open(&ref, "scalar"));
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&fast, isas[i]))
            continue;
        for (size_t t = 0; t < 3; t++) {
            static const enum type types[] = {TYPE_F32, TYPE_BF16, TYPE_Q8};
            for (size_t a = 0; a < COUNT(odd); a++)
                for (size_t b = 0; b < COUNT(odd); b++)
                    for (size_t c = 0; c < COUNT(odd); c++)
                        one_matmul(&ref, &fast, isas[i], types[t], odd[a], odd[b], odd[c], ACT_NONE, false, TYPE_F32);
            for (int act = ACT_NONE; act <= ACT_SILU; act++)
                for (int residual = 0; residual < 2; residual++) {
                    one_matmul(&ref, &fast, isas[i], types[t], 33, 65, 384, (enum activation)act, residual, TYPE_F32);
                    one_matmul(&ref, &fast, isas[i], types[t], 29, 96, 400, (enum activation)act, residual, types[t]);
                    one_matmul(&ref, &fast, isas[i], types[t], 3, 71, 64, (enum activation)act, residual, TYPE_BF16);
                }
        }
        side_close(&fast);
    }
    side_close(&ref);
}

static void one_attention(struct side *ref, struct side *fast, const char *isa, enum type type, uint32_t heads,
                          uint32_t dim, const uint32_t *offset, uint32_t n, bool causal, enum type out)
{
    uint32_t used[2] = {offset[n], n}, hidden = heads * dim;
    struct rows r = {.used = used, .offset = offset, .max_rows = offset[n], .max_sequences = n, .longest = offset[n]};
    struct mat x = mat_new(offset[n], 3 * hidden, TYPE_F32), qkv = mat_new(offset[n], 3 * hidden, type);
    struct mat want = mat_new(offset[n], hidden, TYPE_F32), got = mat_new(offset[n], hidden, out);
    struct attention how = {.heads = heads, .head_dim = dim, .scale = 1 / sqrtf((float)dim), .causal = causal};
    char what[100];
    fill(&x, 11, 3); /* scores far enough from each other that the softmax is not flat */
    backend_cpu.quantize(ref->q, &qkv, &x, &r);
    backend_cpu.attention(ref->q, &want, &qkv, &how, &r);
    backend_cpu.attention(fast->q, &got, &qkv, &how, &r);
    snprintf(what, sizeof what, "%s attention type %d %u x %u, %u rows, causal %d → %d", isa, (int)type, heads, dim,
             offset[n], causal, (int)out);
    double own = out == TYPE_Q8 ? 1.01 / 254 : out == TYPE_BF16 ? 1.01 / 256 : 3e-6;
    /* bf16: the probabilities are rounded to 8 bits of mantissa */
    close_to(&got, &want, offset[n], own + (type == TYPE_BF16 ? 1.0 / 256 : 0), what);
    struct mat *all[] = {&x, &qkv, &want, &got};
    for (size_t i = 0; i < COUNT(all); i++)
        mat_free(all[i]);
}

static void attention_like_reference(void **state)
{
    static const uint32_t offset[] = {0, 1, 8, 39, 72, 74, 205};
    static const struct {
        uint32_t heads, dim;
    } shapes[] = {{1, 32}, {3, 32}, {2, 64}, {2, 16}, {2, 24}, {1, 128}, {3, 7}};
    struct side ref, fast;
    assert_true(side_open(&ref, "scalar"));
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&fast, isas[i]))
            continue;
        for (size_t s = 0; s < COUNT(shapes); s++)
            for (int causal = 0; causal < 2; causal++)
                for (int t = 0; t < 2; t++) {
                    enum type type = t ? TYPE_BF16 : TYPE_F32;
                    one_attention(&ref, &fast, isas[i], type, shapes[s].heads, shapes[s].dim, offset, 6, causal, TYPE_F32);
                    if (shapes[s].dim % QUANT_BLOCK == 0) {
                        one_attention(&ref, &fast, isas[i], type, shapes[s].heads, shapes[s].dim, offset, 6, causal, TYPE_Q8);
                        one_attention(&ref, &fast, isas[i], type, shapes[s].heads, shapes[s].dim, offset, 6, causal, TYPE_BF16);
                    }
                }
        side_close(&fast);
    }
    side_close(&ref);
}

static void rows_like_reference(void **state)
{
    static const uint32_t widths[] = {1, 7, 31, 33, 384};
    struct side ref, fast;
    assert_true(side_open(&ref, "scalar"));
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&fast, isas[i]))
            continue;
        for (size_t w = 0; w < COUNT(widths); w++) {
            uint32_t cols = widths[w], used[2] = {33, 4}, offset[] = {0, 1, 8, 8, 33}, token[33], position[33];
            struct rows r = {.used = used, .token = token, .position = position, .offset = offset, .max_rows = 33,
                             .max_sequences = 4, .longest = 25};
            struct mat x = mat_new(33, cols, TYPE_F32), a = mat_new(33, cols, TYPE_F32), b = mat_new(33, cols, TYPE_F32);
            struct mat gain = mat_new(1, cols, TYPE_F32), bias = mat_new(1, cols, TYPE_F32);
            struct mat word = mat_new(1, cols * 50, TYPE_F32), place = mat_new(1, cols * 33, TYPE_F32);
            struct norm norm = {gain.data, bias.data, 1e-6f};
            fill(&x, 21, 5);
            fill(&gain, 22, 1);
            fill(&bias, 23, 1);
            fill(&word, 24, 1);
            fill(&place, 25, 1);
            for (uint32_t j = 0; j < 33; j++) {
                token[j] = j * 7 % 50;
                position[j] = 32 - j;
                ((float *)x.data)[(size_t)j * x.stride] += 100; /* a mean far from zero */
            }
            for (int t = TYPE_F32; t <= TYPE_Q8; t++) {
                if (t == TYPE_F16)
                    continue;
                struct mat aq = mat_new(33, cols, (enum type)t), bq = mat_new(33, cols, (enum type)t);
                double rounding = t == TYPE_Q8 ? 1.01 / 127 : t == TYPE_BF16 ? 1.01 / 128 : 0;
                backend_cpu.norm(ref.q, &a, &aq, &x, &norm, &r);
                backend_cpu.norm(fast.q, &b, &bq, &x, &norm, &r);
                close_to(&b, &a, 33, cols == 1 ? 1e-3 : 2e-5, "norm"); /* one column: 0/√eps */
                close_to(&bq, &aq, 33, cols == 1 ? .1 : rounding + 2e-5, "norm's operand");
                padding_is_zero(&bq, 33);
                struct embedding table = {.word = word.data, .position = place.data, .type = cols > 7 ? bias.data : NULL};
                backend_cpu.embed(ref.q, &a, &aq, &r, &table, &norm);
                backend_cpu.embed(fast.q, &b, &bq, &r, &table, &norm);
                close_to(&b, &a, 33, 2e-5, "embed");
                close_to(&bq, &aq, 33, rounding + 2e-5, "embed's operand");
                backend_cpu.quantize(ref.q, &aq, &x, &r);
                backend_cpu.quantize(fast.q, &bq, &x, &r);
                close_to(&bq, &aq, 33, t == TYPE_Q8 ? 1.01 / 127 : 0, "quantize"); /* ties may round apart */
                padding_is_zero(&bq, 33);
                mat_free(&aq);
                mat_free(&bq);
            }
            for (int how = POOL_MEAN; how <= POOL_SUM_AS_IS; how++) {
                backend_cpu.pool(ref.q, &a, &x, (enum pooling)how, &r);
                backend_cpu.pool(fast.q, &b, &x, (enum pooling)how, &r);
                close_to(&b, &a, 4, 2e-6, "pool");
                for (uint32_t c = 0; c < cols; c++)
                    assert_true(at(&b, 2, c) == 0); /* the empty sequence */
            }
            struct mat *all[] = {&x, &a, &b, &gain, &bias, &word, &place};
            for (size_t j = 0; j < COUNT(all); j++)
                mat_free(all[j]);
        }
        side_close(&fast);
    }
    side_close(&ref);
}

static void quant_row_is_within_half_a_step(void **state)
{
    float x[97] = {0};
    int8_t q[97];
    for (size_t n = 0; n <= 97; n++) {
        float max = 0;
        for (size_t i = 0; i < n; i++)
            max = fmaxf(max, fabsf(x[i] = number(31, i) * 3));
        float scale = quant_row(q, x, n);
        assert_true(fabsf(scale - max / 127) <= 1e-7f);
        for (size_t i = 0; i < n; i++) {
            assert_in_range(q[i] + 127, 0, 254);
            assert_true(fabsf((float)q[i] * scale - x[i]) <= scale * .5001f);
        }
    }
    memset(x, 0, sizeof x);
    assert_true(quant_row(q, x, 97) == 0);
    assert_int_equal(q[5], 0);
}

static void refusals(void **state)
{
    struct err e;
    void *dev;
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){.isa = "quantum"}, &e), ERR_UNSUPPORTED);
    assert_null(backend_find("quantum"));
    assert_ptr_equal(backend_find("cpu"), &backend_cpu);
    struct side s;
    assert_true(side_open(&s, "scalar"));
    struct weight *w;
    assert_int_equal(weight_new(s.dev, &w, TYPE_F16, 4, 4), ERR_UNSUPPORTED);
    assert_int_equal(weight_new(s.dev, &w, TYPE_F32, 0, 4), ERR_UNSUPPORTED);
    assert_int_equal(weight_new(s.dev, &w, TYPE_F32, 4, 4), 0);
    /* a queue keeps its first error, does nothing after it, and hands it out once */
    uint32_t used[2] = {1, 1};
    struct rows r = {.used = used, .max_rows = 1, .max_sequences = 1, .longest = 1};
    struct mat x = mat_new(1, 5, TYPE_F32), y = mat_new(1, 4, TYPE_F32);
    backend_cpu.matmul(s.q, &y, &x, w, &(struct matmul){0}, &r);
    assert_int_equal(backend_cpu.sync(s.q, &e), ERR_INTERNAL);
    assert_int_equal(backend_cpu.sync(s.q, &e), 0);
    mat_free(&x);
    mat_free(&y);
    backend_cpu.weight_release(s.dev, w);
    side_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_like_reference),     cmocka_unit_test(attention_like_reference),
        cmocka_unit_test(rows_like_reference),       cmocka_unit_test(quant_row_is_within_half_a_step),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

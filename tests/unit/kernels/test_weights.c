/* Weights in every type of block that files have, on every instruction set: what is held is what the file says, products are
 * those of the operands really multiplied (fp64), a row's result does not depend on its neighbours, a product can be shared by
 * columns, and experts get the rows of their groups. */
#include "base/mem.h"
#include "kernels/backend.h"
#include "kernels/block/numbers.h"
#include "tests/unit/kernels/block_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const isas[] = {"scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "neon-f32"};
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        struct err e_ = {0};                                                                                           \
        if (backend_cpu.call)                                                                                          \
            fail_msg("%s", e_.message);                                                                                \
    } while (0)

struct side {
    void *dev, *q;
};

static bool side_open(struct side *s, const char *isa)
{
    struct err e;
    if (backend_cpu.open(&s->dev, &(struct device_options){.isa = isa}, &e))
        return false;
    struct bounds b = {.rows = 300, .sequences = 8, .longest = 300, .hidden = 512, .intermediate = 512, .heads = 1};
    CHECK(queue(s->dev, &b, &s->q, &e_));
    return true;
}

static void side_close(struct side *s)
{
    CHECK(sync(s->q, &e_));
    backend_cpu.queue_close(s->q);
    backend_cpu.close(s->dev);
}

static struct weight *weight_new(struct side *s, enum type type, struct file *f, uint32_t experts, const float *scale)
{
    struct weight *w = NULL;
    struct weight_shape shape = {.n = f->rows / experts, .k = f->k, .experts = experts};
    struct weight_source from = {.type = f->type, .row = file_row, .arg = f, .scale = scale};
    CHECK(weight(s->dev, &w, type, &shape, &from, &e_));
    return w;
}

static struct mat mat_new(uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    void *p = NULL;
    CHECK(memory(NULL, &p, (size_t)rows * m.stride * 4, &e_));
    m.data = p;
    CHECK(memory(NULL, &p, (size_t)rows * m.stride / QUANT_BLOCK * sizeof *m.quant, &e_));
    m.quant = p;
    return m;
}

static void mat_free(struct mat *m)
{
    backend_cpu.release(NULL, m->data);
    backend_cpu.release(NULL, m->quant);
}

static void fill(struct mat *m, uint32_t stream)
{
    for (uint32_t i = 0; i < m->rows; i++)
        for (uint32_t c = 0; c < m->cols; c++)
            ((float *)m->data)[(size_t)i * m->stride + c] = 2 * number(stream, (uint64_t)i * m->cols + c);
}

static float at(const struct mat *m, uint32_t row, uint32_t col)
{
    size_t i = (size_t)row * m->stride + col;
    return m->type == TYPE_Q8     ? ((int8_t *)m->data)[i] * m->quant[i / QUANT_BLOCK].scale
           : m->type == TYPE_BF16 ? f32_from_bf16(((uint16_t *)m->data)[i])
                                  : ((float *)m->data)[i];
}

static uint32_t some_k(enum block_type t, uint32_t odd)
{
    uint32_t values = block_formats[t].values;
    return values == 1 ? odd * 31 : values * odd;
}

static void held_is_what_the_file_says(void **state)
{
    struct side s;
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&s, isas[i]))
            continue;
        for (int t = 0; t < BLOCK_COUNT; t++) {
            struct file f = file_new((enum block_type)t, 75, some_k((enum block_type)t, 3));
            float scale = 2;
            struct weight *w = weight_new(&s, backend_cpu.held(s.dev, f.type, false), &f, 1, &scale);
            uint32_t token[] = {74, 0, 33, 31, 32, 64, 7}, used[] = {7, 1};
            struct rows r = {.used = used, .token = token, .max_rows = 7, .max_sequences = 1, .longest = 7};
            struct mat y = mat_new(7, f.k, TYPE_F32);
            backend_cpu.embed_rows(s.q, &y, w, .5f, &r);
            for (uint32_t j = 0; j < 7; j++)
                for (uint32_t c = 0; c < f.k; c++) {
                    float want = f.value[(size_t)token[j] * f.k + c], got = at(&y, j, c);
                    if (!(fabsf(want - got) <= 1e-7f * fabsf(want))) /* d·q - m may be fused in one and not in the other */
                        fail_msg("%s %s: row %u, column %u is %g, in the file %g", isas[i], block_formats[t].name, token[j], c,
                                 (double)got, (double)want);
                }
            /* scales in the precision of the file: no more than 3% over its size, and what pads n and k */
            double over = (double)backend_cpu.weight_bytes(w) / ((double)f.row_bytes * 96);
            if (!(over <= (t == BLOCK_F8_E4M3 ? 1.8 : t == BLOCK_MXFP4 ? 1.35 : 1.1)))
                fail_msg("%s is held in %.3f times its size", block_formats[t].name, over);
            mat_free(&y);
            backend_cpu.weight_release(s.dev, w);
            file_free(&f);
        }
        side_close(&s);
    }
}

/* NMSE against fp64 sums over the operands as they are: bf16 weights where x is bf16. */
static double nmse(const struct mat *y, const struct mat *x, const struct file *f, const float *bias, uint32_t first_row, float scale)
{
    double off = 0, all = 0;
    for (uint32_t i = 0; i < y->rows; i++)
        for (uint32_t n = 0; n < y->cols; n++) {
            double want = 0;
            for (uint32_t k = 0; k < f->k; k++) {
                float w = f->value[(size_t)(first_row + n) * f->k + k];
                want += (double)at(x, i, k) * (x->type == TYPE_BF16 ? f32_from_bf16(bf16_from_f32(w)) : w);
            }
            want = want * scale + (bias ? bias[n] : 0);
            double d = at(y, i, n) - want;
            off += d * d;
            all += want * want;
        }
    return all > 0 ? off / all : off;
}

static void one_product(struct side *s, const char *isa, struct file *f, struct weight *w, enum type operand, uint32_t rows)
{
    uint32_t used[2] = {rows, 1};
    struct rows r = {.used = used, .max_rows = rows, .max_sequences = 1, .longest = rows};
    struct mat x = mat_new(rows, f->k, TYPE_F32), xq = mat_new(rows, f->k, operand), y = mat_new(rows, f->rows, TYPE_F32);
    struct mat bias = mat_new(1, f->rows, TYPE_F32);
    fill(&x, 1);
    fill(&bias, 2);
    backend_cpu.quantize(s->q, &xq, &x, &r);
    backend_cpu.matmul(s->q, &y, &xq, w, &(struct matmul){.bias = bias.data}, &r);
    CHECK(sync(s->q, &e_));
    double off = nmse(&y, &xq, f, bias.data, 0, 1);
    if (!(off <= (operand == TYPE_F32 ? 1e-11 : 1e-9)))
        fail_msg("%s %s [%u, %u, %u], operand %d: NMSE %g", isa, block_formats[f->type].name, rows, f->rows, f->k, (int)operand, off);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t c = y.cols; c < y.stride; c++)
            assert_true(at(&y, i, c) == 0);
    struct mat *all[] = {&x, &xq, &y, &bias};
    for (size_t i = 0; i < COUNT(all); i++)
        mat_free(all[i]);
}

static void products_like_fp64(void **state)
{
    static const uint32_t outputs[] = {1, 7, 31, 33, 64, 96}, counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 150};
    struct side s;
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&s, isas[i]))
            continue;
        for (int t = 0; t < BLOCK_COUNT; t++)
            for (size_t n = 0; n < COUNT(outputs); n++) {
                struct file f = file_new((enum block_type)t, outputs[n], some_k((enum block_type)t, n < 5 ? (uint32_t)n + 1 : 11));
                enum type held = backend_cpu.held(s.dev, f.type, false);
                struct weight *w = weight_new(&s, held, &f, 1, NULL);
                for (size_t c = 0; c < COUNT(counts); c++) {
                    enum type operand = backend_cpu.operand(s.dev, held, counts[c]);
                    if (i == 0 && c > 1)
                        continue; /* the reference has no cases of rows */
                    if (counts[c] > 9 && outputs[n] != (counts[c] == 33 ? 64 : 33))
                        continue; /* and an emulator has no time for fp64 sums over all of them */
                    if (getenv("CODEASK_TEST_EMULATED") && (n + c + (size_t)t) % 3)
                        continue;
                    one_product(&s, isas[i], &f, w, operand, counts[c]);
                    if (operand != TYPE_F32)
                        one_product(&s, isas[i], &f, w, TYPE_F32, counts[c]);
                }
                backend_cpu.weight_release(s.dev, w);
                file_free(&f);
            }
        side_close(&s);
    }
}

/* Rows 0..n-1 of a product have the bytes that they have alone, for every n ≤ exact_rows, and whichever columns are computed together. */
static void rows_alone(struct side *s, const char *isa, struct file *f, struct weight *w, enum type operand)
{
    uint32_t used[2] = {1, 1};
    uint32_t all = backend_cpu.exact_rows;
    struct rows r = {.used = used, .max_rows = all, .max_sequences = 1, .longest = all};
    struct mat x = mat_new(all, f->k, TYPE_F32), xq = mat_new(all, f->k, operand);
    struct mat one = mat_new(all, f->rows, TYPE_F32), some = mat_new(all, f->rows, TYPE_F32);
    fill(&x, 1);
    for (uint32_t i = 0; i < all; i++) {
        struct mat x1 = x, q1 = xq, y1 = one;
        x1.data = (float *)x.data + (size_t)i * x.stride;
        y1.data = (float *)one.data + (size_t)i * one.stride;
        backend_cpu.quantize(s->q, &q1, &x1, &r);
        backend_cpu.matmul(s->q, &y1, &q1, w, &(struct matmul){.activation = ACT_SILU}, &r);
    }
    for (uint32_t n = 1; n <= all; n++) {
        used[0] = n;
        backend_cpu.quantize(s->q, &xq, &x, &r);
        backend_cpu.matmul(s->q, &some, &xq, w, &(struct matmul){.activation = ACT_SILU, .count = 64}, &r);
        backend_cpu.matmul(s->q, &some, &xq, w, &(struct matmul){.activation = ACT_SILU, .first = 64, .count = 32}, &r);
        backend_cpu.matmul(s->q, &some, &xq, w, &(struct matmul){.activation = ACT_SILU, .first = 96}, &r);
        CHECK(sync(s->q, &e_));
        for (uint32_t i = 0; i < n; i++)
            if (memcmp((float *)one.data + (size_t)i * one.stride, (float *)some.data + (size_t)i * one.stride, f->rows * 4))
                fail_msg("%s %s: row %u of %u is not what it is alone", isa, block_formats[f->type].name, i, n);
        memset(some.data, 0, (size_t)all * some.stride * 4);
    }
    struct mat *mats[] = {&x, &xq, &one, &some};
    for (size_t i = 0; i < COUNT(mats); i++)
        mat_free(mats[i]);
}

static void rows_are_alone(void **state)
{
    struct side s;
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&s, isas[i]))
            continue;
        for (int t = 0; t < BLOCK_COUNT; t++) {
            struct file f = file_new((enum block_type)t, 96 + 45, some_k((enum block_type)t, 5));
            enum type held = backend_cpu.held(s.dev, f.type, false);
            struct weight *w = weight_new(&s, held, &f, 1, NULL);
            for (uint32_t n = 2; n <= backend_cpu.exact_rows; n++)
                assert_int_equal(backend_cpu.operand(s.dev, held, n), backend_cpu.operand(s.dev, held, 1));
            rows_alone(&s, isas[i], &f, w, backend_cpu.operand(s.dev, held, 1));
            rows_alone(&s, isas[i], &f, w, TYPE_F32);
            backend_cpu.weight_release(s.dev, w);
            file_free(&f);
        }
        side_close(&s);
    }
}

/* Four experts, one without rows, over rows gathered by an index. */
static void experts_get_their_rows(void **state)
{
    enum { EXPERTS = 4, N = 45, ROWS = 23 };
    static const uint32_t groups[] = {0, 1, 1, 12, ROWS}, any[2] = {3, 1};
    static const float scale[EXPERTS] = {1, 2, .5f, -3};
    uint32_t from[ROWS], used = ROWS;
    struct side s;
    for (uint32_t i = 0; i < ROWS; i++)
        from[i] = i * 5 % 9;
    for (size_t i = 0; i < COUNT(isas); i++) {
        if (!side_open(&s, isas[i]))
            continue;
        for (int t = 0; t < BLOCK_COUNT; t++) {
            struct file f = file_new((enum block_type)t, N * EXPERTS, some_k((enum block_type)t, 2));
            enum type held = backend_cpu.held(s.dev, f.type, false), operand = backend_cpu.operand(s.dev, held, ROWS);
            struct weight *w = weight_new(&s, held, &f, EXPERTS, scale);
            struct rows all_rows = {.used = &(uint32_t){9}, .max_rows = 9}, r = {.used = any, .max_rows = ROWS};
            struct mat x = mat_new(9, f.k, TYPE_F32), xq = mat_new(9, f.k, operand), xs = mat_new(ROWS, f.k, operand);
            struct mat y = mat_new(ROWS, N, TYPE_F32), bias = mat_new(1, N * EXPERTS, TYPE_F32);
            fill(&x, 1);
            fill(&bias, 2);
            backend_cpu.quantize(s.q, &xq, &x, &all_rows);
            backend_cpu.gather(s.q, &xs, &xq, from, &used);
            for (uint32_t j = 0; j < ROWS; j++)
                for (uint32_t c = 0; c < f.k; c++)
                    assert_true(at(&xs, j, c) == at(&xq, from[j], c));
            backend_cpu.matmul(s.q, &y, &xs, w, &(struct matmul){.bias = bias.data, .groups = groups, .count = 32}, &r);
            backend_cpu.matmul(s.q, &y, &xs, w, &(struct matmul){.bias = bias.data, .groups = groups, .first = 32}, &r);
            CHECK(sync(s.q, &e_));
            for (uint32_t e = 0; e < EXPERTS; e++) {
                struct mat yv = y, xv = xs;
                yv.rows = xv.rows = groups[e + 1] - groups[e];
                yv.data = (float *)y.data + (size_t)groups[e] * y.stride;
                xv.data = (char *)xs.data + (size_t)groups[e] * xs.stride * (operand == TYPE_F32 ? 4 : operand == TYPE_Q8 ? 1 : 2);
                xv.quant = xs.quant + (size_t)groups[e] * (xs.stride / QUANT_BLOCK);
                double off = nmse(&yv, &xv, &f, (float *)bias.data + (size_t)e * N, e * N, scale[e]);
                if (!(off <= (operand == TYPE_F32 ? 1e-11 : 1e-9)))
                    fail_msg("%s %s, expert %u: NMSE %g", isas[i], block_formats[t].name, e, off);
            }
            struct mat *all[] = {&x, &xq, &xs, &y, &bias};
            for (size_t j = 0; j < COUNT(all); j++)
                mat_free(all[j]);
            backend_cpu.weight_release(s.dev, w);
            file_free(&f);
        }
        side_close(&s);
    }
}

static void refusals(void **state)
{
    struct side s;
    struct weight *w;
    struct err e;
    assert_true(side_open(&s, "scalar"));
    struct file f = file_new(BLOCK_Q4_K, 4, 256);
    struct weight_source from = {.type = BLOCK_Q4_K, .row = file_row, .arg = &f};
    assert_int_equal(backend_cpu.weight(s.dev, &w, TYPE_Q4_K, &(struct weight_shape){4, 128, 0}, &from, &e), ERR_UNSUPPORTED);
    assert_int_equal(backend_cpu.weight(s.dev, &w, TYPE_Q6_K, &(struct weight_shape){4, 256, 0}, &from, &e), ERR_UNSUPPORTED);
    w = weight_new(&s, TYPE_Q4_K, &f, 2, NULL);
    uint32_t used[2] = {1, 1};
    struct rows r = {.used = used, .max_rows = 1};
    struct mat x = mat_new(1, 256, TYPE_F32), y = mat_new(1, 2, TYPE_F32);
    backend_cpu.matmul(s.q, &y, &x, w, &(struct matmul){0}, &r); /* experts without groups */
    assert_int_equal(backend_cpu.sync(s.q, &e), ERR_INTERNAL);
    backend_cpu.matmul(s.q, &y, &x, w, &(struct matmul){.groups = (uint32_t[]){0, 1, 1}, .first = 1}, &r);
    assert_int_equal(backend_cpu.sync(s.q, &e), ERR_INTERNAL);
    mat_free(&x);
    mat_free(&y);
    backend_cpu.weight_release(s.dev, w);
    file_free(&f);
    side_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_is_what_the_file_says), cmocka_unit_test(products_like_fp64),
        cmocka_unit_test(rows_are_alone),             cmocka_unit_test(experts_get_their_rows),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

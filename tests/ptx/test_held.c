/* Weights in every type of block that files have on the CUDA backend: what is held is what the file says, products are those of the
 * operands really multiplied (fp64), a row's bytes do not depend on its neighbours, and experts get the rows of their groups. */
#include "tests/ptx/pair.h"
#include "tests/unit/kernels/block_file.h"

#define MATRIX_SCALE 2.f /* exact, so that what is held can be compared to the bit */

static uint32_t some_k(enum block_type t, uint32_t odd)
{
    uint32_t values = block_formats[t].values;
    return values == 1 ? odd * 31 : values * odd;
}

static struct weight *weight_new(enum type type, struct file *f, uint32_t experts, const float *scale)
{
    struct weight *w = NULL;
    struct err e;
    struct weight_shape shape = {.n = f->rows / experts, .k = f->k, .experts = experts};
    struct weight_source from = {.type = f->type, .row = file_row, .arg = f, .scale = scale};
    if (cuda->weight(dev, &w, type, &shape, &from, &e))
        fail_msg("%s", e.message);
    return w;
}

static void next_seed(void)
{
    static uint64_t seed;
    if (set_seed)
        set_seed(seed++ % 8);
}

static void synced_or_fail(const char *what)
{
    char text[600];
    if (!synced(text))
        fail_msg("%s: %s", what, text);
}

static void held_is_what_the_file_says(void **state)
{
    static const uint32_t token[] = {36, 0, 33, 31, 32, 16, 7};
    uint32_t offset[] = {0, COUNT(token)};
    for (int t = 0; t < BLOCK_COUNT; t++) {
        struct file f = file_new((enum block_type)t, 37, some_k((enum block_type)t, 3));
        float scale = MATRIX_SCALE;
        enum type type = cuda->held(dev, f.type, false);
        struct weight *w = weight_new(type, &f, 1, &scale);
        struct some_rows r = rows_new(offset, 1, 5);
        struct pair y = pair_new(COUNT(token), f.k, TYPE_F32);
        next_seed();
        cuda->put(queue, (void *)(uintptr_t)r.there.token, token, sizeof token);
        cuda->embed_rows(queue, &y.there, w, .5f, &r.there);
        read_back(&y);
        synced_or_fail(block_formats[t].name);
        for (uint32_t i = 0; i < COUNT(token); i++)
            for (uint32_t c = 0; c < f.k; c++) {
                float want = f.value[(size_t)token[i] * f.k + c];
                if (type == TYPE_BF16)
                    want = f32_from_bf16(bf16_from_f32(want));
                if (at(&y.back, i, c) != want)
                    fail_msg("%s: row %u, column %u is %g, in the file %g", block_formats[t].name, token[i], c,
                             (double)at(&y.back, i, c), (double)want);
            }
        double over = (double)cuda->weight_bytes(w) / ((double)f.row_bytes * 37);
        if (f.k % 256 == 0 && t != BLOCK_F32 && over > (t == BLOCK_F8_E4M3 ? 1.9 : 1.35)) /* planes begin at 256 bytes */
            fail_msg("%s is held in %.3f times its size", block_formats[t].name, over);
        pair_free(&y);
        rows_free(&r);
        cuda->weight_release(dev, w);
        file_free(&f);
    }
}

/* NMSE of rows of y against fp64 sums over the operand as it is; weights are rounded to bf16 where x is. */
static double against_fp64(const struct mat *y, const struct mat *x, const struct file *f, const float *bias, uint32_t from, uint32_t to,
                           uint32_t expert, uint32_t n, float scale)
{
    double off = 0, all = 0;
    for (uint32_t i = from; i < to; i++)
        for (uint32_t o = 0; o < n; o++) {
            double want = 0;
            for (uint32_t k = 0; k < f->k; k++) {
                float w = f->value[((size_t)expert * n + o) * f->k + k];
                want += (double)at(x, i, k) * (x->type == TYPE_BF16 ? f32_from_bf16(bf16_from_f32(w)) : w);
            }
            want = want * scale + bias[(size_t)expert * n + o];
            off += (at(y, i, o) - want) * (at(y, i, o) - want);
            all += want * want;
        }
    return all > 0 ? off / all : off;
}

static void one_product(struct file *f, struct weight *w, enum type operand, uint32_t rows)
{
    uint32_t offset[] = {0, rows};
    char what[100];
    struct some_rows r = rows_new(offset, 1, rows > 1 && rows < 8 ? 2 : 0);
    struct pair x = pair_new(rows, f->k, TYPE_F32), xq = pair_new(rows, f->k, operand), y = pair_new(rows, f->rows, TYPE_F32);
    struct pair bias = pair_new(1, f->rows, TYPE_F32);
    fill(&x, 1, 2);
    fill(&bias, 2, 1);
    next_seed();
    cpu->quantize(host_queue, &xq.here, &x.here, &r.here);
    cuda->quantize(queue, &xq.there, &x.there, &r.there);
    cuda->matmul(queue, &y.there, &xq.there, w, &(struct matmul){.bias = bias.there.data}, &r.there);
    read_back(&xq);
    read_back(&y);
    snprintf(what, sizeof what, "%s [%u, %u, %u], operand %d", block_formats[f->type].name, rows, f->rows, f->k, (int)operand);
    synced_or_fail(what);
    if (memcmp(xq.here.data, xq.back.data, bytes_of(&xq.here)))
        fail_msg("%s: the operand is not the CPU's", what);
    for (uint32_t i = 0; i < rows && operand == TYPE_Q8; i++)
        for (uint32_t b = 0; b < (f->k + 31) / 32; b++)
            assert_memory_equal(&xq.here.quant[i * xq.here.stride / 32 + b], &xq.back.quant[i * xq.here.stride / 32 + b], sizeof(struct quant));
    double off = against_fp64(&y.back, &xq.back, f, bias.here.data, 0, rows, 0, f->rows, 1);
    if (!(off <= (operand == TYPE_F32 ? 1e-11 : 1e-9)))
        fail_msg("%s: NMSE %g", what, off);
    struct pair *all[] = {&x, &xq, &y, &bias};
    for (size_t i = 0; i < COUNT(all); i++)
        pair_free(all[i]);
    rows_free(&r);
}

/* The types that files have with what each is held in, 16 bits included; and any file in Q8. */
static struct weight *weight_of(struct file *f, bool q8)
{
    return weight_new(q8 ? TYPE_Q8 : cuda->held(dev, f->type, false), f, 1, NULL);
}

static void products_like_fp64(void **state)
{
    static const uint32_t outputs[] = {1, 7, 31, 33}, counts[] = {1, 2, 7, 8, 9, 33};
    for (int t = 0; t < BLOCK_COUNT; t++)
        for (size_t n = 0; n < COUNT(outputs); n++) {
            struct file f = file_new((enum block_type)t, outputs[n], some_k((enum block_type)t, (uint32_t)n + 1));
            struct weight *w = weight_of(&f, false);
            enum type held = cuda->held(dev, f.type, false);
            for (size_t c = n % 2; c < COUNT(counts); c += 2) {
                enum type operand = cuda->operand(dev, held, counts[c]);
                if (f.k >= 512 && counts[c] > 9)
                    continue; /* the interpreter's time */
                if (held != TYPE_BF16 || t == BLOCK_BF16 || operand == TYPE_BF16)
                    one_product(&f, w, operand, counts[c]);
                if (operand != TYPE_F32 && c == n && (t == BLOCK_BF16 || held != TYPE_BF16))
                    one_product(&f, w, TYPE_F32, counts[c]);
            }
            cuda->weight_release(dev, w);
            file_free(&f);
        }
}

/* Any file in Q8: values are rounded, so the product is that of what embed_rows says is held. */
static void any_file_in_q8(void **state)
{
    static const enum block_type types[] = {BLOCK_F32, BLOCK_Q4_K};
    for (size_t t = 0; t < COUNT(types); t++) {
        struct file f = file_new(types[t], 33, some_k(types[t], 1));
        struct weight *w = weight_of(&f, true);
        uint32_t offset[] = {0, 33};
        struct some_rows r = rows_new(offset, 1, 0);
        struct pair y = pair_new(33, f.k, TYPE_F32);
        uint32_t token[33];
        for (uint32_t i = 0; i < 33; i++)
            token[i] = i;
        cuda->put(queue, (void *)(uintptr_t)r.there.token, token, sizeof token);
        cuda->embed_rows(queue, &y.there, w, 1, &r.there);
        read_back(&y);
        synced_or_fail("Q8");
        for (uint32_t i = 0; i < 33; i++)
            for (uint32_t b = 0; b < f.k; b += 32) {
                float most = 0;
                for (uint32_t c = b; c < f.k && c < b + 32; c++)
                    most = fmaxf(most, fabsf(f.value[i * f.k + c]));
                for (uint32_t c = b; c < f.k && c < b + 32; c++) {
                    assert_true(fabsf(at(&y.back, i, c) - f.value[i * f.k + c]) <= most / 127 * .51f);
                    f.value[i * f.k + c] = at(&y.back, i, c);
                }
            }
        one_product(&f, w, TYPE_Q8, 3);
        one_product(&f, w, TYPE_BF16, 9);
        pair_free(&y);
        rows_free(&r);
        cuda->weight_release(dev, w);
        file_free(&f);
    }
}

/* Tiles of 128 rows and columns, and several of them. */
static void large_tiles_like_fp64(void **state)
{
    static const enum block_type types[] = {BLOCK_Q8_0, BLOCK_Q4_K, BLOCK_Q6_K, BLOCK_F16, BLOCK_IQ4_NL};
    for (size_t t = 0; t < COUNT(types); t++) {
        struct file f = file_new(types[t], 161, some_k(types[t], 1) == 256 ? 256 : 96);
        struct weight *w = weight_of(&f, false);
        one_product(&f, w, TYPE_BF16, 143);
        cuda->weight_release(dev, w);
        file_free(&f);
    }
}

/* Rows 0..n-1 of a product have the bytes that they have alone, for n ≤ 8. */
static void rows_are_alone(void **state)
{
    static const uint32_t counts[] = {2, 5, 8};
    for (int t = 0; t < BLOCK_COUNT; t++) {
        struct file f = file_new((enum block_type)t, 45, some_k((enum block_type)t, 2));
        enum type held = cuda->held(dev, f.type, false), operand = cuda->operand(dev, held, 8);
        struct weight *w = weight_of(&f, false);
        struct pair x = pair_new(8, f.k, TYPE_F32), xq = pair_new(8, f.k, operand), y = pair_new(8, f.rows, TYPE_F32);
        float *one = mem_zero((size_t)8 * y.here.stride, sizeof *one);
        uint32_t offset[] = {0, 1};
        fill(&x, 1, 2);
        for (uint32_t n = 1; n <= 8; n++)
            assert_int_equal(cuda->operand(dev, held, n), operand);
        for (uint32_t i = 0; i < 8; i++) {
            struct some_rows r = rows_new(offset, 1, 0);
            struct mat x1 = x.there;
            x1.data = (float *)x.there.data + (size_t)i * x1.stride;
            cuda->quantize(queue, &xq.there, &x1, &r.there);
            cuda->matmul(queue, &y.there, &xq.there, w, &(struct matmul){.activation = ACT_SILU}, &r.there);
            read_back(&y);
            synced_or_fail(block_formats[t].name);
            memcpy(one + (size_t)i * y.here.stride, y.back.data, y.here.stride * sizeof *one);
            rows_free(&r);
        }
        for (size_t c = 0; c < COUNT(counts); c++) {
            struct some_rows r = rows_new((uint32_t[]){0, counts[c]}, 1, 0);
            next_seed();
            cuda->quantize(queue, &xq.there, &x.there, &r.there);
            cuda->matmul(queue, &y.there, &xq.there, w, &(struct matmul){.activation = ACT_SILU}, &r.there);
            read_back(&y);
            synced_or_fail(block_formats[t].name);
            for (uint32_t i = 0; i < counts[c]; i++)
                if (memcmp(one + (size_t)i * y.here.stride, (float *)y.back.data + (size_t)i * y.here.stride, f.rows * sizeof *one))
                    fail_msg("%s: row %u of %u is not what it is alone", block_formats[t].name, i, counts[c]);
            rows_free(&r);
        }
        struct pair *all[] = {&x, &xq, &y};
        for (size_t i = 0; i < COUNT(all); i++)
            pair_free(all[i]);
        free(one);
        cuda->weight_release(dev, w);
        file_free(&f);
    }
}

/* Four experts, one without rows, over rows gathered by an index; few rows (operand() for 8), many, and fp32. */
static void experts_get_their_rows(void **state)
{
    enum { EXPERTS = 4, N = 13, ROWS = 23 };
    static const uint32_t groups[] = {0, 1, 1, 12, ROWS};
    static const float scale[EXPERTS] = {1, 2, .5f, -2};
    static const enum block_type types[] = {BLOCK_F32, BLOCK_BF16, BLOCK_F16, BLOCK_Q8_0, BLOCK_Q4_K, BLOCK_MXFP4, BLOCK_NVFP4};
    uint32_t from[ROWS], used = ROWS;
    for (uint32_t i = 0; i < ROWS; i++)
        from[i] = i * 5 % 9;
    void *there = device_copy(groups, sizeof groups), *from_there = device_copy(from, sizeof from), *used_there = device_copy(&used, 4);
    for (size_t t = 0; t < COUNT(types); t++)
        for (int kind = 0; kind < 3; kind++) {
            struct file f = file_new(types[t], N * EXPERTS, some_k(types[t], 1));
            enum type held = cuda->held(dev, f.type, types[t] == BLOCK_F32);
            enum type operand = kind == 2 ? TYPE_F32 : cuda->operand(dev, held, kind ? 100 : 8);
            struct weight *w = weight_new(held, &f, EXPERTS, scale);
            struct some_rows nine = rows_new((uint32_t[]){0, 9}, 1, 0), r = rows_new((uint32_t[]){0, ROWS}, 1, 0);
            struct pair x = pair_new(9, f.k, TYPE_F32), xq = pair_new(9, f.k, operand), xs = pair_new(ROWS, f.k, operand);
            struct pair y = pair_new(ROWS, N, TYPE_F32), bias = pair_new(1, N * EXPERTS, TYPE_F32);
            fill(&x, 1, 2);
            fill(&bias, 2, 1);
            next_seed();
            cuda->quantize(queue, &xq.there, &x.there, &nine.there);
            cuda->gather(queue, &xs.there, &xq.there, from_there, used_there);
            cuda->matmul(queue, &y.there, &xs.there, w, &(struct matmul){.bias = bias.there.data, .groups = there}, &r.there);
            read_back(&xq);
            read_back(&xs);
            read_back(&y);
            synced_or_fail(block_formats[types[t]].name);
            for (uint32_t i = 0; i < ROWS; i++)
                for (uint32_t c = 0; c < f.k; c++)
                    assert_true(at(&xs.back, i, c) == at(&xq.back, from[i], c));
            for (uint32_t e = 0; e < EXPERTS; e++) {
                double off = against_fp64(&y.back, &xs.back, &f, bias.here.data, groups[e], groups[e + 1], e, N, scale[e]);
                if (!(off <= (operand == TYPE_F32 ? 1e-11 : 1e-9)))
                    fail_msg("%s, operand %d, expert %u: NMSE %g", block_formats[types[t]].name, (int)operand, e, off);
            }
            struct pair *all[] = {&x, &xq, &xs, &y, &bias};
            for (size_t j = 0; j < COUNT(all); j++)
                pair_free(all[j]);
            rows_free(&nine);
            rows_free(&r);
            cuda->weight_release(dev, w);
            file_free(&f);
        }
    cuda->release(dev, there);
    cuda->release(dev, from_there);
    cuda->release(dev, used_there);
}

/* Views of wider matrices begin anywhere, and what stands beside them is left alone. */
static void views(void **state)
{
    struct file f = file_new(BLOCK_F32, 9, 31);
    struct err e;
    for (int t = 0; t < 2; t++) {
        struct weight *w = weight_new(t ? TYPE_BF16 : TYPE_F32, &f, 1, NULL);
        struct some_rows r = rows_new((uint32_t[]){0, 3}, 1, 0);
        struct pair x = pair_new(3, 64, TYPE_F32), y = pair_new(3, 64, TYPE_F32);
        fill(&x, 1, 2);
        fill(&y, 2, 1);
        struct mat xv = x.there, yv = y.there;
        xv.data = (float *)x.there.data + 33; /* its last column is the row's last */
        yv.data = (float *)y.there.data + 7;
        xv.cols = 31;
        yv.cols = 9;
        cuda->matmul(queue, &yv, &xv, w, &(struct matmul){0}, &r.there);
        read_back(&y);
        assert_int_equal(cuda->sync(queue, &e), 0);
        for (uint32_t i = 0; i < 3; i++)
            for (uint32_t c = 0; c < 64; c++) {
                double want = at(&y.here, i, c);
                bool inside = c >= 7 && c < 16;
                for (uint32_t k = 0; k < 31 && inside; k++) {
                    float v = f.value[(c - 7) * 31 + k];
                    want = (k ? want : 0) + (double)at(&x.here, i, 33 + k) * (t ? f32_from_bf16(bf16_from_f32(v)) : v);
                }
                if (inside ? fabs(at(&y.back, i, c) - want) > 1e-5 : at(&y.back, i, c) != (float)want)
                    fail_msg("row %u, column %u: %g, not %g", i, c, (double)at(&y.back, i, c), want);
            }
        cuda->weight_release(dev, w);
        pair_free(&x);
        pair_free(&y);
        rows_free(&r);
    }
    file_free(&f);
}

static void refusals(void **state)
{
    struct weight *w;
    struct err e;
    struct file f = file_new(BLOCK_Q4_K, 4, 256);
    struct weight_source from = {.type = BLOCK_Q4_K, .row = file_row, .arg = &f};
    assert_int_equal(cuda->weight(dev, &w, TYPE_Q4_K, &(struct weight_shape){4, 128, 0}, &from, &e), ERR_UNSUPPORTED);
    assert_int_equal(cuda->weight(dev, &w, TYPE_Q6_K, &(struct weight_shape){4, 256, 0}, &from, &e), ERR_UNSUPPORTED);
    w = weight_new(TYPE_Q4_K, &f, 2, NULL);
    struct some_rows r = rows_new((uint32_t[]){0, 1}, 1, 0);
    struct pair x = pair_new(1, 256, TYPE_F32), y = pair_new(1, 2, TYPE_F32);
    cuda->matmul(queue, &y.there, &x.there, w, &(struct matmul){0}, &r.there); /* experts without groups */
    assert_int_equal(cuda->sync(queue, &e), ERR_INTERNAL);
    pair_free(&x);
    pair_free(&y);
    rows_free(&r);
    cuda->weight_release(dev, w);
    file_free(&f);
}

static bool product_is_right(enum block_type file, bool q8, enum type operand, uint32_t rows, uint32_t k, char text[600])
{
    struct file f = file_new(file, 33, k);
    struct weight *w = weight_of(&f, q8);
    struct some_rows r = rows_new((uint32_t[]){0, rows}, 1, 0);
    struct pair x = pair_new(rows, k, TYPE_F32), xq = pair_new(rows, k, operand), y = pair_new(rows, 33, TYPE_F32);
    static const float none[33];
    fill(&x, 1, 2);
    cuda->quantize(queue, &xq.there, &x.there, &r.there);
    cuda->matmul(queue, &y.there, &xq.there, w, &(struct matmul){0}, &r.there);
    read_back(&xq);
    read_back(&y);
    bool right = synced(text) && against_fp64(&y.back, &xq.back, &f, none, 0, rows, 0, 33, 1) <= (q8 ? 1e-3 : 1e-9);
    struct pair *all[] = {&x, &xq, &y};
    for (size_t i = 0; i < COUNT(all); i++)
        pair_free(all[i]);
    cuda->weight_release(dev, w);
    rows_free(&r);
    file_free(&f);
    return right;
}

/* nth 0: all places at once. */
static void planted_bugs_are_caught(void **state)
{
    static const struct {
        const char *name, *kernel, *from, *to;
        int nth;
        enum block_type file;
        enum type operand;
        uint32_t rows, k;
    } bugs[] = {
        {"missing barrier", "matmul_q4_k_small", "bar.sync 0;", "", 1, BLOCK_Q4_K, TYPE_BF16, 33, 256},
        {"missing wait", "matmul_q4_k_small", "cp.async.wait_group 1;", "", 1, BLOCK_Q4_K, TYPE_BF16, 33, 256},
        {"swapped fragment", "matmul_q4_k_small", "ldmatrix.sync.aligned.m8n8.x4.shared.b16", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", 1,
         BLOCK_Q4_K, TYPE_BF16, 33, 256},
        {"missing barrier", "matmul_any_small", "bar.sync 0;", "", 1, BLOCK_IQ4_NL, TYPE_BF16, 33, 96},
        {"wrong shuffle mask", "matvec_q8_8", ", -1;", ", 65535;", 0, BLOCK_Q8_0, TYPE_Q8, 5, 96},
        {"wrong lanes", "matvec_q4_k_1", "shfl.sync.bfly.b32", "shfl.sync.up.b32", 1, BLOCK_Q4_K, TYPE_Q8, 1, 512},
        {"dropped tail", "matvec_q8_1", ", 31;", ", 0;", 0, BLOCK_F32, TYPE_Q8, 1, 33},
        {"dropped tail", "matvec_bf16_1", "setp.lt.u32", "setp.gt.u32", 0, BLOCK_BF16, TYPE_F32, 1, 31},
    };
    char text[600];
    if (!patch) {
        print_message("kernels of a driver cannot be patched: skipped\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(bugs); i++) {
        bool q8 = bugs[i].file == BLOCK_F32;
        for (int planted = 0; planted < 2; planted++) {
            patch(planted ? bugs[i].kernel : NULL, bugs[i].from, bugs[i].to, bugs[i].nth);
            reopen();
            if (planted && !patched())
                fail_msg("%s: nothing to patch in %s", bugs[i].name, bugs[i].kernel);
            text[0] = 0;
            if (product_is_right(bugs[i].file, q8, bugs[i].operand, bugs[i].rows, bugs[i].k, text) == planted)
                fail_msg("%s in %s: planted %d %s", bugs[i].name, bugs[i].kernel, planted, text);
        }
        print_message("%s in %s: %s\n", bugs[i].name, bugs[i].kernel, text[0] ? text : "a wrong result");
    }
    patch(NULL, NULL, NULL, 0);
    reopen();
}

int main(void)
{
    int ready = sides_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_is_what_the_file_says), cmocka_unit_test(products_like_fp64), cmocka_unit_test(any_file_in_q8),
        cmocka_unit_test(large_tiles_like_fp64),      cmocka_unit_test(rows_are_alone),     cmocka_unit_test(experts_get_their_rows),
        cmocka_unit_test(views),                      cmocka_unit_test(refusals),         cmocka_unit_test(planted_bugs_are_caught),
    };
    if (ready)
        return ready;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sides_close();
    return failed;
}

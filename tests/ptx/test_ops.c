/* Every op of the CUDA backend against sums in fp64 over the operands really multiplied. CODEASK_LIBCUDA names the PTX
 * interpreter; on a machine with a GPU the same program runs there when the variable is not set.
 * The measure is NMSE, Σ(got - want)² ÷ Σ want²: ≤ 1e-11 where operands are fp32, ≤ 1e-9 where they are bf16 and the result
 * fp32, ≤ 1e-5 where the result is bf16. */
#include "kernels/cuda/scan.h"
#include "tests/ptx/pair.h"

static const void *read_weight(void *arg, uint32_t row)
{
    static float values[512];
    uint32_t k = *(uint32_t *)arg;
    for (uint32_t c = 0; c < k; c++)
        values[c] = number(7, (uint64_t)row * k + c) / 8;
    return values;
}

/* NMSE, or -1 with the device's error in text. */
static double one_matmul(enum type type, uint32_t rows, uint32_t n, uint32_t k, enum activation activation, bool residual,
                         enum type out, uint32_t spare, char text[600])
{
    uint32_t offset[2] = {0, rows};
    struct some_rows r = rows_new(offset, 1, spare);
    struct pair x = pair_new(rows, k, TYPE_F32), xq = pair_new(rows, k, type), add = pair_new(rows, n, TYPE_F32);
    struct pair y = pair_new(rows, n, out), bias = pair_new(1, n, TYPE_F32);
    struct weight *a = NULL, *b = NULL;
    struct err e;
    fill(&x, 1, 2);
    fill(&add, 2, 1);
    fill(&bias, 3, 1);
    struct weight_shape shape = {.n = n, .k = k};
    struct weight_source source = {.type = BLOCK_F32, .row = read_weight, .arg = &k};
    assert_int_equal(cpu->weight(host, &a, type, &shape, &source, &e), 0);
    assert_int_equal(cuda->weight(dev, &b, type, &shape, &source, &e), 0);
    struct matmul how = {.bias = bias.here.data, .activation = activation, .residual = residual ? &add.here : NULL};
    cpu->quantize(host_queue, &xq.here, &x.here, &r.here);
    struct mat want = y.here;
    want.type = TYPE_F32;
    want.data = mem_zero((size_t)rows * want.stride, 4);
    cpu->matmul(host_queue, &want, &xq.here, a, &how, &r.here);
    cuda->quantize(queue, &xq.there, &x.there, &r.there);
    how = (struct matmul){.bias = bias.there.data, .activation = activation, .residual = residual ? &add.there : NULL};
    cuda->matmul(queue, &y.there, &xq.there, b, &how, &r.there);
    read_back(&y);
    read_back(&xq);
    double result = synced(text) ? 0 : -1;
    if (result == 0 && nmse(&xq, rows, true) != 0)
        result = INFINITY;
    free(y.here.data);
    y.here = want;
    if (result == 0)
        result = nmse(&y, rows, true);
    cpu->weight_release(host, a);
    cuda->weight_release(dev, b);
    struct pair *all[] = {&x, &xq, &add, &y, &bias};
    for (size_t i = 0; i < COUNT(all); i++)
        pair_free(all[i]);
    rows_free(&r);
    return result;
}

static double one_attention(enum type type, uint32_t heads, uint32_t dim, const uint32_t *offset, uint32_t n, bool causal, enum type out,
                            char text[600])
{
    uint32_t hidden = heads * dim;
    struct some_rows r = rows_new(offset, n, 70);
    struct pair x = pair_new(offset[n], 3 * hidden, TYPE_F32), qkv = pair_new(offset[n], 3 * hidden, type);
    struct pair y = pair_new(offset[n], hidden, out);
    struct attention how = {heads, dim, 1 / sqrtf((float)dim), causal};
    struct mat want = y.here;
    want.type = TYPE_F32;
    want.data = mem_zero((size_t)want.rows * want.stride, 4);
    fill(&x, 11, 3);
    cpu->quantize(host_queue, &qkv.here, &x.here, &r.here);
    cpu->attention(host_queue, &want, &qkv.here, &how, &r.here);
    cuda->quantize(queue, &qkv.there, &x.there, &r.there);
    cuda->attention(queue, &y.there, &qkv.there, &how, &r.there);
    read_back(&y);
    free(y.here.data);
    y.here = want;
    double result = synced(text) ? nmse(&y, offset[n], true) : -1;
    struct pair *all[] = {&x, &qkv, &y};
    for (size_t i = 0; i < COUNT(all); i++)
        pair_free(all[i]);
    rows_free(&r);
    return result;
}

static void matmul_like_fp64(void **state)
{
    static const uint32_t odd[] = {1, 7, 31, 33, 64};
    char text[600], what[100];
    uint64_t seed = 1;
    for (int t = 0; t < 2; t++) {
        enum type type = t ? TYPE_BF16 : TYPE_F32;
        for (size_t i = 0; i < COUNT(odd) * COUNT(odd); i++) {
            uint32_t m = odd[i % 5], n = odd[i / 5], k = odd[(i + i / 5) % 5];
            enum activation act = (enum activation)(i % 5);
            enum type out = i % 3 == 2 ? TYPE_BF16 : TYPE_F32;
            if (set_seed)
                set_seed(seed++ % 8);
            snprintf(what, sizeof what, "matmul type %d [%u, %u, %u] activation %d → %d", (int)type, m, n, k, (int)act, (int)out);
            within(one_matmul(type, m, n, k, act, i % 2, out, 70, text), out == TYPE_BF16 ? 1e-5 : t ? 1e-9 : 1e-11, text, what);
        }
        within(one_matmul(type, 290, 200, 200, ACT_GELU, true, TYPE_F32, 0, text), t ? 1e-9 : 1e-11, text, "large tiles");
    }
}

static const uint32_t sequences[] = {0, 1, 8, 39, 72, 74, 207};

static void attention_like_fp64(void **state)
{
    static const struct { uint32_t heads, dim; } shapes[] = {{3, 32}, {2, 64}, {2, 16}, {2, 24}, {1, 128}, {3, 7}};
    char text[600], what[100];
    uint64_t seed = 1;
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (int i = 0; i < 6; i++) {
            enum type type = i < 4 ? TYPE_BF16 : TYPE_F32, out = i < 2 ? TYPE_BF16 : TYPE_F32;
            if (set_seed)
                set_seed(seed++ % 8);
            snprintf(what, sizeof what, "attention type %d %u x %u, causal %d → %d", (int)type, shapes[s].heads, shapes[s].dim, i % 2, (int)out);
            within(one_attention(type, shapes[s].heads, shapes[s].dim, sequences, 6, i % 2, out, text),
                   out == TYPE_BF16 ? 1e-5 : type == TYPE_BF16 ? 1e-9 : 1e-11, text, what);
        }
}

static void rows_like_fp64(void **state)
{
    static const uint32_t widths[] = {7, 31, 33, 384}, offset[] = {0, 1, 8, 8, 33};
    char text[600];
    for (size_t w = 0; w < COUNT(widths); w++)
        for (int t = 0; t < 2; t++) {
            uint32_t cols = widths[w];
            struct some_rows r = rows_new(offset, 4, 9);
            struct pair x = pair_new(33, cols, TYPE_F32), y = pair_new(33, cols, TYPE_F32), yq = pair_new(33, cols, t ? TYPE_BF16 : TYPE_F32);
            struct pair gain = pair_new(1, cols, TYPE_F32), bias = pair_new(1, cols, TYPE_F32), out = pair_new(4, cols, TYPE_F32);
            struct pair word = pair_new(1, cols * 50, TYPE_F32), place = pair_new(1, cols * 33, TYPE_F32);
            fill(&x, 21, 5);
            fill(&gain, 22, 1);
            fill(&bias, 23, 1);
            fill(&word, 24, 1);
            fill(&place, 25, 1);
            struct norm here = {gain.here.data, bias.here.data, 1e-6f}, there = {gain.there.data, bias.there.data, 1e-6f};
            for (int op = 0; op < 2; op++) {
                struct embedding eh = {word.here.data, place.here.data, t ? bias.here.data : NULL, 50, 33};
                struct embedding et = {word.there.data, place.there.data, t ? bias.there.data : NULL, 50, 33};
                if (set_seed)
                    set_seed(w + (uint64_t)op * 4);
                if (op) {
                    cpu->norm(host_queue, &y.here, &yq.here, &x.here, &here, &r.here);
                    cuda->norm(queue, &y.there, &yq.there, &x.there, &there, &r.there);
                } else {
                    cpu->embed(host_queue, &y.here, &yq.here, &r.here, &eh, &here);
                    cuda->embed(queue, &y.there, &yq.there, &r.there, &et, &there);
                }
                read_back(&y);
                read_back(&yq);
                assert_true(synced(text) || (print_error("%s\n", text), false));
                within(nmse(&y, 33, false), 1e-11, text, op ? "norm" : "embed");
                within(nmse(&yq, 33, true), t ? 1e-5 : 1e-11, text, "its operand");
            }
            for (int how = POOL_MEAN; how <= POOL_SUM_AS_IS; how++) {
                cpu->pool(host_queue, &out.here, &x.here, (enum pooling)how, &r.here);
                cuda->pool(queue, &out.there, &x.there, (enum pooling)how, &r.there);
                read_back(&out);
                assert_true(synced(text) || (print_error("%s\n", text), false));
                within(nmse(&out, 4, false), 1e-11, text, "pool");
            }
            struct pair *all[] = {&x, &y, &yq, &gain, &bias, &out, &word, &place};
            for (size_t i = 0; i < COUNT(all); i++)
                pair_free(all[i]);
            rows_free(&r);
        }
}

static void one_scan(size_t n, size_t dim, uint32_t queries, uint32_t k, bool some)
{
    int8_t *rows = mem_zero(n * dim, 1), *q = mem_zero(queries * dim, 1);
    float *scale = mem_zero(n, sizeof *scale), qscale[SCAN_QUERIES_MAX];
    uint64_t *candidates = mem_zero((n + 5 + 63) / 64, 8);
    struct scan_hit want[SCAN_QUERIES_MAX][256], got[SCAN_QUERIES_MAX][256];
    struct scan_top a[SCAN_QUERIES_MAX], b[SCAN_QUERIES_MAX];
    struct cuda_scan *s;
    struct err e;
    for (size_t i = 0; i < n * dim; i++)
        rows[i] = (int8_t)(127 * number(41, i % (n * dim / 2 + 1))); /* equal rows: ties */
    for (size_t i = 0; i < queries * dim; i++)
        q[i] = (int8_t)(127 * number(42, i));
    for (size_t i = 0; i < n; i++)
        scale[i] = 1 + number(43, i % 3) / 2;
    for (size_t i = 0; i < (n + 5 + 63) / 64; i++)
        candidates[i] = 0xf0f0123456789abcu * (2 * i + 1);
    for (uint32_t i = 0; i < queries; i++) {
        qscale[i] = .1f * (float)(i + 1);
        a[i] = (struct scan_top){want[i], 0, k};
        b[i] = (struct scan_top){got[i], 0, k};
    }
    struct scan_rows r = {rows, scale, n, dim, 5};
    struct scan_queries sq = {q, qscale, queries};
    scan_topk(scan_find("scalar"), &r, some ? candidates : NULL, &sq, a);
    assert_int_equal(cuda_scan_new(&s, dev, &r, &e), 0);
    if (cuda_scan_topk(s, some ? candidates : NULL, &sq, b, &e))
        fail_msg("%s", e.message);
    for (uint32_t i = 0; i < queries; i++) {
        scan_top_sort(&a[i]);
        scan_top_sort(&b[i]);
        assert_int_equal(a[i].n, b[i].n);
        for (uint32_t j = 0; j < a[i].n; j++)
            if (want[i][j].number != got[i][j].number || memcmp(&want[i][j].score, &got[i][j].score, 4))
                fail_msg("scan of %zu x %zu, query %u, place %u: row %u, score %g; want %u, %g", n, dim, i, j, got[i][j].number,
                         (double)got[i][j].score, want[i][j].number, (double)want[i][j].score);
    }
    cuda_scan_free(s);
    free(rows);
    free(q);
    free(scale);
    free(candidates);
}

static void scan_to_the_bit(void **state)
{
    one_scan(1, 64, 1, 10, false);
    one_scan(33, 100, 3, 7, true);
    one_scan(1037, 128, 8, 31, false);
    one_scan(700, 64, 2, 256, true);
    for (uint64_t seed = 0; seed < 8; seed++) {
        if (set_seed)
            set_seed(seed);
        one_scan(600, 64, 5, 33, seed % 2);
    }
}

static void planted_bugs_are_caught(void **state)
{
    static const struct { const char *name, *kernel, *from, *to; int nth; bool attention; } bugs[] = {
        {"missing barrier", "matmul_small", "bar.sync 0;", "", 0, false},
        {"missing barrier", "attention_32", "bar.sync 0;", "", 0, true},
        {"missing wait", "matmul_small", "cp.async.wait_group 1;", "", 0, false},
        {"missing wait", "attention_32", "cp.async.wait_group 0;", "", 0, true},
        {"late wait", "matmul_small", "cp.async.wait_group 1;", "cp.async.wait_group 2;", 0, false},
        {"wrong shuffle mask", "attention_32", ", -1;", ", 65535;", 1, true},
        {"dropped tail", "matmul_small", ", 5;", ", 6;", 1, false}, /* steps = k/32 */
        {"swapped fragment", "matmul_small", "ldmatrix.sync.aligned.m8n8.x4.shared.b16", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", 1, false},
        {"swapped fragment", "attention_32", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", "ldmatrix.sync.aligned.m8n8.x4.shared.b16", 1, true},
    };
    char text[600];
    if (!patch) {
        print_message("kernels of a driver cannot be patched: skipped\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(bugs); i++) {
        patch(bugs[i].kernel, bugs[i].from, bugs[i].to, bugs[i].nth);
        reopen();
        if (!patched())
            fail_msg("%s: nothing to patch in %s", bugs[i].name, bugs[i].kernel);
        double off = bugs[i].attention ? one_attention(TYPE_BF16, 1, 32, sequences, 6, false, TYPE_BF16, text)
                                       : one_matmul(TYPE_BF16, 33, 33, 300, ACT_NONE, false, TYPE_F32, 0, text);
        if (off >= 0 && off <= 1e-5)
            fail_msg("%s in %s was not caught", bugs[i].name, bugs[i].kernel);
        print_message("%s in %s: %s\n", bugs[i].name, bugs[i].kernel, off < 0 ? text : "a wrong result");
    }
    patch(NULL, NULL, NULL, 0);
    reopen();
}

int main(void)
{
    int ready = sides_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_like_fp64), cmocka_unit_test(attention_like_fp64), cmocka_unit_test(rows_like_fp64),
        cmocka_unit_test(scan_to_the_bit),  cmocka_unit_test(planted_bugs_are_caught),
    };
    if (ready)
        return ready;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sides_close();
    return failed;
}

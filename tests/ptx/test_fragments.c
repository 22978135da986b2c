/* mma and ldmatrix, one instruction a kernel, held to where CuTe's traits say that the elements of a fragment lie (fragments.txt,
 * made by tests/parity/fragments.py): matrices of small whole numbers are dealt out to the lanes by those layouts, and what comes
 * back must be their product exactly. On the interpreter or, without CODEASK_LIBCUDA, on a GPU: so both are held to the same. */
#include "tests/ptx/pair.h"

#include "kernels/block/numbers.h"
#include "kernels/cuda/driver.h"

#define LANES 32
#define ELEMENTS_MAX 16 /* of a lane */
#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"

struct layout {
    int values; /* elements of a lane */
    int at[LANES][ELEMENTS_MAX];
};

static struct layout layout_of(const char *instruction, const char *operand)
{
    struct layout l = {0};
    char name[32], which[8];
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/ptx/fragments.txt", "r");
    assert_non_null(f);
    while (fscanf(f, "%31s %7s %d", name, which, &l.values) == 3) {
        assert_in_range(l.values, 1, ELEMENTS_MAX);
        for (int i = 0; i < LANES * l.values; i++)
            assert_int_equal(fscanf(f, "%d", &l.at[i / l.values][i % l.values]), 1);
        if (!strcmp(name, instruction) && !strcmp(which, operand)) {
            fclose(f);
            return l;
        }
    }
    fail_msg("fragments.txt has no %s %s", instruction, operand);
    return l;
}

/* Runs the text's only kernel in one warp: `in` is [lanes, 64 bytes], `out` [lanes, 16 bytes]. */
static void run(const char *text, const char *kernel, const void *in, void *out)
{
    const struct driver *d;
    struct err e;
    char said[600];
    CUmodule module;
    CUfunction f;
    void *from = device_copy(in, (size_t)LANES * 64), *to = device_copy(out, (size_t)LANES * 16);
    struct { void *from, *to; } p = {from, to};
    void *params[] = {&p};
    assert_true(synced(said));
    assert_int_equal(driver_open(&d, &e), 0);
    assert_true(!driver_check(d, d->cuModuleLoadData(&module, text), kernel, &e) || (print_error("%s\n", e.message), false));
    assert_int_equal(d->cuModuleGetFunction(&f, module, kernel), CUDA_SUCCESS);
    assert_int_equal(d->cuLaunchKernel(f, 1, 1, 1, LANES, 1, 1, 0, NULL, params, NULL), CUDA_SUCCESS);
    cuda->get(queue, out, to, (size_t)LANES * 16);
    assert_true(synced(said) || (print_error("%s: %s\n", kernel, said), false));
    (void)d->cuModuleUnload(module);
    cuda->release(dev, from);
    cuda->release(dev, to);
}

/* The parameter: where lanes read 64 bytes each, and where they write 16. */
#define LOADS                                                                                                              \
    ".reg .b64 %p<5>;\n.reg .b32 %r<20>;\n"                                                                               \
    "ld.param.u64 %p0, [both];\nld.param.u64 %p1, [both+8];\nmov.u32 %r0, %tid.x;\n"                                          \
    "mul.wide.u32 %p2, %r0, 64;\nadd.s64 %p2, %p0, %p2;\nmul.wide.u32 %p3, %r0, 16;\nadd.s64 %p3, %p1, %p3;\n"
#define ENTRY(name) HEAD ".visible .entry " name "(\n.param .align 8 .b8 both[16]\n)\n{\n"
#define MMA(name, type, kind, shape, sum)                                                                                  \
    ENTRY(name) LOADS                                                                                                      \
    "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%p2];\nld.global.v4.u32 {%r5, %r6, %r7, %r8}, [%p2+16];\n"                  \
    "ld.global.v4.u32 {%r9, %r10, %r11, %r12}, [%p2+32];\n"                                                               \
    "mma.sync.aligned." shape ".row.col." sum "." type "." type "." sum                                                   \
    " {%r13, %r14, %r15, %r16}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%r9, %r10, %r11, %r12};\n"                            \
    "st.global.v4.u32 [%p3], {%r13, %r14, %r15, %r16};\nret;\n\n}\n"
#define LDMATRIX(name, how)                                                                                                \
    ENTRY(name) ".shared .align 16 .b8 rows[512];\n" LOADS                                                                \
    "mov.u32 %r13, rows;\nshl.b32 %r14, %r0, 4;\nadd.s32 %r13, %r13, %r14;\n"                                             \
    "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%p2];\nst.shared.v4.u32 [%r13], {%r1, %r2, %r3, %r4};\nbar.sync 0;\n"      \
    "ldmatrix.sync.aligned.m8n8.x4" how ".shared.b16 {%r5, %r6, %r7, %r8}, [%r13];\n"                                     \
    "st.global.v4.u32 [%p3], {%r5, %r6, %r7, %r8};\nret;\n\n}\n"

static int small(uint32_t stream, int i)
{
    return (int)(8 * number(stream, (uint64_t)i));
}

/* Elements of 16 or 8 bits into the lanes' registers, `at` bytes into each lane's 64. */
static void deal(uint8_t (*in)[64], size_t at, const struct layout *l, uint32_t stream, int bits, bool f16)
{
    for (int lane = 0; lane < LANES; lane++)
        for (int v = 0; v < l->values; v++) {
            int x = small(stream, l->at[lane][v]);
            uint16_t half = f16 ? f16_from_f32((float)x) : bf16_from_f32((float)x);
            if (bits == 16)
                memcpy(&in[lane][at + 2 * (size_t)v], &half, 2);
            else
                in[lane][at + (size_t)v] = (uint8_t)x;
        }
}

/* k: columns that are multiplied; m is 16 and n is 8. */
static void product(const char *name, const char *text, int k, int bits, bool f16)
{
    struct layout a = layout_of(name, "a"), b = layout_of(name, "b"), c = layout_of(name, "c");
    uint8_t in[LANES][64] = {{0}};
    uint32_t out[LANES][4] = {{0}};
    bool whole = bits == 8;
    assert_int_equal(a.values * LANES, 16 * k);
    assert_int_equal(b.values * LANES, 8 * k);
    deal(in, 0, &a, 1, bits, f16);
    deal(in, 16, &b, 2, bits, f16);
    for (int lane = 0; lane < LANES; lane++)
        for (int v = 0; v < 4; v++) {
            int32_t x = small(3, c.at[lane][v]);
            float f = (float)x;
            memcpy(&in[lane][32 + 4 * (size_t)v], whole ? (void *)&x : (void *)&f, 4);
        }
    run(text, name, in, out);
    for (int lane = 0; lane < LANES; lane++)
        for (int v = 0; v < 4; v++) {
            int at = c.at[lane][v], m = at % 16, n = at / 16, want = small(3, at);
            float f;
            for (int i = 0; i < k; i++)
                want += small(1, m + 16 * i) * small(2, n + 8 * i);
            memcpy(&f, &out[lane][v], 4);
            if (whole ? (int32_t)out[lane][v] != want : f != (float)want)
                fail_msg("%s, lane %d, register %d: %g, want %d", name, lane, v, whole ? (double)(int32_t)out[lane][v] : (double)f, want);
        }
}

static void products_lie_as_cute_says(void **state)
{
    product("mma_bf16", MMA("mma_bf16", "bf16", "", "m16n8k16", "f32"), 16, 16, false);
    product("mma_f16", MMA("mma_f16", "f16", "", "m16n8k16", "f32"), 16, 16, true);
    product("mma_s8", MMA("mma_s8", "s8", "", "m16n8k32", "s32"), 32, 8, false);
}

static void matrices_lie_as_cute_says(void **state)
{
    static const struct { const char *name, *text; } both[] = {
        {"ldmatrix", LDMATRIX("ldmatrix", "")}, {"ldmatrix_trans", LDMATRIX("ldmatrix_trans", ".trans")}};
    for (size_t i = 0; i < COUNT(both); i++) {
        struct layout d = layout_of(both[i].name, "d");
        uint16_t in[LANES][32] = {{0}}, out[LANES][8] = {{0}};
        for (int e = 0; e < LANES * 8; e++)
            in[e / 8][e % 8] = (uint16_t)(1000 + e);
        run(both[i].text, both[i].name, in, out);
        for (int lane = 0; lane < LANES; lane++)
            for (int v = 0; v < 8; v++)
                assert_int_equal(out[lane][v], 1000 + d.at[lane][v]);
    }
}

int main(void)
{
    int ready = sides_open();
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_lie_as_cute_says), cmocka_unit_test(matrices_lie_as_cute_says)};
    if (ready)
        return ready;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sides_close();
    return failed;
}

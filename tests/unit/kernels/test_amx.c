/* The AMX matmul against the reference, on machines without AMX too: there each tile instruction raises SIGILL, and the
 * handler below does what the instruction would have done (Intel SDM volume 2: LDTILECFG, TILELOADD, TILESTORED, TILEZERO,
 * TILERELEASE, TDPBF16PS). So the very code that runs on Sapphire Rapids is tested, operands and configuration included. */
#define _GNU_SOURCE /* names of registers */
#include <stdio.h>

#if !defined(__x86_64__)
int main(void)
{
    puts("not an x86-64 machine");
    return 77;
}
#else
#include "base/mem.h"
#include "kernels/cpu/ops_x86.h"

#include <math.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

static struct {
    uint8_t rows[8];
    uint16_t bytes[8];
    uint8_t data[8][16][64];
    int instructions, configured;
} tiles;

static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

struct decoded {
    unsigned opcode, prefix /* 0 none, 1 66, 2 F3, 3 F2 */, v, mod, reg, rm;
    uint8_t *base; /* of a memory operand, displacement included */
    long index;    /* its index register: the stride of a tile */
    unsigned length;
};

static struct decoded decode(const uint8_t *p, const greg_t *g)
{
    struct decoded d = {0};
    const uint8_t *start = p;
    bool known = p[0] == 0xc4 && (p[1] & 0x1f) == 2; /* VEX.0F38 */
    if (!known)
        abort(); /* another illegal instruction */
    unsigned x = p[1] & 0x40 ? 0 : 8, b = p[1] & 0x20 ? 0 : 8;
    d.v = ~(p[2] >> 3) & 15;
    d.prefix = p[2] & 3;
    d.opcode = p[3];
    d.mod = p[4] >> 6;
    d.reg = p[4] >> 3 & 7;
    d.rm = p[4] & 7;
    p += 5;
    if (d.mod != 3) {
        unsigned base = d.rm | b;
        if (d.rm == 4) {
            unsigned index = (*p >> 3 & 7) | x;
            base = (*p & 7) | b;
            d.index = index == 4 ? 0 : (long)g[gregs[index]] << (*p >> 6);
            p++;
        }
        if (d.mod == 0 && (base & 7) == 5)
            abort(); /* no base register: not used by our code */
        d.base = (uint8_t *)g[gregs[base]];
        if (d.mod == 1) {
            d.base += (int8_t)*p++;
        } else if (d.mod == 2) {
            int32_t displacement;
            memcpy(&displacement, p, 4);
            d.base += displacement;
            p += 4;
        }
    }
    d.length = (unsigned)(p - start);
    return d;
}

static void dot(unsigned c, unsigned a, unsigned b)
{
    for (int m = 0; m < tiles.rows[c]; m++)
        for (int n = 0; n < tiles.bytes[c] / 4; n++) {
            float sum;
            memcpy(&sum, &tiles.data[c][m][4 * n], 4);
            for (int k = 0; k < tiles.bytes[a] / 4; k++)
                for (int i = 0; i < 2; i++) {
                    uint16_t x, y;
                    memcpy(&x, &tiles.data[a][m][4 * k + 2 * i], 2);
                    memcpy(&y, &tiles.data[b][k][4 * n + 2 * i], 2);
                    sum += bf16_to(x) * bf16_to(y);
                }
            memcpy(&tiles.data[c][m][4 * n], &sum, 4);
        }
}

static void on_illegal(int number, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct decoded d = decode((const uint8_t *)g[REG_RIP], g);
    tiles.instructions++;
    if (d.opcode == 0x49 && d.mod != 3) { /* LDTILECFG */
        if (d.base[0] != 1)
            abort();
        for (int t = 0; t < 8; t++) {
            memcpy(&tiles.bytes[t], d.base + 16 + 2 * t, 2);
            tiles.rows[t] = d.base[48 + t];
            if (tiles.bytes[t] > 64 || tiles.rows[t] > 16 || tiles.rows[t] == 0)
                abort();
        }
        tiles.configured = 1;
    } else if (d.opcode == 0x49 && d.prefix == 0) { /* TILERELEASE */
        memset(&tiles.rows, 0, sizeof tiles.rows);
        tiles.configured = 0;
    } else if (!tiles.configured) {
        abort();
    } else if (d.opcode == 0x49) { /* TILEZERO */
        memset(tiles.data[d.reg], 0, sizeof tiles.data[0]);
    } else if (d.opcode == 0x4b) { /* TILELOADD F2, TILESTORED F3 */
        for (int m = 0; m < tiles.rows[d.reg]; m++) {
            if (d.prefix == 3)
                memcpy(tiles.data[d.reg][m], d.base + m * d.index, tiles.bytes[d.reg]);
            else
                memcpy(d.base + m * d.index, tiles.data[d.reg][m], tiles.bytes[d.reg]);
        }
    } else if (d.opcode == 0x5c && d.prefix == 2) { /* TDPBF16PS */
        if (tiles.rows[d.v] != tiles.bytes[d.rm] / 4 || tiles.rows[d.reg] != tiles.rows[d.rm])
            abort(); /* #UD on the real machine */
        dot(d.reg, d.rm, d.v);
    } else {
        abort();
    }
    g[REG_RIP] += d.length;
}

static float number(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    return (float)((double)(z >> 11) / 4503599627370496.0 - 1);
}

static const void *read_weight(void *arg, uint32_t row)
{
    static float values[512];
    uint32_t k = *(uint32_t *)arg;
    for (uint32_t c = 0; c < k; c++)
        values[c] = number(1000000 + (uint64_t)row * k + c);
    return values;
}

/* Rows of blocks whose scales are sane whatever the type: F16 values, or Q4_K with d and dmin = 1/64. */
static const void *block_row(void *arg, uint32_t row)
{
    static uint8_t bytes[4096];
    enum block_type type = *(enum block_type *)arg;
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(128 + 127 * number(9000000 + (uint64_t)row * sizeof bytes + i));
    for (uint32_t i = 0; i + 144 <= sizeof bytes && type == BLOCK_Q4_K; i += 144)
        memcpy(bytes + i, (uint8_t[]){0, 0x24, 0, 0x24}, 4);
    for (uint32_t i = 1; i < sizeof bytes && type == BLOCK_F16; i += 2)
        bytes[i] &= 0xBB; /* below 1 */
    return bytes;
}

static void compare(uint32_t rows, uint32_t n, uint32_t k, enum block_type type)
{
    uint32_t used[2] = {rows, 1}, stride = round_up(k, 64);
    struct rows r = {.used = used, .max_rows = rows, .max_sequences = 1, .longest = rows};
    void *dev;
    struct weight *w;
    struct err e;
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){.isa = "scalar"}, &e), 0);
    struct weight_source from = {.type = type, .row = type == BLOCK_F32 ? read_weight : block_row, .arg = type == BLOCK_F32 ? (void *)&k : &type};
    enum type held = type == BLOCK_F32 ? TYPE_BF16 : backend_cpu.held(dev, type, false);
    assert_int_equal(backend_cpu.weight(dev, &w, held, &(struct weight_shape){.n = n, .k = k}, &from, &e), 0);
    /* exactly as large as they must be, so that a sanitizer sees a read past the end (the handler's reads are seen) */
    uint16_t *xq = mem_zero((size_t)rows * stride, sizeof *xq);
    float *bias = mem_zero(n, sizeof *bias), *want = mem_zero((size_t)rows * n, sizeof *want);
    float *got = mem_zero((size_t)rows * n, sizeof *got);
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t c = 0; c < k; c++)
            xq[(size_t)i * stride + c] = bf16_of(number((uint64_t)i * k + c));
    for (uint32_t c = 0; c < n; c++)
        bias[c] = number(c + 77);
    struct mat x = {.data = xq, .rows = rows, .cols = k, .stride = stride, .type = TYPE_BF16};
    struct mat a = {.data = want, .rows = rows, .cols = n, .stride = n, .type = TYPE_F32}, b = a;
    b.data = got;
    struct matmul how = {.bias = bias, .activation = ACT_GELU};
    scalar_matmul(NULL, &a, &x, w, &how, &r);
    struct cpu_queue queue = {.sums = aligned_alloc(64, AMX_SUMS_BYTES)};
    amx_matmul_bf16(&queue, &b, &x, w, &how, &r);
    free(queue.sums);
    /* other types than bf16 are rounded to it */
    float top = 0;
    for (size_t i = 0; i < (size_t)rows * n; i++)
        top = fmaxf(top, fabsf(want[i]));
    float allowed = type == BLOCK_F32 ? 2e-5f : top / 128;
    for (size_t i = 0; i < (size_t)rows * n; i++)
        if (!(fabsf(got[i] - want[i]) <= allowed))
            fail_msg("[%u, %u, %u] differs at %zu: %g, reference %g", rows, n, k, i, (double)got[i], (double)want[i]);
    assert_false(tiles.configured);
    free(xq);
    free(bias);
    free(want);
    free(got);
    backend_cpu.weight_release(dev, w);
    backend_cpu.close(dev);
}

static void like_reference(void **state)
{
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO}, cmockas;
    if (!x86_has_amx_bf16())
        sigaction(SIGILL, &action, &cmockas);
    static const uint32_t sizes[] = {1, 7, 16, 17, 31, 32, 33, 64, 75};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            compare(sizes[i], sizes[j], sizes[(i + j) % 9], BLOCK_F32);
    compare(33, 64, 384, BLOCK_F32);
    if (x86_has_avx512_bf16()) /* which unpacks the other types */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            compare(sizes[i], sizes[8 - i], 768, BLOCK_Q4_K);
            compare(sizes[i], sizes[8 - i], 11 * sizes[i], BLOCK_F16);
        }
    compare(300, 1100, 512, BLOCK_F32); /* more than a pass of rows, and of panels */
    if (!x86_has_amx_bf16()) {
        sigaction(SIGILL, &cmockas, NULL);
        assert_true(tiles.instructions > 1000); /* it was this handler that computed */
    }
}

int main(void)
{
    if (!x86_has_avx512_vnni()) {
        puts("no AVX-512, which the rest of that code needs");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif

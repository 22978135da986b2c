/* How close the matrix products come to what the core can multiply: each instruction set and operand type over the shapes of
 * a small encoder, beside the peak of the instruction itself, measured in the same run. One JSON object a line.
 *
 * On a machine that others use too, a mean says little: peak and product are measured alternately in windows of a few
 * milliseconds, and the best window of each counts. */
#include "base/clock.h"
#include "kernels/backward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOPS 20000

#if defined(__x86_64__)
#define ALL(insn, r)                                                                                                   \
    insn " %%" r "14,%%" r "15,%%" r "0\n\t" insn " %%" r "14,%%" r "15,%%" r "1\n\t" insn " %%" r "14,%%" r           \
         "15,%%" r "2\n\t" insn " %%" r "14,%%" r "15,%%" r "3\n\t" insn " %%" r "14,%%" r "15,%%" r "4\n\t" insn      \
         " %%" r "14,%%" r "15,%%" r "5\n\t" insn " %%" r "14,%%" r "15,%%" r "6\n\t" insn " %%" r "14,%%" r           \
         "15,%%" r "7\n\t" insn " %%" r "14,%%" r "15,%%" r "8\n\t" insn " %%" r "14,%%" r "15,%%" r "9\n\t" insn      \
         " %%" r "14,%%" r "15,%%" r "10\n\t" insn " %%" r "14,%%" r "15,%%" r "11\n\t"
/* 12 independent sums; registers are cleared first, so that no denormal slows them */
#define PEAK(name, insn, r)                                                                                            \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        int n = LOOPS;                                                                                                 \
        __asm__ volatile("vzeroall\n1:\n\t" ALL(insn, r) "dec %0\n\tjnz 1b"                                            \
                         : "+r"(n)                                                                                     \
                         :                                                                                             \
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",    \
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                                               \
    }
PEAK(peak_fma_ymm, "vfmadd231ps", "ymm")
PEAK(peak_fma_zmm, "vfmadd231ps", "zmm")
PEAK(peak_vnni_ymm, "%{vex%} vpdpbusd", "ymm")
PEAK(peak_vnni_zmm, "vpdpbusd", "zmm")
PEAK(peak_bf16_zmm, "vdpbf16ps", "zmm")
#endif

static const struct row {
    const char *isa;
    enum type type;
    const char *name;
    void (*peak)(void);
    double per_instruction; /* operations: a multiplication and an addition each */
} table[] = {
#if defined(__x86_64__)
    {"avx2", TYPE_F32, "f32", peak_fma_ymm, 16},
    {"avx512", TYPE_F32, "f32", peak_fma_zmm, 32},
    {"avx512", TYPE_BF16, "bf16", peak_bf16_zmm, 64},
    {"avx512", TYPE_Q8, "q8", peak_vnni_zmm, 128},
    {"avxvnni", TYPE_Q8, "q8", peak_vnni_ymm, 64},
    {"avx2", TYPE_Q8, "q8", NULL, 0},
    {"amx", TYPE_BF16, "bf16", NULL, 0},
#elif defined(__aarch64__)
    {"neon", TYPE_F32, "f32", NULL, 0},
    {"neon", TYPE_Q8, "q8", NULL, 0},
#else
    {"scalar", TYPE_F32, "f32", NULL, 0},
#endif
};

static const struct {
    uint32_t n, k;
    enum activation activation;
    bool quantized; /* the result is an operand again */
} shapes[] = {{1152, 384, ACT_NONE, false}, {1536, 384, ACT_GELU, true}, {384, 1536, ACT_NONE, false}};

static const void *constant_row(void *arg, uint32_t row)
{
    static float values[1536];
    uint32_t k = *(uint32_t *)arg;
    for (uint32_t c = 0; c < k; c++)
        values[c] = (float)((row * 31 + c * 17) % 64) / 64 - .5f;
    return values;
}

static struct mat mat_new(void *dev, uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) / 64 * 64, .type = type};
    void *quant;
    if (backend_cpu.memory(dev, &m.data, (size_t)rows * m.stride * 4, NULL) ||
        backend_cpu.memory(dev, &quant, (size_t)rows * m.stride / QUANT_BLOCK * sizeof *m.quant, NULL))
        exit(2);
    m.quant = quant;
    return m;
}

static void measure(const struct row *t, void *dev, void *q, uint32_t rows, size_t s)
{
    uint32_t n = shapes[s].n, k = shapes[s].k, used[2] = {rows, 1};
    struct rows r = {.used = used, .max_rows = rows, .max_sequences = 1, .longest = rows};
    struct mat x = mat_new(dev, rows, k, TYPE_F32), xq = mat_new(dev, rows, k, t->type);
    struct mat y = mat_new(dev, rows, n, shapes[s].quantized ? t->type : TYPE_F32);
    struct mat bias = mat_new(dev, 1, n, TYPE_F32);
    struct weight *w;
    for (size_t i = 0; i < (size_t)rows * x.stride; i++)
        ((float *)x.data)[i] = (float)(i * 37 % 101) / 50 - 1;
    if (backend_cpu.weight(dev, &w, t->type, &(struct weight_shape){.n = n, .k = k},
                           &(struct weight_source){.type = BLOCK_F32, .row = constant_row, .arg = &k}, NULL))
        exit(2);
    backend_cpu.quantize(q, &xq, &x, &r);
    struct matmul how = {.bias = bias.data, .activation = shapes[s].activation};
    double best = 0, peak = 0;
    for (int i = 0; i < 100; i++) {
        int64_t start = clock_ns();
        if (t->peak) {
            t->peak();
            double rate = t->per_instruction * 12 * LOOPS / (double)(clock_ns() - start);
            peak = rate > peak ? rate : peak;
            start = clock_ns();
        }
        backend_cpu.matmul(q, &y, &xq, w, &how, &r);
        double rate = 2.0 * rows * n * k / (double)(clock_ns() - start);
        best = rate > best ? rate : best;
    }
    printf("{\"name\": \"gemm.%s.%s.%ux%ux%u%s\", \"value\": %.1f, \"unit\": \"GOP/s\", \"against\": ", t->isa, t->name, rows, n,
           k, shapes[s].activation ? ".gelu" : "", best);
    if (peak > 0)
        printf("\"peak of the instruction, %.0f GOP/s\", \"ratio\": %.3f, \"goal\": null}\n", peak, best / peak);
    else
        printf("null, \"ratio\": null, \"goal\": null}\n");
    backend_cpu.weight_release(dev, w);
    struct mat *all[] = {&x, &xq, &y, &bias};
    for (size_t i = 0; i < 4; i++) {
        backend_cpu.release(dev, all[i]->data);
        backend_cpu.release(dev, all[i]->quant);
    }
}

/* The gradient of a product by its weights beside the product itself, fp32: as many multiplications. */
static void measure_dw(void *dev, void *q, uint32_t rows, size_t s)
{
    uint32_t n = shapes[s].n, k = shapes[s].k, used[2] = {rows, 1};
    struct rows r = {.used = used, .max_rows = rows, .max_sequences = 1, .longest = rows};
    struct mat x = mat_new(dev, rows, k, TYPE_F32), y = mat_new(dev, rows, n, TYPE_F32), dw = mat_new(dev, n, k, TYPE_F32);
    struct weight *w;
    for (size_t i = 0; i < (size_t)rows * x.stride; i++)
        ((float *)x.data)[i] = (float)(i * 37 % 101) / 50 - 1;
    if (backend_cpu.weight(dev, &w, TYPE_F32, &(struct weight_shape){.n = n, .k = k},
                           &(struct weight_source){.type = BLOCK_F32, .row = constant_row, .arg = &k}, NULL))
        exit(2);
    double best[2] = {0};
    for (int i = 0; i < 100; i++) {
        int64_t start = clock_ns(), between;
        backend_cpu.matmul(q, &y, &x, w, &(struct matmul){0}, &r);
        between = clock_ns();
        backend_cpu.backward->product_dw(q, &dw, &y, &x, 1e-3f, &r);
        double rate[2] = {2.0 * rows * n * k / (double)(between - start), 2.0 * rows * n * k / (double)(clock_ns() - between)};
        for (int j = 0; j < 2; j++)
            best[j] = rate[j] > best[j] ? rate[j] : best[j];
    }
    printf("{\"name\": \"gemm.dw.f32.%ux%ux%u\", \"value\": %.1f, \"unit\": \"GOP/s\", \"against\": \"the product forward, %.0f GOP/s\", \"ratio\": %.3f, "
           "\"goal\": null}\n", rows, n, k, best[1], best[0], best[1] / best[0]);
    backend_cpu.weight_release(dev, w);
    struct mat *all[] = {&x, &y, &dw};
    for (size_t i = 0; i < 3; i++) {
        backend_cpu.release(dev, all[i]->data);
        backend_cpu.release(dev, all[i]->quant);
    }
}

int main(void)
{
    struct bounds b = {.rows = 256, .sequences = 1, .longest = 256, .hidden = 384, .intermediate = 1536, .heads = 12};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        void *dev, *q;
        if (backend_cpu.open(&dev, &(struct device_options){.isa = table[i].isa}, NULL))
            continue; /* not on this machine */
        if (backend_cpu.queue(dev, &b, &q, NULL))
            return 2;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int small = 0; small < 2; small++)
                measure(&table[i], dev, q, small ? 15 : 187, s);
        backend_cpu.queue_close(q);
        backend_cpu.close(dev);
    }
    void *dev, *q;
    if (backend_cpu.open(&dev, &(struct device_options){0}, NULL) || backend_cpu.queue(dev, &b, &q, NULL))
        return 2;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        measure_dw(dev, q, 187, s);
    backend_cpu.queue_close(q);
    backend_cpu.close(dev);
    return 0;
}

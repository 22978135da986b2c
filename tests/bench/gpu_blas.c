#include "tests/bench/gpu_blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* of cublas_api.h and library_types.h, which need not be there */
enum { OP_N = 0, OP_T = 1, R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, ALGORITHM_DEFAULT = -1 };
typedef int (*create_fn)(void **);
typedef int (*gemm_fn)(void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int, const void *, void *,
                       int, int, int, int);
typedef int (*destroy_fn)(void *);
typedef int (*alloc_fn)(uint64_t *, size_t);
typedef int (*free_fn)(uint64_t);
typedef int (*set_fn)(uint64_t, unsigned short, size_t);
typedef int (*sync_fn)(void);

static char reason[200] = "not asked";

static void *open_blas(void)
{
    const char *folder = getenv("CODEASK_CUBLAS");
    char path[400];
    void *lib = NULL;
    static const char *const names[] = {"libcublas.so.13", "libcublas.so", "/usr/local/cuda/lib64/libcublas.so.13"};
    if (folder) {
        snprintf(path, sizeof path, "%s/libcublas.so.13", folder);
        lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names && !lib; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
    return lib;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void find(void *lib, const char *name, void *to)
{
    void *f = lib ? dlsym(lib, name) : NULL;
    memcpy(to, &f, sizeof f);
}

double gpu_blas_seconds(uint32_t rows, uint32_t n, uint32_t k)
{
    create_fn create;
    gemm_fn gemm;
    destroy_fn destroy;
    alloc_fn alloc;
    free_fn release;
    set_fn set;
    sync_fn sync;
    uint64_t x = 0, w = 0, y = 0;
    void *handle = NULL, *lib, *driver;
    float one = 1, zero = 0;
    double best = 0;
    if (getenv("CODEASK_LIBCUDA")) {
        snprintf(reason, sizeof reason, "the device is an interpreter");
        return 0;
    }
    lib = open_blas();
    driver = dlopen("libcuda.so.1", RTLD_NOW);
    find(lib, "cublasCreate_v2", &create);
    find(lib, "cublasGemmEx", &gemm);
    find(lib, "cublasDestroy_v2", &destroy);
    find(driver, "cuMemAlloc_v2", &alloc);
    find(driver, "cuMemFree_v2", &release);
    find(driver, "cuMemsetD16_v2", &set);
    find(driver, "cuCtxSynchronize", &sync);
    if (!create || !gemm || !destroy || !alloc || !release || !set || !sync) {
        snprintf(reason, sizeof reason, "no libcublas.so.13 in the toolkit, nor in Python's nvidia/cu13");
        return 0;
    }
    if (create(&handle) || alloc(&x, (size_t)rows * k * 2) || alloc(&w, (size_t)n * k * 2) || alloc(&y, (size_t)rows * n * 4)) {
        snprintf(reason, sizeof reason, "cuBLAS or its memory cannot be had");
        goto out;
    }
    set(x, 0x3f80, (size_t)rows * k);
    set(w, 0x3f80, (size_t)n * k);
    for (int round = 0; round < 12; round++) {
        double begin = now();
        for (int i = 0; i < 4; i++) /* column-major: yᵀ[n, rows] = w·xᵀ */
            if (gemm(handle, OP_T, OP_N, (int)n, (int)rows, (int)k, &one, (void *)w, R_16BF, (int)k, (void *)x, R_16BF, (int)k, &zero, (void *)y, R_32F,
                     (int)n, COMPUTE_32F, ALGORITHM_DEFAULT)) {
                snprintf(reason, sizeof reason, "cublasGemmEx has refused");
                best = 0;
                goto out;
            }
        sync();
        double took = (now() - begin) / 4;
        best = round && (best <= 0 || took < best) ? took : best;
    }
out:
    if (handle)
        destroy(handle);
    uint64_t all[] = {x, w, y};
    for (int i = 0; i < 3; i++)
        if (all[i])
            release(all[i]);
    return best;
}

void gpu_blas_reason(char *text, size_t size)
{
    snprintf(text, size, "%s", reason);
}

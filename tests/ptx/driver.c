/* The interpreter as libcuda: what kernels/cuda/driver.h asks for, with one device in host memory. Launches run at once; an
 * error of a kernel is reported, and forgotten, at the next wait, with the interpreter's text. */
#include "ptx.h"

#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char message[400]; /* of the error that waits; empty: none */

static struct { char kernel[64], from[200], to[200]; int nth, done; } patch;

void ptx_patch(const char *kernel, const char *from, const char *to, int nth)
{
    memset(&patch, 0, sizeof patch);
    if (!kernel)
        return;
    snprintf(patch.kernel, sizeof patch.kernel, ".entry %s(", kernel);
    snprintf(patch.from, sizeof patch.from, "%s", from);
    snprintf(patch.to, sizeof patch.to, "%s", to);
    patch.nth = nth;
}

int ptx_patched(void)
{
    return patch.done;
}

/* The text with the patch applied, the caller's. */
static char *patched(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    char *at = patch.kernel[0] ? strstr(copy, patch.kernel) : NULL;
    char *end = at ? strstr(at, "\n}\n") : NULL;
    for (int n = 1; at && (at = strstr(at, patch.from)) && at < end; n++) {
        size_t from = strlen(patch.from), to = strlen(patch.to);
        if (patch.nth && n != patch.nth) {
            at += from;
            continue;
        }
        char *grown = malloc(strlen(copy) + to + 1);
        size_t before = (size_t)(at - copy);
        memcpy(grown, copy, before);
        memcpy(grown + before, patch.to, to);
        strcpy(grown + before + to, at + from);
        end = grown + (end - copy) + to - from;
        at = grown + before + to;
        free(copy);
        copy = grown;
        patch.done++;
    }
    return copy;
}

static uint64_t memory_calls, waits, launches, replays;
uint64_t ptx_memory_calls(void) { return memory_calls; }
uint64_t ptx_waits(void) { return waits; }
uint64_t ptx_launches(void) { return launches; }
uint64_t ptx_replays(void) { return replays; }

/* A graph: launches and copies on the device, with their parameters as they were when it was captured. */
struct node {
    const struct kernel *kernel; /* NULL: a copy */
    uint32_t grid[3], threads[3], shared;
    char *params;
    CUdeviceptr to, from;
    size_t bytes;
};
struct CUgraph_st {
    struct node *node;
    size_t n;
    unsigned users; /* the graph and what was instantiated of it */
};
static CUgraph capture; /* NULL: nothing is being captured */
static CUstream capturing;

static void graph_drop(CUgraph g)
{
    if (!g || --g->users)
        return;
    for (size_t i = 0; i < g->n; i++)
        free(g->node[i].params);
    free(g->node);
    free(g);
}

static struct node *captured(CUstream s)
{
    if (!capture || s != capturing)
        return NULL;
    capture->node = realloc(capture->node, (capture->n + 1) * sizeof *capture->node);
    struct node *n = &capture->node[capture->n++];
    memset(n, 0, sizeof *n);
    return n;
}

/* What a driver refuses within a capture, or what would be frozen in the graph: host memory, and a wait. */
static bool refused(CUstream s, const char *what)
{
    if (capture && s == capturing)
        snprintf(message, sizeof message, "%s while the stream is captured", what);
    return capture && s == capturing;
}

CUresult cuInit(unsigned flags) { return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int *v) { *v = 13000; return CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *n) { *n = 1; return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *d, int i) { *d = i; return CUDA_SUCCESS; }
CUresult cuDeviceGetName(char *name, int len, CUdevice d) { snprintf(name, (size_t)len, "PTX interpreter"); return CUDA_SUCCESS; }
CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) { *c = (CUcontext)&patch; return CUDA_SUCCESS; }
CUresult cuDevicePrimaryCtxRelease(CUdevice d) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext c) { return CUDA_SUCCESS; }
CUresult cuStreamCreate(CUstream *s, unsigned flags) { *s = (CUstream)malloc(1); return CUDA_SUCCESS; }
CUresult cuStreamDestroy(CUstream s) { free(s); return CUDA_SUCCESS; }
CUresult cuMemFreeHost(void *p) { memory_calls++; free(p); return CUDA_SUCCESS; }

/* A GiB, or what CODEASK_PTX_MEMORY says in MiB. */
CUresult cuMemGetInfo(size_t *left, size_t *total)
{
    const char *mib = getenv("CODEASK_PTX_MEMORY");
    size_t all = (size_t)(mib ? atoi(mib) : 1024) << 20, taken = global_bytes();
    *total = all;
    *left = all > taken ? all - taken : 0;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d)
{
    *v = a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 8 : a == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT ? 2
         : a == CU_DEVICE_ATTRIBUTE_INTEGRATED ? getenv("CODEASK_PTX_UNIFIED") != NULL : 0;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult code, const char **text)
{
    static char last[400];
    snprintf(last, sizeof last, "%s", code == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : message[0] ? message : "refused");
    *text = last;
    message[0] = 0;
    return CUDA_SUCCESS;
}

CUresult cuMemAlloc(CUdeviceptr *p, size_t bytes)
{
    memory_calls++;
    *p = (CUdeviceptr)(uintptr_t)global_alloc(bytes);
    return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemFree(CUdeviceptr p)
{
    memory_calls++;
    return global_free((void *)(uintptr_t)p) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuMemGetAddressRange(CUdeviceptr *base, size_t *bytes, CUdeviceptr p)
{
    *bytes = global_size((void *)(uintptr_t)p);
    return *bytes ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
CUresult cuMemHostAlloc(void **p, size_t bytes, unsigned flags)
{
    memory_calls++;
    *p = malloc(bytes);
    return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
static CUresult copy(CUdeviceptr device, void *to, const void *from, size_t bytes)
{
    if (bytes && !global_at(device, bytes)) {
        snprintf(message, sizeof message, "a copy of %zu bytes is out of bounds", bytes);
        return CUDA_ERROR_INVALID_VALUE;
    }
    memcpy(to, from, bytes);
    return CUDA_SUCCESS;
}
CUresult cuMemsetD8(CUdeviceptr p, unsigned char v, size_t n)
{
    if (!global_at(p, n))
        return CUDA_ERROR_INVALID_VALUE;
    memset((void *)(uintptr_t)p, v, n);
    return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t n, CUstream s)
{
    if (refused(s, "a copy from the host"))
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return copy(to, (void *)(uintptr_t)to, from, n);
}
CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t n, CUstream s)
{
    if (refused(s, "a copy to the host"))
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return copy(from, to, (const void *)(uintptr_t)from, n);
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s)
{
    if (n && !global_at(from, n)) {
        snprintf(message, sizeof message, "a copy of %zu bytes is out of bounds", n);
        return CUDA_ERROR_INVALID_VALUE;
    }
    struct node *node = captured(s);
    if (node) {
        *node = (struct node){.to = to, .from = from, .bytes = n};
        return CUDA_SUCCESS;
    }
    return copy(to, (void *)(uintptr_t)to, (const void *)(uintptr_t)from, n);
}
CUresult cuStreamSynchronize(CUstream s)
{
    if (refused(s, "a wait"))
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    waits++;
    return message[0] ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
    size_t len;
    const char *text = ptx_in_image(image, &len);
    struct module *m = calloc(1, sizeof *m);
    char *own = text ? patched(text, len) : NULL;
    if (!own || !ptx_parse(m, own, strlen(own), message)) {
        if (!own)
            snprintf(message, sizeof message, "the image holds no PTX");
        free(own);
        ptx_module_free(m);
        free(m);
        return CUDA_ERROR_INVALID_PTX;
    }
    m->text = own;
    *out = (CUmodule)m;
    return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule m)
{
    ptx_module_free((struct module *)m);
    free(m);
    return CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction *f, CUmodule module, const char *name)
{
    struct module *m = (struct module *)module;
    for (uint32_t i = 0; i < m->kernels; i++)
        if (!strcmp(m->kernel[i].name, name)) {
            *f = (CUfunction)&m->kernel[i];
            return CUDA_SUCCESS;
        }
    snprintf(message, sizeof message, "no kernel %s", name);
    return CUDA_ERROR_NOT_FOUND;
}
CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v)
{
    if (a == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
        ((struct kernel *)f)->most_dynamic = (uint32_t)v;
    return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned tx, unsigned ty, unsigned tz, unsigned shared,
                        CUstream s, void **params, void **extra)
{
    const struct kernel *k = (struct kernel *)f;
    struct node *node = captured(s);
    if (node) {
        *node = (struct node){.kernel = k, .grid = {gx, gy, gz}, .threads = {tx, ty, tz}, .shared = shared, .params = malloc(k->params)};
        memcpy(node->params, params[0], k->params);
        return CUDA_SUCCESS;
    }
    launches++;
    if (!message[0])
        (void)ptx_launch(k, (uint32_t[]){gx, gy, gz}, (uint32_t[]){tx, ty, tz}, shared, params[0], message);
    return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture(CUstream s, CUstreamCaptureMode mode)
{
    if (capture || mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        return CUDA_ERROR_ILLEGAL_STATE;
    capture = calloc(1, sizeof *capture);
    capture->users = 1;
    capturing = s;
    return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream s, CUgraph *out)
{
    if (!capture || s != capturing)
        return CUDA_ERROR_ILLEGAL_STATE;
    *out = capture;
    capture = NULL;
    return message[0] ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}
CUresult cuGraphInstantiate(CUgraphExec *out, CUgraph g, unsigned long long flags)
{
    memory_calls++; /* the driver lays the graph's nodes on the device */
    g->users++;
    *out = (CUgraphExec)g;
    return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph g) { graph_drop(g); return CUDA_SUCCESS; }
CUresult cuGraphExecDestroy(CUgraphExec g) { memory_calls++; graph_drop((CUgraph)g); return CUDA_SUCCESS; }
CUresult cuGraphLaunch(CUgraphExec exec, CUstream s)
{
    CUgraph g = (CUgraph)exec;
    if (refused(s, "a graph"))
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    replays++;
    for (size_t i = 0; i < g->n && !message[0]; i++) {
        const struct node *n = &g->node[i];
        if (n->kernel)
            (void)ptx_launch(n->kernel, n->grid, n->threads, n->shared, n->params, message);
        else if (global_at(n->to, n->bytes) && global_at(n->from, n->bytes))
            memcpy((void *)(uintptr_t)n->to, (void *)(uintptr_t)n->from, n->bytes);
        else
            snprintf(message, sizeof message, "a copy of %zu bytes is out of bounds", n->bytes);
    }
    return CUDA_SUCCESS;
}

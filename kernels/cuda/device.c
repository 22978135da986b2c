/* The CUDA row of the backend table: opening the device, memory. */
#include "base/mem.h"
#include "kernels/cuda/cuda.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST 80 /* sm_80: bf16 mma, cp.async */

void cuda_use(const struct cuda_device *d)
{
    (void)d->driver->cuCtxSetCurrent(d->context); /* what comes next reports a context that is lost */
}

static int load_kernels(struct cuda_device *d, struct err *e)
{
    static const struct {
        const char *name;
        enum cuda_image image;
        int shared;
    } rows[KERNEL_COUNT] = {
#define X(file, function, threads, shared) {#function, IMAGE_##file, shared},
        CUDA_KERNELS(X)
#undef X
    };
    int rc = 0;
    for (int i = 0; i < IMAGE_COUNT && !rc; i++)
        rc = driver_check(d->driver, d->driver->cuModuleLoadData(&d->module[i], cuda_images[i]), "loading kernels", e);
    for (int i = 0; i < KERNEL_COUNT && !rc; i++) {
        rc = driver_check(d->driver, d->driver->cuModuleGetFunction(&d->kernel[i], d->module[rows[i].image], rows[i].name),
                          rows[i].name, e);
        if (!rc && rows[i].shared)
            rc = driver_check(d->driver, d->driver->cuFuncSetAttribute(d->kernel[i],
                                             CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, rows[i].shared),
                              rows[i].name, e);
    }
    return rc;
}

static int attribute(struct cuda_device *d, CUdevice_attribute a)
{
    int v = 0;
    return d->driver->cuDeviceGetAttribute(&v, a, d->device) == CUDA_SUCCESS ? v : 0;
}

static int find_device(struct cuda_device *d, int index, struct err *e)
{
    const struct driver *v = d->driver;
    int count = 0, version = 0;
    CUresult code = v->cuInit(0);
    if (code == CUDA_ERROR_NO_DEVICE || (code == CUDA_SUCCESS && v->cuDeviceGetCount(&count) == CUDA_SUCCESS && !count))
        return err_set(e, ERR_UNSUPPORTED, "the NVIDIA driver finds no GPU");
    if (code != CUDA_SUCCESS) {
        int rc = driver_check(v, code, "starting the driver", e);
        err_hint(e, "nvidia-smi says whether the driver works");
        return rc;
    }
    if (index < 0 || index >= count)
        return err_set(e, ERR_UNSUPPORTED, "no GPU %d, the machine has %d", index, count);
    int rc = driver_check(v, v->cuDeviceGet(&d->device, index), "device", e);
    if (rc)
        return rc;
    int sm = 10 * attribute(d, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
             attribute(d, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    char name[40] = "GPU";
    (void)v->cuDeviceGetName(name, sizeof name, d->device);
    (void)v->cuDriverGetVersion(&version);
    if (sm < OLDEST)
        return err_set(e, ERR_UNSUPPORTED, "%s is sm_%d, the kernels need sm_%d", name, sm, OLDEST);
    if (version < 13000)
        return err_set(e, ERR_UNSUPPORTED, "the driver of %s serves CUDA %d.%d, the kernels need 13.0", name, version / 1000,
                       version % 1000 / 10);
    d->processors = attribute(d, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    snprintf(d->info.provider, sizeof d->info.provider, "cuda %s sm_%d", name, sm);
    return 0;
}

static void cuda_close(void *dev)
{
    struct cuda_device *d = dev;
    if (d == NULL)
        return;
    if (d->context) {
        cuda_use(d);
        for (int i = 0; i < IMAGE_COUNT; i++)
            if (d->module[i])
                (void)d->driver->cuModuleUnload(d->module[i]);
        (void)d->driver->cuDevicePrimaryCtxRelease(d->device);
    }
    free(d);
}

static int cuda_open(void **out, const struct device_options *o, struct err *e)
{
    const struct driver *driver;
    int rc = driver_open(&driver, e);
    if (rc)
        return rc;
    struct cuda_device *d = mem_zero(1, sizeof *d);
    d->driver = driver;
    d->info.fast = TYPE_BF16;
    d->info.exact = TYPE_F32;
    d->info.fast_qkv = TYPE_BF16;
    d->info.batch_rows = BATCH_ROWS;
    rc = find_device(d, o ? o->index : 0, e);
    if (!rc)
        rc = driver_check(driver, driver->cuDevicePrimaryCtxRetain(&d->context, d->device), "context", e);
    if (!rc) {
        cuda_use(d);
        rc = load_kernels(d, e);
    }
    if (rc)
        cuda_close(d);
    else
        *out = d;
    return rc;
}

static const struct device_info *cuda_info(void *dev)
{
    return &((struct cuda_device *)dev)->info;
}

/* Bytes of an allocation as the driver counts them, which may be more than were asked for. */
static uint64_t size_of(const struct cuda_device *d, CUdeviceptr at, uint64_t asked)
{
    size_t bytes;
    return d->driver->cuMemGetAddressRange(NULL, &bytes, at) == CUDA_SUCCESS ? bytes : asked;
}

/* The bytes are held, unless they were more than may be. */
static bool hold(struct cuda_device *d, uint64_t bytes)
{
    uint64_t held = atomic_fetch_add(&d->held, bytes) + bytes, most = atomic_load(&d->most);
    if (!most || held <= most)
        return true;
    atomic_fetch_sub(&d->held, bytes);
    return false;
}

int cuda_memory(void *dev, void **p, size_t bytes, struct err *e)
{
    struct cuda_device *d = dev;
    CUdeviceptr at = 0;
    char what[64];
    bytes = (bytes + 256) / 256 * 256; /* never empty */
    snprintf(what, sizeof what, "%zu bytes of memory", bytes);
    if (!hold(d, bytes)) {
        err_set(e, ERR_MEMORY, "GPU: %zu MB more than the %llu MB that are held would exceed the budget of %llu MB", bytes >> 20,
                (unsigned long long)atomic_load(&d->held) >> 20, (unsigned long long)atomic_load(&d->most) >> 20);
        err_hint(e, "raise gpu_memory, or use a smaller model");
        return ERR_MEMORY;
    }
    cuda_use(d);
    int rc = driver_check(d->driver, d->driver->cuMemAlloc(&at, bytes), what, e);
    if (!rc)
        rc = driver_check(d->driver, d->driver->cuMemsetD8(at, 0, bytes), what, e);
    if (!rc) /* of the null stream: the queues' streams wait for none, so that what others do there disturbs no recording (graph.c) */
        rc = driver_check(d->driver, d->driver->cuStreamSynchronize(NULL), what, e);
    if (rc && at)
        (void)d->driver->cuMemFree(at);
    if (rc) {
        atomic_fetch_sub(&d->held, bytes);
        return rc;
    }
    atomic_fetch_add(&d->held, size_of(d, at, bytes) - bytes);
    *p = (void *)(uintptr_t)at;
    return 0;
}

void cuda_release(void *dev, void *p)
{
    struct cuda_device *d = dev;
    CUdeviceptr at = (CUdeviceptr)(uintptr_t)p;
    if (p == NULL)
        return;
    cuda_use(d);
    atomic_fetch_sub(&d->held, size_of(d, at, 0));
    (void)d->driver->cuMemFree(at); /* a lost context keeps nothing */
}

static int cuda_room(void *dev, struct device_room *out, struct err *e)
{
    struct cuda_device *d = dev;
    size_t left = 0, total = 0;
    cuda_use(d);
    int rc = driver_check(d->driver, d->driver->cuMemGetInfo(&left, &total), "free memory", e);
    if (rc)
        return rc;
    *out = (struct device_room){.total = total, .free = left, .held = atomic_load(&d->held),
                                .unified = attribute(d, CU_DEVICE_ATTRIBUTE_INTEGRATED) != 0};
    return 0;
}

static void cuda_limit(void *dev, uint64_t bytes)
{
    atomic_store(&((struct cuda_device *)dev)->most, bytes);
}

static int cuda_plan(void *dev, const struct bounds *b, size_t *scratch, struct err *e)
{
    if (b->heads == 0 || b->hidden % b->heads != 0 || b->longest > 1u << 20 || b->hidden > 1u << 20)
        return err_set(e, ERR_UNSUPPORTED, "%u heads over a width of %u, sequences of %u", b->heads, b->hidden, b->longest);
    if (b->hidden / b->heads > 256 && b->heads > 1)
        return err_set(e, ERR_UNSUPPORTED, "heads of %u columns; the GPU's attention knows 256", b->hidden / b->heads);
    *scratch = b->rows > 1 ? AT_SCRATCH : 0; /* staging is host memory */
    return 0;
}

int cuda_queue_open(void *dev, const struct bounds *b, void **out, struct err *e)
{
    struct cuda_device *d = dev;
    size_t scratch;
    int rc = cuda_plan(dev, b, &scratch, e);
    if (rc)
        return rc;
    struct cuda_queue *q = mem_zero(1, sizeof *q);
    void *staging = NULL;
    q->dev = d;
    q->bounds = *b;
    cuda_use(d);
    rc = driver_check(d->driver, d->driver->cuStreamCreate(&q->stream, CU_STREAM_NON_BLOCKING), "stream", e);
    if (!rc)
        rc = driver_check(d->driver, d->driver->cuMemHostAlloc(&staging, STAGING_BYTES, 0), "pinned host memory", e);
    q->staging = staging;
    if (!rc && scratch) {
        void *part;
        rc = cuda_memory(dev, &part, scratch, e);
        q->part = rc ? NULL : part;
    }
    if (rc)
        cuda_queue_close(q);
    else
        *out = q;
    return rc;
}

void cuda_queue_close(void *queue)
{
    struct cuda_queue *q = queue;
    if (q == NULL)
        return;
    const struct driver *v = q->dev->driver;
    cuda_use(q->dev);
    if (q->stream) {
        (void)v->cuStreamSynchronize(q->stream);
        (void)v->cuStreamDestroy(q->stream);
    }
    if (q->staging)
        (void)v->cuMemFreeHost(q->staging);
    cuda_release(q->dev, q->part);
    free(q);
}

const struct backend backend_cuda = {
    .name = "cuda",
    .exact_rows = 8, /* what the kernels for few rows take at once */
    .write_rows = 64, /* reading the weights costs the same for all of them; graphs are recorded up to there */
    .open = cuda_open,
    .close = cuda_close,
    .info = cuda_info,
    .memory = cuda_memory,
    .release = cuda_release,
    .room = cuda_room,
    .limit = cuda_limit,
    .held = cuda_held,
    .operand = cuda_operand,
    .weight = cuda_weight,
    .weight_release = cuda_weight_release,
    .weight_bytes = cuda_weight_bytes,
    .plan = cuda_plan,
    .queue = cuda_queue_open,
    .queue_close = cuda_queue_close,
    .put = cuda_put,
    .get = cuda_get,
    .embed = cuda_embed,
    .embed_rows = cuda_embed_rows,
    .quantize = cuda_quantize,
    .gather = cuda_gather,
    .matmul = cuda_matmul,
    .attention = cuda_attention,
    .norm = cuda_norm,
    .pool = cuda_pool,
    CUDA_DECODE_OPS,
    .sync = cuda_sync,
};

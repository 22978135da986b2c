/* One stream: copies through pinned memory, launches, the first error. */
#include "kernels/cuda/cuda.h"

#include <string.h>

bool queue_failed(struct cuda_queue *q, CUresult code, const char *what)
{
    if (!q->first.code)
        (void)driver_check(q->dev->driver, code, what, &q->first);
    return q->first.code != 0;
}

bool plain_type(struct cuda_queue *q, const struct mat *m, const char *what)
{
    if (!m || m->type == TYPE_F32 || m->type == TYPE_BF16)
        return true;
    if (!q->first.code)
        err_set(&q->first, ERR_UNSUPPORTED, "GPU: %s of type %d", what, (int)m->type);
    return false;
}

struct cuda_queue *ready(void *queue, const struct mat *a, const struct mat *b, const struct mat *c)
{
    struct cuda_queue *q = queue;
    if (q->first.code)
        return NULL;
    if ((a && a->type != TYPE_F32) || (b && b->type != TYPE_F32) || (c && c->type != TYPE_F32)) {
        err_set(&q->first, ERR_INTERNAL, "an op of decoders over rows that are not fp32");
        return NULL;
    }
    return q;
}

void cuda_copy(void *queue, void *to, const void *from, size_t bytes)
{
    struct cuda_queue *q = ready(queue, NULL, NULL, NULL);
    if (!q)
        return;
    cuda_use(q->dev);
    queue_failed(q, q->dev->driver->cuMemcpyDtoDAsync((CUdeviceptr)(uintptr_t)to, (CUdeviceptr)(uintptr_t)from, bytes, q->stream),
                 "copy on the device");
}

/* What a graph would freeze, or cannot hold. */
static bool while_recording(struct cuda_queue *q, const char *what)
{
    if (q->recording && !q->first.code)
        err_set(&q->first, ERR_INTERNAL, "GPU: %s in a recorded step", what);
    return q->recording;
}

void cuda_put(void *queue, void *to, const void *host, size_t bytes)
{
    struct cuda_queue *q = queue;
    const struct driver *v = q->dev->driver;
    if (while_recording(q, "a copy from the host"))
        return;
    cuda_use(q->dev);
    for (size_t at = 0; at < bytes && !q->first.code;) {
        if (q->staged == STAGING_BYTES) { /* weights only: a step's data fit many times over */
            if (queue_failed(q, v->cuStreamSynchronize(q->stream), "copy to the device"))
                return;
            q->staged = 0;
        }
        size_t n = bytes - at < STAGING_BYTES - q->staged ? bytes - at : STAGING_BYTES - q->staged;
        memcpy(q->staging + q->staged, (const char *)host + at, n);
        queue_failed(q, v->cuMemcpyHtoDAsync((CUdeviceptr)(uintptr_t)to + at, q->staging + q->staged, n, q->stream),
                     "copy to the device");
        q->staged += n;
        at += n;
    }
}

/* Straight into pageable memory: the driver waits for the stream, which sync() would do next in any case. */
void cuda_get(void *queue, void *host, const void *from, size_t bytes)
{
    struct cuda_queue *q = queue;
    if (q->first.code || while_recording(q, "a copy to the host"))
        return;
    cuda_use(q->dev);
    queue_failed(q, q->dev->driver->cuMemcpyDtoHAsync(host, (CUdeviceptr)(uintptr_t)from, bytes, q->stream),
                 "copy from the device");
}

int cuda_sync(void *queue, struct err *e)
{
    struct cuda_queue *q = queue;
    cuda_use(q->dev);
    if (!while_recording(q, "a wait"))
        queue_failed(q, q->dev->driver->cuStreamSynchronize(q->stream), "running kernels");
    q->staged = 0;
    int code = q->first.code;
    if (code && e)
        *e = q->first;
    q->first.code = 0;
    return code;
}

void launch3(struct cuda_queue *q, enum cuda_kernel k, const uint32_t grid[3], uint32_t shared, const void *params)
{
    static const struct {
        const char *name;
        unsigned threads;
    } rows[KERNEL_COUNT] = {
#define X(file, function, threads, most) {#function, threads},
        CUDA_KERNELS(X)
#undef X
    };
    void *list[] = {(void *)(uintptr_t)params};
    if (q->first.code || !grid[0] || !grid[1] || !grid[2])
        return;
    cuda_use(q->dev);
    queue_failed(q, q->dev->driver->cuLaunchKernel(q->dev->kernel[k], grid[0], grid[1], grid[2], rows[k].threads, 1, 1, shared,
                                                   q->stream, list, NULL), rows[k].name);
}

void launch(struct cuda_queue *q, enum cuda_kernel k, uint32_t x, uint32_t y, uint32_t shared, const void *params)
{
    launch3(q, k, (uint32_t[]){x, y, 1}, shared, params);
}

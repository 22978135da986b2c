#include "kernels/cuda/scan.h"
#include "base/mem.h"
#include "kernels/cuda/cuda.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cuda_scan {
    struct cuda_device *dev;
    void *queue;
    uint64_t n;
    uint32_t dim, stride, first;
    uint32_t blocks;
    size_t bytes;
    void *memory[6]; /* what is below, to release */
    int8_t *rows, *query;
    float *scale, *query_scale;
    uint64_t *candidates; /* a bit for each number below first + n */
    struct hit *hits;     /* [blocks, SCAN_Q, SCAN_K_MAX], then the merged [SCAN_Q, SCAN_K_MAX] */
};

static_assert(CUDA_SCAN_K_MAX == SCAN_K_MAX && SCAN_QUERIES_MAX == SCAN_Q, "the kernel's sizes");
static_assert(sizeof(struct hit) == sizeof(struct scan_hit), "a hit is a hit");

static size_t candidate_words(const struct cuda_scan *s)
{
    return (s->first + s->n + 63) / 64;
}

static int take(struct cuda_scan *s, int i, size_t bytes, struct err *e)
{
    s->bytes += bytes;
    return cuda_memory(s->dev, &s->memory[i], bytes, e);
}

static int allocate(struct cuda_scan *s, struct err *e)
{
    const size_t hits = ((size_t)s->blocks + 1) * SCAN_Q * SCAN_K_MAX * sizeof(struct hit);
    int rc = take(s, 0, s->n * s->stride, e);
    if (!rc)
        rc = take(s, 1, s->n * sizeof *s->scale, e);
    if (!rc)
        rc = take(s, 2, (size_t)SCAN_Q * s->stride, e);
    if (!rc)
        rc = take(s, 3, SCAN_Q * sizeof *s->query_scale, e);
    if (!rc)
        rc = take(s, 4, candidate_words(s) * 8, e);
    if (!rc)
        rc = take(s, 5, hits, e);
    s->rows = s->memory[0];
    s->scale = s->memory[1];
    s->query = s->memory[2];
    s->query_scale = s->memory[3];
    s->candidates = s->memory[4];
    s->hits = s->memory[5];
    return rc;
}

int cuda_scan_new(struct cuda_scan **out, void *dev, const struct scan_rows *r, struct err *e)
{
    struct bounds b = {.rows = 1, .sequences = 1, .longest = 1, .hidden = 1, .intermediate = 1, .heads = 1};
    if (r->dim == 0 || r->dim > SCAN_DIM_MAX || r->n > UINT32_MAX - r->first)
        return err_set(e, ERR_UNSUPPORTED, "a scan of %zu rows of %zu columns", r->n, r->dim);
    struct cuda_scan *s = mem_zero(1, sizeof *s);
    s->dev = dev;
    s->n = r->n;
    s->dim = (uint32_t)r->dim;
    s->stride = round_up(s->dim, 64);
    s->first = r->first;
    /* two blocks a processor (their 34 KiB of pools leave room for more on large ones): enough loads on their way */
    uint64_t passes = (s->n + SCAN_PASS - 1) / SCAN_PASS, most = 2 * (uint64_t)s->dev->processors;
    s->blocks = (uint32_t)(passes < most ? passes : most);
    int rc = cuda_queue_open(dev, &b, &s->queue, e);
    if (!rc)
        rc = allocate(s, e);
    if (!rc && s->stride == s->dim) {
        cuda_put(s->queue, s->rows, r->q, s->n * s->stride);
    } else if (!rc) {
        for (size_t i = 0; i < s->n; i++)
            cuda_put(s->queue, s->rows + i * s->stride, r->q + i * s->dim, s->dim);
    }
    if (!rc) {
        cuda_put(s->queue, s->scale, r->scale, s->n * sizeof *r->scale);
        rc = cuda_sync(s->queue, e);
    }
    if (rc)
        cuda_scan_free(s);
    else
        *out = s;
    return rc;
}

void cuda_scan_free(struct cuda_scan *s)
{
    if (s == NULL)
        return;
    cuda_queue_close(s->queue);
    for (size_t i = 0; i < sizeof s->memory / sizeof *s->memory; i++)
        cuda_release(s->dev, s->memory[i]);
    free(s);
}

size_t cuda_scan_bytes(const struct cuda_scan *s)
{
    return s->bytes;
}

static void push_all(struct scan_top *top, const struct hit *h, uint32_t k)
{
    for (uint32_t i = 0; i < k && h[i].score > -INFINITY; i++)
        scan_top_push(top, (struct scan_hit){h[i].score, h[i].number});
}

int cuda_scan_topk(struct cuda_scan *s, const uint64_t *candidates, const struct scan_queries *q, struct scan_top *top,
                   struct err *e)
{
    uint32_t k = 0, n = (uint32_t)q->n;
    for (uint32_t i = 0; i < n; i++)
        k = top[i].k > k ? top[i].k : k;
    if (k > SCAN_K_MAX || n > SCAN_Q)
        return err_set(e, ERR_LIMIT, "a scan on the GPU for %u queries and the best %u; %d and %d are the most", n, k, SCAN_Q,
                       SCAN_K_MAX);
    if (!s->n || !n)
        return 0;
    struct hit *merged = s->hits + (size_t)s->blocks * SCAN_Q * SCAN_K_MAX;
    struct hit *host = mem_alloc((size_t)n * k * sizeof *host);
    for (uint32_t i = 0; i < n; i++)
        cuda_put(s->queue, s->query + (size_t)i * s->stride, q->q + i * s->dim, s->dim);
    cuda_put(s->queue, s->query_scale, q->scale, n * sizeof *q->scale);
    if (candidates)
        cuda_put(s->queue, s->candidates, candidates, candidate_words(s) * 8);
    struct scan_params p = {
        .rows = s->rows, .scale = s->scale, .candidates = candidates ? s->candidates : NULL, .query = s->query,
        .query_scale = s->query_scale, .out = s->hits, .n = s->n, .stride = s->stride, .queries = n, .k = k, .first = s->first,
    };
    struct merge_params m = {.in = s->hits, .out = merged, .lists = s->blocks, .queries = n, .k = k};
    launch(s->queue, KERNEL_scan, s->blocks, 1, SCAN_Q * (s->stride + 64 + s->stride % 128), &p);
    launch(s->queue, KERNEL_scan_merge, n, 1, 0, &m);
    cuda_get(s->queue, host, merged, (size_t)n * k * sizeof *host);
    int rc = cuda_sync(s->queue, e);
    for (uint32_t i = 0; i < n && !rc; i++)
        push_all(&top[i], host + (size_t)i * k, k);
    free(host);
    return rc;
}

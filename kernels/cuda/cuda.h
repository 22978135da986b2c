/* Private to kernels/cuda: device, queue and weight of the CUDA backend. Everything here is plain C over the driver's own
 * interface; CUDA C++ is in the .cu files alone, which hold kernels alone. */
#ifndef CODEASK_KERNELS_CUDA_CUDA_H
#define CODEASK_KERNELS_CUDA_CUDA_H

#include "kernels/backends.h"
#include "kernels/cuda/driver.h"
#include "kernels/cuda/images.h"
#include "kernels/cuda/decode_params.h"

/* Pinned host memory of a queue, through which everything goes to the device: the GPU reads pageable memory slowly, and not
 * before the call returns. A step's tokens and offsets are a few hundred KiB; larger weights go in pieces. */
#define STAGING_BYTES ((size_t)4 << 20)
/* Rows of a micro-batch: about 80 MB of buffers for a width of 384, and enough tiles of 128×128 for the largest GPUs. */
#define BATCH_ROWS 8192

/* Shared by threads; never changed after open, but for `most` and `held`. */
struct cuda_device {
    const struct driver *driver;
    struct device_info info;
    CUdevice device;
    CUcontext context; /* the device's primary one, which libraries of the CUDA runtime use too */
    int processors;
    _Atomic uint64_t most; /* bytes that may be held; 0: what there is */
    _Atomic uint64_t held; /* of cuda_memory */
    CUmodule module[IMAGE_COUNT];
    CUfunction kernel[KERNEL_COUNT];
};

struct cuda_queue {
    struct cuda_device *dev;
    struct bounds bounds;
    struct err first; /* code 0: none */
    bool recording;   /* ops go into a graph (graph.c) */
    CUstream stream;
    char *staging;    /* [STAGING_BYTES], pinned; the first `staged` bytes may be in use by copies on their way */
    size_t staged;
    float *part;      /* device, [AT_SCRATCH bytes]: partial sums of attend; NULL in a queue of one row, which loads weights */
};

static inline uint32_t div_up(uint32_t n, uint32_t by) { return (n + by - 1) / by; }
static inline uint32_t round_up(uint32_t n, uint32_t to) { return div_up(n, to) * to; }

/* This thread works with that device from now on. */
void cuda_use(const struct cuda_device *d);
/* true: the queue has an error, ops do nothing. */
bool queue_failed(struct cuda_queue *q, CUresult code, const char *what);
/* Hands one kernel to the queue's stream; params: its struct of params.h. */
void launch(struct cuda_queue *q, enum cuda_kernel k, uint32_t x, uint32_t y, uint32_t shared, const void *params);
void launch3(struct cuda_queue *q, enum cuda_kernel k, const uint32_t grid[3], uint32_t shared, const void *params);
/* false, and the queue's error: the matrix is of a type that no kernel here reads or writes. */
bool plain_type(struct cuda_queue *q, const struct mat *m, const char *what);
/* The queue, or NULL where it has failed already or a matrix (any may be NULL) is not fp32. */
struct cuda_queue *ready(void *queue, const struct mat *a, const struct mat *b, const struct mat *c);

int cuda_memory(void *dev, void **p, size_t bytes, struct err *e);
void cuda_release(void *dev, void *p);
int cuda_queue_open(void *dev, const struct bounds *b, void **q, struct err *e);
void cuda_queue_close(void *q);
void cuda_put(void *q, void *to, const void *host, size_t bytes);
void cuda_get(void *q, void *host, const void *from, size_t bytes);
int cuda_sync(void *q, struct err *e);

enum type cuda_held(void *dev, enum block_type file, bool exact);
enum type cuda_operand(void *dev, enum type held, uint32_t rows);
int cuda_weight(void *dev, struct weight **w, enum type type, const struct weight_shape *shape, const struct weight_source *from,
                struct err *e);
void cuda_weight_release(void *dev, struct weight *w);
size_t cuda_weight_bytes(const struct weight *w);

/* The ops, each beside its kernel: <op>.c and <op>.cu. */
void cuda_embed(void *q, struct mat *y, struct mat *yq, const struct rows *r, const struct embedding *t, const struct norm *n);
void cuda_quantize(void *q, struct mat *xq, const struct mat *x, const struct rows *r);
void cuda_matmul(void *q, struct mat *y, const struct mat *x, const struct weight *w, const struct matmul *how,
                 const struct rows *r);
void cuda_attention(void *q, struct mat *y, const struct mat *qkv, const struct attention *how, const struct rows *r);
void cuda_norm(void *q, struct mat *y, struct mat *yq, const struct mat *x, const struct norm *n, const struct rows *r);
void cuda_pool(void *q, struct mat *y, const struct mat *x, enum pooling how, const struct rows *r);
void cuda_embed_rows(void *q, struct mat *y, const struct weight *w, float scale, const struct rows *r);

/* Those of decoders: prepare.c, attend.c, route.c, delta.c, draw.c, small.c. */
void cuda_gather(void *q, struct mat *y, const struct mat *x, const uint32_t *from, const uint32_t *used);
void cuda_prepare(void *q, struct mat *qkv, const struct prepare *how, const struct cache *c, const struct pages *p, const struct rows *r);
void cuda_attend(void *q, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                 const struct pages *p, const struct rows *r);
void cuda_glu(void *q, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how, const struct rows *r);
void cuda_route(void *q, struct slots *s, const struct mat *logits, const struct route *how, const struct rows *r);
void cuda_combine(void *q, struct mat *y, const struct mat *x, const struct slots *s, const struct rows *r);
void cuda_delta(void *q, struct mat *y, const struct mat *x, const struct delta *how, const struct states *s, const struct rows *r);
void cuda_add(void *q, struct mat *y, const struct mat *x, const struct mat *gate, const struct rows *r);
void cuda_columns(void *q, struct mat *y, uint32_t to, uint32_t to_step, const struct mat *x, uint32_t from, uint32_t from_step,
                  uint32_t heads, uint32_t n, const struct rows *r);
void cuda_draw(void *q, struct draw_out *out, struct mat *logits, const struct draw_row *row, const struct draw_said *said,
               const struct rows *r);
void cuda_softcap(void *q, struct mat *y, float cap, const struct rows *r);
void cuda_copy(void *q, void *to, const void *from, size_t bytes);
#define CUDA_DECODE_OPS                                                                                                \
    .prepare = cuda_prepare, .attend = cuda_attend, .glu = cuda_glu, .route = cuda_route, .combine = cuda_combine,     \
    .delta = cuda_delta, .add = cuda_add, .columns = cuda_columns, .softcap = cuda_softcap, .copy = cuda_copy, .draw = cuda_draw

/* Keys and values of a layer as kernels see them; c NULL: none. */
static inline struct cache_view cache_view(const struct cache *c, const struct pages *p)
{
    if (!c)
        return (struct cache_view){0};
    return (struct cache_view){c->k, c->v, c->k_scale, c->v_scale, p->table, p->stride, (int32_t)c->type, c->heads, c->k_dim, c->v_dim};
}

#endif

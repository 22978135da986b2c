/* Keys and values: their way into the cache, and attention over it. */
#include "kernels/cuda/cuda.h"

#include <assert.h>

static_assert(AT_GROUP == ATTENTION_KEYS && AT_PAGE == CACHE_PAGE && (int)CACHE_F32 == 0 && (int)CACHE_F16 == 1 && (int)CACHE_Q8 == 2,
              "the kernels' names");

void cuda_prepare(void *queue, struct mat *qkv, const struct prepare *how, const struct cache *c, const struct pages *p,
                  const struct rows *r)
{
    struct cuda_queue *q = ready(queue, qkv, NULL, NULL);
    if (!q)
        return;
    if (how->k_dim > HEAD_MAX || how->v_dim > HEAD_MAX || how->rope.first + how->rope.dims > how->k_dim) {
        err_set(&q->first, ERR_INTERNAL, "heads of %u columns of which %u turn", how->k_dim, how->rope.dims);
        return;
    }
    struct prepare_params a = {
        .x = qkv->data, .cache = cache_view(c, p), .q_gain = how->q_gain, .k_gain = how->k_gain, .frequency = how->rope.frequency,
        .used = r->used, .position = r->position, .sequence = r->sequence, .stride = qkv->stride, .heads = how->heads,
        .kv_heads = how->kv_heads, .k_dim = how->k_dim, .v_dim = how->v_dim, .first = how->rope.first, .dims = how->rope.dims,
        .eps = how->eps, .magnitude = how->rope.magnitude, .interleaved = how->rope.interleaved,
    };
    uint32_t values = c && c->v ? how->kv_heads : 0;
    launch(q, KERNEL_prepare, div_up(r->max_rows, ROW_WARPS), how->heads + how->kv_heads + values, 0, &a);
}

/* Whether a step goes to the tensor cores (attend_tile.cu): where it has more rows than are promised the same bytes whatever stands
 * beside them, and tiles of its longest sequence are at least half full. */
static bool on_tensor_cores(const struct attend *how, const struct cache *c, const struct mat *y, const struct mat *query,
                            const struct rows *r, uint32_t heads)
{
    return c->type == CACHE_F16 && c->v && c->k_dim == c->v_dim && c->k_dim % 8 == 0 && c->k_dim <= 128 && how->softcap <= 0 &&
           r->max_rows > backend_cuda.exact_rows && r->longest * heads >= AT_TILE / 2 && y->stride % 2 == 0 && query->stride % 2 == 0 &&
           (uintptr_t)y->data % 8 == 0 && (uintptr_t)query->data % 8 == 0;
}

void cuda_attend(void *queue, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                 const struct pages *p, const struct rows *r)
{
    static const enum cuda_kernel kernels[] = {KERNEL_attend_f32, KERNEL_attend_f16, KERNEL_attend_q8};
    struct cuda_queue *q = ready(queue, y, query, NULL);
    if (!q)
        return;
    if (c->k_dim > HEAD_MAX || c->v_dim > HEAD_MAX || how->heads % c->heads || (c->k_dim + 3 + c->v_dim) * 4 * AT_QUERIES > 65536) {
        err_set(&q->first, ERR_INTERNAL, "%u heads of %u columns over %u of keys", how->heads, c->k_dim, c->heads);
        return;
    }
    uint32_t share = how->heads / c->heads;
    bool tensor = on_tensor_cores(how, c, y, query, r, share < AT_TILE ? share : AT_TILE);
    uint32_t queries = tensor ? AT_TILE : AT_QUERIES, heads = share < queries ? share : queries;
    uint32_t rows = r->longest > 1 ? queries / heads : 1, groups = div_up(p->stride * CACHE_PAGE, ATTENTION_KEYS);
    uint32_t tiles = r->max_rows / rows + r->max_sequences, lines = c->heads * div_up(share, heads);
    tiles = tiles < r->max_rows ? tiles : r->max_rows;
    struct attend_params a = {
        .y = y->data, .query = query->data, .cache = cache_view(c, p), .sinks = how->sinks, .used = r->used, .offset = r->offset,
        .position = r->position, .y_stride = y->stride, .query_stride = query->stride, .heads = how->heads, .window = how->window,
        .rows = r->max_rows, .groups = groups, .tile_rows = rows, .tile_heads = heads, .scale = how->scale, .softcap = how->softcap,
    };
    if (tensor) {
        bool wide = c->k_dim > 64;
        launch(q, wide ? KERNEL_attend_tile_128 : KERNEL_attend_tile_64, tiles, lines, 4 * CACHE_PAGE * (wide ? 128 : 64) * 2, &a);
        return;
    }
    /* groups side by side where the blocks of rows and heads alone are too few, and their sums fit: the bytes are the same */
    size_t part = (size_t)r->max_rows * how->heads * groups * (c->v_dim + 2) * sizeof(float);
    if (groups > 1 && q->part && part <= AT_SCRATCH && tiles * lines < 4 * (uint32_t)q->dev->processors)
        a.part = q->part;
    uint32_t shared = AT_QUERIES * (round_up(c->k_dim, 4) + c->v_dim) * (uint32_t)sizeof(float);
    launch3(q, kernels[c->type], (uint32_t[]){tiles, lines, a.part ? groups : 1}, shared, &a);
    if (a.part)
        launch(q, KERNEL_attend_join, r->max_rows, how->heads, 0, &a);
}

/* The CPU's rows of DECODE_OPS: what an op of decoders is asked is checked once here, and shared by the queue's team. */
#include "kernels/cpu/attend_tile.h"
#include "kernels/cpu/share.h"

#include <string.h>

/* About what they take on one core, ns. */
#define COLUMN_NS .15  /* of a row: a plain pass */
#define GATED_NS .5    /* of a row: with an exponential */
#define TURN_NS 3      /* of a row of queries, keys and values, with what is stored */
#define CHOICE_NS 10   /* of an expert, for a row */
#define KEY_NS .08     /* of a column of a key and its value, for a head of queries */
#define TILE_GAIN 5    /* of many rows at once */
#define CONVOLVE_NS 10 /* of a row's column */
#define STATE_NS 3     /* of an element of a state */

/* The queue, or NULL where it has failed already or a matrix is not fp32: its ops do nothing then. */
static struct cpu_queue *ready(void *queue, const struct mat *a, const struct mat *b, const struct mat *c)
{
    struct cpu_queue *q = queue;
    if (q->first.code)
        return NULL;
    if ((a && a->type != TYPE_F32) || (b && b->type != TYPE_F32) || (c && c->type != TYPE_F32)) {
        err_set(&q->first, ERR_INTERNAL, "an op of decoders over rows that are not fp32");
        return NULL;
    }
    return q;
}

static void prepare_some(struct cpu_queue *q, struct call *c)
{
    scalar_prepare(q, &c->mat[0], c->how, c->beside[0], c->beside[1], &c->rows);
}

void cpu_prepare(void *queue, struct mat *qkv, const struct prepare *how, const struct cache *c, const struct pages *p,
                 const struct rows *r)
{
    struct cpu_queue *q = ready(queue, qkv, NULL, NULL);
    uint32_t wide = how->heads * how->k_dim + how->kv_heads * (how->k_dim + how->v_dim);
    if (q && (how->k_dim > HEAD_MAX || how->v_dim > HEAD_MAX || how->rope.first + how->rope.dims > how->k_dim))
        err_set(&q->first, ERR_INTERNAL, "heads of %u columns of which %u turn", how->k_dim, how->rope.dims);
    else if (q)
        share_rows(q, prepare_some, &(struct call){.mat = {*qkv}, .how = how, .beside = {c, p}}, r, wide * TURN_NS);
}

struct attention_call {
    struct mat *y;
    const struct mat *query;
    const struct attend *how;
    const struct cache *c;
    const struct pages *p;
    const struct rows *r;
};

/* Heads of rows one after the other: head h of row i is i·heads + h. */
static void attend_some(struct cpu_queue *q, void *arg, uint32_t from, uint32_t to)
{
    const struct attention_call *a = arg;
    uint32_t heads = a->how->heads;
    for (uint32_t at = from, end; at < to; at = end) {
        uint32_t i = at / heads, used[2] = {1, 1};
        end = to < (i + 1) * heads ? to : (i + 1) * heads;
        struct mat y = *a->y, query = *a->query;
        struct rows row = {.used = used, .position = a->r->position + i, .sequence = a->r->sequence + i, .max_rows = 1};
        y.data = mat_row(a->y, i);
        query.data = mat_row(a->query, i);
        q->dev->isa->attend(q, &y, &query, a->how, a->c, a->p, &row, at - i * heads, end - i * heads);
    }
}

/* Rows of a tile at most. */
static uint32_t tile_rows(const struct cpu_queue *q, const struct attention_call *a)
{
    return ATTEND_PANELS * q->dev->isa->panel_queries / (a->how->heads / a->c->heads);
}

/* Blocks of rows for each head of keys, cut where a sequence ends: block i / heads from the end, whose rows see most keys. */
static void attend_blocks(struct cpu_queue *q, void *arg, uint32_t from, uint32_t to)
{
    const struct attention_call *a = arg;
    const struct rows *r = a->r;
    uint32_t heads = a->c->heads, most = tile_rows(q, a), blocks = (r->used[0] + most - 1) / most;
    for (uint32_t u = from; u < to; u++) {
        uint32_t row = (blocks - 1 - u / heads) * most, end = row + most < r->used[0] ? row + most : r->used[0];
        for (uint32_t n; row < end; row += n) {
            for (n = 1; row + n < end && r->sequence[row + n] == r->sequence[row] && r->position[row + n] == r->position[row] + n;)
                n++;
            q->dev->isa->attend_tile(q, a->y, a->query, a->how, a->c, a->p, r, row, n, u % heads);
        }
    }
}

static double attend_ns(const struct attend *how, const struct cache *c, const struct rows *r)
{
    double keys = 0;
    for (uint32_t i = 0; i < r->used[0]; i++)
        keys += how->window && r->position[i] >= how->window ? how->window : r->position[i] + 1;
    return keys * how->heads * (c->k_dim + c->v_dim) * KEY_NS;
}

void cpu_attend(void *queue, struct mat *y, const struct mat *query, const struct attend *how, const struct cache *c,
                const struct pages *p, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, query, NULL);
    if (q && (c->k_dim > HEAD_MAX || c->v_dim > HEAD_MAX || how->heads % c->heads)) {
        err_set(&q->first, ERR_INTERNAL, "%u heads of %u columns over %u of keys", how->heads, c->k_dim, c->heads);
        return;
    }
    if (!q)
        return;
    struct attention_call call = {y, query, how, c, p, r};
    uint32_t n = r->used[0] * how->heads, share = how->heads / c->heads, threads = share_threads(q), wide = attend_wide(q);
    double ns = attend_ns(how, c, r);
    bool tiles = q->dev->isa->attend_tile && r->used[0] > CPU_EXACT_ROWS && c->k_dim <= wide && c->v_dim <= wide;
    if (tiles && tile_rows(q, &call)) {
        uint32_t most = tile_rows(q, &call), blocks = (r->used[0] + most - 1) / most;
        share_spans(q, attend_blocks, &call, blocks * c->heads, 1, ns / TILE_GAIN);
    } else { /* whole heads of keys, whose rows are read once for all their queries, unless threads are more */
        share_spans(q, attend_some, &call, n, n / share >= threads ? share : (n + threads - 1) / threads, ns);
    }
}

static void glu_some(struct cpu_queue *q, struct call *c)
{
    q->dev->isa->glu(q, &c->mat[0], &c->mat[1], &c->mat[2], c->how, &c->rows);
}

void cpu_glu(void *queue, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how,
             const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, gate, up);
    if (q)
        share_rows(q, glu_some, &(struct call){.mat = {*y, *gate, *up}, .how = how}, r, y->cols * GATED_NS);
}

static void choose_some(struct cpu_queue *q, struct call *c)
{
    const struct slots *s = c->beside[0];
    const struct route *how = c->how;
    size_t at = (size_t)c->from * how->used;
    scalar_choose(s->of_row + at, s->weight + at, &c->mat[0], how, &c->rows);
}

void cpu_route(void *queue, struct slots *s, const struct mat *logits, const struct route *how, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, logits, NULL, NULL);
    if (q && (how->experts > EXPERTS_MAX || how->used > EXPERTS_USED_MAX || how->used > how->experts)) {
        err_set(&q->first, ERR_INTERNAL, "%u of %u experts", how->used, how->experts);
    } else if (q) {
        share_rows(q, choose_some, &(struct call){.mat = {*logits}, .how = how, .beside = {s}}, r, how->experts * CHOICE_NS);
        scalar_sort(s, how, r->used[0]);
    }
}

static void combine_some(struct cpu_queue *q, struct call *c)
{
    struct slots s = *(const struct slots *)c->how;
    s.of_row += (size_t)c->from * s.used;
    s.weight += (size_t)c->from * s.used;
    scalar_combine(q, &c->mat[0], c->beside[0], &s, &c->rows);
}

void cpu_combine(void *queue, struct mat *y, const struct mat *x, const struct slots *s, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, NULL);
    if (q)
        share_rows(q, combine_some, &(struct call){.mat = {*y}, .how = s, .beside = {x}}, r, y->cols * s->used * COLUMN_NS);
}

struct delta_call {
    struct mat *y;
    const struct mat *x;
    const struct delta *how;
    const struct states *s;
    const struct rows *r;
};

static void convolve_some(struct cpu_queue *q, void *arg, uint32_t from, uint32_t to)
{
    const struct delta_call *c = arg;
    scalar_convolve(c->x, c->how, c->s, c->r, from, to);
}

static void delta_some(struct cpu_queue *q, void *arg, uint32_t from, uint32_t to)
{
    const struct delta_call *c = arg;
    scalar_delta(c->y, c->x, c->how, c->s, c->r, from, to);
}

void cpu_delta(void *queue, struct mat *y, const struct mat *x, const struct delta *how, const struct states *s,
               const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, NULL);
    if (q && (how->k_dim > HEAD_MAX || how->kernel > DELTA_KERNEL_MAX || how->v_heads % how->k_heads)) {
        err_set(&q->first, ERR_INTERNAL, "a delta rule over heads of %u columns", how->k_dim);
    } else if (q) {
        struct delta_call call = {y, x, how, s, r};
        uint32_t columns = 2 * how->k_heads * how->k_dim + how->v_heads * how->v_dim, rows = r->used[0];
        scalar_delta_begin(s, r);
        share_spans(q, convolve_some, &call, columns, 16 /* a line of the cache */, (double)rows * columns * CONVOLVE_NS);
        share_spans(q, delta_some, &call, how->v_heads, 1, (double)rows * how->v_heads * how->k_dim * how->v_dim * STATE_NS);
    }
}

static void add_some(struct cpu_queue *q, struct call *c)
{
    scalar_add(q, &c->mat[0], &c->mat[1], mat_of(c, 2), &c->rows);
}

void cpu_add(void *queue, struct mat *y, const struct mat *x, const struct mat *gate, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, gate);
    if (q)
        share_rows(q, add_some, &(struct call){.mat = {*y, *x, mat_or_none(gate)}}, r, y->cols * COLUMN_NS);
}

void cpu_columns(void *queue, struct mat *y, uint32_t to, uint32_t to_step, const struct mat *x, uint32_t from,
                 uint32_t from_step, uint32_t heads, uint32_t n, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, x, NULL);
    if (q)
        scalar_columns(q, y, to, to_step, x, from, from_step, heads, n, r);
}

void cpu_softcap(void *queue, struct mat *y, float cap, const struct rows *r)
{
    struct cpu_queue *q = ready(queue, y, NULL, NULL);
    if (q)
        scalar_softcap(q, y, cap, r);
}

void cpu_copy(void *queue, void *to, const void *from, size_t bytes)
{
    if (ready(queue, NULL, NULL, NULL))
        memcpy(to, from, bytes);
}

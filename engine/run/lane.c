/* The pass itself: one micro-batch through the layers on one queue. */
#include "engine/run/encoder.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t lane_max_rows(const struct model_weights *m)
{
    return m->config.max_position > m->lane_rows ? m->config.max_position : m->lane_rows;
}

static uint32_t up_to_64(uint32_t n)
{
    return (n + 63) & ~63u;
}

/* Lays matrices one after the other; called once with base NULL to measure. */
struct layout {
    char *base;
    size_t used;
};

static void *take(struct layout *l, size_t bytes)
{
    void *p = l->base ? l->base + l->used : NULL;
    l->used += (bytes + 63) & ~(size_t)63;
    return p;
}

static struct mat mat(struct layout *l, uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = up_to_64(cols), .type = type};
    size_t n = (size_t)rows * m.stride;
    m.data = take(l, n * (type == TYPE_Q8 ? 1 : type == TYPE_F32 ? 4 : 2));
    if (type == TYPE_Q8)
        m.quant = take(l, n / QUANT_BLOCK * sizeof *m.quant);
    return m;
}

static void lay(struct lane *l, struct layout *at)
{
    const struct bert_config *c = &l->m->config;
    enum type operand = l->m->operand;
    uint32_t rows = lane_max_rows(l->m);
    l->used = take(at, 2 * sizeof(uint32_t));
    l->token = take(at, rows * sizeof(uint32_t));
    l->position = take(at, rows * sizeof(uint32_t));
    l->type = take(at, rows * sizeof(uint32_t));
    l->offset = take(at, (l->m->lane_sequences + 1) * sizeof(uint32_t));
    l->h = mat(at, rows, c->hidden, TYPE_F32);
    l->hq = operand == TYPE_F32 ? l->h : mat(at, rows, c->hidden, operand);
    l->qkv = mat(at, rows, 3 * c->hidden, l->m->qkv);
    bool direct = operand == TYPE_F32 || c->hidden / c->heads % QUANT_BLOCK == 0; /* attention writes operands itself */
    l->mixq = mat(at, rows, c->hidden, operand);
    l->mix = direct ? l->mixq : mat(at, rows, c->hidden, TYPE_F32);
    l->mid = mat(at, rows, c->intermediate, operand);
    if (c->gated) {
        l->gates = mat(at, rows, 2 * c->intermediate, TYPE_F32);
        l->midf = operand == TYPE_F32 ? l->mid : mat(at, rows, c->intermediate, TYPE_F32);
    }
    if (c->pre_norm) {
        l->x = mat(at, rows, c->hidden, TYPE_F32);
        l->xq = operand == TYPE_F32 ? l->x : mat(at, rows, c->hidden, operand);
    }
    l->t = mat(at, rows, c->hidden, TYPE_F32);
    l->out = mat(at, l->m->lane_sequences, c->hidden, TYPE_F32);
}

static size_t buffers(const struct model_weights *m)
{
    struct lane l = {.m = m};
    struct layout measure = {NULL, 0};
    lay(&l, &measure);
    return measure.used;
}

static struct bounds bounds(const struct model_weights *m)
{
    return (struct bounds){.rows = lane_max_rows(m), .sequences = m->lane_sequences, .longest = m->config.max_position,
                           .hidden = m->config.hidden, .intermediate = m->config.intermediate, .heads = m->config.heads};
}

size_t lane_bytes(const struct model_weights *m)
{
    struct bounds b = bounds(m);
    size_t scratch = 0;
    return m->backend->plan(m->device, &b, &scratch, NULL) ? 0 : buffers(m) + scratch; /* what cannot be is refused when it is made */
}

int lane_new(struct lane **out, const struct model_weights *m, struct err *e)
{
    struct lane *l = mem_zero(1, sizeof *l);
    l->m = m;
    struct bounds b = bounds(m);
    int rc = m->backend->queue(m->device, &b, &l->queue, e);
    if (rc)
        goto out;
    rc = m->backend->memory(m->device, &l->memory, buffers(m), e);
    if (rc)
        goto out;
    lay(l, &(struct layout){l->memory, 0});
    l->host = mem_zero(2 + b.sequences + 1 + (size_t)b.rows, sizeof *l->host);
    l->result = mem_zero((size_t)b.sequences * l->out.stride, sizeof *l->result);
    l->rows = (struct rows){.used = l->used, .token = l->token, .position = l->position, .offset = l->offset,
                            .max_rows = b.rows, .max_sequences = b.sequences, .longest = b.longest};
out:
    if (rc)
        lane_free(l);
    else
        *out = l;
    return rc;
}

void lane_free(struct lane *l)
{
    if (l == NULL)
        return;
    l->m->backend->queue_close(l->queue);
    l->m->backend->release(l->m->device, l->memory);
    free(l->host);
    free(l->result);
    free(l);
}

/* A bound that few different steps share, at most an eighth above n: grids follow it, and recorded steps are found by it. */
static uint32_t bound(uint32_t n, uint32_t most)
{
    uint32_t step = 1;
    while (step * 16 <= n)
        step *= 2;
    n = (n + step - 1) / step * step;
    return n < most ? n : most;
}

static void put_rows(struct lane *l, const uint32_t *token, const uint32_t *type, const uint32_t *offset, size_t n)
{
    const struct backend *b = l->m->backend;
    uint32_t total = offset[n] - offset[0], longest = 1;
    uint32_t *used = l->host, *start = used + 2, *position = start + l->m->lane_sequences + 1;
    used[0] = total;
    used[1] = (uint32_t)n;
    for (size_t s = 0; s < n; s++) {
        longest = offset[s + 1] - offset[s] > longest ? offset[s + 1] - offset[s] : longest;
        for (uint32_t i = offset[s]; i < offset[s + 1]; i++)
            position[i - offset[0]] = i - offset[s];
    }
    for (size_t s = 0; s <= n; s++)
        start[s] = offset[s] - offset[0];
    b->put(l->queue, l->used, used, 2 * sizeof *used);
    b->put(l->queue, l->token, token + offset[0], total * sizeof *token);
    if (type)
        b->put(l->queue, l->type, type + offset[0], total * sizeof *type);
    l->rows.type = type ? l->type : NULL;
    b->put(l->queue, l->position, position, total * sizeof *token);
    b->put(l->queue, l->offset, start, (n + 1) * sizeof *start);
    l->rows.max_rows = bound(total, lane_max_rows(l->m));
    l->rows.max_sequences = bound((uint32_t)n, l->m->lane_sequences);
    l->rows.longest = bound(longest, l->m->config.max_position);
}

/* l->mix of one layer: the attention of its rows, from the operand xq. */
static void attention(struct lane *l, const struct mat *xq, uint32_t i)
{
    const struct backend *b = l->m->backend;
    const struct bert_config *c = &l->m->config;
    const struct layer *y = &l->m->layer[i];
    uint32_t head_dim = c->hidden / c->heads;
    bool near = c->window && c->global_every && i % c->global_every != 0;
    struct attention how = {.heads = c->heads, .head_dim = head_dim, .scale = 1 / sqrtf((float)head_dim),
                            .window = near ? c->window : 0};
    b->matmul(l->queue, &l->qkv, xq, y->qkv, &(struct matmul){.bias = y->qkv_bias}, &l->rows); /* [r, 3·hidden] */
    if (c->rope_base[0] > 0) {
        struct prepare turn = {.heads = c->heads, .kv_heads = c->heads, .k_dim = head_dim, .v_dim = head_dim,
                               .rope = {.frequency = l->m->frequency[near], .dims = head_dim, .magnitude = 1}};
        b->prepare(l->queue, &l->qkv, &turn, NULL, NULL, &l->rows);
    }
    b->attention(l->queue, &l->mix, &l->qkv, &how, &l->rows); /* [r, hidden] */
    if (l->mix.data != l->mixq.data)
        b->quantize(l->queue, &l->mixq, &l->mix, &l->rows);
}

/* l->mid of one layer: what the feed-forward's last product reads. */
static void middle(struct lane *l, const struct mat *xq, const struct layer *y)
{
    static const enum glu_kind kinds[] = {[ACT_GELU] = GLU_GELU, [ACT_GELU_TANH] = GLU_GELU_TANH, [ACT_RELU] = GLU_RELU,
                                          [ACT_SILU] = GLU_SILU};
    const struct backend *b = l->m->backend;
    const struct bert_config *c = &l->m->config;
    if (!c->gated) {
        b->matmul(l->queue, &l->mid, xq, y->up, &(struct matmul){.bias = y->up_bias, .activation = c->activation}, &l->rows);
        return;
    }
    struct mat gate = l->gates, up = l->gates;
    gate.cols = up.cols = c->intermediate;
    up.data = (float *)l->gates.data + c->intermediate;
    b->matmul(l->queue, &l->gates, xq, y->up, &(struct matmul){.bias = y->up_bias}, &l->rows);
    b->glu(l->queue, &l->midf, &gate, &up, &(struct glu){.kind = kinds[c->activation]}, &l->rows);
    if (l->midf.data != l->mid.data)
        b->quantize(l->queue, &l->mid, &l->midf, &l->rows);
}

static void run_layer(struct lane *l, uint32_t i)
{
    const struct backend *b = l->m->backend;
    const struct layer *y = &l->m->layer[i];
    const struct rows *r = &l->rows;
    struct mat *hq = l->m->operand == TYPE_F32 ? NULL : &l->hq; /* fp32: the hidden state is its own operand */
    attention(l, &l->hq, i);
    b->matmul(l->queue, &l->t, &l->mixq, y->out, &(struct matmul){.bias = y->out_bias, .residual = &l->h}, r);
    b->norm(l->queue, &l->h, hq, &l->t, &y->attention_norm, r);
    middle(l, &l->hq, y);
    b->matmul(l->queue, &l->t, &l->mid, y->down, &(struct matmul){.bias = y->down_bias, .residual = &l->h}, r);
    b->norm(l->queue, &l->h, hq, &l->t, &y->output_norm, r);
}

/* Norms before: the hidden state itself is only added to. */
static void run_layer_pre_norm(struct lane *l, uint32_t i)
{
    const struct backend *b = l->m->backend;
    const struct layer *y = &l->m->layer[i];
    const struct rows *r = &l->rows;
    struct mat *xq = l->m->operand == TYPE_F32 ? NULL : &l->xq;
    if (y->attention_norm.gain)
        b->norm(l->queue, &l->x, xq, &l->h, &y->attention_norm, r);
    attention(l, y->attention_norm.gain ? &l->xq : &l->hq, i);
    b->matmul(l->queue, &l->h, &l->mixq, y->out, &(struct matmul){.bias = y->out_bias, .residual = &l->h}, r);
    b->norm(l->queue, &l->x, xq, &l->h, &y->output_norm, r);
    middle(l, &l->xq, y);
    b->matmul(l->queue, &l->h, &l->mid, y->down, &(struct matmul){.bias = y->down_bias, .residual = &l->h}, r);
}

int lane_run(struct lane *l, const uint32_t *token, const uint32_t *type, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    const struct backend *b = l->m->backend;
    const struct bert_config *c = &l->m->config;
    put_rows(l, token, type, offset, n);
    b->embed(l->queue, &l->h, l->m->operand == TYPE_F32 ? NULL : &l->hq, &l->rows, &l->m->embedding, &l->m->embedding_norm);
    for (uint32_t i = 0; i < c->layers; i++)
        (c->pre_norm ? run_layer_pre_norm : run_layer)(l, i);
    if (c->pre_norm)
        b->norm(l->queue, &l->h, NULL, &l->h, &l->m->last_norm, &l->rows);
    enum pooling as_is = c->pooling == POOL_MEAN ? POOL_SUM_AS_IS : POOL_FIRST_AS_IS;
    b->pool(l->queue, &l->out, &l->h, c->scores ? as_is : c->pooling, &l->rows);
    b->get(l->queue, l->result, l->out.data, n * l->out.stride * sizeof *out); /* at once: each costs a GPU microseconds */
    int rc = b->sync(l->queue, e);
    for (size_t s = 0; s < n && !rc; s++)
        memcpy(out + s * c->hidden, l->result + s * l->out.stride, c->hidden * sizeof *out);
    return rc;
}

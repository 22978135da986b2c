/* Buffers of a pass: laid one after the other in one piece of device memory. */
#include "engine/run/pass.h"
#include "base/mem.h"

#include <string.h>

struct layout { /* base NULL: measures */
    char *base;
    size_t used;
};

static void *take(struct layout *l, size_t bytes)
{
    void *p = l->base ? l->base + l->used : NULL;
    l->used += (bytes + 63) & ~(size_t)63;
    return p;
}

static uint32_t *numbers(struct layout *l, size_t n)
{
    return take(l, n * sizeof(uint32_t));
}

static struct mat mat(struct layout *l, uint32_t rows, uint32_t cols, enum type type)
{
    struct mat m = {.rows = rows, .cols = cols, .stride = (cols + 63) & ~63u, .type = type};
    size_t n = (size_t)rows * m.stride;
    m.data = take(l, n * (type == TYPE_Q8 ? 1 : type == TYPE_F32 ? 4 : 2));
    if (type == TYPE_Q8)
        m.quant = take(l, n / QUANT_BLOCK * sizeof *m.quant);
    return m;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

struct widths {
    uint32_t qkv, query, mix, latent, gate_up, operand;
};

static struct widths widths_of(const struct knobs *k)
{
    struct widths w = {.query = 1, .latent = 1};
    const struct delta *d = &k->delta;
    uint32_t dense = 0;
    for (uint32_t i = 0; i < k->layers; i++) {
        enum mixer m = k->layer[i].mixer;
        uint32_t q = k->heads * k->head_dim;
        if (m == MIX_ATTENTION) {
            w.qkv = larger(w.qkv, q * (k->gated ? 2 : 1) + k->kv_heads * (k->head_dim + k->v_dim));
            w.mix = larger(w.mix, k->heads * k->v_dim);
        } else if (m == MIX_LATENT) {
            w.qkv = larger(w.qkv, larger(q, k->heads * k->v_dim));
            w.query = larger(k->heads * (k->kv_rank + k->turned), w.query);
            w.mix = larger(w.mix, k->heads * larger(k->v_dim, k->kv_rank));
            w.latent = larger(k->kv_rank + k->turned, k->q_rank);
        } else {
            w.qkv = larger(w.qkv, 2 * d->k_heads * d->k_dim + 2 * d->v_heads * d->v_dim + 2 * d->v_heads);
            w.mix = larger(w.mix, d->v_heads * d->v_dim);
        }
        dense = larger(dense, k->layer[i].experts ? k->shared_intermediate : k->intermediate);
    }
    w.gate_up = larger(2 * dense, 1);
    w.operand = larger(larger(k->hidden, w.mix), larger(larger(dense, k->expert_intermediate), larger(w.latent, w.qkv)));
    return w;
}

static void lay_experts(struct pass *p, struct layout *l)
{
    const struct knobs *k = &p->w->k;
    uint32_t rows = p->max_rows * k->route.used, wide = k->expert_intermediate;
    if (!k->route.experts)
        return;
    p->router = mat(l, p->max_rows, k->route.experts, TYPE_F32);
    p->gate = mat(l, p->max_rows, 1, TYPE_F32);
    p->slot_x = mat(l, rows, k->hidden, TYPE_F32);
    p->slot_gate_up = mat(l, rows, 2 * wide, TYPE_F32);
    p->slot_mid = mat(l, rows, wide, TYPE_F32);
    p->slot_out = mat(l, rows, k->hidden, TYPE_F32);
    p->slot_operand = mat(l, rows, larger(k->hidden, wide), TYPE_F32);
    p->slot_operand.quant = take(l, (size_t)rows * p->slot_operand.stride / QUANT_BLOCK * sizeof(struct quant));
    p->slots = (struct slots){.group = numbers(l, k->route.experts + 1), .from = numbers(l, rows), .of_row = numbers(l, rows),
                              .weight = take(l, rows * sizeof(float)), .used = k->route.used};
}

static void lay(struct pass *p, struct layout *l)
{
    const struct knobs *k = &p->w->k;
    struct widths w = widths_of(k);
    uint32_t rows = p->max_rows, sequences = p->max_sequences, pages = (k->context + CACHE_PAGE - 1) / CACHE_PAGE;
    p->used = numbers(l, 2);
    p->slot_used = numbers(l, 2);
    p->wanted_used = numbers(l, 2);
    p->token = numbers(l, rows);
    p->position = numbers(l, rows);
    p->sequence = numbers(l, rows);
    p->wanted_from = numbers(l, rows);
    p->offset = numbers(l, sequences + 1);
    for (int i = 0; i < p->stores; i++) {
        struct pass_table *t = &p->table[i];
        bool paged = p->store[i].kind == &states_paged;
        t->table = numbers(l, paged ? (size_t)sequences * pages : 0);
        t->pages = (struct pages){t->table, pages};
        t->from = numbers(l, sequences);
        t->to = numbers(l, sequences);
    }
    p->h = mat(l, rows, k->hidden, TYPE_F32);
    p->x = mat(l, rows, k->hidden, TYPE_F32);
    p->t = mat(l, rows, k->hidden, TYPE_F32);
    p->qkv = mat(l, rows, w.qkv, TYPE_F32);
    p->query = mat(l, rows, w.query, TYPE_F32);
    p->latent = mat(l, rows, w.latent, TYPE_F32);
    p->mix = mat(l, rows, w.mix, TYPE_F32);
    p->gate_up = mat(l, rows, w.gate_up, TYPE_F32);
    p->mid = mat(l, rows, (w.gate_up + 1) / 2, TYPE_F32);
    p->operand[0] = mat(l, rows, w.operand, TYPE_Q8);
    p->operand[1] = mat(l, rows, w.operand, TYPE_BF16);
    p->last = mat(l, PASS_LOGIT_ROWS, k->hidden, TYPE_F32);
    p->logits = mat(l, PASS_LOGIT_ROWS, k->vocab, TYPE_F32);
    if (p->w->backend->draw) {
        p->draw_row = take(l, PASS_LOGIT_ROWS * sizeof *p->draw_row);
        p->draw_said = take(l, DRAW_SAID_MAX * sizeof *p->draw_said);
        p->drawn = take(l, PASS_LOGIT_ROWS * sizeof *p->drawn);
    }
    p->pooled = mat(l, sequences, k->hidden, TYPE_F32);
    lay_experts(p, l);
}

size_t pass_bytes(struct pass *p, const struct decoder_weights *w, uint32_t rows, uint32_t sequences)
{
    struct layout measure = {NULL, 0};
    p->w = w;
    p->max_rows = rows;
    p->max_sequences = sequences;
    lay(p, &measure);
    return measure.used;
}

int pass_open(struct pass *p, const struct decoder_weights *w, void *queue, uint32_t rows, uint32_t sequences, struct err *e)
{
    p->bytes = pass_bytes(p, w, rows, sequences);
    p->queue = queue;
    int rc = w->backend->memory(w->device, &p->memory, p->bytes, e);
    if (rc)
        return rc;
    lay(p, &(struct layout){p->memory, 0});
    p->rows = (struct rows){.used = p->used, .token = p->token, .position = p->position, .sequence = p->sequence,
                            .offset = p->offset};
    p->slot_rows = (struct rows){.used = p->slot_used};
    p->wanted = (struct rows){.used = p->wanted_used};
    return 0;
}

void pass_close(struct pass *p)
{
    pass_release_graphs(p);
    if (p->w)
        p->w->backend->release(p->w->device, p->memory);
    memset(p, 0, sizeof *p);
}

/* The forward pass of decoders, written once over kernels/backend.h and the knobs of an architecture. */
#include "engine/run/pass.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct backend *ops(const struct pass *p)
{
    return p->w->backend;
}

/* Columns first .. first+n-1 of fp32 rows. */
static struct mat view(const struct mat *m, uint32_t first, uint32_t n)
{
    struct mat v = *m;
    v.data = (float *)m->data + first;
    v.cols = n;
    return v;
}

static void tell(const struct pass *p, const struct pass_op *op)
{
    if (p->watch)
        p->watch->saw(p->watch->arg, op);
}

static void norm(struct pass *p, struct mat *y, const struct mat *x, const struct norm *n, const struct rows *r)
{
    tell(p, &(struct pass_op){.kind = OP_NORM, .y = *y, .x = *x, .norm = *n, .r = r});
    ops(p)->norm(p->queue, y, NULL, x, n, r);
}

static void glu(struct pass *p, struct mat *y, const struct mat *gate, const struct mat *up, const struct glu *how, const struct rows *r)
{
    tell(p, &(struct pass_op){.kind = OP_GLU, .y = *y, .x = *gate, .x2 = *up, .glu = *how, .r = r});
    ops(p)->glu(p->queue, y, gate, up, how, r);
}

/* h += t. */
static void add(struct pass *p)
{
    tell(p, &(struct pass_op){.kind = OP_ADD, .y = p->h, .x = p->t, .r = &p->rows});
    ops(p)->add(p->queue, &p->h, &p->t, NULL, &p->rows);
}

/* x as the type that a product with weights of that kind reads; made at most once for neighbours of one type. */
static struct mat operand_of(struct pass *p, const struct mat *x, enum type type, const struct rows *r)
{
    bool slots = r == &p->slot_rows;
    struct mat m = slots ? p->slot_operand : p->operand[type == TYPE_Q8 ? 0 : 1];
    if (type == TYPE_F32)
        return *x;
    m.type = type;
    m.cols = x->cols;
    m.stride = (x->cols + 63) & ~63u;
    ops(p)->quantize(p->queue, &m, x, r);
    return m;
}

/* y = x·wᵀ + b (+ residual). groups: of experts. */
static void apply(struct pass *p, struct mat *y, const struct mat *x, const struct linear *w, const struct mat *residual,
                  const uint32_t *groups, const struct rows *r)
{
    struct mat operand = {.type = TYPE_COUNT}, in = *x;
    in.cols = w->k;
    tell(p, &(struct pass_op){.kind = OP_LINEAR, .y = view(y, 0, w->n), .x = in, .w = w, .groups = groups, .r = r});
    for (int i = 0; i < w->parts; i++) {
        const struct linear_part *part = &w->part[i];
        enum type type = p->plain ? TYPE_F32 : ops(p)->operand(p->w->device, part->held, p->now);
        if (type != operand.type)
            operand = operand_of(p, &in, type, r);
        struct mat to = view(y, part->first, part->n), add = residual ? view(residual, part->first, part->n) : to;
        struct matmul how = {.bias = part->bias, .residual = residual ? &add : NULL, .groups = groups};
        ops(p)->matmul(p->queue, &to, &operand, part->w, &how, r);
    }
    if (p->adapt)
        p->adapt->add(p->adapt->arg, y, &in, w, r);
}

static struct rope rope_of(const struct pass *p, uint32_t layer)
{
    const struct knobs *k = &p->w->k;
    int table = k->layer[layer].rope;
    if (table < 0)
        return (struct rope){0};
    const struct rope_knobs *r = &k->rope[table];
    return (struct rope){.frequency = p->w->frequency[table], .dims = r->dims, .interleaved = k->interleaved,
                         .magnitude = (float)r->magnitude};
}

static const struct cache *cache_of(const struct pass *p, uint32_t layer)
{
    return &p->store[p->store_of[layer]].layer[p->place_of[layer]].cache;
}

struct attend pass_attend_of(const struct pass *p, uint32_t layer)
{
    const struct knobs *k = &p->w->k;
    if (k->layer[layer].mixer == MIX_LATENT)
        return (struct attend){.heads = k->heads, .scale = k->attention_scale};
    return (struct attend){.heads = k->heads, .scale = k->attention_scale, .softcap = k->attention_softcap,
                           .window = k->layer[layer].window, .sinks = p->w->layer[layer].sinks};
}

static void attention(struct pass *p, const struct decoder_layer *y, uint32_t layer)
{
    const struct knobs *k = &p->w->k;
    uint32_t q = k->heads * k->head_dim, kv = k->kv_heads * (k->head_dim + k->v_dim);
    const struct pages *pages = &p->table[p->store_of[layer]].pages;
    struct prepare prepare = {.heads = k->heads, .kv_heads = k->kv_heads, .k_dim = k->head_dim, .v_dim = k->v_dim,
                              .q_gain = y->q_gain, .k_gain = y->k_gain, .eps = k->eps, .rope = rope_of(p, layer)};
    struct attend how = pass_attend_of(p, layer);
    struct mat mix = view(&p->mix, 0, k->heads * k->v_dim), gates = view(&p->qkv, q + kv, mix.cols);
    apply(p, &p->qkv, &p->x, &y->qkv, NULL, NULL, &p->rows);
    struct mat row = view(&p->qkv, 0, q + kv);
    tell(p, &(struct pass_op){.kind = OP_PREPARE, .y = row, .x = row, .prepare = prepare, .r = &p->rows});
    ops(p)->prepare(p->queue, &p->qkv, &prepare, cache_of(p, layer), pages, &p->rows);
    tell(p, &(struct pass_op){.kind = OP_ATTEND, .y = mix, .x = row, .attend = how, .cache = cache_of(p, layer), .r = &p->rows});
    ops(p)->attend(p->queue, &mix, &p->qkv, &how, cache_of(p, layer), pages, &p->rows);
    if (k->gated)
        glu(p, &mix, &gates, &mix, &(struct glu){.kind = GLU_SIGMOID}, &p->rows);
    apply(p, &p->t, &mix, &y->o, NULL, NULL, &p->rows);
}

/* MLA: queries are brought to the space that the cache holds, so that a token costs kv_rank + turned numbers in all. */
static void latent(struct pass *p, const struct decoder_layer *y, uint32_t layer)
{
    const struct knobs *k = &p->w->k;
    const struct rows *r = &p->rows;
    const struct pages *pages = &p->table[p->store_of[layer]].pages;
    uint32_t head = k->nope + k->turned, wide = k->kv_rank + k->turned;
    struct mat q = p->x, ranked = view(&p->latent, 0, k->q_rank), key = view(&p->latent, 0, wide), c = view(&key, 0, k->kv_rank);
    struct prepare how = {.k_dim = wide, .rope = rope_of(p, layer)};
    struct attend attend = pass_attend_of(p, layer);
    how.rope.first = k->kv_rank;
    if (k->q_rank) {
        apply(p, &ranked, &p->x, &y->q_a, NULL, NULL, r);
        ops(p)->norm(p->queue, &ranked, NULL, &ranked, &y->q_a_norm, r);
        q = ranked;
    }
    apply(p, &p->qkv, &q, &y->qkv, NULL, NULL, r);
    apply(p, &key, &p->x, &y->kv_a, NULL, NULL, r);
    ops(p)->norm(p->queue, &c, NULL, &c, &y->kv_a_norm, r);
    how.kv_heads = 1;
    ops(p)->prepare(p->queue, &key, &how, cache_of(p, layer), pages, r);
    for (uint32_t h = 0; h < k->heads; h++) {
        struct mat to = view(&p->query, h * wide, k->kv_rank), from = view(&p->qkv, h * head, k->nope);
        apply(p, &to, &from, &y->absorb[h], NULL, NULL, r);
    }
    ops(p)->columns(p->queue, &p->query, k->kv_rank, wide, &p->qkv, k->nope, head, k->heads, k->turned, r);
    how.heads = k->heads;
    how.kv_heads = 0;
    ops(p)->prepare(p->queue, &p->query, &how, NULL, NULL, r);
    ops(p)->attend(p->queue, &p->mix, &p->query, &attend, cache_of(p, layer), pages, r);
    for (uint32_t h = 0; h < k->heads; h++) {
        struct mat to = view(&p->qkv, h * k->v_dim, k->v_dim), from = view(&p->mix, h * k->kv_rank, k->kv_rank);
        apply(p, &to, &from, &y->expand[h], NULL, NULL, r);
    }
    struct mat mix = view(&p->qkv, 0, k->heads * k->v_dim);
    apply(p, &p->t, &mix, &y->o, NULL, NULL, r);
}

static void delta(struct pass *p, const struct decoder_layer *y, uint32_t layer)
{
    const struct store *s = &p->store[p->store_of[layer]];
    const struct pass_table *t = &p->table[p->store_of[layer]];
    struct states states = {.base = s->layer[p->place_of[layer]].base, .size = s->size, .from = t->from, .to = t->to};
    struct mat mix = view(&p->mix, 0, y->delta.v_heads * y->delta.v_dim);
    apply(p, &p->qkv, &p->x, &y->delta_in, NULL, NULL, &p->rows);
    ops(p)->delta(p->queue, &mix, &p->qkv, &y->delta, &states, &p->rows);
    apply(p, &p->t, &mix, &y->o, NULL, NULL, &p->rows);
}

/* to: p->t; gate_up of `wide` columns each. */
static void feed_forward(struct pass *p, const struct linear *gate_up, const struct linear *down)
{
    uint32_t wide = gate_up->n / 2;
    struct mat gate = view(&p->gate_up, 0, wide), up = view(&p->gate_up, wide, wide), mid = view(&p->mid, 0, wide);
    apply(p, &p->gate_up, &p->x, gate_up, NULL, NULL, &p->rows);
    glu(p, &mid, &gate, &up, &p->w->k.glu, &p->rows);
    apply(p, &p->t, &mid, down, NULL, NULL, &p->rows);
}

/* to: p->t. */
static void mixture(struct pass *p, const struct decoder_layer *y)
{
    const struct backend *b = ops(p);
    const struct rows *r = &p->rows;
    uint32_t wide = p->w->k.expert_intermediate;
    struct mat gate = view(&p->slot_gate_up, 0, wide), up = view(&p->slot_gate_up, wide, wide);
    apply(p, &p->router, &p->x, &y->router, NULL, NULL, r);
    b->route(p->queue, &p->slots, &p->router, &y->route, r);
    b->gather(p->queue, &p->slot_x, &p->x, p->slots.from, p->slot_used);
    apply(p, &p->slot_gate_up, &p->slot_x, &y->expert_gate_up, NULL, p->slots.group, &p->slot_rows);
    b->glu(p->queue, &p->slot_mid, &gate, &up, &p->w->k.glu, &p->slot_rows);
    apply(p, &p->slot_out, &p->slot_mid, &y->expert_down, NULL, p->slots.group, &p->slot_rows);
    if (y->shared_gate_up.parts) {
        feed_forward(p, &y->shared_gate_up, &y->shared_down);
        if (y->shared_weight.parts) {
            apply(p, &p->gate, &p->x, &y->shared_weight, NULL, NULL, r);
            b->add(p->queue, &p->h, &p->t, &p->gate, r);
        } else {
            b->add(p->queue, &p->h, &p->t, NULL, r);
        }
    }
    b->combine(p->queue, &p->h, &p->slot_out, &p->slots, r);
}

static void add_normed(struct pass *p, const struct norm *post)
{
    if (post->gain)
        norm(p, &p->t, &p->t, post, &p->rows);
    add(p);
}

void pass_layer(struct pass *p, uint32_t layer)
{
    const struct decoder_layer *y = &p->w->layer[layer];
    const struct layer_knobs *what = &p->w->k.layer[layer];
    norm(p, &p->x, &p->h, &y->norm, &p->rows);
    (what->mixer == MIX_DELTA ? delta : what->mixer == MIX_LATENT ? latent : attention)(p, y, layer);
    add_normed(p, &y->post_norm);
    norm(p, &p->x, &p->h, &y->ff_norm, &p->rows);
    if (what->experts) {
        mixture(p, y); /* adds to h itself */
    } else {
        feed_forward(p, &y->gate_up, &y->down);
        add_normed(p, &y->ff_post_norm);
    }
}

static void put(struct pass *p, uint32_t *to, const uint32_t *host, size_t n)
{
    ops(p)->put(p->queue, to, host, n * sizeof *host);
}

static void put_tables(struct pass *p, const struct pass_part *part, uint32_t n)
{
    uint32_t *slot = mem_alloc(n * sizeof *slot);
    for (int i = 0; i < p->stores; i++) {
        struct pass_table *t = &p->table[i];
        for (uint32_t s = 0; s < n && p->store[i].kind == &states_paged; s++)
            put(p, t->table + (size_t)s * t->pages.stride, part[s].held[i].page, part[s].held[i].count);
        if (p->store[i].kind == &states_paged)
            continue;
        for (uint32_t s = 0; s < n; s++)
            slot[s] = part[s].held[i].length[0] == PAGE_NONE ? PAGE_NONE : part[s].held[i].slot[0];
        put(p, t->from, slot, n);
        for (uint32_t s = 0; s < n; s++)
            slot[s] = part[s].held[i].slot[1];
        put(p, t->to, slot, n);
    }
    free(slot);
}

static void put_rows(struct pass *p, const struct pass_part *part, uint32_t n)
{
    uint32_t total = 0, longest = 1;
    for (uint32_t s = 0; s < n; s++)
        total += part[s].n;
    uint32_t *host = mem_alloc((3 * (size_t)total + n + 1) * sizeof *host), *position = host + total, *sequence = position + total;
    uint32_t *offset = sequence + total, at = 0;
    for (uint32_t s = 0; s < n; s++) {
        offset[s] = at;
        longest = part[s].n > longest ? part[s].n : longest;
        for (uint32_t i = 0; i < part[s].n; i++, at++) {
            host[at] = part[s].token[i];
            position[at] = part[s].position + i;
            sequence[at] = s;
        }
    }
    offset[n] = at;
    put(p, p->used, (uint32_t[]){total, n}, 2);
    put(p, p->slot_used, (uint32_t[]){total * p->w->k.route.used, n}, 2);
    put(p, p->token, host, total);
    put(p, p->position, position, total);
    put(p, p->sequence, sequence, total);
    put(p, p->offset, offset, n + 1);
    p->now = total;
    p->rows.max_rows = total;
    p->rows.max_sequences = n;
    p->rows.longest = longest;
    p->slot_rows.max_rows = total * p->w->k.route.used;
    free(host);
}

static void embed(struct pass *p)
{
    ops(p)->embed_rows(p->queue, &p->h, p->w->embed.part[0].w, p->w->k.embedding_scale, &p->rows);
}

static void layers(struct pass *p)
{
    for (uint32_t i = 0; i < p->w->k.layers; i++)
        pass_layer(p, i);
}

void pass_begin(struct pass *p, const struct pass_part *part, uint32_t n)
{
    put_rows(p, part, n);
    put_tables(p, part, n);
    embed(p);
}

void pass_run(struct pass *p, const struct pass_part *part, uint32_t n)
{
    pass_begin(p, part, n);
    layers(p);
}

static void put_wanted(struct pass *p, const uint32_t *row, uint32_t n)
{
    put(p, p->wanted_used, (uint32_t[]){n, 1}, 2);
    put(p, p->wanted_from, row, n);
    p->wanted.max_rows = n;
}

static void head(struct pass *p)
{
    float cap = p->w->k.logit_softcap;
    tell(p, &(struct pass_op){.kind = OP_GATHER, .y = p->last, .x = p->h, .from = p->wanted_from, .r = &p->wanted});
    ops(p)->gather(p->queue, &p->last, &p->h, p->wanted_from, p->wanted_used);
    norm(p, &p->last, &p->last, &p->w->last_norm, &p->wanted);
    apply(p, &p->logits, &p->last, &p->w->head, NULL, NULL, &p->wanted);
    if (cap > 0) {
        tell(p, &(struct pass_op){.kind = OP_SOFTCAP, .y = p->logits, .x = p->logits, .cap = cap, .r = &p->wanted});
        ops(p)->softcap(p->queue, &p->logits, cap, &p->wanted);
    }
}

void pass_head(struct pass *p, const uint32_t *row, uint32_t n)
{
    put_wanted(p, row, n);
    head(p);
}

/* Rows of p->logits from `at` on into host memory. */
static void get_rows(struct pass *p, uint32_t at, uint32_t n, float *out)
{
    size_t line = p->logits.stride * sizeof(float);
    ops(p)->get(p->queue, out, (const char *)p->logits.data + at * line, n * line);
}

/* Logits that stand in p->logits into host memory. Syncs. draw: only of the rows that are not drawn. */
static int get_logits(struct pass *p, uint32_t n, const struct draw_batch *draw, float *out, struct err *e)
{
    const struct backend *b = ops(p);
    size_t stride = p->logits.stride, vocab = p->w->k.vocab;
    bool packed = stride == vocab; /* they lie there as they are wanted: one copy less, 10 MB at 16 rows of 152,000 */
    float *host = packed ? out : mem_alloc(n * stride * sizeof *host);
    for (uint32_t i = 0, end; i < n; i = end + 1) {
        while (i < n && draw && draw->row[i].vocab)
            i++;
        for (end = i; end < n && !(draw && draw->row[end].vocab);)
            end++;
        if (end > i)
            get_rows(p, i, end - i, host + i * stride);
    }
    int rc = b->sync(p->queue, e);
    for (uint32_t i = 0; i < n && !rc && !packed; i++)
        if (!draw || !draw->row[i].vocab)
            memcpy(out + i * vocab, host + i * stride, vocab * sizeof *out);
    if (!packed)
        free(host);
    return rc;
}

/* Where the device's memory is the process's own, logits are computed where they are wanted: to copy 16 rows of 152,000 takes a twentieth
 * of their step, on one thread. Syncs. */
static int logits_in_place(struct pass *p, const uint32_t *row, uint32_t n, float *out, struct err *e)
{
    struct mat own = p->logits;
    p->logits.data = out;
    p->logits.stride = p->w->k.vocab;
    pass_head(p, row, n);
    p->logits = own;
    return ops(p)->sync(p->queue, e);
}

/* How p->logits are drawn; draw NULL: not at all, which a recorded step is told too. */
static void put_draw(struct pass *p, const struct draw_batch *draw, uint32_t n)
{
    static const struct draw_row none[PASS_LOGIT_ROWS];
    if (!p->draw_row)
        return;
    ops(p)->put(p->queue, p->draw_row, draw ? draw->row : none, n * sizeof *none);
    if (draw && draw->nsaid)
        ops(p)->put(p->queue, p->draw_said, draw->said, draw->nsaid * sizeof *draw->said);
}

static void draw_rows(struct pass *p)
{
    ops(p)->draw(p->queue, p->drawn, &p->logits, p->draw_row, p->draw_said, &p->wanted);
}

static void get_drawn(struct pass *p, struct draw_batch *draw, uint32_t n)
{
    if (draw)
        ops(p)->get(p->queue, draw->out, p->drawn, n * sizeof *draw->out);
}

int pass_logits(struct pass *p, const uint32_t *row, uint32_t n, struct draw_batch *draw, float *out, struct err *e)
{
    int rc = 0;
    for (uint32_t at = 0; at < n && !rc; at += PASS_LOGIT_ROWS) {
        uint32_t count = n - at < PASS_LOGIT_ROWS ? n - at : PASS_LOGIT_ROWS;
        float *to = out + (size_t)at * p->w->k.vocab;
        if (!draw && !ops(p)->room) {
            rc = logits_in_place(p, row + at, count, to, e);
            continue;
        }
        pass_head(p, row + at, count);
        if (draw) {
            put_draw(p, draw, count);
            draw_rows(p);
            get_drawn(p, draw, count);
        }
        rc = get_logits(p, count, draw, to, e);
    }
    return rc;
}

int pass_pool(struct pass *p, uint32_t sequences, enum pooling how, float *out, struct err *e)
{
    const struct backend *b = ops(p);
    uint32_t hidden = p->w->k.hidden;
    size_t line = p->pooled.stride;
    float *host = mem_alloc(sequences * line * sizeof *host);
    b->norm(p->queue, &p->x, NULL, &p->h, &p->w->last_norm, &p->rows);
    b->pool(p->queue, &p->pooled, &p->x, how, &p->rows);
    b->get(p->queue, host, p->pooled.data, sequences * line * sizeof *host);
    int rc = b->sync(p->queue, e);
    for (uint32_t s = 0; s < sequences && !rc; s++)
        memcpy(out + (size_t)s * hidden, host + s * line, hidden * sizeof *out);
    free(host);
    return rc;
}

/* The host's bounds of a recorded step of up to so many rows. Rows that are not in use pass through no op. */
static void bound(struct pass *p, enum pass_graph kind, uint32_t rows)
{
    p->now = rows;
    p->rows.max_rows = p->rows.max_sequences = p->wanted.max_rows = rows;
    p->rows.longest = kind == GRAPH_SINGLE ? 1 : rows;
    p->slot_rows.max_rows = rows * p->w->k.route.used;
}

static void whole_step(struct pass *p)
{
    embed(p);
    layers(p);
    head(p);
    if (p->draw_row)
        draw_rows(p);
}

void pass_release_graphs(struct pass *p)
{
    for (int i = 0; i < GRAPH_KINDS * PASS_GRAPHS && p->graphs; i++) {
        p->graphs->release(p->queue, p->graph[i / PASS_GRAPHS][i % PASS_GRAPHS]);
        p->graph[i / PASS_GRAPHS][i % PASS_GRAPHS] = NULL;
    }
    p->graphs = NULL;
}

static int record(struct pass *p, enum pass_graph kind, uint32_t most, struct err *e)
{
    int rc = 0;
    for (uint32_t i = kind; i < PASS_GRAPHS && !rc && (1u << i) / 2 < most; i++) { /* several are two at least */
        bound(p, kind, 1u << i);
        rc = p->graphs->record(p->queue, e);
        if (rc)
            return rc;
        whole_step(p);
        rc = p->graphs->recorded(p->queue, &p->graph[kind][i], e);
    }
    return rc;
}

void pass_record(struct pass *p)
{
    struct err why = {0};
    uint32_t exact = ops(p)->exact_rows, singles = p->max_rows < p->max_sequences ? p->max_rows : p->max_sequences;
    p->graphs = graphs_of(ops(p));
    if (!p->graphs)
        return;
    int rc = record(p, GRAPH_SINGLE, singles, &why);
    if (!rc)
        rc = record(p, GRAPH_SEVERAL, exact < p->max_rows ? exact : p->max_rows, &why);
    if (!rc)
        return;
    log_err(LOG_WARN, "steps are not recorded", &why);
    pass_release_graphs(p);
}

const struct graph *pass_graph(const struct pass *p, uint32_t rows, uint32_t longest)
{
    uint32_t i = 0;
    if (rows > PASS_LOGIT_ROWS)
        return NULL;
    while (1u << i < rows)
        i++;
    return p->graph[longest > 1 ? GRAPH_SEVERAL : GRAPH_SINGLE][i];
}

int pass_play(struct pass *p, const struct graph *g, const struct pass_part *part, uint32_t n, struct draw_batch *draw, float *out,
              struct err *e)
{
    uint32_t row[PASS_LOGIT_ROWS], rows = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < part[i].n; k++, rows++)
            row[rows] = rows;
    put_rows(p, part, n);
    put_tables(p, part, n);
    put_wanted(p, row, rows);
    put_draw(p, draw, rows);
    p->graphs->play(p->queue, g);
    get_drawn(p, draw, rows);
    return get_logits(p, rows, draw, out, e);
}

#define _GNU_SOURCE /* memmem */
#include "retriever/cache.h"
#include "retriever/exact.h"
#include "retriever/rank.h"
#include "retriever/rerank.h"
#include "retriever/texts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/train/query_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_BYTES ((size_t)32 << 20)
#define LARGE_BYTES ((size_t)64 << 20) /* the trace of 250 questions with quoted text about 17 repositories asks for 2.5 GB of large
                                          contents; with so much 2.1 of it are there, with half 1.3, with half as much again 2.3 */

/* What a search needs for itself alone. 200k chunks take 8 MB, and pages that are new to the process cost as much as what is written
 * into them, so searches hand it on; there are as many as ever searched at once. */
#define SCRATCH_BYTES ((size_t)32 << 20) /* a larger one goes back to the system */
struct scratch {
    struct scratch *next;
    struct arena arena;
};

struct retriever {
    struct store *store;
    struct cache cache;
    struct texts texts, large; /* shown lately; large and read for quoted text */
    struct joint joint;
    uint32_t sketch_from;    /* vectors that are asked about; fewer are read whole */
    pthread_mutex_t lock;    /* of idle */
    struct scratch *idle;
};

static struct scratch *scratch_take(struct retriever *r)
{
    pthread_mutex_lock(&r->lock);
    struct scratch *s = r->idle;
    if (s)
        r->idle = s->next;
    pthread_mutex_unlock(&r->lock);
    return s ? s : mem_zero(1, sizeof *s);
}

static void scratch_give(struct retriever *r, struct scratch *s)
{
    if (arena_held(&s->arena) > SCRATCH_BYTES)
        arena_release(&s->arena);
    else
        arena_reset(&s->arena);
    pthread_mutex_lock(&r->lock);
    s->next = r->idle;
    r->idle = s;
    pthread_mutex_unlock(&r->lock);
}

int retriever_open(struct retriever **out, struct store *s, struct err *e)
{
    struct retriever *r = mem_zero(1, sizeof *r);
    r->store = s;
    cache_init(&r->cache, s);
    texts_init(&r->texts, TEXTS_BYTES);
    texts_init(&r->large, LARGE_BYTES);
    joint_init(&r->joint);
    r->sketch_from = SKETCH_FROM;
    pthread_mutex_init(&r->lock, NULL);
    *out = r;
    return 0;
}

void retriever_forget(struct retriever *r)
{
    cache_clear(&r->cache);
    texts_clear(&r->texts);
    texts_clear(&r->large);
}

static void scratch_free(struct scratch *s)
{
    for (struct scratch *next; s; s = next) {
        next = s->next;
        arena_release(&s->arena);
        free(s);
    }
}

void retriever_rest(struct retriever *r, int64_t now_ns)
{
    int64_t since = now_ns - RETRIEVER_KEEPS * 1000000000LL;
    texts_rest(&r->texts, since);
    texts_rest(&r->large, since);
    pthread_mutex_lock(&r->lock);
    struct scratch *old = r->idle; /* whether in use or not: each has the size of the largest search it ever served */
    r->idle = NULL;
    pthread_mutex_unlock(&r->lock);
    scratch_free(old);
}

void retriever_close(struct retriever *r)
{
    if (!r)
        return;
    cache_release(&r->cache);
    texts_release(&r->texts);
    texts_release(&r->large);
    joint_release(&r->joint);
    scratch_free(r->idle);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

int retriever_snapshot(struct snapshot **out, struct retriever *r, const struct search_target *target, struct err *e)
{
    return cache_snapshot(out, &r->cache, target->view, target->unsaved, e);
}

int retriever_read(struct txn **out, struct retriever *r, const struct search_target *target, size_t n, struct err *e)
{
    int rc = store_read(out, r->store, e);
    if (!rc && n)
        txn_see(*out, target[0].unsaved);
    return rc;
}

void retriever_sketch_from(struct retriever *r, uint32_t vectors)
{
    r->sketch_from = vectors;
}

struct store *retriever_store(struct retriever *r)
{
    return r->store;
}

/* Everything one search holds: released in one place. */
struct run {
    struct retriever *r;
    const struct search_request *q;
    struct arena *arena;     /* the asker's: what the result points at */
    struct scratch *own;
    struct arena *scratch;   /* its arena: everything else */
    struct snapshot **snap;
    size_t nsnaps;
    struct txn *t;
    struct segment *seg;
    size_t nsegs;
    struct dense_map **map;
    struct query query;
    struct universe_base *base;
    struct universe u;
    struct lexical lex;
    struct name_def *def;
    size_t ndefs;
    struct embed_flight *question; /* on its way to the model */
    float *vector, *turned;        /* turned: by the embedder's adapter; NULL without one */
    struct dense_owners *owners;
    struct sketch *sketch;
    struct dense dense;
    float near;                    /* the best cosine of the question as the model has it */
    struct exact_quoted *quoted;
    struct ranking ranking;
};

/* The transaction, and what points into it. */
static void leave_store(struct run *x)
{
    txn_end(x->t);
    x->t = NULL;
    free(x->seg);
    x->seg = NULL;
}

static void run_release(struct run *x)
{
    static const volatile bool now = true;
    if (x->question)
        model_embed_finish(x->question, x->vector, &now, NULL);
    exact_quoted_free(x->quoted);
    leave_store(x);
    universe_drop(x->base);
    dense_owners_drop(x->owners);
    sketch_drop(x->sketch);
    for (size_t i = 0; i < x->nsnaps; i++) {
        snapshot_drop(x->snap[i]);
        dense_map_drop(x->map[i]);
    }
    scratch_give(x->r, x->own);
}

static int open_views(struct run *x, struct err *e)
{
    x->snap = arena_zero(x->arena, x->q->ntargets, sizeof *x->snap);
    x->map = arena_zero(x->arena, x->q->ntargets, sizeof *x->map);
    for (; x->nsnaps < x->q->ntargets; x->nsnaps++) {
        int rc = retriever_snapshot(&x->snap[x->nsnaps], x->r, &x->q->target[x->nsnaps], e);
        if (rc)
            return rc;
    }
    return 0;
}

/* The model works while words are looked up. One that fails costs the vectors, not the answer. */
static void send_question(struct run *x)
{
    if (!x->q->embedder)
        return;
    x->vector = arena_alloc(x->arena, model_info(x->q->embedder)->dim * sizeof *x->vector);
    if (model_embed_start(&x->question, x->q->embedder, arena_strn(x->arena, x->query.text.p, x->query.text.n), NULL))
        x->vector = NULL;
}

static void take_vector(struct run *x)
{
    if (model_embed_finish(x->question, x->vector, x->q->stop, NULL))
        x->vector = NULL;
    else if (x->q->map) {
        x->turned = arena_alloc(x->arena, x->q->map->dim * sizeof *x->turned);
        query_map_apply(x->turned, x->q->map, x->vector);
    }
    x->question = NULL;
}

static int score_dense(struct run *x, struct err *e)
{
    const struct model_info *info = model_info(x->q->embedder);
    uint16_t model;
    struct vector_run *run = NULL;
    size_t n = 0;
    if (vector_model(x->t, info->hash, info->dim, &model, NULL)) /* nothing embedded with it: no error */
        return 0;
    int rc = vectors_open(x->t, model, &run, &n, e);
    for (size_t i = 0; i < x->nsnaps && n && !rc; i++)
        x->map[i] = cache_map(&x->r->cache, x->snap[i], model, x->t);
    if (!rc && n) {
        struct dense_rows rows = dense_rows_of(run, n, info->dim, x->scratch);
        x->owners = cache_owners(&x->r->cache, x->base, &x->u, x->map, model, &rows);
        if (x->owners->nowned >= x->r->sketch_from && rows.n <= SKETCH_MOST)
            x->sketch = cache_sketch(&x->r->cache, model, &rows, info->dim);
        dense_scan(&x->dense, &x->r->joint, &x->u, x->map, x->owners, x->sketch, &rows, x->turned ? x->turned : x->vector, info->dim, x->scratch);
        x->near = x->dense.best;
        if (x->turned) { /* whether anything is there at all is judged by the model's own cosines, whatever an adapter was tuned on */
            struct dense own;
            dense_scan(&own, &x->r->joint, &x->u, x->map, x->owners, x->sketch, &rows, x->vector, info->dim, x->scratch);
            x->near = own.best;
        }
    }
    free(run);
    return rc;
}

/* -- hits ------------------------------------------------------------------------------------------------------------- */

/* The chunk that holds a line, or the last one before it. */
static uint32_t chunk_at(const struct record *r, uint32_t line)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < r->head->nchunks && r->chunk[i].start_line <= line; i++)
        at = i;
    return at;
}

static void name_hit(struct run *x, struct search_hit *h, const struct record *r)
{
    h->language = arena_strn(x->arena, r->head->language, strnlen(r->head->language, LANGUAGE_NAME_MAX));
    h->crumb = "";
    if (h->chunk < r->head->nchunks)
        h->crumb = arena_strn(x->arena, r->strings + r->chunk[h->chunk].crumb, r->chunk[h->chunk].crumb_len);
    if (h->symbol != RECORD_NONE) {
        h->symbol_name = arena_strn(x->arena, r->strings + r->symbol[h->symbol].name, r->symbol[h->symbol].name_len);
        h->kind = symbol_kind_name(r->symbol[h->symbol].kind);
    }
}

static void place_hit(struct run *x, struct search_hit *h, uint32_t target, const struct snap_file *f)
{
    uint8_t oid_len = x->q->target[target].oid_len;
    h->target = target;
    h->path = (struct str){arena_strn(x->arena, f->path.p, f->path.n), f->path.n};
    h->oid = f->oid;
    h->oid_len = oid_len ? oid_len : 20;
    h->uncommitted = f->uncommitted || !oid_len;
    h->cut = f->cut;
}

static int exact_hits(struct run *x, struct search_result *out, struct err *e)
{
    struct exact_result found;
    int rc = exact_find(&found, &x->u, x->q, x->query.literal, x->q->regex ? 0 : x->query.nliterals, x->t, x->arena, e);
    const struct exact_match *m = found.match;
    out->exact = true;
    out->truncated = found.truncated;
    out->left_out = found.left_out;
    out->hit = arena_zero(x->arena, found.n, sizeof *out->hit);
    for (size_t i = 0; i < found.n && !rc; i++) {
        struct search_hit *h = &out->hit[out->n];
        struct record r;
        place_hit(x, h, m[i].target, &x->snap[m[i].target]->file[m[i].file]);
        if ((rc = cut_get(x->t, h->cut, &r, e)) != 0)
            break;
        h->chunk = chunk_at(&r, m[i].line);
        h->symbol = h->chunk < r.head->nchunks ? r.chunk[h->chunk].symbol : RECORD_NONE;
        h->start_line = m[i].line;
        h->end_line = m[i].end_line;
        h->snippet = m[i].snippet;
        h->score = 1;
        name_hit(x, h, &r);
        out->n++;
    }
    return rc;
}

/* The symbol a chunk is shown under: the asked-for definition, else the one it stands for. */
static uint32_t shown_symbol(const struct rank_chunk *c, const struct record *r)
{
    if (c->def_symbol != RECORD_NONE)
        return c->def_symbol;
    return r->chunk[c->n].symbol;
}

static bool of_kind(const struct record *r, uint32_t chunk, int kind, uint32_t *symbol)
{
    for (uint32_t i = 0; i < r->head->nsymbols; i++)
        if (r->symbol[i].chunk == chunk && r->symbol[i].kind == kind) {
            *symbol = i;
            return true;
        }
    return false;
}

/* Whether a quoted piece begins in the lines of a text that ends at end: which files hold all of them is known. */
static bool holds(struct str lines, const char *end, const struct query *q)
{
    for (unsigned i = 0; i < q->nliterals; i++) {
        size_t over = lines.n + q->literal[i].n - 1, left = (size_t)(end - lines.p);
        if (memmem(lines.p, over < left ? over : left, q->literal[i].p, q->literal[i].n))
            return true;
    }
    return !q->nliterals;
}

/* The whole lines that a chunk stands in, without the last line's end. From the chunk's bytes, not by counting lines from the
 * top: that was 5 % of a search. */
static struct str lines_of(const struct text *t, const struct record_chunk *c)
{
    size_t from = c->start < t->len ? c->start : t->len, to = c->end < t->len ? c->end : t->len;
    while (from > 0 && t->bytes[from - 1] != '\n')
        from--;
    while (to > from && (t->bytes[to - 1] == '\n' || t->bytes[to - 1] == '\r'))
        to--;
    const char *nl = memchr(t->bytes + to, '\n', t->len - to);
    to = nl ? (size_t)(nl - t->bytes) : t->len;
    while (to > from && t->bytes[to - 1] == '\r')
        to--;
    return (struct str){t->bytes + from, to - from};
}

static int fill_hit(struct run *x, const struct rank_chunk *c, struct search_hit *h, bool *skip, struct err *e)
{
    struct arena *a = x->arena;
    const struct rank_file *f = &x->ranking.file[c->file];
    struct record r;
    int rc = cut_get(x->t, f->cut->cut, &r, e);
    if (rc)
        return rc;
    uint32_t symbol = shown_symbol(c, &r);
    if (x->q->kind >= 0 && !of_kind(&r, c->n, x->q->kind, &symbol)) {
        *skip = true;
        return 0;
    }
    const struct record_chunk *chunk = &r.chunk[c->n];
    struct text *text;
    rc = texts_get(&text, &x->r->texts, x->t, f->cut->cut, e);
    if (rc)
        return rc;
    struct str lines = lines_of(text, chunk);
    *skip = !holds(lines, text->bytes + text->len, &x->query);
    if (!*skip) {
        *h = (struct search_hit){
            .chunk = c->n,
            .start_line = chunk->start_line,
            .end_line = chunk->end_line,
            .symbol = symbol,
            .snippet = {arena_strn(a, lines.p, lines.n), lines.n},
            .score = c->score,
        };
        place_hit(x, h, f->target, f->file);
        name_hit(x, h, &r);
    }
    text_drop(text);
    return 0;
}

static const double *explain(struct run *x, const struct rank_chunk *c)
{
    const struct rank_file *f = &x->ranking.file[c->file];
    double *value = arena_zero(x->arena, signal_count(), sizeof *value);
    for (size_t s = 0; signals[s].name; s++)
        value[s] = signals[s].level == SIGNAL_CHUNK ? c->value[s] : f->value[s];
    return value;
}

static uint32_t shown(const struct search_request *q)
{
    return q->limit ? q->limit : 10;
}

static int fill_hits(struct run *x, struct search_result *out, struct err *e)
{
    uint32_t limit = shown(x->q);
    if (x->q->reranker && limit < RERANK_HITS) /* some of them may come to the page */
        limit = RERANK_HITS;
    out->hit = arena_zero(x->arena, limit, sizeof *out->hit);
    const struct rank_chunk *c;
    while (out->n < limit && (c = rank_next(&x->ranking)) != NULL) {
        bool skip = false;
        int rc = fill_hit(x, c, &out->hit[out->n], &skip, e);
        if (rc)
            return rc;
        if (skip)
            continue;
        if (x->q->explain) {
            out->hit[out->n].value = explain(x, c);
            out->hit[out->n].repeat = c->repeat;
        }
        out->n++;
    }
    return 0;
}

static void weigh_evidence(const struct run *x, struct search_evidence *ev)
{
    const struct query *q = &x->query;
    for (unsigned i = 0; i < q->nterms; i++)
        ev->unknown_words += !q->term[i].joined && !q->term[i].whole && !q->term[i].df;
    for (uint32_t i = 0; i < x->lex.ntouched; i++) {
        uint32_t g = x->lex.touched[i];
        double cover = 0;
        for (uint64_t m = x->lex.file[g].mask; m; m &= m - 1) {
            const struct query_term *t = &q->term[__builtin_ctzll(m)];
            cover += t->joined || t->whole ? 0 : t->idf;
        }
        ev->coverage = fmax(ev->coverage, q->total_idf > 0 ? cover / q->total_idf : 0);
        ev->lexical = fmax(ev->lexical, q->total_idf > 0 ? x->lex.file[g].best_chunk / q->total_idf : 0);
    }
    for (size_t i = 0; i < x->ndefs; i++)
        ev->name = fmax(ev->name, x->def[i].quality);
    ev->dense = x->near;
}

/* *same (may be NULL): the universe is the one of the time before, so that what was found in it counts. */
static int enter_store(struct run *x, bool *same, struct err *e)
{
    int rc = retriever_read(&x->t, x->r, x->q->target, x->q->ntargets, e);
    if (rc || (rc = segments_open(x->t, &x->seg, &x->nsegs, e)))
        return rc;
    bool is = x->base && universe_is(x->base, x->snap, x->nsnaps, x->seg, x->nsegs);
    if (!is) {
        universe_drop(x->base);
        x->base = cache_universe(&x->r->cache, x->snap, x->nsnaps, x->seg, x->nsegs);
    }
    x->u = universe_over(x->base, x->snap, x->seg);
    if (same)
        *same = is;
    return 0;
}

/* What words and names alone say. */
static void look_up(struct run *x)
{
    lexical_run(&x->lex, &x->u, &x->query, x->scratch);
    x->ndefs = names_find(&x->def, &x->u, &x->query, x->t, x->scratch);
}

static int rank_all(struct run *x, struct err *e)
{
    const struct query *q = &x->query;
    int rc = q->nliterals ? exact_quoted_new(&x->quoted, &x->u, x->q, q->literal, q->nliterals, x->t, &x->r->large, x->scratch, e) : 0;
    if (rc)
        return rc;
    x->ranking = (struct ranking){.quoted = x->quoted, .request = x->q, .u = &x->u, .lex = &x->lex, .q = q, .def = x->def, .ndefs = x->ndefs,
                                  .near = x->dense.all ? &x->dense : NULL, .dense = x->dense.chunk, .card = x->dense.card};
    return rank(&x->ranking, x->scratch, e);
}

int search(struct search_result *out, struct retriever *r, const struct search_request *q, struct arena *arena, struct err *e)
{
    *out = (struct search_result){0};
    struct run x = {.r = r, .q = q, .arena = arena};
    double began = clock_ms();
    size_t len = strlen(q->text);
    if (len > SEARCH_TEXT_MAX) {
        int rc = err_set(e, ERR_USAGE, "the question has %zu bytes; %d are the limit", len, SEARCH_TEXT_MAX);
        err_hint(e, "give a log or a trace on standard input (`-`) and ask a short question about it");
        return rc;
    }
    query_parse(&x.query, (struct str){q->text, len}, arena);
    bool exact = q->regex || (q->lines && x.query.only_quoted);
    if (exact ? !len : !x.query.nterms)
        return err_set(e, ERR_USAGE, "the question has no word to look for");
    x.own = scratch_take(r);
    x.scratch = &x.own->arena;
    int rc = open_views(&x, e);
    if (rc)
        goto out;
    if (!exact)
        send_question(&x);
    double lexical = clock_ms();
    if ((rc = enter_store(&x, NULL, e)))
        goto out;
    if (exact) {
        rc = exact_hits(&x, out, e);
        out->ms_total = clock_ms() - began;
        goto out;
    }
    look_up(&x);
    out->ms_lexical = clock_ms() - lexical;
    double embed = clock_ms();
    if (x.question) { /* no transaction waits for a model: it may be loaded first, or hang */
        bool same;
        leave_store(&x);
        take_vector(&x);
        if ((rc = enter_store(&x, &same, e)))
            goto out;
        if (!same)
            look_up(&x);
    }
    out->ms_embed = clock_ms() - embed;
    double dense = clock_ms();
    if (x.vector && (rc = score_dense(&x, e)))
        goto out;
    out->dense_used = x.dense.all != NULL;
    out->ms_dense = clock_ms() - dense;
    double ranked = clock_ms();
    if ((rc = rank_all(&x, e)))
        goto out;
    out->left_out.blind = x.quoted ? exact_quoted_unread(x.quoted) : 0;
    rc = fill_hits(&x, out, e);
    weigh_evidence(&x, &out->evidence);
    out->ms_rank = clock_ms() - ranked;
    if (!rc && q->reranker) {
        leave_store(&x);
        rerank_hits(out, q->reranker, q->text, q->rerank_ms, q->stop, arena);
        out->n = out->n < shown(q) ? out->n : shown(q);
    }
    out->ms_total = clock_ms() - began;
out:
    run_release(&x);
    return rc;
}

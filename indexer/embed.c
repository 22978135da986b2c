/* What of a view is embedded, in which order.
 *
 * Every file with content has a card (path words, header, names). Chunks are embedded as well, except those of
 *   generated and minified files: nobody asks where they do something, and they would be most of the vectors;
 *   files without definitions (data, configuration, prose) past their first PROSE_CHUNKS chunks: manuals are found by their
 *   sections, a megabyte of JSON is not found by its meaning.
 * Order: cards before chunks (half of the gain at a tenth of the cost); code before the rest before vendored code; within
 * those, files whose names are referred to most. A text is embedded once whatever the number of its occurrences, and what is
 * done is in the store, so a run that ends early goes on where it stopped. */
#include "indexer/indexer.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/items.h"
#include "indexer/job.h"
#include "kernels/quant.h"
#include "store/vector.h"

#include <stdlib.h>
#include <string.h>

#define PROSE_CHUNKS 40
#define FILES_A_READ 1000     /* a read transaction: some 20 ms */
#define TEXTS_A_GROUP 256     /* embedded between two write transactions */
#define TEXTS_A_CALL 64
#define VECTORS_A_WRITE 1024
#define CALLED_SLOTS ((size_t)1 << 18) /* counters by the hash of a name; a collision only moves a file in the queue */

struct want {
    uint32_t cut, ntexts;
    uint64_t variant;
    struct str path; /* in the list of files */
    uint8_t class;   /* 0 code, 1 the rest, 2 vendored */
    bool chunks;
    float score;
};

struct embed {
    struct store *store;
    struct model *model;
    const struct model_info *info;
    uint16_t number; /* of the model in the store */
    struct items files;
    uint32_t *called; /* [CALLED_SLOTS] */
    struct want *want;
    size_t n, cap;
};

/* -- what is wanted --------------------------------------------------------------------------------------------------------------- */

static bool embeds(const struct item *f)
{
    return f->cut != CUT_NONE && !(f->flags & (OCC_DELETED | OCC_SKIPPED | OCC_QUARANTINED));
}

/* Number of leading chunks that are embedded. */
static uint32_t chunks_wanted(const struct record *r, uint32_t flags)
{
    bool generated = (r->head->flags & RECORD_GENERATED && !(flags & OCC_NOT_GENERATED)) || flags & OCC_GENERATED;
    if (generated || r->head->flags & (RECORD_MINIFIED | RECORD_BINARY | RECORD_LFS))
        return 0;
    for (uint32_t i = 0; i < r->head->nsymbols; i++)
        if (r->symbol[i].kind != SYMBOL_SECTION)
            return r->head->nchunks;
    return r->head->nchunks < PROSE_CHUNKS ? r->head->nchunks : PROSE_CHUNKS;
}

static size_t slot(const struct record *r, uint32_t at, uint32_t len)
{
    return hash64(r->strings + at, len) & (CALLED_SLOTS - 1);
}

static int count_calls(void *arg, struct txn *t, const struct item *f, const struct record *r)
{
    struct embed *x = arg;
    for (uint32_t i = 0; i < r->head->nrefs; i++)
        x->called[slot(r, r->ref[i].name, r->ref[i].name_len)]++;
    return 0;
}

static void add_want(struct embed *x, struct want w)
{
    VEC_ROOM(x->want, x->n, x->cap);
    x->want[x->n++] = w;
}

static int list_wants(void *arg, struct txn *t, const struct item *f, const struct record *r)
{
    struct embed *x = arg;
    struct want w = {.cut = f->cut, .path = f->path, .class = 1, .ntexts = 1, .variant = vecof_card(f->path)};
    size_t n;
    for (uint32_t i = 0; i < r->head->nsymbols; i++) {
        const struct record_symbol *s = &r->symbol[i];
        if (s->kind == SYMBOL_SECTION)
            continue;
        uint32_t calls = x->called[slot(r, s->name, s->name_len)];
        w.class = 0;
        w.score += calls < 100 ? (float)calls : 100; /* one name that everything uses is not a hundred uses of the file */
    }
    if (f->flags & OCC_VENDORED)
        w.class = 2;
    if (r->head->nchunks && !vecof_get(t, x->number, f->cut, w.variant, &n))
        add_want(x, w);
    w.chunks = true;
    w.variant = 0;
    w.ntexts = chunks_wanted(r, f->flags);
    if (w.ntexts && !vecof_get(t, x->number, f->cut, 0, &n))
        add_want(x, w);
    return 0;
}

/* Calls each with every embeddable file's record, in read transactions of bounded length. */
static int each_record(struct store *s, const struct items *files, int (*each)(void *, struct txn *, const struct item *, const struct record *),
                       void *arg, struct err *e)
{
    int rc = 0;
    for (size_t at = 0; at < files->n && !rc;) {
        struct txn *t = NULL;
        rc = store_read(&t, s, e);
        for (size_t end = at + FILES_A_READ; at < end && at < files->n && !rc; at++) {
            struct record r;
            if (embeds(&files->v[at]) && cut_get(t, files->v[at].cut, &r, NULL) == 0)
                rc = each(arg, t, &files->v[at], &r);
        }
        txn_end(t);
    }
    return rc;
}

static int by_worth(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    if (x->chunks != y->chunks)
        return x->chunks - y->chunks;
    if (x->class != y->class)
        return x->class - y->class;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->cut != y->cut)
        return x->cut < y->cut ? -1 : 1;
    return path_cmp(x->path, y->path);
}

static int list_files(struct items *out, struct store *s, uint32_t view, struct err *e)
{
    struct txn *t = NULL;
    int rc = store_read(&t, s, e);
    if (!rc)
        rc = items_of_view(out, t, view, false, e);
    txn_end(t);
    return rc;
}

/* -- a group of texts ----------------------------------------------------------------------------------------------------------------- */

struct group {
    struct arena mem;
    size_t first, end;      /* of want[] */
    uint32_t *number;       /* [ntexts] in order of want[]: the vector, or */
    uint32_t *fresh_at;     /* [ntexts] where it is VECTOR_NONE: index of the text among the new ones */
    size_t ntexts, cap_number, cap_at;
    const char **text;      /* [nnew] to embed, each once */
    struct hash128 *fresh;  /* [nnew] */
    size_t nnew, cap_text, cap_fresh;
    uint32_t *slot;         /* [nslots] hash -> index + 1 */
    size_t nslots;
};

static void group_release(struct group *g)
{
    arena_release(&g->mem);
    free(g->number);
    free(g->fresh_at);
    free(g->text);
    free(g->fresh);
    free(g->slot);
}

/* Where hash h stands among the new texts, or the empty slot for it. */
static uint32_t *slot_of(const struct group *g, struct hash128 h)
{
    size_t at = h.lo & (g->nslots - 1);
    while (g->slot[at] && (g->fresh[g->slot[at] - 1].lo != h.lo || g->fresh[g->slot[at] - 1].hi != h.hi))
        at = (at + 1) & (g->nslots - 1);
    return &g->slot[at];
}

static void grow_slots(struct group *g)
{
    if (g->nnew * 2 < g->nslots)
        return;
    free(g->slot);
    g->nslots = g->nslots ? g->nslots * 4 : 2048;
    g->slot = mem_zero(g->nslots, sizeof *g->slot);
    for (size_t i = 0; i < g->nnew; i++)
        *slot_of(g, g->fresh[i]) = (uint32_t)i + 1;
}

static void add_text(struct group *g, struct embed *x, struct txn *t, struct buf *b)
{
    buf_addc(b, 0); /* model_embed takes C strings: the text ends at its first NUL */
    size_t n = strlen(b->data);
    struct hash128 h = hash128(b->data, n);
    VEC_ROOM(g->number, g->ntexts, g->cap_number);
    VEC_ROOM(g->fresh_at, g->ntexts, g->cap_at);
    uint32_t number = vector_find(t, x->number, h), at = 0;
    if (number == VECTOR_NONE) {
        grow_slots(g);
        uint32_t *slot = slot_of(g, h);
        if (!*slot) {
            VEC_ROOM(g->text, g->nnew, g->cap_text);
            VEC_ROOM(g->fresh, g->nnew, g->cap_fresh);
            g->text[g->nnew] = arena_strn(&g->mem, b->data, n);
            g->fresh[g->nnew++] = h;
            *slot = (uint32_t)g->nnew;
        }
        at = *slot - 1;
    }
    g->number[g->ntexts] = number;
    g->fresh_at[g->ntexts++] = at;
    buf_clear(b);
}

/* The texts of the next wants, until there are enough; what went away since it was listed is passed over. */
static int group_read(struct group *g, struct embed *x, size_t at, struct err *e)
{
    struct buf content = BUF_INIT, text = BUF_INIT;
    struct txn *t = NULL;
    int rc = store_read(&t, x->store, e);
    g->first = g->end = at;
    for (; g->end < x->n && g->nnew < TEXTS_A_GROUP && g->end - at < FILES_A_READ && !rc; g->end++) {
        struct want *w = &x->want[g->end];
        struct record r;
        size_t n;
        buf_clear(&content);
        if (vecof_get(t, x->number, w->cut, w->variant, &n) || cut_get(t, w->cut, &r, NULL) != 0 ||
            cut_text(t, w->cut, &content, NULL) != 0) {
            w->ntexts = 0; /* made for another path of the same content */
            continue;
        }
        struct str bytes = {content.data ? content.data : "", content.len};
        for (uint32_t i = 0; i < w->ntexts; i++) {
            if (w->chunks)
                chunk_embed_text(&text, &r, i, bytes);
            else
                card_embed_text(&text, &r, w->path, bytes);
            add_text(g, x, t, &text);
        }
    }
    txn_end(t);
    buf_release(&text);
    buf_release(&content);
    return rc;
}

static int group_embed(struct group *g, struct embed *x, int8_t *q, float *scale, struct err *e)
{
    uint32_t dim = x->info->dim;
    float *v = mem_alloc(TEXTS_A_CALL * (size_t)dim * sizeof *v);
    int rc = 0;
    for (size_t at = 0; at < g->nnew && !rc; at += TEXTS_A_CALL) {
        size_t n = g->nnew - at < TEXTS_A_CALL ? g->nnew - at : TEXTS_A_CALL;
        rc = model_embed(x->model, EMBED_DOCUMENT, g->text + at, n, PRIORITY_DOCUMENT, v, NULL, NULL, e);
        for (size_t i = 0; i < n && !rc; i++)
            scale[at + i] = quant_row(q + (at + i) * dim, v + i * dim, dim);
    }
    free(v);
    return rc;
}

/* The vectors, a bounded number a transaction; one content may have 65,000 of them. */
static int write_vectors(const struct group *g, struct embed *x, const int8_t *q, const float *scale, uint32_t *number, struct err *e)
{
    int rc = 0;
    for (size_t at = 0; at < g->nnew && !rc; at += VECTORS_A_WRITE) {
        size_t n = g->nnew - at < VECTORS_A_WRITE ? g->nnew - at : VECTORS_A_WRITE;
        struct txn *t = NULL;
        rc = store_write(&t, x->store, e);
        if (!rc)
            rc = vector_put(t, x->number, g->fresh + at, q + at * x->info->dim, scale + at, n, number + at, e);
        if (rc)
            txn_end(t);
        else
            rc = txn_commit(t, e);
    }
    return rc;
}

static int write_uses(const struct group *g, struct embed *x, struct txn *t, const uint32_t *fresh, struct err *e)
{
    uint32_t *number = NULL;
    size_t cap = 0, at = 0;
    int rc = 0;
    for (size_t k = g->first; k < g->end && !rc; k++) {
        const struct want *w = &x->want[k];
        struct record r;
        if (!w->ntexts || (rc = cut_get(t, w->cut, &r, e)) != 0)
            continue;
        uint32_t n = w->chunks ? r.head->nchunks : 1;
        if (n > cap)
            number = mem_grow(number, cap = n, sizeof *number);
        for (uint32_t i = 0; i < n; i++) {
            number[i] = VECTOR_NONE;
            if (i < w->ntexts)
                number[i] = g->number[at + i] != VECTOR_NONE ? g->number[at + i] : fresh[g->fresh_at[at + i]];
        }
        at += w->ntexts;
        rc = vecof_put(t, x->number, w->cut, w->variant, number, n, e);
    }
    free(number);
    return rc;
}

static int group_write(const struct group *g, struct embed *x, const int8_t *q, const float *scale, struct err *e)
{
    struct txn *t = NULL;
    uint32_t *fresh = mem_alloc((g->nnew + 1) * sizeof *fresh);
    int rc = write_vectors(g, x, q, scale, fresh, e);
    if (!rc)
        rc = store_write(&t, x->store, e);
    if (!rc)
        rc = write_uses(g, x, t, fresh, e);
    if (!rc) {
        txn_bump(t);
        rc = txn_commit(t, e);
    } else {
        txn_end(t);
    }
    free(fresh);
    return rc;
}

static int one_group(struct embed *x, size_t *at, struct index_progress *p, struct err *e)
{
    struct group g = {0};
    int rc = group_read(&g, x, *at, e);
    int8_t *q = mem_alloc((g.nnew + 1) * (size_t)x->info->dim);
    float *scale = mem_alloc((g.nnew + 1) * sizeof *scale);
    if (!rc)
        rc = group_embed(&g, x, q, scale, e);
    if (!rc && g.ntexts)
        rc = group_write(&g, x, q, scale, e);
    p->texts_done += g.ntexts;
    *at = g.end;
    free(scale);
    free(q);
    group_release(&g);
    return rc;
}

/* -- the run ---------------------------------------------------------------------------------------------------------------------------- */

static int model_number(uint16_t *out, struct store *s, const struct model_info *m, struct err *e)
{
    struct txn *t = NULL;
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    rc = vector_model(t, m->hash, m->dim, out, e);
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

int index_embed(struct indexer *ix, struct model *m, uint32_t view, index_progress_cb cb, void *arg, struct err *e)
{
    struct embed x = {.store = ix->store, .model = m, .info = model_info(m)};
    struct index_progress p = {.stage = "embedding"};
    double begun = clock_ms();
    items_init(&x.files);
    indexer_writes(ix);
    int rc = model_number(&x.number, x.store, x.info, e);
    if (!rc)
        rc = list_files(&x.files, x.store, view, e);
    x.called = mem_zero(CALLED_SLOTS, sizeof *x.called);
    if (!rc)
        rc = each_record(x.store, &x.files, count_calls, &x, e);
    if (!rc)
        rc = each_record(x.store, &x.files, list_wants, &x, e);
    if (x.n)
        qsort(x.want, x.n, sizeof *x.want, by_worth);
    for (size_t i = 0; i < x.n; i++)
        p.texts += x.want[i].ntexts;
    for (size_t at = 0; at < x.n && !rc;) {
        rc = one_group(&x, &at, &p, e);
        p.seconds = (clock_ms() - begun) / 1e3;
        if (!rc && cb && !cb(arg, &p))
            rc = err_set(e, ERR_CANCELED, "embedding was stopped");
    }
    free(x.want);
    free(x.called);
    items_release(&x.files);
    return rc;
}

struct share {
    uint16_t model;
    uint64_t wanted, made;
};

static int count_made(void *arg, struct txn *t, const struct item *f, const struct record *r)
{
    struct share *s = arg;
    size_t n;
    uint32_t chunks = chunks_wanted(r, f->flags);
    if (r->head->nchunks) {
        s->wanted++;
        s->made += vecof_get(t, s->model, f->cut, vecof_card(f->path), &n) != NULL;
    }
    s->wanted += chunks;
    s->made += chunks && vecof_get(t, s->model, f->cut, 0, &n) ? chunks : 0;
    return 0;
}

int index_embedded(struct store *s, uint16_t model, uint32_t view, double *share, struct err *e)
{
    struct items files;
    struct share count = {.model = model};
    items_init(&files);
    int rc = list_files(&files, s, view, e);
    if (!rc)
        rc = each_record(s, &files, count_made, &count, e);
    *share = count.wanted ? (double)count.made / (double)count.wanted : 1;
    items_release(&files);
    return rc;
}

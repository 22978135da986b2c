/* Vectors of commit messages, so that a question in other words than the message's finds it. In a space of their own: what searches
 * code does not scan them. */
#include "indexer/history_inside.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "indexer/job.h"
#include "kernels/quant.h"
#include "store/vector.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 600u  /* of a message that are embedded: what it did and why. Lists and logs follow */
#define COMMITS_A_GROUP 256 /* embedded between two write transactions */
#define TEXTS_A_CALL 64

struct wanted {
    uint32_t commit, time;
};

struct saying {
    struct store *store;
    struct model *model;
    uint32_t dim;
    uint16_t number;      /* of the space */
    uint32_t tip;
    struct wanted *v;
    size_t n, cap;
};

struct said_group {
    const struct wanted *commit; /* [n] */
    size_t n;
    struct arena mem;
    uint32_t number[COMMITS_A_GROUP], fresh_at[COMMITS_A_GROUP]; /* VECTOR_NONE with fresh_at: a new text; without: nothing is said */
    const char *text[COMMITS_A_GROUP];
    struct hash128 hash[COMMITS_A_GROUP];
    size_t nnew;
};
#define SAYS_NOTHING UINT32_MAX

static int open_space(uint16_t *out, struct store *s, struct model *m, struct err *e)
{
    const struct model_info *info = model_info(m);
    uint8_t space[32];
    struct txn *t;
    said_space(space, info->hash);
    int rc = store_write(&t, s, e);
    if (rc)
        return rc;
    if ((rc = vector_model(t, space, info->dim, out, e))) {
        txn_end(t);
        return rc;
    }
    return txn_commit(t, e);
}

static int cross_out(void *arg, uint32_t commit, uint32_t number)
{
    struct history_reach *reach = arg;
    (void)number;
    if (commit < reach->most)
        reach->bit[commit / 64] &= ~(1ull << commit % 64);
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    return x->time != y->time ? (x->time > y->time ? -1 : 1) : (x->commit > y->commit ? -1 : x->commit < y->commit);
}

/* Commits behind the tip that have no vector, newest first; the tip itself comes last, for it tells that all the others have theirs. */
static int list_wanted(struct saying *x, const struct oid *tip, struct err *e)
{
    struct txn *t;
    struct history_graph g = {0};
    struct history_reach reach = {0};
    int rc = store_read(&t, x->store, e);
    if (rc)
        return rc;
    if ((rc = history_graph_open(&g, t, e)))
        goto out;
    x->tip = commit_find(t, tip);
    history_reach_init(&reach, &g);
    history_reach_add(&reach, &g, x->tip);
    if ((rc = saidvec_each(t, x->number, cross_out, &reach, e)))
        goto out;
    for (uint32_t c = 1; c < reach.most; c++) {
        struct history_node n = history_node(&g, c);
        if (!history_reaches(&reach, c) || n.state != HISTORY_IN)
            continue;
        VEC_ROOM(x->v, x->n, x->cap);
        x->v[x->n++] = (struct wanted){c, c == x->tip ? 0 : n.time};
    }
    if (x->n)
        qsort(x->v, x->n, sizeof *x->v, newest_first);
out:
    history_reach_release(&reach);
    history_graph_close(&g);
    txn_end(t);
    return rc;
}

static struct str said_text(struct str m)
{
    while (m.n && (m.p[0] == '\n' || m.p[0] == ' '))
        m.p++, m.n--;
    const char *nul = memchr(m.p, 0, m.n);
    m.n = nul ? (size_t)(nul - m.p) : m.n;
    if (m.n > MESSAGE_BYTES) {
        m.n = MESSAGE_BYTES;
        while (m.n && ((unsigned char)m.p[m.n] & 0xc0) == 0x80) /* not in the middle of a character */
            m.n--;
    }
    return m;
}

static int group_read(struct said_group *g, struct saying *x, struct err *e)
{
    struct txn *t;
    int rc = store_read(&t, x->store, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < g->n; i++) {
        struct commit_row row;
        g->number[i] = VECTOR_NONE;
        g->fresh_at[i] = SAYS_NOTHING;
        if (commit_get(t, g->commit[i].commit, &row, NULL))
            continue; /* swept since */
        struct str text = said_text(row.message);
        struct hash128 h = hash128(text.p, text.n);
        if (!text.n || (g->number[i] = vector_find(t, x->number, h)) != VECTOR_NONE)
            continue;
        size_t at = 0;
        while (at < g->nnew && (g->hash[at].lo != h.lo || g->hash[at].hi != h.hi))
            at++;
        if (at == g->nnew) {
            g->hash[at] = h;
            g->text[g->nnew++] = arena_strn(&g->mem, text.p, text.n);
        }
        g->fresh_at[i] = (uint32_t)at;
    }
    txn_end(t);
    return 0;
}

static int group_embed(struct said_group *g, struct saying *x, int8_t *q, float *scale, struct err *e)
{
    float *v = mem_alloc(TEXTS_A_CALL * (size_t)x->dim * sizeof *v);
    int rc = 0;
    for (size_t at = 0; at < g->nnew && !rc; at += TEXTS_A_CALL) {
        size_t n = g->nnew - at < TEXTS_A_CALL ? g->nnew - at : TEXTS_A_CALL;
        rc = model_embed(x->model, EMBED_DOCUMENT, g->text + at, n, PRIORITY_DOCUMENT, v, NULL, NULL, e);
        for (size_t i = 0; i < n && !rc; i++)
            scale[at + i] = quant_row(q + (at + i) * x->dim, v + i * x->dim, x->dim);
    }
    free(v);
    return rc;
}

static int group_write(struct said_group *g, struct saying *x, const int8_t *q, const float *scale, struct err *e)
{
    struct txn *t;
    uint32_t fresh[COMMITS_A_GROUP];
    int rc = store_write(&t, x->store, e);
    if (rc)
        return rc;
    if (g->nnew)
        rc = vector_put(t, x->number, g->hash, q, scale, g->nnew, fresh, e);
    for (size_t i = 0; i < g->n && !rc; i++)
        rc = saidvec_put(t, x->number, g->commit[i].commit, g->fresh_at[i] == SAYS_NOTHING ? g->number[i] : fresh[g->fresh_at[i]], e);
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc;
}

static int one_group(struct saying *x, size_t at, size_t n, struct err *e)
{
    struct said_group *g = mem_zero(1, sizeof *g);
    g->commit = x->v + at;
    g->n = n;
    arena_init(&g->mem);
    int rc = group_read(g, x, e);
    int8_t *q = mem_alloc((g->nnew + 1) * (size_t)x->dim);
    float *scale = mem_alloc((g->nnew + 1) * sizeof *scale);
    if (!rc)
        rc = group_embed(g, x, q, scale, e);
    if (!rc)
        rc = group_write(g, x, q, scale, e);
    free(scale);
    free(q);
    arena_release(&g->mem);
    free(g);
    return rc;
}

int history_embed(struct indexer *ix, struct model *m, const struct oid *tip, index_progress_cb cb, void *arg, struct err *e)
{
    struct saying x = {.store = ix->store, .model = m, .dim = model_info(m)->dim};
    struct index_progress p = {.stage = "messages"};
    int64_t began = clock_ns();
    indexer_writes(ix);
    int rc = open_space(&x.number, x.store, m, e);
    if (!rc)
        rc = list_wanted(&x, tip, e);
    p.texts = x.n;
    for (size_t at = 0; at < x.n && !rc; at = p.texts_done) {
        size_t n = x.n - at < COMMITS_A_GROUP ? x.n - at : COMMITS_A_GROUP;
        rc = one_group(&x, at, n, e);
        p.texts_done += n;
        p.seconds = (double)(clock_ns() - began) / 1e9;
        if (!rc && cb && !cb(arg, &p))
            rc = err_set(e, ERR_CANCELED, "embedding was stopped");
    }
    free(x.v);
    return rc;
}

bool history_embedded(struct txn *t, const struct model_info *m, const struct oid *tip)
{
    uint8_t space[32];
    uint16_t number;
    uint32_t vector, commit = commit_find(t, tip);
    said_space(space, m->hash);
    return !commit || (!vector_model(t, space, m->dim, &number, NULL) && saidvec_get(t, number, commit, &vector));
}

/* A group of commits on its way into the store. First what they did to their paths, then their words, and only then the commits
 * themselves: a commit that counts as read has everything, wherever a kill falls. No transaction much over WRITE_NS. */
#include "indexer/history_read.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#define WRITE_NS 20000000        /* after it a transaction ends; what one step adds and the commit itself stay under 50 ms */
#define GROUP_COMMITS 2000       /* a row of words for each: fewer, and the words of a large history are a row each */
#define GROUP_BYTES (8u << 20)   /* of rows that wait */
#define MESSAGE_WORDS 2000       /* of one message that are indexed */

struct piece {
    uint32_t number, first_touch, ntouches, words;
    size_t source, nsources;     /* in group.path */
    struct commit_row row;       /* its texts in the arena */
};

struct group_touch {
    struct str path;             /* in the arena */
    struct touch touch;          /* lists owned */
    uint32_t id;
};

struct word_at {
    uint64_t term;
    uint32_t commit, count;
};

struct history_group {
    struct store *store;
    struct arena arena;
    struct piece *v;
    size_t n, cap;
    struct group_touch *touch;
    size_t ntouches, cap_touches;
    struct str *source;
    size_t nsources, cap_sources;
    struct word_at *word;
    size_t nwords, cap_words;
    size_t bytes;
    struct txn *t;
    int64_t began_ns;
};

struct history_group *group_new(struct store *s)
{
    struct history_group *g = mem_zero(1, sizeof *g);
    g->store = s;
    arena_init(&g->arena);
    return g;
}

static void empty(struct history_group *g)
{
    for (size_t i = 0; i < g->ntouches; i++)
        touch_release(&g->touch[i].touch);
    g->n = g->ntouches = g->nsources = g->nwords = g->bytes = 0;
    arena_release(&g->arena);
}

void group_free(struct history_group *g)
{
    if (!g)
        return;
    empty(g);
    free(g->v);
    free(g->touch);
    free(g->source);
    free(g->word);
    free(g);
}

bool group_full(const struct history_group *g)
{
    return g->n >= GROUP_COMMITS || g->bytes >= GROUP_BYTES;
}

static struct str keep(struct history_group *g, struct str s)
{
    return (struct str){arena_strn(&g->arena, s.p, s.n), s.n};
}

static int by_term(const void *a, const void *b)
{
    const struct word_at *x = a, *y = b;
    if (x->term != y->term)
        return x->term < y->term ? -1 : 1;
    return x->commit < y->commit ? -1 : x->commit > y->commit;
}

static uint32_t add_words(struct history_group *g, uint32_t number, struct str message)
{
    struct words w;
    struct word one;
    size_t from = g->nwords;
    uint32_t n = 0;
    words_init(&w, message.p, message.n);
    while (words_next(&w, &one) && n < MESSAGE_WORDS) {
        char stem[WORD_MAX + 1];
        if (one.len > WORD_MAX)
            continue;
        memcpy(stem, one.text, one.len);
        VEC_ROOM(g->word, g->nwords, g->cap_words);
        g->word[g->nwords++] = (struct word_at){term_of(TERM_WORD, stem, word_stem(stem, one.len)), number, 1};
        n += one.kind == WORD_PART;
    }
    qsort(g->word + from, g->nwords - from, sizeof *g->word, by_term);
    size_t out = from;
    for (size_t i = from; i < g->nwords; i++) {
        if (out > from && g->word[out - 1].term == g->word[i].term)
            g->word[out - 1].count++;
        else
            g->word[out++] = g->word[i];
    }
    g->nwords = out;
    return n;
}

int group_add(struct history_group *g, uint32_t number, struct read_commit *c, struct err *e)
{
    struct piece p = {.number = number, .first_touch = (uint32_t)g->ntouches, .ntouches = (uint32_t)c->n, .source = g->nsources,
                      .nsources = c->nsources};
    p.row = (struct commit_row){.oid = c->oid, .time = c->time, .offset = c->offset, .flags = c->flags, .author = keep(g, c->author),
                                .mail = keep(g, c->mail), .message = keep(g, c->message), .ntouched = (uint32_t)c->ntouched};
    g->bytes += 200 + c->message.n;
    for (size_t i = 0; i < c->n; i++) {
        VEC_ROOM(g->touch, g->ntouches, g->cap_touches);
        g->touch[g->ntouches++] = (struct group_touch){.path = keep(g, c->touch[i].path), .touch = c->touch[i].touch};
        c->touch[i].touch.nsides = 0; /* its lists are ours now */
        g->bytes += 200 + c->touch[i].path.n;
        for (unsigned k = 0; k < g->touch[g->ntouches - 1].touch.nsides; k++)
            g->bytes += 16 * g->touch[g->ntouches - 1].touch.side[k].nhunks;
    }
    for (size_t i = 0; i < c->nsources; i++) {
        VEC_ROOM(g->source, g->nsources, g->cap_sources);
        g->source[g->nsources++] = keep(g, c->source[i]);
    }
    p.words = add_words(g, number, c->message);
    VEC_ROOM(g->v, g->n, g->cap);
    g->v[g->n++] = p;
    return 0;
}

/* -- writing ------------------------------------------------------------------------------------------------------------------ */

/* A transaction that has time left. */
static int tick(struct history_group *g, struct err *e)
{
    int rc = 0;
    if (g->t && clock_ns() - g->began_ns > WRITE_NS) {
        rc = txn_commit(g->t, e);
        g->t = NULL;
    }
    if (!rc && !g->t) {
        rc = store_write(&g->t, g->store, e);
        g->began_ns = clock_ns();
    }
    return rc;
}

static int write_touches(struct history_group *g, const struct piece *p, struct err *e)
{
    struct buf b = BUF_INIT;
    uint32_t *from = mem_zero(p->nsources + 1, sizeof *from);
    int rc = 0;
    for (size_t i = 0; i < p->nsources && !rc; i++)
        if (!(rc = tick(g, e)))
            rc = path_make(g->t, g->source[p->source + i], &from[i], e);
    for (size_t i = 0; i < p->ntouches && !rc; i++) {
        struct group_touch *t = &g->touch[p->first_touch + i];
        for (unsigned k = 0; k < t->touch.nsides; k++)
            if (t->touch.side[k].how == TOUCH_RENAMED || t->touch.side[k].how == TOUCH_RENAMED_UNREAD)
                t->touch.side[k].from = from[t->touch.side[k].from];
        if ((rc = tick(g, e)) || (rc = path_make(g->t, t->path, &t->id, e)))
            break;
        buf_clear(&b);
        touch_write(&b, &t->touch);
        rc = touch_put(g->t, t->id, p->number, b.data, b.len, e);
    }
    free(from);
    buf_release(&b);
    return rc;
}

static int write_words(struct history_group *g, struct err *e)
{
    struct said *v = mem_alloc((g->n + 1) * sizeof *v);
    int rc = 0;
    qsort(g->word, g->nwords, sizeof *g->word, by_term);
    for (size_t i = 0; i < g->nwords && !rc;) {
        size_t n = 0;
        uint64_t term = g->word[i].term;
        for (; i < g->nwords && g->word[i].term == term; i++)
            v[n++] = (struct said){g->word[i].commit, g->word[i].count};
        if (!(rc = tick(g, e)))
            rc = said_put(g->t, term, v, n, e);
    }
    free(v);
    return rc;
}

static int write_commit(struct history_group *g, struct piece *p, struct err *e)
{
    uint32_t *path = mem_alloc((p->ntouches + 1) * sizeof *path);
    for (size_t i = 0; i < p->ntouches; i++)
        path[i] = g->touch[p->first_touch + i].id;
    p->row.path = path;
    p->row.npaths = p->ntouches;
    int rc = tick(g, e);
    if (!rc)
        rc = commit_put(g->t, p->number, &p->row, p->words < UINT16_MAX ? (uint16_t)p->words : UINT16_MAX, e);
    free(path);
    return rc;
}

int group_flush(struct history_group *g, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < g->n && !rc; i++)
        rc = write_touches(g, &g->v[i], e);
    if (!rc)
        rc = write_words(g, e);
    for (size_t i = 0; i < g->n && !rc; i++)
        rc = write_commit(g, &g->v[i], e);
    if (!rc && g->t)
        rc = txn_commit(g->t, e);
    else
        txn_end(g->t);
    g->t = NULL;
    empty(g);
    return rc;
}

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

/* A path of the group that has no id yet: of a touch, or of what was renamed. */
struct unnamed {
    struct str path;
    uint32_t *id;
};

static int by_path(const void *a, const void *b)
{
    return str_cmp(((const struct unnamed *)a)->path, ((const struct unnamed *)b)->path);
}

/* In the order of the paths: their rows lie side by side then, and so do the ids of new ones. source: [nsources] ids. */
static int name_paths(struct history_group *g, uint32_t *source, struct err *e)
{
    struct unnamed *v = mem_alloc((g->ntouches + g->nsources + 1) * sizeof *v);
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; i < g->ntouches; i++)
        v[n++] = (struct unnamed){g->touch[i].path, &g->touch[i].id};
    for (size_t i = 0; i < g->nsources; i++)
        v[n++] = (struct unnamed){g->source[i], &source[i]};
    qsort(v, n, sizeof *v, by_path);
    for (size_t i = 0; i < n && !rc; i++) {
        if (i && !by_path(&v[i - 1], &v[i]))
            *v[i].id = *v[i - 1].id;
        else if (!(rc = tick(g, e)))
            rc = path_make(g->t, v[i].path, v[i].id, e);
    }
    free(v);
    return rc;
}

struct touch_at {
    uint32_t path, commit;
    struct touch *touch;
};

static int by_key(const void *a, const void *b)
{
    const struct touch_at *x = a, *y = b;
    if (x->path != y->path)
        return x->path < y->path ? -1 : 1;
    return x->commit < y->commit ? -1 : x->commit > y->commit;
}

/* In the order of their keys, not commit by commit: a page of the table is then written once, not in every transaction. */
static int write_touches(struct history_group *g, struct err *e)
{
    struct buf b = BUF_INIT;
    struct touch_at *v = mem_alloc((g->ntouches + 1) * sizeof *v);
    uint32_t *source = mem_zero(g->nsources + 1, sizeof *source);
    int rc = name_paths(g, source, e);
    for (size_t i = 0; i < g->n && !rc; i++) {
        const struct piece *p = &g->v[i];
        for (size_t k = p->first_touch; k < p->first_touch + p->ntouches; k++) {
            struct touch *t = &g->touch[k].touch;
            for (unsigned x = 0; x < t->nsides; x++)
                if (t->side[x].how == TOUCH_RENAMED || t->side[x].how == TOUCH_RENAMED_UNREAD)
                    t->side[x].from = source[p->source + t->side[x].from];
            v[k] = (struct touch_at){g->touch[k].id, p->number, t};
        }
    }
    if (!rc)
        qsort(v, g->ntouches, sizeof *v, by_key);
    for (size_t i = 0; i < g->ntouches && !rc; i++) {
        buf_clear(&b);
        touch_write(&b, v[i].touch);
        if (!(rc = tick(g, e)))
            rc = touch_put(g->t, v[i].path, v[i].commit, b.data, b.len, e);
    }
    free(source);
    free(v);
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
    int rc = write_touches(g, e);
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

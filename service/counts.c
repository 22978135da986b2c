#include "service/counts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/view.h"

#include <stdlib.h>

struct counted {
    uint32_t repo, view;
    uint64_t generation;
    int64_t at_ns, took_ns; /* at_ns 0: never */
    struct counts_row row;
};

struct counts {
    pthread_mutex_t mu; /* of all that follows; taken last */
    struct counted *v;  /* one a repository that was ever asked about: numbers of repositories are small and stay */
    size_t n, cap;
};

struct counts *counts_new(void)
{
    struct counts *c = mem_zero(1, sizeof *c);
    pthread_mutex_init(&c->mu, NULL);
    return c;
}

void counts_free(struct counts *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->mu);
    free(c->v);
    free(c);
}

static struct counted *row_of(struct counts *c, uint32_t repo)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].repo == repo)
            return &c->v[i];
    VEC_ROOM(c->v, c->n, c->cap);
    c->v[c->n] = (struct counted){.repo = repo};
    return &c->v[c->n++];
}

static int count_quarantined(void *arg, const struct occ *o)
{
    *(uint64_t *)arg += (o->flags & OCC_QUARANTINED) != 0;
    return 0;
}

/* Whether what is remembered will do; else the caller counts, and those beside it take the old figures meanwhile. */
static bool known(struct counts_row *out, struct counts *c, uint32_t repo, uint32_t view, uint64_t generation, int64_t now)
{
    pthread_mutex_lock(&c->mu);
    struct counted *r = row_of(c, repo);
    bool rests = r->took_ns >= COUNTS_QUICK_NS && now - r->at_ns < r->took_ns * COUNTS_REST_SHARE;
    bool good = r->at_ns && r->view == view && (r->generation == generation || rests);
    *out = r->row;
    if (r->at_ns && !good)
        r->at_ns = now;
    pthread_mutex_unlock(&c->mu);
    return good;
}

void counts_of(struct counts_row *out, struct counts *c, struct store *s, uint32_t repo, uint32_t view)
{
    struct txn *t;
    int64_t now = clock_ns();
    *out = (struct counts_row){0};
    if (store_read(&t, s, NULL))
        return;
    uint64_t generation = txn_generation(t);
    if (known(out, c, repo, view, generation, now)) {
        txn_end(t);
        return;
    }
    *out = (struct counts_row){0};
    occ_each(t, view, STR(""), count_quarantined, &out->quarantined, NULL);
    repo_disk(&out->disk, t, repo, NULL);
    txn_end(t);
    int64_t end = clock_ns();
    pthread_mutex_lock(&c->mu);
    *row_of(c, repo) = (struct counted){repo, view, generation, end, end - now, *out};
    pthread_mutex_unlock(&c->mu);
}

/* Finds the commits behind a tip that the store does not know, and numbers them, parents first: whatever the moment of a kill,
 * a numbered commit has all its ancestors numbered. */
#include "indexer/history_read.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define COMMITS_MAX (4u << 20)   /* of one repository; what is further back is left out, as in a shallow clone */
#define LOOKUPS_A_READ 2000      /* commits looked up in one read transaction */
#define NUMBERS_A_WRITE 1000     /* commits in one write transaction: some 10 ms */

struct found {
    git_oid id;
    uint32_t time, first, nparents; /* first: in list.parent */
    uint32_t number;
    bool missing, boundary;
};

struct list {
    struct history_run *run;
    struct found *v;
    size_t n, cap;
    struct link {
        uint32_t to;     /* index in v, or a number */
        bool known;
    } *parent;
    size_t nparents, cap_parents;
    uint32_t *slot;      /* hash table of indexes + 1 */
    size_t nslots;
    uint32_t *order;     /* parents first */
    size_t norder, cap_order;
    struct txn *t;
    unsigned lookups;
};

static void rehash(struct list *l)
{
    free(l->slot);
    l->nslots = l->nslots ? l->nslots * 2 : 1024;
    l->slot = mem_zero(l->nslots, sizeof *l->slot);
    for (size_t i = 0; i < l->n; i++) {
        uint64_t h;
        memcpy(&h, l->v[i].id.id, sizeof h);
        size_t at = h & (l->nslots - 1);
        while (l->slot[at])
            at = (at + 1) & (l->nslots - 1);
        l->slot[at] = (uint32_t)i + 1;
    }
}

static uint32_t *find_slot(struct list *l, const git_oid *id)
{
    uint64_t h;
    if (l->n * 2 >= l->nslots)
        rehash(l);
    memcpy(&h, id->id, sizeof h);
    size_t at = h & (l->nslots - 1);
    while (l->slot[at] && !git_oid_equal(&l->v[l->slot[at] - 1].id, id))
        at = (at + 1) & (l->nslots - 1);
    return &l->slot[at];
}

static unsigned parents_there(git_repository *git, const git_commit *c)
{
    unsigned n = 0;
    git_odb *odb = NULL;
    if (!git_repository_odb(&odb, git))
        for (unsigned k = 0; k < git_commit_parentcount(c); k++)
            n += git_odb_exists(odb, git_commit_parent_id(c, k)) == 1;
    git_odb_free(odb);
    return n;
}

/* The number of a commit that needs no further look; COMMIT_NONE for a new one, or one whose parents have come since. */
static int known(uint32_t *number, struct list *l, const git_oid *id, struct err *e)
{
    struct oid o = oid_of(id);
    if (l->lookups++ % LOOKUPS_A_READ == 0) {
        txn_end(l->t);
        l->t = NULL;
        int rc = store_read(&l->t, l->run->store, e);
        if (rc)
            return rc;
    }
    *number = commit_find(l->t, &o);
    struct history_node n = commit_node(l->t, *number);
    if (n.state == HISTORY_FREE) {
        *number = COMMIT_NONE;
    } else if (n.flags & HISTORY_BOUNDARY) {
        git_commit *c;
        if (git_commit_lookup(&c, l->run->git, id))
            return 0;
        unsigned have = (n.parent[0] != 0) + (n.parent[1] != 0);
        if (have < 2 && parents_there(l->run->git, c) > have)
            *number = COMMIT_NONE;
        git_commit_free(c);
    }
    return 0;
}

static uint32_t clamp(int64_t t)
{
    return t < 0 ? 0 : t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

/* Adds a commit that is not listed yet; its parents as links that are to be followed. */
static void add(struct list *l, const git_oid *id)
{
    git_commit *c = NULL;
    struct found f = {.id = *id, .first = (uint32_t)l->nparents};
    if (l->n >= COMMITS_MAX || git_commit_lookup(&c, l->run->git, id)) {
        f.missing = true;
    } else {
        f.time = clamp(git_commit_time(c));
        unsigned np = git_commit_parentcount(c);
        f.nparents = np < HISTORY_PARENTS ? np : HISTORY_PARENTS;
    }
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = f;
    for (unsigned k = 0; k < f.nparents; k++) {
        VEC_ROOM(l->parent, l->nparents, l->cap_parents);
        l->parent[l->nparents++] = (struct link){0};
    }
    git_commit_free(c);
}

struct frame {
    uint32_t at, next;
};

static int follow(struct list *l, const git_oid *from, struct err *e)
{
    struct frame *stack = NULL;
    size_t n = 0, cap = 0;
    int rc = 0;
    uint32_t *slot = find_slot(l, from);
    if (*slot)
        return 0;
    *slot = (uint32_t)l->n + 1;
    add(l, from);
    VEC_ROOM(stack, n, cap);
    stack[n++] = (struct frame){(uint32_t)l->n - 1, 0};
    while (n && !rc) {
        struct frame *f = &stack[n - 1];
        struct found *c = &l->v[f->at];
        if (f->next == c->nparents) {
            if (!c->missing) {
                VEC_ROOM(l->order, l->norder, l->cap_order);
                l->order[l->norder++] = f->at;
            }
            n--;
            continue;
        }
        if (l->n % 256 == 0 && !history_go_on(l->run, 0, 0)) {
            rc = err_set(e, ERR_CANCELED, "reading the history was stopped");
            break;
        }
        git_commit *commit;
        git_oid id;
        if (git_commit_lookup(&commit, l->run->git, &c->id)) {
            rc = err_set(e, ERR_CORRUPT, "a commit went away while it was read");
            break;
        }
        git_oid_cpy(&id, git_commit_parent_id(commit, f->next));
        git_commit_free(commit);
        struct link *to = &l->parent[c->first + f->next++];
        slot = find_slot(l, &id);
        if (*slot) {
            to->to = *slot - 1;
            continue;
        }
        uint32_t number;
        if ((rc = known(&number, l, &id, e)))
            break;
        if (number) {
            *to = (struct link){number, true};
            continue;
        }
        to->to = (uint32_t)l->n;
        *slot = (uint32_t)l->n + 1;
        add(l, &id);
        VEC_ROOM(stack, n, cap);
        stack[n++] = (struct frame){(uint32_t)l->n - 1, 0};
    }
    free(stack);
    return rc;
}

static int store_one(struct list *l, struct txn *t, struct found *f, struct err *e)
{
    struct commit_new c = {.oid = oid_of(&f->id), .time = f->time};
    for (uint32_t k = 0; k < f->nparents; k++) {
        const struct link *to = &l->parent[f->first + k];
        uint32_t number = to->known ? to->to : l->v[to->to].number;
        if (number)
            c.parent[c.nparents++] = number;
        else
            c.flags |= HISTORY_BOUNDARY;
    }
    return commit_number(t, &c, &f->number, e);
}

static int store_all(struct list *l, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < l->norder && !rc;) {
        struct txn *t;
        if ((rc = store_write(&t, l->run->store, e)))
            break;
        for (size_t end = i + NUMBERS_A_WRITE; i < l->norder && i < end && !rc; i++)
            rc = store_one(l, t, &l->v[l->order[i]], e);
        if (!rc)
            rc = txn_commit(t, e);
        else
            txn_end(t);
        if (!rc && !history_go_on(l->run, 0, 0))
            rc = err_set(e, ERR_CANCELED, "reading the history was stopped");
    }
    return rc;
}

/* The commits of the graph where a shallow clone ended: they may have parents by now. */
static int follow_boundaries(struct list *l, uint32_t tip, struct err *e)
{
    struct txn *t;
    struct history_graph g = {0};
    struct history_reach reach = {0};
    git_oid *id = NULL;
    size_t n = 0, cap = 0;
    int rc = store_read(&t, l->run->store, e);
    if (rc)
        return rc;
    if (!(rc = history_graph_open(&g, t, e))) {
        history_reach_init(&reach, &g);
        history_reach_add(&reach, &g, tip);
        for (uint32_t c = 1; c < reach.most; c++) {
            struct commit_row row;
            if (history_reaches(&reach, c) && history_node(&g, c).flags & HISTORY_BOUNDARY && !commit_get(t, c, &row, NULL)) {
                VEC_ROOM(id, n, cap);
                id[n++] = git_of(&row.oid);
            }
        }
    }
    history_reach_release(&reach);
    history_graph_close(&g);
    txn_end(t);
    for (size_t i = 0; i < n && !rc; i++) {
        uint32_t number;
        if (!(rc = known(&number, l, &id[i], e)) && !number)
            rc = follow(l, &id[i], e);
    }
    free(id);
    return rc;
}

int history_number(struct history_run *run, const struct oid *tip, bool boundaries, struct err *e)
{
    struct list l = {.run = run};
    git_oid id = git_of(tip);
    uint32_t number;
    int rc = known(&number, &l, &id, e);
    if (!rc && !number)
        rc = follow(&l, &id, e);
    else if (!rc && boundaries)
        rc = follow_boundaries(&l, number, e);
    txn_end(l.t);
    l.t = NULL;
    if (!rc && l.n && l.v[0].missing)
        rc = err_set(e, ERR_CORRUPT, "%s: the commit cannot be read", run->repo->path);
    if (!rc)
        rc = store_all(&l, e);
    free(l.v);
    free(l.parent);
    free(l.slot);
    free(l.order);
    return rc;
}

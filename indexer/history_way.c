#include "indexer/history_way.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define READS_MAX 400 /* of commits that git is asked about in one trace: each costs a few ms at most */

struct asked {
    uint32_t commit, path;
    bool told;
    struct touch touch;
};

struct path_touches {
    uint32_t path;
    uint32_t *commit;
    struct str *bytes; /* borrowed from the map */
    size_t n, cap;
    uint64_t *bit;     /* by commit */
};

int way_open(struct way *w, struct store *s, const struct repo_row *repo, struct arena *arena, struct err *e)
{
    *w = (struct way){.arena = arena, .repo = repo};
    int rc = store_read(&w->t, s, e);
    return rc ? rc : history_graph_open(&w->graph, w->t, e);
}

void way_close(struct way *w)
{
    for (size_t i = 0; i < w->npaths; i++) {
        free(w->path[i]->commit);
        free(w->path[i]->bytes);
        free(w->path[i]->bit);
        free(w->path[i]);
    }
    free(w->path);
    for (size_t i = 0; i < w->nasked; i++) {
        touch_release(&w->asked[i]->touch);
        free(w->asked[i]);
    }
    free(w->asked);
    history_graph_close(&w->graph);
    txn_end(w->t);
    blobs_free(w->blobs);
    repo_close(w->git);
    *w = (struct way){0};
}

struct load {
    struct path_touches *p;
    uint32_t most;
    size_t cap;
};

static int add(void *arg, uint32_t commit, struct str bytes)
{
    struct load *l = arg;
    struct path_touches *p = l->p;
    if (commit >= l->most)
        return 0;
    VEC_ROOM(p->commit, p->n, p->cap);
    if (l->cap < p->cap)
        p->bytes = mem_grow(p->bytes, l->cap = p->cap, sizeof *p->bytes);
    p->commit[p->n] = commit;
    p->bytes[p->n++] = bytes;
    p->bit[commit / 64] |= 1ull << commit % 64;
    return 0;
}

static int touches_of(struct path_touches **out, struct way *w, uint32_t path, struct err *e)
{
    for (size_t i = 0; i < w->npaths; i++)
        if (w->path[i]->path == path) {
            *out = w->path[i];
            return 0;
        }
    struct path_touches *p = mem_zero(1, sizeof *p);
    p->path = path;
    p->bit = mem_zero(history_most(&w->graph) / 64 + 1, sizeof *p->bit);
    VEC_ROOM(w->path, w->npaths, w->cap);
    w->path[w->npaths++] = *out = p;
    return touches_each(w->t, path, add, &(struct load){p, history_most(&w->graph), 0}, e);
}

static bool touched(const struct path_touches *p, uint32_t commit)
{
    return p->bit[commit / 64] >> commit % 64 & 1;
}

static struct str bytes_at(const struct path_touches *p, uint32_t commit)
{
    size_t lo = 0, hi = p->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (p->commit[mid] < commit)
            lo = mid + 1;
        else
            hi = mid;
    }
    return p->bytes[lo];
}

static int open_git(struct way *w, struct err *e)
{
    int rc = w->git ? 0 : repo_open(&w->git, w->repo->path, e);
    if (!rc && !w->blobs)
        w->blobs = blobs_new(w->git);
    return rc;
}

static void read_git(struct asked *a, struct way *w)
{
    struct commit_row row;
    struct str name;
    struct read_commit c = {0};
    if (commit_get(w->t, a->commit, &row, NULL) || path_get(w->t, a->path, &name, NULL) || open_git(w, NULL))
        return;
    git_oid id = git_of(&row.oid);
    a->told = !commit_read_path(&a->touch, &c, w->blobs, w->git, &id, arena_strn(w->arena, name.p, name.n), NULL);
    for (unsigned k = 0; a->told && k < a->touch.nsides; k++) {
        struct touch_side *s = &a->touch.side[k];
        if ((s->how == TOUCH_RENAMED || s->how == TOUCH_RENAMED_UNREAD) && !(s->from = path_find(w->t, c.source[s->from])))
            s->how = TOUCH_ABSENT;
    }
    read_commit_release(&c);
}

/* Asks git what a commit did to a path. What git cannot tell leaves *out as it is. */
static void ask_git(struct touch *out, struct way *w, uint32_t commit, uint32_t path)
{
    struct asked *a = NULL;
    for (size_t i = w->nasked; i-- > 0 && !a;)
        if (w->asked[i]->commit == commit && w->asked[i]->path == path)
            a = w->asked[i];
    if (!a) {
        if (w->nasked >= READS_MAX)
            return;
        VEC_ROOM(w->asked, w->nasked, w->cap_asked);
        a = w->asked[w->nasked++] = mem_zero(1, sizeof *a);
        a->commit = commit;
        a->path = path;
        read_git(a, w);
    }
    if (a->told) {
        touch_release(out);
        touch_copy(out, &a->touch);
    }
}

bool way_unread(const struct touch *t)
{
    for (unsigned k = 0; k < t->nsides; k++)
        if (t->side[k].how >= TOUCH_HERE_UNREAD)
            return true;
    return false;
}

int way_content(struct str *out, struct way *w, uint32_t commit, uint32_t path, struct err *e)
{
    struct commit_row row;
    struct str name;
    git_commit *c = NULL;
    git_tree *tree = NULL;
    git_tree_entry *entry = NULL;
    int rc = commit_get(w->t, commit, &row, e);
    if (!rc)
        rc = path_get(w->t, path, &name, e);
    if (!rc)
        rc = open_git(w, e);
    if (rc)
        return rc;
    git_oid id = git_of(&row.oid);
    int code = git_commit_lookup(&c, w->git, &id);
    if (!code)
        rc = blobs_tree(&tree, w->blobs, git_commit_tree_id(c), e);
    if (!code && !rc)
        code = git_tree_entry_bypath(&entry, tree, arena_strn(w->arena, name.p, name.n));
    if (code)
        rc = git_fail(e, code, "reading a content");
    if (!rc)
        rc = blobs_get(out, w->blobs, git_tree_entry_id(entry), HISTORY_ASKED_MAX, e);
    git_tree_entry_free(entry);
    git_tree_free(tree);
    git_commit_free(c);
    return rc;
}

int way_rest(enum rest *rest, uint32_t *commit, struct touch *touch, struct way *w, uint32_t path, struct err *e)
{
    struct path_touches *p;
    uint32_t parent[HISTORY_PARENTS];
    *touch = (struct touch){0};
    int rc = touches_of(&p, w, path, e);
    for (uint32_t c = *commit; !rc; *commit = c) {
        struct history_node n = history_node(&w->graph, c);
        unsigned to = 0;
        if (n.state != HISTORY_IN) {
            *rest = REST_PENDING;
            return 0;
        }
        if (touched(p, c)) {
            if ((rc = touch_read(touch, bytes_at(p, c), e)))
                return rc;
            if (way_unread(touch))
                ask_git(touch, w, c, path);
        } else if (n.flags & HISTORY_MANY) {
            ask_git(touch, w, c, path);
        }
        if (touch->same) {
            to = touch->same - 1u;
        } else if (touch->nsides || touch->kind != TOUCH_CHANGED) {
            *rest = REST_TOUCH;
            return 0;
        }
        touch_release(touch);
        *touch = (struct touch){0};
        if (to >= history_parents(&w->graph, c, parent) || !parent[to]) {
            *rest = REST_START;
            return 0;
        }
        c = parent[to];
    }
    return rc;
}

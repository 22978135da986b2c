/* Forgetting commits that no ref reaches: after a rebase, a deleted branch, a removed repository. */
#include "base/mem.h"
#include "store/history_inside.h"
#include "store/view.h"

#include <stdlib.h>
#include <string.h>

struct tips {
    struct txn *t;
    struct history_graph *g;
    struct history_reach *reach;
};

/* Every ref of every repository: refs_each takes one repository, and which there are is in the other file. */
static int reach_refs(struct tips *x, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    struct oid oid;
    int code = tab_cursor(x->t, T_REF, &c);
    if (code)
        return txn_err(x->t, code, e, "listing references");
    for (code = mdb_cursor_get(c, &k, &v, MDB_FIRST); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT))
        if (ref_commit(&oid, &v))
            history_reach_add(x->reach, x->g, commit_find(x->t, &oid));
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : txn_err(x->t, code, e, "listing references");
}

static uint32_t seconds(int64_t now)
{
    return now < 1 ? 1 : now > UINT32_MAX ? UINT32_MAX : (uint32_t)now;
}

enum what { LOSE, KEEP, DROP };

struct history_sweep {
    struct store *s;
    uint32_t at;          /* seconds */
    struct todo {
        uint32_t commit;
        enum what what;
    } *todo;
    size_t n, cap, done;
    uint32_t path;        /* how far todo[done] has gone: a commit may have touched more paths than fit one transaction */
};

static void add(struct history_sweep *h, uint32_t commit, enum what what)
{
    VEC_ROOM(h->todo, h->n, h->cap);
    h->todo[h->n++] = (struct todo){commit, what};
}

static int look(struct history_sweep *h, struct txn *t, int64_t grace, struct err *e)
{
    struct history_graph g = {0};
    struct history_reach reach = {0};
    int rc = history_graph_open(&g, t, e);
    if (rc)
        goto out;
    history_reach_init(&reach, &g);
    if ((rc = reach_refs(&(struct tips){t, &g, &reach}, e)))
        goto out;
    for (uint32_t c = history_most(&g); c-- > 1;) { /* children go before their parents */
        struct history_node node = history_node(&g, c);
        bool in = history_reaches(&reach, c);
        if (node.state == HISTORY_FREE || (in && !node.lost))
            continue;
        if (in)
            add(h, c, KEEP);
        else if (grace <= 0 || (node.lost && (int64_t)h->at - node.lost >= grace))
            add(h, c, DROP);
        else if (!node.lost)
            add(h, c, LOSE);
    }
out:
    history_reach_release(&reach);
    history_graph_close(&g);
    return rc;
}

int history_sweep_open(struct history_sweep **out, struct store *s, int64_t now, int64_t grace, struct err *e)
{
    struct history_sweep *h = mem_zero(1, sizeof *h);
    struct txn *t;
    *h = (struct history_sweep){.s = s, .at = seconds(now)};
    int rc = store_read(&t, s, e);
    if (!rc) {
        rc = look(h, t, grace, e);
        txn_end(t);
    }
    if (rc) {
        history_sweep_close(h);
        h = NULL;
    }
    *out = h;
    return rc;
}

void history_sweep_close(struct history_sweep *h)
{
    if (!h)
        return;
    free(h->todo);
    free(h);
}

/* At most `most` rows of it, more than none. *over: it is done; else *path tells how far it is. */
static int do_one(struct txn *t, const struct history_sweep *h, const struct todo *todo, uint32_t most, uint32_t *path, uint32_t *rows, bool *over,
                  struct err *e)
{
    struct history_node node;
    uint32_t before = *path;
    *over = true;
    ++*rows;
    if (todo->what == DROP) {
        int rc = commit_drop(t, todo->commit, most, path, over, e);
        *rows += *path - before;
        return rc;
    }
    int rc = history_node_get(t, todo->commit, &node, e);
    if (rc || node.state == HISTORY_FREE)
        return rc;
    node.lost = todo->what == LOSE ? h->at : 0;
    return history_node_put(t, todo->commit, &node, e);
}

int history_sweep_step(struct history_sweep *h, uint32_t most, bool *more, struct err *e)
{
    struct txn *t;
    uint32_t rows = 0, path = h->path;
    *more = false;
    if (h->done == h->n)
        return 0;
    size_t i = h->done;
    int rc = store_write(&t, h->s, e);
    if (rc)
        return rc;
    while (i < h->n && rows < most && !rc) {
        bool over;
        rc = do_one(t, h, &h->todo[i], most - rows, &path, &rows, &over, e);
        if (over) {
            i++;
            path = 0;
        }
    }
    if (rc) {
        txn_end(t);
        return rc;
    }
    if ((rc = txn_commit(t, e)))
        return rc;
    h->done = i;
    h->path = path;
    *more = i < h->n;
    return 0;
}

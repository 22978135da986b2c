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

/* What is to be done, found in a read transaction: a walk over the graph is no work for the only writer. */
struct todo {
    uint32_t commit;
    enum { LOSE, KEEP, DROP } what;
};

static int look(struct todo *todo, size_t most, size_t *n, struct store *s, uint32_t now, int64_t grace, bool *more, struct err *e)
{
    struct txn *t;
    struct history_graph g = {0};
    struct history_reach reach = {0};
    size_t rows = 0;
    *n = 0;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    if ((rc = history_graph_open(&g, t, e)))
        goto out;
    history_reach_init(&reach, &g);
    if ((rc = reach_refs(&(struct tips){t, &g, &reach}, e)))
        goto out;
    for (uint32_t c = history_most(&g); c-- > 1;) { /* children go before their parents */
        struct history_node node = history_node(&g, c);
        bool in = history_reaches(&reach, c);
        if (node.state == HISTORY_FREE || (in && !node.lost))
            continue;
        bool drop = !in && node.lost && (int64_t)now - node.lost >= grace;
        if (!in && node.lost && !drop)
            continue;
        if (*n == most || rows >= most) {
            *more = true;
            break;
        }
        struct commit_row row;
        rows += 1 + (drop && !commit_get(t, c, &row, NULL) ? row.npaths : 0);
        todo[(*n)++] = (struct todo){c, in ? KEEP : drop ? DROP : LOSE};
    }
out:
    history_reach_release(&reach);
    history_graph_close(&g);
    txn_end(t);
    return rc;
}

int history_sweep(struct store *s, int64_t now, int64_t grace, uint32_t most, bool *more, struct err *e)
{
    struct txn *t;
    uint32_t at = seconds(now);
    struct todo *todo = mem_zero(most, sizeof *todo);
    size_t n;
    *more = false;
    int rc = look(todo, most, &n, s, at, grace, more, e);
    if (rc || !n)
        goto out;
    if ((rc = store_write(&t, s, e)))
        goto out;
    for (size_t i = 0; i < n && !rc; i++) {
        struct history_node node;
        if (todo[i].what == DROP) {
            rc = commit_drop(t, todo[i].commit, e);
            continue;
        }
        if (!(rc = history_node_get(t, todo[i].commit, &node, e)) && node.state != HISTORY_FREE) {
            node.lost = todo[i].what == LOSE ? at : 0;
            rc = history_node_put(t, todo[i].commit, &node, e);
        }
    }
    if (!rc)
        rc = txn_commit(t, e);
    else
        txn_end(t);
out:
    free(todo);
    return rc;
}

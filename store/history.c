/* Tables commitof, graph, commit, pathid, pathname, touch. */
#include "store/history.h"

#include "base/mem.h"
#include "store/history_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct commit_head {
    struct oid oid;
    int64_t time;
    int32_t offset;
    uint32_t flags, npaths, ntouched, author_len, mail_len, message_len;
};

_Static_assert(sizeof(struct history_node) == 20, "nodes are stored as they are");

/* -- graph --------------------------------------------------------------------------------------------------------------- */

uint32_t history_most(const struct history_graph *g)
{
    return g->nblocks * GRAPH_BLOCK;
}

int history_graph_open(struct history_graph *g, struct txn *t, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    uint32_t cap = 0;
    *g = (struct history_graph){.t = t};
    int code = tab_cursor(t, T_GRAPH, &c);
    if (code)
        return txn_err(t, code, e, "reading the history");
    for (code = mdb_cursor_get(c, &k, &v, MDB_FIRST); !code; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (k.mv_size != 4 || v.mv_size != GRAPH_BLOCK * sizeof(struct history_node) || get_be32(k.mv_data) < g->nblocks) {
            code = MDB_CORRUPTED;
            break;
        }
        uint32_t at = get_be32(k.mv_data);
        for (uint32_t gap = at - g->nblocks; g->nblocks <= at && gap < 1u << 20;) {
            VEC_ROOM(g->block, g->nblocks, cap);
            g->block[g->nblocks++] = NULL;
        }
        if (g->nblocks != at + 1) {
            code = MDB_CORRUPTED;
            break;
        }
        g->block[at] = v.mv_data;
    }
    mdb_cursor_close(c);
    if (code != MDB_NOTFOUND) {
        history_graph_close(g);
        return txn_err(t, code, e, "reading the history");
    }
    return 0;
}

void history_graph_close(struct history_graph *g)
{
    free(g->block);
    *g = (struct history_graph){0};
}

struct history_node history_node(const struct history_graph *g, uint32_t commit)
{
    struct history_node n = {0};
    uint32_t block = commit / GRAPH_BLOCK;
    if (block < g->nblocks && g->block[block])
        memcpy(&n, (const char *)g->block[block] + commit % GRAPH_BLOCK * sizeof n, sizeof n);
    return n;
}

static int commit_value(struct txn *t, uint32_t commit, struct commit_head *h, const char **rest)
{
    uint8_t key[4];
    MDB_val v;
    put_be32(key, commit);
    int code = tab_get(t, T_COMMIT, val(key, 4), &v);
    if (code)
        return code;
    if (v.mv_size < sizeof *h)
        return MDB_CORRUPTED;
    memcpy(h, v.mv_data, sizeof *h);
    uint64_t want = sizeof *h + 4ull * h->npaths + h->author_len + h->mail_len + h->message_len;
    if (v.mv_size != want)
        return MDB_CORRUPTED;
    *rest = (const char *)v.mv_data + sizeof *h;
    return 0;
}

/* Of an octopus the further parents lie under the key in the table meta, so that its node is complete before it is read. */
static void octopus_key(char out[32], uint32_t commit)
{
    snprintf(out, 32, "octopus.%u", commit);
}

size_t history_parents(const struct history_graph *g, uint32_t commit, uint32_t out[HISTORY_PARENTS])
{
    struct history_node n = history_node(g, commit);
    size_t np = n.parent[1] ? 2 : n.parent[0] ? 1 : 0;
    out[0] = n.parent[0];
    out[1] = n.parent[1];
    if (np == 2 && n.flags & HISTORY_OCTOPUS) {
        char key[32];
        MDB_val v;
        octopus_key(key, commit);
        if (!tab_get(g->t, T_META, val(key, strlen(key)), &v) && v.mv_size <= (HISTORY_PARENTS - 2) * 4) {
            memcpy(out + 2, v.mv_data, v.mv_size / 4 * 4);
            np += v.mv_size / 4;
        }
    }
    return np;
}

void history_reach_init(struct history_reach *r, const struct history_graph *g)
{
    r->most = history_most(g);
    r->n = 0;
    r->bit = mem_zero(r->most / 64 + 1, sizeof *r->bit);
}

void history_reach_release(struct history_reach *r)
{
    free(r->bit);
    *r = (struct history_reach){0};
}

void history_reach_add(struct history_reach *r, const struct history_graph *g, uint32_t commit)
{
    uint32_t *stack = NULL, parent[HISTORY_PARENTS];
    size_t n = 0, cap = 0;
    VEC_ROOM(stack, n, cap);
    stack[n++] = commit;
    while (n) {
        uint32_t c = stack[--n];
        while (c && c < r->most && !history_reaches(r, c)) {
            r->bit[c / 64] |= 1ull << c % 64;
            r->n++;
            size_t np = history_parents(g, c, parent);
            for (size_t i = 1; i < np; i++) {
                VEC_ROOM(stack, n, cap);
                stack[n++] = parent[i];
            }
            c = np ? parent[0] : COMMIT_NONE;
        }
    }
    free(stack);
}

/* A copy of the block for writing; node: the one of the commit in it. */
static int edit_node(struct txn *t, uint32_t commit, struct history_node *node, bool write, struct err *e)
{
    uint8_t key[4];
    MDB_val v;
    put_be32(key, commit / GRAPH_BLOCK);
    size_t at = commit % GRAPH_BLOCK * sizeof *node, size = GRAPH_BLOCK * sizeof *node;
    int code = tab_get(t, T_GRAPH, val(key, 4), &v);
    if (!code && v.mv_size != size)
        code = MDB_CORRUPTED;
    if (!write) {
        *node = (struct history_node){0};
        if (!code)
            memcpy(node, (const char *)v.mv_data + at, sizeof *node);
        return code == MDB_NOTFOUND ? 0 : txn_err(t, code, e, "reading the history");
    }
    char *copy = mem_zero(1, size);
    if (!code)
        memcpy(copy, v.mv_data, size);
    memcpy(copy + at, node, sizeof *node);
    if (!code || code == MDB_NOTFOUND)
        code = tab_put(t, T_GRAPH, val(key, 4), val(copy, size), 0);
    free(copy);
    return txn_err(t, code, e, "writing the history");
}

int history_node_get(struct txn *t, uint32_t commit, struct history_node *out, struct err *e)
{
    return edit_node(t, commit, out, false, e);
}

int history_node_put(struct txn *t, uint32_t commit, const struct history_node *n, struct err *e)
{
    struct history_node copy = *n;
    return edit_node(t, commit, &copy, true, e);
}

/* -- numbering ------------------------------------------------------------------------------------------------------------ */

uint32_t commit_find(struct txn *t, const struct oid *o)
{
    MDB_val v;
    uint32_t n = COMMIT_NONE;
    if (!tab_get(t, T_COMMITOF, val(o, sizeof *o), &v) && v.mv_size == sizeof n)
        memcpy(&n, v.mv_data, sizeof n);
    return n;
}

int commits_each(struct txn *t, int (*each)(void *arg, const struct oid *o, uint32_t number), void *arg, struct err *e)
{
    MDB_cursor *c;
    MDB_val k, v;
    int code = tab_cursor(t, T_COMMITOF, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "listing commits");
    for (code = mdb_cursor_get(c, &k, &v, MDB_FIRST); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        struct oid o;
        uint32_t number;
        if (k.mv_size != sizeof o || v.mv_size != sizeof number)
            continue;
        memcpy(&o, k.mv_data, sizeof o);
        memcpy(&number, v.mv_data, sizeof number);
        rc = each(arg, &o, number);
    }
    mdb_cursor_close(c);
    return rc || !code || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "listing commits");
}

struct history_node commit_node(struct txn *t, uint32_t commit)
{
    struct history_node n = {0};
    if (commit)
        history_node_get(t, commit, &n, NULL);
    return n;
}

int commit_number(struct txn *t, const struct commit_new *c, uint32_t *number, struct err *e)
{
    int rc = txn_writes(t, e), code = 0;
    if (rc)
        return rc;
    uint32_t id = commit_find(t, &c->oid);
    if (!id) {
        id = (uint32_t)meta_get(t, "next.commit");
        id += !id;
        if (id == UINT32_MAX)
            return err_set(e, ERR_LIMIT, "more commits than there are numbers for");
        code = meta_put(t, "next.commit", (uint64_t)id + 1);
        if (!code)
            code = tab_put(t, T_COMMITOF, val(&c->oid, sizeof c->oid), val(&id, sizeof id), 0);
    }
    struct history_node n = {.time = c->time, .state = HISTORY_PENDING, .flags = c->flags};
    if (c->nparents > 0)
        n.parent[0] = c->parent[0];
    if (c->nparents > 1)
        n.parent[1] = c->parent[1];
    if (!code && c->nparents > 2) {
        char key[32];
        octopus_key(key, id);
        n.flags |= HISTORY_OCTOPUS;
        code = tab_put(t, T_META, val(key, strlen(key)), val(c->parent + 2, (c->nparents - 2) * 4), 0);
    }
    if (code)
        return txn_err(t, code, e, "numbering a commit");
    *number = id;
    return history_node_put(t, id, &n, e);
}

int commit_flag(struct txn *t, uint32_t commit, uint8_t set, uint8_t clear, struct err *e)
{
    struct history_node n;
    int rc = history_node_get(t, commit, &n, e);
    if (rc)
        return rc;
    n.flags = (uint8_t)((n.flags & ~clear) | set);
    return history_node_put(t, commit, &n, e);
}

/* -- contents --------------------------------------------------------------------------------------------------------------- */

int commit_get(struct txn *t, uint32_t commit, struct commit_row *out, struct err *e)
{
    struct commit_head h;
    const char *p;
    int code = commit_value(t, commit, &h, &p);
    if (code == MDB_NOTFOUND)
        return err_set(e, ERR_NOT_FOUND, "commit %u is not read yet", commit);
    if (code)
        return txn_err(t, code, e, "reading a commit");
    *out = (struct commit_row){.oid = h.oid, .time = h.time, .offset = h.offset, .flags = h.flags, .path = p, .npaths = h.npaths,
                               .ntouched = h.ntouched};
    p += 4ull * h.npaths;
    out->author = (struct str){p, h.author_len};
    p += h.author_len;
    out->mail = (struct str){p, h.mail_len};
    p += h.mail_len;
    out->message = (struct str){p, h.message_len};
    return 0;
}

uint32_t commit_path(const struct commit_row *c, uint32_t i)
{
    uint32_t id;
    memcpy(&id, (const char *)c->path + 4ull * i, sizeof id);
    return id;
}

int commit_put(struct txn *t, uint32_t commit, const struct commit_row *c, uint16_t words, struct err *e)
{
    struct commit_head h = {.oid = c->oid, .time = c->time, .offset = c->offset, .flags = c->flags, .npaths = c->npaths,
                            .ntouched = c->ntouched, .author_len = (uint32_t)c->author.n, .mail_len = (uint32_t)c->mail.n,
                            .message_len = (uint32_t)c->message.n};
    struct history_node node;
    uint8_t key[4];
    void *to;
    int rc = history_node_get(t, commit, &node, e);
    if (rc)
        return rc;
    put_be32(key, commit);
    size_t n = sizeof h + 4ull * h.npaths + h.author_len + h.mail_len + h.message_len;
    int code = tab_reserve(t, T_COMMIT, val(key, 4), n, 0, &to);
    if (code)
        return txn_err(t, code, e, "storing a commit");
    char *p = to;
    memcpy(p, &h, sizeof h);
    p += sizeof h;
    if (h.npaths)
        memcpy(p, c->path, 4ull * h.npaths);
    p += 4ull * h.npaths;
    const struct str part[] = {c->author, c->mail, c->message};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++, p += part[i - 1].n)
        if (part[i].n) /* an empty one may have no bytes to point at */
            memcpy(p, part[i].p, part[i].n);
    node.state = HISTORY_IN;
    node.flags = (uint8_t)((node.flags & (HISTORY_OCTOPUS | HISTORY_BOUNDARY)) | c->flags);
    node.words = words;
    return history_node_put(t, commit, &node, e);
}

/* -- paths ------------------------------------------------------------------------------------------------------------------- */

uint32_t path_find(struct txn *t, struct str path)
{
    uint8_t key[LONG_KEY];
    MDB_val v;
    uint32_t id = PATH_NONE;
    size_t n = long_key(key, path.p, path.n);
    if (path.n && !tab_get(t, T_PATHID, val(key, n), &v) && v.mv_size == sizeof id)
        memcpy(&id, v.mv_data, sizeof id);
    return id;
}

int path_make(struct txn *t, struct str path, uint32_t *id, struct err *e)
{
    uint8_t key[LONG_KEY], number[4];
    int rc = txn_writes(t, e);
    if (rc)
        return rc;
    if (!path.n || path.n > 4095)
        return err_set(e, ERR_LIMIT, "a path of %zu bytes", path.n);
    *id = path_find(t, path);
    if (*id)
        return 0;
    *id = (uint32_t)meta_get(t, "next.path");
    *id += !*id;
    int code = meta_put(t, "next.path", (uint64_t)*id + 1);
    if (!code)
        code = tab_put(t, T_PATHID, val(key, long_key(key, path.p, path.n)), val(id, sizeof *id), 0);
    put_be32(number, *id);
    if (!code)
        code = tab_put(t, T_PATHNAME, val(number, 4), val(path.p, path.n), MDB_APPEND);
    return txn_err(t, code, e, "storing a path");
}

int path_get(struct txn *t, uint32_t id, struct str *out, struct err *e)
{
    uint8_t number[4];
    MDB_val v;
    put_be32(number, id);
    int code = tab_get(t, T_PATHNAME, val(number, 4), &v);
    if (code)
        return txn_err(t, code, e, "a path of the history");
    *out = (struct str){v.mv_data, v.mv_size};
    return 0;
}

int touch_put(struct txn *t, uint32_t path, uint32_t commit, const void *bytes, size_t n, struct err *e)
{
    uint8_t key[8];
    put_be32(key, path);
    put_be32(key + 4, commit);
    return txn_err(t, tab_put(t, T_TOUCH, val(key, 8), val(bytes, n), 0), e, "storing what a commit did");
}

int touches_each(struct txn *t, uint32_t path, int (*each)(void *arg, uint32_t commit, struct str bytes), void *arg, struct err *e)
{
    uint8_t key[8] = {0};
    put_be32(key, path);
    MDB_val k = val(key, 8), v;
    MDB_cursor *c;
    int code = tab_cursor(t, T_TOUCH, &c), rc = 0;
    if (code)
        return txn_err(t, code, e, "reading the history");
    for (code = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); !code && !rc; code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        if (k.mv_size != 8 || memcmp(k.mv_data, key, 4))
            break;
        rc = each(arg, get_be32((const uint8_t *)k.mv_data + 4), (struct str){v.mv_data, v.mv_size});
    }
    mdb_cursor_close(c);
    return rc || !code || code == MDB_NOTFOUND ? rc : txn_err(t, code, e, "reading the history");
}

static int octopus_drop(struct txn *t, uint32_t commit)
{
    char key[32];
    octopus_key(key, commit);
    int code = tab_del(t, T_META, val(key, strlen(key)));
    return code == MDB_NOTFOUND ? 0 : code;
}

static int commitof_drop(struct txn *t, uint32_t commit, const struct oid *oid)
{
    int code = commit_find(t, oid) == commit ? tab_del(t, T_COMMITOF, val(oid, sizeof *oid)) : 0;
    return code == MDB_NOTFOUND ? 0 : code;
}

static int touches_drop(struct txn *t, uint32_t commit, const char *path, uint32_t from, uint32_t to)
{
    uint8_t key[8];
    int code = 0;
    put_be32(key + 4, commit);
    for (uint32_t i = from; i < to && !code; i++) {
        uint32_t id;
        memcpy(&id, path + 4ull * i, sizeof id);
        put_be32(key, id);
        if ((code = tab_del(t, T_TOUCH, val(key, 8))) == MDB_NOTFOUND)
            code = 0; /* went in a pass that did not come to its end */
    }
    return code;
}

int commit_drop(struct txn *t, uint32_t commit, uint32_t most, uint32_t *path, bool *done, struct err *e)
{
    struct commit_head h;
    struct history_node none = {0};
    uint8_t key[4];
    const char *p;
    *done = true;
    int code = commit_value(t, commit, &h, &p);
    if (code == MDB_NOTFOUND) { /* numbered only. Its row of commitof stays, and leads to a free node: as good as none */
        code = octopus_drop(t, commit);
        return code ? txn_err(t, code, e, "forgetting a commit") : history_node_put(t, commit, &none, e);
    }
    uint32_t from = *path < h.npaths ? *path : h.npaths, to = h.npaths - from > most ? from + most : h.npaths;
    char *paths = mem_alloc(4ull * h.npaths + 1); /* a write may move the row */
    memcpy(paths, p, 4ull * h.npaths);
    if (!from)
        code = commitof_drop(t, commit, &h.oid);
    if (!code)
        code = touches_drop(t, commit, paths, from, to);
    free(paths);
    *path = to;
    *done = to == h.npaths;
    if (code || !*done)
        return txn_err(t, code, e, "forgetting a commit");
    put_be32(key, commit);
    code = tab_del(t, T_COMMIT, val(key, 4));
    if (!code)
        code = saidvec_drop(t, commit);
    if (!code)
        code = octopus_drop(t, commit);
    return code ? txn_err(t, code, e, "forgetting a commit") : history_node_put(t, commit, &none, e);
}

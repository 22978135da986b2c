/* In three passes: rows of s are copied that the part's views lead to, as far as a row's key tells; in the new home a sweep without grace takes
 * away what rows share with others (vectors, cards, commits), and every term segment is written anew without foreign contents; last the
 * file is written anew, so that no free page has anything of what went, and there the rows are left out that only tell names. */
#include "store/extract.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/history_inside.h"
#include "store/sweep.h"
#include "store/touch.h"
#include "store/varint.h"
#include "store/vector_sweep.h"
#include "store/view.h"

#include <errno.h>
#include <roaring/roaring.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROWS_IN_STEP 1500 /* of a sweep's write transaction: as sweep.c */

struct extract {
    struct store *from, *to;
    const struct extracting *how;
    roaring_bitmap_t *view, *cut;     /* those of the part */
    roaring_bitmap_t *commit, *path;  /* what its history has, of `to` */
    struct oid *content, *poisoned;   /* of its views; poisoned: those without a cut that were tried */
    size_t ncontent, cap_content, npoisoned, cap_poisoned;
    enum table table;                 /* that is being copied */
    unsigned asked;
    bool stopped;
    struct txn *t;
    struct err *e;
};

static int by_oid(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct oid));
}

static void sort_oids(struct oid *v, size_t *n)
{
    size_t k = 0;
    if (*n)
        qsort(v, *n, sizeof *v, by_oid);
    for (size_t i = 0; i < *n; i++)
        if (!i || by_oid(&v[i], &v[k - 1]))
            v[k++] = v[i];
    *n = k;
}

static bool stopped(struct extract *x)
{
    if (!x->stopped && x->how->stop && !(x->asked++ % 1024))
        x->stopped = x->how->stop(x->how->arg);
    return x->stopped;
}

static int canceled(struct extract *x)
{
    return err_set(x->e, ERR_CANCELED, "taken back");
}

static bool ours(const struct extract *x, uint32_t repo)
{
    for (size_t i = 0; i < x->how->n; i++)
        if (x->how->repo[i].id == repo)
            return true;
    return false;
}

/* -- what the part is -------------------------------------------------------------------------------------------------------- */

static int see_row(void *arg, const struct occ *o)
{
    struct extract *x = arg;
    if (o->flags & OCC_DELETED)
        return 0;
    if (o->cut != CUT_NONE)
        roaring_bitmap_add(x->cut, o->cut);
    if (!(o->flags & OCC_SUBMODULE) && !(o->cut == CUT_NONE && o->flags & OCC_SKIPPED)) { /* what is only listed is not in it */
        VEC_ROOM(x->content, x->ncontent, x->cap_content);
        x->content[x->ncontent++] = o->oid;
    }
    if (o->flags & OCC_QUARANTINED) {
        VEC_ROOM(x->poisoned, x->npoisoned, x->cap_poisoned);
        x->poisoned[x->npoisoned++] = o->oid;
    }
    return stopped(x) ? canceled(x) : 0;
}

static int see_view(void *arg, const struct view_head *h)
{
    struct extract *x = arg;
    if (!ours(x, h->repo))
        return 0;
    roaring_bitmap_add(x->view, h->id);
    return occ_rows(x->t, h->id, see_row, x, x->e);
}

/* -- first pass ---------------------------------------------------------------------------------------------------------------- */

static bool number_in(const roaring_bitmap_t *b, struct str key, size_t at)
{
    return key.n >= at + 4 && roaring_bitmap_contains(b, get_be32((const uint8_t *)key.p + at));
}

static bool begins(struct str s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && !memcmp(s.p, with, n);
}

static bool meta_kept(const struct extract *x, struct str key)
{
    if (begins(key, "view.")) {
        char text[24] = "";
        memcpy(text, key.p + 5, key.n - 5 < sizeof text - 1 ? key.n - 5 : sizeof text - 1);
        return roaring_bitmap_contains(x->view, (uint32_t)strtoul(text, NULL, 10));
    }
    return !begins(key, "sweep.") && !begins(key, "cuts.");
}

static bool foreign(void *arg, struct str key, struct str row)
{
    struct extract *x = arg;
    uint32_t id;
    struct oid oid;
    if (stopped(x))
        return true;
    switch (x->table) {
    case T_META:
        return !meta_kept(x, key);
    case T_CUT:
    case T_TEXT:
        return !number_in(x->cut, key, 0);
    case T_CUTKEY:
        if (row.n != sizeof id)
            return true;
        memcpy(&id, row.p, sizeof id);
        return !roaring_bitmap_contains(x->cut, id);
    case T_VECOF:
        return !number_in(x->cut, key, 2);
    case T_QUARANTINE:
        if (key.n < sizeof oid)
            return true;
        memcpy(&oid, key.p, sizeof oid);
        return !x->npoisoned || !bsearch(&oid, x->poisoned, x->npoisoned, sizeof oid, by_oid);
    case T_VIEW:
    case T_OCC:
        return !number_in(x->view, key, 0);
    case T_REF:
        return key.n < 4 || !ours(x, get_be32((const uint8_t *)key.p));
    default:
        return false;
    }
}

/* All tables of m into a new file. `skip` as in env_copy_table, told by x->table where it is; said: written row by row. */
static int copy_tables(struct extract *x, MDB_txn *m, struct store *of, const char *path, bool (*skip)(void *arg, struct str key, struct str row),
                       int (*said)(struct extract *x, MDB_txn *m, MDB_txn *w), struct err *e)
{
    struct env fresh = {0};
    struct buf lock = BUF_INIT;
    MDB_txn *w = NULL;
    MDB_envinfo info;
    size_t pending = 0;
    unlink(path);
    buf_addf(&lock, "%s-lock", path);
    mdb_env_info(of->index.m, &info);
    int rc = env_open(&fresh, path, info.me_mapsize, MDB_NOSYNC, e);
    if (!rc) {
        int code = mdb_txn_begin(fresh.m, NULL, 0, &w);
        for (int i = 0; i < TABLE_COUNT && !code; i++) {
            x->table = (enum table)i;
            if (i == T_SAID && said)
                code = said(x, m, w);
            else
                code = env_copy_table(m, of->table[i], fresh.m, &w, table_names[i], &pending, skip, x);
        }
        if (!code) {
            code = mdb_txn_commit(w);
            w = NULL;
        }
        if (w)
            mdb_txn_abort(w);
        rc = env_err(&fresh, code ? code : mdb_env_sync(fresh.m, 1), e, "writing a part of the index");
    }
    env_close(&fresh);
    unlink(lock.data);
    buf_release(&lock);
    return rc ? rc : x->stopped ? canceled(x) : 0;
}

static int first_pass(struct extract *x)
{
    struct buf path = BUF_INIT;
    int rc = store_read(&x->t, x->from, x->e);
    if (rc)
        return rc;
    buf_addf(&path, "%s/index.mdb", x->how->home);
    rc = views_each(x->t, see_view, x, x->e);
    sort_oids(x->content, &x->ncontent);
    sort_oids(x->poisoned, &x->npoisoned);
    if (!rc)
        rc = copy_tables(x, x->t->m, x->from, path.data, foreign, NULL, x->e);
    txn_end(x->t);
    x->t = NULL;
    buf_release(&path);
    return rc;
}

/* -- second pass: what rows share with others --------------------------------------------------------------------------------------- */

static int sweep_all(struct extract *x)
{
    struct sweep *w;
    struct swept sum = {0};
    bool more = true;
    int rc = sweep_open(&w, x->to, 1, 0, x->e);
    while (!rc && more && !(rc = sweep_step(w, &sum, &more, x->e)))
        if (stopped(x))
            rc = canceled(x);
    sweep_close(w);
    return rc;
}

static int vectors_all(struct extract *x)
{
    struct vector_sweep *v;
    uint64_t gone = 0;
    bool more = true;
    int rc = vector_sweep_open(&v, x->to, true, x->e);
    while (!rc && more && !(rc = vector_sweep_step(v, ROWS_IN_STEP, &gone, &more, x->e)))
        if (stopped(x))
            rc = canceled(x);
    vector_sweep_close(v);
    return rc;
}

static int second_pass(struct extract *x)
{
    int rc = sweep_all(x);
    if (!rc)
        rc = vectors_all(x);
    return rc ? rc : segments_clean(x->to, x->e);
}

/* -- touches without their lines: nobody can be asked for them in the new home ------------------------------------------------------------ */

struct unread {
    uint32_t path, commit;
    struct buf bytes; /* as it is with its lines */
};

struct unreads {
    struct unread *v;
    size_t n, cap;
};

static bool lacks_lines(const MDB_val *v)
{
    struct touch t;
    bool lacks = false;
    if (touch_read(&t, (struct str){v->mv_data, v->mv_size}, NULL))
        return false;
    for (unsigned i = 0; i < t.nsides; i++)
        lacks |= t.side[i].how >= TOUCH_HERE_UNREAD;
    touch_release(&t);
    return lacks;
}

static int find_unread(struct unreads *l, struct extract *x)
{
    MDB_cursor *c;
    MDB_val k, v;
    int code = tab_cursor(x->t, T_TOUCH, &c);
    if (code)
        return txn_err(x->t, code, x->e, "reading what commits did");
    while (!(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)))
        if (k.mv_size == 8 && lacks_lines(&v)) {
            VEC_ROOM(l->v, l->n, l->cap);
            l->v[l->n++] = (struct unread){get_be32(k.mv_data), get_be32((const uint8_t *)k.mv_data + 4), BUF_INIT};
        }
    mdb_cursor_close(c);
    return code == MDB_NOTFOUND ? 0 : txn_err(x->t, code, x->e, "reading what commits did");
}

static int read_some(struct extract *x, struct unread *v, size_t n)
{
    int rc = store_read(&x->t, x->to, x->e);
    for (size_t i = 0; i < n && !rc; i++) {
        struct commit_row row;
        struct str path;
        if (!commit_get(x->t, v[i].commit, &row, NULL) && !path_get(x->t, v[i].path, &path, NULL))
            x->how->touch(x->how->arg, x->t, &row.oid, path, &v[i].bytes);
        x->asked = 0; /* each takes milliseconds */
        if (stopped(x))
            rc = canceled(x);
    }
    txn_end(x->t);
    x->t = NULL;
    return rc;
}

static int put_some(struct extract *x, struct unread *v, size_t n)
{
    struct txn *t;
    int rc = store_write(&t, x->to, x->e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++) {
        if (v[i].bytes.len)
            rc = touch_put(t, v[i].path, v[i].commit, v[i].bytes.data, v[i].bytes.len, x->e);
        buf_release(&v[i].bytes);
    }
    if (!rc)
        return txn_commit(t, x->e);
    txn_end(t);
    return rc;
}

static int read_lines(struct extract *x)
{
    struct unreads l = {0};
    int rc = x->how->touch ? store_read(&x->t, x->to, x->e) : 0;
    if (rc || !x->how->touch)
        return rc;
    rc = find_unread(&l, x);
    txn_end(x->t);
    x->t = NULL;
    for (size_t at = 0; at < l.n && !rc; at += ROWS_IN_STEP) {
        size_t n = l.n - at < ROWS_IN_STEP ? l.n - at : ROWS_IN_STEP;
        if (!(rc = read_some(x, l.v + at, n)))
            rc = put_some(x, l.v + at, n);
    }
    for (size_t i = 0; i < l.n; i++)
        buf_release(&l.v[i].bytes);
    free(l.v);
    return rc;
}

/* -- third pass ------------------------------------------------------------------------------------------------------------------------ */

static int see_commit(void *arg, const struct oid *o, uint32_t number)
{
    struct extract *x = arg;
    struct commit_row row;
    (void)o;
    if (commit_node(x->t, number).state == HISTORY_FREE)
        return 0;
    roaring_bitmap_add(x->commit, number);
    int rc = commit_get(x->t, number, &row, x->e);
    for (uint32_t i = 0; !rc && i < row.npaths; i++)
        roaring_bitmap_add(x->path, commit_path(&row, i));
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Paths that something was renamed from. */
static int see_touches(struct extract *x)
{
    MDB_cursor *c;
    MDB_val k, v;
    int code = tab_cursor(x->t, T_TOUCH, &c), rc = 0;
    if (code)
        return txn_err(x->t, code, x->e, "reading what commits did");
    while (!rc && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
        struct touch t;
        if (k.mv_size != 8 || !roaring_bitmap_contains(x->commit, get_be32((const uint8_t *)k.mv_data + 4)))
            continue;
        roaring_bitmap_add(x->path, get_be32(k.mv_data));
        rc = touch_read(&t, (struct str){v.mv_data, v.mv_size}, x->e);
        for (unsigned i = 0; !rc && i < t.nsides; i++)
            if (t.side[i].from)
                roaring_bitmap_add(x->path, t.side[i].from);
        if (!rc)
            touch_release(&t);
    }
    mdb_cursor_close(c);
    return rc || code == MDB_NOTFOUND ? rc : txn_err(x->t, code, x->e, "reading what commits did");
}

static bool unnamed(void *arg, struct str key, struct str row)
{
    struct extract *x = arg;
    uint32_t id;
    if (stopped(x))
        return true;
    switch (x->table) {
    case T_META:
        return !meta_kept(x, key);
    case T_COMMITOF:
    case T_PATHID:
        if (row.n != sizeof id)
            return true;
        memcpy(&id, row.p, sizeof id);
        return !roaring_bitmap_contains(x->table == T_PATHID ? x->path : x->commit, id);
    case T_PATHNAME:
        return !number_in(x->path, key, 0);
    case T_TOUCH: /* of a commit whose sweep was cut short */
        return !number_in(x->commit, key, 4);
    default:
        return false;
    }
}

/* Postings of commits that went are passed over by searches, and tell of them: a row is written without them. */
static int copy_said(struct extract *x, MDB_txn *m, MDB_txn *w)
{
    MDB_cursor *c;
    MDB_dbi out;
    MDB_val k, v;
    struct buf b = BUF_INIT;
    int code = mdb_cursor_open(m, x->to->table[T_SAID], &c);
    if (code)
        return code;
    code = mdb_dbi_open(w, table_names[T_SAID], MDB_CREATE, &out);
    while (!code && !(code = mdb_cursor_get(c, &k, &v, MDB_NEXT)) && !stopped(x)) {
        const uint8_t *p = v.mv_data, *end = p + v.mv_size;
        uint8_t key[12];
        uint32_t commit, delta, count, before = 0;
        if (k.mv_size != sizeof key) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(key, k.mv_data, sizeof key);
        commit = get_be32(key + 8);
        buf_clear(&b);
        while (p < end && !code) {
            if (!varint_get(&delta, &p, end) || !varint_get(&count, &p, end) || __builtin_add_overflow(commit, delta, &commit)) {
                code = MDB_CORRUPTED;
            } else if (roaring_bitmap_contains(x->commit, commit)) {
                if (!b.len)
                    put_be32(key + 8, commit);
                varint_put(&b, b.len ? commit - before : 0);
                varint_put(&b, count);
                before = commit;
            }
        }
        MDB_val to = val(key, sizeof key), row = val(b.data, b.len);
        if (!code && b.len)
            code = mdb_put(w, out, &to, &row, 0);
    }
    mdb_cursor_close(c);
    buf_release(&b);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int third_pass(struct extract *x, const char *fresh)
{
    int rc = store_read(&x->t, x->to, x->e);
    if (rc)
        return rc;
    rc = commits_each(x->t, see_commit, x, x->e);
    if (!rc)
        rc = see_touches(x);
    if (!rc)
        rc = copy_tables(x, x->t->m, x->to, fresh, unnamed, copy_said, x->e);
    txn_end(x->t);
    x->t = NULL;
    return rc;
}

/* -- the whole -------------------------------------------------------------------------------------------------------------------------- */

static int put_state(struct extract *x)
{
    struct txn *t;
    int rc = store_read(&t, x->to, x->e);
    if (rc)
        return rc;
    uint64_t generation = txn_generation(t);
    txn_end(t);
    for (size_t i = 0; i < x->how->n && !rc; i++)
        rc = state_repo_put(x->to, &x->how->repo[i], x->e);
    for (size_t i = 0; i < x->how->nnotes && !rc; i++)
        rc = state_put(x->to, x->how->note[i].key, x->how->note[i].value.p, x->how->note[i].value.n, x->e);
    return rc ? rc : state_reserve(x->to, generation, x->e); /* the new home goes on from it */
}

/* The new file in its place, and nothing else beside the two. */
static int settle(const char *home, const char *fresh, const char *index, struct err *e)
{
    static const char *const rest[] = {"lock", "index.mdb-lock", "state.mdb-lock"};
    int rc = rename(fresh, index) ? err_errno(e, errno, "renaming %s", fresh) : 0;
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", home, rest[i]);
        unlink(path.data);
        buf_release(&path);
    }
    return rc ? rc : dir_sync(home, e);
}

int store_extract(struct extracted *out, struct store *s, const struct extracting *how, struct err *e)
{
    struct err own;
    struct extract x = {.from = s, .how = how, .e = e ? e : &own};
    const char *home = how->home;
    struct buf fresh = BUF_INIT, index = BUF_INIT;
    *out = (struct extracted){0};
    buf_addf(&fresh, "%s/index.mdb.new", home);
    buf_addf(&index, "%s/index.mdb", home);
    roaring_bitmap_t **const all[] = {&x.view, &x.cut, &x.commit, &x.path};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = roaring_bitmap_create();
    int rc = dir_make(home, 0700, x.e);
    if (!rc)
        rc = first_pass(&x);
    if (!rc)
        rc = store_open(&x.to, home, NULL, x.e);
    if (!rc)
        rc = second_pass(&x);
    if (!rc)
        rc = read_lines(&x);
    if (!rc)
        rc = put_state(&x);
    if (!rc)
        rc = third_pass(&x, fresh.data);
    store_close(x.to);
    if (!rc)
        rc = settle(home, fresh.data, index.data, x.e);
    if (!rc)
        *out = (struct extracted){x.content, x.ncontent, roaring_bitmap_get_cardinality(x.cut)};
    else
        free(x.content);
    free(x.poisoned);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        roaring_bitmap_free(*all[i]);
    buf_release(&fresh);
    buf_release(&index);
    return rc;
}

/* Views against a naive map, over random operations. */
#include "help.h"

#define NPATHS 300

/* names of all sorts: long ones that differ past the key, not UTF-8, newlines, one the start of another */
static struct str path_of(uint32_t i)
{
    static char text[NPATHS][4096];
    static size_t len[NPATHS];
    if (!len[i]) {
        struct rng r = {i + 1};
        char *p = text[i];
        int n = 0;
        switch (i % 6) {
        case 0: n = sprintf(p, "src/dir%u/file%u.c", i % 7, i); break;
        case 1: n = sprintf(p, "a%.*s%u", (int)(i % 40), "/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u", i); break;
        case 2: n = sprintf(p, "\xff\xfe%c\n%u", (char)(1 + below(&r, 255)), i); break;
        case 3: /* alike for more bytes than a key holds */
            memset(p, 'x', 900);
            n = 900 + sprintf(p + 900, "/%u", i);
            break;
        case 4: memset(p, 'y', (size_t)(n = (int)(390 + i % 30))); n += sprintf(p + n, "%u", i); break;
        default: n = sprintf(p, "%u", i); break;
        }
        len[i] = (size_t)n;
    }
    return (struct str){text[i], len[i]};
}

/* what a view shows at each path; size 0: nothing */
struct model {
    uint32_t id;
    struct {
        bool own, shown;
        struct occ o;
    } at[NPATHS];
};

static struct occ random_occ(struct rng *r, uint32_t i, bool stat)
{
    struct occ o = {.path = path_of(i), .cut = below(r, 1000), .mode = 0100644, .size = 1 + below(r, 5000)};
    o.flags = below(r, 5) ? 0 : OCC_SKIPPED;
    for (int k = 0; k < (below(r, 2) ? 20 : 32); k++)
        o.oid.byte[k] = (uint8_t)rnd(r);
    if (stat)
        o.mtime_ns = (int64_t)rnd(r), o.ctime_ns = 5, o.ino = rnd(r);
    return o;
}

static void same(const struct occ *a, const struct occ *b)
{
    assert_int_equal(a->path.n, b->path.n);
    assert_memory_equal(a->path.p, b->path.p, a->path.n);
    assert_memory_equal(&a->oid, &b->oid, sizeof a->oid);
    assert_true(a->cut == b->cut && a->mode == b->mode && a->flags == b->flags && a->size == b->size);
    assert_true(a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->ino == b->ino);
}

struct check {
    struct model *m;
    struct str prefix, before;
    bool seen[NPATHS];
};

static int each(void *arg, const struct occ *o)
{
    struct check *c = arg;
    uint32_t i = 0;
    while (i < NPATHS && (path_of(i).n != o->path.n || memcmp(path_of(i).p, o->path.p, o->path.n)))
        i++;
    assert_true(i < NPATHS && c->m->at[i].shown && !c->seen[i]);
    same(o, &c->m->at[i].o);
    c->seen[i] = true;
    size_t n = o->path.n < c->before.n ? o->path.n : c->before.n;
    if (n > OCC_KEY_PATH)
        n = OCC_KEY_PATH; /* beyond, the order is that of a hash */
    if (c->before.p)
        assert_true(memcmp(c->before.p, o->path.p, n) <= 0);
    c->before = path_of(i);
    return 0;
}

static void check_view(struct txn *t, struct model *m, struct str prefix)
{
    struct check c = {.m = m, .prefix = prefix};
    struct view_head h;
    uint32_t files = 0;
    uint64_t bytes = 0;
    OK(occ_each(t, m->id, prefix, each, &c, e));
    for (uint32_t i = 0; i < NPATHS; i++) {
        struct str p = path_of(i);
        bool in = m->at[i].shown && p.n >= prefix.n && (!prefix.n || !memcmp(p.p, prefix.p, prefix.n));
        assert_int_equal(c.seen[i], in);
        files += m->at[i].shown;
        bytes += m->at[i].shown && !(m->at[i].o.flags & OCC_SKIPPED) ? m->at[i].o.size : 0;
    }
    OK(view_get(t, m->id, &h, e));
    assert_int_equal(h.files, files);
    assert_int_equal(h.bytes, bytes);
}

static struct model make(struct txn *t, const struct model *base)
{
    struct model m = {0};
    struct view_head h = {.base = base ? base->id : VIEW_NONE, .repo = 7, .kind = base ? VIEW_OVERLAY : VIEW_TREE};
    OK(view_new(t, &h, &m.id, e));
    for (uint32_t i = 0; base && i < NPATHS; i++) {
        m.at[i].shown = base->at[i].shown;
        m.at[i].o = base->at[i].o;
    }
    return m;
}

static void put(struct txn *t, struct rng *r, struct model *m, uint32_t i, bool tombstone)
{
    struct occ o = random_occ(r, i, below(r, 2));
    if (tombstone)
        o = (struct occ){.path = path_of(i), .flags = OCC_DELETED};
    OK(occ_put(t, m->id, &o, e));
    m->at[i].own = true;
    m->at[i].shown = !tombstone;
    m->at[i].o = o;
}

static void drop(struct txn *t, struct model *m, const struct model *base, uint32_t i)
{
    int rc = occ_drop(t, m->id, path_of(i), NULL);
    assert_int_equal(rc, m->at[i].own ? 0 : ERR_NOT_FOUND);
    if (!m->at[i].own)
        return;
    m->at[i].own = false;
    m->at[i].shown = base && base->at[i].shown;
    if (base)
        m->at[i].o = base->at[i].o;
}

static void get_all(struct txn *t, struct model *m)
{
    for (uint32_t i = 0; i < NPATHS; i++) {
        struct occ o;
        int rc = occ_get(t, m->id, path_of(i), &o, NULL);
        assert_int_equal(rc, m->at[i].shown ? 0 : ERR_NOT_FOUND);
        if (!rc)
            same(&o, &m->at[i].o);
    }
}

static void random_operations(void **state)
{
    static struct model full, difference, overlay, other;
    struct store *s;
    struct txn *t;
    struct rng r = {99};
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    full = make(t, NULL);
    other = make(t, NULL);
    for (uint32_t i = 0; i < NPATHS; i++) {
        if (below(&r, 3))
            put(t, &r, &full, i, false);
        if (below(&r, 3))
            put(t, &r, &other, i, false);
    }
    difference = make(t, &full);
    for (int k = 0; k < 60; k++)
        put(t, &r, &difference, below(&r, NPATHS), below(&r, 2));
    overlay = make(t, &difference);
    for (int k = 0; k < 4000; k++) {
        uint32_t i = below(&r, NPATHS);
        if (below(&r, 3))
            put(t, &r, &overlay, i, below(&r, 3) == 0);
        else
            drop(t, &overlay, &difference, i);
        if (k % 400 == 0) {
            check_view(t, &overlay, (struct str){0});
            check_view(t, &overlay, STR("src/dir"));
            check_view(t, &overlay, (struct str){path_of(9).p, 850});
            check_view(t, &overlay, path_of(9));
            check_view(t, &overlay, STR("\xff"));
            check_view(t, &overlay, STR("nothing"));
            get_all(t, &overlay);
        }
    }
    check_view(t, &full, (struct str){0});
    check_view(t, &difference, (struct str){0});
    check_view(t, &difference, STR("1"));
    check_view(t, &other, (struct str){0});

    /* the overlay moves to another base: its own rows stay, the rest is the other's */
    struct view_head h;
    OK(view_get(t, overlay.id, &h, e));
    uint32_t rows = h.rows, own = 0;
    h.base = other.id;
    h.files = 12345;
    OK(view_set(t, &h, e));
    for (uint32_t i = 0; i < NPATHS; i++) {
        own += overlay.at[i].own;
        if (overlay.at[i].own)
            continue;
        overlay.at[i].shown = other.at[i].shown;
        overlay.at[i].o = other.at[i].o;
    }
    assert_int_equal(rows, own);
    check_view(t, &overlay, (struct str){0});
    get_all(t, &overlay);
    OK(txn_commit(t, e));

    bool done = false;
    for (int calls = 0; !done; calls++) {
        OK(store_write(&t, s, e));
        OK(view_drop(t, overlay.id, 10, &done, e));
        OK(txn_commit(t, e));
        assert_true(calls < 100);
    }
    OK(store_read(&t, s, e));
    assert_int_equal(view_get(t, overlay.id, &h, NULL), ERR_NOT_FOUND);
    struct check none = {.m = &overlay};
    OK(occ_rows(t, overlay.id, each, &none, e));
    assert_null(none.before.p);
    check_view(t, &other, (struct str){0});
    check_view(t, &difference, (struct str){0});
    txn_end(t);
    store_close(s);
}

static int stop(void *arg, const struct occ *o)
{
    ++*(int *)arg;
    return 42;
}

static int count_views(void *arg, const struct view_head *h)
{
    ++*(int *)arg;
    return 0;
}

static void small_things(void **state)
{
    struct store *s;
    struct txn *t;
    struct occ o = {.path = STR("a"), .size = 1};
    struct view_head h = {.repo = 1};
    uint32_t v;
    int n = 0;
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    OK(view_new(t, &h, &v, e));
    OK(occ_put(t, v, &o, e));
    assert_int_equal(occ_each(t, v, (struct str){0}, stop, &n, NULL), 42);
    assert_int_equal(occ_rows(t, v, stop, &n, NULL), 42);
    OK(views_each(t, count_views, &n, e));
    assert_int_equal(n, 3);
    o.path = (struct str){"", 0};
    assert_int_equal(occ_put(t, v, &o, NULL), ERR_LIMIT);
    assert_int_equal(occ_put(t, v + 1, &o, NULL), ERR_LIMIT);
    o.path = STR("a");
    assert_int_equal(occ_put(t, v + 1, &o, NULL), ERR_NOT_FOUND);
    h.base = v + 9;
    assert_int_equal(view_new(t, &h, &v, NULL), ERR_NOT_FOUND);
    OK(txn_commit(t, e));
    OK(store_read(&t, s, e));
    h.base = VIEW_NONE;
    assert_int_equal(view_new(t, &h, &v, NULL), ERR_INTERNAL); /* a reader does not write */
    assert_int_equal(occ_put(t, 1, &o, NULL), ERR_INTERNAL);
    txn_end(t);
    store_close(s);
}

static uint64_t stamp_of(struct store *s, uint32_t view)
{
    struct txn *t;
    uint64_t stamp;
    OK(store_read(&t, s, e));
    OK(view_stamp(&stamp, t, view, e));
    txn_end(t);
    return stamp;
}

static struct txn *writing(struct store *s)
{
    struct txn *t;
    OK(store_write(&t, s, e));
    return t;
}

/* Another stamp after each transaction that touched the view or its base, the same after all others. */
static void stamps(void **state)
{
    struct store *s;
    struct rng r = {3};
    bool done;
    OK(store_open(&s, home, NULL, e));
    struct txn *t = writing(s);
    struct view_head h = {.kind = VIEW_TREE}, over = {.kind = VIEW_OVERLAY}, read;
    uint32_t base, view, other;
    OK(view_new(t, &h, &base, e));
    over.base = base;
    OK(view_new(t, &over, &view, e));
    OK(view_new(t, &h, &other, e));
    OK(txn_commit(t, e));
    uint64_t first = stamp_of(s, view), of_base = stamp_of(s, base);
    assert_true(first && of_base && first != of_base);

    t = writing(s); /* another view, and what is no view */
    for (uint32_t i = 0; i < 4; i++) {
        struct occ o = random_occ(&r, i, false);
        OK(occ_put(t, other, &o, e));
    }
    txn_bump(t);
    OK(txn_commit(t, e));
    assert_true(stamp_of(s, view) == first && stamp_of(s, base) == of_base);

    t = writing(s);
    struct occ o = random_occ(&r, 1, false);
    OK(occ_put(t, other, &o, e));
    OK(occ_put(t, view, &o, e));
    OK(occ_put(t, other, &o, e));
    OK(occ_put(t, view, &o, e));
    OK(txn_commit(t, e));
    uint64_t put = stamp_of(s, view);
    assert_true(put != first && stamp_of(s, base) == of_base);

    t = writing(s); /* one that is given up touches nothing */
    OK(occ_drop(t, view, o.path, e));
    txn_end(t);
    assert_true(stamp_of(s, view) == put);
    t = writing(s);
    OK(occ_drop(t, view, o.path, e));
    OK(txn_commit(t, e));
    uint64_t dropped = stamp_of(s, view);
    assert_true(dropped != put && dropped != first);

    t = writing(s);
    OK(occ_put(t, base, &o, e));
    OK(txn_commit(t, e));
    assert_true(stamp_of(s, view) != dropped);
    assert_true(stamp_of(s, base) != of_base);
    t = writing(s);
    OK(view_get(t, view, &read, e));
    read.base = other;
    OK(view_set(t, &read, e));
    OK(txn_commit(t, e));
    uint64_t moved = stamp_of(s, view);
    t = writing(s);
    OK(view_drop(t, base, 10, &done, e));
    OK(txn_commit(t, e));
    assert_true(done && stamp_of(s, view) == moved);
    store_close(s);
}

static int count_refs(void *arg, const struct ref_row *r)
{
    assert_int_equal(r->repo, 3);
    ++*(int *)arg;
    return 0;
}

static void refs(void **state)
{
    struct store *s;
    struct txn *t;
    struct ref_row got;
    char longest[2000] = "refs/heads/";
    int n = 0;
    memset(longest + 11, 'z', sizeof longest - 12);
    const char *const names[] = {"HEAD", "refs/heads/main", "worktree", longest};
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    for (uint32_t repo = 2; repo < 5; repo++) {
        for (uint32_t i = 0; i < 4; i++) {
            struct ref_row r = {.repo = repo, .view = repo * 10 + i, .name = str_of(names[i]), .oid_len = 20, .reconciled_ns = -5};
            r.commit.byte[0] = (uint8_t)i;
            OK(ref_put(t, &r, e));
            OK(ref_put(t, &r, e));
        }
    }
    OK(txn_commit(t, e));
    OK(store_write(&t, s, e));
    OK(refs_each(t, 3, count_refs, &n, e));
    assert_int_equal(n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        OK(ref_get(t, 3, names[i], &got, e));
        assert_int_equal(got.view, 30 + i);
        assert_int_equal(got.commit.byte[0], i);
        assert_int_equal(got.reconciled_ns, -5);
        assert_int_equal(got.name.n, strlen(names[i]));
    }
    OK(ref_drop(t, 3, longest, e));
    assert_int_equal(ref_drop(t, 3, longest, NULL), ERR_NOT_FOUND);
    assert_int_equal(ref_get(t, 3, longest, &got, NULL), ERR_NOT_FOUND);
    OK(ref_get(t, 4, longest, &got, e));
    txn_end(t);
    store_close(s);
}

#define IN_A_HOME(f) cmocka_unit_test_setup_teardown(f, home_make, home_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_A_HOME(random_operations), IN_A_HOME(stamps), IN_A_HOME(small_things), IN_A_HOME(refs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

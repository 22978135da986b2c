/* The history's tables: numbering, rows, touches, words, reach, sweep. */
#include "help.h"

#include "store/history.h"
#include "store/touch.h"

static struct store *open_home(void)
{
    struct store *s;
    OK(store_open(&s, home, NULL, e));
    return s;
}

static struct oid oid(unsigned n)
{
    struct oid o = {{0}};
    memcpy(o.byte, &n, sizeof n);
    return o;
}

/* A commit on top of parent, which touched one path. */
static uint32_t put(struct store *s, unsigned n, const uint32_t *parent, uint32_t np, const char *path)
{
    struct txn *t;
    struct commit_new c = {.oid = oid(n), .nparents = np, .time = 1000 + n};
    struct buf b = BUF_INIT;
    uint32_t number, id;
    if (np)
        memcpy(c.parent, parent, np * sizeof *parent);
    OK(store_write(&t, s, e));
    OK(commit_number(t, &c, &number, e));
    OK(path_make(t, str_of(path), &id, e));
    struct touch touch = {.kind = TOUCH_ADDED};
    touch_write(&b, &touch);
    OK(touch_put(t, id, number, b.data, b.len, e));
    struct commit_row row = {.oid = c.oid, .time = 7, .author = STR("A"), .mail = STR("a@b"), .message = STR("why"), .path = &id, .npaths = 1,
                             .ntouched = 1};
    OK(commit_put(t, number, &row, 1, e));
    OK(txn_commit(t, e));
    buf_release(&b);
    return number;
}

static int count(void *arg, uint32_t commit, struct str bytes)
{
    (*(int *)arg)++;
    return 0;
}

static int sum(void *arg, const struct said *v)
{
    *(uint32_t *)arg += v->commit * 10 + v->count;
    return 0;
}

static void test_rows(void **state)
{
    struct store *s = open_home();
    struct txn *t;
    uint32_t a = put(s, 1, NULL, 0, "x/y.c"), b = put(s, 2, &a, 1, "x/y.c"), many[5] = {a, b, a, b, a};
    uint32_t m = put(s, 3, many, 5, "z"), got[HISTORY_PARENTS];
    struct history_graph g;
    struct history_reach r;
    struct commit_row row;
    struct str name;
    int n = 0;
    struct oid two = oid(2);
    uint32_t vector;
    OK(store_write(&t, s, e));
    OK(said_put(t, 99, (struct said[]){{a, 1}, {m, 2}}, 2, e));
    OK(saidvec_put(t, 1, b, 5, e));
    OK(txn_commit(t, e));
    OK(store_read(&t, s, e));
    assert_int_equal(commit_find(t, &two), b);
    OK(commit_get(t, b, &row, e));
    assert_int_equal(row.npaths, 1);
    OK(path_get(t, commit_path(&row, 0), &name, e));
    assert_memory_equal(name.p, "x/y.c", 5);
    assert_memory_equal(row.message.p, "why", 3);
    OK(touches_each(t, path_find(t, STR("x/y.c")), count, &n, e));
    assert_int_equal(n, 2);
    OK(history_graph_open(&g, t, e));
    assert_int_equal(history_parents(&g, m, got), 5);
    assert_memory_equal(got, many, sizeof many);
    history_reach_init(&r, &g);
    history_reach_add(&r, &g, b);
    assert_true(history_reaches(&r, a) && history_reaches(&r, b) && !history_reaches(&r, m));
    assert_int_equal(r.n, 2);
    uint32_t total = 0;
    OK(said_each(t, 99, sum, &total, e));
    assert_int_equal(total, a * 10 + 1 + m * 10 + 2);
    assert_true(saidvec_get(t, 1, b, &vector) && vector == 5);
    assert_false(saidvec_get(t, 1, a, &vector) || saidvec_get(t, 2, b, &vector));
    history_reach_release(&r);
    history_graph_close(&g);
    txn_end(t);
    store_close(s);
}

/* All that is to be done now, most rows a step. */
static int sweep(struct store *s, int64_t now, int64_t grace, uint32_t most, struct err *e)
{
    struct history_sweep *h;
    bool more = true;
    int rc = history_sweep_open(&h, s, now, grace, e);
    while (!rc && more)
        rc = history_sweep_step(h, most, &more, e);
    history_sweep_close(h);
    return rc;
}

static void test_sweep(void **state)
{
    struct store *s = open_home();
    struct txn *t;
    int n = 0;
    uint32_t a = put(s, 1, NULL, 0, "p"), b = put(s, 2, &a, 1, "p"), c = put(s, 3, &a, 1, "p");
    struct view_head h = {.repo = 1, .kind = VIEW_TREE};
    struct ref_row ref = {.repo = 1, .name = STR("HEAD"), .commit = oid(2), .oid_len = 20};
    OK(store_write(&t, s, e));
    OK(view_new(t, &h, &ref.view, e));
    OK(ref_put(t, &ref, e));
    OK(txn_commit(t, e));
    OK(sweep(s, 5000, 100, 50, e)); /* notes it */
    OK(sweep(s, 5050, 100, 50, e)); /* too early */
    OK(store_read(&t, s, e));
    assert_int_equal(commit_node(t, c).state, HISTORY_IN);
    assert_int_equal(commit_node(t, c).lost, 5000);
    assert_int_equal(commit_node(t, b).lost, 0);
    txn_end(t);
    OK(sweep(s, 5200, 100, 50, e));
    struct commit_row row;
    OK(store_read(&t, s, e));
    assert_int_equal(commit_node(t, c).state, HISTORY_FREE);
    assert_int_equal(commit_get(t, c, &row, NULL), ERR_NOT_FOUND);
    OK(commit_get(t, b, &row, e));
    OK(touches_each(t, path_find(t, STR("p")), count, &n, e));
    assert_int_equal(n, 2);
    txn_end(t);
    assert_int_not_equal(put(s, 3, &a, 1, "p"), COMMIT_NONE); /* it comes back */
    store_close(s);
}

#define PATHS 1000

/* A commit on top of parent that touched PATHS paths. */
static uint32_t put_large(struct store *s, unsigned n, uint32_t parent)
{
    struct txn *t;
    struct commit_new c = {.oid = oid(n), .nparents = 1, .parent = {parent}, .time = 1000 + n};
    struct buf b = BUF_INIT;
    struct touch touch = {.kind = TOUCH_ADDED};
    uint32_t number, id[PATHS];
    char path[32];
    touch_write(&b, &touch);
    OK(store_write(&t, s, e));
    OK(commit_number(t, &c, &number, e));
    for (unsigned i = 0; i < PATHS; i++) {
        snprintf(path, sizeof path, "large/%u", i);
        OK(path_make(t, str_of(path), &id[i], e));
        OK(touch_put(t, id[i], number, b.data, b.len, e));
    }
    struct commit_row row = {.oid = c.oid, .message = STR("much"), .path = id, .npaths = PATHS, .ntouched = PATHS};
    OK(commit_put(t, number, &row, 1, e));
    OK(txn_commit(t, e));
    buf_release(&b);
    return number;
}

static int touches_of(struct store *s, unsigned most_path)
{
    struct txn *t;
    char path[32];
    int n = 0;
    OK(store_read(&t, s, e));
    for (unsigned i = 0; i < most_path; i++) {
        snprintf(path, sizeof path, "large/%u", i);
        OK(touches_each(t, path_find(t, str_of(path)), count, &n, e));
    }
    txn_end(t);
    return n;
}

/* A commit of more paths than fit one transaction goes in several. In the middle of it, it comes back. */
static void test_sweep_large(void **state)
{
    struct store *s = open_home();
    struct txn *t;
    struct history_sweep *h;
    struct view_head view = {.repo = 1, .kind = VIEW_TREE};
    struct ref_row ref = {.repo = 1, .name = STR("HEAD"), .commit = oid(1), .oid_len = 20};
    struct oid two = oid(2);
    bool more = true;
    int steps = 0;
    uint32_t a = put(s, 1, NULL, 0, "p"), large = put_large(s, 2, a);
    OK(store_write(&t, s, e));
    OK(view_new(t, &view, &ref.view, e));
    OK(ref_put(t, &ref, e));
    OK(txn_commit(t, e));
    OK(history_sweep_open(&h, s, 5000, 0, e));
    for (; more && steps < 4; steps++) {
        int before = touches_of(s, PATHS);
        OK(history_sweep_step(h, 100, &more, e));
        assert_in_range(before - touches_of(s, PATHS), 1, 100);
    }
    assert_true(more);
    history_sweep_close(h); /* as a kill: nothing but what is committed counts */
    OK(store_read(&t, s, e));
    assert_int_equal(commit_find(t, &two), COMMIT_NONE);
    txn_end(t);
    uint32_t again = put_large(s, 2, a);
    assert_int_not_equal(again, large);
    ref.commit = two;
    OK(store_write(&t, s, e));
    OK(ref_put(t, &ref, e));
    OK(txn_commit(t, e));
    OK(sweep(s, 5001, 0, 100, e));
    OK(store_read(&t, s, e));
    assert_int_equal(commit_node(t, large).state, HISTORY_FREE);
    assert_int_equal(commit_node(t, again).state, HISTORY_IN);
    assert_int_equal(commit_find(t, &two), again);
    txn_end(t);
    assert_int_equal(touches_of(s, PATHS), PATHS);
    store_close(s);
}

/* Whatever the bytes: an error or a touch whose numbers do not wrap, never a bad access. */
static void test_damaged_touch(void **state)
{
    struct touch t = {.kind = TOUCH_CHANGED, .nsides = 2}, back;
    struct touch_hunk h[2] = {{3, 2, 3, 0, false}, {300, 1, 299, 70000, true}};
    struct buf b = BUF_INIT;
    t.side[0] = (struct touch_side){.how = TOUCH_RENAMED, .from = 77, .hunk = h, .nhunks = 2};
    t.side[1] = (struct touch_side){.how = TOUCH_HERE_UNREAD};
    touch_write(&b, &t);
    OK(touch_read(&back, (struct str){b.data, b.len}, e));
    assert_int_equal(back.side[0].from, 77);
    assert_int_equal(back.side[0].nhunks, 2);
    for (int i = 0; i < 2; i++) {
        const struct touch_hunk *g = &back.side[0].hunk[i];
        assert_true(g->at == h[i].at && g->n == h[i].n && g->old_at == h[i].old_at && g->old_n == h[i].old_n);
        assert_int_equal(g->elsewhere, h[i].elsewhere);
    }
    touch_release(&back);
    srand(1);
    for (size_t cut = 0; cut < b.len; cut++)
        assert_int_equal(touch_read(&back, (struct str){b.data, cut}, NULL), ERR_CORRUPT);
    for (int i = 0; i < 20000; i++) {
        char copy[64];
        assert_true(b.len <= sizeof copy);
        memcpy(copy, b.data, b.len);
        for (int k = 0; k < 3; k++)
            copy[rand() % (int)b.len] = (char)rand();
        if (!touch_read(&back, (struct str){copy, b.len}, NULL))
            touch_release(&back);
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, home_make, home_remove),
        cmocka_unit_test_setup_teardown(test_sweep, home_make, home_remove),
        cmocka_unit_test_setup_teardown(test_sweep_large, home_make, home_remove),
        cmocka_unit_test(test_damaged_touch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

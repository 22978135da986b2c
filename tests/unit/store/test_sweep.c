/* Sweeping: what no view holds goes after its time of grace, what one holds never, in bounded steps. */
#include "help.h"

#include "store/internal.h"
#include "store/sweep.h"

#define NCUTS 1000

static uint32_t cut_id[NCUTS];

static struct oid oid_of(uint32_t i)
{
    struct oid o = {{0}};
    memcpy(o.byte, &i, sizeof i);
    o.byte[19] = 0xee;
    return o;
}

static void fill(struct store *s)
{
    struct cut_new *c = calloc(NCUTS, sizeof *c);
    struct buf record = BUF_INIT;
    struct rng r = {5};
    struct cut_batch *b;
    struct txn *t;
    random_record(&record, &r, 3, 40);
    for (uint32_t i = 0; i < NCUTS; i++)
        c[i] = (struct cut_new){{oid_of(i), "c", 1}, record.data, record.len, "int x;\n", 7};
    OK(cut_batch_build(&b, c, NCUTS, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, cut_id, e));
    uint32_t number[3] = {0, 1, 2};
    for (uint32_t i = 0; i < NCUTS; i++)
        OK(vecof_put(t, 0, cut_id[i], 0, number, 3, e));
    OK(txn_commit(t, e));
    cut_batch_free(b);
    buf_release(&record);
    free(c);
}

/* A view that holds the cuts [from, to). */
static uint32_t hold(struct store *s, uint32_t from, uint32_t to)
{
    struct view_head h = {.repo = 1, .kind = VIEW_TREE};
    struct txn *t;
    uint32_t id;
    OK(store_write(&t, s, e));
    OK(view_new(t, &h, &id, e));
    for (uint32_t i = from; i < to; i++) {
        char path[32];
        snprintf(path, sizeof path, "f%u.c", i);
        struct occ o = {.path = str_of(path), .oid = oid_of(i), .cut = cut_id[i], .mode = 0100644, .size = 7};
        OK(occ_put(t, id, &o, e));
    }
    OK(txn_commit(t, e));
    return id;
}

static void drop_view(struct store *s, uint32_t id)
{
    struct txn *t;
    bool done = false;
    OK(store_write(&t, s, e));
    OK(view_drop(t, id, 1u << 30, &done, e));
    assert_true(done);
    OK(txn_commit(t, e));
}

static uint32_t left(struct store *s, uint32_t from, uint32_t to)
{
    struct txn *t;
    struct record r;
    uint32_t n = 0;
    OK(store_read(&t, s, e));
    for (uint32_t i = from; i < to; i++) {
        size_t vectors;
        struct cut_key k = {oid_of(i), "c", 1};
        bool there = !cut_get(t, cut_id[i], &r, NULL);
        n += there;
        assert_true((cut_find(t, &k) == cut_id[i]) == there);
        assert_true((vecof_get(t, 0, cut_id[i], 0, &vectors) != NULL) == there);
    }
    txn_end(t);
    return n;
}

static void swept_after_grace(void **state)
{
    struct store *s;
    struct swept w;
    uint8_t model[32] = {1};
    uint16_t number;
    struct txn *t;
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    OK(vector_model(t, model, 384, &number, e));
    assert_int_equal(number, 0);
    OK(txn_commit(t, e));
    fill(s);
    uint32_t a = hold(s, 0, 600), b = hold(s, 400, 1000);
    OK(sweep_cuts(&w, s, 1000, 100, 5000, e));
    assert_int_equal(w.cuts, 0);
    drop_view(s, b);
    OK(sweep_cuts(&w, s, 1100, 100, 5000, e)); /* notes them */
    OK(sweep_cuts(&w, s, 1150, 100, 5000, e)); /* too early for another look */
    assert_int_equal(w.cuts, 0);
    assert_int_equal(left(s, 0, 1000), 1000);
    b = hold(s, 800, 900); /* some come back in time */
    OK(sweep_cuts(&w, s, 1199, 100, 5000, e));
    assert_int_equal(w.cuts, 0);
    OK(sweep_cuts(&w, s, 1200, 100, 250, e)); /* not all at once */
    assert_int_equal(w.cuts, 250);
    assert_true(w.more);
    OK(sweep_cuts(&w, s, 1201, 100, 250, e));
    assert_int_equal(w.cuts, 50);
    assert_false(w.more);
    assert_int_equal(left(s, 0, 600), 600);
    assert_int_equal(left(s, 600, 800), 0);
    assert_int_equal(left(s, 800, 900), 100);
    assert_int_equal(left(s, 900, 1000), 0);
    /* without grace, at once; a clock that was set back is no reason to wait */
    drop_view(s, a);
    OK(sweep_cuts(&w, s, 10, 0, 5000, e));
    assert_int_equal(w.cuts, 600);
    assert_int_equal(left(s, 0, 1000), 100);
    drop_view(s, b);
    OK(sweep_cuts(&w, s, 5, 100, 5000, e));
    OK(sweep_cuts(&w, s, 105, 100, 5000, e));
    assert_int_equal(left(s, 0, 1000), 0);
    store_close(s);
}

static void room(void **state)
{
    struct store *s;
    struct err why = {0};
    OK(store_open(&s, home, NULL, e));
    OK(store_room(s, 1 << 20, 64 << 20, e));
    assert_int_equal(store_room(s, 64 << 20, 64 << 20, &why), ERR_LIMIT);
    fill(s);
    assert_int_equal(store_room(s, 0, 64 << 10, &why), ERR_LIMIT);
    assert_non_null(strstr(why.message, "max_index_bytes"));
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(swept_after_grace, home_make, home_remove),
        cmocka_unit_test_setup_teardown(room, home_make, home_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

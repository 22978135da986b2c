/* Sweeping: what no view holds goes after its time of grace, what one holds never, in bounded steps. */
#include "help.h"

#include "base/clock.h"
#include "store/history.h"
#include "store/internal.h"
#include "store/sweep.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

/* Goes on with a pass for most steps; 0: to its end. *out: what went. */
static int go_on(struct sweep **w, struct swept *out, struct store *s, int64_t now, int64_t grace, int most, struct err *e)
{
    bool more = true;
    *out = (struct swept){0};
    int rc = *w ? 0 : sweep_open(w, s, now, grace, e);
    for (int i = 0; !rc && more && (!most || i < most); i++)
        rc = sweep_step(*w, out, &more, e);
    if (rc || !more) {
        sweep_close(*w);
        *w = NULL;
    }
    return rc;
}

static int pass(struct swept *out, struct store *s, int64_t now, int64_t grace, struct err *e)
{
    struct sweep *w = NULL;
    return go_on(&w, out, s, now, grace, 0, e);
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
    OK(pass(&w, s, 1000, 100, e));
    assert_int_equal(w.cuts, 0);
    drop_view(s, b);
    OK(pass(&w, s, 1100, 100, e)); /* notes them */
    OK(pass(&w, s, 1150, 100, e)); /* too early for another look */
    assert_int_equal(w.cuts, 0);
    assert_int_equal(left(s, 0, 1000), 1000);
    b = hold(s, 800, 900); /* some come back in time */
    OK(pass(&w, s, 1199, 100, e));
    assert_int_equal(w.cuts, 0);
    struct sweep *plan = NULL;
    OK(go_on(&plan, &w, s, 1200, 100, 1, e)); /* not all at once */
    assert_in_range(w.cuts, 1, 300);
    assert_non_null(plan);
    sweep_close(plan); /* and what was begun goes on with another plan */
    uint64_t first = w.cuts;
    OK(pass(&w, s, 1201, 100, e));
    assert_int_equal(first + w.cuts, 300);
    OK(pass(&w, s, 1202, 100, e));
    assert_int_equal(w.cuts, 0);
    assert_int_equal(left(s, 0, 600), 600);
    assert_int_equal(left(s, 600, 800), 0);
    assert_int_equal(left(s, 800, 900), 100);
    assert_int_equal(left(s, 900, 1000), 0);
    /* without grace, at once; a clock that was set back is no reason to wait */
    drop_view(s, a);
    OK(pass(&w, s, 10, 0, e));
    assert_int_equal(w.cuts, 600);
    assert_int_equal(left(s, 0, 1000), 100);
    drop_view(s, b);
    OK(pass(&w, s, 5, 100, e));
    OK(pass(&w, s, 105, 100, e));
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

/* -- vectors -------------------------------------------------------------------------------------------------------- */

#define DIM 384
#define EACH 12 /* vectors of a content */

static struct hash128 text_of(uint32_t number)
{
    return (struct hash128){number * 0x9e3779b97f4a7c15ull, number};
}

/* Contents first … first + n - 1 with vectors of their own: row i is full of i's low bits, and its scale is i + 1. */
static void embed(struct store *s, uint32_t first, uint32_t n)
{
    struct hash128 text[EACH];
    float scale[EACH];
    uint32_t number[EACH];
    int8_t *q = mem_alloc(EACH * DIM);
    for (uint32_t i = first; i < first + n; i++) {
        struct txn *t;
        for (uint32_t k = 0; k < EACH; k++) {
            uint32_t at = i * EACH + k;
            text[k] = text_of(at);
            scale[k] = (float)at + 1;
            memset(q + k * DIM, (int)(at & 127), DIM);
        }
        OK(store_write(&t, s, e));
        OK(vector_put(t, 0, text, q, scale, EACH, number, e));
        assert_int_equal(number[EACH - 1] - number[0], EACH - 1);
        OK(vecof_put(t, 0, cut_id[i], 0, number, EACH, e));
        OK(txn_commit(t, e));
    }
    free(q);
}

struct count {
    uint32_t rows, runs, alive;
};
/* Everything that is stored is right, and what a content refers to is there under its number. */
static struct count check_vectors(struct store *s, uint32_t ncuts)
{
    struct count c = {0};
    struct vector_run *run;
    size_t n, runs;
    struct txn *t;
    OK(store_read(&t, s, e));
    OK(vectors_open(t, 0, &run, &runs, e));
    float *scale = mem_zero(ncuts * EACH * 4, sizeof *scale);
    for (size_t i = 0; i < runs; i++) {
        assert_int_equal((uintptr_t)run[i].q % 64, 0);
        assert_true(!i || run[i].first >= vector_run_end(&run[i - 1]));
        for (uint32_t k = 0; k < run[i].n; k++) {
            uint32_t number = run[i].number ? run[i].number[k] : run[i].first + k;
            assert_true(number < ncuts * EACH * 4);
            scale[number] = run[i].scale[k];
            assert_int_equal(run[i].q[(size_t)k * DIM + DIM - 1], (int8_t)((uint32_t)(run[i].scale[k] - 1) & 127));
        }
        c.rows += run[i].n;
    }
    c.runs = (uint32_t)runs;
    for (uint32_t i = 0; i < ncuts; i++) {
        const char *at = vecof_get(t, 0, cut_id[i], 0, &n);
        c.alive += at != NULL;
        for (uint32_t k = 0; at && k < EACH; k++) {
            uint32_t number;
            memcpy(&number, at + k * sizeof number, sizeof number);
            assert_true(scale[number] == (float)(i * EACH + k) + 1);
            assert_int_equal(vector_find(t, 0, text_of(i * EACH + k)), number);
        }
    }
    free(scale);
    free(run);
    txn_end(t);
    return c;
}

static void make_model(struct store *s)
{
    uint8_t model[32] = {1};
    uint16_t number;
    struct txn *t;
    OK(store_write(&t, s, e));
    OK(vector_model(t, model, DIM, &number, e));
    OK(txn_commit(t, e));
}

static void vectors_go(void **state)
{
    struct store *s;
    struct swept w;
    OK(store_open(&s, home, NULL, e));
    make_model(s);
    fill(s);
    embed(s, 0, NCUTS);
    uint32_t all = hold(s, 0, NCUTS), even[NCUTS / 50];
    OK(pass(&w, s, 10, 0, e));
    assert_int_equal(w.vectors, 0);
    struct count c = check_vectors(s, NCUTS);
    assert_int_equal(c.rows, NCUTS * EACH);
    for (uint32_t i = 0; i < NCUTS; i += 50) /* 25 of every 50 stay */
        even[i / 50] = hold(s, i, i + 25);
    drop_view(s, all);
    OK(pass(&w, s, 20, 0, e));
    assert_int_equal(w.cuts, NCUTS / 2);
    assert_int_equal(w.vectors, NCUTS / 2 * EACH);
    c = check_vectors(s, NCUTS);
    assert_int_equal(c.rows, NCUTS / 2 * EACH);
    assert_int_equal(c.alive, NCUTS / 2);
    assert_in_range(c.runs, 1, 2 * NCUTS / 2 * EACH / 2700 + 2);
    struct txn *t;
    OK(store_read(&t, s, e));
    assert_int_equal(vector_find(t, 0, text_of(25 * EACH)), VECTOR_NONE);
    txn_end(t);
    OK(pass(&w, s, 30, 0, e)); /* nothing is left to do */
    assert_int_equal(w.cuts + w.vectors, 0);
    /* a text that comes back is made again, under a number that nobody had */
    embed(s, 25, 25);
    c = check_vectors(s, NCUTS);
    assert_int_equal(c.rows, (NCUTS / 2 + 25) * EACH);
    OK(store_write(&t, s, e));
    for (uint32_t i = 25; i < 50; i++)
        OK(vecof_drop(t, cut_id[i], e)); /* nothing names these: they go again */
    OK(txn_commit(t, e));
    OK(pass(&w, s, 40, 0, e));
    assert_int_equal(w.vectors, 25 * EACH);
    for (uint32_t i = 0; i < NCUTS / 50; i++)
        drop_view(s, even[i]);
    OK(pass(&w, s, 50, 0, e));
    c = check_vectors(s, NCUTS);
    assert_int_equal(c.rows, 0);
    store_close(s);
}

/* Vectors of messages have a space of their own: a sweep of contents leaves them alone, and one of commits takes those of what went. */
#define MESSAGES 3000 /* more than one segment */

static void put_messages(struct store *s, uint16_t space, uint32_t *commit)
{
    struct hash128 text[MESSAGES];
    uint32_t *number = mem_alloc(MESSAGES * sizeof *number);
    float *scale = mem_alloc(MESSAGES * sizeof *scale);
    int8_t *q = mem_zero(MESSAGES, DIM);
    struct txn *t;
    OK(store_write(&t, s, e));
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct commit_new c = {.oid = oid_of(1000000 + i), .time = 1000 + i};
        OK(commit_number(t, &c, &commit[i], e));
        struct commit_row row = {.oid = c.oid, .message = STR("why")};
        OK(commit_put(t, commit[i], &row, 1, e));
        text[i] = text_of(500000 + i);
        scale[i] = (float)i + 1;
    }
    OK(vector_put(t, space, text, q, scale, MESSAGES, number, e));
    for (uint32_t i = 0; i < MESSAGES; i++)
        OK(saidvec_put(t, space, commit[i], number[i], e));
    OK(txn_commit(t, e));
    free(number);
    free(scale);
    free(q);
}

/* How many have their vector, under the number that they name and with the row that was put there. */
static uint32_t messages_left(struct store *s, uint16_t space, const uint32_t *commit)
{
    struct vector_run *run;
    struct txn *t;
    size_t n;
    uint32_t there = 0, rows = 0;
    OK(store_read(&t, s, e));
    OK(vectors_open(t, space, &run, &n, e));
    for (size_t i = 0; i < n; i++)
        rows += run[i].n;
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t number;
        bool found = false;
        if (!saidvec_get(t, space, commit[i], &number))
            continue;
        for (size_t r = 0; r < n && !found; r++)
            for (uint32_t k = 0; k < run[r].n && !found; k++)
                found = (run[r].number ? run[r].number[k] : run[r].first + k) == number && run[r].scale[k] == (float)i + 1;
        assert_true(found);
        there++;
    }
    assert_int_equal(rows, there);
    free(run);
    txn_end(t);
    return there;
}

static void point_refs(struct store *s, uint32_t view, const uint32_t *keep, uint32_t n)
{
    struct txn *t;
    char name[32];
    OK(store_write(&t, s, e));
    for (uint32_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "refs/heads/b%u", i);
        struct ref_row ref = {.repo = 1, .name = str_of(name), .view = view, .commit = oid_of(1000000 + keep[i]), .oid_len = 20};
        OK(ref_put(t, &ref, e));
    }
    OK(txn_commit(t, e));
}

static void messages_stay(void **state)
{
    struct store *s;
    struct swept w;
    struct txn *t;
    uint8_t model[32] = {1}, space[32];
    uint16_t number;
    uint32_t *commit = mem_alloc(MESSAGES * sizeof *commit), *all = mem_alloc(MESSAGES * sizeof *all), keep[3] = {0, 1500, 2999};
    OK(store_open(&s, home, NULL, e));
    make_model(s);
    said_space(space, model);
    OK(store_write(&t, s, e));
    OK(vector_model(t, space, DIM, &number, e));
    OK(txn_commit(t, e));
    fill(s);
    embed(s, 0, NCUTS);
    put_messages(s, number, commit);
    uint32_t view = hold(s, 0, 100);
    for (uint32_t i = 0; i < MESSAGES; i++)
        all[i] = i;
    point_refs(s, view, all, MESSAGES);
    OK(pass(&w, s, 10, 0, e)); /* most contents and their vectors go; every commit is reached */
    assert_int_equal(w.cuts, NCUTS - 100);
    assert_int_equal(check_vectors(s, NCUTS).alive, 100);
    assert_int_equal(messages_left(s, number, commit), MESSAGES);
    OK(store_write(&t, s, e));
    for (uint32_t i = 0; i < MESSAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "refs/heads/b%u", i);
        OK(ref_drop(t, 1, name, e));
    }
    OK(txn_commit(t, e));
    point_refs(s, view, keep, 3);
    OK(pass(&w, s, 20, 0, e));
    assert_int_equal(w.vectors, MESSAGES - 3);
    assert_int_equal(messages_left(s, number, commit), 3);
    assert_int_equal(check_vectors(s, NCUTS).alive, 100);
    free(commit);
    free(all);
    store_close(s);
}

/* A content that keeps a path and loses another: that one's card goes, after the grace. */
static void cards_go(void **state)
{
    struct store *s;
    struct swept w;
    struct txn *t;
    size_t n;
    uint32_t number = 7;
    uint64_t f5 = vecof_card(STR("f5.c")), g5 = vecof_card(STR("g5.c"));
    OK(store_open(&s, home, NULL, e));
    make_model(s);
    fill(s);
    hold(s, 0, NCUTS);
    OK(store_write(&t, s, e));
    OK(vecof_put(t, 0, cut_id[5], f5, &number, 1, e));
    OK(vecof_put(t, 0, cut_id[5], g5, &number, 1, e));
    OK(txn_commit(t, e));
    OK(pass(&w, s, 1000, 100, e));
    OK(pass(&w, s, 1050, 100, e));
    assert_int_equal(w.cards, 0);
    OK(pass(&w, s, 1100, 100, e));
    assert_int_equal(w.cards, 1);
    OK(store_read(&t, s, e));
    assert_non_null(vecof_get(t, 0, cut_id[5], f5, &n));
    assert_non_null(vecof_get(t, 0, cut_id[5], 0, &n));
    assert_null(vecof_get(t, 0, cut_id[5], g5, &n));
    txn_end(t);
    store_close(s);
}

/* What was asked for is not forgotten with the process, nor by a pass that did not get through. */
static void soon_outlives(void **state)
{
    struct store *s;
    struct swept w;
    struct sweep *plan = NULL;
    struct txn *t;
    OK(store_open(&s, home, NULL, e));
    make_model(s);
    fill(s);
    hold(s, 0, 100);
    OK(pass(&w, s, 1000, 100, e));
    OK(store_write(&t, s, e));
    OK(sweep_soon(t, e));
    OK(txn_commit(t, e));
    OK(go_on(&plan, &w, s, 1010, 100, 1, e));
    assert_in_range(w.cuts, 1, 300);
    sweep_close(plan);
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    OK(pass(&w, s, 1020, 100, e));
    assert_int_equal(left(s, 0, NCUTS), 100);
    OK(pass(&w, s, 1030, 100, e)); /* from now on with the grace again */
    store_close(s);
}

/* No file may grow beyond what it is now: as a disk that fills up in the middle of a sweep. */
static void sweep_in_little(struct store *s, const struct swept *before)
{
    struct err e = {0};
    struct sweep *plan;
    struct swept w = {0};
    struct stat st;
    char path[300];
    bool more = true;
    snprintf(path, sizeof path, "%s/index.mdb", home);
    IN_CHILD(!stat(path, &st));
    struct rlimit most = {(rlim_t)st.st_size, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    IN_CHILD(!sweep_open(&plan, s, 5000, 0, &e));
    IN_CHILD(!setrlimit(RLIMIT_FSIZE, &most));
    int rc = 0;
    while (!rc && more)
        rc = sweep_step(plan, &w, &more, &e);
    IN_CHILD(rc == ERR_FULL && e.hint[0]);
    sweep_close(plan);
    most.rlim_cur = RLIM_INFINITY;
    IN_CHILD(!setrlimit(RLIMIT_FSIZE, &most));
    uint64_t cuts = w.cuts, vectors = w.vectors;
    w = (struct swept){0};
    more = true;
    IN_CHILD(!sweep_open(&plan, s, 5001, 0, &e));
    while (more)
        IN_CHILD(!sweep_step(plan, &w, &more, &e));
    sweep_close(plan);
    IN_CHILD(cuts + w.cuts == before->cuts && vectors + w.vectors == before->vectors);
}

static void a_full_disk(void **state)
{
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        struct store *s;
        bool did;
        OK(store_open(&s, home, NULL, e));
        make_model(s);
        fill(s);
        embed(s, 0, NCUTS);
        hold(s, 0, 100);
        OK(store_compact_now(s, &did, e)); /* no free page is left in it */
        sweep_in_little(s, &(struct swept){.cuts = NCUTS - 100, .vectors = (NCUTS - 100) * EACH});
        if (left(s, 0, NCUTS) != 100 || check_vectors(s, NCUTS).alive != 100)
            _exit(2);
        store_close(s);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* -- many ----------------------------------------------------------------------------------------------------------- */

#define MANY 50000

/* What a sweep of 50,000 contents costs: the plan once, and no step that others wait for. */
static void many(void **state)
{
    struct store *s;
    struct buf record = BUF_INIT;
    struct rng r = {5};
    struct txn *t;
    uint32_t *id = mem_alloc(NCUTS * sizeof *id), view;
    struct cut_new *c = mem_zero(NCUTS, sizeof *c);
    OK(store_open(&s, home, NULL, e));
    random_record(&record, &r, 3, 40);
    struct view_head h = {.repo = 1, .kind = VIEW_TREE};
    OK(store_write(&t, s, e));
    OK(view_new(t, &h, &view, e));
    OK(txn_commit(t, e));
    for (uint32_t at = 0; at < 2 * MANY; at += NCUTS) {
        struct cut_batch *b;
        for (uint32_t i = 0; i < NCUTS; i++)
            c[i] = (struct cut_new){{oid_of(at + i), "c", 1}, record.data, record.len, "int x;\n", 7};
        OK(cut_batch_build(&b, c, NCUTS, e));
        OK(store_write(&t, s, e));
        OK(cut_batch_put(t, b, id, e));
        for (uint32_t i = 0; i < NCUTS; i += 2) {
            char path[32];
            snprintf(path, sizeof path, "src/f%u.c", at + i);
            struct occ o = {.path = str_of(path), .oid = oid_of(at + i), .cut = id[i], .mode = 0100644, .size = 7};
            OK(occ_put(t, view, &o, e));
        }
        OK(txn_commit(t, e));
        cut_batch_free(b);
    }
    struct sweep *plan;
    struct swept w = {0};
    bool more = true;
    int steps = 0;
    double begun = clock_ms(), longest = 0;
    OK(sweep_open(&plan, s, 1, 0, e));
    double planned = clock_ms();
    while (more) {
        double from = clock_ms();
        OK(sweep_step(plan, &w, &more, e));
        longest = clock_ms() - from > longest ? clock_ms() - from : longest;
        steps++;
    }
    sweep_close(plan);
    print_message("%llu of %d contents: plan %.1f ms, %d steps of %.1f ms, at most %.1f ms\n", (unsigned long long)w.cuts, 2 * MANY,
                  planned - begun, steps, (clock_ms() - planned) / steps, longest);
    assert_int_equal(w.cuts, MANY);
    store_close(s);
    buf_release(&record);
    free(c);
    free(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(swept_after_grace, home_make, home_remove),
        cmocka_unit_test_setup_teardown(vectors_go, home_make, home_remove),
        cmocka_unit_test_setup_teardown(cards_go, home_make, home_remove),
        cmocka_unit_test_setup_teardown(messages_stay, home_make, home_remove),
        cmocka_unit_test_setup_teardown(soon_outlives, home_make, home_remove),
        cmocka_unit_test_setup_teardown(a_full_disk, home_make, home_remove),
        cmocka_unit_test_setup_teardown(many, home_make, home_remove),
        cmocka_unit_test_setup_teardown(room, home_make, home_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

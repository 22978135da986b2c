/* A process that writes is killed at any moment: what it had been told is stored is stored, and nothing is half there. */
#include "steps.h"

#include "store/internal.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define CHILD(call)                                                                                                    \
    do {                                                                                                               \
        struct err e_ = {0}, *e = &e_;                                                                                 \
        if (call) {                                                                                                    \
            fprintf(stderr, "%s: %s\n", #call, e->message);                                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#define PER_STEP 3 /* cuts of a batch */

/* One step is one write transaction: three cuts, three rows of the view, a vector. */
static void write_step(struct store *s, uint32_t step)
{
    struct rng r = {step + 1};
    struct buf record[PER_STEP] = {BUF_INIT, BUF_INIT, BUF_INIT};
    struct cut_new c[PER_STEP] = {0};
    uint32_t ids[PER_STEP], number;
    for (uint32_t i = 0; i < PER_STEP; i++) {
        random_record(&record[i], &r, 4, 20);
        c[i] = (struct cut_new){{oid_of(step, i), "c", 1}, record[i].data, record[i].len, "text of a file", 14};
    }
    struct cut_batch *b;
    struct txn *t;
    CHILD(cut_batch_build(&b, c, PER_STEP, e));
    CHILD(store_write(&t, s, e));
    CHILD(cut_batch_put(t, b, ids, e));
    for (uint32_t i = 0; i < PER_STEP; i++) {
        char path[64];
        path_of(path, step, i);
        struct occ o = {.path = str_of(path), .oid = c[i].key.oid, .cut = ids[i], .size = 14};
        CHILD(occ_put(t, 1, &o, e));
    }
    if (step > 20) { /* an old step goes away */
        for (uint32_t i = 0; i < PER_STEP; i++) {
            char path[64];
            path_of(path, step - 20, i);
            struct occ o;
            CHILD(occ_get(t, 1, str_of(path), &o, e));
            CHILD(cut_drop(t, o.cut, e));
            CHILD(occ_drop(t, 1, str_of(path), e));
        }
    }
    int8_t q[4] = {(int8_t)step, 1, 2, 3};
    float scale = 1;
    struct hash128 text = {step, 5};
    CHILD(vector_put(t, 0, &text, q, &scale, 1, &number, e));
    txn_bump(t);
    CHILD(txn_commit(t, e));
    cut_batch_free(b);
    for (uint32_t i = 0; i < PER_STEP; i++)
        buf_release(&record[i]);
}

static uint32_t steps_in(struct txn *t)
{
    uint32_t n = 0;
    while (vector_find(t, 0, (struct hash128){n + 1, 5}) != VECTOR_NONE)
        n++;
    return n;
}

static void child(int ack)
{
    struct store *s;
    struct txn *t;
    CHILD(store_open(&s, home, NULL, e));
    CHILD(store_write(&t, s, e));
    uint32_t view = 1, step = steps_in(t);
    if (!step) {
        uint8_t hash[32] = {1};
        uint16_t model;
        CHILD(view_new(t, &(struct view_head){.repo = 1}, &view, e));
        CHILD(vector_model(t, hash, 4, &model, e));
    }
    if (view != 1)
        txn_end(t); /* a view from a run that was killed before its first step */
    else
        CHILD(txn_commit(t, e));
    for (;;) {
        write_step(s, ++step);
        if (write(ack, &step, sizeof step) != sizeof step)
            _exit(1);
        bool did = false;
        CHILD(segments_merge(s, NULL, NULL, &did, e));
        if (step % 5 == 0)
            CHILD(store_compact_now(s, &did, e));
        if (step % 7 == 0)
            CHILD(state_put(s, "step", &step, sizeof step, e));
    }
}

static int count(void *arg, const struct occ *o)
{
    ++*(uint32_t *)arg;
    return 0;
}

static uint32_t check(uint32_t least, uint64_t *generation)
{
    struct store *s;
    struct txn *t;
    struct view_head h;
    bool rebuilt;
    uint32_t files = 0;
    OK(store_open(&s, home, &rebuilt, e));
    assert_false(rebuilt);
    OK(store_read(&t, s, e));
    uint32_t steps = steps_in(t);
    assert_true(steps >= least);
    assert_true(txn_generation(t) >= *generation);
    *generation = txn_generation(t);
    if (view_get(t, 1, &h, NULL)) {
        assert_int_equal(steps, 0);
    } else {
        uint32_t want = PER_STEP * (steps > 20 ? 20 : steps);
        OK(occ_each(t, 1, (struct str){0}, count, &files, e));
        assert_int_equal(files, want);
        assert_int_equal(h.files, want);
        assert_int_equal(h.bytes, 14u * want);
    }
    struct buf text = BUF_INIT;
    for (uint32_t step = steps > 20 ? steps - 19 : 1; step <= steps; step++) {
        for (uint32_t i = 0; i < PER_STEP; i++) {
            struct cut_key k = {oid_of(step, i), "c", 1};
            struct record r;
            uint32_t id = cut_find(t, &k);
            OK(cut_get(t, id, &r, e));
            OK(cut_text(t, id, &text, e));
        }
    }
    struct segment *seg;
    struct vector_run *run;
    struct posting *p = NULL;
    size_t n, cap = 0;
    OK(segments_open(t, &seg, &n, e));
    for (size_t i = 0; i < n; i++)
        segment_postings(&seg[i], term_of(TERM_WORD, "w1", 2), &p, &cap);
    free(p);
    free(seg);
    OK(vectors_open(t, 0, &run, &n, e));
    assert_int_equal(n ? run[n - 1].first + run[n - 1].n : 0, steps);
    free(run);
    buf_release(&text);
    txn_end(t);
    store_close(s);
    return steps;
}

static void killed(void **state)
{
    int times = getenv("CODEASK_TEST_LONG") ? 500 : 20;
    long slow = getenv("CODEASK_TEST_EMULATED") ? 20 : 1;
    uint32_t steps = 0;
    uint64_t generation = 0;
    struct rng r = {77};
    for (int i = 0; i < times; i++) {
        int ack[2];
        assert_int_equal(pipe(ack), 0);
        pid_t pid = fork();
        if (!pid) {
            close(ack[0]);
            child(ack[1]);
        }
        close(ack[1]);
        struct timespec wait = {0, (long)(1 + below(&r, 60)) * 1000000 * slow % 1000000000};
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        uint32_t step;
        while (read(ack[0], &step, sizeof step) == sizeof step)
            steps = step;
        close(ack[0]);
        steps = check(steps, &generation);
    }
    print_message("%u steps through %d kills\n", steps, times);
    assert_true(steps > (uint32_t)times / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(killed, home_make, home_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* state.mdb copied while it is written, and put back: across schemas, beside an index, over a damaged one. */
#include "old_state.h"

#include "base/file.h"
#include "store/backup.h"
#include "store/feedback.h"
#include "store/internal.h"

#include <pthread.h>

static char staged[300], copy[320];

static int make(void **state)
{
    int rc = home_make(state);
    snprintf(staged, sizeof staged, "%s/restoring", home);
    snprintf(copy, sizeof copy, "%s/state.mdb", staged);
    return rc ? rc : dir_make(staged, 0700, NULL);
}

static void add_repo(struct store *s, const char *path)
{
    struct repo_row row;
    OK(state_repo_add(s, path, true, &row, e));
    repo_row_release(&row);
}

static struct store *open_home(void)
{
    struct store *s;
    OK(store_open(&s, home, NULL, e));
    return s;
}

static int restore(struct buf *aside, bool *kept, struct err *e)
{
    int fd, rc = home_hold(&fd, home, e);
    if (!rc)
        rc = state_restore(aside, kept, home, staged, e);
    home_release(fd);
    return rc;
}

static unsigned repos(struct store *s)
{
    struct repo_row *rows;
    size_t n;
    OK(state_repos(s, &rows, &n, e));
    state_repos_free(rows, n);
    return (unsigned)n;
}

struct writer {
    struct store *s;
    int done;
    bool stop;
};

static void *write_rows(void *arg)
{
    struct writer *w = arg;
    while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
        OK(feedback_add(NULL, w->s, "{\"some\":\"row\"}", 14, e));
        __atomic_fetch_add(&w->done, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* every copy holds at least what was acknowledged before it, and opens */
static void hot(void **state)
{
    struct writer w = {.s = open_home()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_rows, &w), 0);
    for (int i = 0; i < 20; i++) {
        struct store back = {.lock_fd = -1};
        uint64_t n = 0;
        int before = __atomic_load_n(&w.done, __ATOMIC_ACQUIRE);
        OK(state_backup(w.s, copy, e));
        int after = __atomic_load_n(&w.done, __ATOMIC_ACQUIRE) + 1; /* one may be in and not counted yet */
        OK(state_open(&back, staged, e));
        OK(feedback_count(&n, &back, e));
        env_close(&back.state);
        assert_in_range(n, before, after);
        assert_int_equal(unlink(copy), 0);
    }
    __atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    struct err why;
    OK(state_backup(w.s, copy, e));
    assert_int_equal(state_backup(w.s, copy, &why), ERR_USAGE); /* never over another */
    store_close(w.s);
}

static void put_back(void **state)
{
    struct buf aside = BUF_INIT;
    struct txn *t;
    bool kept;
    struct store *s = open_home();
    add_repo(s, "/one");
    OK(state_backup(s, copy, e));
    uint64_t n;
    OK(feedback_add(NULL, s, "{}", 2, e));
    OK(store_write(&t, s, e));
    txn_bump(t);
    uint64_t generation = txn_generation(t);
    OK(txn_commit(t, e));
    struct err busy;
    assert_int_equal(restore(&aside, &kept, &busy), ERR_BUSY);
    store_close(s);
    OK(restore(&aside, &kept, e));
    assert_true(kept); /* the same repositories */
    assert_true(file_exists(aside.data));
    s = open_home();
    OK(feedback_count(&n, s, e));
    assert_int_equal(n, 0);
    assert_int_equal(repos(s), 1);
    /* other repositories: the index goes, and generations still do not fall */
    OK(state_backup(s, copy, e));
    add_repo(s, "/two");
    store_close(s);
    OK(restore(&aside, &kept, e));
    assert_false(kept);
    s = open_home();
    assert_int_equal(repos(s), 1);
    OK(store_read(&t, s, e));
    assert_true(txn_generation(t) >= generation);
    txn_end(t);
    store_close(s);
    buf_release(&aside);
}

static void versions(void **state)
{
    struct buf aside = BUF_INIT;
    bool kept;
    uint64_t n;
    struct store *s = open_home();
    add_repo(s, "/one");
    OK(state_backup(s, copy, e));
    add_repo(s, "/two");
    store_close(s);
    set_schema(copy, 1, true); /* as the program of schema 1 left it */
    OK(restore(&aside, &kept, e));
    s = open_home();
    assert_int_equal(repos(s), 1);
    OK(feedback_add(NULL, s, "{}", 2, e));
    OK(state_backup(s, copy, e));
    store_close(s);
    set_schema(copy, STATE_SCHEMA + 1, false);
    struct err why;
    assert_int_equal(restore(&aside, &kept, &why), ERR_VERSION);
    s = open_home(); /* as it was */
    OK(feedback_count(&n, s, e));
    assert_int_equal(n, 1);
    store_close(s);
    buf_release(&aside);
}

static void over_damage(void **state)
{
    struct buf aside = BUF_INIT;
    char path[300];
    bool kept;
    struct err why;
    struct store *s = open_home();
    add_repo(s, "/one");
    OK(state_backup(s, copy, e));
    store_close(s);
    snprintf(path, sizeof path, "%s/state.mdb", home);
    OK(file_write(path, "no database", 11, 0600, e));
    assert_int_equal(store_open(&s, home, NULL, &why), ERR_CORRUPT);
    OK(restore(&aside, &kept, e));
    assert_false(kept); /* nobody can tell which repositories it was about */
    s = open_home();
    assert_int_equal(repos(s), 1);
    OK(state_backup(s, copy, e));
    store_close(s);
    /* and a damaged copy leaves the home alone */
    OK(file_write(copy, "no database", 11, 0600, e));
    assert_int_equal(restore(&aside, &kept, &why), ERR_CORRUPT);
    s = open_home();
    assert_int_equal(repos(s), 1);
    store_close(s);
    buf_release(&aside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hot, make, home_remove),
        cmocka_unit_test_setup_teardown(put_back, make, home_remove),
        cmocka_unit_test_setup_teardown(versions, make, home_remove),
        cmocka_unit_test_setup_teardown(over_damage, make, home_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

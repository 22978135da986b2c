/* Feedback rows, and the migration that brought their table. */
#include "old_state.h"

#include "base/file.h"
#include "store/feedback.h"
#include "store/internal.h"

struct seen {
    uint64_t last;
    unsigned n;
    char text[64];
};

static int see(void *arg, uint64_t id, struct str json)
{
    struct seen *s = arg;
    assert_true(id > s->last);
    s->last = id;
    s->n++;
    snprintf(s->text, sizeof s->text, "%.*s", (int)json.n, json.p);
    return 0;
}

static int stop(void *arg, uint64_t id, struct str json)
{
    return ++*(int *)arg;
}

static void rows(void **state)
{
    struct store *s;
    struct seen seen = {0};
    uint64_t n, id, before = 0;
    int calls = 0;
    OK(store_open(&s, home, NULL, e));
    OK(feedback_count(&n, s, e));
    assert_int_equal(n, 0);
    OK(feedback_each(s, see, &seen, e));
    assert_int_equal(seen.n, 0);
    for (int i = 0; i < 20; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "{\"i\":%d}", i);
        OK(feedback_add(&id, s, text, (size_t)len, e));
        assert_true(id > before);
        before = id;
    }
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    OK(feedback_count(&n, s, e));
    assert_int_equal(n, 20);
    OK(feedback_each(s, see, &seen, e));
    assert_int_equal(seen.n, 20);
    assert_string_equal(seen.text, "{\"i\":19}");
    struct err why;
    assert_int_equal(feedback_each(s, stop, &calls, &why), 1);
    assert_int_equal(calls, 1);
    store_close(s);
}

static void migrated(void **state)
{
    struct store *s;
    struct repo_row row;
    struct repo_row *all;
    size_t n;
    uint64_t count;
    char copy[300];
    OK(store_open(&s, home, NULL, e));
    OK(state_repo_add(s, "/somewhere/project", true, &row, e));
    repo_row_release(&row);
    store_close(s);
    snprintf(copy, sizeof copy, "%s/state.mdb", home);
    set_schema(copy, 1, true);
    OK(store_open(&s, home, NULL, e));
    OK(feedback_add(NULL, s, "{}", 2, e));
    OK(state_repos(s, &all, &n, e));
    assert_int_equal(n, 1);
    assert_string_equal(all[0].path, "/somewhere/project");
    state_repos_free(all, n);
    store_close(s);
    snprintf(copy, sizeof copy, "%s/state.mdb.schema-1", home);
    assert_true(file_exists(copy));
    OK(store_open(&s, home, NULL, e)); /* once is enough */
    OK(feedback_count(&count, s, e));
    assert_int_equal(count, 1);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows, home_make, home_remove),
        cmocka_unit_test_setup_teardown(migrated, home_make, home_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Users, groups, grants and tokens: who may read what, what is gone with whom, and damaged rows. */
#include "help.h"

#include "store/internal.h"
#include "store/people.h"
#include "store/token.h"

static size_t may_read(uint32_t out[8], struct store *s, uint32_t user)
{
    uint32_t *ids;
    size_t n;
    OK(people_may_read(&ids, &n, s, user, e));
    assert_true(n <= 8);
    memcpy(out, ids ? ids : out, n * sizeof *out);
    free(ids);
    return n;
}

static struct user_row user(struct store *s, const char *name)
{
    struct user_row u;
    OK(people_user(&u, s, name, true, e));
    return u;
}

static void grants(void **state)
{
    struct store *s;
    struct err why;
    uint32_t ids[8];
    OK(store_open(&s, home, NULL, e));
    struct user_row ada = user(s, "ada"), bob = user(s, "bob@example.org"), again = user(s, "ada");
    assert_int_equal(ada.id, again.id);
    assert_int_not_equal(ada.id, bob.id);
    assert_int_equal(may_read(ids, s, ada.id), 0); /* nothing unless it is given */
    OK(people_grant(s, ada.id, NULL, 7, true, e));
    OK(people_grant(s, ada.id, NULL, 7, true, e));
    OK(people_grant(s, 0, "ops", 3, true, e));
    OK(people_grant(s, 0, "op", 4, true, e)); /* a name that begins another */
    assert_int_equal(may_read(ids, s, ada.id), 1);
    assert_int_equal(ids[0], 7);
    assert_int_equal(may_read(ids, s, bob.id), 0);
    OK(people_join(s, ada.id, "ops", true, e));
    OK(people_join(s, bob.id, "ops", true, e));
    assert_int_equal(may_read(ids, s, ada.id), 2);
    assert_int_equal(ids[0], 3);
    assert_int_equal(ids[1], 7);
    OK(people_join(s, ada.id, "ops", false, e));
    assert_int_equal(people_join(s, ada.id, "ops", false, &why), ERR_NOT_FOUND);
    assert_int_equal(may_read(ids, s, ada.id), 1);
    assert_int_equal(may_read(ids, s, bob.id), 1);
    OK(people_grant(s, ada.id, NULL, 7, false, e));
    assert_int_equal(people_grant(s, ada.id, NULL, 7, false, &why), ERR_NOT_FOUND);
    assert_int_equal(may_read(ids, s, ada.id), 0);
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    assert_int_equal(may_read(ids, s, bob.id), 1);
    store_close(s);
}

static void names(void **state)
{
    static const char *const good[] = {"a", "A.b_c-d@e", "0", "..."}, *const bad[] = {"", "@a", "-a", "a b", "a/b", "ä", "a\n"};
    char longest[PEOPLE_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[PEOPLE_NAME_MAX + 1] = 0;
    assert_false(people_name_ok(longest));
    longest[PEOPLE_NAME_MAX] = 0;
    assert_true(people_name_ok(longest));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(people_name_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(people_name_ok(bad[i]));
}

static void removed(void **state)
{
    struct store *s;
    struct err why;
    struct token_row t = {.id = 5, .access = 1, .hash = {1, 2, 3}}, got;
    uint32_t *ids, list[8];
    size_t n;
    OK(store_open(&s, home, NULL, e));
    struct user_row ada = user(s, "ada"), bob = user(s, "bob");
    for (t.id = 5; t.id < 9; t.id++) {
        t.user = t.id % 2 ? ada.id : bob.id;
        OK(token_add(s, &t, e));
    }
    assert_int_not_equal(token_add(s, &(struct token_row){.id = 5}, &why), 0); /* an id is one token */
    OK(token_get(&got, s, 5, e));
    assert_int_equal(got.user, ada.id);
    assert_memory_equal(got.hash, t.hash, TOKEN_HASH);
    OK(people_grant(s, ada.id, NULL, 7, true, e));
    OK(people_grant(s, bob.id, NULL, 8, true, e));
    OK(people_join(s, ada.id, "ops", true, e));
    OK(people_user_remove(s, &ada, e));
    assert_int_equal(people_may_read(&ids, &n, s, ada.id, &why), ERR_NOT_FOUND);
    assert_int_equal(token_get(&got, s, 5, &why), ERR_NOT_FOUND);
    assert_int_equal(token_get(&got, s, 7, &why), ERR_NOT_FOUND);
    OK(token_get(&got, s, 6, e));
    OK(token_get(&got, s, 8, e));
    assert_int_equal(may_read(list, s, bob.id), 1);
    struct user_row anew = user(s, "ada"); /* the name again is another person */
    assert_int_not_equal(anew.id, ada.id);
    assert_int_equal(may_read(list, s, anew.id), 0);
    OK(token_remove(s, 6, e));
    assert_int_equal(token_remove(s, 6, &why), ERR_NOT_FOUND);
    store_close(s);
}

/* A row that is none: permissions cannot be told, so nothing may be read, and the rows stay as they are. */
static void damaged(void **state)
{
    struct store *s;
    struct err why;
    uint32_t *ids;
    size_t n;
    MDB_txn *m;
    MDB_val k = val("x", 1), v = val("", 0);
    OK(store_open(&s, home, NULL, e));
    struct user_row ada = user(s, "ada");
    OK(people_grant(s, ada.id, NULL, 7, true, e));
    OK(env_begin(&s->state, true, &m, e));
    assert_int_equal(mdb_put(m, s->state_grant, &k, &v, 0), 0);
    OK(env_commit(&s->state, m, e));
    assert_int_equal(people_may_read(&ids, &n, s, ada.id, &why), ERR_CORRUPT);
    assert_null(ids);
    assert_int_equal(n, 0);
    OK(env_begin(&s->state, false, &m, e));
    MDB_stat stat;
    assert_int_equal(mdb_stat(m, s->state_grant, &stat), 0);
    assert_int_equal(stat.ms_entries, 2);
    env_abort(&s->state, m, false);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(grants, home_make, home_remove), cmocka_unit_test_setup_teardown(names, home_make, home_remove),
        cmocka_unit_test_setup_teardown(removed, home_make, home_remove), cmocka_unit_test_setup_teardown(damaged, home_make, home_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

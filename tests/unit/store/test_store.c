/* Opening, generations, schema, damage, growth, limits. */
#include "help.h"

#include "base/file.h"
#include "store/internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char *at_home(const char *name)
{
    static char path[4][600];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", home, name);
    return p;
}

static uint64_t bump(struct store *s)
{
    struct txn *t;
    OK(store_write(&t, s, e));
    txn_bump(t);
    uint64_t g = txn_generation(t);
    OK(txn_commit(t, e));
    return g;
}

static uint64_t generation(struct store *s)
{
    struct txn *t;
    OK(store_read(&t, s, e));
    uint64_t g = txn_generation(t);
    txn_end(t);
    return g;
}

static void put_blob(struct store *s, uint32_t id, size_t n, int want)
{
    struct txn *t;
    struct err why = {0};
    uint8_t key[4];
    void *to;
    int rc = store_write(&t, s, &why);
    if (!rc) {
        put_be32(key, id);
        rc = txn_err(t, tab_reserve(t, T_TEXT, val(key, 4), n, 0, &to), &why, "storing");
        if (!rc) {
            memset(to, (int)id, n);
            rc = txn_commit(t, &why);
        } else {
            txn_end(t);
        }
    }
    if (rc != want)
        fail_msg("%d: %s", rc, why.message);
}

static void two_at_once(void **state)
{
    struct store *s, *other;
    struct err why = {0};
    char pid[32];
    OK(store_open(&s, home, NULL, e));
    assert_int_equal(store_open(&other, home, NULL, &why), ERR_BUSY);
    assert_null(other);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(why.message, pid));
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    store_close(s);
    store_close(NULL);
}

static void generations(void **state)
{
    struct store *s;
    bool rebuilt;
    OK(store_open(&s, home, &rebuilt, e));
    assert_false(rebuilt);
    uint64_t last = generation(s);
    for (int i = 0; i < 1500; i++) { /* over the border of a reserved block */
        uint64_t g = bump(s);
        assert_int_equal(g, last + 1);
        last = g;
        if (i % 500 == 250) {
            store_close(s);
            OK(store_open(&s, home, &rebuilt, e));
            assert_int_equal(generation(s), last); /* a restart changes nothing */
        }
    }
    for (int i = 0; i < 3; i++) {
        store_close(s);
        assert_int_equal(unlink(at_home("index.mdb")), 0);
        OK(store_open(&s, home, &rebuilt, e));
        assert_false(rebuilt);
        assert_true(generation(s) > last);
        last = bump(s);
    }
    /* an aborted one does not count */
    struct txn *t;
    OK(store_write(&t, s, e));
    txn_bump(t);
    txn_end(t);
    assert_int_equal(generation(s), last);
    store_close(s);
}

static void set_schema(const char *file, uint64_t schema)
{
    struct env v;
    MDB_txn *m;
    MDB_dbi dbi;
    OK(env_open(&v, at_home(file), 1 << 20, 0, e));
    OK(env_begin(&v, true, &m, e));
    assert_int_equal(mdb_dbi_open(m, "meta", 0, &dbi), 0);
    MDB_val k = val("schema", 6), d = val(&schema, sizeof schema);
    assert_int_equal(mdb_put(m, dbi, &k, &d, 0), 0);
    OK(env_commit(&v, m, e));
    env_close(&v);
}

static void another_schema(void **state)
{
    struct store *s;
    bool rebuilt;
    OK(store_open(&s, home, NULL, e));
    uint64_t last = bump(s);
    put_blob(s, 1, 100, 0);
    store_close(s);
    for (int i = 0; i < 2; i++) {
        set_schema("index.mdb", i ? INDEX_SCHEMA + 1 : INDEX_SCHEMA + 50);
        OK(store_open(&s, home, &rebuilt, e));
        assert_true(rebuilt);
        assert_true(generation(s) > last);
        last = bump(s);
        struct txn *t;
        OK(store_read(&t, s, e));
        MDB_stat st;
        mdb_stat(t->m, s->table[T_TEXT], &st);
        assert_int_equal(st.ms_entries, 0);
        txn_end(t);
        store_close(s);
        assert_true(file_exists(at_home("index.mdb.old")));
        OK(store_open(&s, home, &rebuilt, e));
        assert_false(rebuilt);
        store_close(s);
        assert_false(file_exists(at_home("index.mdb.old")));
    }
}

static void newer_state(void **state)
{
    struct store *s;
    struct err why = {0};
    struct buf before = BUF_INIT, after = BUF_INIT;
    OK(store_open(&s, home, NULL, e));
    OK(state_put(s, "key", "value", 5, e));
    store_close(s);
    set_schema("state.mdb", STATE_SCHEMA + 1);
    OK(file_read(&before, at_home("state.mdb"), 1 << 20, e));
    assert_int_equal(store_open(&s, home, NULL, &why), ERR_VERSION);
    assert_non_null(strstr(why.message, "newer"));
    OK(file_read(&after, at_home("state.mdb"), 1 << 20, e));
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    set_schema("state.mdb", STATE_SCHEMA);
    OK(store_open(&s, home, NULL, e));
    buf_clear(&after);
    OK(state_get(s, "key", &after, e));
    assert_string_equal(after.data, "value");
    store_close(s);
    buf_release(&before);
    buf_release(&after);
}

static void damaged_files(void **state)
{
    struct store *s;
    struct err why = {0};
    bool rebuilt;
    struct stat st;
    for (uint32_t i = 0; i < 24; i++) {
        OK(store_open(&s, home, NULL, e));
        for (uint32_t k = 1; k < 30; k++)
            put_blob(s, k, k * 3000, 0);
        store_close(s);
        /* cut off anywhere */
        assert_int_equal(stat(at_home("index.mdb"), &st), 0);
        off_t size = i == 0 ? 100 : i == 1 ? 5000 : i == 2 ? 8192 : st.st_size * i / 24;
        assert_int_equal(truncate(at_home("index.mdb"), size), 0);
        OK(store_open(&s, home, &rebuilt, e));
        assert_true(rebuilt);
        store_close(s);
        unlink(at_home("index.mdb.old"));
    }
    struct buf junk = BUF_INIT;
    for (int i = 0; i < 20000; i++)
        buf_addc(&junk, (char)(i * 7));
    OK(file_write(at_home("index.mdb"), junk.data, junk.len, 0600, e));
    OK(store_open(&s, home, &rebuilt, e));
    assert_true(rebuilt);
    store_close(s);
    /* an empty file is a new one */
    OK(file_write(at_home("index.mdb"), "", 0, 0600, e));
    OK(store_open(&s, home, &rebuilt, e));
    assert_false(rebuilt);
    store_close(s);
    /* what cannot be derived is never thrown away */
    OK(file_write(at_home("state.mdb"), junk.data, junk.len, 0600, e));
    assert_int_equal(store_open(&s, home, NULL, &why), ERR_CORRUPT);
    assert_true(why.hint[0]);
    assert_int_equal(stat(at_home("state.mdb"), &st), 0);
    assert_int_equal(st.st_size, junk.len);
    buf_release(&junk);
}

static void a_truncated_state(void **state)
{
    struct store *s;
    struct err why = {0};
    struct stat st;
    char value[3000] = "x";
    OK(store_open(&s, home, NULL, e));
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        OK(state_put(s, key, value, sizeof value, e));
    }
    store_close(s);
    assert_int_equal(truncate(at_home("state.mdb"), 8192), 0);
    assert_int_equal(store_open(&s, home, NULL, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.message, "state.mdb"));
    assert_non_null(strstr(why.hint, "restore"));
    assert_int_equal(stat(at_home("state.mdb"), &st), 0);
    assert_int_equal(st.st_size, 8192);
}

/* LMDB leaves a file shorter than its last page when a transaction took pages at the end and gave them back */
static void a_short_file_that_is_whole(void **state)
{
    struct store *s;
    bool rebuilt;
    struct stat st;
    MDB_envinfo info;
    OK(store_open(&s, home, NULL, e));
    put_blob(s, 1, 100000, 0);
    mdb_env_info(s->index.m, &info);
    store_close(s);
    assert_int_equal(stat(at_home("index.mdb"), &st), 0);
    struct buf b = BUF_INIT;
    OK(file_read(&b, at_home("index.mdb"), 1 << 24, e));
    /* both meta pages claim more pages than there are: mm_last_pg lies behind two MDB_db rows of 48 bytes */
    for (size_t page = 0; page < 2; page++) {
        size_t last, at = page * 4096 + 16 + 24 + 2 * 48;
        memcpy(&last, b.data + at, sizeof last);
        last += 40;
        memcpy(b.data + at, &last, sizeof last);
    }
    OK(file_write(at_home("index.mdb"), b.data, b.len, 0600, e));
    OK(store_open(&s, home, &rebuilt, e));
    MDB_envinfo now;
    mdb_env_info(s->index.m, &now);
    assert_true(now.me_last_pgno >= info.me_last_pgno + 40);
    assert_false(rebuilt);
    store_close(s);
    buf_release(&b);
}

static void growth(void **state)
{
    struct store *s;
    MDB_envinfo info;
    OK(store_open_sized(&s, home, 16 << 20, NULL, e));
    mdb_env_info(s->index.m, &info);
    assert_int_equal(info.me_mapsize, 16 << 20);
    for (uint32_t i = 1; i <= 120; i++)
        put_blob(s, i, 1 << 20, 0);
    mdb_env_info(s->index.m, &info);
    assert_true(info.me_mapsize >= 128 << 20);
    /* a reader that stays delays the growth and is not cut off */
    struct txn *t;
    MDB_val v;
    uint8_t key[4] = {0, 0, 0, 9};
    OK(store_read(&t, s, e));
    assert_int_equal(tab_get(t, T_TEXT, val(key, 4), &v), 0);
    for (uint32_t i = 121; i <= 170; i++)
        put_blob(s, i, 1 << 20, 0);
    assert_int_equal(((char *)v.mv_data)[v.mv_size - 1], 9);
    txn_end(t);
    for (uint32_t i = 171; i <= 250; i++)
        put_blob(s, i, 1 << 20, 0);
    store_close(s);
    OK(store_open_sized(&s, home, 16 << 20, NULL, e)); /* smaller than the file: the file wins */
    put_blob(s, 251, 1 << 20, 0);
    store_close(s);
}

struct growing {
    struct store *s;
    bool stop;
    long reads;
};

static void *reader(void *arg)
{
    struct growing *g = arg;
    while (!__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE)) {
        struct txn *t;
        uint8_t key[4] = {0, 0, 0, 1};
        MDB_val v;
        OK(store_read(&t, g->s, e));
        if (!tab_get(t, T_TEXT, val(key, 4), &v))
            assert_int_equal(((char *)v.mv_data)[v.mv_size / 2], 1);
        txn_end(t);
        g->reads++;
    }
    return NULL;
}

static void growth_among_readers(void **state)
{
    struct growing g[3] = {0};
    pthread_t thread[3];
    struct store *s;
    OK(store_open_sized(&s, home, 16 << 20, NULL, e));
    for (int i = 0; i < 3; i++) {
        g[i].s = s;
        pthread_create(&thread[i], NULL, reader, &g[i]);
    }
    for (uint32_t i = 1; i <= 100; i++)
        put_blob(s, i, 1 << 20, 0);
    for (int i = 0; i < 3; i++) {
        __atomic_store_n(&g[i].stop, true, __ATOMIC_RELEASE);
        pthread_join(thread[i], NULL);
        assert_true(g[i].reads);
    }
    store_close(s);
}

static void *bumper(void *arg)
{
    struct growing *g = arg;
    while (!__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE)) {
        bump(g->s);
        g->reads++;
    }
    return NULL;
}

static void compaction(void **state)
{
    struct growing g[3] = {0};
    pthread_t thread[3];
    struct store *s;
    struct txn *t;
    struct stat st;
    MDB_val v;
    bool did;
    OK(store_open(&s, home, NULL, e));
    OK(store_compact(s, &did, e)); /* nothing to gain */
    assert_false(did);
    for (uint32_t i = 1; i <= 40; i++)
        put_blob(s, i, 300000, 0);
    OK(store_write(&t, s, e));
    for (uint32_t i = 11; i <= 40; i++) {
        uint8_t key[4];
        put_be32(key, i);
        assert_int_equal(tab_del(t, T_TEXT, val(key, 4)), 0);
    }
    OK(txn_commit(t, e));
    bump(s);
    uint64_t before = generation(s);
    for (int i = 0; i < 3; i++) {
        g[i].s = s;
        pthread_create(&thread[i], NULL, i ? reader : bumper, &g[i]);
    }
    OK(store_compact(s, &did, e));
    assert_true(did);
    for (int i = 0; i < 10; i++) {
        OK(store_compact_now(s, &did, e));
        assert_true(did);
        put_blob(s, 50, 1000 + (uint32_t)i, 0);
    }
    for (int i = 0; i < 3; i++) {
        __atomic_store_n(&g[i].stop, true, __ATOMIC_RELEASE);
        pthread_join(thread[i], NULL);
        assert_true(g[i].reads);
    }
    assert_true(generation(s) == before + (uint64_t)g[0].reads);
    OK(store_compact_now(s, &did, e)); /* with nobody writing beside it, the size is what is left: 3 MB of 12 */
    assert_true(did);
    assert_int_equal(stat(at_home("index.mdb"), &st), 0);
    assert_true(st.st_size < 5 << 20);
    OK(store_compact(s, &did, e)); /* nor is there more to gain; beside a writer the file grows while it is looked at */
    assert_false(did);
    /* one that is held by mistake: it stays valid, and the file as it was */
    OK(store_read(&t, s, e));
    OK(store_compact_now(s, &did, e));
    assert_false(did);
    uint8_t key[4] = {0, 0, 0, 7};
    assert_int_equal(tab_get(t, T_TEXT, val(key, 4), &v), 0);
    assert_int_equal(((char *)v.mv_data)[299999], 7);
    txn_end(t);
    assert_false(file_exists(at_home("index.mdb.new")));
    assert_false(file_exists(at_home("index.mdb.new-lock")));
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    OK(store_read(&t, s, e));
    for (uint32_t i = 1; i <= 10; i++) {
        put_be32(key, i);
        assert_int_equal(tab_get(t, T_TEXT, val(key, 4), &v), 0);
        assert_int_equal(v.mv_size, 300000);
        assert_int_equal(((char *)v.mv_data)[299999], i);
    }
    txn_end(t);
    store_close(s);
}

static void in_a_child(void (*run)(void))
{
    pid_t pid = fork();
    if (!pid) {
        run();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("the child ended with %d", status);
}

static void fill_up(void)
{
    struct err e = {0};
    struct store *s;
    struct rlimit most = {6 << 20, 6 << 20};
    signal(SIGXFSZ, SIG_IGN);
    IN_CHILD(!store_open(&s, home, NULL, &e));
    IN_CHILD(!setrlimit(RLIMIT_FSIZE, &most));
    int rc = 0;
    uint32_t stored = 0;
    while (!rc && stored < 100) {
        struct txn *t;
        uint8_t key[4];
        void *to;
        put_be32(key, stored + 1);
        IN_CHILD(!store_write(&t, s, &e));
        IN_CHILD(!tab_reserve(t, T_TEXT, val(key, 4), 200000, 0, &to));
        memset(to, 3, 200000);
        rc = txn_commit(t, &e);
        stored += !rc;
    }
    IN_CHILD(rc == ERR_FULL && strstr(e.message, "index.mdb") && e.hint[0]);
    IN_CHILD(stored > 10);
    /* nothing is lost, and it goes on when there is room: dropped pages are used again */
    struct txn *t;
    MDB_val v;
    for (uint32_t i = 1; i <= stored; i++) {
        uint8_t key[4];
        put_be32(key, i);
        IN_CHILD(!store_read(&t, s, &e));
        IN_CHILD(!tab_get(t, T_TEXT, val(key, 4), &v) && v.mv_size == 200000 && ((char *)v.mv_data)[199999] == 3);
        txn_end(t);
    }
    uint8_t key[4];
    for (uint32_t i = 1; i <= 5; i++) {
        put_be32(key, i);
        IN_CHILD(!store_write(&t, s, &e));
        IN_CHILD(!tab_del(t, T_TEXT, val(key, 4)));
        IN_CHILD(!txn_commit(t, &e));
    }
    put_be32(key, 1);
    void *to;
    IN_CHILD(!store_write(&t, s, &e));
    IN_CHILD(!tab_reserve(t, T_TEXT, val(key, 4), 200000, 0, &to));
    memset(to, 4, 200000);
    IN_CHILD(!txn_commit(t, &e));
    store_close(s);
    IN_CHILD(!store_open(&s, home, NULL, &e));
    store_close(s);
}

static void a_full_disk(void **state)
{
    in_a_child(fill_up);
}

static void little_address_space(void)
{
    struct err e = {0};
    struct store *s;
    MDB_envinfo info;
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    IN_CHILD(f && fscanf(f, "%lu", &pages) == 1 && !fclose(f));
    rlim_t left = (rlim_t)pages * (rlim_t)getpagesize() + (400 << 20);
    struct rlimit most = {left, left};
    IN_CHILD(!setrlimit(RLIMIT_AS, &most));
    IN_CHILD(!store_open(&s, home, NULL, &e));
    mdb_env_info(s->index.m, &info);
    IN_CHILD(info.me_mapsize >= 16 << 20 && info.me_mapsize <= 400 << 20);
    int rc = 0;
    for (uint32_t i = 1; i < 1000 && !rc; i++) {
        struct txn *t;
        uint8_t key[4];
        void *to;
        put_be32(key, i);
        rc = store_write(&t, s, &e);
        if (rc)
            break;
        rc = txn_err(t, tab_reserve(t, T_TEXT, val(key, 4), 1 << 20, 0, &to), &e, "storing");
        if (!rc)
            rc = txn_commit(t, &e);
        else
            txn_end(t);
    }
    IN_CHILD(rc == ERR_LIMIT);
    store_close(s);
}

static void a_small_address_space(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("a sanitizer's shadow takes terabytes: skipped\n");
    skip();
#endif
    if (getenv("CODEASK_TEST_EMULATED")) {
        print_message("an emulator's memory is not its program's: skipped\n");
        skip();
    }
    in_a_child(little_address_space);
}

static void open_read_only(void)
{
    struct store *s;
    struct err e = {0};
    IN_CHILD(geteuid() || !seteuid(65534)); /* the superuser writes everywhere */
    IN_CHILD(store_open(&s, home, NULL, &e) == ERR_IO);
    IN_CHILD(strstr(e.message, home));
}

static void a_read_only_home(void **state)
{
    chmod(home, 0500);
    in_a_child(open_read_only);
    chmod(home, 0700);
}

static void repositories(void **state)
{
    struct store *s;
    struct repo_row r, again, *rows;
    size_t n;
    static const char *const path[] = {"/a/x/proj", "/b/x/proj", "/c/x/proj", "/proj", "/", "/b/other"};
    static const char *const name[] = {"proj", "x/proj", "c/x/proj", "/proj", "/", "other"};
    OK(store_open(&s, home, NULL, e));
    for (uint32_t i = 0; i < 6; i++) {
        OK(state_repo_add(s, path[i], i == 5, &r, e));
        assert_int_equal(r.id, i + 1);
        assert_string_equal(r.name, name[i]);
        OK(state_repo_add(s, path[i], i == 5, &again, e));
        assert_int_equal(again.id, r.id);
        assert_string_equal(again.name, r.name);
        assert_int_equal(again.plain, i == 5);
        assert_int_equal(again.added_ns, r.added_ns);
        repo_row_release(&r);
        repo_row_release(&again);
    }
    OK(state_repo_remove(s, 6, e));
    assert_int_equal(state_repo_remove(s, 6, NULL), ERR_NOT_FOUND);
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    OK(state_repos(s, &rows, &n, e));
    assert_int_equal(n, 5);
    assert_string_equal(rows[1].path, "/b/x/proj");
    state_repos_free(rows, n);
    OK(state_repo_add(s, "/b/other", false, &r, e));
    assert_int_equal(r.id, 7); /* ids are not used again */
    repo_row_release(&r);
    struct buf b = BUF_INIT;
    assert_int_equal(state_get(s, "none", &b, NULL), ERR_NOT_FOUND);
    OK(state_put(s, "k", "\0\1", 2, e));
    OK(state_put(s, "k", "", 0, e));
    OK(state_get(s, "k", &b, e));
    assert_int_equal(b.len, 0);
    buf_release(&b);
    store_close(s);
}

static void add_up(void *arg, const char *table, uint64_t bytes)
{
    *(uint64_t *)arg += bytes;
}

static void tables(void **state)
{
    struct store *s;
    struct txn *t;
    struct stat st;
    uint64_t sum = 0;
    OK(store_open(&s, home, NULL, e));
    for (uint32_t i = 1; i < 50; i++)
        put_blob(s, i % 7, i * 1000, 0);
    OK(store_read(&t, s, e));
    OK(store_tables(t, add_up, &sum, e));
    txn_end(t);
    store_close(s);
    assert_int_equal(stat(at_home("index.mdb"), &st), 0);
    assert_true(sum <= (uint64_t)st.st_size && sum + 12 * 4096 > (uint64_t)st.st_size);
}

#define IN_A_HOME(f) cmocka_unit_test_setup_teardown(f, home_make, home_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_HOME(two_at_once),   IN_A_HOME(generations),          IN_A_HOME(another_schema),
        IN_A_HOME(newer_state),   IN_A_HOME(damaged_files), IN_A_HOME(a_truncated_state), IN_A_HOME(a_short_file_that_is_whole),
        IN_A_HOME(growth),        IN_A_HOME(growth_among_readers), IN_A_HOME(a_full_disk),
        IN_A_HOME(compaction),
        IN_A_HOME(a_small_address_space), IN_A_HOME(a_read_only_home), IN_A_HOME(repositories), IN_A_HOME(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

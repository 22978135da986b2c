/* Purging: a tombstone lasts, what has one goes out of every table, and no page of either file holds anything of it afterwards. */
#include "old_state.h"

#include "base/file.h"
#include "store/backup.h"
#include "store/feedback.h"
#include "store/purge.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CUTS 40
#define GOES 7     /* of them: the content that is purged */
#define DIM 8
#define MARKER "zanzibarquagmire"

static struct oid oid_of(uint32_t i)
{
    struct oid o = {{0}};
    memcpy(o.byte, &i, sizeof i);
    o.byte[19] = 0xee;
    return o;
}

/* A record with one definition of that name. */
static void record_named(struct buf *out, const char *name)
{
    struct record_head h = {.magic = RECORD_MAGIC, .language = "c", .nchunks = 1, .nsymbols = 1, .nwords = 2, .source_bytes = 100, .source_lines = 4};
    struct record_chunk c = {0, 100, 1, 4, 0, 0, 0, 2};
    struct record_symbol s = {.name = 0, .name_len = (uint32_t)strlen(name), .parent = RECORD_NONE, .start_line = 1, .end_line = 1, .end = 10};
    struct record_word w[2] = {{term_of(TERM_WORD, name, strlen(name)), 0, 1, 0, 0, 0}, {term_of(TERM_WORD, "common", 6), 0, 1, 0, 0, 0}};
    qsort(w, 2, sizeof *w, word_order);
    h.nstrings = (uint32_t)strlen(name);
    h.size = (uint32_t)record_size(&h);
    buf_clear(out);
    buf_add(out, &h, sizeof h);
    buf_add(out, &c, sizeof c);
    buf_add(out, &s, sizeof s);
    buf_zero_to(out, 8);
    buf_add(out, w, sizeof w);
    buf_adds(out, name);
}

/* CUTS contents in one batch, a full view of all, a difference to it that renames the one that goes, vectors of all. */
static uint32_t cut_id[CUTS], full, over;

static void fill(struct store *s)
{
    struct cut_new c[CUTS];
    struct buf record[CUTS] = {BUF_INIT};
    char text[CUTS][64];
    struct cut_batch *b;
    struct txn *t;
    uint16_t model;
    uint8_t hash[32] = {1};
    int8_t q[CUTS * DIM];
    float scale[CUTS];
    struct hash128 texts[CUTS];
    uint32_t number[CUTS];
    for (uint32_t i = 0; i < CUTS; i++) {
        char name[32];
        snprintf(name, sizeof name, i == GOES ? MARKER : "ordinary_%u", i);
        record_named(&record[i], name);
        snprintf(text[i], sizeof text[i], "int %s(void); int common;\n", name);
        c[i] = (struct cut_new){{oid_of(i), "c", 1}, record[i].data, record[i].len, text[i], strlen(text[i])};
        memset(q + i * DIM, (int)i + 1, DIM);
        scale[i] = 1;
        texts[i] = hash128(text[i], strlen(text[i]));
    }
    OK(cut_batch_build(&b, c, CUTS, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, cut_id, e));
    OK(vector_model(t, hash, DIM, &model, e));
    OK(vector_put(t, model, texts, q, scale, CUTS, number, e));
    for (uint32_t i = 0; i < CUTS; i++)
        OK(vecof_put(t, model, cut_id[i], 0, &number[i], 1, e));
    struct view_head h = {.repo = 1, .kind = VIEW_TREE};
    OK(view_new(t, &h, &full, e));
    for (uint32_t i = 0; i < CUTS; i++) {
        char path[32];
        snprintf(path, sizeof path, "f%u.c", i);
        struct occ o = {.path = str_of(path), .oid = oid_of(i), .cut = cut_id[i], .mode = 0100644, .size = 100};
        OK(occ_put(t, full, &o, e));
    }
    h.base = full;
    OK(view_new(t, &h, &over, e));
    struct occ o = {.path = STR("moved.c"), .oid = oid_of(GOES), .cut = cut_id[GOES], .mode = 0100644, .size = 100};
    OK(occ_put(t, over, &o, e));
    OK(txn_commit(t, e));
    cut_batch_free(b);
    for (uint32_t i = 0; i < CUTS; i++)
        buf_release(&record[i]);
}

static bool file_has(const char *name, const char *what)
{
    struct buf b = BUF_INIT;
    char path[400];
    snprintf(path, sizeof path, "%s/%s", home, name);
    OK(file_read(&b, path, 1 << 30, e));
    bool yes = memmem(b.data, b.len, what, strlen(what)) != NULL;
    buf_release(&b);
    return yes;
}

static void go_through(struct store *s)
{
    struct purge_row *row;
    size_t n;
    bool did;
    OK(purge_list(s, &row, &n, e));
    for (size_t i = 0; i < n; i++)
        row[i].contents = row[i].places = row[i].quotes = 0;
    OK(purge_index(s, row, n, e));
    OK(store_compact_now(s, &did, e));
    assert_true(did);
    OK(purge_done(s, row, n, e));
    free(row);
}

static uint32_t names_of(struct txn *t, const char *folded)
{
    struct segment *seg;
    size_t n;
    uint32_t hits = 0;
    OK(segments_open(t, &seg, &n, e));
    for (size_t i = 0; i < n; i++) {
        uint32_t at = segment_name_lower_bound(&seg[i], folded, strlen(folded));
        hits += at < seg[i].nnames && str_same(segment_name(&seg[i], at), str_of(folded));
    }
    free(seg);
    return hits;
}

static uint32_t vectors_of(struct txn *t, uint16_t model)
{
    struct vector_run *run;
    size_t n;
    uint32_t rows = 0;
    OK(vectors_open(t, model, &run, &n, e));
    for (size_t i = 0; i < n; i++)
        rows += run[i].n;
    free(run);
    return rows;
}

/* Every trace is there or none is, and everything else is as it was. */
static void check(struct store *s, bool there)
{
    struct txn *t;
    struct view_head h;
    struct occ o;
    struct record r;
    struct oid oid = oid_of(GOES);
    uint32_t *cut;
    size_t n;
    OK(store_read(&t, s, e));
    OK(cuts_of(t, &oid, &cut, &n, e));
    assert_int_equal(n, there);
    free(cut);
    assert_int_equal(!cut_get(t, cut_id[GOES], &r, NULL), there);
    assert_int_equal(names_of(t, MARKER), there);
    assert_int_equal(names_of(t, "ordinary_3"), 1);
    assert_int_equal(vectors_of(t, 0), CUTS - !there);
    OK(occ_get(t, full, STR("f7.c"), &o, e));
    assert_true(!memcmp(&o.oid, &oid, sizeof oid)); /* the place is known by its content still */
    assert_int_equal(o.cut != CUT_NONE, there);
    assert_int_equal(!(o.flags & OCC_SKIPPED), there);
    OK(occ_get(t, over, STR("moved.c"), &o, e));
    assert_int_equal(o.cut != CUT_NONE, there);
    OK(view_get(t, full, &h, e));
    assert_int_equal(h.bytes, 100 * (CUTS - !there));
    OK(view_get(t, over, &h, e));
    assert_int_equal(h.bytes, there ? 100 * (CUTS + 1) : 100 * (CUTS - 1));
    assert_int_equal(h.files, CUTS + 1);
    for (uint32_t i = 0; i < CUTS; i++)
        if (i != GOES)
            OK(cut_get(t, cut_id[i], &r, e));
    txn_end(t);
}

static void out_of_every_table(void **state)
{
    struct store *s;
    struct oid oid = oid_of(GOES);
    struct purge_row row;
    OK(store_open(&s, home, NULL, e));
    fill(s);
    check(s, true);
    assert_true(file_has("index.mdb", MARKER));
    assert_false(purged(s, &oid));
    OK(purge_add(s, &oid, e));
    assert_true(purged(s, &oid));
    go_through(s);
    check(s, false);
    assert_false(file_has("index.mdb", MARKER));
    OK(purge_get(s, &oid, &row, e));
    assert_true(row.done_ns >= row.at_ns && row.contents == 1 && row.places == 2);
    go_through(s); /* once more does nothing */
    check(s, false);
    OK(purge_get(s, &oid, &row, e));
    assert_int_equal(row.contents, 1);
    store_close(s);
}

static void a_tombstone_outlives(void **state)
{
    struct store *s;
    struct oid oid = oid_of(GOES), other = oid_of(3);
    struct buf aside = BUF_INIT;
    char path[400], staged[300];
    bool kept;
    OK(store_open(&s, home, NULL, e));
    snprintf(staged, sizeof staged, "%s/staged", home);
    OK(dir_make(staged, 0700, e));
    snprintf(path, sizeof path, "%s/state.mdb", staged);
    OK(state_backup(s, path, e)); /* of before the purge */
    OK(purge_add(s, &oid, e));
    store_close(s);
    snprintf(path, sizeof path, "%s/index.mdb", home);
    assert_int_equal(unlink(path), 0);
    OK(store_open(&s, home, NULL, e));
    assert_true(purged(s, &oid));
    assert_false(purged(s, &other));
    store_close(s);
    OK(state_restore(&aside, &kept, home, staged, e));
    OK(store_open(&s, home, NULL, e));
    assert_true(purged(s, &oid)); /* though the backup had none */
    store_close(s);
    buf_release(&aside);
}

static void older_states(void **state)
{
    struct store *s;
    struct oid oid = oid_of(GOES);
    char path[400];
    OK(store_open(&s, home, NULL, e));
    OK(feedback_add(NULL, s, "{}", 2, e));
    store_close(s);
    snprintf(path, sizeof path, "%s/state.mdb", home);
    set_schema(path, 3, false);
    OK(store_open(&s, home, NULL, e));
    snprintf(path, sizeof path, "%s/state.mdb.schema-3", home);
    assert_true(file_exists(path));
    OK(purge_add(s, &oid, e));
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    assert_true(purged(s, &oid));
    store_close(s);
}

static bool has_marker(void *arg, struct str row)
{
    return memmem(row.p, row.n, MARKER, strlen(MARKER)) != NULL;
}

/* Rows of feedback go out of the state and out of its copies, and no free page keeps them. */
static void out_of_the_state(void **state)
{
    struct store *s;
    char path[400], row[200];
    uint64_t n = 0, left;
    struct repo_row repo;
    OK(store_open(&s, home, NULL, e));
    OK(state_repo_add(s, "/somewhere/else", false, &repo, e));
    for (int i = 0; i < 50; i++) {
        int len = snprintf(row, sizeof row, "{\"question\":\"%s %d\"}", i % 10 ? "what is this" : MARKER, i);
        OK(feedback_add(NULL, s, row, (size_t)len, e));
    }
    snprintf(path, sizeof path, "%s/state.mdb.before-restore-1", home);
    OK(state_backup(s, path, e));
    snprintf(path, sizeof path, "%s/state.mdb.notes", home);
    OK(file_write(path, "no database", 11, 0600, e));
    OK(state_forget(s, has_marker, NULL, &n, e));
    assert_int_equal(n, 10);
    OK(feedback_count(&left, s, e));
    assert_int_equal(left, 45);
    assert_false(file_has("state.mdb", MARKER));
    assert_false(file_has("state.mdb.before-restore-1", MARKER));
    assert_true(file_has("state.mdb.before-restore-1", "what is this"));
    struct repo_row *rows; /* the handles are those of the new file */
    size_t nrows;
    OK(state_repos(s, &rows, &nrows, e));
    assert_int_equal(nrows, 1);
    state_repos_free(rows, nrows);
    OK(feedback_add(NULL, s, "{}", 2, e));
    repo_row_release(&repo);
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    OK(feedback_count(&left, s, e));
    assert_int_equal(left, 46);
    store_close(s);
}

/* Killed at any moment, it goes on where it was: the tombstone is there, and going through it again leaves nothing. */
static void killed(void **state)
{
    bool longer = getenv("CODEASK_TEST_LONG") && !strcmp(getenv("CODEASK_TEST_LONG"), "1");
    struct rng r = {77};
    struct store *s;
    OK(store_open(&s, home, NULL, e));
    fill(s);
    store_close(s);
    char keep[400], path[400], command[1000];
    snprintf(path, sizeof path, "%s/index.mdb", home);
    snprintf(keep, sizeof keep, "%s/kept", home);
    snprintf(command, sizeof command, "cp %s %s", path, keep);
    assert_int_equal(system(command), 0);
    bool emulated = getenv("CODEASK_TEST_EMULATED") != NULL;
    int n = longer ? 200 : emulated ? 4 : 20, slow = emulated ? 20 : 1;
    for (int i = 0; i <= n; i++) { /* the last one is let go on: a slow machine may have come to no tombstone before */
        fflush(NULL);
        pid_t pid = fork();
        if (!pid) {
            struct oid oid = oid_of(GOES);
            OK(store_open(&s, home, NULL, e));
            OK(purge_add(s, &oid, e));
            go_through(s);
            _exit(0);
        }
        if (i < n) {
            usleep(below(&r, 12000u * (unsigned)slow));
            kill(pid, SIGKILL);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        struct oid oid = oid_of(GOES);
        OK(store_open(&s, home, NULL, e));
        assert_true(i < n || purged(s, &oid));
        if (purged(s, &oid)) {
            go_through(s);
            check(s, false);
            assert_false(file_has("index.mdb", MARKER));
        }
        store_close(s);
        snprintf(command, sizeof command, "cp %s %s", keep, path); /* the content is back; the tombstone stays from the second time on */
        assert_int_equal(system(command), 0);
    }
}

#define IN_A_HOME(f) cmocka_unit_test_setup_teardown(f, home_make, home_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_A_HOME(out_of_every_table), IN_A_HOME(a_tombstone_outlives), IN_A_HOME(older_states),
                                       IN_A_HOME(out_of_the_state), IN_A_HOME(killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

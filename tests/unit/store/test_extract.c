/* A home with a part of the repositories: what both have stays under its numbers, what only others have is nowhere in the files. */
#include "help.h"

#include "base/file.h"
#include "store/extract.h"
#include "store/history.h"
#include "store/internal.h"
#include "store/touch.h"

#define CUTS 40  /* 0 … 35 of repository 1, 30 … 37 of repository 2, the rest of none: what goes is less than an eighth, which a sweep may leave */
#define OURS 36

static struct oid oid_of(uint32_t i)
{
    struct oid o = {{0}};
    memcpy(o.byte, &i, sizeof i);
    o.byte[19] = 0xee;
    return o;
}

static uint32_t cut_id[CUTS];

static void put_cuts(struct store *s)
{
    struct cut_new c[CUTS];
    char text[CUTS][32];
    struct buf record = BUF_INIT;
    struct rng r = {5};
    struct cut_batch *b;
    struct txn *t;
    do
        random_record(&record, &r, 3, 40);
    while (!((const struct record_head *)(const void *)record.data)->nwords);
    for (uint32_t i = 0; i < CUTS; i++) {
        snprintf(text[i], sizeof text[i], "int content_%u;\n", i);
        c[i] = (struct cut_new){{oid_of(i), "c", 1}, record.data, record.len, text[i], strlen(text[i])};
    }
    OK(cut_batch_build(&b, c, CUTS, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, cut_id, e));
    OK(txn_commit(t, e));
    cut_batch_free(b);
    buf_release(&record);
}

static void put_vectors(struct store *s)
{
    struct hash128 text[CUTS];
    int8_t q[CUTS * 64];
    float scale[CUTS];
    uint32_t number[CUTS];
    uint8_t model[32] = {1};
    uint16_t m;
    struct txn *t;
    for (uint32_t i = 0; i < CUTS; i++) {
        text[i] = hash128(&i, sizeof i);
        scale[i] = 1;
        memset(q + 64 * i, 0x40 + (int)i, 64);
    }
    OK(store_write(&t, s, e));
    OK(vector_model(t, model, 64, &m, e));
    OK(vector_put(t, m, text, q, scale, CUTS, number, e));
    for (uint32_t i = 0; i < CUTS; i++)
        OK(vecof_put(t, m, cut_id[i], 0, &number[i], 1, e));
    OK(txn_commit(t, e));
}

/* A commit that touched one path, and the repository's only ref. */
static void put_repo(struct store *s, uint32_t repo, uint32_t from, uint32_t to, const char *path)
{
    struct view_head h = {.repo = repo, .kind = VIEW_TREE};
    struct commit_new c = {.oid = oid_of(100 + repo), .time = 1000};
    struct ref_row ref = {.repo = repo, .name = STR("HEAD"), .commit = c.oid, .oid_len = 20, .reconciled_ns = 7};
    struct touch touch = {.kind = TOUCH_ADDED};
    struct buf b = BUF_INIT;
    struct txn *t;
    uint32_t number, id;
    OK(store_write(&t, s, e));
    OK(view_new(t, &h, &ref.view, e));
    for (uint32_t i = from; i < to; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%u.c", path, i);
        struct occ o = {.path = str_of(name), .oid = oid_of(i), .cut = cut_id[i], .mode = 0100644, .size = 7};
        OK(occ_put(t, ref.view, &o, e));
    }
    OK(commit_number(t, &c, &number, e));
    OK(path_make(t, str_of(path), &id, e));
    touch_write(&b, &touch);
    OK(touch_put(t, id, number, b.data, b.len, e));
    struct commit_row row = {.oid = c.oid, .author = str_of(path), .mail = STR("a@b"), .message = str_of(path), .path = &id, .npaths = 1, .ntouched = 1};
    OK(commit_put(t, number, &row, 1, e));
    OK(said_put(t, 99, &(struct said){number, repo}, 1, e));
    OK(ref_put(t, &ref, e));
    txn_bump(t);
    OK(txn_commit(t, e));
    buf_release(&b);
}

static struct store *team(void)
{
    struct store *s;
    struct repo_row r;
    OK(store_open(&s, home, NULL, e));
    put_cuts(s);
    put_vectors(s);
    OK(state_repo_add(s, "/srv/hidden-folder/alpha", false, &r, e));
    repo_row_release(&r);
    OK(state_repo_add(s, "/srv/hidden-folder/secretive", false, &r, e));
    repo_row_release(&r);
    OK(state_put(s, "tokenish", "credential", 10, e));
    put_repo(s, 1, 0, OURS, "alpha");
    put_repo(s, 2, 30, 38, "secretive");
    return s;
}

static int extract(struct extracted *out, struct store *s, const char *to, bool (*stop)(void *arg), struct err *e)
{
    struct repo_row row = {.id = 1, .name = "alpha", .path = "bundle:alpha"};
    struct extract_note note = {"note", STR("kept")};
    return store_extract(out, s, &(struct extracting){.home = to, .repo = &row, .n = 1, .note = &note, .nnotes = 1, .stop = stop}, e);
}

static int count_said(void *arg, uint32_t commit, struct str bytes)
{
    (void)commit, (void)bytes;
    ++*(int *)arg;
    return 0;
}

static int sum_said(void *arg, const struct said *v)
{
    *(uint32_t *)arg += v->count;
    return 0;
}

static void check_part(struct store *s, uint64_t generation)
{
    struct txn *t;
    struct record r;
    struct ref_row ref;
    struct repo_row *rows;
    struct buf text = BUF_INIT;
    struct vector_run *run;
    struct segment *seg;
    struct oid c1 = oid_of(101), c2 = oid_of(102);
    size_t n, nruns, nseg;
    uint32_t vectors = 0, said = 0;
    int touches = 0;
    uint64_t reserved;
    OK(state_reserved(s, &reserved, e));
    assert_int_equal(reserved, generation);
    OK(state_repos(s, &rows, &n, e));
    assert_true(n == 1 && rows[0].id == 1 && repo_bundled(&rows[0]));
    state_repos_free(rows, n);
    assert_int_equal(state_get(s, "tokenish", &text, NULL), ERR_NOT_FOUND);
    OK(state_get(s, "note", &text, e));
    OK(store_read(&t, s, e));
    assert_int_equal(txn_generation(t), generation);
    for (uint32_t i = 0; i < CUTS; i++) {
        struct cut_key k = {oid_of(i), "c", 1};
        assert_int_equal(cut_find(t, &k), i < OURS ? cut_id[i] : CUT_NONE);
        assert_int_equal(cut_get(t, cut_id[i], &r, NULL), i < OURS ? 0 : ERR_NOT_FOUND);
    }
    OK(ref_get(t, 1, "HEAD", &ref, e));
    assert_int_equal(ref.reconciled_ns, 7);
    assert_int_equal(ref_get(t, 2, "HEAD", &ref, NULL), ERR_NOT_FOUND);
    OK(segments_open(t, &seg, &nseg, e));
    uint32_t in_segments = 0;
    for (size_t i = 0; i < nseg; in_segments += seg[i++].ncuts)
        for (uint32_t k = 0; k < seg[i].ncuts; k++)
            assert_true(!cut_get(t, seg[i].cut[k], &r, NULL));
    assert_int_equal(in_segments, OURS);
    OK(vectors_open(t, 0, &run, &nruns, e));
    for (size_t i = 0; i < nruns; i++)
        vectors += run[i].n;
    assert_int_equal(vectors, OURS);
    assert_int_not_equal(commit_find(t, &c1), COMMIT_NONE);
    assert_int_equal(commit_find(t, &c2), COMMIT_NONE);
    assert_int_not_equal(path_find(t, STR("alpha")), PATH_NONE);
    assert_int_equal(path_find(t, STR("secretive")), PATH_NONE);
    OK(touches_each(t, path_find(t, STR("alpha")), count_said, &touches, e));
    assert_int_equal(touches, 1);
    OK(said_each(t, 99, sum_said, &said, e));
    assert_int_equal(said, 1);
    txn_end(t);
    free(run);
    free(seg);
    buf_release(&text);
}

/* Whether a file of the folder has these bytes. */
static bool has(const char *folder, const char *file, const void *what, size_t n, struct buf *whole)
{
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/%s", folder, file);
    buf_clear(whole);
    OK(file_read(whole, path.data, 1u << 30, e));
    buf_release(&path);
    return memmem(whole->data, whole->len, what, n) != NULL;
}

static void a_part(void **state)
{
    struct store *s = team(), *part;
    struct extracted out[2];
    char to[2][300];
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct txn *t;
    OK(store_read(&t, s, e));
    uint64_t generation = txn_generation(t);
    txn_end(t);
    for (int i = 0; i < 2; i++) {
        snprintf(to[i], sizeof to[i], "%s/part%d", home, i);
        OK(extract(&out[i], s, to[i], NULL, e));
        assert_int_equal(out[i].n, OURS);
        assert_int_equal(out[i].cuts, OURS);
        for (uint32_t k = 0; k < OURS; k++) {
            struct oid o = oid_of(k);
            assert_memory_equal(&out[i].content[k], &o, sizeof o);
        }
        free(out[i].content);
    }
    static const char *const files[] = {"index.mdb", "state.mdb"};
    for (int i = 0; i < 2; i++) { /* the same bytes, and none of what is hidden */
        struct oid hidden = oid_of(37), theirs = oid_of(102);
        assert_false(has(to[0], files[i], "secretive", 9, &first) || has(to[0], files[i], "hidden-folder", 13, &first) ||
                     has(to[0], files[i], "credential", 10, &first));
        assert_false(has(to[0], files[i], hidden.byte, 20, &first) || has(to[0], files[i], theirs.byte, 20, &first));
        has(to[1], files[i], "", 0, &second);
        assert_true(first.len == second.len && !memcmp(first.data, second.data, first.len));
    }
    OK(store_open(&part, to[0], NULL, e));
    check_part(part, generation);
    store_close(part);
    store_close(s);
    buf_release(&first);
    buf_release(&second);
}

static bool yes(void *arg)
{
    return true;
}

static void stopped(void **state)
{
    struct store *s = team();
    struct extracted out;
    char to[300];
    snprintf(to, sizeof to, "%s/part", home);
    assert_int_equal(extract(&out, s, to, yes, NULL), ERR_CANCELED);
    assert_null(out.content);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_part, home_make, home_remove),
        cmocka_unit_test_setup_teardown(stopped, home_make, home_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

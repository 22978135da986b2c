/* The power fails at any moment: the home opens, what was acknowledged is there, and nothing is half there. Every call that
 * changes a file is recorded (power_disk.h) while a daemon's work is done on a store; then the home is made as it may be found
 * after each of them, and opened. */
#include "power_disk.h"
#include "steps.h"

#include "base/file.h"
#include "store/backup.h"
#include "store/internal.h"
#include "store/sweep.h"

#define PER_STEP 3 /* contents of a batch */
#define KEPT 6     /* steps whose contents a view holds */
#define EACH 2     /* vectors of a content */
#define DIM 64

/* What was acknowledged: the last step in the index, and in state.mdb. */
enum { A_STEP, A_STATE };
static uint32_t acked[2];

static void ack(int what, uint32_t n)
{
    acked[what] = n;
    memcpy(record(E_ACK)->ack, acked, sizeof acked);
}

static void text_of(struct buf *out, uint32_t step, uint32_t i)
{
    buf_clear(out);
    for (uint32_t n = 0; n < 200 * (i + 1); n++)
        buf_addf(out, "%u_%u_%u ", step, i, n * 2654435761u);
}

static struct hash128 vector_text(uint32_t step, uint32_t i, uint32_t k)
{
    return (struct hash128){step, i * EACH + k + 1};
}

static void put_vectors(struct txn *t, uint32_t step, uint32_t i, uint32_t cut)
{
    int8_t q[EACH][DIM];
    float scale[EACH];
    struct hash128 text[EACH];
    uint32_t number[EACH];
    for (uint32_t k = 0; k < EACH; k++) {
        memset(q[k], (int)(step & 127), DIM);
        scale[k] = (float)(step * 100 + i * EACH + k);
        text[k] = vector_text(step, i, k);
    }
    OK(vector_put(t, 0, text, q[0], scale, EACH, number, e));
    OK(vecof_put(t, 0, cut, 0, number, EACH, e));
}

/* One write transaction: contents, rows of the view, vectors; an old step's rows go. */
static void write_step(struct store *s, uint32_t step)
{
    struct rng r = {step + 1};
    struct buf rec[PER_STEP] = {BUF_INIT, BUF_INIT, BUF_INIT}, text[PER_STEP] = {BUF_INIT, BUF_INIT, BUF_INIT};
    struct cut_new c[PER_STEP] = {0};
    uint32_t ids[PER_STEP];
    struct cut_batch *b;
    struct txn *t;
    char path[64];
    for (uint32_t i = 0; i < PER_STEP; i++) {
        random_record(&rec[i], &r, 4, 20);
        text_of(&text[i], step, i);
        c[i] = (struct cut_new){{oid_of(step, i), "c", 1}, rec[i].data, rec[i].len, text[i].data, text[i].len};
    }
    OK(cut_batch_build(&b, c, PER_STEP, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, ids, e));
    for (uint32_t i = 0; i < PER_STEP; i++) {
        path_of(path, step, i);
        struct occ o = {.path = str_of(path), .oid = c[i].key.oid, .cut = ids[i], .size = text[i].len};
        OK(occ_put(t, 1, &o, e));
        put_vectors(t, step, i, ids[i]);
        if (step > KEPT) {
            path_of(path, step - KEPT, i);
            OK(occ_drop(t, 1, str_of(path), e));
        }
    }
    assert_int_equal(meta_put(t, "test.step", step), 0);
    txn_bump(t);
    OK(txn_commit(t, e));
    ack(A_STEP, step);
    cut_batch_free(b);
    for (uint32_t i = 0; i < PER_STEP; i++) {
        buf_release(&rec[i]);
        buf_release(&text[i]);
    }
}

static void begin(struct store *s)
{
    struct txn *t;
    uint32_t view;
    uint16_t model;
    uint8_t hash[32] = {1};
    OK(store_write(&t, s, e));
    OK(view_new(t, &(struct view_head){.repo = 1}, &view, e));
    assert_int_equal(view, 1);
    OK(vector_model(t, hash, DIM, &model, e));
    OK(txn_commit(t, e));
}

static void put_state(struct store *s, uint32_t step)
{
    char path[64];
    struct repo_row row;
    OK(state_put(s, "step", &step, sizeof step, e));
    snprintf(path, sizeof path, "/some/where/repo%u", step);
    OK(state_repo_add(s, path, false, &row, e));
    repo_row_release(&row);
    ack(A_STATE, step);
}

static void sweep(struct store *s)
{
    struct sweep *w;
    struct swept sum = {0};
    bool more = true;
    OK(sweep_open(&w, s, 1, 0, e));
    while (more)
        OK(sweep_step(w, &sum, &more, e));
    sweep_close(w);
}

/* A backup that is put back at once. */
static void restore(struct store **s)
{
    char staged[300], path[330];
    struct buf aside = BUF_INIT;
    bool index_kept;
    snprintf(staged, sizeof staged, "%s/staged", home);
    snprintf(path, sizeof path, "%s/state.mdb", staged);
    OK(dir_make(staged, 0700, e));
    OK(state_backup(*s, path, e));
    store_close(*s);
    OK(state_restore(&aside, &index_kept, home, staged, e));
    assert_true(index_kept);
    OK(store_open(s, home, NULL, e));
    buf_release(&aside);
}

static void work(uint32_t steps)
{
    struct store *s;
    bool did;
    OK(store_open(&s, home, NULL, e));
    begin(s);
    for (uint32_t step = 1; step <= steps; step++) {
        write_step(s, step);
        if (step % 3 == 0)
            put_state(s, step);
        if (step % 4 == 0)
            OK(segments_merge(s, NULL, NULL, &did, e));
        if (step % 5 == 0)
            sweep(s);
        if (step % 8 == 0)
            OK(store_compact_now(s, &did, e));
        if (step % 10 == 0) {
            store_close(s);
            OK(store_open(&s, home, NULL, e));
        }
        if (step % 11 == 0)
            restore(&s);
    }
    store_close(s);
}

/* -- what is found ---------------------------------------------------------------------------------------------------------- */

static char where[300]; /* what is being looked at, for a message */

#define FOUND(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("%s: %s (%s)", where, #condition, er.message);                                                    \
    } while (0)

static int count(void *arg, const struct occ *o)
{
    ++*(uint32_t *)arg;
    return 0;
}

static void find_vectors(struct txn *t, uint32_t step, uint32_t i, uint32_t cut, const struct vector_run *run, size_t n)
{
    struct err er = {0};
    size_t have;
    const char *numbers = vecof_get(t, 0, cut, 0, &have);
    FOUND(numbers && have == EACH);
    for (uint32_t k = 0; k < EACH; k++) {
        uint32_t number, found = 0;
        memcpy(&number, numbers + k * sizeof number, sizeof number);
        FOUND(vector_find(t, 0, vector_text(step, i, k)) == number);
        for (size_t x = 0; x < n; x++) {
            for (uint32_t row = 0; row < run[x].n; row++) {
                if ((run[x].number ? run[x].number[row] : run[x].first + row) != number)
                    continue;
                FOUND(run[x].scale[row] == (float)(step * 100 + i * EACH + k));
                FOUND(run[x].q[(size_t)row * DIM] == (int8_t)(step & 127) && run[x].q[(size_t)row * DIM + DIM - 1] == run[x].q[row * DIM]);
                found++;
            }
        }
        FOUND(found == 1);
    }
}

static void find_step(struct txn *t, uint32_t step, const struct vector_run *run, size_t n)
{
    struct err er = {0};
    struct buf text = BUF_INIT, want = BUF_INIT;
    for (uint32_t i = 0; i < PER_STEP; i++) {
        struct cut_key k = {oid_of(step, i), "c", 1};
        struct record r;
        uint32_t cut = cut_find(t, &k);
        buf_clear(&text);
        text_of(&want, step, i);
        FOUND(cut != CUT_NONE && !cut_get(t, cut, &r, &er) && !cut_text(t, cut, &text, &er));
        FOUND(text.len == want.len && !memcmp(text.data, want.data, want.len));
        find_vectors(t, step, i, cut, run, n);
    }
    buf_release(&text);
    buf_release(&want);
}

static void find_index(struct store *s, const uint32_t ack[2])
{
    struct err er = {0};
    struct txn *t;
    struct stat st;
    struct vector_run *run = NULL;
    struct segment *seg = NULL;
    struct posting *p = NULL;
    size_t n, nseg, cap = 0;
    uint32_t files = 0;
    FOUND(!stat(s->index.path, &st) && index_intact(s->index.m, (uint64_t)st.st_size));
    FOUND(!store_read(&t, s, &er));
    uint32_t steps = (uint32_t)meta_get(t, "test.step"), kept = steps < KEPT ? steps : KEPT;
    FOUND(steps >= ack[A_STEP] && steps <= ack[A_STEP] + 1); /* one more: it was under way */
    FOUND(txn_generation(t) >= steps);
    FOUND(!vectors_open(t, 0, &run, &n, &er) && !segments_open(t, &seg, &nseg, &er));
    for (size_t i = 0; i < nseg; i++)
        for (uint32_t k = 0; k < seg[i].nterms && k < 3; k++)
            segment_postings(&seg[i], term_of(TERM_WORD, "w1", 2), &p, &cap);
    for (uint32_t step = steps - kept + 1; step <= steps; step++)
        find_step(t, step, run, n);
    FOUND(!steps || (!occ_each(t, 1, STR(""), count, &files, &er) && files == kept * PER_STEP));
    free(p);
    free(run);
    free(seg);
    txn_end(t);
}

static void find_state(struct store *s, const uint32_t ack[2])
{
    struct err er = {0};
    struct buf b = BUF_INIT;
    struct repo_row *rows;
    size_t n;
    uint32_t step = 0;
    int rc = state_get(s, "step", &b, &er);
    FOUND(!rc || rc == ERR_NOT_FOUND);
    if (!rc && b.len == sizeof step)
        memcpy(&step, b.data, sizeof step);
    FOUND(step >= ack[A_STATE] && step <= ack[A_STATE] + 3);
    FOUND(!state_repos(s, &rows, &n, &er));
    FOUND(n >= ack[A_STATE] / 3 && n <= ack[A_STATE] / 3 + 1);
    state_repos_free(rows, n);
    buf_release(&b);
}

/* Opens the home at path and writes to it once more. */
static void find(const char *path, const uint32_t ack[2])
{
    struct err er = {0};
    struct store *s;
    struct txn *t;
    bool rebuilt;
    int rc = store_open(&s, path, &rebuilt, &er);
    FOUND(!rc);
    FOUND(!rebuilt);
    find_index(s, ack);
    find_state(s, ack);
    FOUND(!store_write(&t, s, &er));
    FOUND(!meta_put(t, "test.after", 1));
    FOUND(!txn_commit(t, &er));
    FOUND(!state_put(s, "after", "x", 1, &er));
    store_close(s);
}

static void the_power_fails(void **state)
{
    if (DISK_UNSEEN) {
        print_message("a sanitizer takes the calls that are recorded: skipped\n");
        skip();
    }
    if (getenv("CODEASK_TEST_EMULATED")) {
        print_message("an emulator needs minutes for the maps of a thousand homes: skipped\n");
        skip();
    }
    bool whole = getenv("CODEASK_TEST_LONG");
    int lucky = whole ? 12 : 1; /* of each event, beside all and nothing */
    uint32_t steps = whole ? 44 : 22;
    struct after a = {.nops = 0};
    struct rng r = {99};
    char found[300];
    unsigned long images = 0;
    snprintf(disk.root, sizeof disk.root, "%s", home);
    snprintf(found, sizeof found, "%s-found", home);
    disk.on = true;
    work(steps);
    disk.on = false;
    size_t kinds[E_ACK + 1] = {0};
    for (size_t i = 0; i < disk.n; i++) {
        const struct event *e = &disk.event[i];
        kinds[e->kind]++;
        for (int luck = 0; luck < 2 + lucky && e->kind != E_ACK; luck++) {
            snprintf(where, sizeof where, "event %zu (%s %s%s%u, offset %llu) after step %u, %s", i, event_names[e->kind], e->name,
                     *e->name ? " " : "file ", e->file, (unsigned long long)e->at, a.ack[A_STEP], luck == 0 ? "nothing of it" : luck == 1 ? "all of it" : "some");
            folder_after(found, &a, i, luck < 2 ? (enum luck)luck : SOME, &r);
            find(found, a.ack);
            remove_folder(found);
            images++;
        }
        complete(&a, i);
    }
    print_message("%zu events (%zu writes, %zu syncs, %zu renames, %zu syncs of a folder), %lu homes found\n", disk.n, kinds[E_WRITE],
                  kinds[E_SYNC], kinds[E_RENAME], kinds[E_FOLDER], images);
    assert_true(kinds[E_WRITE] > 100 && kinds[E_SYNC] > 50 && kinds[E_RENAME] >= 3 && kinds[E_FOLDER] >= 3);
    after_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(the_power_fails, home_make, home_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

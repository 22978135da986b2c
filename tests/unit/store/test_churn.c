/* A thousand edits: the file stays near the size of a fresh one, segments stay few, what is gone is gone. */
#include "help.h"

#include <sys/stat.h>

#define FILES 1500
#define EDITS 1000

static uint32_t cut_of[FILES], version_of[FILES];

static void random_text(struct buf *out, struct rng *r)
{
    buf_clear(out);
    for (uint32_t n = 20 + below(r, 200); n; n--)
        buf_addf(out, "    value_%u = call_%u(%u);\n", below(r, 5000), below(r, 900), below(r, 100000));
}

/* New contents of the files from .. from + n - 1, in one transaction; the old ones are dropped. */
static void write_files(struct store *s, struct rng *r, uint32_t view, uint32_t from, uint32_t n)
{
    struct cut_new *c = mem_zero(n, sizeof *c);
    struct buf *record = mem_zero(n, sizeof *record), *text = mem_zero(n, sizeof *text);
    uint32_t *ids = mem_zero(n, sizeof *ids);
    for (uint32_t i = 0; i < n; i++) {
        random_record(&record[i], r, 12, 400);
        random_text(&text[i], r);
        c[i] = (struct cut_new){{.language = "c"}, record[i].data, record[i].len, text[i].data, text[i].len};
        uint32_t file = from + i;
        version_of[file]++;
        memcpy(c[i].key.oid.byte, &file, sizeof file);
        memcpy(c[i].key.oid.byte + 4, &version_of[file], sizeof version_of[file]);
    }
    struct cut_batch *b;
    struct txn *t;
    OK(cut_batch_build(&b, c, n, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, ids, e));
    for (uint32_t i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "src/module%u/file%u.c", (from + i) % 20, from + i);
        struct occ o = {.path = str_of(path), .oid = c[i].key.oid, .cut = ids[i], .size = text[i].len};
        OK(occ_put(t, view, &o, e));
        if (cut_of[from + i])
            OK(cut_drop(t, cut_of[from + i], e));
        cut_of[from + i] = ids[i];
    }
    txn_bump(t);
    OK(txn_commit(t, e));
    cut_batch_free(b);
    for (uint32_t i = 0; i < n; i++) {
        buf_release(&record[i]);
        buf_release(&text[i]);
    }
    free(record);
    free(text);
    free(c);
    free(ids);
}

static void merge_all(struct store *s)
{
    bool did = true;
    while (did)
        OK(segments_merge(s, NULL, NULL, &did, e));
}

static double megabytes(void)
{
    struct stat st;
    char path[300];
    snprintf(path, sizeof path, "%s/index.mdb", home);
    return stat(path, &st) ? 0 : (double)st.st_size / 1e6;
}

static void print_table(void *arg, const char *table, uint64_t bytes)
{
    if (bytes)
        print_message(" %s %.2f", table, (double)bytes / 1e6);
}

static void print_tables(struct store *s)
{
    struct txn *t;
    OK(store_read(&t, s, e));
    OK(store_tables(t, print_table, NULL, e));
    print_message(" MB\n");
    txn_end(t);
}

static void a_thousand_edits(void **state)
{
    struct store *s;
    struct txn *t;
    struct rng r = {21};
    uint32_t view;
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    OK(view_new(t, &(struct view_head){.repo = 1}, &view, e));
    OK(txn_commit(t, e));
    for (uint32_t i = 0; i < FILES; i += 300)
        write_files(s, &r, view, i, 300);
    double fresh = megabytes();
    print_tables(s);
    merge_all(s);
    double merged = megabytes(), largest = 0;
    int compactions = 0;
    for (int i = 0; i < EDITS; i++) {
        write_files(s, &r, view, below(&r, FILES), 1);
        merge_all(s);
        bool did;
        OK(store_compact(s, &did, e));
        compactions += did;
        largest = megabytes() > largest ? megabytes() : largest;
    }
    double after = megabytes();
    print_tables(s);
    struct segment *seg;
    size_t n;
    uint32_t cuts = 0;
    OK(store_read(&t, s, e));
    OK(segments_open(t, &seg, &n, e));
    for (size_t i = 0; i < n; i++)
        cuts += seg[i].ncuts;
    print_message("%.1f MB fresh, %.1f merged, %.1f after %d edits (%.1f at most, %d compactions); %zu segments, %u cuts\n", fresh,
                  merged, after, EDITS, largest, compactions, n, cuts);
    assert_true(largest <= 1.35 * fresh);
    assert_true(after <= 1.3 * fresh);
    assert_true(n < 30);
    assert_true(cuts <= FILES * 4 / 3 + 10);
    for (uint32_t i = 0; i < FILES; i++) {
        struct record rec;
        OK(cut_get(t, cut_of[i], &rec, e));
    }
    free(seg);
    txn_end(t);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(a_thousand_edits, home_make, home_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

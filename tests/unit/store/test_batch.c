/* Cuts in batches, their segments against naive lists, merging. */
#include "help.h"

#include "store/internal.h"

#define NCUTS 120
#define VOCABULARY 60

struct made {
    struct buf record, text;
    uint32_t id;
    bool alive;
};
static struct made made[NCUTS];

static struct cut_key key_of(size_t i)
{
    struct cut_key k = {.language = "c", .version = 3};
    memcpy(k.oid.byte, &i, sizeof i);
    k.oid.byte[19] = 0xee;
    return k;
}

static void make_cuts(uint64_t seed)
{
    struct rng r = {seed};
    for (size_t i = 0; i < NCUTS; i++) {
        random_record(&made[i].record, &r, 10, VOCABULARY);
        buf_clear(&made[i].text);
        for (uint32_t k = below(&r, 300); k; k--)
            buf_addf(&made[i].text, "line %u of %zu\n", k, i);
        made[i].alive = true;
        made[i].id = CUT_NONE;
    }
}

static void put(struct store *s, size_t from, size_t n)
{
    struct cut_new c[NCUTS] = {0};
    uint32_t ids[NCUTS];
    for (size_t i = 0; i < n; i++) {
        struct made *m = &made[from + i];
        c[i] = (struct cut_new){key_of(from + i), m->record.data, m->record.len, m->text.data ? m->text.data : "", m->text.len};
    }
    struct cut_batch *b;
    struct txn *t;
    OK(cut_batch_build(&b, c, n, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, ids, e));
    txn_bump(t);
    OK(txn_commit(t, e));
    cut_batch_free(b);
    for (size_t i = 0; i < n; i++)
        made[from + i].id = ids[i];
}

/* What the index says about a term: counts by (cut id, chunk of the cut), from all segments. */
struct seen {
    uint32_t cut, chunk;
    uint8_t body, doc, symbol, weight;
};

static int seen_order(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    if (x->cut != y->cut)
        return x->cut < y->cut ? -1 : 1;
    return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

static size_t from_segments(struct seen *out, const struct segment *seg, size_t nseg, uint64_t term)
{
    size_t n = 0, cap = 0;
    struct posting *p = NULL;
    for (size_t i = 0; i < nseg; i++) {
        size_t got = segment_postings(&seg[i], term, &p, &cap);
        for (size_t k = 0; k < got; k++) {
            uint32_t cut = seg[i].chunk_cut[p[k].chunk];
            assert_true(!k || p[k - 1].chunk < p[k].chunk);
            assert_in_range(p[k].chunk, seg[i].first_chunk[cut], seg[i].first_chunk[cut + 1] - 1);
            out[n++] = (struct seen){seg[i].cut[cut], p[k].chunk - seg[i].first_chunk[cut], p[k].body, p[k].doc, p[k].symbol,
                                     p[k].weight};
        }
    }
    free(p);
    qsort(out, n, sizeof *out, seen_order);
    return n;
}

static void count_one(struct seen *out, size_t *n, size_t from, uint32_t cut, uint32_t chunk)
{
    for (size_t i = from; i < *n; i++) {
        if (out[i].chunk == chunk) {
            out[i].body += out[i].body < 255;
            return;
        }
    }
    out[(*n)++] = (struct seen){cut, chunk, 1, 0, 0, 0};
}

static size_t naive(struct seen *out, uint64_t term)
{
    size_t n = 0;
    for (size_t i = 0; i < NCUTS; i++) {
        if (!made[i].alive)
            continue;
        struct record r = record_of(made[i].record.data);
        size_t from = n;
        for (uint32_t k = 0; k < r.head->nwords; k++)
            if (r.word[k].term == term)
                out[n++] = (struct seen){made[i].id, r.word[k].chunk, r.word[k].body, r.word[k].doc, r.word[k].symbol,
                                         r.word[k].weight};
        for (uint32_t k = 0; k < r.head->nsymbols; k++)
            if (term_of(TERM_DEF, r.strings + r.symbol[k].name, r.symbol[k].name_len) == term)
                count_one(out, &n, from, made[i].id, r.symbol[k].chunk);
        for (uint32_t k = 0; k < r.head->nrefs; k++) {
            bool import = r.ref[k].kind == REF_IMPORT || r.ref[k].kind == REF_EXPORT;
            if (term_of(import ? TERM_IMPORT : TERM_REF, r.strings + r.ref[k].name, r.ref[k].name_len) == term)
                count_one(out, &n, from, made[i].id, r.ref[k].chunk);
        }
    }
    qsort(out, n, sizeof *out, seen_order);
    return n;
}

static void compare_term(const struct segment *seg, size_t nseg, uint64_t term)
{
    static struct seen a[NCUTS * 200], b[NCUTS * 200];
    size_t na = from_segments(a, seg, nseg, term), nb = naive(b, term);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na * sizeof *a);
}

static void compare_names(const struct segment *seg, size_t nseg)
{
    size_t hits = 0, want = 0, cap = 0;
    struct name_hit *h = NULL;
    for (size_t i = 0; i < nseg; i++) {
        for (uint32_t k = 0; k < seg[i].nnames; k++) {
            struct str name = segment_name(&seg[i], k);
            assert_int_equal(segment_name_lower_bound(&seg[i], name.p, name.n), k);
            size_t n = segment_name_hits(&seg[i], k, &h, &cap);
            assert_true(n);
            for (size_t j = 0; j < n; j++) {
                size_t m = 0;
                while (m < NCUTS && made[m].id != seg[i].cut[h[j].cut])
                    m++;
                assert_true(m < NCUTS);
                if (!made[m].alive)
                    continue;
                struct record r = record_of(made[m].record.data);
                char folded[NAME_FOLD_MAX];
                assert_true(h[j].symbol < r.head->nsymbols);
                const struct record_symbol *s = &r.symbol[h[j].symbol];
                size_t len = name_fold(folded, r.strings + s->name, s->name_len);
                assert_int_equal(len, name.n);
                assert_memory_equal(folded, name.p, len);
                hits++;
            }
        }
    }
    for (size_t i = 0; i < NCUTS; i++)
        want += made[i].alive ? record_of(made[i].record.data).head->nsymbols : 0;
    assert_int_equal(hits, want);
    free(h);
}

static void compare_all(struct store *s)
{
    struct txn *t;
    struct segment *seg;
    size_t n;
    char text[32];
    OK(store_read(&t, s, e));
    OK(segments_open(t, &seg, &n, e));
    for (uint32_t w = 0; w < VOCABULARY + 5; w++) {
        int len = snprintf(text, sizeof text, "w%u", w);
        compare_term(seg, n, term_of(TERM_WORD, text, (size_t)len));
    }
    for (uint32_t w = 0; w < 3 * VOCABULARY; w++) {
        int len = snprintf(text, sizeof text, "Name_%u", w);
        compare_term(seg, n, term_of(TERM_DEF, text, (size_t)len));
        compare_term(seg, n, term_of(TERM_REF, text, (size_t)len));
        compare_term(seg, n, term_of(TERM_IMPORT, text, (size_t)len));
    }
    compare_names(seg, n);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t c = 0; c < seg[i].ncuts; c++) {
            assert_true(!c || seg[i].cut[c - 1] < seg[i].cut[c]);
            for (size_t m = 0; m < NCUTS; m++) {
                if (made[m].id != seg[i].cut[c])
                    continue;
                struct record r = record_of(made[m].record.data);
                assert_int_equal(seg[i].first_chunk[c + 1] - seg[i].first_chunk[c], r.head->nchunks);
                for (uint32_t k = 0; k < r.head->nchunks; k++)
                    assert_int_equal(seg[i].chunk_words[seg[i].first_chunk[c] + k],
                                     r.chunk[k].words > 65535 ? 65535 : r.chunk[k].words);
            }
        }
    }
    free(seg);
    txn_end(t);
}

static void compare_cuts(struct store *s)
{
    struct txn *t;
    struct buf text = BUF_INIT;
    OK(store_read(&t, s, e));
    for (size_t i = 0; i < NCUTS; i++) {
        struct cut_key k = key_of(i);
        struct record got, want = record_of(made[i].record.data);
        struct oid oid;
        if (!made[i].alive) {
            assert_int_equal(cut_find(t, &k), CUT_NONE);
            assert_int_equal(cut_get(t, made[i].id, &got, NULL), ERR_NOT_FOUND);
            continue;
        }
        assert_int_equal(cut_find(t, &k), made[i].id);
        OK(cut_get(t, made[i].id, &got, e));
        assert_int_equal(got.head->nwords, 0);
        assert_int_equal((uintptr_t)got.head % 4, 0);
        assert_int_equal(got.head->nchunks, want.head->nchunks);
        assert_memory_equal(got.chunk, want.chunk, want.head->nchunks * sizeof *got.chunk);
        assert_memory_equal(got.symbol, want.symbol, want.head->nsymbols * sizeof *got.symbol);
        assert_memory_equal(got.ref, want.ref, want.head->nrefs * sizeof *got.ref);
        assert_memory_equal(got.strings, want.strings, want.head->nstrings);
        /* the stored form passes the check as well */
        char *copy = mem_alloc(got.head->size);
        memcpy(copy, got.head, got.head->size);
        OK(record_check(&got, copy, ((struct record_head *)(void *)copy)->size, e));
        free(copy);
        buf_clear(&text);
        OK(cut_text(t, made[i].id, &text, e));
        assert_int_equal(text.len, made[i].text.len);
        if (text.len)
            assert_memory_equal(text.data, made[i].text.data, text.len);
        OK(cut_oid(t, made[i].id, &oid, e));
        assert_memory_equal(&oid, &k.oid, sizeof oid);
    }
    struct cut_key other = key_of(0);
    other.version++;
    assert_int_equal(cut_find(t, &other), CUT_NONE);
    other.version--;
    strcpy(other.language, "python");
    assert_int_equal(cut_find(t, &other), CUT_NONE);
    txn_end(t);
    buf_release(&text);
}

static void one_batch(void **state)
{
    struct store *s;
    make_cuts(11);
    OK(store_open(&s, home, NULL, e));
    put(s, 0, NCUTS);
    compare_all(s);
    compare_cuts(s);
    store_close(s);
    OK(store_open(&s, home, NULL, e));
    compare_all(s);
    compare_cuts(s);
    store_close(s);
}

static void many_batches_and_merges(void **state)
{
    struct store *s;
    struct rng r = {5};
    make_cuts(12);
    OK(store_open(&s, home, NULL, e));
    for (size_t at = 0, n; at < NCUTS; at += n) {
        n = 1 + below(&r, 5);
        if (n > NCUTS - at)
            n = NCUTS - at;
        put(s, at, n);
    }
    compare_all(s);
    bool did = true;
    for (int i = 0; did; i++) {
        OK(segments_merge(s, NULL, NULL, &did, e));
        compare_all(s);
        assert_true(i < 30);
    }
    compare_cuts(s);

    /* a third is dropped: their words leave with the next merges */
    struct txn *t;
    OK(store_write(&t, s, e));
    for (size_t i = 0; i < NCUTS; i += 3) {
        OK(cut_drop(t, made[i].id, e));
        made[i].alive = false;
    }
    txn_bump(t);
    OK(txn_commit(t, e));
    compare_cuts(s);
    did = true;
    for (int i = 0; did; i++) {
        OK(segments_merge(s, NULL, NULL, &did, e));
        assert_true(i < 30);
    }
    compare_all(s);
    compare_cuts(s);
    store_close(s);
}

static bool keep_none(void *arg, uint32_t cut)
{
    return false;
}

static void the_same_twice(void **state)
{
    struct store *s;
    make_cuts(13);
    OK(store_open(&s, home, NULL, e));
    put(s, 0, 20);
    uint32_t first[20];
    for (size_t i = 0; i < 20; i++)
        first[i] = made[i].id;
    put(s, 5, 20); /* fifteen of them again */
    for (size_t i = 5; i < 20; i++)
        assert_int_equal(made[i].id, first[i]);
    for (size_t i = 25; i < NCUTS; i++)
        made[i].alive = false;
    compare_cuts(s);
    put(s, 0, 20); /* nothing new at all: no segment either */
    struct txn *t;
    struct segment *seg;
    size_t n;
    OK(store_read(&t, s, e));
    OK(segments_open(t, &seg, &n, e));
    assert_int_equal(n, 2);
    free(seg);
    txn_end(t);
    bool did = true;
    OK(segments_merge(s, NULL, NULL, &did, e)); /* fifteen dead of forty */
    assert_true(did);
    compare_all(s);
    OK(store_write(&t, s, e));
    for (size_t i = 0; i < 25; i++)
        OK(cut_drop(t, made[i].id, e));
    OK(txn_commit(t, e));
    while (did)
        OK(segments_merge(s, keep_none, NULL, &did, e));
    OK(store_read(&t, s, e));
    OK(segments_open(t, &seg, &n, e));
    assert_int_equal(n, 0);
    free(seg);
    txn_end(t);
    store_close(s);
}

static void a_batch_with_nothing_to_find(void **state)
{
    struct store *s;
    struct record_head h = {.magic = RECORD_MAGIC, .size = sizeof h, .language = "text"};
    struct cut_new c = {{.language = "text"}, &h, sizeof h, "", 0};
    struct cut_batch *b;
    struct txn *t;
    uint32_t id;
    struct segment *seg;
    size_t n;
    struct buf text = BUF_INIT;
    OK(store_open(&s, home, NULL, e));
    OK(cut_batch_build(&b, &c, 1, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, &id, e));
    OK(segments_open(t, &seg, &n, e));
    assert_int_equal(n, 0);
    OK(cut_text(t, id, &text, e));
    assert_int_equal(text.len, 0);
    OK(txn_commit(t, e));
    cut_batch_free(b);
    OK(cut_batch_build(&b, NULL, 0, e));
    OK(store_write(&t, s, e));
    OK(cut_batch_put(t, b, NULL, e));
    OK(txn_commit(t, e));
    cut_batch_free(b);
    buf_release(&text);
    store_close(s);
}

/* Piece by piece a text is the same, also after another one was left in the middle; one that is not whole says so. */
static void in_pieces(void **state)
{
    struct store *s;
    struct buf got = BUF_INIT;
    struct unpacker *u = unpacker_new();
    struct str packed;
    struct txn *t;
    make_cuts(14);
    for (size_t i = 0; i < 3; i++) /* of many pieces, of just as many, of a bit more */
        for (buf_clear(&made[i].text); made[i].text.len < 9 * UNPACKER_PIECE;)
            buf_addf(&made[i].text, "%zu ", made[i].text.len * 2654435761u);
    made[1].text.len = 8 * UNPACKER_PIECE;
    made[2].text.len = 8 * UNPACKER_PIECE + 1;
    OK(store_open(&s, home, NULL, e));
    put(s, 0, NCUTS);
    OK(store_read(&t, s, e));
    for (size_t i = 0; i < NCUTS; i++) {
        OK(cut_packed(t, made[0].id, &packed, e));
        OK(unpacker_begin(u, packed, e));
        buf_clear(&got);
        OK(unpacker_piece(u, &got, e));
        assert_int_equal(got.len, UNPACKER_PIECE);
        OK(cut_packed(t, made[i].id, &packed, e));
        buf_clear(&got);
        OK(unpacker_text(u, packed, &got, e));
        assert_int_equal(got.len, made[i].text.len);
        OK(unpacker_begin(u, packed, e));
        for (buf_clear(&got); unpacker_left(u);)
            OK(unpacker_piece(u, &got, e));
        assert_int_equal(got.len, made[i].text.len);
        if (got.len)
            assert_memory_equal(got.data, made[i].text.data, got.len);
    }
    OK(cut_packed(t, made[0].id, &packed, e));
    int rc = unpacker_begin(u, (struct str){packed.p, packed.n / 2}, NULL);
    for (buf_clear(&got); !rc && unpacker_left(u);)
        rc = unpacker_piece(u, &got, NULL);
    assert_int_equal(rc, ERR_CORRUPT);
    assert_int_equal(unpacker_begin(u, (struct str){packed.p, 3}, NULL), ERR_CORRUPT);
    txn_end(t);
    unpacker_free(u);
    buf_release(&got);
    store_close(s);
}

static int count_rows(void *arg, const struct quarantine_row *q)
{
    assert_string_equal(q->key.language, "c");
    ++*(int *)arg;
    return 0;
}

static void quarantine(void **state)
{
    struct store *s;
    struct txn *t;
    struct quarantine_row q = {.key = key_of(5), .attempts = 2, .reason = "took longer than 10 s"}, got;
    int n = 0;
    OK(store_open(&s, home, NULL, e));
    OK(store_write(&t, s, e));
    OK(quarantine_put(t, &q, e));
    q.key = key_of(6);
    OK(quarantine_put(t, &q, e));
    OK(quarantine_put(t, &q, e));
    OK(txn_commit(t, e));
    OK(store_write(&t, s, e));
    assert_true(quarantine_get(t, &q.key, &got));
    assert_string_equal(got.reason, q.reason);
    OK(quarantine_each(t, count_rows, &n, e));
    assert_int_equal(n, 2);
    OK(quarantine_drop(t, &q.key, e));
    assert_false(quarantine_get(t, &q.key, &got));
    assert_int_equal(quarantine_drop(t, &q.key, NULL), ERR_NOT_FOUND);
    txn_end(t);
    store_close(s);
}

static void folding(void **state)
{
    static const char *const pairs[][2] = {{"HTTPServer", "httpserver"}, {"ÄRGER", "ärger"}, {"\xff\xC3X", "\xff\xC3x"}, {"a_B", "a_b"}};
    char out[NAME_FOLD_MAX], longest[1000];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t n = name_fold(out, pairs[i][0], strlen(pairs[i][0]));
        assert_int_equal(n, strlen(pairs[i][1]));
        assert_memory_equal(out, pairs[i][1], n);
    }
    memset(longest, 'X', sizeof longest);
    assert_true(name_fold(out, longest, sizeof longest) <= NAME_FOLD_MAX);
}

static int release(void **state)
{
    for (size_t i = 0; i < NCUTS; i++) {
        buf_release(&made[i].record);
        buf_release(&made[i].text);
    }
    return 0;
}

#define IN_A_HOME(f) cmocka_unit_test_setup_teardown(f, home_make, home_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_HOME(one_batch),  IN_A_HOME(many_batches_and_merges), IN_A_HOME(the_same_twice), IN_A_HOME(a_batch_with_nothing_to_find),
        IN_A_HOME(in_pieces),  IN_A_HOME(quarantine),              cmocka_unit_test(folding),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}

/* bench_store_segment: building batches, decoding postings, opening and reading back. Prints a JSON row a line.
 * The corpus is made up to look like code: a batch of 4 MiB, chunks of 1,500 bytes, 90 different words a chunk whose frequencies
 * fall off as 1/rank. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/words.h"
#include "store/cut.h"
#include "store/segment.h"
#include "store/vector.h"
#include "store/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUTS 700 /* of one batch */
#define CHUNKS 4 /* of one cut */
#define CHUNK_BYTES 1500
#define CHUNK_WORDS 90
#define VOCABULARY 60000
#define BATCHES 25 /* 100 MB of source */

static uint64_t seed = 7;
static uint32_t rnd(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}

/* A rank that falls off as 1/rank. */
static uint32_t rank(void)
{
    double u = (rnd() + 1.0) / 4294967297.0, x = 1;
    for (double v = u; v < 1; v *= 2.2)
        x *= 2.2;
    return (uint32_t)(x * (1 + (double)(rnd() % 1000) / 1000)) % VOCABULARY;
}

static uint64_t term(uint32_t word)
{
    char text[16];
    return term_of(TERM_WORD, text, (size_t)snprintf(text, sizeof text, "w%u", word));
}

static int order(const void *a, const void *b)
{
    const struct record_word *x = a, *y = b;
    return x->term != y->term ? (x->term < y->term ? -1 : 1) : x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

static void make_record(struct buf *out, struct buf *text)
{
    static struct record_word word[CHUNKS * CHUNK_WORDS];
    struct record_head h = {.magic = RECORD_MAGIC, .language = "c", .nchunks = CHUNKS, .nsymbols = CHUNKS * 5};
    h.nrefs = CHUNKS * 25;
    h.source_bytes = CHUNKS * CHUNK_BYTES;
    h.source_lines = CHUNKS * 40;
    struct buf strings = BUF_INIT;
    size_t n = 0;
    for (uint32_t c = 0; c < CHUNKS; c++)
        for (uint32_t w = 0; w < CHUNK_WORDS; w++)
            word[n++] = (struct record_word){term(rank()), c, (uint8_t)(1 + rnd() % 3), !(rnd() % 6), !(rnd() % 8), 10};
    qsort(word, n, sizeof *word, order);
    for (size_t i = 0; i < n; i++)
        if (!h.nwords || word[h.nwords - 1].term != word[i].term || word[h.nwords - 1].chunk != word[i].chunk)
            word[h.nwords++] = word[i];
    buf_clear(out);
    buf_add(out, &h, sizeof h);
    for (uint32_t c = 0; c < CHUNKS; c++) {
        struct record_chunk x = {c * CHUNK_BYTES, (c + 1) * CHUNK_BYTES, 40 * c + 1, 40 * c + 40, c * 5, 0, 0, 200};
        buf_add(out, &x, sizeof x);
    }
    for (uint32_t i = 0; i < h.nsymbols; i++) {
        struct record_symbol x = {.name = (uint32_t)strings.len, .start_line = 1, .end_line = 1, .parent = RECORD_NONE, .chunk = i / 5};
        buf_addf(&strings, "some_name_%x", rnd() % 100000);
        x.name_len = (uint32_t)strings.len - x.name;
        buf_add(out, &x, sizeof x);
    }
    for (uint32_t i = 0; i < h.nrefs; i++) {
        struct record_ref x = {.name = (uint32_t)strings.len, .line = 1, .symbol = RECORD_NONE, .chunk = i / 25};
        buf_addf(&strings, "some_name_%x", rank());
        x.name_len = (uint32_t)strings.len - x.name;
        buf_add(out, &x, sizeof x);
    }
    buf_zero_to(out, 8);
    buf_add(out, word, h.nwords * sizeof *word);
    buf_add(out, strings.data, strings.len);
    h.nstrings = (uint32_t)strings.len;
    h.size = (uint32_t)out->len;
    memcpy(out->data, &h, sizeof h);
    buf_release(&strings);
    buf_clear(text);
    while (text->len < h.source_bytes)
        buf_addf(text, "    word%u = call_%u(argument, %u);\n", rank(), rank(), rnd() % 100);
    text->len = h.source_bytes;
}

static void row(const char *name, double value, const char *unit)
{
    printf("{\"name\": \"store.%s\", \"value\": %.4g, \"unit\": \"%s\", \"against\": null, \"ratio\": null, \"goal\": null}\n", name, value,
           unit);
    fflush(stdout);
}

static void must(int rc, const struct err *e)
{
    if (!rc)
        return;
    fprintf(stderr, "bench_store_segment: %s\n", e->message);
    exit(1);
}

static double fill(struct store *s, struct buf *record, struct buf *text, double *put_ms)
{
    struct err e;
    double build = 0;
    static struct cut_new c[CUTS];
    static uint32_t ids[CUTS];
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < CUTS; i++) {
            make_record(&record[i], &text[i]);
            c[i] = (struct cut_new){{.language = "c"}, record[i].data, record[i].len, text[i].data, text[i].len};
            uint64_t id = (uint64_t)b * CUTS + (uint64_t)i;
            memcpy(c[i].key.oid.byte, &id, sizeof id);
        }
        struct cut_batch *batch;
        struct txn *t;
        double start = clock_ms();
        must(cut_batch_build(&batch, c, CUTS, &e), &e);
        double built = clock_ms();
        must(store_write(&t, s, &e), &e);
        must(cut_batch_put(t, batch, ids, &e), &e);
        must(txn_commit(t, &e), &e);
        double put = clock_ms() - built;
        build += built - start;
        *put_ms = put > *put_ms ? put : *put_ms;
        cut_batch_free(batch);
    }
    return build;
}

static void decode(struct store *s, const char *when)
{
    struct err e;
    struct txn *t;
    struct segment *seg;
    struct posting *p = NULL;
    size_t n, cap = 0, postings = 0, lookups = 0;
    char name[64];
    double best = 1e9, best_open = 1e9, best_rare = 1e9;
    must(store_read(&t, s, &e), &e);
    for (int round = 0; round < 7; round++) {
        double start = clock_ms();
        must(segments_open(t, &seg, &n, &e), &e);
        double opened = clock_ms();
        postings = lookups = 0;
        for (uint32_t w = 1; w <= 10; w++)
            for (size_t i = 0; i < n; i++)
                postings += segment_postings(&seg[i], term(w * 7), &p, &cap);
        double decoded = clock_ms();
        for (uint32_t w = 0; w < 1000; w++)
            for (size_t i = 0; i < n; i++, lookups++)
                segment_postings(&seg[i], term(20000 + w), &p, &cap);
        double rare = clock_ms() - decoded;
        best = decoded - opened < best ? decoded - opened : best;
        best_open = opened - start < best_open ? opened - start : best_open;
        best_rare = rare < best_rare ? rare : best_rare;
        if (round < 6)
            free(seg);
    }
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += seg[i].size;
    free(seg);
    free(p);
    txn_end(t);
#define ROW(what, value, unit) (snprintf(name, sizeof name, what ".%s", when), row(name, value, unit))
    ROW("segments", (double)n, "segments");
    ROW("segment_bytes", (double)bytes / (double)((size_t)BATCHES * CUTS * CHUNKS * CHUNK_BYTES), "of the source");
    ROW("ten_terms_ms", best, "ms");
    ROW("postings", (double)postings, "postings");
    ROW("decode", best * 1e6 / (double)postings, "ns a posting");
    ROW("lookup_rare", best_rare * 1e6 / (double)lookups, "ns a term and segment");
    ROW("segments_open_ms", best_open, "ms");
}

static int count(void *arg, const struct occ *o)
{
    ++*(size_t *)arg;
    return 0;
}

static void views(struct store *s)
{
    struct err e;
    struct txn *t;
    uint32_t view;
    char path[64];
    size_t n = 0;
    double start = clock_ms();
    must(store_write(&t, s, &e), &e);
    must(view_new(t, &(struct view_head){.repo = 1}, &view, &e), &e);
    for (uint32_t i = 0; i < 50000; i++) {
        struct occ o = {.cut = i, .size = 1, .oid.byte = {1}};
        snprintf(path, sizeof path, "some/directory%03u/and/more/file%05u.c", i / 100, i);
        o.path = str_of(path);
        must(occ_put(t, view, &o, &e), &e);
    }
    must(txn_commit(t, &e), &e);
    row("occ_put_50k_ms", clock_ms() - start, "ms");
    must(store_read(&t, s, &e), &e);
    start = clock_ms();
    must(occ_each(t, view, (struct str){0}, count, &n, &e), &e);
    row("occ_each_50k_ms", clock_ms() - start, "ms");
    txn_end(t);
}

static double source; /* bytes */
static const char *moment;

static void table(void *arg, const char *name, uint64_t bytes)
{
    char full[64];
    snprintf(full, sizeof full, "bytes.%s.%s", moment, name);
    if (bytes)
        row(full, (double)bytes / source, "of the source");
}

static void tables(struct store *s, const char *when)
{
    struct err e;
    struct txn *t;
    moment = when;
    must(store_read(&t, s, &e), &e);
    must(store_tables(t, table, NULL, &e), &e);
    txn_end(t);
}

int main(void)
{
    struct err e;
    struct store *s;
    struct stat st;
    char home[] = "/tmp/codeask-bench-XXXXXX", path[64];
    static struct buf record[CUTS], text[CUTS];
    if (!mkdtemp(home))
        return 1;
    must(store_open(&s, home, NULL, &e), &e);
    double put = 0, mb = (double)((size_t)BATCHES * CUTS * CHUNKS * CHUNK_BYTES) / 1e6, build = fill(s, record, text, &put);
    row("batch_build", mb / build * 1e3, "MB of source/s");
    row("batch_put_ms", put, "ms, longest");
    source = mb * 1e6;
    decode(s, "fresh");
    tables(s, "fresh");
    double start = clock_ms();
    bool did = true;
    int merges = 0;
    for (; did; merges += did)
        must(segments_merge(s, NULL, NULL, &did, &e), &e);
    row("merge_ms", (clock_ms() - start) / merges, "ms a merge");
    decode(s, "merged");
    views(s);
    tables(s, "merged");
    start = clock_ms();
    must(store_compact(s, &did, &e), &e);
    if (did)
        row("compact_ms", clock_ms() - start, "ms");
    snprintf(path, sizeof path, "%s/index.mdb", home);
    if (!stat(path, &st))
        row("file", (double)st.st_size / mb / 1e6, "of the source");
    store_close(s);
    for (int i = 0; i < CUTS; i++) {
        buf_release(&record[i]);
        buf_release(&text[i]);
    }
    snprintf(path, sizeof path, "rm -r %s", home);
    return system(path) != 0;
}

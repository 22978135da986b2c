/* Shared by the tests of the store: a home of its own for each test, random records, checks that say why they failed. */
#ifndef TEST_STORE_HELP_H
#define TEST_STORE_HELP_H

#define _GNU_SOURCE
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "store/cut.h"
#include "store/segment.h"
#include "store/store.h"
#include "store/vector.h"
#include "store/view.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct err e_ = {0};                                                                                           \
        struct err *e = &e_;                                                                                           \
        int rc_ = (call);                                                                                              \
        if (rc_)                                                                                                       \
            fail_msg("%s: %s (%d)", #call, e_.message, rc_);                                                           \
        (void)e;                                                                                                       \
    } while (0)

static char home[256];

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static inline void remove_folder(const char *path)
{
    if (path[0] && nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS))
        fail();
}

static inline void remove_home(void)
{
    remove_folder(home);
}

static inline int home_make(void **state)
{
    /* in memory where there is room: a sync takes milliseconds on a disk, and these tests make thousands */
    struct statvfs fs;
    const char *tmp = getenv("TMPDIR");
    bool memory = !tmp && !access("/dev/shm", W_OK) && !statvfs("/dev/shm", &fs) && (fs.f_bavail * fs.f_frsize) >> 30;
    snprintf(home, sizeof home, "%s/codeask-store-XXXXXX", memory ? "/dev/shm" : tmp ? tmp : "/tmp");
    log_open(2, LOG_ERROR);
    return mkdtemp(home) ? 0 : -1;
}

static inline int home_remove(void **state)
{
    remove_home();
    return 0;
}

/* xorshift: the same numbers on every machine */
struct rng {
    uint64_t s;
};
static inline uint64_t rnd(struct rng *r)
{
    r->s ^= r->s << 13;
    r->s ^= r->s >> 7;
    r->s ^= r->s << 17;
    return r->s;
}
static inline uint32_t below(struct rng *r, uint32_t n)
{
    return (uint32_t)(rnd(r) >> 33) % n;
}

static inline int word_order(const void *a, const void *b)
{
    const struct record_word *x = a, *y = b;
    if (x->term != y->term)
        return x->term < y->term ? -1 : 1;
    return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

/* A record of random counts, in *out (8-byte aligned, as malloc gives). Words are w0 … w(vocabulary - 1). */
static inline void random_record(struct buf *out, struct rng *r, uint32_t max_chunks, uint32_t vocabulary)
{
    struct record_head h = {.magic = RECORD_MAGIC, .language = "c"};
    h.nchunks = below(r, max_chunks + 1);
    h.nsymbols = h.nchunks ? below(r, 3 * h.nchunks) : 0;
    h.nrefs = h.nchunks ? below(r, 6 * h.nchunks) : 0;
    h.nsecrets = below(r, 3);
    h.source_bytes = 100 * (h.nchunks + 1);
    h.source_lines = 4 * (h.nchunks + 1);
    h.header_end = below(r, 100);
    struct buf strings = BUF_INIT, words = BUF_INIT;
    buf_adds(&strings, "Outer \xe2\x80\xba method");
    for (uint32_t c = 0; c < h.nchunks; c++) {
        for (uint32_t w = 0; w < vocabulary; w++) {
            char text[16];
            if (below(r, 1 + w / 2) > 2) /* the first words are common, the last rare */
                continue;
            int n = snprintf(text, sizeof text, "w%u", w);
            struct record_word x = {term_of(TERM_WORD, text, (size_t)n), c, 0, 0, 0, 0};
            x.body = below(r, 9) ? (uint8_t)(1 + below(r, 3)) : (uint8_t)below(r, 256);
            if (!below(r, 5))
                x.doc = (uint8_t)(below(r, 4) ? 1 : below(r, 256));
            if (!below(r, 5)) {
                x.symbol = (uint8_t)(below(r, 4) ? 1 : below(r, 256));
                x.weight = (uint8_t)below(r, 30);
            }
            buf_add(&words, &x, sizeof x);
        }
    }
    h.nwords = (uint32_t)(words.len / sizeof(struct record_word));
    if (h.nwords)
        qsort(words.data, h.nwords, sizeof(struct record_word), word_order);

    buf_clear(out);
    buf_add(out, &h, sizeof h);
    for (uint32_t c = 0; c < h.nchunks; c++) {
        struct record_chunk x = {100 * c, 100 * c + 100, 4 * c + 1, 4 * c + 4, RECORD_NONE, 0, below(r, 15), below(r, 70000)};
        if (h.nsymbols && below(r, 2))
            x.symbol = below(r, h.nsymbols);
        buf_add(out, &x, sizeof x);
    }
    for (uint32_t i = 0; i < h.nsymbols; i++) {
        struct record_symbol x = {.name = (uint32_t)strings.len, .parent = RECORD_NONE};
        buf_addf(&strings, below(r, 4) ? "Name_%u" : "NAME_%u", below(r, 3 * vocabulary));
        x.name_len = (uint32_t)strings.len - x.name;
        x.chunk = below(r, h.nchunks);
        x.start = 100 * x.chunk;
        x.end = x.start + below(r, 100);
        x.start_line = x.end_line = 4 * x.chunk + 1;
        if (i && below(r, 2))
            x.parent = below(r, i);
        x.kind = (uint8_t)below(r, SYMBOL_KIND_COUNT);
        buf_add(out, &x, sizeof x);
    }
    for (uint32_t i = 0; i < h.nrefs; i++) {
        struct record_ref x = {.name = (uint32_t)strings.len, .line = 1, .symbol = RECORD_NONE};
        buf_addf(&strings, "Name_%u", below(r, 3 * vocabulary));
        x.name_len = (uint32_t)strings.len - x.name;
        x.chunk = below(r, h.nchunks);
        x.kind = (uint8_t)below(r, REF_KIND_COUNT);
        buf_add(out, &x, sizeof x);
    }
    for (uint32_t i = 0; i < h.nsecrets; i++) {
        struct record_secret x = {10 * i, 10 * i + 5, 1};
        buf_add(out, &x, sizeof x);
    }
    h.nstrings = (uint32_t)strings.len;
    h.size = (uint32_t)record_size(&h);
    memcpy(out->data, &h, sizeof h);
    buf_zero_to(out, 8);
    if (words.len)
        buf_add(out, words.data, words.len);
    buf_add(out, strings.data, strings.len);
    assert_int_equal(out->len, h.size);
    buf_release(&strings);
    buf_release(&words);
}

/* In a child process, whose test is its parent: the condition, and what `struct err e` says, go to standard error. */
#define IN_CHILD(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, e.message);                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#endif

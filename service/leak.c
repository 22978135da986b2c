#include "service/leak.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/train/corpus.h"

#include <stdlib.h>

static int by_hash(const void *a, const void *b)
{
    const struct hash128 *x = a, *y = b;
    return x->hi != y->hi ? (x->hi > y->hi) - (x->hi < y->hi) : (x->lo > y->lo) - (x->lo < y->lo);
}

static size_t hashes(struct hash128 **out, const char *path, bool held)
{
    struct buf bytes = BUF_INIT;
    struct corpus c = {0};
    struct err e;
    size_t n = 0;
    *out = NULL;
    if (!file_read(&bytes, path, CORPUS_MAX, &e) && !corpus_read(&c, bytes.data, bytes.len, &e)) {
        *out = mem_alloc(((size_t)c.records + 1) * sizeof **out);
        for (uint32_t i = 0; i < c.records; i++)
            if (c.record[i].held == held)
                (*out)[n++] = corpus_hash(&c.record[i]);
        qsort(*out, n, sizeof **out, by_hash);
    }
    corpus_release(&c);
    buf_release(&bytes);
    return n;
}

uint64_t records_shared(const char *measured_by, const char *learned_from)
{
    struct hash128 *held, *learned;
    size_t n = hashes(&held, measured_by, true), m = hashes(&learned, learned_from, false);
    uint64_t both = 0;
    for (size_t i = 0; i < n; i++)
        both += m && bsearch(&held[i], learned, m, sizeof *learned, by_hash) != NULL;
    free(held);
    free(learned);
    return both;
}

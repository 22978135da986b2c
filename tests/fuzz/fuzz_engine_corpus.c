/* Records for tuning as they come from the disk, and the same bytes with the hash that they need: what is accepted is written again as it was. */
#include "engine/train/corpus.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(const uint8_t *p, size_t n)
{
    struct corpus c;
    struct err e = {0};
    struct buf again = BUF_INIT;
    int rc = corpus_read(&c, p, n, &e);
    if (rc && !e.message[0])
        abort();
    if (!rc) {
        corpus_begin(&again, c.seed, c.repo, c.repos);
        for (uint32_t i = 0; i < c.records; i++)
            corpus_add(&again, &c.record[i]);
        corpus_end(&again);
        if (again.len != n || memcmp(again.data, p, n))
            abort();
    }
    buf_release(&again);
    corpus_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hash128 h = hash128(data, size);
    uint8_t *whole = malloc(size + sizeof h);
    if (size)
        memcpy(whole, data, size);
    memcpy(whole + size, &h, sizeof h);
    read_one(data, size);
    read_one(whole, size + sizeof h);
    free(whole);
    return 0;
}

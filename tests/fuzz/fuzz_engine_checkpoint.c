/* A checkpoint of training as it comes from the disk, and the same bytes with the hash that they need: what is accepted lies inside the
 * bytes, is all numbers, and is written again as it was. */
#include "base/hash.h"
#include "engine/train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(const uint8_t *p, size_t n)
{
    struct checkpoint c;
    struct err e = {0};
    if (checkpoint_read(&c, p, n, &e)) {
        if (!e.message[0])
            abort();
        return;
    }
    const uint8_t *part[] = {c.value, c.m, c.v};
    for (int i = 0; i < 3; i++)
        for (uint64_t j = 0; j < c.count; j++) {
            float x;
            memcpy(&x, part[i] + j * sizeof x, sizeof x);
            if (!isfinite(x))
                abort();
        }
    struct buf again = BUF_INIT;
    checkpoint_write(&again, &c);
    if (again.len != n || memcmp(again.data, p, n))
        abort();
    buf_release(&again);
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

#include "engine/train/checkpoint.h"

#include "base/hash.h"

#include <math.h>
#include <string.h>

static const char magic[8] = {'c', 'a', 't', 'r', 'a', 'i', 'n', '1'};

void checkpoint_write(struct buf *out, const struct checkpoint *c)
{
    const uint64_t number[] = {c->seed, c->step, c->epoch, c->next, c->count};
    size_t from = out->len;
    buf_room(out, CHECKPOINT_HEAD + 3 * c->count * sizeof(float) + sizeof(struct hash128));
    buf_add(out, magic, sizeof magic);
    buf_add(out, c->base, sizeof c->base);
    buf_add(out, c->course, sizeof c->course);
    buf_add(out, number, sizeof number);
    buf_add(out, c->value, c->count * sizeof(float));
    buf_add(out, c->m, c->count * sizeof(float));
    buf_add(out, c->v, c->count * sizeof(float));
    struct hash128 sum = hash128(out->data + from, out->len - from);
    buf_add(out, &sum, sizeof sum);
}

static bool numbers(const uint8_t *p, uint64_t n)
{
    float x;
    for (uint64_t i = 0; i < n; i++, p += sizeof x) {
        memcpy(&x, p, sizeof x);
        if (!isfinite(x))
            return false;
    }
    return true;
}

int checkpoint_read(struct checkpoint *out, const void *bytes, size_t n, struct err *e)
{
    const uint8_t *p = bytes;
    uint64_t number[5];
    if (n < CHECKPOINT_HEAD || memcmp(p, magic, sizeof magic))
        return err_set(e, ERR_FORMAT, "no checkpoint of training");
    memcpy(out->base, p + 8, sizeof out->base);
    memcpy(out->course, p + 40, sizeof out->course);
    memcpy(number, p + 56, sizeof number);
    out->seed = number[0];
    out->step = number[1];
    out->epoch = number[2];
    out->next = number[3];
    out->count = number[4];
    if (out->count > CHECKPOINT_MAX || n != CHECKPOINT_HEAD + 3 * out->count * sizeof(float) + sizeof(struct hash128))
        return err_set(e, ERR_CORRUPT, "a checkpoint of %zu bytes for %llu values", n, (unsigned long long)out->count);
    struct hash128 sum = hash128(p, n - sizeof sum);
    if (memcmp(&sum, p + n - sizeof sum, sizeof sum))
        return err_set(e, ERR_CORRUPT, "the checkpoint is damaged");
    out->value = p + CHECKPOINT_HEAD;
    out->m = out->value + out->count * sizeof(float);
    out->v = out->m + out->count * sizeof(float);
    if (!numbers(out->value, 3 * out->count))
        return err_set(e, ERR_CORRUPT, "the checkpoint holds what is no number");
    return 0;
}

/* Rows of the table touch from a file that may be damaged: what touch_read accepts has numbers that do not wrap and hunks in order, and
 * is the same when it is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/touch.h"

static void check(const struct touch *t)
{
    if (t->kind > TOUCH_DELETED || t->same > TOUCH_SIDES || t->nsides > TOUCH_SIDES)
        abort();
    for (unsigned k = 0; k < t->nsides; k++) {
        uint32_t at = 0, old = 0;
        if (t->side[k].how > TOUCH_UNSOUGHT)
            abort();
        for (uint32_t i = 0; i < t->side[k].nhunks; i++) {
            const struct touch_hunk *h = &t->side[k].hunk[i];
            if (h->at < at || h->old_at < old || h->at + h->n < h->at || h->old_at + h->old_n < h->old_at)
                abort();
            at = h->at + h->n;
            old = h->old_at + h->old_n;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *copy = malloc(n + !n); /* no longer than n: a sanitizer sees what is read past it */
    struct touch t, again;
    struct buf once = BUF_INIT, twice = BUF_INIT;
    if (!copy)
        return 0;
    memcpy(copy, bytes, n);
    if (!touch_read(&t, (struct str){copy, n}, NULL)) {
        check(&t);
        touch_write(&once, &t);
        if (touch_read(&again, (struct str){once.data, once.len}, NULL))
            abort();
        touch_write(&twice, &again);
        if (once.len != twice.len || memcmp(once.data, twice.data, once.len))
            abort();
        touch_release(&again);
        touch_release(&t);
    }
    buf_release(&once);
    buf_release(&twice);
    free(copy);
    return 0;
}

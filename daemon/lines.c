#include "daemon/lines.h"

#include "base/err.h"

#include <string.h>

int lines_feed(struct lines *l, const char *bytes, size_t len, size_t max, int (*each)(void *arg, const char *line, size_t len), void *arg)
{
    int rc = 0;
    size_t done = 0;
    buf_add(&l->held, bytes, len);
    while (!rc) {
        char *from = l->held.data + l->scanned;
        char *end = l->held.len > l->scanned ? memchr(from, '\n', l->held.len - l->scanned) : NULL;
        if (!end)
            break;
        size_t n = (size_t)(end - l->held.data) - done;
        size_t bare = n && l->held.data[done + n - 1] == '\r' ? n - 1 : n;
        if (n > max)
            break;
        if (bare)
            rc = each(arg, l->held.data + done, bare);
        done += n + 1;
        l->scanned = done;
    }
    if (!rc && l->held.len - done > max)
        rc = ERR_LIMIT;
    buf_drop_front(&l->held, done);
    l->scanned = rc == LINES_REST ? 0 : l->held.len;
    if (!l->held.len)
        buf_release(&l->held);
    return rc;
}

void lines_release(struct lines *l)
{
    buf_release(&l->held);
    l->scanned = 0;
}

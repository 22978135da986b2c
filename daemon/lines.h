/* Messages that are a line each, out of bytes that come in any pieces. */
#ifndef CODEASK_DAEMON_LINES_H
#define CODEASK_DAEMON_LINES_H

#include "base/buf.h"

struct lines {
    struct buf held;
    size_t scanned; /* bytes of held that hold no newline */
};

#define LINES_REST 1 /* what each() returns to get nothing more: what follows stays in held */

/* Gives each whole line, without its end and not the empty ones, to each(); stops at its first return that is not 0, and returns it.
 * ERR_LIMIT: a line of more than max bytes. */
int lines_feed(struct lines *l, const char *bytes, size_t len, size_t max, int (*each)(void *arg, const char *line, size_t len), void *arg);
void lines_release(struct lines *l);

#endif

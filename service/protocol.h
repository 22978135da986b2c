/* A transport's codec: a pure byte machine over a session, so that it can be fuzzed where it is defined. Replies are
 * appended to `out` whenever feed runs or an event arrives; the connection that owns the machine writes them. */
#ifndef CODEASK_SERVICE_PROTOCOL_H
#define CODEASK_SERVICE_PROTOCOL_H

#include "base/buf.h"
#include "service/service.h"

struct protocol {
    const char *name;
    /* out is owned by the connection and outlives the machine. full(arg) tells whether out is past the high-water mark:
     * sinks then return false; the connection calls drained() when it is below it again. */
    void *(*open)(struct session *c, struct buf *out, bool (*full)(void *arg), void *arg);
    int (*feed)(void *self, const char *bytes, size_t len); /* 0, or a negative code: close after writing out */
    void (*drained)(void *self);
    void (*close)(void *self);
};

#endif

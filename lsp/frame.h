/* The base protocol's framing: "Content-Length: N", perhaps "Content-Type: …", an empty line, N bytes. A pure byte machine.
 *
 * A body past FRAME_MAX is skipped without being kept. A header that is none ends the connection: where the next message begins
 * is not known any more. */
#ifndef CODEASK_LSP_FRAME_H
#define CODEASK_LSP_FRAME_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define FRAME_HEAD_MAX 4096        /* bytes of all header fields: two are defined, of some thirty bytes each */
#define FRAME_MAX (16u << 20)      /* of a body, as on the socket; a document of DOCUMENT_MAX fits, escapes included */
#define FRAME_LENGTH_MAX (1u << 31) /* a longer one is a broken header, not a message to wait for */

struct frame {
    struct buf held;               /* a header, or a body, that is not whole yet */
    uint64_t body;                 /* bytes that the body has; FRAME_HEAD: in a header */
    uint64_t skip;                 /* bytes of a too long body that are still to come */
    bool too_long;
};
#define FRAME_HEAD UINT64_MAX
#define FRAME_INIT {BUF_INIT, FRAME_HEAD, 0, false}

/* A body; bytes NULL: one of n bytes was skipped. Non-zero ends the feeding with that code. */
typedef int (*frame_cb)(void *arg, const char *bytes, size_t n);
/* ERR_FORMAT: the header is malformed (e says how). */
int frame_feed(struct frame *f, const char *bytes, size_t n, frame_cb each, void *arg, struct err *e);
void frame_put(struct buf *out, const char *body, size_t n);
void frame_release(struct frame *f);

#endif

/* Where the messages of another protocol end in a stream that is carried: each a line, or bytes behind a header with their length. What a
 * message says is judged by who reads it: what has no end that can be found is carried in pieces as it comes. */
#ifndef CODEASK_CLI_PACKETS_H
#define CODEASK_CLI_PACKETS_H

#include "base/buf.h"

#define PACKET_MAX (16u << 20) /* bytes of a message that is held; the daemon takes none that is longer */
#define PACKET_HEAD_MAX 8192   /* of a header; the daemon takes none of half of it */

struct packets {
    bool framed;               /* by "Content-Length: N" (LSP), else by lines (MCP) */
    bool raw;                  /* a header that is none: where messages end is not known any more */
    bool skips;                /* in a line that is too long */
    size_t pass;               /* bytes to come of a framed message that is too long */
    struct buf held;
    size_t taken, scanned;     /* of held: given out; looked through for a line's end */
};

struct packet {
    struct str bytes;          /* what is carried; valid until the next feeding */
    struct str body;           /* of a whole message */
    bool whole;                /* else a piece of one that is too long, or raw */
};

void packets_feed(struct packets *p, const char *bytes, size_t n);
bool packets_next(struct packets *p, struct packet *out); /* false: there is none until more is fed */
/* What is held of a message that is not whole. */
struct str packets_left(const struct packets *p);
void packets_put(struct buf *out, bool framed, const char *body, size_t n);
void packets_release(struct packets *p);

#endif

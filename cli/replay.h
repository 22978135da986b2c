/* What a client has said to a daemon that the next daemon has to know, so that the client need not notice that one has ended: its handshake,
 * what it has asked and nobody has answered and, of an editor, its open documents and settings (editor_state.h). What a daemon is asked
 * here reads and changes nothing but feedback, so that to ask twice does no harm. */
#ifndef CODEASK_CLI_REPLAY_H
#define CODEASK_CLI_REPLAY_H

#include "base/buf.h"
#include "base/err.h"
#include "cli/editor_state.h"

#include <jansson.h>

#define REPLAY_MAX (16u << 20) /* bytes kept of open requests; what is past it is not asked again */
#define REPLAY_ASKED_MAX 2     /* a request that two daemons ended over is refused, not put to a third */

struct replay {
    bool framed;               /* the editor's protocol (LSP), else MCP */
    bool ready;                /* the client has said that it is initialized */
    bool shut, exit;           /* an editor has said so */
    bool again;                /* the handshake's next answer is not for the client: it has one */
    char *handshake, *handshake_id; /* initialize, and its id as JSON text; NULL: none came */
    json_t *open;              /* id as JSON text -> {"text": the message, or null where it is not kept, "asked": times} */
    size_t bytes;              /* of open */
    struct editor_state editor;
};
#define REPLAY_INIT(is_framed) {.framed = (is_framed)}

void replay_release(struct replay *r);
void replay_asked(struct replay *r, struct str body); /* a message of the client's */
/* A message of the daemon's. False: the client is not to hear it. What the daemon is answered instead goes to *reply, framed. */
bool replay_answered(struct replay *r, struct str body, struct buf *reply);
bool replay_waits(const struct replay *r);            /* for an answer */
/* The daemon has ended: what it began and asked twice is ended towards the client. */
void replay_lost(struct replay *r, struct buf *to_client);
/* All that the next daemon is told, in the order in which it may be said. */
void replay_again(struct replay *r, struct buf *to_daemon);
/* There is no next daemon: what waits is refused with that error. */
void replay_refuse(struct replay *r, const struct err *e, struct buf *to_client);

#endif

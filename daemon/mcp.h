/* The Model Context Protocol, revisions 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28, which has no handshake
 * (https://modelcontextprotocol.io/specification): JSON-RPC 2.0, a message a line, RPC_MESSAGE_MAX at most. `codeask mcp` carries the
 * bytes; the greeting's "protocol" is "mcp".
 *
 * Tools are rows of mcp_tools[]; what they take is read out of methods[]. Repositories and their files are resources:
 *   codeask://repo/NAME          the tour of a repository, as JSON
 *   codeask://repo/NAME/PATH     a file, as it is indexed
 * The directory that questions are about is the carrier's (MCP_DIR, its first message), else the client's first root. */
#ifndef CODEASK_DAEMON_MCP_H
#define CODEASK_DAEMON_MCP_H

#include "service/protocol.h"

#include <jansson.h>

#define MCP_OPEN_MAX 32      /* requests of one client at a time */
#define MCP_DIR "$/dir"      /* notification of the carrier: {"dir": absolute path} */

extern const struct protocol mcp_protocol;

/* mcp_http.c: the same over HTTP, a message a POST, without a session: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
 * and 2026-07-28. No stream is kept open for the server's own messages (GET is 405), and a request ends with its connection. */
#define MCP_PATH "/mcp"
struct http_codec;
extern const struct http_codec mcp_http_codec;

/* For one message of a client that agreed on that revision before; without a directory of its own, so that questions are about all
 * repositories. False: there is no such revision. */
bool mcp_remote(void *self, const char *revision);
bool mcp_waits(const void *self); /* a request is open */

/* mcp_tools.c */
struct mcp_tool {
    const char *name, *title, *method;
    const char *help;            /* what a model reads to choose it */
    const char *argument;        /* what its first parameter is */
    const char *params;          /* of the method's, space-separated: those that are offered */
    void (*show)(struct buf *out, json_t *result); /* as a model reads it, Markdown */
};
extern const struct mcp_tool mcp_tools[]; /* ended by a NULL name */
const struct mcp_tool *mcp_tool_named(const char *name);
json_t *mcp_tools_json(void);    /* the result of tools/list */

/* mcp_text.c: results as text. Sources stand in fences that their text cannot end. */
void mcp_show_hits(struct buf *out, json_t *result);    /* search */
void mcp_show_answer(struct buf *out, json_t *result);  /* ask */
void mcp_show_symbol(struct buf *out, json_t *result);
void mcp_show_read(struct buf *out, json_t *result);
void mcp_show_history(struct buf *out, json_t *result);
void mcp_show_status(struct buf *out, json_t *result);

#endif

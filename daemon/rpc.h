/* The socket's codec: JSON-RPC 2.0, a message a line, at most RPC_MESSAGE_MAX bytes.
 *
 *   client  {"codeask":1,"build":"0.1.0+1763700000"}                                       first; with "protocol":"mcp" all that
 *                                                                                          follows is of that protocol (mcp.h)
 *   daemon  {"codeask":1,"build":…,"pid":…,"autostarted":…}                                first, sent unasked (rpc_hello)
 *   client  {"jsonrpc":"2.0","id":7,"method":"search","params":{"dir":"/src/app","query":"retry policy"}}
 *   daemon  {"jsonrpc":"2.0","method":"progress","params":{"id":7,"progress":{"stage":"indexing",…}}}    any number
 *   daemon  {"jsonrpc":"2.0","method":"part","params":{"id":7,"part":{…}}}                               any number
 *   daemon  {"jsonrpc":"2.0","id":7,"result":{…}}     or     {…,"error":{"code":n,"message":…,"data":{"code":name,…}}}
 *   client  {"jsonrpc":"2.0","method":"cancel","params":{"id":7}}
 *
 * Ids are numbers or strings of the client's choice, unique among its open requests. No batches. */
#ifndef CODEASK_DAEMON_RPC_H
#define CODEASK_DAEMON_RPC_H

#include "service/protocol.h"

#define RPC_OPEN_MAX 64 /* requests of one connection at a time */

extern const struct protocol rpc_protocol;

/* Appends the daemon's first message. */
void rpc_hello(struct buf *out, const char *build, int pid, bool autostarted);

#endif

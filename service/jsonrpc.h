/* Writing JSON-RPC 2.0 (https://www.jsonrpc.org/specification), a message a line. id: the other side's, as JSON text; NULL: not known. */
#ifndef CODEASK_SERVICE_JSONRPC_H
#define CODEASK_SERVICE_JSONRPC_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

void jsonrpc_result(struct buf *out, const char *id, json_t *result /* stolen */);
/* data: stolen, may be NULL. The message may hold foreign bytes. */
void jsonrpc_error(struct buf *out, const char *id, int code, const char *message, json_t *data);
/* RPC_ERROR_BASE + its code, and {"code","message","hint"} as data. */
void jsonrpc_err(struct buf *out, const char *id, const struct err *e);
/* An id that a request may have, as JSON text (the caller frees); NULL: none. */
char *jsonrpc_id(json_t *message);

#endif

/* The API of our own over HTTP: /v1/METHOD for every row of methods[] that may be asked for over the network, with the objects of the
 * contract.
 *
 *   POST /v1/search  {"query":"retry policy","repo":["courier"]}          or  GET /v1/search?query=retry+policy&repo=courier
 *   200  the method's result          4xx, 5xx  {"error":{"code":…,"message":…,"hint":…}}
 *   "stream": true (or Accept: text/event-stream): server-sent events `progress`, `part`, then one `done` with the result or one `error` */
#ifndef CODEASK_DAEMON_API_H
#define CODEASK_DAEMON_API_H

#include "daemon/exchange.h"

#define API_PREFIX "/v1/"

extern const struct http_codec api_codec;
extern const struct http_codec openapi_codec; /* /openapi.json, out of the same rows (openapi.c) */

#endif

/* The HTTP server: libwebsockets (https://libwebsockets.org) on the daemon's libuv loop. http.c is the only file that knows the library; what
 * it hands on are whole requests (exchange.h). HTTP/1.1 only; TLS by OpenSSL. All on the loop's thread.
 *
 * Its limits, each with its reason, are here and in the settings (http_*): a client that is slow, huge or many costs itself alone. */
#ifndef CODEASK_DAEMON_HTTP_H
#define CODEASK_DAEMON_HTTP_H

#include "daemon/gate.h"

#include <uv.h>

#define HTTP_DEFAULT "127.0.0.1:7411"
#define HTTP_HEAD_BYTES 16384       /* of all headers: tokens and a browser's cookies are far below */
#define HTTP_HIGH_WATER (1u << 20)  /* unsent bytes of a reply past which its request stops producing */
#define HTTP_LOW_WATER (256u << 10)
#define HTTP_READ 16384             /* bytes of one read: never less than a TLS record holds */
#define HTTP_PIECE 16384            /* bytes of one write: a TLS record */

struct http_server;

struct http_options {
    uv_loop_t *uv;
    struct service *service;
    const struct paths *paths;
    const struct config *config;
    const char *listen;             /* HOST:PORT; borrowed for the call */
};

/* Listens. ERR_USAGE, ERR_IO, and ERR_DENIED where the address may be reached by others and what that needs is not there. */
int http_open(struct http_server **out, const struct http_options *o, struct err *e);
const char *http_url(const struct http_server *h);    /* "http://127.0.0.1:7411" */
const char *http_fingerprint(const struct http_server *h); /* of its certificate, "AB:CD:…"; NULL without TLS */
void http_flush(struct http_server *h);               /* after service_poll: what codecs have added goes out */
bool http_pending(const struct http_server *h);       /* replies are still to be written */
void http_stop(struct http_server *h);                /* no new connection */
void http_abandon(struct http_server *h);             /* ends every session, for service_close */
void http_close(struct http_server *h);               /* begins to close everything; the loop runs on, then http_free */
void http_free(struct http_server *h);
/* All accept NULL. */

#endif

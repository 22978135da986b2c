/* One HTTP request, its answer read as it comes: for what is fetched from git servers and asked of endpoints. With libcurl.
 *
 * What is connected to is judged by its address (address.h) in the moment of the connection; no redirect is followed, no proxy of the
 * environment is used, and no file but the given ones is read. A stream belongs to one thread at a time. */
#ifndef CODEASK_NET_WEB_H
#define CODEASK_NET_WEB_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define WEB_CONNECT_SECONDS 15
#define WEB_HEADERS_MAX 8

struct web_call {
    const char *url;            /* https://…, or http://… where plain is set */
    bool plain;                 /* http:// too, inside of this network: for an endpoint that an administrator names so */
    bool office;                /* private addresses too: the host was named by an administrator */
    const char *header[WEB_HEADERS_MAX]; /* "Accept: text/event-stream"; NULL ends. Never logged */
    const void *body;           /* NULL: GET; else POST of it. Lives until web_close */
    size_t len;
    const char *netrc;          /* file of credentials, or NULL */
    const char *ca;             /* PEM file of certificates that are trusted beside the system's; NULL or "": none */
    unsigned stall_seconds;     /* without a byte either way; 0: 60 */
    const volatile bool *stop;  /* polled ten times a second; may be NULL */
};

struct web_stream;

/* Returns when the head of the answer is in. ERR_DENIED: the address is not allowed, or 401, 403, or a redirect; ERR_NOT_FOUND: 404, 410;
 * ERR_USAGE: 400, 413, 422; ERR_BUSY: 429, 503; ERR_UNAVAILABLE: everything else that is no 200; ERR_CANCELED: *stop. The text names the host, and never a credential. */
int web_open(struct web_stream **out, const struct web_call *c, struct err *e);
/* Up to max bytes of the body; *n 0: it has ended as it should. */
int web_read(struct web_stream *h, char *to, size_t max, size_t *n, struct err *e);
const char *web_type(const struct web_stream *h); /* its Content-Type; "" for none */
void web_close(struct web_stream *h);             /* NULL is fine */

/* The whole body, of at most max bytes: ERR_LIMIT past them. */
int web_whole(struct buf *out, const struct web_call *c, size_t max, struct err *e);

/* ERR_DENIED unless the file is a regular one of this user's (or root's) that no one else may read. */
int secret_file(const char *path, struct err *e);
/* What it holds, without the white space at its end. ERR_LIMIT past max bytes. */
int secret_read(struct buf *out, const char *path, size_t max, struct err *e);

#endif

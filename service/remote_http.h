/* Requests to a codeask server, with libcurl: one address, one token, JSON both ways, or server-sent events back. No redirect is followed,
 * no proxy is used but the configured one, and a token goes over TLS alone, this machine's own addresses aside. Any thread; calls
 * block. */
#ifndef CODEASK_SERVICE_REMOTE_HTTP_H
#define CODEASK_SERVICE_REMOTE_HTTP_H

#include "config/config.h"

#include <jansson.h>
#include <stdbool.h>

#define REMOTE_CONNECT_MS 3000     /* a machine on the LAN answers in a millisecond; one that is off does not at all */
#define REMOTE_STALL_SECONDS 30    /* without a byte, where no model writes */
#define REMOTE_ASK_STALL_SECONDS 240 /* the longest generate_seconds that anybody would wait for, and a model's opening */
#define REMOTE_PINS 8              /* fingerprints that may be configured */

struct remote_http;
/* The configuration's fingerprints and proxy; borrows it. */
struct remote_http *remote_http_new(const struct config *c);
void remote_http_free(struct remote_http *h); /* no call is on its way */

/* ERR_USAGE: no address of a server, or one that a token may not be sent to. */
int remote_url_check(const char *url, struct err *e);

struct remote_call {
    const char *url, *token;       /* token: NULL without one */
    const char *method;            /* "overlay.put" */
    json_t *params;                /* borrowed */
    int stall_seconds;
    const bool *stop;              /* polled; NULL */
    void (*event)(void *arg, const char *name, json_t *data); /* "progress" and "part", as they come; NULL: none are asked for */
    void *arg;
};
/* The result (a new reference), or the server's error. ERR_UNAVAILABLE with *away set where the server could not be spoken to or went
 * away; ERR_CANCELED by stop. */
int remote_post(json_t **result, bool *away, struct remote_http *h, const struct remote_call *c, struct err *e);

#endif

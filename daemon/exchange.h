/* One HTTP request and its reply, as codecs see them: whole requests in, bytes out, no socket and no library. daemon/http.c is the only
 * file that knows how they came and how they go.
 *
 * To add something that is answered over HTTP: a codec in a file of its own, and a row in routes[] (routes.c). */
#ifndef CODEASK_DAEMON_EXCHANGE_H
#define CODEASK_DAEMON_EXCHANGE_H

#include "base/buf.h"
#include "service/service.h"

struct http_request {       /* borrowed for the call; texts are NUL-terminated and hold no NUL */
    const char *method;     /* "GET" */
    const char *path;       /* begins with '/', percent-decoded, without "." and ".." */
    const char *query;      /* what follows '?', as it came; "" */
    const char *body;
    size_t len;
    /* headers; NULL where there is none */
    const char *host, *origin, *authorization, *content_type, *accept, *forwarded /* any that a proxy adds */;
    const char *proxy_user; /* that proxy-user-header names; to be believed of a proxy alone */
    const char *mcp_version, *mcp_method, *mcp_name; /* MCP-Protocol-Version, Mcp-Method, Mcp-Name */
    const char *hook_signature, *hook_token;        /* of webhooks: X-Hub-Signature-256 or X-Gitea-Signature; X-Gitlab-Token */
};

#define HTTP_EXTRA 4        /* headers of a reply beside those that each has */

struct http_reply {
    int status;             /* set before the first byte of the body */
    const char *type;       /* static */
    const char *cache;      /* of Cache-Control, static; NULL: no-store */
    struct http_header {
        const char *name, *value; /* "allow:", static */
    } extra[HTTP_EXTRA];
    unsigned nextra;
    struct buf body;
    bool ready;             /* the head may go out: status and type stand */
    bool ended;             /* nothing more will come */
};

/* A pure machine over one exchange. It appends to out->body in open and whenever an event of the session arrives. */
struct http_codec {
    /* The machine, or NULL where the reply is complete already. full(arg): the body is past its high-water mark, sinks return false then. */
    void *(*open)(struct session *c, const struct http_request *r, struct http_reply *out, bool (*full)(void *arg), void *arg);
    void (*drained)(void *self);
    void (*close)(void *self);
    void (*polled)(void *self); /* after the session's events of one service_poll; NULL: it has nothing to do then */
};

/* routes.c */
struct route {
    const char *path;       /* one that ends in '/' stands for all below it, but "/" for itself alone */
    const char *methods;    /* "GET POST" */
    bool open;              /* answered without knowing who asks: it says nothing of anybody's code */
    const struct http_codec *codec;
    const char *help;       /* one line, for the OpenAPI document; NULL: it describes its own paths */
};
extern const struct route routes[]; /* ended by a NULL path */
/* NULL: no such path, or not with that method: the reply says so. */
const struct route *route_of(const struct http_request *r, struct http_reply *out);

/* reply.c: the replies that codecs share. */
int http_status_of(int code);                                                        /* of an error of ERR_LIST */
void reply_json(struct http_reply *out, int status, const char *json, size_t len);   /* whole, ended */
void reply_err(struct http_reply *out, const struct err *e);                         /* {"error":{"code","message","hint"}} */
void reply_fail(struct http_reply *out, int status, const char *json, size_t len);   /* the same out of an EVENT_FAIL */
void reply_header(struct http_reply *out, const char *name, const char *value);     /* one more; HTTP_EXTRA at most */
void reply_text(struct http_reply *out, int status, const char *type, const char *text);
void reply_sse(struct http_reply *out, const char *event /* NULL: none is named */, const char *data, size_t len); /* data: one line */

/* The next key and value of a query string, decoded; the caller frees both. Either is NULL where it cannot be decoded. *at: 0 at first. False at
 * the end. */
bool query_next(const char *query, size_t *at, char **key, char **value);

#endif

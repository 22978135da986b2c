#define _GNU_SOURCE /* accept4 */
#include "daemon/http.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/uri.h"
#include "daemon/proxy.h"
#include "daemon/tls.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

struct http_server {
    struct http_options o;
    struct lws_context *context;
    struct lws_vhost *vhost;
    uv_poll_t accept;
    int fd;                     /* of the listening socket; -1: none */
    struct exchange *first;
    unsigned nconns;
    char url[300];
    bool tls;
    struct tls_identity identity; /* where tls is set */
    struct proxies proxies;
    unsigned char piece[LWS_PRE + HTTP_PIECE + 32]; /* of what is written: the chunk's frame beside it */
};

/* A request and its reply. Owned by its connection's slot; freed in one place (exchange_end). */
struct exchange {
    struct exchange *next, *prev;
    struct http_server *h;
    struct lws *wsi;
    struct session *session;
    const struct http_codec *codec;
    void *self;
    struct http_request request;
    char *owned[12];            /* its texts */
    unsigned nowned;
    struct buf in;
    struct http_reply reply;
    size_t sent;                /* bytes of reply.body */
    bool reading;               /* its body */
    bool head_sent, chunked;
    bool over;                  /* the last byte is written */
    bool held;                  /* past the high-water mark */
    bool last;                  /* the connection closes behind the reply */
    bool old;                   /* HTTP/1.0: knows no chunks */
};

struct slot { /* the library's room for a connection */
    struct exchange *x;
};

/* -- an exchange ---------------------------------------------------------------------------------------------------------- */

static bool full(void *arg)
{
    const struct exchange *x = arg;
    return x->reply.body.len - x->sent > HTTP_HIGH_WATER;
}

static void exchange_abandon(struct exchange *x)
{
    session_close(x->session); /* cancels what it asked: nobody reads the answer */
    x->session = NULL;
    if (x->self)
        x->codec->close(x->self);
    x->self = NULL;
}

static void exchange_end(struct slot *slot)
{
    struct exchange *x = slot->x;
    if (!x)
        return;
    slot->x = NULL;
    exchange_abandon(x);
    if (x->prev)
        x->prev->next = x->next;
    else
        x->h->first = x->next;
    if (x->next)
        x->next->prev = x->prev;
    for (unsigned i = 0; i < x->nowned; i++)
        free(x->owned[i]);
    buf_release(&x->in);
    buf_release(&x->reply.body);
    free(x);
}

static struct exchange *exchange_begin(struct slot *slot, struct http_server *h, struct lws *wsi)
{
    struct exchange *x = mem_zero(1, sizeof *x);
    x->h = h;
    x->wsi = wsi;
    x->next = h->first;
    if (x->next)
        x->next->prev = x;
    h->first = x;
    return slot->x = x;
}

static char *own(struct exchange *x, char *text)
{
    return x->owned[x->nowned++] = text;
}

/* A header's text; NULL where it is absent. */
static char *header(struct exchange *x, enum lws_token_indexes token)
{
    int n = lws_hdr_total_length(x->wsi, token);
    if (n <= 0)
        return NULL;
    char *text = mem_alloc((size_t)n + 1);
    if (lws_hdr_copy(x->wsi, text, n + 1, token) < 0)
        *text = 0;
    return own(x, text);
}

/* The same of one that the library has no name for; name: "mcp-method:". */
static char *other_header(struct exchange *x, const char *name)
{
    int n = lws_hdr_custom_length(x->wsi, name, (int)strlen(name));
    if (n <= 0)
        return NULL;
    char *text = mem_alloc((size_t)n + 1);
    if (lws_hdr_custom_copy(x->wsi, text, n + 1, name, (int)strlen(name)) < 0)
        *text = 0;
    return own(x, text);
}

static const struct {
    enum lws_token_indexes token;
    const char *name;
} request_lines[] = {
    {WSI_TOKEN_GET_URI, "GET"},         {WSI_TOKEN_POST_URI, "POST"},     {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}, {WSI_TOKEN_PUT_URI, "PUT"},
    {WSI_TOKEN_PATCH_URI, "PATCH"},     {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_HEAD_URI, "HEAD"},
};

/* The library has decoded the arguments and keeps them apart: they are written as a query string again. */
static char *query_of(struct lws *wsi)
{
    struct buf out = BUF_INIT;
    char *part = mem_alloc(HTTP_HEAD_BYTES + 1);
    for (int i = 0; lws_hdr_copy_fragment(wsi, part, HTTP_HEAD_BYTES + 1, WSI_TOKEN_HTTP_URI_ARGS, i) >= 0; i++) {
        char *equals = strchr(part, '=');
        if (equals)
            *equals = 0;
        buf_adds(&out, i ? "&" : "");
        uri_escape(&out, part, false);
        if (equals) {
            buf_addc(&out, '=');
            uri_escape(&out, equals + 1, false);
        }
    }
    free(part);
    return out.data ? buf_take(&out) : mem_str("");
}

static bool twice(struct lws *wsi, enum lws_token_indexes token)
{
    return lws_hdr_fragment_length(wsi, token, 1) > 0;
}

static int refuse(struct exchange *x, int status, int code, const char *why)
{
    struct err e = {0};
    err_set(&e, code, "%s", why);
    reply_err(&x->reply, &e);
    x->reply.status = status;
    x->last = true; /* what follows on the connection cannot be told from the body */
    x->reading = false;
    lws_set_timer_usecs(x->wsi, LWS_SET_TIMER_USEC_CANCEL);
    lws_callback_on_writable(x->wsi);
    return 0;
}

/* Whole: to the codec. */
static void dispatch(struct exchange *x)
{
    struct http_server *h = x->h;
    struct caller who = {0};
    struct err e = {0};
    x->reading = false;
    lws_set_timer_usecs(x->wsi, LWS_SET_TIMER_USEC_CANCEL);
    x->request.body = x->in.len ? x->in.data : "";
    x->request.len = x->in.len;
    const struct route *route = route_of(&x->request, &x->reply);
    struct peer_facts facts = {.tls = h->tls};
    if (route && !route->open) {
        facts.same_user = peer_is_same_user(lws_get_socket_fd(x->wsi), &facts.loopback);
        facts.proxy = proxies_trust(&h->proxies, lws_get_socket_fd(x->wsi));
    }
    if (route && (route->open || gate_pass(&who, &x->request, &facts, h->o.service, &x->reply))) {
        x->codec = route->codec;
        if (session_open(&x->session, h->o.service, &who, &e))
            reply_err(&x->reply, &e);
        else
            x->self = x->codec->open(x->session, &x->request, &x->reply, full, x);
    }
    lws_set_timeout(x->wsi, NO_PENDING_TIMEOUT, 0); /* the request is in: from here on it is the answer that is waited for */
    if (x->reply.ready)
        lws_callback_on_writable(x->wsi);
}

/* The head is in. */
static int request_begin(struct slot *slot, struct http_server *h, struct lws *wsi, const char *path)
{
    struct exchange *x = exchange_begin(slot, h, wsi);
    x->request.method = "";
    for (size_t i = 0; i < sizeof request_lines / sizeof *request_lines; i++)
        if (lws_hdr_total_length(wsi, request_lines[i].token) > 0)
            x->request.method = request_lines[i].name;
    x->request.path = own(x, mem_str(path));
    x->request.query = own(x, query_of(wsi));
    x->request.host = header(x, WSI_TOKEN_HOST);
    x->request.origin = header(x, WSI_TOKEN_ORIGIN);
    x->request.authorization = header(x, WSI_TOKEN_HTTP_AUTHORIZATION);
    x->request.content_type = header(x, WSI_TOKEN_HTTP_CONTENT_TYPE);
    x->request.accept = header(x, WSI_TOKEN_HTTP_ACCEPT);
    x->request.proxy_user = h->proxies.n ? other_header(x, h->proxies.header) : NULL;
    x->request.mcp_version = other_header(x, "mcp-protocol-version:");
    x->request.mcp_method = other_header(x, "mcp-method:");
    x->request.mcp_name = other_header(x, "mcp-name:");
    x->request.hook_signature = other_header(x, "x-hub-signature-256:");
    if (!x->request.hook_signature)
        x->request.hook_signature = other_header(x, "x-gitea-signature:");
    x->request.hook_token = other_header(x, "x-gitlab-token:");
    char version[16] = "";
    lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_HTTP);
    x->old = !strcmp(version, "HTTP/1.0");
    bool forwarded = lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) > 0 || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_VIA) > 0 ||
                     lws_hdr_custom_length(wsi, "forwarded:", 10) > 0;
    x->request.forwarded = forwarded ? "" : NULL;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return refuse(x, 411, ERR_UNSUPPORTED, "a body wants a Content-Length; chunked ones are not taken");
    if (twice(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) || twice(wsi, WSI_TOKEN_HTTP_AUTHORIZATION) || twice(wsi, WSI_TOKEN_HOST))
        return refuse(x, 400, ERR_USAGE, "a header that may stand once stands twice");
    char length[32] = "0", *end;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
        lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH) < 0)
        return refuse(x, 400, ERR_USAGE, "Content-Length: a number is wanted");
    unsigned long long n = strtoull(length, &end, 10);
    if (*length < '0' || *length > '9' || *end)
        return refuse(x, 400, ERR_USAGE, "Content-Length: a number is wanted");
    if (n > h->o.config->http_body_bytes)
        return refuse(x, 413, ERR_LIMIT, "the body is larger than http_body_bytes");
    if (n && strcmp(x->request.method, "POST"))
        return refuse(x, 400, ERR_USAGE, "a body comes with POST alone");
    if (n) {
        x->reading = true;
        lws_set_timer_usecs(wsi, h->o.config->http_body_seconds * LWS_USEC_PER_SEC);
        return 0;
    }
    dispatch(x);
    return 0;
}

static int request_more(struct exchange *x, const void *bytes, size_t n)
{
    if (!x || !x->reading)
        return 0; /* refused already: what still comes is dropped */
    if (x->in.len + n > x->h->o.config->http_body_bytes)
        return refuse(x, 413, ERR_LIMIT, "the body is larger than http_body_bytes");
    buf_add(&x->in, bytes, n);
    return 0;
}

/* -- writing -------------------------------------------------------------------------------------------------------------- */

static bool add(struct lws *wsi, const char *name, const char *value, unsigned char **p, unsigned char *end)
{
    return !lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value, (int)strlen(value), p, end);
}

static int write_head(struct exchange *x)
{
    const struct http_reply *r = &x->reply;
    unsigned char *from = x->h->piece + LWS_PRE, *p = from, *end = x->h->piece + sizeof x->h->piece - 1;
    x->chunked = !r->ended && !x->old;
    x->last |= !r->ended && x->old;
    char retry[16];
    snprintf(retry, sizeof retry, "%u", x->session ? session_retry_after(x->session) : 1);
    bool good = !lws_add_http_header_status(x->wsi, (unsigned)r->status, &p, end) && add(x->wsi, "content-type:", r->type, &p, end) &&
                add(x->wsi, "cache-control:", r->cache ? r->cache : "no-store", &p, end) &&
                add(x->wsi, "x-content-type-options:", "nosniff", &p, end) &&
                (r->status != 429 || add(x->wsi, "retry-after:", retry, &p, end)) && (!x->last || add(x->wsi, "connection:", "close", &p, end)) &&
                (!x->chunked || add(x->wsi, "transfer-encoding:", "chunked", &p, end)) &&
                (!r->ended || !lws_add_http_header_content_length(x->wsi, r->body.len, &p, end));
    for (unsigned i = 0; i < r->nextra; i++)
        good = good && add(x->wsi, r->extra[i].name, r->extra[i].value, &p, end);
    x->head_sent = true;
    return good && !lws_finalize_http_header(x->wsi, &p, end) && lws_write(x->wsi, from, (size_t)(p - from), LWS_WRITE_HTTP_HEADERS) >= 0 ? 0 : -1;
}

/* One piece, in a frame of its own where the length was not known. */
static int write_piece(struct exchange *x)
{
    struct buf *b = &x->reply.body;
    size_t n = b->len - x->sent < HTTP_PIECE ? b->len - x->sent : HTTP_PIECE, len = 0;
    unsigned char *p = x->h->piece + LWS_PRE;
    bool final = x->reply.ended && x->sent + n == b->len;
    if (x->chunked && n)
        len += (size_t)sprintf((char *)p, "%zx\r\n", n);
    if (n)
        memcpy(p + len, b->data + x->sent, n);
    len += n;
    if (x->chunked && n)
        len += (size_t)sprintf((char *)p + len, "\r\n");
    if (x->chunked && final)
        len += (size_t)sprintf((char *)p + len, "0\r\n\r\n");
    x->sent += n;
    if (x->sent == b->len || x->sent > HTTP_HIGH_WATER) {
        buf_drop_front(b, x->sent);
        x->sent = 0;
    }
    x->over = final;
    return !len || lws_write(x->wsi, p, len, final ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) >= 0 ? 0 : -1;
}

static bool wants_to_write(const struct exchange *x)
{
    return x->reply.ready && !x->over && (!x->head_sent || x->reply.ended || x->reply.body.len > x->sent);
}

/* The connection may be written to. -1: it closes. */
static int on_writable(struct slot *slot)
{
    struct exchange *x = slot->x;
    if (!x || !wants_to_write(x))
        return 0;
    if (x->head_sent ? write_piece(x) : write_head(x))
        return -1;
    if (!x->over) {
        bool waits = wants_to_write(x);
        lws_set_timeout(x->wsi, waits ? PENDING_TIMEOUT_HTTP_CONTENT : NO_PENDING_TIMEOUT, waits ? (int)x->h->o.config->http_stall_seconds : 0);
        if (waits)
            lws_callback_on_writable(x->wsi);
        if (full(x))
            x->held = true;
        else if (x->held && x->reply.body.len - x->sent < HTTP_LOW_WATER) {
            x->held = false;
            if (x->self && x->codec->drained)
                x->codec->drained(x->self);
        }
        return 0;
    }
    struct lws *wsi = x->wsi;
    bool last = x->last;
    exchange_end(slot);
    return last || lws_http_transaction_completed(wsi) ? -1 : 0;
}

void http_flush(struct http_server *h)
{
    for (struct exchange *x = h ? h->first : NULL; x; x = x->next) {
        if (x->self && x->codec->polled)
            x->codec->polled(x->self);
        if (wants_to_write(x))
            lws_callback_on_writable(x->wsi);
    }
}

bool http_pending(const struct http_server *h)
{
    for (const struct exchange *x = h ? h->first : NULL; x; x = x->next)
        if (wants_to_write(x))
            return true;
    return false;
}

/* -- the library ---------------------------------------------------------------------------------------------------------- */

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct http_server *h = lws_get_context(wsi) ? lws_context_user(lws_get_context(wsi)) : NULL;
    struct slot *slot = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        exchange_end(slot);
        return request_begin(slot, h, wsi, in);
    case LWS_CALLBACK_HTTP_BODY:
        return request_more(slot->x, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        if (slot->x && slot->x->reading)
            dispatch(slot->x);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(slot);
    case LWS_CALLBACK_TIMER: /* a body that takes too long */
        return slot && slot->x && slot->x->reading ? -1 : 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: /* neither WebSocket nor HTTP/2 */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    case LWS_CALLBACK_RAW_ADOPT: /* what CONNECT would become */
    case LWS_CALLBACK_RAW_RX:
        return -1;
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (slot)
            exchange_end(slot);
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        h->nconns++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        h->nconns--;
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {{.name = "http", .callback = on_http, .per_session_data_size = sizeof(struct slot)}, {0}};

static void on_log(int level, const char *line)
{
    log_line(LOG_WARN, "http: %.*s", (int)strcspn(line, "\n"), line);
}

/* While it runs, its troubles are those of clients. */
static void on_log_quiet(int level, const char *line)
{
    log_line(LOG_INFO, "http: %.*s", (int)strcspn(line, "\n"), line);
}

static void say_identity(const struct http_server *h)
{
    log_line(LOG_INFO, "the certificate's SHA-256 is %s", h->identity.fingerprint);
    if (h->identity.ends_in < TLS_EXPIRY_WARNING)
        log_line(LOG_WARN, "%s expires in %lld days", h->identity.certificate, (long long)(h->identity.ends_in / 86400));
}

/* What renews certificates writes new files: the next connection has the new one, and those that stand go on. A pair that does not hold
 * changes nothing. */
static void renew(struct http_server *h)
{
    struct err e = {0};
    int rc = tls_renew(&h->identity, &e);
    if (rc < 0) {
        log_line(LOG_WARN, "the certificate stays the old one: %s", e.message);
    } else if (rc > 0 && !lws_tls_cert_updated(h->context, h->identity.certificate, h->identity.key, NULL, 0, NULL, 0)) {
        say_identity(h);
    }
}

static void on_accept(uv_poll_t *p, int status, int events)
{
    struct http_server *h = p->data;
    if (h->tls)
        renew(h);
    int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return; /* taken back meanwhile, or out of descriptors: the others go on */
    if (h->nconns >= h->o.config->http_connections) {
        log_line(LOG_WARN, "more than %lld HTTP connections: one was turned away", (long long)h->o.config->http_connections);
        close(fd);
        return;
    }
    /* head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement of the first */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    lws_sock_file_fd_type d = {.sockfd = fd};
    lws_adopt_descriptor_vhost(h->vhost, LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET | LWS_ADOPT_ALLOW_SSL, d, NULL, NULL);
}

/* -- listening ------------------------------------------------------------------------------------------------------------ */

/* "HOST:PORT", "[::1]:PORT" */
static int split_address(char host[256], char port[8], const char *listen_at, struct err *e)
{
    const char *colon = strrchr(listen_at, ':'), *from = listen_at;
    size_t n = colon ? (size_t)(colon - from) : 0;
    if (n > 2 && *from == '[' && from[n - 1] == ']')
        from++, n -= 2;
    else if (memchr(from, ':', n))
        n = 0;
    if (!n || n >= 256 || !colon[1] || strlen(colon + 1) > 5 || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        err_set(e, ERR_USAGE, "%.200s: HOST:PORT is wanted", listen_at);
        err_hint(e, "--listen " HTTP_DEFAULT ", or listen in the configuration");
        return ERR_USAGE;
    }
    memcpy(host, from, n);
    host[n] = 0;
    strcpy(port, colon + 1);
    return 0;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* An address that other machines reach: only where who listens in learns nothing, and who asks says who he is. */
static int may_be_reached(const struct http_server *h, struct err *e)
{
    bool tokens = false;
    int rc = service_tokens(h->o.service, &tokens, e);
    if (rc || (h->tls && tokens))
        return rc;
    err_set(e, ERR_DENIED, "%.200s can be reached from other machines: that needs TLS and tokens", h->o.listen);
    if (!h->tls)
        err_hint(e, "set tls = generated (or files) in %.150s%s; or listen on " HTTP_DEFAULT, h->o.paths->config,
                 tokens ? "" : ", and make a token: codeask token create NAME");
    else
        err_hint(e, "there is no token that is good still: codeask token create NAME");
    return ERR_DENIED;
}

static int listen_on(struct http_server *h, struct err *e)
{
    char host[256], port[8];
    /* an address and no name: to look one up, another machine would be asked */
    struct addrinfo *found = NULL, want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST};
    int rc = split_address(host, port, h->o.listen, e), one = 1;
    if (rc)
        return rc;
    if (getaddrinfo(strcmp(host, "localhost") ? host : "127.0.0.1", port, &want, &found)) {
        err_set(e, ERR_USAGE, "%.200s: an address of this machine is wanted, or localhost", h->o.listen);
        err_hint(e, "0.0.0.0:%s is every address that it has", port);
        return ERR_USAGE;
    }
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound;
    socklen_t len = sizeof bound;
    if (!is_loopback(found->ai_addr) && (rc = may_be_reached(h, e))) {
        ;
    } else if (h->tls && (rc = tls_open(&h->identity, h->o.config, h->o.paths, host, e))) {
        ;
    } else if ((h->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0 ||
               setsockopt(h->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) || bind(h->fd, found->ai_addr, found->ai_addrlen) ||
               listen(h->fd, BACKLOG) || getsockname(h->fd, &bound.any, &len)) {
        rc = err_errno(e, errno, "%.200s", h->o.listen);
    } else {
        bool v6 = found->ai_family == AF_INET6;
        snprintf(h->url, sizeof h->url, "%s://%s%s%s:%d", h->tls ? "https" : "http", v6 ? "[" : "", host, v6 ? "]" : "",
                 ntohs(v6 ? bound.v6.sin6_port : bound.v4.sin_port));
    }
    freeaddrinfo(found);
    return rc;
}

static int library_open(struct http_server *h, struct err *e)
{
    void *loops[] = {h->o.uv};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .user = h,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .max_http_header_data2 = HTTP_HEAD_BYTES,
        /* A connection that has not sent its first request has one: fewer of them, and the silent ones would keep the others waiting until
         * http_head_seconds are over. They are made when needed: 64 MB where all 4,096 connections are silent. */
        .max_http_header_pool2 = (unsigned)h->o.config->http_connections,
        .pt_serv_buf_size = HTTP_READ, /* what is left of a record is no longer seen in the socket, and the library may not look for it */
        .timeout_secs = (unsigned)h->o.config->http_head_seconds,
        .timeout_secs_ah_idle = (unsigned)h->o.config->http_head_seconds,
        .keepalive_timeout = (int)h->o.config->http_idle_seconds,
        .server_string = "codeask",
        .vhost_name = "codeask",
        .alpn = "http/1.1",
    };
    if (h->tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = h->identity.certificate;
        info.ssl_private_key_filepath = h->identity.key;
        info.ssl_options_set = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
    h->context = lws_create_context(&info);
    h->vhost = h->context ? lws_create_vhost(h->context, &info) : NULL;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_log_quiet);
    if (h->vhost)
        return 0;
    err_set(e, ERR_UNAVAILABLE, "the HTTP server cannot be started");
    err_hint(e, "libwebsockets needs its libuv event library (the package libwebsockets-evlib-uv); the log says more");
    return ERR_UNAVAILABLE;
}

int http_open(struct http_server **out, const struct http_options *o, struct err *e)
{
    struct http_server *h = mem_zero(1, sizeof *h);
    h->o = *o;
    h->fd = -1;
    h->tls = o->config->tls != TLS_NO;
    int rc = proxies_open(&h->proxies, o->config, e);
    if (!rc)
        rc = listen_on(h, e);
    if (!rc)
        rc = library_open(h, e);
    if (rc) {
        if (h->fd >= 0)
            close(h->fd);
        h->fd = -1;
        http_close(h);
        uv_run(o->uv, UV_RUN_NOWAIT);
        http_free(h);
        return rc;
    }
    h->o.listen = NULL;
    uv_poll_init(o->uv, &h->accept, h->fd);
    h->accept.data = h;
    uv_poll_start(&h->accept, UV_READABLE, on_accept);
    if (h->tls)
        say_identity(h);
    *out = h;
    return 0;
}

const char *http_url(const struct http_server *h)
{
    return h->url;
}

const char *http_fingerprint(const struct http_server *h)
{
    return h->tls ? h->identity.fingerprint : NULL;
}

void http_stop(struct http_server *h)
{
    if (!h || h->fd < 0)
        return;
    uv_close((uv_handle_t *)&h->accept, NULL);
    close(h->fd);
    h->fd = -1;
}

void http_abandon(struct http_server *h)
{
    for (struct exchange *x = h ? h->first : NULL; x; x = x->next)
        exchange_abandon(x);
}

void http_close(struct http_server *h)
{
    if (!h)
        return;
    http_stop(h);
    if (h->context)
        lws_context_destroy(h->context); /* the loop is ours: what it has there closes as the loop runs on */
}

void http_free(struct http_server *h)
{
    if (!h)
        return;
    if (h->context)
        lws_context_destroy(h->context);
    tls_close(&h->identity);
    free(h);
}

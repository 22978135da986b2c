#include "net/web.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/address.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define STALL_SECONDS 60
#define POLL_MS 100

struct web_stream {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    struct buf in;          /* of the body, from `at` on not read yet */
    size_t at;
    bool headed, ended, office, bare;
    CURLcode code;
    char said[CURL_ERROR_SIZE], type[128], host[256];
    char refused[ADDRESS_TEXT]; /* an address that is not allowed; "" for none */
    enum address_kind refused_kind;
    const volatile bool *stop;
    unsigned stall_seconds;
    int64_t moved_ns;       /* when the last byte came or went: libcurl's own limit takes a mean over seconds, and seconds longer */
    curl_off_t sent;
};

static void start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The address is judged where it is connected to: no answer of a name server comes in between. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct web_stream *h = arg;
    enum address_kind kind = address_kind(&a->addr);
    (void)purpose;
    if (kind == ADDRESS_NEVER || (kind == ADDRESS_PRIVATE && !h->office) || (kind == ADDRESS_PUBLIC && h->bare)) {
        address_text(h->refused, &a->addr);
        h->refused_kind = kind;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_body(char *bytes, size_t one, size_t n, void *arg)
{
    struct web_stream *h = arg;
    buf_add(&h->in, bytes, one * n);
    return one * n;
}

static size_t on_head(char *line, size_t one, size_t n, void *arg)
{
    struct web_stream *h = arg;
    n *= one;
    if (n > 13 && !strncasecmp(line, "content-type:", 13)) {
        size_t from = 13, len;
        while (from < n && line[from] == ' ')
            from++;
        len = strcspn(line + from, ";\r\n ");
        if (len >= sizeof h->type)
            len = sizeof h->type - 1;
        memcpy(h->type, line + from, len);
        h->type[len] = 0;
    } else if (n <= 2) {
        long status = 0;
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
        h->headed |= status >= 200; /* 100 is followed by another head */
    }
    return n;
}

static void host_of(char out[256], const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL;
    *out = 0;
    if (u && !curl_url_set(u, CURLUPART_URL, url, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0))
        strncat(out, host, 255);
    curl_free(host);
    curl_url_cleanup(u);
}

static int failed(struct web_stream *h, struct err *e)
{
    if (*h->refused && h->refused_kind == ADDRESS_PRIVATE) {
        err_set(e, ERR_DENIED, "%s is at %s, inside of this network", h->host, h->refused);
        err_hint(e, "where that is meant, name it in the settings: mirror-hosts = %.200s", h->host);
        return ERR_DENIED;
    }
    if (*h->refused && h->refused_kind == ADDRESS_PUBLIC)
        return err_set(e, ERR_DENIED, "%s is at %s, outside of this network: https:// alone goes there", h->host, h->refused);
    if (*h->refused)
        return err_set(e, ERR_DENIED, "%s is at %s, where nothing is fetched from", h->host, h->refused);
    if (h->code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, ERR_UNAVAILABLE, "%s: it says nothing any more: %s", h->host, h->said[0] ? h->said : curl_easy_strerror(h->code));
    if (h->code == CURLE_PEER_FAILED_VERIFICATION) {
        err_set(e, ERR_DENIED, "%s: %s", h->host, h->said[0] ? h->said : curl_easy_strerror(h->code));
        err_hint(e, "a certificate that the system does not know is trusted by the setting net-ca");
        return ERR_DENIED;
    }
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", h->host, h->said[0] ? h->said : curl_easy_strerror(h->code));
}

/* One turn of the transfer. */
static int pump(struct web_stream *h, struct err *e)
{
    int running = 0, left = 0;
    if (h->stop && *h->stop)
        return err_set(e, ERR_CANCELED, "canceled");
    bool headed = h->headed;
    size_t had = h->in.len;
    CURLMcode code = curl_multi_perform(h->multi, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));)
        if (m->msg == CURLMSG_DONE) {
            h->code = m->data.result;
            h->ended = true;
        }
    curl_off_t sent = 0;
    curl_easy_getinfo(h->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (h->in.len != had || h->headed != headed || sent != h->sent || h->ended)
        h->moved_ns = clock_ns();
    else if (clock_ns() - h->moved_ns > h->stall_seconds * 1000000000LL)
        return err_set(e, ERR_UNAVAILABLE, "%s: it says nothing any more: not a byte for %u seconds", h->host, h->stall_seconds);
    else if (!code)
        code = curl_multi_poll(h->multi, NULL, 0, POLL_MS, NULL);
    h->sent = sent;
    return code ? err_set(e, ERR_INTERNAL, "%s: %s", h->host, curl_multi_strerror(code)) : 0;
}

/* The status says whether the body is what was asked for. */
static int judge(struct web_stream *h, struct err *e)
{
    long status = 0;
    const char *to = NULL;
    char host[256];
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return 0;
    if (status >= 300 && status < 400) {
        curl_easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &to);
        host_of(host, to ? to : "");
        err_set(e, ERR_DENIED, "%s leads elsewhere (%ld, to %s): redirects are not followed", h->host, status, *host ? host : "nowhere");
        err_hint(e, "give the address that it leads to, if that is right");
        return ERR_DENIED;
    }
    if (status == 401 || status == 403)
        return err_set(e, ERR_DENIED, "%s does not let us in (%ld)", h->host, status);
    if (status == 404 || status == 410)
        return err_set(e, ERR_NOT_FOUND, "%s has nothing there (%ld)", h->host, status);
    if (status == 400 || status == 413 || status == 422)
        return err_set(e, ERR_USAGE, "%s does not take what it was sent (%ld)", h->host, status);
    return err_set(e, status == 429 || status == 503 ? ERR_BUSY : ERR_UNAVAILABLE, "%s answers %ld", h->host, status);
}

static int set_up(struct web_stream *h, const struct web_call *c, struct err *e)
{
    CURL *x = h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    if (!x || !h->multi)
        return err_set(e, ERR_INTERNAL, "libcurl does not start");
    for (int i = 0; i < WEB_HEADERS_MAX && c->header[i]; i++)
        h->headers = curl_slist_append(h->headers, c->header[i]);
    if (c->body) /* libcurl would ask first whether a large body is wanted, and wait a second for servers that do not say */
        h->headers = curl_slist_append(h->headers, "Expect:");
    curl_easy_setopt(x, CURLOPT_URL, c->url);
    curl_easy_setopt(x, CURLOPT_PROTOCOLS_STR, c->plain ? "http,https" : "https");
    curl_easy_setopt(x, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(x, CURLOPT_PROXY, "");
    curl_easy_setopt(x, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(x, CURLOPT_USERAGENT, "git/codeask"); /* some hosts tell git from browsers by it */
    curl_easy_setopt(x, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(x, CURLOPT_CONNECTTIMEOUT, (long)WEB_CONNECT_SECONDS);
    curl_easy_setopt(x, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(x, CURLOPT_ERRORBUFFER, h->said);
    curl_easy_setopt(x, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(x, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(x, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(x, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(x, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(x, CURLOPT_HEADERDATA, h);
    if (c->netrc) {
        curl_easy_setopt(x, CURLOPT_NETRC, (long)CURL_NETRC_REQUIRED);
        curl_easy_setopt(x, CURLOPT_NETRC_FILE, c->netrc);
        curl_easy_setopt(x, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    }
    if (c->ca && *c->ca) /* the system's folder stays */
        curl_easy_setopt(x, CURLOPT_CAINFO, c->ca);
    if (c->body) {
        curl_easy_setopt(x, CURLOPT_POST, 1L);
        curl_easy_setopt(x, CURLOPT_POSTFIELDS, c->body);
        curl_easy_setopt(x, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->len);
    }
    return curl_multi_add_handle(h->multi, x) ? err_set(e, ERR_INTERNAL, "libcurl does not start") : 0;
}

int web_open(struct web_stream **out, const struct web_call *c, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    struct web_stream *h = mem_zero(1, sizeof *h);
    h->stop = c->stop;
    h->stall_seconds = c->stall_seconds ? c->stall_seconds : STALL_SECONDS;
    h->moved_ns = clock_ns();
    h->office = c->office;
    h->bare = !strncasecmp(c->url, "http:", 5);
    host_of(h->host, c->url);
    int rc = c->netrc ? secret_file(c->netrc, e) : 0;
    if (!rc)
        rc = set_up(h, c, e);
    while (!rc && !h->headed && !h->ended)
        rc = pump(h, e);
    if (!rc)
        rc = h->ended && h->code ? failed(h, e) : judge(h, e);
    if (rc) {
        web_close(h);
        h = NULL;
    }
    *out = h;
    return rc;
}

int web_read(struct web_stream *h, char *to, size_t max, size_t *n, struct err *e)
{
    int rc = 0;
    *n = 0;
    if (h->at == h->in.len) {
        buf_clear(&h->in);
        h->at = 0;
    }
    while (!rc && !h->in.len && !h->ended)
        rc = pump(h, e);
    if (rc)
        return rc;
    if (h->at == h->in.len)
        return h->code ? failed(h, e) : 0;
    *n = h->in.len - h->at < max ? h->in.len - h->at : max;
    memcpy(to, h->in.data + h->at, *n);
    h->at += *n;
    return 0;
}

const char *web_type(const struct web_stream *h)
{
    return h->type;
}

void web_close(struct web_stream *h)
{
    if (!h)
        return;
    if (h->multi && h->easy)
        curl_multi_remove_handle(h->multi, h->easy);
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    buf_release(&h->in);
    free(h);
}

int web_whole(struct buf *out, const struct web_call *c, size_t max, struct err *e)
{
    struct web_stream *h;
    char piece[16384];
    size_t n = 0;
    int rc = web_open(&h, c, e);
    if (rc)
        return rc;
    while (!(rc = web_read(h, piece, sizeof piece, &n, e)) && n) {
        if (out->len + n > max) {
            rc = err_set(e, ERR_LIMIT, "%s: the answer is larger than %zu bytes", h->host, max);
            break;
        }
        buf_add(out, piece, n);
    }
    web_close(h);
    return rc;
}

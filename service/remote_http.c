#include "service/remote_http.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/sse.h"
#include "service/methods.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IDLE 8           /* handles, each with its open connection: as many as there are workers */
#define PIN_BYTES 32     /* SHA-256 */

struct remote_http {
    const struct config *config;
    pthread_mutex_t mu;
    CURL *idle[IDLE];    /* [mu] */
    unsigned nidle;
    uint8_t pin[REMOTE_PINS][PIN_BYTES];
    unsigned npins;
    bool bad_pin;
};

/* "AB:CD:…", several parted by blanks or commas. */
static void read_pins(struct remote_http *h, const char *text)
{
    char hex[2 * PIN_BYTES + 1];
    while (*text) {
        size_t n = strcspn(text, " ,"), k = 0;
        for (size_t i = 0; i < n && k < sizeof hex - 1; i++)
            if (text[i] != ':')
                hex[k++] = text[i];
        hex[k] = 0;
        if (n && (k != 2 * PIN_BYTES || h->npins == REMOTE_PINS || hex_to(h->pin[h->npins], hex, PIN_BYTES) < 0))
            h->bad_pin = true;
        else if (n)
            h->npins++;
        text += n + (text[n] != 0);
    }
}

struct remote_http *remote_http_new(const struct config *c)
{
    struct remote_http *h = mem_zero(1, sizeof *h);
    h->config = c;
    pthread_mutex_init(&h->mu, NULL);
    read_pins(h, c->server_fingerprint);
    return h;
}

void remote_http_free(struct remote_http *h)
{
    if (!h)
        return;
    while (h->nidle)
        curl_easy_cleanup(h->idle[--h->nidle]);
    pthread_mutex_destroy(&h->mu);
    free(h);
}

static bool is_loopback(const char *host)
{
    return !strcasecmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]");
}

int remote_url_check(const char *url, struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL, *query = NULL;
    int rc = 0;
    if (!u || curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) || (strcmp(scheme, "http") && strcmp(scheme, "https")))
        rc = err_set(e, ERR_USAGE, "the server \"%.200s\" is no https:// address", url);
    else if (!curl_url_get(u, CURLUPART_USER, &user, 0) || !curl_url_get(u, CURLUPART_QUERY, &query, 0))
        rc = err_set(e, ERR_USAGE, "the server's address is a scheme, a host and a port alone; the token is CODEASK_TOKEN");
    else if (!strcmp(scheme, "http") && !is_loopback(host))
        rc = err_set(e, ERR_USAGE, "the server %.200s: code and a token would go over the network as they are", url);
    if (rc && host && !user && !strcmp(scheme, "http") && !is_loopback(host))
        err_hint(e, "https://%.200s; with `tls = generated` at the server, its fingerprint is server-fingerprint here", host);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(query);
    curl_url_cleanup(u);
    return rc;
}

/* -- one request ----------------------------------------------------------------------------------------------------------- */

struct exchange {
    struct remote_http *h;
    const struct remote_call *c;
    CURL *curl;
    struct sse sse;
    struct buf body;
    bool streams, known;   /* known: whether events come was looked at */
    json_t *result, *error; /* that an event brought */
    struct err why;        /* code 0: nothing went wrong here */
    bool stopped;
};

static int on_event(void *arg, const char *name, struct str text)
{
    struct exchange *x = arg;
    json_t *o = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(o)) {
        json_decref(o);
        return err_set(&x->why, ERR_FORMAT, "the server sent an event that is no JSON object");
    }
    if (!strcmp(name, "done") && !x->result)
        x->result = json_incref(o);
    else if (!strcmp(name, "error") && !x->error)
        x->error = json_incref(o);
    else if (x->c->event && !x->result && !x->error)
        x->c->event(x->c->arg, name, o);
    json_decref(o);
    return 0;
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
    struct exchange *x = arg;
    n *= one;
    if (!x->known) {
        const char *type = NULL;
        long status = 0;
        curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(x->curl, CURLINFO_CONTENT_TYPE, &type);
        x->streams = status == 200 && type && !strncasecmp(type, "text/event-stream", 17);
        x->known = true;
    }
    if (x->streams)
        return sse_feed(&x->sse, bytes, n, on_event, x, &x->why) ? 0 : n;
    if (x->body.len + n > RPC_MESSAGE_MAX) {
        err_set(&x->why, ERR_LIMIT, "the server sent more than %u MiB", RPC_MESSAGE_MAX >> 20);
        return 0;
    }
    buf_add(&x->body, bytes, n);
    return n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct exchange *x = arg;
    x->stopped = x->c->stop && __atomic_load_n(x->c->stop, __ATOMIC_RELAXED);
    return x->stopped;
}

static int check_pin(X509_STORE_CTX *store, void *arg)
{
    const struct remote_http *h = arg;
    uint8_t is[PIN_BYTES];
    unsigned n = 0;
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    bool good = false;
    if (cert && X509_digest(cert, EVP_sha256(), is, &n) && n == sizeof is)
        for (unsigned i = 0; i < h->npins; i++)
            good |= !memcmp(is, h->pin[i], sizeof is);
    X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return good;
}

static CURLcode on_ssl(CURL *curl, void *ctx, void *arg)
{
    SSL_CTX_set_cert_verify_callback(ctx, check_pin, arg);
    return CURLE_OK;
}

static void start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT); /* with the first request: it reads OpenSSL's configuration */
}

static CURL *take(struct remote_http *h)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    pthread_mutex_lock(&h->mu);
    CURL *c = h->nidle ? h->idle[--h->nidle] : NULL;
    pthread_mutex_unlock(&h->mu);
    return c ? c : curl_easy_init();
}

static void give(struct remote_http *h, CURL *c, bool good)
{
    curl_easy_reset(c); /* keeps its connections */
    pthread_mutex_lock(&h->mu);
    bool keep = good && h->nidle < IDLE;
    if (keep)
        h->idle[h->nidle++] = c;
    pthread_mutex_unlock(&h->mu);
    if (!keep)
        curl_easy_cleanup(c);
}

static int set_up(struct exchange *x, struct curl_slist *headers, const char *url, const char *body, size_t len, char *said, struct err *e)
{
    CURL *c = x->curl;
    struct remote_http *h = x->h;
    const char *proxy = h->config->server_proxy;
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PROXY, proxy); /* empty: none, whatever the environment says */
    curl_easy_setopt(c, CURLOPT_NOPROXY, *proxy ? "localhost,127.0.0.1,::1" : "*");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "codeask");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)REMOTE_CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)x->c->stall_seconds);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, 10L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, 5L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, said);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, h->npins ? 0L : 2L); /* a pinned certificate is that one, by whatever name it is reached */
    if (h->bad_pin)
        return err_set(e, ERR_USAGE, "server-fingerprint: a SHA-256 in 32 pairs is wanted, as `codeask serve` shows it; at most %d of them", REMOTE_PINS);
    if (h->npins && (curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_ssl) || curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, h)))
        return err_set(e, ERR_UNSUPPORTED, "server-fingerprint: this libcurl cannot check it (its TLS is not OpenSSL's)");
    return 0;
}

static bool is_certificate(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR;
}

/* Of an error object; a foreign server's page is none. */
static int said_no(bool *away, struct exchange *x, json_t *o, long status, struct err *e)
{
    const char *code = json_string_value(json_object_get(o, "code")), *message = json_string_value(json_object_get(o, "message"));
    const char *hint = json_string_value(json_object_get(o, "hint"));
    if (!message) {
        *away = true; /* something else, or something between both */
        return err_set(e, ERR_UNAVAILABLE, "%.200s gives no answer of a codeask server (status %ld)", x->c->url, status);
    }
    err_set(e, err_code_of(code ? code : "internal"), "the server: %.500s", message);
    if (hint)
        err_hint(e, "%.280s", hint);
    return e->code;
}

static int outcome(json_t **result, bool *away, struct exchange *x, CURLcode code, const char *said, struct err *e)
{
    long status = 0;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    if (x->stopped)
        return err_set(e, ERR_CANCELED, "canceled");
    if (x->why.code) {
        *e = x->why;
        return e->code;
    }
    if (x->result) {
        *result = json_incref(x->result);
        return 0;
    }
    if (x->error)
        return said_no(away, x, x->error, status, e);
    if (code || x->streams) {
        *away = !is_certificate(code);
        if (is_certificate(code) && x->h->npins)
            return err_set(e, ERR_DENIED, "%.200s shows another certificate than server-fingerprint names", x->c->url);
        if (x->streams)
            return err_set(e, ERR_UNAVAILABLE, "%.200s went away in the middle of its answer", x->c->url);
        return err_set(e, ERR_UNAVAILABLE, "%.200s: %s", x->c->url, *said ? said : curl_easy_strerror(code));
    }
    json_t *o = json_loadb(x->body.len ? x->body.data : "", x->body.len, JSON_ALLOW_NUL, NULL);
    int rc = 0;
    if (status == 200 && json_is_object(o))
        *result = json_incref(o);
    else
        rc = said_no(away, x, json_object_get(o, "error"), status, e);
    json_decref(o);
    return rc;
}

int remote_post(json_t **result, bool *away, struct remote_http *h, const struct remote_call *c, struct err *e)
{
    struct exchange x = {.h = h, .c = c, .sse = SSE_INIT(RPC_MESSAGE_MAX)};
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct buf url = BUF_INIT, line = BUF_INIT;
    char said[CURL_ERROR_SIZE] = "";
    size_t n = strlen(c->url);
    *result = NULL;
    *away = false;
    while (n && c->url[n - 1] == '/')
        n--;
    buf_addf(&url, "%.*s/v1/%s", (int)n, c->url, c->method);
    headers = curl_slist_append(headers, c->event ? "Accept: text/event-stream" : "Accept: application/json");
    headers = curl_slist_append(headers, "Expect:"); /* a body is sent at once */
    if (c->token) {
        buf_addf(&line, "Authorization: Bearer %s", c->token);
        headers = curl_slist_append(headers, line.data);
    }
    char *body = json_dumps(c->params, JSON_COMPACT);
    x.curl = take(h);
    int rc = x.curl && body ? set_up(&x, headers, url.data, body, strlen(body), said, e) : err_set(e, ERR_INTERNAL, "libcurl does not start");
    if (!rc)
        rc = outcome(result, away, &x, curl_easy_perform(x.curl), said, e);
    if (x.curl)
        give(h, x.curl, !rc);
    curl_slist_free_all(headers);
    if (line.data)
        memset(line.data, 0, line.len); /* the token */
    buf_release(&line);
    buf_release(&url);
    buf_release(&x.body);
    sse_release(&x.sse);
    json_decref(x.result);
    json_decref(x.error);
    free(body);
    return rc;
}

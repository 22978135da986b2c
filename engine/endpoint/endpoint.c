#include "engine/endpoint/endpoint.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/format/sha256.h"
#include "engine/model.h"
#include "net/sse.h"
#include "net/web.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_MAX 4096
#define MODELS_MAX (4u << 20)   /* bytes of the list of models */
#define TEXT_BYTES (24u << 10)  /* of a text that is embedded: 6,000 tokens, as models of today read at most 8,192 */
#define LOOK_SECONDS 5          /* without a byte, for whether it is there */
#define TEXT_LEAST 512          /* a text that is too long for the model is halved down to here */
#define BYTES_A_TOKEN 3         /* code has between 3 and 4 in the vocabularies of today: rather too many tokens than too few */

struct endpoint {
    char *url, *model, *key, *ca, host[256];
    unsigned stall_seconds;
    uint32_t dim;
};

int endpoint_check_url(char host[256], const char *url, struct err *e)
{
    size_t skip = !strncmp(url, "https://", 8) ? 8 : !strncmp(url, "http://", 7) ? 7 : 0, n = strcspn(url + skip, "/");
    if (!skip || !n || n > 255 || strpbrk(url, "@?# \t\"\\") || strlen(url) > 1024)
        return err_set(e, ERR_USAGE, "\"%.200s\": http://HOST:PORT/v1 is wanted, without user, password and query", url);
    snprintf(host, 256, "%.*s", (int)n, url + skip);
    return 0;
}

/* -- one request ----------------------------------------------------------------------------------------------------------- */

struct request {
    const struct endpoint *x;
    struct buf url, key;
    struct web_call call;
};

/* body: lives as long as the request. NULL: GET. */
static int request_init(struct request *r, const struct endpoint *x, const char *path, const char *body, const volatile bool *stop, struct err *e)
{
    struct buf key = BUF_INIT;
    *r = (struct request){.x = x};
    int rc = *x->key ? secret_read(&key, x->key, KEY_MAX, e) : 0;
    size_t n = strlen(x->url);
    while (n && x->url[n - 1] == '/')
        n--;
    buf_addf(&r->url, "%.*s%s", (int)n, x->url, path);
    if (key.len && strpbrk(key.data, "\r\n"))
        rc = err_set(e, ERR_USAGE, "%s: a key of one line is wanted", x->key);
    else if (key.len)
        buf_addf(&r->key, "Authorization: Bearer %s", key.data);
    buf_release(&key);
    size_t h = 0;
    r->call = (struct web_call){.url = r->url.data, .plain = true, .office = true, .body = body, .len = body ? strlen(body) : 0, .ca = x->ca,
                                 .stall_seconds = x->stall_seconds, .stop = stop};
    if (body)
        r->call.header[h++] = "Content-Type: application/json";
    if (r->key.len)
        r->call.header[h++] = r->key.data;
    return rc;
}

static void request_release(struct request *r)
{
    buf_release(&r->url);
    buf_release(&r->key);
}

/* Worth another try: it may have been a moment's. */
static bool passing(int rc)
{
    return rc == ERR_UNAVAILABLE || rc == ERR_BUSY;
}

/* Between two tries; false: stopped. */
static bool pause_between(int attempt, const volatile bool *stop)
{
    for (int i = 0; i < (attempt ? 10 : 5); i++) {
        if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
            return false;
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    return true;
}

/* tries 1: somebody waits for whether it is there at all, and is not to wait long. */
static int ask(struct buf *out, const struct endpoint *x, const char *path, const char *body, size_t max, int tries, const volatile bool *stop, struct err *e)
{
    struct request r;
    int rc = request_init(&r, x, path, body, stop, e);
    if (tries == 1 && r.call.stall_seconds > LOOK_SECONDS)
        r.call.stall_seconds = LOOK_SECONDS;
    for (int i = 0; !rc || passing(rc); i++) {
        buf_clear(out);
        rc = web_whole(out, &r.call, max, e);
        if (!rc || !passing(rc) || i + 1 >= tries || !pause_between(i, stop))
            break;
    }
    request_release(&r);
    return rc;
}

/* -- vectors --------------------------------------------------------------------------------------------------------------- */

static int embed_some(struct endpoint *x, const char *const *text, const size_t *len, size_t most, size_t n, float *out, uint32_t *used, const volatile bool *stop,
                      struct err *e)
{
    struct buf got = BUF_INIT, clean = BUF_INIT;
    json_t *list = json_array();
    uint32_t tokens = 0;
    for (size_t i = 0; i < n; i++) {
        size_t take = len[i] < most ? len[i] : most;
        while (take && take < len[i] && ((unsigned char)text[i][take] & 0xC0) == 0x80) /* whole characters */
            take--;
        buf_clear(&clean);
        endpoint_text(&clean, text[i], take);
        json_t *t = json_stringn(clean.len ? clean.data : " ", clean.len ? clean.len : 1);
        json_array_append_new(list, t ? t : json_string(" ")); /* no UTF-8: as if it said nothing */
    }
    json_t *o = json_pack("{ss, so, ss}", "model", x->model, "input", list, "encoding_format", "float");
    char *body = json_dumps(o, JSON_COMPACT);
    int rc = ask(&got, x, "/embeddings", body, ENDPOINT_ANSWER_MAX, ENDPOINT_TRIES, stop, e);
    if (!rc)
        rc = endpoint_vectors(out, &x->dim, n, got.data ? got.data : "", got.len, &tokens, e);
    for (size_t i = 0; used && !rc && i < n; i++)
        used[i] = tokens / (uint32_t)n;
    free(body);
    json_decref(o);
    buf_release(&got);
    buf_release(&clean);
    return rc;
}

static int embed(void *model, enum embed_kind kind, const char *const *text, const size_t *len, size_t n, enum priority p, float *out, uint32_t *used,
                 const volatile bool *stop, struct err *e)
{
    struct endpoint *x = model;
    int rc = 0;
    for (size_t at = 0; at < n && !rc;) {
        size_t some = n - at < ENDPOINT_BATCH ? n - at : ENDPOINT_BATCH;
        rc = embed_some(x, text + at, len + at, TEXT_BYTES, some, out + at * x->dim, used ? used + at : NULL, stop, e);
        if (rc == ERR_USAGE) { /* one of them is too long for it: each by itself, halved until it fits */
            rc = 0;
            for (size_t i = at; i < at + some && !rc; i++) {
                rc = ERR_USAGE;
                for (size_t most = TEXT_BYTES; rc == ERR_USAGE && most >= TEXT_LEAST; most /= 2)
                    rc = embed_some(x, text + i, len + i, most, 1, out + i * x->dim, used ? used + i : NULL, stop, e);
            }
        }
        at += some;
    }
    return rc;
}

/* -- text ------------------------------------------------------------------------------------------------------------------ */

static char *chat_body(const struct endpoint *x, const struct gen_prompt *p)
{
    const struct gen_options *o = &p->options;
    json_t *list = json_array(), *stops = json_array();
    struct buf clean = BUF_INIT;
    for (size_t i = 0; i < p->n; i++) {
        buf_clear(&clean);
        endpoint_text(&clean, p->message[i].text, p->message[i].len);
        json_t *text = json_stringn(clean.len ? clean.data : "", clean.len);
        json_array_append_new(list, json_pack("{ss, so}", "role", p->message[i].role, "content", text ? text : json_string("")));
    }
    json_t *b = json_pack("{ss, so, sb, s{sb}, sf}", "model", x->model, "messages", list, "stream", 1, "stream_options", "include_usage", 1, "temperature",
                          (double)o->temperature);
    if (o->max_tokens)
        json_object_set_new(b, "max_tokens", json_integer((json_int_t)o->max_tokens + o->max_reasoning));
    if (o->top_p > 0)
        json_object_set_new(b, "top_p", json_real(o->top_p));
    if (o->seed)
        json_object_set_new(b, "seed", json_integer((json_int_t)(o->seed & 0x7fffffff)));
    for (int i = 0; i < 4 && i < GENERATE_STOPS && o->stop[i]; i++) /* the API takes four */
        json_array_append_new(stops, json_string(o->stop[i]));
    if (json_array_size(stops))
        json_object_set_new(b, "stop", stops);
    else
        json_decref(stops);
    char *text = json_dumps(b, JSON_COMPACT);
    json_decref(b);
    buf_release(&clean);
    return text;
}

static int read_stream(struct web_stream *h, struct endpoint_stream *s, struct err *e)
{
    struct sse events = SSE_INIT(ENDPOINT_EVENT_MAX);
    char piece[16384];
    size_t n = 0;
    int rc = 0, fed = 0;
    while (!rc && !fed && !(rc = web_read(h, piece, sizeof piece, &n, e)) && n)
        fed = sse_feed(&events, piece, n, endpoint_event, s, e);
    sse_release(&events);
    if (fed < 0)
        rc = fed;
    if (!rc)
        rc = s->rc;
    if (!rc && !s->enough && !s->done && !s->ended)
        rc = err_set(e, ERR_CRASHED, "it went away in the middle");
    if (!rc && s->enough)
        s->out->end = GEN_END_SINK;
    return rc;
}

static int generate(void *model, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out, const volatile bool *stop, struct err *e)
{
    struct endpoint *x = model;
    struct err own;
    e = e ? e : &own;
    if (p->options.grammar)
        return err_set(e, ERR_UNSUPPORTED, "%s: grammars are not taken by endpoints", x->host);
    struct endpoint_stream s = {.sink = sink, .arg = arg, .out = out, .e = e};
    struct web_stream *h = NULL;
    struct request r;
    char *body = chat_body(x, p);
    double began = clock_ms();
    s.began_ms = began;
    *out = (struct gen_result){0};
    int rc = request_init(&r, x, "/chat/completions", body, stop, e);
    for (int i = 0; !rc || passing(rc); i++) {
        rc = web_open(&h, &r.call, e);
        if (!rc && strcmp(web_type(h), "text/event-stream"))
            rc = err_set(e, ERR_FORMAT, "%s streams no events (%.60s)", x->host, web_type(h));
        if (!rc || !passing(rc) || i + 1 == ENDPOINT_TRIES || !pause_between(i, stop))
            break;
    }
    if (!rc && (rc = read_stream(h, &s, e)) && !strstr(e->message, x->host)) {
        struct err why = *e;
        rc = err_set(e, why.code, "%s: %.500s", x->host, why.message);
    }
    out->ms_total = clock_ms() - began;
    web_close(h);
    request_release(&r);
    free(body);
    return rc;
}

static int count(void *model, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)(len[i] / BYTES_A_TOKEN) + 1;
    return 0;
}

static int forget(void *model, const uint8_t content[20], struct err *e)
{
    return 0;
}

static void close_model(void *model)
{
    struct endpoint *x = model;
    if (!x)
        return;
    free(x->url);
    free(x->model);
    free(x->key);
    free(x->ca);
    free(x);
}

static const struct engine_kind kind = {.model_close = close_model, .embed = embed, .generate = generate, .count = count, .forget = forget};

/* -- opening --------------------------------------------------------------------------------------------------------------- */

/* The row of our model in the list; what it says of the window: vLLM and SGLang max_model_len, llama.cpp meta.n_ctx_train, codeask context. */
static int look(struct endpoint *x, uint32_t *context, const volatile bool *stop, struct err *e)
{
    struct buf got = BUF_INIT;
    size_t i;
    json_t *row;
    bool found = false;
    int rc = ask(&got, x, "/models", NULL, MODELS_MAX, 1, stop, e);
    json_t *o = rc ? NULL : json_loadb(got.data ? got.data : "", got.len, 0, NULL), *list = json_object_get(o, "data");
    if (!rc && !json_is_array(list))
        rc = err_set(e, ERR_FORMAT, "%s: /models is no list of OpenAI's API", x->host);
    json_array_foreach(list, i, row) {
        const char *id = json_string_value(json_object_get(row, "id"));
        if (rc || !id || strcmp(id, x->model))
            continue;
        json_int_t n = json_integer_value(json_object_get(row, "max_model_len"));
        if (n <= 0)
            n = json_integer_value(json_object_get(row, "context"));
        if (n <= 0)
            n = json_integer_value(json_object_get(json_object_get(row, "meta"), "n_ctx_train"));
        *context = n > 0 && n < 1 << 24 ? (uint32_t)n : ENDPOINT_CONTEXT;
        found = true;
    }
    if (!rc && !found) {
        rc = err_set(e, ERR_NOT_FOUND, "%s has no model %.100s", x->host, x->model);
        err_hint(e, "GET %.200s/models tells which there are", x->url);
    }
    json_decref(o);
    buf_release(&got);
    return rc;
}

/* How many numbers its vectors have. */
static int measure(struct endpoint *x, const volatile bool *stop, struct err *e)
{
    struct buf got = BUF_INIT;
    json_t *o = json_pack("{ss, s[s], ss}", "model", x->model, "input", "int main(void)", "encoding_format", "float");
    char *body = json_dumps(o, JSON_COMPACT);
    int rc = ask(&got, x, "/embeddings", body, ENDPOINT_ANSWER_MAX, ENDPOINT_TRIES, stop, e);
    if (!rc)
        rc = endpoint_vectors(NULL, &x->dim, 1, got.data ? got.data : "", got.len, NULL, e);
    free(body);
    json_decref(o);
    buf_release(&got);
    return rc;
}

int endpoint_open(struct model **out, const struct endpoint_options *o, struct err *e)
{
    struct endpoint *x = mem_zero(1, sizeof *x);
    struct model *m = NULL;
    struct buf id = BUF_INIT;
    uint32_t context = 0;
    x->url = mem_str(o->url);
    x->model = mem_str(o->model);
    x->key = mem_str(o->key);
    x->ca = mem_str(o->ca);
    x->stall_seconds = o->stall_seconds;
    int rc = endpoint_check_url(x->host, o->url, e);
    if (!rc && !*o->model)
        rc = err_set(e, ERR_USAGE, "%s: the name of its model is missing in the settings", x->host);
    if (!rc && !(rc = look(x, &context, o->stop, e)) && o->embeds)
        rc = measure(x, o->stop, e);
    if (!rc) {
        m = mem_zero(1, sizeof *m);
        m->kind = &kind;
        m->self = x;
        snprintf(m->info.name, sizeof m->info.name, "%s", o->model);
        snprintf(m->info.family, sizeof m->info.family, "endpoint");
        snprintf(m->info.provider, sizeof m->info.provider, "%.63s", x->host);
        m->info.dim = o->embeds ? x->dim : 0;
        m->info.max_tokens = TEXT_BYTES / BYTES_A_TOKEN;
        m->info.context = o->embeds ? 0 : context;
        m->info.prompt_rate = o->embeds ? 0 : ENDPOINT_RATE;
        buf_addf(&id, "endpoint\n%s\n%s", o->url, o->model);
        rc = sha256(m->info.hash, (const uint8_t *)id.data, id.len, e);
    }
    buf_release(&id);
    if (rc) {
        close_model(x);
        free(m);
        m = NULL;
    }
    *out = m;
    return rc;
}

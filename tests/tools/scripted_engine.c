/* An engine process that says what it is told, for tests of what stands above it (setting `engine_program`). A model is a folder with
 * an empty model.safetensors and scripts: N.script for the Nth prompt that the folder has seen, else `script`. Each prompt is kept as
 * prompt.N (JSON). A script's lines:
 *
 *   say TEXT, think TEXT    a piece of answer, of reasoning; \n is a line's end, {fence} the prompt's fence
 *   read DONE TOTAL         progress of the prompt
 *   sleep MS                cancels end it
 *   length                  it was cut at max_tokens
 *   fail TEXT               an error instead of an end
 *   crash                   the process dies
 *   hang                    nothing more, cancels aside
 *
 * usage: scripted_engine --engine (with its socket as descriptor 3), as the daemon starts it */
#include "base/file.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/process/frames_generate.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MODELS 16
#define REQUESTS 512

struct request {
    uint64_t id;
    bool used, canceled;
    struct buf payload;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct request request[REQUESTS];
static struct {
    uint32_t id;
    char path[4096];
} model[MODELS];
static unsigned models;

static void reply(struct buf *b)
{
    pthread_mutex_lock(&lock);
    if (fd_write(ENGINE_FD, b->data, b->len, NULL))
        _exit(0);
    pthread_mutex_unlock(&lock);
    buf_release(b);
}

static void fail(uint64_t id, int code, const char *text)
{
    struct buf b = BUF_INIT;
    struct err e;
    err_set(&e, code, "%s", text);
    frame_put_fail(&b, id, &e);
    reply(&b);
}

static const char *path_of(uint32_t id)
{
    const char *path = NULL;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < models && !path; i++)
        path = model[i].id == id ? model[i].path : NULL;
    pthread_mutex_unlock(&lock);
    return path;
}

/* A number in a file of the folder. */
static double setting(const char *folder, const char *name, double otherwise)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    buf_addf(&path, "%s/%s", folder, name);
    double v = file_read(&text, path.data, 100, NULL) ? otherwise : atof(text.data);
    buf_release(&path);
    buf_release(&text);
    return v;
}

static void open_model(const struct frame *f)
{
    struct frame_open o;
    struct buf b = BUF_INIT;
    struct model_info info = {.family = "scripted", .provider = "cpu scripted"};
    if (frame_get_open(&o, f, NULL) || models == MODELS)
        _exit(2);
    pthread_mutex_lock(&lock);
    model[models].id = o.model;
    strcpy(model[models++].path, o.path);
    pthread_mutex_unlock(&lock);
    const char *slash = strrchr(o.path, '/');
    snprintf(info.name, sizeof info.name, "%.63s", slash ? slash + 1 : o.path);
    info.context = (uint32_t)setting(o.path, "context", 8192);
    info.prompt_rate = (float)setting(o.path, "rate", 2000);
    memset(info.hash, (int)strlen(info.name), sizeof info.hash);
    frame_put_opened(&b, f->id, &info);
    reply(&b);
}

/* The folder's next number, with the prompt kept under it. */
static int keep(const char *folder, const struct gen_prompt *p)
{
    static pthread_mutex_t numbers = PTHREAD_MUTEX_INITIALIZER; /* requests have threads: each prompt has a file of its own */
    struct buf path = BUF_INIT;
    int n = 0;
    json_t *list = json_array(), *o;
    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(list, json_pack("{ss, ss%}", "role", p->message[i].role, "text", p->message[i].text, p->message[i].len));
    o = json_pack("{so, sI, sI, sb, ss?, sI, ss?, ss?, ss?}", "messages", list, "max_tokens", (json_int_t)p->options.max_tokens, "max_reasoning",
                  (json_int_t)p->options.max_reasoning, "lookup", p->options.lookup, "stop", p->options.stop[0], "contents",
                  (json_int_t)p->provenance.ncontent, "scope", p->provenance.scope, "grammar", p->options.grammar, "adapter", p->adapter);
    pthread_mutex_lock(&numbers);
    do {
        buf_clear(&path);
        buf_addf(&path, "%s/prompt.%d", folder, ++n);
    } while (file_exists(path.data));
    if (!o || json_dump_file(o, path.data, 0))
        _exit(3);
    pthread_mutex_unlock(&numbers);
    json_decref(o);
    buf_release(&path);
    return n;
}

static bool wait_ms(const struct request *r, long ms)
{
    for (; ms > 0; ms -= 5) {
        nanosleep(&(struct timespec){0, 5000000}, NULL);
        if (__atomic_load_n(&r->canceled, __ATOMIC_RELAXED))
            return false;
    }
    return true;
}

static void say(const struct request *r, enum gen_channel channel, const char *text, const char *fence)
{
    struct buf s = BUF_INIT, b = BUF_INIT;
    for (const char *p = text; *p;) {
        if (!strncmp(p, "{fence}", 7)) {
            buf_adds(&s, fence);
            p += 7;
        } else if (p[0] == '\\' && p[1] == 'n') {
            buf_addc(&s, '\n');
            p += 2;
        } else {
            buf_addc(&s, *p++);
        }
    }
    struct gen_piece piece = {.channel = channel, .text = s.data ? s.data : "", .len = s.len};
    frame_put_piece(&b, r->id, &piece);
    reply(&b);
    buf_release(&s);
}

/* false: it has been answered. */
static bool act(struct request *r, char *line, struct gen_result *out, const char *fence)
{
    unsigned done, total;
    char *text = strchr(line, ' ');
    text = text ? text + 1 : line + strlen(line);
    if (!strncmp(line, "say ", 4) || !strncmp(line, "think ", 6)) {
        say(r, line[0] == 's' ? GEN_ANSWER : GEN_REASONING, text, fence);
        out->answer_tokens += line[0] == 's';
        out->reasoning_tokens += line[0] != 's';
    } else if (sscanf(line, "read %u %u", &done, &total) == 2) {
        struct buf b = BUF_INIT;
        struct gen_piece piece = {.channel = GEN_ANSWER, .text = "", .prompt_done = done, .prompt_total = total};
        frame_put_piece(&b, r->id, &piece);
        reply(&b);
    } else if (!strncmp(line, "sleep ", 6) || !strcmp(line, "hang")) {
        if (!wait_ms(r, line[0] == 'h' ? 600000 : atol(text))) {
            fail(r->id, ERR_CANCELED, "canceled");
            return false;
        }
    } else if (!strcmp(line, "length")) {
        out->end = GEN_END_LENGTH;
    } else if (!strncmp(line, "fail ", 5)) {
        fail(r->id, ERR_UNSUPPORTED, text);
        return false;
    } else if (!strcmp(line, "crash")) {
        _exit(1);
    }
    return true;
}

static void generate(struct request *r, const struct frame_generate *g, const char *folder)
{
    struct buf path = BUF_INIT, script = BUF_INIT, b = BUF_INIT;
    struct gen_result out = {.end = GEN_END_TURN, .ms_first = 2, .ms_total = 3};
    int n = keep(folder, &g->prompt);
    for (size_t i = 0; i < g->prompt.n; i++)
        out.prompt_tokens += (uint32_t)g->prompt.message[i].len / 4;
    out.ms_read = out.ms_prompt = 1e3 * out.prompt_tokens / setting(folder, "rate", 2000); /* as it was said at the opening */
    buf_addf(&path, "%s/%d.script", folder, n);
    if (file_read(&script, path.data, 1 << 20, NULL)) {
        buf_clear(&path);
        buf_addf(&path, "%s/script", folder);
        file_read(&script, path.data, 1 << 20, NULL);
    }
    bool open = true;
    for (char *line = script.data, *next; line && *line && open; line = next) {
        size_t len = strcspn(line, "\n");
        next = line + len + (line[len] == '\n');
        line[len] = 0;
        open = act(r, line, &out, g->prompt.options.stop[0] ? g->prompt.options.stop[0] : "");
    }
    if (open) {
        frame_put_generated(&b, r->id, &out);
        reply(&b);
    }
    buf_release(&path);
    buf_release(&script);
}

static void *run(void *arg)
{
    struct request *r = arg;
    struct frame f = {FRAME_GENERATE, r->id, (const uint8_t *)r->payload.data, r->payload.len};
    struct frame_generate g;
    struct err e;
    if (frame_get_generate(&g, &f, &e))
        fail(r->id, e.code, e.message);
    else
        generate(r, &g, path_of(g.model));
    frame_generate_release(&g);
    pthread_mutex_lock(&lock);
    buf_release(&r->payload);
    r->used = false;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void start(const struct frame *f)
{
    pthread_t t;
    struct request *r = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < REQUESTS && !r; i++)
        r = request[i].used ? NULL : &request[i];
    if (!r)
        _exit(2);
    *r = (struct request){.id = f->id, .used = true};
    buf_add(&r->payload, f->payload, f->len);
    pthread_mutex_unlock(&lock);
    if (pthread_create(&t, NULL, run, r))
        _exit(2);
    pthread_detach(t);
}

static void count(const struct frame *f)
{
    struct frame_count c;
    struct buf b = BUF_INIT;
    if (frame_get_count(&c, f, NULL))
        _exit(2);
    uint32_t *n = mem_zero(c.n + 1u, sizeof *n);
    for (uint32_t i = 0; i < c.n; i++)
        n[i] = (uint32_t)(c.len[i] + 3) / 4;
    frame_put_counts(&b, f->id, n, c.n);
    reply(&b);
    free(n);
    frame_count_release(&c);
}

static void take(const struct frame *f)
{
    struct buf b = BUF_INIT;
    switch (f->kind) {
    case FRAME_HELLO:
        frame_put_ready(&b, f->id, "cpu scripted");
        reply(&b);
        break;
    case FRAME_OPEN:
        open_model(f);
        break;
    case FRAME_GENERATE:
        start(f);
        break;
    case FRAME_COUNT:
        count(f);
        break;
    case FRAME_CANCEL:
        pthread_mutex_lock(&lock);
        for (int i = 0; i < REQUESTS; i++)
            if (request[i].used && request[i].id == f->id)
                __atomic_store_n(&request[i].canceled, true, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&lock);
        break;
    case FRAME_CLOSE:
        break;
    default:
        fail(f->id, ERR_UNSUPPORTED, "the scripted engine does no such thing");
    }
}

int main(void)
{
    struct buf in = BUF_INIT;
    struct frame f;
    for (;;) {
        ssize_t n = recv(ENGINE_FD, buf_room(&in, 1 << 16), 1 << 16, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        in.len += (size_t)n;
        long k;
        size_t at = 0;
        while ((k = frame_read(&f, (uint8_t *)in.data + at, in.len - at, NULL)) > 0) {
            take(&f);
            at += (size_t)k;
        }
        if (k < 0)
            return 2;
        buf_drop_front(&in, at);
    }
}

#include "service/tuning.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nice.h"
#include "engine/process/tune.h"
#include "indexer/patch.h"
#include "retriever/asked/questions.h"
#include "retriever/corpus/make.h"
#include "service/adapters.h"
#include "service/leak.h"
#include "service/models.h"
#include "service/query_maps.h"
#include "service/scope.h"
#include "service/tuning_embedder.h"
#include "service/verdict.h"
#include "store/purge.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATE_KEY "tuning"
#define PATCH_BYTES 6000   /* of a commit's changes: what a prompt of 2,000 tokens holds */
#define RESUME_NS 2000000000LL /* after the start: a program that was started for one request is gone by then */

struct tunings {
    struct service *s;
    /* [mu] of the service */
    pthread_cond_t work;
    pthread_t thread;
    bool runs, quit, stop;
    json_t *job;           /* as in state.mdb; replaced as a whole, NULL: none */
    bool active;           /* there is something to do */
    int64_t from_ns;       /* but not before */
    bool paused;
    struct waitlist waiting;
    char stage[16];
    uint64_t step, steps, memory;
    double loss, tokens_per_s, eta_s;
};

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static uint64_t integer(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static bool embeds(const struct tunings *t)
{
    return !strcmp(text(t->job, "role"), models_role(ROLE_EMBED));
}

static double real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* -- what is kept --------------------------------------------------------------------------------------------------------------- */

static int save(struct tunings *t, struct err *e)
{
    size_t len;
    pthread_mutex_lock(&t->s->mu);
    json_t *copy = json_deep_copy(t->job);
    pthread_mutex_unlock(&t->s->mu);
    char *line = json_line(copy, &len);
    int rc = state_put(t->s->store, STATE_KEY, line, len, e);
    free(line);
    return rc;
}

static void set(struct tunings *t, const char *key, json_t *value)
{
    pthread_mutex_lock(&t->s->mu);
    json_object_set_new(t->job, key, value);
    pthread_mutex_unlock(&t->s->mu);
}

static void load(struct tunings *t)
{
    struct buf b = BUF_INIT;
    struct err e;
    if (!state_get(t->s->store, STATE_KEY, &b, &e))
        t->job = json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    t->active = t->job && !strcmp(text(t->job, "state"), "running");
    t->from_ns = clock_ns() + RESUME_NS;
    buf_release(&b);
}

/* -- progress -------------------------------------------------------------------------------------------------------------------- */

static void show_locked(struct tunings *t)
{
    char line[512];
    int n = snprintf(line, sizeof line, "{\"stage\":\"%s\",\"repo\":\"%.64s\",\"step\":%llu,\"steps\":%llu,\"loss\":%.5f,\"tokens_per_s\":%.1f,\"eta_s\":%.1f,\"memory\":%llu,"
                     "\"paused\":%s}", t->stage, text(t->job, "adapter"), (unsigned long long)t->step, (unsigned long long)t->steps, t->loss, t->tokens_per_s,
                     t->eta_s, (unsigned long long)t->memory, t->paused ? "true" : "false");
    for (struct request *rq = t->waiting.first; rq; rq = rq->wait_next)
        request_emit_locked(rq, EVENT_PROGRESS, line, (size_t)n);
}

static void tell(struct tunings *t, const char *stage, uint64_t step, uint64_t steps)
{
    pthread_mutex_lock(&t->s->mu);
    snprintf(t->stage, sizeof t->stage, "%s", stage);
    t->step = step;
    t->steps = steps;
    show_locked(t);
    pthread_mutex_unlock(&t->s->mu);
}

static bool halted(struct tunings *t)
{
    pthread_mutex_lock(&t->s->mu);
    bool halt = t->stop || t->quit;
    pthread_mutex_unlock(&t->s->mu);
    return halt;
}

/* -- the records ------------------------------------------------------------------------------------------------------------------ */

static bool go_on(void *arg, const char *stage, uint64_t done, uint64_t all)
{
    tell(arg, "making", done, all);
    return !halted(arg);
}

static int patch_of(void *arg, struct corpus_patch *out, const struct repo_row *repo, const struct oid *commit, struct err *e)
{
    return commit_patch(&out->text, &out->blobs, repo, commit, PATCH_BYTES, e);
}

static int mask(void *arg, char *bytes, size_t len, struct err *e)
{
    return mask_secrets(bytes, len, e);
}

static char *in(const char *folder, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", folder, name);
    return buf_take(&b);
}

static json_t *told_json(const struct corpus_told *told)
{
    json_t *learned = json_object(), *held = json_object();
    for (int k = 0; k < CORPUS_KIND_COUNT; k++) {
        const char *name = corpus_kind_name((enum corpus_kind)k);
        if (told->learned[k])
            json_object_set_new(learned, name, json_integer(told->learned[k]));
        if (told->held[k])
            json_object_set_new(held, name, json_integer(told->held[k]));
    }
    return json_pack("{sI, sI, so, so, sI, sI}", "files", (json_int_t)told->files, "commits", (json_int_t)told->commits, "learned", learned, "held", held,
                     "repeated", (json_int_t)told->repeated, "known", (json_int_t)told->known);
}

struct making {
    struct tunings *t;
    const struct corpus_order *order;
    struct buf out;
    struct corpus_told told;
    struct err *e;
    int rc;
};

static void make_nicely(void *arg)
{
    struct making *m = arg;
    m->rc = corpus_make(&m->out, &m->told, m->t->s->retriever, m->order, m->e);
}

/* The hashes of what the records were made of (holders.h); out: NULL, only to look. ERR_BUSY: one of them was purged meanwhile. */
static int contents_of(struct buf *out, struct tunings *t, const struct buf *records, struct err *e)
{
    struct corpus c = {0};
    char hex[2 * CORPUS_BLOB + 1];
    int rc = corpus_read(&c, records->data, records->len, e);
    const uint8_t *last = NULL; /* records of one file follow each other */
    for (uint32_t i = 0; i < c.records && !rc; i++)
        for (uint16_t b = 0; b < c.record[i].blobs && !rc; b++) {
            const uint8_t *blob = c.record[i].blob + (size_t)b * CORPUS_BLOB;
            struct oid oid = {{0}};
            memcpy(oid.byte, blob, CORPUS_BLOB);
            if (purged(t->s->store, &oid))
                rc = err_set(e, ERR_BUSY, "a content that it was to learn was purged meanwhile: ask again");
            hex_of(hex, blob, CORPUS_BLOB);
            if (out && (!last || memcmp(last, blob, CORPUS_BLOB)))
                buf_addf(out, "%s\n", hex);
            last = blob;
        }
    corpus_release(&c);
    return rc;
}

/* Hashes before texts, so that a purge finds both; what was purged before they stood there is found here. contents: NULL: they are not learned. */
static int write_records(struct tunings *t, const char *path, const char *contents, const struct buf *records, struct err *e)
{
    struct buf hashes = BUF_INIT;
    int rc = contents_of(&hashes, t, records, e);
    if (!rc && contents)
        rc = file_write(contents, hashes.data ? hashes.data : "", hashes.len, 0600, e);
    if (!rc)
        rc = file_write(path, records->data, records->len, 0600, e);
    if (!rc && (rc = contents_of(NULL, t, records, e)))
        unlink(path);
    buf_release(&hashes);
    return rc;
}

static int make(struct tunings *t, const struct repo_row *rows, size_t n, const char *path, const char *contents, struct err *e)
{
    const json_t *job = t->job;
    struct search_target *target = mem_zero(n + 1, sizeof *target);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        struct seen seen;
        rc = view_lookup(&seen, t->s, &rows[i], NULL, e);
        if (!rc)
            target[i] = (struct search_target){.repo = &rows[i], .view = seen.view, .commit = seen.commit, .oid_len = seen.oid_len, .has_overlay = seen.overlay};
    }
    bool embedder = embeds(t);
    struct corpus_order o = {.target = target, .ntargets = n, .seed = integer(job, "seed"), .most = (uint32_t)integer(job, "records"), .bytes = TUNING_BYTES,
                             .kinds = embedder ? QUESTION_KINDS : 0, .commits_by_time = embedder, .patch = embedder ? NULL : patch_of, .mask = mask, .arg = t,
                             .go_on = go_on};
    struct making m = {.t = t, .order = &o, .e = e};
    if (!rc) {
        call_nicely(make_nicely, &m);
        rc = m.rc;
    }
    if (!rc)
        rc = write_records(t, path, contents, &m.out, e);
    if (!rc)
        set(t, "records", told_json(&m.told));
    buf_release(&m.out);
    free(target);
    return rc;
}

/* -- the process ------------------------------------------------------------------------------------------------------------------ */

/* Somebody's request is at work, or waits for a worker. */
static bool others_work(struct tunings *t)
{
    bool work = false;
    pthread_mutex_lock(&t->s->mu);
    for (const struct request *rq = t->s->requests; rq && !work; rq = rq->next)
        work = rq->state == REQUEST_RUNNING || rq->state == REQUEST_QUEUED;
    pthread_mutex_unlock(&t->s->mu);
    return work;
}

static void take_news(struct tunings *t, const json_t *n)
{
    pthread_mutex_lock(&t->s->mu);
    snprintf(t->stage, sizeof t->stage, "%s", text(n, "stage"));
    t->step = integer(n, "step");
    t->steps = integer(n, "steps");
    t->loss = real(n, "loss");
    t->tokens_per_s = real(n, "tokens_per_s");
    t->eta_s = real(n, "eta_s");
    t->memory = integer(n, "memory");
    show_locked(t);
    pthread_mutex_unlock(&t->s->mu);
}

/* A line of the process: 1: it is done and *result holds how; an error; 0: it goes on. */
static int take_line(struct tunings *t, json_t **result, const struct buf *line, struct err *e)
{
    json_t *o = json_loadb(line->data ? line->data : "", line->len, 0, NULL), *error = json_object_get(o, "error"), *done = json_object_get(o, "done");
    int rc = 0;
    if (error) {
        rc = err_set(e, err_code_of(text(error, "code")), "%s", text(error, "message"));
        if (*text(error, "hint"))
            err_hint(e, "%s", text(error, "hint"));
    } else if (done) {
        *result = json_incref(done);
        rc = 1;
    } else if (json_object_get(o, "news")) {
        take_news(t, json_object_get(o, "news"));
    } else {
        rc = err_set(e, ERR_INTERNAL, "the tuning process says what is not understood");
    }
    json_decref(o);
    return rc;
}

static int attend(struct tunings *t, json_t **result, struct tune_process *p, struct err *e)
{
    struct buf line = BUF_INIT;
    bool stopping = false;
    int64_t busy_ns = 0;
    int rc = 0;
    while (!rc) {
        rc = tune_next(p, TUNING_LOOK_MS, &line, e);
        if (rc == 1)
            rc = take_line(t, result, &line, e);
        if (rc)
            break;
        if (!stopping && halted(t)) {
            tune_stop(p);
            stopping = true;
        }
        if (others_work(t))
            busy_ns = clock_ns();
        bool pause = !stopping && busy_ns && clock_ns() - busy_ns < TUNING_REST_NS;
        tune_pause(p, pause);
        pthread_mutex_lock(&t->s->mu);
        t->paused = pause;
        pthread_mutex_unlock(&t->s->mu);
    }
    buf_release(&line);
    return rc < 0 ? rc : 0;
}

static int learn(struct tunings *t, json_t **result, const char *folder, const char *corpus, struct err *e)
{
    struct service *s = t->s;
    const json_t *job = t->job;
    const struct config *c = s->o.config;
    struct tune_process p;
    char *model = NULL;
    const char *adapter = text(job, "measure");
    struct tuning_order o = {.corpus = corpus, .folder = folder, .adapter = *adapter ? adapter : NULL, .rank = (uint32_t)integer(job, "rank"),
                             .alpha = 2 * (float)integer(job, "rank"), .rate = (float)real(job, "rate"), .steps = integer(job, "want_steps"),
                             .epochs = real(job, "epochs"), .context = (uint32_t)integer(job, "context"), .seed = integer(job, "seed"),
                             .threads = (int)c->engine_threads, .checkpoint_s = real(job, "checkpoint_s")};
    int rc = model_find(&model, s->o.paths, text(job, "model"), e);
    o.model = model;
    if (!rc)
        rc = tune_start(&p, s->o.program, &o, e);
    if (!rc) {
        rc = attend(t, result, &p, e);
        tune_end(&p);
    }
    free(model);
    return rc;
}

/* -- the verdict ------------------------------------------------------------------------------------------------------------------ */

/* Keeps the report, and has it used where it is better. */
static int conclude(struct tunings *t, json_t *report, const char *folder, struct err *e)
{
    const char *name = text(t->job, "adapter");
    bool promote = json_is_true(json_object_get(report, "promote")) && json_is_true(json_object_get(t->job, "promote"));
    char *path = in(folder, "report.json"), *lines = json_dumps(report, JSON_INDENT(1));
    int rc = file_write(path, lines, strlen(lines), 0600, e);
    if (!rc && promote)
        rc = embeds(t) ? query_map_promote(t->s, name, json_object_get(t->job, "repos"), e) : adapter_promote(t->s, name, e);
    if (!rc) {
        set(t, "report", json_incref(report));
        set(t, "promoted", json_boolean(promote));
    }
    free(lines);
    free(path);
    return rc;
}

static int judge(struct tunings *t, const json_t *result, const char *folder, const char *corpus, struct err *e)
{
    const char *measured = text(t->job, "measure");
    char *learned = in(*measured ? measured : folder, "corpus");
    json_t *report = NULL;
    int rc = verdict(&report, json_object_get(result, "rows"), json_object_get(result, "asked"), file_exists(learned) ? records_shared(corpus, learned) : 0, integer(t->job, "seed"), e);
    if (!rc) {
        json_object_update_new(report, json_pack("{so, so, sI, sI, sI, sf, sf, ss}", "adapter", json_cstr(text(t->job, "adapter")), "model",
                                                 json_cstr(text(t->job, "model")), "steps", (json_int_t)integer(result, "steps"), "texts",
                                                 (json_int_t)integer(result, "texts"), "tokens", (json_int_t)integer(result, "tokens"), "loss",
                                                 real(result, "loss"), "seconds", real(result, "seconds"), "base", text(result, "base")));
        rc = conclude(t, report, folder, e);
    }
    json_decref(report);
    free(learned);
    return rc;
}

/* -- the embedder ----------------------------------------------------------------------------------------------------------------- */

static bool embedder_goes_on(void *arg, const char *stage, uint64_t step, uint64_t steps, double loss)
{
    struct tunings *t = arg;
    pthread_mutex_lock(&t->s->mu);
    t->loss = loss;
    pthread_mutex_unlock(&t->s->mu);
    tell(t, stage, step, steps);
    for (int64_t busy_ns = 0; !halted(t); usleep(TUNING_LOOK_MS * 1000)) { /* a step takes some milliseconds: nobody waits for it */
        busy_ns = others_work(t) ? clock_ns() : busy_ns;
        bool pause = busy_ns && clock_ns() - busy_ns < TUNING_REST_NS;
        pthread_mutex_lock(&t->s->mu);
        t->paused = pause;
        pthread_mutex_unlock(&t->s->mu);
        if (!pause)
            return true;
    }
    return false;
}

struct embedding {
    struct tunings *t;
    struct embedder_order o;
    json_t *report;
    struct err *e;
    int rc;
};

static void embed_nicely(void *arg)
{
    struct embedding *x = arg;
    x->rc = embedder_tune(&x->report, x->t->s, &x->o, x->e);
}

static int tune_embedder(struct tunings *t, const struct repo_row *rows, size_t n, const char *folder, const char *corpus, struct err *e)
{
    const char *measured = text(t->job, "measure");
    char *learned = in(*measured ? measured : folder, "corpus");
    struct embedding x = {.t = t, .e = e, .o = {.repo = rows, .repos = n, .folder = *measured ? measured : folder, .corpus = corpus, .learned = learned,
                                                .model = text(t->job, "model"), .measure = *measured != 0, .seed = integer(t->job, "seed"),
                                                .go_on = embedder_goes_on, .arg = t}};
    call_nicely(embed_nicely, &x);
    if (!x.rc) {
        json_object_update_new(x.report, json_pack("{so, so}", "adapter", json_cstr(text(t->job, "adapter")), "model", json_cstr(text(t->job, "model"))));
        x.rc = conclude(t, x.report, folder, e);
    }
    json_decref(x.report);
    free(learned);
    return x.rc;
}

/* -- one job ---------------------------------------------------------------------------------------------------------------------- */

/* The repositories of the job that are still known. */
static int find_repos(struct repo_row **rows, size_t *n, size_t *kept, struct tunings *t, struct err *e)
{
    json_t *ids = json_object_get(t->job, "repos"), *id;
    size_t i;
    int rc = state_repos(t->s->store, rows, n, e);
    *kept = 0;
    for (size_t k = 0; k < *n && !rc; k++)
        json_array_foreach(ids, i, id)
            if ((*rows)[k].id == (uint32_t)json_integer_value(id)) {
                struct repo_row keep = (*rows)[*kept];
                (*rows)[*kept] = (*rows)[k];
                (*rows)[k] = keep;
                ++*kept;
                break;
            }
    if (!rc && *kept < json_array_size(ids))
        rc = err_set(e, ERR_NOT_FOUND, "a repository that the adapter was to learn is not known any more");
    return rc;
}

static int do_job(struct tunings *t, struct err *e)
{
    char *folder = adapter_folder(t->s, text(t->job, "adapter")), *corpus = in(folder, "corpus"), *contents = in(folder, "contents");
    struct repo_row *rows = NULL;
    size_t all = 0, n = 0;
    json_t *result = NULL;
    int rc = find_repos(&rows, &all, &n, t, e);
    if (!rc)
        rc = dir_make(folder, 0700, e);
    if (*text(t->job, "measure") && !file_exists(corpus)) { /* made elsewhere: measured by what is indexed here */
        free(corpus);
        free(contents);
        corpus = in(folder, "measured");
        contents = NULL;
    }
    if (!rc && !file_exists(corpus))
        rc = make(t, rows, n, corpus, contents, e);
    if (!rc && embeds(t))
        rc = tune_embedder(t, rows, n, folder, corpus, e);
    else if (!rc && !(rc = learn(t, &result, folder, corpus, e)))
        rc = judge(t, result, folder, corpus, e);
    json_decref(result);
    state_repos_free(rows, all);
    free(contents);
    free(corpus);
    free(folder);
    return rc;
}

static void end(struct tunings *t, int rc, const struct err *why)
{
    struct err e;
    pthread_mutex_lock(&t->s->mu);
    bool goes_on = rc == ERR_CANCELED && t->quit && !t->stop; /* the daemon ends: the next one goes on */
    const char *state = !rc ? "done" : goes_on ? "running" : rc == ERR_CANCELED ? "stopped" : "failed";
    json_object_set_new(t->job, "state", json_string(state));
    if (rc && rc != ERR_CANCELED)
        json_object_set_new(t->job, "error", json_pack("{ss, so, so}", "code", err_name(rc), "message", json_cstr(why->message), "hint", json_cstr(why->hint)));
    pthread_mutex_unlock(&t->s->mu);
    if (save(t, &e))
        log_err(LOG_WARN, "tuning", &e);
    pthread_mutex_lock(&t->s->mu);
    t->active = t->stop = t->paused = false;
    for (struct request *rq = t->waiting.first, *next; rq; rq = next) {
        next = rq->wait_next;
        request_resume_locked(rq, rc ? why : NULL);
    }
    pthread_mutex_unlock(&t->s->mu);
}

static void *tuning_main(void *arg)
{
    struct tunings *t = arg;
    pthread_mutex_lock(&t->s->mu);
    while (!t->quit) {
        if (!t->active) {
            pthread_cond_wait(&t->work, &t->s->mu);
            continue;
        }
        if (clock_ns() < t->from_ns) {
            clock_cond_wait(&t->work, &t->s->mu, t->from_ns);
            continue;
        }
        pthread_mutex_unlock(&t->s->mu);
        struct err e = {0};
        int rc = do_job(t, &e);
        if (rc && rc != ERR_CANCELED)
            log_err(LOG_WARN, "tuning", &e);
        end(t, rc, &e);
        pthread_mutex_lock(&t->s->mu);
    }
    pthread_mutex_unlock(&t->s->mu);
    return NULL;
}

/* -- the calls -------------------------------------------------------------------------------------------------------------------- */

int tunings_open(struct tunings **out, struct service *s, struct err *e)
{
    struct tunings *t = mem_zero(1, sizeof *t);
    t->s = s;
    clock_cond_init(&t->work);
    *out = t;
    load(t);
    t->runs = !pthread_create(&t->thread, NULL, tuning_main, t);
    return t->runs ? 0 : err_set(e, ERR_LIMIT, "cannot start a thread");
}

void tunings_drain(struct service *s)
{
    struct tunings *t = s->tunings;
    pthread_mutex_lock(&s->mu);
    t->quit = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&s->mu);
}

void tunings_close(struct tunings *t)
{
    if (!t)
        return;
    if (t->runs)
        pthread_join(t->thread, NULL);
    json_decref(t->job);
    pthread_cond_destroy(&t->work);
    free(t);
}

bool tunings_idle(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    bool idle = !s->tunings->active;
    pthread_mutex_unlock(&s->mu);
    return idle;
}

/* "qwen2.5-coder-1126-154501": what people see in a list. */
static void name_it(char out[ADAPTER_NAME_MAX + 1], const char *model)
{
    time_t now = (time_t)(clock_wall_ns() / 1000000000);
    struct tm tm;
    char when[32];
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%m%d-%H%M%S", &tm);
    const char *base = strrchr(model, '/');
    snprintf(out, ADAPTER_NAME_MAX + 1, "%.40s-%.20s", base ? base + 1 : model, when);
    for (char *p = out; *p; p++)
        *p = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_.", *p) ? *p : '-';
    if (*out == '.')
        *out = '-';
}

static json_t *job_of(struct service *s, const struct tuning_wish *w, const char *name, const char *model)
{
    json_t *ids = json_array(), *names = json_array();
    for (size_t i = 0; i < w->repos; i++) {
        json_array_append_new(ids, json_integer(w->repo[i].id));
        json_array_append_new(names, json_cstr(w->repo[i].name));
    }
    return json_pack("{ss, ss, ss, so, so, so, ss, sI, sf, sI, sf, sI, sI, sI, sb, sf}", "state", "running", "adapter", name, "role", models_role(w->embedder ? ROLE_EMBED : ROLE_ANSWER), "model", json_cstr(model), "repos", ids,
                     "names", names, "measure", w->adapter ? w->adapter : "", "rank", (json_int_t)(w->rank ? w->rank : TUNING_RANK), "rate",
                     w->rate > 0 ? w->rate : TUNING_RATE, "want_steps", (json_int_t)w->steps, "epochs", w->epochs, "context", (json_int_t)w->context, "seed",
                     (json_int_t)w->seed, "records", (json_int_t)(w->records ? w->records : w->embedder ? EMBEDDER_RECORDS : TUNING_RECORDS), "promote", w->promote, "checkpoint_s",
                     (double)s->o.config->tune_checkpoint_seconds);
}

/* What begins is kept first: else a kill would forget it. */
static int wake(struct tunings *t, struct request *rq, struct err *e)
{
    int rc = save(t, e);
    pthread_mutex_lock(&t->s->mu);
    t->active &= !rc;
    pthread_cond_broadcast(&t->work);
    if (!rc && rq && t->active) {
        request_park_locked(rq, &t->waiting, 0, 0);
        rc = RUN_PARKED;
    }
    pthread_mutex_unlock(&t->s->mu);
    return rc;
}

int tunings_start(struct service *s, const struct tuning_wish *w, struct request *rq, struct err *e)
{
    struct tunings *t = s->tunings;
    char name[ADAPTER_NAME_MAX + 1];
    uint32_t *repo = mem_alloc((w->repos + 1) * sizeof *repo);
    enum model_role role = w->embedder ? ROLE_EMBED : ROLE_ANSWER;
    char *model = models_name(s, role);
    int rc = 0;
    for (size_t i = 0; i < w->repos; i++)
        repo[i] = w->repo[i].id;
    if (!*model || (w->embedder && !s->o.config->embed)) {
        rc = err_set(e, ERR_NOT_FOUND, "no model that %s is chosen: there is nothing to tune", w->embedder ? "embeds" : "answers");
        err_hint(e, "codeask model use NAME");
        goto out;
    }
    if (w->name)
        snprintf(name, sizeof name, "%s", w->name);
    else
        name_it(name, model);
    pthread_mutex_lock(&s->mu);
    if (t->active)
        rc = err_set(e, ERR_BUSY, "another adapter is being made: %s", text(t->job, "adapter"));
    pthread_mutex_unlock(&s->mu);
    if (rc)
        goto out;
    json_t *lineage = w->adapter ? adapter_lineage(s, name) : NULL;
    if (!lineage)
        rc = adapter_note(s, name, repo, w->repos, role, model, w->context, e);
    json_decref(lineage);
    if (rc)
        goto out;
    pthread_mutex_lock(&s->mu);
    if (t->active || s->draining) {
        rc = err_set(e, s->draining ? ERR_STOPPING : ERR_BUSY, s->draining ? "the daemon is stopping" : "another adapter is being made");
    } else {
        json_decref(t->job);
        t->job = job_of(s, w, name, model);
        t->active = true;
        t->stop = false;
        t->loss = t->tokens_per_s = t->eta_s = 0;
        t->step = t->steps = 0;
        strcpy(t->stage, "making");
    }
    pthread_mutex_unlock(&s->mu);
    if (!rc)
        rc = wake(t, rq, e);
out:
    free(repo);
    free(model);
    return rc;
}

int tunings_continue(struct service *s, struct request *rq, struct err *e)
{
    struct tunings *t = s->tunings;
    int rc = 0;
    pthread_mutex_lock(&s->mu);
    const char *state = text(t->job, "state");
    if (s->draining)
        rc = err_set(e, ERR_STOPPING, "the daemon is stopping");
    else if (!t->active && strcmp(state, "stopped") && strcmp(state, "failed"))
        rc = err_set(e, ERR_NOT_FOUND, "no adapter was stopped on its way");
    if (!rc && !t->active) {
        json_object_set_new(t->job, "state", json_string("running"));
        json_object_del(t->job, "error");
        t->active = true;
        t->stop = false;
    }
    pthread_mutex_unlock(&s->mu);
    return rc ? rc : wake(t, rq, e);
}

int tunings_wait(struct service *s, struct request *rq)
{
    struct tunings *t = s->tunings;
    int rc = 0;
    pthread_mutex_lock(&s->mu);
    if (t->active) {
        request_park_locked(rq, &t->waiting, 0, 0);
        rc = RUN_PARKED;
    }
    pthread_mutex_unlock(&s->mu);
    return rc;
}

int tunings_stop(struct service *s, struct err *e)
{
    struct tunings *t = s->tunings;
    pthread_mutex_lock(&s->mu);
    bool active = t->active;
    t->stop |= active;
    pthread_mutex_unlock(&s->mu);
    return active ? 0 : err_set(e, ERR_NOT_FOUND, "no adapter is being made");
}

json_t *tunings_json(struct service *s)
{
    struct tunings *t = s->tunings;
    pthread_mutex_lock(&s->mu);
    json_t *o = t->job ? json_deep_copy(t->job) : json_pack("{ss}", "state", "none");
    if (t->active)
        json_object_update_new(o, json_pack("{ss, sI, sI, sf, sf, sf, sI, sb}", "state", *t->stage ? t->stage : "making", "step", (json_int_t)t->step, "steps",
                                            (json_int_t)t->steps, "loss", t->loss, "tokens_per_s", t->tokens_per_s, "eta_s", t->eta_s, "memory",
                                            (json_int_t)t->memory, "paused", t->paused));
    pthread_mutex_unlock(&s->mu);
    json_object_del(o, "measure");
    return o;
}

#include "service/mirrors.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "indexer/mirror.h"
#include "net/web.h"
#include "net/url.h"
#include "service/jobs_inside.h"
#include "service/pins.h"
#include "service/scope.h"

#include <stdlib.h>
#include <string.h>

#define STATE_MIRRORS "mirrors"
#define PATH_TRIES 100

struct mirror {
    struct mirror *next;
    struct mirrors *x;
    struct repo_row repo;
    char *url, *key, *credentials, *branches;
    /* [mu] */
    int64_t fetched_ns, tried_ns; /* wall clock; 0: never */
    int64_t due_ns;               /* clock_ns; INT64_MAX: not by itself */
    int64_t began_ns;
    unsigned failures;
    char *error;
    bool running, forgotten, indexed; /* indexed: an index job was ordered since the start */
    bool asked;                    /* not by the clock alone: somebody waits, or a hook came */
    struct waitlist waiting;
    struct mirror_progress progress;
    char stage[24];
};

struct mirrors {
    struct service *s;
    pthread_mutex_t save_mu; /* before service.mu */
    pthread_t thread[MIRROR_THREADS];
    unsigned nthreads;
    /* [mu] of the service */
    pthread_cond_t work, ended;
    struct mirror *first;
};

/* -- the list -------------------------------------------------------------------------------------------------------------- */

static void mirror_free(struct mirror *m)
{
    repo_row_release(&m->repo);
    free(m->url);
    free(m->key);
    free(m->credentials);
    free(m->branches);
    free(m->error);
    free(m);
}

static int save(struct mirrors *x, struct err *e)
{
    json_t *all = json_array();
    size_t len;
    pthread_mutex_lock(&x->save_mu);
    pthread_mutex_lock(&x->s->mu);
    for (struct mirror *m = x->first; m; m = m->next)
        if (!m->forgotten)
            json_array_append_new(all, json_pack("{so, so, so, so, sI, sI, si, so}", "path", json_cstr(m->repo.path), "url", json_cstr(m->url), "credentials",
                                                 json_cstr(m->credentials), "branches", json_cstr(m->branches), "fetched", (json_int_t)m->fetched_ns, "tried",
                                                 (json_int_t)m->tried_ns, "failures", (int)m->failures, "error", json_cstr(m->error)));
    pthread_mutex_unlock(&x->s->mu);
    char *text = json_line(all, &len);
    int rc = state_put(x->s->store, STATE_MIRRORS, text, len, e);
    pthread_mutex_unlock(&x->save_mu);
    free(text);
    return rc;
}

static void save_or_log(struct mirrors *x)
{
    struct err e = {0};
    if (save(x, &e))
        log_err(LOG_WARN, "the list of mirrors", &e);
}

static int64_t interval(const struct mirrors *x)
{
    return x->s->o.config->mirror_minutes * 60 * 1000000000LL;
}

/* When it is fetched next, after `failures` in a row. */
static int64_t wait_of(const struct mirrors *x, unsigned failures)
{
    if (!failures)
        return interval(x) ? interval(x) : INT64_MAX;
    int64_t ns = MIRROR_RETRY_NS << (failures > 12 ? 12 : failures - 1);
    return ns < MIRROR_RETRY_MAX_NS ? ns : MIRROR_RETRY_MAX_NS;
}

static int64_t after(int64_t now, int64_t wait)
{
    return wait == INT64_MAX ? INT64_MAX : now + wait;
}

static const char *text_in(json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "";
}

static void load(struct mirrors *x)
{
    struct buf b = BUF_INIT;
    struct err e;
    size_t i;
    json_t *row;
    if (state_get(x->s->store, STATE_MIRRORS, &b, &e))
        return;
    json_t *all = json_loadb(b.data ? b.data : "", b.len, 0, NULL);
    json_array_foreach(all, i, row) {
        struct url u;
        struct mirror *m = mem_zero(1, sizeof *m);
        if (url_parse(&u, text_in(row, "url"), &e) || state_repo_add(x->s->store, text_in(row, "path"), false, &m->repo, &e)) {
            log_err(LOG_WARN, "a mirror is left out", &e);
            free(m);
            continue;
        }
        m->x = x;
        m->url = mem_str(u.text);
        m->key = mem_str(u.key);
        m->credentials = mem_str(text_in(row, "credentials"));
        m->branches = mem_str(text_in(row, "branches"));
        m->error = mem_str(text_in(row, "error"));
        m->fetched_ns = json_integer_value(json_object_get(row, "fetched"));
        m->tried_ns = json_integer_value(json_object_get(row, "tried"));
        m->failures = (unsigned)json_integer_value(json_object_get(row, "failures"));
        int64_t wait = wait_of(x, m->failures), gone = clock_wall_ns() - m->tried_ns;
        bool now = !m->tried_ns || gone < 0 || (wait != INT64_MAX && gone >= wait) || (!m->fetched_ns && !m->failures);
        m->due_ns = now ? clock_ns() : after(clock_ns(), wait == INT64_MAX ? wait : wait - gone);
        url_release(&u);
        m->next = x->first;
        x->first = m;
        if (m->fetched_ns) { /* what the last fetch brought may not have been ordered any more */
            struct job_order o = {.repo = &m->repo, .all_branches = *m->branches != 0};
            m->indexed = !jobs_index(x->s, &o, NULL, MILESTONE_INDEXED, 0, &e);
        }
    }
    json_decref(all);
    buf_release(&b);
}

/* -- fetching -------------------------------------------------------------------------------------------------------------- */

static void resume_all(struct mirror *m, const struct err *why)
{
    while (m->waiting.first)
        request_resume_locked(m->waiting.first, why);
}

static bool on_progress(void *arg, const struct mirror_progress *p)
{
    struct mirror *m = arg;
    struct service *s = m->x->s;
    size_t len;
    json_t *o = json_pack("{ss, so, sI, sI, sI, sf}", "stage", p->stage, "repo", json_cstr(m->repo.name), "files", (json_int_t)p->objects, "files_done",
                          (json_int_t)p->objects_done, "bytes_done", (json_int_t)p->bytes, "seconds", (double)(clock_ns() - m->began_ns) / 1e9);
    char *text = json_line(o, &len);
    pthread_mutex_lock(&s->mu);
    m->progress = *p;
    snprintf(m->stage, sizeof m->stage, "%s", p->stage);
    m->progress.stage = m->stage;
    for (struct request *rq = m->waiting.first; rq; rq = rq->wait_next)
        request_emit_locked(rq, EVENT_PROGRESS, text, len);
    bool go = !s->draining && !m->forgotten;
    pthread_mutex_unlock(&s->mu);
    free(text);
    return go;
}

static void fetch_one(struct mirrors *x, struct mirror *m, const struct mirror_order *o)
{
    struct service *s = x->s;
    struct mirror_result got;
    struct err e = {0};
    int rc = mirror_fetch(&got, s->o.program, o, on_progress, m, &e);
    if (rc && rc != ERR_CANCELED)
        log_err(LOG_WARN, m->repo.name, &e);
    pthread_mutex_lock(&s->mu);
    bool stopped = rc == ERR_CANCELED && (s->draining || m->forgotten), index = false;
    if (stopped) {
        err_set(&e, ERR_STOPPING, m->forgotten ? "the repository is being removed" : "the daemon is stopping; it is fetched when it runs again");
    } else {
        int64_t now = clock_ns();
        m->tried_ns = clock_wall_ns();
        m->failures = rc ? m->failures + 1 : 0;
        free(m->error);
        m->error = mem_str(rc ? e.message : "");
        if (!rc)
            m->fetched_ns = m->tried_ns;
        index = !rc && got.branches && (got.changed || !m->indexed);
        m->indexed |= index;
        if (m->due_ns <= m->began_ns) /* nobody asked for another meanwhile */
            m->due_ns = after(now, wait_of(x, m->failures));
    }
    struct job_order order = {.repo = &m->repo, .all_branches = *o->branches != 0, .durable = true, .anew = true};
    struct err own;
    pthread_mutex_unlock(&s->mu);
    if (!stopped)
        save_or_log(x);
    if (index)
        jobs_index(s, &order, NULL, MILESTONE_INDEXED, 0, &own);
    pthread_mutex_lock(&s->mu);
    m->running = false; /* from here on it may be gone */
    resume_all(m, rc ? &e : NULL);
    pthread_cond_broadcast(&x->ended);
    pthread_cond_broadcast(&x->work);
    pthread_mutex_unlock(&s->mu);
}

static struct mirror *pick(struct mirrors *x, int64_t *next)
{
    struct mirror *best = NULL;
    int64_t now = clock_ns();
    *next = now + 3600 * 1000000000LL;
    for (struct mirror *m = x->first; m; m = m->next) {
        if (m->running || m->forgotten)
            continue;
        if (m->due_ns <= now && (!best || (m->waiting.first && !best->waiting.first) || m->due_ns < best->due_ns))
            best = m;
        else if (m->due_ns > now && m->due_ns < *next)
            *next = m->due_ns;
    }
    return best;
}

static void *thread_main(void *arg)
{
    struct mirrors *x = arg;
    struct service *s = x->s;
    const struct config *c = s->o.config;
    int64_t next;
    pthread_mutex_lock(&s->mu);
    while (!s->draining) {
        struct mirror *m = pick(x, &next);
        if (!m) {
            clock_cond_wait(&x->work, &s->mu, next);
            continue;
        }
        m->running = true;
        m->asked = false;
        m->began_ns = clock_ns();
        char *credentials = mem_str(m->credentials), *branches = mem_str(m->branches), *url = mem_str(m->url); /* a second `repo add` may change them */
        struct mirror_order o = {.url = url, .path = m->repo.path, .branches = branches, .credentials = credentials, .known_hosts = c->mirror_known_hosts,
                                 .ca = c->net_ca, .hosts = c->mirror_hosts, .max_bytes = c->mirror_bytes, .stall_seconds = (unsigned)c->mirror_stall_seconds,
                                 .seconds = (unsigned)c->mirror_seconds};
        pthread_mutex_unlock(&s->mu);
        fetch_one(x, m, &o);
        free(credentials);
        free(branches);
        free(url);
        pthread_mutex_lock(&s->mu);
    }
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

int mirrors_open(struct mirrors **out, struct service *s, struct err *e)
{
    struct mirrors *x = mem_zero(1, sizeof *x);
    x->s = s;
    pthread_mutex_init(&x->save_mu, NULL);
    clock_cond_init(&x->work);
    pthread_cond_init(&x->ended, NULL);
    *out = x;
    if (s->o.brief)
        return 0;
    load(x);
    while (x->nthreads < MIRROR_THREADS && !pthread_create(&x->thread[x->nthreads], NULL, thread_main, x))
        x->nthreads++;
    return x->nthreads ? 0 : err_set(e, ERR_LIMIT, "cannot start a thread");
}

void mirrors_drain(struct service *s)
{
    struct err e;
    err_set(&e, ERR_STOPPING, "the daemon is stopping; it is fetched when it runs again");
    pthread_mutex_lock(&s->mu);
    for (struct mirror *m = s->mirrors->first; m; m = m->next)
        resume_all(m, &e);
    pthread_cond_broadcast(&s->mirrors->work);
    pthread_mutex_unlock(&s->mu);
}

void mirrors_close(struct mirrors *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->nthreads; i++)
        pthread_join(x->thread[i], NULL);
    for (struct mirror *m = x->first, *next; m; m = next) {
        next = m->next;
        mirror_free(m);
    }
    pthread_cond_destroy(&x->ended);
    pthread_cond_destroy(&x->work);
    pthread_mutex_destroy(&x->save_mu);
    free(x);
}

/* -- adding, removing ------------------------------------------------------------------------------------------------------ */

/* A part of an address as a folder's name: nothing that the file system or a reader would take for something else. */
static void add_part(struct buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ':' || (c == '.' && i) || c >= 0x80;
        if (plain)
            buf_addc(out, (char)c);
        else
            buf_addf(out, "%%%02x", c);
    }
}

/* <home>/mirrors/HOST/TEAM/NAME, with ~2 and so on behind it where such a folder is there, or is inside of a mirror. mu held. */
static char *folder_of(struct mirrors *x, const char *key)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/mirrors", x->s->o.paths->home);
    for (const char *p = key; *p;) {
        size_t n = strcspn(p, "/");
        if (n) {
            buf_addc(&b, '/');
            add_part(&b, p, n < 120 ? n : 120);
        }
        p += n + (p[n] == '/');
    }
    size_t len = b.len;
    for (int i = 2; i < PATH_TRIES; i++) {
        bool taken = dir_exists(b.data);
        for (struct mirror *m = x->first; m && !taken; m = m->next) {
            size_t a = strlen(m->repo.path), n = a < b.len ? a : b.len;
            taken = !strncmp(m->repo.path, b.data, n) && (m->repo.path[n] == 0 || m->repo.path[n] == '/') && (b.data[n] == 0 || b.data[n] == '/');
        }
        if (!taken)
            break;
        b.len = len;
        b.data[len] = 0;
        buf_addf(&b, "~%d", i);
    }
    return buf_take(&b);
}

static struct mirror *by_key(struct mirrors *x, const char *key)
{
    struct mirror *m = x->first;
    while (m && (m->forgotten || strcmp(m->key, key)))
        m = m->next;
    return m;
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = mem_str(with);
}

static int add_new(struct mirrors *x, const struct url *u, const char *credentials, const char *branches, bool pin, struct err *e)
{
    struct service *s = x->s;
    struct mirror *m = mem_zero(1, sizeof *m);
    pthread_mutex_lock(&s->mu);
    char *path = folder_of(x, u->key);
    pthread_mutex_unlock(&s->mu);
    int rc = dir_make(path, 0700, e);
    if (!rc)
        rc = state_repo_add(s->store, path, false, &m->repo, e);
    if (!rc && pin) /* before the first of its text is in */
        rc = repo_pin(s, m->repo.id, true, e);
    free(path);
    if (rc) {
        repo_row_release(&m->repo);
        free(m);
        return rc;
    }
    m->x = x;
    m->url = mem_str(u->text);
    m->key = mem_str(u->key);
    m->credentials = mem_str(credentials);
    m->branches = mem_str(branches);
    m->error = mem_str("");
    m->due_ns = INT64_MAX; /* until who adds it says so */
    pthread_mutex_lock(&s->mu);
    struct mirror *twin = by_key(x, u->key); /* added by another request meanwhile */
    if (!twin) {
        m->next = x->first;
        x->first = m;
    }
    pthread_mutex_unlock(&s->mu);
    if (twin) {
        state_repo_remove(s->store, m->repo.id, NULL);
        mirror_free(m);
    }
    return 0;
}

int mirrors_add(struct repo_row *row, struct service *s, const char *url, const char *credentials, const char *branches, bool pin, struct request *rq,
                struct err *e)
{
    struct mirrors *x = s->mirrors;
    struct url u;
    int rc = url_parse(&u, url, e);
    if (!rc && credentials && *credentials != '/')
        rc = err_set(e, ERR_USAGE, "--credentials: an absolute path is wanted");
    if (!rc && credentials)
        rc = secret_file(credentials, e);
    pthread_mutex_lock(&s->mu);
    bool known = !rc && by_key(x, u.key);
    pthread_mutex_unlock(&s->mu);
    if (!rc && !known)
        rc = add_new(x, &u, credentials ? credentials : "", branches ? branches : "", pin, e);
    if (rc) {
        url_release(&u);
        return rc;
    }
    pthread_mutex_lock(&s->mu);
    struct mirror *m = by_key(x, u.key);
    bool again = rq && rq->nwaited;
    if (!m) {
        rc = err_set(e, ERR_CANCELED, "the repository is being removed");
    } else {
        repo_row_copy(row, &m->repo);
        if (!again) {
            replace(&m->url, u.text);
            if (credentials)
                replace(&m->credentials, credentials);
            if (branches)
                replace(&m->branches, branches);
            m->indexed = false;
            m->due_ns = clock_ns();
            m->asked = true;
            pthread_cond_broadcast(&x->work);
        }
    }
    pthread_mutex_unlock(&s->mu);
    if (!rc && known && pin && !again && (rc = repo_pin(s, row->id, true, e)))
        repo_row_release(row);
    if (!rc && !again && (rc = save(x, e)))
        repo_row_release(row);
    if (!rc && rq && !again) {
        pthread_mutex_lock(&s->mu);
        m = by_key(x, u.key);
        if (m) {
            rq->waited[rq->nwaited++] = m->repo.id;
            request_park_locked(rq, &m->waiting, 0, 0);
            rc = RUN_PARKED;
            repo_row_release(row);
        }
        pthread_mutex_unlock(&s->mu);
    }
    url_release(&u);
    return rc;
}

int mirrors_forget(struct service *s, const struct repo_row *repo, struct err *e)
{
    struct mirrors *x = s->mirrors;
    struct mirror **at;
    struct err gone;
    err_set(&gone, ERR_CANCELED, "the repository is being removed");
    pthread_mutex_lock(&s->mu);
    struct mirror *m = x->first;
    while (m && m->repo.id != repo->id)
        m = m->next;
    if (m) {
        m->forgotten = true;
        while (m->running)
            pthread_cond_wait(&x->ended, &s->mu);
        resume_all(m, &gone);
        for (at = &x->first; *at != m; at = &(*at)->next)
            ;
        *at = m->next;
    }
    pthread_mutex_unlock(&s->mu);
    if (!m)
        return 0;
    int rc = save(x, e);
    if (!rc)
        rc = mirror_remove(m->repo.path, e);
    mirror_free(m);
    return rc;
}

void mirrors_hint(struct service *s, const char *url)
{
    struct mirrors *x = s->mirrors;
    char *key = url_key(url);
    if (!key)
        return;
    pthread_mutex_lock(&s->mu);
    struct mirror *m = by_key(x, key);
    if (m) {
        int64_t soon = m->began_ns ? m->began_ns + MIRROR_HOOK_NS : 0, now = clock_ns();
        soon = soon > now ? soon : now;
        if (m->due_ns > soon || m->running)
            m->due_ns = soon;
        m->asked = true;
        pthread_cond_broadcast(&x->work);
    }
    pthread_mutex_unlock(&s->mu);
    free(key);
}

/* -- figures --------------------------------------------------------------------------------------------------------------- */

json_t *mirror_json(struct service *s, uint32_t repo, bool owner)
{
    json_t *o = NULL;
    pthread_mutex_lock(&s->mu);
    struct mirror *m = s->mirrors->first;
    while (m && (m->repo.id != repo || m->forgotten))
        m = m->next;
    if (m) {
        int64_t now = clock_ns(), wall = clock_wall_ns();
        o = json_pack("{so, si, sb}", "fetched_ms_ago", m->fetched_ns ? json_integer((wall - m->fetched_ns) / 1000000) : json_null(), "failures", (int)m->failures,
                      "fetching", m->running);
        if (owner) {
            json_object_set_new(o, "url", json_cstr(m->url));
            json_object_set_new(o, "error", *m->error ? json_cstr(m->error) : json_null());
            json_object_set_new(o, "next_ms", m->due_ns == INT64_MAX ? json_null() : json_integer(m->due_ns > now ? (m->due_ns - now) / 1000000 : 0));
        }
    }
    pthread_mutex_unlock(&s->mu);
    return o;
}

void mirrors_jobs(struct service *s, json_t *list)
{
    pthread_mutex_lock(&s->mu);
    for (struct mirror *m = s->mirrors->first; m; m = m->next)
        if (!m->forgotten && (m->running || m->asked || m->waiting.first))
            json_array_append_new(list, json_pack("{ss, so, sn, sb, ss, sI, sI, si, sI, si, si, sf}", "kind", "fetch", "repo", json_cstr(m->repo.name), "ref", "running", m->running,
                                                  "stage", m->running ? m->stage : "queued", "files", (json_int_t)m->progress.objects, "files_done",
                                                  (json_int_t)m->progress.objects_done, "bytes", 0, "bytes_done", (json_int_t)m->progress.bytes, "texts", 0,
                                                  "texts_done", 0, "seconds", m->running ? (double)(clock_ns() - m->began_ns) / 1e9 : 0));
    pthread_mutex_unlock(&s->mu);
}

bool mirrors_idle(struct service *s)
{
    bool idle = true;
    pthread_mutex_lock(&s->mu);
    for (struct mirror *m = s->mirrors->first; m; m = m->next)
        idle &= m->forgotten || (!m->running && !m->asked);
    pthread_mutex_unlock(&s->mu);
    return idle;
}

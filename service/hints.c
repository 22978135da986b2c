/* Hints: what makes a repository be compared sooner than after ten seconds. They may be lost, late or wrong: a hint says only
 * that the whole is to be looked at. A repository that changes all the time is looked at a quarter of the time, unless
 * somebody asks. */
#include "service/jobs_inside.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define REST_SHARE 3 /* times what the last look cost */
#define DIRS_MAX 16  /* past it everything is looked at: a checkout, a build */

static struct used *used_of(struct jobs *x, uint32_t repo)
{
    for (int i = 0; i < USED_MAX; i++)
        if (x->used[i].at_ns && x->used[i].repo.id == repo)
            return &x->used[i];
    return NULL;
}

static bool in_use(const struct used *u, int64_t now)
{
    return u->at_ns && now - u->at_ns < USED_NS;
}

void hints_clear(struct used *u)
{
    buf_release(&u->dirs);
    u->ndirs = 0;
    u->hinted = u->whole = false;
}

void hints_begin_locked(struct jobs *x, struct job *j)
{
    struct used *u = used_of(x, j->repo.id);
    if (!u)
        return;
    u->settling = u->hinted;
    if (j->look && u->hinted && !u->whole) {
        j->dirs = u->dirs;
        u->dirs = (struct buf)BUF_INIT;
    }
    hints_clear(u);
    u->queued = false;
}

void hints_end_locked(struct jobs *x, const struct job *j, bool whole)
{
    struct used *u = used_of(x, j->repo.id);
    int64_t now = clock_ns(), rest = (now - j->began_ns) * REST_SHARE;
    if (whole) { /* the directories may be others */
        x->watch_serial++;
        x->s->o.wake(x->s->o.wake_arg);
    }
    x->s->hint_came = true;
    pthread_cond_signal(&x->s->tick);
    if (!u)
        return;
    u->settling = false;
    u->rest_until_ns = now + (rest < RECONCILE_NS ? rest : RECONCILE_NS);
}

static bool among(const struct buf *dirs, const char *dir)
{
    for (size_t at = 0; at < dirs->len; at += strlen(dirs->data + at) + 1)
        if (!strcmp(dirs->data + at, dir))
            return true;
    return false;
}

void service_hint_in(struct service *s, uint32_t repo, const char *dir)
{
    pthread_mutex_lock(&s->mu);
    struct used *u = used_of(s->jobs, repo);
    if (u && !u->whole) {
        size_t n = strlen(u->repo.path);
        bool inside = dir && !strncmp(dir, u->repo.path, n) && dir[n] == '/';
        if (!inside || (!among(&u->dirs, dir + n + 1) && ++u->ndirs > DIRS_MAX)) {
            u->whole = true;
            buf_release(&u->dirs);
        } else if (!among(&u->dirs, dir + n + 1)) {
            buf_add(&u->dirs, dir + n + 1, strlen(dir + n + 1) + 1);
        }
    }
    pthread_mutex_unlock(&s->mu);
}

void service_hint(struct service *s, uint32_t repo)
{
    pthread_mutex_lock(&s->mu);
    struct used *u = used_of(s->jobs, repo);
    if (u)
        u->hinted = true;
    s->hint_came = true;
    pthread_cond_signal(&s->tick);
    pthread_mutex_unlock(&s->mu);
}

int64_t jobs_hinted(struct service *s)
{
    struct repo_row row[USED_MAX];
    int n = 0;
    int64_t next = 0, now = clock_ns();
    pthread_mutex_lock(&s->mu);
    for (int i = 0; i < USED_MAX; i++) {
        struct used *u = &s->jobs->used[i];
        if (!u->hinted || !in_use(u, now))
            continue;
        bool running = u->settling; /* its end wakes us */
        if (!running && now >= u->rest_until_ns && !u->queued) {
            u->queued = true;
            repo_row_copy(&row[n++], &u->repo);
        } else if (!running && !u->queued && (!next || u->rest_until_ns < next)) {
            next = u->rest_until_ns;
        }
    }
    pthread_mutex_unlock(&s->mu);
    for (int i = 0; i < n; i++) {
        struct err e;
        jobs_index(s, &(struct job_order){.repo = &row[i], .anew = true, .hinted = true}, NULL, MILESTONE_INDEXED, 0, &e);
        repo_row_release(&row[i]);
    }
    return next;
}

bool jobs_changing(struct service *s, uint32_t repo, bool *anew)
{
    pthread_mutex_lock(&s->mu);
    const struct used *u = used_of(s->jobs, repo);
    *anew = u && u->hinted;
    bool changing = u && (u->hinted || u->settling);
    pthread_mutex_unlock(&s->mu);
    return changing;
}

/* -- what is watched -------------------------------------------------------------------------------------------------- */

uint64_t service_watch_serial(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    uint64_t serial = s->jobs->watch_serial;
    pthread_mutex_unlock(&s->mu);
    return serial;
}

static void list_one(struct service *s, const struct repo_row *r, watch_cb each, void *arg)
{
    struct buf dirs = BUF_INIT, git = BUF_INIT, path = BUF_INIT;
    size_t home = strlen(s->o.paths->home);
    index_ground(s->indexer, r->id, &dirs, &git);
    for (size_t at = 0; at < dirs.len; at += strlen(dirs.data + at) + 1) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", r->path, dirs.data + at);
        /* our own writes are no news */
        if (strncmp(path.data, s->o.paths->home, home) || path.data[home] != '/')
            each(arg, r->id, path.data);
    }
    for (size_t at = 0; at < git.len; at += strlen(git.data + at) + 1)
        each(arg, r->id, git.data + at);
    buf_release(&dirs);
    buf_release(&git);
    buf_release(&path);
}

void service_watch_list(struct service *s, watch_cb each, void *arg)
{
    struct repo_row row[USED_MAX];
    int n = 0;
    int64_t now = clock_ns();
    pthread_mutex_lock(&s->mu);
    for (int i = 0; i < USED_MAX; i++)
        if (in_use(&s->jobs->used[i], now))
            repo_row_copy(&row[n++], &s->jobs->used[i].repo);
    pthread_mutex_unlock(&s->mu);
    for (int i = 0; i < n; i++) {
        list_one(s, &row[i], each, arg);
        repo_row_release(&row[i]);
    }
}

void service_watching(struct service *s, uint32_t repo, unsigned watched, const char *why)
{
    pthread_mutex_lock(&s->mu);
    struct used *u = used_of(s->jobs, repo);
    if (u) {
        u->watched = watched;
        snprintf(u->why, sizeof u->why, "%s", why ? why : "");
    }
    pthread_mutex_unlock(&s->mu);
}

json_t *jobs_watch_json(struct service *s, uint32_t repo)
{
    pthread_mutex_lock(&s->mu);
    const struct used *u = used_of(s->jobs, repo);
    bool used = u && in_use(u, clock_ns());
    json_t *row = json_pack("{ss, sI, ss?}", "state", !used ? "resting" : u->why[0] || !u->watched ? "polling" : "watching",
                            "directories", (json_int_t)(used ? u->watched : 0), "why", used && u->why[0] ? u->why : NULL);
    pthread_mutex_unlock(&s->mu);
    return row;
}

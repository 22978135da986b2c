/* Two threads: one indexes, one embeds and keeps the segments in order. */
#include "service/jobs_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/nice.h"
#include "indexer/history.h"
#include "service/pins.h"
#include "service/scope.h"
#include "store/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_ref(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static struct job *job_new(struct service *s, const struct repo_row *repo, const char *ref, bool all)
{
    struct job *j = mem_zero(1, sizeof *j);
    j->s = s;
    j->id = ++s->jobs->next_id;
    repo_row_copy(&j->repo, repo);
    j->ref = mem_str(ref);
    j->all_branches = all;
    json_t *name = json_cstr(repo->name);
    j->repo_json = json_dumps(name, JSON_ENCODE_ANY);
    json_decref(name);
    snprintf(j->stage, sizeof j->stage, "queued");
    return j;
}

static void job_free(struct job *j)
{
    repo_row_release(&j->repo);
    buf_release(&j->dirs);
    free(j->repo_json);
    free(j->ref);
    free(j);
}

static void append(struct job **list, struct job *j)
{
    while (*list)
        list = &(*list)->next;
    *list = j;
}

static void unlink_job(struct job **list, struct job *j)
{
    while (*list && *list != j)
        list = &(*list)->next;
    if (*list)
        *list = j->next;
}

/* Somebody waiting comes first, then the one that waits longest. */
static struct job *pick(struct job *list)
{
    for (struct job *j = list; j; j = j->next)
        if (j->waiting.first)
            return j;
    return list;
}

void resume_waiting(struct waitlist *on, const struct err *why)
{
    for (struct request *rq = on->first, *next; rq; rq = next) {
        next = rq->wait_next;
        request_resume_locked(rq, why);
    }
}

static void resume_all(struct job *j, enum milestone upto, const struct err *why)
{
    for (struct request *rq = j->waiting.first, *next; rq; rq = next) {
        next = rq->wait_next;
        if (why || rq->milestone <= (int)upto)
            request_resume_locked(rq, why);
    }
}

/* -- progress ------------------------------------------------------------------------------------------------------------- */

/* Shows the figures to all who wait. mu held. */
static void show_locked(struct job *j)
{
    const struct index_progress *p = &j->progress;
    char line[768];
    if (!j->waiting.first)
        return;
    int n = snprintf(line, sizeof line,
                     "{\"stage\":\"%s\",\"repo\":%.200s,\"files\":%llu,\"files_done\":%llu,\"bytes\":%llu,"
                     "\"bytes_done\":%llu,\"texts\":%llu,\"texts_done\":%llu,\"quarantined\":%u,\"seconds\":%.2f}",
                     j->stage, strlen(j->repo_json) <= 200 ? j->repo_json : "\"\"", (unsigned long long)p->files,
                     (unsigned long long)p->files_done, (unsigned long long)p->bytes, (unsigned long long)p->bytes_done,
                     (unsigned long long)p->texts, (unsigned long long)p->texts_done, p->quarantined, p->seconds);
    for (struct request *rq = j->waiting.first; rq; rq = rq->wait_next)
        request_emit_locked(rq, EVENT_PROGRESS, line, (size_t)n);
}

static void progress_locked(struct job *j, const struct index_progress *p)
{
    j->progress = *p;
    snprintf(j->stage, sizeof j->stage, "%s", p->stage ? p->stage : "");
    show_locked(j);
}

static bool on_index(void *arg, const struct index_progress *p)
{
    struct job *j = arg;
    struct service *s = j->s;
    pthread_mutex_lock(&s->mu);
    progress_locked(j, p);
    if (p->files > p->files_done && !strcmp(j->stage, "indexing"))
        s->jobs->busy = true;
    j->put_off = s->jobs->purge;
    bool go = !s->draining && !j->forgotten && !j->put_off;
    pthread_mutex_unlock(&s->mu);
    return go;
}

static bool on_embed(void *arg, const struct index_progress *p)
{
    struct job *j = arg;
    struct service *s = j->s;
    pthread_mutex_lock(&s->mu);
    progress_locked(j, p);
    if (s->jobs->busy || s->jobs->purge)
        j->again = true;
    bool go = !s->draining && !j->forgotten && !j->again;
    pthread_mutex_unlock(&s->mu);
    return go;
}

/* Whoever comes to wait for the job's code interrupts: the job begins anew, and finds that much done. */
static bool on_messages(void *arg, const struct index_progress *p)
{
    struct job *j = arg;
    bool go = on_embed(arg, p);
    pthread_mutex_lock(&j->s->mu);
    go &= !j->touched;
    pthread_mutex_unlock(&j->s->mu);
    return go;
}

/* -- indexing ------------------------------------------------------------------------------------------------------------- */

/* The embed job of (repo, ref), made when there is none. One that runs begins anew only where it embeds another view by now (a
 * branch was switched): finding out what lacks a vector costs a walk. seen: NULL when not known. mu held. */
static struct job *embed_job(struct service *s, const struct repo_row *repo, const char *ref, bool all, const struct seen *seen)
{
    for (struct job *j = s->jobs->embed; j; j = j->next)
        if (j->repo.id == repo->id && same_ref(j->ref, ref) && (j->all_branches || !all) && !j->forgotten) {
            j->touched |= j->running;
            j->again |= j->running && (!seen || j->view != seen->view || j->base != seen->base);
            return j;
        }
    struct job *j = job_new(s, repo, ref, all);
    append(&s->jobs->embed, j);
    pthread_cond_broadcast(&s->jobs->work);
    return j;
}

static void stopping(struct err *e)
{
    err_set(e, ERR_STOPPING, "the daemon is stopping; indexing resumes where it stopped when it runs again");
}

static bool lacks_history(struct job *j, const struct seen *seen)
{
    struct service *s = j->s;
    struct txn *t;
    if (!s->o.config->history || j->repo.plain || !seen || (!seen->oid_len && !j->all_branches))
        return false;
    if (j->all_branches)
        return true;
    if (store_read(&t, s->store, NULL))
        return false;
    bool whole = history_whole(t, &seen->commit);
    txn_end(t);
    return !whole;
}

/* Vectors of messages, which nobody waits for. */
static bool lacks_messages(struct job *j, const struct seen *seen)
{
    struct service *s = j->s;
    struct embedder *m = NULL;
    struct txn *t;
    enum model_role role = embed_role(s, j->repo.id);
    if (!s->o.config->history || !s->o.config->embed || j->repo.plain || !seen->oid_len || !models_number(s, role, NULL) ||
        models_embedder(&m, s, role, NULL))
        return false;
    bool lacks = !store_read(&t, s->store, NULL);
    if (lacks) {
        lacks = !history_embedded(t, model_info(m->model), &seen->commit);
        txn_end(t);
    }
    models_drop(s, m);
    return lacks;
}

/* What the second thread has to do. seen: the view as it is after the job; *known tells whether it could be found. */
static bool lacks_vectors(struct seen *seen, bool *known, struct job *j)
{
    struct service *s = j->s;
    *known = !view_lookup(seen, s, &j->repo, j->ref, NULL);
    if (lacks_history(j, *known ? seen : NULL))
        return true;
    if (!s->o.config->embed)
        return false;
    enum model_role role = embed_role(s, j->repo.id);
    return j->all_branches || !*known || !models_number(s, role, NULL) || embedded_share(s, role, seen->view) < 1;
}

static void index_one(struct jobs *x, struct job *j)
{
    struct service *s = x->s;
    struct err e = {0}, halt;
    bool whole = true;
    int rc = j->retry ? index_retry(s->indexer, &j->repo, on_index, j, &e) : 0;
    if (!rc && j->dirs.len) {
        rc = index_look(s->indexer, &j->repo, (struct str){j->dirs.data, j->dirs.len}, &whole, on_index, j, &e);
        if (rc && rc != ERR_CANCELED) { /* whatever it is, the run says it */
            whole = true;
            rc = 0;
        }
    }
    if (!rc && whole)
        rc = j->all_branches ? index_all_branches(s->indexer, &j->repo, on_index, j, &e)
                             : index_run(s->indexer, &j->repo, j->ref, on_index, j, &e);
    if (rc && rc != ERR_CANCELED)
        log_err(LOG_WARN, j->repo.name, &e);
    struct seen seen;
    bool known = false, embed = !rc && lacks_vectors(&seen, &known, j), messages = !rc && !embed && known && lacks_messages(j, &seen);
    pthread_mutex_lock(&s->mu);
    x->busy = false;
    if (!j->ref)
        hints_end_locked(x, j, whole);
    bool again = rc == ERR_CANCELED && j->put_off && !s->draining && !j->forgotten;
    if (again) {
        ; /* its waiters go on waiting */
    } else if (rc) {
        if (rc == ERR_CANCELED && s->draining)
            stopping(&halt);
        else
            halt = e;
        resume_all(j, MILESTONE_EMBEDDED, &halt);
    } else {
        x->upkeep = true;
        resume_all(j, embed ? MILESTONE_INDEXED : MILESTONE_EMBEDDED, NULL);
        if (embed || messages) {
            struct job *then = embed_job(s, &j->repo, j->ref, j->all_branches, known ? &seen : NULL);
            for (struct request *rq = embed ? j->waiting.first : NULL, *next; rq; rq = next) { /* they go on waiting for the vectors */
                next = rq->wait_next;
                rq->on = &then->waiting;
                rq->wait_next = then->waiting.first;
                then->waiting.first = rq;
            }
            if (embed)
                j->waiting.first = NULL;
        }
    }
    if (!(rc == ERR_CANCELED && s->draining) && !again) { /* else it stays for the next start, or until the purge is over */
        unlink_job(&x->index, j);
        job_free(j);
    } else {
        j->running = false;
    }
    pthread_cond_broadcast(&x->work);
    pthread_cond_broadcast(&x->ended);
    pthread_mutex_unlock(&s->mu);
    jobs_save(x);
}

static void *index_main(void *arg)
{
    struct jobs *x = arg;
    struct service *s = x->s;
    pthread_mutex_lock(&s->mu);
    while (!s->draining) {
        struct job *j = x->purge ? NULL : pick(x->index);
        if (!j) {
            pthread_cond_wait(&x->work, &s->mu);
            continue;
        }
        j->running = true;
        j->put_off = false;
        j->began_ns = clock_ns();
        if (!j->ref)
            hints_begin_locked(x, j);
        pthread_mutex_unlock(&s->mu);
        index_one(x, j);
        pthread_mutex_lock(&s->mu);
    }
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

/* -- embedding ------------------------------------------------------------------------------------------------------------ */

struct view_list {
    uint32_t *view;
    size_t n, cap;
};

static int each_ref(void *arg, const struct ref_row *r)
{
    struct view_list *l = arg;
    VEC_ROOM(l->view, l->n, l->cap);
    l->view[l->n++] = r->view;
    return 0;
}

struct tips {
    struct oid *v;
    size_t n, cap;
};

static int each_tip(void *arg, const struct ref_row *r)
{
    struct tips *l = arg;
    if (r->oid_len) {
        VEC_ROOM(l->v, l->n, l->cap);
        l->v[l->n++] = r->commit;
    }
    return 0;
}

/* The commits that the job is about: l->v on the heap. */
static int list_tips(struct tips *l, struct job *j, struct err *e)
{
    struct service *s = j->s;
    struct seen seen;
    struct txn *t;
    int rc = 0;
    if (j->all_branches) {
        if ((rc = store_read(&t, s->store, e)))
            return rc;
        rc = refs_each(t, j->repo.id, each_tip, l, e);
        txn_end(t);
    } else if (!(rc = view_lookup(&seen, s, &j->repo, j->ref, e)) && seen.oid_len) {
        VEC_ROOM(l->v, l->n, l->cap);
        l->v[l->n++] = seen.commit;
    }
    return rc;
}

struct reading {
    struct job *j;
    struct err *e;
    int rc;
};

static void read_tips(void *arg)
{
    struct reading *r = arg;
    struct tips l = {0};
    r->rc = list_tips(&l, r->j, r->e);
    for (size_t i = 0; i < l.n && !r->rc; i++)
        r->rc = history_index(r->j->s->indexer, &r->j->repo, &l.v[i], on_embed, r->j, r->e);
    free(l.v);
}

/* Nicely, as all that nobody waits for. Not the whole thread: what calls the model may have to start the engine's process, which
 * would inherit it, and questions are computed there. */
static int read_history(struct job *j, struct err *e)
{
    struct reading r = {j, e, 0};
    call_nicely(read_tips, &r);
    return r.rc;
}

/* Nobody waits for the vectors of messages: whoever did goes on before. */
static int embed_messages(struct job *j, struct model *m, struct err *e)
{
    struct service *s = j->s;
    struct tips l = {0};
    pthread_mutex_lock(&s->mu);
    if (!s->draining)
        resume_all(j, MILESTONE_EMBEDDED, NULL);
    pthread_mutex_unlock(&s->mu);
    int rc = list_tips(&l, j, e);
    for (size_t i = 0; i < l.n && !rc; i++)
        rc = history_embed(s->indexer, m, &l.v[i], on_messages, j, e);
    free(l.v);
    return rc;
}

static int embed_views(struct job *j, struct model *m, struct err *e)
{
    struct service *s = j->s;
    struct view_list l = {0};
    struct seen seen;
    int rc = view_lookup(&seen, s, &j->repo, j->ref, e);
    pthread_mutex_lock(&s->mu);
    j->view = rc ? VIEW_NONE : seen.view;
    j->base = rc ? VIEW_NONE : seen.base;
    pthread_mutex_unlock(&s->mu);
    if (!rc)
        rc = index_embed(s->indexer, m, seen.view, on_embed, j, e);
    if (rc || !j->all_branches)
        return rc;
    struct txn *t;
    if ((rc = store_read(&t, s->store, e)))
        return rc;
    rc = refs_each(t, j->repo.id, each_ref, &l, e);
    txn_end(t);
    for (size_t i = 0; i < l.n && !rc; i++)
        if (l.view[i] != seen.view)
            rc = index_embed(s->indexer, m, l.view[i], on_embed, j, e);
    free(l.view);
    return rc;
}

static void embed_one(struct jobs *x, struct job *j)
{
    struct service *s = x->s;
    struct embedder *m = NULL;
    struct err e = {0};
    int rc = s->o.config->history && !j->repo.plain ? read_history(j, &e) : 0;
    if (rc && rc != ERR_CANCELED) { /* a damaged history does not keep the vectors out */
        log_err(LOG_WARN, j->repo.name, &e);
        rc = 0;
    }
    if (!rc) {
        pthread_mutex_lock(&s->mu);
        resume_all(j, MILESTONE_HISTORY, NULL);
        pthread_mutex_unlock(&s->mu);
    }
    bool none = false;
    if (!rc && s->o.config->embed) {
        rc = models_embedder(&m, s, embed_role(s, j->repo.id), &e);
        none = rc != 0;
    }
    if (!rc && m)
        rc = embed_views(j, m->model, &e);
    if (!rc && m && s->o.config->history && !j->repo.plain)
        rc = embed_messages(j, m->model, &e);
    if (m && rc && rc != ERR_CANCELED && m->role == ROLE_FAR_EMBED)
        models_fell(s, m, &e);
    models_drop(s, m);
    if (rc && rc != ERR_CANCELED && !none) /* that there is no model was said when it did not open: this comes with every question */
        log_err(LOG_WARN, j->repo.name, &e);
    pthread_mutex_lock(&s->mu);
    memset(s->shares, 0, sizeof s->shares); /* the figures are exact again */
    j->running = false;
    if (s->draining) {
        stopping(&e);
        resume_all(j, MILESTONE_EMBEDDED, &e);
    } else if ((j->again || j->touched) && !j->forgotten && (!rc || rc == ERR_CANCELED)) {
        ; /* stays in the list: the view moved on while it was embedded */
    } else {
        resume_all(j, MILESTONE_EMBEDDED, rc ? &e : NULL);
        unlink_job(&x->embed, j);
        job_free(j);
    }
    pthread_cond_broadcast(&x->ended);
    pthread_mutex_unlock(&s->mu);
    jobs_save(x);
}

static void *embed_main(void *arg)
{
    struct jobs *x = arg;
    struct service *s = x->s;
    struct repo_row *rows = NULL;
    struct embedder *m = NULL;
    size_t n = 0;
    if (!state_repos(s->store, &rows, &n, NULL) && n) /* the first question will want it */
        models_embedder(&m, s, ROLE_EMBED, NULL);
    models_drop(s, m);
    if (n && !models_reranker(&m, s, NULL)) /* and this one, where it is chosen */
        models_drop(s, m);
    state_repos_free(rows, n);
    pthread_mutex_lock(&s->mu);
    while (!s->draining) {
        if (upkeep_step_locked(x))
            continue;
        struct job *j = x->busy ? NULL : pick(x->embed);
        if (!j) {
            /* A sweep waits for the index jobs, whose ends are told: its time may be past, and would be no wait at all. */
            int64_t ns = x->purge_failed && x->purge_at_ns < x->sweep_at_ns ? x->purge_at_ns : x->sweep_at_ns;
            if ((x->busy || x->index) && !x->purge_failed)
                pthread_cond_wait(&x->work, &s->mu);
            else
                clock_cond_wait(&x->work, &s->mu, ns);
            continue;
        }
        j->running = true;
        j->again = j->touched = false;
        j->began_ns = clock_ns();
        pthread_mutex_unlock(&s->mu);
        embed_one(x, j);
        pthread_mutex_lock(&s->mu);
    }
    pthread_mutex_unlock(&s->mu);
    return NULL;
}

/* -- the calls ------------------------------------------------------------------------------------------------------------ */

int jobs_open(struct jobs **out, struct service *s, struct err *e)
{
    struct jobs *x = mem_zero(1, sizeof *x);
    x->s = s;
    pthread_mutex_init(&x->save_mu, NULL);
    clock_cond_init(&x->work);
    upkeep_open(x);
    pthread_cond_init(&x->ended, NULL);
    *out = x;
    jobs_load(x);
    x->index_runs = !pthread_create(&x->index_thread, NULL, index_main, x);
    x->embed_runs = !pthread_create(&x->embed_thread, NULL, embed_main, x);
    return x->index_runs && x->embed_runs ? 0 : err_set(e, ERR_LIMIT, "cannot start a thread");
}

void jobs_drain(struct service *s)
{
    struct jobs *x = s->jobs;
    struct err e;
    stopping(&e);
    pthread_mutex_lock(&s->mu);
    for (int k = 0; k < 2; k++)
        for (struct job *j = k ? x->embed : x->index; j; j = j->next)
            resume_all(j, MILESTONE_EMBEDDED, &e);
    resume_waiting(&x->purge_waiting, &e);
    pthread_cond_broadcast(&x->work);
    pthread_mutex_unlock(&s->mu);
}

void jobs_close(struct jobs *x)
{
    if (!x)
        return;
    if (x->index_runs)
        pthread_join(x->index_thread, NULL);
    if (x->embed_runs)
        pthread_join(x->embed_thread, NULL);
    for (int k = 0; k < 2; k++)
        for (struct job *j = k ? x->embed : x->index, *next; j; j = next) {
            next = j->next;
            job_free(j);
        }
    for (int i = 0; i < USED_MAX; i++) {
        repo_row_release(&x->used[i].repo);
        hints_clear(&x->used[i]);
    }
    free(x->saved);
    pthread_cond_destroy(&x->ended);
    pthread_cond_destroy(&x->work);
    pthread_mutex_destroy(&x->save_mu);
    free(x);
}

bool jobs_idle(struct service *s)
{
    pthread_mutex_lock(&s->mu);
    bool idle = !s->jobs->index && !s->jobs->embed && !s->jobs->purge;
    pthread_mutex_unlock(&s->mu);
    return idle;
}

int jobs_index(struct service *s, const struct job_order *o, struct request *rq, enum milestone m, int64_t until_ns,
               struct err *e)
{
    struct jobs *x = s->jobs;
    int rc = 0;
    bool save = false;
    if (repo_bundled(o->repo)) {
        err_set(e, ERR_UNSUPPORTED, "%s came in a bundle: nothing newer of it is here", o->repo->name);
        err_hint(e, "import a newer bundle, or index a clone of your own: what both have is not made again");
        return ERR_UNSUPPORTED;
    }
    pthread_mutex_lock(&s->mu);
    if (s->draining) {
        stopping(e);
        rc = ERR_STOPPING;
    } else {
        struct job *j = x->index;
        while (j && (j->repo.id != o->repo->id || j->forgotten || !same_ref(j->ref, o->ref) ||
                     j->all_branches != o->all_branches || (j->running && (o->anew || (j->dirs.len && !o->hinted)))))
            j = j->next;
        if (!j) {
            j = job_new(s, o->repo, o->ref, o->all_branches);
            j->look = true;
            append(&x->index, j);
            pthread_cond_broadcast(&x->work);
        }
        if (!j->running) {
            j->retry |= o->retry;
            j->look &= o->hinted && !o->retry && !o->all_branches && !o->durable;
        }
        save = o->durable && !j->durable;
        j->durable |= o->durable;
        if (rq) {
            request_park_locked(rq, &j->waiting, m, until_ns);
            rc = RUN_PARKED;
            if (j->running)
                show_locked(j);
        }
    }
    pthread_mutex_unlock(&s->mu);
    if (save)
        jobs_save(x);
    return rc;
}

void jobs_embed(struct service *s, const struct repo_row *repo, const char *ref)
{
    pthread_mutex_lock(&s->mu);
    bool there = s->draining;
    for (struct job *j = s->jobs->embed; j && !there; j = j->next)
        there = j->repo.id == repo->id && same_ref(j->ref, ref);
    for (struct job *j = s->jobs->index; j && !there; j = j->next) /* it sees to the vectors when it is done */
        there = j->repo.id == repo->id && same_ref(j->ref, ref);
    if (!there)
        embed_job(s, repo, ref, false, NULL);
    pthread_mutex_unlock(&s->mu);
    if (!there)
        jobs_save(s->jobs);
}

void jobs_forget(struct service *s, uint32_t repo)
{
    struct jobs *x = s->jobs;
    struct err e;
    err_set(&e, ERR_CANCELED, "the repository is being removed");
    pthread_mutex_lock(&s->mu);
    for (int i = 0; i < USED_MAX; i++)
        if (x->used[i].repo.id == repo)
            x->used[i].at_ns = 0;
    for (bool running = true; running;) {
        running = false;
        for (int k = 0; k < 2; k++)
            for (struct job **list = k ? &x->embed : &x->index, *j = *list, *next; j; j = next) {
                next = j->next;
                if (j->repo.id != repo)
                    continue;
                j->forgotten = true;
                if (j->running) {
                    running = true;
                    continue;
                }
                resume_all(j, MILESTONE_EMBEDDED, &e);
                unlink_job(list, j);
                job_free(j);
            }
        if (running)
            pthread_cond_wait(&x->ended, &s->mu);
    }
    pthread_cond_broadcast(&x->work); /* a sweep may have waited for these */
    pthread_mutex_unlock(&s->mu);
    jobs_save(x);
}

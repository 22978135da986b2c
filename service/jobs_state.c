/* The jobs' list in state.mdb, the repositories in use, and what status shows. */
#include "service/jobs_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/mirrors.h"
#include "service/scope.h"

#include <stdlib.h>
#include <string.h>

#define STATE_JOBS "jobs"

void repo_row_copy(struct repo_row *to, const struct repo_row *from)
{
    *to = *from;
    to->name = mem_str(from->name);
    to->path = mem_str(from->path);
}

/* -- the list that outlives the program ----------------------------------------------------------------------------------- */

static void save_list(json_t *all, const struct job *list, bool every)
{
    for (; list; list = list->next)
        if ((every || list->durable) && !list->forgotten)
            json_array_append_new(all, json_pack("{sI, sb, ss?}", "repo", (json_int_t)list->repo.id, "all",
                                                 list->all_branches, "ref", list->ref));
}

void jobs_save(struct jobs *x)
{
    struct err e;
    size_t len;
    json_t *all = json_array();
    pthread_mutex_lock(&x->save_mu);
    pthread_mutex_lock(&x->s->mu);
    save_list(all, x->index, false);
    save_list(all, x->embed, true);
    pthread_mutex_unlock(&x->s->mu);
    char *text = json_line(all, &len);
    if (!x->saved || strcmp(text, x->saved)) {
        if (state_put(x->s->store, STATE_JOBS, text, len, &e))
            log_err(LOG_WARN, "the list of jobs", &e);
        free(x->saved);
        x->saved = text;
    } else {
        free(text);
    }
    pthread_mutex_unlock(&x->save_mu);
}

void jobs_load(struct jobs *x)
{
    struct buf b = BUF_INIT;
    struct repo_row *rows = NULL;
    size_t n = 0, i;
    struct err e;
    if (state_get(x->s->store, STATE_JOBS, &b, &e) || state_repos(x->s->store, &rows, &n, &e)) {
        buf_release(&b);
        return;
    }
    json_t *all = json_loadb(b.data ? b.data : "", b.len, 0, NULL), *row;
    buf_release(&b);
    json_array_foreach(all, i, row)
        for (size_t k = 0; k < n; k++)
            if (rows[k].id == (uint32_t)json_integer_value(json_object_get(row, "repo"))) {
                struct job_order o = {&rows[k], json_string_value(json_object_get(row, "ref")),
                                      json_is_true(json_object_get(row, "all")), .durable = true};
                jobs_index(x->s, &o, NULL, MILESTONE_INDEXED, 0, &e);
            }
    json_decref(all);
    state_repos_free(rows, n);
}

/* -- what is asked about -------------------------------------------------------------------------------------------------- */

void jobs_used(struct service *s, const struct repo_row *repo)
{
    struct jobs *x = s->jobs;
    pthread_mutex_lock(&s->mu);
    struct used *at = &x->used[0];
    for (int i = 0; i < USED_MAX; i++) {
        if (x->used[i].at_ns && x->used[i].repo.id == repo->id) {
            at = &x->used[i];
            break;
        }
        if (x->used[i].at_ns < at->at_ns)
            at = &x->used[i];
    }
    int64_t now = clock_ns();
    bool anew = !at->at_ns || at->repo.id != repo->id || now - at->at_ns >= USED_NS;
    if (anew) { /* to be watched from now on */
        repo_row_release(&at->repo);
        hints_clear(at);
        *at = (struct used){0};
        repo_row_copy(&at->repo, repo);
        x->watch_serial++;
        s->o.wake(s->o.wake_arg);
    }
    at->at_ns = now;
    pthread_mutex_unlock(&s->mu);
}

/* Compared again when the last look is this old, before a question has to wait for it. */
#define REFRESH_NS (RECONCILE_NS / 2)

/* How long ago a repository was compared, or last tried to be: one that cannot be read must not keep the others from their turn. */
static int64_t look_age(struct service *s, const struct used *u)
{
    struct seen seen;
    struct err e;
    int64_t tried = clock_ns() - u->refresh_ns, age;
    if (view_lookup(&seen, s, &u->repo, NULL, &e))
        return 0; /* not indexed yet: whoever asks waits for that */
    age = view_stale(&seen) ? RECONCILE_NS : clock_wall_ns() - seen.reconciled_ns;
    return age < tried ? age : tried;
}

int64_t jobs_refresh(struct service *s)
{
    struct used used[USED_MAX], *oldest = NULL;
    int n = 0;
    int64_t now = clock_ns(), age = 0;
    struct err e;
    pthread_mutex_lock(&s->mu);
    bool busy = s->jobs->index != NULL;
    for (int i = 0; i < USED_MAX; i++) {
        const struct used *u = &s->jobs->used[i];
        if (!u->at_ns || now - u->at_ns >= USED_NS)
            continue;
        used[n] = (struct used){.refresh_ns = u->refresh_ns};
        repo_row_copy(&used[n++].repo, &u->repo);
    }
    pthread_mutex_unlock(&s->mu);
    for (int i = 0; i < n; i++) {
        int64_t its = look_age(s, &used[i]);
        if (its > age) {
            age = its;
            oldest = &used[i];
        }
    }
    if (age >= REFRESH_NS && !busy) {
        pthread_mutex_lock(&s->mu);
        for (int i = 0; i < USED_MAX; i++)
            if (s->jobs->used[i].at_ns && s->jobs->used[i].repo.id == oldest->repo.id)
                s->jobs->used[i].refresh_ns = now;
        pthread_mutex_unlock(&s->mu);
        jobs_index(s, &(struct job_order){.repo = &oldest->repo}, NULL, MILESTONE_INDEXED, 0, &e);
    }
    for (int i = 0; i < n; i++)
        repo_row_release(&used[i].repo);
    /* one after the other in half of the time that is left until the first would be too old, so that none of them meets many questions */
    int64_t turn = (RECONCILE_NS - REFRESH_NS) / 2 / (n + 1), due = REFRESH_NS - age;
    return now + (due > turn ? due : turn);
}

/* -- figures -------------------------------------------------------------------------------------------------------------- */

uint64_t jobs_pending_files(struct service *s, uint32_t repo)
{
    uint64_t n = 0;
    pthread_mutex_lock(&s->mu);
    for (struct job *j = s->jobs->index; j; j = j->next)
        if (j->repo.id == repo && j->running && j->progress.files > j->progress.files_done)
            n += j->progress.files - j->progress.files_done;
    pthread_mutex_unlock(&s->mu);
    return n;
}

json_t *jobs_json(struct service *s)
{
    json_t *all = json_array();
    pthread_mutex_lock(&s->mu);
    for (int k = 0; k < 2; k++)
        for (struct job *j = k ? s->jobs->embed : s->jobs->index; j; j = j->next) {
            const struct index_progress *p = &j->progress;
            json_t *row = json_pack("{sI, so, ss, ss, sb, sI, sI, sI, sI, sI, sI}", "id", (json_int_t)j->id, "repo",
                                    json_cstr(j->repo.name), "kind", k ? "embed" : "index", "stage", j->stage, "running",
                                    j->running, "files", (json_int_t)p->files, "files_done", (json_int_t)p->files_done,
                                    "bytes", (json_int_t)p->bytes, "bytes_done", (json_int_t)p->bytes_done, "texts",
                                    (json_int_t)p->texts, "texts_done", (json_int_t)p->texts_done);
            json_object_set_new(row, "ref", j->ref ? json_cstr(j->ref) : json_null());
            json_object_set_new(row, "seconds",
                                json_real(j->running ? (double)(clock_ns() - j->began_ns) / 1e9 : 0));
            json_array_append_new(all, row);
        }
    pthread_mutex_unlock(&s->mu);
    mirrors_jobs(s, all);
    return all;
}

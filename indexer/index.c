/* The indexer's life, and index_run: one repository's view brought to what is there now. */
#include "indexer/job.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "store/history.h"
#include "store/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_RECONCILED_NS 60000000000 /* the time of a reconcile that found nothing reaches the disk once a minute */

/* -- life ------------------------------------------------------------------------------------------------------------------------ */

struct cutter_mark {
    uint64_t fingerprint;
    uint32_t first_view, pad;
};

/* What views depend on beside the files: when it changes they are made again (their unchanged cuts are found). */
static uint64_t fingerprint(const struct config *c)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "views 1 cutter %d max %llu", CUTTER_VERSION, (unsigned long long)c->max_file_bytes);
    for (const struct language *l = languages; l->name; l++)
        buf_addf(&b, " %s %u", l->name, language_version(l));
    uint64_t h = hash64(b.data, b.len);
    buf_release(&b);
    return h;
}

static int mark_cutter(struct indexer *x, struct err *e)
{
    static const char key[] = "indexer.cutter";
    struct cutter_mark m = {0}, now = {.fingerprint = fingerprint(x->config)};
    struct buf b = BUF_INIT;
    int rc = state_get(x->store, key, &b, e);
    if (!rc && b.len == sizeof m)
        memcpy(&m, b.data, sizeof m);
    buf_release(&b);
    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    x->first_view = m.first_view;
    if (!rc && m.fingerprint == now.fingerprint)
        return 0;
    struct view_head none = {.kind = VIEW_TREE};
    rc = view_make(x->store, &none, &now.first_view, e);
    if (!rc)
        rc = view_drop_all(x->store, now.first_view, e);
    if (!rc)
        rc = state_put(x->store, key, &now, sizeof now, e);
    x->first_view = now.first_view;
    return rc;
}

int indexer_open(struct indexer **out, struct store *s, const struct config *c, const char *program, struct err *e)
{
    git_start();
    struct indexer *x = mem_zero(1, sizeof *x);
    x->store = s;
    x->config = c;
    x->program = mem_str(program);
    pthread_mutex_init(&x->run, NULL);
    pthread_mutex_init(&x->seen, NULL);
    pthread_mutex_init(&x->history, NULL);
    int rc = mark_cutter(x, e);
    if (!rc)
        rc = views_tidy(s, 0, e);
    if (rc) {
        indexer_close(x);
        x = NULL;
    }
    *out = x;
    return rc;
}

void indexer_close(struct indexer *x)
{
    if (!x)
        return;
    if (x->pool)
        pool_close(x->pool);
    sweep_close(x->sweep);
    while (x->nground)
        ground_forget(x, x->ground[0].repo);
    free(x->ground);
    pthread_mutex_destroy(&x->run);
    pthread_mutex_destroy(&x->seen);
    pthread_mutex_destroy(&x->history);
    free(x->reconciled);
    free(x->program);
    free(x);
}

int indexer_pool(struct pool **out, struct indexer *x, struct err *e)
{
    struct pool_options o = {.program = x->program, .workers = (int)x->config->workers,
                             .memory = (size_t)x->config->worker_memory, .cpu_seconds = (int)x->config->worker_seconds};
    int rc = x->pool ? 0 : pool_open(&x->pool, &o, e);
    *out = x->pool;
    return rc;
}

/* -- when it was last compared ------------------------------------------------------------------------------------------------------ */

static struct reconciled *seen(struct indexer *x, uint32_t repo, const char *name)
{
    for (size_t i = 0; i < x->nreconciled; i++)
        if (x->reconciled[i].repo == repo && strcmp(x->reconciled[i].name, name) == 0)
            return &x->reconciled[i];
    return NULL;
}

/* ns: clock_ns. Notes it in memory, and on disk where the stored time is old. */
static int note(struct job *j, const char *name, int64_t ns, struct err *e)
{
    struct indexer *x = j->x;
    pthread_mutex_lock(&x->seen);
    struct reconciled *r = seen(x, j->repo->id, name);
    if (!r) {
        VEC_ROOM(x->reconciled, x->nreconciled, x->cap_reconciled);
        r = &x->reconciled[x->nreconciled++];
        *r = (struct reconciled){.repo = j->repo->id};
        snprintf(r->name, sizeof r->name, "%s", name);
    }
    r->ns = ns;
    int64_t wall = clock_wall_ns() - (clock_ns() - ns);
    bool store = !j->noted && (wall - r->stored_ns >= STORE_RECONCILED_NS || r->stored_ns > wall);
    r->stored_ns = store || j->noted ? wall : r->stored_ns;
    j->noted = false;
    pthread_mutex_unlock(&x->seen);
    if (!store)
        return 0;
    struct txn *t = NULL;
    struct ref_row row;
    int rc = store_write(&t, x->store, e);
    if (rc)
        return rc;
    rc = ref_get(t, j->repo->id, name, &row, e);
    if (!rc) {
        row.name = str_of(name); /* the borrowed one lies in the page that is about to be written */
        row.reconciled_ns = wall;
        rc = ref_put(t, &row, e);
    }
    if (!rc)
        return txn_commit(t, e);
    txn_end(t);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int64_t index_reconciled_ns(struct indexer *x, uint32_t repo, const char *name)
{
    pthread_mutex_lock(&x->seen);
    struct reconciled *r = seen(x, repo, name);
    int64_t ns = r ? r->ns : 0;
    pthread_mutex_unlock(&x->seen);
    if (ns)
        return clock_wall_ns() - (clock_ns() - ns);
    struct txn *t = NULL;
    struct ref_row row;
    if (store_read(&t, x->store, NULL) == 0 && ref_get(t, repo, name, &row, NULL) == 0)
        ns = row.reconciled_ns;
    txn_end(t);
    return ns;
}

/* -- running ------------------------------------------------------------------------------------------------------------------------ */

int job_cut(struct job *j, struct items *items, struct err *e)
{
    struct cutting c = {.store = j->x->store, .git = j->git ? j->repo->path : NULL, .root = j->repo->path,
                        .max_bytes = j->x->config->max_file_bytes, .max_index = j->x->config->max_index_bytes,
                        .cb = j->cb, .arg = j->arg, .progress = &j->progress};
    c.indexer = j->x;
    return cutting_run(&c, items, e);
}

static int drop_ref(struct job *j, const char *name, struct err *e)
{
    struct txn *t = NULL;
    int rc = store_write(&t, j->x->store, e);
    if (rc)
        return rc;
    rc = ref_drop(t, j->repo->id, name, e);
    if (rc) {
        txn_end(t);
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    txn_bump(t);
    return txn_commit(t, e);
}

static int run_ref(struct job *j, const char *ref, struct git_target *to, uint32_t *view, struct err *e)
{
    int64_t begun = clock_ns();
    j->looked_ns = clock_wall_ns();
    *view = VIEW_NONE;
    int rc = repo_target(to, j->git, ref, e);
    j->progress = (struct index_progress){.stage = "walking"};
    if (!rc && to->unborn)
        return drop_ref(j, "HEAD", e);
    if (!rc)
        rc = treeview_bring(j, to, view, e);
    return rc ? rc : note(j, to->name, begun, e);
}

/* A bare repository has no worktree; one whose core.worktree leads away from where it was added is treated like it. */
static bool has_worktree(const struct job *j)
{
    const char *work = git_repository_workdir(j->git);
    char *real = work ? realpath(work, NULL) : NULL;
    bool yes = real && strcmp(real, j->repo->path) == 0;
    free(real);
    return yes;
}

static int run_head(struct job *j, struct err *e)
{
    struct git_target head;
    uint32_t view;
    int64_t begun = clock_ns();
    int rc = run_ref(j, NULL, &head, &view, e);
    if (rc || !has_worktree(j))
        return rc;
    rc = overlay_bring(j, &head, view, e);
    return rc ? rc : note(j, "worktree", begun, e);
}

static int begin(struct job *j, struct indexer *x, const struct repo_row *repo, index_progress_cb cb, void *arg, struct err *e)
{
    *j = (struct job){.x = x, .repo = repo, .cb = cb, .arg = arg};
    pthread_mutex_lock(&x->run);
    indexer_writes(x);
    return repo->plain ? 0 : repo_open(&j->git, repo->path, e);
}

static int end(struct job *j, int rc, struct err *e)
{
    if (!rc && j->tidy)
        rc = views_tidy(j->x->store, j->repo->id, e);
    repo_close(j->git);
    pthread_mutex_unlock(&j->x->run);
    return rc;
}

int index_run(struct indexer *x, const struct repo_row *repo, const char *ref, index_progress_cb cb, void *arg, struct err *e)
{
    struct job j;
    struct git_target to;
    uint32_t view;
    int64_t begun = clock_ns();
    int rc = begin(&j, x, repo, cb, arg, e);
    if (rc)
        return end(&j, rc, e);
    if (repo->plain && ref)
        rc = err_set(e, ERR_USAGE, "%s is no repository: it has no branch %s", repo->path, ref);
    else if (repo->plain) {
        rc = plain_bring(&j, e);
        if (!rc)
            rc = note(&j, "plain", begun, e);
    } else
        rc = ref ? run_ref(&j, ref, &to, &view, e) : run_head(&j, e);
    return end(&j, rc, e);
}

int index_look(struct indexer *x, const struct repo_row *repo, struct str dirs, bool *whole, index_progress_cb cb, void *arg, struct err *e)
{
    struct job j;
    struct git_target head;
    int rc = begin(&j, x, repo, cb, arg, e);
    *whole = repo->plain || !dirs.n;
    if (!rc && !*whole)
        rc = repo_target(&head, j.git, NULL, e);
    *whole = *whole || (!rc && (head.unborn || !has_worktree(&j)));
    if (!rc && !*whole)
        rc = overlay_look(&j, whole, &head, dirs, e);
    return end(&j, rc, e);
}

int index_retry(struct indexer *x, const struct repo_row *repo, index_progress_cb cb, void *arg, struct err *e)
{
    struct job j;
    int rc = begin(&j, x, repo, cb, arg, e);
    if (!rc)
        rc = job_retry(&j, e);
    return end(&j, rc, e);
}

int index_all_branches(struct indexer *x, const struct repo_row *repo, index_progress_cb cb, void *arg, struct err *e)
{
    struct job j;
    git_strarray names = {0};
    struct git_target to;
    uint32_t view;
    int rc = index_run(x, repo, NULL, cb, arg, e);
    if (rc || repo->plain)
        return rc;
    rc = begin(&j, x, repo, cb, arg, e);
    if (!rc && git_reference_list(&names, j.git) != 0)
        rc = git_fail(e, GIT_ERROR, "%s", repo->path);
    for (size_t i = 0; i < names.count && !rc; i++) {
        if (strncmp(names.strings[i], "refs/heads/", 11) != 0)
            continue;
        struct err one = {0};
        rc = run_ref(&j, names.strings[i], &to, &view, &one);
        if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND) { /* a broken branch does not keep the others out */
            log_err(LOG_WARN, names.strings[i], &one);
            rc = 0;
        } else if (rc && e) {
            *e = one;
        }
    }
    git_strarray_dispose(&names);
    return end(&j, rc, e);
}

/* -- removing ----------------------------------------------------------------------------------------------------------------------- */

struct names {
    char **v;
    size_t n, cap;
};

static int add_name(void *arg, const struct ref_row *r)
{
    struct names *l = arg;
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = mem_strn(r->name.p, r->name.n);
    return 0;
}

struct ids {
    uint32_t repo, *v;
    size_t n, cap;
};

static int add_id(void *arg, const struct view_head *h)
{
    struct ids *l = arg;
    if (h->repo != l->repo)
        return 0;
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = h->id;
    return 0;
}

int index_remove(struct indexer *x, uint32_t repo, struct err *e)
{
    struct names refs = {0};
    struct ids views = {.repo = repo};
    struct txn *t = NULL;
    pthread_mutex_lock(&x->run);
    indexer_writes(x);
    ground_forget(x, repo);
    int rc = store_write(&t, x->store, e);
    if (!rc)
        rc = sweep_soon(t, e);
    if (!rc)
        rc = refs_each(t, repo, add_name, &refs, e);
    if (!rc)
        rc = views_each(t, add_id, &views, e);
    for (size_t i = 0; i < refs.n; i++) {
        if (!rc)
            rc = ref_drop(t, repo, refs.v[i], e);
        free(refs.v[i]);
    }
    if (!rc) {
        txn_bump(t);
        rc = txn_commit(t, e);
    } else {
        txn_end(t);
    }
    for (size_t i = 0; i < views.n && !rc; i++)
        rc = view_drop_all(x->store, views.v[i], e);
    free(refs.v);
    free(views.v);
    pthread_mutex_unlock(&x->run);
    return rc;
}

#define SWEEP_NS 100000000 /* of one call: indexing waits for it. A plan over many views may take longer by itself */

int index_sweep(struct indexer *x, int64_t grace, bool *did, bool *more, struct err *e)
{
    struct swept sum = {0};
    int rc = 0;
    *did = *more = false;
    pthread_mutex_lock(&x->run);
    if (pthread_mutex_trylock(&x->history)) { /* reading one takes minutes: another time */
        pthread_mutex_unlock(&x->run);
        return 0;
    }
    uint64_t writes = __atomic_load_n(&x->writes, __ATOMIC_ACQUIRE);
    if (x->sweep && x->sweep_writes != writes) {
        sweep_close(x->sweep);
        x->sweep = NULL;
    }
    if (!x->sweep)
        rc = sweep_open(&x->sweep, x->store, clock_wall_ns() / 1000000000, grace, e);
    x->sweep_writes = writes;
    int64_t end = clock_ns() + SWEEP_NS;
    do {
        if (!rc)
            rc = sweep_step(x->sweep, &sum, more, e);
    } while (!rc && *more && clock_ns() < end);
    if (rc || !*more) {
        sweep_close(x->sweep);
        x->sweep = NULL;
    }
    pthread_mutex_unlock(&x->history);
    pthread_mutex_unlock(&x->run);
    *did = sum.cuts || sum.cards || sum.vectors;
    return rc;
}

int index_purge(struct indexer *x, struct purge_row *row, size_t n, struct err *e)
{
    pthread_mutex_lock(&x->run);
    indexer_writes(x);
    int rc = purge_index(x->store, row, n, e);
    pthread_mutex_unlock(&x->run);
    return rc;
}

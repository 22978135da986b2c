#include "service/audit.h"
#include "service/overlays.h"
#include "service/unsaved.h"

#include "base/clock.h"
#include "base/mem.h"
#include "service/jobs.h"
#include "service/permission.h"

#include <stdlib.h>
#include <string.h>

/* How long a question waits for the look whether something changed. Past it the answer is made of what is in, and its
 * freshness says how old that is: a large checkout must not hold up a user who can see the figure. */
#define RECONCILE_WAIT_NS 3000000000LL

/* -- views ---------------------------------------------------------------------------------------------------------------- */

static int see(struct seen *out, struct txn *t, uint32_t repo, const char *name, struct err *e)
{
    struct ref_row r;
    struct view_head h;
    int rc = ref_get(t, repo, name, &r, e);
    if (rc || (rc = view_get(t, r.view, &h, e)))
        return rc;
    *out = (struct seen){.view = r.view, .base = h.base, .commit = r.commit, .oid_len = r.oid_len, .files = h.files, .bytes = h.bytes,
                         .overlay = h.kind == VIEW_OVERLAY, .plain = h.kind == VIEW_PLAIN,
                         .reconciled_ns = r.reconciled_ns};
    return out->overlay && h.rows ? index_dirty_files(t, r.view, &out->overlay_files, e) : 0;
}

/* The name of a branch, tag or commit of a bundle: as git would resolve it, among those that are in it. */
static int bundled_name(struct buf *out, struct store *s, const struct repo_row *repo, const char *ref, struct err *e)
{
    static const char *const before[] = {"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"};
    struct txn *t;
    struct ref_row row;
    int rc = store_read(&t, s, e), found = ERR_NOT_FOUND;
    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof before / sizeof *before && found == ERR_NOT_FOUND; i++) {
        buf_clear(out);
        buf_addf(out, "%s%s", before[i], ref);
        found = ref_get(t, repo->id, out->data, &row, e);
    }
    txn_end(t);
    if (found == ERR_NOT_FOUND)
        err_set(e, found, "%s: the bundle has no branch, tag or commit %s", repo->name, ref);
    return found;
}

static int name_of(struct buf *out, struct service *s, const struct repo_row *repo, const char *ref, struct err *e)
{
    return repo_bundled(repo) ? bundled_name(out, s->store, repo, ref, e) : repo_ref_name(out, repo, ref, e);
}

int view_lookup(struct seen *out, struct service *s, const struct repo_row *repo, const char *ref, struct err *e)
{
    struct txn *t = NULL;
    struct buf name = BUF_INIT;
    struct err own;
    const char *found = NULL;
    e = e ? e : &own;
    int rc = ref ? name_of(&name, s, repo, ref, e) : 0;
    if (!rc)
        rc = store_read(&t, s->store, e);
    if (rc)
        goto out;
    if (ref) {
        rc = see(out, t, repo->id, found = name.data, e);
    } else if (repo->plain) {
        rc = see(out, t, repo->id, found = "plain", e);
    } else {
        struct seen head;
        int no_head = see(&head, t, repo->id, "HEAD", e);
        rc = see(out, t, repo->id, found = "worktree", e);
        if (rc == ERR_NOT_FOUND && !no_head) { /* bare */
            *out = head;
            found = "HEAD";
            rc = 0;
        } else if (!rc && !no_head && !out->oid_len) {
            out->commit = head.commit;
            out->oid_len = head.oid_len;
        }
    }
out:
    txn_end(t);
    if (!rc) { /* the stored time lags */
        int64_t ns = index_reconciled_ns(s->indexer, repo->id, found);
        out->reconciled_ns = ns > out->reconciled_ns ? ns : out->reconciled_ns;
    }
    buf_release(&name);
    return rc;
}

/* -- repositories --------------------------------------------------------------------------------------------------------- */

static struct repo_row keep(struct arena *a, const struct repo_row *r)
{
    struct repo_row k = *r;
    k.name = arena_str(a, r->name);
    k.path = arena_str(a, r->path);
    return k;
}

static const struct repo_row *row_named(const struct repo_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* The known plain directory that holds path, the deepest. */
static const struct repo_row *row_around(const struct repo_row *rows, size_t n, const char *path)
{
    const struct repo_row *best = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(rows[i].path);
        if (rows[i].plain && !strncmp(path, rows[i].path, len) && (!path[len] || path[len] == '/' || len == 1) &&
            (!best || len > strlen(best->path)))
            best = &rows[i];
    }
    return best;
}

static const struct repo_row *row_at(const struct repo_row *rows, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].path, path))
            return &rows[i];
    return NULL;
}

static int around(struct repo_row *out, struct request *rq, const struct repo_row *rows, size_t n,
                  const struct scope_rules *rules, struct err *e)
{
    struct service *s = rq->s;
    struct arena *a = &rq->arena;
    const char *dir = param_str(rq, "dir");
    struct repo_found f = {0};
    struct repo_row fresh;
    if (!dir || *dir != '/')
        return err_set(e, ERR_USAGE, "dir: an absolute path is wanted");
    int rc = repo_find(&f, dir, rules->any_owner, e);
    if (rc == ERR_DENIED) { /* `repo add` of it was the consent */
        struct err own;
        if (!repo_find(&f, dir, true, &own)) {
            const struct repo_row *r = row_at(rows, n, f.path);
            if (r) {
                *out = keep(a, r);
                rc = 0;
            }
            free(f.path);
        }
        return rc;
    }
    if (rc)
        return rc;
    const struct repo_row *r = f.plain ? row_around(rows, n, f.path) : row_at(rows, n, f.path);
    if (f.plain && rules->add_plain && r && strcmp(r->path, f.path))
        r = NULL; /* a directory inside a known one, named on purpose */
    if (r) {
        *out = keep(a, r);
    } else if (!f.plain ? !rules->add : !rules->add_plain) {
        rc = err_set(e, ERR_NO_REPOSITORY, "%s is %s", f.path,
                     f.plain ? "in no git repository and was never indexed" : "not known yet");
        err_hint(e, "to index this directory: codeask index -C %.200s", f.path);
    } else if (!(rc = state_repo_add(s->store, f.path, f.plain, &fresh, e))) {
        *out = keep(a, &fresh);
        repo_row_release(&fresh);
    }
    free(f.path);
    return rc;
}

int scope_repos(struct repo_row **rows, size_t *n, struct request *rq, const struct scope_rules *rules, struct err *e)
{
    struct repo_row *all = NULL;
    size_t nall = 0;
    json_t *names = json_object_get(rq->params, "repo");
    if (!rq->who.local && param_str(rq, "dir")) {
        err_set(e, ERR_USAGE, "dir: a directory of this machine means nothing to others");
        err_hint(e, "name repositories with repo; without it all are asked that you may read");
        return ERR_USAGE;
    }
    int rc = readable_repos(&all, &nall, rq, e);
    if (rc)
        return rc;
    size_t want = json_is_array(names) ? json_array_size(names) : names ? 1 : 0;
    if (param_bool(rq, "all_repos") || want || !rq->who.local) {
        *rows = arena_zero(&rq->arena, nall + want + 1, sizeof **rows);
        *n = 0;
        if (!want)
            for (size_t i = 0; i < nall; i++)
                (*rows)[(*n)++] = keep(&rq->arena, &all[i]);
        for (size_t i = 0; i < want && !rc; i++) {
            const char *name = json_string_value(json_is_array(names) ? json_array_get(names, i) : names);
            const struct repo_row *r = row_named(all, nall, name);
            bool twice = false;
            for (size_t k = 0; k < *n && r; k++)
                twice |= (*rows)[k].id == r->id;
            if (r && !twice) {
                (*rows)[(*n)++] = keep(&rq->arena, r);
            } else if (!r) {
                rc = err_set(e, ERR_NOT_FOUND, "no repository is called %.200s", name);
                err_hint(e, "`codeask repo list` shows the names");
            }
        }
        if (!rc && !*n) {
            rc = err_set(e, ERR_NO_REPOSITORY, "no repository is known yet");
            err_hint(e, "run codeask in a repository, or: codeask repo add DIR");
        }
    } else {
        *rows = arena_zero(&rq->arena, 1, sizeof **rows);
        *n = 1;
        rc = around(*rows, rq, all, nall, rules, e);
    }
    state_repos_free(all, nall);
    return rc;
}

/* -- scope ---------------------------------------------------------------------------------------------------------------- */

static bool has_waited(struct request *rq, uint32_t repo)
{
    for (unsigned i = 0; i < rq->nwaited; i++)
        if (rq->waited[i] == repo)
            return true;
    return false;
}

bool view_stale(const struct seen *seen)
{
    int64_t age = clock_wall_ns() - seen->reconciled_ns;
    return age < 0 || age >= RECONCILE_NS; /* below zero: stored before the clock was set back */
}

/* Looks at one repository; RUN_PARKED while it is brought in. */
static int bring_in(struct seen *seen, const char **note, struct request *rq, const struct repo_row *repo, const char *ref,
                    struct err *e)
{
    struct service *s = rq->s;
    int rc = view_lookup(seen, s, repo, ref, e);
    bool missing = rc == ERR_NOT_FOUND;
    if ((rc && !missing) || repo_bundled(repo)) /* what came in a bundle is as it was then */
        return rc;
    if (missing && ref) { /* a name that git does not know is the asker's mistake, not something to wait for */
        struct buf name = BUF_INIT;
        rc = repo_ref_name(&name, repo, ref, e);
        buf_release(&name);
        if (rc)
            return rc;
        if (!rq->who.local) { /* what is indexed is the owner's choice */
            err_set(e, ERR_NOT_FOUND, "%s: this branch is not indexed", repo->name);
            err_hint(e, "who runs the server can index it: codeask index --branch");
            return ERR_NOT_FOUND;
        }
    }
    bool anew = false, changing = !ref && jobs_changing(s, repo->id, &anew);
    bool stale = !missing && (changing || view_stale(seen));
    if (has_waited(rq, repo->id)) {
        if (missing) {
            if (!rq->wait_err.code)
                return err_set(e, ERR_NOT_FOUND, "%s has no commit yet", repo->name);
            *e = rq->wait_err;
            return e->code;
        }
        if (rq->wait_err.code && rq->wait_err.code != ERR_TIMEOUT)
            *note = arena_fmt(&rq->arena, "%s could not be brought up to date: %s", repo->name, rq->wait_err.message);
        else if (rq->wait_err.code)
            *note = arena_fmt(&rq->arena, "%s is still being brought up to date", repo->name);
        else if (view_stale(seen)) /* it took longer than an answer stays current: look again behind this one */
            jobs_index(s, &(struct job_order){.repo = repo, .ref = ref}, NULL, MILESTONE_INDEXED, 0, NULL);
        return 0;
    }
    if ((!missing && !stale) || rq->nwaited == sizeof rq->waited / sizeof *rq->waited)
        return missing ? err_set(e, ERR_NOT_FOUND, "%s is not indexed yet", repo->name) : 0;
    struct job_order o = {.repo = repo, .ref = ref, .durable = missing, .anew = anew, .hinted = changing && !missing && !view_stale(seen)};
    int64_t until = missing ? 0 : rq->submitted_ns + RECONCILE_WAIT_NS;
    if (until && until <= clock_ns()) { /* spent on the repositories before this one */
        *note = arena_fmt(&rq->arena, "%s is still being brought up to date", repo->name);
        jobs_index(s, &o, NULL, MILESTONE_INDEXED, 0, NULL);
        return 0;
    }
    rq->waited[rq->nwaited++] = repo->id;
    rq->first_index |= missing;
    return jobs_index(s, &o, rq, MILESTONE_INDEXED, until, e);
}

/* Where an overlay stands: the view of its ref, if that is still at the same commit. */
static int stand(struct seen *out, struct request *rq, const struct repo_row *repo, const struct overlay *o, struct err *e)
{
    struct txn *t;
    int64_t reconciled = out->reconciled_ns;
    int rc = store_read(&t, rq->s->store, e);
    if (rc)
        return rc;
    rc = see(out, t, repo->id, overlay_ref(o), e);
    txn_end(t);
    if (!rc && memcmp(&out->commit, overlay_commit(o), sizeof out->commit))
        rc = err_set(e, ERR_NOT_FOUND, "%s has moved on from the commit that the overlay stands on", repo->name);
    out->reconciled_ns = reconciled > out->reconciled_ns ? reconciled : out->reconciled_ns;
    return rc;
}

/* One repository's view, and the overlay that is asked for over it. */
static int open_one(struct scope *out, size_t n, struct request *rq, const struct repo_row *repo, const char *ref, struct err *e)
{
    struct overlay *o;
    int rc = overlay_take(&o, rq, repo->id, e);
    out->overlay[n] = o;
    if (rc)
        return rc;
    if (o)
        ref = strcmp(overlay_ref(o), "HEAD") ? overlay_ref(o) : NULL;
    rc = bring_in(&out->seen[n], &out->note, rq, repo, ref, e);
    return !rc && o ? stand(&out->seen[n], rq, repo, o, e) : rc;
}

static int open_all(struct scope *out, struct request *rq, struct err *e)
{
    struct service *s = rq->s;
    const char *ref = param_str(rq, "branch");
    size_t n = 0, all = out->n;
    bool many = all > 1;
    int rc = 0;
    out->n = 0;
    for (size_t i = 0; i < all; i++) {
        rc = open_one(out, n, rq, &out->repo[i], ref, e);
        if (rc == RUN_PARKED || (rc && (!many || out->overlay[n])))
            return rc;
        if (rc) { /* one of several: the others answer */
            out->note = arena_fmt(&rq->arena, "%s is left out: %s", out->repo[i].name, e->message);
            continue;
        }
        out->repo[n] = out->repo[i];
        const struct seen *v = &out->seen[n];
        out->target[n] = (struct search_target){.repo = &out->repo[n], .view = v->view, .commit = v->commit,
                                                .oid_len = v->oid_len, .has_overlay = v->overlay};
        if (!ref && !repo_bundled(&out->repo[n]))
            jobs_used(s, &out->repo[n]);
        out->n = ++n;
    }
    out->store = s->store;
    audit_repos(rq, out->repo, n);
    unsaved_over(out, rq);
    return n ? 0 : rc;
}

int scope_open(struct scope *out, struct request *rq, struct err *e)
{
    *out = (struct scope){0};
    int rc = scope_repos(&out->repo, &out->n, rq, &(struct scope_rules){.add = true}, e);
    if (rc)
        return rc;
    size_t all = out->n;
    out->seen = arena_zero(&rq->arena, all, sizeof *out->seen);
    out->target = arena_zero(&rq->arena, all, sizeof *out->target);
    out->overlay = arena_zero(&rq->arena, all, sizeof *out->overlay);
    rc = open_all(out, rq, e);
    for (size_t i = 0; i < all; i++)
        overlay_drop(out->overlay[i]);
    out->overlay = NULL;
    return rc;
}

int scope_open_one(struct scope *out, struct request *rq, struct err *e)
{
    int rc = scope_open(out, rq, e);
    return rc || out->n == 1 ? rc : err_set(e, ERR_USAGE, "one repository is wanted");
}

/* -- what is in it ------------------------------------------------------------------------------------------------------- */

int scope_source(void *arg, const struct search_hit *h, struct buf *out, struct err *e)
{
    const struct scope *sc = arg;
    const struct search_target *t = &sc->target[h->target];
    if (unsaved_source(out, sc, h))
        return 0;
    return source_read(sc->store, t->repo, h->path, &h->oid, h->uncommitted || t->repo->plain, out, e);
}

char *scope_path(struct arena *arena, const struct repo_row *repo, const char *dir, const char *path)
{
    size_t n = strlen(repo->path);
    const char *at = path;
    char *real = dir ? realpath(dir, NULL) : NULL;
    dir = real ? arena_str(arena, real) : dir;
    free(real);
    if (*path == '/') {
        at = !strncmp(path, repo->path, n) && path[n] == '/' ? path + n + 1 : path;
    } else if (dir && !strncmp(dir, repo->path, n) && dir[n] == '/') {
        at = arena_fmt(arena, "%s/%s", dir + n + 1, path);
    }
    /* "." and ".." go */
    char *out = arena_alloc(arena, strlen(at) + 1), *to = out;
    for (const char *p = at; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && !strncmp(p, "..", 2)) {
            while (to > out && *--to != '/')
                ;
        } else if (len && !(len == 1 && *p == '.')) {
            if (to > out)
                *to++ = '/';
            memcpy(to, p, len);
            to += len;
        }
        p += len + (p[len] == '/');
    }
    *to = 0;
    return out;
}

static int file_at(struct occ *out, struct txn *t, uint32_t view, const char *path, struct err *e)
{
    return *path ? occ_get(t, view, str_of(path), out, e) : err_set(e, ERR_NOT_FOUND, "the root is a directory");
}

int scope_file(struct search_hit *out, struct txn *t, const struct scope *sc, struct arena *arena, const char *dir, const char *path, struct err *e)
{
    const struct repo_row *repo = sc->target[0].repo;
    const struct seen *seen = &sc->seen[0];
    struct occ o;
    int rc = file_at(&o, t, seen->view, scope_path(arena, repo, dir, path), e);
    if (rc == ERR_NOT_FOUND && dir)
        rc = file_at(&o, t, seen->view, scope_path(arena, repo, NULL, path), e);
    if (!rc)
        *out = (struct search_hit){.path = o.path, .oid = o.oid, .oid_len = seen->oid_len ? seen->oid_len : 20, .cut = o.cut,
                                   .uncommitted = seen->overlay && o.mtime_ns && !(o.flags & OCC_CLEAN)};
    return rc;
}

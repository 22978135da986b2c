/* A directory without git: one full, mutable view; what a file's stat data proves unchanged is not read again. */
#include "indexer/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "indexer/files.h"

#include <stdlib.h>

struct plain {
    struct items old, files;
    struct change *change;
    size_t n, cap;
};

static int known(void *arg, struct item *old, struct item *f)
{
    if (!f)
        return 0;
    f->flags |= level_flags(f->level, f->path);
    if (old && item_same_stat(old, f)) {
        f->oid = old->oid;
        f->cut = old->cut;
        f->flags |= old->flags & (OCC_SKIPPED | OCC_QUARANTINED);
        /* was it left out only for an attribute that is gone? */
        f->done = old->cut != CUT_NONE || old->flags & (OCC_SKIPPED | OCC_QUARANTINED | OCC_SYMLINK);
        if (f->flags & OCC_SKIPPED)
            f->cut = CUT_NONE;
    }
    return 0;
}

static int changed(void *arg, struct item *old, struct item *f)
{
    struct plain *p = arg;
    if (f && f->flags & OCC_DELETED)
        f = NULL;
    if ((!old && !f) || (old && f && old->flags == f->flags && old->cut == f->cut && oid_same(&old->oid, &f->oid) &&
                         old->mtime_ns == f->mtime_ns && old->ctime_ns == f->ctime_ns && old->ino == f->ino))
        return 0;
    VEC_ROOM(p->change, p->n, p->cap);
    p->change[p->n++] = (struct change){f ? f : old, !f};
    return 0;
}

static int load(struct plain *p, struct job *j, uint32_t *view, struct err *e)
{
    struct txn *t = NULL;
    struct ref_row ref;
    int rc = store_read(&t, j->x->store, e);
    *view = VIEW_NONE;
    if (!rc && ref_get(t, j->repo->id, "plain", &ref, NULL) == 0 && ref.view >= j->x->first_view) {
        *view = ref.view;
        rc = items_of_view(&p->old, t, *view, true, e);
    }
    txn_end(t);
    return rc;
}

static int write_rows(struct plain *p, struct job *j, uint32_t view, struct err *e)
{
    struct store *s = j->x->store;
    struct view_head head = {.id = view, .repo = j->repo->id, .kind = VIEW_PLAIN};
    struct ref_row ref = {.repo = j->repo->id, .view = view, .name = STR("plain"), .reconciled_ns = clock_wall_ns()};
    int rc = 0;
    for (size_t i = 0; i < p->files.n; i++) {
        head.files += !(p->files.v[i].flags & OCC_DELETED);
        head.bytes += p->files.v[i].flags & OCC_DELETED ? 0 : p->files.v[i].size;
    }
    items_merge(&p->old, &p->files, changed, p);
    if (view && !p->n)
        return 0;
    if (!view) {
        rc = view_make(s, &head, &head.id, e);
        ref.view = head.id;
    }
    /* a large change of a directory is no single moment: its parts may be seen one after the other */
    size_t last = p->n < CHANGES_AT_ONCE ? p->n : 0;
    if (!rc)
        rc = view_fill(s, head.id, p->change, p->n - last, e);
    return rc ? rc : view_publish(s, &head, &ref, p->change + (p->n - last), last, e);
}

int plain_bring(struct job *j, struct err *e)
{
    struct plain p = {0};
    struct items unreadable;
    uint32_t view;
    items_init(&p.old);
    items_init(&p.files);
    items_init(&unreadable);
    j->progress = (struct index_progress){.stage = "walking"};
    struct buf dirs = BUF_INIT, gitdirs = BUF_INIT;
    struct worktree w = {.root = j->repo->path, .dirs = &dirs, .gitdirs = &gitdirs};
    int rc = load(&p, j, &view, e);
    if (!rc)
        rc = files_walk(&p.files, &unreadable, &w, e);
    if (!rc)
        ground_set(j, &dirs, &gitdirs);
    for (size_t i = 0; i < unreadable.n; i++)
        log_line(LOG_WARN, "%s/%s: the directory cannot be read", j->repo->path, unreadable.v[i].path.p);
    if (!rc)
        rc = items_merge(&p.old, &p.files, known, &p);
    if (!rc)
        rc = job_cut(j, &p.files, e);
    if (!rc)
        rc = write_rows(&p, j, view, e);
    free(p.change);
    buf_release(&dirs);
    buf_release(&gitdirs);
    items_release(&unreadable);
    items_release(&p.files);
    items_release(&p.old);
    return rc;
}

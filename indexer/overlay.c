/* The dirty worktree as a difference to HEAD's tree view. A file that git's index proves unchanged costs one stat; one that it
 * cannot prove is read once, and its stat data is kept in a row of the overlay, so that it is not read again. */
#include "indexer/job.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "indexer/files.h"
#include "store/purge.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_OF_CONTENT (OCC_SKIPPED | OCC_QUARANTINED | OCC_SYMLINK | OCC_SUBMODULE)
#define FLAGS_OF_ATTRIBUTES (OCC_GENERATED | OCC_VENDORED | OCC_DOCUMENTATION | OCC_NOT_GENERATED | OCC_NOT_VENDORED)

struct overlay {
    struct job *j;
    struct gitindex index;
    bool has_index;
    struct items base;  /* HEAD's tree view */
    struct items old;   /* rows of the overlay as stored */
    struct items files; /* the worktree */
    struct items rows;  /* the overlay as it shall be */
    uint32_t view, view_base;
    struct oid commit;  /* as stored with the ref */
    struct view_head head;
    bool attributes_changed;
};

/* -- what is there ---------------------------------------------------------------------------------------------------------------- */

void worktree_excludes(struct buf out[2], git_repository *git)
{
    char path[PATH_MAX * 2];
    git_config *c = NULL, *snapshot = NULL;
    git_buf at = GIT_BUF_INIT;
    if (git_repository_config(&c, git) == 0 && git_config_snapshot(&snapshot, c) == 0 &&
        git_config_get_path(&at, snapshot, "core.excludesfile") == 0 && at.ptr) {
        snprintf(path, sizeof path, "%s", at.ptr);
    } else {
        const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
        snprintf(path, sizeof path, "%s%s/git/ignore", xdg && *xdg ? xdg : home ? home : "", xdg && *xdg ? "" : "/.config");
    }
    git_buf_dispose(&at);
    git_config_free(snapshot);
    git_config_free(c);
    if (file_exists(path))
        file_read(&out[0], path, 1 << 20, NULL);
    snprintf(path, sizeof path, "%sinfo/exclude", git_repository_commondir(git));
    if (file_exists(path))
        file_read(&out[1], path, 1 << 20, NULL);
}

static int load_rows(struct overlay *o, uint32_t base, struct err *e)
{
    struct store *s = o->j->x->store;
    struct txn *t = NULL;
    struct ref_row ref;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    if (base != VIEW_NONE) {
        struct view_head h;
        rc = view_get(t, base, &h, e);
        o->head.files = h.files;
        o->head.bytes = h.bytes;
        if (!rc)
            rc = items_of_view(&o->base, t, base, false, e);
    }
    if (!rc && ref_get(t, o->j->repo->id, "worktree", &ref, NULL) == 0 && ref.view >= o->j->x->first_view) {
        struct view_head h;
        o->view = ref.view;
        o->commit = ref.commit;
        rc = view_get(t, ref.view, &h, e);
        o->view_base = h.base;
        if (!rc)
            rc = items_of_view(&o->old, t, ref.view, true, e);
    }
    txn_end(t);
    return rc;
}

static void open_index(struct overlay *o, struct err *why)
{
    char path[PATH_MAX * 2];
    snprintf(path, sizeof path, "%sindex", git_repository_path(o->j->git));
    o->has_index = gitindex_open(&o->index, path, why) == 0;
}

static int walk(struct overlay *o, struct err *e)
{
    struct buf excludes[2] = {BUF_INIT, BUF_INIT}, dirs = BUF_INIT, gitdirs = BUF_INIT;
    struct items unreadable;
    struct err why = {0};
    items_init(&unreadable);
    open_index(o, &why);
    if (!o->has_index)
        log_err(LOG_WARN, "every file is compared by content", &why);
    worktree_excludes(excludes, o->j->git);
    struct worktree w = {.root = o->j->repo->path, .index = o->has_index ? &o->index : NULL, .tracked = &o->base,
                         .dirs = &dirs, .gitdirs = &gitdirs};
    for (int i = 0; i < 2; i++)
        w.excludes[i] = (struct str){excludes[i].data ? excludes[i].data : "", excludes[i].len};
    int rc = files_walk(&o->files, &unreadable, &w, e);
    for (size_t i = 0; i < unreadable.n; i++)
        log_line(LOG_WARN, "%s/%s: the directory cannot be read", o->j->repo->path, unreadable.v[i].path.p);
    items_release(&unreadable);
    if (!rc)
        ground_set(o->j, &dirs, &gitdirs);
    buf_release(&dirs);
    buf_release(&gitdirs);
    buf_release(&excludes[0]);
    buf_release(&excludes[1]);
    return rc;
}

/* -- what differs ------------------------------------------------------------------------------------------------------------------ */

static struct item *add_row(struct overlay *o, const struct item *from)
{
    struct item *i = items_add(&o->rows, from->path);
    struct str own = i->path;
    *i = *from;
    i->path = own;
    return i;
}

static bool is_attributes(struct str path)
{
    size_t n = sizeof ATTRIBUTES_FILE - 1;
    return path.n >= n && memcmp(path.p + path.n - n, ATTRIBUTES_FILE, n) == 0 && (path.n == n || path.p[path.n - n - 1] == '/');
}

static void present(struct overlay *o, const struct item *base, const struct item *f)
{
    /* a content that was not there (a partial clone's, which are never fetched) is read here once the file is */
    bool lost = base && base->flags & OCC_QUARANTINED && !(f->flags & (OCC_SUBMODULE | OCC_SYMLINK));
    if (f->done && base && oid_same(&base->oid, &f->oid) && !lost)
        return;
    struct item *i = add_row(o, f);
    i->head = lost ? NULL : base;
    i->flags |= f->flags & OCC_SUBMODULE ? 0 : level_flags(f->level, f->path);
    const struct item *was = items_find(&o->old, f->path);
    if (was && !(was->flags & OCC_DELETED) && item_same_stat(was, f)) {
        i->oid = was->oid;
        i->cut = was->cut;
        /* left out for an attribute that is gone, or for a size that is allowed now: read it */
        bool again = was->flags & OCC_SKIPPED && !(i->flags & OCC_SKIPPED) && !(was->flags & OCC_SYMLINK) &&
                     f->size <= o->j->x->config->max_file_bytes && !purged(o->j->x->store, &was->oid);
        i->flags |= again ? 0 : was->flags & FLAGS_OF_CONTENT;
        i->cut = i->flags & OCC_SKIPPED ? CUT_NONE : i->cut;
        i->head = again ? NULL : base;
        i->done = !again;
    } else if (!(f->flags & OCC_SUBMODULE)) {
        i->oid = f->done ? f->oid : (struct oid){0};
        i->done = false; /* staged, or not proved: its content is wanted */
    }
    o->attributes_changed |= is_attributes(f->path) && !(i->done && base && oid_same(&base->oid, &i->oid));
}

static int differ(void *arg, struct item *base, struct item *f)
{
    struct overlay *o = arg;
    if (f) {
        present(o, base, f);
    } else if (base->mode != MODE_SUBMODULE && base->mode != 0040000 && !(o->has_index && gitindex_sparse(&o->index, base->path))) {
        struct item *i = items_add(&o->rows, base->path);
        i->flags = OCC_DELETED;
        i->done = true;
        i->head = base;
        o->attributes_changed |= is_attributes(base->path);
    }
    return 0;
}

/* A changed .gitattributes says something else about files that did not change: those get rows too. */
static int differ_attributes(void *arg, struct item *base, struct item *f)
{
    struct overlay *o = arg;
    if (!base || !f || !f->done || !oid_same(&base->oid, &f->oid) || (f->flags & (OCC_SUBMODULE | OCC_SYMLINK)))
        return 0;
    uint32_t flags = level_flags(f->level, f->path);
    bool binary = flags & OCC_SKIPPED, was_skipped = base->flags & OCC_SKIPPED;
    if (((flags ^ base->flags) & FLAGS_OF_ATTRIBUTES) == 0 && binary == was_skipped)
        return 0;
    struct item *i = add_row(o, f);
    i->flags |= flags;
    i->done = binary || !was_skipped;
    i->cut = binary ? CUT_NONE : base->cut;
    i->flags |= base->flags & OCC_QUARANTINED;
    i->head = i->done ? base : NULL; /* NULL: read it even though its content is known */
    return 0;
}

/* What a row adds to the counts of what is visible. */
static void weigh(struct overlay *o, const struct item *i, const struct item *base, int sign)
{
    uint64_t before = base ? base->size : 0, now = i->flags & OCC_DELETED ? 0 : i->size;
    int files = (i->flags & OCC_DELETED ? -1 : 0) + (i->flags & OCC_DELETED || base ? 0 : 1);
    o->head.files += (uint32_t)(sign * files);
    o->head.bytes += (uint64_t)sign * (now - before);
}

/* Counts what is visible, names what equals HEAD, and drops what went away while it was read. */
static void settle(struct overlay *o)
{
    size_t n = 0;
    for (size_t k = 0; k < o->rows.n; k++) {
        struct item *i = &o->rows.v[k];
        const struct item *base = i->head ? i->head : items_find(&o->base, i->path);
        if (i->flags & OCC_DELETED) {
            i->cut = CUT_NONE;
            if (!base)
                continue;
            i->size = 0;
        } else {
            if (base && oid_same(&base->oid, &i->oid))
                i->flags |= OCC_CLEAN;
            const struct item *should = i->flags & OCC_INNER_CLEAN ? items_find(&o->files, i->path) : NULL;
            if (should && !oid_same(&should->oid, &i->oid))
                i->flags &= ~(uint32_t)OCC_INNER_CLEAN;
        }
        weigh(o, i, base, 1);
        o->rows.v[n++] = *i;
    }
    o->rows.n = n;
}

/* -- writing --------------------------------------------------------------------------------------------------------------------------- */

struct changes {
    struct change *v;
    size_t n, cap;
};

static int row_changed(void *arg, struct item *old, struct item *now)
{
    struct changes *c = arg;
    if (old && now && old->flags == now->flags && old->cut == now->cut && oid_same(&old->oid, &now->oid) &&
        old->mode == now->mode && (old->mtime_ns == now->mtime_ns && old->ctime_ns == now->ctime_ns && old->ino == now->ino))
        return 0;
    VEC_ROOM(c->v, c->n, c->cap);
    c->v[c->n++] = (struct change){now ? now : old, !now};
    return 0;
}

static int write_rows(struct overlay *o, const struct git_target *head, uint32_t base, struct err *e)
{
    struct store *s = o->j->x->store;
    struct changes c = {0};
    struct items none = {0};
    struct ref_row ref = {.repo = o->j->repo->id, .name = STR("worktree"), .commit = head->commit,
                          .oid_len = head->unborn ? 0 : GIT_ID_BYTES, .reconciled_ns = o->j->looked_ns};
    o->head.base = base;
    o->head.repo = o->j->repo->id;
    o->head.kind = VIEW_OVERLAY;
    items_merge(&o->old, &o->rows, row_changed, &c);
    int rc = 0;
    if (o->view && o->view_base == base && oid_same(&o->commit, &head->commit) && !c.n)
        goto out;
    uint32_t before = o->view;
    if (!o->view || c.n > CHANGES_AT_ONCE) { /* a new one beside it, so that nobody sees half of the change */
        c.n = 0;
        items_merge(&none, &o->rows, row_changed, &c);
        o->j->tidy = true;
        rc = view_write(s, &o->head, &ref, c.v, c.n, e);
        if (!rc && before)
            rc = view_drop_all(s, before, e);
    } else {
        o->head.id = ref.view = o->view;
        rc = view_publish(s, &o->head, &ref, c.v, c.n, e);
    }
    o->j->noted = !rc;
out:
    free(c.v);
    return rc;
}

int overlay_bring(struct job *j, const struct git_target *head, uint32_t base, struct err *e)
{
    struct overlay o = {.j = j};
    items_init(&o.base);
    items_init(&o.old);
    items_init(&o.files);
    items_init(&o.rows);
    j->progress = (struct index_progress){.stage = "walking"};
    int rc = load_rows(&o, base, e);
    if (!rc)
        rc = walk(&o, e);
    if (!rc)
        rc = items_merge(&o.base, &o.files, differ, &o);
    if (!rc && o.attributes_changed) {
        rc = items_merge(&o.base, &o.files, differ_attributes, &o);
        items_sort(&o.rows);
    }
    if (!rc)
        rc = job_cut(j, &o.rows, e);
    if (!rc) {
        settle(&o);
        rc = write_rows(&o, head, base, e);
    }
    items_release(&o.rows);
    items_release(&o.files);
    items_release(&o.old);
    items_release(&o.base);
    gitindex_close(&o.index);
    return rc;
}

/* -- a few directories ------------------------------------------------------------------------------------------------------------- */

struct part {
    struct items *to;
    struct str dirs;
    bool attributes;   /* some differ from HEAD's: then files have rows that did not change themselves */
};

/* Rows that lie directly in one of the directories. */
static int add_part(void *arg, const struct occ *o)
{
    struct part *p = arg;
    size_t n = o->path.n;
    p->attributes |= is_attributes(o->path) && !(o->flags & OCC_CLEAN);
    while (n && o->path.p[n - 1] != '/')
        n--;
    return files_among(p->dirs, (struct str){o->path.p, n}) ? items_add_occ(p->to, o) : 0;
}

/* The rows of HEAD's view and of the overlay in these directories. *whole: the overlay stands on another view or commit. */
static int load_part(struct overlay *o, struct ref_row *ref, bool *whole, const struct git_target *head, struct str dirs, struct err *e)
{
    struct txn *t = NULL;
    struct part base = {.to = &o->base}, old = {.to = &o->old, .dirs = dirs};
    int rc = store_read(&t, o->j->x->store, e);
    if (rc)
        return rc;
    *whole = ref_get(t, o->j->repo->id, "worktree", ref, NULL) != 0 || ref->view < o->j->x->first_view ||
             !oid_same(&ref->commit, &head->commit) || view_get(t, ref->view, &o->head, NULL) != 0 || o->head.base == VIEW_NONE;
    ref->name = STR("worktree");
    for (size_t at = 0, n; at < dirs.n && !*whole && !rc; at += n + 1) {
        n = strlen(dirs.p + at);
        base.dirs = (struct str){dirs.p + at, n + 1}; /* one at a time, for the prefixes may lie in each other */
        rc = occ_each(t, o->head.base, (struct str){dirs.p + at, n}, add_part, &base, e);
    }
    if (!rc && !*whole)
        rc = occ_rows(t, ref->view, add_part, &old, e);
    *whole |= old.attributes;
    txn_end(t);
    items_sort(&o->base);
    items_sort(&o->old);
    return rc;
}

static int look(struct overlay *o, bool *whole, struct str dirs, struct err *e)
{
    struct buf excludes[2] = {BUF_INIT, BUF_INIT}, known = BUF_INIT, git = BUF_INIT;
    struct err why;
    int rc = 0;
    open_index(o, &why);
    *whole = !o->has_index;
    if (!*whole) {
        worktree_excludes(excludes, o->j->git);
        index_ground(o->j->x, o->j->repo->id, &known, &git);
        struct worktree w = {.root = o->j->repo->path, .index = &o->index};
        for (int i = 0; i < 2; i++)
            w.excludes[i] = (struct str){excludes[i].data ? excludes[i].data : "", excludes[i].len};
        rc = files_look(&o->files, whole, &w, dirs, (struct str){known.data ? known.data : "", known.len}, e);
    }
    for (int i = 0; i < 2; i++)
        buf_release(&excludes[i]);
    buf_release(&known);
    buf_release(&git);
    return rc;
}

int overlay_look(struct job *j, bool *whole, const struct git_target *head, struct str dirs, struct err *e)
{
    struct overlay o = {.j = j};
    struct ref_row ref;
    struct changes c = {0};
    items_init(&o.base);
    items_init(&o.old);
    items_init(&o.files);
    items_init(&o.rows);
    j->progress = (struct index_progress){.stage = "walking"};
    int rc = load_part(&o, &ref, whole, head, dirs, e);
    if (!rc && !*whole)
        rc = look(&o, whole, dirs, e);
    if (!rc && !*whole)
        rc = items_merge(&o.base, &o.files, differ, &o);
    *whole |= o.attributes_changed;
    if (rc || *whole || (rc = job_cut(j, &o.rows, e)))
        goto out;
    for (size_t i = 0; i < o.old.n; i++)
        weigh(&o, &o.old.v[i], items_find(&o.base, o.old.v[i].path), -1);
    settle(&o);
    items_merge(&o.old, &o.rows, row_changed, &c);
    *whole = c.n > CHANGES_AT_ONCE; /* nothing is written yet */
    if (c.n && !*whole)
        rc = view_publish(j->x->store, &o.head, &ref, c.v, c.n, e);
out:
    free(c.v);
    items_release(&o.rows);
    items_release(&o.files);
    items_release(&o.old);
    items_release(&o.base);
    gitindex_close(&o.index);
    return rc;
}

static int count_dirty(void *arg, const struct occ *o)
{
    *(uint32_t *)arg += !(o->flags & (OCC_CLEAN | OCC_INNER_CLEAN));
    return 0;
}

int index_dirty_files(struct txn *t, uint32_t view, uint32_t *n, struct err *e)
{
    *n = 0;
    return occ_rows(t, view, count_dirty, n, e);
}

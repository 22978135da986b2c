/* How a state here differs from a tree of another clone. */
#include "indexer/clone.h"

#include "base/mem.h"
#include "indexer/files.h"
#include "indexer/job.h"
#include "indexer/tree.h"

#include <git2/sys/mempack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREES_FETCHED 4096      /* directories of the other side that are not here: past them the clones have little in common */
#define TREE_BYTES (16u << 20)  /* of one of them */

struct differ {
    const struct repo_row *repo;
    git_repository *git;
    struct items theirs, head, here; /* here: the working tree; empty and not used where a tree is compared */
    struct gitindex index;
    bool has_index, worktree;
    struct clone_state *out;
    size_t most, cap, read;
    uint64_t max_bytes;
    struct err *e;
};

/* -- trees that are not here ----------------------------------------------------------------------------------------------- */

struct missing {
    struct buf dir; /* without its slash */
    git_oid id;
};

struct fetching {
    git_repository *git;
    git_odb *odb;
    struct missing *v;
    size_t n, cap;
};

static void want(struct fetching *f, const char *dir, const char *name, const git_oid *id)
{
    if (git_odb_exists(f->odb, id) == 1)
        return; /* and all that lies below it */
    VEC_ROOM(f->v, f->n, f->cap);
    struct missing *m = &f->v[f->n++];
    *m = (struct missing){BUF_INIT, *id};
    *buf_room(&m->dir, 1) = 0; /* the root is an empty text, not none */
    buf_addf(&m->dir, "%s%s%s", dir, *dir && *name ? "/" : "", name);
}

/* Into memory, beside the repository's own objects. */
static int fetch_one(struct fetching *f, size_t at, clone_fetch fetch, void *arg, struct err *e)
{
    struct buf bytes = BUF_INIT;
    git_tree *t = NULL;
    git_oid id;
    const char *dir = f->v[at].dir.data;
    int rc = fetch(arg, dir, &bytes, e);
    if (!rc && bytes.len > TREE_BYTES)
        rc = err_set(e, ERR_LIMIT, "the server's directory \"%.200s\" is too large", dir);
    if (!rc && (git_odb_write(&id, f->odb, bytes.data ? bytes.data : "", bytes.len, GIT_OBJECT_TREE) || !git_oid_equal(&id, &f->v[at].id) ||
                git_tree_lookup(&t, f->git, &id)))
        rc = err_set(e, ERR_FORMAT, "what the server says about its directory \"%.200s\" does not hold", dir);
    for (size_t i = 0; !rc && i < git_tree_entrycount(t); i++) {
        const git_tree_entry *x = git_tree_entry_byindex(t, i);
        if (git_tree_entry_type(x) == GIT_OBJECT_TREE)
            want(f, f->v[at].dir.data, git_tree_entry_name(x), git_tree_entry_id(x));
    }
    git_tree_free(t);
    buf_release(&bytes);
    return rc;
}

static int fetch_trees(git_repository *git, const struct oid *tree, clone_fetch fetch, void *arg, struct err *e)
{
    struct fetching f = {.git = git};
    git_odb_backend *memory = NULL;
    git_oid root = git_of(tree);
    int code = git_repository_odb(&f.odb, git), rc = 0;
    if (code)
        return git_fail(e, code, "the objects of a repository");
    want(&f, "", "", &root);
    if (f.n && ((code = git_mempack_new(&memory)) || (code = git_odb_add_backend(f.odb, memory, 999))))
        rc = git_fail(e, code, "the objects of a repository");
    for (size_t i = 0; i < f.n && !rc; i++)
        rc = i < TREES_FETCHED ? fetch_one(&f, i, fetch, arg, e)
                               : err_set(e, ERR_LIMIT, "more than %d of the server's directories are not in this clone", TREES_FETCHED);
    for (size_t i = 0; i < f.n; i++)
        buf_release(&f.v[i].dir);
    free(f.v);
    git_odb_free(f.odb);
    return rc;
}

/* -- what is here ---------------------------------------------------------------------------------------------------------- */

static bool is_file(const struct item *i)
{
    return i && !(i->flags & (OCC_SYMLINK | OCC_SUBMODULE | OCC_INNER_CLEAN | OCC_DELETED)) && (i->mode & 0170000) == 0100000;
}

static int walk(struct differ *d)
{
    struct buf excludes[2] = {BUF_INIT, BUF_INIT}, path = BUF_INIT;
    buf_addf(&path, "%sindex", git_repository_path(d->git));
    d->has_index = gitindex_open(&d->index, path.data, NULL) == 0;
    worktree_excludes(excludes, d->git);
    struct worktree w = {.root = d->repo->path, .index = d->has_index ? &d->index : NULL, .tracked = &d->head};
    for (int i = 0; i < 2; i++)
        w.excludes[i] = (struct str){excludes[i].data ? excludes[i].data : "", excludes[i].len};
    int rc = files_walk(&d->here, NULL, &w, d->e);
    for (int i = 0; i < 2; i++)
        buf_release(&excludes[i]);
    buf_release(&path);
    return rc;
}

/* What git's index cannot prove is read. One that goes away meanwhile, or may not be read, is not there. */
static int prove(struct differ *d)
{
    struct buf bytes = BUF_INIT;
    struct stat st;
    for (size_t i = 0; i < d->here.n; i++) {
        struct item *f = &d->here.v[i];
        if (!is_file(f) || f->done)
            continue;
        if (++d->read > d->most) {
            buf_release(&bytes);
            return err_set(d->e, ERR_LIMIT, "more than %zu files differ from what git has seen", d->most);
        }
        buf_clear(&bytes);
        if (f->size > d->max_bytes || files_read(&bytes, &st, d->git, d->repo->path, f->path.p, d->max_bytes, NULL))
            f->flags |= OCC_DELETED;
        else
            f->oid = oid_hash(bytes.data, bytes.len);
    }
    buf_release(&bytes);
    return 0;
}

static const struct items *state(const struct differ *d)
{
    return d->worktree ? &d->here : &d->head;
}

static bool sparse(const struct differ *d, struct str path)
{
    return d->worktree && d->has_index && gitindex_sparse(&d->index, path);
}

static int differs(void *arg, struct item *theirs, struct item *ours)
{
    struct differ *d = arg;
    struct clone_state *s = d->out;
    struct str path = ours ? ours->path : theirs->path;
    bool was = is_file(theirs), is = is_file(ours);
    if (is == was && (!is || oid_same(&theirs->oid, &ours->oid)))
        return 0;
    if (!is && !ours && sparse(d, path))
        return 0;
    if (s->n >= d->most)
        return err_set(d->e, ERR_LIMIT, "more than %zu files differ from the server's", d->most);
    const struct item *head = items_find(&d->head, path);
    VEC_ROOM(s->row, s->n, d->cap);
    struct clone_row *r = &s->row[s->n++];
    *r = (struct clone_row){.path = mem_strn(path.p, path.n), .gone = !is,
                            .committed = is ? is_file(head) && oid_same(&head->oid, &ours->oid) : !is_file(head)};
    if (is)
        r->oid = ours->oid;
    return 0;
}

static int dirty(void *arg, struct item *head, struct item *ours)
{
    struct differ *d = arg;
    bool was = is_file(head), is = is_file(ours);
    d->out->dirty += is != was ? is || ours || !sparse(d, head->path) : is && !oid_same(&head->oid, &ours->oid);
    return 0;
}

int clone_differ(struct clone_state *out, const struct repo_row *repo, const char *ref, const struct oid *tree, clone_fetch fetch, void *arg,
                 uint64_t max_bytes, size_t most, struct err *e)
{
    struct differ d = {.repo = repo, .out = out, .most = most, .max_bytes = max_bytes, .e = e};
    struct git_target to;
    *out = (struct clone_state){0};
    items_init(&d.theirs);
    items_init(&d.head);
    items_init(&d.here);
    git_start();
    bool own = !clone_has(repo, tree); /* then a handle of its own: what is fetched is added to it */
    int code = own ? git_repository_open_ext(&d.git, repo->path, GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_CROSS_FS, NULL) : 0;
    int rc = code ? git_fail(e, code, "%s", repo->path) : own ? 0 : repo_open(&d.git, repo->path, e);
    if (rc || (rc = repo_target(&to, d.git, ref, e)))
        goto out;
    out->commit = to.commit;
    out->has_commit = !to.unborn;
    d.worktree = !ref && !git_repository_is_bare(d.git);
    if ((own && (rc = fetch_trees(d.git, tree, fetch, arg, e))) || (rc = tree_list(&d.theirs, d.git, tree, e)) ||
        (!to.unborn && (rc = tree_list(&d.head, d.git, &to.tree, e))) || (d.worktree && ((rc = walk(&d)) || (rc = prove(&d)))))
        goto out;
    rc = items_merge(&d.theirs, state(&d), differs, &d);
    if (!rc && d.worktree)
        rc = items_merge(&d.head, &d.here, dirty, &d);
out:
    gitindex_close(&d.index);
    items_release(&d.here);
    items_release(&d.head);
    items_release(&d.theirs);
    if (own)
        git_repository_free(d.git);
    else
        repo_close(d.git);
    if (rc)
        clone_state_release(out);
    return rc;
}

void clone_state_release(struct clone_state *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->row[i].path);
    free(s->row);
    *s = (struct clone_state){0};
}

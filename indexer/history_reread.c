/* Touches whose lines were left for when somebody asks, read ahead: for a home that has no git to ask. */
#include "indexer/history_inside.h"

#include "base/mem.h"

#include <stdlib.h>

struct history_reread {
    git_repository **git;   /* [n]; NULL: it cannot be opened */
    struct blobs **blobs;
    size_t n;
    struct arena arena;
};

struct history_reread *history_reread_open(const struct repo_row *repo, size_t n)
{
    struct history_reread *r = mem_zero(1, sizeof *r);
    r->git = mem_zero(n + 1, sizeof *r->git);
    r->blobs = mem_zero(n + 1, sizeof *r->blobs);
    arena_init(&r->arena);
    git_start();
    for (; r->n < n; r->n++)
        if (!repo[r->n].plain && !repo_open(&r->git[r->n], repo[r->n].path, NULL))
            r->blobs[r->n] = blobs_new(r->git[r->n]);
    return r;
}

void history_reread_close(struct history_reread *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        blobs_free(r->blobs[i]);
        repo_close(r->git[i]);
    }
    free(r->git);
    free(r->blobs);
    arena_release(&r->arena);
    free(r);
}

static bool read_in(struct buf *out, struct history_reread *r, size_t i, struct txn *t, const struct oid *commit, const char *path)
{
    struct touch touch = {0};
    struct read_commit c = {0};
    git_oid id = git_of(commit);
    bool told = !commit_read_path(&touch, &c, r->blobs[i], r->git[i], &id, path, NULL);
    for (unsigned k = 0; told && k < touch.nsides; k++) { /* as way_rest does when it asks */
        struct touch_side *s = &touch.side[k];
        if ((s->how == TOUCH_RENAMED || s->how == TOUCH_RENAMED_UNREAD) && !(s->from = path_find(t, c.source[s->from])))
            s->how = TOUCH_ABSENT;
    }
    if (told)
        touch_write(out, &touch);
    touch_release(&touch);
    read_commit_release(&c);
    return told;
}

bool history_reread(struct buf *out, struct history_reread *r, struct txn *t, const struct oid *commit, struct str path)
{
    bool told = false;
    const char *name = arena_strn(&r->arena, path.p, path.n);
    for (size_t i = 0; i < r->n && !told; i++)
        told = r->blobs[i] && read_in(out, r, i, t, commit, name);
    arena_reset(&r->arena);
    return told;
}

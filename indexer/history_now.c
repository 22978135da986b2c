/* Lines of a file as it is now, beside the lines of the commit that it stands on. */
#include "indexer/history_inside.h"

#include "base/mem.h"

#include <stdlib.h>

static int read_at(struct buf *out, struct occ *o, bool *there, struct store *s, const struct repo_row *repo, uint32_t view, struct str path,
                   bool overlay, struct err *e)
{
    struct txn *t;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = view ? occ_get(t, view, path, o, e) : ERR_NOT_FOUND;
    txn_end(t);
    *there = !rc;
    if (rc == ERR_NOT_FOUND)
        return 0;
    return rc ? rc : source_read(s, repo, path, &o->oid, overlay, out, e);
}

int history_now(struct history_now *out, struct store *s, const struct repo_row *repo, uint32_t view, uint32_t base, struct str path,
                struct arena *arena, struct err *e)
{
    struct buf now = BUF_INIT, then = BUF_INIT;
    struct occ o, b;
    struct touch_hunk *h = NULL;
    uint32_t nh = 0, at = 0, old = 0;
    bool there, committed;
    *out = (struct history_now){0};
    struct txn *t;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = occ_get(t, view, path, &o, e);
    committed = !rc && (!base || (!occ_get(t, base, path, &b, NULL) && oid_same(&o.oid, &b.oid)));
    txn_end(t);
    if (rc)
        return rc;
    if (o.flags & (OCC_SUBMODULE | OCC_SYMLINK))
        return err_set(e, ERR_UNSUPPORTED, "%.*s is no file", (int)path.n, path.p);
    if ((rc = read_at(&now, &o, &there, s, repo, view, path, base && !committed, e)))
        goto out;
    out->lines = lines_count((struct str){now.data ? now.data : "", now.len});
    if (!committed && (rc = read_at(&then, &b, &there, s, repo, base, path, false, e)))
        goto out;
    out->untracked = !committed && !there;
    out->dirty = !committed;
    if (!committed && there)
        rc = lines_hunks(&h, &nh, (struct str){then.data ? then.data : "", then.len}, (struct str){now.data ? now.data : "", now.len}, true, e);
    if (rc)
        goto out;
    out->piece = arena_alloc(arena, (2 * nh + 2) * sizeof *out->piece);
    if (out->untracked) {
        out->piece[out->n++] = (struct now_piece){1, out->lines, 0};
        goto out;
    }
    for (uint32_t i = 0; i <= nh; i++) {
        uint32_t upto = i < nh ? h[i].at : out->lines;
        if (upto > at)
            out->piece[out->n++] = (struct now_piece){at + 1, upto - at, old + 1};
        if (i == nh)
            break;
        if (h[i].n)
            out->piece[out->n++] = (struct now_piece){h[i].at + 1, h[i].n, 0};
        at = h[i].at + h[i].n;
        old = h[i].old_at + h[i].old_n;
    }
out:
    free(h);
    buf_release(&now);
    buf_release(&then);
    return rc;
}

#include "service/unsaved.h"

#include "base/mem.h"
#include "service/overlays.h"
#include "store/purge.h"

#include <stdlib.h>
#include <string.h>

static void release(struct unsaved_file *f)
{
    unsaved_text_drop(f->text);
    free(f->path);
    free(f);
}

int unsaved_keep_locked(struct session *c, const char *path, struct unsaved_text *text, struct err *e)
{
    struct unsaved_file **at = &c->unsaved;
    size_t n = 0;
    for (; *at && strcmp((*at)->path, path); at = &(*at)->next)
        n++;
    if (!*at && text && n >= UNSAVED_FILES_MAX)
        return err_set(e, ERR_LIMIT, "%d files are held unsaved already", UNSAVED_FILES_MAX);
    if (*at) {
        struct unsaved_file *old = *at;
        *at = old->next;
        release(old);
    }
    if (!text)
        return 0;
    struct unsaved_file *f = mem_zero(1, sizeof *f);
    *f = (struct unsaved_file){.next = c->unsaved, .path = mem_str(path), .text = unsaved_text_hold(text)};
    c->unsaved = f;
    return 0;
}

void unsaved_forget_locked(struct session *c)
{
    while (c->unsaved) {
        struct unsaved_file *f = c->unsaved;
        c->unsaved = f->next;
        release(f);
    }
}

void unsaved_forget_purged_locked(struct session *c, const struct store *s)
{
    for (struct unsaved_file **at = &c->unsaved, *f; (f = *at);) {
        struct oid oid = *unsaved_text_oid(f->text);
        if (!purged(s, &oid)) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        release(f);
    }
}

void unsaved_over(struct scope *sc, struct request *rq)
{
    struct unsaved *u = NULL;
    if (param_str(rq, "branch"))
        return;
    pthread_mutex_lock(&rq->s->mu);
    for (const struct unsaved_file *f = rq->session ? rq->session->unsaved : NULL; f; f = f->next)
        for (size_t i = 0; i < sc->n; i++) {
            size_t n = strlen(sc->repo[i].path);
            if (strncmp(f->path, sc->repo[i].path, n) || f->path[n] != '/')
                continue; /* over HEAD's view while the worktree's is not made yet */
            u = u ? u : unsaved_new();
            unsaved_add(u, sc->seen[i].view, str_of(f->path + n + 1), f->text);
        }
    pthread_mutex_unlock(&rq->s->mu);
    for (size_t i = 0; i < sc->n; i++)
        if (sc->overlay[i]) {
            u = u ? u : unsaved_new();
            sc->seen[i].overlay_files = overlay_over(u, sc->overlay[i], sc->seen[i].view);
        }
    unsaved_drop(rq->unsaved); /* of the time before it was parked */
    rq->unsaved = u;
    for (size_t i = 0; i < sc->n; i++)
        sc->target[i].unsaved = u;
}

bool unsaved_source(struct buf *out, const struct scope *sc, const struct search_hit *h)
{
    struct txn *t = NULL;
    if (!cut_is_unsaved(h->cut) || store_read(&t, sc->store, NULL))
        return false;
    txn_see(t, sc->target[h->target].unsaved);
    bool got = !cut_text(t, h->cut, out, NULL);
    txn_end(t);
    return got;
}

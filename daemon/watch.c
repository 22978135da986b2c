#include "daemon/watch.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 10  /* a burst is over when nothing came for so long */
#define BURST_MS 100 /* and is told of after so long at the latest */
#define SLICE 512    /* watches laid at a time: a few ms of the loop */

struct watched {
    uv_fs_event_t event;
    struct watcher *w;
    uint32_t repo;
    bool stays;      /* during a sync */
    bool gone;       /* its directory was moved or deleted: what is watched has another name */
    char path[];     /* ends in a slash */
};

struct wanted {
    uint32_t repo;
    char *path;
};

struct repo_state {
    uint32_t repo;
    unsigned watched, refused;
    bool changed, added;
};

struct watcher {
    struct service *s;
    uv_timer_t burst, more;
    unsigned limit, open_handles;
    uint64_t serial, burst_since_ms; /* burst_since_ms: 0: none */
    struct watched **v;              /* [n] by path */
    size_t n, cap;
    struct wanted *want;             /* [nwant] by path; [at …) is still to be laid */
    size_t nwant, want_cap, at;
    struct repo_state *repo;
    size_t nrepos, repo_cap;
    const char *full;                /* why no more can be watched; NULL: they can */
    bool closing;
};

static struct repo_state *state_of(struct watcher *w, uint32_t repo)
{
    for (size_t i = 0; i < w->nrepos; i++)
        if (w->repo[i].repo == repo)
            return &w->repo[i];
    VEC_ROOM(w->repo, w->nrepos, w->repo_cap);
    w->repo[w->nrepos] = (struct repo_state){.repo = repo};
    return &w->repo[w->nrepos++];
}

/* -- events ----------------------------------------------------------------------------------------------------------- */

static void on_burst_over(uv_timer_t *h)
{
    struct watcher *w = h->data;
    w->burst_since_ms = 0;
    for (size_t i = 0; i < w->nrepos; i++)
        if (w->repo[i].changed) {
            w->repo[i].changed = false;
            service_hint(w->s, w->repo[i].repo);
        }
}

/* dir: where; NULL: who knows. */
static void changed(struct watcher *w, uint32_t repo, const char *dir)
{
    service_hint_in(w->s, repo, dir);
    uint64_t now = uv_now(w->burst.loop), wait = QUIET_MS;
    state_of(w, repo)->changed = true;
    if (!w->burst_since_ms)
        w->burst_since_ms = now;
    if (now - w->burst_since_ms + wait > BURST_MS)
        wait = now - w->burst_since_ms >= BURST_MS ? 0 : BURST_MS - (now - w->burst_since_ms);
    uv_timer_start(&w->burst, on_burst_over, wait, 0);
}

static struct watched *find(struct watcher *w, const char *path)
{
    size_t lo = 0, hi = w->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(w->v[mid]->path, path);
        if (!c)
            return w->v[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* An entry of a watched directory came, went or was replaced: what is watched at and below it is watched anew. */
static void moved(struct watcher *w, const struct watched *in, const char *name)
{
    char path[8192];
    int n = snprintf(path, sizeof path, "%s%s/", in->path, name);
    if (n <= 0 || (size_t)n >= sizeof path || !find(w, path))
        return;
    for (size_t i = 0; i < w->n; i++)
        w->v[i]->gone |= !strncmp(w->v[i]->path, path, (size_t)n);
}

static void on_event(uv_fs_event_t *h, const char *name, int events, int status)
{
    struct watched *d = h->data;
    struct watcher *w = d->w;
    size_t n = name ? strlen(name) : 0;
    if (w->closing)
        return;
    if (n > 5 && !strcmp(name + n - 5, ".lock") && strstr(d->path, "/.git/"))
        return; /* git's; what it becomes is told of on its own */
    if (status || events & UV_RENAME) {
        size_t own = strlen(d->path) - 1, base = own;
        while (base && d->path[base - 1] != '/')
            base--;
        if (status || (n == own - base && !strncmp(d->path + base, name ? name : "", n)))
            d->gone = true; /* the directory itself, or an entry of its name */
        if (name)
            moved(w, d, name);
    }
    /* what is left out, and what attributes say, holds for other directories as well */
    bool rules = !name || !strncmp(name, ".git", 4) || !strcmp(name, ".codeaskignore");
    changed(w, d->repo, status || d->gone || rules || strstr(d->path, "/.git/") ? NULL : d->path);
}

/* -- what is watched -------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    struct watched *d = h->data;
    struct watcher *w = d->w;
    free(d);
    if (!--w->open_handles && w->closing)
        free(w);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct watcher *w = h->data;
    if (!--w->open_handles)
        free(w);
}

static void drop(struct watched *d)
{
    uv_close((uv_handle_t *)&d->event, on_closed);
}

static void add(struct watcher *w, const struct wanted *want)
{
    struct repo_state *r = state_of(w, want->repo);
    if (!w->full && w->n >= w->limit)
        w->full = "the setting watch_limit is reached";
    if (w->full) {
        r->refused++;
        return;
    }
    struct watched *d = mem_zero(1, sizeof *d + strlen(want->path) + 1);
    strcpy(d->path, want->path);
    d->w = w;
    d->repo = want->repo;
    uv_fs_event_init(w->burst.loop, &d->event);
    d->event.data = d;
    w->open_handles++;
    int rc = uv_fs_event_start(&d->event, on_event, d->path, 0);
    if (rc) { /* one that went away is no news; one that may not be read is refused */
        if (rc == UV_ENOSPC || rc == UV_EMFILE || rc == UV_ENFILE || rc == UV_ENOMEM)
            w->full = "the system grants no more watches (fs.inotify.max_user_watches)";
        r->refused += rc != UV_ENOENT && rc != UV_ENOTDIR;
        drop(d);
        return;
    }
    VEC_ROOM(w->v, w->n, w->cap);
    w->v[w->n++] = d;
    r->watched++;
    r->added = true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(struct watched *const *)a)->path, (*(struct watched *const *)b)->path);
}

static int want_order(const void *a, const void *b)
{
    return strcmp(((const struct wanted *)a)->path, ((const struct wanted *)b)->path);
}

static void forget_wanted(struct watcher *w)
{
    for (size_t i = 0; i < w->nwant; i++)
        free(w->want[i].path);
    w->nwant = w->at = 0;
}

static void laid(struct watcher *w)
{
    char why[96];
    for (size_t i = 0; i < w->nrepos; i++) {
        struct repo_state *r = &w->repo[i];
        if (r->refused)
            snprintf(why, sizeof why, "%s", w->full ? w->full : "a directory may not be read");
        service_watching(w->s, r->repo, r->watched, r->refused ? why : NULL);
        if (r->added) /* what changed between the walk and the watch */
            changed(w, r->repo, NULL);
        r->added = false;
    }
    if (w->full)
        log_line(LOG_INFO, "%zu directories are watched: %s", w->n, w->full);
    forget_wanted(w);
}

/* Lays a few watches, and comes again for the others. */
static void on_more(uv_timer_t *h)
{
    struct watcher *w = h->data;
    size_t before = w->n, end = w->at + SLICE < w->nwant ? w->at + SLICE : w->nwant;
    while (w->at < end)
        add(w, &w->want[w->at++]);
    if (w->n != before)
        qsort(w->v, w->n, sizeof *w->v, by_path);
    if (w->at < w->nwant)
        uv_timer_start(&w->more, on_more, 1, 0);
    else
        laid(w);
}

static void want(void *arg, uint32_t repo, const char *path)
{
    struct watcher *w = arg;
    struct watched *d = find(w, path);
    if (d && !d->gone && d->repo == repo) {
        d->stays = true;
        return;
    }
    VEC_ROOM(w->want, w->nwant, w->want_cap);
    w->want[w->nwant++] = (struct wanted){repo, mem_str(path)};
}

void watcher_sync(struct watcher *w)
{
    uint64_t serial = service_watch_serial(w->s);
    if (serial == w->serial)
        return;
    w->serial = serial;
    forget_wanted(w);
    w->full = NULL;
    service_watch_list(w->s, want, w);
    if (w->nwant)
        qsort(w->want, w->nwant, sizeof *w->want, want_order);
    for (size_t i = 0; i < w->nrepos; i++)
        w->repo[i].watched = w->repo[i].refused = 0;
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct watched *d = w->v[i];
        if (!d->stays) {
            drop(d);
            continue;
        }
        d->stays = false;
        state_of(w, d->repo)->watched++;
        w->v[n++] = d;
    }
    w->n = n;
    on_more(&w->more);
}

struct watcher *watcher_open(uv_loop_t *uv, struct service *s, unsigned limit)
{
    struct watcher *w = mem_zero(1, sizeof *w);
    w->s = s;
    w->limit = limit;
    w->open_handles = 2;
    uv_timer_init(uv, &w->burst);
    uv_timer_init(uv, &w->more);
    w->burst.data = w->more.data = w;
    return w;
}

void watcher_close(struct watcher *w)
{
    if (!w)
        return;
    w->closing = true;
    for (size_t i = 0; i < w->n; i++)
        drop(w->v[i]);
    forget_wanted(w);
    free(w->v);
    free(w->want);
    free(w->repo);
    uv_close((uv_handle_t *)&w->burst, on_timer_closed);
    uv_close((uv_handle_t *)&w->more, on_timer_closed);
}

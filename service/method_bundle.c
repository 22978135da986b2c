/* bundle export: what the asker, or a user, may read as one signed file (bundle.h). A part of the index is made in <home>/exporting
 * (store/extract.h), which is gone afterwards; over the network the file is a name, and stays in <home>/bundles. */
#include "service/method.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "indexer/history.h"
#include "service/bundle_gather.h"
#include "service/bundle_made.h"
#include "store/extract.h"
#include "store/purge.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS 100000000LL

struct export {
    struct request *rq;
    struct gathered g;
    struct extracted part;
    struct history_reread *git;
    char *staged, *file;
    int64_t told_ns, began_ns;
};

/* The part's folder has only files. */
static void drop_staged(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *one; d && (one = readdir(d));)
        unlinkat(dirfd(d), one->d_name, 0);
    if (d)
        closedir(d);
    rmdir(folder);
}

static bool stop(void *arg)
{
    struct export *x = arg;
    return request_stopped(x->rq);
}

static bool progress(void *arg, uint64_t done, uint64_t all)
{
    struct export *x = arg;
    int64_t now = clock_ns();
    if (now - x->told_ns >= PROGRESS_NS) {
        x->told_ns = now;
        request_emit(x->rq, EVENT_PROGRESS, json_pack("{ss, ss, sI, sI, sf}", "stage", "writing", "repo", "", "bytes_done", (json_int_t)done, "bytes", (json_int_t)all,
                                                      "seconds", (double)(now - x->began_ns) / 1e9));
    }
    return stop(x);
}

/* Of a local asker any path; of another a name, in a folder of ours. */
static int place(struct export *x, struct err *e)
{
    struct buf b = BUF_INIT;
    const char *to = param_str(x->rq, "to");
    if (!to)
        return err_set(e, ERR_USAGE, "the file is missing");
    if (x->rq->who.local && *to != '/')
        return err_set(e, ERR_USAGE, "the whole path of a file is wanted");
    if (!x->rq->who.local && (strchr(to, '/') || *to == '.'))
        return err_set(e, ERR_USAGE, "over the network a name is wanted, without a folder: the file stays on the server, in bundles/ of its home");
    buf_addf(&b, "%s%s%s", x->rq->who.local ? "" : x->rq->s->o.paths->home, x->rq->who.local ? "" : "/bundles/", to);
    x->file = buf_take(&b);
    return 0;
}

/* What state.mdb is to tell of the adapters: a key and a line of JSON each. */
struct notes {
    struct extract_note *v;
    size_t n, cap;
};

static void add_note(struct notes *l, const char *before, const char *name, json_t *o /* stolen */)
{
    struct buf key = BUF_INIT;
    size_t len;
    char *text = json_line(o, &len);
    buf_addf(&key, "%s%s", before, name);
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = (struct extract_note){buf_take(&key), {text, len}};
}

static void notes_of(struct notes *l, const struct gathered *g)
{
    const char *name;
    json_t *lineage;
    if (g->adapter)
        add_note(l, "adapters", "", json_pack("{ss, s[]}", "now", g->adapter, "before"));
    if (json_object_size(g->maps))
        add_note(l, "adapters.embed", "", json_pack("{sO, s[]}", "now", g->maps, "before"));
    json_object_foreach(g->lineage, name, lineage)
        add_note(l, "adapter/", name, json_incref(lineage));
}

static bool read_touch(void *arg, struct txn *t, const struct oid *commit, struct str path, struct buf *out)
{
    struct export *x = arg;
    return history_reread(out, x->git, t, commit, path);
}

static int extract(struct export *x, struct err *e)
{
    struct notes l = {0};
    notes_of(&l, &x->g);
    drop_staged(x->staged);
    request_emit(x->rq, EVENT_PROGRESS, json_pack("{ss, ss}", "stage", "copying", "repo", ""));
    x->git = history_reread_open(x->g.source, x->g.n);
    struct extracting how = {.touch = read_touch, .home = x->staged, .repo = x->g.repo, .n = x->g.n, .note = l.v, .nnotes = l.n, .stop = stop, .arg = x};
    int rc = store_extract(&x->part, x->rq->s->store, &how, e);
    history_reread_close(x->git);
    for (size_t i = 0; i < l.n; i++) {
        free((char *)l.v[i].key);
        free((char *)l.v[i].value.p);
    }
    free(l.v);
    return rc;
}

static int add_part(struct export *x, struct err *e)
{
    static const char *const files[] = {"index.mdb", "state.mdb"};
    int rc = 0;
    for (size_t i = 0; i < 2 && !rc; i++) {
        struct buf from = BUF_INIT, to = BUF_INIT;
        buf_addf(&from, "%s/%s", x->staged, files[i]);
        buf_addf(&to, BUNDLE_HOME "/%s", files[i]);
        rc = layer_file(&x->g.layer[LAYER_HOME], to.data, from.data, 0600, e);
        buf_release(&from);
        buf_release(&to);
    }
    return rc;
}

static int note(void *arg, const char *digest, struct err *e)
{
    struct export *x = arg;
    struct service *s = x->rq->s;
    int rc = bundle_note(s, digest, x->file, param_str(x->rq, "user"), x->g.repo, x->g.n, x->part.content, x->part.n, e);
    for (size_t i = 0; i < x->part.n && !rc; i++) /* a purge that ended before the note has not named this bundle */
        if (purged(s->store, &x->part.content[i])) {
            rc = err_set(e, ERR_BUSY, "a content was purged while the bundle was made");
            err_hint(e, "nothing was written; export again");
        }
    return rc;
}

static int write_bundle(struct export *x, struct bundle_made *made, struct err *e)
{
    struct bundle_writing w = {.path = x->file, .layout = param_bool(x->rq, "oci"), .home = x->rq->s->o.paths->home, .contents = x->g.contents,
                               .as_of_ms = x->g.as_of_ms, .progress = progress, .note = note, .arg = x};
    struct bundle_layer layer[BUNDLE_LAYERS];
    for (int i = 0; i < BUNDLE_LAYERS; i++)
        if (x->g.layer[i].n)
            layer[w.n++] = x->g.layer[i];
    w.layer = layer;
    return bundle_write(made, &w, e);
}

static int make(struct export *x, struct bundle_made *made, struct err *e)
{
    struct service *s = x->rq->s;
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/bundles", s->o.paths->home);
    int rc = x->rq->who.local ? 0 : dir_make(b.data, 0700, e);
    buf_clear(&b);
    buf_addf(&b, "%s/exporting", s->o.paths->home);
    x->staged = buf_take(&b);
    if (!rc)
        rc = extract(x, e);
    if (!rc)
        rc = add_part(x, e);
    if (!rc)
        rc = write_bundle(x, made, e);
    drop_staged(x->staged);
    return rc;
}

static json_t *sizes(const struct export *x)
{
    json_t *o = json_object();
    for (int i = 0; i < BUNDLE_LAYERS; i++)
        json_object_set_new(o, x->g.layer[i].part, json_integer((json_int_t)x->g.layer[i].bytes));
    return o;
}

/* Of one that runs another waits: they share a folder. */
static bool take_turn(struct service *s, bool on)
{
    pthread_mutex_lock(&s->mu);
    bool taken = on && s->exporting;
    if (!taken)
        s->exporting = on;
    if (on && !taken)
        worker_lend_locked(s);
    else if (!on)
        worker_back_locked(s);
    pthread_mutex_unlock(&s->mu);
    return !taken;
}

int method_bundle_export(struct request *rq, json_t **result, struct err *e)
{
    struct export x = {.rq = rq, .began_ns = clock_ns()};
    struct bundle_made made = {0};
    bool dry = param_bool(rq, "dry_run");
    int rc = dry ? 0 : place(&x, e);
    if (!rc)
        rc = bundle_gather(&x.g, rq, e);
    if (!rc && !dry) {
        if (take_turn(rq->s, true)) {
            rc = make(&x, &made, e);
            take_turn(rq->s, false);
        } else {
            rc = err_set(e, ERR_BUSY, "another bundle is being made");
        }
    }
    if (!rc)
        *result = json_pack("{so, so, so, so, sI, sO, so}", "file", dry ? json_null() : json_cstr(x.file), "digest", dry ? json_null() : json_string(made.digest),
                            "key", dry ? json_null() : json_string(made.fingerprint), "user", param_str(rq, "user") ? json_cstr(param_str(rq, "user")) : json_null(),
                            "bytes", (json_int_t)made.bytes, "contents", x.g.contents, "layers", sizes(&x));
    gathered_release(&x.g);
    free(x.part.content);
    free(x.staged);
    free(x.file);
    return rc;
}

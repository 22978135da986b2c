#include "service/remote.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "service/permission.h"
#include "service/remote_clone.h"
#include "service/writing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AWAY 8             /* servers that are remembered as away */
#define DROPS_MAX 256      /* that wait to be told; past it the server forgets by itself */
#define TOKEN_MAX 4096
#define DROP_SECONDS 3     /* that a server may take to hear of one: the daemon's end waits for it */

struct drop {
    struct drop *next;
    struct remote_link *link;
};

struct remote {
    struct remote_http *http;
    pthread_mutex_t mu;    /* of all that follows; no other is taken under it */
    pthread_cond_t work;
    pthread_t thread;
    bool runs, closing;
    struct drop *drop, **last;
    unsigned ndrops;
    struct { char *url; int64_t until_ns; struct err why; } away[AWAY];
    unsigned naway;
};

struct remote_session {
    unsigned refs;         /* atomic */
    struct service *s;
    struct remote_link *link;
    struct err bad;        /* code 0: the server can be asked */
};

/* What a request knows of it; in its arena. */
struct remote_try {
    struct err why;        /* of its not being answered there */
    bool tried, parts;     /* parts: some of an answer was given out */
    bool silent;           /* the answer says nothing of it */
};

/* -- servers that are away --------------------------------------------------------------------------------------------------- */

static bool is_away(struct remote *r, const char *url, struct err *e)
{
    bool away = false;
    pthread_mutex_lock(&r->mu);
    for (unsigned i = 0; i < r->naway && !away; i++)
        if (!strcmp(r->away[i].url, url) && clock_ns() < r->away[i].until_ns) {
            *e = r->away[i].why;
            away = true;
        }
    pthread_mutex_unlock(&r->mu);
    return away;
}

static void note_away(struct remote *r, const char *url, const struct err *e)
{
    pthread_mutex_lock(&r->mu);
    unsigned i = 0, old = 0;
    for (; i < r->naway && strcmp(r->away[i].url, url); i++)
        if (r->away[i].until_ns < r->away[old].until_ns)
            old = i;
    if (i == AWAY) {
        i = old;
        free(r->away[i].url);
        r->away[i].url = mem_str(url);
    } else if (i == r->naway) {
        r->away[r->naway++].url = mem_str(url);
    }
    r->away[i].why = *e;
    r->away[i].until_ns = clock_ns() + REMOTE_AWAY_NS;
    pthread_mutex_unlock(&r->mu);
}

/* -- drops ----------------------------------------------------------------------------------------------------------------- */

static void tell_drop(struct remote *r, struct remote_link *l)
{
    json_t *ids = remote_link_overlays(l), *id;
    struct err e = {0};
    bool away = is_away(r, remote_link_url(l), &e);
    size_t i;
    json_array_foreach(ids, i, id) {
        json_t *o = NULL, *params = json_pack("{sO}", "overlay", id);
        struct remote_call c = {.url = remote_link_url(l), .token = remote_link_token(l), .method = "overlay.drop", .params = params,
                                .stall_seconds = DROP_SECONDS};
        if (!away) {
            remote_post(&o, &away, r->http, &c, &e);
            if (away)
                note_away(r, remote_link_url(l), &e);
        }
        json_decref(params);
        json_decref(o);
    }
    json_decref(ids);
    remote_link_free(l);
}

static void *drop_main(void *arg)
{
    struct remote *r = arg;
    pthread_mutex_lock(&r->mu);
    while (!r->closing || r->drop) {
        struct drop *d = r->drop;
        if (!d) {
            pthread_cond_wait(&r->work, &r->mu);
            continue;
        }
        r->drop = d->next;
        r->ndrops--;
        if (!r->drop)
            r->last = &r->drop;
        pthread_mutex_unlock(&r->mu);
        tell_drop(r, d->link);
        free(d);
        pthread_mutex_lock(&r->mu);
    }
    pthread_mutex_unlock(&r->mu);
    return NULL;
}

static void drop_later(struct remote *r, struct remote_link *l)
{
    json_t *ids = remote_link_overlays(l);
    bool none = !json_array_size(ids), queued = false;
    json_decref(ids);
    if (!none) {
        pthread_mutex_lock(&r->mu);
        if (!r->runs && !r->closing)
            r->runs = !pthread_create(&r->thread, NULL, drop_main, r);
        if (r->runs && r->ndrops < DROPS_MAX) {
            struct drop *d = mem_zero(1, sizeof *d);
            d->link = l;
            *r->last = d;
            r->last = &d->next;
            r->ndrops++;
            queued = true;
            pthread_cond_signal(&r->work);
        }
        pthread_mutex_unlock(&r->mu);
    }
    if (!queued)
        remote_link_free(l);
}

struct remote *remote_new(const struct config *c)
{
    struct remote *r = mem_zero(1, sizeof *r);
    r->http = remote_http_new(c);
    r->last = &r->drop;
    pthread_mutex_init(&r->mu, NULL);
    pthread_cond_init(&r->work, NULL);
    return r;
}

void remote_close(struct remote *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->mu);
    r->closing = true;
    pthread_cond_broadcast(&r->work);
    pthread_mutex_unlock(&r->mu);
    if (r->runs)
        pthread_join(r->thread, NULL);
    for (unsigned i = 0; i < r->naway; i++)
        free(r->away[i].url);
    remote_http_free(r->http);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->mu);
    free(r);
}

/* -- sessions -------------------------------------------------------------------------------------------------------------- */

/* One line, kept from others. NULL where there is none; *e where it may not be used. */
static char *token_of_file(const char *path, struct err *e)
{
    struct buf b = BUF_INIT;
    struct stat st;
    if (!*path)
        return NULL;
    if (!stat(path, &st) && st.st_mode & 077) {
        err_set(e, ERR_DENIED, "server-token-file %s can be read by others (mode %04o)", path, (unsigned)(st.st_mode & 07777));
        err_hint(e, "chmod 600 %.250s", path);
        return NULL;
    }
    if (file_read(&b, path, TOKEN_MAX, e))
        return NULL;
    b.len = strcspn(b.data ? b.data : "", "\r\n \t");
    return b.len ? mem_strn(b.data, b.len) : NULL;
}

struct remote_session *remote_session_new(struct service *s, const char *url, const char *token)
{
    const struct config *c = s->o.config;
    url = url && *url ? url : c->server;
    if (!*url || !strcmp(url, "none"))
        return NULL;
    struct remote_session *x = mem_zero(1, sizeof *x);
    char *own = NULL;
    x->refs = 1;
    x->s = s;
    if (!token || !*token)
        token = own = token_of_file(c->server_token_file, &x->bad);
    for (const char *p = token; p && *p && !x->bad.code; p++)
        if (*p <= ' ' || *p > '~')
            err_set(&x->bad, ERR_USAGE, "CODEASK_TOKEN holds a character that no token has");
    if (!x->bad.code)
        remote_url_check(url, &x->bad);
    x->link = remote_link_new(s, s->remote->http, url, x->bad.code ? NULL : token);
    if (own)
        memset(own, 0, strlen(own));
    free(own);
    return x;
}

struct remote_session *remote_session_hold(struct remote_session *x)
{
    if (x)
        __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
    return x;
}

void remote_session_drop(struct remote_session *x)
{
    if (!x || __atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL))
        return;
    drop_later(x->s->remote, x->link);
    free(x);
}

json_t *remote_status(struct request *rq)
{
    struct err e = {0};
    struct remote_session *x = rq->remote;
    if (!x)
        return NULL;
    bool away = x->bad.code || is_away(x->s->remote, remote_link_url(x->link), &e);
    return json_pack("{ss, sb, sb, so}", "url", remote_link_url(x->link), "push_overlay", (int)rq->s->o.config->push_overlay, "away", (int)away, "message",
                     away ? json_cstr(x->bad.code ? x->bad.message : e.message) : json_null());
}

/* -- a request ------------------------------------------------------------------------------------------------------------- */

struct forwarding {
    struct request *rq;
    struct remote_session *x;
    struct remote_try *try;
    struct remote_view *view;
    size_t n;
    json_t *params;       /* as they are sent */
    bool away, asked;     /* asked: with a view */
};

static void on_event(void *arg, const char *name, json_t *data)
{
    struct forwarding *f = arg;
    bool part = !strcmp(name, "part");
    if (!part && strcmp(name, "progress"))
        return;
    remote_back(data, f->view, f->n);
    f->try->parts |= part;
    request_emit(f->rq, part ? EVENT_PART : EVENT_PROGRESS, json_incref(data));
}

/* "src/a.c:12" as from the root: what a client says of a directory of its own means nothing there. */
static void place_from_root(struct forwarding *f, const struct repo_row *repo)
{
    struct request *rq = f->rq;
    const char *name = rq->row->params, *dir = param_str(rq, "dir");
    if (!name || (strcmp(name, "place") && strcmp(name, "path")) || !param_str(rq, name) || param_str(rq, "repo"))
        return;
    const char *path = scope_path(&rq->arena, repo, dir, param_str(rq, name));
    json_object_set_new(f->params, name, json_text(path, strlen(path)));
}

static bool names_file(const struct remote_view *v, const char *place)
{
    size_t n = strlen(place);
    for (size_t i = 0; i < v->n; i++) {
        size_t len = strlen(v->file[i].path);
        if (len <= n && !strncmp(place, v->file[i].path, len) && (!place[len] || place[len] == ':'))
            return true;
    }
    return false;
}

/* One repository of this machine: the server's name of it, and what differs, go into the request. */
static int add_view(struct forwarding *f, const struct repo_row *repo, bool name_it, bool fresh, struct err *e)
{
    struct request *rq = f->rq;
    const char *ref = param_str(rq, "branch");
    struct buf resolved = BUF_INIT;
    if (repo->plain)
        return err_set(e, ERR_NOT_FOUND, "%s is no git repository: the server cannot know it", repo->path);
    bool theirs = ref && repo_ref_name(&resolved, repo, ref, NULL); /* a branch that only the server may know */
    buf_release(&resolved);
    struct remote_view *v = &f->view[f->n];
    int rc = remote_view_open(v, &f->away, f->x->link, rq, repo, theirs ? NULL : ref, fresh, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->view[i].repo, v->repo)) {
            rc = err_set(e, ERR_UNSUPPORTED, "%s and %s are the same repository at the server", f->view[i].root, v->root);
            remote_view_close(v);
            return rc;
        }
    f->n++;
    json_t *names = json_object_get(f->params, "repo"), *overlays = json_object_get(f->params, "overlay");
    if (name_it)
        json_array_append_new(names, json_string(v->repo));
    if (theirs)
        json_object_set_new(f->params, "branch", json_string(ref));
    else
        json_array_append_new(overlays, json_string(v->overlay));
    if (name_it)
        place_from_root(f, repo);
    const char *place = json_string_value(json_object_get(f->params, "place"));
    if (rq->row->forward == FORWARD_COMMITTED && place && names_file(v, place)) {
        f->try->silent = true; /* as it should be */
        return err_set(e, ERR_UNSUPPORTED, "%s differs here from what the server has", place);
    }
    return 0;
}

static const struct repo_row *row_named(const struct repo_row *rows, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(rows[i].name, name))
        i++;
    return i < n ? &rows[i] : NULL;
}

static const struct repo_row *row_at(const struct repo_row *rows, size_t n, const char *path)
{
    size_t i = 0;
    while (i < n && strcmp(rows[i].path, path))
        i++;
    return i < n ? &rows[i] : NULL;
}

/* The repository around the directory; it need not be known here. */
static int around(struct forwarding *f, const struct repo_row *rows, size_t n, bool name_it, bool fresh, struct err *e)
{
    struct repo_found found = {0};
    const char *dir = param_str(f->rq, "dir");
    if (!dir || *dir != '/')
        return err_set(e, ERR_USAGE, "dir: an absolute path is wanted");
    int rc = repo_find(&found, dir, false, e);
    if (rc)
        return rc;
    const struct repo_row *known = row_at(rows, n, found.path);
    struct repo_row own = {.path = found.path, .plain = found.plain, .name = (char *)path_base(str_of(found.path)).p};
    rc = add_view(f, known ? known : &own, name_it, fresh, e);
    free(found.path);
    return rc;
}

/* Every clone of this machine that the server knows: its names and the editor's texts are of them. */
static int map_all(struct forwarding *f, const struct repo_row *rows, size_t n, bool fresh, struct err *e)
{
    struct err why;
    int rc = around(f, rows, n, false, fresh, &why);
    for (size_t i = 0; i < n && f->n < REMOTE_CLONES && !f->away && !request_stopped(f->rq); i++)
        if (!rows[i].plain && !(f->n && !strcmp(rows[i].path, f->view[0].root)))
            rc = add_view(f, &rows[i], false, fresh, &why);
    if (rc && f->away)
        *e = why;
    return f->away ? e->code : 0;
}

static int map_scope(struct forwarding *f, bool fresh, struct err *e)
{
    struct request *rq = f->rq;
    struct repo_row *rows = NULL;
    size_t n = 0;
    json_t *names = json_object_get(rq->params, "repo");
    bool list = json_is_array(names);
    size_t want = list ? json_array_size(names) : json_is_string(names);
    int rc = readable_repos(&rows, &n, rq, e);
    f->view = arena_zero(&rq->arena, want + n + 1, sizeof *f->view);
    for (size_t i = 0; i < want && !rc; i++) {
        const char *name = json_string_value(list ? json_array_get(names, i) : names);
        const struct repo_row *row = row_named(rows, n, name);
        if (row)
            rc = add_view(f, row, true, fresh, e);
        else /* the server's own name of one that is not here */
            json_array_append_new(json_object_get(f->params, "repo"), json_string(name));
    }
    if (!rc && !want)
        rc = param_bool(rq, "all_repos") ? map_all(f, rows, n, fresh, e) : around(f, rows, n, true, fresh, e);
    state_repos_free(rows, n);
    return rc;
}

static void add_roots(json_t *result, const struct forwarding *f)
{
    json_t *o = json_object();
    for (size_t i = 0; i < f->n; i++)
        json_object_set_new(o, f->view[i].local, json_text(f->view[i].root, strlen(f->view[i].root)));
    json_object_set_new(result, "roots", o);
}

static json_t *hex_json(const struct oid *o)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, 20);
    return json_string(hex);
}

/* Which server, over which commit, and what of this clone is not in the answer. */
static void say_server(json_t *result, const struct forwarding *f)
{
    json_t *o = json_pack("{ss, sb}", "url", remote_link_url(f->x->link), "answered", 1);
    for (size_t i = 0; i < f->n; i++) {
        const struct remote_view *v = &f->view[i];
        if (f->n == 1) {
            json_object_set_new(o, "repo", json_string(v->repo));
            json_object_set_new(o, "commit", hex_json(&v->base));
            json_object_set_new(o, "overlay_files", json_integer(v->pushed ? (json_int_t)v->n : 0));
        }
        if (!v->pushed && v->many)
            note_add(result, "many files of %s differ from the server's and were not sent (push-overlay = no)", v->local);
        else if (!v->pushed)
            note_add(result, "%zu file%s of %s differ%s from the server's and %s not sent (push-overlay = no)", v->n, v->n == 1 ? "" : "s", v->local,
                     v->n == 1 ? "s" : "", v->n == 1 ? "was" : "were");
    }
    json_object_set_new(result, "server", o);
    json_t *freshness = json_object_get(result, "freshness");
    struct txn *t;
    if (json_is_object(freshness) && !store_read(&t, f->rq->s->store, NULL)) { /* this home's: the server's is another count */
        json_object_set_new(freshness, "generation", json_integer((json_int_t)txn_generation(t)));
        txn_end(t);
    }
}

static void wire_name(char out[32], const char *name)
{
    size_t n = 0;
    for (; name[n] && n + 1 < 32; n++)
        out[n] = name[n] == ' ' ? '.' : name[n];
    out[n] = 0;
}

static int forward(json_t **result, struct forwarding *f, bool fresh, struct err *e)
{
    static const char *const ours[] = {"server", "dir", "roots", "repo", "branch", "overlay"};
    struct request *rq = f->rq;
    struct remote_link *l = f->x->link;
    char method[32];
    int rc = 0;
    f->params = json_deep_copy(rq->params);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        json_object_del(f->params, ours[i]);
    if (rq->row->forward != FORWARD_ID) {
        json_object_set_new(f->params, "repo", json_array());
        json_object_set_new(f->params, "overlay", json_array());
        rc = map_scope(f, fresh, e);
        if (!json_array_size(json_object_get(f->params, "repo")))
            json_object_del(f->params, "repo");
        if (!json_array_size(json_object_get(f->params, "overlay")))
            json_object_del(f->params, "overlay");
    }
    wire_name(method, rq->row->name);
    bool writes = !strcmp(method, "ask");
    struct remote_call c = {.url = remote_link_url(l), .token = remote_link_token(l), .method = method, .params = f->params,
                            .stall_seconds = writes ? REMOTE_ASK_STALL_SECONDS : REMOTE_STALL_SECONDS, .stop = &rq->stop, .event = writes ? on_event : NULL,
                            .arg = f};
    f->asked = !rc && f->n;
    if (!rc)
        rc = remote_post(result, &f->away, rq->s->remote->http, &c, e);
    if (!rc && rq->row->forward != FORWARD_ID) {
        remote_back(*result, f->view, f->n);
        if (param_bool(rq, "roots"))
            add_roots(*result, f);
        say_server(*result, f);
    }
    json_decref(f->params);
    for (size_t i = 0; i < f->n; i++)
        remote_view_close(&f->view[i]);
    f->n = 0;
    return rc;
}

bool remote_run(int *rc, json_t **result, struct request *rq, struct err *e)
{
    if (!rq->remote || !rq->row->forward || rq->remote_try)
        return false;
    struct remote_session *x = rq->remote;
    struct remote *r = rq->s->remote;
    const char *url = remote_link_url(x->link);
    struct remote_try *t = rq->remote_try = arena_zero(&rq->arena, 1, sizeof *t);
    struct forwarding f = {.rq = rq, .x = x, .try = t};
    if (x->bad.code) { /* the settings are wrong: nothing else is guessed */
        *e = x->bad;
        *rc = e->code;
        return true;
    }
    if (is_away(r, url, &t->why))
        return false;
    *rc = forward(result, &f, false, &t->why);
    if (*rc == ERR_NOT_FOUND && f.asked && !t->parts) /* the server has moved on, or forgot: once more, from the start */
        *rc = forward(result, &f, true, &t->why);
    if (!*rc)
        return true;
    if (f.away)
        note_away(r, url, &t->why);
    if (request_stopped(rq)) {
        *e = t->why;
        return true;
    }
    if (t->parts) /* what was given out is taken back by an answer of another mode */
        json_object_set_new(rq->params, "no_generate", json_true());
    *e = (struct err){0};
    return false;
}

void remote_stamp(struct request *rq, json_t *result, int rc, struct err *e)
{
    const struct remote_try *t = rq->remote_try;
    if (!t || !t->why.code || rc == RUN_PARKED)
        return;
    if (rc && rc != ERR_CANCELED && rc != ERR_USAGE && !e->hint[0])
        err_hint(e, "%.290s", t->why.message);
    if (rc || rq->row->forward == FORWARD_ID)
        return;
    json_object_set_new(result, "server", json_pack("{ss, sb, ss, so}", "url", remote_link_url(rq->remote->link), "answered", 0, "code", err_name(t->why.code),
                                                    "message", json_cstr(t->why.message)));
    if (!t->silent)
        note_add(result, "answered from the index of this machine: %s", t->why.message);
}

#include "service/remote_clone.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "indexer/clone.h"
#include "indexer/language.h"
#include "service/cutting_apart.h"
#include "service/overlays.h"
#include "service/unsaved.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES (64u << 10) /* what language_for looks at, at most */
#define ROUNDS 3               /* of sending what the server lacks: another session's end may have taken a content with it */

struct masked { /* a content's hash, and that of what is sent of it */
    char *path;
    struct oid oid, sent;
    bool none;  /* it cannot be cut: nothing of it is sent */
};

struct matched { /* a clone that was asked about */
    char *path, *ref;       /* here; ref: NULL for the working tree */
    struct oid commit;
    char *repo, *server_ref; /* repo NULL: the server has none, why says it */
    struct err why;
    struct oid base, tree;
    int64_t at_ns;
    uint64_t like;          /* what the overlay is made of */
    char *overlay;
    struct masked *masked;
    size_t nmasked, cap;
};

struct remote_link {
    struct service *s;
    struct remote_http *http;
    char *url, *token;
    pthread_mutex_t mu;     /* one clone is looked at at a time, and what follows */
    struct matched clone[REMOTE_CLONES];
    size_t n, next;
    json_t *made;           /* ids of overlays, as keys */
    struct { char *path; struct oid root[CLONE_ROOTS]; size_t n; } roots[REMOTE_CLONES];
    size_t nroots;
};

struct remote_link *remote_link_new(struct service *s, struct remote_http *h, const char *url, const char *token)
{
    struct remote_link *l = mem_zero(1, sizeof *l);
    *l = (struct remote_link){.s = s, .http = h, .url = mem_str(url), .token = mem_str(token), .made = json_object()};
    pthread_mutex_init(&l->mu, NULL);
    return l;
}

static void matched_release(struct matched *m)
{
    for (size_t i = 0; i < m->nmasked; i++)
        free(m->masked[i].path);
    free(m->masked);
    free(m->path);
    free(m->ref);
    free(m->repo);
    free(m->server_ref);
    free(m->overlay);
    *m = (struct matched){0};
}

void remote_link_free(struct remote_link *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++)
        matched_release(&l->clone[i]);
    for (size_t i = 0; i < l->nroots; i++)
        free(l->roots[i].path);
    json_decref(l->made);
    if (l->token)
        memset(l->token, 0, strlen(l->token));
    free(l->token);
    free(l->url);
    pthread_mutex_destroy(&l->mu);
    free(l);
}

const char *remote_link_url(const struct remote_link *l)
{
    return l->url;
}

const char *remote_link_token(const struct remote_link *l)
{
    return l->token;
}

json_t *remote_link_overlays(struct remote_link *l)
{
    json_t *ids = json_array();
    const char *id;
    json_t *v;
    pthread_mutex_lock(&l->mu);
    json_object_foreach(l->made, id, v)
        json_array_append_new(ids, json_string(id));
    pthread_mutex_unlock(&l->mu);
    return ids;
}

int remote_link_post(json_t **result, bool *away, struct remote_link *l, const char *method, json_t *params, const bool *stop, struct err *e)
{
    struct remote_call c = {.url = l->url, .token = l->token, .method = method, .params = params, .stall_seconds = REMOTE_STALL_SECONDS, .stop = stop};
    int rc = remote_post(result, away, l->http, &c, e);
    json_decref(params);
    return rc;
}

static bool same(const struct oid *a, const struct oid *b)
{
    return !memcmp(a, b, sizeof *a);
}

static json_t *hex_json(const struct oid *o)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, 20);
    return json_string(hex);
}

static bool oid_of_hex(struct oid *out, json_t *v)
{
    *out = (struct oid){0};
    return json_is_string(v) && json_string_length(v) == 40 && hex_to(out->byte, json_string_value(v), 20) == 20;
}

/* One repository on its way. */
struct viewing {
    struct remote_link *l;
    struct request *rq;
    const struct repo_row *repo;
    const char *ref;
    struct matched *m;
    struct remote_view *v;
    bool *away;
    bool remembered;        /* what the server said lately was taken, and it has such a repository */
    struct err *e;
};

static int post(json_t **result, struct viewing *x, const char *method, json_t *params)
{
    return remote_link_post(result, x->away, x->l, method, params, &x->rq->stop, x->e);
}

/* -- which one it is -------------------------------------------------------------------------------------------------------- */

static json_t *roots_of(struct viewing *x)
{
    struct remote_link *l = x->l;
    size_t i = 0;
    while (i < l->nroots && strcmp(l->roots[i].path, x->repo->path))
        i++;
    if (i == l->nroots && i < REMOTE_CLONES && !clone_roots(l->roots[i].root, &l->roots[i].n, x->repo, NULL)) {
        l->roots[i].path = mem_str(x->repo->path);
        l->nroots++;
    }
    json_t *list = json_array();
    for (size_t k = 0; i < l->nroots && k < l->roots[i].n; k++)
        json_array_append_new(list, hex_json(&l->roots[i].root[k]));
    return list;
}

/* By its remotes' addresses, else by where its history begins. */
static int ask_match(json_t **found, struct viewing *x, const struct clone *c)
{
    json_t *urls = json_array(), *commits = json_array();
    int rc = ERR_NOT_FOUND;
    for (size_t i = 0; i < c->nurls; i++)
        json_array_append_new(urls, json_string(c->url[i]));
    for (size_t i = 0; i < c->ncommits; i++)
        json_array_append_new(commits, hex_json(&c->commit[i]));
    if (json_array_size(urls))
        rc = post(found, x, "overlay.match", json_pack("{sO, sO}", "url", urls, "commit", commits));
    if (rc == ERR_NOT_FOUND) {
        json_t *roots = roots_of(x);
        if (json_array_size(roots))
            rc = post(found, x, "overlay.match", json_pack("{sO, sO}", "root", roots, "commit", commits));
        else
            rc = err_set(x->e, ERR_NOT_FOUND, "no repository of the server is known to be a clone of %s", x->repo->path);
        json_decref(roots);
    }
    json_decref(urls);
    json_decref(commits);
    return rc;
}

static struct matched *remembered(struct viewing *x, const struct oid *commit)
{
    struct remote_link *l = x->l;
    for (size_t i = 0; i < l->n; i++) {
        struct matched *m = &l->clone[i];
        if (!strcmp(m->path, x->repo->path) && (m->ref ? x->ref && !strcmp(m->ref, x->ref) : !x->ref)) {
            if (!same(&m->commit, commit))
                m->at_ns = 0;
            return m;
        }
    }
    struct matched *m = &l->clone[l->n < REMOTE_CLONES ? l->n++ : l->next++ % REMOTE_CLONES];
    matched_release(m);
    m->path = mem_str(x->repo->path);
    m->ref = mem_str(x->ref);
    return m;
}

static int match(struct viewing *x, bool fresh)
{
    struct clone c;
    json_t *o = NULL;
    int rc = clone_open(&c, x->repo, x->ref, x->e);
    if (rc)
        return rc;
    if (!c.ncommits) {
        rc = err_set(x->e, ERR_NOT_FOUND, "%s has no commit yet", x->repo->path);
        goto out;
    }
    struct matched *m = x->m = remembered(x, &c.commit[0]);
    x->remembered = !fresh && m->at_ns && clock_ns() - m->at_ns < REMOTE_MATCH_NS && m->repo;
    if (!fresh && m->at_ns && clock_ns() - m->at_ns < REMOTE_MATCH_NS) {
        if (!m->repo && x->e)
            *x->e = m->why;
        rc = m->repo ? 0 : m->why.code;
        goto out;
    }
    rc = ask_match(&o, x, &c);
    if (rc == ERR_NOT_FOUND) { /* that is remembered, too */
        free(m->repo);
        m->repo = NULL;
        m->why = *x->e;
        m->commit = c.commit[0];
        m->at_ns = clock_ns();
    }
    if (rc)
        goto out;
    const char *repo = json_string_value(json_object_get(o, "repo")), *ref = json_string_value(json_object_get(o, "ref"));
    if (!repo || !ref || !oid_of_hex(&m->base, json_object_get(o, "commit")) || !oid_of_hex(&m->tree, json_object_get(o, "tree"))) {
        rc = err_set(x->e, ERR_FORMAT, "what the server says of its repository cannot be read");
        goto out;
    }
    free(m->repo);
    free(m->server_ref);
    m->repo = mem_str(repo);
    m->server_ref = mem_str(ref);
    m->commit = c.commit[0];
    m->at_ns = clock_ns();
    m->like = 0;
out:
    json_decref(o);
    clone_close(&c);
    return rc;
}

/* -- what differs ----------------------------------------------------------------------------------------------------------- */

static json_t *base_json(const struct viewing *x)
{
    json_t *o = json_pack("{ss, so}", "repo", x->m->repo, "commit", hex_json(&x->m->base));
    return o;
}

static int fetch(void *arg, const char *dir, struct buf *out, struct err *e)
{
    struct viewing *x = arg;
    json_t *params = base_json(x), *o = NULL;
    json_object_set_new(params, "path", json_pack("[o]", json_text(dir, strlen(dir))));
    int rc = post(&o, x, "overlay.tree", params);
    if (!rc && !bytes_of_base64(out, json_array_get(json_object_get(o, "trees"), 0)))
        rc = err_set(e, ERR_FORMAT, "what the server says about its directory \"%.200s\" cannot be read", dir);
    json_decref(o);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct remote_file *)a)->path, ((const struct remote_file *)b)->path);
}

const struct remote_file *remote_view_file(const struct remote_view *v, const char *path)
{
    struct remote_file key = {.path = (char *)path};
    return v->n ? bsearch(&key, v->file, v->n, sizeof *v->file, by_path) : NULL;
}

/* What the session's editor holds goes over what the disk has. */
static void add_unsaved(struct viewing *x)
{
    struct remote_view *v = x->v;
    size_t root = strlen(x->repo->path), n = v->n, cap = v->n;
    if (x->ref)
        return;
    pthread_mutex_lock(&x->rq->s->mu);
    for (const struct unsaved_file *f = x->rq->session ? x->rq->session->unsaved : NULL; f; f = f->next) {
        if (strncmp(f->path, x->repo->path, root) || f->path[root] != '/')
            continue;
        const char *path = f->path + root + 1;
        struct remote_file *at = (struct remote_file *)remote_view_file(v, path);
        if (!at) {
            VEC_ROOM(v->file, n, cap);
            at = &v->file[n++];
            *at = (struct remote_file){.path = mem_str(path)};
            v->dirty++;
        }
        at->oid = *unsaved_text_oid(f->text);
        at->gone = at->committed = false;
        at->unsaved = true;
    }
    pthread_mutex_unlock(&x->rq->s->mu);
    v->n = n;
    if (n)
        qsort(v->file, n, sizeof *v->file, by_path);
}

static int look(struct viewing *x, bool push)
{
    struct remote_view *v = x->v;
    struct clone_state st;
    v->commit = x->m->commit;
    const struct config *c = x->rq->s->o.config;
    int rc = clone_differ(&st, x->repo, x->ref, &x->m->tree, fetch, x, c->max_file_bytes, OVERLAY_FILES, x->e);
    if (rc == ERR_LIMIT && !push) {
        v->many = true;
        return 0;
    }
    if (rc)
        return rc;
    v->dirty = st.dirty;
    v->file = mem_zero(st.n + 1, sizeof *v->file);
    for (size_t i = 0; i < st.n; i++) {
        struct clone_row *r = &st.row[i];
        v->file[v->n++] = (struct remote_file){.path = r->path, .oid = r->oid, .gone = r->gone, .committed = r->committed};
        r->path = NULL;
    }
    clone_state_release(&st);
    if (v->n)
        qsort(v->file, v->n, sizeof *v->file, by_path);
    add_unsaved(x);
    return 0;
}

/* -- sending ---------------------------------------------------------------------------------------------------------------- */

/* A file's text with its secrets masked: what is sent. */
static int masked_text(struct buf *out, struct viewing *x, const struct remote_file *f)
{
    struct buf bytes = BUF_INIT;
    struct pool_result r = {0};
    struct service *s = x->rq->s;
    int rc = ERR_NOT_FOUND;
    if (f->unsaved) { /* it was cut when the editor told of it */
        pthread_mutex_lock(&s->mu);
        struct unsaved_text *text = NULL;
        size_t root = strlen(x->repo->path);
        for (const struct unsaved_file *u = x->rq->session ? x->rq->session->unsaved : NULL; u && !text; u = u->next)
            if (strlen(u->path) > root && !strcmp(u->path + root + 1, f->path) && !strncmp(u->path, x->repo->path, root) &&
                same(unsaved_text_oid(u->text), &f->oid))
                text = unsaved_text_hold(u->text);
        pthread_mutex_unlock(&s->mu);
        rc = text ? unsaved_text_read(out, text, x->e) : err_set(x->e, ERR_NOT_FOUND, "%s was edited meanwhile", f->path);
        unsaved_text_drop(text);
        return rc;
    }
    rc = source_read(s->store, x->repo, str_of(f->path), &f->oid, true, &bytes, x->e);
    if (rc) { /* a branch's, or one that was changed a moment ago */
        buf_clear(&bytes);
        rc = source_read(s->store, x->repo, str_of(f->path), &f->oid, false, &bytes, x->e);
    }
    if (!rc && bytes.len > s->o.config->max_file_bytes)
        rc = err_set(x->e, ERR_LIMIT, "%s is larger than max_file_bytes", f->path);
    if (!rc) {
        struct str head = {bytes.data ? bytes.data : "", bytes.len < HEAD_BYTES ? bytes.len : HEAD_BYTES};
        rc = cut_apart(&r, s, language_for(str_of(f->path), head), &bytes, x->e);
    }
    if (!rc)
        buf_add(out, r.text.data ? r.text.data : "", r.text.len);
    buf_release(&r.record);
    buf_release(&r.text);
    buf_release(&bytes);
    return rc;
}

static const struct masked *masked_of(const struct matched *m, const struct remote_file *f)
{
    for (size_t i = 0; i < m->nmasked; i++)
        if (same(&m->masked[i].oid, &f->oid) && !strcmp(m->masked[i].path, f->path))
            return &m->masked[i];
    return NULL;
}

/* The hash of what is sent of each file; of files that are as at the last request it is known. */
static void hash_all(struct viewing *x)
{
    struct matched now = {0}, *m = x->m;
    for (size_t i = 0; i < x->v->n && !request_stopped(x->rq); i++) {
        struct remote_file *f = &x->v->file[i];
        struct buf text = BUF_INIT;
        if (f->gone)
            continue;
        const struct masked *known = masked_of(m, f);
        struct masked is = {.path = mem_str(f->path), .oid = f->oid};
        if (known) {
            is.sent = known->sent;
            is.none = known->none;
        } else {
            struct err why;
            struct err *e = x->e;
            x->e = &why;
            is.none = masked_text(&text, x, f) != 0;
            x->e = e;
            is.sent = source_hash(text.data ? text.data : "", text.len);
            buf_release(&text);
        }
        f->sent = is.sent;
        f->gone = is.none; /* better nothing there than what it no longer is */
        VEC_ROOM(now.masked, now.nmasked, now.cap);
        now.masked[now.nmasked++] = is;
    }
    for (size_t i = 0; i < m->nmasked; i++)
        free(m->masked[i].path);
    free(m->masked);
    m->masked = now.masked;
    m->nmasked = now.nmasked;
    m->cap = now.cap;
}

static void set_path_of(json_t *row, const char *path)
{
    if (text_is_utf8(path, strlen(path)))
        json_object_set_new(row, "path", json_string(path));
    else
        json_object_set_new(row, "path_b64", json_base64(path, strlen(path)));
}

static int send_batch(struct viewing *x, json_t *batch)
{
    json_t *params = base_json(x), *o = NULL;
    json_object_set(params, "contents", batch);
    int rc = post(&o, x, "overlay.put", params);
    json_decref(o);
    json_array_clear(batch);
    return rc;
}

/* missing: places in the list of files. */
static int send_missing(struct viewing *x, json_t *missing)
{
    json_t *batch = json_array(), *at;
    size_t i, bytes = 0;
    int rc = 0;
    json_array_foreach(missing, i, at) {
        size_t k = json_is_integer(at) && json_integer_value(at) >= 0 ? (size_t)json_integer_value(at) : SIZE_MAX;
        struct buf text = BUF_INIT;
        if (k >= x->v->n || x->v->file[k].gone)
            rc = err_set(x->e, ERR_FORMAT, "the server asks for a file that it was not told of");
        if (!rc)
            rc = masked_text(&text, x, &x->v->file[k]);
        if (!rc && bytes + text.len > OVERLAY_REQUEST_BYTES && json_array_size(batch)) {
            rc = send_batch(x, batch);
            bytes = 0;
        }
        if (rc) {
            buf_release(&text);
            break;
        }
        json_t *row = json_pack("{so, so}", "blob", hex_json(&x->v->file[k].sent), "bytes", json_base64(text.data ? text.data : "", text.len));
        set_path_of(row, x->v->file[k].path);
        json_array_append_new(batch, row);
        bytes += text.len;
        buf_release(&text);
    }
    if (!rc && json_array_size(batch))
        rc = send_batch(x, batch);
    json_decref(batch);
    return rc;
}

static json_t *files_json(const struct remote_view *v, bool push, uint64_t *like)
{
    json_t *files = json_array();
    for (size_t i = 0; i < v->n && push; i++) {
        const struct remote_file *f = &v->file[i];
        json_t *row = f->gone ? json_pack("{sb}", "gone", 1) : json_pack("{so}", "blob", hex_json(&f->sent));
        set_path_of(row, f->path);
        json_array_append_new(files, row);
        *like = hash64_seed(f->path, strlen(f->path) + 1, *like);
        *like = hash64_seed(&f->sent, sizeof f->sent, *like + f->gone);
    }
    return files;
}

static int put(struct viewing *x, bool push)
{
    struct matched *m = x->m;
    uint64_t like = hash64(&m->base, sizeof m->base) | 1;
    json_t *files = files_json(x->v, push, &like);
    int rc = 0;
    like |= 1; /* 0: none */
    for (int round = 0; !rc && (!m->overlay || m->like != like); round++) {
        json_t *params = base_json(x), *o = NULL;
        json_object_set(params, "files", files);
        rc = post(&o, x, "overlay.put", params);
        json_t *id = json_object_get(o, "overlay"), *missing = json_object_get(o, "missing");
        if (!rc && json_is_string(id)) {
            free(m->overlay);
            m->overlay = mem_str(json_string_value(id));
            m->like = like;
            json_object_set_new(x->l->made, m->overlay, json_true());
        } else if (!rc && round < ROUNDS && json_array_size(missing)) {
            rc = send_missing(x, missing);
        } else if (!rc) {
            rc = err_set(x->e, ERR_UNAVAILABLE, "the server does not keep what differs here");
        }
        json_decref(o);
    }
    json_decref(files);
    return rc;
}

static void forget_files(struct remote_view *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->file[i].path);
    free(v->file);
    v->file = NULL;
    v->n = 0;
}

static int view(struct viewing *x, bool push, bool fresh)
{
    int rc = match(x, fresh);
    if (!rc)
        rc = look(x, push);
    if (!rc && push)
        hash_all(x);
    return rc ? rc : put(x, push);
}

int remote_view_open(struct remote_view *out, bool *away, struct remote_link *l, struct request *rq, const struct repo_row *local, const char *ref,
                     bool fresh, struct err *e)
{
    struct viewing x = {.l = l, .rq = rq, .repo = local, .ref = ref, .v = out, .away = away, .e = e};
    bool push = rq->s->o.config->push_overlay;
    *out = (struct remote_view){.local = mem_str(local->name), .root = mem_str(local->path)};
    pthread_mutex_lock(&l->mu);
    int rc = view(&x, push, fresh);
    if (rc == ERR_NOT_FOUND && x.remembered) { /* the server's branches have moved on */
        forget_files(out);
        rc = view(&x, push, true);
    }
    if (!rc) {
        out->repo = mem_str(x.m->repo);
        out->ref = mem_str(x.m->server_ref);
        out->base = x.m->base;
        out->overlay = mem_str(x.m->overlay);
        out->pushed = push || (!out->n && !out->many);
    }
    pthread_mutex_unlock(&l->mu);
    if (rc)
        remote_view_close(out);
    return rc;
}

void remote_view_close(struct remote_view *v)
{
    forget_files(v);
    free(v->repo);
    free(v->ref);
    free(v->local);
    free(v->root);
    free(v->overlay);
    *v = (struct remote_view){0};
}

#include "service/overlays.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "service/permission.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct held { /* a content that somebody sent */
    struct held *next;
    char *path;
    struct unsaved_text *text;
    size_t bytes;
    int64_t used_ns;
    unsigned users;   /* overlays that it is in */
};

struct overlay {
    struct overlay *next;
    char id[OVERLAY_ID];
    uint32_t repo;
    struct oid commit;
    char *ref;
    struct file {
        char *path;
        struct held *held;    /* NULL: gone there. Valid until it is forgotten */
        struct unsaved_text *text;
    } *file;
    size_t n;
    uint64_t like;            /* hash of what it is made of */
    int64_t used_ns;
    unsigned refs;            /* atomic: its holder's, and those of requests */
};

struct holder { /* a person with one token: a revoked one takes nothing of another's with it */
    struct holder *next;
    uint64_t key, token;
    uint32_t user;
    struct held *held;
    struct overlay *overlay;  /* the one made last first */
    size_t bytes, noverlays;
};

struct overlays {
    pthread_mutex_t mu;       /* of all that follows; taken last */
    struct holder *first;
    size_t bytes;
};

struct overlays *overlays_new(void)
{
    struct overlays *o = mem_zero(1, sizeof *o);
    pthread_mutex_init(&o->mu, NULL);
    return o;
}

/* -- with the lock --------------------------------------------------------------------------------------------------------- */

static void release(struct overlay *x)
{
    for (size_t i = 0; i < x->n; i++) {
        free(x->file[i].path);
        unsaved_text_drop(x->file[i].text);
    }
    free(x->file);
    free(x->ref);
    free(x);
}

/* Contents that are in none: all, or those that were not used since. A content that was sent a moment ago waits for its overlay. */
static void drop_held(struct overlays *o, struct holder *h, int64_t before)
{
    for (struct held **at = &h->held; *at;) {
        struct held *x = *at;
        if (x->users || x->used_ns > before) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        o->bytes -= x->bytes;
        h->bytes -= x->bytes;
        unsaved_text_drop(x->text);
        free(x->path);
        free(x);
    }
}

static void forget(struct holder *h, struct overlay *x)
{
    for (struct overlay **at = &h->overlay; *at; at = &(*at)->next)
        if (*at == x) {
            *at = x->next;
            h->noverlays--;
            break;
        }
    for (size_t i = 0; i < x->n; i++)
        if (x->file[i].held)
            x->file[i].held->users--;
    overlay_drop(x);
}

static void empty(struct overlays *o, struct holder *h)
{
    while (h->overlay)
        forget(h, h->overlay);
    drop_held(o, h, INT64_MAX);
}

static struct holder *holder_of(struct overlays *o, const struct caller *who, bool make)
{
    struct holder *h = o->first;
    uint64_t key = caller_key(who);
    while (h && (h->key != key || h->token != who->token))
        h = h->next;
    if (!h && make) {
        h = mem_zero(1, sizeof *h);
        *h = (struct holder){.next = o->first, .key = key, .token = who->token, .user = who->user};
        o->first = h;
    }
    return h;
}

static struct overlay *named(struct holder *h, const char *id)
{
    struct overlay *x = h ? h->overlay : NULL;
    while (x && strcmp(x->id, id))
        x = x->next;
    return x;
}

static struct held *find(struct holder *h, const char *path, const struct oid *blob)
{
    struct held *x = h ? h->held : NULL;
    while (x && (memcmp(unsaved_text_oid(x->text), blob, sizeof *blob) || strcmp(x->path, path)))
        x = x->next;
    return x;
}

static void rest(struct overlays *o, int64_t now)
{
    for (struct holder **at = &o->first; *at;) {
        struct holder *h = *at;
        for (struct overlay *x = h->overlay, *next; x; x = next) {
            next = x->next;
            if (now - x->used_ns > OVERLAY_IDLE_NS && __atomic_load_n(&x->refs, __ATOMIC_RELAXED) == 1)
                forget(h, x);
        }
        drop_held(o, h, now - OVERLAY_IDLE_NS);
        if (h->held || h->overlay) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        free(h);
    }
}

/* -------------------------------------------------------------------------------------------------------------------------- */

void overlays_free(struct overlays *o)
{
    for (struct holder *h = o ? o->first : NULL, *next; h; h = next) {
        next = h->next;
        empty(o, h);
        free(h);
    }
    if (o)
        pthread_mutex_destroy(&o->mu);
    free(o);
}

void overlays_rest(struct overlays *o, int64_t now_ns)
{
    pthread_mutex_lock(&o->mu);
    rest(o, now_ns);
    pthread_mutex_unlock(&o->mu);
}

void overlays_revoked(struct overlays *o, uint64_t token, uint32_t user)
{
    pthread_mutex_lock(&o->mu);
    for (struct holder *h = o->first; h; h = h->next)
        if ((token && h->token == token) || (user && h->user == user))
            empty(o, h);
    pthread_mutex_unlock(&o->mu);
}

void overlays_forget(struct overlays *o)
{
    pthread_mutex_lock(&o->mu);
    for (struct holder *h = o->first; h; h = h->next)
        empty(o, h);
    pthread_mutex_unlock(&o->mu);
}

static int not_there(const char *id, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no overlay %.40s of yours is held", id);
}

static int take_one(struct overlay **out, struct request *rq, const char *id, uint32_t repo, struct err *e)
{
    struct overlays *o = rq->s->overlays;
    pthread_mutex_lock(&o->mu);
    struct overlay *x = named(holder_of(o, &rq->who, false), id);
    int rc = x ? 0 : not_there(id, e);
    if (x)
        x->used_ns = clock_ns();
    if (x && x->repo == repo && !*out) {
        __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
        *out = x;
    }
    pthread_mutex_unlock(&o->mu);
    return rc;
}

int overlay_take(struct overlay **out, struct request *rq, uint32_t repo, struct err *e)
{
    json_t *ids = json_object_get(rq->params, "overlay"), *id;
    size_t i;
    int rc = 0;
    *out = NULL;
    if (json_is_string(ids))
        return take_one(out, rq, json_string_value(ids), repo, e);
    json_array_foreach(ids, i, id)
        if ((rc = take_one(out, rq, json_string_value(id), repo, e)))
            break;
    if (rc) {
        overlay_drop(*out);
        *out = NULL;
    }
    return rc;
}

void overlay_drop(struct overlay *x)
{
    if (x && !__atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL))
        release(x);
}

const char *overlay_ref(const struct overlay *x)
{
    return x->ref;
}

const struct oid *overlay_commit(const struct overlay *x)
{
    return &x->commit;
}

uint32_t overlay_over(struct unsaved *u, const struct overlay *x, uint32_t view)
{
    for (size_t i = 0; i < x->n; i++)
        unsaved_add(u, view, str_of(x->file[i].path), x->file[i].text);
    return (uint32_t)x->n;
}

/* -- making one ------------------------------------------------------------------------------------------------------------ */

bool overlay_has(struct request *rq, const char *path, const struct oid *blob)
{
    struct overlays *o = rq->s->overlays;
    pthread_mutex_lock(&o->mu);
    struct held *x = find(holder_of(o, &rq->who, false), path, blob);
    if (x)
        x->used_ns = clock_ns();
    pthread_mutex_unlock(&o->mu);
    return x != NULL;
}

int overlay_keep(struct request *rq, const char *path, struct unsaved_text *text, size_t bytes, struct err *e)
{
    struct overlays *o = rq->s->overlays;
    int64_t now = clock_ns();
    int rc = 0;
    pthread_mutex_lock(&o->mu);
    struct holder *h = holder_of(o, &rq->who, true);
    struct held *x = find(h, path, unsaved_text_oid(text));
    if (!x && o->bytes + bytes > OVERLAY_ALL_BYTES)
        rest(o, now);
    h = holder_of(o, &rq->who, true);
    if (!x && h->bytes + bytes > OVERLAY_OWN_BYTES)
        drop_held(o, h, now - OVERLAY_IDLE_NS / 20); /* those of half a minute ago that no overlay has */
    if (x) {
        x->used_ns = now;
    } else if (h->bytes + bytes > OVERLAY_OWN_BYTES || o->bytes + bytes > OVERLAY_ALL_BYTES) {
        rc = err_set(e, ERR_LIMIT, "the server holds %u MiB of changed files %s", (h->bytes + bytes > OVERLAY_OWN_BYTES ? OVERLAY_OWN_BYTES : OVERLAY_ALL_BYTES) >> 20,
                     h->bytes + bytes > OVERLAY_OWN_BYTES ? "for one person, and no more" : "in all, and no more");
    } else {
        x = mem_zero(1, sizeof *x);
        *x = (struct held){.next = h->held, .path = mem_str(path), .text = unsaved_text_hold(text), .bytes = bytes, .used_ns = now};
        h->held = x;
        h->bytes += bytes;
        o->bytes += bytes;
    }
    pthread_mutex_unlock(&o->mu);
    return rc;
}

static uint64_t like(uint32_t repo, const char *ref, const struct oid *commit, const struct overlay_file *file, size_t n)
{
    uint64_t h = hash64_seed(ref, strlen(ref), repo);
    h = hash64_seed(commit, sizeof *commit, h);
    for (size_t i = 0; i < n; i++) {
        h = hash64_seed(file[i].path, strlen(file[i].path) + 1, h);
        h = hash64_seed(&file[i].blob, sizeof file[i].blob, h + file[i].gone);
    }
    return h;
}

static struct overlay *build(struct held *const *held, const struct repo_row *repo, const char *ref, const struct oid *commit,
                             const struct overlay_file *file, size_t n)
{
    struct overlay *x = mem_zero(1, sizeof *x);
    uint8_t r[16];
    if (getrandom(r, sizeof r, 0) != sizeof r)
        abort(); /* does not fail for so few bytes once the system is up */
    x->id[0] = 'o';
    hex_of(x->id + 1, r, sizeof r);
    x->repo = repo->id;
    x->commit = *commit;
    x->ref = mem_str(ref);
    x->file = mem_zero(n + 1, sizeof *x->file);
    for (size_t i = 0; i < n; i++) {
        x->file[x->n++] = (struct file){mem_str(file[i].path), held[i], held[i] ? unsaved_text_hold(held[i]->text) : NULL};
        if (held[i])
            held[i]->users++;
    }
    x->refs = 1;
    return x;
}

static struct overlay *oldest(struct holder *h)
{
    struct overlay *old = h->overlay;
    for (struct overlay *x = h->overlay; x; x = x->next)
        if (x->used_ns < old->used_ns)
            old = x;
    return old;
}

void overlay_make(char id[OVERLAY_ID], bool *missing, struct request *rq, const struct repo_row *repo, const char *ref, const struct oid *commit,
                  const struct overlay_file *file, size_t n)
{
    struct overlays *o = rq->s->overlays;
    struct held **held = mem_zero(n + 1, sizeof *held);
    uint64_t hash = like(repo->id, ref, commit, file, n);
    bool lacks = false;
    *id = 0;
    pthread_mutex_lock(&o->mu);
    struct holder *h = holder_of(o, &rq->who, true);
    struct overlay *x = h->overlay;
    while (x && (x->like != hash || x->repo != repo->id || x->n != n))
        x = x->next;
    for (size_t i = 0; i < n && !x; i++) {
        held[i] = file[i].gone ? NULL : find(h, file[i].path, &file[i].blob);
        missing[i] = !held[i] && !file[i].gone;
        lacks |= missing[i];
        if (held[i])
            held[i]->used_ns = clock_ns();
    }
    if (!x && !lacks) {
        if (h->noverlays >= OVERLAYS_OWN)
            forget(h, oldest(h));
        x = build(held, repo, ref, commit, file, n);
        x->like = hash;
        x->next = h->overlay;
        h->overlay = x;
        h->noverlays++;
    }
    if (x) {
        x->used_ns = clock_ns();
        memcpy(id, x->id, OVERLAY_ID);
    }
    pthread_mutex_unlock(&o->mu);
    free(held);
}

void overlay_forget(struct request *rq, const char *id)
{
    struct overlays *o = rq->s->overlays;
    pthread_mutex_lock(&o->mu);
    struct holder *h = holder_of(o, &rq->who, false);
    struct overlay *x = named(h, id);
    if (x) {
        forget(h, x);
        drop_held(o, h, clock_ns());
    }
    pthread_mutex_unlock(&o->mu);
}

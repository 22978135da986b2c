/* token create, list, revoke: what people show over the network. */
#include "service/method.h"

#include "base/clock.h"
#include "service/permission.h"
#include "store/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRES "90d" /* a forgotten token ends by itself */
#define DAY_NS (86400 * 1000000000LL)

/* "30d", "12h", "15m", "never" -> wall time; 0: never */
static int expiry(int64_t *ns, const char *text, struct err *e)
{
    char *unit;
    long long n = strtoll(text, &unit, 10);
    int64_t one = !strcmp(unit, "d") ? DAY_NS : !strcmp(unit, "h") ? DAY_NS / 24 : !strcmp(unit, "m") ? DAY_NS / 1440 : 0;
    *ns = 0;
    if (!strcmp(text, "never"))
        return 0;
    if (*text < '0' || *text > '9' || !one || n < 1 || n > 36500 * (DAY_NS / one)) {
        err_set(e, ERR_USAGE, "expires: %.40s", text);
        err_hint(e, "30d, 12h, 15m or never (default: " EXPIRES ")");
        return ERR_USAGE;
    }
    *ns = clock_wall_ns() + n * one;
    return 0;
}

static void id_text(char out[17], uint64_t id)
{
    snprintf(out, 17, "%016llx", (unsigned long long)id);
}

int method_token_create(struct request *rq, json_t **result, struct err *e)
{
    const char *name = param_str(rq, "name"), *expires = param_str(rq, "expires"), *scope = param_str(rq, "scope");
    struct token_row t = {.added_ns = clock_wall_ns()};
    struct user_row user;
    unsigned access;
    char text[TOKEN_TEXT], id[17];
    if (!name)
        return err_set(e, ERR_USAGE, "the user's name is missing");
    unsigned most = rq->who.local ? ACCESS_ANY : rq->who.access;
    if (!access_of(&access, scope ? scope : ACCESS_DEFAULT)) {
        err_set(e, ERR_USAGE, "scope: %.80s", scope);
        err_hint(e, "some of read, feedback, metrics, admin, parted by commas (default: " ACCESS_DEFAULT ")");
        return ERR_USAGE;
    }
    if (!scope)
        access &= most;
    if (!access || access & ~most)
        return err_set(e, ERR_DENIED, "scope: more than your own token is good for");
    int rc = expiry(&t.expires_ns, expires ? expires : EXPIRES, e);
    if (!rc)
        rc = people_user(&user, rq->s->store, name, true, e);
    if (!rc)
        rc = token_draw(text, &t, e);
    if (rc)
        return rc;
    t.user = user.id;
    t.access = access;
    if ((rc = token_add(rq->s->store, &t, e)))
        return rc;
    id_text(id, t.id);
    *result = json_pack("{ss, ss, ss, sI}", "token", text, "id", id, "user", user.name, "expires", (json_int_t)(t.expires_ns / 1000000));
    return 0;
}

struct names {
    json_t *of; /* user id as text -> name */
};

static void add_name(void *arg, const struct user_row *u)
{
    struct names *n = arg;
    char key[16];
    snprintf(key, sizeof key, "%u", u->id);
    json_object_set_new(n->of, key, json_string(u->name));
}

struct listing {
    struct names names;
    json_t *rows;
};

static void add_token(void *arg, const struct token_row *t)
{
    struct listing *l = arg;
    char id[17], key[16], scope[ACCESS_TEXT];
    id_text(id, t->id);
    snprintf(key, sizeof key, "%u", t->user);
    access_text(scope, t->access);
    json_t *user = json_object_get(l->names.of, key);
    json_array_append_new(l->rows, json_pack("{ss, sO*, ss, sI, sI, sb}", "id", id, "user", user, "scope", scope, "added",
                                             (json_int_t)(t->added_ns / 1000000), "expires", (json_int_t)(t->expires_ns / 1000000), "expired",
                                             t->expires_ns && t->expires_ns <= clock_wall_ns()));
}

int method_token_list(struct request *rq, json_t **result, struct err *e)
{
    struct listing l = {{json_object()}, json_array()};
    int rc = people_users(rq->s->store, add_name, &l.names, e);
    if (!rc)
        rc = token_each(rq->s->store, add_token, &l, e);
    json_decref(l.names.of);
    if (rc)
        json_decref(l.rows);
    else
        *result = json_pack("{so}", "tokens", l.rows);
    return rc;
}

struct ids {
    uint32_t user;
    uint64_t *id;
    size_t n;
    struct arena *arena;
};

static void of_user(void *arg, const struct token_row *t)
{
    struct ids *x = arg;
    if (t->user != x->user)
        return;
    uint64_t *more = arena_alloc(x->arena, (x->n + 1) * sizeof *more);
    if (x->n)
        memcpy(more, x->id, x->n * sizeof *more);
    more[x->n++] = t->id;
    x->id = more;
}

/* A token by its id, or all of a user. Requests that were asked with it end at once. */
int method_token_revoke(struct request *rq, json_t **result, struct err *e)
{
    const char *name = param_str(rq, "name");
    struct ids x = {.arena = &rq->arena};
    struct user_row user;
    json_t *rows = json_array();
    int rc = name ? 0 : err_set(e, ERR_USAGE, "a token's id or a user's name is missing");
    uint64_t id;
    bool hex = name && strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
    if (!rc && hex) {
        id = strtoull(name, NULL, 16);
        x.id = &id;
        x.n = 1;
    } else if (!rc && !(rc = people_user(&user, rq->s->store, name, false, e))) {
        x.user = user.id;
        rc = token_each(rq->s->store, of_user, &x, e);
    }
    for (size_t i = 0; i < x.n && !rc; i++) {
        char text[17];
        id_text(text, x.id[i]);
        if (!(rc = token_remove(rq->s->store, x.id[i], e))) {
            service_revoked(rq->s, x.id[i], 0);
            json_array_append_new(rows, json_string(text));
        } else if (rc == ERR_NOT_FOUND) {
            err_set(e, rc, "there is no token %s", text);
            err_hint(e, "`codeask token list` shows their ids");
        }
    }
    if (rc)
        json_decref(rows);
    else
        *result = json_pack("{so}", "revoked", rows);
    return rc;
}

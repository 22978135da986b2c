/* user list and remove, group add and remove, access grant, revoke and list: who may read what. */
#include "service/method.h"

#include "service/models.h"
#include "service/permission.h"
#include "store/people.h"

#include <string.h>

/* -- users and groups ------------------------------------------------------------------------------------------------------- */

static void add_group(void *arg, const char *group)
{
    json_array_append_new(arg, json_string(group));
}

static void add_user(void *arg, const struct user_row *u)
{
    json_array_append_new(arg, json_pack("{ss, sI, sI, s[]}", "user", u->name, "id", (json_int_t)u->id, "added", (json_int_t)(u->added_ns / 1000000), "groups"));
}

int method_user_list(struct request *rq, json_t **result, struct err *e)
{
    json_t *rows = json_array(), *row;
    size_t i;
    int rc = people_users(rq->s->store, add_user, rows, e);
    json_array_foreach(rows, i, row)
        if (!rc)
            rc = people_groups(rq->s->store, (uint32_t)json_integer_value(json_object_get(row, "id")), add_group, json_object_get(row, "groups"), e);
    if (rc)
        json_decref(rows);
    else
        *result = json_pack("{so}", "users", rows);
    return rc;
}

static int user_of(struct user_row *out, struct request *rq, const char *param, bool make, struct err *e)
{
    const char *name = param_str(rq, param);
    return name ? people_user(out, rq->s->store, name, make, e) : err_set(e, ERR_USAGE, "the user's name is missing");
}

int method_user_remove(struct request *rq, json_t **result, struct err *e)
{
    struct user_row user;
    int rc = user_of(&user, rq, "name", false, e);
    if (!rc && !(rc = people_user_remove(rq->s->store, &user, e))) {
        service_revoked(rq->s, 0, user.id);
        models_forget(rq->s, NULL);
        *result = json_pack("{ss}", "user", user.name);
    }
    return rc;
}

static int group_change(json_t **result, struct request *rq, bool in, struct err *e)
{
    const char *group = param_str(rq, "group");
    struct user_row user;
    if (!group)
        return err_set(e, ERR_USAGE, "a group and a user are wanted");
    int rc = user_of(&user, rq, "user", in, e);
    if (!rc && (rc = people_join(rq->s->store, user.id, group, in, e)) == ERR_NOT_FOUND)
        err_set(e, rc, "%s is not in the group %.64s", user.name, group);
    if (!rc && !in)
        models_forget(rq->s, NULL); /* prompts that were read with what may be read no longer: which those are, no name says */
    if (!rc)
        *result = json_pack("{ss, ss, sb}", "group", group, "user", user.name, "in", in);
    return rc;
}

int method_group_add(struct request *rq, json_t **result, struct err *e)
{
    return group_change(result, rq, true, e);
}

int method_group_remove(struct request *rq, json_t **result, struct err *e)
{
    return group_change(result, rq, false, e);
}

/* -- what they may read ----------------------------------------------------------------------------------------------------- */

static int access_change(json_t **result, struct request *rq, bool on, struct err *e)
{
    const char *who = param_str(rq, "who"), *name = param_str(rq, "repository");
    struct repo_row *rows = NULL;
    struct user_row user = {0};
    size_t n = 0, i = 0;
    if (!who || !name)
        return err_set(e, ERR_USAGE, "a user or @GROUP, and a repository are wanted");
    const char *group = *who == '@' ? who + 1 : NULL;
    int rc = group ? 0 : people_user(&user, rq->s->store, who, on, e);
    if (rc || (rc = readable_repos(&rows, &n, rq, e)))
        return rc;
    while (i < n && strcmp(rows[i].name, name))
        i++;
    if (i == n) {
        rc = err_set(e, ERR_NOT_FOUND, "no repository is called %.200s", name);
        err_hint(e, "`codeask repo list` shows the names");
    } else if ((rc = people_grant(rq->s->store, user.id, group, rows[i].id, on, e)) == ERR_NOT_FOUND) {
        err_set(e, rc, "%.65s was not given %.200s", who, name);
    } else if (!rc) {
        if (!on)
            models_forget(rq->s, NULL);
        *result = json_pack("{ss, so, sb}", "who", who, "repo", json_cstr(rows[i].name), "granted", on);
    }
    state_repos_free(rows, n);
    return rc;
}

int method_access_grant(struct request *rq, json_t **result, struct err *e)
{
    return access_change(result, rq, true, e);
}

int method_access_revoke(struct request *rq, json_t **result, struct err *e)
{
    return access_change(result, rq, false, e);
}

struct listing {
    json_t *users, *rows;
    const struct repo_row *repo;
    size_t n;
};

static void add_grant(void *arg, uint32_t user, const char *group, uint32_t repo)
{
    struct listing *l = arg;
    const struct repo_row *r = NULL;
    json_t *who = group ? json_pack("s+", "@", group) : NULL, *row;
    size_t i;
    json_array_foreach(l->users, i, row)
        if (!group && (uint32_t)json_integer_value(json_object_get(row, "id")) == user)
            who = json_incref(json_object_get(row, "user"));
    for (size_t k = 0; k < l->n; k++)
        if (l->repo[k].id == repo)
            r = &l->repo[k];
    if (r && who) /* what is forgotten keeps its number, which is never given again */
        json_array_append_new(l->rows, json_pack("{sO, so}", "who", who, "repo", json_cstr(r->name)));
    json_decref(who);
}

int method_access_list(struct request *rq, json_t **result, struct err *e)
{
    struct repo_row *repos = NULL;
    struct listing l = {json_array(), json_array()};
    int rc = readable_repos(&repos, &l.n, rq, e);
    l.repo = repos;
    if (!rc)
        rc = people_users(rq->s->store, add_user, l.users, e);
    if (!rc)
        rc = people_grants(rq->s->store, add_grant, &l, e);
    state_repos_free(repos, l.n);
    json_decref(l.users);
    if (rc)
        json_decref(l.rows);
    else
        *result = json_pack("{so}", "access", l.rows);
    return rc;
}

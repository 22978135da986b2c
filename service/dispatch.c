/* Binds the rows of methods[] to their functions. */
#include "service/alone.h"
#include "service/method.h"

#include <stdlib.h>
#include <string.h>

static const struct binding bindings[] = {
    {"ask", method_ask},
    {"search", method_search},
    {"symbol", method_symbol},
    {"history", method_history},
    {"read", method_read},
    {"outline", method_outline},
    {"unsaved", method_unsaved},
    {"paths", method_paths},
    {"page", method_page},
    {"tour", method_tour},
    {"tune", method_tune},
    {"eval", method_eval},
    {"embed", method_embed},
    {"complete", method_complete},
    {"index", method_index},
    {"feedback", method_feedback},
    {"status", method_status},
    {"inspect", method_inspect},
    {"repo.add", method_repo_add},
    {"repo.remove", method_repo_remove},
    {"repo.pin", method_repo_pin},
    {"repo.list", method_repo_list},
    {"model.list", method_model_list},
    {"model.verify", method_model_verify},
    {"model.use", method_model_use},
    {"purge", method_purge},
    {"backup", method_backup},
    {"restore", method_restore},
    {"bundle.export", method_bundle_export},
    {"metrics", method_metrics},
    {"token.create", method_token_create},
    {"token.list", method_token_list},
    {"token.revoke", method_token_revoke},
    {"user.list", method_user_list},
    {"user.remove", method_user_remove},
    {"group.add", method_group_add},
    {"group.remove", method_group_remove},
    {"access.grant", method_access_grant},
    {"access.revoke", method_access_revoke},
    {"access.list", method_access_list},
    {"overlay.match", method_overlay_match},
    {"overlay.tree", method_overlay_tree},
    {"overlay.put", method_overlay_put},
    {"overlay.drop", method_overlay_drop},
    {"self", method_self},
    {"stop", method_stop},
};

const struct binding *binding_named(const char *name)
{
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
        if (!strcmp(bindings[i].name, name))
            return &bindings[i];
    return NULL;
}

static const struct {
    const char *name;
    bool path; /* only where `name` is a path */
    alone_run run;
} alone[] = {
    {"restore", false, restore_alone},
    {"bundle.verify", false, bundle_verify_alone},
    {"bundle.import", false, bundle_import_alone},
    {"model.verify", true, model_check_alone},
    {"model.pull", false, model_pull_alone},
    {"model.merge", false, model_merge_alone},
    {"model.quantize", false, model_quantize_alone},
};

enum { ALONE = sizeof alone / sizeof *alone };

static size_t row_of(const char *name)
{
    size_t i = 0;
    while (i < ALONE && strcmp(alone[i].name, name))
        i++;
    return i;
}

alone_run alone_named(const char *name)
{
    size_t i = row_of(name);
    return i < ALONE ? alone[i].run : NULL;
}

static bool say(const struct alone *a, json_t *event)
{
    size_t len;
    char *text = json_line(event, &len);
    bool stop = a->out && a->out(a->arg, text);
    free(text);
    return stop;
}

int service_alone(char **result, const char *method, const char *params, const struct paths *p, alone_progress progress, void *arg,
                  struct err *e)
{
    struct alone a = {p, say, progress, arg};
    json_t *said = NULL, *o = json_loads(params, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name"));
    size_t i = row_of(method), len;
    if (i == ALONE || (alone[i].path && !(name && strchr(name, '/')))) {
        json_decref(o);
        return 1;
    }
    int rc = o ? params_check(method_named(method), o, e) : err_set(e, ERR_USAGE, "the parameters are no JSON");
    if (!rc)
        rc = alone[i].run(&said, &a, o, e);
    if (!rc)
        *result = json_line(said, &len);
    json_decref(o);
    return rc;
}

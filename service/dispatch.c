/* Binds the rows of methods[] to their functions. */
#include "service/method.h"

#include <string.h>

static const struct binding bindings[] = {
    {"ask", method_ask},
    {"search", method_search},
    {"symbol", method_symbol},
    {"history", method_history},
    {"tour", method_tour},
    {"index", method_index},
    {"feedback", method_feedback},
    {"status", method_status},
    {"inspect", method_inspect},
    {"repo.add", method_repo_add},
    {"repo.remove", method_repo_remove},
    {"repo.list", method_repo_list},
    {"model.list", method_model_list},
    {"model.verify", method_model_verify},
    {"model.use", method_model_use},
    {"backup", method_backup},
    {"restore", method_restore},
    {"stop", method_stop},
};

const struct binding *binding_named(const char *name)
{
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
        if (!strcmp(bindings[i].name, name))
            return &bindings[i];
    return NULL;
}

int service_alone(char **result, const char *method, const char *params, const struct paths *p, struct err *e)
{
    json_t *o, *said = NULL;
    size_t len;
    if (strcmp(method, "restore"))
        return 1;
    if (!(o = json_loads(params, 0, NULL)))
        return err_set(e, ERR_USAGE, "the parameters are no JSON");
    int rc = params_check(method_named(method), o, e);
    if (!rc)
        rc = restore_alone(&said, p, o, e);
    if (!rc)
        *result = json_line(said, &len);
    json_decref(o);
    return rc;
}

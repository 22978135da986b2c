/* Binds the rows of methods[] to their functions. */
#include "service/method.h"

#include <string.h>

static const struct binding bindings[] = {
    {"ask", method_ask},
    {"search", method_search},
    {"symbol", method_symbol},
    {"history", method_history},
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
    {"stop", method_stop},
};

const struct binding *binding_named(const char *name)
{
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
        if (!strcmp(bindings[i].name, name))
            return &bindings[i];
    return NULL;
}

/* Methods that need no service: the client runs them in a process of their own (`codeaskd --once`), whether a daemon runs or
 * not, because they want the home for themselves, or take minutes, or read foreign files.
 *
 * To add one: its row in methods.c (.once, or .apart), its function in a file of its name, its line in dispatch.c. */
#ifndef CODEASK_SERVICE_ALONE_H
#define CODEASK_SERVICE_ALONE_H

#include "service/core.h"

struct alone {
    const struct paths *paths;
    /* Shows an object {"stage":…, …}, which is taken over; true: stop with ERR_CANCELED, leave what is half done in order. */
    bool (*progress)(const struct alone *a, json_t *event);
    alone_progress out;
    void *arg;
};

typedef int (*alone_run)(json_t **result, const struct alone *a, json_t *params, struct err *e);
alone_run alone_named(const char *name); /* dispatch.c; NULL: it is not of that kind */

int bundle_verify_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);
int bundle_import_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);
int restore_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);
int model_check_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);
int model_merge_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);
int model_pull_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);
int model_quantize_alone(json_t **result, const struct alone *a, json_t *params, struct err *e);

#endif

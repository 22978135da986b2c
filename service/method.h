/* The functions behind the rows of methods[]; each in a file of its name. See method_run in core.h. */
#ifndef CODEASK_SERVICE_METHOD_H
#define CODEASK_SERVICE_METHOD_H

#include "service/core.h"

int method_ask(struct request *rq, json_t **result, struct err *e);
int method_search(struct request *rq, json_t **result, struct err *e);
int method_symbol(struct request *rq, json_t **result, struct err *e);
int method_tune(struct request *rq, json_t **result, struct err *e);
int method_eval(struct request *rq, json_t **result, struct err *e);
int method_tour(struct request *rq, json_t **result, struct err *e);
int method_history(struct request *rq, json_t **result, struct err *e);
int method_unsaved(struct request *rq, json_t **result, struct err *e);
int method_outline(struct request *rq, json_t **result, struct err *e);
int method_page(struct request *rq, json_t **result, struct err *e);
int method_paths(struct request *rq, json_t **result, struct err *e);
int method_read(struct request *rq, json_t **result, struct err *e);
int method_embed(struct request *rq, json_t **result, struct err *e);
int method_complete(struct request *rq, json_t **result, struct err *e);
int method_index(struct request *rq, json_t **result, struct err *e);
int method_feedback(struct request *rq, json_t **result, struct err *e);
int method_status(struct request *rq, json_t **result, struct err *e);
int method_inspect(struct request *rq, json_t **result, struct err *e);
int method_repo_add(struct request *rq, json_t **result, struct err *e);
int method_repo_remove(struct request *rq, json_t **result, struct err *e);
int method_repo_pin(struct request *rq, json_t **result, struct err *e);
int method_repo_list(struct request *rq, json_t **result, struct err *e);
int method_model_list(struct request *rq, json_t **result, struct err *e);
int method_model_verify(struct request *rq, json_t **result, struct err *e);
int method_model_use(struct request *rq, json_t **result, struct err *e);
int method_purge(struct request *rq, json_t **result, struct err *e);
int method_backup(struct request *rq, json_t **result, struct err *e);
int method_bundle_export(struct request *rq, json_t **result, struct err *e);
int method_restore(struct request *rq, json_t **result, struct err *e);
int method_token_create(struct request *rq, json_t **result, struct err *e);
int method_token_list(struct request *rq, json_t **result, struct err *e);
int method_token_revoke(struct request *rq, json_t **result, struct err *e);
int method_user_list(struct request *rq, json_t **result, struct err *e);
int method_user_remove(struct request *rq, json_t **result, struct err *e);
int method_group_add(struct request *rq, json_t **result, struct err *e);
int method_group_remove(struct request *rq, json_t **result, struct err *e);
int method_access_grant(struct request *rq, json_t **result, struct err *e);
int method_access_revoke(struct request *rq, json_t **result, struct err *e);
int method_access_list(struct request *rq, json_t **result, struct err *e);
int method_metrics(struct request *rq, json_t **result, struct err *e);
int method_overlay_match(struct request *rq, json_t **result, struct err *e);
int method_overlay_tree(struct request *rq, json_t **result, struct err *e);
int method_overlay_put(struct request *rq, json_t **result, struct err *e);
int method_overlay_drop(struct request *rq, json_t **result, struct err *e);
int method_self(struct request *rq, json_t **result, struct err *e);
int method_stop(struct request *rq, json_t **result, struct err *e);

#endif

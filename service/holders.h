/* Who else holds a content that was purged from the home: what a person has to see to. To add a kind of holder: a function and a row of
 * holders[] in holders.c. */
#ifndef CODEASK_SERVICE_HOLDERS_H
#define CODEASK_SERVICE_HOLDERS_H

#include "service/core.h"

/* Appends {"kind", "name", "where", "holds": true, or null where it cannot be told, "blocked": bool} for each to the list. repo: [n] those that the asker may know of. */
int holders_list(json_t *list, struct service *s, const struct repo_row *repo, size_t n, const struct oid *oid, struct err *e);
/* What can be blocked and holds it is not used any more, from now on and after a restart. */
int holders_block(struct service *s, const struct oid *oid, struct err *e);
/* Adapters: <home>/adapters/NAME/contents lists the git hashes of what one was trained on, a line each. */
bool adapter_blocked(struct service *s, const char *name);

#endif

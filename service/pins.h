/* Repositories whose text never leaves this machine, whatever endpoints are set: `repo pin NAME local`. Kept in state.mdb by number, so that
 * a name that is given anew pins nothing by chance and unpins nothing. Where the list cannot be read, all are pinned. */
#ifndef CODEASK_SERVICE_PINS_H
#define CODEASK_SERVICE_PINS_H

#include "service/core.h"
#include "service/models.h"

struct scope;

bool repo_pinned(struct service *s, uint32_t repo);
int repo_pin(struct service *s, uint32_t repo, bool pin, struct err *e);

/* Which model embeds a repository's text: the endpoint's, where there is one and the repository is not pinned. */
enum model_role embed_role(struct service *s, uint32_t repo);
/* May what is found in all of these be sent to an endpoint? One that is pinned keeps the others here. */
bool scope_may_leave(struct service *s, const struct scope *sc);

#endif

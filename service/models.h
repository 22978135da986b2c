/* The embedding model: found by name, opened when it is first needed, shared by its users, replaced by `model use`. */
#ifndef CODEASK_SERVICE_MODELS_H
#define CODEASK_SERVICE_MODELS_H

#include "service/core.h"

struct embedder {
    struct model *model;
    uint16_t number;         /* in the store's vector tables */
    unsigned refs;
};

int models_open(struct models **out, struct service *s, struct err *e);
void models_close(struct models *m);

/* The embedder with one reference more, opened if need be (some hundred milliseconds); give it back with models_drop.
 * ERR_NOT_FOUND and the like when there is none: the caller goes on without, and says so. */
int models_embedder(struct embedder **out, struct service *s, struct err *e);
void models_drop(struct service *s, struct embedder *m);
/* Without opening anything: false when no model is open now. number may be NULL. */
bool models_number(struct service *s, uint16_t *number);
/* Another name from now on: kept in state.mdb; checked by opening it. */
int models_use(struct service *s, const char *name, struct err *e);
/* The name in use. The caller frees it. */
char *models_name(struct service *s);
/* Why there is no embedder; empty when there is one or it was not needed yet. The caller frees it. */
char *models_trouble(struct service *s);
json_t *models_json(struct service *s, char provider[64]);

#endif

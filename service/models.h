/* The models, one a role: found by name, opened when first needed, shared by their users, replaced by `model use`. */
#ifndef CODEASK_SERVICE_MODELS_H
#define CODEASK_SERVICE_MODELS_H

#include "service/core.h"

/* The last two are models on another machine (engine/endpoint/endpoint.h), chosen by the settings alone. */
enum model_role { ROLE_EMBED, ROLE_ANSWER, ROLE_RERANK, ROLES_HERE, ROLE_FAR_EMBED = ROLES_HERE, ROLE_FAR_ANSWER, ROLES };

struct embedder {            /* of any role */
    struct model *model;
    enum model_role role;
    uint16_t number;         /* of those that embed: in the store's vector tables */
    unsigned refs;
};

int models_open(struct models **out, struct service *s, struct err *e);
void models_close(struct models *m);

/* The embedder with one reference more, opened if need be (some hundred milliseconds); give it back with models_drop.
 * ERR_NOT_FOUND and the like when there is none: the caller goes on without, and says so. */
int models_embedder(struct embedder **out, struct service *s, enum model_role role /* ROLE_EMBED, ROLE_FAR_EMBED */, struct err *e);
/* The model that writes answers (ROLE_ANSWER, ROLE_FAR_ANSWER); the same rules. ERR_NOT_FOUND where none is chosen. */
int models_generator(struct embedder **out, struct service *s, enum model_role role, struct err *e);
/* It failed in the middle of its work: whoever wants it next goes without, until it is looked for again. Still to be dropped. */
void models_fell(struct service *s, struct embedder *m, const struct err *why);
/* The one that reads the best hits again; the same rules. Off unless one was chosen. */
int models_reranker(struct embedder **out, struct service *s, struct err *e);
/* Looks whether an endpoint that was taken once is there now: one that is back is taken again, one that is not twice in a row is left alone.
 * Seconds, where it hangs; *stop ends it. */
void models_look(struct service *s, enum model_role role, const volatile bool *stop);
void models_drop(struct service *s, struct embedder *m); /* accepts NULL */
/* To take it means to open it, or to wait until it is open. */
bool models_closed(struct service *s, enum model_role role);
/* Without opening anything: false when no model is open now. number may be NULL. */
bool models_number(struct service *s, enum model_role role, uint16_t *number);
/* Another name from now on, for the role that the model is good for: kept in state.mdb; checked by opening it. */
int models_use(enum model_role *role, struct service *s, const char *name, struct err *e);
/* No model in that role from now on, whatever the settings say. ROLE_EMBED: ERR_USAGE, for `embed = no` is the way. */
int models_use_none(struct service *s, enum model_role role, struct err *e);
const char *models_role(enum model_role role); /* "embed", "answer", "rerank" */
const char *models_state_name(enum model_role role); /* "embed_model", … */
/* The name in use, "" for none. The caller frees it. */
char *models_name(struct service *s, enum model_role role);
/* Whether the request's `model`, where it names one, is the one of that role; ERR_NOT_FOUND. */
int model_is_named(const struct request *rq, enum model_role role, struct err *e);
/* Why there is no embedder of that role; empty when there is one or it was not needed yet. The caller frees it. */
char *models_trouble(struct service *s, enum model_role role);
/* What the answer model has kept of prompts that hold this content (NULL: of all) is forgotten, in memory and on disk, whether it is open
 * or not: for what is purged, and for repositories that are removed or no longer readable, whose prompts are not told apart. */
void models_forget(struct service *s, const uint8_t content[20]);
/* Who holds the GPU's memory: {} where no GPU computes. */
json_t *models_residency(struct service *s);
json_t *models_json(struct service *s, char provider[64]);

/* health.c: the thread that looks at the endpoints, each endpoint_look_seconds. *out NULL: there are none. To be closed before the models. */
struct health;
int health_open(struct health **out, struct service *s, struct err *e);
void health_close(struct health *h); /* accepts NULL */

#endif

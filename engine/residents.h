/* The models of a device, held to the plan of residency.h: who is not there is loaded when it is used, and whoever has to leave for it
 * is waited for and released. On a device without memory of its own (struct backend's room is NULL) all stay.
 *
 * Threads: any, for every function; one model is loaded at a time. Locks: its own, never held while a model opens or closes. */
#ifndef CODEASK_ENGINE_RESIDENTS_H
#define CODEASK_ENGINE_RESIDENTS_H

#include "engine/residency.h"

struct residents;
struct resident;

/* What moves a model. open: kv is what its keys and values may take (0: no word on it). */
struct resident_ops {
    int (*open)(void *model, uint64_t kv, struct err *e);
    void (*close)(void *model);
};

/* Backend and device are borrowed; most: bytes of device memory, 0: what there is. */
struct residents *residents_new(const struct backend *b, void *device, uint64_t most);
void residents_free(struct residents *k); /* accepts NULL; its residents are gone */

/* Claims of one model (n ≤ 2, owner and what it holds are filled in), which is not loaded yet. ERR_LIMIT: too many. */
int resident_new(struct resident **out, struct residents *k, const struct claim *c, size_t n, const struct resident_ops *ops, void *model,
                 struct err *e);
void resident_free(struct resident *r); /* closes the model; accepts NULL; nobody is in it */

/* The model is there until resident_leave; loads it where it is not. ERR_MEMORY as residency_admit says, or what open says. */
int resident_enter(struct resident *r, struct err *e);
void resident_leave(struct resident *r);
/* The same where it is there already; false: it is not, and nothing was done. */
bool resident_enter_if_there(struct resident *r);

/* Blocks for moments only. */
void residents_report(struct residents *k, struct residency_report *out);

#endif

/* Who may hold how much of a device's memory: one plan of all tenants inside a hard budget. Pure: engine/residents.h keeps to it.
 *
 * To add a tenant: a row of tenants[] and a name in the enum. */
#ifndef CODEASK_ENGINE_RESIDENCY_H
#define CODEASK_ENGINE_RESIDENCY_H

#include "kernels/backend.h"

enum tenant {
    TENANT_EMBEDDER, TENANT_GENERATOR, TENANT_KV, TENANT_RERANKER,
    TENANT_MIRROR,   /* vectors of the index, for searches on the device; nothing claims it yet */
    TENANT_TRAINING, /* gradients are the CPU's (kernels/backward.h); nothing claims it yet */
    TENANTS,
};

struct tenant_row {
    const char *name;
    unsigned rank;  /* of two that are idle the one of the larger rank leaves first */
    unsigned share; /* percent of the budget that it may take beyond its floor, where its ceiling is higher */
};
extern const struct tenant_row tenants[TENANTS];

#define RESIDENCY_CLAIMS_MAX 32 /* far more than a daemon has roles */

/* What a tenant wants. Claims of one owner (a model, and its keys and values) come and go together. */
struct claim {
    enum tenant tenant;
    uint32_t owner;
    char name[64];           /* of the model */
    uint64_t floor, ceiling; /* bytes: with less it does not work, more is of no use to it */
    uint64_t grant;          /* what it holds; of the newcomer, out: what it may take, within floor .. ceiling */
    bool placed;             /* it holds its grant now */
    bool busy;               /* somebody works with it: it leaves when that is done */
    int64_t used;            /* when it was last used, of any clock */
    bool leaves;             /* out: it must be released before the newcomer is loaded */
};

/* Bytes that this process may hold: what is free and what it holds already, less a reserve, and never more than `most` (0: no such
 * limit). The reserve is for what the driver takes of its own and others that draw on the same device; on unified memory for the
 * whole machine, which stands still where that is exhausted. */
#define RESIDENCY_RESERVE ((uint64_t)512 << 20)
#define RESIDENCY_RESERVE_UNIFIED ((uint64_t)4 << 30) /* or an eighth of the machine's, whichever is more */
uint64_t residency_budget(const struct device_room *r, uint64_t most);
/* total and free of unified memory out of /proc/meminfo's text, as far as it says them. */
void residency_meminfo(struct device_room *r, const char *text);

/* Makes room for the claims of `owner`, which are not placed: marks who leaves (least important first, then the idle before the busy,
 * then least recently used; no more than are needed) and grants: each its floor, then more up to ceiling and share, the important
 * first. ERR_MEMORY, and nothing is marked: the floors alone exceed the budget; the message names what does not fit. */
int residency_admit(struct claim *c, size_t n, uint32_t owner, uint64_t budget, struct err *e);

/* What there is and who has it, for status and doctor. */
struct residency_report {
    bool planned; /* false: the device's memory is the process's, which engine_memory caps */
    struct device_room room;
    uint64_t budget;
    uint64_t changes; /* loads and releases so far, in the process that has the device */
    uint32_t n;
    struct claim claim[RESIDENCY_CLAIMS_MAX]; /* leaves is of no meaning */
};

#endif

/* Repositories by URL: their mirrors in <home>/mirrors, when they are fetched (indexer/mirror.h), and what came of it.
 *
 * The list is in state.mdb (key "mirrors"); a fetch that was interrupted, however, begins anew with the program. A mirror is fetched again
 * after mirror_minutes, after a failure sooner and then ever later, and when a webhook names it: MIRROR_THREADS at a time, so that a server
 * that hangs does not keep the others waiting. What a fetch brought is indexed by an index job. */
#ifndef CODEASK_SERVICE_MIRRORS_H
#define CODEASK_SERVICE_MIRRORS_H

#include "service/core.h"

#define MIRROR_THREADS 3
#define MIRROR_HOOK_NS 10000000000LL   /* webhooks of one repository: one fetch in so long, however many come (and come again) */
#define MIRROR_RETRY_NS 60000000000LL  /* after the first failure; doubled with each, to MIRROR_RETRY_MAX_NS */
#define MIRROR_RETRY_MAX_NS (6 * 3600 * 1000000000LL)

struct mirrors;

int mirrors_open(struct mirrors **out, struct service *s, struct err *e);
void mirrors_drain(struct service *s); /* running fetches end; they begin anew with the next start */
void mirrors_close(struct mirrors *m); /* NULL is fine */

/* Makes the URL known, or changes what is known of it, and has it fetched now. rq not NULL and not back from waiting yet: it is parked until
 * that is done, RUN_PARKED. *row: copied. */
int mirrors_add(struct repo_row *row, struct service *s, const char *url, const char *credentials, const char *branches, bool pin, struct request *rq,
                struct err *e);
/* A removed repository: its fetch is stopped, its mirror deleted. What is no mirror is left alone. */
int mirrors_forget(struct service *s, const struct repo_row *repo, struct err *e);

/* {"url","fetched_ms_ago","failures","error","next_ms","fetching"}; others than the owner: without url and error. NULL: no mirror. */
/* The repository with this address, if it is one, may have changed. */
void mirrors_hint(struct service *s, const char *url);

json_t *mirror_json(struct service *s, uint32_t repo, bool owner);
void mirrors_jobs(struct service *s, json_t *list);
bool mirrors_idle(struct service *s); /* nothing is being fetched, or waits to be for the first time */

#endif

/* The embedder's adapters that are in use (engine/train/query_map.h), a repository each, and one step back. Their folders, lineage and blocking are
 * those of all adapters (adapters.h, holders.h).
 *
 *   state.mdb   "adapters.embed": {"now": {repository id: NAME}, "before": [now as it was …]}
 *
 * A search has an adapter only where all its repositories have the same one, the asker may read everything that it learned, and the embedder is the
 * one that it was made for. */
#ifndef CODEASK_SERVICE_QUERY_MAPS_H
#define CODEASK_SERVICE_QUERY_MAPS_H

#include "engine/train/query_map.h"
#include "service/scope.h"

#define QUERY_MAPS_KEPT 8 /* in memory: 600 kB each of a model of 384 dimensions */

struct query_maps; /* those that were read lately */
struct query_maps *query_maps_new(void);
void query_maps_free(struct query_maps *m); /* accepts NULL */

/* Questions about these repositories go through it from now on. ERR_UNSUPPORTED: a purge has blocked it. */
int query_map_promote(struct service *s, const char *name, const json_t *repos /* ids */, struct err *e);
/* The state before that. ERR_NOT_FOUND where none is in use. */
int query_map_revert(struct service *s, struct err *e);
/* In use no more, and nothing to go back to. */
int query_map_forget(struct service *s, const char *name, struct err *e);
/* {repository's name: NAME} of the repositories that may be known of; a new reference. */
json_t *query_maps_now(struct service *s, const struct repo_row *repo, size_t n);

/* The adapter of a request's search, to be given back with query_map_drop; NULL: none. model: the one that embeds the question. */
struct query_map *query_map_for(const struct request *rq, const struct scope *sc, const struct embedder *model);

#endif

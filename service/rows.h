/* Result rows of the contract. */
#ifndef CODEASK_SERVICE_ROWS_H
#define CODEASK_SERVICE_ROWS_H

#include "service/scope.h"

/* {"repo","commit","blob","path"[,"path_b64"],"start_line","end_line"}: what every place in the code carries. */
json_t *place_json(const struct scope *sc, const struct search_hit *h, uint32_t start_line, uint32_t end_line);
/* The same with "score","symbol","kind","language","snippet" and, when it was asked for, "explain" and "factors";
 * of a definition's "signature" and "doc", of a reference its "use" and the lines of the definition around it. */
json_t *hit_json(const struct scope *sc, const struct search_hit *h);
json_t *hits_json(const struct scope *sc, const struct search_hit *h, size_t n);
/* "path" and, where it is not UTF-8, "path_b64" beside it. */
void set_path(json_t *row, struct str path);

/* The request of ask and search out of params; the embedder is taken where the views hold vectors, the reranker where one is chosen:
 * give them back with query_models_drop. ERR_USAGE names the parameter. */
struct embedder;
struct query_map;
struct query_models {
    struct embedder *embed, *rerank; /* NULL: none */
    struct query_map *map;           /* the embedder's adapter; NULL: none */
};
void query_models_drop(struct service *s, struct query_models *m);
int query_params(struct search_request *q, struct query_models *m, struct request *rq, const struct scope *sc, struct err *e);
/* Why the search did without vectors; NULL when it did not, or when there was nothing to do with them. In the arena. */
const char *query_note(struct request *rq, const struct search_request *q, const struct scope *sc);

#endif

/* What goes into a bundle, and what is said of it before. */
#ifndef CODEASK_SERVICE_BUNDLE_GATHER_H
#define CODEASK_SERVICE_BUNDLE_GATHER_H

#include "service/bundle.h"
#include "service/core.h"

enum { LAYER_PROGRAMS, LAYER_MODELS, LAYER_HOME };

struct gathered {
    struct repo_row *repo;      /* [n] with paths as the bundle has them */
    struct repo_row *source;    /* [n] as they are here */
    size_t n;
    json_t *contents;           /* {"format", "version", "architecture", "index_schema", "state_schema", "as_of_ms", "repos", "models", "adapters",
                                   "settings", "left_out": [{"kind", "name", "why"}]} */
    json_t *lineage;            /* {NAME: lineage} of the adapters that are in it (adapters.h) */
    char *adapter;              /* the one that answers are written with; NULL */
    json_t *maps;               /* {repository id: NAME} of those that questions go through (query_maps.h) */
    int64_t as_of_ms;
    struct bundle_layer layer[BUNDLE_LAYERS]; /* without the index */
};
/* As the request's params say. ERR_NOT_FOUND for a repository that the asker, or the user named, may not read. */
int bundle_gather(struct gathered *out, struct request *rq, struct err *e);
/* The programs of a folder, and the libraries that the system's loader finds for them, where a loader without a cache looks. */
int bundle_programs(struct bundle_layer *l, const char *folder, struct err *e);
void gathered_release(struct gathered *g);

#endif

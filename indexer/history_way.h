/* The way of a file back through its commits: from a commit to the next one that touched the path. Private to this room. */
#ifndef CODEASK_INDEXER_HISTORY_WAY_H
#define CODEASK_INDEXER_HISTORY_WAY_H

#include "indexer/history_inside.h"

struct asked; /* of git: what a commit did to a path */
struct path_touches; /* of one path: every commit that touched it */

struct way {
    struct txn *t;
    struct history_graph graph;
    struct arena *arena;
    const struct repo_row *repo;
    struct path_touches **path;
    size_t npaths, cap;
    git_repository *git;       /* opened when something must be read from it */
    struct blobs *blobs;
    struct asked **asked;      /* each costs milliseconds, and is wanted twice: when lines come to it, and when they go on */
    size_t nasked, cap_asked;
};

int way_open(struct way *w, struct store *s, const struct repo_row *repo, struct arena *arena, struct err *e);
void way_close(struct way *w);

/* Where a path rests: the commit behind `commit`, or itself, that touched it; what it did there is at *touch (touch_release).
 * REST_START: nothing touched it further back (a shallow clone's end; the commit is the last one before it). REST_PENDING: that
 * commit is not read yet. */
enum rest { REST_TOUCH, REST_START, REST_PENDING };
int way_rest(enum rest *rest, uint32_t *commit, struct touch *touch, struct way *w, uint32_t path, struct err *e);
/* Lines of a touch that way_rest gave are not known: git could not tell. */
bool way_unread(const struct touch *t);
/* The content of a path at a commit; borrowed until the next two calls, way_rest among them. */
int way_content(struct str *out, struct way *w, uint32_t commit, uint32_t path, struct err *e);
/* Parents as touch.side counts them. */
static inline size_t way_parents(const struct way *w, uint32_t commit, uint32_t out[HISTORY_PARENTS])
{
    return history_parents(&w->graph, commit, out);
}

#endif

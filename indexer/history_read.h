/* One history_index on its way. Private to this room. */
#ifndef CODEASK_INDEXER_HISTORY_READ_H
#define CODEASK_INDEXER_HISTORY_READ_H

#include "indexer/history_inside.h"
#include "indexer/job.h"

struct history_run {
    struct store *store;
    const struct repo_row *repo;
    git_repository *git;
    index_progress_cb cb;
    void *arg;
    struct index_progress progress;
    int64_t began_ns, shown_ns;
};
/* Shows the figures, at most 20 times a second. False: stop. */
bool history_go_on(struct history_run *run, uint64_t done, uint64_t all);
int history_number(struct history_run *run, const struct oid *tip, bool boundaries, struct err *e);

/* -- history_write.c: what was read goes into the store, a group of commits at a time ------------------------------------------- */
struct history_group;
struct history_group *group_new(struct store *s);
/* Takes what the commit holds; its paths and words are written at the next flush. */
int group_add(struct history_group *g, uint32_t number, struct read_commit *c, struct err *e);
bool group_full(const struct history_group *g);
int group_flush(struct history_group *g, struct err *e);
void group_free(struct history_group *g);

#endif

/* What a request is about: repositories, and of each the view that is searched. */
#ifndef CODEASK_SERVICE_SCOPE_H
#define CODEASK_SERVICE_SCOPE_H

#include "service/core.h"
#include "service/models.h"

/* A view as the store has it now. */
struct seen {
    uint32_t view, base;     /* base: of an overlay */
    struct oid commit;
    uint8_t oid_len;         /* 0: no commit */
    bool overlay, plain;
    uint32_t overlay_files;  /* rows stored under an overlay */
    uint32_t files;          /* visible */
    uint64_t bytes;
    int64_t reconciled_ns;   /* wall clock */
};

struct scope {
    struct repo_row *repo;         /* [n], in the request's arena */
    struct seen *seen;             /* [n] */
    struct search_target *target;  /* [n] */
    struct overlay **overlay;      /* [n] that the request names (overlays.h), or NULL; while it is opened */
    size_t n;
    struct store *store;
    const char *note;              /* what the answer has to say about itself; NULL */
};

/* The view of (repo, ref), ref as for index_run. ERR_NOT_FOUND when it was never indexed. */
int view_lookup(struct seen *out, struct service *s, const struct repo_row *repo, const char *ref, struct err *e);

/* Too old to be called current. */
bool view_stale(const struct seen *seen);

/* The repositories that params name (repo, all_repos, dir). A git repository that was never seen is made known when add is
 * set; a plain directory only by `index` and `repo add` (add_plain). rows: [n] in the request's arena.
 * ERR_NO_REPOSITORY, ERR_NOT_FOUND. */
struct scope_rules {
    bool add, add_plain, any_owner;
};
int scope_repos(struct repo_row **rows, size_t *n, struct request *rq, const struct scope_rules *rules, struct err *e);

/* Repositories and views for a question: indexes what was never indexed and reconciles what was not looked at for ten
 * seconds. RUN_PARKED while that goes on. */
int scope_open(struct scope *out, struct request *rq, struct err *e);
int scope_open_one(struct scope *out, struct request *rq, struct err *e); /* ERR_USAGE where it is not just one repository */

/* A source_reader (retriever/answer.h) of the scope's targets; arg: the scope. */
int scope_source(void *arg, const struct search_hit *h, struct buf *out, struct err *e);
/* The file of that path in the first view of the scope, the path as from dir (may be NULL), else as from the root. Of the hit only the
 * path (borrowed from t), the content and the cut are set. ERR_NOT_FOUND. */
int scope_file(struct search_hit *out, struct txn *t, const struct scope *sc, struct arena *arena, const char *dir, const char *path, struct err *e);
/* A path as the repository knows it, in the arena: relative to dir (NULL: to the root), or absolute; "." and ".." resolved. */
char *scope_path(struct arena *arena, const struct repo_row *repo, const char *dir, const char *path);

/* The F of the contract. */
json_t *freshness_json(struct request *rq, const struct repo_row *repo, const struct seen *seen);
/* The same over all of a scope: sums, the lowest share, the oldest reconcile; commit null where there are several. */
json_t *freshness_scope(struct request *rq, const struct scope *sc);
/* Share of a view's texts that have a vector, remembered for a moment: counting costs a walk over the view. */
double embedded_share(struct service *s, enum model_role role, uint32_t view);

/* The note and freshness go into every answer; "roots" too, name to directory, where a codec asked for them. */
void answer_stamp(json_t *answer, struct request *rq, const struct scope *sc);

#endif

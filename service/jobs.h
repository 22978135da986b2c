/* The work that outlives a request: bringing repositories in, and embedding what they hold. Jobs are coalesced: several
 * askers wait for one. Unfinished ones are listed in state.mdb and resume when the program runs again. */
#ifndef CODEASK_SERVICE_JOBS_H
#define CODEASK_SERVICE_JOBS_H

#include "service/core.h"

enum milestone {
    MILESTONE_INDEXED,  /* words and symbols are in */
    MILESTONE_HISTORY,  /* commits too */
    MILESTONE_EMBEDDED, /* vectors too, or none can be made */
};

struct job_order {
    const struct repo_row *repo;
    const char *ref;        /* NULL: HEAD and the worktree */
    bool all_branches;
    bool hinted;            /* only because of hints: a look at where they come from will do */
    bool anew;              /* one that runs already will not do: it may have passed what changed since */
    bool retry;             /* what is quarantined is tried once more */
    bool durable;           /* asked for, not a mere look whether something changed: resumes after a restart */
};

int jobs_open(struct jobs **out, struct service *s, struct err *e);
void jobs_drain(struct service *s); /* running jobs checkpoint and end; queued ones stay in the list for the next start */
void jobs_close(struct jobs *j);
bool jobs_idle(struct service *s);

/* Queues the job unless an equal one waits already. rq NULL: nobody waits. Else rq is parked on it (until_ns as in
 * request_park_locked) and the method returns RUN_PARKED. ERR_CANCELED while draining,
 * ERR_UNSUPPORTED for a repository that came in a bundle. */
int jobs_index(struct service *s, const struct job_order *o, struct request *rq, enum milestone m, int64_t until_ns,
               struct err *e);
/* Embeds the view of (repo, ref) in the background, unless all of it is in. */
void jobs_embed(struct service *s, const struct repo_row *repo, const char *ref);
/* A removed repository's jobs are dropped or stopped; returns once none of them runs. */
void jobs_forget(struct service *s, uint32_t repo);

/* Has what has a tombstone taken out of the home (purge.h), before everything else; rq is parked until that is done. */
int jobs_purge(struct service *s, struct request *rq, struct err *e);

/* A sweep as soon as nothing else is to do: after an index_remove. */
void jobs_sweep_soon(struct service *s);

/* Marks a repository as asked about; those of the last minutes are reconciled again before an answer about them would have to wait. */
void jobs_used(struct service *s, const struct repo_row *repo);
/* Starts the reconcile of the one that needs it most, if one does. Returns when to call again (clock_ns). */
int64_t jobs_refresh(struct service *s);

/* Starts what hints ask for. Returns when it wants to be called again (clock_ns), 0: with the next hint. */
int64_t jobs_hinted(struct service *s);
/* The repository may have changed since it was looked at, or is being looked at for that reason. *anew: a job that runs by
 * now will not do. */
bool jobs_changing(struct service *s, uint32_t repo, bool *anew);
/* {"state": "watching" | "polling" | "resting", "directories": n, "why": text or null} */
json_t *jobs_watch_json(struct service *s, uint32_t repo);

/* Files that running and queued jobs of a repository have yet to bring in. */
uint64_t jobs_pending_files(struct service *s, uint32_t repo);
json_t *jobs_json(struct service *s);

#endif

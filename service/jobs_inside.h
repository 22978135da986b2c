/* What the files of jobs share. Fields marked [mu] belong to the service's lock. */
#ifndef CODEASK_SERVICE_JOBS_INSIDE_H
#define CODEASK_SERVICE_JOBS_INSIDE_H

#include "base/buf.h"
#include "service/jobs.h"

#define USED_MAX 64
#define USED_NS 120000000000LL /* a repository that nobody asked about for so long is not reconciled any more */

struct job {
    struct job *next;
    struct service *s;
    uint64_t id;
    struct repo_row repo;    /* its own copy */
    char *repo_json;         /* the name, quoted */
    char *ref;
    bool all_branches, retry, durable, running;
    bool again;              /* embedding: the view moved on, or was put aside for an index job */
    bool put_off;            /* indexing: was stopped for a purge, and begins anew after it */
    bool look;               /* indexing: nobody wants more than a look at where hints come from */
    struct buf dirs;         /* indexing: where that is, relative, each ended by NUL; empty: everything */
    bool touched;            /* embedding: files may have changed meanwhile; one more pass when this one ends */
    uint32_t view, base;     /* embedding: what is being embedded */
    bool forgotten;          /* its repository is being removed */
    struct waitlist waiting;
    struct index_progress progress;
    char stage[16];
    int64_t began_ns;
};

struct used { /* a repository that was asked about */
    struct repo_row repo;
    int64_t at_ns;           /* last asked about; 0: free */
    int64_t refresh_ns;      /* last compared because it was in use */
    bool hinted;             /* may have changed since the last job began */
    bool whole;              /* and that is not known to be in dirs alone */
    struct buf dirs;         /* as in struct job */
    unsigned ndirs;
    bool queued;             /* a job was asked for, which has not begun */
    bool settling;           /* a job runs that a hint asked for */
    int64_t rest_until_ns;   /* hints alone start no job before */
    unsigned watched;
    char why[96];            /* not wholly watched because; empty: it is */
};

struct jobs {
    struct service *s;
    pthread_mutex_t save_mu; /* before service.mu */
    char *saved;
    pthread_t index_thread, embed_thread;
    bool index_runs, embed_runs;
    /* [mu] of the service */
    pthread_cond_t work, ended;
    struct job *index, *embed;
    uint64_t next_id;
    uint64_t watch_serial;
    bool busy;               /* an index job is cutting files: embedding waits for it */
    bool upkeep;             /* segments were added: small ones may be merged */
    bool compact;            /* rows went: the file may be worth writing anew */
    bool swept;              /* something went in the sweep that is on its way */
    bool purge;              /* something is to be purged now: nothing else begins, and what runs is put off */
    bool purge_failed;       /* and is tried again at purge_at_ns */
    int64_t purge_at_ns;
    struct waitlist purge_waiting;
    bool sweep_soon;         /* asked for; what it takes without grace, the index knows (store/sweep.h) */
    int64_t sweep_at_ns;
    struct used used[USED_MAX];
};

void resume_waiting(struct waitlist *on, const struct err *why); /* NULL: what they wait for is there. mu held */

/* upkeep.c. One piece of it, with mu held and dropped meanwhile; false: there is nothing to do now */
void upkeep_open(struct jobs *x);
bool upkeep_step_locked(struct jobs *x);

/* hints.c. mu held */
void hints_begin_locked(struct jobs *x, struct job *j); /* gives j its dirs */
void hints_end_locked(struct jobs *x, const struct job *j, bool whole);
void hints_clear(struct used *u);

void repo_row_copy(struct repo_row *to, const struct repo_row *from);

/* jobs_state.c: the list in state.mdb. Not with mu held. */
void jobs_save(struct jobs *x);
void jobs_load(struct jobs *x);

#endif

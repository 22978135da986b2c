/* The inside of the request core: for the files of this room only.
 *
 * Threads
 *   loop       calls session_* and service_poll (one thread)
 *   workers    run methods, a request each
 *   indexing   index jobs, one at a time            embedding   embed jobs, one at a time        (jobs.c)
 *   tuning     makes an adapter                                                                   (tuning.c)
 *   clock      time-outs, and reconciles every ten seconds while somebody asks
 * One lock, service.mu, guards every field marked [mu]. It is never held across a call into another room, a sink, or
 * anything that waits. jobs.c has a second one for writing the job list (save_mu), taken before mu; models.c a third. */
#ifndef CODEASK_SERVICE_CORE_H
#define CODEASK_SERVICE_CORE_H

#include "base/arena.h"
#include "indexer/indexer.h"
#include "retriever/retriever.h"
#include "service/methods.h"
#include "service/service.h"
#include "store/store.h"

#include <jansson.h>
#include <pthread.h>

#define SERVICE_WORKERS_MAX 8
#define SERVICE_QUEUE_MAX 1024          /* requests alive; past it a submit is ERR_BUSY */
#define REQUEST_EVENT_BYTES (256 << 10) /* undelivered bytes past which a worker waits */
#define RECONCILE_NS 10000000000LL      /* an answer is current only with a reconcile younger than this */

struct request;
struct remote_session;
struct remote_try;

/* A method's run: 0 and *result (a new reference), an error, or RUN_PARKED after request_park: it is called again, from
 * the start, once what it waits for is there. */
#define RUN_PARKED 1
typedef int (*method_run)(struct request *rq, json_t **result, struct err *e);
struct binding {
    const char *name; /* as on the socket: "repo.add" */
    method_run run;
};
const struct binding *binding_named(const char *name); /* dispatch.c */
struct tally { /* of a method's requests that are over */
    uint64_t done, failed;
    double seconds;
};

struct event {
    struct event *next;
    enum event_kind kind;
    size_t len;
    char json[];
};

enum request_state { REQUEST_QUEUED, REQUEST_RUNNING, REQUEST_PARKED, REQUEST_ENDED };

struct waitlist { /* requests parked on one thing [mu] */
    struct request *first;
};

struct request {
    struct service *s;
    uint64_t id;
    const struct binding *method;
    const struct method *row;
    json_t *params;             /* the worker's */
    struct caller who;          /* its session's, which may be gone before it */
    struct asker *asker;        /* [mu] askers.h */
    struct arena arena;         /* the worker's; lives as long as the request */
    struct remote_session *remote;   /* remote.h: its session's; NULL: no server */
    struct remote_try *remote_try;   /* the worker's: whether the server was asked, and why it did not answer; in the arena */
    struct unsaved *unsaved;    /* the worker's: what lies over the views of its scope; NULL */
    int64_t submitted_ns, deadline_ns /* 0: none */;
    bool stop;                  /* written under mu with __atomic; the rooms below poll it */
    bool enough;                /* the same, and set when enough_ns is over, too: ends a step of the request, not the request */
    int64_t enough_ns;          /* [mu] 0: none */
    /* [mu] from here */
    struct request *prev, *next; /* all requests of the service */
    struct session *session;     /* NULL: its session is gone, nothing is delivered any more */
    struct sink sink;
    enum request_state state;
    bool terminal;               /* DONE or FAIL is queued or delivered */
    int outcome;                 /* 0, or the code of its FAIL */
    bool full, ready;            /* the sink is full; in the service's ready list */
    struct event *first, **last;
    size_t event_bytes;
    pthread_cond_t room;         /* a worker that waits for event_bytes to fall */
    struct request *queue_next, *ready_next;
    /* parking */
    struct waitlist *on;
    struct request *wait_next;
    int milestone;               /* enum milestone (jobs.h) */
    int64_t wait_until_ns;       /* 0: as long as it takes */
    bool resumed;                /* what it waits for came before its worker had let go */
    struct err wait_err;         /* code 0: reached; ERR_TIMEOUT: wait_until_ns passed */
    uint32_t waited[16];         /* repositories that it has waited for: it does not wait twice */
    unsigned nwaited;
    struct {                    /* audit.h; the worker's */
        json_t *repos, *chunks; /* NULL: none noted */
        bool written;
    } audit;
    bool purge_looked, purge_waited; /* at what its path holds; until what it purges is gone */
    bool history_waited;        /* for the commits of what it asks about */
    bool first_index;            /* waits for a repository's first index: it has no vectors yet */
};

struct session {
    struct service *s;
    struct caller who;
    struct session *next;
    unsigned retry_s;             /* session_retry_after */
    struct unsaved_file *unsaved; /* [mu] unsaved.h */
    struct remote_session *remote; /* remote.h; NULL: no server */
};

/* What share of a view is embedded, remembered: counting it walks the view. */
struct share {
    uint32_t view;
    uint16_t model;
    uint64_t generation;
    double share;
    int64_t at_ns; /* 0: free */
};
/* As many as snapshots are kept (CACHE_VIEWS): a search over all repositories asks for every one's. In sets, because numbers of
 * views come in steps: with one place for each of 32, 21 repositories pushed each other out and a search spent 15 of its 23 ms
 * on counting. */
#define SERVICE_SHARES 256
#define SHARE_SET 8

struct asker;
struct audit;
struct jobs;
struct mirrors;
struct models;
struct answers;
struct counts;
struct conversations;
struct cutting;
struct overlays;
struct remote;
struct query_maps;
struct tunings;
struct health;

struct service {
    struct service_options o;
    struct store *store;
    struct indexer *indexer;
    struct retriever *retriever;
    struct engine *engine;
    struct audit *audit;
    struct jobs *jobs;
    struct mirrors *mirrors;
    struct models *models;
    struct health *health;
    struct answers *answers;
    struct counts *counts;
    struct conversations *conversations;
    struct cutting *cutting;
    struct overlays *overlays;
    struct remote *remote;
    struct tunings *tunings;
    struct query_maps *query_maps;
    int64_t started_ns;
    pthread_mutex_t mu;
    pthread_cond_t work, tick;
    pthread_t worker[SERVICE_WORKERS_MAX], clock;
    unsigned nworkers;                   /* threads that run methods and wait for no model */
    bool clock_runs;
    /* [mu] */
    bool draining, closing, stop_asked;
    bool exporting;                      /* a bundle is being made */
    struct share shares[SERVICE_SHARES]; /* sets of SHARE_SET neighbours, by view */
    bool hint_came;                      /* since the clock's thread last looked */
    uint64_t next_id, turn;
    struct asker *askers;
    struct session *sessions;
    struct request *requests;
    struct tally tally[METHODS_MAX];
    unsigned extra, lent;        /* threads beside the workers; those of both that wait for a model that writes */
    pthread_cond_t gone;         /* one of extra ended */
    int64_t hooks_ns; /* when the next webhook may come, less its burst: hook.c */
    unsigned nrequests, writing; /* writing: those whose answer a model writes now */
    struct request *queue_first, **queue_last;
    struct request *ready_first, **ready_last;
};

/* service.c: while a request waits for a model that writes its thread is no worker, and another takes its place. mu held */
void worker_lend_locked(struct service *s);
void worker_back_locked(struct service *s);

/* request.c: what a method may call from its worker */
void request_emit(struct request *rq, enum event_kind kind, json_t *object /* stolen */); /* PROGRESS replaces a waiting one */
bool request_stopped(const struct request *rq);
void request_enough_at(struct request *rq, int64_t ns); /* rq->enough becomes true then; 0: never mind */
/* with mu held */
void request_emit_locked(struct request *rq, enum event_kind kind, const char *json, size_t len);
void request_fail_locked(struct request *rq, const struct err *why);
void request_park_locked(struct request *rq, struct waitlist *on, int milestone, int64_t until_ns);
void request_resume_locked(struct request *rq, const struct err *why /* NULL: reached */);
void request_ready_locked(struct request *rq); /* service_poll is to look at it */
void request_queue_locked(struct request *rq);
void request_unpark_locked(struct request *rq);
void metrics_count_locked(struct service *s, const struct request *rq); /* method_metrics.c */
bool request_poll_one(struct request *rq); /* delivers; true when it is over and nobody holds it. Takes and drops mu */
void request_free(struct request *rq);

/* permission.c: what was asked with a token (or, user not 0, by a user) ends as ERR_DENIED */
void service_revoked(struct service *s, uint64_t token, uint32_t user);

/* json.c */
json_t *json_text(const char *p, size_t n);       /* invalid UTF-8 and NUL become U+FFFD */
static inline json_t *json_cstr(const char *s)
{
    return s ? json_text(s, __builtin_strlen(s)) : json_null();
}
bool text_is_utf8(const char *p, size_t n);
json_t *text_masked(const char *text);            /* a question may hold a key that was pasted with it: found and masked as in any text */
json_t *json_base64(const void *bytes, size_t n);
bool bytes_of_base64(struct buf *out, json_t *text); /* appends; false: it is none */
char *json_line(json_t *object /* stolen */, size_t *len); /* compact; the caller frees */

/* params.c: checked against the row before the method runs */
int params_check(const struct method *row, json_t *params, struct err *e);
const char *param_str(const struct request *rq, const char *name);         /* NULL when absent or empty */
bool param_bool(const struct request *rq, const char *name);
int64_t param_int(const struct request *rq, const char *name, int64_t otherwise);

#endif

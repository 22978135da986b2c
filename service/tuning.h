/* The one tuning job of a home: records out of the index, a process that learns (engine/process/tune.h), the verdict, the promotion. It outlives its
 * asker and the daemon: what runs is in state.mdb ("tuning") and goes on from its last checkpoint when the program runs again. The process
 * stands still while anybody's request runs.
 *
 * Threads: any; the job has a thread of its own. Its fields belong to the service's lock. */
#ifndef CODEASK_SERVICE_TUNING_H
#define CODEASK_SERVICE_TUNING_H

#include "service/core.h"

#define TUNING_RANK 16          /* of an adapter, where nothing else is said: what most published ones have */
#define TUNING_RATE 2e-4        /* of a step: PEFT's and QLoRA's for ranks of 8 to 64 */
#define TUNING_RECORDS 2000     /* of a kind, that are learned */
#define TUNING_BYTES ((size_t)64 << 20) /* of all records: about 16 million tokens, two days of a 0.5B model on 8 cores */
#define TUNING_CHECKPOINT_S 60  /* seconds of work that a kill costs at most */
#define TUNING_LOOK_MS 50       /* how soon the process stands still for a question */
#define TUNING_REST_NS 300000000LL /* after the last request: the next one of a conversation often follows at once */

struct tunings;
int tunings_open(struct tunings **out, struct service *s, struct err *e); /* goes on with what was interrupted */
void tunings_drain(struct service *s);  /* the process writes a checkpoint and ends */
void tunings_close(struct tunings *t);  /* accepts NULL */
bool tunings_idle(struct service *s);

struct tuning_wish {
    const char *name;       /* of the adapter; NULL: one of the model's name and the time */
    const struct repo_row *repo;
    size_t repos;
    uint32_t rank, steps, records, context; /* 0: the defaults */
    double epochs, rate;
    uint64_t seed;
    bool promote;           /* where it is better */
    const char *adapter;    /* folder of one that is measured only; NULL: learn */
    bool embedder;          /* of questions (tuning_embedder.h); else of the model that answers */
};
/* Starts it; rq (may be NULL) is parked on it: RUN_PARKED. ERR_BUSY while another runs. */
int tunings_start(struct service *s, const struct tuning_wish *w, struct request *rq, struct err *e);
/* Goes on with one that was stopped or has failed, from its last checkpoint; parks rq as above. ERR_NOT_FOUND. */
int tunings_continue(struct service *s, struct request *rq, struct err *e);
/* Parks rq on what runs; 0 where nothing does. */
int tunings_wait(struct service *s, struct request *rq);
/* What runs stops at its next checkpoint; ERR_NOT_FOUND. It can go on. */
int tunings_stop(struct service *s, struct err *e);
/* {"state": "none" | "making" | "opening" | "learning" | "measuring" | "stopped" | "failed" | "done", "adapter", "model", "repos", "step", "steps",
 * "loss", "tokens_per_s", "eta_s", "memory", "paused", "records", "error"?, "report"?, "promoted"?}; a new reference. */
json_t *tunings_json(struct service *s);

#endif

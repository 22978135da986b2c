/* Cutting in worker processes: children of the same binary that hold a pipe and nothing else (address-space and CPU-time
 * caps, generous wall cap; on Linux a seccomp filter: no files, no sockets). A crash, a hang or a memory blow-up costs one
 * content, never the daemon: it is tried once more alone in a fresh worker, and quarantined when it fails there too. A
 * SIGTERM or the system's OOM killer is never blame. */
#ifndef CODEASK_INDEXER_POOL_H
#define CODEASK_INDEXER_POOL_H

#include "indexer/language.h"

#include <stdbool.h>

#define POOL_WORKER_ARG "--cut-worker" /* the program's only argument in a worker; then it calls cut_worker_main */
#define POOL_WORKER_FD 3               /* its end of the pipe */

struct pool_options {
    const char *program;      /* path of the binary that understands POOL_WORKER_ARG */
    int workers;              /* 0: one a core */
    size_t memory;            /* address space of a worker; 0: POOL_MEMORY */
    int cpu_seconds;          /* for one content; 0: POOL_CPU_SECONDS */
    int wall_seconds;         /* 0: POOL_WALL_SECONDS */
};
#define POOL_MEMORY ((size_t)1 << 30)
#define POOL_CPU_SECONDS 10   /* a 10 MB file parses in about one */
#define POOL_WALL_SECONDS 120 /* the machine may be busy or suspended */

struct pool;

struct pool_result {
    uint64_t tag;             /* the caller's */
    int code;                 /* 0; blame: ERR_CRASHED, ERR_TIMEOUT, ERR_MEMORY, ERR_FORMAT (the worker's record failed
                                 record_check), ERR_LIMIT; no blame, try again later: ERR_UNAVAILABLE (workers do not start,
                                 or the system keeps killing them) */
    struct err why;
    struct buf record;        /* 8-byte aligned bytes; the receiver releases it */
    struct buf text;          /* the content, secrets masked; the receiver releases it */
};

/* Starts a thread that talks to the workers and is their parent. */
int pool_open(struct pool **out, const struct pool_options *o, struct err *e);
/* Gives a content to the next free worker; blocks while all queues are full (back-pressure; finished ones do not count).
 * Takes the bytes over (buf is emptied). One submitting thread. */
int pool_submit(struct pool *p, uint64_t tag, const struct language *lang, struct buf *bytes, struct err *e);
/* The next finished one, in any order; blocks until there is one, and some milliseconds longer while others are under way, so that
 * several come at once; returns false when nothing is in flight. One receiving thread. */
bool pool_next(struct pool *p, struct pool_result *out);
/* The same without waiting: false when none is finished. */
bool pool_try_next(struct pool *p, struct pool_result *out);
/* Ends the workers; what is in flight is dropped. */
void pool_close(struct pool *p);
/* The worker process's main: serves until its pipe closes; returns the exit status. */
int cut_worker_main(int fd);

#endif

/* What goes over a worker's socket, host byte order (both ends are one binary):
 *   parent: struct wire_hello, then jobs:    struct wire_job    | n bytes of content
 *   worker: struct wire_ready, then answers: struct wire_answer | n bytes of record, or of the error's text when code != 0
 * Jobs are answered in order. */
#ifndef CODEASK_INDEXER_POOL_WIRE_H
#define CODEASK_INDEXER_POOL_WIRE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_MAGIC 0x31775043u /* "CPw1" */
#define WORKER_EXIT_MEMORY 86  /* a worker's exit status when an allocation failed */

struct wire_hello {
    uint32_t magic, cpu_seconds;
    uint64_t memory;
};
struct wire_ready {
    uint32_t magic, sandboxed;
};
struct wire_job {
    uint32_t magic, language; /* index in languages[] */
    uint64_t n;
};
struct wire_answer {
    uint32_t magic;
    int32_t code;
    uint64_t n;
};

/* pool_spawn.c: starts program with arg in a process group of its own, with only our socket open (POOL_WORKER_FD there; *fd, which does
 * not block, here). also: what of the environment it gets, NULL ends; heard: it keeps our standard error. */
int child_spawn(int *fd, pid_t *pid, const char *program, const char *arg, const char *const *also, bool heard, struct err *e);
int pool_spawn(int *fd, pid_t *pid, const char *program, struct err *e);

#endif

#ifndef CODEASK_ENGINE_PROCESS_SPAWN_H
#define CODEASK_ENGINE_PROCESS_SPAWN_H

#include "base/err.h"

#include <sys/types.h>

/* Starts `program argument` ("--engine", TUNE_ARG) with a socket as descriptor ENGINE_FD, /dev/null as standard input and output, this process's
 * standard error, and nothing else: a process group of its own (a terminal's Ctrl-C is not for it), default signals, no
 * variable of ours that could hold a secret. *fd: our end. */
int engine_process_spawn(pid_t *pid, int *fd, const char *program, const char *argument, struct err *e);

#endif

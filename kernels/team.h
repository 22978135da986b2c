/* Threads that do the parts of one piece of work together and at once: the products of a decode step, hundreds of them, each
 * some ten to hundred microseconds long.
 *
 * Parts are claimed one by one, by the caller too: on a busy machine, where no other thread of the team gets a core, the caller
 * does them all and waits for nobody. Waiting is a spin of at most SPIN_NS, then a futex: a barrier that spins without end turned
 * 10 ms into 400 on a busy machine with two cores.
 *
 * One thread at a time calls team_run; the team may be used by several threads one after the other. */
#ifndef CODEASK_KERNELS_TEAM_H
#define CODEASK_KERNELS_TEAM_H

#include "base/err.h"

#include <stdint.h>

struct team;

/* threads: the caller of team_run included; 0 and 1: no other. */
int team_open(struct team **out, uint32_t threads, struct err *e);
void team_close(struct team *t); /* accepts NULL; no team_run may be in flight */
uint32_t team_threads(const struct team *t);

/* fn(arg, part, thread) for every part < parts, in any order and on any thread of the team (thread < team_threads; the caller is
 * 0; one thread's parts come one after the other). Returns when all have returned; what they wrote is seen by the caller. */
void team_run(struct team *t, uint32_t parts, void (*fn)(void *arg, uint32_t part, uint32_t thread), void *arg);

#endif

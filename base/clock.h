#ifndef CODEASK_BASE_CLOCK_H
#define CODEASK_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

int64_t clock_ns(void);      /* monotonic, for durations and deadlines */
double clock_ms(void);       /* the same in milliseconds */
int64_t clock_wall_ns(void); /* since 1970, for timestamps only: it may jump */
int64_t clock_cpu_ns(void);  /* CPU time of the calling thread */

/* A condition that is waited for until a clock_ns(): with pthread's own clock, the wall's, a wait ends early or never when that is set. */
void clock_cond_init(pthread_cond_t *cond);
/* false: it is later than until_ns. As with every condition: look again whatever it says. */
bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, int64_t until_ns);

#endif

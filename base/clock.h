#ifndef CODEASK_BASE_CLOCK_H
#define CODEASK_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ns(void);      /* monotonic, for durations and deadlines */
double clock_ms(void);       /* the same in milliseconds */
int64_t clock_wall_ns(void); /* since 1970, for timestamps only: it may jump */
int64_t clock_cpu_ns(void);  /* CPU time of the calling thread */

#endif

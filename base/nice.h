#ifndef CODEASK_BASE_NICE_H
#define CODEASK_BASE_NICE_H

/* A thread that is nice gets about a tenth of a core that another thread wants, and all of one that nobody wants. More (SCHED_IDLE)
 * would starve it where others fill the machine, and whoever waits for a lock that it holds. */
#define BACKGROUND_NICE 10

/* Makes the calling thread, and the threads and processes that it starts, yield to the others. There is no way back. */
void thread_be_nice(void);
/* Calls run in a thread of its own that is nice, and waits for its end. */
void call_nicely(void (*run)(void *), void *arg);

#endif

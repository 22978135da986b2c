#include "base/clock.h"

#include <time.h>

#define NS 1000000000LL

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

int64_t clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

double clock_ms(void)
{
    return (double)clock_ns() / 1e6;
}

int64_t clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

int64_t clock_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &a);
    pthread_condattr_destroy(&a);
}

bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mu, int64_t until_ns)
{
    struct timespec at = {until_ns / NS, until_ns % NS};
    return !pthread_cond_timedwait(cond, mu, &at);
}

#define _GNU_SOURCE
#include "base/nice.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void thread_be_nice(void)
{
    /* on Linux niceness is a thread's own and is inherited; failure costs speed only */
    (void)!setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BACKGROUND_NICE);
}

struct called {
    void (*run)(void *);
    void *arg;
};

static void *be_called(void *arg)
{
    struct called *c = arg;
    thread_be_nice();
    c->run(c->arg);
    return NULL;
}

void call_nicely(void (*run)(void *), void *arg)
{
    pthread_t thread;
    struct called c = {run, arg};
    if (pthread_create(&thread, NULL, be_called, &c))
        run(arg); /* no thread to be had: the work comes before its manners */
    else
        pthread_join(thread, NULL);
}

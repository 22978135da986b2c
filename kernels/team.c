#include "kernels/team.h"
#include "base/clock.h"
#include "base/mem.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 256
/* Longer than what lies between two products of a step, much shorter than a time slice. */
#define SPIN_NS 50000
#define SPINS_A_LOOK 16 /* pauses between two looks at the clock */

#define CLOSED UINT32_MAX

typedef void (*part_fn)(void *arg, uint32_t part, uint32_t thread);

/* Lines of their own: what all wait for, what all claim from, what all report to. */
struct team {
    _Alignas(64) _Atomic uint32_t run; /* number of the run that was published last; futex of idle threads */
    _Atomic uint32_t sleepers;         /* that wait, or are about to */
    _Alignas(64) _Atomic uint64_t next; /* run << 32 | parts claimed, or CLOSED: no part of it can be claimed */
    _Atomic part_fn fn;                 /* of that run: who reads them and then claims a part knows that they were not changed */
    void *_Atomic arg;
    _Atomic uint32_t parts;
    _Alignas(64) _Atomic uint32_t done; /* parts; futex of the caller */
    _Atomic bool caller_sleeps;
    _Alignas(64) _Atomic bool stop;
    uint32_t threads;
    struct member {
        struct team *team;
        uint32_t number;
        pthread_t thread;
    } member[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *at, uint32_t value)
{
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *at)
{
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Parts of the current run until none is left. */
static void work(struct team *t, uint32_t thread)
{
    uint64_t next = atomic_load(&t->next);
    for (;;) {
        part_fn fn = atomic_load(&t->fn);
        void *arg = atomic_load(&t->arg);
        uint32_t parts = atomic_load(&t->parts);
        if ((uint32_t)next >= parts)
            return;
        if (!atomic_compare_exchange_weak(&t->next, &next, next + 1))
            continue;
        fn(arg, (uint32_t)next, thread);
        if (atomic_fetch_add(&t->done, 1) + 1 == parts && atomic_load(&t->caller_sleeps))
            futex_wake(&t->done);
        next = atomic_load(&t->next);
    }
}

/* Until *at is no longer `value`, SPIN_NS at most; false: it still is. */
static bool spin(_Atomic uint32_t *at, uint32_t value)
{
    int64_t end = clock_ns() + SPIN_NS;
    do
        for (int i = 0; i < SPINS_A_LOOK; i++) {
            if (atomic_load(at) != value)
                return true;
            relax();
        }
    while (clock_ns() < end);
    return false;
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct team *t = m->team;
    uint32_t seen = 0;
    while (!atomic_load(&t->stop)) {
        if (!spin(&t->run, seen)) {
            atomic_fetch_add(&t->sleepers, 1);
            while (atomic_load(&t->run) == seen)
                futex_wait(&t->run, seen);
            atomic_fetch_sub(&t->sleepers, 1);
        }
        seen = atomic_load(&t->run);
        work(t, m->number);
    }
    return NULL;
}

static void publish(struct team *t, uint32_t parts, part_fn fn, void *arg)
{
    uint32_t run = atomic_load(&t->run) + 1;
    atomic_store(&t->next, (uint64_t)run << 32 | CLOSED); /* who still looks at the last run claims nothing by the new parts */
    atomic_store(&t->fn, fn);
    atomic_store(&t->arg, arg);
    atomic_store(&t->parts, parts);
    atomic_store(&t->done, 0);
    atomic_store(&t->next, (uint64_t)run << 32);
    atomic_store(&t->run, run);
    if (atomic_load(&t->sleepers))
        futex_wake(&t->run);
}

void team_run(struct team *t, uint32_t parts, part_fn fn, void *arg)
{
    if (t->threads == 1 || parts <= 1) {
        for (uint32_t i = 0; i < parts; i++)
            fn(arg, i, 0);
        return;
    }
    publish(t, parts, fn, arg);
    work(t, 0);
    for (uint32_t done = atomic_load(&t->done); done < parts; done = atomic_load(&t->done)) {
        if (spin(&t->done, done))
            continue;
        atomic_store(&t->caller_sleeps, true);
        if (atomic_load(&t->done) == done)
            futex_wait(&t->done, done);
        atomic_store(&t->caller_sleeps, false);
    }
}

uint32_t team_threads(const struct team *t)
{
    return t->threads;
}

int team_open(struct team **out, uint32_t threads, struct err *e)
{
    threads = threads == 0 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    size_t bytes = sizeof(struct team) + threads * sizeof(struct member);
    struct team *t = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (t == NULL)
        return err_set(e, ERR_MEMORY, "no memory for a team of %u threads", threads);
    *t = (struct team){.threads = 1};
    for (; t->threads < threads; t->threads++) {
        struct member *m = &t->member[t->threads];
        *m = (struct member){.team = t, .number = t->threads};
        int code = pthread_create(&m->thread, NULL, member_main, m);
        if (code) {
            team_close(t);
            return err_set(e, ERR_MEMORY, "cannot start thread %u of %u", t->threads, threads);
        }
    }
    *out = t;
    return 0;
}

void team_close(struct team *t)
{
    if (t == NULL)
        return;
    atomic_store(&t->stop, true);
    publish(t, 0, NULL, NULL);
    for (uint32_t i = 1; i < t->threads; i++)
        pthread_join(t->member[i].thread, NULL);
    free(t);
}

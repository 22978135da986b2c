/* The worker process: takes contents, gives records, holds nothing else. Its limits and its filter are set here, before the
 * first foreign byte is read. */
#include "indexer/pool.h"
#include "indexer/pool_wire.h"

#include "base/file.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/parse_memory.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 }; /* they map terabytes and open files */
#else
enum { SANITIZED = 0 };
#endif

/* abort() comes from mem.c and tree-sitter when an allocation failed, and from assertions: tell them apart. */
static void on_abort(int sig)
{
    bool memory = errno == ENOMEM;
    void *probe = mmap(NULL, (size_t)64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory || probe == MAP_FAILED)
        _exit(WORKER_EXIT_MEMORY);
    signal(sig, SIG_DFL);
    raise(sig);
}

static int filter(void)
{
    static const int allowed[] = {
        SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(sendto), SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap),
        SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
        SCMP_SYS(tgkill), SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(getrusage),
        SCMP_SYS(sysinfo), /* glibc's qsort asks for the memory there is */
    };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && !rc; i++) {
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
        if (rc == -EDOM) /* not on this architecture */
            rc = 0;
    }
    if (!rc)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc;
}

static bool shut_in(const struct wire_hello *hello)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    setpriority(PRIO_PROCESS, 0, 5);
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGABRT, on_abort);
    if (SANITIZED)
        return false;
    struct rlimit memory = {hello->memory, hello->memory};
    setrlimit(RLIMIT_AS, &memory);
    return filter() == 0;
}

/* For tests of the pool: what a grammar can do at its worst, asked for by the content itself. */
static void misbehave(const char *bytes, size_t n)
{
    static const char mark[] = "codeask-test-cut: ";
    if (n < sizeof mark || memcmp(bytes, mark, sizeof mark - 1))
        return;
    const char *what = bytes + sizeof mark - 1;
    size_t left = n - (sizeof mark - 1);
    if (left >= 5 && !memcmp(what, "crash", 5))
        raise(SIGSEGV);
    if (left >= 4 && !memcmp(what, "abrt", 4)) {
        errno = 0;
        abort();
    }
    if (left >= 4 && !memcmp(what, "exit", 4))
        _exit(3);
    if (left >= 4 && !memcmp(what, "hang", 4))
        for (volatile uint64_t i = 0;; i++)
            ;
    if (left >= 5 && !memcmp(what, "sleep", 5))
        for (;;)
            sleep(1000);
    if (left >= 4 && !memcmp(what, "term", 4))
        raise(SIGTERM);
    if (left >= 4 && !memcmp(what, "file", 4)) /* the filter must not let it */
        _exit(access("/etc/passwd", R_OK) ? 4 : 5);
    if (left >= 6 && !memcmp(what, "memory", 6))
        for (;;)
            memset(mem_alloc((size_t)16 << 20), 1, (size_t)16 << 20);
}

static int answer(int fd, int code, const void *bytes, size_t n)
{
    struct wire_answer a = {WIRE_MAGIC, code, n};
    int rc = fd_write(fd, &a, sizeof a, NULL);
    return rc ? rc : fd_write(fd, bytes, n, NULL);
}

static int serve(int fd, bool testing)
{
    if (!SANITIZED) /* they would not see through it */
        parse_memory_install();
    struct cutter *c = cutter_new();
    struct buf bytes = BUF_INIT, record = BUF_INIT;
    struct wire_job job;
    struct err e;
    uint32_t nlanguages = 0;
    int rc;
    while (languages[nlanguages].name)
        nlanguages++;
    while (!(rc = fd_read(fd, &job, sizeof job, NULL))) {
        if (job.magic != WIRE_MAGIC || job.language >= nlanguages) {
            rc = ERR_FORMAT;
            break;
        }
        buf_clear(&bytes);
        buf_room(&bytes, job.n + 1);
        if (job.n && (rc = fd_read(fd, bytes.data, job.n, NULL)))
            break;
        bytes.len = job.n;
        bytes.data[job.n] = 0;
        if (testing)
            misbehave(bytes.data, bytes.len);
        int code = cutter_cut(c, &record, &languages[job.language], bytes.data, bytes.len, &e);
        if ((rc = code ? answer(fd, code, e.message, strlen(e.message)) : answer(fd, 0, record.data, record.len)))
            break;
        if (bytes.cap > 8 << 20)
            buf_release(&bytes); /* one large content must not be carried on */
        if (record.cap > 32 << 20)
            buf_release(&record);
    }
    cutter_free(c);
    buf_release(&bytes);
    buf_release(&record);
    return rc == 1 ? 0 : 1;
}

int cut_worker_main(int fd)
{
    struct wire_hello hello;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd_read(fd, &hello, sizeof hello, NULL) || hello.magic != WIRE_MAGIC)
        return 2; /* also when the parent was gone before the line above */
    bool testing = getenv("CODEASK_TEST_CUT") != NULL;
    struct wire_ready ready = {WIRE_MAGIC, shut_in(&hello)};
    if (fd_write(fd, &ready, sizeof ready, NULL))
        return 2;
    return serve(fd, testing);
}

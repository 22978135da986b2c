#include "indexer/pool.h"
#include "indexer/pool_wire.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a child inherits of the environment: nothing of the user's but what is named. */
static char **environment(const char *const *also)
{
    static const char *const passed[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"};
    enum { PASSED = sizeof passed / sizeof *passed };
    size_t n = 0, more = 0;
    while (also[more])
        more++;
    char **env = mem_zero(PASSED + more + 1, sizeof *env);
    for (size_t i = 0; i < PASSED + more; i++) {
        const char *name = i < PASSED ? passed[i] : also[i - PASSED], *value = getenv(name);
        struct buf b = BUF_INIT;
        if (!value)
            continue;
        buf_addf(&b, "%s=%s", name, value);
        env[n++] = buf_take(&b);
    }
    return env;
}

int child_spawn(int *fd, pid_t *pid, const char *program, const char *arg, const char *const *also, bool heard, struct err *e)
{
    int pair[2] = {-1, -1}, high = -1, rc;
    char *argv[] = {(char *)program, (char *)arg, NULL}, **env = environment(also);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || (high = fcntl(pair[1], F_DUPFD_CLOEXEC, 10)) < 0) {
        rc = err_errno(e, errno, "cannot make a pipe to a worker");
        goto out;
    }
    int size = 1 << 18; /* a batch of small contents in one go */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(high, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setpgroup(&attr, 0); /* Ctrl-C on a terminal is the parent's business */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions, high, POOL_WORKER_FD);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!heard)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, POOL_WORKER_FD + 1);
    if ((rc = posix_spawn(pid, program, &actions, &attr, argv, env))) {
        rc = err_errno(e, rc, "cannot start the worker %s", program);
        goto out;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *fd = pair[0];
    pair[0] = -1;
out:
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    if (high >= 0)
        close(high);
    for (char **v = env; *v; v++)
        free(*v);
    free(env);
    return rc;
}

int pool_spawn(int *fd, pid_t *pid, const char *program, struct err *e)
{
    static const char *const also[] = {"CODEASK_TEST_CUT", NULL};
    return child_spawn(fd, pid, program, POOL_WORKER_ARG, also, getenv("CODEASK_TEST_CUT") != NULL, e); /* tests want to read what a sanitizer has to say */
}

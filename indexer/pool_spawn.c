#include "indexer/pool.h"
#include "indexer/pool_wire.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a worker inherits of the environment: nothing of the user's. */
static char **worker_environment(void)
{
    static const char *const passed[] = {"CODEASK_TEST_CUT", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                                         "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"};
    size_t n = 0;
    char **env = mem_zero(sizeof passed / sizeof *passed + 1, sizeof *env);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        const char *value = getenv(passed[i]);
        if (!value)
            continue;
        size_t size = strlen(passed[i]) + strlen(value) + 2;
        env[n] = mem_alloc(size);
        strcpy(env[n], passed[i]);
        strcat(env[n], "=");
        strcat(env[n++], value);
    }
    return env;
}

int pool_spawn(int *fd, pid_t *pid, const char *program, struct err *e)
{
    int pair[2] = {-1, -1}, high = -1, rc;
    char *argv[] = {(char *)program, POOL_WORKER_ARG, NULL}, **env = worker_environment();
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
    if (!getenv("CODEASK_TEST_CUT")) /* tests want to read what a sanitizer has to say */
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

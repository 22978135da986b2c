#define _GNU_SOURCE
#include "engine/process/spawn.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The environment without CODEASK_ (tokens, server): the engine needs none of it, its device's libraries need the rest. */
static char **clean_environment(void)
{
    size_t n = 0, m = 0;
    while (environ[n])
        n++;
    char **env = mem_zero(n + 1, sizeof *env);
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "CODEASK_", 8))
            env[m++] = environ[i];
    return env;
}

int engine_process_spawn(pid_t *pid, int *fd, const char *program, const char *argument, struct err *e)
{
    int pair[2], err = 0;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    char *const argv[] = {(char *)program, (char *)argument, NULL};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_errno(e, errno, "a socket for a process of the engine");
    char **env = clean_environment();
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    if ((err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)) ||
        (err = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)) ||
        (err = posix_spawn_file_actions_adddup2(&files, pair[1], ENGINE_FD)) ||
        (err = posix_spawn_file_actions_addclosefrom_np(&files, ENGINE_FD + 1)) ||
        (err = posix_spawnattr_setpgroup(&how, 0)) || (err = posix_spawnattr_setsigmask(&how, &none)) ||
        (err = posix_spawnattr_setsigdefault(&how, &all)) ||
        (err = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) ||
        (err = posix_spawn(pid, program, &files, &how, argv, env)))
        err_errno(e, err, "cannot start the engine process %s", program);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    free(env);
    close(pair[1]);
    if (err) {
        close(pair[0]);
        return e ? e->code : ERR_IO;
    }
    *fd = pair[0];
    return 0;
}

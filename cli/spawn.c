#define _GNU_SOURCE /* pipe2, POSIX_SPAWN_SETSID, addclosefrom */
#include "cli/client.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_FD 3
#define REPORT_MAX (1 << 20)

extern char **environ;

int err_of_json(struct err *e, json_t *o)
{
    const char *code = json_string_value(json_object_get(o, "code"));
    const char *message = json_string_value(json_object_get(o, "message"));
    const char *hint = json_string_value(json_object_get(o, "hint"));
    int rc = err_set(e, err_code_of(code ? code : "internal"), "%s", message ? message : "the daemon gave no reason");
    if (hint && *hint)
        err_hint(e, "%s", hint);
    return rc;
}

int daemon_program(char **out, const struct paths *p, struct err *e)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/codeaskd", p->program_dir);
    if (access(b.data, X_OK)) {
        err_set(e, ERR_UNAVAILABLE, "%s cannot be run", b.data);
        err_hint(e, "codeaskd lies beside codeask where both are installed together");
        buf_release(&b);
        return ERR_UNAVAILABLE;
    }
    *out = buf_take(&b);
    return 0;
}

/* What a child says, to its end. Lines {"progress":…} are shown as they come and left out. */
struct listener {
    client_progress on; /* may be NULL */
    void *arg;
};

static void take_progress(struct buf *said, const struct listener *l)
{
    static const char begin[] = "{\"progress\":";
    char *end;
    while (said->len > strlen(begin) && !memcmp(said->data, begin, strlen(begin)) && (end = memchr(said->data, '\n', said->len))) {
        json_t *o = json_loadb(said->data, (size_t)(end - said->data), 0, NULL);
        if (o && l->on)
            l->on(l->arg, json_object_get(o, "progress"));
        json_decref(o);
        buf_drop_front(said, (size_t)(end + 1 - said->data));
    }
}

static void read_all(int fd, struct buf *out, const struct listener *l)
{
    for (;;) {
        ssize_t n = read(fd, buf_room(out, 4096), 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || out->len + (size_t)n > (size_t)REPORT_MAX * 32)
            return;
        out->len += (size_t)n;
        out->data[out->len] = 0;
        take_progress(out, l);
    }
}

/* Starts program with argv; what it writes on to_fd until it closes that comes back in said. */
static int run(const char *program, char *const argv[], int to_fd, bool detach, struct buf *said, const struct listener *l, pid_t *pid,
               struct err *e)
{
    int pipe_fd[2];
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    if (pipe2(pipe_fd, O_CLOEXEC))
        return err_errno(e, errno, "pipe");
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (detach) {
        posix_spawn_file_actions_addopen(&fa, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (pipe_fd[1] == to_fd) { /* dup2 onto itself would keep close-on-exec */
        int other = fcntl(pipe_fd[1], F_DUPFD_CLOEXEC, to_fd + 1);
        close(pipe_fd[1]);
        pipe_fd[1] = other;
    }
    posix_spawn_file_actions_adddup2(&fa, pipe_fd[1], to_fd);
    posix_spawn_file_actions_addclosefrom_np(&fa, REPORT_FD + 1);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGMASK | (detach ? POSIX_SPAWN_SETSID : 0)));
    int code = posix_spawn(pid, program, &fa, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    close(pipe_fd[1]);
    if (!code)
        read_all(pipe_fd[0], said, l);
    close(pipe_fd[0]);
    return code ? err_errno(e, code, "%s", program) : 0;
}

int daemon_start(const struct paths *p, struct err *e)
{
    char *program = NULL;
    struct buf said = BUF_INIT;
    pid_t pid;
    int rc = daemon_program(&program, p, e);
    if (rc)
        return rc;
    char *argv[] = {program, "--autostart", "3", NULL};
    rc = run(program, argv, REPORT_FD, true, &said, &(struct listener){0}, &pid, e);
    if (!rc && said.len) {
        json_t *o = json_loadb(said.data, said.len, 0, NULL);
        rc = err_of_json(e, o);
        json_decref(o);
        waitpid(pid, NULL, 0);
    } else if (!rc) {
        int status = 0;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            rc = err_set(e, ERR_CRASHED, "codeaskd ended at once (%s %d)", WIFSIGNALED(status) ? "signal" : "status",
                         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            err_hint(e, "its log is %s/codeaskd.log", p->home);
        }
    }
    buf_release(&said);
    free(program);
    return rc;
}

int daemon_once(json_t **result, const struct paths *p, const char *method, json_t *params, client_progress on, void *arg, struct err *e)
{
    char *program = NULL, *text = NULL;
    struct buf said = BUF_INIT;
    pid_t pid;
    int status = 0;
    int rc = daemon_program(&program, p, e);
    if (rc)
        return rc;
    text = json_dumps(params, JSON_COMPACT);
    char *argv[] = {program, "--once", (char *)method, text, NULL};
    rc = run(program, argv, STDOUT_FILENO, false, &said, &(struct listener){on, arg}, &pid, e);
    if (!rc) {
        waitpid(pid, &status, 0);
        json_t *o = json_loadb(said.data ? said.data : "", said.len, 0, NULL);
        if (o && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            *result = o;
        } else if (o) {
            rc = err_of_json(e, o);
            json_decref(o);
        } else {
            rc = err_set(e, ERR_CRASHED, "codeaskd gave no answer (status %d)", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
        }
    }
    buf_release(&said);
    free(text);
    free(program);
    return rc;
}

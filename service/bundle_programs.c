#define _GNU_SOURCE /* pipe2 */
#include "service/bundle_gather.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST_MAX ((size_t)64 << 10) /* bytes that the loader says: about 80 a library */
#define PLUGIN "libwebsockets-evlib_uv.so" /* libwebsockets opens it by name */

/* What ldd shows: the loader is asked, and the program is not run. */
static int ask_loader(struct buf *out, const char *program, struct err *e)
{
    char *const argv[] = {(char *)program, NULL}, *const env[] = {"LD_TRACE_LOADED_OBJECTS=1", NULL};
    posix_spawn_file_actions_t act;
    int fd[2], status = 0;
    pid_t pid;
    if (pipe2(fd, O_CLOEXEC))
        return err_errno(e, errno, "a pipe");
    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_adddup2(&act, fd[1], STDOUT_FILENO);
    int code = posix_spawn(&pid, program, &act, NULL, argv, env), rc = code ? err_errno(e, code, "%s", program) : 0;
    posix_spawn_file_actions_destroy(&act);
    close(fd[1]);
    while (!rc) {
        ssize_t n = read(fd[0], buf_room(out, 4096), 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->len += (size_t)n;
        if (out->len > LIST_MAX)
            rc = err_set(e, ERR_LIMIT, "%s: its libraries are too many", program);
    }
    close(fd[0]);
    while (!code && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!rc && (status || !out->len))
        rc = err_set(e, ERR_UNSUPPORTED, "%s: the loader does not tell its libraries", program);
    if (out->data)
        out->data[out->len] = 0;
    return rc;
}

static bool has(const struct bundle_layer *l, const char *path)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].path, path))
            return true;
    return false;
}

static int add_once(struct bundle_layer *l, const char *path, const char *from, struct err *e)
{
    return has(l, path) ? 0 : layer_file(l, path, from, 0755, e);
}

/* The folder of libc, links resolved, is one that every loader of the system looks through. Without a slash in front; the caller frees. */
static char *folder_of(const char *list)
{
    const char *line = strstr(list, "libc.so.6 => ");
    char *path = line ? mem_strn(line + 13, strcspn(line + 13, " \n")) : NULL, *real = path ? realpath(path, NULL) : NULL;
    char *slash = real ? strrchr(real, '/') : NULL, *out = NULL;
    if (slash) {
        *slash = 0;
        out = mem_str(real + 1);
    }
    free(path);
    free(real);
    return out ? out : mem_str("usr/lib");
}

/* "\tNAME => PATH (0x…)", or "\tPATH (0x…)" for the loader itself. */
static int add_line(struct bundle_layer *l, const char *folder, char *line, struct err *e)
{
    char *arrow = strstr(line, " => "), *path = arrow ? arrow + 4 : line + strspn(line, "\t ");
    struct buf to = BUF_INIT, plugin = BUF_INIT;
    path[strcspn(path, " \n")] = 0;
    const char *base = strrchr(path, '/');
    if (*path != '/' || !base)
        return arrow ? err_set(e, ERR_NOT_FOUND, "a library of the programs is not there: %s", line) : 0; /* the kernel's */
    if (arrow)
        buf_addf(&to, "%s%s", folder, base);
    else
        buf_adds(&to, path + 1);
    int rc = add_once(l, to.data, path, e);
    buf_addf(&plugin, "%.*s/" PLUGIN, (int)(base - path), path);
    if (!rc && !strncmp(base, "/libwebsockets.so", 17) && !access(plugin.data, R_OK)) {
        buf_clear(&to);
        buf_addf(&to, "%s/" PLUGIN, folder);
        rc = add_once(l, to.data, plugin.data, e);
    }
    buf_release(&to);
    buf_release(&plugin);
    return rc;
}

static int add_program(struct bundle_layer *l, const char *folder, const char *name, struct err *e)
{
    struct buf from = BUF_INIT, to = BUF_INIT, list = BUF_INIT;
    char *rest;
    buf_addf(&from, "%s/%s", folder, name);
    buf_addf(&to, "usr/bin/%s", name);
    int rc = layer_file(l, to.data, from.data, 0755, e);
    if (!rc)
        rc = ask_loader(&list, from.data, e);
    char *where = rc ? NULL : folder_of(list.data);
    for (char *line = rc ? NULL : strtok_r(list.data, "\n", &rest); line && !rc; line = strtok_r(NULL, "\n", &rest))
        rc = add_line(l, where, line, e);
    free(where);
    buf_release(&from);
    buf_release(&to);
    buf_release(&list);
    return rc;
}

int bundle_programs(struct bundle_layer *l, const char *folder, struct err *e)
{
    layer_folder(l, "tmp");
    int rc = add_program(l, folder, "codeask", e);
    return rc ? rc : add_program(l, folder, "codeaskd", e);
}

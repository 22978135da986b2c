#include "config/paths.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char *join(const char *dir, const char *name)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, dir);
    if (b.len && b.data[b.len - 1] != '/')
        buf_addc(&b, '/');
    buf_adds(&b, name);
    return buf_take(&b);
}

/* The value of a variable, NULL where unset or empty. */
static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static const char *user_home(void)
{
    const char *h = env("HOME");
    if (h && *h == '/')
        return h;
    struct passwd *pw = getpwuid(getuid()); /* at start, before other threads */
    return pw && pw->pw_dir && pw->pw_dir[0] == '/' ? pw->pw_dir : NULL;
}

/* Absolute, without `.`, `..` and links as far as it exists; the rest is taken as written. */
static int canonical(char **out, const char *what, const char *path, struct err *e)
{
    char *given, *rest = mem_str(""), *real = NULL;
    int rc = 0;
    if (*path == '/') {
        given = mem_str(path);
    } else {
        char cwd[PATH_MAX];
        if (!getcwd(cwd, sizeof cwd)) {
            free(rest);
            return err_errno(e, errno, "the current directory");
        }
        given = join(cwd, path);
    }
    while (!(real = realpath(given, NULL))) {
        char *slash = strrchr(given, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || !slash || (slash == given && !slash[1])) {
            rc = err_errno(e, errno, "%s: %s", what, path);
            goto out;
        }
        if (!strcmp(slash + 1, "..") || !strcmp(slash + 1, ".")) {
            rc = err_set(e, ERR_USAGE, "%s: %s: `.` or `..` below a directory that does not exist", what, path);
            goto out;
        }
        if (slash[1]) {
            char *longer = *rest ? join(slash + 1, rest) : mem_str(slash + 1);
            free(rest);
            rest = longer;
        }
        slash[slash == given] = 0; /* keeps the root's slash */
    }
    *out = *rest ? join(real, rest) : mem_str(real);
out:
    free(given);
    free(rest);
    free(real);
    return rc;
}

/* $variable/tail, else ~/fallback/tail. XDG says that relative values are to be ignored. */
static int xdg(char **out, const char *variable, const char *fallback, const char *tail, struct err *e)
{
    const char *v = env(variable), *home = user_home();
    if (v && *v == '/') {
        *out = join(v, tail);
        return 0;
    }
    if (!home) {
        err_set(e, ERR_USAGE, "neither CODEASK_HOME nor HOME is set");
        err_hint(e, "set CODEASK_HOME to a folder on a local disk");
        return ERR_USAGE;
    }
    char *dir = join(home, fallback);
    *out = join(dir, tail);
    free(dir);
    return 0;
}

/* A folder that only this user can use. */
static bool private_dir(const char *path)
{
    struct stat st;
    return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

static int place_socket(struct paths *p, struct err *e)
{
    struct sockaddr_un un;
    p->socket = join(p->home, "codeaskd.sock");
    if (strlen(p->socket) < sizeof un.sun_path)
        return 0;
    free(p->socket);
    struct hash128 h = hash128(p->home, strlen(p->home));
    char name[64], dir[64];
    snprintf(name, sizeof name, "%016llx%016llx.sock", (unsigned long long)h.hi, (unsigned long long)h.lo);
    const char *x = env("XDG_RUNTIME_DIR");
    /* a client started without the variable (cron, ssh) must find the daemon of one that had it */
    snprintf(dir, sizeof dir, "/run/user/%u", (unsigned)geteuid());
    const char *const base[] = {x && *x == '/' ? x : dir, dir};
    for (int i = 0; i < 2 && !p->runtime; i++)
        if (private_dir(base[i]) && strlen(base[i]) + strlen("/codeask/") + strlen(name) < sizeof un.sun_path)
            p->runtime = join(base[i], "codeask");
    if (!p->runtime) {
        snprintf(dir, sizeof dir, "/tmp/codeask-%u", (unsigned)geteuid());
        p->runtime = mem_str(dir);
    }
    p->socket = join(p->runtime, name);
    return 0;
}

static int add_models(struct paths *p, const char *dir, struct err *e)
{
    if (p->nmodel_dirs == PATHS_MODEL_DIRS)
        return err_set(e, ERR_LIMIT, "CODEASK_MODELS names more than %d folders", PATHS_MODEL_DIRS - 4);
    p->model_dirs[p->nmodel_dirs++] = mem_str(dir);
    return 0;
}

static int place_models(struct paths *p, struct err *e)
{
    p->model_dirs = mem_zero(PATHS_MODEL_DIRS, sizeof *p->model_dirs);
    p->models = join(p->home, "models");
    int rc = add_models(p, p->models, e);
    for (const char *s = env("CODEASK_MODELS"); s && *s && !rc;) {
        size_t n = strcspn(s, ":");
        if (n) { /* absolute now: the daemon leaves this directory */
            char *given = mem_strn(s, n), *real = NULL;
            rc = canonical(&real, "CODEASK_MODELS", given, e);
            if (!rc)
                rc = add_models(p, real, e);
            free(given);
            free(real);
        }
        s += n + (s[n] == ':');
    }
    if (!rc && p->nmodel_dirs > PATHS_MODEL_DIRS - 3)
        rc = err_set(e, ERR_LIMIT, "CODEASK_MODELS names more than %d folders", PATHS_MODEL_DIRS - 4);
    char *beside = join(p->program_dir, "share/codeask/models");
    char *prefix = join(p->program_dir, "../share/codeask/models");
    if (!rc && *p->program_dir)
        rc = add_models(p, beside, e);
    if (!rc && *p->program_dir)
        rc = add_models(p, prefix, e);
    if (!rc)
        rc = add_models(p, "/usr/share/codeask/models", e);
    free(beside);
    free(prefix);
    return rc;
}

int paths_open(struct paths *out, struct err *e)
{
    struct paths p = {0};
    char *given = NULL, exe[PATH_MAX];
    int rc = 0;
    if (env("CODEASK_HOME"))
        given = mem_str(env("CODEASK_HOME"));
    else
        rc = xdg(&given, "XDG_DATA_HOME", ".local/share", "codeask", e);
    if (!rc)
        rc = canonical(&p.home, "CODEASK_HOME", given, e);
    if (rc)
        goto out;
    if (env("CODEASK_CONFIG"))
        rc = canonical(&p.config, "CODEASK_CONFIG", env("CODEASK_CONFIG"), e);
    else if (env("CODEASK_HOME"))
        p.config = join(p.home, "config");
    else
        rc = xdg(&p.config, "XDG_CONFIG_HOME", ".config", "codeask/config", e);
    if (rc)
        goto out;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = 0;
    char *slash = strrchr(exe, '/'); /* a " (deleted)" after an upgrade hangs on the file's name only */
    if (slash)
        slash[slash == exe] = 0;
    p.program_dir = mem_str(slash ? exe : "");
    rc = place_socket(&p, e);
    if (!rc)
        rc = place_models(&p, e);
out:
    free(given);
    if (rc)
        paths_close(&p);
    else
        *out = p;
    return rc;
}

void paths_close(struct paths *p)
{
    for (size_t i = 0; i < p->nmodel_dirs; i++)
        free(p->model_dirs[i]);
    free(p->model_dirs);
    free(p->home);
    free(p->config);
    free(p->socket);
    free(p->runtime);
    free(p->models);
    free(p->program_dir);
    *p = (struct paths){0};
}

int paths_make(const struct paths *p, struct err *e)
{
    struct stat st;
    int rc = paths_check_local(p->home, e);
    if (!rc)
        rc = dir_make(p->home, 0700, e);
    if (rc)
        return rc;
    if (!stat(p->home, &st) && (st.st_uid != geteuid() || st.st_mode & 022)) {
        err_set(e, ERR_DENIED, "the home %s belongs to another user or can be written by others", p->home);
        err_hint(e, "chmod 700 it, or set CODEASK_HOME to a folder of your own");
        return ERR_DENIED;
    }
    rc = dir_make(p->models, 0700, e);
    if (rc || !p->runtime)
        return rc;
    /* one level only: its parent is /tmp or this user's runtime directory */
    if (mkdir(p->runtime, 0700) && errno != EEXIST)
        return err_errno(e, errno, "making the directory %s", p->runtime);
    if (!private_dir(p->runtime)) {
        err_set(e, ERR_DENIED, "%s is not a folder that only this user can use", p->runtime);
        err_hint(e, "remove it, or give CODEASK_HOME a path shorter than %d bytes",
                 (int)(sizeof((struct sockaddr_un *)0)->sun_path - sizeof "/codeaskd.sock"));
        return ERR_DENIED;
    }
    return 0;
}

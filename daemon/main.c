/* codeaskd. The same binary is the daemon, the processes of the engine and the cut workers: what it is stands in argv. */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/loop.h"
#include "daemon/once.h"
#include "engine/engine.h"
#include "engine/process/tune.h"
#include "indexer/mirror.h"
#include "indexer/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_BYTES_MAX (4 << 20) /* the log of an autostarted daemon is set aside past it: codeaskd.log.1 */

/* Blocks of this size are given back to the system when they are freed, and so is as much at the end of a heap. Set once, for glibc raises
 * both with each large block that is freed, up to 32 MB: then every thread keeps what its largest request or merge took. Over 10,000 edits
 * with questions the daemon grew from 16 to 23 MB; like this it stays at 9. */
#define GIVEN_BACK (256 << 10)

/* Heaps that threads share. glibc's own limit is eight a core, and each comes to hold what its busiest thread once took. */
#define HEAPS 4

static const char help[] =
    "usage: codeaskd [--home DIR] [--foreground] [--serve | --listen HOST:PORT]\n"
    "\n"
    "The daemon of codeask: indexes repositories and answers. `codeask` starts it when it is needed.\n"
    "\n"
    "  --home DIR      the data folder (default: $CODEASK_HOME, else the XDG data directory)\n"
    "  --foreground    stay on the terminal and log there (what happens without --autostart anyway)\n"
    "  --serve         answer over HTTP, where `listen` of the configuration says, else on " HTTP_DEFAULT "\n"
    "  --listen HOST:PORT  answer over HTTP there\n"
    "  --autostart FD  started by a client: logs to codeaskd.log in the home, ends when idle, reports on FD\n"
    "  --once METHOD PARAMS  run one request without a socket and print its result\n"
    "  --version, --help\n";

struct args {
    const char *home;
    int ready_fd; /* -1: not autostarted */
    const char *method, *params;
    bool serve;
    const char *listen;
};

static int usage(const char *what)
{
    fprintf(stderr, "codeaskd: %s\n  try: codeaskd --help\n", what);
    return 2;
}

/* A number of a descriptor; -1 where it is none. */
static int fd_of(const char *s)
{
    char *end;
    long fd = s ? strtol(s, &end, 10) : -1;
    return s && *s && !*end && fd >= 0 && fd <= INT_MAX ? (int)fd : -1;
}

/* 0: go on; else the exit status + 1. */
static int parse(struct args *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--help")) {
            fputs(help, stdout);
            return 1;
        } else if (!strcmp(argv[i], "--version")) {
            printf("codeaskd %s\n", CODEASK_VERSION);
            return 1;
        } else if (!strcmp(argv[i], "--home") && next) {
            a->home = next;
            i++;
        } else if (!strcmp(argv[i], "--foreground")) {
            ;
        } else if (!strcmp(argv[i], "--autostart")) {
            if ((a->ready_fd = fd_of(next)) < 0)
                return usage("--autostart is for clients: it wants a descriptor") + 1;
            fcntl(a->ready_fd, F_SETFD, FD_CLOEXEC);
            i++;
        } else if (!strcmp(argv[i], "--serve")) {
            a->serve = true;
        } else if (!strcmp(argv[i], "--listen") && next) {
            a->serve = true;
            a->listen = next;
            i++;
        } else if (!strcmp(argv[i], "--once") && i + 2 < argc) {
            a->method = argv[i + 1];
            a->params = argv[i + 2];
            i += 2;
        } else {
            return usage("wrong arguments") + 1;
        }
    }
    return 0;
}

static void put_json(FILE *f, const char *s)
{
    for (fputc('"', f); *s; s++)
        if ((unsigned char)*s < 32)
            fprintf(f, "\\u%04x", *s);
        else if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else
            fputc(*s, f);
    fputc('"', f);
}

/* To the client that started us, or to the terminal. */
static int fail(const struct args *a, const struct err *e)
{
    if (a->ready_fd >= 0) {
        FILE *f = fdopen(a->ready_fd, "w");
        if (f) {
            fprintf(f, "{\"code\":\"%s\",\"message\":", err_name(e->code));
            put_json(f, e->message);
            fputs(",\"hint\":", f);
            put_json(f, e->hint);
            fputs("}\n", f);
            fclose(f);
        }
        log_err(LOG_ERROR, "codeaskd", e);
    } else {
        fprintf(stderr, "codeaskd: %s\n", e->message);
        if (e->hint[0])
            fprintf(stderr, "  %s\n", e->hint);
    }
    return 2;
}

/* How much of it is wanted stands in the configuration, which is read later. */
static int open_log(const struct args *a, const struct paths *p)
{
    char path[PATH_MAX], old[PATH_MAX + 2];
    struct stat st;
    int fd = STDERR_FILENO;
    if (a->ready_fd >= 0) {
        snprintf(path, sizeof path, "%s/codeaskd.log", p->home);
        snprintf(old, sizeof old, "%s.1", path);
        if (!stat(path, &st) && st.st_size > LOG_BYTES_MAX)
            rename(path, old);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
            fd = STDERR_FILENO;
        else
            dup2(fd, STDERR_FILENO); /* what libraries and children print */
    }
    log_open(fd, LOG_WARN);
    return fd;
}

static void ready(void *arg, const char *url, const char *fingerprint)
{
    struct args *a = arg;
    if (url && a->ready_fd < 0)
        fprintf(stderr, "codeaskd: listens on %s%s%s\n", url, fingerprint ? ", certificate SHA-256 " : "", fingerprint ? fingerprint : "");
    if (a->ready_fd >= 0)
        close(a->ready_fd); /* without a word: the client may connect */
    a->ready_fd = -1;
}

static void give_memory_back(void)
{
    mallopt(M_MMAP_THRESHOLD, GIVEN_BACK);
    mallopt(M_TRIM_THRESHOLD, GIVEN_BACK);
    mallopt(M_ARENA_MAX, HEAPS);
}

static int run(struct args *a)
{
    struct paths p = {0};
    struct config c = {0};
    struct err e = {0};
    char program[PATH_MAX];
    bool autostarted = a->ready_fd >= 0;
    int rc, log_fd, status = 0;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return fail(a, (err_errno(&e, errno, "/proc/self/exe"), &e));
    program[n] = 0;
    if (a->home && setenv("CODEASK_HOME", a->home, 1))
        return fail(a, (err_errno(&e, errno, "--home"), &e));
    unsetenv("CODEASK_TOKEN"); /* clients tell theirs; no child needs one */
    umask(077);
    if ((rc = paths_open(&p, &e)) || (rc = paths_make(&p, &e)))
        goto out;
    if (a->method && once_alone(&status, &p, a->method, a->params)) /* before the configuration: that may be what is broken */
        goto out;
    log_fd = open_log(a, &p);
    if ((rc = service_settle(&p, &e)) || (rc = config_open(&c, p.config, &e)))
        goto out;
    log_open(log_fd, (enum log_level)c.log_level);
    if (autostarted && chdir("/"))
        log_line(LOG_WARN, "chdir: /");
    if (a->method) {
        struct service_options o = {.paths = &p, .config = &c, .program = program};
        status = once_run(&o, a->method, a->params);
    } else {
        const char *listen_at = a->listen ? a->listen : *c.listen ? c.listen : a->serve ? HTTP_DEFAULT : NULL;
        struct loop_options o = {.paths = &p, .config = &c, .program = program, .listen = listen_at, .autostarted = autostarted,
                                 .ready = ready, .ready_arg = a};
        rc = loop_run(&o, &e);
    }
out:
    if (rc)
        status = fail(a, &e);
    config_close(&c);
    paths_close(&p);
    return status;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && !strcmp(argv[1], "--engine"))
        return engine_main(ENGINE_FD);
    if (argc >= 2 && !strcmp(argv[1], TUNE_ARG))
        return tune_main(ENGINE_FD);
    if (argc >= 2 && !strcmp(argv[1], POOL_WORKER_ARG))
        return cut_worker_main(POOL_WORKER_FD);
    if (argc >= 2 && !strcmp(argv[1], MIRROR_WORKER_ARG))
        return mirror_worker_main(POOL_WORKER_FD);
    struct args a = {.ready_fd = -1};
    give_memory_back();
    signal(SIGPIPE, SIG_IGN);
    int said = parse(&a, argc, argv);
    return said ? said - 1 : run(&a);
}

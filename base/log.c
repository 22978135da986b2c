#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* the one process-wide setting: set once at start, read by every thread */
static _Atomic int log_fd = STDERR_FILENO, log_upto = LOG_WARN;

void log_open(int fd, enum log_level upto)
{
    log_fd = fd;
    log_upto = (int)upto;
}

static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT}; /* of a pipe: at least PIPE_BUF bytes, which are two lines */
    return poll(&p, 1, 0) != 0;
}

static void put(const char *line, size_t n)
{
    static _Atomic unsigned lost;
    if (!has_room(log_fd)) {
        lost++;
        return;
    }
    unsigned before = atomic_exchange(&lost, 0);
    char head[64];
    int m = before ? snprintf(head, sizeof head, "(%u lines were lost: nobody read them)\n", before) : 0;
    struct iovec v[2] = {{head, (size_t)m}, {(void *)line, n}};
    ssize_t done = writev(log_fd, m ? v : v + 1, m ? 2 : 1);
    (void)done; /* a log that can't be written has nowhere to say so */
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const name[] = {"error", "warn", "info", "debug"};
    if ((int)level > log_upto)
        return;
    char line[2048];
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s ", t.tv_nsec / 1000000, name[level]);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    n = m < 0 ? n : n + (size_t)m < sizeof line - 1 ? n + (size_t)m : sizeof line - 2;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 32)
            line[i] = ' ';
    line[n++] = '\n';
    put(line, n);
}

void log_err(enum log_level level, const char *what, const struct err *e)
{
    log_line(level, "%s: %s: %s%s%s", what, err_name(e->code), e->message, e->hint[0] ? "; " : "", e->hint);
}

#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* the one process-wide setting: set once at start, read by every thread */
static _Atomic int log_fd = STDERR_FILENO, log_upto = LOG_WARN;

void log_open(int fd, enum log_level upto)
{
    log_fd = fd;
    log_upto = (int)upto;
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
    ssize_t put = write(log_fd, line, n);
    (void)put; /* a log that can't be written has nowhere to say so */
}

void log_err(enum log_level level, const char *what, const struct err *e)
{
    log_line(level, "%s: %s: %s%s%s", what, err_name(e->code), e->message, e->hint[0] ? "; " : "", e->hint);
}

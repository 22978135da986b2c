/* The program's log: one line an event on a file descriptor. Never write questions, code, tokens or secrets at any level:
 * names of repositories and paths are allowed from LOG_INFO on. Thread-safe (one write(2) a line). Nobody waits for
 * who reads it: where a pipe is full, lines are lost, and the next one that goes out is preceded by how many. */
#ifndef CODEASK_BASE_LOG_H
#define CODEASK_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_open(int fd, enum log_level upto); /* default: stderr, LOG_WARN */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_err(enum log_level level, const char *what, const struct err *e);

#endif

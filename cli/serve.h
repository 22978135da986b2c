/* `codeask serve`: becomes the daemon of the home, answering over HTTP. */
#ifndef CODEASK_CLI_SERVE_H
#define CODEASK_CLI_SERVE_H

#include "base/err.h"
#include "config/paths.h"

/* listen: HOST:PORT or NULL. A daemon that a command started is drained first; one that somebody runs stays, and is an error. Returns only
 * then. */
int serve(const struct paths *p, const char *listen, struct err *e);

#endif

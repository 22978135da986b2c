/* Carries another protocol's bytes between standard input and output and the daemon, which speaks it (`codeask mcp`, `codeask lsp`). */
#ifndef CODEASK_CLI_CARRY_H
#define CODEASK_CLI_CARRY_H

#include "base/err.h"
#include "config/paths.h"

/* protocol: as the daemon calls it; dir: what questions are about. Starts the daemon where none runs. Returns 0 when standard input
 * ends or the protocol does, ERR_CRASHED when the daemon does. A protocol that ends with an exit status sends "\0" and its digit last. */
int carry(int *status, const struct paths *p, const char *protocol, const char *dir, struct err *e);

#endif

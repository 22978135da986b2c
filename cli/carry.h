/* Carries another protocol's bytes between standard input and output and the daemon, which speaks it (`codeask mcp`, `codeask lsp`). */
#ifndef CODEASK_CLI_CARRY_H
#define CODEASK_CLI_CARRY_H

#include "base/err.h"
#include "config/paths.h"

/* protocol: as the daemon calls it; dir: what questions are about. Starts the daemon where none runs; when it ends, the next one is met as
 * soon as the client waits for an answer, and told what the client has said (cli/replay.h). Returns 0 when standard input ends or the
 * protocol does, ERR_FORMAT where messages could not be told apart any more. A protocol that ends with an exit status sends "\0" and its
 * digit last. */
int carry(int *status, const struct paths *p, const char *protocol, const char *dir, struct err *e);

#endif

/* `codeask editor install|uninstall NAME`: the configuration that an editor starts codeask by. */
#ifndef CODEASK_CLI_EDITOR_H
#define CODEASK_CLI_EDITOR_H

#include "base/buf.h"
#include "cli/text.h"
#include "config/paths.h"

/* Appends to out what was done or, dry, what would change, as a diff; *status 0. ERR_DENIED: something is there that is not ours to
 * replace. Nothing is written then. */
int editor_change(struct buf *out, int *status, const struct look *l, const struct paths *p, const char *name, bool install, bool dry, struct err *e);

#endif

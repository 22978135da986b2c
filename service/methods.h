/* The rows of methods[]: one row a request. The command line, the socket, the man page and the shell completion read the
 * same rows (later: MCP). This header and methods.c stand alone (base only), so that the client links no more than this;
 * the functions behind the rows are bound in service/dispatch.c.
 *
 * To add a request: a row in methods.c, a file service/method_<name>.c, a line in dispatch.c. */
#ifndef CODEASK_SERVICE_METHODS_H
#define CODEASK_SERVICE_METHODS_H

#include <stdbool.h>
#include <stddef.h>

enum flag_type { FLAG_BOOL, FLAG_INT, FLAG_STRING, FLAG_STRINGS /* may be repeated */, FLAG_DIR /* resolved by the client */ };

struct method_flag {
    const char *name;        /* "limit": --limit on the command line, "limit" in params */
    char letter;             /* 'C' for -C, or 0 */
    enum flag_type type;
    const char *argument;    /* "N", shown in help; NULL for FLAG_BOOL */
    const char *help;
};

struct method {
    const char *name;        /* "search"; "repo add" is "repo.add" in params and on the socket */
    const char *arguments;   /* "QUERY|-", shown in help; NULL: takes none */
    const char *params;      /* names of positional arguments in params, space-separated; a last one with "…" takes the rest
                                joined by spaces */
    const char *help;        /* one line */
    const char *detail;      /* paragraphs for the man page; may be NULL */
    const struct method_flag *flags; /* ended by a NULL name */
    bool starts_daemon;      /* false: works on a running one, or in the client itself */
    bool local;              /* done by the client without the daemon's method (stop, doctor, inspect …) */
};

extern const struct method methods[]; /* ended by a NULL name */
const struct method *method_named(const char *name); /* NULL when unknown */

/* The first message both ways on the socket: {"codeask":PROTOCOL_VERSION,"build":…} */
#define PROTOCOL_VERSION 1

#endif

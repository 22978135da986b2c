/* The command line, read by the rows of methods[]. */
#ifndef CODEASK_CLI_OPTIONS_H
#define CODEASK_CLI_OPTIONS_H

#include "base/err.h"
#include "service/methods.h"

#include <jansson.h>
#include <stdbool.h>

enum want { WANT_RUN, WANT_HELP, WANT_VERSION, WANT_COMPLETION };

struct command {
    enum want want;
    const struct method *row;  /* WANT_RUN; WANT_HELP: of one command, or NULL */
    const char *topic;         /* WANT_COMPLETION: the shell, or "man" */
    json_t *params;            /* ready to send, standard input aside */
    bool json, reads_stdin;
    const char *meant;         /* the command that the first word of a question is close to, or NULL */
};

/* ERR_USAGE with the way out. Release with command_release in either case; json tells what was wanted even then. */
int command_parse(struct command *out, int argc, char **argv, struct err *e);
void command_release(struct command *c);

/* The nearest of the rows' names (or NULL-terminated words) within one or two slips of a word; NULL when none is near. */
const char *near_command(const char *word);
const char *near_word(const char *word, const char *const *words);

/* "all-repos" -> "all_repos" */
void param_name(char out[64], const char *flag);

#endif

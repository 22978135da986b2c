/* One command of the user, from parsed words to an exit status. */
#ifndef CODEASK_CLI_RUN_H
#define CODEASK_CLI_RUN_H

/* 0 found or answered, 1 nothing found, 2 wrong usage or failure, 130 interrupted. */
int cli_run(int argc, char **argv);

#endif

/* A bar on standard error while work goes on; quiet where that is no terminal. */
#ifndef CODEASK_CLI_PROGRESS_H
#define CODEASK_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool tty, color, shown;
    int width;
    int64_t began_ns, drawn_ns;
    char stage[32];
    int64_t stage_ns;
};

void progress_open(struct progress *p);
void progress_show(void *progress, json_t *event);
void progress_close(struct progress *p); /* wipes the line */

#endif

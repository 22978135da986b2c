/* An answer that a model writes, shown as it comes: on a terminal the sources at once, then each block of Markdown when it is
 * whole; elsewhere the text as it is. */
#ifndef CODEASK_CLI_STREAM_H
#define CODEASK_CLI_STREAM_H

#include "cli/progress.h"
#include "cli/text.h"

#include <stdio.h>

struct stream {
    const struct look *look;
    struct progress *bar;   /* wiped before anything is written */
    FILE *to;
    json_t *first;          /* the extractive answer, whose citations were listed */
    struct buf text;        /* what came and is not shown: less than a block */
    size_t scanned;         /* bytes of it that hold no end of a block */
    char fence;             /* of the block of code that is open in them; 0 */
    bool wrote, listed;     /* of the text; of citations */
};

void stream_open(struct stream *s, const struct look *l, struct progress *bar, FILE *to);
void stream_part(void *stream, json_t *part); /* a client_watch's */
/* What is left of the result, to out. */
void stream_end(struct stream *s, struct buf *out, json_t *result);
void stream_release(struct stream *s);

#endif

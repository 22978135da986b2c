/* What status shows of a repository and has to be counted row by row: remembered, so that status may be asked again and again. */
#ifndef CODEASK_SERVICE_COUNTS_H
#define CODEASK_SERVICE_COUNTS_H

#include "service/core.h"
#include "store/disk.h"

/* While the store changes, counting may take one part in this many of the time: a count is up to so many times as old as it took.
 * One that took less than COUNTS_QUICK_NS is always made anew. */
#define COUNTS_REST_SHARE 20
#define COUNTS_QUICK_NS 10000000

struct counts_row {
    uint64_t quarantined; /* occurrences in the view */
    struct repo_disk disk;
};

struct counts;
struct counts *counts_new(void);
void counts_free(struct counts *c); /* accepts NULL */
/* Of the repository's view. Exact where nothing was written since it was counted, or counting is quick. Any thread. */
void counts_of(struct counts_row *out, struct counts *c, struct store *s, uint32_t repo, uint32_t view);

#endif

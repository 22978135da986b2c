/* The pass over all vectors that searches share. Reading them is what a scan costs: eight questions at once cost about what one
 * does (kernels/scan.h). Nobody waits for company: a search begins at once, one that comes while others are under way joins them at
 * the run they have come to and goes round to where it began, and every run is read once for all who still lack it, by
 * whichever of their threads is free. So two searches on two cores read half of the vectors each. */
#ifndef CODEASK_RETRIEVER_JOINT_H
#define CODEASK_RETRIEVER_JOINT_H

#include "retriever/rows.h"

#include <pthread.h>

struct joint_pass;
struct joint {
    pthread_mutex_t lock;
    struct joint_pass *pass; /* those under way, each over other runs (the store moved on) or full */
};

void joint_init(struct joint *j);
void joint_release(struct joint *j); /* nothing may be under way */

/* Scores of one question with all rows, the same to the bit whoever is beside it. q: int8 [dim] with its scale; the rows' transaction is
 * open; all: [rows]. Blocks; from any thread. */
void joint_scan(struct joint *j, const struct dense_rows *rows, const int8_t *q, float scale, float *all);

#endif

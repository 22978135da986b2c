/* What a read transaction sees of unsaved texts; private to store/. */
#ifndef CODEASK_STORE_UNSAVED_INSIDE_H
#define CODEASK_STORE_UNSAVED_INSIDE_H

#include "store/batch.h"
#include "store/unsaved.h"

struct unsaved_row {
    uint32_t view;
    struct str path; /* owned */
    struct unsaved_text *text; /* NULL: nothing stands there */
};

struct unsaved {
    struct unsaved_row *row; /* by view, then in the order of occ's keys */
    size_t n, cap;
};

/* NULL: not one of them. */
const struct unsaved_text *unsaved_find(const struct unsaved *u, uint32_t cut);
struct str unsaved_record(const struct unsaved_text *x); /* as in the table cut */
struct str unsaved_packed(const struct unsaved_text *x); /* as in the table text */
int unsaved_segment(struct segment *out, const struct unsaved_text *x, struct err *e); /* no bytes: nothing to find in it */
/* The rows of a view, as occurrences. NULL: there are none. below: the stored one under that path (NULL), whose attributes it keeps. */
const struct unsaved_row *unsaved_rows(const struct unsaved *u, uint32_t view, size_t *n);
struct occ unsaved_occ(const struct unsaved_row *r, const struct occ *below);
int unsaved_order(struct str a, struct str b); /* of paths, as occ's keys are ordered */

/* batch.c: of a batch of one cut */
struct str batch_record(const struct cut_batch *b);
struct str batch_text(const struct cut_batch *b);
struct buf *batch_segment(struct cut_batch *b);

#endif

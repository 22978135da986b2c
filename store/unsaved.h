/* Texts that are not saved: contents in memory that stand, under their paths, in the place of what a view has, for the read transactions
 * that are given them and for no other. Their cuts and segments have ids above all that the store gives. Nothing of them reaches the disk.
 *
 * Threads: a text and a set are immutable once made and counted by reference; a set is filled by one thread before it is shared. */
#ifndef CODEASK_STORE_UNSAVED_H
#define CODEASK_STORE_UNSAVED_H

#include "store/view.h"

#define UNSAVED_FIRST 0x80000000u /* ids of cuts and segments from here on */

static inline bool cut_is_unsaved(uint32_t cut)
{
    return cut >= UNSAVED_FIRST;
}

struct unsaved_text;
/* Copies what it needs. The key's oid is what results name as the content. */
int unsaved_text_new(struct unsaved_text **out, const struct cut_new *c, struct err *e);
struct unsaved_text *unsaved_text_hold(struct unsaved_text *x); /* one reference more */
void unsaved_text_drop(struct unsaved_text *x);                 /* accepts NULL */
const struct oid *unsaved_text_oid(const struct unsaved_text *x);
/* Appends the text as it was given, which is with its secrets masked. */
int unsaved_text_read(struct buf *out, const struct unsaved_text *x, struct err *e);

/* Which texts stand where. */
struct unsaved;
struct unsaved *unsaved_new(void);
/* Of two under one path the later one counts. path: as in view.h, copied. x: held; NULL: nothing stands there, whatever the view has. */
void unsaved_add(struct unsaved *u, uint32_t view, struct str path, struct unsaved_text *x);
void unsaved_drop(struct unsaved *u); /* accepts NULL */
size_t unsaved_count(const struct unsaved *u, uint32_t view); /* paths over that view; u may be NULL */
/* Another number for every other overlay of that view; 0 where there is none (u may be NULL). */
uint64_t unsaved_stamp(const struct unsaved *u, uint32_t view);
/* From here on t sees the views with u over them. u (may be NULL) must live until t ends. */
void txn_see(struct txn *t, const struct unsaved *u);

#endif

/* Feedback: what people said of answers, kept for evaluation and tuning. In state.mdb, for it cannot be derived.
 *
 * Table feedback: id u64 (big-endian; wall clock in ns when it was given, made larger than the last) -> one JSON object,
 * written and read by service/method_feedback.c. */
#ifndef CODEASK_STORE_FEEDBACK_H
#define CODEASK_STORE_FEEDBACK_H

#include "store/store.h"

/* Durable when it returns. *id may be NULL. */
int feedback_add(uint64_t *id, struct store *s, const void *json, size_t n, struct err *e);
/* In the order of time; json is borrowed for the call. Stops on non-zero, which it returns. */
int feedback_each(struct store *s, int (*each)(void *arg, uint64_t id, struct str json), void *arg, struct err *e);
int feedback_count(uint64_t *n, struct store *s, struct err *e);

#endif

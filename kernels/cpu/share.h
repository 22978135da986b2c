/* How the team of a queue shares one op: by rows, by columns of a product, by heads. Every part computes whole results in the order
 * that one thread would, so nothing depends on how an op is cut or on who takes a part.
 *
 * A part works on a member: the queue again, with scratch of its own. */
#ifndef CODEASK_KERNELS_CPU_SHARE_H
#define CODEASK_KERNELS_CPU_SHARE_H

#include "kernels/cpu/cpu.h"

#define SHARE_MATS 3

/* An op over rows, as one part of it sees it. */
struct call {
    struct mat mat[SHARE_MATS]; /* that move with the rows; data NULL: none */
    const void *how;
    const void *beside[2];      /* what does not move: cache, pages, experts' rows */
    struct rows rows;
    uint32_t from;              /* the part's first row */
    uint32_t used[2];
};
typedef void (*call_fn)(struct cpu_queue *member, struct call *c);

/* fn for all rows in use, in parts of consecutive ones. row_ns: about what one takes. */
void share_rows(struct cpu_queue *q, call_fn fn, const struct call *c, const struct rows *r, double row_ns);

/* fn(member, arg, from, to) over [0, n), in parts of `step` at a time or multiples of it, that together take about ns. */
typedef void (*span_fn)(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to);
void share_spans(struct cpu_queue *q, span_fn fn, void *arg, uint32_t n, uint32_t step, double ns);

static inline uint32_t share_threads(const struct cpu_queue *q) { return q->team ? team_threads(q->team) : 1; }
static inline struct mat mat_or_none(const struct mat *m) { return m ? *m : (struct mat){0}; }
static inline struct mat *mat_of(struct call *c, int i) { return c->mat[i].data ? &c->mat[i] : NULL; }

uint32_t share_wanted(const struct bounds *b); /* threads of a queue */
int share_open(struct cpu_queue *q, struct err *e); /* of q->bounds.threads: the team and its members */
void share_close(struct cpu_queue *q);

#endif

#include "kernels/cpu/share.h"
#include "base/mem.h"

#include <stdlib.h>

/* What a part must take at least: some hand-overs of a team (1 to 2 µs each, scripts/bench team.handoff). */
#define PART_NS 8000
#define THREADS_MOST 256
/* Parts for each thread: where another process takes one of the cores, who has one takes more of them. */
#define PARTS_EACH 8

struct spans {
    struct cpu_queue *q;
    span_fn fn;
    void *arg;
    uint32_t n, each;
};

static void one_part(void *arg, uint32_t part, uint32_t thread)
{
    const struct spans *s = arg;
    uint32_t from = part * s->each, left = s->n - from;
    s->fn(&s->q->member[thread], s->arg, from, from + (left < s->each ? left : s->each));
}

void share_spans(struct cpu_queue *q, span_fn fn, void *arg, uint32_t n, uint32_t step, double ns)
{
    if (n == 0)
        return;
    double parts = ns / q->part_ns, most = share_threads(q) == 1 ? 1 : (double)share_threads(q) * PARTS_EACH;
    parts = parts > most ? most : parts < 2 ? 1 : parts;
    uint32_t each = (uint32_t)((double)n / parts) + 1;
    struct spans s = {q, fn, arg, n, round_up(each < n ? each : n, step)};
    if (s.each >= n)
        fn(q, arg, 0, n);
    else
        team_run(q->team, (n + s.each - 1) / s.each, one_part, &s);
}

static size_t row_bytes(const struct mat *m)
{
    return m->stride * (size_t)(m->type == TYPE_F32 ? 4 : m->type == TYPE_Q8 ? 1 : 2);
}

struct rows_call {
    call_fn fn;
    const struct call *c;
    const struct rows *r;
};

static void some_rows(struct cpu_queue *member, void *arg, uint32_t from, uint32_t to)
{
    const struct rows_call *all = arg;
    const struct rows *r = all->r;
    struct call c = *all->c;
    for (int i = 0; i < SHARE_MATS; i++) {
        struct mat *m = &c.mat[i];
        if (m->data == NULL)
            continue;
        m->data = (char *)m->data + from * row_bytes(m);
        m->quant = m->type == TYPE_Q8 ? m->quant + (size_t)from * (m->stride / QUANT_BLOCK) : NULL;
    }
    c.from = from;
    c.used[0] = to - from;
    c.rows = (struct rows){.used = c.used, .token = r->token ? r->token + from : NULL,
                           .position = r->position ? r->position + from : NULL,
                           .sequence = r->sequence ? r->sequence + from : NULL, .type = r->type ? r->type + from : NULL,
                           .max_rows = to - from, .max_sequences = r->max_sequences, .longest = r->longest};
    all->fn(member, &c);
}

void share_rows(struct cpu_queue *q, call_fn fn, const struct call *c, const struct rows *r, double row_ns)
{
    struct rows_call all = {fn, c, r};
    share_spans(q, some_rows, &all, r->used[0], 1, r->used[0] * row_ns);
}

uint32_t share_wanted(const struct bounds *b)
{
    return b->threads == 0 ? 1 : b->threads > THREADS_MOST ? THREADS_MOST : b->threads;
}

int share_open(struct cpu_queue *q, struct err *e)
{
    uint32_t threads = share_wanted(&q->bounds);
    size_t scratch = queue_scratch(q->dev, &q->bounds) / sizeof *q->scratch;
    int rc = threads > 1 ? team_open(&q->team, threads, e) : 0;
    if (rc)
        return rc;
    q->part_ns = PART_NS;
    threads = share_threads(q);
    q->member = mem_zero(threads, sizeof *q->member);
    for (uint32_t i = 0; i < threads; i++) {
        struct cpu_queue *m = &q->member[i];
        *m = *q;
        m->sums += i * scratch;
        m->scratch += i * scratch;
        m->tile += i * scratch;
        m->team = NULL;
    }
    return 0;
}

void share_close(struct cpu_queue *q)
{
    team_close(q->team);
    free(q->member);
}

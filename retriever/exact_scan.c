#define _GNU_SOURCE /* memrchr, memmem */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "retriever/exact_scan.h"

#include "base/mem.h"
#include "retriever/exact_plan.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JIT_STACK ((size_t)1 << 20)

struct pattern {
    pcre2_code *code;
    bool lines; /* a match stays in one line */
};

int pattern_new(struct pattern **out, struct str text, bool literal, struct err *e)
{
    int number;
    PCRE2_SIZE at;
    uint32_t how = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | (literal ? PCRE2_LITERAL : PCRE2_MULTILINE | PCRE2_UCP);
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);
    pcre2_set_newline(c, PCRE2_NEWLINE_ANYCRLF);
    struct pattern *p = mem_zero(1, sizeof *p);
    p->code = pcre2_compile((PCRE2_SPTR)text.p, text.n, how, &number, &at, c);
    p->lines = !literal && !plan_spans_lines(text);
    pcre2_compile_context_free(c);
    *out = p;
    if (p->code) {
        pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
        return 0;
    }
    char why[200];
    pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
    free(p);
    *out = NULL;
    int rc = err_set(e, ERR_USAGE, "the expression is wrong at character %zu: %s", (size_t)at + 1, why);
    err_hint(e, "leave --regex out to look for words, or put plain text in \"quotes\"");
    return rc;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p);
}

/* What a thread needs of its own. */
struct hand {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    struct unpacker *unpacker;
    struct buf text;
};

static void hand_init(struct hand *h)
{
    *h = (struct hand){.data = pcre2_match_data_create(1, NULL), .context = pcre2_match_context_create(NULL),
                       .stack = pcre2_jit_stack_create(32 << 10, JIT_STACK, NULL), .unpacker = unpacker_new()};
    pcre2_set_match_limit(h->context, SCAN_STEPS);
    pcre2_jit_stack_assign(h->context, NULL, h->stack);
}

static void hand_release(struct hand *h)
{
    pcre2_match_data_free(h->data);
    pcre2_match_context_free(h->context);
    pcre2_jit_stack_free(h->stack);
    unpacker_free(h->unpacker);
    buf_release(&h->text);
}

/* 1 with the span of the next match at or after from in the first n bytes; 0; ERR_LIMIT. */
static int next_match(size_t span[2], struct hand *h, const struct pattern *p, const char *text, size_t n, size_t from)
{
    int rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, from, 0, h->data, h->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0)
        return ERR_LIMIT;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(h->data);
    span[0] = v[0];
    span[1] = v[1] > v[0] ? v[1] : v[0];
    return 1;
}

static size_t line_start(const char *text, size_t at)
{
    const char *nl = at ? memrchr(text, '\n', at) : NULL;
    return nl ? (size_t)(nl - text) + 1 : 0;
}

static size_t line_end(const char *text, size_t n, size_t at)
{
    const char *nl = at < n ? memchr(text + at, '\n', n - at) : NULL;
    return nl ? (size_t)(nl - text) : n;
}

/* The end of the masked span around a match, or 0. */
static size_t masked(const struct scan_job *j, const size_t span[2])
{
    for (uint32_t i = 0; i < j->nsecrets; i++)
        if (span[0] >= j->secret[i].start && span[1] <= j->secret[i].end && span[0] < j->secret[i].end)
            return j->secret[i].end;
    return 0;
}

static void keep(struct scan_job *j, struct str text, const size_t span[2], uint32_t line)
{
    size_t last = span[1] > span[0] ? span[1] - 1 : span[0];
    size_t from = line_start(text.p, span[0]), to = line_end(text.p, text.n, last);
    uint32_t lines = 0;
    for (size_t i = span[0]; i < last; i++)
        lines += text.p[i] == '\n';
    if (to > from && text.p[to - 1] == '\r')
        to--;
    const char *dots = "\xe2\x80\xa6";
    bool cut_front = false, cut_back = false;
    if (to - from > SCAN_SNIPPET) {
        size_t before = span[0] > from + SCAN_SNIPPET / 4 ? span[0] - SCAN_SNIPPET / 4 : from;
        cut_front = before > from;
        from = before;
        cut_back = to - from > SCAN_SNIPPET;
        to = cut_back ? from + SCAN_SNIPPET : to;
        while (cut_front && from < to && ((unsigned char)text.p[from] & 0xc0) == 0x80)
            from++;
        while (cut_back && to > from && ((unsigned char)text.p[to] & 0xc0) == 0x80)
            to--;
    }
    struct scan_match *m = &j->match[j->n++];
    *m = (struct scan_match){line, line + lines, (uint32_t)j->bytes.len, 0};
    if (cut_front)
        buf_adds(&j->bytes, dots);
    buf_add(&j->bytes, text.p + from, to - from);
    if (cut_back)
        buf_adds(&j->bytes, dots);
    m->n = (uint32_t)j->bytes.len - m->at;
}

/* Each line that begins a match, once. */
static int list(struct scan_job *j, struct hand *h, const struct pattern *p, struct str text, uint32_t limit)
{
    size_t counted = 0, from = 0, span[2], cap = 0;
    uint32_t line = 1;
    int rc;
    while (from < text.n && j->n <= limit && (rc = next_match(span, h, p, text.p, text.n, from)) != 0) {
        if (rc < 0)
            return rc;
        if (span[0] >= text.n && text.p[text.n - 1] == '\n')
            break; /* after the last line's end there is no line */
        size_t start = line_start(text.p, span[0]), end = line_end(text.p, text.n, span[0]);
        bool found = !p->lines || span[1] <= end;
        if (!found) { /* it went over the line's end: is there one that does not? */
            rc = next_match(span, h, p, text.p, end, start > from ? start : from);
            if (rc < 0)
                return rc;
            found = rc > 0;
        }
        size_t skip = found ? masked(j, span) : 0;
        if (skip) {
            from = skip;
            continue;
        }
        if (found) {
            for (const char *nl; (nl = memchr(text.p + counted, '\n', start - counted)) != NULL; line++)
                counted = (size_t)(nl - text.p) + 1;
            counted = start;
            VEC_ROOM(j->match, j->n, cap);
            keep(j, text, span, line);
            end = line_end(text.p, text.n, span[1] > span[0] ? span[1] - 1 : span[0]);
        }
        from = end + 1;
    }
    return 0;
}

/* Whether all of must stand in a text that may still grow; seen: [nmust] how far each was looked for, SIZE_MAX where it was found. */
static bool has_all(const struct scan *s, struct str text, size_t *seen)
{
    bool all = true;
    for (size_t i = 0; i < s->nmust; i++) {
        if (seen[i] == SIZE_MAX)
            continue;
        bool here = memmem(text.p + seen[i], text.n - seen[i], s->must[i].p, s->must[i].n) != NULL;
        size_t reached = text.n >= s->must[i].n ? text.n - s->must[i].n + 1 : 0;
        seen[i] = here ? SIZE_MAX : reached > seen[i] ? reached : seen[i];
        all &= here;
    }
    return all;
}

static struct str text_of(const struct hand *h)
{
    return (struct str){h->text.data ? h->text.data : "", h->text.len};
}

/* A file that holds a common word mostly does so near its top, and unpacking is most of what looking costs. */
static void scan_for(const struct scan *s, struct scan_job *j, struct hand *h)
{
    struct err e;
    size_t seen[SCAN_MUST] = {0};
    j->code = unpacker_begin(h->unpacker, j->packed, &e);
    if (j->code)
        return;
    struct texts *keep = unpacker_left(h->unpacker) >= SCAN_LARGE ? s->large : NULL;
    struct text *kept = keep ? texts_find(keep, j->cut) : NULL;
    if (kept)
        j->n = has_all(s, (struct str){kept->bytes, kept->len}, seen);
    while (!kept && !j->code && !j->n && unpacker_left(h->unpacker)) {
        j->code = unpacker_piece(h->unpacker, &h->text, &e);
        j->n = !j->code && has_all(s, text_of(h), seen);
    }
    if (keep && !kept && !j->code && !unpacker_left(h->unpacker))
        kept = texts_keep(keep, j->cut, text_of(h));
    text_drop(kept);
}

static void scan_one(const struct scan *s, struct scan_job *j, struct hand *h)
{
    struct err e;
    size_t seen[SCAN_MUST] = {0};
    buf_clear(&h->text);
    if (!s->show) {
        scan_for(s, j, h);
        return;
    }
    j->code = unpacker_text(h->unpacker, j->packed, &h->text, &e);
    if (!j->code && has_all(s, text_of(h), seen))
        j->code = list(j, h, s->show, text_of(h), s->limit);
}

struct work {
    const struct scan *s;
    struct scan_job *job;
    size_t n;
    atomic_size_t next;
};

static void *work(void *arg)
{
    struct work *w = arg;
    struct hand h;
    hand_init(&h);
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n && !(w->s->stop && *w->s->stop);)
        scan_one(w->s, &w->job[i], &h);
    hand_release(&h);
    return NULL;
}

void scan_run(const struct scan *s, struct scan_job *job, size_t n)
{
    struct work w = {.s = s, .job = job, .n = n};
    pthread_t thread[SCAN_THREADS];
    size_t started = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    while (started + 1 < n / 4 && started + 1 < (size_t)(cores > 0 ? cores : 1) && started + 1 < SCAN_THREADS &&
           !pthread_create(&thread[started], NULL, work, &w))
        started++;
    work(&w);
    for (size_t i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
}

void scan_job_release(struct scan_job *j)
{
    free(j->match);
    buf_release(&j->bytes);
}

/* Parts that hold, as Markdown: a screen. Every statement that comes from a source carries its [n]. */
#include "retriever/answer_parts.h"
#include "retriever/markdown.h"

#include <stdio.h>
#include <string.h>

static struct str of(const char *s)
{
    return str_of(s);
}

/* " [n]"; numbers are given in order of mention. */
static void cite(struct buf *out, struct part *p, uint32_t *next)
{
    if (!p->n)
        p->n = (*next)++;
    buf_addf(out, " [%u]", p->n);
}

static void place(struct buf *out, const struct answer_work *w, const struct part *p, uint32_t line)
{
    struct buf text = BUF_INIT;
    if (w->request->ntargets > 1 && w->request->target[p->hit->target].repo)
        buf_addf(&text, "%s:", w->request->target[p->hit->target].repo->name);
    buf_add(&text, p->hit->path.p, p->hit->path.n);
    buf_addf(&text, ":%u", line);
    md_code(out, (struct str){text.data, text.len});
    buf_release(&text);
}

/* The line a part is about: the definition's own, not its comment's. */
static uint32_t line_of(const struct part *p)
{
    return p->at ? p->at : p->first;
}

/* **`Session.send`** — method in `src/requests/sessions.py:673` [1] */
static void headline(struct buf *out, const struct answer_work *w, struct part *p, uint32_t *next)
{
    if (p->title) {
        buf_adds(out, "**");
        if (p->prose)
            md_text(out, of(p->title));
        else
            md_code(out, of(p->title));
        buf_adds(out, "** \xe2\x80\x94 ");
        if (p->hit->kind && !p->prose)
            buf_addf(out, "%s in ", p->hit->kind);
    }
    place(out, w, p, line_of(p));
    cite(out, p, next);
    buf_adds(out, "\n");
}

/* Paragraphs of prose, blocks of code in it fenced, marks of the markup that are only noise dropped. */
static void prose(struct buf *out, struct str s)
{
    struct buf paragraph = BUF_INIT, code = BUF_INIT;
    bool fenced = false, first = true;
    for (size_t i = 0; i <= s.n;) {
        const char *nl = i < s.n ? memchr(s.p + i, '\n', s.n - i) : NULL;
        size_t end = nl ? (size_t)(nl - s.p) : s.n;
        struct str line = {s.p + i, end - i};
        i = end + 1;
        size_t in = 0;
        while (in < line.n && (line.p[in] == ' ' || line.p[in] == '\t'))
            in++;
        struct str bare = {line.p + in, line.n - in};
        bool tick = bare.n >= 3 && (!memcmp(bare.p, "```", 3) || !memcmp(bare.p, "~~~", 3));
        bool item = bare.n > 2 && strchr("-*+", bare.p[0]) && bare.p[1] == ' ';
        bool code_line = fenced || (in >= 4 && bare.n && !item && !paragraph.len);
        if (tick || (!code_line && (!bare.n || item || bare.p[0] == '#' || i > s.n))) { /* a border: what was before ends */
            if (!tick && bare.n && !item && bare.p[0] != '#') {
                if (paragraph.len)
                    buf_addc(&paragraph, ' ');
                buf_add(&paragraph, bare.p, bare.n);
                bare.n = 0;
            }
            if (paragraph.len) {
                buf_adds(out, "\n> ");
                md_text(out, (struct str){paragraph.data, paragraph.len});
                buf_adds(out, "\n");
            }
            buf_clear(&paragraph);
        }
        if (code.len && (tick || (!fenced && !code_line && bare.n) || i > s.n)) {
            if (code_line && !tick)
                buf_addf(&code, "%.*s\n", (int)line.n, line.p);
            buf_adds(out, "\n");
            md_fence(out, NULL, (struct str){code.data, code.len});
            buf_clear(&code);
            if (i > s.n)
                break;
        }
        if (tick) {
            fenced = !fenced;
        } else if (code_line) {
            buf_add(&code, line.p, line.n);
            buf_addc(&code, '\n');
        } else if (bare.n && bare.p[0] == '#') {
            while (bare.n && (bare.p[0] == '#' || bare.p[0] == ' '))
                bare = (struct str){bare.p + 1, bare.n - 1};
            if (!first) { /* the first heading is the title */
                buf_adds(out, "\n> ");
                md_text(out, bare);
                buf_adds(out, "\n");
            }
        } else if (bare.n) {
            if (paragraph.len)
                buf_addc(&paragraph, ' ');
            buf_add(&paragraph, bare.p, bare.n);
        }
        first = false;
    }
    if (paragraph.len) {
        buf_adds(out, "\n> ");
        md_text(out, (struct str){paragraph.data, paragraph.len});
        buf_adds(out, "\n");
    }
    if (code.len) {
        buf_adds(out, "\n");
        md_fence(out, NULL, (struct str){code.data, code.len});
    }
    buf_release(&paragraph);
    buf_release(&code);
}

static void body(struct buf *out, const struct part *p)
{
    if (p->prose) {
        prose(out, p->code);
        return;
    }
    for (size_t i = 0; i < p->doc.n;) { /* paragraphs of the doc comment */
        size_t end = i;
        while (end + 1 < p->doc.n && memcmp(p->doc.p + end, "\n\n", 2))
            end++;
        if (end + 1 >= p->doc.n)
            end = p->doc.n;
        buf_adds(out, "\n> ");
        md_text(out, (struct str){p->doc.p + i, end - i});
        buf_adds(out, "\n");
        i = end + 2;
    }
    if (p->code.n) {
        buf_adds(out, "\n");
        md_fence(out, p->hit->language, p->code);
    }
}

/* "Called by: `a` [2] · `b` [3]" */
static void list(struct buf *out, struct answer_work *w, enum part_kind kind, const char *label, uint32_t *next)
{
    struct part *p = NULL;
    bool any = false;
    while ((p = parts_next(&w->parts, kind, p))) {
        if (!any)
            buf_addf(out, "\n%s: ", label);
        else
            buf_adds(out, " \xc2\xb7 ");
        any = true;
        if (p->title)
            md_code(out, of(p->title));
        else
            place(out, w, p, p->first);
        cite(out, p, next);
    }
    if (any)
        buf_adds(out, "\n");
}

static void one_line(struct buf *out, struct answer_work *w, struct part *p, uint32_t *next)
{
    buf_adds(out, "- ");
    if (p->title) {
        if (p->prose)
            md_text(out, of(p->title));
        else
            md_code(out, of(p->title));
        buf_adds(out, " \xe2\x80\x94 ");
        if (p->hit->kind && !p->prose)
            buf_addf(out, "%s in ", p->hit->kind);
    }
    place(out, w, p, line_of(p));
    cite(out, p, next);
    buf_adds(out, "\n");
}

static void further(struct buf *out, struct answer_work *w, const char *label, uint32_t *next)
{
    struct part *p = NULL;
    if (parts_count(&w->parts, PART_FURTHER))
        buf_addf(out, "\n%s:\n\n", label);
    while ((p = parts_next(&w->parts, PART_FURTHER, p)))
        one_line(out, w, p, next);
}

/* What was pasted: the error, the frames that lie here, the failing line's surroundings, where messages stand. */
static void trace(struct buf *out, struct answer_work *w, uint32_t *next)
{
    struct part *top = parts_next(&w->parts, PART_FRAME, NULL), *p = NULL;
    struct str error = w->trace->error;
    if (error.n > 300)
        error.n = 300;
    if (error.n) {
        md_code(out, error);
        buf_adds(out, top ? " \xe2\x80\x94 " : "\n");
    }
    if (top) {
        headline(out, w, top, next);
        if (top->note)
            buf_addf(out, "(%s)\n", top->note);
        body(out, top);
        if (parts_count(&w->parts, PART_FRAME) > 1)
            buf_adds(out, "\nOther places of the trace in this code:\n\n");
        while ((p = parts_next(&w->parts, PART_FRAME, p))) {
            if (p == top)
                continue;
            buf_adds(out, "- ");
            place(out, w, p, p->first);
            if (p->title) {
                buf_adds(out, " in ");
                md_code(out, of(p->title));
            }
            cite(out, p, next);
            struct str line = p->line;
            while (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
                line = (struct str){line.p + 1, line.n - 1};
            if (line.n && line.n < 200) {
                buf_adds(out, ": ");
                md_code(out, line);
            }
            buf_adds(out, "\n");
            if (p->quote.n && p->quote.n < 300) {
                buf_adds(out, "  ");
                md_code(out, p->quote);
                buf_adds(out, "\n");
            }
        }
    }
    if (parts_count(&w->parts, PART_MESSAGE)) {
        buf_adds(out, "\nWhere the messages stand:\n\n");
        for (p = NULL; (p = parts_next(&w->parts, PART_MESSAGE, p));) {
            buf_adds(out, "- ");
            md_code(out, p->quote);
            buf_adds(out, " in ");
            place(out, w, p, p->first);
            if (p->title) {
                buf_adds(out, ", ");
                md_code(out, of(p->title));
            }
            cite(out, p, next);
            buf_adds(out, "\n");
        }
    }
}

void write_answer(struct buf *out, struct answer_work *w)
{
    uint32_t next = 1;
    struct part *lead = parts_next(&w->parts, PART_LEAD, NULL), *second = parts_next(&w->parts, PART_SECOND, NULL);
    bool traced = parts_count(&w->parts, PART_FRAME) + parts_count(&w->parts, PART_MESSAGE) > 0;
    if (traced)
        trace(out, w, &next);
    if (traced && (lead || second))
        buf_adds(out, "\nWhat fits the error otherwise:\n\n");
    if (lead) {
        headline(out, w, lead, &next);
        body(out, lead);
    }
    if (second) {
        buf_adds(out, lead ? "\n" : "");
        headline(out, w, second, &next);
        body(out, second);
    }
    if (lead || second) {
        char label[80];
        const char *by_name = w->same_name ? " (by name: several definitions share it)" : "";
        snprintf(label, sizeof label, "Called by%s", by_name);
        list(out, w, PART_CALLER, label, &next);
        list(out, w, PART_CALLEE, "Calls", &next);
        list(out, w, PART_HEIR, "Extended by", &next);
    }
    further(out, w, "Further places", &next);
}

void write_insufficient(struct buf *out, struct answer_work *w)
{
    uint32_t next = 1;
    buf_adds(out, "Not enough evidence in ");
    for (size_t i = 0; i < w->request->ntargets && i < 4; i++) {
        buf_adds(out, i ? ", " : "");
        md_code(out, of(w->request->target[i].repo ? w->request->target[i].repo->name : "this repository"));
    }
    if (w->request->ntargets > 4)
        buf_addf(out, " and %zu more", w->request->ntargets - 4);
    buf_adds(out, " for an answer.");
    if (w->unknown) {
        buf_adds(out, " Nowhere in it: ");
        buf_adds(out, w->unknown);
        buf_adds(out, ".");
    }
    buf_adds(out, "\n");
    further(out, w, "The closest matches, which may have nothing to do with it", &next);
    buf_adds(out, "\nTry the name of a function or file, other words for it, or `codeask search` for all matches.\n");
}

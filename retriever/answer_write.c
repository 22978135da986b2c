/* Parts that hold, as Markdown: a screen. Every statement that comes from a source carries its [n]. */
#include "retriever/answer_parts.h"
#include "retriever/markdown.h"

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

/* -- prose ------------------------------------------------------------------------------------------------------------------- */
struct prose {
    struct buf *out, paragraph, code;
    size_t fence; /* backticks or tildes that opened the block; 0 outside */
    bool title_seen;
};

static void end_paragraph(struct prose *x)
{
    if (x->paragraph.len) {
        buf_adds(x->out, "\n> ");
        md_prose(x->out, (struct str){x->paragraph.data, x->paragraph.len});
        buf_adds(x->out, "\n");
    }
    buf_clear(&x->paragraph);
}

static void end_code(struct prose *x)
{
    while (x->code.len && x->code.data[x->code.len - 1] == '\n')
        x->code.len--;
    if (x->code.len) {
        buf_adds(x->out, "\n");
        md_fence(x->out, NULL, (struct str){x->code.data, x->code.len});
    }
    buf_clear(&x->code);
}

/* Adds a line to a paragraph, without the marks of strong emphasis. */
static void add_running(struct prose *x, struct str s)
{
    if (x->paragraph.len)
        buf_addc(&x->paragraph, ' ');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '*' && i + 1 < s.n && s.p[i + 1] == '*')
            i++;
        else
            buf_addc(&x->paragraph, s.p[i]);
}

static void add_heading(struct prose *x)
{
    if (x->paragraph.len) { /* said as a paragraph of its own, strongly */
        buf_adds(x->out, "\n> **");
        md_text(x->out, (struct str){x->paragraph.data, x->paragraph.len});
        buf_adds(x->out, "**\n");
    }
    buf_clear(&x->paragraph);
}

static void prose_line(struct prose *x, struct str line)
{
    size_t in = 0, ruled = 0;
    while (in < line.n && (line.p[in] == ' ' || line.p[in] == '\t'))
        in++;
    struct str s = {line.p + in, line.n - in};
    bool item = s.n > 2 && strchr("-*+", s.p[0]) && s.p[1] == ' ';
    size_t marks = 0;
    while (marks < s.n && (s.p[0] == '`' || s.p[0] == '~') && s.p[marks] == s.p[0])
        marks++;
    if (marks >= 3 && (!x->fence || (marks >= x->fence && marks == s.n))) {
        end_paragraph(x);
        if (x->fence)
            end_code(x);
        x->fence = x->fence ? 0 : marks;
        return;
    }
    if (x->fence || (in >= 3 && s.n && !item && !x->paragraph.len) || (!s.n && x->code.len)) {
        buf_add(&x->code, line.p, line.n);
        buf_addc(&x->code, '\n');
        return;
    }
    end_code(x);
    while (ruled < s.n && s.n > 2 && strchr("=-~^*_\"'#", s.p[ruled]))
        ruled++;
    if (ruled && ruled == s.n) { /* an underline, or a rule */
        add_heading(x);
    } else if (s.n && s.p[0] == '#') {
        end_paragraph(x);
        while (s.n && (s.p[0] == '#' || s.p[0] == ' '))
            s = (struct str){s.p + 1, s.n - 1};
        if (x->title_seen) { /* the first one is the part's title */
            add_running(x, s);
            add_heading(x);
        }
        x->title_seen = true;
    } else if (!s.n || (s.n > 3 && !memcmp(s.p, ".. ", 3))) {
        end_paragraph(x);
    } else {
        if (item)
            end_paragraph(x);
        add_running(x, s);
    }
}

/* Paragraphs quoted, blocks of code fenced, the markup's own marks dropped. title: the text begins with it. */
static void prose(struct buf *out, struct str text, bool title)
{
    struct prose x = {.out = out, .title_seen = !title};
    for (size_t i = 0; i < text.n;) {
        const char *nl = memchr(text.p + i, '\n', text.n - i);
        size_t end = nl ? (size_t)(nl - text.p) : text.n;
        prose_line(&x, (struct str){text.p + i, end - i});
        i = end + 1;
    }
    end_paragraph(&x);
    end_code(&x);
    buf_release(&x.paragraph);
    buf_release(&x.code);
}

static void body(struct buf *out, const struct part *p)
{
    if (p->prose) {
        prose(out, p->code, p->title != NULL);
        return;
    }
    for (size_t i = 0; i < p->doc.n;) { /* paragraphs of the doc comment */
        size_t end = i;
        while (end + 1 < p->doc.n && memcmp(p->doc.p + end, "\n\n", 2))
            end++;
        if (end + 1 >= p->doc.n)
            end = p->doc.n;
        buf_adds(out, "\n> ");
        md_prose(out, (struct str){p->doc.p + i, end - i});
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

static void graph(struct buf *out, struct answer_work *w, uint32_t *next)
{
    list(out, w, PART_CALLER, w->same_name ? "Called by (by name: other definitions share it)" : "Called by", next);
    list(out, w, PART_CALLEE, "Calls", next);
    list(out, w, PART_HEIR, "Extended by", next);
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
        if (w->graph_of == PART_LEAD)
            graph(out, w, &next);
    }
    if (second) {
        buf_adds(out, lead ? "\n" : "");
        headline(out, w, second, &next);
        body(out, second);
        if (w->graph_of == PART_SECOND)
            graph(out, w, &next);
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
    if (w->trace && w->trace->nframes == 1)
        buf_adds(out, " The place that the trace names is not in it.");
    else if (w->trace && w->trace->nframes)
        buf_addf(out, " None of the %zu places that the trace names is in it.", w->trace->nframes);
    if (w->unknown) {
        buf_adds(out, " Nowhere in it: ");
        buf_adds(out, w->unknown);
        buf_adds(out, ".");
    }
    buf_adds(out, "\n");
    further(out, w, "The closest matches, which may have nothing to do with it", &next);
    buf_adds(out, "\nTry the name of a function or file, other words for it, or `codeask search` for all matches.\n");
}

#define _GNU_SOURCE /* memmem */
#include "retriever/cited.h"

#include "base/mem.h"
#include "retriever/cited_marks.h"
#include "retriever/markdown.h"
#include "retriever/str.h"

#include <stdio.h>
#include <string.h>

#define WORD_HELD 256     /* bytes of a word: longer ones are written in pieces */
#define BRACKET_HELD 300  /* between brackets, or of a span of code: longer ones are no marker and no span */
#define COPY_BEFORE 8     /* bytes before a marker that a source must share with the text for it to be a copy */
#define CODE_MARKS 64     /* of a line that opens a block of code: more are no block */
#define RUN_MARKS 128     /* backticks that are looked at together */
#define SENTENCE_WORDS 4  /* a shorter one ("In short:") states nothing that needs a source */

void cited_open(struct cited *c, struct cited_source *source, size_t n, uint32_t next_shown, const char *fence)
{
    *c = (struct cited){.source = source, .nsources = n, .next_shown = next_shown, .fence = fence && *fence ? fence : NULL,
                        .line_start = true};
    memset(c->before, ' ', sizeof c->before);
}

void cited_release(struct cited *c)
{
    buf_release(&c->shown);
    buf_release(&c->said);
    buf_release(&c->held);
    buf_release(&c->gap);
}

/* -- writing --------------------------------------------------------------------------------------------------------------- */

/* Both texts; shown alone where said has a number of its own. */
static void put2(struct cited *c, const char *shown, size_t n, const char *said, size_t m)
{
    if (c->shown.len + c->gap.len + n > CITED_TEXT_MAX)
        c->overflow = true;
    if (c->overflow)
        return;
    buf_add(&c->shown, c->gap.data ? c->gap.data : "", c->gap.len);
    buf_add(&c->said, c->gap.data ? c->gap.data : "", c->gap.len);
    buf_clear(&c->gap);
    buf_add(&c->shown, shown, n);
    buf_add(&c->said, said, m);
}

static bool has_letter(struct str w)
{
    for (size_t i = 0; i < w.n; i++)
        if ((w.p[i] >= '0' && w.p[i] <= '9') || ((w.p[i] | 0x20) >= 'a' && (w.p[i] | 0x20) <= 'z') || (unsigned char)w.p[i] >= 128)
            return true;
    return false;
}

/* "http:" and "//…", "ann@" and "example.org", "&" and "amp;" would be active if they met, once what parted them is taken out. */
static bool may_join(const struct cited *c, char next)
{
    return strchr(":@&", c->before[sizeof c->before - 1]) && (next == '/' || next == '#' || has_letter((struct str){&next, 1}));
}

static void put(struct cited *c, const char *p, size_t n)
{
    bool link = n && c->after_marker && strchr("(:[", p[0]); /* no link begins behind a marker */
    if (!c->gap.len && n && (link || (!c->code && may_join(c, p[0]))))
        buf_addc(&c->gap, ' ');
    put2(c, p, n, p, n);
    c->just_cited = 0;
    c->removed = false;
    c->after_marker = false;
    for (size_t i = n > sizeof c->before ? n - sizeof c->before : 0; i < n; i++) {
        memmove(c->before, c->before + 1, sizeof c->before - 1);
        c->before[sizeof c->before - 1] = (unsigned char)p[i] < 128 ? p[i] : 'x';
    }
}

static void put_buf(struct cited *c, struct buf *b)
{
    put(c, b->data ? b->data : "", b->len);
    buf_release(b);
}

/* Something was taken out: no blank is left before a point or at a line's end. */
static void took_out(struct cited *c)
{
    c->removed = true;
    c->just_cited = 0;
}

/* Running text, p[0, n); after: what follows it. */
static void put_inert(struct cited *c, const char *p, size_t n, char after)
{
    struct buf around = BUF_INIT, out = BUF_INIT;
    if (c->removed && strchr(".,;:!?)", p[0]))
        buf_clear(&c->gap);
    if (c->gap.len)
        memset(c->before, ' ', sizeof c->before);
    if (c->after_marker && !c->gap.len && strchr(":(", p[0])) /* [1]: and [1]( would define or be a link */
        buf_addc(&out, '\\');
    buf_add(&around, c->before, sizeof c->before);
    buf_add(&around, p, n);
    buf_addc(&around, after > ' ' && after < 127 ? after : ' ');
    c->counts.active += md_inert(&out, (struct str){around.data, around.len}, sizeof c->before, sizeof c->before + n);
    put_buf(c, &out);
    buf_release(&around);
}

/* Text that was something else: it may meet what stands before it now. */
static void put_text(struct cited *c, struct str s)
{
    struct buf b = BUF_INIT;
    if (c->gap.len)
        memset(c->before, ' ', sizeof c->before);
    buf_add(&b, c->before, sizeof c->before);
    md_text(&b, s);
    buf_drop_front(&b, sizeof c->before);
    put_buf(c, &b);
}

/* -- sentences ------------------------------------------------------------------------------------------------------------- */

static void end_sentence(struct cited *c)
{
    if (c->words >= SENTENCE_WORDS && !c->title && !c->colon) {
        c->counts.sentences++;
        c->counts.unsupported += !c->cited;
    }
    c->words = c->nnames = 0;
    c->cited = c->ended = c->title = c->colon = false;
}

static void add_name(struct cited *c, struct str text, bool code)
{
    struct str name = name_in(text, code);
    if (!name.n || c->nnames == CITED_NAMES)
        return;
    memcpy(c->name[c->nnames], name.p, name.n);
    c->name[c->nnames++][name.n] = 0;
}

static void begin_word(struct cited *c)
{
    if (c->ended)
        end_sentence(c);
    c->words++;
}

/* -- markers --------------------------------------------------------------------------------------------------------------- */

/* What the sentence names stands elsewhere, and not there. */
static bool is_shifted(const struct cited *c, const struct cited_source *s)
{
    bool elsewhere = false;
    for (uint32_t i = 0; i < c->nnames; i++) {
        if (source_names(s, c->name[i]))
            return false;
        for (size_t k = 0; k < c->nsources && !elsewhere; k++)
            elsewhere = source_names(&c->source[k], c->name[i]);
    }
    return elsewhere;
}

/* The marker and what stands before it are a piece of some source's text. */
static bool is_copy(const struct cited *c, struct str marker)
{
    if (c->ntail < COPY_BEFORE)
        return false;
    struct buf needle = BUF_INIT;
    bool found = false;
    buf_add(&needle, c->tail + c->ntail - COPY_BEFORE, COPY_BEFORE);
    buf_add(&needle, marker.p, marker.n);
    for (size_t i = 0; i < c->nsources && !found; i++)
        found = str_holds(c->source[i].text, (struct str){needle.data, needle.len});
    buf_release(&needle);
    return found;
}

static void cite(struct cited *c, struct cited_source *s)
{
    char shown[16], said[16];
    if (!s->shown)
        s->shown = c->next_shown++;
    c->counts.valid++;
    c->cited = s->cited = true;
    if (c->just_cited == s->n) {
        c->removed = true; /* said twice */
        return;
    }
    bool blank = !c->gap.len && c->shown.len && !strchr(" \n(*_\"", c->shown.data[c->shown.len - 1]);
    int n = snprintf(shown, sizeof shown, "%s[%u]", blank ? " " : "", s->shown);
    int m = snprintf(said, sizeof said, "%s[%u]", blank ? " " : "", s->n);
    put2(c, shown, (size_t)n, said, (size_t)m);
    memset(c->before, ']', sizeof c->before);
    c->removed = false;
    c->after_marker = true;
    c->just_cited = s->n;
}

static void marker(struct cited *c, const uint32_t *number, size_t n, struct str raw)
{
    bool copy = is_copy(c, raw), any = false;
    for (size_t i = 0; i < n; i++) {
        struct cited_source *s = NULL;
        for (size_t k = 0; k < c->nsources && !s; k++)
            s = c->source[k].n == number[i] ? &c->source[k] : NULL;
        c->counts.forged += copy;
        c->counts.invented += !copy && !s;
        bool shifted = !copy && s && is_shifted(c, s);
        c->counts.shifted += shifted;
        if (copy || !s || shifted)
            continue;
        cite(c, s);
        any = true;
    }
    if (!any)
        took_out(c);
}

/* Two spans of code side by side would be read as one with other marks. */
static void part_spans(struct cited *c)
{
    if (c->shown.len && c->shown.data[c->shown.len - 1] == '`' && !c->gap.len)
        buf_addc(&c->gap, ' ');
}

/* path:line; false: it is no place in code. */
static bool mention(struct cited *c, struct str s)
{
    struct mention m;
    struct cited_source *at = NULL;
    struct buf b = BUF_INIT;
    if (!mention_parse(&m, s))
        return false;
    part_spans(c);
    switch (mention_find(&m, c->source, c->nsources, &at)) {
    case MENTION_OTHER:
        return false;
    case MENTION_INVENTED:
        c->counts.invented++;
        took_out(c);
        return true;
    case MENTION_SHIFTED: /* the file is right: its name stays */
        c->counts.shifted++;
        begin_word(c);
        md_code(&b, m.path);
        put_buf(c, &b);
        return true;
    case MENTION_RIGHT:
        begin_word(c);
        md_code(&b, s);
        put_buf(c, &b);
        cite(c, at);
        return true;
    }
    return false;
}

/* -- pieces: each returns the bytes it has taken of the n at p; 0: more must come -------------------------------------------- */

static size_t run_of(const char *p, size_t n, char of)
{
    size_t k = 0;
    while (k < n && p[k] == of)
        k++;
    return k;
}

/* No more than n, and no half character. */
static size_t whole_chars(const char *p, size_t n)
{
    size_t k = n;
    while (k && n - k < 4 && ((unsigned char)p[k - 1] & 0xc0) == 0x80)
        k--;
    return k && n - k < 4 && (unsigned char)p[k - 1] >= 0xc0 ? k - 1 ? k - 1 : n : n;
}

static void close_code(struct cited *c)
{
    char mark[CODE_MARKS + 1];
    memset(mark, c->code_mark, c->code);
    mark[c->code] = '\n';
    if (c->code_mid)
        put(c, "\n", 1);
    put(c, mark, c->code + 1);
    c->code = 0;
    c->code_mid = false;
    c->line_start = true;
}

/* A line of a block of code, or a piece of a long one. */
static size_t code_line(struct cited *c, const char *p, size_t n, bool final)
{
    bool more = n > CITED_HELD || !final; /* the same pieces, in whatever pieces it came */
    if (n > CITED_HELD)
        n = CITED_HELD;
    const char *nl = memchr(p, '\n', n);
    if (!nl && more && n < CITED_HELD)
        return 0;
    size_t len = nl ? (size_t)(nl - p) : more ? whole_chars(p, n) : n, in = 0;
    while (in < len && (p[in] == ' ' || p[in] == '\t'))
        in++;
    size_t marks = run_of(p + in, len - in, c->code_mark), blank = in + marks;
    while (blank < len && (p[blank] == ' ' || p[blank] == '\t' || p[blank] == '\r'))
        blank++;
    if (!c->code_mid && marks >= c->code && blank == len) {
        close_code(c);
        return nl ? len + 1 : len;
    }
    struct buf b = BUF_INIT;
    if (c->fence && str_find((struct str){p, len}, c->fence) != SIZE_MAX)
        c->counts.forged++;
    else
        md_clean(&b, (struct str){p, len});
    if (nl)
        buf_addc(&b, '\n');
    c->code_mid = !nl;
    put_buf(c, &b);
    return nl ? len + 1 : len;
}

/* A line that opens a block of code. SIZE_MAX: it does not. */
static size_t open_code(struct cited *c, const char *p, size_t n, bool final)
{
    if (n > CITED_HELD - 1)
        n = CITED_HELD - 1;
    size_t marks = run_of(p, n, p[0]);
    const char *nl = memchr(p, '\n', n);
    if (marks == n && !final && n < CITED_HELD - 1)
        return 0;
    if (marks < 3 || marks > CODE_MARKS || (p[0] == '`' && memchr(p + marks, '`', nl ? (size_t)(nl - p) - marks : n - marks)))
        return SIZE_MAX;
    if (!nl)
        return final || n >= CITED_HELD - 1 ? SIZE_MAX : 0;
    struct str info = str_trim((struct str){p + marks, (size_t)(nl - p) - marks});
    struct buf b = BUF_INIT;
    buf_clear(&c->gap); /* in the first column: there only its own mark ends it, not a list's or a quote's end */
    if (c->shown.len && c->shown.data[c->shown.len - 1] != '\n')
        buf_addc(&b, '\n');
    buf_add(&b, p, marks);
    for (size_t i = 0; i < info.n && i < 20 && ((info.p[i] | 0x20) >= 'a' && (info.p[i] | 0x20) <= 'z'); i++)
        buf_addc(&b, info.p[i]);
    buf_addc(&b, '\n');
    put_buf(c, &b);
    c->code = marks;
    c->code_mark = p[0];
    c->code_mid = false;
    if (c->words)
        c->colon = true; /* what leads to a block of code states nothing by itself */
    end_sentence(c);
    return (size_t)(nl - p) + 1;
}

static void put_span(struct cited *c, struct str s)
{
    struct buf b = BUF_INIT;
    if (c->fence && str_find(s, c->fence) != SIZE_MAX) {
        c->counts.forged++;
        took_out(c);
        return;
    }
    if (mention(c, str_trim(s)))
        return;
    part_spans(c);
    begin_word(c);
    add_name(c, str_trim(s), true);
    /* a bar ends a cell of a table even inside of code: there the rest would be running text. Parsers differ on many marks */
    if (memchr(s.p, '|', s.n) || str_find(s, "````") != SIZE_MAX) {
        put_text(c, s);
        return;
    }
    md_code(&b, s);
    put_buf(c, &b);
}

/* `code`, or marks that close nowhere. */
static size_t span(struct cited *c, const char *p, size_t n, bool final)
{
    size_t marks = run_of(p, n < RUN_MARKS ? n : RUN_MARKS, '`'), end = marks;
    if (marks == n && !final && n < RUN_MARKS)
        return 0;
    if (marks > CODE_MARKS)
        goto open;
    for (; end < n && end < BRACKET_HELD; end++) {
        size_t k = run_of(p + end, n - end, '`');
        if (k == marks && (end + k < n || final)) {
            put_span(c, (struct str){p + marks, end - marks});
            return end + k;
        }
        if (p[end] == '\n' && end + 1 < n && p[end + 1] == '\n')
            goto open;
        end += k ? k - 1 : 0;
    }
    if (!final && n < BRACKET_HELD + CODE_MARKS + 1)
        return 0;
open:
    for (size_t i = 0; i < marks; i++)
        put(c, "\\`", 2);
    return marks;
}

/* Where "(…)" ends that begins at p; 0: more must come; SIZE_MAX: nowhere near. */
static size_t target_end(const char *p, size_t n, bool final)
{
    unsigned depth = 0;
    for (size_t i = 0; i < n && i < CITED_HELD - BRACKET_HELD - 16; i++) {
        depth += p[i] == '(';
        if (p[i] == ')' && !--depth)
            return i + 1;
        if (p[i] == '\n' && i + 1 < n && p[i + 1] == '\n')
            return SIZE_MAX;
    }
    return final || n >= CITED_HELD - BRACKET_HELD - 16 ? SIZE_MAX : 0;
}

struct bracket {
    size_t open, end; /* bytes of the opening bracket; of all, its closing included */
    struct str inside;
};

/* 1: found; 0: more must come; -1: closed nowhere near. \[ counts as [ and so does 【. */
static int bracket_at(struct bracket *b, const char *p, size_t n, bool final)
{
    bool wide = (unsigned char)p[0] == 0xe3;
    size_t open = wide ? 3 : p[0] == '\\' ? 2 : 1;
    unsigned depth = 1;
    for (size_t i = open; i < n && i < BRACKET_HELD; i++) {
        bool slash = !wide && p[i] == '\\';
        if (slash && i + 1 < n && p[i + 1] != ']') {
            i++;
            continue;
        }
        size_t at = i + slash, close = wide ? 3 : 1;
        if (at + close > n)
            break;
        depth += !wide && p[at] == '[';
        if ((wide ? !memcmp(p + at, "\xe3\x80\x91", 3) : p[at] == ']') && !--depth) {
            *b = (struct bracket){open, at + close, {p + open, i - open}};
            return 1;
        }
        if (p[i] == '\n' && i + 1 < n && p[i + 1] == '\n')
            return -1;
    }
    return !final && n < BRACKET_HELD + 8 ? 0 : -1;
}

/* [n], [text](target), [path:12], or a bracket that is none of these. image: it follows a "!". */
static size_t bracket(struct cited *c, const char *p, size_t n, bool final, bool image)
{
    struct bracket b;
    uint32_t number[MARK_NUMBERS];
    size_t target = 0;
    int found = bracket_at(&b, p, n, final);
    if (!found || (found > 0 && b.end == n && !final)) /* a target may follow */
        return 0;
    if (found > 0 && b.end < n && p[b.end] == '(') {
        target = target_end(p + b.end, n - b.end, final);
        if (!target)
            return 0;
        target = target == SIZE_MAX ? 0 : target;
    }
    size_t numbers = found > 0 && !image ? mark_numbers(number, b.inside) : 0;
    if (numbers == SIZE_MAX) {
        c->counts.invented++;
        took_out(c);
    } else if (numbers) {
        marker(c, number, numbers, (struct str){p, b.end});
    } else if (target) {
        begin_word(c);
        put_text(c, b.inside);
    } else if (found > 0 && mention(c, str_trim(b.inside))) {
        ;
    } else {
        if (image)
            put(c, "!", 1);
        put(c, "\\[", 2);
        size_t open = (unsigned char)p[0] == 0xe3 ? 3 : p[0] == '\\' ? 2 : 1;
        return open;
    }
    c->counts.active += target != 0;
    return b.end + target;
}

static bool ends_sentence(struct str w)
{
    static const char *const not[] = {"e.g.", "i.e.", "etc.", "vs.", "cf."};
    while (w.n && strchr("*_\"')", w.p[w.n - 1]))
        w.n--;
    for (size_t i = 0; i < sizeof not / sizeof *not; i++)
        if (str_ends(w, not[i]))
            return false;
    return w.n > 1 && (strchr(".!?", w.p[w.n - 1]) || str_ends(w, "\xe3\x80\x82"));
}

static bool ends_sentence_bare(struct str w)
{
    for (size_t i = 0; i < w.n; i++)
        if (strchr(".!?", w.p[i]))
            return true;
    return false;
}

/* A word with what stands at its sides. */
static void put_word(struct cited *c, struct str w, char after, bool first)
{
    size_t from = 0, to = w.n;
    if (c->fence && str_find(w, c->fence) != SIZE_MAX) {
        c->counts.forged++;
        took_out(c);
        return;
    }
    while (from < to && strchr("(\"'*_", w.p[from]))
        from++;
    while (to > from && strchr(").,;:!?\"'*_", w.p[to - 1]))
        to--;
    struct str core = {w.p + from, to - from};
    struct mention m;
    bool place = core.n && mention_parse(&m, core) && !memmem(w.p, w.n, "://", 3);
    bool item = first && !from && to < w.n && core.n && core.n < 4 && core.p[0] >= '0' && core.p[0] <= '9'; /* "1." */
    if (item)
        end_sentence(c);
    if (first && w.p[0] == '#')
        c->title = true;
    else if (has_letter(w) && !place && !item)
        begin_word(c);
    if (place) {
        struct cited_source *at;
        bool pair = from == 1 && w.p[0] == '(' && to < w.n && w.p[to] == ')' && mention_find(&m, c->source, c->nsources, &at) == MENTION_INVENTED;
        if (from && !pair) /* "(src/a.c:1)" leaves no empty pair */
            put_inert(c, w.p, from, 'x');
        to += pair;
        if (!mention(c, core)) {
            begin_word(c);
            put_inert(c, core.p, core.n, to < w.n ? w.p[to] : after);
        }
        if (to < w.n)
            put_inert(c, w.p + to, w.n - to, after);
    } else {
        put_inert(c, w.p, w.n, after);
        add_name(c, core, false);
    }
    c->colon = w.n && w.p[w.n - 1] == ':';
    if (!item && c->words && (has_letter(w) ? ends_sentence(w) : ends_sentence_bare(w)))
        c->ended = true;
}

static size_t word(struct cited *c, const char *p, size_t n, bool final, bool first)
{
    size_t len = 0;
    if (first && p[0] == '>') { /* what follows may begin anything */
        put(c, ">", 1);
        return 1;
    }
    while (len < n && len < WORD_HELD && !strchr(" \t\r\n`[]\\", p[len]) && p[len] && !(p[len] == '!' && len + 1 < n && p[len + 1] == '[') &&
           !(n - len >= 3 && !memcmp(p + len, "\xe3\x80\x90", 3)))
        len++;
    if (!final && n < WORD_HELD + 4 && (len == n || len == WORD_HELD)) /* its end is not known, nor whether a "!" begins an image */
        return 0;
    if (len == WORD_HELD) { /* cut where no link can be seen only by halves */
        len = whole_chars(p, len);
        for (size_t k = 0; k < 16 && len > 32 && strchr(":<&!./@wW$", p[len - 1]); k++)
            len--;
        len = whole_chars(p, len);
    }
    if (!len)
        len = 1;
    put_word(c, (struct str){p, len}, len < n ? p[len] : ' ', first);
    return len;
}

static size_t newline(struct cited *c)
{
    buf_clear(&c->gap);
    if (c->line_start || c->title) /* an empty line */
        end_sentence(c);
    if (c->shown.len)
        put(c, "\n", 1);
    memset(c->before, ' ', sizeof c->before);
    c->line_start = true;
    c->ntail = 0;
    return 1;
}

static size_t next_piece(struct cited *c, const char *p, size_t n, bool final)
{
    bool first = c->line_start;
    size_t took = SIZE_MAX;
    if (c->code)
        return code_line(c, p, n, final);
    if (p[0] == '\n')
        return newline(c);
    if (p[0] == ' ' || p[0] == '\t' || p[0] == '\r') {
        if (p[0] != '\r' && !(c->removed && c->gap.len))
            buf_addc(&c->gap, p[0]);
        return 1;
    }
    if (first && (p[0] == '`' || p[0] == '~') && (took = open_code(c, p, n, final)) != SIZE_MAX)
        return took;
    if (p[0] == '~') { /* no block for us: for others neither, in a list or a quote */
        if (n < 3 && !final)
            return 0;
        bool block = first || run_of(p, n, '~') >= 3;
        put(c, block ? "\\~" : "~", block ? 2 : 1);
        c->line_start = false;
        return 1;
    }
    if (first && strchr("-*+>|#", p[0])) /* an item, a quote, a row: what stood before it is over */
        end_sentence(c);
    if (p[0] == '`') {
        took = span(c, p, n, final);
    } else if (p[0] == '[' || (p[0] == '\\' && n > 1 && p[1] == '[') || (n >= 3 && !memcmp(p, "\xe3\x80\x90", 3))) {
        took = bracket(c, p, n, final, false);
    } else if (p[0] == '!' && n > 1 && p[1] == '[') {
        took = bracket(c, p + 1, n - 1, final, true);
        took += took != 0;
    } else if ((p[0] == '\\' || p[0] == '!' || (unsigned char)p[0] == 0xe3) && n < 3 && !final) {
        took = 0;
    } else if (p[0] == '\\') { /* an escape stays one; before a letter or a line's end it is itself */
        bool mark = n > 1 && p[1] > ' ' && p[1] < 127 && !has_letter((struct str){p + 1, 1});
        char two[2] = {'\\', mark ? p[1] : '\\'};
        put(c, two, 2);
        took = mark ? 2 : 1;
    } else if (p[0] == ']') {
        put(c, "\\]", 2);
        took = 1;
    } else {
        took = word(c, p, n, final, first);
    }
    c->line_start &= took == 0;
    return took;
}

static void remember(struct cited *c, const char *p, size_t n)
{
    for (size_t i = n > sizeof c->tail ? n - sizeof c->tail : 0; i < n; i++) {
        if (p[i] == '\n') {
            c->ntail = 0;
            continue;
        }
        if (c->ntail == sizeof c->tail) {
            memmove(c->tail, c->tail + 1, sizeof c->tail - 1);
            c->ntail--;
        }
        c->tail[c->ntail++] = p[i];
    }
}

static void run(struct cited *c, bool final)
{
    size_t at = 0, took;
    while (at < c->held.len && (took = next_piece(c, c->held.data + at, c->held.len - at, final))) {
        remember(c, c->held.data + at, took);
        at += took;
    }
    buf_drop_front(&c->held, at);
}

void cited_feed(struct cited *c, const char *p, size_t n)
{
    while (n && !c->overflow) { /* in pieces: what is held stays bounded whatever comes in at once */
        size_t k = n < CITED_HELD ? n : CITED_HELD;
        buf_add(&c->held, p, k);
        run(c, false);
        p += k;
        n -= k;
    }
}

void cited_end(struct cited *c)
{
    run(c, true);
    buf_clear(&c->gap);
    c->overflow &= !c->code; /* what was cut off ends as a block, too */
    if (c->code)
        close_code(c);
    end_sentence(c);
}

/* Markdown on a terminal: parsed by md4c, wrapped to the width, code in colour. HTML is never passed on. */
#include "cli/text.h"

#include <md4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 12

struct render {
    struct buf *out;
    const struct look *l;
    struct buf text;            /* the inline text of the open block, with its escapes */
    struct buf code;            /* of the open code block */
    const char *end;            /* of what is parsed */
    char language[32];
    bool in_code, in_heading, tight, first;
    struct {
        bool ordered;
        unsigned number;
    } list[DEPTH];
    int nlists, quote;
    bool bullet;                /* the next line begins an item */
    unsigned columns;           /* of a table's row so far */
    enum style span[DEPTH];
    int nspans;
};

static void blank(struct render *r)
{
    if (!r->first && !(r->tight && r->nlists))
        buf_addc(r->out, '\n');
    r->first = false;
}

/* The indent of a line: quote bars, list levels; the bullet on the first line of an item. */
static int indent(struct render *r, bool first_line)
{
    int columns = 0;
    for (int i = 0; i < r->quote; i++) {
        put_styled(r->out, r->l, STYLE_DIM, "│ ");
        columns += 2;
    }
    for (int i = 0; i < r->nlists - 1; i++) {
        buf_adds(r->out, "  ");
        columns += 2;
    }
    if (r->nlists) {
        char mark[16] = "• ";
        int i = r->nlists - 1;
        if (r->list[i].ordered)
            snprintf(mark, sizeof mark, "%u. ", r->list[i].number);
        int w = columns_of(mark, strlen(mark));
        if (first_line && r->bullet)
            put_styled(r->out, r->l, STYLE_DIM, "%s", mark);
        else
            for (int k = 0; k < w; k++)
                buf_addc(r->out, ' ');
        columns += w;
        if (first_line)
            r->bullet = false;
    }
    return columns;
}

/* Writes the open block's text, broken at spaces. */
static void wrap(struct render *r)
{
    const char *p = r->text.data;
    size_t n = r->text.len, i = 0;
    bool first = true;
    while (i < n) {
        int room = r->l->width - indent(r, first), used = 0, w;
        size_t end = i, space = 0;
        first = false;
        while (end < n && p[end] != '\n') {
            size_t len = char_at(p + end, n - end, &w);
            if (used + w > room && used)
                break;
            if (p[end] == ' ')
                space = end;
            used += w;
            end += len;
        }
        if (end < n && p[end] != '\n' && p[end] != ' ' && space > i)
            end = space;
        buf_add(r->out, p + i, end - i);
        buf_addc(r->out, '\n');
        i = end;
        while (i < n && (p[i] == ' ' || p[i] == '\n')) {
            bool nl = p[i] == '\n';
            i++;
            if (nl)
                break;
        }
    }
    buf_clear(&r->text);
}

static void flush_code(struct render *r)
{
    int state = 0;
    const char *p = r->code.data;
    size_t n = r->code.len;
    for (size_t i = 0; i < n;) {
        const char *nl = memchr(p + i, '\n', n - i);
        size_t end = nl ? (size_t)(nl - p) : n;
        indent(r, true);
        buf_adds(r->out, "  ");
        put_code(r->out, r->l, r->language[0] ? r->language : NULL, p + i, end - i, &state);
        buf_addc(r->out, '\n');
        i = end + 1;
    }
    buf_clear(&r->code);
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *self)
{
    struct render *r = self;
    switch (type) {
    case MD_BLOCK_QUOTE:
        r->quote++;
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        if (r->text.len)
            wrap(r);
        if (!r->nlists)
            blank(r);
        if (r->nlists < DEPTH) {
            r->list[r->nlists].ordered = type == MD_BLOCK_OL;
            r->list[r->nlists].number = type == MD_BLOCK_OL ? ((MD_BLOCK_OL_DETAIL *)detail)->start : 0;
            r->nlists++;
        }
        r->tight = type == MD_BLOCK_OL ? ((MD_BLOCK_OL_DETAIL *)detail)->is_tight : ((MD_BLOCK_UL_DETAIL *)detail)->is_tight;
        break;
    case MD_BLOCK_LI:
        if (r->text.len)
            wrap(r);
        r->bullet = true;
        break;
    case MD_BLOCK_HR:
        blank(r);
        put_styled(r->out, r->l, STYLE_DIM, "────────");
        buf_addc(r->out, '\n');
        break;
    case MD_BLOCK_H:
        blank(r);
        buf_adds(&r->text, style(r->l, STYLE_HEADING));
        r->in_heading = true;
        break;
    case MD_BLOCK_CODE: {
        const MD_ATTRIBUTE *a = &((MD_BLOCK_CODE_DETAIL *)detail)->lang;
        size_t n = a->size < sizeof r->language - 1 ? a->size : sizeof r->language - 1;
        if (r->text.len)
            wrap(r);
        blank(r);
        memcpy(r->language, a->text ? a->text : "", a->text ? n : 0);
        r->language[a->text ? n : 0] = 0;
        r->in_code = true;
        break;
    }
    case MD_BLOCK_P:
        if (!(r->nlists && r->bullet))
            blank(r);
        break;
    case MD_BLOCK_TABLE:
        blank(r);
        break;
    case MD_BLOCK_TR:
        r->columns = 0;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        if (r->columns++)
            buf_adds(&r->text, "  ");
        break;
    default:
        break;
    }
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *self)
{
    struct render *r = self;
    switch (type) {
    case MD_BLOCK_QUOTE:
        r->quote--;
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        if (r->nlists)
            r->nlists--;
        break;
    case MD_BLOCK_LI:
        if (r->text.len)
            wrap(r);
        if (r->nlists)
            r->list[r->nlists - 1].number++;
        break;
    case MD_BLOCK_H:
        buf_adds(&r->text, style(r->l, STYLE_NONE));
        wrap(r);
        r->in_heading = false;
        break;
    case MD_BLOCK_CODE:
        flush_code(r);
        r->in_code = false;
        break;
    case MD_BLOCK_P:
    case MD_BLOCK_TR:
        wrap(r);
        break;
    default:
        break;
    }
    return 0;
}

static void restyle(struct render *r)
{
    buf_adds(&r->text, style(r->l, STYLE_NONE));
    if (r->in_heading)
        buf_adds(&r->text, style(r->l, STYLE_HEADING));
    for (int i = 0; i < r->nspans && i < DEPTH; i++)
        buf_adds(&r->text, style(r->l, r->span[i]));
}

static int enter_span(MD_SPANTYPE type, void *detail, void *self)
{
    struct render *r = self;
    enum style s = type == MD_SPAN_STRONG ? STYLE_BOLD
                   : type == MD_SPAN_EM   ? STYLE_ITALIC
                   : type == MD_SPAN_CODE ? STYLE_CODE
                   : type == MD_SPAN_A    ? STYLE_CITE
                                          : STYLE_DIM;
    if (r->nspans < DEPTH)
        r->span[r->nspans] = s;
    r->nspans++;
    buf_adds(&r->text, style(r->l, s));
    return 0;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *self)
{
    struct render *r = self;
    r->nspans--;
    restyle(r);
    return 0;
}

/* [3] is a citation wherever it stands in prose. */
static void put_prose(struct render *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t k = i + 1;
        while (p[i] == '[' && k < n && p[k] >= '0' && p[k] <= '9')
            k++;
        if (p[i] == '[' && k > i + 1 && k < n && p[k] == ']') {
            buf_adds(&r->text, style(r->l, STYLE_CITE));
            buf_add(&r->text, p + i, k + 1 - i);
            restyle(r);
            i = k + 1;
            continue;
        }
        for (k = i + 1; k < n && p[k] != '[';)
            k++;
        put_clean(&r->text, p + i, k - i);
        i = k;
    }
}

static size_t entity(char out[8], const char *p, size_t n)
{
    static const char *const name[][2] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"},
                                          {"&nbsp;", " "}};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strlen(name[i][0]) == n && !memcmp(name[i][0], p, n)) {
            strcpy(out, name[i][1]);
            return strlen(out);
        }
    unsigned long c = n > 3 && p[1] == '#' ? strtoul(p + 2 + (p[2] == 'x'), NULL, p[2] == 'x' ? 16 : 10) : 0;
    if (c >= 32 && c < 127) {
        out[0] = (char)c;
        return 1;
    }
    return 0;
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *self)
{
    struct render *r = self;
    char one[8];
    size_t len;
    if (p <= r->end && n > (size_t)(r->end - p)) /* md4c 0.4.8 can give a byte more than there is (found by the test of random bytes) */
        n = (MD_SIZE)(r->end - p);
    if (r->in_code) {
        buf_add(&r->code, p, n);
        return 0;
    }
    switch (type) {
    case MD_TEXT_BR:
        buf_addc(&r->text, '\n');
        break;
    case MD_TEXT_SOFTBR:
        buf_addc(&r->text, ' ');
        break;
    case MD_TEXT_NULLCHAR:
        break;
    case MD_TEXT_ENTITY:
        if ((len = entity(one, p, n)))
            buf_add(&r->text, one, len);
        else
            put_clean(&r->text, p, n);
        break;
    case MD_TEXT_CODE:
        put_clean(&r->text, p, n);
        break;
    default:
        put_prose(r, p, n);
    }
    return 0;
}

void put_markdown(struct buf *out, const struct look *l, const char *text, size_t n)
{
    struct render r = {.out = out, .l = l, .first = true};
    MD_PARSER parser = {.flags = MD_FLAG_NOHTML | MD_FLAG_TABLES | MD_FLAG_NOINDENTEDCODEBLOCKS,
                        .enter_block = enter_block,
                        .leave_block = leave_block,
                        .enter_span = enter_span,
                        .leave_span = leave_span,
                        .text = on_text};
    if (!l->color) {
        put_clean(out, text, n);
        if (n && text[n - 1] != '\n')
            buf_addc(out, '\n');
        return;
    }
    size_t before = out->len;
    struct buf copy = BUF_INIT; /* with a NUL behind it: md4c looks one byte ahead */
    buf_add(&copy, text, n);
    r.end = copy.data + n;
    if (md_parse(copy.data, (MD_SIZE)n, &parser, &r)) {
        out->len = before;
        put_clean(out, text, n);
    }
    buf_release(&copy);
    buf_release(&r.text);
    buf_release(&r.code);
}

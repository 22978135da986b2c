#define _GNU_SOURCE /* memmem, memrchr */
#include "engine/chat/template_filter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool strips(struct value chars, uint32_t c)
{
    if (chars.kind == V_ABSENT || chars.kind == V_NONE)
        return text_is_space(c);
    for (size_t i = 0; i < chars.n;) {
        uint32_t other;
        i += text_char(chars.s + i, chars.s + chars.n, &other);
        if (other == c)
            return true;
    }
    return false;
}

struct value text_strip(struct run *r, struct value v, struct value chars, int sides)
{
    size_t from = 0, to = v.n;
    uint32_t c;
    if (chars.kind != V_ABSENT && chars.kind != V_NONE)
        v_need_text(r, chars, "the characters to strip");
    while (sides & 1 && from < to) {
        size_t n = text_char(v.s + from, v.s + to, &c);
        run_steps(r, chars.n / 8);
        if (!strips(chars, c))
            break;
        from += n;
    }
    while (sides & 2 && from < to) {
        size_t at = to - 1;
        while (at > from && ((uint8_t)v.s[at] & 0xC0) == 0x80)
            at--;
        text_char(v.s + at, v.s + to, &c);
        run_steps(r, chars.n / 8);
        if (!strips(chars, c))
            break;
        to = at;
    }
    return v_part(v, from, to - from);
}

struct value text_replace(struct run *r, struct value v, struct value old, struct value with, int64_t most)
{
    struct text t = {0};
    size_t at = 0;
    run_steps(r, v.n / 64);
    for (int64_t done = 0; most < 0 || done < most; done++) {
        size_t step, found;
        if (old.n) {
            const char *hit = memmem(v.s + at, v.n - at, old.s, old.n);
            if (!hit)
                break;
            found = (size_t)(hit - v.s);
            text_add_value(r, &t, v_part(v, at, found - at));
            step = old.n;
        } else { /* between all characters */
            if (done) {
                if (at >= v.n)
                    break;
                size_t n = text_offset(v.s + at, v.n - at, 1);
                text_add_value(r, &t, v_part(v, at, n));
                at += n;
            }
            found = at;
            step = 0;
        }
        run_steps(r, 1);
        text_add_value(r, &t, with);
        at = found + step;
    }
    text_add_value(r, &t, v_part(v, at, v.n - at));
    struct value out = text_value(r, &t);
    out.markup = v.markup;
    return out;
}

static struct value title_first(struct run *r, struct value v, enum text_case to)
{
    size_t n = v.n ? text_offset(v.s, v.n, 1) : 0;
    struct text t = {0};
    text_add_value(r, &t, v_cased(r, v_part(v, 0, n), to));
    text_add_value(r, &t, v_cased(r, v_part(v, n, v.n - n), CASE_LOWER));
    return text_value(r, &t);
}

struct value text_capitalize(struct run *r, struct value v)
{
    return title_first(r, v, CASE_TITLE);
}

/* The line breaks of str.splitlines(). */
static size_t line_break(const char *s, const char *end)
{
    uint32_t c;
    size_t n = text_char(s, end, &c);
    if (c == '\r' && n < (size_t)(end - s) && s[1] == '\n')
        return 2;
    bool breaks = (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    return breaks ? n : 0;
}

struct value template_text_lines(struct run *r, struct value v, bool keep_ends)
{
    struct value lines = v_list(r, LIST_PLAIN, 0);
    size_t from = 0;
    run_steps(r, v.n / 16);
    for (size_t i = 0; i < v.n;) {
        size_t n = line_break(v.s + i, v.s + v.n);
        if (n) {
            list_add(r, lines.list, v_part(v, from, i - from + (keep_ends ? n : 0)));
            from = i + n;
        }
        i += n ? n : text_offset(v.s + i, v.n - i, 1);
    }
    if (from < v.n)
        list_add(r, lines.list, v_part(v, from, v.n - from));
    lines.literal = v.literal;
    return lines;
}

struct value text_pad(struct run *r, struct value v, size_t before, size_t behind, struct value fill)
{
    struct text t = {0};
    run_steps(r, before + behind);
    for (size_t i = 0; i < before; i++)
        text_add_value(r, &t, fill);
    text_add_value(r, &t, v);
    for (size_t i = 0; i < behind; i++)
        text_add_value(r, &t, fill);
    return text_value(r, &t);
}

struct value filter_trim(struct run *r, const struct call *c)
{
    return text_strip(r, v_show(r, c->self), c->arg[0], 3);
}

struct value filter_upper(struct run *r, const struct call *c)
{
    return v_cased(r, v_show(r, c->self), CASE_UPPER);
}

struct value filter_lower(struct run *r, const struct call *c)
{
    return v_cased(r, v_show(r, c->self), CASE_LOWER);
}

struct value filter_capitalize(struct run *r, const struct call *c)
{
    return text_capitalize(r, v_show(r, c->self));
}

/* Words begin behind blanks and - ( { [ <. */
struct value filter_title(struct run *r, const struct call *c)
{
    struct value v = v_show(r, c->self);
    struct text t = {0};
    size_t from = 0;
    bool gap = false;
    for (size_t i = 0; i <= v.n;) {
        uint32_t ch = 0;
        size_t n = i < v.n ? text_char(v.s + i, v.s + v.n, &ch) : 1;
        bool here = i < v.n && (text_is_space(ch) || strchr("-({[<", ch && ch < 0x80 ? (int)ch : '\n'));
        if (i == v.n || here != gap) {
            struct value word = v_part(v, from, i - from);
            text_add_value(r, &t, title_first(r, word, CASE_UPPER));
            from = i;
            gap = here;
        }
        i += n;
    }
    return text_value(r, &t);
}

struct value filter_replace(struct run *r, const struct call *c)
{
    if (c->arg[1].kind == V_ABSENT)
        run_fail(r, ERR_USAGE, "replace needs two arguments");
    struct value count = c->arg[2];
    int64_t most = count.kind == V_ABSENT || count.kind == V_NONE ? -1 : v_need_int(r, count, "a count");
    struct value self = v_show(r, c->self), old = v_show(r, c->arg[0]), with = v_show(r, c->arg[1]);
    if (self.markup) { /* as markup does it: what goes in is escaped */
        old = v_escaped(r, old);
        with = v_escaped(r, with);
    }
    return text_replace(r, self, old, with, most);
}

struct value filter_string(struct run *r, const struct call *c)
{
    return v_show(r, c->self);
}

struct value filter_safe(struct run *r, const struct call *c)
{
    struct value v = v_show(r, c->self);
    v.markup = 1;
    return v;
}

struct value filter_escape(struct run *r, const struct call *c)
{
    return v_escaped(r, c->self);
}

struct value filter_forceescape(struct run *r, const struct call *c)
{
    struct value v = v_show(r, c->self);
    v.markup = 0;
    return v_escaped(r, v);
}

struct value filter_indent(struct run *r, const struct call *c)
{
    struct value v = v_need_text(r, c->self, "what is indented"), by = c->arg[0];
    struct text t = {0}, with = {0};
    bool blank = v_true(r, c->arg[2]);
    if (by.kind == V_TEXT) {
        text_add_value(r, &with, by);
    } else {
        for (int64_t i = 0, n = by.kind == V_ABSENT ? 4 : v_need_int(r, by, "indent's width"); i < n; i++, run_steps(r, 1))
            text_add(r, &with, " ", 1, true);
    }
    struct value indent = text_value(r, &with);
    struct text whole = {0};
    text_add_value(r, &whole, v);
    text_add(r, &whole, "\n", 1, true);
    struct list *lines = template_text_lines(r, text_value(r, &whole), false).list;
    if (v_true(r, c->arg[1]))
        text_add_value(r, &t, indent);
    for (size_t i = 0; i < lines->n; i++) {
        if (i)
            text_add(r, &t, "\n", 1, v.literal && !v.origin);
        if (i && (lines->v[i].n || blank))
            text_add_value(r, &t, indent);
        text_add_value(r, &t, lines->v[i]);
    }
    return text_value(r, &t);
}

struct value filter_truncate(struct run *r, const struct call *c)
{
    struct value v = c->self, end = c->arg[2].kind == V_ABSENT ? v_text(STR("..."), true) : c->arg[2];
    int64_t length = c->arg[0].kind == V_ABSENT ? 255 : v_need_int(r, c->arg[0], "truncate's length");
    int64_t leeway = c->arg[3].kind == V_ABSENT || c->arg[3].kind == V_NONE ? 5 : v_need_int(r, c->arg[3], "truncate's leeway");
    int64_t tail = (int64_t)v_length(r, v_need_text(r, end, "truncate's end"));
    if (length < tail || leeway < 0)
        run_fail(r, ERR_USAGE, "expected length >= %lld and leeway >= 0", (long long)tail);
    if ((int64_t)v_length(r, v) <= length || (int64_t)v_length(r, v) - leeway <= length)
        return v;
    v = v_need_text(r, v, "what is cut");
    struct value cut = v_part(v, 0, text_offset(v.s, v.n, (size_t)(length - tail)));
    if (!v_true(r, c->arg[1])) {
        const char *space = memrchr(cut.s, ' ', cut.n);
        if (space)
            cut = v_part(cut, 0, (size_t)(space - cut.s));
    }
    struct text t = {0};
    text_add_value(r, &t, cut);
    text_add_value(r, &t, end);
    return text_value(r, &t);
}

struct value filter_wordcount(struct run *r, const struct call *c)
{
    struct value v = v_show(r, c->self);
    int64_t words = 0;
    bool in = false;
    for (size_t i = 0; i < v.n;) {
        uint32_t ch;
        i += text_char(v.s + i, v.s + v.n, &ch);
        bool word = ch == '_' || text_is_alpha(ch) || text_is_digit(ch);
        words += word && !in;
        in = word;
    }
    return v_int(words);
}

struct value filter_center(struct run *r, const struct call *c)
{
    struct value v = v_show(r, c->self);
    int64_t width = c->arg[0].kind == V_ABSENT ? 80 : v_need_int(r, c->arg[0], "a width");
    size_t n = v_length(r, v), missing = width > 0 && (size_t)width > n ? (size_t)width - n : 0;
    size_t before = missing / 2 + (missing & (size_t)width & 1);
    return text_pad(r, v, before, missing - before, v_text(STR(" "), true));
}

struct value filter_format(struct run *r, const struct call *c)
{
    if (c->all->nnamed)
        run_fail(r, ERR_UNSUPPORTED, "format with names");
    return v_format(r, v_show(r, c->self), c->all);
}

/* Copies a number's text without blanks and underscores; false: it is none. */
static bool number_text(char out[80], struct value v)
{
    size_t n = 0;
    size_t from = text_blanks(v.s, v.s + v.n), to = text_rstrip(v.s, v.n);
    for (size_t i = from; i < to; i++) {
        if (v.s[i] == '_') {
            bool between = i > from && i + 1 < to && v.s[i - 1] != '_' && v.s[i + 1] != '_';
            if (!between)
                return false;
            continue;
        }
        if (n + 1 >= 80 || (uint8_t)v.s[i] >= 0x80 || !v.s[i])
            return false;
        out[n++] = v.s[i];
    }
    out[n] = 0;
    return n > 0 && !text_is_space((uint8_t)out[0]);
}

/* float(text) */
static bool read_float(double *out, struct value v)
{
    char s[80], *end;
    if (!number_text(s, v))
        return false;
    const char *digits = s + (*s == '-' || *s == '+');
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
        return false;
    if (strchr(digits, '(')) /* C reads nan(…) */
        return false;
    *out = strtod(s, &end);
    return !*end;
}

static bool read_int(struct run *r, int64_t *out, struct value v, int64_t base)
{
    char s[80], *end;
    if (!number_text(s, v))
        return false;
    char *digits = s + (*s == '-' || *s == '+');
    if (*digits == '-' || *digits == '+')
        return false;
    bool prefix = digits[0] == '0' && digits[1] && strchr("xXoObB", digits[1]) != NULL;
    int64_t means = !prefix ? 0 : strchr("xX", digits[1]) ? 16 : strchr("oO", digits[1]) ? 8 : 2;
    if (prefix && (base == means || base == 0)) {
        base = means;
        memmove(digits, digits + 2, strlen(digits + 2) + 1);
        if (!*digits || *digits == '-' || *digits == '+')
            return false;
    } else if (digits[0] == '0' && digits[1] && strchr("xX", digits[1])) {
        return false; /* strtoll would take it at base 16 alone, which is the case above */
    }
    if (base < 2 || base > 36)
        run_fail(r, ERR_USAGE, "int() base must be >= 2 and <= 36");
    errno = 0;
    *out = strtoll(s, &end, (int)base);
    if (!*end && errno == ERANGE)
        run_fail(r, ERR_UNSUPPORTED, "a whole number past 64 bits");
    return !*end && end > s;
}

struct value filter_int(struct run *r, const struct call *c)
{
    struct value v = c->self, fallback = c->arg[0].kind == V_ABSENT ? v_int(0) : c->arg[0];
    int64_t base = c->arg[1].kind == V_ABSENT ? 10 : v_need_int(r, c->arg[1], "int's base"), i;
    double f = NAN;
    if (v.kind == V_UNDEFINED)
        run_fail(r, ERR_USAGE, "'%.*s' is undefined", (int)v.n, v.s);
    if (v.kind == V_BOOL || v.kind == V_INT)
        return v_int(v.kind == V_BOOL ? v.yes : v.i);
    if (v.kind == V_FLOAT)
        f = v.f;
    else if (v.kind != V_TEXT)
        return fallback;
    else if (read_int(r, &i, v, base))
        return v_int(i);
    else if (!read_float(&f, v))
        return fallback;
    if (!isfinite(f)) {
        if (v.kind == V_FLOAT && isinf(f))
            run_fail(r, ERR_USAGE, "cannot convert float infinity to integer");
        return fallback;
    }
    if (fabs(f) >= 9.2e18)
        run_fail(r, ERR_UNSUPPORTED, "a whole number past 64 bits");
    return v_int((int64_t)f);
}

struct value filter_float(struct run *r, const struct call *c)
{
    struct value v = c->self;
    double f;
    if (v.kind == V_UNDEFINED)
        run_fail(r, ERR_USAGE, "'%.*s' is undefined", (int)v.n, v.s);
    if (v_number(v))
        return v_float(v_double(v));
    if (v.kind == V_TEXT && read_float(&f, v))
        return v_float(f);
    return c->arg[0].kind == V_ABSENT ? v_float(0) : c->arg[0];
}

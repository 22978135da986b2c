#include "retriever/markdown.h"

#include <stdbool.h>
#include <string.h>

static const char REPLACEMENT[] = "\xef\xbf\xbd";

/* One code point at s: its bytes, 0 when they are no UTF-8 (overlong and surrogates included). */
static size_t decode(const unsigned char *s, size_t n, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    if (!len || len > n)
        return 0;
    uint32_t v = len == 1 ? s[0] : s[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3f);
    }
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *c = v;
    return len;
}

/* Characters that show nothing, or make other text show in another order: an eye cannot check them. The joiners of emoji
 * and of Indic scripts (U+200C, U+200D) stay. */
static bool hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || c == 0x200b || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           c == 0xfffe || c == 0xffff || (c >= 0xe0000 && c <= 0xe007f);
}

void md_clean(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        uint32_t c = 0;
        if (p[i] == '\r' && i + 1 < s.n && p[i + 1] == '\n') {
            i++;
            continue;
        }
        size_t n = decode(p + i, s.n - i, &c);
        if (!n || (hidden(c) && c != '\n' && c != '\t'))
            buf_adds(out, REPLACEMENT);
        else
            buf_add(out, p + i, n);
        i += n ? n : 1;
    }
}

static size_t longest_run(struct str s, char of)
{
    size_t best = 0, run = 0;
    for (size_t i = 0; i < s.n; i++) {
        run = s.p[i] == of ? run + 1 : 0;
        best = run > best ? run : best;
    }
    return best;
}

static void repeat(struct buf *out, char c, size_t n)
{
    while (n--)
        buf_addc(out, c);
}

/* Cleaned, with every line end a blank. */
static void clean_line(struct buf *out, struct str s)
{
    size_t from = out->len;
    md_clean(out, s);
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t')
            out->data[i] = ' ';
}

void md_code(struct buf *out, struct str s)
{
    if (!s.n)
        return;
    struct buf line = BUF_INIT;
    clean_line(&line, s);
    size_t ticks = longest_run((struct str){line.data, line.len}, '`') + 1;
    bool pad = line.data[0] == '`' || line.data[line.len - 1] == '`' || (line.data[0] == ' ' && line.data[line.len - 1] == ' ');
    repeat(out, '`', ticks);
    if (pad)
        buf_addc(out, ' ');
    buf_add(out, line.data, line.len);
    if (pad)
        buf_addc(out, ' ');
    repeat(out, '`', ticks);
    buf_release(&line);
}

static bool plain_language(const char *s)
{
    if (!s || !*s || strlen(s) > 20)
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || strchr("+#-", *s)))
            return false;
    return true;
}

void md_fence(struct buf *out, const char *language, struct str s)
{
    size_t ticks = longest_run(s, '`') + 1;
    ticks = ticks < 3 ? 3 : ticks;
    repeat(out, '`', ticks);
    if (plain_language(language))
        buf_adds(out, language);
    buf_addc(out, '\n');
    size_t from = out->len;
    md_clean(out, s);
    if (out->len > from && out->data[out->len - 1] != '\n')
        buf_addc(out, '\n');
    repeat(out, '`', ticks);
    buf_addc(out, '\n');
}

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

/* At the beginning of a paragraph: a heading, list, quote, fence, table or rule would begin here. */
static bool begins_block(char c)
{
    return strchr("#>+-=~", c) != NULL;
}

/* "1. x" and "1) x" are lists: the mark after the digits is what is escaped. */
static size_t list_mark(const char *p, size_t n)
{
    size_t digits = 0;
    while (digits < n && p[digits] >= '0' && p[digits] <= '9')
        digits++;
    return digits && digits < n && (p[digits] == '.' || p[digits] == ')') ? digits : SIZE_MAX;
}

static bool ends_with_www(const char *p, size_t at)
{
    return at >= 3 && (p[at - 1] | 0x20) == 'w' && (p[at - 2] | 0x20) == 'w' && (p[at - 3] | 0x20) == 'w';
}

/* Whether the character at i would begin an entity, an address that becomes a link by itself, or a mention. */
static bool links(const char *p, size_t n, size_t i)
{
    char c = p[i], before = i ? p[i - 1] : ' ', after = i + 1 < n ? p[i + 1] : ' ';
    return (c == '&' && (alnum(after) || after == '#')) || (c == ':' && after == '/' && alnum(before)) /* http://… */ ||
           (c == '.' && ends_with_www(p, i)) /* www.… */ || (c == '@' && alnum(after)) /* ann@example.org */ ||
           (c == ':' && i >= 6 && !strncmp(p + i - 6, "mailto", 6));
}

unsigned md_inert(struct buf *out, struct str s, size_t from, size_t to)
{
    struct buf line = BUF_INIT;
    unsigned found = 0;
    clean_line(&line, s); /* replaced characters may change its length, not its ends */
    size_t end = line.len - (s.n - to);
    for (size_t i = from; i < end; i++) {
        char c = line.data[i], after = i + 1 < line.len ? line.data[i + 1] : ' ';
        bool tag = c == '<', link = links(line.data, line.len, i); /* parsers differ on what may follow "<" */
        found += (tag && (alnum(after) || strchr("/!?", after))) || (link && c != '&' && c != '@');
        if (tag || link || strchr("\\`[]", c) || (c == '$' && (after == '$' || (i && line.data[i - 1] == '$'))))
            buf_addc(out, '\\');
        buf_addc(out, c);
    }
    buf_release(&line);
    return found;
}

#define LINK_BEFORE 8 /* bytes before a text that could make a link of its beginning: "mailto", "http:", "www" */

void md_text(struct buf *out, struct str s)
{
    struct buf line = BUF_INIT;
    size_t i = out->len < LINK_BEFORE ? out->len : LINK_BEFORE;
    buf_add(&line, i ? out->data + out->len - i : "", i);
    clean_line(&line, s);
    const char *p = line.data ? line.data : "";
    size_t n = line.len;
    while (n > i && p[n - 1] == ' ')
        n--;
    while (i < n && p[i] == ' ')
        i++;
    bool first = !out->len || out->data[out->len - 1] == '\n' ||
                 (out->len > 1 && out->data[out->len - 1] == ' ' && strchr("\n>-", out->data[out->len - 2]));
    size_t mark = first && i < n ? list_mark(p + i, n - i) : SIZE_MAX;
    mark = mark == SIZE_MAX ? mark : mark + i;
    if (first && i < n && begins_block(p[i]))
        buf_addc(out, '\\');
    for (; i < n; i++) {
        char c = p[i], before = i ? p[i - 1] : ' ', after = i + 1 < n ? p[i + 1] : ' ';
        bool escape = strchr("\\`*[]<|", c) != NULL || i == mark || links(p, n, i);
        escape |= c == '_' && !(alnum(before) && alnum(after));
        escape |= c == '~' && (after == '~' || before == '~');
        escape |= c == '$' && (after == '$' || before == '$');
        if (escape)
            buf_addc(out, '\\');
        buf_addc(out, c);
    }
    buf_release(&line);
}

static size_t ticks_at(struct str s, size_t i)
{
    size_t n = 0;
    while (i + n < s.n && s.p[i + n] == '`')
        n++;
    return n;
}

void md_prose(struct buf *out, struct str s)
{
    size_t from = 0, i = 0, tries = 0;
    while (i < s.n) {
        size_t n = ticks_at(s, i), end = i + n;
        if (!n || tries > 64) {
            i++;
            continue;
        }
        while (end < s.n && ticks_at(s, end) != n) /* the run that closes it */
            end += ticks_at(s, end) ? ticks_at(s, end) : 1;
        if (end >= s.n || end == i + n) {
            tries++; /* keeps it linear */
            i += n;
            continue;
        }
        size_t to = i; /* without a role before it: :meth:`x` */
        if (to > from + 2 && s.p[to - 1] == ':') {
            size_t at = to - 1;
            while (at > from && (alnum(s.p[at - 1]) || s.p[at - 1] == '-'))
                at--;
            if (at > from && at < to - 1 && s.p[at - 1] == ':')
                to = at - 1;
        }
        struct str code = {s.p + i + n, end - i - n};
        if (code.n > 1 && code.p[0] == '~')
            code = (struct str){code.p + 1, code.n - 1};
        if (to > from) {
            bool blank_before = s.p[from] == ' ', blank_after = s.p[to - 1] == ' ';
            if (blank_before)
                buf_addc(out, ' ');
            md_text(out, (struct str){s.p + from, to - from});
            if (blank_after && to - from > 1)
                buf_addc(out, ' ');
        }
        md_code(out, code);
        from = i = end + n;
    }
    if (from < s.n) {
        if (from && s.p[from] == ' ')
            buf_addc(out, ' ');
        md_text(out, (struct str){s.p + from, s.n - from});
    }
}

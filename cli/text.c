#define _XOPEN_SOURCE 700 /* wcwidth */
#include "cli/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

void look_open(struct look *l)
{
    struct winsize w;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM"), *columns = getenv("COLUMNS");
    l->tty = isatty(STDOUT_FILENO);
    l->color = l->tty && !(no && *no) && !(term && !strcmp(term, "dumb"));
    l->width = 100;
    if (columns && atoi(columns) > 0)
        l->width = atoi(columns);
    else if (l->tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col)
        l->width = w.ws_col;
    if (l->width < 40)
        l->width = 40;
    if (l->width > 120 && l->tty)
        l->width = 120; /* longer lines of prose are hard to read */
}

const char *style(const struct look *l, enum style s)
{
    static const char *const code[] = {
        [STYLE_NONE] = "\033[0m",        [STYLE_BOLD] = "\033[1m",       [STYLE_DIM] = "\033[2m",
        [STYLE_ITALIC] = "\033[3m",      [STYLE_HEADING] = "\033[1;36m", [STYLE_PATH] = "\033[35m",
        [STYLE_LINE] = "\033[32m",       [STYLE_NAME] = "\033[1m",       [STYLE_CITE] = "\033[1;34m",
        [STYLE_GOOD] = "\033[32m",       [STYLE_WARN] = "\033[33m",      [STYLE_BAD] = "\033[31m",
        [STYLE_CODE] = "\033[36m",       [STYLE_MATCH] = "\033[1;33m",   [STYLE_KEYWORD] = "\033[34m",
        [STYLE_STRING] = "\033[32m",     [STYLE_COMMENT] = "\033[90m",   [STYLE_NUMBER] = "\033[33m",
        [STYLE_CALL] = "\033[36m",       [STYLE_TYPE] = "\033[33m",
    };
    return l->color ? code[s] : "";
}

void put_styled(struct buf *out, const struct look *l, enum style s, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    char line[1024];
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    buf_adds(out, style(l, s));
    put_cleans(out, line);
    buf_adds(out, style(l, STYLE_NONE));
    buf_release(&text);
}

/* The code point at p and its length; length 0 for what is not UTF-8. */
static size_t decode(const char *text, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n < len)
        return 0;
    *cp = p[0] & (0xFF >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3F);
    }
    return *cp < least[len] || *cp > 0x10FFFF || (*cp >= 0xD800 && *cp < 0xE000) ? 0 : len;
}

static bool active(uint32_t c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

void put_clean(struct buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        size_t len = decode(p + i, n - i, &c);
        if (len && !active(c))
            buf_add(out, p + i, len);
        else if (c != '\r' || !len)
            buf_adds(out, "\xEF\xBF\xBD");
        i += len ? len : 1;
    }
}

void put_cleans(struct buf *out, const char *s)
{
    if (s)
        put_clean(out, s, strlen(s));
}

size_t char_at(const char *p, size_t n, int *columns)
{
    uint32_t c = 0;
    if (*p == '\033' && n > 1 && p[1] == '[') {
        size_t i = 2;
        while (i < n && p[i] != 'm')
            i++;
        *columns = 0;
        return i < n ? i + 1 : n;
    }
    size_t len = decode(p, n, &c);
    int w = len > 1 ? wcwidth((wchar_t)c) : 1;
    *columns = w < 0 ? 1 : w;
    return len ? len : 1;
}

int columns_of(const char *p, size_t n)
{
    int sum = 0, w;
    for (size_t i = 0; i < n;) {
        i += char_at(p + i, n - i, &w);
        sum += w;
    }
    return sum;
}

json_t *json_clean(const char *p, size_t n)
{
    struct buf b = BUF_INIT;
    uint32_t c;
    for (size_t i = 0, len; i < n; i += len ? len : 1) {
        len = decode(p + i, n - i, &c);
        if (len && c)
            buf_add(&b, p + i, len);
        else
            buf_adds(&b, "\xEF\xBF\xBD");
    }
    json_t *j = json_stringn(b.data ? b.data : "", b.len);
    buf_release(&b);
    return j;
}

const char *human_bytes(char out[32], double bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    int i = 0;
    while (bytes >= 1000 && i < 4)
        bytes /= 1000, i++;
    snprintf(out, 32, bytes < 10 && i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return out;
}

const char *human_time(char out[32], double s)
{
    if (s < 60)
        snprintf(out, 32, "%.0f s", s);
    else if (s < 3600)
        snprintf(out, 32, "%.0f:%02.0f min", (double)(int)(s / 60), s - 60 * (double)(int)(s / 60));
    else if (s < 86400)
        snprintf(out, 32, "%d:%02d h", (int)(s / 3600), (int)(s / 60) % 60);
    else
        snprintf(out, 32, "%d d", (int)(s / 86400));
    return out;
}

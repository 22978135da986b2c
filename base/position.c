#include "base/position.h"

#include <string.h>

static const char *const name[] = {[ENCODING_UTF16] = "utf-16", [ENCODING_UTF8] = "utf-8", [ENCODING_UTF32] = "utf-32"};

const char *encoding_name(enum encoding how)
{
    return name[how];
}

bool encoding_named(enum encoding *out, const char *wanted)
{
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (!strcmp(name[i], wanted)) {
            *out = (enum encoding)i;
            return true;
        }
    return false;
}

/* Bytes of the character at p. A byte that begins none is one by itself: a client sees it as one U+FFFD. */
static size_t step(const char *p, const char *end, uint32_t *units, enum encoding how)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0xC2 || c > 0xF4 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n > (size_t)(end - p))
        n = 1;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            n = 1;
    *units = how == ENCODING_UTF8 ? (uint32_t)n : how == ENCODING_UTF16 && n == 4 ? 2 : 1;
    return n;
}

size_t column_to_bytes(struct str line, uint32_t column, enum encoding how)
{
    const char *p = line.p, *end = p + line.n;
    uint32_t at = 0, units;
    while (p < end && at < column) {
        size_t n = step(p, end, &units, how);
        if (column - at < units)
            break;
        at += units;
        p += n;
    }
    return (size_t)(p - line.p);
}

uint32_t column_of_bytes(struct str line, size_t bytes, enum encoding how)
{
    const char *p = line.p, *end = p + line.n, *stop = bytes < line.n ? p + bytes : end;
    uint32_t at = 0, units;
    while (p < stop) {
        p += step(p, end, &units, how);
        at += units;
    }
    return at;
}

size_t line_end(const char *p, const char *end)
{
    return *p == '\n' ? 1 : *p != '\r' ? 0 : p + 1 < end && p[1] == '\n' ? 2 : 1;
}

struct str first_line(struct str text, const char **next)
{
    const char *p = text.p, *end = p + text.n;
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    *next = p < end ? p + line_end(p, end) : NULL;
    return (struct str){text.p, (size_t)(p - text.p)};
}

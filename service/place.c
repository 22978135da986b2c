#include "service/place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool number(uint32_t *out, const char **p)
{
    char *end;
    if (**p < '0' || **p > '9')
        return false;
    unsigned long v = strtoul(*p, &end, 10);
    *p = end;
    *out = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return true;
}

int place_parse(struct place_asked *a, struct arena *arena, const char *text, struct err *e)
{
    *a = (struct place_asked){.path = arena_str(arena, text)};
    char *colon = strrchr(a->path, ':');
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return 0;
    const char *p = colon + 1;
    uint32_t first, last;
    if (!number(&first, &p))
        return 0;
    last = first;
    if (*p == '-') {
        p++;
        if (!number(&last, &p))
            return 0;
    }
    if (*p)
        return 0;
    if (!first || last < first)
        return err_set(e, ERR_USAGE, "%s: lines are counted from 1, and the first comes first", text);
    *colon = 0;
    a->first = first;
    a->last = last;
    return 0;
}

uint32_t line_count(struct str text)
{
    uint32_t n = 0;
    for (const char *p = text.p, *end = p + text.n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n++;
    return n + (text.n && text.p[text.n - 1] != '\n');
}

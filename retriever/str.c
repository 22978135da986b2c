#include "retriever/str.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool str_is(struct str s, const char *literal)
{
    size_t n = strlen(literal);
    return s.n == n && (!n || !memcmp(s.p, literal, n));
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(*s.p))
        s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_begins(struct str s, const char *literal)
{
    size_t n = strlen(literal);
    return s.n >= n && (!n || !memcmp(s.p, literal, n));
}

bool str_ends(struct str s, const char *literal)
{
    size_t n = strlen(literal);
    return s.n >= n && (!n || !memcmp(s.p + s.n - n, literal, n));
}

bool str_eat(struct str *s, const char *literal)
{
    if (!str_begins(*s, literal))
        return false;
    *s = str_from(*s, strlen(literal));
    return true;
}

size_t str_find(struct str s, const char *literal)
{
    size_t n = strlen(literal);
    for (size_t i = 0; i + n <= s.n; i++) {
        const char *hit = memchr(s.p + i, literal[0], s.n - n + 1 - i);
        if (!hit)
            return SIZE_MAX;
        i = (size_t)(hit - s.p);
        if (!memcmp(hit, literal, n))
            return i;
    }
    return SIZE_MAX;
}

size_t str_rfind(struct str s, char c)
{
    for (size_t i = s.n; i-- > 0;)
        if (s.p[i] == c)
            return i;
    return SIZE_MAX;
}

struct str str_from(struct str s, size_t at)
{
    if (at > s.n)
        at = s.n;
    return at ? (struct str){s.p + at, s.n - at} : s; /* an empty one may have no bytes to point at */
}

struct str str_upto(struct str s, size_t n)
{
    return (struct str){s.p, n < s.n ? n : s.n};
}

struct str str_until(struct str s, const char *any)
{
    size_t n = 0;
    while (n < s.n && (!s.p[n] || !strchr(any, s.p[n])))
        n++;
    return (struct str){s.p, n};
}

struct str str_join(struct arena *a, struct str x, struct str y)
{
    char *p = arena_alloc(a, x.n + y.n + 1);
    if (x.n)
        memcpy(p, x.p, x.n);
    if (y.n)
        memcpy(p + x.n, y.p, y.n);
    p[x.n + y.n] = 0;
    return (struct str){p, x.n + y.n};
}

struct str str_joins(struct arena *a, const char *x, struct str y)
{
    return str_join(a, str_of(x), y);
}

#include "retriever/trace_shapes.h"

#include <string.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool char_ident(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || digit(c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

bool str_number(struct str *s, uint32_t *n)
{
    size_t i = 0;
    uint64_t v = 0;
    for (; i < s->n && digit(s->p[i]); i++)
        if ((v = v * 10 + (uint64_t)(s->p[i] - '0')) > UINT32_MAX)
            v = UINT32_MAX;
    if (!i)
        return false;
    *n = (uint32_t)v;
    *s = str_from(*s, i);
    return true;
}

/* A suffix: ".", a letter, up to nine more letters or digits, and nothing after it. */
static bool has_suffix(struct str s)
{
    size_t dot = str_rfind(s, '.');
    if (dot == SIZE_MAX || s.n - dot < 2 || s.n - dot > 11)
        return false;
    char c = s.p[dot + 1];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
        return false;
    for (size_t i = dot + 2; i < s.n; i++)
        if (!char_ident(s.p[i]) && s.p[i] != '+')
            return false;
    return true;
}

bool str_pathlike(struct str s)
{
    if (!s.n || s.n > 1024)
        return false;
    bool slash = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\t' || c == '\n' || c == '"' || c == '\'' || c == '(' || c == '`' || c == '=' || c == ',' || c == '|')
            return false;
        if (c == ' ' && i && s.p[i - 1] == ':') /* "error: src/x.c" is not one path */
            return false;
        slash |= c == '/' || c == '\\';
    }
    bool blank = memchr(s.p, ' ', s.n) != NULL;
    if (has_suffix(s))
        return !blank || slash;
    size_t base = str_rfind(s, '/');
    struct str name = base == SIZE_MAX ? s : str_from(s, base + 1);
    return !blank && (slash || str_begins(name, "Makefile") || str_begins(name, "Dockerfile") || str_begins(name, "Rakefile"));
}

/* Takes ":12" or "(12" off the end of s. */
static bool number_off_end(struct str *s, char before, uint32_t *n)
{
    size_t at = s->n;
    while (at && digit(s->p[at - 1]))
        at--;
    if (at == s->n || !at || s->p[at - 1] != before)
        return false;
    struct str tail = str_from(*s, at);
    str_number(&tail, n);
    s->n = at - 1;
    return true;
}

bool str_place(struct str s, struct str *path, uint32_t *line)
{
    uint32_t a, b;
    struct str rest = s;
    if (str_ends(s, ")")) { /* path(12) or path(12,5) */
        rest.n--;
        struct str head = rest;
        if (number_off_end(&head, '(', &a)) {
            *line = a;
        } else {
            head = rest;
            if (!number_off_end(&head, ',', &b) || !number_off_end(&head, '(', &a))
                return false;
            *line = a;
        }
        rest = head;
    } else {
        if (!number_off_end(&rest, ':', &b))
            return false;
        *line = b;
        struct str head = rest;
        if (number_off_end(&head, ':', &a)) {
            *line = a;
            rest = head;
        }
    }
    if (!str_pathlike(rest))
        return false;
    *path = rest;
    return true;
}

bool str_place_head(struct str s, struct str *path, uint32_t *line, struct str *rest)
{
    for (size_t i = 1; i < s.n && i < 1024; i++) {
        if (s.p[i] != ':' || i + 1 >= s.n || !digit(s.p[i + 1]))
            continue;
        struct str tail = str_from(s, i + 1), after;
        uint32_t column;
        *path = str_upto(s, i);
        str_number(&tail, line);
        if (tail.n && tail.p[0] == ':') { /* a column too? */
            after = str_from(tail, 1);
            if (str_number(&after, &column))
                tail = after;
        }
        if (tail.n && tail.p[0] == ':')
            tail = str_from(tail, 1);
        else if (tail.n && tail.p[0] != ' ' && tail.p[0] != ',')
            return false;
        *rest = str_trim(tail);
        return str_pathlike(*path);
    }
    return false;
}

/* -- names of functions -------------------------------------------------------------------------------------------------- */
static bool same(struct str s, const char *literal)
{
    return s.n == strlen(literal) && !memcmp(s.p, literal, s.n);
}

/* Components that runtimes invent: the function is the component before them. */
static bool invented(struct str s)
{
    if (!s.n || s.p[0] == '<' || s.p[0] == '{' || digit(s.p[0]))
        return true;
    if (same(s, "invokeSuspend") || same(s, "MoveNext") || same(s, "anonymous"))
        return true;
    if (!str_eat(&s, "func")) /* Go's closures: func1 */
        return false;
    while (s.n && digit(s.p[0]))
        s = str_from(s, 1);
    return !s.n;
}

/* Without a "<…>" or "(…)" at its end, nested ones included. */
static struct str without_brackets(struct str s)
{
    while (s.n && (s.p[s.n - 1] == '>' || s.p[s.n - 1] == ')' || s.p[s.n - 1] == ']')) {
        size_t depth = 0, i = s.n;
        while (i--) {
            char c = s.p[i];
            if (c == '>' || c == ')' || c == ']')
                depth++;
            else if ((c == '<' || c == '(' || c == '[') && --depth == 0)
                break;
        }
        if (i == SIZE_MAX || !i)
            return s; /* unbalanced, or all of it: "<init>" */
        if (i && strchr(".:#\\/>-", s.p[i - 1]))
            return s; /* a component of its own: Foo.<init>, store.(*Store) */
        s.n = i;
        s = str_trim(s);
    }
    return s;
}

/* Parts of JVM names after '$': lambda$place$0 → place, Inner$Shelf → Inner, foo$default → foo. */
static struct str without_dollars(struct str s)
{
    const char *d;
    if (str_begins(s, "lambda$"))
        s = str_from(s, 7);
    if (s.n > 1 && (d = memchr(s.p + 1, '$', s.n - 1)))
        s.n = (size_t)(d - s.p);
    return s;
}

/* Cart$add$2 → add: the class of a lambda is named after the function around it. */
static bool lambda_class(struct str *s)
{
    while (s->n && digit(s->p[s->n - 1]))
        s->n--;
    while (s->n && s->p[s->n - 1] == '$')
        s->n--;
    size_t at = str_rfind(*s, '$');
    if (at == SIZE_MAX)
        return false;
    *s = str_from(*s, at + 1);
    return true;
}

struct str function_of(struct str q)
{
    static const char *const before[] = {"block in ", "rescue in ", "ensure in ", "async ", "new ", "anonymous fn/", NULL};
    q = str_trim(q);
    if (str_ends(q, "]")) { /* Function.executeUserEntryPoint [as runMain] */
        size_t as = str_find(q, " [as ");
        if (as != SIZE_MAX)
            q.n = as;
    }
    for (size_t i = 0; before[i]; i++)
        str_eat(&q, before[i]);
    size_t in = str_find(q, " in "); /* "anonymous fn/1 in Shop.x/2", "block (2 levels) in x" */
    if (in != SIZE_MAX)
        q = str_from(q, in + 4);
    size_t slash = str_rfind(q, '/'); /* Elixir's arity: price/1 */
    if (slash != SIZE_MAX && slash + 1 < q.n && digit(q.p[slash + 1]) && q.n - slash <= 3)
        q.n = slash;
    for (int tries = 0; tries < 8 && q.n; tries++) {
        q = without_brackets(q);
        size_t i = q.n, depth = 0;
        while (i) {
            char c = q.p[i - 1];
            if (c == '>' && i > 1 && q.p[i - 2] != '-')
                depth++;
            else if (c == '}' || c == ')')
                depth++;
            else if ((c == '<' || c == '{' || c == '(') && depth)
                depth--;
            else if (!depth && (c == '.' || c == ':' || c == '#' || c == '\\' || c == '/' || c == ' ' || c == '>'))
                break;
            i--;
        }
        struct str part = str_from(q, i);
        bool constructor = same(part, "<init>");
        q.n = i;
        while (q.n && strchr(".:#\\/ >-", q.p[q.n - 1]))
            q.n--;
        if (same(part, "<anonymous>")) /* V8: the file's top level, or a function without a name */
            break;
        const char *close;
        if (part.n > 3 && part.p[0] == '<' && part.p[part.n - 1] != '>' && (close = memchr(part.p, '>', part.n)))
            return (struct str){part.p + 1, (size_t)(close - part.p) - 1}; /* C#: <Main>$, <Add>b__0, <Add>d__3.MoveNext */
        bool lambda = same(part, "invoke") && q.n && digit(q.p[q.n - 1]); /* Kotlin: MainKt$main$1.invoke */
        if (lambda || invented(part)) {
            if (constructor) { /* the class's own name */
                size_t dot = str_rfind(q, '.');
                part = dot == SIZE_MAX ? q : str_from(q, dot + 1);
                size_t dollar = str_rfind(part, '$');
                return dollar == SIZE_MAX ? part : str_from(part, dollar + 1);
            }
            continue;
        }
        if (!tries || !memchr(part.p, '$', part.n) || !lambda_class(&part))
            part = without_dollars(part);
        for (i = 0; i < part.n; i++)
            if (!char_ident(part.p[i]) && !(i + 1 == part.n && strchr("!?=", part.p[i])) && part.p[i] != '~')
                break;
        return i == part.n ? part : (struct str){part.p, 0};
    }
    return (struct str){"", 0};
}

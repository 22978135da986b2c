/* Lines that say what went wrong: exceptions by name, and log lines with their time, level and logger cut off. */
#include "retriever/trace_shapes.h"

#include <string.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* -- exceptions -------------------------------------------------------------------------------------------------------------- */
/* "shop.cart.CartError", "java.lang.IllegalStateException", "Acme\NotFound": dotted, and the last part looks like a class of
 * errors. at_end: how the name's last part must end. */
static bool exception_name(struct str s)
{
    static const char *const ends[] = {"Error", "Exception", "Warning", "Interrupt", "Failure", "Fault", "ExceptionGroup", "Panic", NULL};
    if (s.n < 5 || s.n > 200 || digit(s.p[0]))
        return false;
    bool upper = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!char_ident(c) && c != '.' && c != ':' && c != '\\' && c != '/')
            return false;
        upper |= c >= 'A' && c <= 'Z';
    }
    for (size_t i = 0; ends[i]; i++)
        if (str_ends(s, ends[i]))
            return upper;
    return false;
}

/* "Name: text" or a bare "Name": keeps the name and the text. */
static bool named_error(struct tracer *t, struct str s, int weight)
{
    size_t colon = str_find(s, ": ");
    struct str name = colon == SIZE_MAX ? s : str_upto(s, colon);
    if (str_ends(name, ":"))
        name.n--;
    size_t bracket = str_find(name, " ["); /* node: Error [ERR_X]: … */
    if (bracket != SIZE_MAX)
        name.n = bracket;
    size_t open = str_find(name, " (");    /* TypeError (unhandled), Elixir, Swift */
    if (open != SIZE_MAX)
        name.n = open;
    if (!exception_name(name))
        return false;
    tracer_identifier(t, name);
    struct str text = colon == SIZE_MAX ? (struct str){"", 0} : str_from(s, colon + 2);
    int before = t->error_weight;
    tracer_error(t, text, weight);
    if (t->error_weight != before || (!text.n && weight > before)) {
        t->error_weight = weight;
        t->out->error = s; /* with its name */
    }
    return true;
}

bool shape_exception(struct tracer *t, struct str s)
{
    static const struct {
        const char *begin;
        int weight; /* 0: a cause, which weighs more with each */
    } begins[] = {{"Exception in thread \"", 5}, {"Caused by: ", 0}, {"Suppressed: ", 3}, {"[cause]: ", 0}, {"Uncaught ", 5},
                  {"Unhandled exception. ", 5}, {"Unhandled Exception: ", 5}, {"---> ", 0}};
    while (str_eat(&s, "|") || str_eat(&s, "+") || str_eat(&s, "E   ")) /* exception groups, pytest */
        s = str_trim(s);
    if (str_begins(s, "The above exception was the direct cause") || str_begins(s, "During handling of the above exception")) {
        t->causes++;
        tracer_end_group(t);
        return true;
    }
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        struct str rest = s;
        if (!str_eat(&rest, begins[i].begin))
            continue;
        if (!i) { /* the thread's name */
            size_t quote = str_find(rest, "\" ");
            rest = str_from(rest, quote == SIZE_MAX ? rest.n : quote + 2);
        }
        if (!begins[i].weight) {
            t->causes++;
            tracer_cause(t);
        } else {
            tracer_end_group(t);
        }
        if (str_ends(rest, " {"))
            rest.n -= 2;
        size_t inner = str_find(rest, " ---> ");
        if (inner != SIZE_MAX) { /* .NET: outer ---> inner, and the inner one's frames come first */
            named_error(t, str_upto(rest, inner), 5);
            rest = str_from(rest, inner + 6);
        }
        str_eat(&rest, "(in promise) ");
        int weight = begins[i].weight ? begins[i].weight : 5 + (t->causes < 50 ? (int)t->causes : 50);
        if (!named_error(t, rest, weight)) {
            size_t colon = str_find(rest, ": ");
            if (colon != SIZE_MAX)
                tracer_identifier(t, str_upto(rest, colon));
            tracer_error(t, colon == SIZE_MAX ? rest : str_from(rest, colon + 2), weight);
        }
        return true;
    }
    struct str rest = s;
    if (str_eat(&rest, "panic: ") || str_eat(&rest, "fatal error: ") || str_eat(&rest, "FATAL: ") || str_eat(&rest, "what():") ||
        str_eat(&rest, "fatal: ")) {
        tracer_end_group(t);
        tracer_error(t, rest, 6);
        return true;
    }
    if (str_eat(&rest, "terminate called after throwing an instance of ")) {
        if (rest.n > 2)
            tracer_identifier(t, (struct str){rest.p + 1, rest.n - 2});
        return true;
    }
    if (str_eat(&rest, "SUMMARY: ") || str_eat(&rest, "ERROR: AddressSanitizer: ") || str_begins(rest, "WARNING: ThreadSanitizer") ||
        str_eat(&rest, "Program received signal ") || str_eat(&rest, "Program terminated with signal ")) {
        if (!t->out->error.n)
            t->out->error = rest; /* said by the tool, not by the program: nothing to look up */
        return true;
    }
    if (s.n < 600 && named_error(t, s, 5 + (t->causes < 50 ? (int)t->causes : 50))) {
        tracer_end_group(t);
        return true;
    }
    return false;
}

/* -- log lines ------------------------------------------------------------------------------------------------------------------ */
/* Removes a time or date at the beginning: 2026-01-31T12:00:00.123Z, 12:00:00,123, 2026/01/31, [..] around it, Jan 31 12:00:00. */
static bool eat_time(struct str *s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct str rest = *s;
    bool bracket = str_eat(&rest, "[");
    size_t i = 0, digits = 0, marks = 0;
    if (rest.n > 5 && rest.p[3] == ' ' && (digit(rest.p[4]) || rest.p[4] == ' '))
        for (size_t m = 0; m < 36; m += 3)
            if (!memcmp(rest.p, months + m, 3)) {
                rest = str_trim(str_from(rest, 4));
                marks = 1;
                break;
            }
    for (; i < rest.n && i < 48; i++) {
        char c = rest.p[i];
        if (digit(c))
            digits++;
        else if (c == ':' || c == '-' || c == '/')
            marks++;
        else if (c == ' ' && i + 1 < rest.n && digit(rest.p[i + 1]) && digits >= (marks && i < 3 ? 1u : 6u) && digits <= 8)
            continue; /* date, then time */
        else if (c != '.' && c != ',' && c != '+' && !((c == 'T' || c == 'Z') && digits))
            break;
    }
    if (digits < 6 || marks < 2)
        return false;
    rest = str_from(rest, i);
    if (bracket && !str_eat(&rest, "]"))
        return false;
    if (rest.n && rest.p[0] != ' ' && rest.p[0] != ':' && rest.p[0] != '\t' && rest.p[0] != '|' && rest.p[0] != ']')
        return false;
    str_eat(&rest, ":");
    *s = str_trim(rest);
    return true;
}

/* Index of a level: 0 none, 1 chatter, 2 warning, 3 error. Removes it, with brackets and colon around it. */
static int eat_level(struct str *s, bool loose)
{
    static const struct {
        const char *name;
        int is;
    } levels[] = {{"error", 3}, {"err", 3}, {"fatal", 3}, {"critical", 3}, {"crit", 3}, {"severe", 3}, {"panic", 3}, {"emerg", 3},
                  {"alert", 3}, {"warning", 2}, {"warn", 2}, {"notice", 1}, {"info", 1}, {"debug", 1}, {"trace", 1}, {"verbose", 1}};
    struct str rest = *s;
    bool bracket = str_eat(&rest, "[") || str_eat(&rest, "<");
    rest = str_trim(rest);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        size_t n = strlen(levels[i].name);
        if (rest.n < n)
            continue;
        size_t upper = 0, j = 0;
        for (; j < n; j++) {
            char c = rest.p[j];
            upper += c >= 'A' && c <= 'Z';
            if ((c | 0x20) != levels[i].name[j])
                break;
        }
        if (j < n || (upper != n && !loose && !bracket))
            continue;
        struct str after = str_from(rest, n);
        if (after.n && char_ident(after.p[0]))
            continue;
        if (bracket && after.n && after.p[0] != ']' && after.p[0] != '>' && after.p[0] != ' ')
            continue;
        bool delimited = bracket || str_begins(after, ":") || str_begins(after, " - ") || loose;
        if (!delimited)
            return 0;
        if (!str_eat(&after, "]") && !str_eat(&after, ">"))
            str_eat(&after, ":");
        *s = str_trim(after);
        return levels[i].is;
    }
    return 0;
}

/* Removes what stands between level and message: thread, process, logger, file:line. */
static void eat_source(struct tracer *t, struct str *s)
{
    for (int tries = 0; tries < 6 && s->n; tries++) {
        size_t end = 0;
        if (s->p[0] == '[' || s->p[0] == '(') { /* [nio-8080-exec-1] */
            size_t close = str_find(*s, s->p[0] == '[' ? "]" : ")");
            if (close == SIZE_MAX || close > 80)
                return;
            *s = str_trim(str_from(*s, close + 1));
            str_eat(s, ":");
            *s = str_trim(*s);
            continue;
        }
        while (end < s->n && s->p[end] != ' ')
            end++;
        struct str word = str_upto(*s, end), rest = str_trim(str_from(*s, end)), path;
        uint32_t line;
        struct str place = word;
        while (place.n && (place.p[place.n - 1] == ':' || place.p[place.n - 1] == ']'))
            place.n--;
        if (str_place(place, &path, &line)) { /* klog, glog, zap: server.go:12] */
            tracer_place(t, TRACE_PLACE, path, line, (struct str){"", 0}, (struct str){"", 0});
        } else if (str_begins(rest, ": ") || str_begins(rest, "- ")) { /* logger : text, logger - text */
            rest = str_trim(str_from(rest, 2));
        } else if (!str_ends(word, ":") && !(word.n < 8 && strspn(word.p, "-|0123456789") >= word.n)) {
            return;
        }
        if (!rest.n)
            return;
        *s = rest;
    }
}

/* The value of "key": in a JSON line, or key= in a logfmt line; empty when absent. */
static struct str value_of(struct str s, const char *key)
{
    size_t at = str_find(s, key);
    if (at != SIZE_MAX && key[0] == '"' && !str_begins(str_from(s, at + strlen(key)), ":")) { /* a value: once more */
        size_t next = str_find(str_from(s, at + 1), key);
        at = next == SIZE_MAX ? next : at + 1 + next;
    }
    if (at == SIZE_MAX)
        return (struct str){"", 0};
    struct str v = str_trim(str_from(s, at + strlen(key)));
    if (key[0] == '"' && !str_eat(&v, ":")) /* a value, not a key */
        return (struct str){"", 0};
    v = str_trim(v);
    if (!str_eat(&v, "\""))
        return str_upto(v, str_find(v, " "));
    size_t end = 0;
    while (end < v.n && v.p[end] != '"')
        end += v.p[end] == '\\' ? 2 : 1;
    return str_upto(v, end);
}

static bool structured(struct tracer *t, struct str s)
{
    static const char *const json[] = {"\"msg\"", "\"message\"", "\"error\"", "\"err\"", NULL};
    static const char *const logfmt[] = {"msg=", "message=", "error=", "err=", NULL};
    bool is_json = str_begins(s, "{\"") && str_ends(s, "}");
    if (!is_json && str_find(s, "level=") == SIZE_MAX)
        return false;
    struct str level = value_of(s, is_json ? "\"level\"" : "level="), bare = level;
    int how = eat_level(&bare, true);
    bool found = false;
    struct str caller = value_of(s, is_json ? "\"caller\"" : "caller="), path;
    uint32_t line;
    if (str_place(caller, &path, &line))
        tracer_place(t, TRACE_PLACE, path, line, (struct str){"", 0}, (struct str){"", 0});
    for (const char *const *key = is_json ? json : logfmt; *key; key++) {
        struct str v = value_of(s, *key);
        if (!v.n)
            continue;
        tracer_error(t, v, how == 3 ? 3 : how == 2 ? 1 : 0);
        found = true;
    }
    return found;
}

bool shape_log(struct tracer *t, struct str s)
{
    if (structured(t, s))
        return true;
    while (str_eat(&s, "|"))
        s = str_trim(s);
    struct str rest = s;
    bool time = eat_time(&rest);
    if (!time && rest.n > 6 && strchr("IWEF", rest.p[0]) && digit(rest.p[1]) && digit(rest.p[4])) { /* klog: E0131 12:00:00.1 7 */
        struct str klog = str_from(rest, 5);
        klog = str_trim(klog);
        if (eat_time(&klog)) {
            int level = rest.p[0] == 'I' ? 0 : rest.p[0] == 'W' ? 1 : 3;
            eat_source(t, &klog);
            tracer_error(t, klog, level);
            return true;
        }
    }
    int level = eat_level(&rest, time);
    if (!level && time) { /* time - logger - LEVEL - text, time [thread] LEVEL logger - text, time logger: text */
        eat_source(t, &rest);
        level = eat_level(&rest, true);
    }
    if (!level && !time)
        return false;
    str_eat(&rest, "- ");
    size_t colon = str_find(str_upto(rest, 80), ":"); /* Python's default: ERROR:shop.worker:text */
    if (!time && rest.p > s.p && rest.p[-1] == ':' && colon != SIZE_MAX && colon && !memchr(rest.p, ' ', colon))
        rest = str_trim(str_from(rest, colon + 1));
    eat_source(t, &rest);
    tracer_error(t, rest, level == 3 ? 3 : level == 2 ? 1 : 0);
    return true;
}

struct str log_unship(struct str s)
{
    if (str_begins(s, "==")) { /* valgrind, ASan: ==123== */
        size_t close = str_find(str_upto(str_from(s, 2), 12), "==");
        if (close != SIZE_MAX)
            return str_trim(str_from(s, close + 4));
    }
    size_t bar = str_find(str_upto(s, 64), " | "); /* docker compose: web_1  | … */
    if (bar == SIZE_MAX || !bar)
        return s;
    for (size_t i = 0; i < bar; i++)
        if (!char_ident(s.p[i]) && s.p[i] != '-' && !(s.p[i] == ' ' && (s.p[i + 1] == ' ' || s.p[i + 1] == '|')))
            return s;
    return str_trim(str_from(s, bar + 3));
}

struct str log_unprefix(struct str s)
{
    struct str rest = s;
    if (!eat_time(&rest))
        return s;
    size_t bracket = str_find(str_upto(rest, 80), "]: "); /* syslog's "host app[12]: " */
    if (bracket != SIZE_MAX && memchr(rest.p, '[', bracket))
        rest = str_trim(str_from(rest, bracket + 3));
    return rest.n ? rest : s;
}

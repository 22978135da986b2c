#include "config/config.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX_BYTES (1 << 20)

const struct config_row config_rows[] = {
#define X(field, key, kind, def, least, most, choices, help)                                                           \
    {key, CONFIG_##kind, def, least, most, choices, help, offsetof(struct config, field)},
    CONFIG_LIST(X)
#undef X
};
const size_t config_nrows = sizeof config_rows / sizeof *config_rows;
#define NROWS (sizeof config_rows / sizeof *config_rows)

static bool same_key(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

/* Levenshtein distance of two short words, for the hint. */
static int distance(const char *a, const char *b)
{
    int row[64];
    size_t nb = strlen(b);
    if (nb >= 64 || strlen(a) >= 64)
        return 64;
    for (size_t j = 0; j <= nb; j++)
        row[j] = (int)j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            int was = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = was;
        }
    }
    return row[nb];
}

static const struct config_row *find_row(const char *key, struct err *e)
{
    const struct config_row *near = NULL;
    int best = 4;
    for (size_t i = 0; i < NROWS; i++) {
        if (same_key(key, config_rows[i].key))
            return &config_rows[i];
        int d = distance(key, config_rows[i].key);
        if (d < best)
            best = d, near = &config_rows[i];
    }
    err_set(e, ERR_USAGE, "no setting is called \"%.80s\"", key);
    if (near)
        err_hint(e, "did you mean %s?", near->key);
    return NULL;
}

/* A whole number, with K, M, G or T (powers of 1024) where units are allowed. */
static bool number(int64_t *out, const char *s, bool units)
{
    int64_t v = 0;
    const char *digits = s;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
            return false;
    if (s == digits)
        return false;
    if (units && *s && strchr("KMGTkmgt", *s)) {
        int shift = *s == 'K' || *s == 'k' ? 10 : *s == 'M' || *s == 'm' ? 20 : *s == 'G' || *s == 'g' ? 30 : 40;
        if (__builtin_mul_overflow(v, (int64_t)1 << shift, &v))
            return false;
        s++;
        if (*s == 'i')
            s++;
        if (*s == 'B')
            s++;
    }
    *out = v;
    return !*s;
}

static int choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    int i = 0;
    for (const char *s = choices; len; i++) {
        size_t n = strcspn(s, "|");
        if (n == len && !strncmp(s, value, n))
            return i;
        if (!s[n])
            break;
        s += n + 1;
    }
    return -1;
}

static void show_size(struct buf *out, uint64_t v)
{
    int unit = 0;
    while (unit < 4 && v && v % 1024 == 0)
        v /= 1024, unit++;
    buf_addf(out, "%llu%.*s", (unsigned long long)v, unit > 0, &"KMGT"[unit ? unit - 1 : 0]);
}

/* ERR_USAGE that says what would have been right. */
static int wrong(const struct config_row *r, const char *value, struct err *e)
{
    struct buf b = BUF_INIT;
    switch (r->kind) {
    case CONFIG_INT:
        buf_addf(&b, "a whole number from %lld to %lld", (long long)r->least, (long long)r->most);
        break;
    case CONFIG_SIZE:
        buf_adds(&b, "a size from ");
        show_size(&b, (uint64_t)r->least);
        buf_adds(&b, " to ");
        show_size(&b, (uint64_t)r->most);
        break;
    case CONFIG_YESNO:
        buf_adds(&b, "yes or no");
        break;
    case CONFIG_TEXT:
        buf_addf(&b, "a text of %lld to %lld bytes", (long long)r->least, (long long)r->most);
        break;
    case CONFIG_CHOICE:
        buf_addf(&b, "one of %s", r->choices);
        break;
    }
    int rc = err_set(e, ERR_USAGE, "%s = %.100s: wanted %s", r->key, value, b.data);
    buf_release(&b);
    return rc;
}

static int set_row(struct config *c, const struct config_row *r, const char *value, struct err *e)
{
    void *field = (char *)c + r->at;
    int64_t v = 0;
    switch (r->kind) {
    case CONFIG_INT:
    case CONFIG_SIZE:
        if (!number(&v, value, r->kind == CONFIG_SIZE) || v < r->least || v > r->most)
            return wrong(r, value, e);
        memcpy(field, &v, sizeof v); /* int64_t and a non-negative uint64_t have one form */
        break;
    case CONFIG_YESNO: {
        int yes = choice("no|yes|off|on|false|true|0|1", value);
        if (yes < 0)
            return wrong(r, value, e);
        *(bool *)field = yes & 1;
        break;
    }
    case CONFIG_TEXT:
        if ((int64_t)strlen(value) < r->least || (int64_t)strlen(value) > r->most)
            return wrong(r, value, e);
        free(*(char **)field);
        *(char **)field = mem_str(value);
        break;
    case CONFIG_CHOICE: {
        int i = choice(r->choices, value);
        if (i < 0)
            return wrong(r, value, e);
        *(int *)field = i;
        break;
    }
    }
    return 0;
}

int config_set(struct config *c, const char *key, const char *value, struct err *e)
{
    const struct config_row *r = find_row(key, e);
    return r ? set_row(c, r, value, e) : ERR_USAGE;
}

/* Cuts the blanks at both ends of [s, s + n), in place, and ends it. */
static char *trim(char *s, size_t n)
{
    while (n && strchr(" \t\r", s[n - 1]))
        n--;
    s[n] = 0;
    return s + strspn(s, " \t\r");
}

/* One line, NUL-terminated, which it may change. */
static int set_line(struct config *c, bool *seen, char *line, struct err *e)
{
    char *s = trim(line, strlen(line));
    if (!*s || *s == '#')
        return 0;
    char *equals = strchr(s, '=');
    if (!equals)
        return err_set(e, ERR_USAGE, "\"%.80s\" is not key = value", s);
    char *value = equals + 1 + strspn(equals + 1, " \t\r");
    const char *key = trim(s, (size_t)(equals - s));
    size_t n = strlen(value);
    if (*value == '"') { /* quotes keep '#' and blanks */
        char *end = strchr(value + 1, '"');
        if (!end || (end[1 + strspn(end + 1, " \t\r")] && end[1 + strspn(end + 1, " \t\r")] != '#'))
            return err_set(e, ERR_USAGE, "%.80s: the value's quotes are not closed at its end", key);
        *end = 0;
        value++;
    } else {
        for (size_t i = 0; i < n; i++)
            if (value[i] == '#' && (!i || value[i - 1] == ' ' || value[i - 1] == '\t'))
                n = i;
        value = trim(value, n);
    }
    const struct config_row *r = find_row(key, e);
    if (!r)
        return ERR_USAGE;
    if (seen[r - config_rows])
        return err_set(e, ERR_USAGE, "%s is set twice", r->key);
    seen[r - config_rows] = true;
    return set_row(c, r, value, e);
}

int config_parse(struct config *out, const char *name, const char *text, size_t len, struct err *e)
{
    struct config c = {0};
    bool seen[NROWS] = {false};
    int rc = 0, line_no = 0;
    for (size_t i = 0; i < NROWS && !rc; i++)
        rc = set_row(&c, &config_rows[i], config_rows[i].def, e);
    for (size_t at = 0; at < len && !rc;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl ? (size_t)(nl - text) - at : len - at;
        struct err why = {0};
        char *line = mem_strn(text + at, n);
        line_no++;
        rc = strlen(line) < n ? err_set(&why, ERR_USAGE, "a NUL byte") : set_line(&c, seen, line, &why);
        if (rc) {
            err_set(e, rc, "%s:%d: %s", name, line_no, why.message);
            if (why.hint[0])
                err_hint(e, "%s", why.hint);
        }
        free(line);
        at += n + 1;
    }
    if (rc)
        config_close(&c);
    else
        *out = c;
    return rc;
}

int config_open(struct config *out, const char *path, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = path ? file_read(&b, path, CONFIG_MAX_BYTES, e) : 0;
    if (!rc || rc == ERR_NOT_FOUND)
        rc = config_parse(out, path ? path : "defaults", b.len ? b.data : "", b.len, e);
    buf_release(&b);
    return rc;
}

void config_close(struct config *c)
{
    for (size_t i = 0; i < NROWS; i++)
        if (config_rows[i].kind == CONFIG_TEXT)
            free(*(char **)((char *)c + config_rows[i].at));
    *c = (struct config){0};
}

void config_show(struct buf *out, const struct config *c, const struct config_row *row)
{
    const void *field = (const char *)c + row->at;
    switch (row->kind) {
    case CONFIG_INT:
        buf_addf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case CONFIG_SIZE:
        show_size(out, *(const uint64_t *)field);
        break;
    case CONFIG_YESNO:
        buf_adds(out, *(const bool *)field ? "yes" : "no");
        break;
    case CONFIG_TEXT:
        buf_adds(out, *(char *const *)field);
        break;
    case CONFIG_CHOICE: {
        const char *s = row->choices;
        for (int i = *(const int *)field; i > 0; i--)
            s += strcspn(s, "|") + 1;
        buf_add(out, s, strcspn(s, "|"));
        break;
    }
    }
}

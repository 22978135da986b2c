#include "cli/editor_text.h"

#include <string.h>

/* -- blocks -------------------------------------------------------------------------------------------------------------- */

static struct str line_at(struct str text, size_t at)
{
    const char *nl = memchr(text.p + at, '\n', text.n - at);
    return (struct str){text.p + at, nl ? (size_t)(nl + 1 - text.p) - at : text.n - at};
}

static bool begins(struct str line, const char *comment, const char *mark)
{
    size_t n = strlen(comment), m = strlen(mark);
    return line.n >= n + m && !memcmp(line.p, comment, n) && !memcmp(line.p + n, mark, m);
}

int block_find(struct str *before, struct str *block, struct str *after, struct str text, const char *comment, struct err *e)
{
    size_t from = text.n, to = text.n;
    for (size_t at = 0; at < text.n;) {
        struct str line = line_at(text, at);
        if (from == text.n && begins(line, comment, " codeask: begin"))
            from = at;
        at += line.n;
        if (from < text.n && begins(line, comment, " codeask: end")) {
            to = at;
            break;
        }
        if (at == text.n && from < text.n)
            return err_set(e, ERR_FORMAT, "the block that begins with \"%s codeask: begin\" has no end", comment);
    }
    *before = (struct str){text.p, from};
    *block = (struct str){text.p + from, to - from};
    *after = (struct str){text.p + to, text.n - to};
    return 0;
}

static void put_block(struct buf *out, const char *comment, const char *name, struct str body)
{
    buf_addf(out, "%s codeask: begin (`codeask editor uninstall %s` takes it out)\n", comment, name);
    buf_add(out, body.p, body.n);
    if (body.n && body.p[body.n - 1] != '\n')
        buf_addc(out, '\n');
    buf_addf(out, "%s codeask: end\n", comment);
}

int block_put(struct buf *out, struct str text, const char *comment, const char *name, struct str body, struct err *e)
{
    struct str before, block, after;
    struct buf ours = BUF_INIT;
    int rc = block_find(&before, &block, &after, text, comment, e);
    if (rc)
        return rc;
    put_block(&ours, comment, name, body);
    if (block.n && !str_same(block, (struct str){ours.data, ours.len})) {
        rc = err_set(e, ERR_DENIED, "a block of codeask's is there that is not the one of this version");
    } else {
        buf_add(out, text.p, text.n);
        if (!block.n && text.n)
            buf_adds(out, text.p[text.n - 1] == '\n' ? "\n" : "\n\n");
        if (!block.n)
            buf_add(out, ours.data, ours.len);
    }
    buf_release(&ours);
    return rc;
}

int block_drop(struct buf *out, struct str text, const char *comment, struct err *e)
{
    struct str before, block, after;
    int rc = block_find(&before, &block, &after, text, comment, e);
    if (rc)
        return rc;
    if (block.n && before.n > 1 && before.p[before.n - 1] == '\n' && before.p[before.n - 2] == '\n')
        before.n--; /* the empty line that came with it */
    buf_add(out, before.p, before.n);
    buf_add(out, after.p, after.n);
    return 0;
}

/* -- JSON with comments -------------------------------------------------------------------------------------------------- */

struct reader {
    const char *p, *end;
};

static void skip_blank(struct reader *r)
{
    while (r->p < r->end) {
        bool two = r->p + 1 < r->end;
        if (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r' || *r->p == '\xef' || *r->p == '\xbb' || *r->p == '\xbf') {
            r->p++;
        } else if (two && r->p[0] == '/' && r->p[1] == '/') {
            const char *nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
            r->p = nl ? nl + 1 : r->end;
        } else if (two && r->p[0] == '/' && r->p[1] == '*') {
            const char *at = r->p + 2;
            while (at + 1 < r->end && !(at[0] == '*' && at[1] == '/'))
                at++;
            if (at + 1 >= r->end) /* without an end: no comment */
                return;
            r->p = at + 2;
        } else {
            return;
        }
    }
}

static bool is_at(const struct reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool skip_string(struct reader *r)
{
    for (r->p++; r->p < r->end && *r->p != '"'; r->p++)
        r->p += *r->p == '\\' && r->p + 1 < r->end;
    if (r->p >= r->end)
        return false;
    r->p++;
    return true;
}

/* false: it is none, or nested too deep. */
static bool skip_value(struct reader *r)
{
    int depth = 0;
    do {
        skip_blank(r);
        if (r->p >= r->end) {
            return false;
        } else if (*r->p == '"') {
            if (!skip_string(r))
                return false;
        } else if (*r->p == '{' || *r->p == '[') {
            if (++depth > JSON_DEPTH)
                return false;
            r->p++;
        } else if (*r->p == '}' || *r->p == ']') {
            if (!depth--)
                return false;
            r->p++;
        } else if (*r->p == ',' || *r->p == ':') {
            if (!depth)
                return false;
            r->p++;
        } else {
            const char *from = r->p;
            while (r->p < r->end && !memchr(",:]}[{\"/ \t\r\n", *r->p, 12))
                r->p++;
            r->p += r->p == from; /* a '/' that begins no comment */
        }
    } while (depth);
    return true;
}

struct member {
    const char *before;            /* the brace or comma that it follows */
    const char *key, *value, *end; /* its quote, its value, what follows that */
};

/* The member of an object, r at its brace. 1: found; 0: there is none, *first is the first member's key or the closing brace;
 * -1: not such an object. */
static int find_member(struct member *out, const char **first, struct reader r, const char *key)
{
    size_t n = strlen(key);
    skip_blank(&r);
    if (!is_at(&r, '{'))
        return -1;
    const char *before = r.p++;
    *first = NULL;
    for (;;) {
        skip_blank(&r);
        if (!*first)
            *first = r.p;
        if (is_at(&r, '}'))
            return 0;
        struct member m = {.before = before, .key = r.p};
        if (!is_at(&r, '"') || !skip_string(&r))
            return -1;
        bool same = (size_t)(r.p - m.key) == n + 2 && !memcmp(m.key + 1, key, n);
        skip_blank(&r);
        if (!is_at(&r, ':'))
            return -1;
        r.p++;
        skip_blank(&r);
        m.value = r.p;
        if (!skip_value(&r))
            return -1;
        m.end = r.p;
        if (same) {
            *out = m;
            return 1;
        }
        skip_blank(&r);
        if (is_at(&r, ','))
            before = r.p++;
        else if (!is_at(&r, '}'))
            return -1;
    }
}

static int no_object(struct err *e)
{
    return err_set(e, ERR_FORMAT, "it is no JSON object that can be changed safely");
}

/* `"a": {"b": value}` with the keys from there on, indented as its first line is. */
static void put_nested(struct buf *out, const char *const *key, struct str value, size_t indent)
{
    buf_addf(out, "\"%s\": ", *key);
    if (key[1]) {
        buf_addf(out, "{\n%*s", (int)indent + 2, "");
        put_nested(out, key + 1, value, indent + 2);
        buf_addf(out, "\n%*s}", (int)indent, "");
        return;
    }
    for (size_t i = 0; i < value.n; i++) {
        buf_addc(out, value.p[i]);
        if (value.p[i] == '\n')
            buf_addf(out, "%*s", (int)indent, "");
    }
}

/* Columns before a key on its line; SIZE_MAX where something else stands there. */
static size_t indent_of(struct str text, const char *key)
{
    size_t n = 0;
    while (key > text.p && (key[-1] == ' ' || key[-1] == '\t'))
        key--, n++;
    return key == text.p || key[-1] == '\n' ? n : SIZE_MAX;
}

static void insert(struct buf *out, struct str text, const char *brace, const char *first, const char *const *key, struct str value, size_t depth)
{
    bool empty = *first == '}';
    size_t indent = empty ? SIZE_MAX : indent_of(text, first);
    bool line = memchr(brace, '\n', (size_t)(first - brace)) != NULL;
    indent = indent == SIZE_MAX || indent > 40 ? 2 * (depth + 1) : indent;
    buf_add(out, text.p, (size_t)(brace + 1 - text.p));
    buf_addf(out, "\n%*s", (int)indent, "");
    put_nested(out, key, value, indent);
    if (!empty)
        buf_addc(out, ',');
    if (!line)
        buf_addf(out, "\n%*s", (int)(empty ? 2 * depth : indent), "");
    buf_add(out, brace + 1, (size_t)(text.p + text.n - (brace + 1)));
}

static bool same_value(struct str text, const struct member *m, struct str value)
{
    struct buf b = BUF_INIT;
    size_t indent = indent_of(text, m->key);
    const char *const key[] = {"", NULL};
    put_nested(&b, key, value, indent == SIZE_MAX ? 0 : indent);
    const char *from = b.data + strlen("\"\": ");
    bool same = str_same((struct str){from, b.len - (size_t)(from - b.data)}, (struct str){m->value, (size_t)(m->end - m->value)});
    buf_release(&b);
    return same;
}

int member_put(struct buf *out, struct str text, const char *const *path, struct str value, struct err *e)
{
    struct reader r = {text.p, text.p + text.n};
    struct member m;
    const char *first;
    skip_blank(&r);
    if (r.p == r.end) { /* nothing but comments */
        buf_add(out, text.p, text.n);
        if (text.n && text.p[text.n - 1] != '\n')
            buf_addc(out, '\n');
        buf_adds(out, "{\n  ");
        put_nested(out, path, value, 2);
        buf_adds(out, "\n}\n");
        return 0;
    }
    for (size_t depth = 0;; depth++) {
        int found = find_member(&m, &first, r, path[depth]);
        if (found < 0)
            return no_object(e);
        if (!found) {
            skip_blank(&r);
            insert(out, text, r.p, first, path + depth, value, depth);
            return 0;
        }
        if (!path[depth + 1])
            break;
        r.p = m.value;
    }
    if (!same_value(text, &m, value))
        return err_set(e, ERR_DENIED, "codeask is in it already, and not as this version writes it");
    buf_add(out, text.p, text.n);
    return 0;
}

static bool is_blank(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t' || *from == '\r' || *from == '\n'))
        from++;
    return from == to;
}

static void cut(struct buf *out, struct str text, const struct member *m)
{
    const char *from = is_blank(m->before + 1, m->key) ? m->before + 1 : m->key /* behind a comment */, *to = m->end, *end = text.p + text.n;
    struct reader r = {to, end};
    skip_blank(&r);
    bool comma = is_at(&r, ',');
    if (comma)
        to = r.p + 1;
    buf_add(out, text.p, (size_t)(m->before - text.p));
    if (comma || *m->before != ',') /* the last one's comma goes with it */
        buf_addc(out, *m->before);
    buf_add(out, m->before + 1, (size_t)(from - (m->before + 1)));
    buf_add(out, to, (size_t)(end - to));
}

int member_drop(struct buf *out, struct str text, const char *const *path, struct err *e)
{
    struct reader r = {text.p, text.p + text.n};
    struct member on[MEMBER_DEPTH];
    const char *first;
    size_t n = 0;
    skip_blank(&r);
    bool nothing = r.p == r.end;
    for (; !nothing && path[n] && n < MEMBER_DEPTH; n++) {
        int found = find_member(&on[n], &first, r, path[n]);
        if (found < 0 && !n)
            return no_object(e);
        if (found <= 0)
            nothing = true;
        else
            r.p = on[n].value;
    }
    if (nothing) {
        buf_add(out, text.p, text.n);
        return 0;
    }
    for (n--; n > 0; n--) { /* where it is alone, what holds it goes */
        struct reader after = {on[n].end, on[n - 1].end};
        skip_blank(&after);
        bool alone = *on[n].before == '{' && is_blank(on[n].before + 1, on[n].key) && is_at(&after, '}') && is_blank(on[n].end, after.p);
        if (!alone)
            break;
    }
    cut(out, text, &on[n]);
    return 0;
}

bool text_says_nothing(struct str text)
{
    size_t i = 0, braces = 0;
    for (; i < text.n && strchr(" \t\r\n{}", text.p[i]) && text.p[i]; i++)
        braces += text.p[i] == '{' || text.p[i] == '}';
    return i == text.n && (braces == 0 || braces == 2);
}

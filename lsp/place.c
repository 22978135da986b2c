#include "lsp/place.h"

#include "base/mem.h"
#include "base/uri.h"

#include <stdlib.h>
#include <string.h>

#define SNIPPET_LINES 8    /* of a definition, in which its name is looked for: attributes and a return type may stand before it */
#define MOVED_LINES 400    /* how far away from where the index has it a name is looked for in a buffer */

/* -- names ------------------------------------------------------------------------------------------------------------------- */

static bool in_word(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' || u == '$' || u >= 0x80;
}

struct word word_at(struct str line, size_t at)
{
    struct word w;
    w.begin = w.end = at < line.n ? at : line.n;
    while (w.begin && in_word(line.p[w.begin - 1]))
        w.begin--;
    while (w.end < line.n && in_word(line.p[w.end]))
        w.end++;
    w.scope = w.begin;
    if (w.begin == w.end || (line.p[w.begin] >= '0' && line.p[w.begin] <= '9'))
        w.end = w.scope = w.begin;
    if (w.begin == w.end)
        return w;
    if (w.end < line.n && (line.p[w.end] == '?' || line.p[w.end] == '!') && w.end + 1 < line.n && line.p[w.end + 1] == '(')
        w.end++; /* Ruby's, Rust's */
    static const char *const joint[] = {"::", "->", ".", "#"};
    for (size_t i = 0; i < sizeof joint / sizeof *joint; i++) {
        size_t n = strlen(joint[i]);
        if (w.begin < n || memcmp(line.p + w.begin - n, joint[i], n))
            continue;
        size_t from = w.begin - n;
        while (from && in_word(line.p[from - 1]))
            from--;
        if (from < w.begin - n)
            w.scope = from;
        break;
    }
    return w;
}

const char *word_last(const char *word)
{
    const char *last = word;
    for (const char *p = word; *p; p++)
        if (strchr(".:>#", *p) && p[1])
            last = p + 1;
    return last;
}

bool word_in(size_t *at, struct str line, struct str word, size_t from)
{
    for (size_t i = from; word.n && i + word.n <= line.n; i++)
        if (!memcmp(line.p + i, word.p, word.n) && (!i || !in_word(line.p[i - 1]) || !in_word(word.p[0])) &&
            (i + word.n == line.n || !in_word(line.p[i + word.n]) || !in_word(word.p[word.n - 1]))) {
            *at = i;
            return true;
        }
    return false;
}

/* -- places ------------------------------------------------------------------------------------------------------------------ */

char *row_path(json_t *result, json_t *row)
{
    const char *repo = json_string_value(json_object_get(row, "repo")), *path = json_string_value(json_object_get(row, "path"));
    const char *root = repo ? json_string_value(json_object_get(json_object_get(result, "roots"), repo)) : NULL;
    if (!root || !path || json_object_get(row, "path_b64")) /* a name that is no UTF-8 cannot be told as it is */
        return NULL;
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", strcmp(root, "/") ? root : "", path);
    return buf_take(&b);
}

json_t *range_json(struct position from, struct position to)
{
    return json_pack("{s{sI, sI}, s{sI, sI}}", "start", "line", (json_int_t)from.line, "character", (json_int_t)from.column, "end", "line",
                     (json_int_t)to.line, "character", (json_int_t)to.column);
}

json_t *uri_json(const char *path)
{
    struct buf b = BUF_INIT;
    uri_of_path(&b, path);
    json_t *j = json_string(b.data);
    buf_release(&b);
    return j;
}

static json_t *word_range(const struct lsp *x, uint32_t number, struct str line, size_t at, size_t n)
{
    return range_json((struct position){number, column_of_bytes(line, at, x->encoding)},
                      (struct position){number, column_of_bytes(line, at + n, x->encoding)});
}

/* In lines [line, line + n) of the buffer; where it was edited, the nearest around them. NULL: not there. */
static json_t *in_document(const struct lsp *x, const struct document *d, uint32_t line, uint32_t n, struct str word)
{
    size_t at;
    for (uint32_t i = line; i < line + n; i++)
        if (word_in(&at, document_line(d, i), word, 0))
            return word_range(x, i, document_line(d, i), at, word.n);
    for (uint32_t away = 1; d->changed && away < MOVED_LINES; away++) {
        if (word_in(&at, document_line(d, line + away), word, 0))
            return word_range(x, line + away, document_line(d, line + away), at, word.n);
        if (away <= line && word_in(&at, document_line(d, line - away), word, 0))
            return word_range(x, line - away, document_line(d, line - away), at, word.n);
    }
    return NULL;
}

static json_t *in_snippet(const struct lsp *x, const char *snippet, uint32_t number, struct str word)
{
    struct str rest = {snippet, strlen(snippet)};
    const char *next, *end = rest.p + rest.n;
    for (int i = 0; i < SNIPPET_LINES; i++) {
        struct str line = first_line(rest, &next);
        size_t at;
        if (word_in(&at, line, word, 0))
            return word_range(x, number, line, at, word.n);
        if (!next)
            break;
        rest = (struct str){next, (size_t)(end - next)};
        number++;
    }
    return NULL;
}

json_t *row_range(struct lsp *x, const char *path, json_t *row, const char *name)
{
    json_int_t first = json_integer_value(json_object_get(row, "start_line")), last = json_integer_value(json_object_get(row, "end_line"));
    uint32_t line = first > 0 && first < UINT32_MAX ? (uint32_t)first - 1 : 0;
    const char *snippet = json_string_value(json_object_get(row, "snippet"));
    const struct document *d = document_at(&x->docs, path);
    struct str word = str_of(name);
    uint32_t lines = last < first ? 1 : last - first < MOVED_LINES ? (uint32_t)(last - first + 1) : MOVED_LINES;
    json_t *range = !word.n ? NULL : d ? in_document(x, d, line, lines, word) : snippet ? in_snippet(x, snippet, line, word) : NULL;
    return range ? range : range_json((struct position){line, 0}, (struct position){line, 0});
}

json_t *row_location(struct lsp *x, json_t *result, json_t *row, const char *name)
{
    char *path = row_path(result, row);
    json_t *where = path ? json_pack("{so, so}", "uri", uri_json(path), "range", row_range(x, path, row, name)) : NULL;
    free(path);
    return where;
}

/* -- order ------------------------------------------------------------------------------------------------------------------- */

bool row_is(json_t *row, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s && !strcmp(s, value);
}

/* How many directories two files share, and one more for being the same. */
static size_t shared(const char *a, const char *b)
{
    size_t n = 0;
    for (; *a && *a == *b; a++, b++)
        n += *a == '/';
    return n + (*a == *b);
}

json_t *rows_nearest(json_t *result, json_t *rows, const char *path)
{
    size_t n = json_array_size(rows), most = 0;
    json_t *out = json_array();
    size_t *near = mem_zero(n ? n : 1, sizeof *near);
    for (size_t i = 0; i < n; i++) {
        char *at = row_path(result, json_array_get(rows, i));
        near[i] = at ? shared(at, path) : 0;
        most = near[i] > most ? near[i] : most;
        free(at);
    }
    for (size_t want = most + 1; want-- > 0;)
        for (size_t i = 0; i < n; i++)
            if (near[i] == want)
                json_array_append(out, json_array_get(rows, i));
    free(near);
    return out;
}

/* Links: texts of a document that name a file of the repository, as "src/a.c:12" in a comment or "b.h" between quotes. */
#include "lsp/feature.h"
#include "lsp/place.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LINKS_MAX 250      /* texts asked about at a time: a request takes 256 */
#define LINK_BYTES 300

struct mention {
    size_t from, path_end, end; /* bytes of the line: the path, and ":12" behind it */
    uint32_t line;              /* named; 0: none */
};

static bool in_path(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._-+/@~", c) || (unsigned char)c >= 0x80;
}

/* A dot with a letter behind it, after something: it could be a file's name. */
static bool has_suffix(struct str s)
{
    for (size_t i = s.n; i-- > 1;) {
        if (s.p[i] == '/')
            return false;
        if (s.p[i] == '.')
            return i + 1 < s.n && ((s.p[i + 1] | 32) >= 'a' && (s.p[i + 1] | 32) <= 'z');
    }
    return false;
}

/* The next text in the line that may name a file; false: there is none. */
static bool next_mention(struct mention *m, struct str line, size_t at)
{
    while (at < line.n) {
        while (at < line.n && (!in_path(line.p[at]) || !line.p[at]))
            at++;
        size_t end = at;
        while (end < line.n && line.p[end] && in_path(line.p[end]))
            end++;
        *m = (struct mention){.from = at, .path_end = end, .end = end};
        while (m->path_end > at && line.p[m->path_end - 1] == '.') /* a sentence's */
            m->end = --m->path_end;
        struct str path = {line.p + at, m->path_end - at};
        size_t digits = end + 1;
        while (end == m->path_end && end < line.n && line.p[end] == ':' && digits < line.n && line.p[digits] >= '0' && line.p[digits] <= '9' &&
               digits < end + 8)
            m->line = m->line * 10 + (uint32_t)(line.p[digits++] - '0');
        m->end = m->line ? digits : m->end;
        bool quoted = at && m->end < line.n && strchr("\"'`<(", line.p[at - 1]) && strchr("\"'`>)", line.p[m->end]);
        bool address = at && line.p[at - 1] == ':' && path.n > 1 && path.p[0] == '/' && path.p[1] == '/';
        if (path.n && path.n < LINK_BYTES && !address && (memchr(path.p, '/', path.n) || m->line || quoted) &&
            (has_suffix(path) || (memchr(path.p, '/', path.n) && path.p[path.n - 1] != '/')))
            return true;
        at = end > at ? end : at + 1;
    }
    return false;
}

static void take_paths(struct call *c, json_t *result)
{
    json_t *out = json_array(), *paths = json_object_get(result, "paths"), *link;
    size_t i;
    json_array_foreach(c->kept, i, link) {
        json_t *row = json_array_get(paths, i), *line = json_object_get(link, "line");
        char *path = json_is_object(row) ? row_path(result, row) : NULL;
        if (!path)
            continue;
        struct buf target = BUF_INIT;
        json_t *uri = uri_json(path);
        buf_adds(&target, json_string_value(uri));
        if (json_integer_value(line))
            buf_addf(&target, "#L%lld", (long long)json_integer_value(line));
        json_array_append_new(out, json_pack("{sO, ss}", "range", json_object_get(link, "range"), "target", target.data));
        buf_release(&target);
        json_decref(uri);
        free(path);
    }
    call_reply_list(c, out);
}

void run_links(struct call *c)
{
    struct document *d = feature_document(c);
    struct mention m;
    if (!d)
        return;
    json_t *asked = json_array();
    c->kept = json_array();
    for (uint32_t i = 0; i < d->nlines && json_array_size(asked) < LINKS_MAX; i++) {
        struct str line = document_line(d, i);
        for (size_t at = 0; json_array_size(asked) < LINKS_MAX && next_mention(&m, line, at); at = m.end) {
            json_t *path = json_stringn(line.p + m.from, m.path_end - m.from);
            if (!path)
                continue;
            json_array_append_new(asked, path);
            json_array_append_new(c->kept, json_pack("{so, sI}", "range",
                                                     range_json((struct position){i, column_of_bytes(line, m.from, c->lsp->encoding)},
                                                                (struct position){i, column_of_bytes(line, m.end, c->lsp->encoding)}),
                                                     "line", (json_int_t)m.line));
        }
    }
    json_t *params = feature_params(c);
    if (!json_array_size(asked)) {
        json_decref(params);
        call_reply(c, json_array());
    } else {
        json_object_set(params, "path", asked);
        call_ask(c, "paths", params, take_paths);
    }
    json_decref(asked);
}

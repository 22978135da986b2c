#include "base/document.h"

#include "base/mem.h"
#include "base/uri.h"

#include <stdlib.h>
#include <string.h>

/* Lines that begin in (from, to] of the text, appended to *out. */
static size_t lines_in(uint32_t **out, const struct buf *text, size_t from, size_t to)
{
    size_t n = 0, cap = 0;
    const char *p = text->data + from, *end = text->data + text->len;
    *out = NULL;
    while (p < end && (size_t)(p - text->data) < to) {
        size_t len = line_end(p, end);
        p += len ? len : 1;
        if (len && (size_t)(p - text->data) <= to) {
            VEC_ROOM(*out, n, cap);
            (*out)[n++] = (uint32_t)(p - text->data);
        }
    }
    return n;
}

static void set_lines(struct document *d)
{
    uint32_t *begin;
    size_t n = lines_in(&begin, &d->text, 0, d->text.len);
    free(d->line);
    d->cap = d->nlines = n + 1;
    d->line = mem_alloc(d->cap * sizeof *d->line);
    d->line[0] = 0;
    if (n)
        memcpy(d->line + 1, begin, n * sizeof *begin);
    free(begin);
}

/* The last line that begins at or before that byte. */
static size_t line_of(const struct document *d, size_t at)
{
    size_t low = 0, high = d->nlines;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (d->line[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void replace(struct document *d, size_t from, size_t to, const char *bytes, size_t n)
{
    /* A "\r" and a "\n" may be joined or parted at either edge: the line before the change and the one behind it are looked at anew. */
    size_t first = line_of(d, from ? from - 1 : 0), after = line_of(d, to) + 1;
    size_t stop = after < d->nlines ? d->line[after] : d->text.len;
    size_t tail = d->text.len - to, grown = d->text.len - (to - from) + n;
    buf_room(&d->text, n);
    memmove(d->text.data + from + n, d->text.data + to, tail);
    memcpy(d->text.data + from, bytes, n);
    d->text.len = grown;
    d->text.data[grown] = 0;
    stop = stop - (to - from) + n;

    uint32_t *begin;
    size_t made = lines_in(&begin, &d->text, d->line[first], stop), moved = after < d->nlines ? d->nlines - after : 0;
    bool again = moved && made && begin[made - 1] == stop; /* the line behind is in both */
    made -= again;
    size_t nlines = first + 1 + made + moved;
    if (nlines > d->cap) {
        d->cap = nlines + nlines / 4;
        d->line = mem_grow(d->line, d->cap, sizeof *d->line);
    }
    if (moved)
        memmove(d->line + first + 1 + made, d->line + after, moved * sizeof *d->line);
    if (made)
        memcpy(d->line + first + 1, begin, made * sizeof *begin);
    for (size_t i = first + 1 + made; i < nlines; i++)
        d->line[i] = (uint32_t)(d->line[i] - (to - from) + n);
    d->nlines = nlines;
    free(begin);
}

static struct document *find(const struct documents *all, const char *uri)
{
    struct document *d = all->first;
    while (d && strcmp(d->uri, uri))
        d = d->next;
    return d;
}

static void drop(struct documents *all, struct document *d)
{
    all->bytes -= d->text.len;
    buf_release(&d->text);
    free(d->line);
    d->line = NULL;
    d->nlines = d->cap = 0;
    d->dropped = true;
}

enum keeping document_open(struct documents *all, const char *uri, const char *language, const char *text, size_t n)
{
    document_close(all, uri);
    if (all->n >= DOCUMENTS_MAX)
        return DOCUMENT_TOO_MANY;
    struct document *d = mem_zero(1, sizeof *d);
    d->uri = mem_str(uri);
    d->serial = 1;
    d->path = uri_path(uri);
    d->language = mem_str(language);
    d->next = all->first;
    all->first = d;
    all->n++;
    if (n > DOCUMENT_MAX || n > DOCUMENTS_BYTES - all->bytes) {
        d->dropped = true;
        return n > DOCUMENT_MAX ? DOCUMENT_TOO_LARGE : DOCUMENT_TOO_MANY;
    }
    buf_room(&d->text, n);
    buf_add(&d->text, text, n);
    all->bytes += n;
    set_lines(d);
    return DOCUMENT_KEPT;
}

void document_close(struct documents *all, const char *uri)
{
    for (struct document **at = &all->first; *at; at = &(*at)->next)
        if (!strcmp((*at)->uri, uri)) {
            struct document *d = *at;
            *at = d->next;
            drop(all, d);
            all->n--;
            free(d->uri);
            free(d->language);
            free(d->path);
            free(d);
            return;
        }
}

void documents_release(struct documents *all)
{
    while (all->first)
        document_close(all, all->first->uri);
}

struct document *document_named(const struct documents *all, const char *uri)
{
    struct document *d = find(all, uri);
    return d && !d->dropped ? d : NULL;
}

struct document *document_at(const struct documents *all, const char *path)
{
    struct document *d = all->first;
    while (d && (d->dropped || !d->path || strcmp(d->path, path)))
        d = d->next;
    return d;
}

struct str document_line(const struct document *d, size_t line)
{
    if (line >= d->nlines)
        return (struct str){"", 0};
    const char *next;
    size_t end = line + 1 < d->nlines ? d->line[line + 1] : d->text.len;
    return first_line((struct str){d->text.data + d->line[line], end - d->line[line]}, &next);
}

size_t document_offset(const struct document *d, struct position at, enum encoding how)
{
    if (at.line >= d->nlines)
        return d->text.len;
    return d->line[at.line] + column_to_bytes(document_line(d, at.line), at.column, how);
}

bool position_read(struct position *out, json_t *o)
{
    json_t *line = json_object_get(o, "line"), *column = json_object_get(o, "character");
    json_int_t l = json_integer_value(line), c = json_integer_value(column);
    if (!json_is_integer(line) || !json_is_integer(column) || l < 0 || c < 0)
        return false;
    *out = (struct position){l > UINT32_MAX ? UINT32_MAX : (uint32_t)l, c > UINT32_MAX ? UINT32_MAX : (uint32_t)c};
    return true;
}

static void change_one(struct documents *all, struct document *d, json_t *change, enum encoding how)
{
    json_t *range = json_object_get(change, "range"), *text = json_object_get(change, "text");
    struct position a, b;
    size_t from = 0, to = d->text.len, n = json_string_length(text);
    if (!json_is_string(text) || (range && !json_is_null(range) && (!position_read(&a, json_object_get(range, "start")) ||
                                                                   !position_read(&b, json_object_get(range, "end")))))
        return;
    bool part = range && !json_is_null(range);
    if (part) {
        from = document_offset(d, a, how);
        to = document_offset(d, b, how);
        if (from > to) {
            size_t swap = from;
            from = to;
            to = swap;
        }
    }
    size_t left = d->text.len - (to - from), most = DOCUMENTS_BYTES - (all->bytes - d->text.len);
    if (left + n > DOCUMENT_MAX || left + n > most) {
        drop(all, d);
        return;
    }
    all->bytes += n;
    all->bytes -= to - from;
    replace(d, from, to, json_string_value(text), n);
}

enum keeping document_change(struct documents *all, const char *uri, json_t *changes, enum encoding how)
{
    struct document *d = document_named(all, uri);
    json_t *one;
    size_t i;
    if (!d)
        return DOCUMENT_KEPT;
    d->changed = true;
    d->serial++;
    json_array_foreach(changes, i, one)
        if (!d->dropped)
            change_one(all, d, one, how);
    return d->dropped ? DOCUMENT_TOO_LARGE : DOCUMENT_KEPT;
}

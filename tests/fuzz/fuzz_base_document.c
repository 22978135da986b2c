/* The arithmetic of positions: a document under arbitrary incremental edits, in each encoding, against the same text cut by a slow walk. An edit
 * is five bytes (two positions, how much is put in) and those bytes; where the text would be no UTF-8 it is left out, as JSON leaves it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/base/text.h"
#include "base/document.h"

#define URI "file:///a"

static json_t *change(struct position a, struct position b, json_t *text)
{
    return json_pack("[{s{s{sI, sI}, s{sI, sI}}, so}]", "range", "start", "line", (json_int_t)a.line, "character", (json_int_t)a.column, "end", "line",
                     (json_int_t)b.line, "character", (json_int_t)b.column, "text", text);
}

static void check_lines(const struct document *d, enum encoding how)
{
    for (size_t line = 0; line < d->nlines; line++) {
        struct str one = document_line(d, line);
        if (d->line[line] != slow_offset(d->text.data, d->text.len, (uint32_t)line, 0, how) || memchr(one.p, '\n', one.n))
            abort();
        size_t end = column_to_bytes(one, UINT32_MAX, how);
        if (end != one.n || column_to_bytes(one, column_of_bytes(one, end, how), how) != end)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    enum encoding how = (enum encoding)(n ? bytes[0] % 3 : 0);
    struct documents all = {0};
    struct buf plain = BUF_INIT;
    buf_adds(&plain, "");
    document_open(&all, URI, NULL, "", 0);
    for (size_t at = 1; n >= 5 && at <= n - 5;) {
        const uint8_t *u = bytes + at;
        struct position a = {u[0] % 32, u[1] == 255 ? UINT32_MAX : u[1]}, b = {u[2] % 32, u[3]};
        size_t want = u[4] % 24, have = n - at - 5, len = want < have ? want : have;
        json_t *text = json_stringn((const char *)u + 5, len);
        at += 5 + len;
        if (!text)
            continue;
        size_t from = slow_offset(plain.data, plain.len, a.line, a.column, how), to = slow_offset(plain.data, plain.len, b.line, b.column, how);
        struct buf after = BUF_INIT;
        buf_add(&after, plain.data, from < to ? from : to);
        buf_add(&after, u + 5, len);
        buf_add(&after, plain.data + (from < to ? to : from), plain.len - (from < to ? to : from));
        buf_room(&after, 1);
        json_t *changes = change(a, b, text);
        document_change(&all, URI, changes, how);
        struct document *d = document_named(&all, URI);
        if (!d || d->text.len != after.len || all.bytes != after.len || memcmp(d->text.data, after.data, after.len))
            abort();
        check_lines(d, how);
        json_decref(changes);
        buf_release(&plain);
        plain = after;
    }
    documents_release(&all);
    buf_release(&plain);
    return 0;
}

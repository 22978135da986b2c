/* From the cursor to a name, and from rows of results to the protocol's places. */
#ifndef CODEASK_LSP_PLACE_H
#define CODEASK_LSP_PLACE_H

#include "lsp/inside.h"

/* The name at that byte of a line, or the one that ends there: bytes [begin, end), equal where there is none. scope: where what it
 * is qualified by begins ("session." of session.send), else begin. */
struct word {
    size_t scope, begin, end;
};
struct word word_at(struct str line, size_t at);
/* Where the whole word stands in the line from `from` on; false: nowhere. */
bool word_in(size_t *at, struct str line, struct str word, size_t from);
/* "send" of "session.send". */
const char *word_last(const char *word);

/* The file of a row of a result with "roots"; NULL: not known. The caller frees. */
char *row_path(json_t *result, json_t *row);
/* Where the row begins; of the name in its first lines where it stands there. An open document's text is believed more than the
 * row's snippet. */
json_t *row_range(struct lsp *x, const char *path, json_t *row, const char *name /* NULL */);
json_t *row_location(struct lsp *x, json_t *result, json_t *row, const char *name); /* NULL: its file is not known */
json_t *range_json(struct position from, struct position to);
json_t *uri_json(const char *path);

/* Rows from the nearest to that file on: in it, in its directory, in its repository … The order stays otherwise. New list. */
json_t *rows_nearest(json_t *result, json_t *rows, const char *path);
bool row_is(json_t *row, const char *key, const char *value);

#endif

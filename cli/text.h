/* Text for a terminal: cleaned, measured, styled. */
#ifndef CODEASK_CLI_TEXT_H
#define CODEASK_CLI_TEXT_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* Where and how to print. */
struct look {
    bool color;
    bool tty;
    int width;   /* columns; 100 when it is no terminal */
};
void look_open(struct look *l); /* of standard output; honours NO_COLOR, TERM=dumb and COLUMNS */

enum style {
    STYLE_NONE, STYLE_BOLD, STYLE_DIM, STYLE_ITALIC, STYLE_HEADING, STYLE_PATH, STYLE_LINE, STYLE_NAME, STYLE_CITE, STYLE_GOOD,
    STYLE_WARN, STYLE_BAD, STYLE_CODE, STYLE_MATCH,
    STYLE_KEYWORD, STYLE_STRING, STYLE_COMMENT, STYLE_NUMBER, STYLE_CALL, STYLE_TYPE,
};
/* The escape that begins a style, "" without colour; STYLE_NONE ends all. */
const char *style(const struct look *l, enum style s);
void put_styled(struct buf *out, const struct look *l, enum style s, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends foreign text with everything taken out that a terminal would obey: control characters (tab and newline aside),
 * C1, bidirectional overrides, invalid UTF-8. */
void put_clean(struct buf *out, const char *p, size_t n);
void put_cleans(struct buf *out, const char *s); /* NULL: nothing */

/* Bytes and columns of the character at p (n > 0 bytes left); escapes of style() count 0 columns as a whole. */
size_t char_at(const char *p, size_t n, int *columns);
int columns_of(const char *p, size_t n);

json_t *json_clean(const char *p, size_t n); /* a JSON text; invalid UTF-8 becomes U+FFFD */

/* Human figures: "1.8 MB", "3 min" … */
const char *human_bytes(char out[32], double bytes);
const char *human_time(char out[32], double seconds);

/* highlight.c: one line of source code in colour. state: 0 at the start of a block, kept between its lines. */
void put_code(struct buf *out, const struct look *l, const char *language, const char *p, size_t n, int *state);

/* markdown.c: rendered for a terminal; as it is where there is no colour. */
void put_markdown(struct buf *out, const struct look *l, const char *text, size_t n);

#endif

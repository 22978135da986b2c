/* Results as Markdown pages, whose places are links that an editor opens. Text of sources cannot become active in them. */
#ifndef CODEASK_LSP_PAGE_H
#define CODEASK_LSP_PAGE_H

#include "base/buf.h"

#include <jansson.h>

/* [path:line](file:///…#L12); without the link where the file is not known. */
void page_link(struct buf *out, json_t *result, json_t *row);
void page_title(struct buf *out, const char *title);
void page_answer(struct buf *out, json_t *result);   /* of ask */
void page_history(struct buf *out, json_t *result);
void page_users(struct buf *out, json_t *result);    /* of symbol: callers and references */
void page_tour(struct buf *out, json_t *result);
/* The first n bytes of a text, whole characters. */
struct str text_head(const char *s, size_t n);

#endif

/* The definitions of an open document: asked of the service by its path while it is as saved, by its text once it was edited. */
#ifndef CODEASK_LSP_OUTLINE_H
#define CODEASK_LSP_OUTLINE_H

#include "lsp/feature.h"

/* done: gets c and the rows, of the document as it is now; not called when that is closed meanwhile. */
typedef void (*outline_cb)(struct call *c, struct document *d, json_t *symbols);
void outline_ask(struct call *c, outline_cb done);

/* Of a row: its lines, and where its name stands in them (else where they begin). */
json_t *outline_range(struct call *c, const struct document *d, json_t *row);
json_t *outline_name_range(struct call *c, const struct document *d, json_t *row);
int symbol_kind(const char *kind); /* the protocol's SymbolKind of an index's kind */

#endif

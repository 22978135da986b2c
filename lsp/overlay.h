/* Unsaved documents as an overlay of this client alone: of a file with unsaved changes its text as it stands in the editor counts, not
 * what the index has of it. Nothing of it is kept by the service. */
#ifndef CODEASK_LSP_OVERLAY_H
#define CODEASK_LSP_OVERLAY_H

#include "lsp/feature.h"

#define OVERLAY_SAVED_MS 2000  /* a save is in the index by then; until then the text that was saved is believed */
#define OVERLAY_ANEW_MAX 16    /* documents cut anew for one request */

/* call_ask(c, "symbol", …), with the definitions, callers and references of unsaved documents in the place of the index's. params: with
 * "roots"; c->failed is called as ever. Rows of an unsaved document say so ("unsaved": true). */
void overlay_symbol(struct call *c, json_t *params /* stolen */, void (*done)(struct call *c, json_t *result));

/* Puts the symbols of one document, as `outline` gave them, into a result of `symbol` about name. exact: else names that hold it are
 * meant, too. For tests on its own. */
void overlay_merge(json_t *result, const struct document *d, const char *name, bool exact);

#endif

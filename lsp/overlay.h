/* Unsaved documents as an overlay of this client alone: before the service is asked about code it is told what each edited document holds
 * (its method `unsaved`), and answers out of that instead of what is indexed of the file. */
#ifndef CODEASK_LSP_OVERLAY_H
#define CODEASK_LSP_OVERLAY_H

#include "lsp/feature.h"

#define OVERLAY_SAVED_MS 2000  /* a save is in the index by then; until then the text that was saved is believed */
#define OVERLAY_ANEW_MAX 16    /* documents cut anew for one request */

/* call_ask behind that: c->failed is called as ever. Rows of an unsaved document say so ("unsaved": true). */
void overlay_ask(struct call *c, const char *method, json_t *params /* stolen */, void (*done)(struct call *c, json_t *result));

/* The document is closed: what the service was told of it does not count any more. */
void overlay_close(struct lsp *x, const char *uri);

#endif

/* What the codec offers: a row a method. To add a feature: a file feature_<name>.c, its rows in features[] (feature.c). */
#ifndef CODEASK_LSP_FEATURE_H
#define CODEASK_LSP_FEATURE_H

#include "lsp/inside.h"

struct feature {
    const char *method;
    const char *setting;       /* by this name it is switched off; several rows may share one */
    const char *provider;      /* of the server's capabilities; NULL: it comes with another row */
    const char *client;        /* where the client's capabilities speak of it; NULL */
    json_t *(*options)(struct lsp *x); /* the provider's value; NULL: true */
    json_t *(*empty)(void);    /* what is said where there is nothing: json_null or json_array */
    void (*run)(struct call *c);
    bool common;               /* what every language's own server gives: silent beside one */
};
extern const struct feature features[]; /* ended by a NULL method */
const struct feature *feature_named(const char *method);
bool feature_on(const struct lsp *x, const struct feature *f);

/* The open document that params name, its path in c->path; NULL: the empty answer was given. */
struct document *feature_document(struct call *c);
/* The same, c->at and the name there in c->word, with what stands before it ("session.send") when qualified. */
struct document *feature_word(struct call *c, bool qualified);
/* {"dir": the document's, "roots": true}: a request about its repository. */
json_t *feature_params(const struct call *c);
json_t *dir_params(const char *path); /* the same, of that file; it is a directory where it ends in "/" */

void run_definition(struct call *c);
void run_declaration(struct call *c);
void run_implementation(struct call *c);
void run_references(struct call *c);
void run_hover(struct call *c);
void run_document_symbol(struct call *c);
void run_folding(struct call *c);
void run_lens(struct call *c);
void run_lens_resolve(struct call *c);
void run_links(struct call *c);
void run_workspace_symbol(struct call *c);
void run_prepare_calls(struct call *c);
void run_incoming(struct call *c);
void run_outgoing(struct call *c);
void run_code_action(struct call *c);
void run_command(struct call *c);
void run_ask(struct call *c);
json_t *action_options(struct lsp *x);
json_t *command_options(struct lsp *x);

#endif

/* Commands: questions about what is at the cursor, answered by a page. To add one: a row of commands[] (command.c). */
#ifndef CODEASK_LSP_COMMAND_H
#define CODEASK_LSP_COMMAND_H

#include "lsp/feature.h"

enum about { ABOUT_NAME, ABOUT_LINES, ABOUT_FOLDER, ABOUT_ANYTHING /* a text that the user types */, ABOUT_ANSWER };
struct command {
    const char *name;          /* "codeask.explain" */
    enum about about;
    const char *title;         /* of the code action and the page; "%s" is the name, the place or the folder; NULL: no action */
    const char *method;        /* of the service */
    const char *question;      /* to `ask`, "%s" as above; or "good", "bad" */
    void (*page)(struct buf *out, json_t *result);
};
extern const struct command commands[]; /* ended by a NULL name */

#endif

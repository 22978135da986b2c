/* What an editor's server knows of the editor (LSP): its open documents as they stand there, its settings and folders; and towards the editor
 * what the server has registered and begun. Kept by the carrier, for the server's next process. */
#ifndef CODEASK_CLI_EDITOR_STATE_H
#define CODEASK_CLI_EDITOR_STATE_H

#include "base/document.h"

#include <stdbool.h>

#define EDITOR_NOTES_MAX 256 /* changes of the workspace's folders that are kept; a server takes 64 folders */

struct editor_state {
    enum encoding encoding;
    struct documents docs;
    json_t *notes;           /* settings, folders, trace: [{"method", "params"}]; NULL */
    json_t *registered;      /* id -> registration; NULL */
    json_t *begun;           /* token as JSON text -> token, of work-done progress; NULL */
};

void editor_state_release(struct editor_state *s);
void editor_state_agreed(struct editor_state *s, json_t *capabilities);               /* of the server */
void editor_state_told(struct editor_state *s, const char *method, json_t *params);   /* a notification of the editor's */
/* A request or notification of the server's. False: the editor did it already, and is not to hear it again. */
bool editor_state_heard(struct editor_state *s, const char *method, json_t *params);
void editor_state_lost(struct editor_state *s, struct buf *to_editor);                /* what the server had begun is ended */
void editor_state_again(struct editor_state *s, struct buf *to_server);               /* behind the handshake */

#endif

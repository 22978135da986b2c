/* The inside of the codec: one client's state, and the requests of its that are open. For the files of this room only. */
#ifndef CODEASK_LSP_INSIDE_H
#define CODEASK_LSP_INSIDE_H

#include "base/document.h"
#include "lsp/frame.h"
#include "service/service.h"

#include <jansson.h>

#define LSP_OPEN_MAX 256      /* requests of one client at a time: Neovim resolves all lenses of a document at once */
#define LSP_FOLDERS_MAX 64
#define LSP_DIR "$/dir"       /* notification of the carrier: {"dir": absolute path} */

/* Codes of the protocol beside those of service/methods.h. */
#define LSP_METHOD_NOT_FOUND (-32601)
#define LSP_INVALID_PARAMS (-32602)
#define LSP_NOT_INITIALIZED (-32002)
#define LSP_CANCELED (-32800)
#define LSP_REQUEST_FAILED (-32803)

enum life { LIFE_NEW, LIFE_RUNNING, LIFE_SHUT /* shutdown came: nothing but exit is left */ };
enum trace { TRACE_OFF, TRACE_MESSAGES, TRACE_VERBOSE };

struct lsp {
    struct session *session;
    struct buf *out;
    bool (*full)(void *arg);
    void *full_arg;
    struct frame in;
    enum life life;
    enum trace trace;
    enum encoding encoding;
    struct documents docs;
    struct call *calls;
    unsigned ncalls;
    char *dir;                 /* the carrier's; NULL */
    char **folder;             /* [nfolders] of the workspace, absolute */
    size_t nfolders;
    unsigned warming;          /* folders whose first index was asked for and did not come yet */
    json_t *client;            /* its capabilities */
    json_t *settings;          /* one object: what is switched off (settings.c) */
    uint64_t registered;       /* bits by row of features[] */
    bool watches_settings;     /* told the client to say when they change */
    unsigned asked;            /* requests of ours so far */
    json_t *closed;            /* paths of documents that are closed, and the service was told of (overlay.c); NULL */
    char *answer;              /* the id of the last answer, for feedback; NULL */
};

struct feature;
struct call {                  /* a request of the client's, or a piece of work of our own (name NULL) */
    struct call *next;
    struct lsp *lsp;
    uint64_t id;               /* the service's; 0: it does nothing for this now */
    char *name;                /* the client's id as JSON text */
    const struct feature *feature; /* NULL: our own */
    json_t *params;            /* the client's */
    json_t *work, *partial;    /* tokens; NULL */
    char *creating;            /* the id of our window/workDoneProgress/create that is not answered yet */
    bool began;                /* its work-done progress */
    bool answered;             /* nothing more is said of it */
    double began_ms;
    void (*done)(struct call *c, json_t *result /* borrowed */);
    void (*failed)(struct call *c, int code, const char *message, const char *hint); /* NULL: call_fail */
    void (*part)(struct call *c, json_t *part); /* NULL */
    /* the feature's */
    char *word, *path;         /* the name that is asked about; the document's file */
    char *title;               /* of the page that is made */
    struct position at;
    json_t *kept;              /* between its steps */
    void (*then)(void);        /* the same: what a step shared by features goes on with */
    /* overlay.c's */
    const char *asked;         /* the method that is asked then */
    json_t *asking;            /* its params */
    void (*after)(struct call *c, json_t *result);
    void (*after_failed)(struct call *c, int code, const char *message, const char *hint);
    char *anew;                /* the document that is cut now */
    uint64_t anew_serial;
    unsigned anew_count;
    int step;
};

/* -- call.c: a call lives until it is answered and the service does nothing for it any more; who runs its code ends it with
 * call_settle, features never free it ------------------------------------------------------------------------------------- */
struct call *call_new(struct lsp *x, char *name /* taken over; NULL */, const struct feature *f, json_t *params);
void call_settle(struct call *c);
void call_free(struct call *c);
struct call *call_find(struct lsp *x, const char *name);
/* Asks the service, as the next step: done or failed gets what comes of it. params: stolen. */
void call_ask(struct call *c, const char *method, json_t *params, void (*done)(struct call *c, json_t *result));
void call_reply(struct call *c, json_t *result /* stolen; NULL: null */);
void call_reply_list(struct call *c, json_t *list /* stolen */); /* in pieces where the client takes them so */
void call_refuse(struct call *c, int code, const char *message, json_t *data /* stolen; NULL */);
/* What there is nothing of in this place (no repository, no such file) is an empty answer, other errors are told. */
void call_fail(struct call *c, int code, const char *message, const char *hint);
void call_tell(struct call *c, int code, const char *message, const char *hint); /* every error is told: a person asked */
void call_cancel(struct call *c);                     /* answered by LSP_CANCELED */
/* Work-done progress, where the client gave a token or takes one of ours. */
void call_work(struct call *c, const char *title, const char *message /* may hold foreign bytes */);
void call_offer_work(struct call *c);                 /* asks the client for a token of our own */

/* -- say.c: messages --------------------------------------------------------------------------------------------------------- */
void say_result(struct lsp *x, const char *id, json_t *result /* stolen */);
void say_error(struct lsp *x, const char *id, int code, const char *message, json_t *data /* stolen; NULL */);
void say_note(struct lsp *x, const char *method, json_t *params /* stolen; NULL: nothing is said */);
void say_request(struct lsp *x, const char *kind, const char *method, json_t *params /* stolen */); /* its id begins with kind */
void say_progress(struct lsp *x, json_t *token, json_t *value /* stolen */);
enum message_type { MESSAGE_ERROR = 1, MESSAGE_WARNING, MESSAGE_INFO, MESSAGE_LOG };
void say_message(struct lsp *x, enum message_type type, const char *text);

/* -- settings.c -------------------------------------------------------------------------------------------------------------- */
bool client_can(const struct lsp *x, const char *path /* "window.workDoneProgress" */); /* true, or an object */
json_t *client_at(const struct lsp *x, const char *path);                               /* borrowed; NULL */
void settings_take(struct lsp *x, json_t *given);   /* an object of ours, or one that holds it as "codeask" */
void settings_ask(struct lsp *x);                   /* where the client can be asked */
json_t *server_capabilities(struct lsp *x);
void features_register(struct lsp *x);              /* tells the client what came or went since */
/* Whether another server answers about files of this language (NULL: one that is not told), as the settings say. */
bool beside_another(const struct lsp *x, const char *language);

#endif

/* The client's open documents: their text as it stands in the editor, kept in step by incremental changes. */
#ifndef CODEASK_BASE_DOCUMENT_H
#define CODEASK_BASE_DOCUMENT_H

#include "base/position.h"

#include <jansson.h>

#define DOCUMENT_MAX (8u << 20)        /* bytes of one; a larger one is no source that is read at a cursor */
#define DOCUMENTS_BYTES (64u << 20)    /* of all of a client together */
#define DOCUMENTS_MAX 4096             /* an editor that opens a whole project's files */

struct document {
    struct document *next;
    char *uri, *path;                  /* path: NULL where the URI names no file here */
    char *language;                    /* the client's word for it; NULL */
    struct buf text;
    uint32_t *line;                    /* [nlines] where each begins; the first at 0 */
    size_t nlines, cap;
    bool changed;                      /* since it was opened or saved: the index knows another text */
    double saved_ms;                   /* when; 0: not yet */
    uint64_t serial, told;             /* of its text; of the text that the service knows, 0: none (overlay.c) */
    bool dropped;                      /* past a limit: its text is not kept */
};
struct documents {
    struct document *first;
    size_t n, bytes;
};

enum keeping { DOCUMENT_KEPT, DOCUMENT_TOO_LARGE, DOCUMENT_TOO_MANY };
/* An open one of that name is replaced. language: NULL where it is not told. */
enum keeping document_open(struct documents *all, const char *uri, const char *language, const char *text, size_t n);
void document_close(struct documents *all, const char *uri);
void documents_release(struct documents *all);
/* NULL: not open, or not kept. */
struct document *document_named(const struct documents *all, const char *uri);
struct document *document_at(const struct documents *all, const char *path);

/* contentChanges of didChange, in their order; those that are none are left out. */
enum keeping document_change(struct documents *all, const char *uri, json_t *changes, enum encoding how);

/* Without its end; an empty piece past the last one. */
struct str document_line(const struct document *d, size_t line);
/* Past the last line is the end of the text, past a line's end is its end. */
size_t document_offset(const struct document *d, struct position at, enum encoding how);
/* A position out of JSON; false: it is none. */
bool position_read(struct position *out, json_t *o);

#endif

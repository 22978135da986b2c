/* What is written into the configuration of an editor, and taken out again: pure functions from a file's text to its new text.
 *
 * A block is lines between two marks, which are comments. A member is "codeask" in an object of a JSON file, which may hold comments
 * and commas too many as editors allow them (JSONC). All else stays as it is, byte for byte. */
#ifndef CODEASK_CLI_EDITOR_TEXT_H
#define CODEASK_CLI_EDITOR_TEXT_H

#include "base/buf.h"
#include "base/err.h"

#define EDITOR_FILE_MAX (4u << 20) /* bytes of a configuration: no person writes a larger one */
#define MEMBER_DEPTH 4             /* of a path to a member */
#define JSON_DEPTH 100             /* of nesting that is followed */

/* The block with that body at the end of text. Where it is there with this body, out is text; ERR_DENIED: it is there with another
 * (somebody changed it); ERR_FORMAT: it has no end. comment: what begins one in that language. */
int block_put(struct buf *out, struct str text, const char *comment, const char *name, struct str body, struct err *e);
/* Text without the block; without one, out is text. */
int block_drop(struct buf *out, struct str text, const char *comment, struct err *e);
/* What block_put and block_drop leave alone: *block is empty where there is none. */
int block_find(struct str *before, struct str *block, struct str *after, struct str text, const char *comment, struct err *e);

/* path: keys of objects inside each other, ended by NULL; the last one is the member. value: JSON, with lines indented by two blanks.
 * Errors as above; ERR_FORMAT: text is no object, or what lies on the path is none. */
int member_put(struct buf *out, struct str text, const char *const *path, struct str value, struct err *e);
/* The objects on the path go with it where nothing is left in them. */
int member_drop(struct buf *out, struct str text, const char *const *path, struct err *e);

/* Whether nothing but blanks and an empty object is in it. */
bool text_says_nothing(struct str text);

#endif

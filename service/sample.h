/* Some text of many places, for what a model is to be fitted to: the same of the same places, so that a result can be repeated. */
#ifndef CODEASK_SERVICE_SAMPLE_H
#define CODEASK_SERVICE_SAMPLE_H

#include "base/buf.h"
#include "base/err.h"

#define SAMPLE_BYTES (256u << 10) /* some 60,000 tokens of code: more than is read */

/* Appends at most `most` bytes: pieces of files spread evenly over the folder (hidden ones, links, and what is no text left out), or the
 * file's beginning. ERR_NOT_FOUND where there is no text. */
int sample_path(struct buf *out, const char *path, size_t most, struct err *e);
/* The same of what a home has indexed, secrets masked. ERR_BUSY while a daemon holds it. */
int sample_index(struct buf *out, const char *home, size_t most, struct err *e);

#endif

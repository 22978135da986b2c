/* Stop strings in a stream of tokens' bytes: what may still become one is held back, and so is a character that is not
 * whole yet. Not thread-safe. */
#ifndef CODEASK_ENGINE_SAMPLE_STOP_H
#define CODEASK_ENGINE_SAMPLE_STOP_H

#include "base/buf.h"
#include "base/err.h"

#define STOP_STRINGS_MAX 16  /* the OpenAI interface allows 4 */
#define STOP_BYTES_MAX 256   /* of one; it bounds what is held back */

struct stop;
/* ERR_USAGE: too many, too long, or empty. */
int stop_open(struct stop **out, const struct str *string, size_t n, struct err *e);
void stop_close(struct stop *s); /* accepts NULL */

/* Appends to out what can be shown. True: a stop string has ended; what stood before it has been appended, all after it is
 * dropped, and so is what is fed from now on. Where two end at one byte, the longer counts. */
bool stop_feed(struct stop *s, struct buf *out, const char *bytes, size_t n);
/* The end of the answer: appends what was held back; a character that never became whole is U+FFFD. */
void stop_end(struct stop *s, struct buf *out);
/* Which one was found; -1: none yet. */
int stop_found(const struct stop *s);

#endif

/* Positions of the protocol: a line and a column in code units of the agreed encoding, both from 0. Lines end at "\n", "\r\n" or "\r". */
#ifndef CODEASK_BASE_POSITION_H
#define CODEASK_BASE_POSITION_H

#include "base/buf.h"

#include <stdint.h>

enum encoding { ENCODING_UTF16 /* what is spoken when nothing is agreed on */, ENCODING_UTF8, ENCODING_UTF32 };
const char *encoding_name(enum encoding how);
bool encoding_named(enum encoding *out, const char *name);

struct position {
    uint32_t line, column;
};

/* Bytes of the line before that column: past the end is the end, inside a character is its begin. line: UTF-8, without its end. */
size_t column_to_bytes(struct str line, uint32_t column, enum encoding how);
/* bytes: at a character's begin, or past the end (the end is meant). */
uint32_t column_of_bytes(struct str line, size_t bytes, enum encoding how);

/* Bytes of the line end at p, 0 where there is none; p < end. */
size_t line_end(const char *p, const char *end);
/* The first line of text without its end; *next: where the following one begins, NULL: it is the last. */
struct str first_line(struct str text, const char **next);

#endif

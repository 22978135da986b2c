/* "src/a.c:12-20": a path and lines of it, as a person writes them. */
#ifndef CODEASK_SERVICE_PLACE_H
#define CODEASK_SERVICE_PLACE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct place_asked {
    char *path;           /* in the arena */
    uint32_t first, last; /* 0: the whole file */
};

/* A file whose name ends in ":12" is asked as "a:12:1". ERR_USAGE: lines that cannot be. */
int place_parse(struct place_asked *a, struct arena *arena, const char *text, struct err *e);
/* Of a text; the last one needs no line end. */
uint32_t line_count(struct str text);

#endif

/* JSON of foreign files, through jansson, within bounds: a pass over the bytes counts depth and values before the parser
 * allocates anything, so that memory is bounded by them and not by the file. */
#ifndef CODEASK_ENGINE_FORMAT_JSON_H
#define CODEASK_ENGINE_FORMAT_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses n bytes; depth: brackets open at once; values: commas and brackets in all. Duplicate names are ERR_FORMAT.
 * name stands for the file in messages. The caller frees with json_decref. */
int json_bounded(json_t **out, const char *name, const void *bytes, size_t n, int depth, size_t values, struct err *e);
/* The same of a file of at most max bytes; ERR_NOT_FOUND where there is none. */
int json_file(json_t **out, const char *path, size_t max, int depth, size_t values, struct err *e);

/* An integer member; ERR_FORMAT where it is missing, no integer or out of [least, most]. */
int json_int(int64_t *out, const json_t *object, const char *name, const char *key, int64_t least, int64_t most, struct err *e);
/* A text member, borrowed from the object; fallback where it is missing or null or no text. */
const char *json_get_text(const json_t *object, const char *key, const char *fallback);
bool json_yes(const json_t *object, const char *key, bool fallback);

#endif

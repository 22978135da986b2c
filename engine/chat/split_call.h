/* The text between a tool call's markers as calls, in the forms that families write. Not for other rooms. */
#ifndef CODEASK_ENGINE_CHAT_SPLIT_CALL_H
#define CODEASK_ENGINE_CHAT_SPLIT_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CALL_BYTES_MAX (1u << 20)
#define CALL_DEPTH_MAX 64
#define CALL_VALUES_MAX 100000

/* Appends what it reads to calls; false: it is no call. name: where it stood outside of the text (harmony), else NULL. */
bool split_call_read(json_t *calls, const char *name, const char *text, size_t n);

#endif

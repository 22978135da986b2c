/* What a method takes, as JSON Schema (https://json-schema.org), out of its row: for codecs that describe themselves. */
#ifndef CODEASK_SERVICE_SCHEMA_H
#define CODEASK_SERVICE_SCHEMA_H

#include "service/methods.h"

#include <jansson.h>

/* {"type":"object","properties":{…},"additionalProperties":false}, a new reference; names as in params. offered: space-separated, those
 * that are described, positional ones as required; NULL: all but `json` and `dir`, which are for clients on this machine, none required.
 * argument: what the positional ones are; NULL: nothing is said of them. */
json_t *method_schema(const struct method *m, const char *offered, const char *argument);

#endif

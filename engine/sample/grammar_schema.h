/* Parts of JSON schemas as grammar. Not for other rooms. */
#ifndef CODEASK_ENGINE_SAMPLE_GRAMMAR_SCHEMA_H
#define CODEASK_ENGINE_SAMPLE_GRAMMAR_SCHEMA_H

#include "engine/sample/grammar_build.h"

/* A character within a JSON text: those of the class that can stand bare, and the escapes of the others. */
struct element json_char(struct build *b, struct ranges r);
/* The text's inside for a pattern: "simple" expressions (texts, classes, groups, |, * + ? {m,n}, ^ and $ at the ends). */
struct element json_pattern(struct build *b, const char *pattern, const char *where);
/* Whole numbers of [least, most]; each bound may be missing (NULL). */
struct element json_whole(struct build *b, const int64_t *least, const int64_t *most);

#endif

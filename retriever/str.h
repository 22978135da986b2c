/* Borrowed pieces of text, cut and compared. Everything stays inside the piece that was given. Private to retriever/. */
#ifndef CODEASK_RETRIEVER_STR_H
#define CODEASK_RETRIEVER_STR_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

bool str_is(struct str s, const char *literal);
bool str_begins(struct str s, const char *literal);
bool str_ends(struct str s, const char *literal);
bool str_eat(struct str *s, const char *literal);    /* removes a prefix */
size_t str_find(struct str s, const char *literal);  /* SIZE_MAX when absent; linear for the short literals used here */
size_t str_rfind(struct str s, char c);
struct str str_trim(struct str s);                   /* without spaces, tabs and line ends at both sides */
struct str str_from(struct str s, size_t at);        /* what follows the first `at` bytes; empty past the end */
struct str str_upto(struct str s, size_t n);         /* the first n bytes at most */
struct str str_until(struct str s, const char *any); /* up to the first of these characters */
struct str str_join(struct arena *a, struct str x, struct str y);
struct str str_joins(struct arena *a, const char *x, struct str y);

#endif

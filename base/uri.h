/* Percent-encoding of URIs (RFC 3986), and the file: URIs that editors name files by (RFC 8089). */
#ifndef CODEASK_BASE_URI_H
#define CODEASK_BASE_URI_H

#include "base/buf.h"

#include <stdbool.h>

/* What is unreserved stays as it is; slash: '/' too. */
void uri_escape(struct buf *out, const char *s, bool slash);
/* NULL: a '%' without two digits behind it, or a NUL. The caller frees. */
char *uri_unescape(const char *s, size_t n);

/* "file://" and the escaped path; path: absolute. */
void uri_of_path(struct buf *out, const char *path);
/* The absolute path of a file: URI on this machine; NULL: it is none. The caller frees. */
char *uri_path(const char *uri);

/* Whether a word is an address of something elsewhere, and no path: SCHEME://…, or HOST:PATH with the colon before any slash. */
bool uri_remote(const char *s);

#endif

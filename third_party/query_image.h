/* Compiled queries as bytes. Compiling one walks the grammar's parse table: 20 to 360 ms for most languages, in every worker process
 * that meets one of their files. So it is done once, when the program is built (indexer/query_images.c), and read back.
 *
 * An image is good for the core, the grammar and the compiler that it was made with, which are those of the same build; it holds
 * what it is of, and anything else is refused. */
#ifndef CODEASK_THIRD_PARTY_QUERY_IMAGE_H
#define CODEASK_THIRD_PARTY_QUERY_IMAGE_H

#include <stddef.h>
#include <tree_sitter/api.h>

/* The image of a query compiled from these n bytes of source: *bytes from malloc. Returns their number. The same source gives the
 * same bytes (gaps between the query's fields are cleared). */
size_t query_image_write(char **bytes, TSQuery *q, const char *source, size_t n);
/* NULL: it is no image of this source and grammar. To be deleted as any query. */
TSQuery *query_image_read(const char *bytes, size_t len, const TSLanguage *language, const char *source, size_t n);

#endif

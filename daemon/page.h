/* The page in the browser: files that the program carries (daemon/page/, and the libraries of third_party/lock.json whose names begin with
 * "page/"), made into page_files[] when it is built (daemon/page/embed.cmake). It knows nobody: what it shows it asks for at /v1/ with the token of
 * whoever sits before it.
 *
 *   GET /                    index.html, which names the others with the build's hash: it is asked for anew each time
 *   GET /page/HASH/NAME      the others; they never change under their name, so that a browser keeps them */
#ifndef CODEASK_DAEMON_PAGE_H
#define CODEASK_DAEMON_PAGE_H

#include "daemon/exchange.h"

#define PAGE_PREFIX "/page/"

struct page_file {
    const char *name;       /* "app.js" */
    const char *type;       /* "text/javascript; charset=utf-8" */
    const unsigned char *bytes;
    size_t len;
};
extern const struct page_file page_files[]; /* ended by a NULL name; the first is index.html */
extern const char page_hash[];              /* of all of them, in hex */

extern const struct http_codec page_codec;

#endif

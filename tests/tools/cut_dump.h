/* A record as text, one line a thing, for expectation files and for looking at a cutter's work:
 *   flags …            head
 *   kind name [+] a-b (parent) "signature" doc a-b        symbols, by lines; + is public
 *   ref kind name line in definition
 *   chunk a-b symbol "crumb" */
#ifndef CODEASK_TESTS_CUT_DUMP_H
#define CODEASK_TESTS_CUT_DUMP_H

#include "base/buf.h"
#include "store/record.h"

enum cut_dump { DUMP_HEAD = 1, DUMP_SYMBOLS = 2, DUMP_REFS = 4, DUMP_CHUNKS = 8, DUMP_ALL = 15 };

void cut_dump(struct buf *out, const struct record *r, struct str text, unsigned what);

#endif

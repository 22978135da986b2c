#ifndef CODEASK_INDEXER_PARSE_MEMORY_H
#define CODEASK_INDEXER_PARSE_MEMORY_H

#include <stdbool.h>

/* What tree-sitter allocates while one content is cut, in a process that cuts and does nothing else: taken from chunks that go back as a whole, so
 * that neither a node's malloc and free nor the walk that deletes a tree is paid for.
 *
 * Threads: none. A process that installs it runs tree-sitter in one thread. */

/* From here on begin and end have an effect. At most once, before any call of tree-sitter's. */
void parse_memory_install(void);
/* What tree-sitter allocates until the end is taken from the chunks. Not nested. */
void parse_memory_begin(void);
/* All of it goes, trees that nobody deleted included. false: it is not installed, and whoever made a tree has to delete it. */
bool parse_memory_end(void);

#endif

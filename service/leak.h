/* Whether an adapter has learned what it is measured by. */
#ifndef CODEASK_SERVICE_LEAK_H
#define CODEASK_SERVICE_LEAK_H

#include <stdint.h>

/* Held-out records of the one corpus that are learned by the other; both are paths of files (engine/train/corpus.h). What cannot be read has none. */
uint64_t records_shared(const char *measured_by, const char *learned_from);

#endif

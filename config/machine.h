/* How much memory there is to share out. */
#ifndef CODEASK_CONFIG_MACHINE_H
#define CODEASK_CONFIG_MACHINE_H

#include "config/config.h"

/* Bytes that this process may count on: the machine's, or its control group's where that is less; 0: not known. */
uint64_t machine_memory(void);
/* The same out of the files that say so (texts may be NULL): /proc/meminfo, and the limits of the control groups, each a number or
 * "max". Pure. */
uint64_t machine_memory_of(const char *meminfo, const char *const *limit, size_t n);

/* engine_memory, or half of that where the setting is 0: models and their caches in one half, the daemon, the system's file cache (where
 * the index lives) and everything else in the other. At least ENGINE_MEMORY_LEAST: the embedding model must open everywhere. */
#define ENGINE_MEMORY_LEAST ((uint64_t)1 << 30)
#define ENGINE_MEMORY_UNKNOWN ((uint64_t)4 << 30)
uint64_t engine_memory_of(const struct config *c, uint64_t machine);

#endif

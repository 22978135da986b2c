/* Host memory. Running out aborts in one place, so that no caller carries a path for it: sizes are therefore capped at
 * every edge where foreign bytes decide them. Device memory is an ordinary error (ERR_MEMORY). */
#ifndef CODEASK_BASE_MEM_H
#define CODEASK_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, alloc_size(1)));        /* uninitialised; size 0 gives a unique pointer */
void *mem_zero(size_t count, size_t size) __attribute__((malloc));          /* zeroed, overflow-checked */
void *mem_grow(void *p, size_t count, size_t size);                         /* realloc to count*size, overflow-checked */
char *mem_str(const char *s) __attribute__((malloc));                       /* strdup; NULL gives NULL */
char *mem_strn(const char *s, size_t n) __attribute__((malloc));            /* copies n bytes and adds a NUL */

/* Makes room for one more element in a growing array: `VEC_ROOM(v, n, cap)` before `v[n++] = x`. */
#define VEC_ROOM(v, n, cap)                                                                                            \
    do {                                                                                                               \
        if ((n) == (cap)) {                                                                                            \
            (cap) = (cap) ? (cap) * 2 : 16;                                                                            \
            (v) = mem_grow((v), (cap), sizeof *(v));                                                                   \
        }                                                                                                              \
    } while (0)

#endif

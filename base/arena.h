/* An arena: many allocations, one release. One per request and per parsed file. Not thread-safe.
 * Built with -DARENA_DEBUG (the sanitizer presets) every piece is its own malloc, so that the sanitizers see through it. */
#ifndef CODEASK_BASE_ARENA_H
#define CODEASK_BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, cap; /* in head */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);                        /* frees everything; the arena is usable again */
void arena_reset(struct arena *a);                          /* the same, but keeps the memory, as one piece with some room: for scratch that comes again */
size_t arena_held(const struct arena *a);                   /* bytes it keeps from the system */
void *arena_alloc(struct arena *a, size_t size);            /* uninitialised, 16-byte aligned */
void *arena_zero(struct arena *a, size_t count, size_t size);
char *arena_strn(struct arena *a, const char *s, size_t n); /* copy with a NUL */
char *arena_str(struct arena *a, const char *s);            /* NULL gives NULL */
char *arena_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t cap;
    _Alignas(16) char bytes[];
};

#ifdef ARENA_DEBUG
#define BLOCK_SIZE 0
#else
#define BLOCK_SIZE ((size_t)32 << 10) /* most requests fit in one or two */
#endif

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_release(struct arena *a)
{
    for (struct arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena_init(a);
}

size_t arena_held(const struct arena *a)
{
    size_t sum = 0;
    for (const struct arena_block *b = a->head; b; b = b->next)
        sum += b->cap;
    return sum;
}

void arena_reset(struct arena *a)
{
    size_t held = arena_held(a);
    if (BLOCK_SIZE == 0 || !held || a->cap < held) {
        arena_release(a);
        if (BLOCK_SIZE && held)
            arena_alloc(a, held + held / 4); /* or each one that needs a little more would get new pages for all of it */
    }
    a->used = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (!a->head || a->cap - a->used < size) {
        size_t cap = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct arena_block *b = mem_alloc(sizeof *b + cap);
        b->next = a->head;
        b->cap = cap;
        a->head = b;
        a->used = 0;
        a->cap = cap;
    }
    void *p = a->head->bytes + a->used;
    a->used += size;
    return p;
}

void *arena_zero(struct arena *a, size_t count, size_t size)
{
    if (size && count > (size_t)-1 / 2 / size)
        abort();
    return memset(arena_alloc(a, count * size), 0, count * size);
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    if (n)
        memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *arena_str(struct arena *a, const char *s)
{
    return s ? arena_strn(a, s, strlen(s)) : NULL;
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    p[0] = 0;
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

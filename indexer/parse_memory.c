/* A block is 8 bytes that tell its size, then the caller's, at a multiple of 16 as malloc has it:
 *
 *   | size | bytes …          size: of the block, head included, for one of a chunk; 0 for one of malloc's
 *
 * Blocks of up to SMALL bytes are cut off a chunk, and go to a list of their size when they are freed. Larger ones are malloc's, as
 * is all that is allocated outside of begin and end; those from inside stand in a list, so that the end finds them. */
#include "indexer/parse_memory.h"

#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tree_sitter/api.h>

#define UNIT 16
#define SMALL 1024                     /* a node with its children has 100 to 300 bytes; what is larger is an array that grows */
#define CHUNK_BYTES ((size_t)256 << 10)
#define CHUNKS_KEPT 16                 /* 4 MB: the tree of 100 kB of source */

struct chunk {
    struct chunk *next;
    _Alignas(UNIT) char bytes[CHUNK_BYTES];
};

struct large {
    struct large *next, **at; /* at NULL: made outside of begin and end */
    size_t n;
    uint64_t size;            /* of a block: 0 */
};

static struct {
    bool installed, inside;
    struct chunk *first, *now; /* chunks up to now are in use */
    char *free, *end;          /* of now */
    void *freed[SMALL / UNIT + 1];
    struct large *large;
} m;

_Static_assert(sizeof(struct large) % UNIT == 0, "the bytes behind it are aligned");

static uint64_t *size_of(void *p)
{
    return (uint64_t *)p - 1;
}

static struct large *large_of(void *p)
{
    return (struct large *)p - 1;
}

/* A new chunk, or one of an earlier content. The first block's size stands right before a multiple of UNIT. */
static void next_chunk(void)
{
    struct chunk **at = m.now ? &m.now->next : &m.first;
    if (!*at) {
        *at = mem_alloc(sizeof **at);
        (*at)->next = NULL;
    }
    m.now = *at;
    m.free = m.now->bytes + UNIT - sizeof(uint64_t);
    m.end = m.now->bytes + CHUNK_BYTES;
}

static void *small_alloc(size_t block)
{
    void **list = &m.freed[block / UNIT], *p = *list;
    if (p) {
        memcpy(list, p, sizeof *list);
        return p;
    }
    if ((size_t)(m.end - m.free) < block)
        next_chunk();
    p = m.free + sizeof(uint64_t);
    m.free += block;
    *size_of(p) = block;
    return p;
}

static void *large_alloc(size_t n)
{
    struct large *l = mem_alloc(sizeof *l + n);
    *l = (struct large){.n = n};
    if (m.inside) {
        l->next = m.large;
        l->at = &m.large;
        if (l->next)
            l->next->at = &l->next;
        m.large = l;
    }
    return l + 1;
}

static void *take(size_t n)
{
    size_t block = (n + sizeof(uint64_t) + UNIT - 1) & ~(size_t)(UNIT - 1);
    return m.inside && n <= SMALL && block <= SMALL ? small_alloc(block) : large_alloc(n);
}

static void give(void *p)
{
    if (!p)
        return;
    size_t block = *size_of(p);
    if (block) {
        memcpy(p, &m.freed[block / UNIT], sizeof(void *));
        m.freed[block / UNIT] = p;
        return;
    }
    struct large *l = large_of(p);
    if (l->at) {
        *l->at = l->next;
        if (l->next)
            l->next->at = l->at;
    }
    free(l);
}

static void *take_zero(size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        n = SIZE_MAX / 2; /* which there is not */
    return memset(take(n), 0, n);
}

static void *take_more(void *p, size_t n)
{
    if (!p)
        return take(n);
    size_t block = *size_of(p), had = block ? block - sizeof(uint64_t) : large_of(p)->n;
    if (n <= had)
        return p;
    void *q = take(n);
    memcpy(q, p, had);
    give(p);
    return q;
}

void parse_memory_install(void)
{
    m.installed = true;
    ts_set_allocator(take, take_zero, take_more, give);
}

void parse_memory_begin(void)
{
    if (m.installed) /* else nothing is written: the daemon cuts in several threads */
        m.inside = true;
}

bool parse_memory_end(void)
{
    if (!m.installed)
        return false;
    m.inside = false;
    while (m.large)
        give(m.large + 1);
    memset(m.freed, 0, sizeof m.freed);
    size_t n = 0;
    for (struct chunk **at = &m.first, *c; (c = *at) != NULL;) {
        if (n++ < CHUNKS_KEPT) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        free(c);
    }
    m.now = NULL;
    m.free = m.end = NULL;
    return true;
}

/* The core of tree-sitter, and what makes images of its queries: it has to know what they are made of, and the core's headers do not
 * say. In the one file that is compiled of the core, so that a change of the structure does not go unnoticed. */
#include "lib.c"

#include "query_image.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x31676d51u /* "Qmg1" */

/* Everything of a query that is an array of plain values, language and quantifiers aside. */
#define ARRAYS(X)                                                                                                      \
    X(captures.characters) X(captures.slices) X(predicate_values.characters) X(predicate_values.slices) X(steps)       \
    X(pattern_map) X(predicate_steps) X(patterns) X(step_offsets) X(negated_fields) X(repeat_symbols_with_rootless_patterns)

/* u32 each; then for each array its number of elements and their bytes, then the quantifiers of each pattern likewise */
struct image_head {
    uint32_t magic, query_bytes, step_bytes, abi, states, symbols, source_bytes, source_hash, wildcards;
};

static uint32_t hash_of(const char *p, size_t n)
{
    uint32_t h = 2166136261u; /* FNV-1a: no more than a guard against a query that was changed in a test */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * 16777619u;
    return h;
}

static struct image_head head_of(const TSLanguage *l, const char *source, size_t n)
{
    return (struct image_head){MAGIC, sizeof(TSQuery), sizeof(QueryStep), ts_language_abi_version(l), ts_language_state_count(l),
                               ts_language_symbol_count(l), (uint32_t)n, hash_of(source, n), 0};
}

typedef Array(char) Bytes;

static void put(Bytes *b, const void *p, uint32_t count, size_t size)
{
    array_extend(b, sizeof count, (const char *)&count);
    array_extend(b, (uint32_t)(count * size), (const char *)p);
}

/* What lies between the fields is whatever was there, another in each build: cleared, so that the same sources make the same image. A
 * field that a newer core adds must not be cleared with it. */
_Static_assert(sizeof(QueryStep) == 20 && sizeof(PatternEntry) == 6 && sizeof(QueryPattern) == 28 && sizeof(StepOffset) == 8 &&
               sizeof(TSQueryPredicateStep) == 8, "query.c has changed: what is clear_gaps to clear?");

#define CLEAR_BEHIND(array, type, field)                                                                               \
    for (uint32_t i = 0; i < (array).size; i++)                                                                        \
        for (size_t k = offsetof(type, field) + sizeof((array).contents->field); k < sizeof(type); k++)                \
            ((char *)&(array).contents[i])[k] = 0

static void clear_gaps(TSQuery *q)
{
    QueryStep flags; /* bits of the last bytes that mean something */
    memset(&flags, 0, sizeof flags);
    flags.is_named = flags.is_immediate = flags.is_last_child = flags.is_pass_through = flags.is_dead_end = true;
    flags.alternative_is_immediate = flags.contains_captures = flags.root_pattern_guaranteed = true;
    flags.parent_pattern_guaranteed = flags.is_missing = true;
    size_t first = offsetof(QueryStep, negated_field_list_id) + sizeof flags.negated_field_list_id;
    for (uint32_t i = 0; i < q->steps.size; i++)
        for (size_t k = first; k < sizeof flags; k++)
            ((char *)&q->steps.contents[i])[k] &= ((char *)&flags)[k];
    CLEAR_BEHIND(q->pattern_map, PatternEntry, is_rooted);
    CLEAR_BEHIND(q->patterns, QueryPattern, is_non_local);
    CLEAR_BEHIND(q->step_offsets, StepOffset, step_index);
}

size_t query_image_write(char **bytes, TSQuery *q, const char *source, size_t n)
{
    Bytes b = array_new();
    clear_gaps(q);
    struct image_head head = head_of(q->language, source, n);
    head.wildcards = q->wildcard_root_pattern_count;
    array_extend(&b, sizeof head, (const char *)&head);
#define X(a) put(&b, q->a.contents, q->a.size, sizeof *q->a.contents);
    ARRAYS(X)
#undef X
    put(&b, NULL, q->capture_quantifiers.size, 0);
    for (uint32_t i = 0; i < q->capture_quantifiers.size; i++)
        put(&b, q->capture_quantifiers.contents[i].contents, q->capture_quantifiers.contents[i].size, 1);
    *bytes = malloc(b.size);
    if (*bytes)
        memcpy(*bytes, b.contents, b.size);
    size_t len = *bytes ? b.size : 0;
    array_delete(&b);
    return len;
}

struct from {
    const char *p, *end;
    bool bad;
};

static uint32_t get_count(struct from *f)
{
    uint32_t count = 0;
    if (f->bad || (size_t)(f->end - f->p) < sizeof count)
        f->bad = true;
    else
        memcpy(&count, f->p, sizeof count), f->p += sizeof count;
    return count;
}

/* The elements of an array; NULL for none. */
static void *get(struct from *f, uint32_t count, size_t size)
{
    size_t len = count * size;
    if (f->bad || (size_t)(f->end - f->p) < len)
        f->bad = true;
    if (f->bad || !count)
        return NULL;
    void *to = ts_malloc(len);
    memcpy(to, f->p, len);
    f->p += len;
    return to;
}

TSQuery *query_image_read(const char *bytes, size_t len, const TSLanguage *language, const char *source, size_t n)
{
    struct image_head head, wanted = head_of(language, source, n);
    struct from f = {bytes + sizeof head, bytes + len, false};
    if (len < sizeof head)
        return NULL;
    memcpy(&head, bytes, sizeof head);
    wanted.wildcards = head.wildcards;
    if (memcmp(&head, &wanted, sizeof head))
        return NULL;
    TSQuery *q = ts_calloc(1, sizeof *q);
    q->language = ts_language_copy(language);
    q->wildcard_root_pattern_count = (uint16_t)head.wildcards;
#define X(a)                                                                                                           \
    q->a.size = q->a.capacity = get_count(&f);                                                                         \
    q->a.contents = get(&f, q->a.size, sizeof *q->a.contents);                                                         \
    if (f.bad)                                                                                                         \
        q->a.size = 0;
    ARRAYS(X)
#undef X
    uint32_t count = get_count(&f);
    for (uint32_t i = 0; i < count && !f.bad; i++) {
        CaptureQuantifiers c = array_new();
        c.size = c.capacity = get_count(&f);
        c.contents = get(&f, c.size, 1);
        array_push(&q->capture_quantifiers, c);
    }
    if (!f.bad && f.p == f.end)
        return q;
    ts_query_delete(q);
    return NULL;
}

#include "engine/generate/prefix.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 20

struct entry {
    struct sequence *s;
    char *scope;
    uint8_t (*content)[HASH_BYTES];
    size_t ncontent;
    uint64_t used; /* the cache's clock when it last served */
};

struct prefix_cache {
    struct entry *v; /* [most] */
    uint32_t n, most;
    uint64_t clock;
};

struct prefix_cache *prefix_cache_new(uint32_t most)
{
    struct prefix_cache *c = mem_zero(1, sizeof *c);
    c->v = mem_zero(most + 1u, sizeof *c->v);
    c->most = most;
    return c;
}

static void drop(struct prefix_cache *c, uint32_t i)
{
    sequence_free(c->v[i].s);
    free(c->v[i].scope);
    free(c->v[i].content);
    c->v[i] = c->v[--c->n];
}

void prefix_cache_free(struct prefix_cache *c)
{
    if (!c)
        return;
    while (c->n)
        drop(c, 0);
    free(c->v);
    free(c);
}

static uint32_t common(const struct sequence *s, const uint32_t *token, uint32_t n)
{
    const uint32_t *kept = sequence_tokens(s);
    uint32_t most = sequence_length(s), i = 0;
    if (most > n)
        most = n;
    while (i < most && kept[i] == token[i])
        i++;
    return i;
}

struct sequence *prefix_take(struct prefix_cache *c, const uint32_t *token, uint32_t n, const char *scope)
{
    struct sequence *s = NULL;
    uint32_t best = 0, at = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t k = strcmp(c->v[i].scope, scope) ? 0 : common(c->v[i].s, token, n);
        if (k > best) {
            best = k;
            at = i;
        }
    }
    if (best == n)
        best--; /* n ≥ 1 here */
    if (best < PREFIX_LEAST || sequence_fork(&s, c->v[at].s, NULL))
        return NULL;
    c->v[at].used = ++c->clock;
    if (sequence_roll_back(s, sequence_length(s) - best, NULL)) {
        sequence_free(s);
        return NULL;
    }
    return s;
}

void prefix_keep(struct prefix_cache *c, struct sequence *s, const struct gen_provenance *from)
{
    const char *scope = from->scope ? from->scope : "";
    uint32_t n = sequence_length(s);
    if (!c->most || n < PREFIX_LEAST) {
        sequence_free(s);
        return;
    }
    for (uint32_t i = 0; i < c->n;) /* what it continues serves nobody that it does not */
        if (!strcmp(c->v[i].scope, scope) && common(c->v[i].s, sequence_tokens(s), n) == sequence_length(c->v[i].s))
            drop(c, i);
        else
            i++;
    if (c->n == c->most)
        prefix_evict(c);
    struct entry *e = &c->v[c->n++];
    *e = (struct entry){.s = s, .scope = mem_str(scope), .ncontent = from->ncontent, .used = ++c->clock};
    e->content = mem_zero(from->ncontent + 1, sizeof *e->content);
    if (from->ncontent)
        memcpy(e->content, from->content, from->ncontent * sizeof *e->content);
}

bool prefix_evict(struct prefix_cache *c)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < c->n; i++)
        if (c->v[i].used < c->v[oldest].used)
            oldest = i;
    if (!c->n)
        return false;
    drop(c, oldest);
    return true;
}

static bool made_with(const struct entry *e, const uint8_t content[20])
{
    for (size_t i = 0; i < e->ncontent; i++)
        if (!memcmp(e->content[i], content, HASH_BYTES))
            return true;
    return false;
}

void prefix_forget(struct prefix_cache *c, const uint8_t content[20])
{
    for (uint32_t i = 0; i < c->n;)
        if (!content || made_with(&c->v[i], content))
            drop(c, i);
        else
            i++;
}

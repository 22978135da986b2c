#include "engine/sample/grammar_vocab.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct spelled {
    const char *s;
    uint32_t n, id;
};

static int by_bytes(const void *a, const void *b)
{
    const struct spelled *x = a, *y = b;
    int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return order ? order : x->n != y->n ? (x->n < y->n ? -1 : 1) : x->id < y->id ? -1 : x->id > y->id;
}

struct grammar_vocab *grammar_vocab_new(size_t n, const char *(*bytes)(void *arg, uint32_t id, size_t *len), void *arg)
{
    struct grammar_vocab *v = mem_zero(1, sizeof *v);
    struct spelled *t = mem_alloc((n + 1) * sizeof *t);
    size_t count = 0, cap = 0;
    uint32_t open[VOCAB_DEPTH_MAX]; /* nodes on the way to the last token */
    uint32_t depth = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        const char *s = bytes(arg, (uint32_t)i, &len);
        if (s && len && len <= VOCAB_DEPTH_MAX)
            t[count++] = (struct spelled){s, (uint32_t)len, (uint32_t)i};
    }
    qsort(t, count, sizeof *t, by_bytes);
    v->n = n;
    v->token = mem_alloc((count + 1) * sizeof *v->token);
    for (size_t i = 0; i < count; i++) {
        uint32_t common = 0;
        while (i && common < depth && common < t[i].n && t[i].s[common] == t[i - 1].s[common])
            common++;
        while (depth > common)
            v->node[open[--depth]].skip = v->nodes;
        for (; depth < t[i].n; depth++) {
            VEC_ROOM(v->node, v->nodes, cap);
            v->node[v->nodes] = (struct vocab_node){0, (uint32_t)i, (uint32_t)i, (uint16_t)depth, (uint8_t)t[i].s[depth]};
            open[depth] = v->nodes++;
        }
        v->token[i] = t[i].id;
        v->node[open[depth - 1]].token_end = (uint32_t)i + 1;
    }
    while (depth)
        v->node[open[--depth]].skip = v->nodes;
    free(t);
    return v;
}

void grammar_vocab_free(struct grammar_vocab *v)
{
    if (!v)
        return;
    free(v->node);
    free(v->token);
    free(v);
}

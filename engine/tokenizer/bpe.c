#include "engine/tokenizer/bpe.h"

#include "base/mem.h"
#include "engine/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

/* Up to here looking at all pairs again is faster than a heap. */
#define SHORT_WORD 48

static size_t slot_of(const struct bpe *b, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    return (h ^ h >> 29) & b->mask;
}

void bpe_init(struct bpe *b, size_t pairs)
{
    size_t size = 64;
    while (size < 2 * pairs)
        size *= 2;
    b->slot = mem_alloc(size * sizeof *b->slot);
    memset(b->slot, 0xFF, size * sizeof *b->slot);
    b->mask = size - 1;
    b->n = 0;
}

void bpe_release(struct bpe *b)
{
    free(b->slot);
    *b = (struct bpe){0};
}

static void grow(struct bpe *b)
{
    struct bpe old = *b;
    bpe_init(b, 2 * old.n);
    for (size_t i = 0; i <= old.mask; i++)
        if (old.slot[i].rank != TOKEN_NONE)
            bpe_add(b, old.slot[i].left, old.slot[i].right, old.slot[i].rank, old.slot[i].id, false);
    free(old.slot);
}

void bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id, bool again)
{
    if (2 * b->n > b->mask)
        grow(b);
    size_t i = slot_of(b, left, right);
    for (; b->slot[i].rank != TOKEN_NONE; i = (i + 1) & b->mask)
        if (b->slot[i].left == left && b->slot[i].right == right) {
            if (again)
                b->slot[i].rank = rank, b->slot[i].id = id;
            return;
        }
    b->slot[i] = (struct bpe_slot){left, right, rank, id};
    b->n++;
}

/* The rank of a pair, TOKEN_NONE where it has none; *id: what it becomes. */
static inline uint32_t rank_of(const struct bpe *b, uint32_t left, uint32_t right, uint32_t *id)
{
    for (size_t i = slot_of(b, left, right);; i = (i + 1) & b->mask) {
        const struct bpe_slot *s = &b->slot[i];
        if (s->rank == TOKEN_NONE || (s->left == left && s->right == right)) {
            *id = s->id;
            return s->rank;
        }
    }
}

void bpe_room(struct bpe_scratch *s, size_t n)
{
    if (n <= s->cap)
        return;
    s->cap = n > 2 * s->cap ? n : 2 * s->cap;
    s->symbol = mem_grow(s->symbol, s->cap, sizeof *s->symbol);
    s->link = mem_grow(s->link, s->cap, sizeof *s->link);
}

void bpe_scratch_release(struct bpe_scratch *s)
{
    free(s->symbol);
    free(s->link);
    free(s->heap);
    *s = (struct bpe_scratch){0};
}

static size_t merge_short(const struct bpe *b, struct symbol *s, size_t n)
{
    uint32_t rank[SHORT_WORD], id[SHORT_WORD];
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = rank_of(b, s[i].id, s[i + 1].id, &id[i]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best])
                best = i;
        if (rank[best] == TOKEN_NONE)
            break;
        s[best].id = id[best];
        size_t behind = n - best - 2; /* symbols behind the pair */
        memmove(s + best + 1, s + best + 2, behind * sizeof *s);
        if (behind) {
            memmove(rank + best + 1, rank + best + 2, (behind - 1) * sizeof *rank);
            memmove(id + best + 1, id + best + 2, (behind - 1) * sizeof *id);
        }
        n--;
        if (best + 1 < n)
            rank[best] = rank_of(b, s[best].id, s[best + 1].id, &id[best]);
        if (best)
            rank[best - 1] = rank_of(b, s[best - 1].id, s[best].id, &id[best - 1]);
    }
    return n;
}

static bool before(const struct bpe_wish *a, const struct bpe_wish *b)
{
    return a->rank < b->rank || (a->rank == b->rank && a->left < b->left);
}

static void push(struct bpe_scratch *s, size_t *n, struct bpe_wish w)
{
    VEC_ROOM(s->heap, *n, s->heap_cap);
    size_t i = (*n)++;
    for (; i && before(&w, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = w;
}

static struct bpe_wish pop(struct bpe_scratch *s, size_t *n)
{
    struct bpe_wish top = s->heap[0], last = s->heap[--*n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        if (child + 1 < *n && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

static void wish(const struct bpe *b, struct bpe_scratch *s, size_t *n, uint32_t left, uint32_t right)
{
    uint32_t id, rank = rank_of(b, s->symbol[left].id, s->symbol[right].id, &id);
    if (rank != TOKEN_NONE)
        push(s, n, (struct bpe_wish){rank, left, s->symbol[left].id, s->symbol[right].id, id});
}

/* A wish is stale where the symbols it was made for are no longer there. A symbol that was merged away has no link. */
static size_t merge_long(const struct bpe *b, struct bpe_scratch *s, size_t n)
{
    enum { GONE = UINT32_MAX - 1, END = UINT32_MAX };
    size_t wishes = 0, kept = 0;
    for (uint32_t i = 0; i < n; i++)
        s->link[i] = (struct bpe_link){i ? i - 1 : (uint32_t)END, i + 1 < n ? i + 1 : (uint32_t)END};
    for (uint32_t i = 0; i + 1 < n; i++)
        wish(b, s, &wishes, i, i + 1);
    while (wishes) {
        struct bpe_wish w = pop(s, &wishes);
        uint32_t left = w.left, right = s->link[left].next;
        if (right == (uint32_t)GONE || right == (uint32_t)END || s->symbol[left].id != w.left_id || s->symbol[right].id != w.right_id)
            continue;
        s->symbol[left].id = w.id;
        s->link[left].next = s->link[right].next;
        s->link[right].next = (uint32_t)GONE;
        if (s->link[left].next != (uint32_t)END) {
            s->link[s->link[left].next].prev = left;
            wish(b, s, &wishes, left, s->link[left].next);
        }
        if (s->link[left].prev != (uint32_t)END)
            wish(b, s, &wishes, s->link[left].prev, left);
    }
    for (uint32_t i = 0; i != (uint32_t)END; i = s->link[i].next)
        s->symbol[kept++] = s->symbol[i];
    return kept;
}

size_t bpe_merge(const struct bpe *b, struct bpe_scratch *s, size_t n)
{
    return n < 2 ? n : n <= SHORT_WORD ? merge_short(b, s->symbol, n) : merge_long(b, s, n);
}

/* By score */

struct scored {
    double score;
    uint32_t id;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

void bpe_by_score(struct bpe *b, const struct vocab *v)
{
    struct scored *order = mem_alloc((v->n + 1) * sizeof *order);
    uint32_t *rank = mem_zero(v->n + 1, sizeof *rank), next = 0;
    for (uint32_t id = 0; id < v->n; id++)
        order[id] = (struct scored){v->token[id].score, id};
    qsort(order, v->n, sizeof *order, by_score);
    for (uint32_t i = 0; i < v->n; i++) { /* equal scores, equal ranks: the leftmost pair comes first then */
        next += i && order[i].score < order[i - 1].score;
        rank[order[i].id] = next;
    }
    bpe_init(b, 2 * (size_t)v->n);
    for (uint32_t id = 0; id < v->n; id++) {
        size_t n;
        const char *p = token_text(v, id, &n);
        if (vocab_find(v, p, n) != id)
            continue;
        for (size_t k = 1; k < n; k++) {
            if (((uint8_t)p[k] & 0xC0) == 0x80)
                continue;
            uint32_t left = vocab_find(v, p, k), right = vocab_find(v, p + k, n - k);
            if (left != TOKEN_NONE && right != TOKEN_NONE)
                bpe_add(b, left, right, rank[id], id, false);
        }
    }
    free(rank);
    free(order);
}

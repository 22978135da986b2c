/* Recognition. A stack is a node: where it goes on, and the stack to return to; equal stacks are one node. A state is a
 * sorted set of stacks whose next element is a set of bytes, and perhaps the empty one (node 0), where the text may end. */
#include "engine/sample/grammar_build.h"
#include "engine/sample/grammar_vocab.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NODES_MAX (1u << 22) /* stacks; 16 bytes each */
#define UNKNOWN UINT32_MAX

struct node {
    uint32_t at, up;
    uint32_t next;  /* of equal hash */
    uint32_t stamp; /* the closure that has seen it */
};
struct state {
    uint32_t *stack;
    uint32_t n, next;
    uint32_t mask;       /* index + 1; 0: none remembered */
    uint32_t step[256];  /* UNKNOWN: not asked yet */
};

struct matcher {
    const struct grammar *g;
    const struct grammar_vocab *v;
    struct node *node;
    uint32_t nodes, nodes_cap, *node_head, node_slots;
    struct state **state;
    uint32_t states, states_cap, *state_head, state_slots;
    uint32_t stamp;
    bool full; /* a limit was met */
    uint32_t *found, nfound, found_cap; /* the state being made */
    uint32_t *todo, ntodo, todo_cap;
    uint32_t **mask, *mask_of, masks, masks_most, mask_next;
};

static uint32_t *node_slot(const struct matcher *m, uint32_t at, uint32_t up)
{
    uint32_t key[2] = {at, up};
    return &m->node_head[hash64(key, sizeof key) & (m->node_slots - 1)];
}

static void more_slots(struct matcher *m)
{
    m->node_slots *= 2;
    m->node_head = mem_grow(m->node_head, m->node_slots, sizeof *m->node_head);
    memset(m->node_head, 0, m->node_slots * sizeof *m->node_head);
    for (uint32_t i = 1; i < m->nodes; i++) {
        uint32_t *head = node_slot(m, m->node[i].at, m->node[i].up);
        m->node[i].next = *head;
        *head = i;
    }
}

static uint32_t node_of(struct matcher *m, uint32_t at, uint32_t up)
{
    uint32_t *head = node_slot(m, at, up);
    for (uint32_t i = *head; i; i = m->node[i].next)
        if (m->node[i].at == at && m->node[i].up == up)
            return i;
    if (m->nodes >= NODES_MAX) {
        m->full = true;
        return 0;
    }
    if (m->nodes >= m->node_slots) {
        more_slots(m);
        head = node_slot(m, at, up);
    }
    VEC_ROOM(m->node, m->nodes, m->nodes_cap);
    m->node[m->nodes] = (struct node){at, up, *head, 0};
    *head = m->nodes;
    return m->nodes++;
}

static void push(uint32_t **v, uint32_t *n, uint32_t *cap, uint32_t x)
{
    VEC_ROOM(*v, *n, *cap);
    (*v)[(*n)++] = x;
}

static void want(struct matcher *m, uint32_t at, uint32_t up)
{
    uint32_t node = node_of(m, at, up);
    if (m->full || m->node[node].stamp == m->stamp)
        return;
    m->node[node].stamp = m->stamp;
    push(&m->todo, &m->ntodo, &m->todo_cap, node);
}

/* Expands rules until each stack's next element is a set of bytes. */
static void close_over(struct matcher *m)
{
    const struct grammar *g = m->g;
    while (m->ntodo) {
        uint32_t node = m->todo[--m->ntodo], at = m->node[node].at, up = m->node[node].up;
        struct element x = g->element[at];
        if (x.kind == E_BYTES) {
            push(&m->found, &m->nfound, &m->found_cap, node);
        } else if (x.kind == E_END) {
            if (up)
                want(m, m->node[up].at, m->node[up].up);
            else if (m->node[0].stamp != m->stamp) {
                m->node[0].stamp = m->stamp;
                push(&m->found, &m->nfound, &m->found_cap, 0);
            }
        } else {
            /* what ends with a rule returns where it would return itself: lists do not grow the stack */
            uint32_t back = g->element[at + 1].kind == E_END ? up : node_of(m, at + 1, up);
            for (uint32_t a = g->first[x.ref]; a < g->first[x.ref + 1] && !m->full; a++)
                want(m, g->start[a], back);
        }
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t state_of(struct matcher *m)
{
    if (m->full)
        return MATCHER_DEAD;
    size_t bytes = m->nfound * sizeof *m->found;
    if (m->nfound)
        qsort(m->found, m->nfound, sizeof *m->found, by_number);
    uint32_t *head = &m->state_head[hash64(m->found, bytes) & (m->state_slots - 1)];
    for (uint32_t i = *head; i; i = m->state[i]->next)
        if (m->state[i]->n == m->nfound && !memcmp(m->state[i]->stack, m->found, bytes))
            return i;
    if (m->states >= GRAMMAR_STATES_MAX) {
        m->full = true;
        return MATCHER_DEAD;
    }
    VEC_ROOM(m->state, m->states, m->states_cap);
    struct state *s = mem_alloc(sizeof *s);
    *s = (struct state){.n = m->nfound, .next = *head};
    s->stack = mem_alloc(bytes);
    if (bytes)
        memcpy(s->stack, m->found, bytes);
    memset(s->step, 0xFF, sizeof s->step);
    m->state[m->states] = s;
    *head = m->states;
    return m->states++;
}

static void begin(struct matcher *m)
{
    m->stamp++;
    m->nfound = m->ntodo = 0;
}

static uint32_t make_step(struct matcher *m, uint32_t state, uint8_t c)
{
    const struct grammar *g = m->g;
    begin(m);
    for (uint32_t i = 0; i < m->state[state]->n; i++) {
        uint32_t node = m->state[state]->stack[i];
        if (!node)
            continue;
        const struct byte_set *set = &g->set[g->element[m->node[node].at].ref];
        if (set->bit[c / 64] >> (c % 64) & 1)
            want(m, m->node[node].at + 1, m->node[node].up);
    }
    close_over(m);
    uint32_t to = m->nfound ? state_of(m) : MATCHER_DEAD;
    if (!m->full)
        m->state[state]->step[c] = to;
    return to;
}

static inline uint32_t step(struct matcher *m, uint32_t state, uint8_t c)
{
    uint32_t to = m->state[state]->step[c];
    return to != UNKNOWN ? to : make_step(m, state, c);
}

struct matcher *matcher_new(const struct grammar *g, const struct grammar_vocab *v)
{
    struct matcher *m = mem_zero(1, sizeof *m);
    m->g = g;
    m->v = v;
    m->node_slots = m->state_slots = 1 << 16;
    m->node_head = mem_zero(m->node_slots, sizeof *m->node_head);
    m->state_head = mem_zero(m->state_slots, sizeof *m->state_head);
    if (v) {
        size_t bytes = grammar_vocab_words(v) * sizeof(uint32_t) + 1;
        m->masks_most = (uint32_t)(GRAMMAR_MASKS_BYTES / bytes) + 1;
        m->masks_most = m->masks_most < 4096 ? m->masks_most : 4096;
        m->mask = mem_zero(m->masks_most, sizeof *m->mask);
        m->mask_of = mem_zero(m->masks_most, sizeof *m->mask_of);
    }
    VEC_ROOM(m->node, m->nodes, m->nodes_cap);
    m->node[m->nodes++] = (struct node){0};
    VEC_ROOM(m->found, m->nfound, m->found_cap);
    begin(m);
    state_of(m); /* number 0: no stack at all */
    begin(m);
    for (uint32_t a = g->first[g->root]; a < g->first[g->root + 1]; a++)
        want(m, g->start[a], 0);
    close_over(m);
    if (!m->nfound) { /* fits nothing, not even the empty text: a state of its own */
        m->found[m->nfound++] = 0;
        state_of(m);
        m->state[MATCHER_START]->n = 0;
    } else {
        state_of(m);
    }
    return m;
}

void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->states; i++) {
        free(m->state[i]->stack);
        free(m->state[i]);
    }
    for (uint32_t i = 0; i < m->masks; i++)
        free(m->mask[i]);
    free(m->state);
    free(m->state_head);
    free(m->node);
    free(m->node_head);
    free(m->found);
    free(m->todo);
    free(m->mask);
    free(m->mask_of);
    free(m);
}

bool matcher_accept(struct matcher *m, uint32_t *state, const char *bytes, size_t n)
{
    uint32_t at = *state;
    for (size_t i = 0; i < n && at != MATCHER_DEAD; i++)
        at = step(m, at, (uint8_t)bytes[i]);
    if (at == MATCHER_DEAD)
        return false;
    *state = at;
    return true;
}

bool matcher_may_end(const struct matcher *m, uint32_t state)
{
    return m->state[state]->n && !m->state[state]->stack[0];
}

bool matcher_must_end(struct matcher *m, uint32_t state)
{
    if (!matcher_may_end(m, state))
        return false;
    for (int c = 0; c < 256; c++)
        if (step(m, state, (uint8_t)c) != MATCHER_DEAD)
            return false;
    return !m->full;
}

/* A place for one more mask: a new one, or the oldest. */
static uint32_t mask_place(struct matcher *m)
{
    if (m->masks < m->masks_most) {
        m->mask[m->masks] = mem_alloc(grammar_vocab_words(m->v) * sizeof **m->mask + 1);
        return m->masks++;
    }
    uint32_t place = m->mask_next++ % m->masks_most;
    m->state[m->mask_of[place]]->mask = 0;
    return place;
}

const uint32_t *matcher_mask(struct matcher *m, uint32_t state, struct err *e)
{
    const struct vocab_node *node = m->v->node;
    if (m->state[state]->mask)
        return m->mask[m->state[state]->mask - 1];
    uint32_t place = mask_place(m), *mask = m->mask[place];
    memset(mask, 0, grammar_vocab_words(m->v) * sizeof *mask);
    uint32_t way[VOCAB_DEPTH_MAX + 1];
    way[0] = state;
    for (uint32_t i = 0; i < m->v->nodes;) {
        uint32_t to = step(m, way[node[i].depth], node[i].byte);
        if (to == MATCHER_DEAD) {
            i = node[i].skip;
            continue;
        }
        way[node[i].depth + 1] = to;
        for (uint32_t k = node[i].token; k < node[i].token_end; k++)
            mask[m->v->token[k] / 32] |= 1u << (m->v->token[k] % 32);
        i++;
    }
    m->mask_of[place] = state;
    m->state[state]->mask = place + 1;
    if (!m->full)
        return mask;
    m->state[state]->mask = 0;
    err_set(e, ERR_LIMIT, "the grammar needs more than %u states", GRAMMAR_STATES_MAX);
    return NULL;
}

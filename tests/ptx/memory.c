/* Global and shared memory, async copies. */
#include "ptx.h"

#include <stdlib.h>
#include <string.h>

#define ALLOCATIONS_MAX 4096
static struct { uint64_t at, bytes; void *memory; } allocation[ALLOCATIONS_MAX];
static uint32_t allocations, last;

void *global_alloc(size_t bytes)
{
    if (allocations == ALLOCATIONS_MAX)
        return NULL;
    void *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!p)
        return NULL;
    memset(p, 0xff, bytes); /* NaN */
    allocation[allocations].at = (uint64_t)(uintptr_t)p;
    allocation[allocations].bytes = bytes;
    allocation[allocations++].memory = p;
    return p;
}

size_t global_size(void *p)
{
    for (uint32_t i = 0; i < allocations; i++)
        if (allocation[i].memory == p)
            return allocation[i].bytes;
    return 0;
}

size_t global_bytes(void)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < allocations; i++)
        sum += allocation[i].bytes;
    return sum;
}

bool global_free(void *p)
{
    for (uint32_t i = 0; i < allocations; i++)
        if (allocation[i].memory == p) {
            free(p);
            allocation[i] = allocation[--allocations];
            last = 0;
            return true;
        }
    return false;
}

void *global_at(uint64_t address, size_t bytes)
{
    for (uint32_t n = 0; n < allocations; n++) {
        uint32_t i = (last + n) % allocations;
        if (address >= allocation[i].at && bytes <= allocation[i].bytes && address - allocation[i].at <= allocation[i].bytes - bytes) {
            last = i;
            return (void *)(uintptr_t)address;
        }
    }
    return NULL;
}

static void *global(struct warp *w, uint32_t lane, uint64_t address, uint32_t bytes)
{
    if (address % bytes)
        fault(w, "lane %u: global address %llx is not aligned to %u", lane, (unsigned long long)address, bytes);
    void *p = global_at(address, bytes);
    if (!p)
        fault(w, "lane %u: %u bytes at global address %llx are out of bounds", lane, bytes, (unsigned long long)address);
    return p;
}

/* Another thread touched this byte at that time, and nothing stands between then and now. */
static bool races(const struct warp *w, uint32_t lane, uint16_t who, uint32_t block_time, uint32_t warp_time)
{
    uint32_t me = w->number * LANES + lane + 1;
    if (!who || who == me || block_time != w->block->time)
        return false;
    if (who >= LANES_OF)
        return who == MANY || (uint32_t)(who - LANES_OF) != w->number || warp_time == w->time;
    return (uint32_t)(who - 1) / LANES != w->number || warp_time == w->time;
}

static struct shadow *bounds(struct warp *w, uint32_t lane, uint32_t at, uint32_t bytes)
{
    if (at > w->block->shared_bytes || bytes > w->block->shared_bytes - at)
        fault(w, "lane %u: %u bytes at shared address %u of %u are out of bounds", lane, bytes, at, w->block->shared_bytes);
    return w->block->shadow + at;
}

static void claim(struct warp *w, uint32_t lane, uint32_t at, uint32_t bytes)
{
    struct shadow *s = bounds(w, lane, at, bytes);
    for (uint32_t b = 0; b < bytes; b++, s++) {
        if (races(w, lane, s->writer, s->write_block, s->write_warp))
            fault(w, "race: lane %u writes shared byte %u that thread %d wrote, without a barrier between", lane, at + b, s->writer - 1);
        if (races(w, lane, s->reader, s->read_block, s->read_warp))
            fault(w, "race: lane %u writes shared byte %u that another thread read, without a barrier between", lane, at + b);
        s->writer = (uint16_t)(w->number * LANES + lane + 1);
        s->write_block = w->block->time;
        s->write_warp = w->time;
    }
}

void shared_write(struct warp *w, uint32_t lane, uint32_t at, const void *from, uint32_t bytes)
{
    claim(w, lane, at, bytes);
    for (uint32_t b = 0; b < bytes; b++) {
        if (w->block->shadow[at + b].flying)
            fault(w, "lane %u writes shared byte %u under an async copy", lane, at + b);
        w->block->shadow[at + b].written = w->block->serial;
    }
    memcpy(w->block->shared + at, from, bytes);
}

/* Who has read a byte, now that this thread does too: it alone, several lanes of its warp, or several warps. */
static uint16_t readers(const struct warp *w, const struct shadow *s, uint16_t me)
{
    if (!s->reader || s->reader == me || s->read_block != w->block->time)
        return me;
    uint32_t warp = s->reader >= LANES_OF ? (uint32_t)(s->reader - LANES_OF) : (uint32_t)(s->reader - 1) / LANES;
    if (s->reader == MANY || warp != w->number)
        return MANY;
    return s->read_warp == w->time ? (uint16_t)(LANES_OF + w->number) : me;
}

void shared_read(struct warp *w, uint32_t lane, uint32_t at, void *to, uint32_t bytes)
{
    struct shadow *s = bounds(w, lane, at, bytes);
    uint16_t me = (uint16_t)(w->number * LANES + lane + 1);
    for (uint32_t b = 0; b < bytes; b++, s++) {
        if (s->flying)
            fault(w, "lane %u reads shared byte %u before its async copy has landed", lane, at + b);
        if (s->written != w->block->serial)
            fault(w, "lane %u reads shared byte %u, which nobody wrote", lane, at + b);
        if (races(w, lane, s->writer, s->write_block, s->write_warp))
            fault(w, "race: lane %u reads shared byte %u that thread %d wrote, without a barrier between", lane, at + b, s->writer - 1);
        s->reader = readers(w, s, me);
        s->read_block = w->block->time;
        s->read_warp = w->time;
    }
    memcpy(to, w->block->shared + at, bytes);
}

static uint32_t size_of(uint8_t t)
{
    switch (t) {
    case T_B8: case T_U8: case T_S8: return 1;
    case T_B16: case T_U16: case T_S16: case T_F16: return 2;
    case T_B64: case T_U64: case T_S64: case T_F64: return 8;
    default: return 4;
    }
}

static uint8_t space_of(const struct ins *i, uint64_t *address)
{
    if (i->space == SPACE_GENERIC && *address >= SHARED_WINDOW && *address < SHARED_WINDOW + SHARED_MAX) {
        *address -= SHARED_WINDOW;
        return SPACE_SHARED;
    }
    return i->space == SPACE_GENERIC ? SPACE_GLOBAL : i->space;
}

static void aligned(struct warp *w, uint32_t lane, uint64_t at, uint32_t bytes)
{
    if (at % bytes)
        fault(w, "lane %u: shared address %llu is not aligned to %u", lane, (unsigned long long)at, bytes);
}

void run_ld(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint32_t n = i->vector ? i->vector : 1, size = size_of(i->type);
    uint64_t room[LANES], out[4][LANES] = {{0}};
    const uint64_t *a = value(w, &i->op[n], mask, room);
    if (i->space == SPACE_PARAM && i->op[n].kind == OPERAND_VALUE && i->type != T_S8 && i->type != T_S16) { /* the same for all lanes */
        uint64_t at = i->op[n].value;
        if (at > w->block->kernel->params || n * size > w->block->kernel->params - at)
            fault(w, "parameter at %llu is out of bounds", (unsigned long long)at);
        for (uint32_t v = 0; v < n; v++) {
            uint64_t one = 0, *to = target(w, &i->op[v], mask);
            memcpy(&one, w->block->params + at + v * size, size);
            EACH(l, mask) to[l] = one;
        }
        return;
    }
    EACH(l, mask) {
        uint8_t data[32];
        uint64_t at = a[l] + i->op[n].value;
        switch (space_of(i, &at)) {
        case SPACE_PARAM:
            if (at > w->block->kernel->params || n * size > w->block->kernel->params - at)
                fault(w, "parameter at %llu is out of bounds", (unsigned long long)at);
            memcpy(data, w->block->params + at, n * size);
            break;
        case SPACE_SHARED:
            aligned(w, l, at, n * size);
            shared_read(w, l, (uint32_t)at, data, n * size);
            break;
        default:
            memcpy(data, global(w, l, at, n * size), n * size);
        }
        for (uint32_t v = 0; v < n; v++) {
            memcpy(&out[v][l], data + v * size, size);
            if (i->type == T_S8)
                out[v][l] = (uint32_t)(int8_t)out[v][l];
            else if (i->type == T_S16)
                out[v][l] = (uint32_t)(int16_t)out[v][l];
        }
    }
    for (uint32_t v = 0; v < n; v++) {
        uint64_t *to = target(w, &i->op[v], mask);
        EACH(l, mask) to[l] = out[v][l];
    }
}

void run_st(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint32_t n = i->vector ? i->vector : 1, size = size_of(i->type);
    uint64_t room[LANES], rooms[4][LANES];
    const uint64_t *a = value(w, &i->op[0], mask, room), *v[4];
    for (uint32_t k = 0; k < n; k++)
        v[k] = value(w, &i->op[1 + k], mask, rooms[k]);
    EACH(l, mask) {
        uint8_t data[32];
        uint64_t at = a[l] + i->op[0].value;
        for (uint32_t k = 0; k < n; k++)
            memcpy(data + k * size, &v[k][l], size);
        if (space_of(i, &at) == SPACE_SHARED) {
            aligned(w, l, at, n * size);
            shared_write(w, l, (uint32_t)at, data, n * size);
        } else {
            memcpy(global(w, l, at, n * size), data, n * size);
        }
    }
}

/* Atomics order themselves against one another; against plain accesses to shared memory they need a barrier as others do. */
void run_atom(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], out[LANES];
    bool result = i->count > 2; /* atom; red has none */
    const uint64_t *a = value(w, &i->op[result], mask, ra), *b = value(w, &i->op[1 + result], mask, rb);
    bool add = i->flags & FLAG_ADD, xor = i->flags & FLAG_XOR;
    if (!(add && i->type == T_U32) && !(xor && i->type == T_B32))
        fault(w, "only atomic add.u32 and xor.b32 are modelled");
    EACH(l, mask) {
        uint64_t at = a[l] + i->op[result].value;
        uint32_t old, now;
        void *p;
        if (i->space == SPACE_SHARED) {
            aligned(w, l, at, 4);
            if (bounds(w, l, (uint32_t)at, 4)->written != w->block->serial)
                fault(w, "atom: lane %u changes shared byte %u, which nobody wrote", l, (uint32_t)at);
            p = w->block->shared + at;
        } else {
            p = global(w, l, at, 4);
        }
        memcpy(&old, p, 4);
        now = add ? old + (uint32_t)b[l] : old ^ (uint32_t)b[l];
        memcpy(p, &now, 4);
        out[l] = old;
    }
    if (!result)
        return;
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

void copies_land(struct warp *w, uint32_t lane, uint32_t keep)
{
    struct thread *t = &w->block->thread[w->number * LANES + lane];
    uint32_t kept = 0;
    for (uint32_t n = 0; n < t->copies; n++) {
        struct copy *c = &t->copy[n];
        if (c->group + keep >= t->group) {
            t->copy[kept++] = *c;
            continue;
        }
        for (uint32_t b = 0; b < c->size; b++)
            w->block->shadow[c->to + b].flying--;
        uint8_t data[16] = {0};
        if (c->bytes)
            memcpy(data, c->from, c->bytes);
        for (uint32_t b = 0; b < c->size; b++) { /* claimed when it was issued; the write is of now */
            struct shadow *s = &w->block->shadow[c->to + b];
            s->written = w->block->serial;
            s->writer = (uint16_t)(w->number * LANES + lane + 1);
            s->write_block = w->block->time;
            s->write_warp = w->time;
        }
        memcpy(w->block->shared + c->to, data, c->size);
    }
    t->copies = kept;
}

void run_cp(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], rc[LANES];
    if (i->flags & FLAG_COMMIT) {
        EACH(l, mask) w->block->thread[w->number * LANES + l].group++;
        return;
    }
    if (i->flags & FLAG_WAIT) {
        EACH(l, mask) copies_land(w, l, (uint32_t)i->op[0].value);
        return;
    }
    const uint64_t *to = value(w, &i->op[0], mask, ra), *from = value(w, &i->op[1], mask, rb), *bytes = value(w, &i->op[3], mask, rc);
    if (!(i->flags & FLAG_CG) || i->op[2].value != 16)
        fault(w, "only cp.async.cg of 16 bytes is modelled");
    EACH(l, mask) {
        struct thread *t = &w->block->thread[w->number * LANES + l];
        struct copy c = {.to = (uint32_t)(to[l] + i->op[0].value), .bytes = (uint32_t)bytes[l], .size = 16, .group = t->group, .line = i->line};
        uint64_t address = from[l] + i->op[1].value;
        aligned(w, l, c.to, 16);
        if (c.bytes > 16 || t->copies == COPIES_MAX)
            fault(w, "cp.async: %u bytes, %u on their way", c.bytes, t->copies);
        if (address % 16)
            fault(w, "lane %u: cp.async from %llx is not aligned to 16", l, (unsigned long long)address);
        c.from = c.bytes ? global(w, l, address, 16) : NULL;
        claim(w, l, c.to, 16);
        for (uint32_t b = 0; b < 16; b++)
            w->block->shadow[c.to + b].flying++;
        t->copy[t->copies++] = c;
    }
}

void run_cvta(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, room);
    uint64_t shift = i->space == SPACE_SHARED ? SHARED_WINDOW : 0;
    EACH(l, mask) out[l] = i->flags & FLAG_TO ? a[l] - shift : a[l] + shift;
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

/* Grids, blocks and the scheduler. Lanes of a warp that part at a jump meet again where their ways do: of the groups of a warp
 * the one at the least instruction runs. */
#include "ptx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_MAX 97 /* instructions of a warp before another has its turn */

static uint64_t seed = 1, instructions;

void ptx_seed(uint64_t s)
{
    seed = s * 0x9e3779b97f4a7c15u + 1;
}
uint64_t ptx_instructions(void)
{
    return instructions;
}
static uint32_t draw(uint32_t below)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % below;
}

_Noreturn void fault(struct warp *w, const char *format, ...)
{
    char what[240];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(w->block->message, 400, "%s, PTX line %u, block (%u, %u, %u), warp %u: %s", w->block->kernel->name, w->line,
             w->block->at[0], w->block->at[1], w->block->at[2], w->number, what);
    longjmp(*w->block->fault, 1);
}

static uint64_t special(const struct warp *w, uint32_t which, uint32_t lane)
{
    const struct block *b = w->block;
    uint32_t t = w->number * LANES + lane;
    switch (which) {
    case TID_X: return t % b->threads[0];
    case TID_Y: return t / b->threads[0] % b->threads[1];
    case TID_Z: return t / b->threads[0] / b->threads[1];
    case LANEID: return lane;
    case NTID_X: case NTID_Y: case NTID_Z: return b->threads[which - NTID_X];
    case CTAID_X: case CTAID_Y: case CTAID_Z: return b->at[which - CTAID_X];
    default: return b->grid[which - NCTAID_X];
    }
}

const uint64_t *value(struct warp *w, const struct operand *o, uint32_t mask, uint64_t room[LANES])
{
    if (o->kind == OPERAND_REGISTER) {
        if ((w->written[o->reg] & mask) != mask)
            fault(w, "lanes %08x of a register are read before they are written", mask & ~w->written[o->reg]);
        if (!o->negated)
            return w->reg[o->reg];
        for (uint32_t l = 0; l < LANES; l++)
            room[l] = !w->reg[o->reg][l];
        return room;
    }
    for (uint32_t l = 0; l < LANES; l++)
        room[l] = o->kind == OPERAND_SPECIAL ? special(w, o->reg, l) : o->address ? 0 : o->value;
    return room;
}

uint64_t *target(struct warp *w, const struct operand *o, uint32_t mask)
{
    if (o->kind != OPERAND_REGISTER)
        fault(w, "a result that is no register");
    w->written[o->reg] |= mask;
    return w->reg[o->reg];
}

/* The group at the least instruction comes first, those at the same one become one. */
static void arrange(struct warp *w)
{
    for (uint32_t i = 0; i < w->groups; i++)
        if (!w->group[i].mask)
            w->group[i--] = w->group[--w->groups];
    for (uint32_t i = 1; i < w->groups; i++)
        if (w->group[i].pc < w->group[0].pc) {
            struct group g = w->group[0];
            w->group[0] = w->group[i];
            w->group[i] = g;
        }
    for (uint32_t i = 1; i < w->groups; i++)
        if (w->group[i].pc == w->group[0].pc) {
            w->group[0].mask |= w->group[i].mask;
            w->group[i--] = w->group[--w->groups];
        }
}

static void step(struct warp *w)
{
    struct group *g = &w->group[0];
    const struct ins *i = &w->block->kernel->ins[g->pc];
    uint32_t mask = g->mask;
    w->line = i->line;
    if (g->pc >= w->block->kernel->count)
        fault(w, "ran past the end");
    if (i->guard >= 0) {
        uint64_t room[LANES];
        struct operand o = {.kind = OPERAND_REGISTER, .reg = (uint32_t)i->guard, .negated = i->guard_negated};
        const uint64_t *p = value(w, &o, mask, room);
        uint32_t on = 0;
        EACH(l, mask) on |= (uint32_t)(p[l] != 0) << l;
        mask = on;
    }
    g->pc++;
    instructions++;
    if (mask)
        i->run(w, i, mask);
    if (w->groups > 1 || !w->group[0].mask)
        arrange(w);
}

static void run_warps(struct block *b)
{
    for (;;) {
        uint32_t ready[64], n = 0, waiting = 0;
        for (uint32_t i = 0; i < b->warps; i++) {
            if (b->warp[i].waits)
                waiting++;
            else if (b->warp[i].alive)
                ready[n++] = i;
        }
        if (!n && !waiting)
            return;
        if (!n) { /* all that live are there */
            for (uint32_t i = 0; i < b->warps; i++)
                b->warp[i].waits = false;
            b->time++;
            continue;
        }
        struct warp *w = &b->warp[ready[draw(n)]];
        for (uint32_t k = 1 + draw(SLICE_MAX); k && w->alive && !w->waits; k--)
            step(w);
    }
}

static void run_block(struct block *b)
{
    memset(b->shared, 0xff, b->shared_bytes + 1);
    b->time++;
    b->serial++;
    for (uint32_t i = 0; i < b->warps; i++) {
        struct warp *w = &b->warp[i];
        uint32_t left = b->thread_count - i * LANES;
        w->block = b;
        w->number = i;
        w->alive = left >= LANES ? ALL : (1u << left) - 1;
        w->time = 1;
        w->groups = 1;
        w->group[0] = (struct group){0, w->alive};
        w->waits = false;
        memset(w->written, 0, b->kernel->registers * sizeof *w->written);
    }
    for (uint32_t t = 0; t < b->thread_count; t++)
        b->thread[t].copies = b->thread[t].group = 0;
    run_warps(b);
}

/* Kept from one launch to the next, and only ever larger: what a launch finds there is of an earlier time, as after an earlier block. */
#define WARPS_MAX 32
static struct {
    struct warp warp[WARPS_MAX];
    struct thread thread[WARPS_MAX * LANES];
    uint32_t registers[WARPS_MAX];
    uint8_t *shared;
    struct shadow *shadow;
    uint32_t shared_bytes, time, serial;
} kept;

static void *grown(void *p, size_t bytes)
{
    free(p);
    p = calloc(1, bytes);
    if (!p)
        abort();
    return p;
}

static void take_memory(struct block *b)
{
    const struct kernel *k = b->kernel;
    if (!kept.shadow || b->shared_bytes > kept.shared_bytes) {
        kept.shared = grown(kept.shared, b->shared_bytes + 1);
        kept.shadow = grown(kept.shadow, (b->shared_bytes + 1) * sizeof *kept.shadow);
        kept.shared_bytes = b->shared_bytes;
    }
    for (uint32_t i = 0; i < b->warps; i++)
        if (!kept.warp[i].reg || k->registers > kept.registers[i]) {
            kept.warp[i].reg = grown(kept.warp[i].reg, (k->registers + 1) * sizeof *kept.warp[i].reg);
            kept.warp[i].written = grown(kept.warp[i].written, (k->registers + 1) * sizeof *kept.warp[i].written);
            kept.registers[i] = k->registers;
        }
    for (uint32_t i = 0; i < b->shared_bytes; i++)
        kept.shadow[i].flying = 0; /* of a launch that ended with an error */
    b->warp = kept.warp;
    b->thread = kept.thread;
    b->shared = kept.shared;
    b->shadow = kept.shadow;
    b->time = kept.time;
    b->serial = kept.serial;
}

bool ptx_launch(const struct kernel *k, const uint32_t grid[3], const uint32_t threads[3], uint32_t dynamic, const void *params,
                char message[400])
{
    jmp_buf back;
    static struct block b; /* what longjmp comes back to must not be in registers */
    b = (struct block){.kernel = k, .params = params, .fault = &back, .message = message};
    memcpy(b.grid, grid, sizeof b.grid);
    memcpy(b.threads, threads, sizeof b.threads);
    b.thread_count = threads[0] * threads[1] * threads[2];
    b.warps = (b.thread_count + LANES - 1) / LANES;
    b.shared_bytes = k->module->shared + dynamic;
    uint32_t blocks = grid[0] * grid[1] * grid[2];
    if (b.thread_count == 0 || b.thread_count > 1024 || !blocks || b.shared_bytes > SHARED_MAX ||
        dynamic > (k->most_dynamic > 49152 ? k->most_dynamic : 49152)) {
        snprintf(message, 400, "%s: %u blocks of %u threads with %u bytes of shared memory", k->name, blocks, b.thread_count, b.shared_bytes);
        return false;
    }
    volatile bool good = false;
    take_memory(&b);
    if (setjmp(back) == 0) {
        /* every block once, in an order that the seed decides: start + i·odd step modulo the next power of two */
        uint32_t size = 1;
        while (size < blocks)
            size *= 2;
        uint32_t start = draw(size), stride = draw(size) | 1;
        for (uint32_t i = 0; i < size; i++) {
            uint32_t n = (start + i * stride) & (size - 1);
            if (n >= blocks)
                continue;
            b.at[0] = n % grid[0];
            b.at[1] = n / grid[0] % grid[1];
            b.at[2] = n / grid[0] / grid[1];
            run_block(&b);
        }
        good = true;
    }
    kept.time = b.time + 1;
    kept.serial = b.serial;
    return good;
}

/* Instructions of a whole warp, barriers and jumps. Fragment layouts are those of the PTX ISA, sections on mma.m16n8k16,
 * mma.m16n8k32 and ldmatrix. */
#include "ptx.h"

#include <string.h>

static float f32(uint64_t v)
{
    uint32_t u = (uint32_t)v;
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static float bf16(uint32_t half)
{
    return f32((uint64_t)(half & 0xffff) << 16);
}

static void whole(struct warp *w, const struct ins *i, uint32_t mask)
{
    if (mask != ALL)
        fault(w, "%s wants the whole warp, and lanes %08x run it", i->name, mask);
}

void run_ldmatrix(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[LANES], out[4][LANES] = {{0}};
    uint32_t n = i->flags & FLAG_X4 ? 4 : i->flags & FLAG_X2 ? 2 : 1;
    uint64_t address[LANES];
    whole(w, i, mask);
    memcpy(address, value(w, &i->op[n], mask, room), sizeof address);
    for (uint32_t m = 0; m < n; m++) {
        uint16_t cell[8][8];
        for (uint32_t row = 0; row < 8; row++) {
            uint64_t at = address[m * 8 + row] + i->op[n].value;
            if (at % 16)
                fault(w, "ldmatrix: row at %llu is not aligned to 16", (unsigned long long)at);
            shared_read(w, m * 8 + row, (uint32_t)at, cell[row], 16);
        }
        EACH(l, mask) {
            uint32_t g = l / 4, t = l % 4 * 2;
            bool trans = i->flags & FLAG_TRANS;
            uint16_t lo = trans ? cell[t][g] : cell[g][t], hi = trans ? cell[t + 1][g] : cell[g][t + 1];
            out[m][l] = lo | (uint32_t)hi << 16;
        }
    }
    for (uint32_t m = 0; m < n; m++)
        memcpy(target(w, &i->op[m], mask), out[m], sizeof out[m]);
}

/* Registers of a fragment into matrices: elements a register holds, and where. */
static void mma_16_bits(struct warp *w, const struct ins *i)
{
    static float a[16][16], b[16][8];
    uint64_t room[LANES], out[4][LANES];
    for (uint32_t n = 0; n < 6; n++) {
        const uint64_t *r = value(w, &i->op[4 + n], ALL, room);
        for (uint32_t l = 0; l < LANES; l++)
            for (uint32_t e = 0; e < 2; e++) {
                uint32_t half = (uint32_t)r[l] >> (16 * e) & 0xffff;
                float x = i->flags & FLAG_HALF ? float_of_f16(half) : bf16(half);
                uint32_t g = l / 4, k = l % 4 * 2 + e;
                if (n < 4)
                    a[g + n % 2 * 8][k + n / 2 * 8] = x;
                else
                    b[k + (n - 4) * 8][g] = x;
            }
    }
    for (uint32_t n = 0; n < 4; n++) {
        const uint64_t *c = value(w, &i->op[10 + n], ALL, room);
        for (uint32_t l = 0; l < LANES; l++) {
            double sum = f32(c[l]);
            for (uint32_t k = 0; k < 16; k++)
                sum += (double)a[l / 4 + n / 2 * 8][k] * b[k][l % 4 * 2 + n % 2];
            float x = (float)sum;
            uint32_t u;
            memcpy(&u, &x, 4);
            out[n][l] = u;
        }
    }
    for (uint32_t n = 0; n < 4; n++)
        memcpy(target(w, &i->op[n], ALL), out[n], sizeof out[n]);
}

static void mma_s8(struct warp *w, const struct ins *i)
{
    static int8_t a[16][32], b[32][8];
    uint64_t room[LANES], out[4][LANES];
    for (uint32_t n = 0; n < 6; n++) {
        const uint64_t *r = value(w, &i->op[4 + n], ALL, room);
        for (uint32_t l = 0; l < LANES; l++)
            for (uint32_t e = 0; e < 4; e++) {
                int8_t x = (int8_t)((uint32_t)r[l] >> (8 * e));
                uint32_t g = l / 4, k = l % 4 * 4 + e;
                if (n < 4)
                    a[g + n % 2 * 8][k + n / 2 * 16] = x;
                else
                    b[k + (n - 4) * 16][g] = x;
            }
    }
    for (uint32_t n = 0; n < 4; n++) {
        const uint64_t *c = value(w, &i->op[10 + n], ALL, room);
        for (uint32_t l = 0; l < LANES; l++) {
            uint32_t sum = (uint32_t)c[l];
            for (uint32_t k = 0; k < 32; k++)
                sum += (uint32_t)(a[l / 4 + n / 2 * 8][k] * b[k][l % 4 * 2 + n % 2]);
            out[n][l] = sum;
        }
    }
    for (uint32_t n = 0; n < 4; n++)
        memcpy(target(w, &i->op[n], ALL), out[n], sizeof out[n]);
}

void run_mma(struct warp *w, const struct ins *i, uint32_t mask)
{
    whole(w, i, mask);
    if (i->count != 14)
        fault(w, "an mma of %u operands is not modelled", i->count);
    if (i->flags & FLAG_K32)
        mma_s8(w, i);
    else
        mma_16_bits(w, i);
}

/* The lanes that an instruction names must be the ones that run it. */
static void named(struct warp *w, const struct ins *i, uint32_t mask, const struct operand *o)
{
    uint64_t room[LANES];
    const uint64_t *m = value(w, o, mask, room);
    EACH(l, mask) if ((uint32_t)m[l] != mask)
        fault(w, "%s names lanes %08x, and lanes %08x run it", i->name, (uint32_t)m[l], mask);
}

void run_shfl(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint32_t p = i->count == 6; /* d|p, a, b, c, mask */
    uint64_t ra[LANES], rb[LANES], rc[LANES], out[LANES];
    named(w, i, mask, &i->op[i->count - 1]);
    const uint64_t *a = value(w, &i->op[1 + p], mask, ra), *b = value(w, &i->op[2 + p], mask, rb), *c = value(w, &i->op[3 + p], mask, rc);
    uint32_t inside = 0;
    EACH(l, mask) {
        uint32_t clamp = (uint32_t)c[l] & 31, segment = (uint32_t)c[l] >> 8 & 31, n = (uint32_t)b[l] & 31;
        uint32_t most = (l & segment) | (clamp & ~segment), least = l & segment, from;
        bool in;
        if (i->flags & FLAG_UP) {
            from = l - n;
            in = (int)from >= (int)most;
        } else if (i->flags & FLAG_DOWN) {
            from = l + n;
            in = from <= most;
        } else if (i->flags & FLAG_BFLY) {
            from = l ^ n;
            in = from <= most;
        } else {
            from = least | (n & ~segment);
            in = from <= most;
        }
        if (!in)
            from = l;
        if (!(mask >> from & 1))
            fault(w, "shfl: lane %u reads lane %u, which does not run it", l, from);
        out[l] = a[from];
        inside |= (uint32_t)in << l;
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
    if (p) {
        to = target(w, &i->op[1], mask);
        EACH(l, mask) to[l] = inside >> l & 1;
    }
}

void run_vote(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[LANES];
    uint32_t ballot = 0;
    named(w, i, mask, &i->op[2]);
    const uint64_t *p = value(w, &i->op[1], mask, room);
    EACH(l, mask) ballot |= (uint32_t)(p[l] != 0) << l;
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = i->flags & FLAG_BALLOT ? ballot : i->flags & FLAG_ANY ? ballot != 0 : ballot == mask;
}

void run_bar(struct warp *w, const struct ins *i, uint32_t mask)
{
    if (i->flags & FLAG_WARP) {
        named(w, i, mask, &i->op[0]);
        w->time++;
        return;
    }
    if (i->count != 1 || i->op[0].kind != OPERAND_VALUE || i->op[0].value != 0)
        fault(w, "only bar.sync 0 is modelled");
    if (mask != w->alive)
        fault(w, "a barrier in diverged code: lanes %08x of %08x", mask, w->alive);
    w->waits = true;
}

void run_bra(struct warp *w, const struct ins *i, uint32_t mask)
{
    struct group *g = &w->group[0];
    if (mask == g->mask) {
        g->pc = (uint32_t)i->target;
        return;
    }
    g->mask &= ~mask; /* the rest goes on */
    w->group[w->groups++] = (struct group){(uint32_t)i->target, mask};
}

void run_ret(struct warp *w, const struct ins *i, uint32_t mask)
{
    EACH(l, mask) if (w->block->thread[w->number * LANES + l].copies)
        fault(w, "a thread ends with async copies on their way");
    w->alive &= ~mask;
    w->group[0].mask &= ~mask;
}

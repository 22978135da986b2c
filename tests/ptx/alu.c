/* Instructions of one lane: arithmetic, comparison, conversion. A value lies in the low bits of its 64. */
#include "ptx.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

static float f32(uint64_t v)
{
    uint32_t u = (uint32_t)v;
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static uint64_t bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    return u;
}
static uint32_t width(uint8_t t)
{
    switch (t) {
    case T_PRED: return 1;
    case T_B8: case T_U8: case T_S8: return 8;
    case T_B16: case T_U16: case T_S16: case T_F16: return 16;
    case T_B64: case T_U64: case T_S64: case T_F64: return 64;
    default: return 32;
    }
}
static bool is_signed(uint8_t t)
{
    return t == T_S8 || t == T_S16 || t == T_S32 || t == T_S64;
}
static uint64_t cut(uint64_t v, uint8_t t)
{
    uint32_t w = width(t);
    return w == 64 ? v : v & ((1ull << w) - 1);
}
static int64_t extend(uint64_t v, uint8_t t)
{
    uint32_t w = width(t);
    return w == 64 ? (int64_t)v : (int64_t)(v << (64 - w)) >> (64 - w);
}

void run_mov(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[LANES];
    uint32_t part = width(i->type);
    if (i->first_group > 1 && i->count > i->first_group) { /* {a, b} = c */
        part /= i->first_group;
        const uint64_t *from = value(w, &i->op[i->count - 1], mask, room);
        uint64_t copy[LANES];
        memcpy(copy, from, sizeof copy);
        for (uint32_t n = 0; n < i->first_group; n++) {
            uint64_t *to = target(w, &i->op[n], mask);
            EACH(l, mask) to[l] = copy[l] >> (n * part) & ((1ull << part) - 1);
        }
    } else if (i->last_group > 1) { /* c = {a, b} */
        uint64_t sum[LANES] = {0};
        part /= i->last_group;
        for (uint32_t n = 0; n < i->last_group; n++) {
            const uint64_t *from = value(w, &i->op[1 + n], mask, room);
            EACH(l, mask) sum[l] |= (from[l] & ((1ull << part) - 1)) << (n * part);
        }
        uint64_t *to = target(w, &i->op[0], mask);
        EACH(l, mask) to[l] = sum[l];
    } else {
        const uint64_t *from = value(w, &i->op[1], mask, room);
        uint64_t *to = target(w, &i->op[0], mask);
        EACH(l, mask) to[l] = cut(from[l], i->type);
    }
}

/* All 32 lanes, so that the compiler makes vectors of them; those outside the mask are thrown away. */
#define LANES_F32(expression)                                                                                          \
    for (uint32_t l = 0; l < LANES; l++) {                                                                             \
        float x = f32(a[l]), y = f32(b[l]), z = f32(c[l]);                                                             \
        (void)y, (void)z;                                                                                              \
        out[l] = bits(expression);                                                                                     \
    }

PTX_VECTORS static void arith_f32(uint64_t *out, char op, char op2, const uint64_t *a, const uint64_t *b, const uint64_t *c)
{
    if (op == 'a')
        LANES_F32(x + y)
    else if (op == 's')
        LANES_F32(x - y)
    else if (op == 'd')
        LANES_F32(x / y)
    else if (op == 'f')
        LANES_F32(fmaf(x, y, z))
    else if (op2 == 'u')
        LANES_F32(x * y)
    else if (op2 == 'i')
        LANES_F32(fminf(x, y))
    else
        LANES_F32(fmaxf(x, y))
}

/* In another direction than to nearest. */
static void arith_rounded(const struct ins *i, uint64_t *out, char op, char op2, const uint64_t *a, const uint64_t *b, const uint64_t *c)
{
    static const int modes[] = {[ROUND_ZERO] = FE_TOWARDZERO, [ROUND_DOWN] = FE_DOWNWARD, [ROUND_UP] = FE_UPWARD};
    for (uint32_t l = 0; l < LANES; l++) {
        volatile float x = f32(a[l]), y = f32(b[l]), z = f32(c[l]), r; /* computed between the two changes of the mode */
        fesetround(modes[i->round]);
        r = op == 'a' ? x + y : op == 's' ? x - y : op == 'f' ? fmaf(x, y, z) : op == 'd' ? x / y : x * y;
        fesetround(FE_TONEAREST);
        out[l] = bits(r);
    }
}

static uint64_t arith_int(struct warp *w, const struct ins *i, char op, char op2, uint64_t x, uint64_t y, uint64_t z)
{
    bool s = is_signed(i->type);
    int64_t a = extend(x, i->type), b = extend(y, i->type);
    uint64_t ua = cut(x, i->type), ub = cut(y, i->type);
    switch (op) {
    case 'a': return ua + ub;
    case 's': return ua - ub;
    case 'd': case 'r':
        if (!ub)
            fault(w, "division by zero");
        if (op == 'd')
            return s ? (uint64_t)(a / b) : ua / ub;
        return s ? (uint64_t)(a % b) : ua % ub;
    case 'm':
        if (op2 == 'i')
            return s ? (a < b ? ua : ub) : (ua < ub ? ua : ub);
        if (op2 == 'x')
            return s ? (a > b ? ua : ub) : (ua > ub ? ua : ub);
        if (i->flags & FLAG_HI) {
            if (width(i->type) == 64)
                fault(w, "mul.hi of 64 bits is not modelled");
            return (s ? (uint64_t)(a * b) : ua * ub) >> width(i->type);
        }
        return (s ? (uint64_t)a * (uint64_t)b : ua * ub) + (op2 == 'a' ? z : 0);
    }
    fault(w, "integer arithmetic %c is not modelled", op);
}

void run_arith(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], rc[LANES] = {0}, out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, ra), *b = value(w, &i->op[2], mask, rb), *c = rc;
    if (i->count > 3)
        c = value(w, &i->op[3], mask, rc);
    const char *name = i->name;
    char op = name[0], op2 = !strncmp(name, "max", 3) ? 'x' : !strncmp(name, "mad", 3) ? 'a' : name[1];
    if (i->type == T_F64)
        fault(w, "f64 is not modelled");
    if (i->type == T_F32 && (i->round <= ROUND_NEAREST || (op == 'm' && op2 != 'u')))
        arith_f32(out, op, op2, a, b, c);
    else if (i->type == T_F32)
        arith_rounded(i, out, op, op2, a, b, c);
    else
        EACH(l, mask) out[l] = arith_int(w, i, op, op2, a[l], b[l], c[l]);
    bool wide = i->flags & FLAG_WIDE || i->type == T_F32;
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = wide ? out[l] : cut(out[l], i->type);
}

void run_unary(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[LANES], out[LANES] = {0};
    const uint64_t *a = value(w, &i->op[1], mask, room);
    EACH(l, mask) {
        float x = f32(a[l]), y = 0;
        if (i->type != T_F32) {
            int64_t v = extend(a[l], i->type);
            if (strncmp(i->name, "neg", 3) && strncmp(i->name, "abs", 3))
                fault(w, "%s of this type is not modelled", i->name);
            out[l] = cut((uint64_t)(i->name[0] == 'n' || v < 0 ? -v : v), i->type);
            continue;
        }
        switch (i->name[0]) {
        case 'n': y = -x; break;
        case 'a': y = fabsf(x); break;
        case 's': y = sqrtf(x); break;
        case 'r': y = i->name[1] == 'c' ? 1 / x : 1 / sqrtf(x); break;
        case 'e': y = exp2f(x); break;
        }
        out[l] = bits(y);
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

void run_logic(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES] = {0}, out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, ra), *b = i->count > 2 ? value(w, &i->op[2], mask, rb) : rb;
    char op = i->name[0];
    EACH(l, mask) out[l] = cut(op == 'a' ? a[l] & b[l] : op == 'o' ? a[l] | b[l] : op == 'x' ? a[l] ^ b[l] : ~a[l], i->type);
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

void run_shift(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, ra), *b = value(w, &i->op[2], mask, rb);
    uint32_t wide = width(i->type);
    EACH(l, mask) {
        uint32_t n = (uint32_t)b[l];
        if (i->name[2] == 'l')
            out[l] = n >= wide ? 0 : cut(a[l] << n, i->type);
        else if (is_signed(i->type))
            out[l] = cut((uint64_t)(extend(a[l], i->type) >> (n >= wide ? wide - 1 : n)), i->type);
        else
            out[l] = n >= wide ? 0 : cut(a[l], i->type) >> n;
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

static bool holds(uint8_t c, int order /* -1, 0, 1; 2: not ordered */)
{
    switch (c) {
    case CMP_EQ: return order == 0;
    case CMP_NE: return order == -1 || order == 1;
    case CMP_LT: return order == -1;
    case CMP_LE: return order == -1 || order == 0;
    case CMP_GT: return order == 1;
    case CMP_GE: return order == 1 || order == 0;
    case CMP_EQU: return order == 0 || order == 2;
    case CMP_NEU: return order != 0;
    case CMP_LTU: return order == -1 || order == 2;
    case CMP_LEU: return order != 1;
    case CMP_GTU: return order == 1 || order == 2;
    default: return order != -1;
    }
}

void run_setp(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], rc[LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, ra), *b = value(w, &i->op[2], mask, rb);
    const uint64_t *c = i->count > 3 ? value(w, &i->op[3], mask, rc) : NULL;
    EACH(l, mask) {
        int order;
        if (i->type == T_F32)
            order = f32(a[l]) < f32(b[l]) ? -1 : f32(a[l]) > f32(b[l]) ? 1 : f32(a[l]) == f32(b[l]) ? 0 : 2;
        else if (is_signed(i->type))
            order = extend(a[l], i->type) < extend(b[l], i->type) ? -1 : extend(a[l], i->type) > extend(b[l], i->type);
        else
            order = cut(a[l], i->type) < cut(b[l], i->type) ? -1 : cut(a[l], i->type) > cut(b[l], i->type);
        bool yes = holds(i->compare, order);
        out[l] = c ? (i->flags & FLAG_AND ? yes && c[l] : yes || c[l]) : yes;
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

void run_selp(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], rp[LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, ra), *b = value(w, &i->op[2], mask, rb), *p = value(w, &i->op[3], mask, rp);
    EACH(l, mask) out[l] = cut(p[l] ? a[l] : b[l], i->type);
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

static uint16_t bf16(float x)
{
    uint32_t u = (uint32_t)bits(x);
    if ((u & 0x7fffffff) > 0x7f800000)
        return 0x7fff;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* To nearest, ties to even, in steps of the half's own unit: subnormals have 2^-24. */
static uint16_t f16(float x)
{
    uint32_t u = (uint32_t)bits(x), sign = u >> 16 & 0x8000;
    double a = fabs((double)x);
    if (isnan(x))
        return 0x7fff;
    int e = a > 0 ? ilogb(a) : -14;
    e = e < -14 ? -14 : e;
    double unit = ldexp(1, e - 10), steps = nearbyint(a / unit);
    if (steps * unit > 65504)
        return (uint16_t)(sign | 0x7c00);
    return (uint16_t)(sign | (steps < 1024 ? (uint32_t)steps : (uint32_t)(e + 14) * 1024 + (uint32_t)steps)); /* a carry raises e */
}

float float_of_f16(uint32_t h)
{
    int e = h >> 10 & 31;
    double m = h & 1023, x = e == 31 ? (m > 0 ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return (float)(h & 0x8000 ? -x : x);
}

static double whole_number(double x, uint8_t round)
{
    return round == ROUND_ZERO ? trunc(x) : round == ROUND_DOWN ? floor(x) : round == ROUND_UP ? ceil(x) : nearbyint(x);
}

static uint64_t to_integer(float x, const struct ins *i)
{
    if (isnan(x) || width(i->type) > 32)
        return 0;
    double v = whole_number(x, i->round), least = is_signed(i->type) ? -ldexp(1, (int)width(i->type) - 1) : 0;
    double most = ldexp(1, (int)width(i->type) - is_signed(i->type)) - 1;
    return cut((uint64_t)(int64_t)(v < least ? least : v > most ? most : v), i->type);
}

void run_cvt(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t ra[LANES], rb[LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, ra), *b = i->count > 2 ? value(w, &i->op[2], mask, rb) : a;
    if (i->type == T_F64 || i->from == T_F64 || (i->from == T_F32 && width(i->type) == 64))
        fault(w, "cvt of 64 bits from or to a float is not modelled");
    EACH(l, mask) {
        if (i->type == T_BF16X2)
            out[l] = (uint64_t)bf16(f32(a[l])) << 16 | bf16(f32(b[l])); /* the first operand goes to the upper half */
        else if (i->type == T_F16X2)
            out[l] = (uint64_t)f16(f32(a[l])) << 16 | f16(f32(b[l]));
        else if (i->type == T_F32 && i->from == T_F32)
            out[l] = i->flags & FLAG_SAT ? bits(f32(a[l]) > 0 ? fminf(f32(a[l]), 1) : 0)
                     : i->round          ? bits((float)whole_number(f32(a[l]), i->round)) : a[l];
        else if (i->type == T_F16)
            out[l] = f16(f32(a[l]));
        else if (i->from == T_F16)
            out[l] = bits(float_of_f16((uint32_t)a[l]));
        else if (i->type == T_F32)
            out[l] = bits(is_signed(i->from) ? (float)extend(a[l], i->from) : (float)cut(a[l], i->from));
        else if (i->from == T_F32)
            out[l] = to_integer(f32(a[l]), i);
        else
            out[l] = cut(is_signed(i->from) ? (uint64_t)extend(a[l], i->from) : cut(a[l], i->from), i->type);
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

/* prmt d, a, b, c: byte n of d is the byte of {b, a} that nibble n of c names; its fourth bit: the byte's sign eight times. */
void run_prmt(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[3][LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, room[0]), *b = value(w, &i->op[2], mask, room[1]), *c = value(w, &i->op[3], mask, room[2]);
    EACH(l, mask) {
        uint64_t both = (a[l] & ALL) | b[l] << 32, r = 0;
        for (uint32_t n = 0; n < 4; n++) {
            uint32_t s = (uint32_t)c[l] >> 4 * n & 15, byte = both >> 8 * (s & 7) & 255;
            r |= (uint64_t)(s & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * n;
        }
        out[l] = r;
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

void run_dp4a(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[3][LANES], out[LANES];
    const uint64_t *a = value(w, &i->op[1], mask, room[0]), *b = value(w, &i->op[2], mask, room[1]), *c = value(w, &i->op[3], mask, room[2]);
    if (i->type != T_S32 || i->from != T_S32)
        fault(w, "only dp4a.s32.s32 is modelled");
    EACH(l, mask) {
        int32_t sum = (int32_t)c[l];
        for (uint32_t n = 0; n < 4; n++)
            sum += (int8_t)(a[l] >> 8 * n) * (int8_t)(b[l] >> 8 * n);
        out[l] = (uint32_t)sum;
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

void run_bits(struct warp *w, const struct ins *i, uint32_t mask)
{
    uint64_t room[4][LANES] = {{0}}, out[LANES] = {0};
    const uint64_t *a[4] = {room[0], room[1], room[2], room[3]};
    for (uint32_t n = 1; n < i->count && n <= 4; n++)
        a[n - 1] = value(w, &i->op[n], mask, room[n - 1]);
    EACH(l, mask) {
        uint32_t x = (uint32_t)a[0][l], y = (uint32_t)a[1][l], r = 0;
        if (!strncmp(i->name, "copysign", 8)) {
            r = (y & 0x7fffffff) | (x & 0x80000000);
        } else if (!strncmp(i->name, "brev", 4)) {
            for (int n = 0; n < 32; n++)
                r |= (x >> n & 1) << (31 - n);
        } else if (!strncmp(i->name, "popc", 4)) {
            r = (uint32_t)__builtin_popcount(x);
        } else if (!strncmp(i->name, "clz", 3)) {
            r = x ? (uint32_t)__builtin_clz(x) : 32;
        } else if (!strncmp(i->name, "bfind", 5)) {
            r = !x ? ALL : i->flags & FLAG_SHIFTAMT ? (uint32_t)__builtin_clz(x) : 31 - (uint32_t)__builtin_clz(x);
        } else { /* bfi d, a, b, at, length: a into b */
            uint32_t at = a[2][l] & 255, n = a[3][l] & 255;
            uint64_t field = (n >= 32 ? ALL : (1ull << n) - 1) << at;
            r = (uint32_t)(((uint64_t)x << at & field) | (y & ~field));
        }
        out[l] = r;
    }
    uint64_t *to = target(w, &i->op[0], mask);
    EACH(l, mask) to[l] = out[l];
}

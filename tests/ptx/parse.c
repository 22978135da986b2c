/* PTX text → instructions. Bounded everywhere; what is not known is named with its line. */
#include "ptx.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct module *m;
    struct kernel *k;
    const char *at, *end;
    uint32_t line;
    char *message;
    char word[160];
    struct { char prefix[8]; uint32_t first, count; } bank[16];
    uint32_t banks;
    struct { char name[40]; uint32_t place; } *label; /* of the kernel */
    uint32_t labels;
    struct { char name[40]; uint32_t ins; } *jump;
    uint32_t jumps;
    char param[96];
    bool failed;
};
#define LABELS_MAX 8192

__attribute__((format(printf, 2, 3))) static bool wrong(struct reader *r, const char *format, ...)
{
    char what[240];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (!r->failed)
        snprintf(r->message, 400, "PTX line %u%s%s: %s", r->line, r->k ? ", " : "", r->k ? r->k->name : "", what);
    r->failed = true;
    return false;
}

static void skip(struct reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '\n')
            r->line++;
        else if (*r->at == '/' && r->end - r->at > 1 && r->at[1] == '/')
            while (r->at + 1 < r->end && r->at[1] != '\n')
                r->at++;
        else if (!isspace((unsigned char)*r->at))
            return;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}

/* The next word into r->word; false: something else stands there. */
static bool word(struct reader *r)
{
    size_t n = 0;
    skip(r);
    while (r->at < r->end && is_word(*r->at) && n + 1 < sizeof r->word)
        r->word[n++] = *r->at++;
    r->word[n] = 0;
    return n > 0;
}

static bool have(struct reader *r, char c)
{
    skip(r);
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool expect(struct reader *r, char c)
{
    return have(r, c) || wrong(r, "expected '%c' near \"%.20s\"", c, r->at < r->end ? r->at : "the end");
}

static void skip_past(struct reader *r, char c)
{
    for (; r->at < r->end && *r->at != c; r->at++)
        r->line += *r->at == '\n';
    if (r->at < r->end)
        r->at++;
}

static bool number(struct reader *r, const char *s, uint64_t *v)
{
    char *end;
    bool minus = *s == '-';
    if (s[minus] == '0' && (s[minus + 1] == 'f' || s[minus + 1] == 'F') && strlen(s) == 10u + minus)
        *v = strtoull(s + minus + 2, &end, 16);
    else
        *v = strtoull(s + minus, &end, 0);
    if (*end == 'U')
        end++;
    if (minus)
        *v = 0 - *v;
    return *end == 0 || wrong(r, "\"%s\" is no number", s);
}

static bool special(const char *s, uint32_t *which)
{
    static const char *const names[] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y",
                                        "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid"};
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(s, names[i])) {
            *which = i;
            return true;
        }
    return false;
}

static bool reg(struct reader *r, const char *s, uint32_t *index)
{
    size_t n = strlen(s);
    while (n && isdigit((unsigned char)s[n - 1]))
        n--;
    for (uint32_t i = 0; i < r->banks; i++)
        if (strlen(r->bank[i].prefix) == n && !strncmp(r->bank[i].prefix, s, n)) {
            uint64_t at = strtoull(s + n, NULL, 10);
            if (at >= r->bank[i].count)
                return wrong(r, "register %s was not declared", s);
            *index = r->bank[i].first + (uint32_t)at;
            return true;
        }
    return wrong(r, "register %s was not declared", s);
}

static bool symbol(struct reader *r, const char *s, uint64_t *at)
{
    if (!strcmp(s, r->param)) {
        *at = 0;
        return true;
    }
    for (uint32_t i = 0; i < r->m->symbols; i++)
        if (!strcmp(r->m->symbol[i].name, s)) {
            *at = r->m->symbol[i].at;
            return true;
        }
    return wrong(r, "unknown name %s", s);
}

/* A register, number, symbol or special; r->word is filled. */
static bool atom(struct reader *r, struct operand *o)
{
    char sign[168];
    bool minus = have(r, '-');
    o->negated = !minus && have(r, '!');
    if (!word(r))
        return wrong(r, "expected an operand near \"%.20s\"", r->at);
    if (r->word[0] == '%') {
        o->kind = OPERAND_SPECIAL;
        if (special(r->word, &o->reg))
            return true;
        o->kind = OPERAND_REGISTER;
        return reg(r, r->word, &o->reg);
    }
    o->kind = OPERAND_VALUE;
    if (isdigit((unsigned char)r->word[0])) {
        snprintf(sign, sizeof sign, "%s%s", minus ? "-" : "", r->word);
        return number(r, sign, &o->value);
    }
    return symbol(r, r->word, &o->value);
}

static bool address(struct reader *r, struct operand *o)
{
    struct operand offset = {0};
    if (!atom(r, o))
        return false;
    o->address = true;
    if (have(r, '+')) {
        if (!atom(r, &offset) || offset.kind != OPERAND_VALUE)
            return wrong(r, "an address that is not register + number");
        o->value += offset.value;
    }
    return expect(r, ']');
}

static bool operands(struct reader *r, struct ins *i)
{
    skip(r);
    for (bool more = r->at < r->end && *r->at != ';'; more; more = have(r, ',') || have(r, '|')) {
        uint8_t before = i->count;
        bool group = have(r, '{');
        do {
            if (i->count == OPERANDS_MAX)
                return wrong(r, "more than %d operands", OPERANDS_MAX);
            struct operand *o = &i->op[i->count++];
            if (have(r, '[') ? !address(r, o) : !atom(r, o))
                return false;
        } while (group && have(r, ','));
        if (group && !expect(r, '}'))
            return false;
        i->last_group = group ? (uint8_t)(i->count - before) : 0;
        if (!before)
            i->first_group = i->last_group;
    }
    return expect(r, ';');
}

static bool modifier(struct ins *i, const char *s)
{
    static const struct { const char *name; uint8_t type, space, compare, round, vector; uint32_t flag; } rows[] = {
        {"pred", T_PRED}, {"b8", T_B8}, {"b16", T_B16}, {"b32", T_B32}, {"b64", T_B64}, {"u8", T_U8}, {"u16", T_U16},
        {"u32", T_U32}, {"u64", T_U64}, {"s8", T_S8}, {"s16", T_S16}, {"s32", T_S32}, {"s64", T_S64}, {"f32", T_F32},
        {"f64", T_F64}, {"f16", T_F16, .flag = FLAG_HALF}, {"f16x2", T_F16X2}, {"bf16x2", T_BF16X2}, {"bf16", T_BF16X2},
        {"global", .space = SPACE_GLOBAL}, {"shared", .space = SPACE_SHARED}, {"param", .space = SPACE_PARAM},
        {"eq", .compare = CMP_EQ}, {"ne", .compare = CMP_NE}, {"lt", .compare = CMP_LT}, {"le", .compare = CMP_LE},
        {"gt", .compare = CMP_GT}, {"ge", .compare = CMP_GE}, {"equ", .compare = CMP_EQU}, {"neu", .compare = CMP_NEU},
        {"ltu", .compare = CMP_LTU}, {"leu", .compare = CMP_LEU}, {"gtu", .compare = CMP_GTU}, {"geu", .compare = CMP_GEU},
        {"rn", .round = ROUND_NEAREST}, {"rni", .round = ROUND_NEAREST}, {"rz", .round = ROUND_ZERO}, {"rzi", .round = ROUND_ZERO},
        {"rm", .round = ROUND_DOWN}, {"rmi", .round = ROUND_DOWN}, {"rp", .round = ROUND_UP}, {"rpi", .round = ROUND_UP},
        {"v2", .vector = 2}, {"v4", .vector = 4},
        {"wide", .flag = FLAG_WIDE}, {"lo", .flag = FLAG_LO}, {"hi", .flag = FLAG_HI}, {"sat", .flag = FLAG_SAT},
        {"trans", .flag = FLAG_TRANS}, {"shiftamt", .flag = FLAG_SHIFTAMT}, {"and", .flag = FLAG_AND}, {"or", .flag = FLAG_OR},
        {"bfly", .flag = FLAG_BFLY}, {"up", .flag = FLAG_UP}, {"down", .flag = FLAG_DOWN}, {"idx", .flag = FLAG_IDX},
        {"ballot", .flag = FLAG_BALLOT}, {"any", .flag = FLAG_ANY}, {"all", .flag = FLAG_EVERY}, {"add", .flag = FLAG_ADD}, {"xor", .flag = FLAG_XOR},
        {"approx", .flag = FLAG_APPROX}, {"to", .flag = FLAG_TO}, {"x4", .flag = FLAG_X4}, {"x2", .flag = FLAG_X2},
        {"x1", .flag = FLAG_X1}, {"commit_group", .flag = FLAG_COMMIT}, {"wait_group", .flag = FLAG_WAIT}, {"warp", .flag = FLAG_WARP},
        {"cg", .flag = FLAG_CG}, {"m16n8k32", .flag = FLAG_K32},
        {"sync"}, {"aligned"}, {"ftz"}, {"uni"}, {"m8n8"}, {"m16n8k16"}, {"row"}, {"col"}, {"async"}, {"nc"},
    };
    for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
        if (strcmp(rows[j].name, s))
            continue;
        if (rows[j].type) {
            i->from = rows[j].type; /* the last one; the first is the instruction's own */
            if (!i->type)
                i->type = rows[j].type;
        }
        if (rows[j].space && !(i->space && (i->flags & FLAG_CG)))
            i->space = rows[j].space;
        if (rows[j].compare)
            i->compare = rows[j].compare;
        if (rows[j].round)
            i->round = rows[j].round;
        if (rows[j].vector)
            i->vector = rows[j].vector;
        i->flags |= rows[j].flag;
        return true;
    }
    return false;
}

static bool opcode(struct reader *r, struct ins *i)
{
    char full[160], *part, *rest = NULL;
    snprintf(full, sizeof full, "%s", r->word);
    snprintf(i->name, sizeof i->name, "%.15s", full);
    part = strtok_r(r->word, ".", &rest);
    i->run = part ? ptx_find(part) : NULL;
    if (!i->run)
        return wrong(r, "instruction %s is not modelled", full);
    while ((part = strtok_r(NULL, ".", &rest)))
        if (!modifier(i, part))
            return wrong(r, "instruction %s is not modelled (.%s)", full, part);
    return true;
}

static bool instruction(struct reader *r, struct ins *i)
{
    i->line = r->line;
    i->guard = -1;
    if (have(r, '@')) {
        struct operand o = {0};
        if (!atom(r, &o) || o.kind != OPERAND_REGISTER || !word(r))
            return wrong(r, "a guard that is no predicate");
        i->guard = (int32_t)o.reg;
        i->guard_negated = o.negated;
        i->line = r->line;
    } else if (!word(r)) {
        return wrong(r, "expected an instruction near \"%.20s\"", r->at);
    }
    bool jump = !strncmp(r->word, "bra", 3);
    if (!opcode(r, i))
        return false;
    if (!jump)
        return operands(r, i);
    if (!word(r) || strlen(r->word) >= sizeof r->jump->name || r->jumps == LABELS_MAX)
        return wrong(r, "a jump to nowhere");
    snprintf(r->jump[r->jumps].name, sizeof r->jump->name, "%s", r->word);
    r->jump[r->jumps++].ins = (uint32_t)(i - r->k->ins);
    return expect(r, ';');
}

/* After ".reg": type, then %name<count>; or %name; */
static bool declare_registers(struct reader *r)
{
    if (!word(r) || !word(r))
        return wrong(r, "a .reg without a name");
    uint64_t count = 1;
    char prefix[8];
    if (strlen(r->word) >= sizeof prefix || r->banks == sizeof r->bank / sizeof *r->bank)
        return wrong(r, "register bank %s", r->word);
    snprintf(prefix, sizeof prefix, "%s", r->word);
    if (have(r, '<') && (!word(r) || !number(r, r->word, &count) || !expect(r, '>')))
        return false;
    if (count > REGISTERS_MAX - r->k->registers)
        return wrong(r, "more than %d registers", REGISTERS_MAX);
    snprintf(r->bank[r->banks].prefix, sizeof r->bank->prefix, "%s", prefix);
    r->bank[r->banks].first = r->k->registers;
    r->bank[r->banks++].count = (uint32_t)count;
    r->k->registers += (uint32_t)count;
    return expect(r, ';');
}

/* After ".shared": .align n .type name[count], or name alone; dynamic: name[] */
static bool declare_shared(struct reader *r, bool dynamic)
{
    uint64_t align = 1, count = 1, bytes = 1;
    struct module *m = r->m;
    while (word(r) && r->word[0] == '.') {
        if (strcmp(r->word, ".align"))
            bytes = strtoul(r->word + 2, NULL, 10) / 8; /* .b8, .u32 */
        else if (!word(r) || !number(r, r->word, &align))
            return false;
    }
    if (m->symbols == SYMBOLS_MAX || strlen(r->word) >= sizeof m->symbol->name || align == 0 || align > 1024 || bytes == 0)
        return wrong(r, "shared variable %s", r->word);
    struct symbol *s = &m->symbol[m->symbols++];
    snprintf(s->name, sizeof s->name, "%s", r->word);
    if (have(r, '[') && !have(r, ']') && (!word(r) || !number(r, r->word, &count) || !expect(r, ']')))
        return false;
    bytes *= count;
    if (!dynamic) {
        s->at = (m->shared + (uint32_t)align - 1) / (uint32_t)align * (uint32_t)align;
        if (bytes > SHARED_MAX - s->at)
            return wrong(r, "%s is larger than shared memory", s->name);
        m->shared = s->at + (uint32_t)bytes;
    } else {
        s->at = UINT32_MAX; /* placed when everything else is */
    }
    return expect(r, ';');
}

/* Statements of a body, to its closing brace. pass 0 declares (and counts), pass 1 makes instructions. */
static bool body(struct reader *r, bool make)
{
    int depth = 1;
    while (!r->failed) {
        skip(r);
        if (r->at >= r->end)
            return wrong(r, "the text ends inside a kernel");
        if (have(r, '{')) {
            depth++;
        } else if (have(r, '}')) {
            if (--depth == 0)
                return true;
        } else if (*r->at == '.') {
            word(r);
            if (!strcmp(r->word, ".reg") && !make)
                declare_registers(r);
            else if (!strcmp(r->word, ".reg") || !strcmp(r->word, ".shared") || !strcmp(r->word, ".pragma"))
                skip_past(r, ';');
            else
                wrong(r, "directive %s is not modelled", r->word);
        } else if (*r->at == '$') {
            word(r);
            if (make && (r->labels == LABELS_MAX || strlen(r->word) >= sizeof r->label->name))
                return wrong(r, "label %s", r->word);
            if (make) {
                snprintf(r->label[r->labels].name, sizeof r->label->name, "%s", r->word);
                r->label[r->labels++].place = r->k->count;
            }
            expect(r, ':');
        } else if (make) {
            if (r->k->count == INSTRUCTIONS_MAX)
                return wrong(r, "more than %d instructions", INSTRUCTIONS_MAX);
            instruction(r, &r->k->ins[r->k->count]);
            r->k->count++;
        } else {
            r->k->count++;
            skip_past(r, ';');
        }
    }
    return false;
}

static bool resolve(struct reader *r)
{
    for (uint32_t j = 0; j < r->jumps; j++) {
        uint32_t l = 0;
        while (l < r->labels && strcmp(r->label[l].name, r->jump[j].name))
            l++;
        if (l == r->labels || r->label[l].place >= r->k->count)
            return wrong(r, "no label %s", r->jump[j].name);
        r->k->ins[r->jump[j].ins].target = (int32_t)r->label[l].place;
    }
    return true;
}

static bool entry(struct reader *r)
{
    struct module *m = r->m;
    uint64_t bytes = 0;
    if (!word(r) || m->kernels == KERNELS_MAX || strlen(r->word) >= sizeof r->k->name)
        return wrong(r, "kernel %s", r->word);
    r->k = &m->kernel[m->kernels++];
    *r->k = (struct kernel){.module = m};
    snprintf(r->k->name, sizeof r->k->name, "%s", r->word);
    if (!expect(r, '('))
        return false;
    while (word(r) && r->word[0] == '.') /* .param .align 8 .b8: one struct */
        if (!strcmp(r->word, ".align"))
            word(r);
    snprintf(r->param, sizeof r->param, "%.95s", r->word);
    if (!expect(r, '[') || !word(r) || !number(r, r->word, &bytes) || !expect(r, ']') || !expect(r, ')') || bytes > 4096)
        return wrong(r, "a kernel takes one struct");
    r->k->params = (uint32_t)bytes;
    skip_past(r, '{'); /* .maxntid and the like */
    const char *start = r->at;
    uint32_t line = r->line;
    r->banks = r->labels = r->jumps = 0;
    if (!body(r, false))
        return false;
    r->at = start;
    r->line = line;
    uint32_t most = r->k->count < INSTRUCTIONS_MAX ? r->k->count : INSTRUCTIONS_MAX;
    r->k->ins = calloc(most + 1, sizeof *r->k->ins);
    r->k->count = 0;
    bool good = r->k->ins && body(r, true) && resolve(r);
    r->k = NULL;
    return good;
}

/* Shared variables are laid out before the bodies are read a second time: dynamic memory begins behind the static. */
static void place_dynamic(struct module *m)
{
    m->shared = (m->shared + 127) / 128 * 128;
    for (uint32_t i = 0; i < m->symbols; i++)
        if (m->symbol[i].at == UINT32_MAX)
            m->symbol[i].at = m->shared;
}

bool ptx_parse(struct module *m, const char *text, size_t len, char message[400])
{
    struct reader r = {.m = m, .message = message};
    memset(m, 0, sizeof *m);
    r.label = calloc(LABELS_MAX, sizeof *r.label);
    r.jump = calloc(LABELS_MAX, sizeof *r.jump);
    if (!r.label || !r.jump)
        abort();
    /* twice over the text: first the shared variables of all kernels, then everything */
    for (int pass = 0; pass < 2 && !r.failed; pass++) {
        r.at = text;
        r.end = text + len;
        r.line = 1;
        while (!r.failed && (skip(&r), r.at < r.end && *r.at)) {
            if (!word(&r)) {
                r.at++;
                continue;
            }
            if (pass == 0 && !strcmp(r.word, ".extern") && word(&r) && !strcmp(r.word, ".shared"))
                declare_shared(&r, true);
            else if (pass == 0 && !strcmp(r.word, ".shared"))
                declare_shared(&r, false);
            else if (pass == 1 && !strcmp(r.word, ".entry"))
                entry(&r);
            else if (!strcmp(r.word, ".func"))
                wrong(&r, "a function that was not inlined is not modelled");
        }
        if (pass == 0)
            place_dynamic(m);
    }
    free(r.label);
    free(r.jump);
    if (!r.failed && !m->kernels)
        wrong(&r, "no kernel in the text");
    return !r.failed;
}

void ptx_module_free(struct module *m)
{
    for (uint32_t i = 0; i < m->kernels; i++)
        free(m->kernel[i].ins);
    free(m->text);
    m->text = NULL;
    m->kernels = 0;
}

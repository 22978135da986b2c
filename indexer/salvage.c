/* Definitions that the parser lost. Where a content has syntax errors (newer syntax than the grammar's, macros), whole
 * classes can vanish from the tree. So lines that begin like a definition, `modifiers keyword Name`, and that no definition
 * was found on, become one. Only keywords that the language's grammar knows count, so no language is named here; where the
 * definition ends is told from indentation. */
#include "indexer/cutter.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define MODIFIERS_MAX 8
#define SALVAGE_MAX 20000 /* definitions of one content */

static const struct keyword {
    const char *word;
    uint8_t kind;
} keywords[] = {
    {"class", SYMBOL_CLASS},         {"struct", SYMBOL_STRUCT},   {"interface", SYMBOL_INTERFACE}, {"protocol", SYMBOL_INTERFACE},
    {"trait", SYMBOL_INTERFACE},     {"enum", SYMBOL_ENUM},       {"object", SYMBOL_MODULE},       {"module", SYMBOL_MODULE},
    {"namespace", SYMBOL_MODULE},    {"extension", SYMBOL_IMPLEMENTATION}, {"func", SYMBOL_FUNCTION}, {"fun", SYMBOL_FUNCTION},
    {"fn", SYMBOL_FUNCTION},         {"def", SYMBOL_FUNCTION},    {"function", SYMBOL_FUNCTION},   {"typealias", SYMBOL_TYPE},
    {"actor", SYMBOL_CLASS},         {"record", SYMBOL_CLASS},
};
enum { NKEYWORDS = sizeof keywords / sizeof *keywords };

static bool is_name_byte(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' || (unsigned char)ch >= 128;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static const char *skip_word(const char *p, const char *end)
{
    while (p < end && is_name_byte(*p))
        p++;
    return p;
}

/* Which of the keywords the grammar has, as a bit mask. */
static uint32_t known_keywords(const struct cutter *c)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < NKEYWORDS; i++)
        if (ts_language_symbol_for_name(c->lang->grammar(), keywords[i].word, (uint32_t)strlen(keywords[i].word), false))
            mask |= 1u << i;
    return mask;
}

/* Is what follows a type's name the rest of its head? `struct s *f(void)`, `struct s;` and `struct s x = {` only use it.
 * class EXPORTED Name: a macro in capitals is stepped over. */
static bool type_goes_on(const char **at, const char **next, const char *end, bool declarators)
{
    static const char *const words[] = {"extends", "implements", "where", "final", "is", "with", "permits", "derives", "do", "of"};
    for (int i = 0; i < 3; i++) {
        const char *after = skip_blanks(*next, end), *stop = skip_word(after, end);
        if (after == end || strchr("\r\n{:<[", *after) || (*after == '(' && !declarators))
            return true;
        if (stop == after)
            return false;
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (strlen(words[w]) == (size_t)(stop - after) && !memcmp(words[w], after, (size_t)(stop - after)))
                return true;
        for (const char *p = *at; p < *next; p++)
            if (*p >= 'a' && *p <= 'z')
                return false;
        *at = after;
        *next = stop;
    }
    return false;
}

/* modifiers keyword Name, from p: true with the name and its kind. Modifiers are lower-case words, annotations, and their
 * arguments; between keyword and name there may be type parameters and a receiver. */
static bool begins_definition(const char *p, const char *end, uint32_t known, bool declarators, struct str *name,
                              uint8_t *kind)
{
    for (int i = 0; i < MODIFIERS_MAX; i++) {
        p = skip_blanks(p, end);
        bool annotation = p < end && *p == '@';
        p += annotation;
        const char *word = p;
        p = skip_word(p, end);
        size_t n = (size_t)(p - word);
        if (!n || !((word[0] >= 'a' && word[0] <= 'z') || annotation))
            return false;
        for (uint32_t k = 0; k < NKEYWORDS; k++) {
            if (!(known >> k & 1) || strlen(keywords[k].word) != n || memcmp(word, keywords[k].word, n) || p == end ||
                (*p != ' ' && *p != '\t'))
                continue;
            const char *at = skip_blanks(p, end);
            const char *next = skip_word(at, end);
            bool again = false; /* enum class Name, data object Name */
            for (uint32_t m = 0; m < NKEYWORDS; m++)
                again |= strlen(keywords[m].word) == (size_t)(next - at) && !memcmp(at, keywords[m].word, (size_t)(next - at));
            if (again) {
                *kind = keywords[k].kind;
                at = skip_blanks(next, end);
                next = skip_word(at, end);
            }
            if (at < end && *at == '<') { /* fun <T> name */
                while (at < end && *at != '>')
                    at++;
                at = skip_blanks(at < end ? at + 1 : at, end);
                next = skip_word(at, end);
            }
            while (next < end && *next == '.' && next + 1 < end && is_name_byte(next[1])) { /* Receiver.name */
                at = next + 1;
                next = skip_word(at, end);
            }
            if (next == at || (*at >= '0' && *at <= '9'))
                return false;
            if (next < end && !strchr(" \t\r\n({<:=[;", *next))
                return false;
            const char *after = skip_blanks(next, end);
            if (keywords[k].kind != SYMBOL_FUNCTION && !type_goes_on(&at, &next, end, declarators))
                return false;
            if (after < end && (is_name_byte(*after) || strchr("\"'/*+.,?!|&", *after)) && keywords[k].kind == SYMBOL_FUNCTION)
                return false; /* prose: "def some words" */
            *name = (struct str){at, (size_t)(next - at)};
            if (!again)
                *kind = keywords[k].kind;
            return true;
        }
        if (p < end && *p == '(') { /* private(set), @Suppress("x") */
            while (p < end && *p != ')')
                p++;
            p = p < end ? p + 1 : p;
        }
        if (p < end && *p != ' ' && *p != '\t')
            return false;
    }
    return false;
}

/* type name(…) { or ; at the left margin, for languages with declarators: true with the name and its kind. Macros around
 * it are what broke the parse: API_ int name(…) ATTRIBUTE(…) { */
static bool begins_function(const struct cutter *c, uint32_t start, struct str *name, uint8_t *kind)
{
    static const char *const not_types[] = {"return", "else", "if", "while", "for", "switch", "case", "typedef", "using", "do", "goto"};
    const char *line = c->text + start, *end = c->text + c->n, *p = line;
    if (end - p > 1500)
        end = p + 1500;
    while (p < end && (is_name_byte(*p) || strchr(" \t*&:<>,~", *p)))
        p++;
    const char *stop = p, *from;
    if (p == end || *p != '(')
        return false;
    while (stop > line && stop[-1] == ' ')
        stop--;
    for (from = stop; from > line && (is_name_byte(from[-1]) || from[-1] == ':' || from[-1] == '~');)
        from--;
    bool lower = false; /* a name in capitals is a macro that is called */
    for (const char *q = from; q < stop; q++)
        lower |= *q >= 'a' && *q <= 'z';
    if (!lower || from == stop || from == line || !strchr(" *&\t", from[-1]) || (*from >= '0' && *from <= '9'))
        return false;
    const char *first = skip_word(line, stop);
    for (size_t i = 0; i < sizeof not_types / sizeof *not_types; i++)
        if ((size_t)(first - line) == strlen(not_types[i]) && !memcmp(line, not_types[i], (size_t)(first - line)))
            return false;
    int depth = 0;
    for (; p < end; p++) { /* parameters, then perhaps macros with arguments, then the body or the end */
        depth += *p == '(';
        depth -= *p == ')';
        if (depth < 0 || *p == '"' || *p == '#' || (depth == 0 && !is_name_byte(*p) && !strchr(" \t\r\n();{:,", *p)))
            return false;
        if (depth == 0 && (*p == '{' || *p == ';'))
            break;
    }
    if (p == end)
        return false;
    *name = (struct str){from, (size_t)(stop - from)};
    *kind = *p == '{' ? SYMBOL_FUNCTION : SYMBOL_PROTOTYPE;
    return true;
}

static uint32_t indent_of(const struct cutter *c, uint32_t line)
{
    uint32_t i = c->lines.v[line], end = c->lines.v[line + 1];
    while (i < end && (c->text[i] == ' ' || c->text[i] == '\t'))
        i++;
    return i < end && c->text[i] != '\n' && c->text[i] != '\r' ? i - c->lines.v[line] : UINT32_MAX; /* blank */
}

/* The last line of what begins at line: up to the closing bracket or word of the same indentation, before the next line
 * that stands as far left. */
static uint32_t last_line_of(const struct cutter *c, uint32_t line, uint32_t indent)
{
    uint32_t last = line;
    for (uint32_t i = line + 1; i + 1 < c->lines.n; i++) {
        uint32_t in = indent_of(c, i);
        if (in == UINT32_MAX)
            continue;
        if (in > indent) {
            last = i;
            continue;
        }
        const char *p = c->text + c->lines.v[i] + in;
        if (in == indent && (*p == ')' || *p == '{')) { /* the head goes on */
            last = i;
            continue;
        }
        if (in == indent && (*p == '}' || (c->lines.v[i + 1] - c->lines.v[i] - in >= 3 && !memcmp(p, "end", 3))))
            last = i;
        break;
    }
    return last;
}

static int start_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void cut_salvage(struct cutter *c)
{
    uint32_t known = known_keywords(c), had = c->defs.n, comment = 0, made = 0;
    if (!known)
        return;
    c->stack.n = 0; /* where names are defined already */
    for (uint32_t i = 0; i < had; i++)
        VEC_ADD(c->stack, c->defs.v[i].name);
    if (had)
        qsort(c->stack.v, had, sizeof *c->stack.v, start_order);
    for (uint32_t line = 0; line + 1 < c->lines.n && made < SALVAGE_MAX; line++) {
        uint32_t in = indent_of(c, line), start = c->lines.v[line] + in;
        struct str name;
        uint8_t kind;
        if (in == UINT32_MAX || in > 80)
            continue;
        while (comment < c->comments.n && c->comments.v[comment].end <= start)
            comment++;
        if (comment < c->comments.n && c->comments.v[comment].start <= start)
            continue;
        bool declared = false;
        if (!begins_definition(c->text + start, c->text + c->lines.v[line + 1], known, c->frames.n > 0, &name, &kind) &&
            !(declared = c->frames.n && in == 0 && is_name_byte(c->text[start]) && begins_function(c, start, &name, &kind)))
            continue;
        uint32_t at = (uint32_t)(name.p - c->text);
        bool there = had && bsearch(&at, c->stack.v, had, sizeof at, start_order);
        for (uint32_t k = at; !there && k < at + name.n; k++) /* found by its last part: Foo::bar */
            there = had && c->text[k] == ':' && k + 1 < at + name.n && (k++, bsearch(&(uint32_t){k + 1}, c->stack.v, had, sizeof at, start_order));
        if (there)
            continue;
        uint32_t last = last_line_of(c, line, in);
        VEC_ADD(c->defs, (struct def){.start = start, .end = c->lines.v[last + 1], .name = at, .name_end = at + (uint32_t)name.n,
                                      .line = line, .parent = RECORD_NONE, .pattern = UINT16_MAX, .kind = kind, .role = CAPTURE_DEF,
                                      .qualified = declared});
        made++;
    }
}

/* What is said of definitions and references in text: cleaned names, breadcrumbs, signatures, visibility. */
#include "indexer/cutter.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 200 /* a longer name is a sentence: a heading, a test's title */

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f';
}

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' ||
           (unsigned char)ch >= 128;
}

/* Text of a name for the record: quotes and angle brackets off, one line, valid UTF-8, at most NAME_MAX_BYTES. */
static uint32_t clean(char out[NAME_MAX_BYTES + 1], const char *p, uint32_t n)
{
    uint32_t plain = 0;
    while (plain < n && is_word(p[plain]) && (unsigned char)p[plain] < 128)
        plain++;
    if (plain == n && n <= NAME_MAX_BYTES) { /* nearly always */
        memcpy(out, p, n);
        return n;
    }
    while (n && is_space(*p))
        p++, n--;
    while (n && is_space(p[n - 1]))
        n--;
    while (n > 1 && strchr("\"'`", *p) && p[n - 1] == *p) /* not the primes of foldl' */
        p++, n -= 2;
    if (n > 2 && *p == '<' && p[n - 1] == '>')
        p++, n -= 2;
    uint32_t len = 0;
    for (uint32_t i = 0; i < n && len < NAME_MAX_BYTES;) {
        unsigned char ch = (unsigned char)p[i];
        uint32_t width = ch < 128 ? 1 : ch >= 0xc2 && ch < 0xe0 ? 2 : (ch & 0xf0) == 0xe0 ? 3 : ch >= 0xf0 && ch < 0xf5 ? 4 : 0;
        bool good = width && i + width <= n;
        for (uint32_t k = 1; good && k < width; k++)
            good = ((unsigned char)p[i + k] & 0xc0) == 0x80;
        if (!good) {
            out[len++] = '?';
            i++;
        } else if (is_space(*(p + i)) || ch < 32) {
            if (len && out[len - 1] != ' ')
                out[len++] = ' ';
            i++;
        } else if (len + width <= NAME_MAX_BYTES) {
            memcpy(out + len, p + i, width);
            len += width;
            i += width;
        } else {
            break;
        }
    }
    return len;
}

static bool says(const char *p, uint32_t n, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = p; (at = memmem(at, (size_t)(p + n - at), word, len)); at++)
        if ((at == p || !is_word(at[-1])) && (at + len == p + n || !is_word(at[len])))
            return true;
    return false;
}

static bool is_public(const struct cutter *c, const struct def *d)
{
    const char *name = c->strings.data + d->name_at, *head = c->text + d->head;
    uint32_t n = d->name > d->head ? d->name - d->head : 0; /* words before the name */
    if (n > 200)
        n = 200;
    switch ((enum visibility)c->lang->visibility) {
    case PUBLIC_EXPORTED:
        return says(head, n, "pub") || says(head, n, "public") || says(head, n, "export") || says(head, n, "exports") || says(head, n, "open");
    case PUBLIC_UNLESS_PRIVATE:
        return !(says(head, n, "private") || says(head, n, "static") || says(head, n, "internal") || says(head, n, "local") ||
                 says(head, n, "protected") || says(head, n, "defp"));
    case PUBLIC_UNDERSCORE:
        return d->name_len && name[0] != '_';
    case PUBLIC_CAPITAL:
        return d->name_len && ((name[0] >= 'A' && name[0] <= 'Z') || (unsigned char)name[0] >= 128);
    }
    return true;
}

void cut_name_symbols(struct cutter *c)
{
    char text[NAME_MAX_BYTES + 1];
    struct buf line = BUF_INIT;
    for (uint32_t i = 0; i < c->defs.n; i++) {
        struct def *d = &c->defs.v[i];
        d->name_len = clean(text, c->text + d->name, d->name_end - d->name);
        d->name_at = cut_intern(c, text, d->name_len);
    }
    for (uint32_t i = 0; i < c->defs.n; i++) { /* "Outer › method": a parent may come later, so names first */
        struct def *d = &c->defs.v[i];
        uint32_t chain[6], depth = 0;
        buf_clear(&line);
        for (uint32_t p = d->parent; p != RECORD_NONE && depth < 6; p = c->defs.v[p].parent)
            chain[depth++] = p;
        while (depth > 0) {
            const struct def *p = &c->defs.v[chain[--depth]];
            buf_add(&line, c->strings.data + p->name_at, p->name_len);
            buf_adds(&line, " › ");
        }
        if (d->scope_end > d->scope) {
            buf_add(&line, text, clean(text, c->text + d->scope, d->scope_end - d->scope));
            buf_adds(&line, " › ");
        }
        buf_add(&line, c->strings.data + d->name_at, d->name_len);
        d->crumb_at = cut_intern(c, line.data ? line.data : "", (uint32_t)line.len);
        d->crumb_len = (uint32_t)line.len;
        buf_clear(&line);
        cut_signature(&line, c, d);
        d->sig_at = cut_intern(c, line.data ? line.data : "", (uint32_t)line.len);
        d->sig_len = (uint32_t)line.len;
        if (is_public(c, d))
            d->flags |= SYMBOL_PUBLIC;
    }
    buf_release(&line);
}

/* References: the innermost definition around each; the same name of the same kind counts once in one definition. */
void cut_settle_refs(struct cutter *c)
{
    char text[NAME_MAX_BYTES + 1];
    uint32_t next = 0, kept = 0, size = 64;
    while (size < c->refs.n * 2)
        size *= 2;
    uint32_t *seen = mem_zero(size, sizeof *seen);
    c->stack.n = 0;
    for (uint32_t i = 0; i < c->refs.n; i++) {
        struct ref r = c->refs.v[i];
        r.def = cut_open_at(c, &next, r.start);
        if (r.kind == REF_IMPORT && i + 1 < c->refs.n && c->refs.v[i + 1].start == r.start && c->refs.v[i + 1].kind == REF_EXPORT)
            continue; /* pub use: said once */
        if ((r.kind == REF_TYPE || r.kind == REF_CALL) && r.def != RECORD_NONE && c->defs.v[r.def].name == r.start)
            continue; /* the defined name itself */
        if (r.kind == REF_CALL && !is_word(c->text[r.start]) && !strchr("@$#", c->text[r.start]))
            continue; /* an operator, a bracket where the syntax is broken */
        if (r.kind == REF_TYPE && (r.end == r.start + 1 || (i && c->refs.v[i - 1].start == r.start) || (r.def != RECORD_NONE && c->defs.v[r.def].name == r.start)))
            continue; /* a type parameter; said already by another kind */
        static const char import[] = "import "; /* where the statement has no node for its path */
        if (r.kind == REF_IMPORT && r.end - r.start > sizeof import && !memcmp(c->text + r.start, import, sizeof import - 1))
            r.start += sizeof import - 1;
        r.name_len = clean(text, c->text + r.start, r.end - r.start);
        r.name_at = cut_intern(c, text, r.name_len);
        if (!r.name_len)
            continue;
        uint32_t h = (r.name_at * 0x9E3779B1u) ^ (r.def * 0x85EBCA6Bu) ^ r.kind;
        h ^= h >> 15;
        bool again = false;
        for (h &= size - 1; seen[h]; h = (h + 1) & (size - 1)) {
            const struct ref *o = &c->refs.v[seen[h] - 1];
            if (o->name_at == r.name_at && o->def == r.def && o->kind == r.kind) {
                again = true;
                break;
            }
        }
        if (r.kind == REF_IMPORT)
            c->nimports++;
        if (r.kind == REF_EXPORT)
            c->nexports++;
        if (again)
            continue;
        c->refs.v[kept++] = r;
        seen[h] = kept;
    }
    c->refs.n = kept;
    free(seen);
}

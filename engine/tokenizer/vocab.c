#include "engine/tokenizer/vocab.h"

#include "base/hash.h"
#include "base/mem.h"
#include "engine/tokenizer/expression.h"
#include "engine/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

void vocab_release(struct vocab *v)
{
    free(v->token);
    free(v->slot);
    buf_release(&v->texts);
    *v = (struct vocab){0};
}

int vocab_add(struct vocab *v, const char *text, size_t n, double score, enum token_kind kind, struct err *e)
{
    if (n > TOKEN_BYTES_MAX)
        return err_set(e, ERR_FORMAT, "token %u has %zu bytes", v->n, n);
    if (v->n == VOCAB_MAX || v->texts.len + n > VOCAB_BYTES_MAX)
        return err_set(e, ERR_FORMAT, "more than %d tokens or %u MiB of them", VOCAB_MAX, VOCAB_BYTES_MAX >> 20);
    VEC_ROOM(v->token, v->n, v->cap);
    v->token[v->n++] = (struct token){.text = (uint32_t)v->texts.len, .ntext = (uint32_t)n, .score = score, .kind = (uint8_t)kind};
    buf_add(&v->texts, text, n);
    return 0;
}

int token_byte(const char *s, size_t n)
{
    uint8_t b;
    char hex[3] = {n == 6 ? s[3] : 'x', n == 6 ? s[4] : 'x', 0};
    return n == 6 && !memcmp(s, "<0x", 3) && s[5] == '>' && hex_to(&b, hex, 1) == 1 ? b : -1;
}

bool letters_to_bytes(char *to, size_t *nto, const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    size_t m = 0;
    while (p < end) {
        int k;
        uint32_t c = unicode_decode(p, end, &k);
        int b = c < 0x100 ? (int)c : c <= 0x120 ? (int)c - 0x100 : c <= 0x142 ? (int)c - 0x121 + 0x7F : c == 0x143 ? 0xAD : -1;
        if (b < 0 || expression_letter((uint8_t)b) != c)
            return false;
        to[m++] = (char)b;
        p += k;
    }
    *nto = m;
    return true;
}

/* false: letters that stand for no bytes, so that no text is made of it. */
static bool spell(struct vocab *v, struct token *t, enum spelling how)
{
    static const char blank[] = "\xe2\x96\x81";
    char *from, *to;
    size_t n = t->ntext, m = 0;
    t->bytes = t->text;
    t->nbytes = t->ntext;
    if (how == SPELL_PLAIN || t->guarded || t->kind == TOKEN_UNKNOWN || t->kind == TOKEN_USER)
        return true;
    to = buf_room(&v->texts, n + 1);
    from = v->texts.data + t->text;
    int byte = how == SPELL_BLANKS ? token_byte(from, n) : -1;
    if (byte >= 0 && t->kind == TOKEN_BYTE) {
        to[m++] = (char)byte;
    } else if (how == SPELL_LETTERS) {
        if (!letters_to_bytes(to, &m, from, n))
            return false;
    } else if (how == SPELL_PIECES) {
        bool goes_on = n > 2 && from[0] == '#' && from[1] == '#';
        if (!goes_on)
            to[m++] = ' ';
        memcpy(to + m, from + 2 * goes_on, n - 2 * goes_on);
        m += n - 2 * goes_on;
    } else {
        for (size_t i = 0; i < n;) {
            bool is = n - i >= 3 && !memcmp(from + i, blank, 3);
            to[m++] = is ? ' ' : from[i];
            i += is ? 3 : 1;
        }
    }
    if (m == n && !memcmp(to, from, n))
        return true;
    t->bytes = (uint32_t)v->texts.len;
    t->nbytes = (uint32_t)m;
    v->texts.len += m;
    return true;
}

static size_t slot_of(const struct vocab *v, const char *p, size_t n)
{
    return hash64(p, n) & v->mask;
}

int vocab_ready(struct vocab *v, enum spelling how, const char *name, struct err *e)
{
    bool letters = how == SPELL_LETTERS;
    size_t size = 64;
    v->by_bytes = letters;
    while (size < 2 * (size_t)v->n)
        size *= 2;
    v->slot = mem_zero(size, sizeof *v->slot);
    v->mask = size - 1;
    if (v->texts.len > VOCAB_BYTES_MAX)
        return err_set(e, ERR_FORMAT, "%s: too many bytes of tokens", name);
    for (uint32_t id = 0; id < v->n; id++) { /* by text first: each once */
        size_t n, m, i;
        const char *p = token_text(v, id, &n);
        if (!n) /* gaps between ids: as many as a file likes, and all of one hash */
            continue;
        for (i = slot_of(v, p, n); v->slot[i]; i = (i + 1) & v->mask) {
            const char *q = token_text(v, v->slot[i] - 1, &m);
            if (m == n && !memcmp(p, q, n))
                return err_set(e, ERR_FORMAT, "%s: tokens %u and %u are both \"%.*s\"", name, v->slot[i] - 1, id, (int)(n < 60 ? n : 60), p);
        }
        v->slot[i] = id + 1;
    }
    memset(v->slot, 0, size * sizeof *v->slot);
    for (uint32_t id = 0; id < v->n; id++) {
        struct token *t = &v->token[id];
        if (!spell(v, t, how) || t->guarded || t->apart || t->kind == TOKEN_UNKNOWN || t->kind == TOKEN_BYTE || t->kind == TOKEN_CONTROL || (letters && t->kind == TOKEN_USER))
            continue;
        const char *p = v->texts.data + (letters ? t->bytes : t->text);
        size_t n = letters ? t->nbytes : t->ntext, i = slot_of(v, p, n);
        if (!n || vocab_find(v, p, n) != TOKEN_NONE) /* two spellings of the same bytes: the first */
            continue;
        while (v->slot[i])
            i = (i + 1) & v->mask;
        v->slot[i] = id + 1;
        if (n > v->longest)
            v->longest = n;
    }
    return 0;
}

uint32_t vocab_find(const struct vocab *v, const char *p, size_t n)
{
    for (size_t i = slot_of(v, p, n); v->slot[i]; i = (i + 1) & v->mask) {
        uint32_t id = v->slot[i] - 1;
        const struct token *t = &v->token[id];
        if ((v->by_bytes ? t->nbytes : t->ntext) == n && !memcmp(v->texts.data + (v->by_bytes ? t->bytes : t->text), p, n))
            return id;
    }
    return TOKEN_NONE;
}

uint32_t vocab_named(const struct vocab *v, const char *text, size_t n)
{
    for (uint32_t id = 0; id < v->n; id++)
        if (v->token[id].ntext == n && !memcmp(v->texts.data + v->token[id].text, text, n))
            return id;
    return TOKEN_NONE;
}

#define _GNU_SOURCE
#include "engine/tokenizer/tokenizer.h"

#include "base/hash.h"
#include "base/mem.h"
#include "engine/tokenizer/memory.h"
#include "engine/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct tokenizer_memory *tokenizer_memory_new(void)
{
    return mem_zero(1, sizeof(struct tokenizer_memory));
}

void tokenizer_memory_free(struct tokenizer_memory *m)
{
    if (!m)
        return;
    bpe_scratch_release(&m->bpe);
    unigram_scratch_release(&m->unigram);
    for (int i = 0; i < 2; i++)
        buf_release(&m->normal[i]);
    buf_release(&m->blanks);
    buf_release(&m->prefixed);
    wordpiece_memory_free(m->pieces);
    free(m);
}

static void memory_for(struct tokenizer_memory *m, const struct tokenizer *t)
{
    if (m->stamp == t->stamp)
        return;
    memset(m->brief, 0, sizeof m->brief);
    memset(m->lengthy, 0, sizeof m->lengthy);
    wordpiece_memory_free(m->pieces);
    m->pieces = NULL;
    m->stamp = t->stamp;
}

/* One text on its way. */
struct pass {
    const struct tokenizer *t;
    struct tokenizer_memory *m;
    uint32_t **out;
    size_t *n, *cap;
    size_t piece; /* ids before the piece: an unknown before it is another's */
};

static void put(struct pass *p, const uint32_t *id, size_t n)
{
    if (n && p->t->fuse && id[0] == p->t->unk && *p->n > p->piece && (*p->out)[*p->n - 1] == id[0])
        id++, n--;
    if (*p->n + n > *p->cap) {
        *p->cap = *p->n + n > 2 * *p->cap ? *p->n + n : 2 * *p->cap;
        if (*p->cap < 64)
            *p->cap = 64;
        *p->out = mem_grow(*p->out, *p->cap, sizeof **p->out);
    }
    for (size_t i = 0; i < n; i++)
        (*p->out)[*p->n + i] = id[i];
    *p->n += n;
}

/* Characters without a token: a token for each byte, or unknown, or nothing at all. */
static void put_unknown(struct pass *p, const char *s, size_t n)
{
    const struct tokenizer *t = p->t;
    bool all = t->bytes_fallback || t->letters;
    for (size_t i = 0; i < n && all && !t->letters; i++)
        all = t->byte_id[(uint8_t)s[i]] != TOKEN_NONE;
    if (!all || t->letters) {
        if (t->unk != TOKEN_NONE)
            put(p, &t->unk, 1);
        return;
    }
    for (size_t i = 0; i < n; i++)
        put(p, &t->byte_id[(uint8_t)s[i]], 1);
}

static void bpe_word(struct pass *p, const char *s, size_t len)
{
    const struct tokenizer *t = p->t;
    struct bpe_scratch *b = &p->m->bpe;
    size_t n = 0;
    if (t->whole && len <= t->vocab.longest) {
        uint32_t id = vocab_find(&t->vocab, s, len);
        if (id != TOKEN_NONE) {
            put(p, &id, 1);
            return;
        }
    }
    bpe_room(b, len);
    if (t->letters) {
        for (; n < len; n++)
            b->symbol[n] = (struct symbol){t->byte_id[(uint8_t)s[n]], (uint32_t)n};
    } else {
        for (size_t i = 0; i < len;) {
            int k;
            unicode_decode((const uint8_t *)s + i, (const uint8_t *)s + len, &k);
            b->symbol[n++] = (struct symbol){vocab_find(&t->vocab, s + i, (size_t)k), (uint32_t)i};
            i += (size_t)k;
        }
    }
    n = bpe_merge(&t->bpe, b, n);
    for (size_t i = 0; i < n; i++) {
        if (b->symbol[i].id != TOKEN_NONE)
            put(p, &b->symbol[i].id, 1);
        else
            put_unknown(p, s + b->symbol[i].at, (i + 1 < n ? b->symbol[i + 1].at : len) - b->symbol[i].at);
    }
}

static void unigram_word(struct pass *p, const char *s, size_t len)
{
    const struct tokenizer *t = p->t;
    unigram_cut(&t->unigram, &t->vocab, &p->m->unigram, s, len);
    struct unigram_best *best = p->m->unigram.best;
    /* turn the way round: best[from].from becomes the end of the token that begins there */
    uint32_t end = (uint32_t)len, from = best[end].from, id = best[end].id;
    while (true) {
        uint32_t before = best[from].from, before_id = best[from].id;
        best[from].from = end;
        best[from].id = id;
        if (!from)
            break;
        end = from, from = before, id = before_id;
    }
    for (uint32_t at = 0; at < len; at = best[at].from) {
        if (best[at].id != TOKEN_NONE)
            put(p, &best[at].id, 1);
        else
            put_unknown(p, s + at, best[at].from - at);
    }
}

static void word_made(struct pass *p, const char *s, size_t len)
{
    if (p->t->kind == MODEL_UNIGRAM)
        unigram_word(p, s, len);
    else
        bpe_word(p, s, len);
}

/* May what was appended from `before` on be kept for the same word elsewhere? An unknown that was fused may not. */
static bool clean(const struct pass *p, size_t before, size_t most)
{
    size_t n = *p->n - before;
    if (n > most)
        return false;
    for (size_t i = before; p->t->fuse && i < *p->n; i++)
        if ((*p->out)[i] == p->t->unk)
            return false;
    return n > 0;
}

static void word_long(struct pass *p, const char *s, size_t len)
{
    size_t before = *p->n;
    struct known_long *k = &p->m->lengthy[hash64(s, len) >> (64 - LONG_BITS)];
    if (len <= LONG_BYTES && k->len == len && !memcmp(k->word, s, len)) {
        put(p, k->id, k->n);
        return;
    }
    word_made(p, s, len);
    if (len <= LONG_BYTES && clean(p, before, LONG_IDS)) {
        k->len = (uint8_t)len;
        k->n = (uint8_t)(*p->n - before);
        memcpy(k->word, s, len);
        memcpy(k->id, *p->out + before, k->n * sizeof *k->id);
    }
}

static inline void word(struct pass *p, const char *s, size_t len)
{
    uint64_t a, b;
    if (len > 16) {
        word_long(p, s, len);
        return;
    }
    word_load(&a, &b, s, len);
    struct known_short *k = &p->m->brief[word_slot(a, b, len)];
    if (k->len == len && k->a == a && k->b == b) {
        put(p, k->id, k->n);
        return;
    }
    size_t before = *p->n;
    word_made(p, s, len);
    if (clean(p, before, SHORT_IDS)) {
        *k = (struct known_short){a, b, (uint8_t)len, (uint8_t)(*p->n - before), {0}};
        memcpy(k->id, *p->out + before, k->n * sizeof *k->id);
    }
}

/* A piece that no step cuts further. */
static void piece_done(struct pass *p, const char *s, size_t len)
{
    p->piece = *p->n;
    if (!p->t->cut_blanks) {
        if (len)
            word(p, s, len);
        return;
    }
    for (size_t at = 0; at < len;) { /* before each U+2581 that follows something else */
        size_t end = at;
        while (len - end >= 3 && !memcmp(s + end, "\xe2\x96\x81", 3))
            end += 3;
        const char *next = end < len ? memmem(s + end, len - end, "\xe2\x96\x81", 3) : NULL;
        end = next ? (size_t)(next - s) : len;
        word(p, s + at, end - at);
        at = end;
    }
}

static void steps(struct pass *p, int k, const char *s, size_t len, bool first);

/* What a step's expression finds, and what lies between, one after the other. */
struct cutter {
    const struct step *step;
    const char *s;
    size_t len, at;      /* all before `at` was handed out */
    size_t from, to;     /* the next find, where ahead */
    bool ahead, over;    /* over: nothing more is found */
};

static bool next_part(struct cutter *c, size_t *from, size_t *to, bool *found)
{
    if (c->at >= c->len)
        return false;
    if (!c->ahead && !c->over) {
        c->ahead = expression_find(c->step->x, c->s, c->len, c->at, &c->from, &c->to);
        c->over = !c->ahead;
    }
    *from = c->at;
    *found = c->ahead && c->from == c->at;
    *to = *found ? c->to : c->ahead ? c->from : c->len;
    if (*found)
        c->ahead = false;
    *found ^= c->step->invert;
    c->at = *to;
    return true;
}

static void cut(struct pass *p, int k, const char *s, size_t len, bool first)
{
    struct cutter c = {.step = &p->t->step[k], .s = s, .len = len};
    enum cut how = c.step->cut;
    size_t from, to, held = 0, held_to = 0; /* a part that waits for its neighbour: [held, held_to) */
    bool found, held_found = false;
    while (next_part(&c, &from, &to, &found)) {
        bool joins = (how == CUT_CONTIGUOUS && found && held_found) || (how == CUT_MERGED_PREVIOUS && found && !held_found) ||
                     (how == CUT_MERGED_NEXT && !found && held_found);
        if (how == CUT_ISOLATED || how == CUT_REMOVED) {
            if (how == CUT_ISOLATED || !found)
                steps(p, k + 1, s + from, to - from, first && !from);
            continue;
        }
        if (held_to > held && joins) {
            held_to = to;
        } else {
            if (held_to > held)
                steps(p, k + 1, s + held, held_to - held, first && !held);
            held = from;
            held_to = to;
        }
        held_found = found;
    }
    if (held_to > held)
        steps(p, k + 1, s + held, held_to - held, first && !held);
}

static void steps(struct pass *p, int k, const char *s, size_t len, bool first)
{
    if (k == p->t->nstep) {
        piece_done(p, s, len);
        return;
    }
    const struct step *step = &p->t->step[k];
    if (step->kind == STEP_CUT) {
        cut(p, k, s, len, first);
    } else if (step->kind == STEP_PREFIX) {
        struct buf *b = &p->m->prefixed;
        buf_clear(b);
        if (!len || s[0] != ' ')
            buf_addc(b, ' ');
        buf_add(b, s, len);
        steps(p, k + 1, b->data, b->len, first);
    } else {
        struct buf *b = &p->m->blanks;
        size_t mark = strlen(step->text);
        buf_clear(b);
        for (size_t i = 0; i < len; i++) {
            if (s[i] == ' ')
                buf_add(b, step->text, mark);
            else
                buf_addc(b, s[i]);
        }
        if ((step->prepend == PREPEND_ALWAYS || (step->prepend == PREPEND_FIRST && first)) &&
            (b->len < mark || memcmp(b->data, step->text, mark))) {
            buf_room(b, mark);
            memmove(b->data + mark, b->data, b->len);
            memcpy(b->data, step->text, mark);
            b->len += mark;
        }
        steps(p, k + 1, b->data, b->len, first);
    }
}

/* A stretch without added tokens, normal already. */
static void normal(struct pass *p, const char *s, size_t len, bool first)
{
    if (!len)
        return;
    if (p->t->kind != MODEL_WORDPIECE) {
        steps(p, 0, s, len, first);
        return;
    }
    if (!p->m->pieces)
        p->m->pieces = wordpiece_memory_new();
    size_t most = 4 * len + 16; /* a code point decomposes into four at most, each a piece */
    if (*p->n + most > *p->cap) {
        *p->cap = *p->n + most;
        *p->out = mem_grow(*p->out, *p->cap, sizeof **p->out);
    }
    *p->n += wordpiece_pieces(p->t->wordpiece, p->m->pieces, s, len, *p->out + *p->n, most);
}

/* The character that begins at `at`, or the one that ends there; *from: where it begins. */
static uint32_t neighbour(const char *s, size_t len, size_t at, bool behind, size_t *from)
{
    int k;
    *from = behind ? at : at - 1;
    while (!behind && *from && at - *from < 4 && ((uint8_t)s[*from] & 0xC0) == 0x80)
        --*from;
    return unicode_decode((const uint8_t *)s + *from, (const uint8_t *)s + len, &k);
}

/* Does a word go on there, as \w has it? */
static bool in_word(const char *s, size_t len, size_t at, bool behind)
{
    size_t from;
    if (behind ? at >= len : !at)
        return false;
    uint32_t c = neighbour(s, len, at, behind, &from);
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D;
}

/* The end of the blanks that begin at `at`, and the begin of those that end there. */
static size_t blanks_behind(const char *s, size_t len, size_t at)
{
    size_t from;
    int k;
    while (at < len && unicode_is_blank(neighbour(s, len, at, true, &from))) {
        unicode_decode((const uint8_t *)s + at, (const uint8_t *)s + len, &k);
        at += (size_t)k;
    }
    return at;
}

static size_t blanks_before(const char *s, size_t len, size_t at)
{
    size_t from;
    while (at && unicode_is_blank(neighbour(s, len, at, false, &from)))
        at = from;
    return at;
}

/* The longest added token of a round at s + at that may stand there; its length, 0: none. */
static size_t added_at(const struct tokenizer *t, int round, const char *s, size_t len, size_t at, const uint8_t *literal,
                       const struct added **which)
{
    const struct added_set *set = &t->set[round];
    const struct trie_slot *slot = set->trie.slot;
    uint32_t state = 0;
    size_t found = 0;
    bool mine = literal != NULL; /* all bytes so far are literal */
    for (size_t i = at; i < len; i++) {
        uint32_t next = slot[state].base ^ (uint8_t)s[i];
        if (slot[next].parent != state)
            break;
        state = next;
        mine = mine && literal[i];
        if (slot[state].value < 0)
            continue;
        const struct added *a = &t->added[slot[state].value];
        if ((a->guarded && !mine) || (a->word && (in_word(s, len, at, false) || in_word(s, len, i + 1, true))))
            continue;
        *which = a;
        found = i + 1 - at;
    }
    return found;
}

static void stretch(struct pass *p, int round, const char *s, size_t len, const uint8_t *literal, bool first);

static void normalized(struct pass *p, const char *s, size_t len, bool first)
{
    const struct tokenizer *t = p->t;
    bool ascii = true, turn = false;
    for (size_t i = 0; i < len && ascii; i++)
        ascii = (uint8_t)s[i] < 0x80;
    for (int i = 0; i < t->nnorm; i++) {
        if (ascii && norm_keeps_ascii(&t->norm[i]))
            continue;
        struct buf *b = &p->m->normal[turn];
        buf_clear(b);
        buf_room(b, len);
        norm_run(&t->norm[i], b, s, len);
        s = b->data, len = b->len;
        turn = !turn;
        ascii = false;
    }
    if (len)
        stretch(p, ADDED_NORMAL, s, len, NULL, first);
}

static void stretch_done(struct pass *p, int round, const char *s, size_t len, const uint8_t *literal, bool first)
{
    if (!len)
        return;
    if (round == ADDED_RAW)
        stretch(p, ADDED_SECOND, s, len, literal, first);
    else if (round == ADDED_SECOND)
        normalized(p, s, len, first);
    else
        normal(p, s, len, first);
}

/* Takes a round's added tokens out; what lies between goes on. first: the text begins here. */
static void stretch(struct pass *p, int round, const char *s, size_t len, const uint8_t *literal, bool first)
{
    const struct tokenizer *t = p->t;
    const struct added_set *set = &t->set[round];
    size_t done = 0;
    if (!set->any || (!literal && !set->any_free)) {
        stretch_done(p, round, s, len, literal, first);
        return;
    }
    for (size_t i = 0; i < len;) {
        const struct added *a = NULL;
        size_t n = set->begins[(uint8_t)s[i]] ? added_at(t, round, s, len, i, literal, &a) : 0;
        if (!n) {
            i++;
            continue;
        }
        size_t from = a->lstrip ? blanks_before(s, len, i) : i;
        if (from > done)
            stretch_done(p, round, s + done, from - done, literal ? literal + done : NULL, first && !done);
        p->piece = *p->n;
        put(p, &a->id, 1);
        i += n;
        done = a->rstrip ? blanks_behind(s, len, i) : i; /* a token of blanks that begins in there is found all the same */
    }
    stretch_done(p, round, s + done, len - done, literal ? literal + done : NULL, first && !done);
}

void tokenizer_encode(const struct tokenizer *t, struct tokenizer_memory *m, const char *text, size_t len, const uint8_t *literal,
                      uint32_t **out, size_t *n, size_t *cap)
{
    struct pass p = {t, m, out, n, cap, *n};
    memory_for(m, t);
    if (len)
        stretch(&p, ADDED_RAW, text, len, literal, true);
}

const struct tokenizer_info *tokenizer_info(const struct tokenizer *t)
{
    return &t->info;
}

bool tokenizer_ends(const struct tokenizer *t, uint32_t id)
{
    for (int i = 0; i < t->nend; i++)
        if (t->end[i] == id)
            return true;
    return false;
}

const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, bool special, size_t *len)
{
    *len = 0;
    if (id >= t->vocab.n)
        return "";
    const struct token *k = &t->vocab.token[id];
    if (!special && (k->kind == TOKEN_CONTROL || k->kind == TOKEN_UNKNOWN))
        return "";
    *len = k->nbytes;
    return t->vocab.texts.data + k->bytes;
}

uint32_t tokenizer_special(const struct tokenizer *t, const char *text, size_t len)
{
    for (size_t i = 0; i < t->nadded; i++) {
        size_t n;
        const char *s = token_text(&t->vocab, t->added[i].id, &n);
        if (n == len && !memcmp(s, text, n))
            return t->added[i].id;
    }
    return TOKEN_NONE;
}

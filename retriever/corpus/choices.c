/* Questions with several sources: which one answers, and that none does. Learned ones are answered with a text; held-out ones are a choice
 * between texts, ranked by likelihood, so that a model of any size can be measured. */
#include "retriever/corpus/inside.h"

#include <string.h>

#define SOURCES 4

static const char refusal[] = "The sources do not say."; /* as the answerer asks for it (pack.c) */

static bool same_name(const struct known *a, const struct known *b)
{
    return str_same(a->name, b->name) || str_same(a->says, b->says);
}

/* Others, each once, drawn from x: of its side, and of its kind of symbol where kind is asked for, where those of the other side are taken if its own
 * has too few (what was learned is likelier than what was not, whatever is asked). Returns their number. */
static size_t others(const struct known **out, size_t most, const struct maker *m, size_t x, bool kind)
{
    const struct known *k = &m->known[x];
    size_t n = 0;
    for (uint64_t i = 0; i < (kind ? 120 : 40) * most && n < most; i++) {
        const struct known *o = &m->known[drawn(m, &k->blob, BLOB, (uint64_t)k->first << 16 ^ i, (uint32_t)m->nknown)];
        bool fits = o->repo == k->repo && !same_name(o, k) && (!kind || o->kind == k->kind) && (o->held == k->held || (kind && i >= 80 * most));
        for (size_t j = 0; j < n && fits; j++)
            fits = !same_name(o, out[j]);
        if (fits)
            out[n++] = o;
    }
    return n;
}

static void sources(struct buf *b, struct contents *c, const struct maker *m, const struct known *const *s, size_t n, struct str says)
{
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, "[%zu] %.*s:%u-%u · %.*s\n%.*s\n", i + 1, (int)s[i]->path.n, s[i]->path.p, s[i]->first, s[i]->last, (int)s[i]->name.n, s[i]->name.p,
                 (int)s[i]->code.n, s[i]->code.p);
        contents_add(c, m, s[i]->blob, s[i]->held);
    }
    buf_addf(b, "\nWhich source does this: %.*s", (int)says.n, says.p);
}

static struct str named(struct buf *b, size_t number, const struct known *k)
{
    buf_clear(b);
    buf_addf(b, "`%.*s` does [%zu].", (int)k->name.n, k->name.p, number);
    return (struct str){b->data, b->len};
}

/* With the right one among the sources, or without it. */
static void about(struct maker *m, size_t x, bool answered)
{
    const struct known *k = &m->known[x], *s[SOURCES + 1];
    size_t n = others(s, SOURCES, m, x, false), right = drawn(m, &k->blob, BLOB, (uint64_t)k->first << 16 ^ 0xffff, SOURCES);
    struct buf prompt = BUF_INIT, right_text = BUF_INIT, other_text = BUF_INIT;
    struct contents c = {0};
    struct draft d = {.repo = k->repo, .texts = 1};
    if (n < SOURCES)
        return;
    size_t other = (right + 1) % SOURCES;
    if (answered)
        s[right] = k;
    sources(&prompt, &c, m, s, SOURCES, k->says);
    contents_add(&c, m, k->blob, k->held); /* the question is made of it */
    d.prompt = (struct str){prompt.data, prompt.len};
    struct str refuse = str_of(refusal), name = named(&right_text, right + 1, s[right]), wrong = named(&other_text, other + 1, s[other]);
    if (!k->held) {
        d.kind = answered ? CORPUS_SOURCE : CORPUS_REFUSE;
        d.text[0] = answered ? name : refuse;
        lesson_add(m, false, &d, &c);
    } else {
        d.kind = CORPUS_UNANSWERABLE;
        d.texts = 2;
        d.text[0] = refuse;
        d.text[1] = answered ? name : wrong;
        d.right = answered;
        lesson_add(m, true, &d, &c);
        if (answered) {
            d.kind = CORPUS_CITE;
            d.texts = SOURCES;
            d.right = (uint8_t)right;
            struct buf each[SOURCES] = {0};
            for (size_t i = 0; i < SOURCES; i++)
                d.text[i] = named(&each[i], i + 1, s[i]);
            lesson_add(m, true, &d, &c);
            for (size_t i = 0; i < SOURCES; i++)
                buf_release(&each[i]);
        }
    }
    buf_release(&prompt);
    buf_release(&right_text);
    buf_release(&other_text);
}

static void definition(struct maker *m, size_t x)
{
    const struct known *k = &m->known[x], *o[CORPUS_TEXTS - 1];
    struct contents c = {0};
    struct buf prompt = BUF_INIT;
    struct draft d = {.kind = k->held ? CORPUS_DEFINITION : CORPUS_WHICH, .repo = k->repo, .texts = k->held ? CORPUS_TEXTS : 1};
    if (k->held && others(o, CORPUS_TEXTS - 1, m, x, true) < CORPUS_TEXTS - 1)
        return;
    d.right = k->held ? (uint8_t)drawn(m, &k->blob, BLOB, (uint64_t)k->first << 16 ^ 0xfffe, CORPUS_TEXTS) : 0;
    buf_addf(&prompt, "Which %s does this: %.*s", symbol_kind_name((enum symbol_kind)k->kind), (int)k->says.n, k->says.p);
    d.prompt = (struct str){prompt.data, prompt.len};
    for (size_t i = 0, j = 0; i < d.texts; i++) {
        const struct known *s = i == d.right ? k : o[j++];
        d.text[i] = s->signature;
        contents_add(&c, m, s->blob, s->held);
    }
    lesson_add(m, k->held, &d, &c);
    buf_release(&prompt);
}

void lessons_of_choice(struct maker *m)
{
    for (size_t i = 0; i < m->nknown; i++) {
        about(m, i, drawn(m, &m->known[i].blob, BLOB, (uint64_t)m->known[i].first << 16 ^ 0xfffd, 2));
        definition(m, i);
    }
}

#include "retriever/query.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* Words that ask rather than name. Verbs that code uses as names (get, set, run …) stay. Sorted. */
static const char *const stop[] = {
    "a",     "about", "across",  "after", "all",   "am",    "an",     "and",         "any",    "are",   "as",    "at",
    "be",    "been",  "before",  "being", "between", "but", "by",     "can",         "code",   "could", "defined",
    "did",   "do",    "does",    "during", "each", "for",   "from",   "has",         "have",   "how",   "i",     "if",
    "implement", "implementation", "implemented", "implements", "in", "into", "is",  "it",     "its",   "me",    "my",
    "not",   "of",    "on",      "or",    "our",   "over",  "place",  "should",      "show",   "so",    "some",  "tell",
    "than",  "that",  "the",     "their", "them",  "then",  "there",  "these",       "they",   "this",  "through", "to",
    "under", "us",    "used",    "uses",  "using", "via",   "was",    "we",          "were",   "what",  "when",  "where",
    "which", "while", "who",     "why",   "will",  "with",  "without", "work",       "works",  "would", "you",   "your",
};

static bool is_stop(const char *w, size_t n)
{
    return words_hold(stop, sizeof stop / sizeof *stop, w, n);
}

static int find_term(const struct query *q, const char *text, size_t n)
{
    for (unsigned i = 0; i < q->nterms; i++)
        if (q->term[i].len == n && !memcmp(q->term[i].text, text, n))
            return (int)i;
    return -1;
}

static int add_term(struct query *q, const char *text, size_t n, float weight, bool whole, bool joined)
{
    if (!n || n > WORD_MAX)
        return -1;
    int at = find_term(q, text, n);
    if (at >= 0)
        return at;
    if (q->nterms == QUERY_TERMS)
        return -1;
    struct query_term *t = &q->term[q->nterms];
    *t = (struct query_term){.len = (uint8_t)n, .weight = weight, .whole = whole, .joined = joined};
    memcpy(t->text, text, n);
    char stem[WORD_MAX];
    memcpy(stem, text, n);
    t->term = term_of(TERM_WORD, stem, word_stem(stem, n));
    for (unsigned i = 0; i < q->nterms; i++) /* "encode encoding": one term, counted once */
        if (q->term[i].term == t->term)
            return (int)i;
    return (int)q->nterms++;
}

static void add_name(struct query *q, struct str text, struct str scope, float weight, uint64_t terms)
{
    if (!text.n || text.n > 200 || q->nnames == QUERY_NAMES)
        return;
    for (unsigned i = 0; i < q->nnames; i++)
        if (q->name[i].text.n == text.n && !memcmp(q->name[i].text.p, text.p, text.n)) {
            if (q->name[i].weight < weight)
                q->name[i].weight = weight;
            return;
        }
    q->name[q->nnames++] = (struct query_name){text, scope, weight, terms};
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 128;
}

/* Inner capitals, underscores, digits between letters, or a sigil: nobody types these in prose. */
static bool looks_like_name(struct str s)
{
    bool lower = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '_' || c == '$' || (lower && c >= 'A' && c <= 'Z'))
            return true;
        lower |= c >= 'a' && c <= 'z';
    }
    /* HTTPException has a lower-case tail after capitals; plain "HTTP" and "Session" may be prose */
    return s.n > 3 && isupper((unsigned char)s.p[0]) && isupper((unsigned char)s.p[1]) && lower;
}

/* One run of name characters with separators inside: a.b, A::b, a->b, a#b, a/b. */
static size_t run_end(struct str s, size_t at)
{
    size_t i = at;
    while (i < s.n) {
        if (name_char(s.p[i])) {
            i++;
            continue;
        }
        size_t sep = 0;
        if (i + 2 < s.n && ((s.p[i] == ':' && s.p[i + 1] == ':') || (s.p[i] == '-' && s.p[i + 1] == '>')))
            sep = 2;
        else if (i + 1 < s.n && (s.p[i] == '.' || s.p[i] == '#'))
            sep = 1;
        if (!sep || !name_char(s.p[i + sep]))
            break;
        i += sep;
    }
    return i;
}

static void add_run(struct query *q, struct str run, size_t at, bool quoted)
{
    /* terms of the run: parts and wholes */
    struct words w;
    struct word out;
    uint64_t terms = 0;
    words_init(&w, run.p, run.n);
    unsigned parts = 0;
    uint32_t part_mask = 0;
    while (words_next(&w, &out)) {
        bool whole = out.kind == WORD_WHOLE;
        if (!whole && is_stop(out.text, out.len) && !quoted && out.len == run.n)
            continue;
        int t = add_term(q, out.text, out.len, 1, whole, false);
        if (t < 0)
            continue;
        terms |= 1ull << t;
        if (whole)
            q->term[t].part_of = part_mask, part_mask = 0;
        else
            part_mask |= 1u << (t & 31);
        parts += !whole;
    }
    if (!terms)
        return;
    q->nwords++;
    size_t last = run.n;
    while (last > 0 && name_char(run.p[last - 1]))
        last--;
    struct str name = {run.p + last, run.n - last}, scope = {run.p, last};
    while (scope.n && !name_char(scope.p[scope.n - 1]))
        scope.n--;
    bool qualified = scope.n > 0;
    bool capital = at > 0 && isupper((unsigned char)name.p[0]); /* inside a sentence: "how the Session sends" */
    add_name(q, name, scope, looks_like_name(name) || qualified || quoted ? 1 : capital ? .8f : .5f, terms);
    if (qualified) {
        size_t first = scope.n;
        while (first > 0 && name_char(scope.p[first - 1]))
            first--;
        add_name(q, (struct str){scope.p + first, scope.n - first}, (struct str){0}, .6f, terms);
    }
}

/* Adjacent words as one, for the terms and for names: "thread pool" -> threadpool, thread_pool, thread-pool. */
static void join_pairs(struct query *q, struct str *run, unsigned nruns, struct arena *arena)
{
    for (unsigned i = 0; i + 1 < nruns; i++) {
        struct str a = run[i], b = run[i + 1];
        if (a.n + b.n > WORD_MAX || a.n < 2 || b.n < 2 || is_stop(a.p, a.n) || is_stop(b.p, b.n))
            continue;
        char joined[WORD_MAX + 1];
        struct words w;
        struct word out;
        memcpy(joined, a.p, a.n);
        memcpy(joined + a.n, b.p, b.n);
        for (size_t k = 0; k < a.n + b.n; k++)
            joined[k] = (char)tolower((unsigned char)joined[k]);
        words_init(&w, joined, a.n + b.n);
        if (!words_next(&w, &out) || out.len != a.n + b.n)
            continue;
        int t = add_term(q, out.text, out.len, .7f, false, true);
        uint64_t terms = t < 0 ? 0 : 1ull << t;
        static const char *const between[] = {"", "_", "-"};
        for (size_t k = 0; k < 3; k++) {
            char *name = arena_fmt(arena, "%.*s%s%.*s", (int)a.n, joined, between[k], (int)b.n, joined + a.n);
            add_name(q, str_of(name), (struct str){0}, .6f, terms);
        }
    }
}

static bool has_word(struct str text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++) {
        bool equal = true;
        for (size_t k = 0; k < n && equal; k++)
            equal = tolower((unsigned char)text.p[i + k]) == word[k];
        if (equal && (!i || !isalnum((unsigned char)text.p[i - 1])) &&
            (i + n == text.n || !isalnum((unsigned char)text.p[i + n])))
            return true;
    }
    return false;
}

static bool has_any(struct str text, const char *const *word)
{
    for (; *word; word++)
        if (has_word(text, *word))
            return true;
    return false;
}

/* Where the quote that opens at `at` is closed; text.n when it is not. */
static size_t quote_end(struct str text, size_t at)
{
    size_t i = at + 1;
    while (i < text.n && text.p[i] != text.p[at])
        i += text.p[at] == '"' && text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == '"' ? 2 : 1;
    return i;
}

static struct str unescaped(struct str s, struct arena *arena)
{
    char *to = arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        i += s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == '"';
        to[n++] = s.p[i];
    }
    return (struct str){to, n};
}

void query_parse(struct query *q, struct str text, struct arena *arena)
{
    *q = (struct query){.text = text};
    q->term = arena_zero(arena, QUERY_TERMS, sizeof *q->term);
    q->name = arena_zero(arena, QUERY_NAMES, sizeof *q->name);
    q->literal = arena_zero(arena, QUERY_LITERALS, sizeof *q->literal);
    struct str run[QUERY_NAMES];
    bool quoted[QUERY_NAMES];
    unsigned nruns = 0;
    char quote = 0;
    size_t quote_at = 0;
    bool bare = false;
    for (size_t i = 0; i < text.n;) {
        char c = text.p[i];
        if (c == '"' || c == '`') {
            if (quote == c) {
                if (c == '"' && i > quote_at + 1 && q->nliterals < QUERY_LITERALS)
                    q->literal[q->nliterals++] = unescaped((struct str){text.p + quote_at + 1, i - quote_at - 1}, arena);
                bare |= c != '"';
                quote = 0;
            } else if (!quote && quote_end(text, i) < text.n) {
                quote = c;
                quote_at = i;
            }
            i++;
            continue;
        }
        if (quote == '"' && c == '\\' && i + 1 < text.n && text.p[i + 1] == '"') {
            i += 2;
            continue;
        }
        bare |= !quote && !isspace((unsigned char)c);
        if (!name_char(c)) {
            i++;
            continue;
        }
        size_t end = run_end(text, i);
        if (nruns < QUERY_NAMES) {
            run[nruns] = (struct str){text.p + i, end - i};
            quoted[nruns++] = quote != 0;
        }
        i = end;
    }
    q->only_quoted = q->nliterals && !bare;
    for (unsigned i = 0; i < nruns; i++)
        add_run(q, run[i], i, quoted[i]);
    q->only_stop = !q->nterms;
    if (q->only_stop)
        for (unsigned i = 0; i < nruns; i++)
            add_run(q, run[i], i, true);
    unsigned content = q->nwords;
    join_pairs(q, run, nruns, arena);
    q->symbol_like = content == 1 && nruns == 1;
    for (unsigned i = 0; i < q->nnames && q->symbol_like; i++)
        q->name[i].weight = q->name[i].weight < .6f && q->nnames > 1 ? q->name[i].weight : 1;
    static const char *const tests[] = {"test", "tests", "tested", "unittest", NULL};
    static const char *const examples[] = {"example", "examples", "sample", "demo", "tutorial", "benchmark", "benchmarks", NULL};
    static const char *const docs[] = {"documentation", "docs", "documented", "readme", "changelog", "manual", "guide", NULL};
    static const char *const config[] = {"config file", "package.json", "manifest", "workflow", "ci", "yaml", "toml",
                                         "dependency version", "dependencies", "makefile", NULL};
    static const char *const types[] = {"type definitions", "typings", "d.ts", "declarations", "header", "prototype", NULL};
    q->about_tests = has_any(text, tests);
    q->about_examples = has_any(text, examples);
    q->about_docs = has_any(text, docs);
    q->about_config = has_any(text, config);
    q->about_types = has_any(text, types);
    static const char *const howto[] = {"how do i", "how to", "how can i", NULL};
    q->howto = has_any(text, howto);
}

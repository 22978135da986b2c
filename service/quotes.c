#include "service/quotes.h"

#include "base/mem.h"
#include "store/purge.h"

#include <stdlib.h>
#include <string.h>

#define CUTS_IN_READ 256 /* contents a read transaction: some MB of text */

struct word {
    char *text; /* folded, owned */
    size_t n;
    bool seen, shared; /* in a text that was looked at; another content has it */
};

struct quotes {
    struct word *word; /* sorted, each once */
    size_t n, cap, nseen;
};

struct quotes *quotes_new(void)
{
    return mem_zero(1, sizeof(struct quotes));
}

void quotes_free(struct quotes *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->n; i++)
        free(q->word[i].text);
    free(q->word);
    free(q);
}

/* -- words ---------------------------------------------------------------------------------------------------------------- */

static bool of_word(unsigned char c)
{
    return c >= 0x80 || c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The next word from *at on, which moves behind it. What a backslash escapes in JSON is no part of one ("\nword"). */
static bool next_word(struct str *out, struct str text, size_t *at, bool json)
{
    size_t i = *at;
    while (i < text.n) {
        if (json && text.p[i] == '\\') {
            i += i + 1 < text.n && text.p[i + 1] == 'u' ? 6 : 2;
            continue;
        }
        size_t from = i;
        while (i < text.n && of_word((unsigned char)text.p[i]))
            i++;
        if (i - from >= QUOTE_WORD) {
            *out = (struct str){text.p + from, i - from};
            *at = i;
            return true;
        }
        i += i == from;
    }
    *at = text.n;
    return false;
}

/* ASCII alone: what is asked for in another case is the same word. */
static size_t fold(char out[QUOTE_WORD_MAX], struct str word)
{
    size_t n = word.n < QUOTE_WORD_MAX ? word.n : QUOTE_WORD_MAX;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] | 32 : word.p[i]);
    return n;
}

static int by_text(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static struct word *find(const struct quotes *q, struct str text)
{
    char folded[QUOTE_WORD_MAX];
    struct word key = {.text = folded, .n = fold(folded, text)};
    return q->n ? bsearch(&key, q->word, q->n, sizeof key, by_text) : NULL;
}

static void add_words(struct quotes *q, struct str text)
{
    struct str w;
    char folded[QUOTE_WORD_MAX];
    for (size_t at = 0; next_word(&w, text, &at, false);) {
        size_t n = fold(folded, w);
        VEC_ROOM(q->word, q->n, q->cap);
        q->word[q->n++] = (struct word){.text = mem_strn(folded, n), .n = n};
    }
    if (q->n)
        qsort(q->word, q->n, sizeof *q->word, by_text);
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++)
        if (n && !by_text(&q->word[n - 1], &q->word[i]))
            free(q->word[i].text);
        else
            q->word[n++] = q->word[i];
    q->n = n;
}

int quotes_learn(struct quotes *q, struct store *s, const struct oid *oid, struct err *e)
{
    struct txn *t;
    uint32_t *cut = NULL;
    size_t n = 0;
    struct buf text = BUF_INIT;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = cuts_of(t, oid, &cut, &n, e);
    if (!rc && n) /* of every language the same */
        rc = cut_text(t, cut[0], &text, e);
    txn_end(t);
    if (!rc)
        add_words(q, (struct str){text.data ? text.data : "", text.len});
    free(cut);
    buf_release(&text);
    return rc;
}

void quotes_look(struct quotes *q, struct str text)
{
    struct str w;
    for (size_t at = 0; q->n && next_word(&w, text, &at, true);) {
        struct word *x = find(q, w);
        if (!x || x->seen)
            continue;
        x->seen = true;
        q->nseen++;
    }
}

/* -- who else has them ------------------------------------------------------------------------------------------------------ */

struct cut_list {
    uint32_t *v;
    size_t n, cap;
};

static int add_cut(void *arg, uint32_t cut)
{
    struct cut_list *l = arg;
    VEC_ROOM(l->v, l->n, l->cap);
    l->v[l->n++] = cut;
    return 0;
}

static void share(struct quotes *q, struct str text)
{
    struct str w;
    for (size_t at = 0; next_word(&w, text, &at, false);) {
        struct word *x = find(q, w);
        if (x)
            x->shared = true;
    }
}

static int read_some(struct quotes *q, struct store *s, const uint32_t *cut, size_t n, struct err *e)
{
    struct txn *t;
    struct oid oid;
    struct buf text = BUF_INIT;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++) {
        if (cut_oid(t, cut[i], &oid, NULL) || purged(s, &oid)) /* swept since, or one of them */
            continue;
        text.len = 0;
        if (!(rc = cut_text(t, cut[i], &text, e)))
            share(q, (struct str){text.data ? text.data : "", text.len});
    }
    txn_end(t);
    buf_release(&text);
    return rc;
}

/* Of words that nobody wrote there is nothing to settle: only those that were seen are kept. */
static void keep_seen(struct quotes *to, const struct quotes *q)
{
    to->word = mem_zero(q->nseen + 1, sizeof *to->word);
    for (size_t i = 0; i < q->n; i++)
        if (q->word[i].seen)
            to->word[to->n++] = q->word[i];
}

int quotes_settle(struct quotes *q, struct store *s, struct err *e)
{
    struct cut_list l = {0};
    struct quotes few = {0};
    struct txn *t;
    if (!q->nseen)
        return 0;
    int rc = store_read(&t, s, e);
    if (rc)
        return rc;
    rc = cuts_each(t, add_cut, &l, e);
    txn_end(t);
    keep_seen(&few, q);
    for (size_t at = 0; at < l.n && !rc; at += CUTS_IN_READ)
        rc = read_some(&few, s, l.v + at, l.n - at < CUTS_IN_READ ? l.n - at : CUTS_IN_READ, e);
    for (size_t i = 0, k = 0; i < q->n && k < few.n; i++)
        if (q->word[i].seen)
            q->word[i].shared = few.word[k++].shared;
    free(few.word);
    free(l.v);
    return rc;
}

/* -- where they stand ------------------------------------------------------------------------------------------------------- */

static bool telling(const struct quotes *q, struct str w)
{
    const struct word *x = find(q, w);
    return x && x->seen && !x->shared;
}

bool quotes_in(const struct quotes *q, struct str text)
{
    struct str w;
    for (size_t at = 0; q->nseen && next_word(&w, text, &at, true);)
        if (telling(q, w))
            return true;
    return false;
}

bool quotes_mask(const struct quotes *q, char *text, size_t n)
{
    struct str w;
    bool any = false;
    for (size_t at = 0; q->nseen && next_word(&w, (struct str){text, n}, &at, true);)
        if (telling(q, w)) {
            memset(text + (w.p - text), '*', w.n);
            any = true;
        }
    return any;
}

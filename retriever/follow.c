#include "retriever/follow.h"

#include "retriever/query.h"
#include "retriever/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_OWN 1      /* a question of no more content words than this says too little to be searched alone */
#define WORDS_ANDED 3    /* "and how about …", "what about …" */
#define EARLIER_WORDS 12 /* that are taken over */

/* They mean something said before wherever they stand. Sorted, as the next list. */
static const char *const back[] = {"he", "it", "its", "one", "same", "she", "their", "theirs", "them", "they"};
/* They do after one of these, or first: "does that …", "in this case"; "the code that parses" is another that. */
static const char *const pointing[] = {"that", "these", "this", "those"};
static const char *const before[] = {"about", "after", "and", "before", "but", "can", "did", "do", "does", "for", "from", "has", "how", "if", "in",
                                     "is", "like", "of", "on", "or", "than", "then", "to", "was", "when", "where", "who", "why", "will", "with"};

static bool among(const char *const *list, size_t n, const char *w, size_t len)
{
    return len && words_hold(list, n, w, len);
}
#define AMONG(list, w, len) among(list, sizeof list / sizeof *list, w, len)

static bool points_back(const char *s, bool *anded)
{
    char word[16], last[16] = "";
    size_t lastlen = 0, count = 0;
    *anded = false;
    while (*s) {
        size_t n = 0;
        while (isalpha((unsigned char)s[n]) || (n && s[n] == '_'))
            n++;
        if (!n) {
            s++;
            continue;
        }
        size_t len = n < sizeof word - 1 ? n : 0; /* longer words are none of these */
        for (size_t i = 0; i < len; i++)
            word[i] = (char)tolower((unsigned char)s[i]);
        word[len] = 0;
        if (AMONG(back, word, len) || (AMONG(pointing, word, len) && (!count || AMONG(before, last, lastlen))))
            return true;
        *anded |= !count && (!strcmp(word, "and") || !strcmp(word, "or") || !strcmp(word, "but"));
        *anded |= count == 1 && !strcmp(word, "about") && (!strcmp(last, "what") || !strcmp(last, "how"));
        strcpy(last, word);
        lastlen = len;
        count++;
        s += n;
    }
    return false;
}

static bool has_name(const struct query *q, struct str name)
{
    for (unsigned i = 0; i < q->nnames; i++)
        if (str_same(q->name[i].text, name))
            return true;
    return false;
}

const char *follow_question(const char *question, const char *earlier, struct arena *arena)
{
    struct query now, then;
    bool anded;
    if (!earlier || !*earlier)
        return question;
    query_parse(&now, str_of(question), arena);
    bool strong = false; /* names something as only code does */
    for (unsigned i = 0; i < now.nnames; i++)
        strong |= now.name[i].weight >= 1 && !now.symbol_like && !now.only_stop;
    bool needs = points_back(question, &anded) || now.only_stop || (!strong && (now.nwords <= WORDS_OWN || (anded && now.nwords <= WORDS_ANDED)));
    if (!needs || now.nliterals)
        return question;
    query_parse(&then, str_of(earlier), arena);
    struct buf b = BUF_INIT;
    buf_adds(&b, question);
    for (unsigned i = 0, taken = 0; i < then.nnames && taken < EARLIER_WORDS; i++) {
        const struct query_name *n = &then.name[i];
        if (n->weight == .6f || has_name(&now, n->text)) /* made of others */
            continue;
        buf_addf(&b, "%s%.*s", taken ? " " : "\n", (int)n->text.n, n->text.p);
        taken++;
    }
    char *out = arena_strn(arena, b.data, b.len);
    buf_release(&b);
    return out;
}

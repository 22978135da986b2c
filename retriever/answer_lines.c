/* Which lines of a source are shown, and doc comments without their marks. */
#include "retriever/answer_parts.h"

#include <string.h>

static bool blank(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r')
            return false;
    return true;
}

/* Bits of the question's terms (the first 32) that a line holds. */
static uint32_t terms_in(struct str line, const struct query *q)
{
    struct words w;
    struct word x;
    uint32_t mask = 0;
    words_init(&w, line.p, line.n);
    while (words_next(&w, &x)) {
        char stem[WORD_MAX + 1];
        if (x.len > WORD_MAX)
            continue;
        memcpy(stem, x.text, x.len);
        uint64_t term = term_of(TERM_WORD, stem, word_stem(stem, x.len));
        for (unsigned i = 0; i < q->nterms && i < 32; i++)
            if (q->term[i].term == term)
                mask |= 1u << i;
    }
    return mask;
}

#define LINES_MAX 4000 /* of one part that are looked at */

/* The lines that hold the question's words, best first, until `left` are kept. */
static uint32_t keep_matches(bool *keep, const bool *hide, const struct str *line, uint32_t n, const struct query *q, uint32_t left)
{
    static _Thread_local uint32_t mask[LINES_MAX];
    uint32_t lines_with[32] = {0}, covered = 0, scan = n < LINES_MAX ? n : LINES_MAX;
    for (uint32_t i = 0; i < scan; i++) {
        mask[i] = hide[i] ? 0 : terms_in(line[i], q);
        for (unsigned t = 0; t < 32; t++)
            lines_with[t] += mask[i] >> t & 1;
    }
    while (left) { /* the line that adds most; what was shown already counts a quarter */
        float best = 0;
        uint32_t at = n;
        for (uint32_t i = 0; i < scan; i++) {
            float score = 0;
            for (unsigned t = 0; t < 32 && !keep[i]; t++)
                if (mask[i] >> t & 1)
                    score += (covered >> t & 1 ? .25f : 1) * q->term[t].weight / (1 + .2f * (float)lines_with[t]);
            if (score > best) {
                best = score;
                at = i;
            }
        }
        if (at == n)
            break;
        covered |= mask[at];
        keep[at] = true;
        left--;
        for (int side = 1; side >= -1 && left; side -= 2) { /* the line after, then the one before */
            uint32_t near = at + (uint32_t)side;
            if ((side < 0 && !at) || near >= n || keep[near] || hide[near] || blank(line[near]))
                continue;
            keep[near] = true;
            left--;
        }
    }
    return left;
}

/* Of prose, the run of lines that holds most of the question's words, from the beginning of a paragraph on. */
void lines_window(bool *keep, const struct str *line, uint32_t n, const struct query *q, unsigned most)
{
    uint32_t at = 0;
    float best = 0;
    memset(keep, 0, n);
    for (uint32_t i = 0; n > most && i < n && i < LINES_MAX; i++) {
        uint32_t seen = 0;
        float score = i ? 0 : .5f; /* all else equal the beginning */
        if (i && !blank(line[i - 1]))
            continue;
        for (uint32_t k = i; k < n && k < i + most; k++) {
            uint32_t mask = terms_in(line[k], q);
            for (unsigned t = 0; t < 32; t++)
                if (mask >> t & 1)
                    score += (seen >> t & 1 ? .1f : 1) * q->term[t].weight;
            seen |= mask;
        }
        if (score > best) {
            best = score;
            at = i;
        }
    }
    for (uint32_t i = at; i < n && i < at + most; i++)
        keep[i] = true;
    for (uint32_t i = n; i-- > at && keep[i] && blank(line[i]);)
        keep[i] = false;
}

void lines_choose(bool *keep, const bool *hide, const struct str *line, uint32_t n, uint32_t head_from, uint32_t head_to,
                  const struct query *q, unsigned most)
{
    uint32_t left = most, visible = 0;
    for (uint32_t i = 0; i < n; i++) {
        keep[i] = false;
        visible += !hide[i];
    }
    if (visible <= most) {
        for (uint32_t i = 0; i < n; i++)
            keep[i] = !hide[i];
    } else {
        for (uint32_t i = head_from; i < head_to && i < n && left; i++, left--)
            keep[i] = true;
        left = keep_matches(keep, hide, line, n, q, left);
        for (uint32_t i = head_to; i < n && left; i++) /* nothing more to find: go on from the definition */
            if (!keep[i] && !hide[i]) {
                keep[i] = true;
                left--;
            }
    }
    for (uint32_t i = 1; i + 1 < n; i++) /* a gap of one line is not worth its mark */
        if (!keep[i] && !hide[i] && keep[i - 1] && keep[i + 1])
            keep[i] = true;
    for (uint32_t i = 0; i < n && (!keep[i] || blank(line[i])); i++)
        keep[i] = false;
    for (uint32_t i = n; i-- > 0 && (!keep[i] || blank(line[i]));)
        keep[i] = false;
}

static size_t indent(struct str s)
{
    size_t n = 0;
    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
        n++;
    return n;
}

#define SHOWN_LINE_MAX 400 /* bytes of one line; minified text is not for reading */

void lines_join(struct buf *out, const struct str *line, const bool *keep, uint32_t n)
{
    static const char gap[] = "\xe2\x8b\xae\n"; /* ⋮ */
    size_t shared = SIZE_MAX;
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++)
        if (keep[i] && !blank(line[i]) && indent(line[i]) < shared)
            shared = indent(line[i]);
    for (uint32_t i = 0; i < n; i++) {
        if (!keep[i])
            continue;
        if (last != UINT32_MAX && last + 1 < i) {
            size_t in = indent(line[i]);
            buf_add(out, line[i].p + (in > shared ? shared : 0), in > shared ? in - shared : 0);
            buf_adds(out, gap);
            if (blank(line[i])) { /* the mark parts well enough */
                last = i;
                continue;
            }
        }
        struct str s = line[i];
        size_t cut = shared != SIZE_MAX && indent(s) >= shared ? shared : 0;
        s = (struct str){s.p + cut, s.n - cut};
        bool long_one = s.n > SHOWN_LINE_MAX;
        size_t len = long_one ? SHOWN_LINE_MAX : s.n;
        while (long_one && len && ((unsigned char)s.p[len] & 0xc0) == 0x80)
            len--;
        buf_add(out, s.p, len);
        buf_adds(out, long_one ? " \xe2\x80\xa6\n" : "\n");
        last = i;
    }
}

/* -- doc comments -------------------------------------------------------------------------------------------------------- */
static bool eat(struct str *s, const char *literal)
{
    size_t n = strlen(literal);
    if (s->n < n || memcmp(s->p, literal, n))
        return false;
    *s = (struct str){s->p + n, s->n - n};
    return true;
}

static struct str trim(struct str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct str){s.p + 1, s.n - 1};
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* One line without the marks that comments of any language put before and after it. */
static struct str unmark(struct str s)
{
    static const char *const begin[] = {"/**", "/*!", "/*", "///", "//!", "//", "\"\"\"", "'''", "#|", "##", "#", "---", "--", "{-|", "{-",
                                        "(**", "(*", "<!--", ";;;", ";;", "%%", "r\"\"\"", "@doc", "@moduledoc", "~S", "*", "|", "^", NULL};
    static const char *const end[] = {"*/", "\"\"\"", "'''", "-}", "*)", "-->", NULL};
    s = trim(s);
    for (int again = 1; again;) {
        again = 0;
        for (size_t i = 0; begin[i]; i++)
            if (eat(&s, begin[i])) {
                again = 1;
                s = trim(s);
            }
    }
    for (size_t i = 0; end[i]; i++) {
        size_t n = strlen(end[i]);
        if (s.n >= n && !memcmp(s.p + s.n - n, end[i], n))
            s.n -= n;
    }
    return trim(s);
}

/* Where a description ends and the reference to parameters, results and examples begins. */
static bool ends_description(struct str s)
{
    static const char *const marks[] = {"@", ":param", ":type", ":return", ":rtype", ":raises", "Args:", "Arguments:", "Returns:", "Return:",
                                        "Raises:", "Yields:", "Parameters", "Params:", "Example", "Usage:", "Usage::", "# Example", "# Panics",
                                        "# Errors", "# Safety", "\\param", "\\return", "<param", "<returns", "<remarks", "<exception",
                                        "<example", "```", ">>>", ".. ", "- Parameter", "- Returns", "- Throws", "- parameter", "- returns",
                                        "##", "Copyright", "SPDX-", "eslint-", "noqa", NULL};
    for (size_t i = 0; marks[i]; i++)
        if (eat(&s, marks[i]))
            return true;
    return false;
}

/* Without {@code x}, {@link X}, <summary>, <see cref="X"/> and their like: the words in them stay. */
static void add_plain(struct buf *out, struct str s)
{
    static const char *const tags[] = {"summary", "para", "p", "c", "code", "see", "seealso", "paramref", "typeparamref", "b", "i", "em", "strong",
                                       "li", "ul", "ol", "br", "pre", "tt", "inheritdoc", NULL};
    for (size_t i = 0; i < s.n; i++) {
        struct str rest = {s.p + i, s.n - i};
        if (rest.p[0] == '{' && rest.n > 2 && rest.p[1] == '@') {
            const char *close = memchr(rest.p, '}', rest.n), *space = memchr(rest.p, ' ', rest.n);
            if (close && space && space < close) {
                buf_add(out, space + 1, (size_t)(close - space - 1));
                i += (size_t)(close - rest.p);
                continue;
            }
        }
        if (rest.p[0] == '<') {
            size_t at = rest.n > 1 && rest.p[1] == '/' ? 2 : 1, n = 0;
            while (at + n < rest.n && rest.p[at + n] >= 'a' && rest.p[at + n] <= 'z')
                n++;
            const char *close = memchr(rest.p, '>', rest.n);
            bool known = false;
            for (size_t k = 0; tags[k] && n && close && !known; k++)
                known = strlen(tags[k]) == n && !memcmp(tags[k], rest.p + at, n);
            if (known) {
                const char *q = memchr(rest.p, '"', (size_t)(close - rest.p)), *r = q ? memchr(q + 1, '"', (size_t)(close - q - 1)) : NULL;
                if (q && r)
                    buf_add(out, q + 1, (size_t)(r - q - 1));
                i += (size_t)(close - rest.p);
                continue;
            }
        }
        buf_addc(out, s.p[i]);
    }
}

#define DOC_ENOUGH 90 /* bytes: a shorter first paragraph takes the second one along */
#define DOC_MAX 500

void doc_text(struct buf *out, struct str comment)
{
    size_t begin = out->len, paragraph = out->len;
    bool gap = false;
    for (size_t i = 0; i < comment.n && out->len - begin < DOC_MAX;) {
        const char *nl = memchr(comment.p + i, '\n', comment.n - i);
        size_t end = nl ? (size_t)(nl - comment.p) : comment.n;
        struct str raw = trim((struct str){comment.p + i, end - i}), s = unmark(raw);
        i = end + 1;
        size_t ruled = 0;
        while (ruled < s.n && strchr("-=*#~/", s.p[ruled]))
            ruled++;
        if (!s.n || ruled == s.n) { /* an empty line or a rule */
            if (out->len > paragraph && out->len - begin >= DOC_ENOUGH)
                break;
            gap = out->len > paragraph;
            continue;
        }
        if (ends_description(s))
            break;
        if (gap) {
            buf_adds(out, "\n\n");
            paragraph = out->len;
            gap = false;
        } else if (out->len > paragraph) {
            buf_addc(out, ' ');
        }
        add_plain(out, s);
    }
    if (out->len - begin > DOC_MAX) {
        size_t cut = begin + DOC_MAX;
        while (cut > begin && out->data[cut] != ' ')
            cut--;
        out->len = cut;
        buf_adds(out, " \xe2\x80\xa6");
    }
}

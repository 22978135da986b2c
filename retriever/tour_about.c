/* What it is: the README's first paragraph that says so, its first one of prose, else what a manifest says in its description. */
#include "retriever/tour_inside.h"

#include <ctype.h>
#include <strings.h>

#define README_LINES 400   /* in which a first paragraph is looked for */
#define ABOUT_LINES 12     /* of a paragraph */
#define PARAGRAPHS 4       /* looked at for one that says what it is; later ones speak of parts */
#define PROSE_LETTERS 25   /* a line with fewer letters outside of links and marks is a title or a row of badges */

static bool is_readme(struct str path)
{
    struct str base = path_base(path);
    return base.n >= 6 && !strncasecmp(base.p, "readme", 6) && (base.n == 6 || base.p[6] == '.');
}

/* How good a README is to begin with: Markdown before others, then none of a translation (README.de.md). */
static int readme_order(struct str path)
{
    struct str base = path_base(path);
    int dots = 0;
    for (size_t i = 0; i < base.n; i++)
        dots += base.p[i] == '.';
    return dots * 2 + !(base.n > 3 && !strncasecmp(base.p + base.n - 3, ".md", 3));
}

/* Text without what Markdown, HTML and reStructuredText put around it: links keep their words, pictures and tags go. */
static void plain_line(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        struct str rest = str_from(s, i);
        if (*rest.p == '<') {
            size_t n = str_until(rest, ">").n;
            if (n < rest.n && rest.n > 1 && (isalpha((unsigned char)rest.p[1]) || rest.p[1] == '/' || rest.p[1] == '!')) {
                i += n + 1;
                continue;
            }
        }
        if (str_begins(rest, "![")) {
            size_t n = str_until(rest, ")").n;
            i += n < rest.n ? n + 1 : rest.n;
            continue;
        }
        if (*rest.p == ']' && rest.n > 1 && (rest.p[1] == '(' || rest.p[1] == '[')) {
            size_t n = str_until(str_from(rest, 1), rest.p[1] == '(' ? ")" : "]").n + 1;
            i += n < rest.n ? n + 1 : rest.n;
            continue;
        }
        if (*rest.p == '[' || (*rest.p == ']' && !str_begins(rest, "]:"))) {
            i++;
            continue;
        }
        if (str_begins(rest, "**") || str_begins(rest, "__")) {
            i += 2;
            continue;
        }
        buf_addc(out, *rest.p);
        i++;
    }
}

static bool is_prose(struct str s)
{
    struct buf b = BUF_INIT;
    size_t letters = 0, others = 0;
    if (!s.n || strchr("#|=-~^:>", *s.p) || str_begins(s, "..") || str_begins(s, "* ") || str_begins(s, "+ ") ||
        (*s.p == '[' && str_find(s, "]:") != SIZE_MAX)) /* where a link leads */
        return false;
    plain_line(&b, s);
    for (size_t i = 0; i < b.len; i++) {
        letters += isalpha((unsigned char)b.data[i]) || (unsigned char)b.data[i] >= 0x80;
        others += !isspace((unsigned char)b.data[i]);
    }
    buf_release(&b);
    return letters >= PROSE_LETTERS && letters * 10 >= others * 7;
}

/* Whether a paragraph says what something of this name is: "Gin is a web framework", "**Serde is a framework". */
static bool defines(const struct buf *words, struct str name)
{
    static const char *const verb[] = {" is ", " are ", " provides ", " lets ", ", a ", " - ", NULL};
    for (size_t i = 0; name.n > 1 && i + name.n < words->len; i++) {
        size_t from = i, to = i + name.n;
        while (from && strchr("`*_", words->data[from - 1]))
            from--;
        bool begins = !from || (from > 1 && words->data[from - 1] == ' ' && strchr(".!?:", words->data[from - 2])); /* a sentence */
        if (!begins || strncasecmp(words->data + i, name.p, name.n))
            continue;
        while (to < words->len && strchr("`*_", words->data[to]))
            to++;
        for (const char *const *v = verb; *v; v++)
            if (str_begins((struct str){words->data + to, words->len - to}, *v))
                return true;
    }
    return false;
}

struct found_paragraph {
    struct buf words;
    uint32_t first, last;
};

/* The next paragraph that says something: its lines and its words. */
static bool paragraph(struct found_paragraph *out, struct lines *l, bool *comment)
{
    struct str line;
    bool fenced = false;
    buf_clear(&out->words);
    while (lines_next(l, &line) && l->number < README_LINES) {
        struct str s = str_trim(line);
        if (str_begins(s, "```") || str_begins(s, "~~~"))
            fenced = !fenced;
        if (str_begins(s, "<!--"))
            *comment = true;
        bool skip = fenced || *comment || str_begins(line, "\t") || str_begins(line, "    ");
        if (*comment && str_find(s, "-->") != SIZE_MAX)
            *comment = false;
        if (skip || !is_prose(s))
            continue;
        out->first = l->number;
        do {
            out->last = l->number;
            if (out->words.len)
                buf_addc(&out->words, ' ');
            plain_line(&out->words, s);
        } while (out->last - out->first + 1 < ABOUT_LINES && lines_next(l, &line) && (s = str_trim(line)).n && !strchr("#|<", *s.p) && !str_begins(s, "```") &&
                 !str_begins(s, "==") && !str_begins(s, "--") && !str_begins(s, ".."));
        if (out->last == out->first && (str_begins(s, "==") || str_begins(s, "--"))) { /* it was a title */
            buf_clear(&out->words);
            continue;
        }
        return true;
    }
    return false;
}

/* The first paragraph that says what the repository is, else the first of all. */
static void describe(struct tour_work *w, uint32_t file, struct str text)
{
    struct found_paragraph p = {BUF_INIT, 0, 0}, first = {BUF_INIT, 0, 0};
    struct lines l = lines_of(text);
    struct str name = path_base(str_of(w->l.target->repo->name));
    bool comment = false, found = false;
    for (int n = 0; n < PARAGRAPHS && !found && paragraph(&p, &l, &comment); n++) {
        found = defines(&p.words, name);
        if (!n && !found) {
            first = p;
            p = (struct found_paragraph){BUF_INIT, 0, 0};
        }
    }
    const struct found_paragraph *best = found ? &p : &first;
    if (best->first) {
        w->about = arena_strn(w->arena, best->words.data, best->words.len);
        w->about_cite = tour_cite(w, file, RECORD_NONE, best->first, best->last);
    }
    buf_release(&p.words);
    buf_release(&first.words);
}

void tour_about(struct tour_work *w)
{
    uint32_t best = FILE_NONE, lines;
    struct str text;
    for (uint32_t i = 0; i < w->s->nfiles; i++) {
        struct str path = w->s->file[i].path, base = path_base(path);
        if (!tour_inside(w, i) || base.p != path.p + w->prefix.n || !is_readme(path) || w->s->file[i].cut == CUT_NONE)
            continue;
        if (best == FILE_NONE || readme_order(path) < readme_order(w->s->file[best].path))
            best = i;
    }
    if (best != FILE_NONE && !lookup_bytes(&text, &lines, &w->l, w->s->file[best].cut, 0, UINT32_MAX, NULL)) {
        text.p = arena_strn(w->arena, text.p, text.n); /* citing takes the text away */
        describe(w, best, text);
    }
}

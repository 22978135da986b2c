/* The pasted trace against the searched views: which frames lie in them, and where the quoted messages stand. */
#include "retriever/answer_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_TRIED 60
#define FRAMES_SHOWN 6
#define BEFORE 4 /* lines shown before the failing one */
#define AFTER 2

/* -- paths ------------------------------------------------------------------------------------------------------------------ */
/* Equal components at the ends of two paths; *whole tells that all of file's were. */
static unsigned shared_tail(struct str path, struct str file, bool *whole, bool *whole_path)
{
    unsigned parts = 0;
    size_t i = path.n, j = file.n;
    *whole = *whole_path = false;
    while (i && j) {
        size_t a = i, b = j;
        while (a && path.p[a - 1] != '/' && path.p[a - 1] != '\\')
            a--;
        while (b && file.p[b - 1] != '/')
            b--;
        if (i - a != j - b || memcmp(path.p + a, file.p + b, i - a))
            return parts;
        parts++;
        *whole = !b;
        *whole_path = !a;
        i = a ? a - 1 : 0;
        j = b ? b - 1 : 0;
    }
    return parts;
}

/* Without "./", "file://", a URL's scheme and host, and "?query". */
static struct str plain_path(struct str s)
{
    static const char *const schemes[] = {"file://", "webpack-internal:///", "webpack://", "http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (s.n > n && !memcmp(s.p, schemes[i], n)) {
            s = (struct str){s.p + n, s.n - n};
            const char *slash = i >= 2 ? memchr(s.p, '/', s.n) : NULL;
            if (slash)
                s = (struct str){slash + 1, s.n - (size_t)(slash + 1 - s.p)};
        }
    }
    while (s.n > 2 && s.p[0] == '.' && s.p[1] == '/')
        s = (struct str){s.p + 2, s.n - 2};
    const char *query = memchr(s.p, '?', s.n);
    if (query)
        s.n = (size_t)(query - s.p);
    return s;
}

static bool in_path(struct str s, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.n; i++)
        if (!memcmp(s.p + i, part, n))
            return true;
    return false;
}

/* Installed or built-in code that only looks like a file of the repository. */
static bool foreign(struct str path, struct str file)
{
    static const char *const marks[] = {"/site-packages/", "/dist-packages/", "/node_modules/", "/rustc/", "/usr/lib/", "/usr/include/",
                                        "/gems/", "/.cargo/registry/", "/go/pkg/mod/", "/vendor/bundle/", NULL};
    if ((path.n > 5 && !memcmp(path.p, "node:", 5)) || (path.n && path.p[0] == '<'))
        return true;
    for (size_t i = 0; marks[i]; i++)
        if (in_path(path, marks[i]) && !in_path(file, marks[i] + 1))
            return true;
    return false;
}

/* -- one frame ---------------------------------------------------------------------------------------------------------------- */
/* The innermost definition around a line; of the given name where one is. */
static uint32_t symbol_at(const struct record *r, uint32_t line, struct str function, bool *named)
{
    uint32_t best = RECORD_NONE, by_name = RECORD_NONE;
    for (uint32_t i = 0; i < r->head->nsymbols; i++) {
        const struct record_symbol *s = &r->symbol[i];
        bool here = line >= s->start_line && line <= s->end_line;
        bool same = function.n && s->name_len == function.n && !memcmp(r->strings + s->name, function.p, function.n);
        if (here && s->kind != SYMBOL_VARIABLE && s->kind != SYMBOL_FIELD &&
            (best == RECORD_NONE || s->end_line - s->start_line <= r->symbol[best].end_line - r->symbol[best].start_line))
            best = i;
        if (same && (by_name == RECORD_NONE || here))
            by_name = i;
    }
    *named = by_name != RECORD_NONE;
    if (*named && (best == RECORD_NONE || line < r->symbol[by_name].start_line || line > r->symbol[by_name].end_line) && line == 0)
        return by_name;
    return best != RECORD_NONE ? best : by_name;
}

/* "com.acme.shop.Inventory.take" + "Inventory.java": directories that end in com/acme/shop speak for a file. */
static unsigned package_match(struct str qualified, struct str file)
{
    unsigned n = 0;
    size_t end = file.n;
    while (end && file.p[end - 1] != '/')
        end--;
    for (size_t to = end ? end - 1 : 0; to;) { /* directories, last first */
        size_t from = to;
        while (from && file.p[from - 1] != '/')
            from--;
        bool found = false;
        for (size_t i = 0; i + (to - from) < qualified.n && !found; i++)
            found = !memcmp(qualified.p + i, file.p + from, to - from) && (!i || strchr("./:\\", qualified.p[i - 1])) &&
                    strchr("./:\\", qualified.p[i + to - from]);
        if (!found)
            return n;
        n++;
        to = from ? from - 1 : 0;
    }
    return n;
}

/* Finds the file behind a frame; false when none of the views' files is it. */
static bool find_frame(struct place *out, struct answer_work *w, const struct trace_frame *f)
{
    struct str path = plain_path(f->path);
    float best = 0;
    bool tie = false;
    if (!path.n)
        return false;
    for (uint32_t t = 0; t < w->l->ntargets; t++) {
        const struct snapshot *s = w->l->snap[t];
        for (uint32_t i = 0; i < s->nfiles; i++) {
            const struct snap_file *file = &s->file[i];
            bool whole, whole_path, named = false;
            if (file->path.n < 2 || path.n < 2 || file->path.p[file->path.n - 2] != path.p[path.n - 2] || file->ucut == FILE_NONE)
                continue;
            unsigned parts = shared_tail(path, file->path, &whole, &whole_path);
            struct record r;
            if (!parts || foreign(f->path, file->path) || lookup_record(&r, w->l, file->cut, NULL))
                continue;
            if (f->line > r.head->source_lines + 1)
                continue;
            uint32_t symbol = symbol_at(&r, f->line, f->function, &named);
            unsigned package = f->qualified.n ? package_match(f->qualified, file->path) : 0;
            /* a bare name or one shared component needs a witness: the function, or the package */
            if (!whole && !whole_path && parts < 2)
                continue;
            if (parts == 1 && !named && !package && (f->function.n || !(whole && whole_path)) && f->kind == TRACE_CALL && !whole)
                continue;
            float score = (float)parts + (whole ? 4 : 0) + (whole_path ? 3 : 0) + (named ? 3 : 0) + .5f * (float)package -
                          file_distance(file);
            if (score < best)
                continue;
            tie = score == best;
            best = score;
            uint32_t line = f->line;
            if (!line)
                line = symbol != RECORD_NONE ? r.symbol[symbol].start_line : 1;
            *out = (struct place){t, i, file->cut, 0, symbol, line, line, 0, 0};
            for (uint32_t c = 0; c < r.head->nchunks; c++)
                if (line >= r.chunk[c].start_line && line <= r.chunk[c].end_line)
                    out->chunk = c;
        }
    }
    return best > 0 && !tie;
}

/* The failing line with its surroundings, under the definition's first line. */
static int frame_code(struct part *p, struct answer_work *w, const struct place *at, struct err *e)
{
    struct record r;
    struct str text;
    int rc = lookup_record(&r, w->l, at->cut, e);
    if (rc)
        return rc;
    uint32_t from = at->line > BEFORE ? at->line - BEFORE : 1, to = at->line + AFTER, head = 0;
    if (at->symbol < r.head->nsymbols) {
        const struct record_symbol *s = &r.symbol[at->symbol];
        if (at->line >= s->start_line && at->line <= s->end_line) {
            from = from < s->start_line ? s->start_line : from;
            to = to > s->end_line ? s->end_line : to;
            head = s->start_line < from && from - s->start_line < 400 ? s->start_line : 0;
        }
    }
    uint32_t first = head ? head : from, n = 0;
    if ((rc = lookup_lines(&text, w->l, at->cut, first, to, e)))
        return rc;
    bool keep[512] = {false};
    struct str line[512];
    for (size_t i = 0; i <= text.n && n < 512;) {
        const char *nl = i < text.n ? memchr(text.p + i, '\n', text.n - i) : NULL;
        size_t end = nl ? (size_t)(nl - text.p) : text.n;
        line[n] = (struct str){text.p + i, end - i - (end > i && text.p[end - 1] == '\r')};
        keep[n] = first + n == head || first + n >= from;
        n++;
        i = end + 1;
    }
    struct buf code = BUF_INIT;
    lines_join(&code, line, keep, n);
    p->code = (struct str){arena_strn(w->arena, code.data ? code.data : "", code.len), code.len};
    p->first = first;
    p->last = first + n - 1;
    p->cited = (struct str){arena_strn(w->arena, text.p, text.n), text.n};
    buf_release(&code);
    return 0;
}

/* Sources move on while a trace stays as it is: where the line is no longer in the function that the trace names, the
 * function is shown instead. Returns what is to be said about it, or NULL. */
static const char *settle(struct place *at, struct answer_work *w, const struct trace_frame *f)
{
    struct record r;
    uint32_t up = at->symbol, other = RECORD_NONE;
    if (!f->function.n || f->kind != TRACE_CALL || lookup_record(&r, w->l, at->cut, NULL))
        return NULL;
    for (int depth = 0; depth < 16 && up != RECORD_NONE; depth++, up = r.symbol[up].parent)
        if (r.symbol[up].name_len == f->function.n && !memcmp(r.strings + r.symbol[up].name, f->function.p, f->function.n))
            return NULL;
    for (uint32_t i = 0; i < r.head->nsymbols && other == RECORD_NONE; i++)
        if (r.symbol[i].name_len == f->function.n && !memcmp(r.strings + r.symbol[i].name, f->function.p, f->function.n))
            other = i;
    if (other == RECORD_NONE)
        return at->symbol == RECORD_NONE ? NULL : "the trace names another function there: this may not be the version that ran";
    at->symbol = other;
    at->chunk = r.symbol[other].chunk;
    at->line = at->end_line = r.symbol[other].start_line;
    return "found by the function's name: its line is another one here, so this may not be the version that ran";
}

static int gather_frames(struct answer_work *w, struct err *e)
{
    uint32_t seen[FRAMES_SHOWN][3];
    size_t shown = 0;
    int rc = 0;
    for (size_t i = 0; i < w->trace->nframes && i < FRAMES_TRIED && shown < FRAMES_SHOWN && !rc; i++) {
        const struct trace_frame *f = &w->trace->frame[i];
        struct place at;
        bool repeated = false;
        if (!find_frame(&at, w, f))
            continue;
        for (size_t k = 0; k < shown && !repeated; k++)
            repeated = seen[k][0] == at.target && seen[k][1] == at.file && seen[k][2] == at.line;
        if (repeated)
            continue;
        seen[shown][0] = at.target;
        seen[shown][1] = at.file;
        seen[shown][2] = at.line;
        const char *note = settle(&at, w, f);
        struct part *p = parts_add(&w->parts, PART_FRAME);
        p->note = note;
        rc = part_place(p, w, &at, at.line, at.line, e);
        p->line = p->cited;
        p->at = at.line;
        p->quote = f->note;
        if (!rc && !shown)
            rc = frame_code(p, w, &at, e);
        shown++;
    }
    return rc;
}

/* The first line of a hit's chunk that holds the piece. */
static int gather_message(struct answer_work *w, struct str piece, const struct search_hit *h, struct err *e)
{
    struct str text;
    int rc = lookup_lines(&text, w->l, h->cut, h->start_line, h->end_line, e);
    if (rc)
        return rc;
    uint32_t line = h->start_line;
    for (size_t i = 0; i + piece.n <= text.n; i++) {
        if (!memcmp(text.p + i, piece.p, piece.n)) {
            struct place at = {.target = h->target, .cut = h->cut, .chunk = h->chunk, .line = line, .end_line = line,
                               .file = snapshot_file(w->l->snap[h->target], h->path)};
            struct record r;
            bool named;
            if (at.file == FILE_NONE || (rc = lookup_record(&r, w->l, h->cut, e)))
                return rc;
            at.symbol = symbol_at(&r, line, (struct str){"", 0}, &named);
            for (size_t k = 0; k < w->parts.n; k++) /* a frame shows it already */
                if (w->parts.v[k].hit->cut == h->cut && w->parts.v[k].first == line && w->parts.v[k].kind == PART_MESSAGE)
                    return 0;
            struct part *p = parts_add(&w->parts, PART_MESSAGE);
            p->quote = piece;
            return part_place(p, w, &at, line, line, e);
        }
        line += text.p[i] == '\n';
    }
    return 0;
}

int gather_trace(struct answer_work *w, struct err *e)
{
    int rc = gather_frames(w, e);
    for (size_t i = 0; i < w->nmessages && !rc; i++)
        rc = gather_message(w, w->message[i].piece, &w->message[i].hit, e);
    return rc;
}

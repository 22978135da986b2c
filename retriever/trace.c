#include "retriever/trace.h"

#include "retriever/trace_shapes.h"

#include <stdlib.h>
#include <string.h>

/* Tried in order on each line; the first that takes it wins. Those with a distinctive beginning come first; the loose ones
 * ("path:12: …", log lines) last. */
static bool (*const shapes[])(struct tracer *, struct str) = {
    shape_python, shape_at, shape_hash, shape_rust, shape_rustc, shape_elixir, shape_kotlinc, shape_in_function,
    shape_included_from, shape_go, shape_perl, shape_php, shape_ruby, shape_assert, shape_make, shape_paren_diagnostic, shape_lua,
    shape_shell, shape_firefox, shape_colon_diagnostic, shape_exception, shape_log, shape_place,
};

/* -- collecting ------------------------------------------------------------------------------------------------------------ */
static void put(struct tracer *t, const struct trace_frame *f)
{
    uint32_t half = TRACE_FRAMES / 2;
    if (t->nframes < half) {
        t->head[t->nframes] = *f;
        t->head_seq[t->nframes] = t->nframes;
    } else {
        t->tail[t->nframes % half] = *f;
        t->tail_seq[t->nframes % half] = t->nframes;
    }
    t->nframes++;
}

/* The current group, a new one where none is open. Past the limit the last one goes on. */
static struct trace_group *group(struct tracer *t, enum trace_order order)
{
    if (!t->open || !t->ngroups) {
        bool cause = t->ngroups && t->group[t->ngroups - 1].first == UINT32_MAX; /* made by tracer_cause */
        if (!cause && t->ngroups < TRACE_GROUPS) {
            uint32_t chain = t->ngroups ? t->group[t->ngroups - 1].chain + 1 : 0;
            t->group[t->ngroups++] = (struct trace_group){.chain = chain, .first = UINT32_MAX, .order = order};
        }
        t->open = true;
    }
    struct trace_group *g = &t->group[t->ngroups - 1];
    if (g->first == UINT32_MAX) {
        g->first = t->nframes;
        g->order = order;
    }
    g->last = t->nframes;
    return g;
}

void tracer_end_group(struct tracer *t)
{
    t->open = false;
}

void tracer_cause(struct tracer *t)
{
    if (t->ngroups && t->ngroups < TRACE_GROUPS && t->group[t->ngroups - 1].first != UINT32_MAX) {
        struct trace_group g = {.chain = t->group[t->ngroups - 1].chain, .rank = t->group[t->ngroups - 1].rank - 1, .first = UINT32_MAX};
        t->group[t->ngroups++] = g;
    }
    t->open = false;
}

void tracer_call(struct tracer *t, struct str path, uint32_t line, struct str qualified, enum trace_order order)
{
    struct trace_frame f = {.path = path, .line = line, .qualified = qualified, .function = function_of(qualified), .kind = TRACE_CALL};
    if (t->open && t->nframes && t->last.kind == TRACE_CALL && t->last.line == line && str_same(t->last.path, path) &&
        str_same(t->last.qualified, qualified))
        return; /* a recursion says nothing new */
    struct trace_group *g = group(t, order);
    f.group = (uint32_t)(g - t->group);
    t->last = f;
    put(t, &f);
}

void tracer_name_last(struct tracer *t, struct str qualified)
{
    uint32_t half = TRACE_FRAMES / 2;
    if (!t->nframes || !t->open)
        return;
    uint32_t i = t->nframes - 1;
    struct trace_frame *f = i < half ? &t->head[i] : &t->tail[i % half];
    if (f->qualified.n)
        return;
    f->qualified = t->last.qualified = qualified;
    f->function = t->last.function = function_of(qualified);
}

void tracer_place(struct tracer *t, enum trace_frame_kind kind, struct str path, uint32_t line, struct str function, struct str note)
{
    struct trace_frame f = {.path = path, .line = line, .function = function, .note = note, .kind = kind};
    t->open = false;
    struct trace_group *g = group(t, INNERMOST_FIRST);
    g->rank = kind == TRACE_DIAGNOSTIC ? 0 : 1;
    t->open = false;
    f.group = (uint32_t)(g - t->group);
    t->last = f;
    put(t, &f);
}

static void keep(struct arena *arena, struct str **list, size_t *n, struct str s)
{
    for (size_t i = 0; i < *n; i++)
        if (str_same((*list)[i], s))
            return;
    if (*n == TRACE_PIECES)
        return;
    if (!*list)
        *list = arena_zero(arena, TRACE_PIECES, sizeof **list);
    (*list)[(*n)++] = s;
}

void tracer_identifier(struct tracer *t, struct str name)
{
    if (name.n > 200)
        return;
    for (size_t i = 0; i < name.n; i++)
        if (!char_ident(name.p[i]) && !strchr(".:\\", name.p[i]))
            return;
    size_t at = str_rfind(name, '.'); /* com.acme.CartError, shop.cart.CartError → CartError */
    if (at != SIZE_MAX)
        name = str_from(name, at + 1);
    if ((at = str_rfind(name, ':')) != SIZE_MAX || (at = str_rfind(name, '\\')) != SIZE_MAX)
        name = str_from(name, at + 1);
    if ((at = str_rfind(name, '$')) != SIZE_MAX && at)
        name = str_from(name, at + 1);
    if (name.n < 2 || (name.p[0] >= '0' && name.p[0] <= '9'))
        return;
    keep(t->arena, &t->out->identifier, &t->out->nidentifiers, name);
}

/* -- the constant pieces of a message ---------------------------------------------------------------------------------------- */
#define PIECE_MAX 160
#define PIECE_MIN 10 /* and two words: "seconds" is in every program */

static void kept_piece(struct tracer *t, struct str s, bool after_colon, bool last)
{
    static const char edge[] = " \t:;,.()[]{}=<>-*!|";
    while (s.n && strchr(edge, s.p[0]))
        s.p++, s.n--;
    while (s.n && strchr(edge, s.p[s.n - 1]))
        s.n--;
    if (s.n > PIECE_MAX) /* at a blank, so that it stays a literal of the source */
        for (s.n = PIECE_MAX; s.n && s.p[s.n] != ' ';)
            s.n--;
    if (s.n >= PIECE_MIN && memchr(s.p, ' ', s.n))
        keep(t->arena, &t->out->message, &t->out->nmessages, s);
    else if (after_colon && s.n > 1) { /* "undefined: missing" */
        bool name = last;
        for (size_t i = 1; i < s.n; i++)
            name |= s.p[i] == '_' || (s.p[i] >= 'A' && s.p[i] <= 'Z');
        if (name)
            tracer_identifier(t, s);
    }
}

/* Programs join messages with ": " ("open config: permission denied"): each side is a constant of its own. */
static void piece(struct tracer *t, struct str text, size_t from, size_t to)
{
    struct str s = {text.p + from, to - from};
    bool after_colon = false;
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == ':' && s.p[i + 1] == ' ') {
            kept_piece(t, str_upto(s, i), after_colon, false);
            s = str_from(s, i + 2);
            i = 0;
            after_colon = true;
        }
    kept_piece(t, s, after_colon, to == text.n);
}

void tracer_literal(struct tracer *t, struct str text)
{
    kept_piece(t, text, false, true);
}

/* Bytes of an opening quote at s, and the closing one's text. */
static size_t quote_at(struct str s, const char **close)
{
    static const char *const pair[][2] = {{"\"", "\""}, {"'", "'"}, {"`", "`"}, {"\xe2\x80\x98", "\xe2\x80\x99"},
                                          {"\xe2\x80\x9c", "\xe2\x80\x9d"}};
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (str_begins(s, pair[i][0])) {
            *close = pair[i][1];
            return strlen(pair[i][0]);
        }
    return 0;
}

static bool variable_token(struct str s)
{
    size_t hex = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c >= '0' && c <= '9') || c == '/' || c == '\\' || c == '@' || c == '%' || c == '{' || c == '[')
            return true;
        if (c == '=' && i + 1 < s.n)
            return true;
        hex += (c >= 'a' && c <= 'f') || c == '-';
    }
    return hex == s.n && s.n >= 8;
}

/* Walks a message once: quoted values and tokens with digits, slashes … end a piece; what stands between them is constant. */
static void pieces(struct tracer *t, struct str text)
{
    size_t begin = 0, i = 0, quotes_missed = 0;
    while (i < text.n) {
        const char *close;
        bool word_start = !i || !char_ident(text.p[i - 1]);
        size_t q = word_start ? quote_at(str_from(text, i), &close) : 0;
        if (q && quotes_missed < 8) {
            size_t end = str_find(str_from(text, i + q), close);
            if (end == SIZE_MAX && *close == '`')
                end = str_find(str_from(text, i + q), "'"); /* ld and Ruby: `name' */
            if (end != SIZE_MAX) {
                struct str inside = str_upto(str_from(text, i + q), end);
                tracer_identifier(t, inside);
                piece(t, text, begin, i);
                begin = i = i + q + end + strlen(close);
                continue;
            }
            quotes_missed++; /* keeps the walk linear */
        }
        if (text.p[i] == ' ' || text.p[i] == '\t') {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < text.n && text.p[end] != ' ' && text.p[end] != '\t' && text.p[end] != '"' && text.p[end] != '\'')
            end++;
        if (end < text.n && text.p[end] == '\'' && end + 1 < text.n && char_ident(text.p[end + 1])) /* don't */
            while (end < text.n && text.p[end] != ' ')
                end++;
        if (variable_token((struct str){text.p + i, end - i})) {
            piece(t, text, begin, i);
            begin = end;
        }
        i = end;
    }
    piece(t, text, begin, text.n);
}

void tracer_error(struct tracer *t, struct str text, int weight)
{
    text = str_trim(text);
    if (!text.n || (!weight && t->out->nmessages >= TRACE_PIECES / 4)) /* chatter leaves room for the errors */
        return;
    if (weight > t->error_weight) {
        t->error_weight = weight;
        t->out->error = text;
    }
    pieces(t, text);
}

/* -- lines --------------------------------------------------------------------------------------------------------------------- */
/* A copy without terminal escapes; the text itself when it has none. */
static struct str without_escapes(struct str text, struct arena *arena)
{
    if (!memchr(text.p, 0x1b, text.n))
        return text;
    char *to = arena_alloc(arena, text.n);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != 0x1b) {
            to[n++] = text.p[i];
            continue;
        }
        if (i + 1 < text.n && text.p[i + 1] == '[') /* CSI: parameters, then one letter */
            for (i += 2; i < text.n && text.p[i] < 0x40 && text.p[i] >= 0x20;)
                i++;
    }
    return (struct str){to, n};
}

static void read_line(struct tracer *t, struct str line)
{
    struct str s = str_trim(line);
    if (!s.n)
        return;
    if (t->want_message) { /* the line after "thread 'main' panicked at …" */
        t->want_message = false;
        tracer_error(t, s, 6);
        return;
    }
    s = log_unship(s);
    struct str bare = log_unprefix(s);
    const char *promised = t->function.n ? t->function.p : NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i](t, shapes[i] == shape_log ? s : bare))
            break;
    if (promised && t->function.p == promised) /* it holds for one line */
        t->function = (struct str){"", 0};
}

/* -- order ---------------------------------------------------------------------------------------------------------------------- */
static int by_chain(const void *x, const void *y)
{
    const struct trace_group *a = *(struct trace_group *const *)x, *b = *(struct trace_group *const *)y;
    if (a->chain != b->chain)
        return a->chain < b->chain ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int by_evidence(const void *x, const void *y)
{
    const struct trace_frame *a = x, *b = y;
    if (a->kind != b->kind && (a->kind >= TRACE_NOTE || b->kind >= TRACE_NOTE)) /* errors before notes before places */
        return a->kind < b->kind ? -1 : 1;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a->depth < b->depth ? -1 : a->depth > b->depth;
}

static void finish(struct tracer *t)
{
    struct trace_group *order[TRACE_GROUPS];
    uint32_t half = TRACE_FRAMES / 2;
    size_t n = t->nframes < TRACE_FRAMES ? t->nframes : TRACE_FRAMES;
    for (uint32_t i = 0; i < t->ngroups; i++)
        order[i] = &t->group[i];
    qsort(order, t->ngroups, sizeof *order, by_chain);
    for (uint32_t i = 0; i < t->ngroups; i++)
        order[i]->place = i;
    if (!n)
        return;
    struct trace_frame *f = arena_zero(t->arena, n, sizeof *f);
    for (size_t i = 0; i < n; i++) {
        f[i] = i < half ? t->head[i] : t->tail[i - half];
        uint32_t seq = i < half ? t->head_seq[i] : t->tail_seq[i - half];
        const struct trace_group *g = &t->group[f[i].group];
        f[i].depth = g->order == OUTERMOST_FIRST ? g->last - seq : seq - g->first;
        f[i].group = g->place;
    }
    qsort(f, n, sizeof *f, by_evidence);
    t->out->frame = f;
    t->out->nframes = n;
}

void trace_parse(struct trace *out, const char *text, size_t len, struct arena *arena)
{
    struct str all = without_escapes((struct str){text, len}, arena);
    struct tracer *t = arena_zero(arena, 1, sizeof *t);
    *out = (struct trace){0};
    t->arena = arena;
    t->out = out;
    for (size_t i = 0; i < all.n;) {
        const char *nl = memchr(all.p + i, '\n', all.n - i);
        size_t end = nl ? (size_t)(nl - all.p) : all.n;
        read_line(t, str_upto((struct str){all.p + i, end - i}, TRACE_LINE_MAX));
        i = end + 1;
    }
    finish(t);
}

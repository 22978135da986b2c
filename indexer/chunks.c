/* Chunks: ranges of whole lines along definitions. A region (the content, or a definition too large for one chunk) is laid
 * out as atoms: its small definitions, what lies between them, and the atoms of its large ones. Small neighbours of one
 * region are then merged. What is large and has no definitions inside is split where the tree has its shallowest borders. */
#include "indexer/cutter.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 48        /* of definitions within definitions that are laid out on their own */
#define LINES_AIM 50        /* of a chunk that is cut by lines */
#define NO_BREAK 250        /* a line that begins inside of something small */
#define MINIFIED_CHUNKS 16  /* of a minified content: nobody asks for its parts */

struct atom {
    uint32_t first, last; /* lines */
    uint32_t def, region;
    bool weak;            /* between definitions: its definition is only that around it */
};

struct layout {
    struct cutter *c;
    VEC(struct atom) atoms;
    VEC(uint32_t) child, child_end; /* children of each definition as ranges of `order` */
    VEC(uint32_t) order;
    bool have_breaks;
    uint32_t regions;
};

static uint32_t line_start(const struct cutter *c, uint32_t line)
{
    return c->lines.v[line];
}

static uint32_t bytes_of(const struct cutter *c, uint32_t first, uint32_t last)
{
    return line_start(c, last + 1) - line_start(c, first);
}

/* Marks each line that begins with a node by the depth of the shallowest such node. Only large nodes are looked into, so
 * this visits few. */
static void find_breaks(struct cutter *c)
{
    c->breaks.n = 0;
    uint32_t nlines = c->lines.n - 1;
    if (c->breaks.cap < nlines)
        c->breaks.v = mem_grow(c->breaks.v, c->breaks.cap = nlines, 1);
    memset(c->breaks.v, NO_BREAK, nlines);
    c->breaks.n = nlines;
    if (!c->tree)
        return;
    TSTreeCursor cur = ts_tree_cursor_new(ts_tree_root_node(c->tree));
    uint32_t depth = 0;
    bool down = ts_tree_cursor_goto_first_child(&cur);
    while (down) {
        depth++;
        for (;;) {
            TSNode node = ts_tree_cursor_current_node(&cur);
            TSPoint at = ts_node_start_point(node);
            uint32_t start = ts_node_start_byte(node), end = ts_node_end_byte(node);
            if (at.row < nlines && c->breaks.v[at.row] > depth) {
                uint32_t b = line_start(c, at.row);
                while (b < start && (c->text[b] == ' ' || c->text[b] == '\t'))
                    b++;
                if (b == start && ts_node_is_named(node))
                    c->breaks.v[at.row] = (uint8_t)(depth < NO_BREAK ? depth : NO_BREAK - 1);
            }
            if (end - start > CUT_CHUNK_BYTES && depth < 2000 && ts_tree_cursor_goto_first_child(&cur)) {
                depth++;
                continue;
            }
            while (!ts_tree_cursor_goto_next_sibling(&cur)) {
                if (!ts_tree_cursor_goto_parent(&cur) || --depth == 0) {
                    down = false;
                    break;
                }
            }
            if (!down)
                break;
        }
    }
    ts_tree_cursor_delete(&cur);
}

/* How bad it is to begin a chunk with this line: the depth of what begins there; after a blank line is better. */
static int break_cost(const struct cutter *c, uint32_t line)
{
    int cost = c->breaks.v[line] * 2;
    bool blank = line > 0 && !cut_line_has_word(c, line - 1) && bytes_of(c, line - 1, line - 1) <= 2;
    return cost - (blank ? c->tree ? 1 : 100 : 0);
}

static void add_atom(struct layout *l, uint32_t first, uint32_t last, uint32_t def, uint32_t region, bool weak)
{
    VEC_ADD(l->atoms, (struct atom){first, last, def, region, weak});
}

/* A large region without definitions: chunks of about the aimed size, begun at the best line of the second half. */
static void split(struct layout *l, uint32_t first, uint32_t last, uint32_t def, bool weak)
{
    struct cutter *c = l->c;
    if (!l->have_breaks) {
        find_breaks(c);
        l->have_breaks = true;
    }
    while (first <= last) {
        uint32_t line = first, best = last + 1;
        int best_cost = 1 << 20;
        if (bytes_of(c, first, last) > CUT_CHUNK_MAX || last - first >= LINES_AIM * 2) {
            for (line = first + 1; line <= last; line++) {
                uint32_t size = bytes_of(c, first, line - 1);
                if (size > CUT_CHUNK_BYTES + CUT_CHUNK_BYTES / 4 || line - first > LINES_AIM + LINES_AIM / 4)
                    break;
                if (size < CUT_CHUNK_BYTES / 2 && line - first < LINES_AIM / 2)
                    continue;
                if (break_cost(c, line) <= best_cost) {
                    best_cost = break_cost(c, line);
                    best = line;
                }
            }
            if (best > last)
                best = line > first + 1 ? line - 1 : line; /* long lines */
        }
        add_atom(l, first, best - 1, def, ++l->regions, weak);
        first = best;
    }
}

static void between(struct layout *l, uint32_t first, uint32_t last, uint32_t def, uint32_t region, bool weak)
{
    while (first <= last && !cut_line_has_word(l->c, first) && bytes_of(l->c, first, first) <= 2)
        first++; /* blank lines belong to nobody */
    if (first > last)
        return;
    if (bytes_of(l->c, first, last) > CUT_CHUNK_MAX || last - first >= LINES_AIM * 2)
        split(l, first, last, def, weak);
    else
        add_atom(l, first, last, def, region, weak);
}

static void lay_out(struct layout *l, uint32_t first, uint32_t last, uint32_t def, uint32_t depth)
{
    struct cutter *c = l->c;
    uint32_t from = def == RECORD_NONE ? l->child.v[c->defs.n] : l->child.v[def];
    uint32_t to = def == RECORD_NONE ? l->child_end.v[c->defs.n] : l->child_end.v[def];
    uint32_t region = ++l->regions, next = first, seen = 0;
    for (uint32_t i = from; i < to; i++) {
        uint32_t k = l->order.v[i];
        const struct def *d = &c->defs.v[k];
        uint32_t a = cut_line_of(c, d->outer), b = cut_line_of(c, d->outer_end ? d->outer_end - 1 : 0);
        if (a < next)
            a = next; /* the line was given already */
        if (b > last)
            b = last;
        if (a > b)
            continue;
        if (a > next)
            between(l, next, a - 1, def, region, seen > 0 || def == RECORD_NONE);
        seen++;
        if (bytes_of(c, a, b) <= CUT_CHUNK_MAX)
            add_atom(l, a, b, k, region, false);
        else if (depth < DEPTH_MAX)
            lay_out(l, a, b, k, depth + 1);
        else
            split(l, a, b, k, false);
        next = b + 1;
    }
    if (next <= last)
        between(l, next, last, def, region, seen > 0 || def == RECORD_NONE);
}

/* Children of each definition in order of their place; those at the top under index n. */
static void find_children(struct layout *l)
{
    struct cutter *c = l->c;
    uint32_t n = c->defs.n;
    VEC(uint32_t) holder = {NULL, 0, 0};
    c->stack.n = 0;
    for (uint32_t i = 0; i <= n; i++) {
        VEC_ADD(l->child, 0);
        VEC_ADD(l->child_end, 0);
    }
    for (uint32_t i = 0; i < n; i++) { /* by place: a parent may be a type that stands elsewhere */
        while (c->stack.n && c->defs.v[c->stack.v[c->stack.n - 1]].end <= c->defs.v[i].start)
            c->stack.n--;
        uint32_t h = c->stack.n ? c->stack.v[c->stack.n - 1] : n;
        VEC_ADD(holder, h);
        l->child_end.v[h]++;
        VEC_ADD(c->stack, i);
        VEC_ADD(l->order, 0);
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i <= n; i++) {
        l->child.v[i] = sum;
        sum += l->child_end.v[i];
        l->child_end.v[i] = l->child.v[i];
    }
    for (uint32_t i = 0; i < n; i++)
        l->order.v[l->child_end.v[holder.v[i]]++] = i;
    free(holder.v);
}

static bool has_word(const struct cutter *c, const struct atom *a)
{
    for (uint32_t i = a->first; i <= a->last; i++)
        if (cut_line_has_word(c, i))
            return true;
    return false;
}

/* A hard cut of lines that are data: pieces of at most size bytes, at UTF-8 borders. */
static void add_hard(struct cutter *c, const struct atom *a, uint32_t size)
{
    uint32_t at = line_start(c, a->first), end = line_start(c, a->last + 1), line = a->first;
    while (at < end) {
        uint32_t to = end - at > size ? at + size : end;
        while (to < end && to > at + 1 && ((unsigned char)c->text[to] & 0xc0) == 0x80)
            to--;
        uint32_t last = line;
        while (last < a->last && line_start(c, last + 1) < to)
            last++;
        VEC_ADD(c->chunks, (struct chunk){at, to, line, last, a->def, 0});
        line = last < a->last && line_start(c, last + 1) == to ? last + 1 : last;
        at = to;
    }
}

static void add_chunk(struct cutter *c, const struct atom *a)
{
    uint32_t start = line_start(c, a->first), end = line_start(c, a->last + 1);
    if (end - start > CUT_LINE_MAX) {
        uint32_t size = c->flags & RECORD_MINIFIED ? c->n / MINIFIED_CHUNKS : CUT_LINE_MAX;
        if (c->n / size > CUT_MAX_CHUNKS / 4)
            size = c->n / (CUT_MAX_CHUNKS / 4);
        add_hard(c, a, size < CUT_LINE_MAX ? CUT_LINE_MAX : size);
        return;
    }
    VEC_ADD(c->chunks, (struct chunk){start, end, a->first, a->last, a->def, 0});
}

/* Atoms in order become chunks: small neighbours of one region together, brackets to what they close. */
static void merge(struct layout *l)
{
    struct cutter *c = l->c;
    struct atom cur = {0, 0, RECORD_NONE, 0, true};
    bool open = false, all_small = false;
    for (uint32_t i = 0; i < l->atoms.n; i++) {
        struct atom a = l->atoms.v[i];
        bool words = has_word(c, &a);
        if (!words) {
            if (open && a.first == cur.last + 1 && bytes_of(c, cur.first, a.last) <= CUT_LINE_MAX)
                cur.last = a.last;
            continue;
        }
        uint32_t more = bytes_of(c, a.first, a.last);
        if (open) {
            uint32_t have = bytes_of(c, cur.first, cur.last), all = bytes_of(c, cur.first, a.last);
            /* small ones keep each other company; a crumb goes to whatever stands beside it */
            bool fits = more < CUT_CHUNK_MIN ? all_small || more < CUT_CHUNK_MIN / 3
                                             : have < (cur.weak ? CUT_CHUNK_MIN : CUT_CHUNK_MIN / 3);
            if (cur.region == a.region && fits && all <= CUT_CHUNK_BYTES) {
                cur.last = a.last;
                all_small &= more < CUT_CHUNK_MIN;
                if (cur.def == RECORD_NONE || (cur.weak && !a.weak)) {
                    cur.def = a.def;
                    cur.weak = a.weak;
                }
                continue;
            }
            add_chunk(c, &cur);
        }
        cur = a;
        all_small = more < CUT_CHUNK_MIN;
        open = true;
    }
    if (open)
        add_chunk(c, &cur);
}

/* The chunk that holds a byte, else the one before it, else the first. */
static uint32_t chunk_of(const struct cutter *c, uint32_t at)
{
    uint32_t lo = 0, hi = c->chunks.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->chunks.v[mid].start <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? lo - 1 : 0;
}

void cut_chunks(struct cutter *c)
{
    struct layout l = {.c = c};
    find_children(&l);
    if (c->lines.n > 1) {
        if (c->defs.n)
            lay_out(&l, 0, c->lines.n - 2, RECORD_NONE, 0);
        else
            between(&l, 0, c->lines.n - 2, RECORD_NONE, ++l.regions, true);
    }
    merge(&l);
    free(l.atoms.v);
    free(l.child.v);
    free(l.child_end.v);
    free(l.order.v);
    if (c->chunks.n > CUT_MAX_CHUNKS) { /* the last one takes the rest */
        c->chunks.n = CUT_MAX_CHUNKS;
        c->chunks.v[CUT_MAX_CHUNKS - 1].end = c->n;
        c->chunks.v[CUT_MAX_CHUNKS - 1].last = c->lines.n - 2;
        c->flags |= RECORD_TRUNCATED;
    }
    if (!c->chunks.n) { /* nothing but brackets: what was found there has no home */
        c->defs.n = c->refs.n = 0;
        return;
    }
    for (uint32_t i = 0; i < c->defs.n; i++)
        c->defs.v[i].chunk = chunk_of(c, c->defs.v[i].start);
}

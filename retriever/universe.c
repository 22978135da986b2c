#include "retriever/universe.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

float nature_blame(const struct file_nature *is)
{
    return is->test + is->example + is->doc + is->config + is->generated + is->vendored + is->declaration + is->script + is->older +
           is->foreign;
}

float nature_worth(const struct file_nature *is)
{
    return 1 - .5f * (is->test > is->doc ? is->test : is->doc);
}

/* The occurrence that is shown of a content with several paths: the one that is most like source, then the shortest. */
static struct shown choose_shown(const struct snapshot *s, const struct snap_cut *c)
{
    uint32_t best = s->by_cut[c->file];
    for (uint32_t i = 1; i < c->nfiles; i++) {
        uint32_t number = s->by_cut[c->file + i];
        const struct snap_file *f = &s->file[number], *b = &s->file[best];
        float x = nature_blame(&f->is), y = nature_blame(&b->is);
        if (x < y || (x == y && f->path.n < b->path.n))
            best = number;
    }
    return (struct shown){best, nature_worth(&s->file[best].is)};
}

struct making {
    struct universe_base *b;
    uint32_t *where, *where_cut, *file_words, *twin;
    size_t twin_cap;
    uint64_t words;
};

static void add_segment(struct making *m, size_t number, const struct segment *s, uint32_t *gid, uint32_t *map)
{
    struct universe *u = &m->b->u;
    memset(gid, 0xff, s->ncuts * sizeof *gid);
    for (size_t k = 0; k < u->nsnaps; k++) {
        if (!snapshot_map(u->snap[k], s, map))
            continue;
        for (uint32_t c = 0; c < s->ncuts; c++) {
            if (map[c] == FILE_NONE)
                continue;
            uint32_t mine = u->first[k] + map[c];
            m->where[mine] = (uint32_t)number;
            m->where_cut[mine] = c;
            if (gid[c] == FILE_NONE) {
                gid[c] = mine;
                continue;
            }
            if (u->ntwins * 2 + 2 > m->twin_cap)
                m->twin = mem_grow(m->twin, m->twin_cap = m->twin_cap * 2 + 64, sizeof *m->twin);
            m->twin[u->ntwins * 2] = mine;
            m->twin[u->ntwins++ * 2 + 1] = gid[c];
        }
    }
    for (uint32_t c = 0; c < s->ncuts; c++) {
        if (gid[c] == FILE_NONE)
            continue;
        for (uint32_t k = s->first_chunk[c]; k < s->first_chunk[c + 1]; k++)
            m->file_words[gid[c]] += s->chunk_words[k];
        /* A batch in which no content has words makes no segment: what has none counts nowhere, so that scores do not depend on
         * which contents came in together. */
        if (!m->file_words[gid[c]])
            continue;
        u->visible_files++;
        u->visible_chunks += s->first_chunk[c + 1] - s->first_chunk[c];
        m->words += m->file_words[gid[c]];
    }
}

struct universe_base *universe_new(struct snapshot *const *snap, size_t nsnaps, const struct segment *seg, size_t nsegs)
{
    struct universe_base *b = mem_zero(1, sizeof *b);
    struct making m = {.b = b};
    struct universe *u = &b->u;
    arena_init(&b->arena);
    b->refs = 1;
    b->serial = arena_alloc(&b->arena, (nsnaps + 1) * sizeof *b->serial);
    uint32_t *first = arena_alloc(&b->arena, (nsnaps + 1) * sizeof *first);
    uint32_t most = 1;
    uint64_t symbols = 0;
    *u = (struct universe){.snap = snap, .nsnaps = nsnaps, .nsegs = nsegs, .first = first};
    for (size_t i = 0; i < nsnaps; i++) {
        b->serial[i] = snap[i]->serial;
        first[i] = u->ngids;
        u->ngids += snap[i]->ncuts;
    }
    first[nsnaps] = u->ngids;
    struct shown *shown = arena_alloc(&b->arena, u->ngids * sizeof *shown);
    for (size_t k = 0; k < nsnaps; k++)
        for (uint32_t c = 0; c < snap[k]->ncuts; c++) {
            symbols += snap[k]->cut[c].nsymbols;
            shown[first[k] + c] = choose_shown(snap[k], &snap[k]->cut[c]);
        }
    uint32_t **gid = arena_alloc(&b->arena, (nsegs + 1) * sizeof *gid), *chunk0 = arena_alloc(&b->arena, (nsegs + 1) * sizeof *chunk0);
    b->segment = arena_alloc(&b->arena, (nsegs + 1) * sizeof *b->segment);
    m.where = arena_zero(&b->arena, u->ngids, sizeof *m.where);
    m.where_cut = arena_zero(&b->arena, u->ngids, sizeof *m.where_cut);
    m.file_words = arena_zero(&b->arena, u->ngids, sizeof *m.file_words);
    for (size_t i = 0; i < nsegs; i++)
        most = seg[i].ncuts > most ? seg[i].ncuts : most;
    uint32_t *map = mem_alloc(most * sizeof *map);
    for (size_t i = 0; i < nsegs; i++) {
        gid[i] = arena_alloc(&b->arena, seg[i].ncuts * sizeof **gid);
        add_segment(&m, i, &seg[i], gid[i], map);
        b->segment[i] = seg[i].id;
        chunk0[i] = u->nchunks;
        u->nchunks += seg[i].nchunks;
    }
    chunk0[nsegs] = u->nchunks;
    free(map);
    u->gid = gid;
    u->chunk0 = chunk0;
    u->where = m.where;
    u->where_cut = m.where_cut;
    u->file_words = m.file_words;
    u->twin = m.twin;
    u->shown = shown;
    u->snap = NULL;
    u->mean_chunk = u->visible_chunks ? (double)m.words / u->visible_chunks : 1;
    u->mean_symbols = u->ngids && symbols ? (double)symbols / u->ngids : 1;
    u->mean_file = u->visible_files ? (double)m.words / u->visible_files : 1;
    return b;
}

void universe_drop(struct universe_base *b)
{
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
        return;
    free((void *)b->u.twin);
    arena_release(&b->arena);
    free(b);
}

bool universe_over_same(const struct universe_base *b, struct snapshot *const *snap, size_t nsnaps)
{
    if (b->u.nsnaps != nsnaps)
        return false;
    for (size_t i = 0; i < nsnaps; i++)
        if (b->serial[i] != snap[i]->serial)
            return false;
    return true;
}

bool universe_has(const struct universe_base *b, const struct snapshot *snap)
{
    for (size_t i = 0; i < b->u.nsnaps; i++)
        if (b->serial[i] == snap->serial)
            return true;
    return false;
}

bool universe_is(const struct universe_base *b, struct snapshot *const *snap, size_t nsnaps, const struct segment *seg, size_t nsegs)
{
    if (b->u.nsegs != nsegs || !universe_over_same(b, snap, nsnaps))
        return false;
    for (size_t i = 0; i < nsegs; i++)
        if (b->segment[i] != seg[i].id)
            return false;
    return true;
}

struct universe universe_over(const struct universe_base *b, struct snapshot *const *snap, const struct segment *seg)
{
    struct universe u = b->u;
    u.snap = snap;
    u.seg = seg;
    return u;
}

struct snapshot *universe_snapshot(const struct universe *u, uint32_t gid, uint32_t *ucut, uint32_t *target)
{
    uint32_t k = 0;
    while (k + 1 < u->nsnaps && u->first[k + 1] <= gid)
        k++;
    *ucut = gid - u->first[k];
    if (target)
        *target = k;
    return u->snap[k];
}

/* Every cited span is read again from where it comes from and compared with what the index says, secrets masked on both
 * sides. A file is read once, however many spans of it are cited. */
#include "retriever/answer_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Copies the spans of the cut's secrets, so that no transaction is held while sources are read. */
struct masks {
    struct record_secret *v;
    uint32_t n, bytes;
    bool known;
};

static struct masks masks_of(struct lookup *l, uint32_t cut)
{
    struct masks m = {0};
    struct record r;
    if (lookup_record(&r, l, cut, NULL))
        return m;
    m.known = true;
    m.n = r.head->nsecrets;
    m.bytes = r.head->source_bytes;
    if (m.n) {
        m.v = arena_alloc(l->arena, m.n * sizeof *m.v);
        memcpy(m.v, r.secret, m.n * sizeof *m.v);
    }
    return m;
}

/* As the indexer masks: line ends stay. */
static void hide(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\n' && p[i] != '\r')
            p[i] = '*';
}

static bool same_file(const struct search_hit *a, const struct search_hit *b)
{
    return a->target == b->target && a->cut == b->cut && a->path.n == b->path.n && !memcmp(a->path.p, b->path.p, a->path.n);
}

static bool span_holds(const struct part *p, struct str source)
{
    struct str now = text_lines(source, p->first, p->last);
    return p->last >= p->first && now.n == p->cited.n && (!now.n || !memcmp(now.p, p->cited.p, now.n));
}

void parts_verify(struct parts *p, struct lookup *l, source_reader read, void *arg, uint32_t *dropped)
{
    struct masks *mask = mem_zero(p->n, sizeof *mask);
    bool *done = mem_zero(p->n, sizeof *done);
    for (size_t i = 0; i < p->n; i++)
        mask[i] = masks_of(l, p->v[i].hit->cut);
    lookup_close(l); /* reading sources may be slow: no transaction is held from here on */
    struct buf source = BUF_INIT;
    for (size_t i = 0; i < p->n; i++) {
        if (done[i])
            continue;
        buf_clear(&source);
        bool read_ok = !read(arg, p->v[i].hit, &source, NULL) && mask[i].known && source.len == mask[i].bytes;
        for (uint32_t k = 0; read_ok && k < mask[i].n; k++)
            if (mask[i].v[k].end <= source.len && mask[i].v[k].start <= mask[i].v[k].end)
                hide(source.data + mask[i].v[k].start, mask[i].v[k].end - mask[i].v[k].start);
        struct str text = {source.data ? source.data : "", source.len};
        for (size_t k = i; k < p->n; k++) {
            if (done[k] || !same_file(p->v[i].hit, p->v[k].hit))
                continue;
            done[k] = true;
            p->v[k].holds = read_ok && span_holds(&p->v[k], text);
            *dropped += !p->v[k].holds && p->v[k].kind != PART_SOURCE;
        }
    }
    buf_release(&source);
    free(mask);
    free(done);
}

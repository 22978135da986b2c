/* Renames as git finds them for one added file: the same content; else, by the base name when only one deleted file has it, 3/4
 * alike; else the deleted file that is most alike, from 1/2. Alike: bytes in common pieces (lines, or 64 bytes of a longer
 * one) over the size of the larger file, as in git's diffcore-delta. */
#include "indexer/history_inside.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FULL 60000u                      /* likeness of equal contents, as git counts it */
#define LEAST_ALIKE (FULL / 2)
#define LEAST_ALIKE_NAMED (FULL / 4 * 3)
#define CANDIDATES 4
#define RENAME_BYTES ((size_t)512 << 10) /* of a file that is compared by content for a rename */
#define PIECE 64                         /* bytes of a longer line */
#define BUCKETS 107927

struct piece {
    uint32_t hash, bytes;
};

static int by_hash(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Pieces with their bytes, sorted, equal ones added up: pairs of u32 on the heap. Hashed as git does, into few buckets: collisions
 * decide between two files that are equally alike. */
static uint32_t *sketch(uint32_t *n, struct str s)
{
    struct piece *v = NULL;
    size_t count = 0, cap = 0, out = 0;
    bool text = !looks_binary(s);
    uint32_t a = 0, b = 0, len = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool last = i + 1 == s.n;
        if (!(text && c == '\r' && !last && s.p[i + 1] == '\n')) { /* line ends count as one */
            uint32_t was = a;
            a = ((a << 7) ^ (b >> 25)) + c;
            b = (b << 7) ^ (was >> 25);
            len++;
        }
        if (len && (c == '\n' || len == PIECE || last)) {
            VEC_ROOM(v, count, cap);
            v[count++] = (struct piece){(a + b * 97) % BUCKETS, len};
            a = b = len = 0;
        }
    }
    if (count)
        qsort(v, count, sizeof *v, by_hash);
    for (size_t i = 0; i < count; i++) {
        if (out && v[out - 1].hash == v[i].hash)
            v[out - 1].bytes += v[i].bytes;
        else
            v[out++] = v[i];
    }
    *n = (uint32_t)out;
    return (uint32_t *)(v ? v : mem_alloc(sizeof *v));
}

/* Bytes of a that are in b too. */
static uint64_t common(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb)
{
    uint64_t sum = 0;
    for (uint32_t i = 0, k = 0; i < na && k < nb;) {
        if (a[2 * i] == b[2 * k]) {
            sum += a[2 * i + 1] < b[2 * k + 1] ? a[2 * i + 1] : b[2 * k + 1];
            i++, k++;
        } else if (a[2 * i] < b[2 * k]) {
            i++;
        } else {
            k++;
        }
    }
    return sum;
}

static bool sized(struct deleted *d, struct blobs *b)
{
    if (!d->sized && !d->unreadable) {
        d->unreadable = blobs_size(&d->size, b, &d->id, NULL) || d->size > RENAME_BYTES;
        d->sized = true;
    }
    return !d->unreadable;
}

static bool load(struct deleted *d, struct blobs *b)
{
    struct str s;
    if (d->sketch || d->unreadable)
        return d->sketch;
    if (blobs_get(&s, b, &d->id, RENAME_BYTES, NULL)) {
        d->unreadable = true;
        return false;
    }
    d->sketch = sketch(&d->nsketch, s);
    return true;
}

/* In units of 1/FULL as git counts, so that what is equally alike for it is so here. 0 for certain when less than `least`. */
static unsigned likeness(struct deleted *a, struct deleted *d, struct blobs *b, unsigned least)
{
    if (!sized(d, b))
        return 0;
    size_t lo = a->size < d->size ? a->size : d->size, hi = a->size < d->size ? d->size : a->size;
    if (hi * (FULL - least) < (hi - lo) * FULL || !load(d, b))
        return 0;
    return (unsigned)(common(a->sketch, a->nsketch, d->sketch, d->nsketch) * FULL / hi);
}

struct candidate {
    unsigned score;
    bool named, used;
    int at;
};

static bool better(const struct candidate *a, const struct candidate *b)
{
    if (!a->used || !b->used)
        return a->used && !b->used;
    return a->score != b->score ? a->score > b->score : a->named && !b->named;
}

/* git keeps a few, each new one in the place of the worst, and takes the first of the best: which of two that are alike depends on it. */
static int most_alike(struct deleted *own, struct blobs *b, struct deleted *d, size_t n, struct str name)
{
    struct candidate kept[CANDIDATES] = {0};
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        struct candidate c = {likeness(own, &d[i], b, LEAST_ALIKE), str_same(path_base(d[i].path), name), true, (int)i};
        size_t worst = 0;
        for (size_t k = 1; k < CANDIDATES; k++)
            worst = better(&kept[worst], &kept[k]) ? k : worst;
        if (better(&c, &kept[worst]))
            kept[worst] = c;
    }
    for (size_t k = 1; k < CANDIDATES; k++)
        best = better(&kept[k], &kept[best]) ? k : best;
    return kept[best].score >= LEAST_ALIKE ? kept[best].at : -1;
}

int rename_alike(struct blobs *b, struct deleted *d, size_t n, struct str path, const git_oid *id)
{
    struct deleted own = {.id = *id};
    struct str name = path_base(path);
    int named = -1;
    if (!sized(&own, b) || !own.size || !load(&own, b))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (str_same(path_base(d[i].path), name))
            named = named == -1 ? (int)i : -2;
    if (named < 0 || likeness(&own, &d[named], b, LEAST_ALIKE_NAMED) < LEAST_ALIKE_NAMED)
        named = most_alike(&own, b, d, n, name);
    free(own.sketch);
    return named;
}

int rename_exact(const struct deleted *d, size_t n, struct str path, const git_oid *id)
{
    int found = -1;
    struct str name = path_base(path);
    for (size_t i = 0; i < n; i++)
        if (git_oid_equal(&d[i].id, id)) {
            if (str_same(path_base(d[i].path), name))
                return (int)i;
            found = found < 0 ? (int)i : found;
        }
    return found;
}

void deleted_release(struct deleted *d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(d[i].sketch);
}

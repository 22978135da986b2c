/* Renames as git finds them for one added file: the same content; else, by the base name when only one deleted file has it, 3/4
 * alike; else the deleted file that is most alike, from 1/2. Alike: bytes in common pieces (lines, or 64 bytes of a longer
 * one) over the size of the larger file, as in git's diffcore-delta. */
#include "indexer/history_inside.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_ALIKE 0.5
#define LEAST_ALIKE_NAMED 0.75
#define RENAME_BYTES ((size_t)512 << 10) /* of a file that is compared by content for a rename */
#define PIECE 64

struct piece {
    uint32_t hash, bytes;
};

static int by_hash(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Pieces with their bytes, sorted, equal ones added up: pairs of u32 on the heap. */
static uint32_t *sketch(uint32_t *n, struct str s)
{
    struct piece *v = mem_alloc((s.n / 2 + 2) * sizeof *v);
    size_t count = 0, out = 0, from = 0;
    bool text = !looks_binary(s);
    for (size_t i = 0; i < s.n; i++) {
        bool end = s.p[i] == '\n' || i + 1 - from == PIECE || i + 1 == s.n;
        if (!end)
            continue;
        size_t len = i + 1 - from;
        if (text && len >= 2 && s.p[i] == '\n' && s.p[i - 1] == '\r') { /* line ends count as one */
            uint64_t h = hash64_seed(s.p + from, len - 2, '\n');
            v[count++] = (struct piece){(uint32_t)h, (uint32_t)len - 1};
        } else if (s.p[i] == '\n') {
            v[count++] = (struct piece){(uint32_t)hash64_seed(s.p + from, len - 1, '\n'), (uint32_t)len};
        } else {
            v[count++] = (struct piece){(uint32_t)hash64(s.p + from, len), (uint32_t)len};
        }
        from = i + 1;
        if (count == s.n / 2 + 1) /* nothing but empty lines */
            break;
    }
    qsort(v, count, sizeof *v, by_hash);
    for (size_t i = 0; i < count; i++) {
        if (out && v[out - 1].hash == v[i].hash)
            v[out - 1].bytes += v[i].bytes;
        else
            v[out++] = v[i];
    }
    *n = (uint32_t)out;
    return (uint32_t *)v;
}

/* larger: bytes of the larger file */
static double alike(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, size_t larger)
{
    uint64_t common = 0;
    for (uint32_t i = 0, k = 0; i < na && k < nb;) {
        if (a[2 * i] == b[2 * k]) {
            common += a[2 * i + 1] < b[2 * k + 1] ? a[2 * i + 1] : b[2 * k + 1];
            i++, k++;
        } else if (a[2 * i] < b[2 * k]) {
            i++;
        } else {
            k++;
        }
    }
    return larger ? (double)common / (double)larger : 0;
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

/* 0 for certain when less than `least`. */
static double likeness(struct deleted *a, struct deleted *d, struct blobs *b, double least)
{
    if (!sized(d, b))
        return 0;
    size_t lo = a->size < d->size ? a->size : d->size, hi = a->size < d->size ? d->size : a->size;
    if ((double)lo < least * (double)hi || !load(d, b))
        return 0;
    double s = alike(a->sketch, a->nsketch, d->sketch, d->nsketch, hi);
    return s < least ? 0 : s;
}

int rename_alike(struct blobs *b, struct deleted *d, size_t n, struct str path, const git_oid *id)
{
    struct deleted own = {.id = *id};
    struct str name = path_base(path);
    int found = -1, named = -1;
    double best = 0;
    bool best_named = false;
    if (!sized(&own, b) || !own.size || !load(&own, b))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (str_same(path_base(d[i].path), name))
            named = named == -1 ? (int)i : -2;
    bool by_name = named >= 0 && likeness(&own, &d[named], b, LEAST_ALIKE_NAMED) > 0;
    if (by_name)
        found = named;
    for (size_t i = 0; i < n && !by_name; i++) {
        double s = likeness(&own, &d[i], b, LEAST_ALIKE);
        bool has_name = s > 0 && str_same(path_base(d[i].path), name);
        if (s > best || (s > 0 && s >= best && has_name && !best_named)) {
            best = s;
            best_named = has_name;
            found = (int)i;
        }
    }
    free(own.sketch);
    return found;
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

/* read: lines of a file as the index has them, secrets masked; of a directory, what is in it. For agents, who go on from a citation. */
#include "service/method.h"

#include "indexer/language.h"
#include "service/place.h"
#include "service/rows.h"

#include <string.h>

/* Of one answer: what a model reads in a second or two. Past them the answer says where to go on. */
#define READ_LINES 400      /* where no range is given */
#define READ_LINES_MAX 5000
#define READ_BYTES (256 << 10)
#define READ_ENTRIES 500

/* Lines [first, last] of text, whole ones, at most READ_BYTES of them; *last: the last one taken. */
static struct str cut_lines(struct str text, uint32_t first, uint32_t *last)
{
    const char *p = text.p, *end = p + text.n, *from = NULL, *to = p;
    for (uint32_t line = 1; p < end && line <= *last; line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *next = nl ? nl + 1 : end;
        if (line == first)
            from = p;
        if (from && line > first && (size_t)(next - from) > READ_BYTES) {
            *last = line - 1;
            break;
        }
        to = p = next;
    }
    if (!from)
        return (struct str){text.p, 0};
    size_t n = (size_t)(to - from);
    return (struct str){from, n < READ_BYTES ? n : READ_BYTES}; /* one line may be longer by itself */
}

static int read_file(json_t **result, struct request *rq, struct txn *t, const struct scope *sc, const struct search_hit *h,
                     const struct place_asked *a, struct err *e)
{
    struct buf text = BUF_INIT;
    if (h->cut == CUT_NONE) {
        err_set(e, ERR_UNSUPPORTED, "%s: listed, not read: it is binary, too large, or set aside", a->path);
        err_hint(e, "status names what was set aside; max_file_bytes is the limit");
        return ERR_UNSUPPORTED;
    }
    int rc = cut_text(t, h->cut, &text, e);
    if (rc)
        return rc;
    struct str all = {text.data ? text.data : "", text.len};
    bool range = a->last > a->first;
    uint32_t lines = line_count(all), first = a->first ? a->first : 1, last = range && a->last < lines ? a->last : lines;
    uint32_t most = (uint32_t)param_int(rq, "limit", range ? READ_LINES_MAX : READ_LINES);
    last = last >= first && last - first >= most ? first + most - 1 : last;
    if (a->first > lines && a->first > 1) {
        rc = err_set(e, ERR_USAGE, "%s has %u lines", a->path, lines);
    } else {
        struct str part = cut_lines(all, first, &last);
        *result = place_json(sc, h, lines ? first : 0, last);
        json_object_set_new(*result, "language", json_cstr(language_for(h->path, all)->name));
        json_object_set_new(*result, "lines", json_integer(lines));
        json_object_set_new(*result, "text", json_text(part.p, part.n));
    }
    buf_release(&text);
    return rc;
}

struct listing {
    json_t *entries;
    size_t prefix; /* bytes of the directory's path, its slash included */
    char last[512];
    size_t n;
};

/* Paths come in order: those below one entry stand together. */
static int add_entry(void *arg, const struct occ *o)
{
    struct listing *l = arg;
    struct str rest = {o->path.p + l->prefix, o->path.n - l->prefix};
    const char *slash = memchr(rest.p, '/', rest.n);
    size_t n = slash ? (size_t)(slash - rest.p) + 1 : rest.n;
    if (n >= sizeof l->last || (strlen(l->last) == n && !memcmp(l->last, rest.p, n)))
        return 0;
    memcpy(l->last, rest.p, n);
    l->last[n] = 0;
    if (l->n++ < READ_ENTRIES)
        json_array_append_new(l->entries, json_text(rest.p, n));
    return 0;
}

static int list(json_t **result, struct txn *t, const struct scope *sc, const char *path, struct err *e)
{
    struct listing l = {.entries = json_array()};
    struct buf prefix = BUF_INIT;
    if (*path)
        buf_addf(&prefix, "%s/", path);
    l.prefix = prefix.len;
    int rc = occ_each(t, sc->seen[0].view, (struct str){prefix.data ? prefix.data : "", prefix.len}, add_entry, &l, e);
    buf_release(&prefix);
    if (!rc && !l.n) {
        rc = err_set(e, ERR_NOT_FOUND, "%s has no file %s", sc->repo[0].name, path);
        err_hint(e, "paths are taken from the given directory, else from the repository's root; search finds a place by what it is about");
    }
    if (rc) {
        json_decref(l.entries);
        return rc;
    }
    *result = json_pack("{so, so, so, sI}", "repo", json_cstr(sc->repo[0].name), "path", json_cstr(path), "entries", l.entries, "count", (json_int_t)l.n);
    return 0;
}

int method_read(struct request *rq, json_t **result, struct err *e)
{
    struct scope sc;
    struct place_asked a;
    struct search_hit h;
    struct txn *t;
    const char *place = param_str(rq, "place");
    if (!place)
        return err_set(e, ERR_USAGE, "the file is missing");
    int rc = scope_open_one(&sc, rq, e);
    if (rc)
        return rc;
    if ((rc = place_parse(&a, &rq->arena, place, e)))
        return rc;
    const char *dir = param_str(rq, "repo") ? NULL : param_str(rq, "dir");
    if ((rc = store_read(&t, rq->s->store, e)))
        return rc;
    txn_see(t, rq->unsaved);
    rc = scope_file(&h, t, &sc, &rq->arena, dir, a.path, NULL);
    if (rc == ERR_NOT_FOUND)
        rc = list(result, t, &sc, scope_path(&rq->arena, &sc.repo[0], dir, a.path), e);
    else if (!rc)
        rc = read_file(result, rq, t, &sc, &h, &a, e);
    txn_end(t);
    if (!rc)
        answer_stamp(*result, rq, &sc);
    return rc;
}

#define _GNU_SOURCE
#include "service/sample.h"

#include "base/file.h"
#include "base/mem.h"
#include "store/cut.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 2048           /* bytes of one place: a function or two */
#define PLACES_MAX 200000
#define FILE_MAX (1u << 20)  /* larger ones are data */

static bool is_text(const char *p, size_t n)
{
    return n && !memchr(p, 0, n);
}

/* From the beginning of a line in the middle of what is larger than a piece: beginnings are alike everywhere (licences, imports). */
static void add_piece(struct buf *out, const char *p, size_t n, size_t most)
{
    size_t from = 0, room = most - out->len < PIECE ? most - out->len : PIECE;
    if (n > PIECE) {
        const char *line = memchr(p + (n - PIECE) / 2, '\n', n - (n - PIECE) / 2);
        from = line && (size_t)(line - p) + 1 + PIECE / 2 <= n ? (size_t)(line - p) + 1 : (n - PIECE) / 2;
    }
    n -= from;
    buf_add(out, p + from, n < room ? n : room);
}

/* -- folders -------------------------------------------------------------------------------------------------------------- */

struct walk {
    char **path;
    size_t n, cap;
};

static int add_file(struct walk *w, const char *path, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || !st->st_size || st->st_size > FILE_MAX)
        return 0;
    VEC_ROOM(w->path, w->n, w->cap);
    w->path[w->n++] = mem_str(path);
    return w->n == PLACES_MAX;
}

/* Depth first; hidden names and what builds leave are passed over. */
static void walk_folder(struct walk *w, const char *folder, int depth)
{
    static const char *const skip[] = {"node_modules", "build", "target", "dist", "vendor", "__pycache__"};
    struct dirent **list;
    int n = depth < 64 ? scandir(folder, &list, NULL, alphasort) : -1;
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        struct buf path = BUF_INIT;
        struct stat st;
        bool hidden = name[0] == '.';
        for (size_t k = 0; k < sizeof skip / sizeof *skip; k++)
            hidden |= !strcmp(name, skip[k]);
        buf_addf(&path, "%s/%s", folder, name);
        if (!hidden && w->n < PLACES_MAX && !lstat(path.data, &st)) {
            if (S_ISDIR(st.st_mode))
                walk_folder(w, path.data, depth + 1);
            else
                add_file(w, path.data, &st);
        }
        buf_release(&path);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

int sample_path(struct buf *out, const char *path, size_t most, struct err *e)
{
    struct walk w = {0};
    struct stat st;
    size_t before = out->len;
    if (stat(path, &st))
        return err_set(e, ERR_NOT_FOUND, "%s: no such file or folder", path);
    if (S_ISREG(st.st_mode)) {
        int rc = file_read(out, path, FILE_MAX * 64, e);
        if (!rc && out->len - before > most)
            out->len = before + most;
        return rc || is_text(out->data + before, out->len - before) ? rc : err_set(e, ERR_FORMAT, "%s: no text", path);
    }
    walk_folder(&w, path, 0);
    size_t wanted = most / PIECE, step = w.n > wanted ? w.n / wanted : 1;
    for (size_t i = 0; i < w.n && out->len - before < most; i += step) {
        struct buf bytes = BUF_INIT;
        if (!file_read(&bytes, w.path[i], FILE_MAX, NULL) && is_text(bytes.data, bytes.len))
            add_piece(out, bytes.data, bytes.len, before + most);
        buf_release(&bytes);
    }
    for (size_t i = 0; i < w.n; i++)
        free(w.path[i]);
    free(w.path);
    return out->len > before ? 0 : err_set(e, ERR_NOT_FOUND, "%s: no text in it", path);
}

/* -- the index -------------------------------------------------------------------------------------------------------------- */

struct cuts {
    uint32_t *v;
    size_t n, cap;
};

static int add_cut(void *arg, uint32_t cut)
{
    struct cuts *c = arg;
    VEC_ROOM(c->v, c->n, c->cap);
    c->v[c->n++] = cut;
    return 0;
}

int sample_index(struct buf *out, const char *home, size_t most, struct err *e)
{
    struct store *s = NULL;
    struct txn *t = NULL;
    struct cuts c = {0};
    size_t before = out->len;
    int rc = store_open(&s, home, NULL, e);
    if (rc == ERR_BUSY)
        err_hint(e, "codeask stop first, or name a folder: --text DIR");
    if (!rc)
        rc = store_read(&t, s, e);
    if (!rc)
        rc = cuts_each(t, add_cut, &c, e);
    size_t wanted = most / PIECE, step = c.n > wanted ? c.n / wanted : 1;
    for (size_t i = 0; i < c.n && !rc && out->len - before < most; i += step) {
        struct buf bytes = BUF_INIT;
        rc = cut_text(t, c.v[i], &bytes, e);
        if (!rc && is_text(bytes.data, bytes.len))
            add_piece(out, bytes.data, bytes.len, before + most);
        buf_release(&bytes);
    }
    txn_end(t);
    store_close(s);
    free(c.v);
    if (!rc && out->len == before)
        rc = err_set(e, ERR_NOT_FOUND, "nothing is indexed in %s", home);
    return rc;
}

/* index.vs_tags.<language>: cut() beside a bare parse with the shipped query, on the same files, on one core.
 * bench_indexer_cut [DIR [LANGUAGE…]]: DIR defaults to CODEASK_BENCH_REPOS, else to this repository and the sources of the
 * grammars' packages. index.vs_package_tags.<language>: the same beside the tags.scm of the grammar's own package. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/tags.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_BYTES ((size_t)8 << 20) /* a language: enough that the figure stands still */
#define FILE_MAX ((size_t)400 << 10)  /* larger ones are generated */
#define ROUNDS 5

struct files {
    struct buf *v;
    size_t n, cap, bytes;
};

static void gather(struct files *f, const struct language *l, const char *dir, int depth)
{
    struct dirent **names;
    int n = depth < 24 ? scandir(dir, &names, NULL, alphasort) : -1;
    for (int i = 0; i < n; i++) {
        struct buf path = BUF_INIT, text = BUF_INIT;
        buf_addf(&path, "%s/%s", dir, names[i]->d_name);
        bool hidden = names[i]->d_name[0] == '.' || !strcmp(names[i]->d_name, "node_modules");
        if (!hidden && names[i]->d_type == DT_DIR) {
            gather(f, l, path.data, depth + 1);
        } else if (!hidden && names[i]->d_type == DT_REG && f->bytes < FILES_BYTES) {
            const struct language *is = language_for(str_of(path.data), (struct str){"", 0});
            if (is == l && !file_read(&text, path.data, FILE_MAX, NULL) && text.len > 200 && !memchr(text.data, 0, text.len)) {
                VEC_ROOM(f->v, f->n, f->cap);
                f->v[f->n++] = text;
                f->bytes += text.len;
                text = (struct buf)BUF_INIT;
            }
        }
        buf_release(&path);
        buf_release(&text);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

/* One directory after the other gives its share, so that no repository is all there is. */
static void gather_all(struct files *f, const struct language *l, const char *dir)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    size_t share = FILES_BYTES / 4;
    for (int i = 0; i < n; i++) {
        struct files part = {0};
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && names[i]->d_type == DT_DIR && f->bytes < FILES_BYTES)
            gather(&part, l, path.data, 0);
        size_t used = 0;
        for (size_t k = 0; k < part.n; k++) {
            if (used < share && f->bytes < FILES_BYTES) {
                VEC_ROOM(f->v, f->n, f->cap);
                f->v[f->n++] = part.v[k];
                f->bytes += part.v[k].len;
                used += part.v[k].len;
            } else {
                buf_release(&part.v[k]);
            }
        }
        free(part.v);
        buf_release(&path);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

static double bare(const struct files *f, const struct language *l, const TSQuery *q)
{
    TSParser *parser = ts_parser_new();
    TSQueryCursor *cursor = ts_query_cursor_new();
    TSQueryMatch m;
    volatile uint32_t captures = 0;
    ts_parser_set_language(parser, l->grammar());
    int64_t t = clock_cpu_ns();
    for (size_t i = 0; i < f->n; i++) {
        TSTree *tree = ts_parser_parse_string(parser, NULL, f->v[i].data, (uint32_t)f->v[i].len);
        ts_query_cursor_exec(cursor, q, ts_tree_root_node(tree));
        while (ts_query_cursor_next_match(cursor, &m))
            captures += m.capture_count;
        ts_tree_delete(tree);
    }
    t = clock_cpu_ns() - t;
    ts_query_cursor_delete(cursor);
    ts_parser_delete(parser);
    return (double)f->bytes / 1e6 / ((double)t / 1e9);
}

static double whole(const struct files *f, const struct language *l)
{
    struct cutter *c = cutter_new();
    struct buf out = BUF_INIT, text = BUF_INIT;
    int64_t t = clock_cpu_ns();
    for (size_t i = 0; i < f->n; i++) {
        buf_clear(&text);
        buf_add(&text, f->v[i].data, f->v[i].len);
        if (cutter_cut(c, &out, l, text.data, text.len, NULL))
            abort();
    }
    t = clock_cpu_ns() - t;
    buf_release(&out);
    buf_release(&text);
    cutter_free(c);
    return (double)f->bytes / 1e6 / ((double)t / 1e9);
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static void measure(const struct files *f, const struct language *l, const TSQuery *q, const char *row, const char *against,
                    const char *goal)
{
    double ours[ROUNDS], theirs[ROUNDS], ratio[ROUNDS];
    whole(f, l); /* the first touches of memory and query are nobody's */
    for (int i = 0; i < ROUNDS; i++) {
        theirs[i] = bare(f, l, q);
        ours[i] = whole(f, l);
        ratio[i] = ours[i] / theirs[i];
    }
    qsort(ours, ROUNDS, sizeof *ours, descending);
    qsort(ratio, ROUNDS, sizeof *ratio, descending);
    printf("{\"name\": \"%s.%s\", \"value\": %.2f, \"unit\": \"MB/s\", \"against\": \"%s, %zu files, %.1f MB\", \"ratio\": %.3f, "
           "\"goal\": %s}\n", row, l->name, ours[ROUNDS / 2], against, f->n, (double)f->bytes / 1e6, ratio[ROUNDS / 2], goal);
    fflush(stdout);
}

static TSQuery *package_tags(const struct language *l)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    TSQuery *q = NULL;
    uint32_t at;
    TSQueryError why;
    buf_addf(&path, "%s/build/deps/tree-sitter-%s/queries/tags.scm", TEST_SOURCE_DIR, l->name);
    if (!file_read(&text, path.data, 1 << 20, NULL))
        q = ts_query_new(l->grammar(), text.data, (uint32_t)text.len, &at, &why);
    buf_release(&path);
    buf_release(&text);
    return q;
}

static void run(const struct language *l, const char *dir)
{
    struct files f = {0};
    gather_all(&f, l, dir);
    if (f.bytes < 100000) {
        printf("{\"name\": \"index.vs_tags.%s\", \"value\": null, \"unit\": \"MB/s\", \"against\": \"less than 100 kB of it under %s\", "
               "\"ratio\": null, \"goal\": 0.75}\n", l->name, dir);
    } else {
        measure(&f, l, tags_of(l)->query, "index.vs_tags", "bare parse and the shipped query", "0.75");
        TSQuery *q = package_tags(l);
        if (q)
            measure(&f, l, q, "index.vs_package_tags", "bare parse and the package's own tags.scm", "null");
        if (q)
            ts_query_delete(q);
    }
    for (size_t i = 0; i < f.n; i++)
        buf_release(&f.v[i]);
    free(f.v);
}

int main(int argc, char **argv)
{
    static const char *const wanted[] = {"c", "typescript", "python", "java"};
    const char *repos = getenv("CODEASK_BENCH_REPOS"), *dir = argc > 1 ? argv[1] : repos && *repos ? repos : TEST_SOURCE_DIR;
    if (argc > 2) {
        for (int i = 2; i < argc; i++)
            if (language_named(argv[i]) && language_named(argv[i])->grammar)
                run(language_named(argv[i]), dir);
        return 0;
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        run(language_named(wanted[i]), dir);
    return 0;
}

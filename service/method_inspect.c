/* inspect: how a file is cut now. The cutting runs in a worker process, as always: the file is foreign bytes. */
#include "service/method.h"

#include "base/file.h"
#include "base/mem.h"
#include "service/cutting_apart.h"
#include "service/rows.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t flag;
    const char *name;
} record_flags[] = {
    {RECORD_GENERATED, "generated"}, {RECORD_MINIFIED, "minified"},   {RECORD_BINARY, "binary"},
    {RECORD_LFS, "lfs_pointer"},     {RECORD_BY_LINES, "by_lines"},   {RECORD_TRUNCATED, "truncated"},
    {RECORD_HAS_ERRORS, "has_errors"},
}, occ_flags[] = {
    {OCC_GENERATED, "linguist-generated"}, {OCC_VENDORED, "linguist-vendored"}, {OCC_DOCUMENTATION, "documentation"},
    {OCC_SKIPPED, "skipped"},              {OCC_QUARANTINED, "quarantined"},    {OCC_SYMLINK, "symlink"},
};

static json_t *chunks_json(const struct record *r)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r->head->nchunks; i++) {
        const struct record_chunk *c = &r->chunk[i];
        struct str crumb = record_str(r, c->crumb, c->crumb_len);
        json_t *row = json_pack("{sI, sI, sI, sI}", "start_line", (json_int_t)c->start_line, "end_line",
                                (json_int_t)c->end_line, "bytes", (json_int_t)(c->end - c->start), "words",
                                (json_int_t)c->words);
        if (crumb.n)
            json_object_set_new(row, "breadcrumb", json_text(crumb.p, crumb.n));
        if (c->symbol != RECORD_NONE) {
            const struct record_symbol *y = &r->symbol[c->symbol];
            struct str name = record_str(r, y->name, y->name_len);
            json_object_set_new(row, "symbol", json_text(name.p, name.n));
            json_object_set_new(row, "kind", json_string(symbol_kind_name((enum symbol_kind)y->kind)));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *symbols_json(const struct record *r)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r->head->nsymbols; i++) {
        const struct record_symbol *y = &r->symbol[i];
        struct str name = record_str(r, y->name, y->name_len), sig = record_str(r, y->signature, y->signature_len);
        json_t *row = json_pack("{so, ss, so, sI, sI}", "name", json_text(name.p, name.n), "kind",
                                symbol_kind_name((enum symbol_kind)y->kind), "signature", json_text(sig.p, sig.n),
                                "start_line", (json_int_t)y->start_line, "end_line", (json_int_t)y->end_line);
        if (y->parent != RECORD_NONE) {
            struct str parent = record_str(r, r->symbol[y->parent].name, r->symbol[y->parent].name_len);
            json_object_set_new(row, "parent", json_text(parent.p, parent.n));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

static uint32_t line_at(struct str text, uint32_t at)
{
    uint32_t line = 1;
    for (uint32_t i = 0; i < at && i < text.n; i++)
        line += text.p[i] == '\n';
    return line;
}

static json_t *secrets_json(const struct record *r, struct str text)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r->head->nsecrets; i++)
        json_array_append_new(rows, json_pack("{sI, sI}", "line", (json_int_t)line_at(text, r->secret[i].start), "bytes",
                                              (json_int_t)(r->secret[i].end - r->secret[i].start)));
    return rows;
}

/* What the index knows of the path: where it lies, what its attributes say. Not being indexed is no error. */
static void index_json(json_t *out, struct request *rq, const char *file)
{
    struct service *s = rq->s;
    struct repo_found f = {0};
    struct repo_row *rows = NULL;
    size_t n = 0;
    char *dir = mem_str(file), *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    if (repo_find(&f, dir, true, NULL) || state_repos(s->store, &rows, &n, NULL))
        goto out;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(rows[i].path);
        struct seen seen;
        struct txn *t;
        struct occ o;
        if ((!f.plain && strcmp(rows[i].path, f.path)) || strncmp(file, rows[i].path, len) || file[len] != '/' ||
            view_lookup(&seen, s, &rows[i], NULL, NULL) || store_read(&t, s->store, NULL))
            continue;
        json_t *row = json_pack("{so}", "repo", json_cstr(rows[i].name));
        set_path(row, str_of(file + len + 1));
        if (!occ_get(t, seen.view, str_of(file + len + 1), &o, NULL)) {
            json_t *flags = json_array();
            for (size_t k = 0; k < sizeof occ_flags / sizeof *occ_flags; k++)
                if (o.flags & occ_flags[k].flag)
                    json_array_append_new(flags, json_string(occ_flags[k].name));
            json_object_set_new(row, "flags", flags);
            json_object_set_new(row, "indexed", json_boolean(o.cut != CUT_NONE));
        } else {
            json_object_set_new(row, "indexed", json_false());
        }
        txn_end(t);
        json_object_set_new(out, "index", row);
        break;
    }
    state_repos_free(rows, n);
out:
    free(f.path);
    free(dir);
}

int method_inspect(struct request *rq, json_t **result, struct err *e)
{
    struct service *s = rq->s;
    struct buf bytes = BUF_INIT;
    struct pool_result r = {0};
    struct record rec;
    const char *file = param_str(rq, "file");
    if (!file || *file != '/')
        return err_set(e, ERR_USAGE, "file: an absolute path is wanted");
    int rc = file_read(&bytes, file, (size_t)s->o.config->max_file_bytes, e);
    if (rc == ERR_LIMIT)
        err_hint(e, "larger files are listed, not read (max_file_bytes)");
    if (rc)
        goto out;
    struct str head = {bytes.data ? bytes.data : "", bytes.len < 512 ? bytes.len : 512};
    const struct language *l = language_for(str_of(file), head);
    size_t size = bytes.len;
    if ((rc = cut_apart(&r, s, l, &bytes, e)))
        goto out;
    if (!(rc = record_check(&rec, r.record.data, r.record.len, e))) {
        struct str text = {r.text.data ? r.text.data : "", r.text.len};
        json_t *flags = json_array();
        for (size_t k = 0; k < sizeof record_flags / sizeof *record_flags; k++)
            if (rec.head->flags & record_flags[k].flag)
                json_array_append_new(flags, json_string(record_flags[k].name));
        *result = json_pack("{so, so, sI, sI, so, so, so, so, sI, sI}", "file", json_cstr(file), "language",
                            json_cstr(l->name), "bytes", (json_int_t)size, "lines", (json_int_t)rec.head->source_lines,
                            "flags", flags, "chunks", chunks_json(&rec), "symbols", symbols_json(&rec), "secrets",
                            secrets_json(&rec, text), "references", (json_int_t)rec.head->nrefs, "tests",
                            (json_int_t)rec.head->ntests);
        index_json(*result, rq, file);
    }
    buf_release(&r.record);
    buf_release(&r.text);
out:
    buf_release(&bytes);
    return rc;
}

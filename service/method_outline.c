/* outline: the definitions of a file, in their order; out of the index, or of a text that is not saved yet. For editors. */
#include "service/method.h"

#include "service/cutting_apart.h"
#include "service/rows.h"

#include <string.h>

#define HEAD_BYTES (64u << 10) /* what language_for looks at, at most */

/* The line that the comment before a definition begins in; 0: it has none, or it stands elsewhere. */
static uint32_t doc_line(const struct record_symbol *y, struct str text)
{
    uint32_t line = y->start_line;
    if (y->doc_start >= y->doc_end || y->doc_start >= y->start || y->start > text.n)
        return 0;
    for (uint32_t i = y->doc_start; i < y->start; i++)
        line -= text.p[i] == '\n';
    return line;
}

static json_t *symbols(const struct record *r, struct str text)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r->head->nsymbols; i++) {
        const struct record_symbol *y = &r->symbol[i];
        struct str name = record_str(r, y->name, y->name_len), signature = record_str(r, y->signature, y->signature_len);
        uint32_t doc = doc_line(y, text);
        json_t *row = json_pack("{so, ss, so, sI, sI}", "name", json_text(name.p, name.n), "kind", symbol_kind_name((enum symbol_kind)y->kind),
                                "signature", json_text(signature.p, signature.n), "start_line", (json_int_t)y->start_line, "end_line",
                                (json_int_t)y->end_line);
        if (y->parent != RECORD_NONE)
            json_object_set_new(row, "parent", json_integer(y->parent));
        if (doc)
            json_object_set_new(row, "doc_line", json_integer(doc));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *references(const struct record *r)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < r->head->nrefs; i++) {
        const struct record_ref *x = &r->ref[i];
        struct str name = record_str(r, x->name, x->name_len);
        json_t *row = json_pack("{so, ss, sI}", "name", json_text(name.p, name.n), "use", ref_kind_name((enum ref_kind)x->kind), "line",
                                (json_int_t)x->line);
        if (x->symbol != RECORD_NONE)
            json_object_set_new(row, "symbol", json_integer(x->symbol));
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *outline(const struct record *r, struct str text, bool with_references)
{
    char language[LANGUAGE_NAME_MAX + 1] = {0};
    memcpy(language, r->head->language, LANGUAGE_NAME_MAX);
    return json_pack("{ss, sI, so, so*}", "language", language, "lines", (json_int_t)r->head->source_lines, "symbols", symbols(r, text), "references",
                     with_references ? references(r) : NULL);
}

static int of_text(json_t **result, struct request *rq, const char *place, json_t *given, struct err *e)
{
    struct buf bytes = BUF_INIT;
    struct pool_result r = {0};
    struct record rec;
    size_t n = json_string_length(given);
    if (n > (size_t)rq->s->o.config->max_file_bytes) {
        err_set(e, ERR_LIMIT, "a text of more than max_file_bytes");
        return ERR_LIMIT;
    }
    buf_room(&bytes, n);
    buf_add(&bytes, json_string_value(given), n);
    struct str head = {bytes.data, n < HEAD_BYTES ? n : HEAD_BYTES};
    int rc = cut_apart(&r, rq->s, language_for(str_of(place), head), &bytes, e);
    if (!rc) {
        if (!(rc = record_check(&rec, r.record.data, r.record.len, e)))
            *result = outline(&rec, (struct str){r.text.data ? r.text.data : "", r.text.len}, param_bool(rq, "references"));
        buf_release(&r.record);
        buf_release(&r.text);
    }
    buf_release(&bytes);
    return rc;
}

static int of_index(json_t **result, struct request *rq, const char *place, struct err *e)
{
    struct scope sc;
    struct search_hit h;
    struct record rec;
    struct txn *t;
    struct buf text = BUF_INIT;
    int rc = scope_open_one(&sc, rq, e);
    if (rc)
        return rc;
    if ((rc = store_read(&t, rq->s->store, e)))
        return rc;
    rc = scope_file(&h, t, &sc, &rq->arena, param_str(rq, "repo") ? NULL : param_str(rq, "dir"), place, e);
    if (!rc && h.cut == CUT_NONE)
        rc = err_set(e, ERR_NOT_FOUND, "%s: listed, not read", place);
    if (!rc && !(rc = cut_get(t, h.cut, &rec, e)) && !(rc = cut_text(t, h.cut, &text, e))) {
        *result = outline(&rec, (struct str){text.data ? text.data : "", text.len}, param_bool(rq, "references"));
        json_object_set_new(*result, "repo", json_cstr(sc.repo[0].name));
        set_path(*result, h.path);
        answer_stamp(*result, rq, &sc);
    }
    buf_release(&text);
    txn_end(t);
    return rc;
}

int method_outline(struct request *rq, json_t **result, struct err *e)
{
    const char *place = param_str(rq, "place");
    json_t *text = json_object_get(rq->params, "text");
    if (!place)
        return err_set(e, ERR_USAGE, "the file is missing");
    return text ? of_text(result, rq, place, text, e) : of_index(result, rq, place, e);
}

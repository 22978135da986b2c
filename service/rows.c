#include "service/rows.h"

#include "base/hash.h"
#include "retriever/rank.h"

void set_path(json_t *row, struct str path)
{
    json_object_set_new(row, "path", json_text(path.p, path.n));
    if (!text_is_utf8(path.p, path.n))
        json_object_set_new(row, "path_b64", json_base64(path.p, path.n));
}

static json_t *oid_json(const struct oid *o, uint8_t len)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, len ? len : 20);
    return json_string(hex);
}

json_t *place_json(const struct scope *sc, const struct search_hit *h, uint32_t start_line, uint32_t end_line)
{
    const struct search_target *t = &sc->target[h->target];
    json_t *row = json_object();
    json_object_set_new(row, "repo", json_cstr(t->repo->name));
    json_object_set_new(row, "commit", h->uncommitted || cut_is_unsaved(h->cut) || !t->oid_len ? json_null() : oid_json(&t->commit, t->oid_len));
    json_object_set_new(row, "blob", oid_json(&h->oid, h->oid_len));
    set_path(row, h->path);
    json_object_set_new(row, "start_line", json_integer(start_line));
    json_object_set_new(row, "end_line", json_integer(end_line));
    if (cut_is_unsaved(h->cut))
        json_object_set_new(row, "unsaved", json_true());
    return row;
}

/* What adds up, and the factors that the sum is multiplied by: together exactly the score. What has no effect is left out. */
static void set_shares(json_t *row, const struct search_hit *h)
{
    json_t *terms = json_object(), *factors = json_object();
    for (size_t i = 0; i < signal_count(); i++) {
        bool factor = signals[i].level == SIGNAL_FACTOR;
        double v = h->value[i] * (factor ? 1 : signals[i].weight);
        if (v != (factor ? 1 : 0))
            json_object_set_new(factor ? factors : terms, signal_name(i), json_real(v));
    }
    if (h->rerank != 0) /* added to what the factors make of the rest */
        json_object_set_new(row, "reranked", json_real(h->rerank));
    if (h->repeat != 1)
        json_object_set_new(factors, "repeat", json_real(h->repeat));
    json_object_set_new(row, "explain", terms);
    json_object_set_new(row, "factors", factors);
}

json_t *hit_json(const struct scope *sc, const struct search_hit *h)
{
    json_t *row = place_json(sc, h, h->start_line, h->end_line);
    json_object_set_new(row, "score", json_real(h->score));
    json_object_set_new(row, "symbol", json_cstr(h->symbol_name));
    json_object_set_new(row, "kind", json_cstr(h->kind));
    json_object_set_new(row, "language", json_cstr(h->language));
    json_object_set_new(row, "snippet", json_text(h->snippet.p, h->snippet.n));
    if (h->signature.n)
        json_object_set_new(row, "signature", json_text(h->signature.p, h->signature.n));
    if (h->doc.n)
        json_object_set_new(row, "doc", json_text(h->doc.p, h->doc.n));
    if (h->use)
        json_object_set_new(row, "use", json_string(h->use));
    if (h->symbol_start) {
        json_object_set_new(row, "symbol_start_line", json_integer(h->symbol_start));
        json_object_set_new(row, "symbol_end_line", json_integer(h->symbol_end));
    }
    if (h->crumb && *h->crumb)
        json_object_set_new(row, "breadcrumb", json_cstr(h->crumb));
    if (h->value)
        set_shares(row, h);
    return row;
}

json_t *hits_json(const struct scope *sc, const struct search_hit *h, size_t n)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rows, hit_json(sc, &h[i]));
    return rows;
}

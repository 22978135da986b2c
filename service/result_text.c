#include "service/result_text.h"

#include "retriever/markdown.h"

const char *text_at(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

long long number_at(json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

void put_text_at(struct buf *out, json_t *o, const char *key)
{
    md_text(out, str_of(text_at(o, key)));
}

void put_commit_line(struct buf *out, json_t *commit, const char *lead)
{
    buf_addf(out, "%s%.10s %.10s ", lead, text_at(commit, "commit"), text_at(commit, "date"));
    put_text_at(out, commit, "author");
    buf_adds(out, ": ");
    put_text_at(out, commit, "subject");
    buf_addc(out, '\n');
}

void put_place(struct buf *out, json_t *row)
{
    struct buf place = BUF_INIT;
    long long first = number_at(row, "start_line"), last = number_at(row, "end_line");
    buf_addf(&place, "%s:%lld", text_at(row, "path"), first);
    if (last > first)
        buf_addf(&place, "-%lld", last);
    md_code(out, (struct str){place.data, place.len});
    buf_release(&place);
    buf_adds(out, " (");
    put_text_at(out, row, "repo");
    buf_adds(out, json_is_null(json_object_get(row, "commit")) ? ", uncommitted)" : ")");
}

void put_sources(struct buf *out, json_t *answer)
{
    json_t *rows = json_object_get(answer, "citations"), *row;
    size_t i;
    if (json_array_size(rows))
        buf_adds(out, "\n\nSources:\n");
    json_array_foreach(rows, i, row) {
        buf_addf(out, "[%lld] ", number_at(row, "n"));
        put_place(out, row);
        buf_addc(out, '\n');
    }
}

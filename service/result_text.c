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

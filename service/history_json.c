/* The answer of `history` as JSON; docs/cli.md describes it. */
#include "base/hash.h"
#include "service/history_view.h"
#include "service/rows.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ISO 8601 in the author's own time zone. */
static json_t *date_json(int64_t time, int32_t offset)
{
    char text[64];
    time_t at = (time_t)(time + (int64_t)offset * 60);
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        return json_null();
    size_t n = strlen(text);
    int32_t minutes = offset < 0 ? -offset : offset;
    snprintf(text + n, sizeof text - n, "%c%02d:%02d", offset < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
    return json_string(text);
}

static json_t *hash_json(const struct oid *o)
{
    char hex[2 * OID_MAX + 1];
    hex_of(hex, o->byte, 20);
    return json_string(hex);
}

static json_t *commit_json(const struct history_commit *c)
{
    struct str m = c->row.message;
    while (m.n && (m.p[0] == '\n' || m.p[0] == ' '))
        m.p++, m.n--;
    const char *nl = memchr(m.p, '\n', m.n);
    struct str subject = {m.p, nl ? (size_t)(nl - m.p) : m.n}, body = {m.p + subject.n, m.n - subject.n};
    while (body.n && *body.p == '\n')
        body.p++, body.n--;
    while (body.n && (body.p[body.n - 1] == '\n' || body.p[body.n - 1] == ' '))
        body.n--;
    json_t *o = json_object();
    json_object_set_new(o, "commit", hash_json(&c->row.oid));
    json_object_set_new(o, "subject", json_text(subject.p, subject.n));
    json_object_set_new(o, "body", json_text(body.p, body.n));
    json_object_set_new(o, "author", json_text(c->row.author.p, c->row.author.n));
    json_object_set_new(o, "email", json_text(c->row.mail.p, c->row.mail.n));
    json_object_set_new(o, "date", date_json(c->row.time, c->row.offset));
    return o;
}

static json_t *lines_json(const struct history_answer *h)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < h->nlines; i++) {
        const struct traced *l = &h->line[i];
        json_t *row = json_pack("{sI, sI, sb}", "start_line", (json_int_t)l->first, "end_line", (json_int_t)(l->first + l->n - 1), "uncommitted",
                                !l->commit);
        json_object_set_new(row, "commit", h->by[i].found ? hash_json(&h->by[i].row.oid) : json_null());
        if (l->commit) {
            set_path(row, l->path);
            json_object_set_new(row, "line", json_integer(l->then));
        }
        if (l->unfinished)
            json_object_set_new(row, "unfinished", json_true());
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *people_json(const struct history_answer *h)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < h->npeople; i++) {
        const struct history_person *p = &h->person[i];
        json_array_append_new(rows, json_pack("{so, so, sf, sI, so}", "name", json_text(p->name.p, p->name.n), "email",
                                              json_text(p->mail.p, p->mail.n), "share", p->share, "commits", (json_int_t)p->commits, "last",
                                              date_json(p->last, 0)));
    }
    return rows;
}

json_t *history_json(const struct history_answer *h, const struct scope *sc, const struct history_question *q)
{
    json_t *o = json_object(), *commits = json_array();
    json_object_set_new(o, "repo", json_cstr(sc->repo[0].name));
    json_object_set_new(o, "at", hash_json(&q->tip));
    set_path(o, str_of(q->path));
    json_object_set_new(o, "start_line", h->last ? json_integer(h->first) : json_null());
    json_object_set_new(o, "end_line", h->last ? json_integer(h->last) : json_null());
    json_object_set_new(o, "uncommitted", json_boolean(h->dirty));
    json_object_set_new(o, "lines", lines_json(h));
    json_object_set_new(o, "reason", h->reason < 0 ? json_null() : commit_json(&h->by[h->reason]));
    for (size_t i = 0; i < h->ncommits; i++) {
        const struct history_commit *c = &h->commit[i];
        if (!c->found)
            continue;
        json_t *row = commit_json(c);
        set_path(row, c->touch.path);
        json_object_set_new(row, "added", json_integer(c->touch.added));
        json_object_set_new(row, "removed", json_integer(c->touch.removed));
        json_array_append_new(commits, row);
    }
    json_object_set_new(o, "commits", commits);
    if (q->people)
        json_object_set_new(o, "people", people_json(h));
    return o;
}

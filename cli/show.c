#include "cli/show.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SNIPPET_LINES 9  /* of a search result */
#define SYMBOL_LINES 3   /* of a definition or a use */

const char *text_of(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

int64_t int_of(json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

void show_error(struct buf *out, const struct look *l, const struct err *e)
{
    buf_adds(out, style(l, STYLE_BAD));
    buf_adds(out, "codeask: ");
    buf_adds(out, style(l, STYLE_NONE));
    put_cleans(out, e->message);
    buf_addc(out, '\n');
    if (e->hint[0]) {
        buf_adds(out, "  ");
        put_cleans(out, e->hint);
        buf_addc(out, '\n');
    }
}

void put_freshness(struct buf *out, json_t *f)
{
    const char *commit = text_of(f, "commit");
    double embedded = json_number_value(json_object_get(f, "embedded"));
    int64_t dirty = int_of(f, "overlay_files"), pending = int_of(f, "pending_files"), ago = int_of(f, "reconciled_ms_ago");
    size_t from = out->len;
    if (*commit)
        buf_addf(out, "%.7s", commit);
    if (dirty)
        buf_addf(out, "%s+%lld uncommitted", *commit ? " " : "", (long long)dirty);
    if (out->len > from)
        buf_adds(out, " · ");
    if (embedded >= 1)
        buf_adds(out, "all embedded");
    else
        buf_addf(out, "%d%% embedded", (int)(embedded * 100));
    if (pending)
        buf_addf(out, " · %lld files pending", (long long)pending);
    if (ago > 15000)
        buf_addf(out, " · checked %lld s ago", (long long)(ago / 1000));
}

void put_state(struct buf *out, json_t *r)
{
    json_t *server = json_object_get(r, "server");
    put_freshness(out, json_object_get(r, "freshness"));
    if (json_is_true(json_object_get(server, "answered")))
        buf_addf(out, " · from %s", text_of(server, "url"));
}

/* -- places --------------------------------------------------------------------------------------------------------------- */

/* repo is named only where results come from several. */
bool many_repos(json_t *rows)
{
    size_t i;
    json_t *row;
    const char *first = text_of(json_array_get(rows, 0), "repo");
    json_array_foreach(rows, i, row)
        if (strcmp(first, text_of(row, "repo")))
            return true;
    return false;
}

void put_place(struct buf *out, const struct look *l, json_t *row, bool repo, bool range)
{
    if (repo)
        put_styled(out, l, STYLE_DIM, "%s:", text_of(row, "repo"));
    put_styled(out, l, STYLE_PATH, "%s", text_of(row, "path"));
    int64_t from = int_of(row, "start_line"), to = int_of(row, "end_line");
    buf_addc(out, ':');
    buf_adds(out, style(l, STYLE_LINE));
    buf_addf(out, "%lld", (long long)from);
    if (range && to > from)
        buf_addf(out, "-%lld", (long long)to);
    buf_adds(out, style(l, STYLE_NONE));
}

struct line {
    const char *p;
    size_t n;
    int hits;
};

static bool has_word(const char *p, size_t n, const char *word, size_t len)
{
    for (size_t i = 0; i + len <= n; i++)
        if (!strncasecmp(p + i, word, len))
            return true;
    return false;
}

/* How many of the query's words (3 letters at least) stand in the line. */
static int count_words(const char *p, size_t n, const char *query)
{
    int hits = 0;
    while (*query) {
        while (*query && !isalnum((unsigned char)*query) && *query != '_')
            query++;
        size_t len = 0;
        while (isalnum((unsigned char)query[len]) || query[len] == '_')
            len++;
        if (len >= 3)
            hits += has_word(p, n, query, len);
        query += len;
    }
    return hits;
}

static size_t split(struct line *v, size_t most, const char *text, const char *query)
{
    size_t n = 0;
    while (*text && n < most) {
        size_t len = strcspn(text, "\n");
        v[n++] = (struct line){text, len, query ? count_words(text, len, query) : 0};
        text += len + (text[len] == '\n');
    }
    return n;
}

static bool is_blank(const struct line *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (!isspace((unsigned char)v->p[i]))
            return false;
    return true;
}

/* Which lines of a snippet are shown: the first two (what it is), and the run of the rest that says most of the query. */
static void choose(const struct line *v, size_t n, size_t most, size_t *head, size_t *from, size_t *to)
{
    *head = n <= most ? n : 2;
    *from = *to = *head;
    if (n <= most)
        return;
    size_t room = most - *head, best = 0;
    int best_hits = -1;
    for (size_t i = *head; i + room <= n; i++) {
        int hits = 0;
        for (size_t k = i; k < i + room; k++)
            hits += v[k].hits;
        if (hits > best_hits) {
            best_hits = hits;
            best = i;
        }
    }
    *from = best;
    *to = best + room;
    if (best == *head) {
        *head = *to;
        *from = *to;
    }
}

static void put_line(struct buf *out, const struct look *l, const char *language, const struct line *v, long long number,
                     int digits, int *state)
{
    struct buf code = BUF_INIT;
    put_code(&code, l, language, v->p, v->n, state);
    int room = l->tty ? l->width - digits - 6 : 1 << 30, used = 0, w;
    size_t cut = 0;
    while (cut < code.len) {
        size_t len = char_at(code.data + cut, code.len - cut, &w);
        if (code.data[cut] == '\t')
            w = 8 - used % 8;
        if (used + w > room)
            break;
        used += w;
        cut += len;
    }
    buf_adds(out, "  ");
    buf_adds(out, style(l, v->hits ? STYLE_LINE : STYLE_DIM));
    buf_addf(out, "%*lld", digits, number);
    buf_adds(out, style(l, STYLE_NONE));
    put_styled(out, l, STYLE_DIM, " │ ");
    buf_add(out, code.data ? code.data : "", cut);
    if (cut < code.len)
        put_styled(out, l, STYLE_DIM, "…");
    buf_adds(out, style(l, STYLE_NONE));
    buf_addc(out, '\n');
    buf_release(&code);
}

static void put_snippet(struct buf *out, const struct look *l, json_t *row, const char *query, size_t most)
{
    enum { LINES = 400 };
    struct line v[LINES];
    size_t n = split(v, LINES, text_of(row, "snippet"), query), head, from, to;
    const char *language = text_of(row, "language");
    long long first = (long long)int_of(row, "start_line");
    int state = 0, digits = snprintf(NULL, 0, "%lld", first + (long long)n);
    while (n && is_blank(&v[n - 1]))
        n--;
    choose(v, n, most, &head, &from, &to);
    for (size_t i = 0; i < n; i++) {
        if (i < head || (i >= from && i < to)) {
            put_line(out, l, language, &v[i], first + (long long)i, digits, &state);
        } else if (i == head) {
            buf_adds(out, "  ");
            put_styled(out, l, STYLE_DIM, "%*s ┆", digits, "");
            buf_addc(out, '\n');
        }
    }
}

/* What marks a place as not committed; in a directory without git nothing is. */
void put_uncommitted(struct buf *out, const struct look *l, json_t *row, json_t *answer)
{
    json_t *f = json_object_get(answer, "freshness");
    if (json_is_null(json_object_get(row, "commit")) && json_is_true(json_object_get(f, "dirty")))
        put_styled(out, l, STYLE_WARN, "  uncommitted");
}

/* "score 4.778 = dense 0.596 + bm25 0.392 … × test 0.300", broken to the width, the largest share first. */
static void put_explain(struct buf *out, const struct look *l, json_t *row)
{
    enum { MOST = 64 };
    const char *name[MOST], *key;
    double value[MOST];
    size_t n = 0;
    json_t *v;
    if (!json_object_get(row, "explain"))
        return;
    json_object_foreach(json_object_get(row, "explain"), key, v) {
        size_t i = n < MOST ? n++ : MOST - 1;
        for (; i && value[i - 1] < json_number_value(v); i--) {
            value[i] = value[i - 1];
            name[i] = name[i - 1];
        }
        value[i] = json_number_value(v);
        name[i] = key;
    }
    size_t terms = n;
    json_object_foreach(json_object_get(row, "factors"), key, v)
        if (n < MOST) {
            value[n] = json_number_value(v);
            name[n++] = key;
        }
    buf_adds(out, style(l, STYLE_DIM));
    int used = 2 + snprintf(NULL, 0, "score %.3f =", json_number_value(json_object_get(row, "score")));
    buf_addf(out, "  score %.3f =", json_number_value(json_object_get(row, "score")));
    for (size_t i = 0; i < n; i++) {
        char piece[128];
        int w = snprintf(piece, sizeof piece, "%s%s %.3f", !i ? " " : i < terms ? " + " : " × ", name[i], value[i]);
        w -= i >= terms; /* × is two bytes */
        if (used + w > l->width) {
            buf_adds(out, "\n   ");
            used = 3;
        }
        buf_adds(out, piece);
        used += w;
    }
    if (json_object_get(row, "reranked"))
        buf_addf(out, " + reranker %.3f", json_number_value(json_object_get(row, "reranked")));
    buf_adds(out, style(l, STYLE_NONE));
    buf_addc(out, '\n');
}

static void put_row(struct buf *out, const struct look *l, json_t *row, json_t *answer, bool repo, const char *query,
                    size_t lines)
{
    put_place(out, l, row, repo, false);
    const char *symbol = text_of(row, "symbol"), *kind = text_of(row, "kind");
    if (*symbol) {
        buf_adds(out, "  ");
        put_styled(out, l, STYLE_NAME, "%s", symbol);
        if (*kind)
            put_styled(out, l, STYLE_DIM, " (%s)", kind);
    }
    put_uncommitted(out, l, row, answer);
    buf_addc(out, '\n');
    put_snippet(out, l, row, query, lines);
    put_explain(out, l, row);
}

void put_note(struct buf *out, const struct look *l, json_t *r)
{
    if (!*text_of(r, "note"))
        return;
    put_styled(out, l, STYLE_WARN, "note: %s", text_of(r, "note"));
    buf_addc(out, '\n');
}

/* -- methods -------------------------------------------------------------------------------------------------------------- */

static void show_search(struct buf *out, const struct look *l, json_t *r)
{
    json_t *rows = json_object_get(r, "results"), *row;
    bool repo = many_repos(rows);
    size_t i;
    json_array_foreach(rows, i, row) {
        if (i)
            buf_addc(out, '\n');
        put_row(out, l, row, r, repo, text_of(r, "query"), SNIPPET_LINES);
    }
    if (l->tty) {
        struct buf f = BUF_INIT;
        put_state(&f, r);
        buf_addf(out, "%s", i ? "\n" : "");
        put_styled(out, l, STYLE_DIM, "%zu result%s · %s · %.0f ms", i, i == 1 ? "" : "s", f.data ? f.data : "",
                   json_number_value(json_object_get(r, "took_ms")));
        buf_addc(out, '\n');
        buf_release(&f);
    }
    put_note(out, l, r);
}

static void show_feedback(struct buf *out, const struct look *l, json_t *r)
{
    json_t *expected = json_object_get(r, "expected");
    buf_addf(out, "%s noted for ", text_of(r, "verdict"));
    put_styled(out, l, STYLE_NAME, "%s", text_of(r, "question"));
    if (json_is_object(expected)) {
        buf_adds(out, "; the right place is ");
        put_place(out, l, expected, false, false);
    }
    buf_addc(out, '\n');
}

static const char *const lists[] = {"definitions", "callers", "callees", "references", NULL};

static void show_symbol(struct buf *out, const struct look *l, json_t *r)
{
    if (*text_of(r, "asked"))
        put_styled(out, l, STYLE_WARN, "%s is not defined; the nearest name is %s\n", text_of(r, "asked"), text_of(r, "symbol"));
    bool several = json_object_size(r) > 3;
    for (const char *const *name = lists; *name; name++) {
        json_t *rows = json_object_get(r, *name), *row;
        size_t i;
        if (!rows)
            continue;
        if (several || strcmp(*name, "definitions")) {
            put_styled(out, l, STYLE_HEADING, "%s of %s", *name, text_of(r, "symbol"));
            buf_addf(out, " %s\n", json_array_size(rows) ? "" : "none");
        }
        bool repo = many_repos(rows);
        json_array_foreach(rows, i, row)
            put_row(out, l, row, r, repo, NULL, SYMBOL_LINES);
    }
    put_note(out, l, r);
}

static void show_index(struct buf *out, const struct look *l, json_t *r)
{
    json_t *rows = json_object_get(r, "repos"), *row;
    size_t i;
    bool waited = json_is_true(json_object_get(r, "waited"));
    json_array_foreach(rows, i, row) {
        char size[32];
        put_styled(out, l, STYLE_NAME, "%s", text_of(row, "repo"));
        if (waited) {
            buf_addf(out, "  %lld file%s, %s  ", (long long)int_of(row, "files"), int_of(row, "files") == 1 ? "" : "s",
                     human_bytes(size, (double)int_of(row, "bytes")));
            put_freshness(out, json_object_get(row, "freshness"));
        } else {
            buf_adds(out, "  is being indexed; `codeask status` shows how far it is");
        }
        buf_addc(out, '\n');
    }
    put_note(out, l, r);
}

static void show_repo_add(struct buf *out, const struct look *l, json_t *r)
{
    json_t *mirror = json_object_get(r, "mirror");
    buf_addf(out, "%s  %s is being %s\n", text_of(r, "repo"), mirror ? text_of(mirror, "url") : text_of(r, "path"),
             mirror && json_is_null(json_object_get(mirror, "fetched_ms_ago")) ? "fetched" : "indexed");
}

static void show_repo_pin(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "%s  %s\n", text_of(r, "repo"), !strcmp(text_of(r, "where"), "local") ? "stays on this machine" : "may be sent to the endpoints of the settings");
}

static void show_repo_remove(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "%s  %s is forgotten\n", text_of(r, "repo"), text_of(r, "path"));
}

static void show_stop(struct buf *out, const struct look *l, json_t *r)
{
    buf_addf(out, "stopped (pid %lld)\n", (long long)int_of(r, "pid"));
}

static void show_backup(struct buf *out, const struct look *l, json_t *r)
{
    put_styled(out, l, STYLE_NAME, "%s", text_of(r, "dir"));
    buf_addf(out, ": %lld files, %lld KB\n", (long long)int_of(r, "files"), (long long)(int_of(r, "bytes") + 1023) / 1024);
}

static void show_restore(struct buf *out, const struct look *l, json_t *r)
{
    size_t i;
    json_t *one;
    buf_addf(out, "restored %lld files from ", (long long)int_of(r, "files"));
    put_styled(out, l, STYLE_NAME, "%s\n", text_of(r, "dir"));
    json_array_foreach(json_object_get(r, "aside"), i, one)
        buf_addf(out, "set aside: %s\n", json_string_value(one));
    if (!json_is_true(json_object_get(r, "index_kept")))
        buf_adds(out, "the index is built again as repositories are used\n");
}

static bool no_answer(json_t *r)
{
    return !strcmp(text_of(r, "mode"), "insufficient");
}

static bool no_results(json_t *r)
{
    return !json_array_size(json_object_get(r, "results"));
}

static bool no_symbols(json_t *r)
{
    size_t n = 0;
    for (const char *const *name = lists; *name; name++)
        n += json_array_size(json_object_get(r, *name));
    return !n;
}

static bool no_history(json_t *r)
{
    return !json_array_size(json_object_get(r, "lines")) && !json_array_size(json_object_get(r, "commits"));
}

static bool no_tour(json_t *r)
{
    return !json_is_object(json_object_get(r, "about")) && !json_array_size(json_object_get(r, "entry_points")) &&
           !json_array_size(json_object_get(r, "modules"));
}

/* How each method's result is shown, and when it counts as nothing found. To add one: a row. */
static const struct shown {
    const char *method; /* NULL ends the table */
    void (*show)(struct buf *out, const struct look *l, json_t *r);
    bool (*nothing)(json_t *r); /* NULL: never */
} shown[] = {
    {"ask", show_ask, no_answer},
    {"search", show_search, no_results},
    {"symbol", show_symbol, no_symbols},
    {"index", show_index, NULL},
    {"history", show_history, no_history},
    {"tour", show_tour, no_tour},
    {"tune", show_tune, not_used},
    {"eval", show_tune, not_better},
    {"feedback", show_feedback, NULL},
    {"status", show_status, NULL},
    {"inspect", show_inspect, NULL},
    {"repo pin", show_repo_pin, NULL},
    {"repo list", show_repos, NULL},
    {"repo add", show_repo_add, NULL},
    {"repo remove", show_repo_remove, NULL},
    {"model list", show_models, NULL},
    {"model verify", show_models, NULL},
    {"model use", show_models, NULL},
    {"model pull", show_models, NULL},
    {"model quantize", show_models, NULL},
    {"purge", show_purge, NULL},
    {"model merge", show_merged, NULL},
    {"backup", show_backup, NULL},
    {"restore", show_restore, NULL},
    {"bundle export", show_bundle, NULL},
    {"bundle import", show_import, NULL},
    {"bundle verify", show_bundle, NULL},
    {"token create", show_token, NULL},
    {"token list", show_tokens, NULL},
    {"token revoke", show_revoked, NULL},
    {"user list", show_users, NULL},
    {"user remove", show_user_removed, NULL},
    {"group add", show_member, NULL},
    {"group remove", show_member, NULL},
    {"access grant", show_grant, NULL},
    {"access revoke", show_grant, NULL},
    {"access list", show_access, NULL},
    {"stop", show_stop, NULL},
    {NULL, NULL, NULL},
};

static const struct shown *shown_of(const struct method *row)
{
    const struct shown *s = shown;
    while (s->method && strcmp(s->method, row->name))
        s++;
    return s;
}

int result_status(const struct method *row, json_t *r)
{
    const struct shown *s = shown_of(row);
    return s->nothing && s->nothing(r);
}

int show_result(struct buf *out, const struct look *l, const struct method *row, json_t *r)
{
    const struct shown *s = shown_of(row);
    if (s->show)
        s->show(out, l, r);
    return result_status(row, r);
}

/* status, inspect, repo list, model …: tables. */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#define TABLE_SHOWN 50 /* a table with less than so small a share of the index is left out */

static void pad(struct buf *out, size_t from, int to)
{
    for (int w = columns_of(out->data + from, out->len - from); w < to; w++)
        buf_addc(out, ' ');
}

/* A cell of `width` columns, cut or filled. */
static void cell(struct buf *out, const struct look *l, enum style s, const char *text, int width)
{
    size_t from = out->len;
    put_styled(out, l, s, "%s", text);
    pad(out, from, width);
    buf_adds(out, "  ");
}

static int widest(json_t *rows, const char *key, int least, int most)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        int w = columns_of(text_of(row, key), strlen(text_of(row, key)));
        least = w > least ? w : least;
    }
    return least > most ? most : least;
}

static void field(struct buf *out, const struct look *l, const char *name)
{
    put_styled(out, l, STYLE_DIM, "%-9s", name);
    buf_addc(out, ' ');
}

static void put_job(struct buf *out, const struct look *l, json_t *job)
{
    static const struct {
        const char *name, *verb, *unit, *all, *done;
    } kinds[] = {
        {"history", "reading the history of", "commits", "files", "files_done"}, /* a stage of "embed", which may have no other */
        {"embed", "embedding", "texts", "texts", "texts_done"},
        {"fetch", "fetching", "objects", "files", "files_done"},
        {"index", "indexing", "files", "files", "files_done"},
    };
    size_t k = 0, last = sizeof kinds / sizeof *kinds - 1;
    while (k < last && strcmp(text_of(job, "stage"), kinds[k].name) && strcmp(text_of(job, "kind"), kinds[k].name))
        k++;
    int64_t all = int_of(job, kinds[k].all), done = int_of(job, kinds[k].done);
    char time[32];
    buf_addf(out, "  %s ", kinds[k].verb);
    put_styled(out, l, STYLE_NAME, "%s", text_of(job, "repo"));
    if (*text_of(job, "ref"))
        buf_addf(out, " %s", text_of(job, "ref"));
    if (!json_is_true(json_object_get(job, "running"))) {
        buf_adds(out, "  waits");
    } else {
        if (all)
            buf_addf(out, "  %lld of %lld %s", (long long)done, (long long)all, kinds[k].unit);
        buf_addf(out, "  %s", human_time(time, json_number_value(json_object_get(job, "seconds"))));
    }
    buf_addc(out, '\n');
}

/* Of a repository by URL: when it was fetched, and what is in the way. */
static void put_mirror(struct buf *out, const struct look *l, json_t *m)
{
    char time[32];
    json_t *fetched = json_object_get(m, "fetched_ms_ago");
    if (!m)
        return;
    if (json_is_integer(fetched))
        buf_addf(out, " · fetched %s ago", human_time(time, (double)json_integer_value(fetched) / 1e3));
    else
        buf_adds(out, " · never fetched");
    if (*text_of(m, "error"))
        put_styled(out, l, STYLE_WARN, ", %lld failed since: %s", (long long)int_of(m, "failures"), text_of(m, "error"));
    else if (int_of(m, "failures"))
        put_styled(out, l, STYLE_WARN, ", %lld failed since", (long long)int_of(m, "failures"));
}

static void put_repo(struct buf *out, const struct look *l, json_t *row, int width)
{
    char size[32], text[32];
    json_t *f = json_object_get(row, "freshness");
    buf_adds(out, "  ");
    cell(out, l, STYLE_NAME, text_of(row, "repo"), width);
    snprintf(text, sizeof text, "%7lld", (long long)int_of(row, "files"));
    cell(out, l, STYLE_NONE, text, 7);
    cell(out, l, STYLE_NONE, human_bytes(size, (double)int_of(row, "bytes")), 7);
    if (json_is_object(f))
        put_freshness(out, f);
    else
        buf_adds(out, "not indexed yet");
    json_t *disk = json_object_get(row, "disk");
    double held = (double)(int_of(disk, "contents") + int_of(disk, "words") + int_of(disk, "vectors") + int_of(disk, "paths"));
    if (held > 0)
        buf_addf(out, " · %s of disk", human_bytes(size, held));
    json_t *watch = json_object_get(row, "watch");
    if (!strcmp(text_of(watch, "state"), "watching"))
        buf_addf(out, " · watched");
    else if (!strcmp(text_of(watch, "state"), "polling"))
        put_styled(out, l, STYLE_WARN, " · compared every 10 s%s%s", *text_of(watch, "why") ? ": " : "", text_of(watch, "why"));
    if (json_is_true(json_object_get(row, "pinned")))
        buf_adds(out, " · stays on this machine");
    put_mirror(out, l, json_object_get(row, "mirror"));
    if (int_of(row, "quarantined"))
        put_styled(out, l, STYLE_WARN, " · %lld quarantined", (long long)int_of(row, "quarantined"));
    buf_addc(out, '\n');
}

void show_repos(struct buf *out, const struct look *l, json_t *r)
{
    json_t *rows = json_object_get(r, "repos"), *row;
    int width = widest(rows, "repo", 4, 40);
    size_t i;
    json_array_foreach(rows, i, row) {
        cell(out, l, STYLE_NAME, text_of(row, "repo"), width);
        put_cleans(out, text_of(row, "path"));
        json_t *mirror = json_object_get(row, "mirror");
        if (*text_of(mirror, "url"))
            put_styled(out, l, STYLE_DIM, "  (of %s)", text_of(mirror, "url"));
        if (json_is_true(json_object_get(row, "plain")))
            put_styled(out, l, STYLE_DIM, "  (plain directory)");
        buf_addc(out, '\n');
    }
}

/* Tables that hold a share worth a word. */
static void put_tables(struct buf *out, const struct look *l, json_t *tables, double index)
{
    const char *name, *comma = "";
    json_t *bytes;
    char size[32];
    field(out, l, "");
    json_object_foreach(tables, name, bytes) {
        if ((double)json_integer_value(bytes) * TABLE_SHOWN < index)
            continue;
        buf_addf(out, "%s%s %s", comma, name, human_bytes(size, (double)json_integer_value(bytes)));
        comma = ", ";
    }
    buf_addc(out, '\n');
}

/* "384 dimensions", "32768 tokens of window", "reranks". */
static const char *what_it_does(char to[64], json_t *row)
{
    long long window = (long long)int_of(row, "context");
    if (json_is_true(json_object_get(row, "reranks")))
        return "reranks";
    snprintf(to, 64, "%lld %s", window ? window : (long long)int_of(row, "dim"), window ? "tokens of window" : "dimensions");
    return to;
}

static void put_gpu(struct buf *out, const struct look *l, json_t *row)
{
    char a[32], b[32];
    const json_t *reason;
    size_t i;
    field(out, l, "gpu");
    put_styled(out, l, STYLE_NAME, "%s", text_of(row, "name"));
    if (json_object_get(row, "sm_mhz"))
        buf_addf(out, "  %lld MHz", (long long)int_of(row, "sm_mhz"));
    if (json_object_get(row, "celsius"))
        buf_addf(out, "  %lld °C", (long long)int_of(row, "celsius"));
    if (json_object_get(row, "milliwatts"))
        buf_addf(out, "  %lld W", (long long)int_of(row, "milliwatts") / 1000);
    if (json_object_get(row, "memory_total"))
        buf_addf(out, "  %s of %s in use", human_bytes(a, (double)int_of(row, "memory_used")), human_bytes(b, (double)int_of(row, "memory_total")));
    json_array_foreach(json_object_get(row, "throttled"), i, reason)
        put_styled(out, l, STYLE_WARN, "%s%s", i ? ", " : "  slowed by: ", json_string_value(reason));
    buf_addc(out, '\n');
}

void show_status(struct buf *out, const struct look *l, json_t *r)
{
    json_t *repos = json_object_get(r, "repos"), *jobs = json_object_get(r, "jobs"), *memory = json_object_get(r, "memory"),
           *disk = json_object_get(r, "disk"), *row;
    char a[32], b[32], c[32], does[64];
    size_t i;
    field(out, l, "codeaskd");
    buf_addf(out, "%s, pid %lld, up %s, %lld client%s\n", text_of(r, "version"), (long long)int_of(r, "pid"),
             human_time(a, (double)int_of(r, "uptime_seconds")), (long long)int_of(r, "clients"),
             int_of(r, "clients") == 1 ? "" : "s");
    field(out, l, "home");
    put_cleans(out, text_of(r, "home"));
    buf_addc(out, '\n');
    json_array_foreach(json_object_get(r, "models"), i, row) {
        field(out, l, i ? "" : "model");
        put_styled(out, l, STYLE_NAME, "%s", text_of(row, "name"));
        if (*text_of(row, "endpoint"))
            buf_addf(out, "  at %s", text_of(row, "endpoint"));
        if (*text_of(row, "endpoint") && !strcmp(text_of(row, "state"), "ready"))
            buf_addf(out, ", %s\n", what_it_does(does, row));
        else if (!strcmp(text_of(row, "state"), "ready"))
            buf_addf(out, "  %s, %s, %s\n", text_of(row, "provider"), what_it_does(does, row), human_bytes(a, (double)int_of(row, "bytes")));
        else if (*text_of(row, "message"))
            put_styled(out, l, STYLE_WARN, "  %s\n", text_of(row, "message"));
        else
            buf_adds(out, "  not needed yet\n");
    }
    field(out, l, "memory");
    buf_addf(out, "%s, of that %s mapped files; %lld child process%s %s\n", human_bytes(a, (double)int_of(memory, "resident")),
             human_bytes(b, (double)int_of(memory, "mapped")), (long long)int_of(memory, "children"),
             int_of(memory, "children") == 1 ? "" : "es", human_bytes(c, (double)int_of(memory, "children_resident")));
    json_array_foreach(json_object_get(r, "gpus"), i, row)
        put_gpu(out, l, row);
    field(out, l, "disk");
    buf_addf(out, "index %s, state %s\n", human_bytes(a, (double)int_of(disk, "index")),
             human_bytes(b, (double)int_of(disk, "state")));
    put_tables(out, l, json_object_get(disk, "tables"), (double)int_of(disk, "index"));
    if (json_array_size(repos))
        put_styled(out, l, STYLE_HEADING, "repositories\n");
    int width = widest(repos, "repo", 4, 40);
    json_array_foreach(repos, i, row)
        put_repo(out, l, row, width);
    if (json_array_size(jobs))
        put_styled(out, l, STYLE_HEADING, "jobs\n");
    json_array_foreach(jobs, i, row)
        put_job(out, l, row);
    json_t *q = json_object_get(r, "quarantine");
    if (json_array_size(q))
        put_styled(out, l, STYLE_HEADING, "quarantined\n");
    json_array_foreach(q, i, row) {
        buf_addf(out, "  %.12s  %s  ", text_of(row, "blob"), text_of(row, "language"));
        put_cleans(out, text_of(row, "reason"));
        buf_addc(out, '\n');
    }
}

/* What the files of a model hold, for model verify PATH. */
static void show_model_file(struct buf *out, const struct look *l, json_t *r)
{
    json_t *row;
    char size[32];
    size_t i;
    const char *family = text_of(r, "family");
    put_styled(out, l, STYLE_GOOD, "good");
    buf_adds(out, "  ");
    put_cleans(out, text_of(r, "path"));
    buf_addf(out, "  %s, ", text_of(r, "container"));
    put_cleans(out, *family ? family : "family not named");
    double values = (double)int_of(r, "values");
    buf_addf(out, values >= 1e9 ? ", %.2f billion values" : values >= 1e6 ? ", %.1f million values" : ", %.0f values",
             values >= 1e9 ? values / 1e9 : values >= 1e6 ? values / 1e6 : values);
    buf_addf(out, " in %lld tensors, %s in %lld file%s\n", (long long)int_of(r, "tensors"), human_bytes(size, (double)int_of(r, "bytes")), (long long)int_of(r, "files"),
             int_of(r, "files") == 1 ? "" : "s");
    json_array_foreach(json_object_get(r, "types"), i, row)
        buf_addf(out, "      %-8s %6lld tensors  %5.1f%% of the values\n", text_of(row, "type"), (long long)int_of(row, "tensors"),
                 100 * (double)int_of(row, "values") / (double)(int_of(r, "values") ? int_of(r, "values") : 1));
    buf_addf(out, "      sha256 %s\n", text_of(r, "sha256"));
}

void show_models(struct buf *out, const struct look *l, json_t *r)
{
    json_t *rows = json_object_get(r, "models"), *row;
    char size[32], does[64];
    size_t i;
    if (json_object_get(r, "container")) {
        show_model_file(out, l, r);
        return;
    }
    if (json_object_get(r, "host")) {
        put_styled(out, l, STYLE_GOOD, "fetched");
        buf_addf(out, "  %s, %s from %s\n", text_of(r, "name"), human_bytes(size, (double)int_of(r, "bytes")), text_of(r, "host"));
        return;
    }
    if (json_object_get(r, "bytes_out")) {
        char was[32];
        put_styled(out, l, STYLE_GOOD, "written");
        buf_addf(out, "  %s: %lld of %lld tensors as %s, %s of %s, %.2f%% off\n", text_of(r, "path"), (long long)int_of(r, "changed"),
                 (long long)int_of(r, "tensors"), text_of(r, "type"), human_bytes(size, (double)int_of(r, "bytes_out")),
                 human_bytes(was, (double)int_of(r, "bytes_in")), 100 * json_number_value(json_object_get(r, "error")));
        return;
    }
    if (json_object_get(r, "sha256")) { /* verify */
        put_styled(out, l, STYLE_GOOD, "good");
        buf_addf(out, "  %s  %s, %s, %s, %s\n      sha256 %s\n", text_of(r, "name"), text_of(r, "family"), what_it_does(does, r), human_bytes(size, (double)int_of(r, "bytes")), text_of(r, "provider"),
                 text_of(r, "sha256"));
        return;
    }
    if (!rows) {
        static const struct {
            const char *key, *does, *none;
        } role[] = {{"embed_model", "embeds", ""}, {"answer_model", "writes answers", "no model writes answers"},
                    {"rerank_model", "reads the best hits again", "no model reads the hits again"}};
        for (size_t k = 0; k < sizeof role / sizeof *role; k++) {
            const json_t *name = json_object_get(r, role[k].key);
            if (name && json_is_null(name)) {
                buf_addf(out, "%s from now on\n", role[k].none);
            } else if (name) {
                put_cleans(out, text_of(r, role[k].key));
                buf_addf(out, " %s from now on\n", role[k].does);
            }
        }
        return;
    }
    int width = widest(rows, "name", 4, 40);
    json_array_foreach(rows, i, row) {
        put_styled(out, l, STYLE_GOOD, json_is_true(json_object_get(row, "used")) ? "* " : "  ");
        cell(out, l, STYLE_NAME, text_of(row, "name"), width);
        put_cleans(out, text_of(row, "path"));
        buf_addc(out, '\n');
    }
    if (!json_array_size(rows))
        buf_adds(out, "no model was found\n");
}

void show_inspect(struct buf *out, const struct look *l, json_t *r)
{
    json_t *chunks = json_object_get(r, "chunks"), *symbols = json_object_get(r, "symbols"), *flags = json_object_get(r, "flags"),
           *index = json_object_get(r, "index"), *row;
    char size[32];
    size_t i;
    put_styled(out, l, STYLE_PATH, "%s", text_of(r, "file"));
    buf_addf(out, "  %s, %lld lines, %s, %zu chunks, %zu symbols, %lld references, %zu secrets\n", text_of(r, "language"),
             (long long)int_of(r, "lines"), human_bytes(size, (double)int_of(r, "bytes")), json_array_size(chunks),
             json_array_size(symbols), (long long)int_of(r, "references"), json_array_size(json_object_get(r, "secrets")));
    json_array_foreach(flags, i, row)
        put_styled(out, l, STYLE_WARN, "%s%s", i ? ", " : "flags: ", json_string_value(row));
    if (json_array_size(flags))
        buf_addc(out, '\n');
    if (index) {
        buf_addf(out, "in %s: %s", text_of(index, "repo"), json_is_true(json_object_get(index, "indexed")) ? "indexed" : "not indexed");
        json_array_foreach(json_object_get(index, "flags"), i, row)
            buf_addf(out, ", %s", json_string_value(row));
        buf_addc(out, '\n');
    }
    json_array_foreach(json_object_get(r, "secrets"), i, row)
        put_styled(out, l, STYLE_BAD, "secret on line %lld (%lld bytes, masked)\n", (long long)int_of(row, "line"),
                   (long long)int_of(row, "bytes"));
    if (json_array_size(chunks))
        put_styled(out, l, STYLE_HEADING, "chunks\n");
    json_array_foreach(chunks, i, row) {
        char lines[48];
        snprintf(lines, sizeof lines, "%lld-%lld", (long long)int_of(row, "start_line"), (long long)int_of(row, "end_line"));
        buf_adds(out, "  ");
        cell(out, l, STYLE_LINE, lines, 11);
        put_styled(out, l, STYLE_NAME, "%s", *text_of(row, "breadcrumb") ? text_of(row, "breadcrumb") : text_of(row, "symbol"));
        if (*text_of(row, "kind"))
            put_styled(out, l, STYLE_DIM, " (%s)", text_of(row, "kind"));
        buf_addc(out, '\n');
    }
    if (json_array_size(symbols))
        put_styled(out, l, STYLE_HEADING, "symbols\n");
    json_array_foreach(symbols, i, row) {
        char lines[48];
        snprintf(lines, sizeof lines, "%lld-%lld", (long long)int_of(row, "start_line"), (long long)int_of(row, "end_line"));
        buf_adds(out, "  ");
        cell(out, l, STYLE_LINE, lines, 11);
        cell(out, l, STYLE_DIM, text_of(row, "kind"), 14);
        put_cleans(out, *text_of(row, "signature") ? text_of(row, "signature") : text_of(row, "name"));
        buf_addc(out, '\n');
    }
}

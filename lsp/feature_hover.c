/* What is known of the name at the cursor: its signature and comment, who uses it, and why it was last changed. With the setting
 * "hover": "brief", or beside a language's own server, only what that one lacks: users and history. */
#include "lsp/feature.h"
#include "lsp/overlay.h"
#include "lsp/page.h"
#include "service/result_text.h"
#include "lsp/place.h"

#include "retriever/markdown.h"

#include <stdlib.h>
#include <string.h>

#define DEFINITIONS_ASKED 30
#define DEFINITIONS_SHOWN 3   /* of one name, each with its fence */
#define DOC_BYTES 600
#define BODY_BYTES 300        /* of a commit's message, behind its subject */

enum { STEP_NEAR, STEP_EVERYWHERE };

static void ask_name(struct call *c, bool everywhere);

static size_t indent_of(struct str line)
{
    size_t n = 0;
    while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
        n++;
    return n;
}

/* A comment without the indentation that all its lines but the first have: that one begins where the definition does. */
static void put_comment(struct buf *out, struct str doc)
{
    size_t least = SIZE_MAX;
    for (int pass = 0; pass < 2; pass++)
        for (const char *at = doc.p; at && at < doc.p + doc.n;) {
            bool first = at == doc.p;
            struct str line = first_line((struct str){at, doc.n - (size_t)(at - doc.p)}, &at);
            size_t in = indent_of(line), cut = first ? 0 : in < least ? in : least;
            if (!pass && !first && in < line.n && in < least)
                least = in;
            if (pass) {
                buf_add(out, line.p + cut, line.n - cut);
                buf_addc(out, '\n');
            }
        }
}

static void put_definition(struct buf *out, json_t *row)
{
    struct buf code = BUF_INIT;
    struct str doc = text_head(text_at(row, "doc"), DOC_BYTES), signature = str_of(text_at(row, "signature"));
    put_comment(&code, doc);
    if (!signature.n)
        signature = str_of(text_at(row, "symbol"));
    buf_add(&code, signature.p, signature.n);
    md_fence(out, text_at(row, "language"), (struct str){code.data ? code.data : "", code.len});
    buf_release(&code);
}

static void put_users(struct buf *out, json_t *result)
{
    json_t *found = json_object_get(result, "found");
    long long callers = (long long)json_integer_value(json_object_get(found, "callers"));
    long long uses = (long long)json_integer_value(json_object_get(found, "references"));
    if (callers)
        buf_addf(out, "Called by %lld", callers);
    if (uses > callers)
        buf_addf(out, "%s %lld times", callers ? " · used" : "Used", uses);
    if (!callers && !uses)
        buf_adds(out, "No use is known");
}

static void give(struct call *c, const struct buf *text)
{
    json_t *kinds = client_at(c->lsp, "textDocument.hover.contentFormat"), *kind;
    bool markdown = !json_array_size(kinds);
    size_t i;
    json_array_foreach(kinds, i, kind)
        markdown |= json_is_string(kind) && !strcmp(json_string_value(kind), "markdown");
    call_reply(c, json_pack("{s{ss, ss#}}", "contents", "kind", markdown ? "markdown" : "plaintext", "value", text->data, (int)text->len));
}

static void give_kept(struct call *c)
{
    struct buf text = BUF_INIT;
    buf_adds(&text, text_at(c->kept, "text"));
    give(c, &text);
    buf_release(&text);
}

static void take_history(struct call *c, json_t *result)
{
    json_t *last = json_array_get(json_object_get(result, "commits"), 0), *why = json_object_get(result, "reason");
    struct buf text = BUF_INIT;
    buf_adds(&text, text_at(c->kept, "text"));
    if (json_is_true(json_object_get(result, "uncommitted")))
        buf_adds(&text, "\n\nChanged, not committed.");
    for (int i = 0; i < 2; i++) {
        json_t *commit = i ? why : last;
        if (!json_is_object(commit) || (i && json_equal(json_object_get(commit, "commit"), json_object_get(last, "commit"))))
            continue;
        struct str body = text_head(text_at(commit, "body"), BODY_BYTES);
        buf_addf(&text, "\n\n%s %.10s ", i ? "Why it is so:" : "Last change", text_at(commit, "date"));
        md_text(&text, str_of(text_at(commit, "author")));
        buf_adds(&text, ": ");
        md_text(&text, str_of(text_at(commit, "subject")));
        if (body.n) {
            buf_adds(&text, " — ");
            md_text(&text, body);
        }
    }
    give(c, &text);
    buf_release(&text);
}

static void no_history(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        give_kept(c);
}

static void ask_history(struct call *c, json_t *row)
{
    struct buf place = BUF_INIT;
    buf_addf(&place, "%s:%lld-%lld", text_at(row, "path"), (long long)json_integer_value(json_object_get(row, "start_line")),
             (long long)json_integer_value(json_object_get(row, "end_line")));
    json_t *params = json_pack("{s[O], ss, si, sb}", "repo", json_object_get(row, "repo"), "place", place.data, "limit", 1, "no_wait", 1);
    buf_release(&place);
    c->failed = no_history;
    call_ask(c, "history", params, take_history);
}

static void take_name(struct call *c, json_t *result)
{
    json_t *rows = json_object_get(result, "definitions"), *row;
    size_t i, shown = 0;
    struct document *d = document_at(&c->lsp->docs, c->path);
    bool brief = !strcmp(text_at(c->lsp->settings, "hover"), "brief") || (d && beside_another(c->lsp, d->language));
    if (!json_array_size(rows) && c->step == STEP_NEAR) {
        ask_name(c, true);
        return;
    }
    if (!json_array_size(rows)) {
        call_reply(c, NULL);
        return;
    }
    struct buf text = BUF_INIT;
    json_t *near = rows_nearest(result, rows, c->path);
    json_array_foreach(near, i, row)
        if (!brief && shown < DEFINITIONS_SHOWN && (!i || !row_is(row, "kind", "prototype"))) {
            put_definition(&text, row);
            shown++;
        }
    if (shown)
        buf_adds(&text, "\n");
    put_users(&text, result);
    buf_adds(&text, " · ");
    row = json_array_get(near, 0);
    page_link(&text, result, row);
    if (json_array_size(near) > 1)
        buf_addf(&text, " and %zu more", json_array_size(near) - 1);
    c->kept = json_pack("{ss#}", "text", text.data, (int)text.len);
    buf_release(&text);
    if (json_is_true(json_object_get(row, "unsaved")))
        give_kept(c);
    else
        ask_history(c, row);
    json_decref(near);
}

static void ask_name(struct call *c, bool everywhere)
{
    json_t *params = feature_params(c);
    static const char *const flags[] = {"exact", "definitions", "callers", "references", "count"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        json_object_set_new(params, flags[i], json_true());
    json_object_set_new(params, "name", json_string(c->word));
    json_object_set_new(params, "limit", json_integer(DEFINITIONS_ASKED));
    if (everywhere)
        json_object_set_new(params, "all_repos", json_true());
    c->step = everywhere ? STEP_EVERYWHERE : STEP_NEAR;
    overlay_ask(c, "symbol", params, take_name);
}

void run_hover(struct call *c)
{
    if (feature_word(c, true))
        ask_name(c, false);
}

#include "lsp/command.h"

#include "lsp/overlay.h"
#include "lsp/page.h"
#include "service/result_text.h"
#include "lsp/place.h"

#include "base/mem.h"
#include "base/uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_ASKED 300
#define TOLD_BYTES 100   /* of what a model writes, as progress */
#define KIND "codeask"   /* of our code actions */

const struct command commands[] = {
    {"codeask.explain", ABOUT_NAME, "Explain %s", "ask", "what is %s and how does it work?", page_answer},
    {"codeask.usage", ABOUT_NAME, "How is %s used?", "ask", "how is %s used?", page_answer},
    {"codeask.tests", ABOUT_NAME, "Where are the tests of %s?", "ask", "where are the tests of %s?", page_answer},
    {"codeask.breaks", ABOUT_NAME, "What would break if %s changed?", "symbol", NULL, page_users},
    {"codeask.why", ABOUT_LINES, "Why is %s so?", "history", NULL, page_history},
    {"codeask.tour", ABOUT_FOLDER, "Tour of %s", "tour", NULL, page_tour},
    {"codeask.ask", ABOUT_ANYTHING, NULL, "ask", "%s", page_answer},
    {"codeask.good", ABOUT_ANSWER, "The last answer was good", "feedback", "good", NULL},
    {"codeask.bad", ABOUT_ANSWER, "The last answer was bad: the right place is here", "feedback", "bad", NULL},
    {NULL},
};

static const struct command *command_named(const char *name)
{
    for (const struct command *k = commands; k->name; k++)
        if (!strcmp(k->name, name))
            return k;
    return NULL;
}

static char *filled(const char *pattern, const char *with)
{
    struct buf b = BUF_INIT;
    const char *hole = strstr(pattern, "%s");
    buf_add(&b, pattern, hole ? (size_t)(hole - pattern) : strlen(pattern));
    if (hole)
        buf_addf(&b, "%s%s", with, hole + 2);
    return buf_take(&b);
}

/* -- code actions ------------------------------------------------------------------------------------------------------------ */

json_t *command_options(struct lsp *x)
{
    json_t *names = json_array();
    for (const struct command *k = commands; k->name; k++)
        json_array_append_new(names, json_string(k->name));
    return json_pack("{so}", "commands", names);
}

json_t *action_options(struct lsp *x)
{
    return json_pack("{s[s]}", "codeActionKinds", KIND);
}

static bool kind_wanted(json_t *params)
{
    json_t *only = json_object_get(json_object_get(params, "context"), "only"), *kind;
    size_t i;
    json_array_foreach(only, i, kind)
        if (json_is_string(kind) && (!*json_string_value(kind) || !strcmp(json_string_value(kind), KIND)))
            return true;
    return !json_array_size(only);
}

/* The name of a path's directory, or the path's last component. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *before = slash;
    while (before && before > path && before[-1] != '/')
        before--;
    return slash && before && before < slash ? mem_strn(before, (size_t)(slash - before)) : mem_str("/");
}

static void add_action(json_t *out, struct call *c, const struct command *k, const char *subject, const struct document *d, uint32_t first, uint32_t last)
{
    char *title = filled(k->title, subject);
    json_t *about = json_pack("{ss, sI, sI, ss*}", "uri", d->uri, "line", (json_int_t)first, "end_line", (json_int_t)last, "name", c->word);
    json_t *command = json_pack("{ss, ss, s[o]}", "title", title, "command", k->name, "arguments", about);
    bool literal = client_can(c->lsp, "textDocument.codeAction.codeActionLiteralSupport");
    json_t *action = literal ? json_pack("{ss, ss, so}", "title", title, "kind", KIND, "command", command) : command;
    if (action)
        json_array_append_new(out, action);
    free(title);
}

void run_code_action(struct call *c)
{
    struct document *d = feature_document(c);
    json_t *range = json_object_get(c->params, "range");
    struct position end;
    if (!d)
        return;
    if (!position_read(&c->at, json_object_get(range, "start")) || !position_read(&end, json_object_get(range, "end"))) {
        call_refuse(c, LSP_INVALID_PARAMS, "range: {\"start\": …, \"end\": …} is wanted", NULL);
        return;
    }
    struct str line = document_line(d, c->at.line);
    struct word w = word_at(line, column_to_bytes(line, c->at.column, c->lsp->encoding));
    if (w.end > w.begin)
        c->word = mem_strn(line.p + w.begin, w.end - w.begin);
    uint32_t last = end.line > c->at.line && !end.column ? end.line - 1 : end.line < c->at.line ? c->at.line : end.line;
    char lines[64], *folder = folder_of(d->path);
    snprintf(lines, sizeof lines, last > c->at.line ? "what stands in lines %u–%u" : "line %u", c->at.line + 1, last + 1);
    json_t *out = json_array();
    for (const struct command *k = commands; kind_wanted(c->params) && k->name; k++) {
        bool can = k->title && (k->about == ABOUT_NAME ? c->word != NULL : k->about == ABOUT_ANSWER ? c->lsp->answer != NULL : true);
        if (can)
            add_action(out, c, k, k->about == ABOUT_NAME ? c->word : k->about == ABOUT_LINES ? lines : folder, d, c->at.line, last);
    }
    free(folder);
    call_reply(c, out);
}

/* -- pages ------------------------------------------------------------------------------------------------------------------- */

static void shown(struct call *c, json_t *result)
{
    struct lsp *x = c->lsp;
    const char *path = json_string_value(json_object_get(result, "path"));
    json_t *uri = path ? uri_json(path) : NULL;
    if (uri && client_can(x, "window.showDocument.support")) {
        say_request(x, "show", "window/showDocument", json_pack("{sO, sb, sb}", "uri", uri, "external", 0, "takeFocus", 1));
    } else if (path) {
        struct buf text = BUF_INIT;
        buf_addf(&text, "codeask: the answer is in %s", path);
        say_message(x, MESSAGE_INFO, text.data);
        buf_release(&text);
    }
    if (uri)
        json_object_set_new(c->kept, "uri", uri);
    call_reply(c, json_incref(c->kept));
}

/* The answer is still one where no file could be written. */
static void not_shown(struct call *c, int code, const char *message, const char *hint)
{
    if (code == ERR_CANCELED)
        call_fail(c, code, message, hint);
    else
        call_reply(c, json_incref(c->kept));
}

static void remember(struct lsp *x, json_t *result)
{
    const char *id = json_string_value(json_object_get(result, "id"));
    if (!id)
        return;
    free(x->answer);
    x->answer = mem_str(id);
}

static void take_page(struct call *c, json_t *result)
{
    const struct command *k = &commands[c->step];
    struct buf text = BUF_INIT;
    page_title(&text, c->title);
    k->page(&text, result);
    remember(c->lsp, result);
    json_decref(c->kept);
    c->kept = json_pack("{ss#, sO*}", "markdown", text.data, (int)text.len, "id", json_object_get(result, "id"));
    buf_release(&text);
    if (!c->kept) { /* text that is no UTF-8 was made so before; nothing is shown rather than half of it */
        call_refuse(c, LSP_REQUEST_FAILED, "the answer cannot be shown", NULL);
        return;
    }
    c->failed = not_shown;
    c->part = NULL;
    call_ask(c, "page", json_pack("{ss, sO}", "title", c->title, "text", json_object_get(c->kept, "markdown")), shown);
}

/* A model writes: its last words are the progress. */
static void take_part(struct call *c, json_t *part)
{
    const char *delta = json_string_value(json_object_get(part, "delta"));
    if (!delta)
        return;
    if (!c->kept)
        c->kept = json_pack("{ss}", "said", "");
    struct buf said = BUF_INIT;
    buf_addf(&said, "%s%s", text_at(c->kept, "said"), delta);
    const char *from = said.data + (said.len > TOLD_BYTES ? said.len - TOLD_BYTES : 0);
    while ((*from & 0xC0) == 0x80)
        from++;
    json_object_set_new(c->kept, "said", json_string(from));
    call_work(c, c->title, from);
    buf_release(&said);
}

/* -- commands ---------------------------------------------------------------------------------------------------------------- */

static void thanked(struct call *c, json_t *result)
{
    say_message(c->lsp, MESSAGE_INFO, "codeask: noted, thank you");
    call_reply(c, NULL);
}

/* "/r/src/a.c:3-5" of the argument; the caller frees. */
static char *place_of(struct call *c, json_t *about)
{
    struct buf b = BUF_INIT;
    json_int_t first = json_integer_value(json_object_get(about, "line")) + 1, last = json_integer_value(json_object_get(about, "end_line")) + 1;
    buf_addf(&b, "%s:%lld", c->path, (long long)(first < 1 ? 1 : first));
    if (last > first)
        buf_addf(&b, "-%lld", (long long)last);
    return buf_take(&b);
}

static void set_flags(json_t *params, const char *const *flag)
{
    for (; *flag; flag++)
        json_object_set_new(params, *flag, json_true());
}

/* What the service is asked; NULL: the argument lacks something, and the client was told. */
static json_t *command_params(struct call *c, const struct command *k, json_t *about)
{
    static const char *const lists[] = {"exact", "definitions", "callers", "references", NULL};
    const char *name = json_is_string(about) ? json_string_value(about) : json_string_value(json_object_get(about, k->about == ABOUT_ANYTHING ? "query" : "name"));
    if ((k->about == ABOUT_NAME || k->about == ABOUT_ANYTHING) && (!name || !*name)) {
        call_refuse(c, LSP_INVALID_PARAMS, k->about == ABOUT_NAME ? "arguments: [{\"uri\", \"name\"}] is wanted" : "arguments: [\"question\"] is wanted", NULL);
        return NULL;
    }
    if (k->about == ABOUT_LINES && !json_object_get(about, "line")) {
        call_refuse(c, LSP_INVALID_PARAMS, "arguments: [{\"uri\", \"line\"}] is wanted", NULL);
        return NULL;
    }
    json_t *params = feature_params(c);
    char *place = place_of(c, about), *folder = folder_of(c->path), *question = NULL;
    const char *subject = k->about == ABOUT_LINES ? strrchr(place, '/') + 1 : k->about == ABOUT_FOLDER ? folder : name;
    c->title = filled(k->title ? k->title : "%s", subject ? subject : "");
    if (!strcmp(k->method, "ask")) {
        question = filled(k->question, name);
        json_object_set_new(params, "query", json_string(question));
    } else if (!strcmp(k->method, "symbol")) {
        json_object_set_new(params, "name", json_string(name));
        json_object_set_new(params, "limit", json_integer(USERS_ASKED));
        set_flags(params, lists);
    } else if (!strcmp(k->method, "history")) {
        json_object_set_new(params, "place", json_string(place));
    } else if (!strcmp(k->method, "tour")) {
        json_object_set_new(params, "path", json_string("."));
    } else { /* feedback; a bad answer's right place is where the cursor stands */
        const char *id = json_string_value(json_object_get(about, "id"));
        json_object_set_new(params, "id", json_string(id ? id : c->lsp->answer ? c->lsp->answer : ""));
        json_object_set_new(params, "verdict", json_string(k->question));
        if (!strcmp(k->question, "bad") && json_object_get(about, "line") && json_object_get(about, "uri")) {
            char *line = strrchr(place, ':');
            line[strcspn(line, "-")] = 0;
            json_object_set_new(params, "expected", json_string(place));
        }
        json_object_del(params, "roots");
    }
    free(place);
    free(folder);
    free(question);
    return params;
}

/* Where a request is about that names no document: the first folder, or the carrier's directory. */
static char *default_path(const struct lsp *x)
{
    const char *dir = x->nfolders ? x->folder[0] : x->dir ? x->dir : "";
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/", dir);
    return buf_take(&b);
}

static void take_path(struct call *c, json_t *about)
{
    const char *uri = json_string_value(json_object_get(about, "uri"));
    c->path = uri ? uri_path(uri) : NULL;
    if (!c->path)
        c->path = default_path(c->lsp);
}

void run_command(struct call *c)
{
    const char *name = json_string_value(json_object_get(c->params, "command"));
    const struct command *k = name ? command_named(name) : NULL;
    json_t *about = json_array_get(json_object_get(c->params, "arguments"), 0);
    if (!k) {
        call_refuse(c, LSP_INVALID_PARAMS, "command: there is no such one", NULL);
        return;
    }
    take_path(c, about);
    json_t *params = command_params(c, k, about);
    if (!params)
        return;
    c->step = (int)(k - commands);
    if (!k->page) {
        call_ask(c, k->method, params, thanked);
        return;
    }
    c->failed = call_tell;
    c->part = take_part;
    call_offer_work(c);
    call_work(c, c->title, NULL);
    overlay_ask(c, k->method, params, take_page);
}

/* -- codeask/ask ------------------------------------------------------------------------------------------------------------- */

static void give_answer(struct call *c, json_t *result)
{
    remember(c->lsp, result);
    call_reply(c, json_incref(result));
}

static void give_part(struct call *c, json_t *part)
{
    if (c->partial)
        say_progress(c->lsp, c->partial, json_incref(part));
}

/* {"query", "textDocument"?: {"uri"}, …}: what `ask` takes; its result, with "roots". Parts come as partial results. */
void run_ask(struct call *c)
{
    static const char *const taken[] = {"query", "continue", "no_generate", "repo", "all_repos", "branch", "path", "lang", "kind", "limit", "context"};
    take_path(c, json_object_get(c->params, "textDocument"));
    json_t *params = feature_params(c);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (json_object_get(c->params, taken[i]))
            json_object_set(params, taken[i], json_object_get(c->params, taken[i]));
    c->failed = call_tell;
    c->part = give_part;
    overlay_ask(c, "ask", params, give_answer);
}

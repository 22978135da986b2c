#include "daemon/mcp.h"

#include "base/mem.h"
#include "base/uri.h"
#include "service/jsonrpc.h"
#include "daemon/lines.h"
#include "service/methods.h"

#include <stdlib.h>
#include <string.h>

/* Revisions that are spoken, newest last. From STRUCTURED on results carry their object beside the text, and batches are gone. Those up
 * to HANDSHAKE are agreed on by initialize; from MODERN on each request names its own. */
static const char *const revisions[] = {"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"};
enum { REVISIONS = sizeof revisions / sizeof *revisions, STRUCTURED = 1, HANDSHAKE = 2, MODERN = 3 };

#define META "io.modelcontextprotocol/"

#define INVALID_PARAMS (-32602)
#define METHOD_NOT_FOUND (-32601)
#define INTERNAL_ERROR (-32603)
#define RESOURCE_NOT_FOUND (-32002) /* until 2025-11-25; INVALID_PARAMS since */
#define UNSUPPORTED_VERSION (-32022)
#define LIST_TTL_MS 300000 /* what the program itself offers changes with the program alone */
#define BATCH_MAX 64
#define RESOURCE_LINES "5000" /* of a file that is read as a resource */
#define ROOTS_ID "\"roots\""

static const char REPO_URI[] = "codeask://repo/";
static const char INSTRUCTIONS[] =
    "codeask knows the code of the repositories on this machine. Ask or search here before you read many files: answers name path and line, "
    "and were checked against the code as it is now, uncommitted changes included.";

struct mcp;
struct reply { /* what a request is to be answered by */
    char *name;    /* the client's id as JSON text */
    int revision;
};

struct call { /* an open request; the sink's arg */
    struct call *next;
    struct mcp *mcp;
    uint64_t id;      /* the service's */
    struct reply reply;
    json_t *progress; /* its token; NULL: none is wanted */
    long long steps;
    bool canceled;    /* nothing more is said of it */
    void (*done)(struct call *c, json_t *result /* borrowed */);
    void (*failed)(struct call *c, int code, const char *message, const char *hint);
    const struct mcp_tool *tool;
    char *uri;
};

struct mcp {
    struct session *session;
    struct buf *out;
    struct lines in;
    bool (*full)(void *arg);
    void *full_arg;
    struct call *calls;
    unsigned ncalls;
    int revision;     /* that initialize agreed on; -1: none */
    char *dir;        /* absolute; NULL: not known */
    bool remote;      /* no directory of the client's is known: all repositories are meant */
    bool dir_given;   /* by the user: the client's roots do not matter */
    bool has_roots;
};

/* -- replies ---------------------------------------------------------------------------------------------------------------- */

#define NO_TTL (-1) /* a result that is not kept */

static json_t *server_info(void)
{
    return json_pack("{ss, ss, ss}", "name", "codeask", "title", "codeask", "version", CODEASK_VERSION);
}

/* result: stolen; NULL: it could not be made, as it is no UTF-8. */
static void say(struct mcp *x, const struct reply *r, json_t *result, int ttl_ms)
{
    if (!result) {
        jsonrpc_error(x->out, r->name, INTERNAL_ERROR, "the result is no UTF-8", NULL);
        return;
    }
    if (r->revision >= MODERN) {
        json_object_set_new(result, "resultType", json_string("complete"));
        json_object_set_new(result, "_meta", json_pack("{so}", META "serverInfo", server_info()));
        if (ttl_ms != NO_TTL) {
            json_object_set_new(result, "ttlMs", json_integer(ttl_ms));
            json_object_set_new(result, "cacheScope", json_string("private"));
        }
    }
    jsonrpc_result(x->out, r->name, result);
}

static int not_found(const struct reply *r)
{
    return r->revision >= MODERN ? INVALID_PARAMS : RESOURCE_NOT_FOUND;
}

/* -- requests of the service ------------------------------------------------------------------------------------------------ */

static void call_free(struct call *c)
{
    struct mcp *x = c->mcp;
    for (struct call **at = &x->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            x->ncalls--;
            break;
        }
    json_decref(c->progress);
    free(c->reply.name);
    free(c->uri);
    free(c);
}

static void say_progress(struct call *c, json_t *o)
{
    const char *stage = json_string_value(json_object_get(o, "stage")), *repo = json_string_value(json_object_get(o, "repo"));
    struct buf message = BUF_INIT;
    buf_addf(&message, "%s%s%s", stage ? stage : "working", repo ? " " : "", repo ? repo : "");
    json_t *line = json_pack("{ss, ss, s{sO, sI, ss}}", "jsonrpc", "2.0", "method", "notifications/progress", "params", "progressToken",
                             c->progress, "progress", (json_int_t)++c->steps, "message", message.data);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (text)
        buf_addf(c->mcp->out, "%s\n", text);
    free(text);
    json_decref(line);
    buf_release(&message);
}

static bool on_event(void *arg, uint64_t id, enum event_kind kind, const char *json, size_t len)
{
    struct call *c = arg;
    struct mcp *x = c->mcp;
    if (kind == EVENT_PART)
        return !x->full(x->full_arg);
    json_t *o = json_loadb(json, len, 0, NULL);
    if (kind == EVENT_PROGRESS) {
        if (c->progress && !c->canceled)
            say_progress(c, o);
    } else {
        const char *name = json_string_value(json_object_get(o, "code")), *message = json_string_value(json_object_get(o, "message"));
        const char *hint = json_string_value(json_object_get(o, "hint"));
        if (!c->canceled && kind == EVENT_DONE && o)
            c->done(c, o);
        else if (!c->canceled)
            c->failed(c, err_code_of(name ? name : "internal"), message ? message : "", hint ? hint : "");
        call_free(c);
    }
    json_decref(o);
    return !x->full(x->full_arg);
}

static struct call *find_call(struct mcp *x, const char *name)
{
    struct call *c = x->calls;
    while (c && strcmp(c->reply.name, name))
        c = c->next;
    return c;
}

/* Takes over c and what it holds. */
static void submit(struct call *c, const char *method, json_t *params)
{
    struct mcp *x = c->mcp;
    struct err e = {0};
    char *text = json_dumps(params, JSON_COMPACT);
    int rc;
    if (x->ncalls >= MCP_OPEN_MAX)
        rc = err_set(&e, ERR_BUSY, "%d requests of this client are open already", MCP_OPEN_MAX);
    else
        rc = session_submit(x->session, method, text, strlen(text), (struct sink){on_event, c}, &c->id, &e);
    free(text);
    if (rc) {
        c->failed(c, rc, e.message, e.hint);
        call_free(c);
        return;
    }
    c->next = x->calls;
    x->calls = c;
    x->ncalls++;
}

static struct call *call_new(struct mcp *x, struct reply r, json_t *params)
{
    struct call *c = mem_zero(1, sizeof *c);
    json_t *token = json_object_get(json_object_get(params, "_meta"), "progressToken");
    c->mcp = x;
    c->reply = r;
    c->progress = json_is_string(token) || json_is_integer(token) ? json_incref(token) : NULL;
    return c;
}

/* -- tools ------------------------------------------------------------------------------------------------------------------ */

static void tool_done(struct call *c, json_t *result)
{
    struct buf text = BUF_INIT;
    c->tool->show(&text, result);
    json_t *said = json_pack("{s[{ss, ss#}], sb}", "content", "type", "text", "text", text.data ? text.data : "", (int)text.len, "isError", 0);
    if (said && c->reply.revision >= STRUCTURED)
        json_object_set(said, "structuredContent", result);
    buf_release(&text);
    say(c->mcp, &c->reply, said, NO_TTL);
}

/* The model reads it and may do better: no error of the protocol. */
static void tool_failed(struct call *c, int code, const char *message, const char *hint)
{
    struct buf text = BUF_INIT;
    buf_addf(&text, "%s%s%s", message, *hint ? "\n" : "", hint);
    json_t *said = json_pack("{s[{ss, ss}], sb}", "content", "type", "text", "text", text.data, "isError", 1);
    buf_release(&text);
    say(c->mcp, &c->reply, said, NO_TTL);
}

static bool takes(const struct mcp_tool *t, const char *flag)
{
    for (const struct method_flag *f = request_named(t->method)->flags; f && f->name; f++)
        if (!strcmp(f->name, flag))
            return true;
    return false;
}

/* Where the question names no place, the client's. */
static void add_scope(json_t *arguments, const struct mcp *x, const struct mcp_tool *t)
{
    if (takes(t, "dir") && x->dir && !json_object_get(arguments, "dir"))
        json_object_set_new(arguments, "dir", json_string(x->dir));
    else if (takes(t, "all-repos") && x->remote && !json_object_get(arguments, "dir") && !json_object_get(arguments, "repo"))
        json_object_set_new(arguments, "all_repos", json_true());
}

static void tools_call(struct mcp *x, struct reply r, json_t *params)
{
    const char *wanted = json_string_value(json_object_get(params, "name"));
    const struct mcp_tool *t = wanted ? mcp_tool_named(wanted) : NULL;
    json_t *given = json_object_get(params, "arguments");
    if (!t || (given && !json_is_object(given))) {
        jsonrpc_error(x->out, r.name, INVALID_PARAMS, t ? "arguments: an object is wanted" : "there is no such tool", NULL);
        free(r.name);
        return;
    }
    json_t *arguments = given ? json_copy(given) : json_object();
    add_scope(arguments, x, t);
    struct call *c = call_new(x, r, params);
    c->tool = t;
    c->done = tool_done;
    c->failed = tool_failed;
    submit(c, t->method, arguments);
    json_decref(arguments);
}

static void tools_list(struct mcp *x, struct reply r, json_t *params)
{
    say(x, &r, mcp_tools_json(), LIST_TTL_MS);
    free(r.name);
}

/* -- resources -------------------------------------------------------------------------------------------------------------- */

static void resource_failed(struct call *c, int code, const char *message, const char *hint)
{
    bool gone = code == ERR_NOT_FOUND || code == ERR_NO_REPOSITORY;
    jsonrpc_error(c->mcp->out, c->reply.name, gone ? not_found(&c->reply) : INTERNAL_ERROR, message,
                  json_pack("{ss, ss, ss*}", "code", err_name(code), "hint", hint, "uri", c->uri));
}

static void repos_done(struct call *c, json_t *result)
{
    json_t *rows = json_array(), *row;
    size_t i;
    json_array_foreach(json_object_get(result, "repos"), i, row) {
        struct buf uri = BUF_INIT;
        const char *repo = json_string_value(json_object_get(row, "repo"));
        buf_adds(&uri, REPO_URI);
        uri_escape(&uri, repo ? repo : "", false);
        json_array_append_new(rows, json_pack("{ss, sO, sO, ss}", "uri", uri.data, "name", json_object_get(row, "repo"), "description",
                                              json_object_get(row, "path"), "mimeType", "application/json"));
        buf_release(&uri);
    }
    say(c->mcp, &c->reply, json_pack("{so}", "resources", rows), 0);
}

static void resources_list(struct mcp *x, struct reply r, json_t *params)
{
    struct call *c = call_new(x, r, params);
    json_t *none = json_object();
    c->done = repos_done;
    c->failed = resource_failed;
    submit(c, "repo.list", none);
    json_decref(none);
}

static void templates_list(struct mcp *x, struct reply r, json_t *params)
{
    say(x, &r, json_pack("{s[{ss, ss, ss}]}", "resourceTemplates", "uriTemplate", "codeask://repo/{repo}/{+path}", "name", "file",
                         "description", "a file of a repository as it is indexed, secrets masked; a directory: what is in it"), LIST_TTL_MS);
    free(r.name);
}

static void resource_done(struct call *c, json_t *result)
{
    json_t *text = json_object_get(result, "text");
    char *whole = text ? NULL : json_dumps(result, JSON_COMPACT | JSON_REAL_PRECISION(9));
    say(c->mcp, &c->reply, json_pack("{s[{ss, ss, ss}]}", "contents", "uri", c->uri, "mimeType", text ? "text/plain" : "application/json", "text",
                                     text ? json_string_value(text) : whole), 0);
    free(whole);
}

/* The request behind "codeask://repo/NAME[/PATH]"; NULL: it is none. */
static json_t *resource_params(const char *uri, bool *file)
{
    size_t head = sizeof REPO_URI - 1;
    if (!uri || strncmp(uri, REPO_URI, head))
        return NULL;
    const char *at = uri + head, *slash = strchr(at, '/');
    char *repo = uri_unescape(at, slash ? (size_t)(slash - at) : strlen(at)), *path = slash ? uri_unescape(slash + 1, strlen(slash + 1)) : mem_str("");
    json_t *params = repo && *repo && path ? json_pack("{s[s]}", "repo", repo) : NULL;
    *file = params && *path;
    if (*file)
        json_object_set_new(params, "place", json_pack("s+", path, ":1-" RESOURCE_LINES));
    free(repo);
    free(path);
    return params;
}

static void resources_read(struct mcp *x, struct reply r, json_t *params)
{
    const char *uri = json_string_value(json_object_get(params, "uri"));
    bool file = false;
    json_t *asked = resource_params(uri, &file);
    if (!asked) {
        jsonrpc_error(x->out, r.name, not_found(&r), "uri: codeask://repo/NAME or codeask://repo/NAME/PATH is wanted",
                      json_pack("{ss*}", "uri", uri));
        free(r.name);
        return;
    }
    struct call *c = call_new(x, r, params);
    c->uri = mem_str(uri);
    c->done = resource_done;
    c->failed = resource_failed;
    submit(c, file ? "read" : "tour", asked);
    json_decref(asked);
}

/* -- the session ------------------------------------------------------------------------------------------------------------ */

static json_t *capabilities(void)
{
    return json_pack("{s{}, s{}}", "tools", "resources");
}

static void initialize(struct mcp *x, struct reply r, json_t *params)
{
    const char *wanted = json_string_value(json_object_get(params, "protocolVersion"));
    x->revision = HANDSHAKE;
    for (int i = 0; i <= HANDSHAKE; i++)
        if (wanted && !strcmp(wanted, revisions[i]))
            x->revision = i;
    x->has_roots = json_is_object(json_object_get(json_object_get(params, "capabilities"), "roots"));
    say(x, &r, json_pack("{ss, so, so, ss}", "protocolVersion", revisions[x->revision], "capabilities", capabilities(), "serverInfo",
                         server_info(), "instructions", INSTRUCTIONS), NO_TTL);
    free(r.name);
}

static void discover(struct mcp *x, struct reply r, json_t *params)
{
    json_t *spoken = json_array();
    for (int i = REVISIONS; i-- > 0;)
        json_array_append_new(spoken, json_string(revisions[i]));
    say(x, &r, json_pack("{so, so, ss}", "supportedVersions", spoken, "capabilities", capabilities(), "instructions", INSTRUCTIONS), LIST_TTL_MS);
    free(r.name);
}

static void ping(struct mcp *x, struct reply r, json_t *params)
{
    say(x, &r, json_object(), NO_TTL);
    free(r.name);
}

static const struct {
    const char *name;
    void (*run)(struct mcp *x, struct reply r /* its name is taken over */, json_t *params);
    bool handshake, modern; /* of which kind of revisions */
    bool early;             /* before initialize, too */
} requests[] = {
    {"initialize", initialize, true, false, true},
    {"ping", ping, true, false, true},
    {"server/discover", discover, false, true, true},
    {"tools/list", tools_list, true, true, false},
    {"tools/call", tools_call, true, true, false},
    {"resources/list", resources_list, true, true, false},
    {"resources/templates/list", templates_list, true, true, false},
    {"resources/read", resources_read, true, true, false},
};

static void ask_roots(struct mcp *x)
{
    if (x->has_roots && !x->dir_given)
        buf_adds(x->out, "{\"jsonrpc\":\"2.0\",\"id\":" ROOTS_ID ",\"method\":\"roots/list\"}\n");
}

/* The first root that is a directory here is what questions are about. */
static void take_roots(struct mcp *x, json_t *result)
{
    json_t *root;
    size_t i;
    json_array_foreach(json_object_get(result, "roots"), i, root) {
        const char *uri = json_string_value(json_object_get(root, "uri"));
        char *path = uri ? uri_path(uri) : NULL;
        if (!path)
            continue;
        free(x->dir);
        x->dir = path;
        return;
    }
}

static void notification(struct mcp *x, const char *method, json_t *params)
{
    if (!strcmp(method, "notifications/cancelled")) {
        json_t *id = json_object_get(params, "requestId");
        char *name = json_is_integer(id) || json_is_string(id) ? json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        struct call *c = name ? find_call(x, name) : NULL;
        free(name);
        if (c) {
            c->canceled = true;
            session_cancel(x->session, c->id);
        }
    } else if (!strcmp(method, "notifications/initialized") || !strcmp(method, "notifications/roots/list_changed")) {
        ask_roots(x);
    } else if (!strcmp(method, MCP_DIR) && json_is_string(json_object_get(params, "dir"))) {
        free(x->dir);
        x->dir = mem_str(json_string_value(json_object_get(params, "dir")));
        x->dir_given = json_is_true(json_object_get(params, "given"));
    }
}

/* The revision that a request names itself, or the connection's. False: it was answered by an error. */
static bool choose_revision(struct mcp *x, struct reply *r, json_t *params)
{
    json_t *meta = json_object_get(params, "_meta"), *wanted = json_object_get(meta, META "protocolVersion");
    r->revision = x->revision;
    if (!wanted)
        return true;
    for (int i = MODERN; i < REVISIONS; i++)
        if (json_is_string(wanted) && !strcmp(json_string_value(wanted), revisions[i]))
            r->revision = i;
    if (!json_is_string(wanted) || !json_is_object(json_object_get(meta, META "clientCapabilities"))) {
        jsonrpc_error(x->out, r->name, INVALID_PARAMS, "_meta: " META "protocolVersion (a text) and " META "clientCapabilities are wanted", NULL);
        return false;
    }
    if (r->revision < MODERN) {
        jsonrpc_error(x->out, r->name, UNSUPPORTED_VERSION, "Unsupported protocol version",
                      json_pack("{s[s], sO}", "supported", revisions[MODERN], "requested", wanted));
        return false;
    }
    return true;
}

static void request(struct mcp *x, char *name /* taken over */, const char *method, json_t *params)
{
    struct reply r = {name, 0};
    size_t n = sizeof requests / sizeof *requests, i = 0;
    while (i < n && strcmp(requests[i].name, method))
        i++;
    if (!choose_revision(x, &r, params)) {
        ;
    } else if (i == n || !(r.revision >= MODERN ? requests[i].modern : requests[i].handshake)) {
        jsonrpc_error(x->out, name, METHOD_NOT_FOUND, "there is no such method", NULL);
    } else if (r.revision < 0 && !requests[i].early) {
        jsonrpc_error(x->out, name, RPC_INVALID_REQUEST, "initialize comes first", NULL);
    } else if (find_call(x, name)) {
        jsonrpc_error(x->out, name, RPC_INVALID_REQUEST, "id: in use by an open request", NULL);
    } else {
        requests[i].run(x, r, params);
        return;
    }
    free(name);
}

static void one(struct mcp *x, json_t *m)
{
    const char *method = json_string_value(json_object_get(m, "method")), *version = json_string_value(json_object_get(m, "jsonrpc"));
    json_t *params = json_object_get(m, "params");
    char *name = jsonrpc_id(m);
    bool bad = !json_is_object(m) || !version || strcmp(version, "2.0") || (params && !json_is_object(params));
    if (!bad && !method && name && json_object_get(m, "result")) {
        if (!strcmp(name, ROOTS_ID))
            take_roots(x, json_object_get(m, "result"));
    } else if (!bad && !method && json_object_get(m, "error")) {
        ; /* a client that has roots and does not tell them */
    } else if (bad || !method || (json_object_get(m, "id") && !name)) {
        jsonrpc_error(x->out, name, RPC_INVALID_REQUEST, "not a JSON-RPC 2.0 message", NULL);
    } else if (name) {
        request(x, name, method, params);
        return;
    } else {
        notification(x, method, params);
    }
    free(name);
}

static int message(void *self, const char *bytes, size_t len)
{
    struct mcp *x = self;
    json_error_t why;
    json_t *m = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why), *part;
    size_t i;
    if (!m)
        jsonrpc_error(x->out, NULL, RPC_PARSE_ERROR, why.text, NULL);
    else if (!json_is_array(m))
        one(x, m);
    else if (x->revision >= STRUCTURED || !json_array_size(m) || json_array_size(m) > BATCH_MAX)
        jsonrpc_error(x->out, NULL, RPC_INVALID_REQUEST, "no batches", NULL);
    else
        json_array_foreach(m, i, part)
            one(x, part);
    json_decref(m);
    return 0;
}

static void *mcp_open(struct session *c, struct buf *out, bool (*full)(void *arg), void *arg)
{
    struct mcp *x = mem_zero(1, sizeof *x);
    *x = (struct mcp){.session = c, .out = out, .full = full, .full_arg = arg, .revision = -1};
    return x;
}

bool mcp_remote(void *self, const char *revision)
{
    struct mcp *x = self;
    x->remote = true;
    for (int i = 0; i < REVISIONS; i++)
        if (!strcmp(revision, revisions[i])) {
            x->revision = i < MODERN ? i : -1; /* from then on each request names its own */
            return true;
        }
    return false;
}

bool mcp_waits(const void *self)
{
    return ((const struct mcp *)self)->calls != NULL;
}

static int mcp_feed(void *self, const char *bytes, size_t len)
{
    struct mcp *x = self;
    int rc = lines_feed(&x->in, bytes, len, RPC_MESSAGE_MAX, message, x);
    if (rc == ERR_LIMIT)
        jsonrpc_error(x->out, NULL, RPC_INVALID_REQUEST, "a message of more than 16 MiB", NULL);
    return rc;
}

static void mcp_drained(void *self)
{
    struct mcp *x = self;
    for (struct call *c = x->calls; c; c = c->next)
        session_resume(x->session, c->id);
}

static void mcp_close(void *self)
{
    struct mcp *x = self;
    while (x->calls)
        call_free(x->calls);
    lines_release(&x->in);
    free(x->dir);
    free(x);
}

const struct protocol mcp_protocol = {"mcp", mcp_open, mcp_feed, mcp_drained, mcp_close};

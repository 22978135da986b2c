/* What is answered over HTTP. To add something: its codec in a file of its own, and a row. The first row that fits is taken. */
#include "daemon/api.h"
#include "daemon/mcp.h"
#include "daemon/openai.h"
#include "daemon/page.h"
#include "daemon/probes.h"

#include <string.h>

const struct route routes[] = {
    {"/healthz", "GET", true, &health_codec, "200 while the program runs"},
    {"/readyz", "GET", true, &ready_codec, "200 when requests are taken; 503 while the daemon ends"},
    {"/metrics", "GET", false, &metrics_codec, "figures for Prometheus, none of a repository"},
    {"/openapi.json", "GET", true, &openapi_codec, "this document"},
    {MCP_PATH, "POST", false, &mcp_http_codec, "the Model Context Protocol over streamable HTTP"},
    {OPENAI_MODELS, "GET", false, &openai_models_codec, "what may be named as a model (OpenAI's API)"},
    {OPENAI_MODELS "/", "GET", false, &openai_models_codec, NULL},
    {"/v1/embeddings", "POST", false, &openai_embeddings_codec, "vectors of texts (OpenAI's API)"},
    {"/v1/chat/completions", "POST", false, &openai_chat_codec, "an answer with its sources, or what the model says (OpenAI's API)"},
    {"/hooks/push", "POST", true, &hook_codec, "where git hosts tell of a push: what is named is fetched soon"},
    {API_PREFIX, "GET POST", false, &api_codec, NULL},
    {"/", "GET", true, &page_codec, "the page for people"},
    {PAGE_PREFIX, "GET", true, &page_codec, "what the page is made of"},
    {NULL},
};

static bool fits(const char *row, const char *path)
{
    size_t n = strlen(row);
    return n > 1 && row[n - 1] == '/' ? !strncmp(row, path, n) : !strcmp(row, path);
}

static bool allows(const char *methods, const char *method)
{
    size_t n = strlen(method);
    if (!n)
        return false;
    for (const char *p = methods; (p = strstr(p, method)); p++)
        if ((p == methods || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

const struct route *route_of(const struct http_request *r, struct http_reply *out)
{
    struct err e;
    for (const struct route *x = routes; x->path; x++) {
        if (!fits(x->path, r->path))
            continue;
        if (allows(x->methods, r->method))
            return x;
        err_set(&e, ERR_USAGE, "%.200s takes %s", r->path, x->methods);
        reply_err(out, &e);
        out->status = 405;
        reply_header(out, "allow:", x->methods);
        return NULL;
    }
    err_set(&e, ERR_NOT_FOUND, "there is no %.200s", r->path);
    err_hint(&e, "GET /openapi.json describes what there is");
    reply_err(out, &e);
    return NULL;
}

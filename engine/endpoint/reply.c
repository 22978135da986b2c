/* What endpoints say: a stranger's JSON. */
#include "engine/endpoint/endpoint.h"

#include "base/clock.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* -- texts --------------------------------------------------------------------------------------------------------------- */

/* How the special tokens of model families begin. The local engine's tokenizer never reads text as one; a server that takes the text of
 * messages for its tokenizer's may. To add a family's: its row. */
static const char *const marks[] = {"<|", "<\xef\xbd\x9c", "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<think>", "</think>", "<tool_call>",
                                    "</tool_call>", "[INST]", "[/INST]", "<<SYS>>", "[gMASK]", "<unk>", "<pad>"};
#define WORD_JOINER "\xe2\x81\xa0"

void endpoint_text(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_addc(out, text[i]);
        if (text[i] != '<' && text[i] != '[')
            continue;
        for (size_t k = 0; k < sizeof marks / sizeof *marks; k++) {
            size_t n = strlen(marks[k]);
            if (n <= len - i && !memcmp(text + i, marks[k], n)) {
                buf_adds(out, WORD_JOINER);
                break;
            }
        }
    }
}

/* -- a chat -------------------------------------------------------------------------------------------------------------- */

static const char *text_at(json_t *o, const char *key, size_t *len)
{
    json_t *v = json_object_get(o, key);
    *len = json_string_length(v);
    return json_string_value(v);
}

static bool give(struct endpoint_stream *s, enum gen_channel channel, const char *text, size_t len)
{
    struct gen_piece p = {.channel = channel, .text = text, .len = len};
    if (!s->begun)
        s->out->ms_prompt = s->out->ms_first = clock_ms() - s->began_ms;
    s->begun = true;
    s->written += len;
    if (s->written > ENDPOINT_TEXT_MAX) {
        s->rc = err_set(s->e, ERR_LIMIT, "it writes more than %u bytes", ENDPOINT_TEXT_MAX);
        return false;
    }
    s->enough = !s->sink(s->arg, &p);
    return !s->enough;
}

static uint32_t count_at(json_t *o, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(o, key));
    return n > 0 && n < UINT32_MAX ? (uint32_t)n : 0;
}

int endpoint_event(void *arg, const char *name, struct str data)
{
    struct endpoint_stream *s = arg;
    size_t n;
    if (str_same(data, STR("[DONE]"))) {
        s->done = true;
        return 1;
    }
    json_t *o = json_loadb(data.p, data.n, 0, NULL), *choice = json_array_get(json_object_get(o, "choices"), 0), *delta = json_object_get(choice, "delta"),
           *usage = json_object_get(o, "usage"), *error = json_object_get(o, "error");
    bool go = true;
    if (!json_is_object(o)) {
        s->rc = err_set(s->e, ERR_FORMAT, "its stream is not that of OpenAI's API");
        go = false;
    } else if (error) {
        const char *why = json_string_value(json_object_get(error, "message"));
        s->rc = err_set(s->e, ERR_UNAVAILABLE, "it says: %.200s", why ? why : "an error");
        go = false;
    }
    if (json_is_object(usage)) {
        s->out->prompt_tokens = count_at(usage, "prompt_tokens");
        s->out->answer_tokens = count_at(usage, "completion_tokens");
        s->out->reused_tokens = count_at(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
        s->out->reasoning_tokens = count_at(json_object_get(usage, "completion_tokens_details"), "reasoning_tokens");
    }
    const char *text = text_at(delta, "reasoning_content", &n);
    if (!text)
        text = text_at(delta, "reasoning", &n);
    if (go && text && n)
        go = give(s, GEN_REASONING, text, n);
    text = text_at(delta, "content", &n);
    if (go && text && n)
        go = give(s, GEN_ANSWER, text, n);
    text = text_at(choice, "finish_reason", &n);
    if (text) {
        s->ended = true;
        s->out->end = !strcmp(text, "length") ? GEN_END_LENGTH : GEN_END_TURN;
    }
    json_decref(o);
    return !go;
}

/* -- vectors ------------------------------------------------------------------------------------------------------------- */

static int one_vector(float *out, uint32_t dim, json_t *v, struct err *e)
{
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        json_t *x = json_array_get(v, i);
        double d = json_number_value(x);
        if (!json_is_number(x) || !isfinite(d) || fabs(d) > 1e6)
            return err_set(e, ERR_FORMAT, "a vector's value %u is no number", i);
        out[i] = (float)d;
        sum += d * d;
    }
    if (!(sum > 1e-20))
        return err_set(e, ERR_FORMAT, "a vector of zeros");
    float by = (float)(1 / sqrt(sum));
    for (uint32_t i = 0; i < dim; i++)
        out[i] *= by;
    return 0;
}

int endpoint_vectors(float *out, uint32_t *dim, size_t n, const char *json, size_t len, uint32_t *tokens, struct err *e)
{
    json_t *o = json_loadb(json, len, 0, NULL), *data = json_object_get(o, "data"), *row;
    bool seen[ENDPOINT_BATCH] = {0};
    size_t i;
    int rc = 0;
    if (n > ENDPOINT_BATCH || json_array_size(data) != n)
        rc = err_set(e, ERR_FORMAT, "it gave %zu vectors for %zu texts", json_array_size(data), n);
    json_array_foreach(data, i, row) {
        json_t *v = json_object_get(row, "embedding"), *at = json_object_get(row, "index");
        size_t size = json_array_size(v), k = at ? (size_t)json_integer_value(at) : i;
        if (rc)
            break;
        if (!*dim && size >= 1 && size <= ENDPOINT_DIM_MAX && out == NULL)
            *dim = (uint32_t)size; /* the caller asks how many there are */
        if (k >= n || seen[k] || size != *dim)
            rc = err_set(e, ERR_FORMAT, k < n && !seen[k] ? "a vector of %zu numbers, where %u are wanted: another model, under the same name?" : "vector %zu of %u",
                         k < n && !seen[k] ? size : k, k < n && !seen[k] ? *dim : (unsigned)n);
        else if (out)
            rc = one_vector(out + k * *dim, *dim, v, e);
        if (k < n)
            seen[k] = true;
    }
    if (!rc && tokens)
        *tokens = count_at(json_object_get(o, "usage"), "prompt_tokens");
    json_decref(o);
    return rc;
}

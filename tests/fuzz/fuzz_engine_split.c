/* A model's output, split: the first byte chooses the family and whether its markers are in the vocabulary; a byte 1 begins a
 * special token's text, 2 ends it. Cut into single bytes or not, the parts and the calls are the same, and so are stop strings. */
#include "engine/chat/split.h"
#include "engine/sample/stop.h"

#include <stdlib.h>
#include <string.h>

static const char *const template_text[] = {"<think></think><tool_call>", "<|channel|>", "<|python_tag|>", "[TOOL_CALLS][THINK]",
                                            "<think><|channel|>[TOOL_CALLS]<|python_tag|><tool_call>"};

struct parts {
    struct buf of[3], calls;
    uint32_t unread;
};

static void sink(void *arg, enum split_part part, const char *bytes, size_t n)
{
    buf_add(&((struct parts *)arg)->of[part], bytes, n);
}

static bool special(void *arg, const char *text, size_t n)
{
    return *(const uint8_t *)arg & 16;
}

static void run(struct parts *p, const uint8_t *data, size_t size, size_t most)
{
    const char *family = template_text[data[0] % 5];
    struct split_options o = {.template_text = family, .template_len = strlen(family), .special = special, .special_arg = (void *)data, .sink = sink,
                              .sink_arg = p, .tools = data[0] & 32, .prompt = "<think>\n", .prompt_len = data[0] & 64 ? 8 : 0};
    struct split *s = split_new(&o);
    for (size_t i = 1; i < size;) {
        bool token = data[i] == 1;
        i += token;
        size_t n = 0;
        while (i + n < size && data[i + n] != 1 && data[i + n] != 2 && (token || n < most))
            n++;
        split_feed(s, (const char *)data + i, n, token);
        i += n;
        i += i < size && data[i] == 2;
    }
    split_end(s);
    char *calls = json_dumps(split_calls(s), JSON_COMPACT);
    buf_adds(&p->calls, calls ? calls : "");
    free(calls);
    p->unread = split_unread(s);
    split_free(s);
}

static void same(const struct buf *a, const struct buf *b)
{
    if (a->len != b->len || (a->len && memcmp(a->data, b->data, a->len)))
        abort();
}

static void stops(const uint8_t *data, size_t size)
{
    struct buf out[2] = {BUF_INIT, BUF_INIT};
    size_t n = 1 + data[0] % 5;
    struct str string[2] = {{(const char *)data + 1, n}, STR("ab")};
    for (int way = 0; way < 2 && size > n + 1; way++) {
        struct stop *s = NULL;
        if (stop_open(&s, string, 2, NULL))
            abort();
        for (size_t i = n + 1, step = way ? size : 1; i < size; i += step)
            stop_feed(s, &out[way], (const char *)data + i, size - i < step ? size - i : step);
        stop_end(s, &out[way]);
        stop_close(s);
    }
    same(&out[0], &out[1]);
    buf_release(&out[0]);
    buf_release(&out[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts p[2] = {0};
    if (!size)
        return 0;
    for (int way = 0; way < 2; way++)
        run(&p[way], data, size, way ? 7 : 1);
    for (int k = 0; k < 3; k++)
        same(&p[0].of[k], &p[1].of[k]);
    same(&p[0].calls, &p[1].calls);
    if (p[0].unread != p[1].unread)
        abort();
    for (int way = 0; way < 2; way++) {
        for (int k = 0; k < 3; k++)
            buf_release(&p[way].of[k]);
        buf_release(&p[way].calls);
    }
    stops(data, size);
    return 0;
}

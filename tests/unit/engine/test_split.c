#include "engine/chat/split.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct parts {
    struct buf of[3];
};

static void sink(void *arg, enum split_part part, const char *bytes, size_t n)
{
    buf_add(&((struct parts *)arg)->of[part], bytes, n);
}

static const char *const special[] = {"<think>", "</think>", "<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|return|>", "<|call|>",
                                      "<|python_tag|>", "<|eom_id|>", "[TOOL_CALLS]"};

static bool is_special(void *arg, const char *text, size_t n)
{
    for (size_t i = 0; arg && i < sizeof special / sizeof *special; i++)
        if (strlen(special[i]) == n && !memcmp(special[i], text, n))
            return true;
    return false;
}

static const char think[] = "{{ '<think>' }}{{ '</think>' }}{{ '<tool_call>' }}", harmony[] = "<|channel|>analysis<|message|>",
                  llama[] = "<|python_tag|>", mistral[] = "[TOOL_CALLS]", plain[] = "<|im_start|>";

/* text: special tokens stand between \1 and \2. */
static const struct {
    const char *template_text, *prompt, *text, *reasoning, *answer, *calls;
    bool in_vocabulary, tools;
} row[] = {
    {think, "", "<think>\nhm\n</think>\n\nYes.", "hm\n", "Yes.", "[]"},
    {think, "", "\1<think>\2\nhm\n\1</think>\2\n\nYes.", "hm\n", "Yes.", "[]", true},
    {think, "<think>\n", "hm\n</think>\n\nYes.", "hm\n", "Yes.", "[]"},
    {think, "", "a <thin b < c <think", "", "a <thin b < c <think", "[]"},
    /* quoted markers are text where the vocabulary has them */
    {think, "", "say <think> and </think>.", "", "say <think> and </think>.", "[]", true},
    {think, "", "Let me.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", "Let me.\n",
     "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"},
    {think, "", "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": \"{\\\"x\\\": 2}\"}</tool_call>",
     "", "", "[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {\"x\": 2}}]"},
    {think, "", "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
     "", "", "[{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 3}}]"},
    {think, "", "<tool_call>not a call</tool_call>ok", "", "ok", "[]"},
    {harmony, "", "\1<|channel|>\2analysis\1<|message|>\2I think.\1<|end|>\2\1<|start|>\2assistant\1<|channel|>\2final\1<|message|>\2It is.\1<|return|>\2",
     "I think.", "It is.", "[]", true},
    {harmony, "", "\1<|channel|>\2analysis\1<|message|>\2Call.\1<|end|>\2\1<|start|>\2assistant\1<|channel|>\2commentary to=functions.f "
     "json\1<|message|>\2{\"q\": \"x\"}\1<|call|>\2", "Call.", "", "[{\"name\": \"f\", \"arguments\": {\"q\": \"x\"}}]", true},
    {harmony, "", " to=functions.g\1<|channel|>\2commentary json\1<|message|>\2{}\1<|call|>\2", "", "", "[{\"name\": \"g\", \"arguments\": {}}]", true},
    {harmony, "", "\1<|channel|>\2commentary\1<|message|>\2First I look.\1<|end|>\2", "", "First I look.", "[]", true},
    {harmony, "", "\1<|channel|>\2final\1<|message|>\2quoted <|end|> and <|channel|>analysis<|message|>", "",
     "quoted <|end|> and <|channel|>analysis<|message|>", "[]", true},
    {llama, "", "{\"name\": \"f\", \"parameters\": {\"a\": [1]}}", "", "", "[{\"name\": \"f\", \"arguments\": {\"a\": [1]}}]", true, true},
    {llama, "", "{\"name\": \"f\", \"parameters\": {}}", "", "{\"name\": \"f\", \"parameters\": {}}", "[]", true, false},
    {llama, "", "{ \"colour\": \"a long enough object that is none\" }", "", "{ \"colour\": \"a long enough object that is none\" }", "[]", true, true},
    {llama, "", "\1<|python_tag|>\2{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}\1<|eom_id|>\2", "", "",
     "[{\"name\": \"f\", \"arguments\": {}}]", true, true},
    {mistral, "", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abcdefghi\"}, {\"name\": \"g\", \"arguments\": {}}]", "", "",
     "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]"},
    {mistral, "", "\1[TOOL_CALLS]\2f[ARGS]{\"a\": 1}\1[TOOL_CALLS]\2g{\"b\": 2}", "", "",
     "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {\"b\": 2}}]", true},
    {plain, "", "<think> <tool_call> [TOOL_CALLS] are text here", "", "<think> <tool_call> [TOOL_CALLS] are text here", "[]"},
};

static struct split *start(struct parts *p, size_t i, uint32_t budget)
{
    struct split_options o = {.template_text = row[i].template_text, .template_len = strlen(row[i].template_text), .prompt = row[i].prompt,
                              .prompt_len = strlen(row[i].prompt), .special = is_special, .special_arg = row[i].in_vocabulary ? p : NULL,
                              .sink = sink, .sink_arg = p, .reasoning_tokens = budget, .tools = row[i].tools};
    *p = (struct parts){0};
    return split_new(&o);
}

static void feed(struct split *s, const char *text, size_t size)
{
    while (*text) {
        if (*text == 1) {
            size_t n = strcspn(++text, "\2");
            split_feed(s, text, n, true);
            text += n + 1;
        } else {
            size_t n = strcspn(text, "\1");
            n = n < size ? n : size;
            split_feed(s, text, n, false);
            text += n;
        }
    }
}

static void expect_part(const struct buf *b, const char *want)
{
    assert_string_equal(b->len ? b->data : "", want);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        for (size_t size = 1; size < 40; size++) {
            struct parts p;
            struct split *s = start(&p, i, 0);
            feed(s, row[i].text, size);
            split_end(s);
            json_t *want = json_loads(row[i].calls, 0, NULL);
            if (!json_equal(want, split_calls(s)) || strcmp(p.of[SPLIT_ANSWER].len ? p.of[SPLIT_ANSWER].data : "", row[i].answer))
                print_message("row %zu in pieces of %zu: %s\n", i, size, row[i].text);
            expect_part(&p.of[SPLIT_REASONING], row[i].reasoning);
            expect_part(&p.of[SPLIT_ANSWER], row[i].answer);
            assert_true(json_equal(want, split_calls(s)));
            assert_int_equal(split_unread(s), strstr(row[i].text, "not a call") != NULL);
            json_decref(want);
            split_free(s);
            for (int k = 0; k < 3; k++)
                buf_release(&p.of[k]);
        }
}

static void test_budget(void **state)
{
    struct parts p;
    struct split *s = start(&p, 0, 3);
    size_t n;
    split_feed(s, "<think>", 7, false);
    for (int i = 0; i < 3; i++) {
        assert_null(split_forced(s, &n));
        split_feed(s, "word ", 5, false);
    }
    const char *forced = split_forced(s, &n);
    assert_non_null(forced);
    char *copy = mem_strn(forced, n);
    split_feed(s, copy, n, false);
    assert_null(split_forced(s, &n));
    assert_int_equal(split_part(s), SPLIT_ANSWER);
    split_feed(s, "Answer", 6, false);
    split_end(s);
    expect_part(&p.of[SPLIT_ANSWER], "Answer");
    assert_int_equal(split_reasoned(s), 4);
    free(copy);
    split_free(s);
    for (int k = 0; k < 3; k++)
        buf_release(&p.of[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_budget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "engine/sample/grammar.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const token[] = {"{", "}", "{\"", "\"", "a", "b", "ab", "abc", "\":", ": ", " ", ",", "1", "12", "-", "true", "tru", "e", "\"}", "[", "]",
                                    "\xC3", "\xA9", "\xC3\xA9", "<special>", "", "a", "\"a\":1", "null", "\\", "n"};
#define TOKENS (sizeof token / sizeof *token)

static const char *token_bytes(void *arg, uint32_t id, size_t *len)
{
    *len = strlen(token[id]);
    return strcmp(token[id], "<special>") ? token[id] : NULL;
}

static bool fits(struct matcher *m, const char *text)
{
    uint32_t state = MATCHER_START;
    return matcher_accept(m, &state, text, strlen(text)) && matcher_may_end(m, state);
}

struct texts {
    const char *grammar, *yes[6], *no[8];
};

static void expect(const struct texts *row, size_t n, bool schema)
{
    for (size_t i = 0; i < n; i++) {
        struct grammar *g = NULL;
        struct err e = {0};
        json_t *j = schema ? json_loads(row[i].grammar, JSON_DECODE_ANY, NULL) : NULL;
        int rc = schema ? grammar_from_schema(&g, j, &e) : grammar_from_text(&g, row[i].grammar, strlen(row[i].grammar), &e);
        if (rc)
            print_message("%s: %s\n", row[i].grammar, e.message);
        assert_int_equal(rc, 0);
        struct matcher *m = matcher_new(g, NULL);
        for (size_t k = 0; k < 6 && row[i].yes[k]; k++)
            if (!fits(m, row[i].yes[k]))
                fail_msg("%s refuses %s", row[i].grammar, row[i].yes[k]);
        for (size_t k = 0; k < 8 && row[i].no[k]; k++)
            if (fits(m, row[i].no[k]))
                fail_msg("%s accepts %s", row[i].grammar, row[i].no[k]);
        matcher_free(m);
        grammar_free(g);
        json_decref(j);
    }
}

static void test_text(void **state)
{
    static const struct texts row[] = {
        {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "y", "yess", "maybe"}},
        {"root ::= [a-c]+ x? # comment\nx ::= \"!\"{2,3}", {"a", "abc!!", "c!!!"}, {"", "d", "a!", "a!!!!"}},
        {"root ::= (\"a\" |\n  \"b\" \"c\")* \"d\"\n", {"d", "abcd", "aad"}, {"bd", "abc"}},
        {"root ::= [^\"\\n]* \"\\\"\"", {"\"", "x\xC3\xA9\"", "\xF0\x9F\x98\x80\""}, {"\n\"", "\"\"", "\xC3\"", "\xED\xA0\x80\"", "\xC0\x80\"", "\xF5\x80\x80\x80\""}},
        {"root ::= [\\u00e9-\\u4e2d]", {"\xC3\xA9", "\xE4\xB8\xAD", "\xE0\xA4\x85"}, {"\xC3\xA8", "\xE4\xB8\xAE", "a", "\xF0\x9F\x98\x80"}},
        {"root ::= \"(\" root \")\" | \"\"", {"", "()", "((()))"}, {"(", "())", ")("}},
        {"root ::= item (\",\" item)*\nitem ::= [0-9]{1,}", {"1", "12,3"}, {"", "1,", ",1"}},
        {"root ::= .", {"\xE2\x82\xAC", "a"}, {"ab", "\x80"}},
    };
    expect(row, sizeof row / sizeof *row, false);
}

static void test_schema(void **state)
{
    static const struct texts row[] = {
        {"{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"string\"}}, \"required\": [\"b\"]}",
         {"{\"b\":\"\"}", "{\"a\": 1, \"b\": \"\xC3\xA9\\n\"}", "{\n  \"b\": \"x\"\n}"},
         {"{}", "{\"a\":1}", "{\"b\":\"x\",\"a\":1}", "{\"b\":1}", "{\"b\":\"x\",\"c\":1}", "{,\"b\":\"x\"}", "{\"b\":\"\n\"}", "{\"b\":\"x\",}"}},
        {"{\"type\": \"object\", \"properties\": {\"ab\": {\"type\": \"integer\"}, \"a\": {\"type\": \"null\"}}, \"additionalProperties\": {\"type\": \"boolean\"}}",
         {"{}", "{\"ab\":1}", "{\"ab\":1,\"a\":null,\"abc\":true}", "{\"x\":true,\"\":false}", "{\"b\":true}"},
         {"{\"a\":true}", "{\"ab\":true}", "{\"x\":1}", "{\"x\":true,\"ab\":true}", "{\"\\u0061\":true}"}},
        {"{\"type\": \"array\", \"items\": {\"enum\": [1, \"x\", null]}, \"minItems\": 1, \"maxItems\": 2}", {"[1]", "[\"x\", null]"}, {"[]", "[1,1,1]", "[2]", "[1,]"}},
        {"{\"anyOf\": [{\"type\": \"boolean\"}, {\"const\": {\"k\": [1]}}]}", {"true", "{\"k\": [1]}"}, {"null", "{\"k\":2}"}},
        {"{\"type\": \"integer\", \"minimum\": -5, \"exclusiveMaximum\": 120}", {"-5", "0", "119", "99"}, {"-6", "120", "1000", "05", "-0", "1.0", ""}},
        {"{\"type\": \"number\", \"minimum\": 0}", {"0", "0.5", "1e5", "12.25"}, {"-1", ".5", "1.", "01"}},
        {"{\"type\": \"string\", \"minLength\": 1, \"maxLength\": 2}", {"\"a\"", "\"\xF0\x9F\x98\x80\\\"\""}, {"\"\"", "\"abc\"", "\"a", "\"\\u0041\""}},
        {"{\"type\": \"string\", \"pattern\": \"^(foo|ba[rz])-\\\\d{2}$\"}", {"\"foo-12\"", "\"baz-00\""}, {"\"foo-1\"", "\"bax-12\"", "\"foo-123\""}},
        {"{\"$ref\": \"#/$defs/n\", \"$defs\": {\"n\": {\"type\": \"object\", \"properties\": {\"next\": {\"anyOf\": [{\"$ref\": \"#/$defs/n\"}, {\"type\": \"null\"}]}}, "
         "\"required\": [\"next\"]}}}", {"{\"next\":null}", "{\"next\":{\"next\":null}}"}, {"{\"next\":{}}", "null"}},
        {"{}", {"[1, {\"a\": null}, \"x\", -2.5e3, true]", "{}", "0"}, {"", "[", "{a:1}", "[1,]", "nul"}},
        {"{\"type\": [\"string\", \"null\"], \"title\": \"T\", \"description\": \"D\"}", {"null", "\"x\""}, {"1"}},
    };
    expect(row, sizeof row / sizeof *row, true);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *says;
        int code;
        bool schema;
    } row[] = {
        {"root ::= root \"a\"", "begin with itself", ERR_UNSUPPORTED}, {"root ::= a b\na ::= \"\" | \"x\"\nb ::= root", "begin with itself", ERR_UNSUPPORTED},
        {"root ::= a", "no rule a", ERR_FORMAT}, {"a ::= \"x\"", "no rule root", ERR_FORMAT}, {"root ::= \"x\n", "line 1", ERR_FORMAT},
        {"root ::= \"x\"\nroot ::= \"y\"", "line 2", ERR_FORMAT}, {"root ::= [b-a]", "range", ERR_FORMAT}, {"root ::= (\"a\"", "')'", ERR_FORMAT},
        {"root ::= \"a\"{9999}", "4096", ERR_LIMIT}, {"root ::= a a a a a a a a a a a a\na ::= b c d e f g h i j k l m\nb ::= \"a\"{4096}\nc ::= \"b\"{,9}", "number", ERR_FORMAT}, {"root ::= \"\\q\"", "escape", ERR_FORMAT},
        {"{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"contentEncoding\": \"x\"}}}", "/a: contentEncoding", ERR_UNSUPPORTED, true},
        {"{\"type\": \"integer\", \"multipleOf\": 3}", "multipleOf", ERR_UNSUPPORTED, true}, {"{\"type\": \"int\"}", "type", ERR_UNSUPPORTED, true},
        {"{\"$ref\": \"#/$defs/x\"}", "nowhere", ERR_UNSUPPORTED, true}, {"{\"$ref\": \"#\"}", "itself", ERR_UNSUPPORTED, true},
        {"{\"type\": \"string\", \"pattern\": \"(?=x)\"}", "(?", ERR_UNSUPPORTED, true}, {"{\"enum\": [1], \"minLength\": 2}", "minLength", ERR_UNSUPPORTED, true},
        {"{\"type\": \"string\", \"enum\": [1]}", "enum", ERR_UNSUPPORTED, true}, {"false", "false", ERR_UNSUPPORTED, true},
        {"{\"type\": \"array\", \"maxItems\": 100000}", "maxItems", ERR_UNSUPPORTED, true},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct grammar *g = NULL;
        struct err e = {0};
        json_t *j = row[i].schema ? json_loads(row[i].text, JSON_DECODE_ANY, NULL) : NULL;
        int rc = row[i].schema ? grammar_from_schema(&g, j, &e) : grammar_from_text(&g, row[i].text, strlen(row[i].text), &e);
        if (rc != row[i].code || !strstr(e.message, row[i].says))
            print_message("%s: %d %s\n", row[i].text, rc, e.message);
        assert_int_equal(rc, row[i].code);
        assert_non_null(strstr(e.message, row[i].says));
        grammar_free(g);
        json_decref(j);
    }
}

/* A mask says of each token what accepting its bytes says, at every state of random walks. */
static void test_masks(void **state)
{
    static const char *const schema[] = {"{}", "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"ab\": {\"type\": \"boolean\"}}}",
                                         "{\"type\": \"string\", \"maxLength\": 5}", "{\"type\": \"array\", \"items\": {\"enum\": [12, \"ab\", null]}}"};
    struct grammar_vocab *v = grammar_vocab_new(TOKENS, token_bytes, NULL);
    size_t allowed = 0, ended = 0;
    srand(1);
    for (size_t i = 0; i < sizeof schema / sizeof *schema; i++) {
        struct grammar *g = NULL;
        json_t *j = json_loads(schema[i], 0, NULL);
        assert_int_equal(grammar_from_schema(&g, j, NULL), 0);
        struct matcher *m = matcher_new(g, v);
        for (int walk = 0; walk < 200; walk++) {
            uint32_t at = MATCHER_START, before;
            for (int n = 0; n < 30; n++) {
                const uint32_t *mask = matcher_mask(m, at, NULL);
                uint32_t can[TOKENS], count = 0;
                for (uint32_t id = 0; id < TOKENS; id++) {
                    before = at;
                    bool said = mask[id / 32] >> (id % 32) & 1, normal = token[id][0] && strcmp(token[id], "<special>");
                    uint32_t fork = at;
                    assert_int_equal(said, normal && matcher_accept(m, &fork, token[id], strlen(token[id])));
                    assert_int_equal(at, before);
                    if (said)
                        can[count++] = id;
                }
                allowed += count;
                ended += matcher_may_end(m, at);
                if (!count) {
                    assert_true(matcher_may_end(m, at) == matcher_must_end(m, at));
                    break;
                }
                const char *bytes = token[can[(unsigned)rand() % count]];
                assert_true(matcher_accept(m, &at, bytes, strlen(bytes)));
            }
        }
        matcher_free(m);
        grammar_free(g);
        json_decref(j);
    }
    assert_true(allowed > 5000 && ended > 100);
    grammar_vocab_free(v);
}

/* Deep nesting and long texts stay within the matcher's bounds; past them there is an error and nothing else. */
static void test_bounds(void **state)
{
    struct grammar *g = NULL;
    struct err e = {0};
    struct grammar_vocab *v = grammar_vocab_new(TOKENS, token_bytes, NULL);
    json_t *j = json_object();
    assert_int_equal(grammar_from_schema(&g, j, NULL), 0);
    struct matcher *m = matcher_new(g, v);
    uint32_t at = MATCHER_START;
    assert_true(matcher_accept(m, &at, "[\"", 2));
    for (int i = 0; i < 100000; i++)
        assert_true(matcher_accept(m, &at, "long text, ", 11));
    assert_true(matcher_accept(m, &at, "\",", 2));
    assert_non_null(matcher_mask(m, at, &e));
    int depth = 0;
    while (depth < 1000000 && matcher_accept(m, &at, "[", 1))
        depth++;
    assert_true(depth > 10000 && depth < 1000000);
    uint32_t start = MATCHER_START; /* what is known goes on */
    assert_true(matcher_accept(m, &start, "[\"", 2));
    matcher_free(m);
    grammar_free(g);
    json_decref(j);
    grammar_vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text), cmocka_unit_test(test_schema), cmocka_unit_test(test_refusals), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

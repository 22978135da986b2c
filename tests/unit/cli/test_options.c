/* The command line as params. */
#include "cli/options.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS 12

/* Parses "a|b c|d": arguments parted by '|'. */
static int parse(struct command *c, const char *line, struct err *e)
{
    char *argv[ARGS] = {"codeask"}, text[512];
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *p = strtok(text, "|"); p && argc < ARGS; p = strtok(NULL, "|"))
        argv[argc++] = p;
    memset(e, 0, sizeof *e);
    return command_parse(c, argc, argv, e);
}

static void becomes_params(void **state)
{
    static const struct {
        const char *line, *method, *params; /* params without dir */
    } t[] = {
        {"where is it?", "ask", "{\"query\": \"where is it?\"}"},
        {"where|is|it?", "ask", "{\"query\": \"where is it?\"}"},
        {"ask|status of it", "ask", "{\"query\": \"status of it\"}"},
        {"search|a|b|--limit|3|c", "search", "{\"limit\": 3, \"query\": \"a b c\"}"},
        {"--limit=3|search|a", "search", "{\"limit\": 3, \"query\": \"a\"}"},
        {"search|-n3|a", "search", "{\"limit\": 3, \"query\": \"a\"}"},
        {"search|--repo|x|--repo|y|q", "search", "{\"query\": \"q\", \"repo\": [\"x\", \"y\"]}"},
        {"search|--all-repos|--unique-files|q", "search", "{\"all_repos\": true, \"query\": \"q\", \"unique_files\": true}"},
        {"search|--|--limit", "search", "{\"query\": \"--limit\"}"},
        {"--|search", "ask", "{\"query\": \"search\"}"},
        {"--json|what?", "ask", "{\"query\": \"what?\"}"},
        {"ask|-", "ask", "{\"query\": \"\"}"},
        {"why|-", "ask", "{\"query\": \"why\"}"},
        {"symbol|--callers|x", "symbol", "{\"callers\": true, \"name\": \"x\"}"},
        {"ask|--continue|who calls it?", "ask", "{\"continue\": \"\", \"query\": \"who calls it?\"}"},
        {"--continue|c0123456789abcdef0123456789abcdef|why?", "ask", "{\"continue\": \"c0123456789abcdef0123456789abcdef\", \"query\": \"why?\"}"},
        {"ask|--continue|call|--no-generate", "ask", "{\"continue\": \"\", \"no_generate\": true, \"query\": \"call\"}"},
        {"ask|--continue=c0|why?", "ask", "{\"continue\": \"c0\", \"query\": \"why?\"}"},
        {"repo|remove|x", "repo remove", "{\"name\": \"x\"}"},
        {"model|use|x", "model use", "{\"name\": \"x\"}"},
        {"model|verify", "model verify", "{}"},
        {"completion|handlers", "ask", "{\"query\": \"completion handlers\"}"},
        {"retry", "ask", "{\"query\": \"retry\"}"},
        {"repo.add stays a question", "ask", "{\"query\": \"repo.add stays a question\"}"},
        {"caf\xE9", "ask", "{\"query\": \"caf\xEF\xBF\xBD\"}"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct command c;
        struct err e;
        if (parse(&c, t[i].line, &e))
            fail_msg("%s: %s", t[i].line, e.message);
        json_object_del(c.params, "dir");
        char *text = json_dumps(c.params, JSON_SORT_KEYS);
        assert_string_equal(c.row->name, t[i].method);
        assert_string_equal(text, t[i].params);
        free(text);
        command_release(&c);
    }
}

static void refuses(void **state)
{
    static const struct {
        const char *line, *hint;
    } t[] = {
        {"", "codeask help"},
        {"serach", "codeask ask serach"},
        {"stauts", "codeask ask stauts"},
        {"history", "codeask help history"},
        {"tune|it", "codeask ask tune"},
        {"repo", "codeask repo add"},
        {"repo|ad", "codeask repo add"},
        {"search|--limt|3|x", "--limit"},
        {"search|--callers|x", "codeask help search"},
        {"search", "codeask help search"},
        {"status|now", "codeask ask status"},
        {"search|x|--limit", ""},
        {"search|x|--limit|0", ""},
        {"search|x|--limit|9999999999999999999", ""},
        {"search|x|--limit|3|--limit|4", ""},
        {"search|x|--regex=yes", ""},
        {"search|x|-C|/no/such/folder", ""},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct command c;
        struct err e;
        int rc = parse(&c, t[i].line, &e);
        if (rc >= 0 || !strstr(e.hint, t[i].hint))
            fail_msg("%s: %d %s; %s", t[i].line, rc, e.message, e.hint);
        command_release(&c);
    }
}

static void knows_json_before_it_fails(void **state)
{
    struct command c;
    struct err e;
    assert_true(parse(&c, "--nope|x|--json", &e) < 0);
    assert_true(c.json);
    command_release(&c);
    assert_true(parse(&c, "--nope|--|--json", &e) < 0);
    assert_false(c.json);
    command_release(&c);
}

static void asks_for_help(void **state)
{
    struct command c;
    struct err e;
    assert_int_equal(parse(&c, "help", &e), 0);
    assert_true(c.want == WANT_HELP && !c.row);
    command_release(&c);
    assert_int_equal(parse(&c, "help|repo|add", &e), 0);
    assert_true(c.want == WANT_HELP && !strcmp(c.row->name, "repo add"));
    command_release(&c);
    assert_int_equal(parse(&c, "search|-h", &e), 0);
    assert_true(c.want == WANT_HELP && !strcmp(c.row->name, "search"));
    command_release(&c);
    assert_int_equal(parse(&c, "completion|zsh", &e), 0);
    assert_true(c.want == WANT_COMPLETION);
    command_release(&c);
}

static void finds_near_words(void **state)
{
    static const char *const t[][2] = {{"serach", "search"}, {"asj", "ask"}, {"statu", "status"}, {"inspct", "inspect"},
                                       {"hlep", "help"}, {"repos", "repo …"}, {"stp", "stop"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *found = near_command(t[i][0]);
        assert_non_null(found);
        assert_string_equal(found, t[i][1]);
    }
    static const char *const far[] = {"retry", "login", "tasks", "authentication", "parser", "main", "x", "cache", ""};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        assert_null(near_command(far[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes_params), cmocka_unit_test(refuses), cmocka_unit_test(knows_json_before_it_fails),
        cmocka_unit_test(asks_for_help), cmocka_unit_test(finds_near_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

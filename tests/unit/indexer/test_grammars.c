/* Every grammar of third_party/lock.json loads into the core that it is linked with, and parses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "grammars.h"

static const struct { const char *name; const TSLanguage *(*grammar)(void); } grammars[] = {
#define ROW(name) {#name, tree_sitter_##name},
  GRAMMARS(ROW)
#undef ROW
};
enum { COUNT = sizeof grammars / sizeof *grammars };

static void parse(const TSLanguage *language, const char *text, size_t len)
{
  TSParser *parser = ts_parser_new();
  assert_true(ts_parser_set_language(parser, language));
  TSTree *tree = ts_parser_parse_string(parser, NULL, text, (uint32_t)len);
  assert_non_null(tree);
  TSNode root = ts_tree_root_node(tree);
  assert_false(ts_node_is_null(root));
  assert_true(ts_node_end_byte(root) <= len);
  ts_tree_delete(tree);
  ts_parser_delete(parser);
}

static void test_all_load(void **state)
{
  (void)state;
  for (size_t i = 0; i < COUNT; i++) {
    const TSLanguage *language = grammars[i].grammar();
    print_message("%s: ABI %u\n", grammars[i].name, ts_language_abi_version(language));
    assert_true(ts_language_abi_version(language) >= TREE_SITTER_MIN_COMPATIBLE_LANGUAGE_VERSION);
    assert_true(ts_language_abi_version(language) <= TREE_SITTER_LANGUAGE_VERSION);
  }
}

static void test_all_parse_anything(void **state)
{
  (void)state;
  static const char bytes[] = "\xff\xfe\0\n\t\"'`<([{%$#@ end */ \xc3\xa9 0x";
  static const char tiny[] = "a = 1\n";
  for (size_t i = 0; i < COUNT; i++) {
    const TSLanguage *language = grammars[i].grammar();
    parse(language, "", 0);
    parse(language, tiny, sizeof tiny - 1);
    parse(language, bytes, sizeof bytes - 1);
  }
}

/* texts that a right grammar takes without an error node: one with two languages' symbols mixed up would not */
static void test_right_language(void **state)
{
  (void)state;
  static const struct { const TSLanguage *(*grammar)(void); const char *text; } rows[] = {
    {tree_sitter_bash, "f() { echo \"$1\"; }\n"},
    {tree_sitter_c, "static int f(const char *s) { return s[0]; }\n"},
    {tree_sitter_cpp, "template <class T> T f(T x) { return x + 1; }\n"},
    {tree_sitter_c_sharp, "class A { int F() => 1; }\n"},
    {tree_sitter_cuda, "__global__ void f(float *x) { x[threadIdx.x] = 0; }\n"},
    {tree_sitter_elixir, "defmodule A do\n  def f(x), do: x\nend\n"},
    {tree_sitter_go, "package a\n\nfunc f(x int) int { return x }\n"},
    {tree_sitter_haskell, "module A where\n\nf :: Int -> Int\nf x = x + 1\n"},
    {tree_sitter_java, "class A { int f() { return 1; } }\n"},
    {tree_sitter_javascript, "export const f = (x) => x + 1;\n"},
    {tree_sitter_kotlin, "fun f(x: Int): Int = x + 1\n"},
    {tree_sitter_lua, "local function f(x) return x end\n"},
    {tree_sitter_ocaml, "let f x = x + 1\n"},
    {tree_sitter_ocaml_interface, "val f : int -> int\n"},
    {tree_sitter_php, "<?php function f($x) { return $x; }\n"},
    {tree_sitter_python, "def f(x):\n    return x\n"},
    {tree_sitter_ruby, "def f(x)\n  x\nend\n"},
    {tree_sitter_rust, "fn f(x: i32) -> i32 { x }\n"},
    {tree_sitter_scala, "object A { def f(x: Int): Int = x }\n"},
    {tree_sitter_swift, "func f(x: Int) -> Int { return x }\n"},
    {tree_sitter_typescript, "export function f(x: number): number { return x; }\n"},
    {tree_sitter_tsx, "const f = (x: number) => <b>{x}</b>;\n"},
    {tree_sitter_zig, "fn f(x: i32) i32 {\n    return x;\n}\n"},
    {tree_sitter_json, "{\"a\": [1, null]}\n"},
    {tree_sitter_yaml, "a:\n  - 1\n  - b: 2\n"},
    {tree_sitter_toml, "[a]\nb = 1\n"},
    {tree_sitter_markdown, "# Title\n\ntext\n"},
    {tree_sitter_markdown_inline, "some *text* and `code`\n"},
    {tree_sitter_html, "<p class=\"a\">text</p>\n"},
    {tree_sitter_css, "a > b { color: red; }\n"},
    {tree_sitter_sql, "SELECT a, b FROM t WHERE a = 1;\n"},
    {tree_sitter_make, "all: a.o\n\tcc -o $@ $^\n"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    TSParser *parser = ts_parser_new();
    assert_true(ts_parser_set_language(parser, rows[i].grammar()));
    TSTree *tree = ts_parser_parse_string(parser, NULL, rows[i].text, (uint32_t)strlen(rows[i].text));
    if (ts_node_has_error(ts_tree_root_node(tree))) fail_msg("error node in: %s", rows[i].text);
    ts_tree_delete(tree);
    ts_parser_delete(parser);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all_load),
    cmocka_unit_test(test_all_parse_anything),
    cmocka_unit_test(test_right_language),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

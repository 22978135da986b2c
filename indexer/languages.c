#include "indexer/language.h"

#include "grammars.h"
#include "indexer/cut.h"
#include "queries.h" /* made from queries/<name>.scm: query_<name> */

#include <string.h>
#include <strings.h>

#define LIST(...) (const char *const[]){__VA_ARGS__, NULL}

static const struct language *c_or_cpp(struct str head);

/* To add a language: its grammar in third_party/lock.json, queries/<name>.scm (the conventions are in tags.h), a row here.
 * Where suffixes meet, the first row wins. The last row before the end takes what no other does. */
const struct language languages[] = {
    {"bash", LIST(".sh", ".bash", ".zsh", ".ksh", ".bats", ".bashrc", ".bash_profile", ".profile", ".zshrc", "PKGBUILD"),
     LIST("sh", "bash", "dash", "ksh", "zsh", "bats"), tree_sitter_bash, query_bash, 1, PUBLIC_UNDERSCORE},
    {"c", LIST(".c", ".h", ".inc.c"), LIST("tcc"), tree_sitter_c, query_c, 1, PUBLIC_UNLESS_PRIVATE, 0, c_or_cpp},
    {"cpp", LIST(".cpp", ".cc", ".cxx", ".c++", ".C", ".hpp", ".hh", ".hxx", ".h++", ".ipp", ".tpp", ".inl", ".ixx", ".cppm"),
     NULL, tree_sitter_cpp, query_cpp, 1, PUBLIC_UNLESS_PRIVATE},
    {"csharp", LIST(".cs", ".csx"), NULL, tree_sitter_c_sharp, query_csharp, 1, PUBLIC_EXPORTED},
    {"cuda", LIST(".cu", ".cuh"), NULL, tree_sitter_cuda, query_cuda, 1, PUBLIC_UNLESS_PRIVATE},
    {"elixir", LIST(".ex", ".exs"), LIST("elixir"), tree_sitter_elixir, query_elixir, 1, PUBLIC_UNLESS_PRIVATE, CLAUSES},
    {"go", LIST(".go"), NULL, tree_sitter_go, query_go, 1, PUBLIC_CAPITAL},
    {"haskell", LIST(".hs", ".hs-boot", ".hsc"), LIST("runhaskell", "stack", "cabal"), tree_sitter_haskell, query_haskell, 1,
     PUBLIC_UNLESS_PRIVATE, CLAUSES},
    {"java", LIST(".java"), NULL, tree_sitter_java, query_java, 1, PUBLIC_EXPORTED},
    {"javascript", LIST(".js", ".jsx", ".mjs", ".cjs", ".es6"), LIST("node", "nodejs", "bun", "zx"), tree_sitter_javascript,
     query_javascript, 1, PUBLIC_EXPORTED},
    {"kotlin", LIST(".kt", ".kts"), NULL, tree_sitter_kotlin, query_kotlin, 1, PUBLIC_UNLESS_PRIVATE},
    {"lua", LIST(".lua", ".rockspec", ".luau"), LIST("lua", "luajit", "lua5.1", "lua5.4"), tree_sitter_lua, query_lua, 1,
     PUBLIC_UNLESS_PRIVATE},
    {"ocaml", LIST(".ml"), LIST("ocaml"), tree_sitter_ocaml, query_ocaml, 1, PUBLIC_UNLESS_PRIVATE},
    {"ocaml_interface", LIST(".mli"), NULL, tree_sitter_ocaml_interface, query_ocaml_interface, 1, PUBLIC_UNLESS_PRIVATE,
     DOC_BELOW},
    {"php", LIST(".php", ".phtml", ".php5", ".inc"), LIST("php"), tree_sitter_php, query_php, 1, PUBLIC_UNLESS_PRIVATE},
    {"python", LIST(".py", ".pyi", ".pyw", ".pyx", "SConstruct", "SConscript", "wscript"),
     LIST("python", "python2", "python3", "pypy", "pypy3"), tree_sitter_python, query_python, 1, PUBLIC_UNDERSCORE},
    {"ruby", LIST(".rb", ".rake", ".gemspec", ".ru", ".podspec", "Rakefile", "Gemfile", "Podfile", "Vagrantfile", "Fastfile"),
     LIST("ruby", "jruby"), tree_sitter_ruby, query_ruby, 1, PUBLIC_UNDERSCORE},
    {"rust", LIST(".rs"), LIST("rust-script"), tree_sitter_rust, query_rust, 1, PUBLIC_EXPORTED},
    {"scala", LIST(".scala", ".sc", ".sbt"), LIST("scala"), tree_sitter_scala, query_scala, 1, PUBLIC_UNLESS_PRIVATE},
    {"swift", LIST(".swift"), LIST("swift"), tree_sitter_swift, query_swift, 1, PUBLIC_EXPORTED},
    {"typescript", LIST(".ts", ".mts", ".cts"), LIST("deno", "ts-node", "tsx"), tree_sitter_typescript, query_typescript, 1,
     PUBLIC_EXPORTED},
    {"tsx", LIST(".tsx"), NULL, tree_sitter_tsx, query_tsx, 1, PUBLIC_EXPORTED},
    {"zig", LIST(".zig", ".zon"), NULL, tree_sitter_zig, query_zig, 1, PUBLIC_EXPORTED},
    {"json", LIST(".json", ".jsonc", ".json5", ".geojson", ".webmanifest", ".code-workspace", ".babelrc", ".eslintrc"), NULL,
     tree_sitter_json, query_json, 1, PUBLIC_UNLESS_PRIVATE},
    {"yaml", LIST(".yaml", ".yml", ".clang-format", ".clang-tidy"), NULL, tree_sitter_yaml, query_yaml, 1,
     PUBLIC_UNLESS_PRIVATE},
    {"toml", LIST(".toml", "Cargo.lock", "poetry.lock", "Pipfile"), NULL, tree_sitter_toml, query_toml, 1,
     PUBLIC_UNLESS_PRIVATE},
    {"markdown", LIST(".md", ".markdown", ".mdx", ".mkd", ".qmd"), NULL, tree_sitter_markdown, query_markdown, 1,
     PUBLIC_UNLESS_PRIVATE},
    {"html", LIST(".html", ".htm", ".xhtml", ".vue", ".svelte"), NULL, tree_sitter_html, query_html, 1,
     PUBLIC_UNLESS_PRIVATE},
    {"css", LIST(".css"), NULL, tree_sitter_css, query_css, 1, PUBLIC_UNLESS_PRIVATE},
    {"sql", LIST(".sql", ".ddl", ".pgsql", ".psql"), NULL, tree_sitter_sql, query_sql, 1, PUBLIC_UNLESS_PRIVATE},
    {"make", LIST(".mk", ".mak", "Makefile", "makefile", "GNUmakefile", "Makefile.am", "Makefile.in"), LIST("make"),
     tree_sitter_make, query_make, 1, PUBLIC_UNLESS_PRIVATE},
    {"text", LIST(".txt"), NULL, NULL, NULL, 1, PUBLIC_UNLESS_PRIVATE},
    {NULL},
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"sh", "bash"}, {"shell", "bash"}, {"zsh", "bash"}, {"h", "c"}, {"c++", "cpp"}, {"cxx", "cpp"}, {"cc", "cpp"},
    {"c#", "csharp"}, {"cs", "csharp"}, {"cu", "cuda"}, {"ex", "elixir"}, {"exs", "elixir"}, {"golang", "go"},
    {"hs", "haskell"}, {"js", "javascript"}, {"jsx", "javascript"}, {"node", "javascript"}, {"kt", "kotlin"},
    {"ml", "ocaml"}, {"mli", "ocaml_interface"}, {"py", "python"}, {"rb", "ruby"}, {"rs", "rust"}, {"sc", "scala"},
    {"ts", "typescript"}, {"yml", "yaml"}, {"md", "markdown"}, {"htm", "html"}, {"makefile", "make"}, {"mk", "make"},
    {"plain", "text"}, {"txt", "text"},
};

const struct language *language_named(const char *name)
{
    if (!name)
        return NULL;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (!strcasecmp(name, aliases[i].alias))
            name = aliases[i].name;
    for (const struct language *l = languages; l->name; l++)
        if (!strcasecmp(name, l->name))
            return l;
    return NULL;
}

uint16_t language_version(const struct language *l)
{
    return (uint16_t)(CUTTER_VERSION << 8 | (l->version & 0xff));
}

static bool has_suffix(struct str file, const char *suffix)
{
    size_t n = strlen(suffix);
    if (suffix[0] != '.') /* a whole name */
        return file.n == n && !memcmp(file.p, suffix, n);
    if (file.n < n)
        return false;
    const char *end = file.p + file.n - n;
    /* ".C" is C++ by custom and ".c" is not: a suffix with a capital is meant as it is written */
    return strpbrk(suffix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") ? !memcmp(end, suffix, n) : !strncasecmp(end, suffix, n);
}

static const struct language *by_interpreter(struct str head)
{
    if (head.n < 3 || memcmp(head.p, "#!", 2))
        return NULL;
    const char *p = head.p + 2, *nl = memchr(p, '\n', head.n - 2), *end = nl ? nl : head.p + head.n;
    while (p < end) { /* the last part of each word: /usr/bin/env -S python3 -u */
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
            p++;
        const char *word = p;
        while (p < end && *p != ' ' && *p != '\t' && *p != '\r') {
            if (*p == '/')
                word = p + 1;
            p++;
        }
        size_t n = (size_t)(p - word);
        if (!n || *word == '-' || (n == 3 && !memcmp(word, "env", 3)))
            continue;
        for (const struct language *l = languages; l->name; l++) {
            for (const char *const *i = l->interpreter; i && *i; i++) {
                size_t len = strlen(*i); /* python3.11 is python3 */
                if (n >= len && !memcmp(word, *i, len) && (n == len || word[len] == '.'))
                    return l;
            }
        }
        return NULL;
    }
    return NULL;
}

const struct language *language_for(struct str path, struct str head)
{
    struct str file = path;
    for (size_t i = path.n; i > 0; i--) {
        if (path.p[i - 1] == '/') {
            file = (struct str){path.p + i, path.n - i};
            break;
        }
    }
    /* capitals first: ".C" must not be taken for ".c" */
    for (const struct language *l = languages; file.n >= 2 && file.p[file.n - 1] == 'C' && l->name; l++)
        for (const char *const *s = l->suffix; *s; s++)
            if (!strcmp(*s, ".C") && has_suffix(file, *s))
                return l;
    for (const struct language *l = languages; l->name; l++) {
        for (const char *const *s = l->suffix; *s; s++) {
            if (!has_suffix(file, *s))
                continue;
            const struct language *other = l->refine && !strcmp(*s, ".h") ? l->refine(head) : NULL;
            return other ? other : l;
        }
    }
    const struct language *l = by_interpreter(head);
    return l ? l : language_named("text");
}

/* Is a header C++? It is when a line begins with what C cannot say; `extern "C"` behind #ifdef __cplusplus is C. */
static const struct language *c_or_cpp(struct str head)
{
    static const char *const only_cpp[] = {
        "class ",   "namespace ", "template <", "template<",  "public:",    "private:", "protected:", "using ",
        "virtual ", "constexpr ", "explicit ",  "friend ",    "noexcept",   "inline namespace",       "concept ",
        "export module", "enum class ", "static constexpr", "inline constexpr", "#include <string>", "#include <vector>",
        "#include <memory>", "#include <utility>", "#include <cstd", "#include <type_traits>", "#include <iostream>",
    };
    const char *p = head.p, *end = head.p + (head.n < 65536 ? head.n : 65536);
    bool comment = false;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *line_end = nl ? nl : end;
        while (p < line_end && (*p == ' ' || *p == '\t'))
            p++;
        size_t n = (size_t)(line_end - p);
        if (n >= 2 && p[0] == '/' && p[1] == '*')
            comment = true;
        for (size_t i = 0; !comment && i < sizeof only_cpp / sizeof *only_cpp; i++)
            if (n >= strlen(only_cpp[i]) && !memcmp(p, only_cpp[i], strlen(only_cpp[i])))
                return language_named("cpp");
        if (!comment && n > 6 && (memmem(p, n, "std::", 5) || memmem(p, n, "operator=", 9)) && p[0] != '/')
            return language_named("cpp");
        if (comment && memmem(p, n, "*/", 2))
            comment = false;
        p = nl ? nl + 1 : end;
    }
    return NULL;
}

/* What the continuous integration runs: the commands that are known to work. Read by lines: `run:` of GitHub's workflows, list items
 * under `script:` of GitLab's and Travis's files. Only lines that build, test or check something are kept. */
#include "retriever/manifest/formats.h"

#define CI_COMMANDS 40 /* of one file */

/* By what stands in the command. To add one: a row. */
static const struct {
    const char *words;
    enum command_purpose purpose;
} rows[] = {
    {"ctest", COMMAND_TEST}, {"make test", COMMAND_TEST}, {"make check", COMMAND_TEST}, {"go test", COMMAND_TEST}, {"cargo test", COMMAND_TEST},
    {"cargo nextest", COMMAND_TEST}, {"npm test", COMMAND_TEST}, {"run test", COMMAND_TEST}, {"yarn test", COMMAND_TEST}, {"pnpm test", COMMAND_TEST},
    {"pytest", COMMAND_TEST}, {"tox", COMMAND_TEST}, {"nox", COMMAND_TEST}, {"phpunit", COMMAND_TEST}, {"composer test", COMMAND_TEST},
    {"rake test", COMMAND_TEST}, {"exec rake", COMMAND_TEST}, {"rspec", COMMAND_TEST}, {"mix test", COMMAND_TEST}, {"swift test", COMMAND_TEST},
    {"xcodebuild test", COMMAND_TEST}, {"dotnet test", COMMAND_TEST}, {"cabal test", COMMAND_TEST}, {"stack test", COMMAND_TEST},
    {"zig build test", COMMAND_TEST}, {"mvn verify", COMMAND_TEST}, {"mvn test", COMMAND_TEST}, {"gradlew test", COMMAND_TEST},
    {"gradlew check", COMMAND_TEST}, {"meson test", COMMAND_TEST}, {"bazel test", COMMAND_TEST},
    {"golangci-lint", COMMAND_CHECK}, {"cargo clippy", COMMAND_CHECK}, {"cargo fmt", COMMAND_CHECK}, {"run lint", COMMAND_CHECK},
    {"eslint", COMMAND_CHECK}, {"pre-commit run", COMMAND_CHECK}, {"mypy", COMMAND_CHECK}, {"ruff ", COMMAND_CHECK}, {"phpstan", COMMAND_CHECK},
    {"go vet", COMMAND_CHECK}, {"mix format", COMMAND_CHECK}, {"shellcheck", COMMAND_CHECK},
    {"cmake --build", COMMAND_BUILD}, {"make", COMMAND_BUILD}, {"go build", COMMAND_BUILD}, {"cargo build", COMMAND_BUILD},
    {"run build", COMMAND_BUILD}, {"yarn build", COMMAND_BUILD}, {"pnpm build", COMMAND_BUILD}, {"swift build", COMMAND_BUILD},
    {"xcodebuild", COMMAND_BUILD}, {"dotnet build", COMMAND_BUILD}, {"dotnet pack", COMMAND_BUILD}, {"cabal build", COMMAND_BUILD},
    {"zig build", COMMAND_BUILD}, {"mvn ", COMMAND_BUILD}, {"gradlew", COMMAND_BUILD}, {"meson compile", COMMAND_BUILD}, {"python -m build", COMMAND_BUILD},
};

/* What a machine does to get ready, and what only it can fill in, is no command for people. */
static bool is_setup(struct str line)
{
    static const char *const begins[] = {"echo", "if ", "apt", "sudo apt", "brew ", "choco ", "which ", "pip ", "python -m pip", "npm i", "export ", NULL};
    for (const char *const *b = begins; *b; b++)
        if (str_begins(line, *b))
            return true;
    return str_find(line, "${{") != SIZE_MAX || str_find(line, "--version") != SIZE_MAX;
}

static bool at_word(struct str line, const char *words)
{
    size_t at = str_find(line, words), end = at + strlen(words);
    if (at == SIZE_MAX)
        return false;
    bool before = !at || strchr(" /;&|(\t", line.p[at - 1]);
    bool after = end == line.n || words[strlen(words) - 1] == ' ' || strchr(" ;&|)\t\"'", line.p[end]);
    return before && after;
}

static void command(struct manifest *m, struct str line, uint32_t number, unsigned *n)
{
    line = str_trim(line);
    if (line.n > 1 && (*line.p == '"' || *line.p == '\'') && line.p[line.n - 1] == *line.p)
        line = (struct str){line.p + 1, line.n - 2};
    if (!line.n || *line.p == '#' || line.n > 200 || is_setup(line) || *n >= CI_COMMANDS)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!at_word(line, rows[i].words))
            continue;
        for (size_t k = 0; k < m->n; k++)
            if (str_same(m->v[k].name, line))
                return;
        *n += declare_command(m, rows[i].purpose, line, STR(""), number) != NULL;
        return;
    }
}

static size_t indent_of(struct str line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] == ' ')
        n++;
    return n;
}

void read_ci(struct manifest *m)
{
    struct lines l = lines_of(m->text);
    struct str line;
    unsigned n = 0;
    size_t block = SIZE_MAX, list = SIZE_MAX; /* indentation of the key whose block or list this is */
    while (lines_next(&l, &line)) {
        size_t indent = indent_of(line);
        struct str s = str_trim(line);
        if (!s.n)
            continue;
        if (block != SIZE_MAX && indent > block) {
            command(m, s, l.number, &n);
            continue;
        }
        block = SIZE_MAX;
        if (list != SIZE_MAX && indent >= list && str_begins(s, "- ")) {
            command(m, str_from(s, 2), l.number, &n);
            continue;
        }
        list = SIZE_MAX;
        if (str_begins(s, "- ")) {
            s = str_trim(str_from(s, 2));
            indent += 2;
        }
        if (str_is(s, "script:") || str_is(s, "before_script:") || str_is(s, "test_script:") || str_is(s, "build_script:"))
            list = indent;
        else if (str_begins(s, "run: |") || str_begins(s, "run: >") || str_begins(s, "script: |") || str_begins(s, "script: >"))
            block = indent;
        else if (str_begins(s, "run: ") || str_begins(s, "script: "))
            command(m, str_from(s, str_until(s, " ").n), l.number, &n);
    }
}

/* CMake, Automake, Meson, Make, Zig and Cabal. */
#include "retriever/manifest/formats.h"

/* "uv_run_tests", "unit-test", "foo_benchmark": what a build declares for testing alone says so in its name. */
static bool names_test(struct str name)
{
    static const char *const word[] = {"test", "tests", "unittest", "unittests", "bench", "benchmark", "benchmarks", "fuzzer", NULL};
    for (struct str rest = name, part; rest.n; rest = str_from(rest, part.n + 1)) {
        part = str_until(rest, "_-./");
        for (const char *const *x = word; *x; x++)
            if (str_is(part, *x))
                return true;
    }
    return false;
}

/* -- CMake ----------------------------------------------------------------------------------------------------------------- */

static bool is_option(struct str word)
{
    static const char *const option[] = {"STATIC", "SHARED", "MODULE", "OBJECT", "INTERFACE", "WIN32", "MACOSX_BUNDLE", "EXCLUDE_FROM_ALL", NULL};
    for (const char *const *o = option; *o; o++)
        if (str_is(word, *o))
            return true;
    return false;
}

static struct str cmake_name(struct manifest *m, struct str name, struct str project)
{
    if (project.n && (str_begins(name, "${PROJECT_NAME}") || str_begins(name, "${CMAKE_PROJECT_NAME}")))
        return str_join(m->arena, project, str_from(name, str_until(name, "}").n + 1));
    return memchr(name.p, '$', name.n) ? (struct str){"", 0} : name; /* a function's parameter: one name for many targets */
}

void read_cmake(struct manifest *m)
{
    static const struct {
        const char *call;
        enum declared_kind kind;
    } rows[] = {{"add_executable", DECLARED_PROGRAM}, {"add_library", DECLARED_LIBRARY}};
    struct calls c = calls_of(m->text, "#");
    struct call call;
    struct str project = {"", 0}, name, word;
    uint32_t at = 0;
    if (calls_next(&c, "project", &call)) {
        struct str rest = call.inside;
        word_next(&rest, &project);
        at = call.line;
    }
    for (size_t i = 0; i < 2; i++) {
        c = calls_of(m->text, "#");
        while (calls_next(&c, rows[i].call, &call)) {
            struct str rest = call.inside, sources;
            if (!word_next(&rest, &name) || !(name = cmake_name(m, name, project)).n)
                continue;
            sources = rest;
            bool other = false;
            while (word_next(&rest, &word) && is_option(word))
                sources = rest;
            other = str_is(word, "ALIAS") || str_is(word, "IMPORTED");
            if (other)
                continue;
            struct str first = sources, target;
            if (!word_next(&first, &target) || memchr(target.p, '$', target.n))
                target = (struct str){"", 0};
            struct declared *d = declare(m, rows[i].kind, name, target, call.line);
            if (d) {
                d->sources = sources;
                d->end_line = call.end_line;
                d->test = names_test(name);
            }
        }
    }
    if (!m->dir.n && at) {
        declare_usual(m, COMMAND_BUILD, "cmake -B build && cmake --build build", at);
        if (str_find(m->text, "enable_testing") != SIZE_MAX || str_find(m->text, "add_test") != SIZE_MAX || str_find(m->text, "CTest") != SIZE_MAX)
            declare_usual(m, COMMAND_TEST, "ctest --test-dir build", at);
    }
}

/* -- Make ------------------------------------------------------------------------------------------------------------------ */

/* A line with those that a backslash continues; the text is as in the file. */
static bool whole_line(struct lines *l, struct str *line, uint32_t *first)
{
    if (!lines_next(l, line))
        return false;
    *first = l->number;
    struct str more;
    while (line->n && line->p[line->n - 1] == '\\' && lines_next(l, &more))
        line->n = (size_t)(more.p + more.n - line->p);
    return true;
}

static bool make_word(struct str *rest, struct str *word)
{
    while (word_next(rest, word))
        if (!str_is(*word, "\\"))
            return true;
    return false;
}

/* The variable that a line assigns; empty where it does not. */
static struct str assigned(struct str line, struct str *value)
{
    struct str name = str_until(line, "=");
    if (name.n == line.n || !name.n)
        return (struct str){"", 0};
    *value = str_from(line, name.n + 1);
    while (name.n && strchr(" \t+:?!", name.p[name.n - 1]))
        name.n--;
    for (size_t i = 0; i < name.n; i++)
        if (strchr(" \t:$#", name.p[i]))
            return (struct str){"", 0};
    return name;
}

/* "jq" and "libjq.la" as parts of variables: jq, libjq_la. */
static struct str canonical(struct manifest *m, struct str name)
{
    char *p = arena_strn(m->arena, name.p, name.n);
    for (size_t i = 0; i < name.n; i++)
        if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '@'))
            p[i] = '_';
    return (struct str){p, name.n};
}

static struct str sources_of(struct manifest *m, struct str name)
{
    struct str want = str_join(m->arena, canonical(m, name), STR("_SOURCES")), dist = str_joins(m->arena, "dist_", want), line, value;
    struct lines l = lines_of(m->text);
    uint32_t at;
    while (whole_line(&l, &line, &at)) {
        struct str variable = assigned(line, &value);
        if (str_same(variable, want) || str_same(variable, dist))
            return value;
    }
    return (struct str){"", 0};
}

void read_automake(struct manifest *m)
{
    static const struct {
        const char *primary;
        enum declared_kind kind;
    } rows[] = {{"_PROGRAMS", DECLARED_PROGRAM}, {"_LTLIBRARIES", DECLARED_LIBRARY}, {"_LIBRARIES", DECLARED_LIBRARY}, {"_SCRIPTS", DECLARED_PROGRAM}};
    struct lines l = lines_of(m->text);
    struct str line, value, name;
    uint32_t at;
    while (whole_line(&l, &line, &at)) {
        struct str variable = assigned(line, &value);
        for (size_t i = 0; i < sizeof rows / sizeof *rows && variable.n; i++) {
            if (!str_ends(variable, rows[i].primary))
                continue;
            bool test = str_begins(variable, "check") || str_begins(variable, "TEST") || str_find(variable, "EXTRA") != SIZE_MAX;
            while (m->n < MANIFEST_ITEMS && make_word(&value, &name)) {
                if (memchr(name.p, '$', name.n) || *name.p == '#')
                    continue;
                struct str sources = sources_of(m, name), first = sources, target;
                bool script = i == 3;
                if (script || !make_word(&first, &target))
                    target = script ? name : (struct str){"", 0};
                struct declared *d = declare(m, rows[i].kind, script ? path_base(name) : name, target, at);
                if (d) {
                    d->sources = sources;
                    d->test = test;
                }
            }
        }
    }
    if (!m->dir.n) {
        const char *configure = manifest_hass(m, "configure") ? "./configure && make" :
                                manifest_hass(m, "autogen.sh") ? "./autogen.sh && ./configure && make" : "autoreconf -i && ./configure && make";
        declare_usual(m, COMMAND_BUILD, configure, 1);
        declare_usual(m, COMMAND_TEST, "make check", 1);
    }
}

/* Targets that people call: named without a path, a pattern or a variable. */
void read_makefile(struct manifest *m)
{
    struct lines l = lines_of(m->text);
    struct str line;
    while (lines_next(&l, &line)) {
        struct str name = str_until(line, ":"), after = str_from(line, name.n);
        if (!name.n || strchr("\t #.", *name.p) || after.n < 1 || str_begins(after, ":=") || str_begins(after, "::=") || memchr(name.p, '=', name.n))
            continue;
        while (name.n && name.p[name.n - 1] == ' ')
            name.n--;
        struct str rest = name, word;
        while (m->n < MANIFEST_ITEMS && word_next(&rest, &word)) {
            bool plain = true;
            for (size_t i = 0; i < word.n; i++)
                plain &= !strchr("/.%$()@\"'", word.p[i]);
            enum command_purpose p = purpose_of(word);
            bool twice = false;
            for (size_t i = 0; i < m->n; i++)
                twice |= str_same(str_from(m->v[i].name, strlen("make ")), word);
            if (plain && p != COMMAND_OTHER && !twice)
                declare_command(m, p, str_joins(m->arena, "make ", word), STR(""), l.number);
        }
    }
}

/* -- Meson ----------------------------------------------------------------------------------------------------------------- */

void read_meson(struct manifest *m)
{
    static const struct {
        const char *call;
        enum declared_kind kind;
    } rows[] = {{"executable", DECLARED_PROGRAM}, {"library", DECLARED_LIBRARY}, {"shared_library", DECLARED_LIBRARY},
                {"static_library", DECLARED_LIBRARY}, {"both_libraries", DECLARED_LIBRARY}};
    struct call call;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct calls c = calls_of(m->text, "#");
        while (calls_next(&c, rows[i].call, &call)) {
            struct str inside = str_trim(call.inside), rest = inside, name, target = {"", 0};
            if (!inside.n || (*inside.p != '\'' && *inside.p != '"') || !quoted_next(&rest, &name))
                continue;
            while (quoted_next(&rest, &target) && (*target.p == '-' || !target.n || str_rfind(target, '.') == SIZE_MAX)) /* an argument of the compiler */
                target = (struct str){"", 0};
            struct declared *d = declare(m, rows[i].kind, name, target, call.line);
            if (d) {
                d->end_line = call.end_line;
                d->test = names_test(name);
            }
        }
    }
    struct calls c = calls_of(m->text, "#");
    if (!m->dir.n && calls_next(&c, "project", &call)) {
        declare_usual(m, COMMAND_BUILD, "meson setup build && meson compile -C build", call.line);
        declare_usual(m, COMMAND_TEST, "meson test -C build", call.line);
    }
}

/* -- Zig ------------------------------------------------------------------------------------------------------------------- */

void read_build_zig(struct manifest *m)
{
    static const struct {
        const char *call;
        enum declared_kind kind;
        bool named; /* the name is the first argument */
    } rows[] = {{"addExecutable", DECLARED_PROGRAM, false}, {"addLibrary", DECLARED_LIBRARY, false}, {"addStaticLibrary", DECLARED_LIBRARY, false},
                {"addSharedLibrary", DECLARED_LIBRARY, false}, {"addModule", DECLARED_LIBRARY, true}};
    struct call call;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct calls c = calls_of(m->text, "//");
        while (calls_next(&c, rows[i].call, &call)) {
            struct str rest = call.inside, name = {"", 0}, target = {"", 0};
            if (rows[i].named)
                quoted_next(&rest, &name);
            else
                name = value_of(call.inside, "name");
            if (!name.n || name.p[-1] != '"')
                continue;
            size_t root = str_find(call.inside, "root_source_file");
            struct str line = str_until(str_from(call.inside, root), "\n");
            if (root == SIZE_MAX || !quoted_next(&line, &target))
                target = rows[i].kind == DECLARED_PROGRAM && manifest_hass(m, "src/main.zig") ? STR("src/main.zig") : (struct str){"", 0};
            struct declared *d = declare(m, rows[i].kind, name, target, call.line);
            if (d)
                d->end_line = call.end_line;
        }
    }
    struct calls c = calls_of(m->text, "//");
    declare_usual(m, COMMAND_BUILD, "zig build", 1);
    while (calls_next(&c, "step", &call)) {
        struct str rest = call.inside, name;
        if (quoted_next(&rest, &name))
            declare_command(m, purpose_of(name), str_joins(m->arena, "zig build ", name), STR(""), call.line);
    }
}

/* -- Cabal ----------------------------------------------------------------------------------------------------------------- */

struct stanza {
    bool open, test;
    enum declared_kind kind;
    struct str name, dirs, main, modules;
    uint32_t line, at; /* at: of main-is, or exposed-modules */
};

static void close_stanza(struct manifest *m, struct stanza *s)
{
    struct str dirs = s->dirs, dir, modules = s->modules, word;
    if (!s->open)
        return;
    if (!word_next(&dirs, &dir) || str_is(dir, "."))
        dir = (struct str){"", 0};
    else
        dir = str_join(m->arena, dir, STR("/"));
    if (s->kind == DECLARED_PROGRAM) {
        struct declared *d = declare(m, DECLARED_PROGRAM, s->name, s->main.n ? str_join(m->arena, dir, s->main) : s->main, s->at ? s->at : s->line);
        if (d)
            d->test = s->test;
    } else if (word_next(&modules, &word)) {
        char *path = arena_strn(m->arena, word.p, word.n);
        for (size_t i = 0; i < word.n; i++)
            path[i] = path[i] == '.' ? '/' : path[i];
        declare(m, DECLARED_LIBRARY, s->name, str_join(m->arena, str_join(m->arena, dir, str_of(path)), STR(".hs")), s->at);
    }
    *s = (struct stanza){0};
}

static bool field(struct str line, const char *name, struct str *value)
{
    struct str key = str_until(line, ":");
    size_t n = strlen(name);
    if (key.n == line.n || str_trim(key).n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((str_trim(key).p[i] | 0x20) != (name[i] | 0x20))
            return false;
    *value = str_trim(str_from(line, key.n + 1));
    return true;
}

void read_cabal(struct manifest *m)
{
    struct lines l = lines_of(m->text);
    struct str line, value, package = manifest_folder(m, "package");
    struct stanza s = {0};
    struct str *continues = NULL;
    while (lines_next(&l, &line)) {
        struct str t = str_trim(line);
        bool indented = line.n && (line.p[0] == ' ' || line.p[0] == '\t');
        if (!t.n || str_begins(t, "--"))
            continue;
        if (!indented) {
            continues = NULL;
            if (field(line, "name", &value)) {
                package = value;
            } else if (field(line, "synopsis", &value)) {
                m->about = value, m->about_line = l.number;
            } else if (str_is(t, "library") || str_begins(t, "library ") || str_begins(t, "executable ") || str_begins(t, "test-suite ")) {
                close_stanza(m, &s);
                struct str name = str_trim(str_from(t, str_until(t, " ").n));
                s = (struct stanza){.open = true, .test = str_begins(t, "test-"), .kind = str_begins(t, "library") ? DECLARED_LIBRARY : DECLARED_PROGRAM,
                                    .name = name.n ? name : package, .line = l.number};
            } else if (str_until(t, ":").n == t.n) {
                close_stanza(m, &s);
            }
            continue;
        }
        if (!s.open)
            continue;
        if (field(t, "main-is", &value)) {
            s.main = value, s.at = l.number, continues = NULL;
        } else if (field(t, "hs-source-dirs", &value)) {
            s.dirs = value, continues = &s.dirs;
        } else if (field(t, "exposed-modules", &value)) {
            s.modules = value, s.at = l.number, continues = &s.modules;
        } else if (continues && !continues->n) { /* the value stands in the next line */
            *continues = t;
        } else {
            continues = NULL;
        }
    }
    close_stanza(m, &s);
    declare_usual(m, COMMAND_BUILD, "cabal build", 1);
    declare_usual(m, COMMAND_TEST, "cabal test", 1);
}

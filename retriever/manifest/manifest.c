#include "retriever/manifest/formats.h"

#include "base/mem.h"

#include <stdlib.h>
#include <strings.h>

const struct manifest_format manifest_formats[] = {
    {"package.json", "npm", read_package_json},
    {"pyproject.toml", "Python", read_pyproject},
    {"setup.cfg", "setuptools", read_setup_cfg},
    {"setup.py", "setuptools", read_setup_py},
    {"tox.ini", "tox", read_tox_ini},
    {"Cargo.toml", "Cargo", read_cargo},
    {"go.mod", "Go", read_go_mod},
    {"pom.xml", "Maven", read_pom},
    {"build.gradle", "Gradle", read_gradle},
    {"build.gradle.kts", "Gradle", read_gradle},
    {"composer.json", "Composer", read_composer},
    {"*.gemspec", "RubyGems", read_gemspec},
    {"*.csproj", ".NET", read_msbuild},
    {"*.fsproj", ".NET", read_msbuild},
    {"*.vbproj", ".NET", read_msbuild},
    {"*.sln", ".NET", read_solution},
    {"*.slnx", ".NET", read_solution},
    {"Package.swift", "SwiftPM", read_package_swift},
    {"mix.exs", "Mix", read_mix},
    {"CMakeLists.txt", "CMake", read_cmake},
    {"Makefile.am", "Automake", read_automake},
    {"Makefile", "Make", read_makefile},
    {"GNUmakefile", "Make", read_makefile},
    {"meson.build", "Meson", read_meson},
    {"build.zig", "Zig", read_build_zig},
    {"*.cabal", "Cabal", read_cabal},
    {".github/workflows/*.yml", "GitHub Actions", read_ci},
    {".github/workflows/*.yaml", "GitHub Actions", read_ci},
    {".gitlab-ci.yml", "GitLab CI", read_ci},
    {".travis.yml", "Travis CI", read_ci},
    {"appveyor.yml", "AppVeyor", read_ci},
    {NULL},
};

static bool named(struct str path, const char *file)
{
    const char *star = strchr(file, '*');
    struct str base = path_base(path);
    if (!star)
        return str_is(base, file);
    if (star == file)
        return base.n > strlen(file + 1) && str_ends(base, file + 1);
    /* a directory from the root, a star, an ending */
    struct str dir = {file, (size_t)(star - file)};
    return path.n > dir.n && !memcmp(path.p, dir.p, dir.n) && base.p == path.p + dir.n && str_ends(base, star + 1);
}

const struct manifest_format *manifest_format_of(struct str path)
{
    for (const struct manifest_format *f = manifest_formats; f->file; f++)
        if (named(path, f->file))
            return f;
    return NULL;
}

void manifest_read(struct manifest *out, const struct manifest_format *f, struct str path, struct str text,
                   const struct manifest_files *files, struct arena *arena)
{
    if (str_begins(text, "\xEF\xBB\xBF"))
        text = str_from(text, 3);
    *out = (struct manifest){.path = path, .dir = {path.p, path.n - path_base(path).n}, .text = text, .files = files, .arena = arena};
    if (text.n > MANIFEST_BYTES) {
        out->broken = true;
        return;
    }
    f->read(out);
}

void manifest_release(struct manifest *m)
{
    free(m->v);
    m->v = NULL;
    m->n = m->cap = 0;
}

struct declared *declare(struct manifest *m, enum declared_kind kind, struct str name, struct str target, uint32_t line)
{
    if (m->n == MANIFEST_ITEMS || !name.n)
        return NULL;
    VEC_ROOM(m->v, m->n, m->cap);
    struct declared *d = &m->v[m->n++];
    line = line ? line : 1;
    *d = (struct declared){.kind = kind, .name = name, .target = target, .sources = {"", 0}, .line = line, .end_line = line};
    return d;
}

struct declared *declare_command(struct manifest *m, enum command_purpose p, struct str typed, struct str runs, uint32_t line)
{
    struct declared *d = declare(m, DECLARED_COMMAND, typed, runs, line);
    if (d)
        d->purpose = p;
    return d;
}

struct declared *declare_usual(struct manifest *m, enum command_purpose p, const char *typed, uint32_t line)
{
    struct declared *d = declare_command(m, p, str_of(typed), STR(""), line);
    if (d)
        d->implicit = true;
    return d;
}

/* By the first word of the name. To add one: a row. */
enum command_purpose purpose_of(struct str name)
{
    static const struct {
        const char *word;
        enum command_purpose purpose;
    } rows[] = {
        {"build", COMMAND_BUILD}, {"compile", COMMAND_BUILD}, {"all", COMMAND_BUILD}, {"dist", COMMAND_BUILD}, {"bundle", COMMAND_BUILD},
        {"install", COMMAND_BUILD}, {"setup", COMMAND_BUILD}, {"bootstrap", COMMAND_BUILD},
        {"test", COMMAND_TEST}, {"tests", COMMAND_TEST}, {"check", COMMAND_TEST}, {"spec", COMMAND_TEST}, {"e2e", COMMAND_TEST},
        {"coverage", COMMAND_TEST}, {"unit", COMMAND_TEST},
        {"start", COMMAND_RUN}, {"run", COMMAND_RUN}, {"serve", COMMAND_RUN}, {"dev", COMMAND_RUN}, {"watch", COMMAND_RUN},
        {"lint", COMMAND_CHECK}, {"format", COMMAND_CHECK}, {"fmt", COMMAND_CHECK}, {"typecheck", COMMAND_CHECK}, {"style", COMMAND_CHECK},
        {"vet", COMMAND_CHECK}, {"analyse", COMMAND_CHECK}, {"analyze", COMMAND_CHECK}, {"phpstan", COMMAND_CHECK}, {"tsc", COMMAND_CHECK},
    };
    struct str word = str_until(name, ":-_/. ");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].word) == word.n && !strncasecmp(rows[i].word, word.p, word.n))
            return rows[i].purpose;
    return COMMAND_OTHER;
}

bool manifest_has(const struct manifest *m, struct str path)
{
    return m->files && m->files->has(m->files->arg, str_join(m->arena, m->dir, path));
}

bool manifest_hass(const struct manifest *m, const char *path)
{
    return manifest_has(m, str_of(path));
}

struct str manifest_folder(const struct manifest *m, const char *otherwise)
{
    struct str dir = m->dir;
    if (!dir.n)
        return str_of(otherwise);
    dir.n--;
    return path_base(dir);
}

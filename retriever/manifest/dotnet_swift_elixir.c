/* MSBuild projects, Package.swift and mix.exs. */
#include "retriever/manifest/formats.h"

void read_msbuild(struct manifest *m)
{
    struct facts f;
    facts_xml(&f, m->text, m->arena);
    m->broken = f.broken;
    struct str base = path_base(m->path), name = facts_text(&f, "Project/PropertyGroup/AssemblyName");
    const struct fact *type = facts_find(&f, "Project/PropertyGroup/OutputType"), *sdk = facts_find(&f, "Project/@Sdk"), *x;
    size_t dot = str_rfind(base, '.');
    if (!name.n || memchr(name.p, '$', name.n))
        name = str_upto(base, dot == SIZE_MAX ? base.n : dot);
    if ((x = facts_find(&f, "Project/PropertyGroup/Description")))
        m->about = x->value, m->about_line = x->line;
    bool program = (type && (str_is(type->value, "Exe") || str_is(type->value, "WinExe"))) ||
                   (!type && sdk && (str_is(sdk->value, "Microsoft.NET.Sdk.Web") || str_is(sdk->value, "Microsoft.NET.Sdk.Worker")));
    struct str target = program ? STR("Program.cs") : (struct str){"", 0};
    if (program && str_ends(base, ".fsproj"))
        target = STR("Program.fs");
    if (sdk && str_begins(sdk->value, "Microsoft.Build.")) /* it only builds others */
        sdk = NULL;
    struct declared *d = sdk || type ? declare(m, program ? DECLARED_PROGRAM : DECLARED_LIBRARY, name, target, (type ? type : sdk)->line) : NULL;
    if (d) {
        d->implicit = !type;
        d->test = str_is(facts_text(&f, "Project/PropertyGroup/IsTestProject"), "true");
    }
    for (size_t i = 0; i < f.n && d && !d->test; i++)
        d->test = fact_is(&f.v[i], "Project/ItemGroup/PackageReference/@Include") && str_is(f.v[i].value, "Microsoft.NET.Test.Sdk");
    facts_release(&f);
}

void read_solution(struct manifest *m)
{
    declare_usual(m, COMMAND_BUILD, "dotnet build", 1);
    declare_usual(m, COMMAND_TEST, "dotnet test", 1);
}

/* Where a target's sources are when the manifest does not say. */
static struct str swift_path(struct manifest *m, struct str inside, struct str name, bool test)
{
    struct str path = value_of(inside, "path");
    if (path.n)
        return path;
    return str_joins(m->arena, test ? "Tests/" : "Sources/", name);
}

void read_package_swift(struct manifest *m)
{
    static const struct {
        const char *call;
        enum declared_kind kind;
        bool target, test;
    } rows[] = {
        {"executable", DECLARED_PROGRAM, false, false}, {"library", DECLARED_LIBRARY, false, false}, {"plugin", DECLARED_PLUGIN, true, false},
        {"executableTarget", DECLARED_PROGRAM, true, false}, {"testTarget", DECLARED_PROGRAM, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct calls c = calls_of(m->text, "//");
        struct call call;
        while (calls_next(&c, rows[i].call, &call)) {
            struct str name = value_of(call.inside, "name"), list = list_of(call.inside, "targets"), one;
            if (!name.n || name.p[-1] != '"')
                continue;
            struct str path = {"", 0};
            if (rows[i].target)
                path = swift_path(m, call.inside, name, rows[i].test);
            else if (quoted_next(&list, &one))
                path = str_joins(m->arena, "Sources/", one);
            struct declared *d = declare(m, rows[i].kind, name, path, call.line);
            if (d) {
                d->test = rows[i].test;
                d->end_line = call.end_line;
            }
        }
    }
    declare_usual(m, COMMAND_BUILD, "swift build", 1);
    declare_usual(m, COMMAND_TEST, "swift test", 1);
}

void read_mix(struct manifest *m)
{
    struct str app = value_of(m->text, "app"), mod = {"", 0}, main = value_of(m->text, "main_module"), about = value_of(m->text, "description");
    struct lines l = lines_of(m->text);
    struct str line;
    if (about.n && about.p[-1] == '"')
        m->about = about, m->about_line = line_in(m->text, about.p);
    if (!app.n || *app.p != ':')
        return;
    uint32_t at = line_in(m->text, app.p);
    app = str_from(app, 1);
    struct declared *d = declare(m, DECLARED_LIBRARY, app, str_join(m->arena, str_joins(m->arena, "lib/", app), STR(".ex")), at);
    if (d)
        d->implicit = true;
    while (lines_next(&l, &line)) { /* mod: {Plug.Application, []} */
        struct str s = str_trim(line);
        size_t k = str_find(s, "mod: {");
        if (k == SIZE_MAX || *s.p == '#')
            continue;
        mod = str_trim(str_until(str_from(s, k + 6), ",}"));
        declare(m, DECLARED_PROGRAM, app, mod, l.number);
        break;
    }
    if (main.n)
        declare(m, DECLARED_PROGRAM, app, main, line_in(m->text, main.p));
    declare_usual(m, COMMAND_BUILD, "mix compile", at);
    declare_usual(m, COMMAND_TEST, "mix test", at);
}

/* Python: pyproject.toml (https://packaging.python.org/en/latest/specifications/), setup.cfg and setup.py. */
#include "retriever/manifest/formats.h"

/* The package that a project's name stands for: its directory, or the one file. */
static void package_of(struct manifest *m, struct str project, uint32_t line)
{
    static const char *const under[] = {"", "src/", "lib/", NULL};
    char name[128];
    if (!project.n || project.n >= sizeof name)
        return;
    for (int lower = 0; lower < 2; lower++) {
        for (size_t i = 0; i < project.n; i++) {
            char c = project.p[i];
            name[i] = c == '-' || c == '.' ? '_' : lower && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        struct str base = {name, project.n};
        for (const char *const *u = under; *u; u++) {
            struct str dir = str_joins(m->arena, *u, base);
            struct str file = str_join(m->arena, dir, STR("/__init__.py"));
            if (!manifest_has(m, file))
                file = str_join(m->arena, dir, STR(".py"));
            if (!manifest_has(m, file))
                continue;
            struct declared *d = declare(m, DECLARED_LIBRARY, project, file, line);
            if (d)
                d->implicit = true;
            file = str_join(m->arena, dir, STR("/__main__.py"));
            if (manifest_has(m, file) && (d = declare(m, DECLARED_PROGRAM, str_joins(m->arena, "python -m ", base), file, line)))
                d->implicit = true;
            if (d)
                d->name = (struct str){arena_strn(m->arena, d->name.p, d->name.n), d->name.n};
            return;
        }
    }
}

/* "a.b:c [extra]" is a.b:c. */
static struct str object_of(struct str value)
{
    return str_trim(str_until(value, "["));
}

void read_pyproject(struct manifest *m)
{
    struct facts f;
    facts_toml(&f, m->text, m->arena);
    const struct fact *name = facts_find(&f, "project/name"), *x;
    name = name ? name : facts_find(&f, "tool/poetry/name");
    if ((x = facts_find(&f, "project/description")) || (x = facts_find(&f, "tool/poetry/description")))
        m->about = x->value, m->about_line = x->line;
    for (size_t i = 0; i < f.n; i++) {
        x = &f.v[i];
        struct str last = x->depth ? x->key[x->depth - 1] : (struct str){"", 0};
        if (fact_is(x, "project/scripts/*") || fact_is(x, "project/gui-scripts/*") || fact_is(x, "tool/poetry/scripts/*") ||
            fact_is(x, "tool/flit/scripts/*"))
            declare(m, DECLARED_PROGRAM, last, object_of(x->value), x->line);
        else if (fact_is(x, "tool/poetry/scripts/*/callable") || fact_is(x, "tool/poetry/scripts/*/reference"))
            declare(m, DECLARED_PROGRAM, x->key[3], object_of(x->value), x->line);
        else if (fact_is(x, "project/entry-points/*/*"))
            declare(m, DECLARED_PLUGIN, last, object_of(x->value), x->line);
        else if (fact_is(x, "tool/poetry/plugins/*/*"))
            declare(m, DECLARED_PLUGIN, last, object_of(x->value), x->line);
        else if (fact_is(x, "tool/pdm/scripts/*") || fact_is(x, "tool/pdm/scripts/*/cmd"))
            declare_command(m, purpose_of(x->key[3]), str_joins(m->arena, "pdm run ", x->key[3]), x->value, x->line);
        else if (fact_is(x, "tool/poe/tasks/*") || fact_is(x, "tool/poe/tasks/*/cmd"))
            declare_command(m, purpose_of(x->key[3]), str_joins(m->arena, "poe ", x->key[3]), x->value, x->line);
        else if (fact_is(x, "tool/taskipy/tasks/*"))
            declare_command(m, purpose_of(last), str_joins(m->arena, "task ", last), x->value, x->line);
        else if (fact_is(x, "tool/hatch/envs/*/scripts/*"))
            declare_command(m, purpose_of(last), str_joins(m->arena, str_is(x->key[3], "default") ? "hatch run " :
                            arena_fmt(m->arena, "hatch run %.*s:", (int)x->key[3].n, x->key[3].p), last), x->value, x->line);
    }
    if (name)
        package_of(m, name->value, name->line);
    if ((x = facts_find(&f, "build-system/build-backend")) || (x = facts_find(&f, "build-system/requires/**")))
        declare_usual(m, COMMAND_BUILD, "python -m build", x->line);
    if ((x = facts_find(&f, "tool/tox/**")))
        declare_usual(m, COMMAND_TEST, "tox", x->line);
    if ((x = facts_find(&f, "tool/pytest/**")))
        declare_usual(m, COMMAND_TEST, "pytest", x->line);
    facts_release(&f);
}

/* "name = a.b:c" as a line of [options.entry_points], or a string of setup(entry_points=…). */
static void entry_line(struct manifest *m, struct str group, struct str line, uint32_t number /* 0: of the text's */)
{
    struct str name = str_until(line, "="), target = object_of(str_from(line, name.n + 1));
    bool program = str_is(group, "console_scripts") || str_is(group, "gui_scripts");
    name = str_trim(name);
    if (name.n && target.n && m->n < MANIFEST_ITEMS)
        declare(m, program ? DECLARED_PROGRAM : DECLARED_PLUGIN, name, target, number ? number : line_in(m->text, line.p));
}

void read_setup_cfg(struct manifest *m)
{
    struct facts f;
    facts_ini(&f, m->text, m->arena);
    const struct fact *x = facts_find(&f, "metadata/description");
    if (x)
        m->about = x->value, m->about_line = x->line;
    for (size_t i = 0; i < f.n; i++)
        if (fact_is(&f.v[i], "options.entry_points/*") && f.v[i].value.n)
            entry_line(m, f.v[i].key[1], f.v[i].value, f.v[i].line);
    if ((x = facts_find(&f, "metadata/name")))
        package_of(m, x->value, x->line);
    if ((x = facts_find(&f, "tool:pytest/*")))
        declare_usual(m, COMMAND_TEST, "pytest", x->line);
    facts_release(&f);
}

void read_setup_py(struct manifest *m)
{
    struct calls c = calls_of(m->text, "#");
    struct call call;
    static const char *const groups[] = {"console_scripts", "gui_scripts", NULL};
    while (calls_next(&c, "setup", &call)) {
        uint32_t at = call.line;
        struct str name = value_of(call.inside, "name");
        for (const char *const *g = groups; *g; g++) {
            struct str list = list_of(call.inside, *g), one;
            while (quoted_next(&list, &one))
                entry_line(m, str_of(*g), one, 0);
        }
        for (struct str scripts = list_of(call.inside, "scripts"), one; m->n < MANIFEST_ITEMS && quoted_next(&scripts, &one);)
            declare(m, DECLARED_PROGRAM, path_base(one), one, line_in(m->text, one.p));
        if (name.n && call.inside.p <= name.p && name.p[-1] != '(' && (name.p[-1] == '"' || name.p[-1] == '\''))
            package_of(m, name, at);
        declare_usual(m, COMMAND_BUILD, "pip install -e .", at);
        return;
    }
}

void read_tox_ini(struct manifest *m)
{
    struct facts f;
    facts_ini(&f, m->text, m->arena);
    const struct fact *x = facts_find(&f, "tox/*"), *runs = facts_find(&f, "testenv/commands");
    if (x || runs)
        declare_command(m, COMMAND_TEST, STR("tox"), runs && runs->value.n ? runs->value : (struct str){"", 0}, x ? x->line : runs->line);
    facts_release(&f);
}

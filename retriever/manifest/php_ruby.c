/* composer.json (https://getcomposer.org/doc/04-schema.md) and gem specifications. */
#include "retriever/manifest/formats.h"

void read_composer(struct manifest *m)
{
    struct facts f;
    facts_json(&f, m->text, m->arena);
    m->broken = f.broken;
    struct str package = facts_text(&f, "name");
    package = package.n ? package : manifest_folder(m, "package");
    for (size_t i = 0; i < f.n; i++) {
        const struct fact *x = &f.v[i];
        if (!x->value.n)
            continue;
        if (fact_is(x, "description"))
            m->about = x->value, m->about_line = x->line;
        else if (fact_is(x, "bin") || fact_is(x, "bin/[]"))
            declare(m, DECLARED_PROGRAM, path_base(x->value), x->value, x->line);
        else if (fact_is(x, "autoload/psr-4/**") || fact_is(x, "autoload/psr-0/**"))
            declare(m, DECLARED_LIBRARY, x->key[2].n ? x->key[2] : package, x->value, x->line);
        else if (fact_is(x, "autoload/files/[]") || fact_is(x, "autoload/classmap/[]"))
            declare(m, DECLARED_LIBRARY, package, x->value, x->line);
        else if (fact_is(x, "scripts/*") || fact_is(x, "scripts/*/[]"))
            declare_command(m, purpose_of(x->key[1]), str_joins(m->arena, "composer ", x->key[1]), x->value, x->line);
    }
    facts_release(&f);
}

struct executables {
    struct manifest *m;
    struct str dir;
    uint32_t line;
};

static bool executable(void *arg, struct str path)
{
    struct executables *x = arg;
    struct str rest = str_from(path, x->dir.n);
    if (str_until(rest, "/").n != rest.n || str_is(rest, "console") || str_is(rest, "setup"))
        return true; /* bin/console and bin/setup are a gem's own development scripts by Bundler's template */
    struct declared *d = declare(x->m, DECLARED_PROGRAM, rest, str_from(path, x->m->dir.n), x->line);
    if (d)
        d->implicit = true;
    return true;
}

void read_gemspec(struct manifest *m)
{
    struct str name = value_of(m->text, "name"), base = path_base(m->path), bindir = value_of(m->text, "bindir");
    struct str about = value_of(m->text, "summary");
    if (!name.n || !str_find(name, "\"") || name.p[-1] == '=')
        name = str_upto(base, base.n - strlen(".gemspec"));
    uint32_t line = name.p >= m->text.p && name.p < m->text.p + m->text.n ? line_in(m->text, name.p) : 1;
    bindir = bindir.n ? bindir : STR("bin");
    if (about.n)
        m->about = about, m->about_line = line_in(m->text, about.p);
    struct str path = {arena_strn(m->arena, name.p, name.n), name.n}, single = value_of(m->text, "executable");
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '-')
            ((char *)path.p)[i] = '/';
    path = str_join(m->arena, str_joins(m->arena, "lib/", path), STR(".rb"));
    struct declared *d = declare(m, DECLARED_LIBRARY, name, path, line);
    if (d)
        d->implicit = true;
    struct str dir = str_join(m->arena, bindir, STR("/"));
    struct str list = list_of(m->text, "executables"), one;
    bool any = false;
    if (single.n && single.p[-1] != ' ') {
        any = true;
        declare(m, DECLARED_PROGRAM, single, str_join(m->arena, dir, single), line_in(m->text, single.p));
    }
    if (memchr(list.p, '"', list.n) || memchr(list.p, '\'', list.n)) {
        while (m->n < MANIFEST_ITEMS && quoted_next(&list, &one)) {
            any = true;
            declare(m, DECLARED_PROGRAM, one, str_join(m->arena, dir, one), line_in(m->text, one.p));
        }
    } else {
        while (m->n < MANIFEST_ITEMS && word_next(&list, &one)) {
            any = true;
            declare(m, DECLARED_PROGRAM, one, str_join(m->arena, dir, one), line_in(m->text, one.p));
        }
    }
    if (!any && m->files && str_find(m->text, "executables") != SIZE_MAX) { /* computed: what lies in the directory */
        struct executables x = {m, str_join(m->arena, m->dir, dir), line_in(m->text, m->text.p + str_find(m->text, "executables"))};
        m->files->below(m->files->arg, x.dir, executable, &x);
    }
    if (manifest_hass(m, "Rakefile"))
        declare_usual(m, COMMAND_TEST, "bundle exec rake", line);
}

/* package.json: https://docs.npmjs.com/cli/configuring-npm/package-json and https://nodejs.org/api/packages.html */
#include "retriever/manifest/formats.h"

/* "zod" and "./v4/core" are imported as "zod/v4/core". */
static struct str subpath(struct manifest *m, struct str package, struct str key)
{
    if (str_is(key, "."))
        return package;
    return str_begins(key, "./") ? str_join(m->arena, package, str_from(key, 1)) : package;
}

static struct str without_scope(struct str package)
{
    return *package.p == '@' ? path_base(package) : package;
}

/* Who runs the scripts, by the lock file that is there. */
static const char *runner(const struct manifest *m)
{
    static const char *const lock[][2] = {{"pnpm-lock.yaml", "pnpm "}, {"yarn.lock", "yarn "}, {"bun.lockb", "bun run "}, {"bun.lock", "bun run "}};
    for (size_t i = 0; i < sizeof lock / sizeof *lock; i++)
        if (manifest_hass(m, lock[i][0]) || (m->files && m->files->has(m->files->arg, str_of(lock[i][0]))))
            return lock[i][1];
    return "npm run ";
}

void read_package_json(struct manifest *m)
{
    struct facts f;
    facts_json(&f, m->text, m->arena);
    m->broken = f.broken;
    const struct fact *own = facts_find(&f, "name");
    struct str package = own && own->value.n ? own->value : manifest_folder(m, "package");
    bool library = false;
    const char *run = runner(m);
    for (size_t i = 0; i < f.n; i++) {
        const struct fact *x = &f.v[i];
        struct str last = x->depth ? x->key[x->depth - 1] : (struct str){"", 0};
        if (!x->value.n)
            continue;
        if (fact_is(x, "bin"))
            declare(m, DECLARED_PROGRAM, without_scope(package), x->value, x->line);
        else if (fact_is(x, "description"))
            m->about = x->value, m->about_line = x->line;
        else if (fact_is(x, "bin/*"))
            declare(m, DECLARED_PROGRAM, last, x->value, x->line);
        else if (fact_is(x, "main") || fact_is(x, "module") || (fact_is(x, "browser") && !str_is(x->value, "false")) || fact_is(x, "exports"))
            library |= declare(m, DECLARED_LIBRARY, package, x->value, x->line) != NULL;
        else if (fact_is(x, "exports/**") && !str_is(x->value, "null"))
            library |= declare(m, DECLARED_LIBRARY, subpath(m, package, x->key[1]), x->value, x->line) != NULL;
        else if (fact_is(x, "scripts/*"))
            declare_command(m, purpose_of(last), str_joins(m->arena, run, last), x->value, x->line);
    }
    if (!library && manifest_hass(m, "index.js")) { /* node's own default */
        struct declared *d = declare(m, DECLARED_LIBRARY, package, STR("index.js"), own ? own->line : 1);
        if (d)
            d->implicit = true;
    }
    facts_release(&f);
}

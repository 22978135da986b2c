/* What each format of manifest declares: real-shaped files, and what they must yield. */
#include "retriever/manifest/manifest.h"
#include "retriever/manifest/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const *there; /* the files of the repository, ended by NULL */

static bool has(void *arg, struct str path)
{
    for (size_t i = 0; there && there[i]; i++)
        if (str_is(path, there[i]))
            return true;
    return false;
}

static void below(void *arg, struct str dir, bool (*each)(void *each_arg, struct str path), void *each_arg)
{
    for (size_t i = 0; there && there[i]; i++)
        if (strlen(there[i]) >= dir.n && !memcmp(there[i], dir.p, dir.n) && !each(each_arg, str_of(there[i])))
            return;
}

static const char *purpose(enum command_purpose p)
{
    static const char *const name[] = {"build", "test", "run", "check", "other"};
    return name[p];
}

/* "kind name -> target @line", a line each; implicit ones with a star, those for tests with a t. */
static void declares(const char *path, const char *text, const char *want)
{
    static const char *const kind[] = {"program", "library", "plugin"};
    static const struct manifest_files files = {has, below, NULL};
    const struct manifest_format *f = manifest_format_of(str_of(path));
    struct manifest m;
    struct arena arena;
    struct buf b = BUF_INIT;
    if (!f)
        fail_msg("%s is no manifest", path);
    arena_init(&arena);
    manifest_read(&m, f, str_of(path), str_of(text), &files, &arena);
    assert_false(m.broken);
    if (m.about.n)
        buf_addf(&b, "about %.*s @%u\n", (int)m.about.n, m.about.p, m.about_line);
    for (size_t i = 0; i < m.n; i++) {
        const struct declared *d = &m.v[i];
        buf_addf(&b, "%s%s%s %.*s", d->kind == DECLARED_COMMAND ? purpose(d->purpose) : kind[d->kind], d->implicit ? "*" : "",
                 d->test ? "t" : "", (int)d->name.n, d->name.p);
        if (d->target.n)
            buf_addf(&b, " -> %.*s", (int)d->target.n, d->target.p);
        if (d->sources.n)
            buf_addf(&b, " (%.*s)", (int)d->sources.n, d->sources.p);
        buf_addf(&b, " @%u\n", d->line);
        assert_true(d->end_line >= d->line);
    }
    assert_string_equal(b.data ? b.data : "", want);
    buf_release(&b);
    manifest_release(&m);
    arena_release(&arena);
    there = NULL;
}

static void npm(void **state)
{
    declares("web/package.json",
             "{\n  \"name\": \"@acme/tool\",\n  \"description\": \"A \\\"tool\\\"\",\n  \"bin\": \"./cli.js\",\n  \"main\": \"dist/index.cjs\",\n"
             "  \"exports\": {\n    \".\": {\"import\": \"./dist/index.mjs\", \"require\": \"./dist/index.cjs\"},\n    \"./x\": [\"./x.js\"],\n"
             "    \"./private\": null\n  },\n  \"scripts\": {\n    \"build\": \"tsc -p .\",\n    \"test:unit\": \"vitest\",\n    \"prepare\": \"husky\"\n  }\n}\n",
             "about A \"tool\" @3\nprogram tool -> ./cli.js @4\nlibrary @acme/tool -> dist/index.cjs @5\n"
             "library @acme/tool -> ./dist/index.mjs @7\nlibrary @acme/tool -> ./dist/index.cjs @7\nlibrary @acme/tool/x -> ./x.js @8\n"
             "build npm run build -> tsc -p . @12\ntest npm run test:unit -> vitest @13\nother npm run prepare -> husky @14\n");
    there = (const char *const[]){"index.js", "yarn.lock", NULL};
    declares("package.json", "{\n  \"name\": \"plain\",\n  \"bin\": {\"a\": \"bin/a.js\", \"b\": \"bin/b.js\"},\n  \"scripts\": {\"start\": \"node .\"}\n}",
             "program a -> bin/a.js @3\nprogram b -> bin/b.js @3\nrun yarn start -> node . @4\nlibrary* plain -> index.js @2\n");
    declares("app/package.json", "{}", "");
}

static void broken_files(void **state)
{
    static const char *const text[] = {"", "{", "[1, 2", "{\"bin\": \"a\", \"bin\": \"b\"}", "\xff\xfe", "{\"bin\": {\"a\": 3}}", NULL};
    const struct manifest_format *f = manifest_format_of(STR("package.json"));
    for (size_t i = 0; text[i]; i++) {
        struct manifest m;
        struct arena arena;
        arena_init(&arena);
        manifest_read(&m, f, STR("package.json"), str_of(text[i]), NULL, &arena);
        assert_int_equal(m.broken, i < 5);
        assert_int_equal(m.n, 0);
        manifest_release(&m);
        arena_release(&arena);
    }
}

static void names_of_manifests(void **state)
{
    static const char *const no[] = {"package-lock.json", "my-package.json.bak", "package.jsonc", "src/packagejson", NULL};
    for (size_t i = 0; no[i]; i++)
        assert_null(manifest_format_of(str_of(no[i])));
    assert_string_equal(manifest_format_of(STR("a/b/package.json"))->name, "npm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(npm), cmocka_unit_test(broken_files), cmocka_unit_test(names_of_manifests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a view in memory is told apart by: natures, variants, imports; over snapshots made by hand. */
#include "retriever/snapshot.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES_MAX 16

static struct snapshot snap;
static struct snap_cut cuts[FILES_MAX];

/* paths in order; each is a content of its own with five symbols */
static void make(const char *const *path, const char *language)
{
    snap = (struct snapshot){.refs = 1};
    for (uint32_t i = 0; path[i]; i++) {
        snap.file = mem_grow(snap.file, i + 1, sizeof *snap.file);
        struct snap_file *f = &snap.file[i];
        *f = (struct snap_file){.path = str_of(path[i]), .cut = i + 1, .ucut = i, .language = language};
        const char *slash = strrchr(path[i], '/');
        f->stem = (uint16_t)(slash ? slash + 1 - path[i] : 0);
        f->stem_len = (uint16_t)strcspn(path[i] + f->stem, ".");
        cuts[i] = (struct snap_cut){.cut = i + 1, .nsymbols = 5, .lines = 100};
        snap.nfiles = i + 1;
    }
}

static void drop(void)
{
    free(snap.file);
    free(snap.edge);
    free(snap.back_edge);
    snap = (struct snapshot){0};
}

static const struct snap_file *at(const char *path)
{
    for (uint32_t i = 0; i < snap.nfiles; i++)
        if (!strcmp(snap.file[i].path.p, path))
            return &snap.file[i];
    fail_msg("no file %s", path);
    return NULL;
}

static void natures(void **state)
{
    make((const char *const[]){"lib/test_client.py", "tests/test_app.py", "src/index.ts", "docs/guide.md", "vendor/x/y.go", NULL}, "python");
    struct file_nature own, test, index, vendored;
    nature_of(&own, &snap.file[0], &cuts[0]); /* named like a test, defines none */
    cuts[1].ntests = 4;
    nature_of(&test, &snap.file[1], &cuts[1]);
    cuts[2] = (struct snap_cut){.nexports = 9, .nimports = 1, .lines = 10};
    nature_of(&index, &snap.file[2], &cuts[2]);
    nature_of(&vendored, &snap.file[4], &cuts[4]);
    assert_true(own.test < .5f);
    assert_true(test.test > .9f);
    assert_true(index.reexport > .8f);
    assert_true(vendored.vendored > .5f);
    /* what the attributes say goes before what names suggest */
    snap.file[4].flags = OCC_NOT_VENDORED;
    nature_of(&vendored, &snap.file[4], &cuts[4]);
    assert_true(vendored.vendored == 0);
    drop();
}

static void variants(void **state)
{
    make((const char *const[]){"src/api.c", "src/unix/tcp.c", "src/win/tcp.c", "ui/windows/list.c", "v3/types.ts", "v4/types.ts", NULL}, "c");
    variants_find(&snap);
    assert_true(at("v3/types.ts")->is.older == 1);
    assert_true(at("v4/types.ts")->is.older == 0);
#ifdef __linux__
    assert_true(at("src/win/tcp.c")->is.foreign == 1);
    assert_true(at("src/unix/tcp.c")->is.foreign == 0);
#endif
    assert_true(at("ui/windows/list.c")->is.foreign == 0); /* nothing beside it: a word, not a platform */
    assert_true(at("src/api.c")->is.foreign == 0);
    assert_true(is_platform(STR("windows")) && !is_platform(STR("window")));
    drop();
}

static bool imports(const char *from, const char *to)
{
    const struct snap_file *f = at(from), *t = at(to);
    for (uint32_t i = 0; i < f->nimports; i++)
        if (&snap.file[snap.edge[f->import + i]] == t)
            return true;
    return false;
}

static uint32_t number(const char *path)
{
    return (uint32_t)(at(path) - snap.file);
}

static void import_graph(void **state)
{
    make((const char *const[]){"a/core/index.ts", "a/core/parse.ts", "a/util/parse.ts", "b/app.ts", "b/core/parse.ts", NULL}, "typescript");
    const struct import_row row[] = {
        {number("b/app.ts"), STR("'./core/parse'"), false},
        {number("a/core/index.ts"), STR("\"../util/parse.js\""), false},
        {number("a/core/parse.ts"), STR("core"), false},
        {number("a/util/parse.ts"), STR("nowhere/to/be/found"), false},
        {number("b/core/parse.ts"), STR("../../../../../.."), false},
    };
    imports_resolve(&snap, row, sizeof row / sizeof *row);
    assert_true(imports("b/app.ts", "b/core/parse.ts"));
    assert_false(imports("b/app.ts", "a/core/parse.ts"));
    assert_true(imports("a/core/index.ts", "a/util/parse.ts"));
    assert_true(imports("a/core/parse.ts", "a/core/index.ts")); /* index stands for its directory */
    assert_int_equal(at("a/util/parse.ts")->nimports, 0);
    assert_int_equal(at("b/core/parse.ts")->imported_by, 1);
    drop();

    make((const char *const[]){"com/shop/Cart.java", "com/shop/store/Cart.java", "com/web/Page.java", NULL}, "java");
    const struct import_row java[] = {{2, STR("com.shop.store.Cart"), false}, {2, STR("com.shop.Cart"), false}};
    imports_resolve(&snap, java, 1);
    assert_true(imports("com/web/Page.java", "com/shop/store/Cart.java"));
    assert_false(imports("com/web/Page.java", "com/shop/Cart.java"));
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natures),
        cmocka_unit_test(variants),
        cmocka_unit_test(import_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "retriever/snapshot.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* A name is one soft vote: what the bytes say counts more. votes combine as 1 - Π(1 - vote). */
static void vote(float *p, float v)
{
    *p = 1 - (1 - *p) * (1 - v);
}

static bool equal_fold(const char *p, size_t n, const char *word)
{
    if (strlen(word) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)p[i]) != word[i])
            return false;
    return true;
}

static const struct {
    const char *name; /* a directory, lower case */
    uint8_t nature;   /* offset in struct file_nature */
    float vote;
} directories[] = {
#define DIR_ROW(field, text, v) {text, offsetof(struct file_nature, field), v}
    DIR_ROW(test, "test", .5f), DIR_ROW(test, "tests", .6f), DIR_ROW(test, "__tests__", .8f),
    DIR_ROW(test, "spec", .5f), DIR_ROW(test, "specs", .5f), DIR_ROW(test, "testdata", .7f),
    DIR_ROW(test, "fixtures", .6f), DIR_ROW(test, "__mocks__", .7f), DIR_ROW(test, "e2e", .5f),
    DIR_ROW(example, "example", .6f), DIR_ROW(example, "examples", .7f), DIR_ROW(example, "sample", .5f),
    DIR_ROW(example, "samples", .6f), DIR_ROW(example, "demo", .5f), DIR_ROW(example, "demos", .5f),
    DIR_ROW(example, "benchmark", .5f), DIR_ROW(example, "benchmarks", .6f), DIR_ROW(example, "bench", .5f),
    DIR_ROW(example, "tutorial", .4f), DIR_ROW(example, "tutorials", .5f), DIR_ROW(example, "playground", .5f),
    DIR_ROW(example, "docs", .4f), DIR_ROW(example, "doc", .4f), DIR_ROW(example, "docs_src", .6f),
    DIR_ROW(example, "www", .3f), DIR_ROW(example, "website", .4f),
    DIR_ROW(vendored, "vendor", .6f), DIR_ROW(vendored, "third_party", .7f), DIR_ROW(vendored, "third-party", .7f),
    DIR_ROW(vendored, "node_modules", .9f), DIR_ROW(vendored, "external", .3f), DIR_ROW(vendored, "deps", .3f),
    DIR_ROW(script, "scripts", .4f), DIR_ROW(script, ".github", .7f), DIR_ROW(script, "tools", .2f),
    DIR_ROW(script, "hack", .3f), DIR_ROW(script, "ci", .5f),
#undef DIR_ROW
};

static const struct {
    const char *language;
    uint8_t nature;
    float vote;
} by_language[] = {
#define LANGUAGE_ROW(field, text, v) {text, offsetof(struct file_nature, field), v}
    LANGUAGE_ROW(doc, "markdown", 1), LANGUAGE_ROW(doc, "text", 1), LANGUAGE_ROW(doc, "html", .7f),
    LANGUAGE_ROW(config, "json", 1), LANGUAGE_ROW(config, "yaml", 1), LANGUAGE_ROW(config, "toml", 1),
    LANGUAGE_ROW(config, "make", .6f), LANGUAGE_ROW(config, "css", .5f),
#undef LANGUAGE_ROW
};

static void directory_votes(struct file_nature *is, struct str path)
{
    size_t at = 0;
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] != '/')
            continue;
        for (size_t k = 0; k < sizeof directories / sizeof *directories; k++)
            if (equal_fold(path.p + at, i - at, directories[k].name))
                vote((float *)((char *)is + directories[k].nature), directories[k].vote);
        at = i + 1;
    }
}

/* test_x, x_test, x-test, x.test.ts, x.spec.ts, XTest, XTests, XSpec, XTestCase */
static bool named_test(struct str path, size_t stem, size_t stem_len)
{
    const char *s = path.p + stem, *end = path.p + path.n;
    const char *dot = s + stem_len;
    if (end - dot > 6 && (!memcmp(dot, ".test.", 6) || !memcmp(dot, ".spec.", 6)))
        return true;
    if (stem_len > 5 && (!memcmp(s, "test_", 5) || !memcmp(s, "test-", 5)))
        return true;
    static const char *const tail[] = {"_test", "-test", "_tests", "_spec", "-spec", "Test", "Tests", "Spec", "TestCase"};
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
        size_t n = strlen(tail[i]);
        if (stem_len > n && !memcmp(s + stem_len - n, tail[i], n))
            return true;
    }
    return false;
}

static bool has_suffix(struct str path, const char *suffix)
{
    size_t n = strlen(suffix);
    return path.n > n && !memcmp(path.p + path.n - n, suffix, n);
}

void nature_of(struct file_nature *is, const struct snap_file *f, const struct snap_cut *c)
{
    *is = (struct file_nature){0};
    directory_votes(is, f->path);
    bool test_name = named_test(f->path, f->stem, f->stem_len);
    if (test_name)
        vote(&is->test, .35f);
    for (size_t k = 0; f->language && k < sizeof by_language / sizeof *by_language; k++)
        if (!strncmp(f->language, by_language[k].language, LANGUAGE_NAME_MAX))
            vote((float *)((char *)is + by_language[k].nature), by_language[k].vote);
    if (f->flags & OCC_DOCUMENTATION)
        vote(&is->doc, .7f);
    if (f->flags & OCC_VENDORED)
        is->vendored = 1;
    else if (f->flags & OCC_NOT_VENDORED)
        is->vendored = 0;
    if (has_suffix(f->path, ".d.ts") || has_suffix(f->path, ".pyi"))
        vote(&is->declaration, .8f);
    if (f->stem && f->path.p[f->stem - 1] == '.')
        vote(&is->config, .7f);
    if (!c)
        return;
    if (c->ntests) {
        /* a file that defines cases is a test; a library that offers `test` helpers has few against many definitions */
        float share = (float)c->ntests / (float)(c->nsymbols ? c->nsymbols : 1);
        vote(&is->test, share > .3f ? .8f : share > .1f ? .5f : .2f);
    } else if (is->test > 0 && c->nsymbols > 3 && !test_name) {
        is->test *= .8f; /* in a test directory, but defines other things */
    }
    if (c->flags & RECORD_GENERATED)
        vote(&is->generated, .9f);
    if (c->flags & RECORD_MINIFIED)
        vote(&is->generated, .8f);
    if (f->flags & OCC_GENERATED)
        is->generated = 1;
    else if (f->flags & OCC_NOT_GENERATED)
        is->generated = 0;
    if (c->nprototypes && c->nsymbols)
        vote(&is->declaration, .6f * (float)c->nprototypes / (float)c->nsymbols);
    uint32_t moved = c->nimports + c->nexports;
    if (moved && c->nsymbols <= moved)
        vote(&is->reexport, (float)moved / (float)(moved + 3 * c->nsymbols) * (c->nexports ? 1.f : .7f));
    if (!c->nsymbols && c->lines < 40)
        vote(&is->reexport, .3f);
}

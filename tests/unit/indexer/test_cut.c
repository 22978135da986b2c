/* cut() against tests/corpora: each fixture's definitions, references and chunks as its .expect file lists them
 * (`test_indexer_cut --update` writes those files anew: read the difference before you commit it), and what must hold for
 * every content: chunks in order, apart, with every line that holds a word in exactly one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/words.h"
#include "indexer/cut.h"
#include "tests/tools/cut_dump.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool update;

static bool has_word(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)p[i];
        if (ch >= 128 || (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z'))
            return true;
    }
    return false;
}

/* Fails unless the record keeps its promises for this text. */
static void check_promises(const char *name, const struct record *r, struct str text)
{
    uint32_t line = 1, chunk = 0;
    const struct record_head *h = r->head;
    if (h->flags & (RECORD_BINARY | RECORD_LFS)) {
        assert_int_equal(h->nchunks, 0);
        return;
    }
    for (uint32_t i = 0; i < h->nchunks; i++) {
        const struct record_chunk *c = &r->chunk[i];
        if (c->end <= c->start || (i && c->start < c[-1].end))
            fail_msg("%s: chunk %u overlaps", name, i);
        if (c->symbol != RECORD_NONE && !c->crumb_len)
            fail_msg("%s: chunk %u has a symbol and no breadcrumb", name, i);
    }
    for (size_t at = 0; at < text.n; line++) {
        const char *nl = memchr(text.p + at, '\n', text.n - at);
        size_t n = nl ? (size_t)(nl - text.p) - at : text.n - at;
        while (chunk < h->nchunks && r->chunk[chunk].end <= at)
            chunk++;
        if (has_word(text.p + at, n) &&
            (chunk == h->nchunks || r->chunk[chunk].start > at || r->chunk[chunk].start_line > line || r->chunk[chunk].end_line < line))
            fail_msg("%s: line %u is in no chunk", name, line);
        at += n + 1;
    }
    for (uint32_t i = 0; i < h->nsymbols; i++) {
        const struct record_symbol *s = &r->symbol[i];
        if (s->end <= s->start || !s->name_len || (i && s->start < s[-1].start))
            fail_msg("%s: symbol %u: bytes %u-%u", name, i, s->start, s->end);
        if (s->start >= r->chunk[s->chunk].end)
            fail_msg("%s: symbol %u begins behind its chunk", name, i);
    }
}

static void cut_file(const char *path, const struct language *l, struct buf *text, struct buf *record, struct record *r)
{
    struct err e = {0};
    if (file_read(text, path, (size_t)64 << 20, &e))
        fail_msg("%s", e.message);
    if (!l)
        l = language_for(str_of(path), (struct str){text->data ? text->data : "", text->len});
    if (cut(record, l, text->data, text->len, &e) || record_check(r, record->data, record->len, &e))
        fail_msg("%s: %s", path, e.message);
    check_promises(path, r, (struct str){text->data, text->len});
}

static void test_fixtures(void **state)
{
    static const char dir[] = TEST_SOURCE_DIR "/tests/corpora";
    struct dirent **names;
    unsigned seen = 0, wrong = 0;
    (void)state;
    int n = scandir(dir, &names, NULL, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        struct buf path = BUF_INIT, text = BUF_INIT, record = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
        char stem[64] = "";
        struct record r;
        sscanf(names[i]->d_name, "%63[^.]", stem);
        const struct language *l = language_named(stem);
        buf_addf(&path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_type == DT_REG && l && !strstr(names[i]->d_name, ".expect")) {
            seen++;
            assert_string_equal(language_for(str_of(path.data), (struct str){"", 0})->name, l->name);
            cut_file(path.data, l, &text, &record, &r);
            cut_dump(&out, &r, (struct str){text.data, text.len}, DUMP_ALL);
            buf_clear(&path);
            buf_addf(&path, "%s/%s.expect", dir, stem);
            if (update) {
                assert_int_equal(file_write(path.data, out.data, out.len, 0644, NULL), 0);
            } else if (file_read(&want, path.data, 1 << 20, NULL) || strcmp(want.data, out.data)) {
                print_error("%s is not what cut() makes of it: look at `test_indexer_cut --update`\n", path.data);
                wrong++;
            }
        }
        buf_release(&path);
        buf_release(&text);
        buf_release(&record);
        buf_release(&out);
        buf_release(&want);
        free(names[i]);
    }
    free(names);
    unsigned rows = 0;
    for (const struct language *l = languages; l->name; l++)
        rows++;
    assert_int_equal(seen, rows); /* a fixture for every language */
    assert_int_equal(wrong, 0);
}

/* A cutter that never saw anything makes the same record: what one remembers from content to content is no part of it. */
static void check_fresh(const char *path, const struct language *l, struct buf *text, const struct buf *record)
{
    struct buf fresh = BUF_INIT;
    assert_int_equal(cut(&fresh, l, text->data, text->len, NULL), 0);
    if (fresh.len != record->len || memcmp(fresh.data, record->data, fresh.len))
        fail_msg("%s: the record depends on what was cut before", path);
    buf_release(&fresh);
}

static void cut_folder(struct cutter *c, const char *dir, int depth, unsigned *files)
{
    struct dirent **names;
    int n = depth < 12 ? scandir(dir, &names, NULL, alphasort) : -1;
    for (int i = 0; i < n; i++) {
        struct buf path = BUF_INIT, text = BUF_INIT, record = BUF_INIT, again = BUF_INIT;
        struct err e = {0};
        struct record r;
        buf_addf(&path, "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && names[i]->d_type == DT_DIR && strcmp(names[i]->d_name, "build"))
            cut_folder(c, path.data, depth + 1, files);
        if (names[i]->d_type == DT_REG && !file_read(&text, path.data, 1 << 20, NULL)) {
            const struct language *l = language_for(str_of(path.data), (struct str){text.data ? text.data : "", text.len});
            buf_add(&again, text.data, text.len);
            buf_addc(&again, 0);
            again.len--;
            assert_int_equal(cutter_cut(c, &record, l, text.data, text.len, &e), 0);
            if (record_check(&r, record.data, record.len, &e))
                fail_msg("%s: %s", path.data, e.message);
            check_promises(path.data, &r, (struct str){text.data, text.len});
            check_fresh(path.data, l, &again, &record);
            ++*files;
        }
        buf_release(&path);
        buf_release(&text);
        buf_release(&record);
        buf_release(&again);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

static void test_own_sources(void **state)
{
    unsigned files = 0;
    (void)state;
    struct cutter *c = cutter_new();
    cut_folder(c, TEST_SOURCE_DIR, 0, &files);
    cutter_free(c);
    assert_true(files > 100);
}

/* Cut with a language's row; the record is checked, promises too. The caller releases record. */
static struct record cut_text(struct buf *record, const char *lang, const char *text, size_t n)
{
    struct record r;
    struct err e = {0};
    char *copy = mem_strn(text, n);
    assert_int_equal(cut(record, language_named(lang), copy, n, &e), 0);
    if (record_check(&r, record->data, record->len, &e))
        fail_msg("%s", e.message);
    check_promises(lang, &r, (struct str){copy, n});
    free(copy);
    return r;
}

static void test_flags(void **state)
{
    struct buf record = BUF_INIT;
    (void)state;
#define FLAGS(lang, text) cut_text(&record, lang, text, sizeof text - 1).head->flags
    assert_int_equal(FLAGS("c", ""), 0);
    assert_int_equal(FLAGS("c", "a\0b"), RECORD_BINARY);
    assert_int_equal(FLAGS("text", "\xff\xfeh"), RECORD_BINARY);
    assert_int_equal(FLAGS("text", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12\n"), RECORD_LFS);
    assert_int_equal(FLAGS("text", "plain\n"), RECORD_BY_LINES);
    assert_int_equal(FLAGS("go", "// Code generated by protoc-gen-go. DO NOT EDIT.\n\npackage a\n"), RECORD_GENERATED);
    assert_int_equal(FLAGS("javascript", "/**\n * @generated SignedSource<<x>>\n */\nlet a = 1\n"), RECORD_GENERATED);
    assert_int_equal(FLAGS("python", "# This file is automatically generated by tool.py\na = 1\n"), RECORD_GENERATED);
    assert_int_equal(FLAGS("python", "# Parser of generated files\n# You may edit it.\na = 'DO NOT EDIT generated'\n"), 0);
    assert_int_equal(FLAGS("c", "int f( {\n") & RECORD_HAS_ERRORS, RECORD_HAS_ERRORS);
#undef FLAGS
    buf_release(&record);
}

static void test_minified(void **state)
{
    struct buf text = BUF_INIT, record = BUF_INIT;
    (void)state;
    buf_adds(&text, "/*! lib 1.0 */\n");
    for (int i = 0; i < 40000; i++)
        buf_addf(&text, "function f%d(a,b){return a+b*%d}", i, i);
    struct record r = cut_text(&record, "javascript", text.data, text.len);
    assert_true(r.head->flags & RECORD_MINIFIED);
    assert_true(r.head->flags & RECORD_BY_LINES);
    assert_true(r.head->nchunks <= 20);
    assert_true(record.len < text.len * 2);
    buf_clear(&text);
    for (int i = 0; i < 4000; i++)
        buf_adds(&text, "a paragraph that somebody wrote on one long line, as people do in prose. ");
    r = cut_text(&record, "markdown", text.data, text.len);
    assert_false(r.head->flags & RECORD_MINIFIED);
    buf_release(&text);
    buf_release(&record);
}

/* Symbols do not depend on how lines end. */
static void test_line_ends(void **state)
{
    static const char text[] = "# doc\ndef f(a,\n      b):\n    return g(a)\n\nclass X:\n    y = 1\n";
    struct buf crlf = BUF_INIT, one = BUF_INIT, two = BUF_INIT;
    (void)state;
    for (const char *p = text; *p; p++)
        buf_add(&crlf, *p == '\n' ? "\r\n" : p, *p == '\n' ? 2 : 1);
    struct record a = cut_text(&one, "python", text, sizeof text - 1), b = cut_text(&two, "python", crlf.data, crlf.len);
    assert_int_equal(a.head->nsymbols, b.head->nsymbols);
    assert_int_equal(a.head->nwords, b.head->nwords);
    for (uint32_t i = 0; i < a.head->nsymbols; i++) {
        struct str x = record_str(&a, a.symbol[i].signature, a.symbol[i].signature_len);
        struct str y = record_str(&b, b.symbol[i].signature, b.symbol[i].signature_len);
        assert_int_equal(x.n, y.n);
        assert_memory_equal(x.p, y.p, x.n);
        assert_int_equal(a.symbol[i].start_line, b.symbol[i].start_line);
        assert_int_equal(a.symbol[i].end_line, b.symbol[i].end_line);
    }
    buf_release(&crlf);
    buf_release(&one);
    buf_release(&two);
}

/* Every beginning of every fixture, and each fixture as every other language, with bytes that are no UTF-8. */
static void test_broken(void **state)
{
    struct dirent **names;
    (void)state;
    int n = scandir(TEST_SOURCE_DIR "/tests/corpora", &names, NULL, alphasort);
    struct cutter *c = cutter_new();
    struct buf record = BUF_INIT, part = BUF_INIT;
    for (int i = 0; i < n; i++) {
        struct buf path = BUF_INIT, text = BUF_INIT;
        char stem[64] = "";
        struct err e = {0};
        sscanf(names[i]->d_name, "%63[^.]", stem);
        const struct language *l = language_named(stem);
        buf_addf(&path, TEST_SOURCE_DIR "/tests/corpora/%s", names[i]->d_name);
        if (names[i]->d_type == DT_REG && l && !strstr(names[i]->d_name, ".expect") && !file_read(&text, path.data, 1 << 20, NULL)) {
            for (size_t k = 1; k < text.len; k += 37) {
                struct record r;
                buf_clear(&part);
                buf_add(&part, text.data, k);
                if (k % 2)
                    part.data[k / 2] = (char)0xc3;
                assert_int_equal(cutter_cut(c, &record, l, part.data, part.len, &e), 0);
                if (record_check(&r, record.data, record.len, &e))
                    fail_msg("%s: first %zu bytes: %s", path.data, k, e.message);
                check_promises(path.data, &r, (struct str){part.data, part.len});
            }
        }
        buf_release(&path);
        buf_release(&text);
        free(names[i]);
    }
    free(names);
    buf_release(&record);
    buf_release(&part);
    cutter_free(c);
}

/* Depth and width that would break recursion or squares. */
static void test_shapes(void **state)
{
    struct buf text = BUF_INIT, record = BUF_INIT;
    (void)state;
    for (int i = 0; i < 20000; i++)
        buf_adds(&text, "f(");
    cut_text(&record, "javascript", text.data, text.len);
    buf_clear(&text);
    for (int i = 0; i < 3000; i++)
        buf_addf(&text, "function f%d() {\n", i);
    cut_text(&record, "javascript", text.data, text.len);
    buf_clear(&text);
    for (int i = 0; i < 20000; i++)
        buf_addf(&text, "int f%d(void);\n", i);
    struct record r = cut_text(&record, "c", text.data, text.len);
    assert_int_equal(r.head->nprototypes, 20000);
    buf_clear(&text);
    for (int i = 0; i < 5000; i++)
        buf_addf(&text, "%*s\"a%d\": {\n", i % 50, "", i);
    cut_text(&record, "json", text.data, text.len);
    buf_clear(&text);
    for (int i = 0; i < 3000000; i++)
        buf_adds(&text, "1,");
    r = cut_text(&record, "json", text.data, text.len);
    assert_true(r.head->flags & RECORD_MINIFIED);
    buf_release(&text);
    buf_release(&record);
}

static const struct record_word *word_of(const struct record *r, const char *word)
{
    char stem[64];
    strcpy(stem, word);
    uint64_t term = term_of(TERM_WORD, stem, word_stem(stem, strlen(stem)));
    for (uint32_t i = 0; i < r->head->nwords; i++)
        if (r->word[i].term == term)
            return &r->word[i];
    return NULL;
}

/* A parse of millions of nodes, in lines that a person could have written: below the limit it is used, above it the content is cut by
 * lines, and says so; found it is in either case. */
static void test_a_million_nodes(void **state)
{
    struct buf text = BUF_INIT, record = BUF_INIT;
    (void)state;
    for (int over = 0; over < 2; over++) {
        unsigned numbers = over ? CUT_MAX_NODES / 2 + 1000 : 600000; /* each with its comma: two nodes and more */
        buf_clear(&text);
        buf_adds(&text, "static const int first_table[] = {\n");
        for (unsigned i = 0; i < numbers; i++)
            buf_adds(&text, i % 16 == 15 ? "1,\n" : "1, ");
        buf_adds(&text, "};\n\nint last_function(void)\n{\n    return first_table[0];\n}\n");
        struct record r = cut_text(&record, "c", text.data, text.len);
        assert_int_equal(r.head->flags & (RECORD_MINIFIED | RECORD_BY_LINES | RECORD_TRUNCATED), over ? RECORD_BY_LINES | RECORD_TRUNCATED : 0);
        assert_true(over || r.head->nsymbols);
        assert_true(r.head->nchunks && r.chunk[r.head->nchunks - 1].end_line >= numbers / 16 + 5);
        assert_non_null(word_of(&r, "function"));
    }
    buf_release(&text);
    buf_release(&record);
}

/* The same bytes give the same record, whatever the cutter did before. */
static void test_pure(void **state)
{
    static const char text[] = "def thread_pool(n):\n    return ThreadPool(n)\n";
    struct buf a = BUF_INIT, b = BUF_INIT;
    char one[] = "class A { int b; }\n", two[sizeof text];
    (void)state;
    struct cutter *c = cutter_new();
    cut_text(&a, "python", text, sizeof text - 1);
    assert_int_equal(cutter_cut(c, &b, language_named("java"), one, sizeof one - 1, NULL), 0);
    memcpy(two, text, sizeof text);
    assert_int_equal(cutter_cut(c, &b, language_named("python"), two, sizeof text - 1, NULL), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    cutter_free(c);
    buf_release(&a);
    buf_release(&b);
}

static void test_words(void **state)
{
    static const char text[] = "# Opens the pools of workers.\ndef openPool(size):\n    return pool.open(size, size)\n";
    struct buf record = BUF_INIT;
    (void)state;
    struct record r = cut_text(&record, "python", text, sizeof text - 1);
    const struct record_word *w = word_of(&r, "pool");
    assert_non_null(w);
    assert_int_equal(w->body, 3); /* pools, openPool, pool */
    assert_int_equal(w->doc, 1);
    assert_int_equal(w->symbol, 1);
    assert_int_equal(w->weight, 10);
    w = word_of(&r, "openpool"); /* the compound whole */
    assert_non_null(w);
    assert_int_equal(w->symbol, 1);
    w = word_of(&r, "size");
    assert_int_equal(w->body, 3);
    assert_int_equal(w->symbol, 0);
    assert_int_equal(w->weight, 0);
    assert_null(word_of(&r, "absent"));
    buf_release(&record);
}

static void test_embedded_texts(void **state)
{
    static const char text[] = "# Ring of bytes.\n\n\nclass Ring:\n    # Takes bytes out.\n    def take(self, n):\n        return self.data[:n]\n";
    struct buf record = BUF_INIT, out = BUF_INIT;
    (void)state;
    struct record r = cut_text(&record, "python", text, sizeof text - 1);
    struct str whole = {text, sizeof text - 1};
    for (uint32_t i = 0; i < r.head->nchunks; i++) {
        buf_clear(&out);
        chunk_embed_text(&out, &r, i, whole);
        assert_true(out.len > 0 && out.len < 600);
    }
    buf_clear(&out);
    card_embed_text(&out, &r, str_of("src/ring_buffer.py"), whole);
    assert_non_null(strstr(out.data, "src ring buffer py"));
    assert_non_null(strstr(out.data, "Ring of bytes."));
    assert_non_null(strstr(out.data, "Ring take"));
    buf_release(&record);
    buf_release(&out);
}

int main(int argc, char **argv)
{
    update = argc > 1 && !strcmp(argv[1], "--update");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixtures), cmocka_unit_test(test_own_sources), cmocka_unit_test(test_flags),
        cmocka_unit_test(test_minified), cmocka_unit_test(test_line_ends),   cmocka_unit_test(test_broken),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_a_million_nodes),   cmocka_unit_test(test_pure),        cmocka_unit_test(test_words),
        cmocka_unit_test(test_embedded_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

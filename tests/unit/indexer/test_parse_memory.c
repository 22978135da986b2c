/* The same records with malloc and with the memory of parses, for every fixture and for what is larger than a chunk of that memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "indexer/cut.h"
#include "indexer/parse_memory.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define LARGE ((size_t)1 << 20)

struct content {
    const struct language *language;
    struct buf text, record;
};

static struct content *content;
static size_t n, cap;

static void add(const struct language *l, const struct buf *text)
{
    VEC_ROOM(content, n, cap);
    content[n] = (struct content){.language = l};
    buf_add(&content[n++].text, text->data, text->len);
}

/* Fixtures; each again and again as one content; and one whose brackets do not match. */
static void read_all(void)
{
    DIR *d = opendir(TEST_SOURCE_DIR "/tests/corpora");
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d)) != NULL;) {
        struct buf path = BUF_INIT, text = BUF_INIT, large = BUF_INIT;
        buf_addf(&path, TEST_SOURCE_DIR "/tests/corpora/%s", f->d_name);
        if (f->d_name[0] != '.' && !strstr(f->d_name, ".expect") && !file_read(&text, path.data, 1 << 20, NULL) && text.len) {
            const struct language *l = language_for((struct str){f->d_name, strlen(f->d_name)}, (struct str){text.data, text.len});
            add(l, &text);
            while (large.len < LARGE)
                buf_add(&large, text.data, text.len);
            add(l, &large);
            for (size_t i = 0; i < large.len; i += 97)
                large.data[i] = "([{"[i % 3];
            large.len = LARGE / 16;
            add(l, &large);
        }
        buf_release(&path);
        buf_release(&text);
        buf_release(&large);
    }
    closedir(d);
}

static void cut_content(struct cutter *c, const struct content *x, struct buf *record)
{
    struct err e;
    struct buf text = BUF_INIT; /* secrets are masked in it */
    buf_add(&text, x->text.data, x->text.len);
    buf_add(&text, "", 1);
    buf_clear(record);
    assert_int_equal(cutter_cut(c, record, x->language, text.data, x->text.len, &e), 0);
    buf_release(&text);
}

static void test_same_records(void **state)
{
    struct cutter *c = cutter_new();
    read_all();
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++)
        cut_content(c, &content[i], &content[i].record);
    cutter_free(c);
    assert_false(parse_memory_end()); /* not installed: nothing of it was used */
    parse_memory_install();
    c = cutter_new();
    struct buf again = BUF_INIT;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < n; i++) {
            cut_content(c, &content[i], &again);
            assert_int_equal(again.len, content[i].record.len);
            assert_memory_equal(again.data, content[i].record.data, again.len);
        }
    assert_true(parse_memory_end());
    cutter_free(c);
    buf_release(&again);
    for (size_t i = 0; i < n; i++) {
        buf_release(&content[i].text);
        buf_release(&content[i].record);
    }
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Open documents: random incremental edits in every encoding against a plain text that is edited slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/document.h"
#include "text.h"

#define URI "file:///w/a%20b.c"

static json_t *edit(uint64_t *seed, struct position p[2], const char *text, size_t n)
{
    for (int i = 0; i < 2; i++)
        p[i] = (struct position){draw(seed, 12), draw(seed, 9) ? draw(seed, 14) : UINT32_MAX};
    return json_pack("{s{s{sI, sI}, s{sI, sI}}, ss%}", "range", "start", "line", (json_int_t)p[0].line, "character", (json_int_t)p[0].column, "end",
                     "line", (json_int_t)p[1].line, "character", (json_int_t)p[1].column, "text", text, n);
}

static void same_lines(const struct document *d)
{
    size_t line = 0;
    struct str rest = {d->text.data, d->text.len};
    const char *next = rest.p;
    for (; next; line++) {
        assert_true(line < d->nlines);
        assert_int_equal(d->line[line], next - d->text.data);
        rest = (struct str){next, d->text.len - (size_t)(next - d->text.data)};
        struct str one = first_line(rest, &next), got = document_line(d, line);
        assert_true(str_same(one, got));
    }
    assert_int_equal(d->nlines, line);
}

static void follows_edits(void **state)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t s = seed;
        enum encoding how = (enum encoding)(seed % 3);
        struct documents all = {0};
        struct buf plain = BUF_INIT;
        put_random(&plain, &s, draw(&s, 60));
        buf_adds(&plain, "");
        buf_room(&plain, 1);
        assert_int_equal(document_open(&all, URI, NULL, plain.data, plain.len), DOCUMENT_KEPT);
        for (int i = 0; i < 200; i++) {
            struct buf put = BUF_INIT, after = BUF_INIT;
            struct position p[2];
            put_random(&put, &s, draw(&s, 3) ? draw(&s, 6) : 0);
            buf_room(&put, 1);
            json_t *one = edit(&s, p, put.data, put.len), *changes = json_pack("[o]", one);
            assert_non_null(changes);
            size_t from = slow_offset(plain.data, plain.len, p[0].line, p[0].column, how);
            size_t to = slow_offset(plain.data, plain.len, p[1].line, p[1].column, how);
            if (from > to) {
                size_t swap = from;
                from = to;
                to = swap;
            }
            buf_add(&after, plain.data, from);
            buf_add(&after, put.data, put.len);
            buf_add(&after, plain.data + to, plain.len - to);
            buf_room(&after, 1);
            assert_int_equal(document_change(&all, URI, changes, how), DOCUMENT_KEPT);
            struct document *d = document_named(&all, URI);
            assert_int_equal(d->text.len, after.len);
            assert_memory_equal(d->text.data, after.data, after.len);
            assert_int_equal(all.bytes, after.len);
            same_lines(d);
            for (int k = 0; k < 5; k++) {
                struct position q = {draw(&s, 14), draw(&s, 14)};
                assert_int_equal(document_offset(d, q, how), slow_offset(after.data, after.len, q.line, q.column, how));
            }
            json_decref(changes);
            buf_release(&put);
            buf_release(&plain);
            plain = after;
        }
        documents_release(&all);
        assert_int_equal(all.bytes, 0);
        assert_int_equal(all.n, 0);
        buf_release(&plain);
    }
}

static void several_changes_in_their_order(void **state)
{
    struct documents all = {0};
    json_t *changes = json_loads("[{\"text\":\"one\\ntwo\"}, {\"range\":{\"start\":{\"line\":1,\"character\":0},\"end\":{\"line\":1,\"character\":3}},"
                                 "\"text\":\"2\"}, 7, {\"range\":{\"start\":7},\"text\":\"x\"}, {\"text\":8},"
                                 "{\"range\":{\"start\":{\"line\":0,\"character\":0},\"end\":{\"line\":0,\"character\":0}},\"text\":\"0\\u0000\"}]",
                                 JSON_ALLOW_NUL, NULL);
    document_open(&all, URI, NULL, "", 0);
    assert_int_equal(document_change(&all, URI, changes, ENCODING_UTF16), DOCUMENT_KEPT);
    assert_memory_equal(document_named(&all, URI)->text.data, "0\0one\n2", 7);
    assert_string_equal(document_named(&all, URI)->path, "/w/a b.c");
    assert_ptr_equal(document_at(&all, "/w/a b.c"), document_named(&all, URI));
    assert_true(document_named(&all, URI)->changed);
    json_decref(changes);
    documents_release(&all);
}

static void past_the_limit_it_is_not_kept(void **state)
{
    struct documents all = {0};
    size_t n = DOCUMENT_MAX + 1;
    char *big = mem_alloc(n);
    memset(big, 'x', n);
    assert_int_equal(document_open(&all, "a:1", NULL, big, n), DOCUMENT_TOO_LARGE);
    assert_null(document_named(&all, "a:1"));
    json_t *change = json_loads("[{\"text\":\"x\"}]", 0, NULL);
    assert_int_equal(document_change(&all, "a:1", change, ENCODING_UTF16), DOCUMENT_KEPT); /* told once */
    assert_int_equal(document_open(&all, "a:1", NULL, "y", 1), DOCUMENT_KEPT);
    assert_non_null(document_named(&all, "a:1"));
    json_t *grow = json_pack("[{ss%}]", "text", big, n);
    assert_int_equal(document_change(&all, "a:1", grow, ENCODING_UTF16), DOCUMENT_TOO_LARGE);
    assert_null(document_named(&all, "a:1"));
    assert_int_equal(all.bytes, 0);
    for (int i = 0; i < 9; i++) {
        char uri[] = "b:0";
        uri[2] = (char)('0' + i);
        assert_int_equal(document_open(&all, uri, NULL, big, DOCUMENT_MAX), i < 8 ? DOCUMENT_KEPT : DOCUMENT_TOO_MANY);
    }
    json_decref(change);
    json_decref(grow);
    documents_release(&all);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_edits),
        cmocka_unit_test(several_changes_in_their_order),
        cmocka_unit_test(past_the_limit_it_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

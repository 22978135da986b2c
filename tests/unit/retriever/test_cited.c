/* Citations of a model's text: right, shifted, invented and forged ones, and that nothing in it becomes active. */
#include "retriever/cited.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char list_c[] = "/* Sums the values of a list; for the limits see [2] and [7]. */\nint list_sum(const struct node *n)\n{\n"
                             "    return n ? node_value(n) + list_sum(n->next) : 0;\n}\n";
static const char cart_py[] = "class Cart:\n    def add_item(self, sku):\n        self.items.append(sku)\n";

static struct cited_source sources[3];
static struct cited c;

/* The text in pieces of that size; shown and its counts are left in c. */
static const char *check_in(const char *text, size_t piece)
{
    cited_release(&c);
    sources[0] = (struct cited_source){.n = 1, .path = STR("src/list.c"), .text = STR(list_c), .title = "list_sum", .first = 3, .last = 7, .shown = 1};
    sources[1] = (struct cited_source){.n = 2, .path = STR("shop/cart.py"), .text = STR(cart_py), .title = "Cart", .first = 1, .last = 3};
    sources[2] = (struct cited_source){.n = 12, .path = STR("docs/list.md"), .text = STR("Lists are linear.\n"), .first = 1, .last = 1};
    cited_open(&c, sources, 3, 4, "===f00d");
    for (size_t i = 0, n = strlen(text); i < n; i += piece)
        cited_feed(&c, text + i, n - i < piece ? n - i : piece);
    cited_end(&c);
    return c.shown.data ? c.shown.data : "";
}

static const char *check(const char *text)
{
    return check_in(text, 5);
}

static void right(void **state)
{
    assert_string_equal(check("A list is summed by `list_sum` [1]. Items go into a cart by add_item [2]."),
                        "A list is summed by `list_sum` [1]. Items go into a cart by add_item [4].");
    assert_string_equal(c.said.data, "A list is summed by `list_sum` [1]. Items go into a cart by add_item [2].");
    assert_int_equal(c.counts.valid, 2);
    assert_int_equal(c.counts.sentences, 2);
    assert_int_equal(c.counts.unsupported, 0);
    assert_int_equal(sources[1].shown, 4); /* the next free number: one and those up to three were taken */
    assert_string_equal(check("Both do [1, 2]; so do [1\xe2\x80\x93" "2], [^2] and \xe3\x80\x90" "12\xe2\x80\xa0L1-L2\xe3\x80\x91."),
                        "Both do [1] [4]; so do [1] [4], [4] and [5].");
    assert_string_equal(check("It ends there.[1] And here[2]."), "It ends there. [1] And here [4].");
}

static void places(void **state)
{
    assert_string_equal(check("See `src/list.c:4` and list.c:5-6, (shop/cart.py#L2)."), "See `src/list.c:4` [1] and `list.c:5-6` [1], (`shop/cart.py#L2` [4]).");
    assert_int_equal(c.counts.valid, 3);
    assert_string_equal(check("See src/list.c:4 [1]."), "See `src/list.c:4` [1]."); /* said twice, shown once */
    /* lines that were not given, a file that was not */
    assert_string_equal(check("See `src/list.c:400` or `src/list.c:6-90`."), "See `src/list.c` or `src/list.c`.");
    assert_int_equal(c.counts.shifted, 2);
    assert_string_equal(check("It is made (src/evil.c:3). Or in `src/evil.c:3`, as said."), "It is made. Or in, as said.");
    assert_int_equal(c.counts.invented, 2);
    assert_string_equal(check("At 12:30 on localhost:80, std::move of example.com:443."), "At 12:30 on localhost:80, std::move of example.com:443.");
    assert_int_equal(c.counts.invented, 0);
}

static void invented(void **state)
{
    assert_string_equal(check("A list is summed [99]. By a loop [3, 1], they say [0] [1-500]."), "A list is summed. By a loop [1], they say.");
    assert_int_equal(c.counts.invented, 4);
    assert_int_equal(c.counts.valid, 1);
    assert_int_equal(c.counts.sentences, 2);
    assert_int_equal(c.counts.unsupported, 1);
}

static void shifted(void **state)
{
    assert_string_equal(check("The sum is made by `list_sum` [2]."), "The sum is made by `list_sum`.");
    assert_int_equal(c.counts.shifted, 1);
    assert_int_equal(c.counts.unsupported, 1);
    assert_string_equal(check("`add_item` has nothing of list_sum [1] [2]."), "`add_item` has nothing of list_sum [1] [4].");
    assert_string_equal(check("First list_sum is called there. [2]"), "First list_sum is called there.");
    assert_int_equal(c.counts.shifted, 1);
    /* names that no source has say nothing about which one is right */
    assert_string_equal(check("Other programs have `do_it` here [2]."), "Other programs have `do_it` here [4].");
    assert_int_equal(c.counts.shifted, 0);
}

static void forged(void **state)
{
    /* copied with the source's own text */
    assert_string_equal(check("It says: for the limits see [2] and [7]."), "It says: for the limits see and.");
    assert_int_equal(c.counts.forged, 2);
    assert_int_equal(c.counts.valid, 0);
    /* the fence between sources */
    assert_string_equal(check("So: ===f00d [1] and `===f00d question` end."), "So: [1] and end.");
    assert_int_equal(c.counts.forged, 2);
    /* code is code */
    assert_string_equal(check("Take `v[1]`:\n\n```c\nint x[99]; // [1] <b>\n```\nDone."), "Take `v[1]`:\n\n```c\nint x[99]; // [1] <b>\n```\nDone.");
    assert_int_equal(c.counts.valid + c.counts.invented, 0);
}

static void active(void **state)
{
    static const char *const pairs[][2] = {
        {"a [link](http://evil.example/x) b", "a link b"},
        {"an ![image](http://evil.example/x.png) b", "an image b"},
        {"[1](http://evil.example)", "[1]"},
        {"[99](http://evil.example) x", " x"},
        {"[1]: http://evil.example", "[1]\\: http\\://evil.example"},
        {"[x]: http://evil.example", "\\[x\\]: http\\://evil.example"},
        {"<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)>"},
        {"\\<b> \\\\<b>", "\\<b> \\\\\\<b>"},
        {"www.evil.example ann@example.org &lt;", "www\\.evil.example ann\\@example.org \\&lt;"},
        {"a\xe2\x80\xae" "b\x1b[31mc\r\nd", "a\xef\xbf\xbd" "b\xef\xbf\xbd\\[31mc\nd"},
        {"`a|<b>`", "a\\|\\<b>"},
        {"~~~ x ~~~~ y ~~z~~", "\\~~~ x \\~\\~~~ y ~~z~~"},
        {"- ~~~\n~~~\n<b>\n~~~\n", "- \\~~~\n~~~\n<b>\n~~~\n"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (size_t piece = 1; piece < 40; piece += 3)
            assert_string_equal(check_in(pairs[i][0], piece), pairs[i][1]);
    check("[a](b) ![c](d) <i> http://e.example");
    assert_int_equal(c.counts.active, 4);
}

/* A block of code begins in the first column: a list that ends inside of it can't end it. */
static void blocks(void **state)
{
    assert_string_equal(check("- a\n  ```py title=\"x\"\n<script>\n~~~\n  ```\n<b>\n"), "- a\n```py\n<script>\n~~~\n```\n\\<b>\n");
    assert_string_equal(check("```\nnot closed <b>"), "```\nnot closed <b>\n```\n");
    assert_string_equal(check("open `code and <b>\n\nnext"), "open \\`code and \\<b>\n\nnext");
}

static void sentences(void **state)
{
    check("# A title of many words here\n\nThe following is all that matters:\n\n- one item that says something\n- another that does, too [1]\n\n"
          "In short. Lists are summed by recursion, e.g. in C. [1] Nothing else is said about it!\n");
    assert_int_equal(c.counts.sentences, 4);
    assert_int_equal(c.counts.unsupported, 2);
}

static void pieces_do_not_matter(void **state)
{
    static const char text[] = "A **list** is `list_sum` [1], [2](http://x) 【12】; src/list.c:4 ![i](u)\n\n```c\n[1]\n```\n| a | b |\n|---|---|\n| [1] | <b> |\n";
    char *whole = strdup(check_in(text, sizeof text));
    for (size_t piece = 1; piece < sizeof text; piece++)
        assert_string_equal(check_in(text, piece), whole);
    free(whole);
}

static void bounds(void **state)
{
    static char big[3 << 20];
    memset(big, '[', sizeof big - 1);
    check_in(big, 4096);
    assert_true(c.shown.len <= CITED_TEXT_MAX + 64);
    memset(big, 'x', 9000);
    big[9000] = 0;
    big[0] = '[';
    cited_release(&c);
    cited_open(&c, sources, 3, 4, NULL);
    for (size_t i = 0; i < 9000; i += 10) {
        cited_feed(&c, big + i, 10);
        assert_true(c.held.len <= CITED_HELD);
    }
    cited_end(&c);
    assert_int_equal(c.shown.len, 9001);
    check("");
    assert_int_equal(c.shown.len, 0);
}

static int release(void **state)
{
    cited_release(&c);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right), cmocka_unit_test(places), cmocka_unit_test(invented), cmocka_unit_test(shifted), cmocka_unit_test(forged),
        cmocka_unit_test(active), cmocka_unit_test(blocks), cmocka_unit_test(sentences), cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}

#define _GNU_SOURCE /* memmem */
/* Extractive answers: what they say, that every span is read again, and that sources cannot become active in them. */
#include "small_repo.h"

#include "base/file.h"

static struct answer ask(const char *question, const char *context)
{
    struct answer a;
    struct search_request q = {.text = question, .context = context, .context_len = context ? strlen(context) : 0,
                               .target = &repo.target, .ntargets = 1, .kind = -1, .limit = 10};
    OK(answer_compose(&a, repo.retriever, &q, false, small_read, NULL, &repo.arena, e));
    return a;
}

static void says(const struct answer *a, const char *text)
{
    if (!strstr(a->markdown, text))
        fail_msg("no \"%s\" in\n%s", text, a->markdown);
}

static void says_not(const struct answer *a, const char *text)
{
    if (strstr(a->markdown, text))
        fail_msg("\"%s\" in\n%s", text, a->markdown);
}

/* Numbers run from 1 in order of mention, each is cited in the text, spans are lines of the file. */
static void check_citations(const struct answer *a)
{
    const char *at = a->markdown;
    for (size_t i = 0; i < a->ncitations; i++) {
        const struct citation *c = &a->citation[i];
        char mark[16];
        snprintf(mark, sizeof mark, " [%u]", c->n);
        assert_int_equal(c->n, i + 1);
        assert_true(c->start_line >= 1 && c->end_line >= c->start_line);
        at = strstr(at, mark);
        assert_non_null(at);
    }
}

static void definition(void **state)
{
    struct answer a = ask("add an item to the cart", NULL);
    assert_int_equal(a.mode, ANSWER_EXTRACTIVE);
    says(&a, "**`Cart.add`** \xe2\x80\x94 method in `shop/cart.py:19` [1]\n");
    says(&a, "> Adds an item and returns its price.\n");
    says_not(&a, ":param");
    says(&a, "```python\ndef add(self, sku, count):\n");
    says(&a, "Called by");
    says(&a, "`checkout` [");
    says(&a, "Calls: `price_of` [");
    check_citations(&a);
    assert_int_equal(a.dropped, 0);
    assert_int_equal(a.citation[0].start_line, 19);
}

static void one_read_a_file(void **state)
{
    struct answer a = ask("add an item to the cart", NULL);
    assert_true(a.ncitations > 3);
    assert_true(repo.reads > 0 && repo.reads <= SMALL_FILES);
}

static void documentation_first(void **state)
{
    struct answer a = ask("how do I give a discount", NULL);
    assert_int_equal(a.mode, ANSWER_EXTRACTIVE);
    says(&a, "README.md:");
    says(&a, "> To give a discount, call `Cart.discount` with a rate:\n");
    says(&a, "```\ncart.discount(0.1)\n```");
    says(&a, "**`Cart.discount`**");
    assert_true(strstr(a.markdown, "README.md") < strstr(a.markdown, "shop/cart.py"));
    check_citations(&a);
}

static void not_there(void **state)
{
    static const char *const questions[] = {"where is the Kafka consumer?", "how are invoices rendered to PDF?",
                                            "leader election between nodes", "ThumbnailGenerator"};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        struct answer a = ask(questions[i], NULL);
        assert_int_equal(a.mode, ANSWER_INSUFFICIENT);
        says(&a, "Not enough evidence");
        says_not(&a, "```");
        check_citations(&a);
    }
    struct answer a = ask("where is the Kafka consumer?", NULL);
    says(&a, "Nowhere in it: `kafka`");
}

/* A source that changed or went since it was indexed: nothing of it is shown, the rest is numbered without a gap. */
static void sources_that_moved(void **state)
{
    repo.changed = "shop/cart.py";
    struct answer a = ask("add an item to the cart", NULL);
    assert_true(a.dropped > 0);
    says_not(&a, "shop/cart.py");
    says_not(&a, "Adds an item");
    check_citations(&a);
    repo.changed = NULL;
    repo.gone = "shop/cart.py";
    a = ask("add an item to the cart", NULL);
    assert_true(a.dropped > 0);
    says_not(&a, "shop/cart.py");
    check_citations(&a);
    repo.gone = NULL;
}

static void secrets_stay_masked(void **state)
{
    struct answer a = ask("prices TOKEN", NULL);
    says_not(&a, "ghp_");
    for (size_t i = 0; i < a.ncitations; i++)
        assert_null(memmem(a.citation[i].hit->snippet.p, a.citation[i].hit->snippet.n, "ghp_", 4));
    bool cited = false; /* masked on both sides, so it holds */
    for (size_t i = 0; i < a.ncitations; i++)
        cited |= a.citation[i].hit->path.n == 13 && !memcmp(a.citation[i].hit->path.p, "shop/store.py", 13);
    assert_true(cited);
}

static void nothing_becomes_active(void **state)
{
    struct answer a = ask("how to use hostile gloves", NULL);
    assert_int_equal(a.mode, ANSWER_EXTRACTIVE);
    says(&a, "gloves are warm");
    says(&a, "\\<script>");
    says_not(&a, " ![x");
    says_not(&a, " [click");
    says_not(&a, "(http:");
    says_not(&a, " <script>");
    says_not(&a, "\xe2\x80\xae");
    says(&a, "````\n```\nnot out\n```\n````");
    a = ask("class Cart items that a customer wants to buy", NULL);
    says_not(&a, " <img");
    says_not(&a, " [1] stay");
}

static const char trace[] = "Traceback (most recent call last):\n"
                            "  File \"/srv/app/shop/checkout.py\", line 11, in checkout\n    cart.add(sku, 1)\n"
                            "  File \"/srv/app/shop/cart.py\", line 27, in add\n    raise CartError(f\"no price\") from why\n"
                            "shop.cart.CartError: no price for item 'pear'\n";

static void python_trace(void **state)
{
    struct answer a = ask("", trace);
    assert_int_equal(a.mode, ANSWER_EXTRACTIVE);
    says(&a, "`shop.cart.CartError: no price for item 'pear'` \xe2\x80\x94 **`Cart.add`** \xe2\x80\x94 method in `shop/cart.py:27` [1]\n");
    says(&a, "def add(self, sku, count):\n");
    says(&a, "`shop/checkout.py:11` in `checkout`");
    says(&a, ": `cart.add(sku, 1)`");
    says(&a, "Where the messages stand:");
    says(&a, "`no price for item` in `shop/cart.py:27`");
    check_citations(&a);
}

static void compiler_error(void **state)
{
    struct answer a = ask("what is wrong", "/build/x/src/list.c:8:16: warning: implicit declaration of function \xe2\x80\x98node_value\xe2\x80\x99\n"
                                           "/build/x/src/list.c:12:5: error: conflicting types for \xe2\x80\x98node_value\xe2\x80\x99\n");
    assert_int_equal(a.mode, ANSWER_EXTRACTIVE);
    says(&a, "`src/list.c:12`");
    says(&a, "`src/list.c:8` in `list_sum`");
    check_citations(&a);
}

static void log_line(void **state)
{
    struct answer a = ask("", "2026-01-31 12:00:00,123 ERROR shop.web: a discount above one for user 4711\n");
    says(&a, "`a discount above one` in `shop/cart.py:34`");
    check_citations(&a);
}

/* A frame of an installed library that only has the same name is not ours. */
static void foreign_frames(void **state)
{
    struct answer a = ask("", "Traceback (most recent call last):\n"
                              "  File \"/usr/lib/python3.11/site-packages/other/cart.py\", line 9, in run\n    x()\n"
                              "ZebraError: striped\n");
    assert_int_equal(a.mode, ANSWER_INSUFFICIENT);
    says(&a, "The place that the trace names is not in it.");
}

/* What was gathered for a file that is gone leaves the rest of the answer whole. */
static void frames_of_gone_files(void **state)
{
    repo.gone = "shop/cart.py";
    struct answer a = ask("", trace); /* the other frame still stands */
    says(&a, "`shop/checkout.py:11`");
    says_not(&a, "shop/cart.py:27");
    assert_true(a.dropped >= 1);
    check_citations(&a);
}

static void odd_questions(void **state)
{
    static const char *const contexts[] = {"\n", "a\0b", "((((((", "File \"\", line 0\n", NULL};
    for (size_t i = 0; contexts[i]; i++) {
        struct answer a;
        struct search_request q = {.text = "cart", .context = contexts[i], .context_len = strlen(contexts[i]), .target = &repo.target,
                                   .ntargets = 1, .kind = -1, .limit = 10};
        OK(answer_compose(&a, repo.retriever, &q, false, small_read, NULL, &repo.arena, e));
        check_citations(&a);
    }
}

/* What a generator reads: whole definitions, who calls them, and nothing that does not read back; looked at again later. */
static void sources(void **state)
{
    struct answer a;
    struct search_request q = {.text = "add an item to the cart", .target = &repo.target, .ntargets = 1, .kind = -1, .limit = 10};
    OK(answer_compose(&a, repo.retriever, &q, true, small_read, NULL, &repo.arena, e));
    assert_int_equal(a.mode, ANSWER_EXTRACTIVE);
    assert_true(a.nsources >= 3);
    assert_string_equal(a.source[0].title, "Cart.add");
    assert_int_equal(a.source[0].kind, SOURCE_DEFINITION);
    assert_non_null(memmem(a.source[0].text.p, a.source[0].text.n, "def add(self", 12));
    assert_non_null(memmem(a.source[0].text.p, a.source[0].text.n, "return price * count", 20)); /* to its end */
    bool caller = false, test = false;
    struct answer_source *all[64];
    bool holds[64];
    for (size_t i = 0; i < a.nsources; i++) {
        const struct answer_source *s = &a.source[i];
        caller |= s->kind == SOURCE_CALLER && memmem(s->text.p, s->text.n, "def checkout", 12);
        test |= s->kind == SOURCE_TEST;
        assert_null(memmem(s->text.p, s->text.n, "ghp_", 4));
        assert_true(s->last >= s->first && s->text.n);
        all[i] = &a.source[i];
    }
    assert_true(caller);
    assert_true(test);
    OK(answer_recheck(holds, all, a.nsources, repo.retriever, &q, small_read, NULL, &repo.arena, e));
    for (size_t i = 0; i < a.nsources; i++)
        assert_true(holds[i]);
    repo.changed = "shop/cart.py";
    OK(answer_recheck(holds, all, a.nsources, repo.retriever, &q, small_read, NULL, &repo.arena, e));
    for (size_t i = 0; i < a.nsources; i++)
        assert_int_equal(holds[i], !str_same(a.source[i].hit.path, STR("shop/cart.py")));
    struct answer b; /* sources that do not read back are none, and no dropped citations */
    OK(answer_compose(&b, repo.retriever, &q, true, small_read, NULL, &repo.arena, e));
    for (size_t i = 0; i < b.nsources; i++)
        assert_false(str_same(b.source[i].hit.path, STR("shop/cart.py")));
    repo.changed = NULL;
    q.text = "quantum entanglement of photons";
    OK(answer_compose(&b, repo.retriever, &q, true, small_read, NULL, &repo.arena, e));
    assert_int_equal(b.nsources, 0); /* not enough evidence: nothing for a model to write about */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, small_open, small_close)
    const struct CMUnitTest tests[] = {
        T(definition), T(sources), T(one_read_a_file), T(documentation_first), T(not_there), T(sources_that_moved), T(secrets_stay_masked),
        T(nothing_becomes_active), T(python_trace), T(compiler_error), T(log_line), T(foreign_frames), T(frames_of_gone_files), T(odd_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

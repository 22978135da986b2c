/* Which questions are searched with the words of the one before. */
#include "retriever/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static const char *follow(const char *question, const char *earlier)
{
    return follow_question(question, earlier, &arena);
}

static void alone(void **state)
{
    static const char *const own[] = {
        "how does the connection pool hand out connections?", "where is the code that parses response headers?",
        "which function writes the lock file?", "where is RetryPolicy defined?", "how are timeouts configured for uploads?",
        "and how does session.send() deal with redirects to other hosts?", "how do I install the package from source",
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_string_equal(follow(own[i], "where is the retry policy?"), own[i]);
    assert_string_equal(follow("who calls it?", NULL), "who calls it?");
    assert_string_equal(follow("\"literal text\" of it", "where is the retry policy?"), "\"literal text\" of it");
}

static void pointing_back(void **state)
{
    static const char *const back[] = {
        "who calls it?", "why?", "and in the tests?", "what about errors?", "is that configurable by users?", "how are they closed?",
        "does this work on Windows as well?", "where are its limits set", "show me an example", "and the default?",
    };
    for (size_t i = 0; i < sizeof back / sizeof *back; i++) {
        const char *s = follow(back[i], "where is the retry policy?");
        size_t n = strlen(back[i]);
        assert_memory_equal(s, back[i], n);
        if (strcmp(s + n, "\nretry policy"))
            fail_msg("%s: %s", back[i], s);
    }
}

/* Words last as long as nothing else is asked about. */
static void chains(void **state)
{
    const char *one = "how does HTTPAdapter.send retry?", *two = follow("who calls it?", one), *three = follow("and why?", two);
    assert_non_null(strstr(two, "send"));
    assert_non_null(strstr(two, "retry"));
    assert_non_null(strstr(three, "retry"));
    assert_null(strstr(follow("where is the cookie jar filled?", three), "retry"));
}

static int open(void **state)
{
    arena_init(&arena);
    return 0;
}

static int close(void **state)
{
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(alone), cmocka_unit_test(pointing_back), cmocka_unit_test(chains)};
    return cmocka_run_group_tests(tests, open, close);
}

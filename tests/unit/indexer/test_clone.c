/* By what two clones know each other. */
#include "indexer/clone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is(const char *url, const char *want)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "before ");
    bool good = clone_url(&b, url);
    assert_string_equal(b.data + 7, want ? want : "");
    assert_true(good == (want != NULL));
    buf_release(&b);
}

static void addresses(void **state)
{
    static const char *const same[] = {
        "https://git.example.org/team/courier", "https://git.example.org/team/courier.git", "https://git.example.org:8443/team/courier/",
        "https://me:secret@Git.Example.ORG/team/courier.git", "http://git.example.org//team//courier", "ssh://git@git.example.org/team/courier.git",
        "ssh://git@git.example.org:2222/team/courier", "git@git.example.org:team/courier.git", "git.example.org:/team/courier.git/", "git://git.example.org/team/courier",
        "git+ssh://git@git.example.org/team/courier", "https://git.example.org/te%61m/courier", "https://a@b@git.example.org/team/courier",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        is(same[i], "git.example.org/team/courier");
    is("https://git.example.org/team/Courier", "git.example.org/team/Courier"); /* paths are told apart by case */
    is("https://git.example.org/team/.git", "git.example.org/team/.git");
    is("https://[2001:DB8::1]:7/x", "[2001:db8::1]/x");
    is("https://git.example.org/a%00b", "git.example.org/a%00b");
    is("https://git.example.org/a%2", "git.example.org/a%2");
    static const char *const none[] = {"", "/srv/git/courier.git", "../courier", "file:///srv/git/courier", "C:\\code\\courier", "c:courier", "https://", "https:///x",
                                       "https://git.example.org", "https://git.example.org/", "git.example.org:", "a/path:x", "https://h/x y", "https://h/x?y", "://h/x", "courier"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        is(none[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

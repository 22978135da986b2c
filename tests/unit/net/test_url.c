#include "net/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void good(void **state)
{
    static const struct {
        const char *text;
        enum url_scheme scheme;
        const char *user, *host;
        int port;
        const char *path, *key;
    } rows[] = {
        {"https://Git.Office/team/x.git", URL_HTTPS, "", "git.office", 0, "/team/x.git", "git.office/team/x"},
        {"https://git.office:443/team/x/", URL_HTTPS, "", "git.office", 443, "/team/x/", "git.office/team/x"},
        {"https://git.office:8443/x", URL_HTTPS, "", "git.office", 8443, "/x", "git.office:8443/x"},
        {"ssh://git@git.office/team/x.git", URL_SSH, "git", "git.office", 0, "/team/x.git", "git.office/team/x"},
        {"ssh://git.office:2222/~ada/x", URL_SSH, "", "git.office", 2222, "/~ada/x", "git.office:2222/~ada/x"},
        {"git@git.office:team/x.git", URL_SSH, "git", "git.office", 0, "team/x.git", "git.office/team/x"},
        {"git.office:x", URL_SSH, "", "git.office", 0, "x", "git.office/x"},
        {"ssh://git@[fd00::7]:22/x", URL_SSH, "git", "fd00::7", 22, "/x", "fd00::7/x"},
        {"file:///srv/git/x.git", URL_FILE, "", "", 0, "/srv/git/x.git", "file/srv/git/x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct url u;
        struct err e = {0};
        if (url_parse(&u, rows[i].text, &e))
            fail_msg("%s: %s", rows[i].text, e.message);
        assert_int_equal(u.scheme, rows[i].scheme);
        assert_string_equal(u.text, rows[i].text);
        assert_string_equal(u.user, rows[i].user);
        assert_string_equal(u.host, rows[i].host);
        assert_int_equal(u.port, rows[i].port);
        assert_string_equal(u.path, rows[i].path);
        assert_string_equal(u.key, rows[i].key);
        url_release(&u);
    }
}

static void bad(void **state)
{
    static const char *const rows[] = {"", "x", "/srv/x", "http://git.office/x", "git://git.office/x", "ftp://git.office/x", "ext::sh -c id", "https://git.office", "https://git.office/",
                                       "https://ada@git.office/x", "https://ada:pw@git.office/x", "ssh://ada:pw@git.office/x", "https://git.office/x?y", "https://git.office/x#y",
                                       "https:///x", "ssh://-oProxyCommand=id/x", "-oProxyCommand=id:x", "git@-oProxyCommand=id:x", "-l@host:x", "ssh://git@host/", "host:", "git@host:-x",
                                       "https://git.office/a\nb", "https://git.office/a b", "ssh://ho%0ast/x", "ssh://host/a%0ab", "file://elsewhere/x", "https://ho st/x", "a'b@host:x", "host'x:y",
                                       "https://git.office:99999/x"};
    char *longer = malloc(URL_BYTES_MAX + 20);
    struct url u;
    struct err e = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!url_parse(&u, rows[i], &e))
            fail_msg("\"%s\" is no address", rows[i]);
        assert_int_equal(e.code, ERR_USAGE);
        assert_null(u.text);
    }
    strcpy(longer, "https://h/");
    memset(longer + 10, 'a', URL_BYTES_MAX);
    longer[10 + URL_BYTES_MAX] = 0;
    assert_int_equal(url_parse(&u, longer, &e), ERR_USAGE);
    free(longer);
}

static void keys(void **state)
{
    static const char *const same[] = {"https://git.office/team/x", "http://git.office/team/x.git", "git://git.office/team/x.git", "git@git.office:team/x.git", "ssh://git@git.office/team/x.git/"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char *k = url_key(same[i]);
        assert_non_null(k);
        assert_string_equal(k, same[0] + 8);
        free(k);
    }
    assert_null(url_key("file:///etc"));
    assert_null(url_key("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct err e;

static int parse(struct config *c, const char *text)
{
    return config_parse(c, "test.conf", text, strlen(text), &e);
}

static void defaults_pass_their_own_checks(void **state)
{
    struct config c;
    assert_int_equal(config_open(&c, NULL, &e), 0);
    assert_true(c.embed);
    assert_false(c.push_overlay);
    assert_string_equal(c.embed_model, "all-MiniLM-L6-v2");
    assert_int_equal(c.max_file_bytes, 2 << 20);
    assert_int_equal(c.log_level, 1);
    config_close(&c);
    assert_int_equal(config_open(&c, "/nonexistent/config", &e), 0);
    config_close(&c);
}

static void values_of_every_kind(void **state)
{
    struct config c;
    assert_int_equal(parse(&c, "# a comment\n\n  workers=3 # three\r\nembed = no\nembed_model = \"a # b\"  # quoted\n"
                               "max-file-bytes = 512K\nmax_index_bytes=2GiB\nlog_level = debug\npush_overlay = true"), 0);
    assert_int_equal(c.workers, 3);
    assert_false(c.embed);
    assert_string_equal(c.embed_model, "a # b");
    assert_int_equal(c.max_file_bytes, 512 << 10);
    assert_true(c.max_index_bytes == (uint64_t)2 << 30);
    assert_int_equal(c.log_level, 3);
    assert_true(c.push_overlay);
    config_close(&c);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *message, *hint;
    } bad[] = {
        {"workers = 1\nwokers = 2\n", "test.conf:2: no setting is called \"wokers\"", "did you mean workers?"},
        {"workers = 257", "test.conf:1: workers = 257: wanted a whole number from 0 to 256", ""},
        {"workers = -1", "test.conf:1: workers = -1: wanted a whole number from 0 to 256", ""},
        {"workers = 99999999999999999999", NULL, NULL},
        {"workers = 2K", NULL, NULL},
        {"workers =", NULL, NULL},
        {"max_file_bytes = 9999999999T", NULL, NULL},
        {"max_file_bytes = 1X", "test.conf:1: max_file_bytes = 1X: wanted a size from 1K to 256M", ""},
        {"embed = maybe", "test.conf:1: embed = maybe: wanted yes or no", ""},
        {"embed_model =", NULL, NULL},
        {"embed_model = \"open", NULL, NULL},
        {"log_level = loud", "test.conf:1: log_level = loud: wanted one of error|warn|info|debug", ""},
        {"just words", "test.conf:1: \"just words\" is not key = value", ""},
        {"embed = yes\nembed=yes", "test.conf:2: embed is set twice", ""},
        {"push-overlay = yes\npush_overlay = no", "test.conf:2: push-overlay is set twice", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct config c;
        memset(&e, 0, sizeof e);
        assert_int_equal(parse(&c, bad[i].text), ERR_USAGE);
        if (bad[i].message)
            assert_string_equal(e.message, bad[i].message);
        if (bad[i].hint)
            assert_string_equal(e.hint, bad[i].hint);
    }
    struct config c;
    assert_int_equal(config_parse(&c, "t", "workers\0 = 1", 12, &e), ERR_USAGE);
}

static void what_is_shown_reads_back(void **state)
{
    struct config c, back;
    struct buf b = BUF_INIT;
    assert_int_equal(parse(&c, "workers = 7\nmax_file_bytes = 1025\nembed = off\nprovider = cpu"), 0);
    for (size_t i = 0; i < config_nrows; i++) {
        buf_addf(&b, "%s = ", config_rows[i].key);
        config_show(&b, &c, &config_rows[i]);
        buf_addc(&b, '\n');
        assert_true(strlen(config_rows[i].help) > 0);
    }
    assert_non_null(strstr(b.data, "max_file_bytes = 1025\n"));
    assert_non_null(strstr(b.data, "worker_memory = 1G\n"));
    assert_int_equal(parse(&back, b.data), 0);
    assert_int_equal(back.workers, 7);
    assert_int_equal(back.provider, 1);
    assert_int_equal(config_set(&back, "workers", "9", &e), 0);
    assert_int_equal(back.workers, 9);
    assert_int_equal(config_set(&back, "nothing-like-it", "9", &e), ERR_USAGE);
    config_close(&c);
    config_close(&back);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_pass_their_own_checks),
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_shown_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char got[1 << 20];

static size_t all_of(int fd)
{
    size_t n = 0;
    ssize_t some;
    while ((some = read(fd, got + n, sizeof got - 1 - n)) > 0)
        n += (size_t)some;
    got[n] = 0;
    return n;
}

static void test_a_reader_that_stands_still_stops_nobody(void **state)
{
    (void)state;
    int end[2];
    assert_int_equal(pipe(end), 0);
    fcntl(end[0], F_SETFL, O_NONBLOCK);
    log_open(end[1], LOG_WARN);
    for (int i = 0; i < 10000; i++)
        log_line(LOG_WARN, "line %d", i);
    size_t n = all_of(end[0]);
    assert_true(n > 4096 && n <= 1 << 16);
    assert_int_equal(got[n - 1], '\n'); /* whole lines alone */
    unsigned lines = 0, lost = 0;
    for (size_t i = 0; i < n; i++)
        lines += got[i] == '\n';
    log_line(LOG_WARN, "after");
    log_line(LOG_WARN, "and again");
    all_of(end[0]);
    assert_int_equal(sscanf(got, "(%u lines were lost", &lost), 1);
    assert_int_equal(lines + lost, 10000);
    assert_non_null(strstr(got, " warn after\n"));
    assert_null(strstr(strstr(got, " warn after\n"), "lost"));
    log_open(STDERR_FILENO, LOG_WARN);
    close(end[0]), close(end[1]);
}

static void test_a_line_is_one_line(void **state)
{
    (void)state;
    int end[2];
    assert_int_equal(pipe(end), 0);
    fcntl(end[0], F_SETFL, O_NONBLOCK);
    log_open(end[1], LOG_WARN);
    log_line(LOG_WARN, "a\nb\x1b[31m%s", "c\r\n");
    log_line(LOG_INFO, "not this");
    log_line(LOG_ERROR, "%05000d", 7);
    size_t n = all_of(end[0]);
    assert_non_null(strstr(got, " warn a b [31mc  \n"));
    assert_null(strstr(got, "not this"));
    assert_int_equal(got[n - 1], '\n');
    assert_true(n < 2200);
    log_open(STDERR_FILENO, LOG_WARN);
    close(end[0]), close(end[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reader_that_stands_still_stops_nobody),
        cmocka_unit_test(test_a_line_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum address_kind kind_of(const char *text)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &a4.sin_addr) == 1)
        return address_kind((struct sockaddr *)&a4);
    assert_int_equal(inet_pton(AF_INET6, text, &a6.sin6_addr), 1);
    return address_kind((struct sockaddr *)&a6);
}

static void kinds(void **state)
{
    static const char *const open[] = {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
                                       "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "2606:4700::1", "::ffff:1.1.1.1",
                                       "64:ff9b::101:101", "2002:101:101::1"};
    static const char *const inside[] = {"10.0.0.0", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1",
                                         "::1", "fc00::1", "fdff::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::a00:1", "2002:c0a8:1::", "64:ff9b:1::7f00:1"};
    static const char *const never[] = {"0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.100.100.200", "192.0.0.192", "224.0.0.1", "239.255.255.255", "240.0.0.1",
                                        "255.255.255.255", "::", "::7f00:1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254",
                                        "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:1::1"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (kind_of(open[i]) != ADDRESS_PUBLIC)
            fail_msg("%s is public", open[i]);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        if (kind_of(inside[i]) != ADDRESS_PRIVATE)
            fail_msg("%s is private", inside[i]);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (kind_of(never[i]) != ADDRESS_NEVER)
            fail_msg("%s is never spoken to", never[i]);
    assert_int_equal(address_kind(&(struct sockaddr){.sa_family = AF_UNIX}), ADDRESS_NEVER);
}

static void lists(void **state)
{
    assert_true(host_listed("git.office, 10.0.0.7 Forge", "forge"));
    assert_true(host_listed("git.office", "GIT.office"));
    assert_false(host_listed("git.office", "it.office"));
    assert_false(host_listed("git.office", "git.office.evil"));
    assert_false(host_listed("git.office", ""));
    assert_false(host_listed(NULL, "x"));
    assert_false(host_listed("", "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds), cmocka_unit_test(lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What an answer in writing says: the sources that it names, and whether it declines. */
#include "engine/train/said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reads(void **state)
{
    static const struct {
        const char *text;
        uint32_t right, cited, rightly;
        bool refused;
    } cases[] = {
        {"", 1, 0, 0, false},
        {"`push` does [2].", 2, 1, 1, false},
        {"`push` does [2].", 1, 1, 0, false},
        {"[1] and [1, 3], [12]", 3, 3, 1, false},
        {"The sources do not say.", 1, 0, 0, true},
        {"The sources do not say, but [4]", 4, 1, 1, true},
        {"a[i] = b[1", 1, 0, 0, false},      /* code, and what was cut off */
        {"[0] [65] [99999999999] [1,] [,2] [ 3]", 1, 0, 0, false},
        {"[64][63]", 64, 2, 1, false},
        {"[2]", 0, 1, 0, false},             /* none answers */
        {"[[2]]", 2, 1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct said s = said_read((struct str){cases[i].text, strlen(cases[i].text)}, cases[i].right);
        if (s.cited != cases[i].cited || s.right != cases[i].rightly || s.refused != cases[i].refused)
            fail_msg("\"%s\": %u cited, %u rightly, refused %d", cases[i].text, s.cited, s.right, s.refused);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "service/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void build_name(char out[BUILD_MAX], const char *program)
{
    struct stat st;
    long long at = program && !stat(program, &st) ? (long long)st.st_mtime : 0;
    snprintf(out, BUILD_MAX, "%s+%lld", CODEASK_VERSION, at);
}

/* Numbers by value, all else by byte: "0.10.0" is newer than "0.9.0". */
int build_compare(const char *a, const char *b)
{
    while (*a || *b) {
        if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
            char *ea, *eb;
            unsigned long long x = strtoull(a, &ea, 10), y = strtoull(b, &eb, 10);
            if (x != y)
                return x < y ? -1 : 1;
            a = ea;
            b = eb;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++, b++;
        }
    }
    return 0;
}

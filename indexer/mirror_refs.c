#include "indexer/mirror_inside.h"

#include <fnmatch.h>
#include <string.h>

bool branch_wanted(const char *patterns, const char *name)
{
    char one[256];
    for (const char *p = patterns; *p;) {
        size_t n = strcspn(p, ", ");
        if (n && n < sizeof one) {
            memcpy(one, p, n);
            one[n] = 0;
            if (!fnmatch(one, name, 0)) /* '*' takes slashes too: "release*" is release/1 as well */
                return true;
        }
        p += n + strspn(p + n, ", ");
    }
    return false;
}

/* An address: what is taken has a host that no program takes for an option, and gives itself again. */
#include "net/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text = malloc(n + 1);
    struct url u, again;
    memcpy(text, bytes, n);
    text[n] = 0;
    if (!url_parse(&u, text, NULL)) {
        if (*u.host == '-' || *u.user == '-' || *u.path == '-' || strpbrk(u.host, "'\"\\ /@\n") || strpbrk(u.user, "'\"\\ /@\n") || (u.scheme != URL_FILE && !*u.host) ||
            strchr(u.path, '\n') || url_parse(&again, u.text, NULL) || strcmp(again.key, u.key))
            abort();
        url_release(&again);
        url_release(&u);
    }
    free(url_key(text));
    free(text);
    return 0;
}

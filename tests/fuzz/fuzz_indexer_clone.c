/* Addresses of remotes: whatever they are, one line without credentials comes out, or nothing. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "indexer/clone.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct buf out = BUF_INIT;
    char *url = mem_strn((const char *)bytes, n);
    bool good = clone_url(&out, url);
    if (good != (out.len > 0) || (good && (strlen(out.data) != out.len || !strchr(out.data, '/') || *out.data == '/' || out.len > n + 1)))
        abort();
    if (good && memchr(out.data, '@', (size_t)(strchr(out.data, '/') - out.data)))
        abort();
    buf_release(&out);
    free(url);
    return 0;
}

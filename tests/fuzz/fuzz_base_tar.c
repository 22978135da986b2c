/* Any 512 bytes: what is taken is written the same again, and its path leads nowhere else. */
#include "base/tar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t block[TAR_BLOCK] = {0}, again[TAR_BLOCK];
    struct tar_entry t;
    bool end;
    memcpy(block, data, n < sizeof block ? n : sizeof block);
    if (tar_read(&t, &end, block, NULL) || end)
        return 0;
    if (!tar_path_good(t.path) || t.path[0] == '/' || strstr(t.path, "/../") || !strncmp(t.path, "../", 3) || tar_header(again, &t, NULL) ||
        memcmp(again, block, sizeof block))
        abort();
    return 0;
}

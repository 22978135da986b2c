#include "config/machine.h"

#include "base/buf.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MAX 16
#define TEXT_MAX 8192

uint64_t machine_memory_of(const char *meminfo, const char *const *limit, size_t n)
{
    unsigned long long kb = 0, bytes;
    const char *total = meminfo ? strstr(meminfo, "MemTotal:") : NULL;
    uint64_t least = total && sscanf(total, "MemTotal: %llu", &kb) == 1 ? (uint64_t)kb << 10 : 0;
    for (size_t i = 0; i < n; i++)
        if (limit[i] && isdigit((unsigned char)limit[i][0]) && sscanf(limit[i], "%llu", &bytes) == 1 && bytes && (!least || bytes < least))
            least = bytes;
    return least;
}

/* Files of /proc and /sys, whose size is not known before; the caller frees; NULL: there is none. */
static char *text_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = calloc(1, TEXT_MAX + 1);
    ssize_t n = text ? read(fd, text, TEXT_MAX) : -1;
    close(fd);
    if (n < 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* The limits of the group and of all above it. */
static size_t read_limits(char *limit[GROUPS_MAX])
{
    struct buf path = BUF_INIT;
    char *groups = text_of("/proc/self/cgroup"), *own = groups ? strstr(groups, "0::") : NULL;
    size_t n = 0;
    limit[n++] = text_of("/sys/fs/cgroup/memory/memory.limit_in_bytes"); /* of the first version */
    if (own) {
        own += 3;
        own[strcspn(own, "\n")] = 0;
        for (char *end = own + strlen(own); n < GROUPS_MAX; end = strrchr(own, '/')) {
            if (!end)
                break;
            *end = 0;
            buf_clear(&path);
            buf_addf(&path, "/sys/fs/cgroup%s/memory.max", own);
            limit[n++] = text_of(path.data);
        }
    }
    free(groups);
    buf_release(&path);
    return n;
}

uint64_t machine_memory(void)
{
    char *limit[GROUPS_MAX] = {NULL}, *meminfo = text_of("/proc/meminfo");
    size_t n = read_limits(limit);
    uint64_t bytes = machine_memory_of(meminfo, (const char *const *)limit, n);
    for (size_t i = 0; i < n; i++)
        free(limit[i]);
    free(meminfo);
    return bytes;
}

uint64_t engine_memory_of(const struct config *c, uint64_t machine)
{
    if (c->engine_memory)
        return c->engine_memory;
    if (!machine)
        return ENGINE_MEMORY_UNKNOWN;
    return machine / 2 > ENGINE_MEMORY_LEAST ? machine / 2 : ENGINE_MEMORY_LEAST;
}

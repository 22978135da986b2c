#include "engine/residency.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct tenant_row tenants[TENANTS] = {
    [TENANT_EMBEDDER] = {"embedder", 0, 0},   /* every search waits for it, and it is small */
    [TENANT_GENERATOR] = {"generator", 1, 0},
    [TENANT_KV] = {"kv", 1, 50},              /* more of it is more answers at once; the other half stays for who comes later */
    [TENANT_RERANKER] = {"reranker", 2, 0},   /* without it hits keep their order */
    [TENANT_MIRROR] = {"mirror", 3, 25},      /* without it the CPU scans */
    [TENANT_TRAINING] = {"training", 4, 0},
};

uint64_t residency_budget(const struct device_room *r, uint64_t most)
{
    uint64_t eighth = r->total / 8, there = r->free + r->held;
    uint64_t reserve = !r->unified ? RESIDENCY_RESERVE : eighth > RESIDENCY_RESERVE_UNIFIED ? eighth : RESIDENCY_RESERVE_UNIFIED;
    uint64_t budget = there > reserve ? there - reserve : 0;
    return most && most < budget ? most : budget;
}

static void read_kb(uint64_t *to, const char *text, const char *key)
{
    uint64_t kb;
    const char *at = strstr(text, key);
    if (at && sscanf(at + strlen(key), ": %" SCNu64, &kb) == 1 && kb < UINT64_MAX >> 10)
        *to = kb << 10;
}

void residency_meminfo(struct device_room *r, const char *text)
{
    read_kb(&r->total, text, "MemTotal");
    read_kb(&r->free, text, "MemAvailable");
}

static uint64_t sum_floors(const struct claim *c, size_t n, uint32_t owner)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].owner == owner)
            sum += c[i].floor;
    return sum;
}

static uint64_t sum_grants(const struct claim *c, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].placed && !c[i].leaves)
            sum += c[i].grant;
    return sum;
}

static bool sooner(const struct claim *a, const struct claim *b)
{
    unsigned x = tenants[a->tenant].rank, y = tenants[b->tenant].rank;
    if (x != y)
        return x > y;
    return a->busy != b->busy ? !a->busy : a->used < b->used;
}

/* The one that leaves next; NULL: nobody is left. Its owner's keys and values are of its rank, and go with it. */
static const struct claim *next_to_leave(const struct claim *c, size_t n)
{
    const struct claim *found = NULL;
    for (size_t i = 0; i < n; i++)
        if (c[i].placed && !c[i].leaves && (!found || sooner(&c[i], found)))
            found = &c[i];
    return found;
}

static int too_large(const struct claim *c, size_t n, uint32_t owner, uint64_t budget, struct err *e)
{
    char parts[300] = "", name[64] = "";
    for (size_t i = 0, at = 0; i < n; i++) {
        if (c[i].owner != owner)
            continue;
        memcpy(name, c[i].name, sizeof name);
        int len = snprintf(parts + at, sizeof parts - at, "%s%s %" PRIu64 " MB", at ? ", " : "", tenants[c[i].tenant].name, (c[i].floor + (1 << 20) - 1) >> 20);
        at += len > 0 && (size_t)len < sizeof parts - at ? (size_t)len : 0;
    }
    err_set(e, ERR_MEMORY, "%s does not fit the GPU: it needs at least %" PRIu64 " MB (%s), and the budget is %" PRIu64 " MB", name,
            (sum_floors(c, n, owner) + (1 << 20) - 1) >> 20, parts, budget >> 20);
    err_hint(e, "a smaller model or fewer bits (codeask model quantize), a larger gpu_memory, or provider = cpu");
    return ERR_MEMORY;
}

/* More than their floors, out of what is left. */
static void share_out(struct claim *c, size_t n, uint32_t owner, uint64_t budget, uint64_t left)
{
    for (unsigned rank = 0; rank < TENANTS; rank++)
        for (size_t i = 0; i < n; i++) {
            if (c[i].owner != owner || tenants[c[i].tenant].rank != rank)
                continue;
            uint64_t share = budget / 100 * tenants[c[i].tenant].share, more = c[i].ceiling > c[i].floor ? c[i].ceiling - c[i].floor : 0;
            more = more < share ? more : share;
            more = more < left ? more : left;
            c[i].grant = c[i].floor + more;
            left -= more;
        }
}

int residency_admit(struct claim *c, size_t n, uint32_t owner, uint64_t budget, struct err *e)
{
    uint64_t need = sum_floors(c, n, owner);
    for (size_t i = 0; i < n; i++)
        c[i].leaves = false;
    if (need > budget)
        return too_large(c, n, owner, budget, e);
    while (sum_grants(c, n) > budget - need) {
        const struct claim *next = next_to_leave(c, n);
        uint32_t gone = next->owner; /* there is one: the sum is not 0 */
        for (size_t i = 0; i < n; i++)
            c[i].leaves |= c[i].placed && c[i].owner == gone;
    }
    share_out(c, n, owner, budget, budget - need - sum_grants(c, n));
    return 0;
}

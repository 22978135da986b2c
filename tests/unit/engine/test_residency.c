/* The plan of a device's memory, and models that are held to it: on the CPU's backend with a memory of its own that is counted. */
#include "engine/model.h"
#include "engine/residents.h"
#include "kernels/backend.h"
#include "tests/unit/engine/tiny_model.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>

#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)

static struct err e;

static struct claim claim(enum tenant t, uint32_t owner, uint64_t floor, uint64_t ceiling)
{
    struct claim c = {.tenant = t, .owner = owner, .floor = floor, .ceiling = ceiling};
    snprintf(c.name, sizeof c.name, "model-%u", owner);
    return c;
}

static struct claim placed(enum tenant t, uint32_t owner, uint64_t bytes, int64_t used, bool busy)
{
    struct claim c = claim(t, owner, bytes, bytes);
    c.grant = bytes;
    c.placed = true;
    c.used = used;
    c.busy = busy;
    return c;
}

static void budgets(void **state)
{
    struct device_room r = {.total = 24 * GB, .free = 20 * GB, .held = 2 * GB};
    assert_true(residency_budget(&r, 0) == 22 * GB - RESIDENCY_RESERVE);
    assert_true(residency_budget(&r, 8 * GB) == 8 * GB);
    assert_true(residency_budget(&r, 100 * GB) == 22 * GB - RESIDENCY_RESERVE);
    r = (struct device_room){.total = 8 * GB, .free = 100 * MB};
    assert_true(residency_budget(&r, 0) == 0); /* others have it all */
    r = (struct device_room){.total = 128 * GB, .free = 100 * GB, .unified = true};
    assert_true(residency_budget(&r, 0) == 84 * GB); /* an eighth of the machine stays free */
    r = (struct device_room){.total = 16 * GB, .free = 10 * GB, .held = GB, .unified = true};
    assert_true(residency_budget(&r, 0) == 7 * GB);
    residency_meminfo(&r, "MemTotal:       125000 kB\nMemFree:          1 kB\nMemAvailable:   99000 kB\nBuffers: 3 kB\n");
    assert_true(r.total == 125000ull << 10 && r.free == 99000ull << 10 && r.held == GB);
    residency_meminfo(&r, "MemTotal: x\n"); /* what it does not say stays */
    assert_true(r.total == 125000ull << 10 && r.free == 99000ull << 10);
}

static void grants(void **state)
{
    struct claim c[] = {claim(TENANT_GENERATOR, 1, 8 * GB, 8 * GB), claim(TENANT_KV, 1, GB, 64 * GB)};
    assert_int_equal(residency_admit(c, 2, 1, 20 * GB, &e), 0);
    assert_true(c[0].grant == 8 * GB && c[1].grant == GB + 20 * GB / 100 * 50); /* half of the budget beyond its floor */
    assert_int_equal(residency_admit(c, 2, 1, 10 * GB, &e), 0);
    assert_true(c[1].grant == 2 * GB); /* what is left */
    c[1].ceiling = GB + MB;
    assert_int_equal(residency_admit(c, 2, 1, 20 * GB, &e), 0);
    assert_true(c[1].grant == GB + MB);
    assert_int_equal(residency_admit(c, 2, 1, 9 * GB, &e), 0);
    assert_true(c[0].grant == 8 * GB && c[1].grant == GB);
    assert_int_equal(residency_admit(c, 2, 1, 9 * GB - 1, &e), ERR_MEMORY);
    assert_non_null(strstr(e.message, "model-1 does not fit the GPU: it needs at least 9216 MB (generator 8192 MB, kv 1024 MB), and the "
                                      "budget is 9215 MB"));
    assert_non_null(strstr(e.hint, "gpu_memory"));
}

/* Who leaves: bits of owners. */
static unsigned leaving(struct claim *c, size_t n, uint32_t owner, uint64_t budget)
{
    unsigned bits = 0;
    assert_int_equal(residency_admit(c, n, owner, budget, &e), 0);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        bits |= (unsigned)c[i].leaves << c[i].owner;
        sum += (c[i].placed && !c[i].leaves) || c[i].owner == owner ? c[i].grant : 0;
        assert_true(c[i].owner != owner || (c[i].grant >= c[i].floor && c[i].grant <= c[i].ceiling && !c[i].leaves));
    }
    assert_true(sum <= budget);
    return bits;
}

static void who_leaves(void **state)
{
    struct claim c[] = {
        placed(TENANT_EMBEDDER, 1, GB, 1, false),  placed(TENANT_GENERATOR, 2, 4 * GB, 9, false), placed(TENANT_KV, 2, GB, 9, false),
        placed(TENANT_RERANKER, 3, GB, 7, false),  placed(TENANT_RERANKER, 4, GB, 5, false),      placed(TENANT_TRAINING, 5, GB, 8, true),
        claim(TENANT_EMBEDDER, 6, GB, GB),
    };
    const size_t n = sizeof c / sizeof *c;
    assert_int_equal(leaving(c, n, 6, 10 * GB), 0);
    assert_int_equal(leaving(c, n, 6, 9 * GB), 1u << 5);                      /* the least important, though it works */
    assert_int_equal(leaving(c, n, 6, 8 * GB), 1u << 5 | 1u << 4);            /* of two rerankers the one unused for longer */
    c[4].busy = true;
    assert_int_equal(leaving(c, n, 6, 8 * GB), 1u << 5 | 1u << 3);            /* … but the idle one first */
    assert_int_equal(leaving(c, n, 6, 7 * GB), 1u << 5 | 1u << 4 | 1u << 3);
    assert_int_equal(leaving(c, n, 6, 7 * GB - 1), 1u << 5 | 1u << 4 | 1u << 3 | 1u << 2); /* with its keys and values */
    assert_int_equal(leaving(c, n, 6, GB), 1u << 5 | 1u << 4 | 1u << 3 | 1u << 2 | 1u << 1);
    assert_int_equal(residency_admit(c, n, 6, GB - 1, &e), ERR_MEMORY);
    for (size_t i = 0; i < n; i++)
        assert_false(c[i].leaves);
}

/* Any claims: never more than the budget, nobody leaves needlessly. */
static void random_plans(void **state)
{
    uint32_t seed = 5;
    for (int round = 0; round < 2000; round++) {
        struct claim c[8];
        for (uint32_t i = 0; i < 8; i++) {
            seed = seed * 1664525u + 1013904223u;
            c[i] = placed((enum tenant)(seed >> 28) % TENANTS, i, (seed >> 8) % 1000, seed >> 20, seed >> 7 & 1);
        }
        c[7].placed = false;
        c[7].ceiling += seed % 3000;
        uint64_t budget = c[7].floor + (seed >> 3) % 4000, others = 0;
        unsigned gone = leaving(c, 8, 7, budget);
        for (int i = 0; i < 7; i++)
            others += gone >> i & 1 ? 0 : c[i].grant;
        for (int i = 0; i < 7; i++) /* the last that left was needed: one of those gone alone is enough to show it */
            if (gone >> i & 1)
                others += c[i].grant;
        assert_true(!gone || others + c[7].floor > budget);
    }
}

/* -- the CPU with a memory of its own -------------------------------------------------------------------------------------- */

#define BLOCKS_MAX 512
static struct { void *p; size_t bytes; } block[BLOCKS_MAX];
static pthread_mutex_t block_lock = PTHREAD_MUTEX_INITIALIZER; /* guards block, most_held */
static uint64_t device_total, device_limit, most_held;
static struct backend counted;

static uint64_t held(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < BLOCKS_MAX; i++)
        sum += block[i].p ? block[i].bytes : 0;
    return sum;
}

static void note(void *p, size_t bytes)
{
    pthread_mutex_lock(&block_lock);
    int i = 0;
    while (block[i].p)
        i++;
    block[i].p = p;
    block[i].bytes = bytes;
    most_held = held() > most_held ? held() : most_held;
    pthread_mutex_unlock(&block_lock);
}

static void forget(void *p)
{
    pthread_mutex_lock(&block_lock);
    for (int i = 0; i < BLOCKS_MAX; i++)
        if (p && block[i].p == p)
            block[i].p = NULL;
    pthread_mutex_unlock(&block_lock);
}

static int memory(void *dev, void **p, size_t bytes, struct err *err)
{
    int rc = backend_cpu.memory(dev, p, bytes, err);
    if (!rc)
        note(*p, bytes);
    return rc;
}

static void release(void *dev, void *p)
{
    forget(p);
    backend_cpu.release(dev, p);
}

static int weight(void *dev, struct weight **w, enum type type, const struct weight_shape *shape, const struct weight_source *from,
                  struct err *err)
{
    int rc = backend_cpu.weight(dev, w, type, shape, from, err);
    if (!rc)
        note(*w, backend_cpu.weight_bytes(*w));
    return rc;
}

static void weight_release(void *dev, struct weight *w)
{
    forget(w);
    backend_cpu.weight_release(dev, w);
}

static int room(void *dev, struct device_room *out, struct err *err)
{
    pthread_mutex_lock(&block_lock);
    *out = (struct device_room){.total = device_total, .free = device_total - held(), .held = held()};
    pthread_mutex_unlock(&block_lock);
    return 0;
}

static void limit(void *dev, uint64_t bytes)
{
    device_limit = bytes;
}

static void *engine;

static void open_engine(uint64_t device_memory)
{
    counted = backend_cpu;
    counted.name = "counted";
    counted.memory = memory;
    counted.release = release;
    counted.weight = weight;
    counted.weight_release = weight_release;
    counted.room = room;
    counted.limit = limit;
    device_total = 2 * GB;
    most_held = 0;
    struct engine_options o = {.threads = 1, .backend = "counted", .device_memory = device_memory};
    if (local_open_with(&engine, &counted, &o, &e))
        fail_msg("%s", e.message);
}

static const char *const folder[] = {"/tmp/codeask-tiny-residency-1", "/tmp/codeask-tiny-residency-2"};

static int try_embed(void *model, float *out)
{
    const char *text = "return the word";
    size_t len = strlen(text);
    return engine_local.embed(model, EMBED_QUERY, &text, &len, 1, PRIORITY_QUERY, out, NULL, NULL, &e);
}

static void embed(void *model, float *out)
{
    if (try_embed(model, out))
        fail_msg("%s", e.message);
}

static bool there(int i)
{
    struct residency_report r;
    engine_local.residency(engine, &r, &e);
    assert_true(r.planned && r.n == 2);
    return r.claim[i].placed;
}

/* Two models, and room for one: whichever is used is there, with the same vectors each time. */
static void take_turns(void **state)
{
    struct model_info info = {0};
    void *model[2];
    float first[2][TINY_HIDDEN], again[TINY_HIDDEN];
    struct residency_report r;
    open_engine(0);
    assert_int_equal(engine_local.model_open(&model[0], engine, folder[0], &info, &e), 0);
    embed(model[0], first[0]);
    engine_local.residency(engine, &r, &e);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.claim[0].tenant, TENANT_EMBEDDER);
    assert_string_equal(r.claim[0].name, "codeask-tiny-residency-1");
    assert_true(r.claim[0].grant > 0 && r.claim[0].grant == held() && r.claim[0].grant <= r.claim[0].floor);
    uint64_t one = r.claim[0].floor + r.claim[0].grant / 2; /* not enough for both */
    engine_local.model_close(model[0]);
    assert_true(held() == 0);
    engine_local.close(engine);

    open_engine(one);
    for (int i = 0; i < 2; i++)
        if (engine_local.model_open(&model[i], engine, folder[i], &info, &e))
            fail_msg("%s", e.message);
    assert_true(!there(0) && there(1)); /* least recently used */
    assert_true(device_limit == one);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 2; i++) {
            embed(model[i], round ? again : first[i]);
            assert_true(there(i) && !there(!i));
            if (round)
                assert_memory_equal(again, first[i], sizeof again);
        }
    assert_true(memcmp(first[0], first[1], sizeof again) && most_held <= one);
    tiny_model_write(folder[0], 99); /* another model in its place is not taken for it */
    assert_int_equal(try_embed(model[0], again), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.message, "another than when it was opened"));
    tiny_model_write(folder[0], 1);
    embed(model[0], again);
    assert_memory_equal(again, first[0], sizeof again);
    for (int i = 0; i < 2; i++)
        engine_local.model_close(model[i]);
    assert_true(held() == 0);
    engine_local.close(engine);
}

static void too_large(void **state)
{
    struct model_info info = {0};
    void *model;
    open_engine(10000);
    assert_int_equal(engine_local.model_open(&model, engine, folder[0], &info, &e), ERR_MEMORY);
    assert_non_null(strstr(e.message, "codeask-tiny-residency-1 does not fit the GPU"));
    assert_non_null(strstr(e.hint, "gpu_memory"));
    assert_true(held() == 0 && most_held == 0); /* seen before anything was loaded */
    engine_local.close(engine);
}

struct user {
    void *model;
    const float *want;
    int rounds;
};

static void *keep_using(void *arg)
{
    struct user *u = arg;
    float got[TINY_HIDDEN];
    for (int i = 0; i < u->rounds; i++) {
        embed(u->model, got);
        assert_memory_equal(got, u->want, sizeof got);
    }
    return NULL;
}

/* Four threads want two models that do not fit side by side: nobody waits for ever, nobody gets another's vector. */
static void at_once(void **state)
{
    struct model_info info = {0};
    void *model[2];
    float want[2][TINY_HIDDEN];
    pthread_t thread[4];
    struct user user[4];
    struct residency_report r;
    open_engine(0);
    assert_int_equal(engine_local.model_open(&model[0], engine, folder[0], &info, &e), 0);
    engine_local.residency(engine, &r, &e);
    uint64_t one = r.claim[0].floor + r.claim[0].grant / 2; /* not enough for both */
    engine_local.model_close(model[0]);
    engine_local.close(engine);
    open_engine(one);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_local.model_open(&model[i], engine, folder[i], &info, &e), 0);
        embed(model[i], want[i]);
    }
    for (int i = 0; i < 4; i++) {
        user[i] = (struct user){model[i % 2], want[i % 2], 10};
        assert_int_equal(pthread_create(&thread[i], NULL, keep_using, &user[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    assert_true(most_held <= one);
    for (int i = 0; i < 2; i++)
        engine_local.model_close(model[i]);
    assert_true(held() == 0);
    engine_local.close(engine);
}

int main(void)
{
    for (int i = 0; i < 2; i++)
        tiny_model_write(folder[i], (uint32_t)i + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets),      cmocka_unit_test(grants),     cmocka_unit_test(who_leaves), cmocka_unit_test(random_plans),
        cmocka_unit_test(take_turns),   cmocka_unit_test(too_large),  cmocka_unit_test(at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Attention of many rows over the cache on tensor cores, against fp64 over the operands that it multiplies: queries rounded to fp16
 * once they are scaled, probabilities rounded to fp16 under the greatest score so far, page by page (NMSE ≤ 1e-9); and against the
 * reference, which rounds neither (≤ 1e-6: what the rounding costs). */
#include "kernels/block/numbers.h"
#include "tests/ptx/cached.h"

#define LOG2_E 1.44269504f
#define OPERANDS 1e-9
#define ROUNDED 1e-6
#define ROWS 111

static const uint32_t offset[] = {0, 70, ROWS};

struct run {
    struct cached x;
    struct some_rows r;
    struct pair q, y;
    uint32_t position[ROWS];
};

static float cached_value(const void *cache, const struct shape *s, uint32_t page, uint32_t head, uint32_t t, uint32_t c)
{
    return f32_from_f16(((const uint16_t *)cache)[((size_t)(page * s->kv + head) * CACHE_PAGE + t) * s->k_dim + c]);
}

/* One row and head, as the kernel rounds. */
static void modelled(double *y, const struct run *t, const struct shape *s, const struct attend *how, uint32_t row, uint32_t head)
{
    uint32_t sequence = row >= offset[1], kv = head / (s->heads / s->kv), last = t->position[row];
    uint32_t first = how->window && last + 1 > how->window ? last + 1 - how->window : 0;
    const float *q = (const float *)t->q.here.data + (size_t)row * t->q.here.stride + head * s->k_dim;
    double max = -INFINITY, sum = 0;
    for (uint32_t c = 0; c < s->k_dim; c++)
        y[c] = 0;
    for (uint32_t page = first / CACHE_PAGE; page <= last / CACHE_PAGE; page++) {
        double score[CACHE_PAGE], most = max;
        uint32_t at = t->x.table[sequence * STRIDE + page];
        for (uint32_t k = 0; k < CACHE_PAGE; k++) {
            uint32_t key = page * CACHE_PAGE + k;
            score[k] = key >= first && key <= last ? 0 : -INFINITY;
            for (uint32_t c = 0; c < s->k_dim && key >= first && key <= last; c++)
                score[k] += (double)f32_from_f16(f16_from_f32(q[c] * (how->scale * LOG2_E))) * cached_value(t->x.here.k, s, at, kv, k, c);
            most = fmax(most, score[k]);
        }
        double keep = exp2(max - most);
        max = most;
        sum *= keep;
        for (uint32_t c = 0; c < s->k_dim; c++)
            y[c] *= keep;
        for (uint32_t k = 0; k < CACHE_PAGE; k++) {
            double p = exp2(score[k] - max), rounded = f32_from_f16(f16_from_f32((float)p));
            sum += p;
            for (uint32_t c = 0; c < s->k_dim && p > 0; c++)
                y[c] += rounded * cached_value(t->x.here.v, s, at, kv, k, c);
        }
    }
    if (how->sinks)
        sum += exp2((double)how->sinks[head] * LOG2_E - max);
    for (uint32_t c = 0; c < s->k_dim; c++)
        y[c] /= sum;
}

/* What a page holds past the last key that anybody sees, and pages that a window has left: nothing that may be read. */
static void poison(struct run *t, const struct shape *s, uint32_t window)
{
    size_t bytes = (size_t)PAGES * s->kv * CACHE_PAGE * s->k_dim * 2;
    uint16_t *k = mem_alloc(bytes), *v = mem_alloc(bytes);
    uint32_t table[SEQUENCES * STRIDE];
    memcpy(k, t->x.here.k, bytes);
    memcpy(v, t->x.here.v, bytes);
    memcpy(table, t->x.table, sizeof table);
    for (uint32_t q = 0; q < 2; q++) {
        uint32_t end = t->position[offset[q + 1] - 1] + 1, low = t->position[offset[q]] + 1;
        for (uint32_t head = 0; head < s->kv; head++)
            for (uint32_t key = end; key % CACHE_PAGE; key++) {
                size_t line = ((size_t)table[q * STRIDE + key / CACHE_PAGE] * s->kv + head) * CACHE_PAGE + key % CACHE_PAGE;
                for (uint32_t c = 0; c < s->k_dim; c++)
                    k[line * s->k_dim + c] = v[line * s->k_dim + c] = 0x7e00; /* not a number */
            }
        for (uint32_t page = 0; page < STRIDE; page++)
            if (page * CACHE_PAGE >= end || (window && low > window && (page + 1) * CACHE_PAGE <= low - window))
                table[q * STRIDE + page] = PAGE_NONE;
    }
    cuda->put(queue, t->x.there.k, k, bytes);
    cuda->put(queue, t->x.there.v, v, bytes);
    cuda->put(queue, (void *)(uintptr_t)t->x.pt.table, table, sizeof table);
    free(k);
    free(v);
}

/* NMSE against what is modelled; *rounded: against the reference. Negative: refused, with the text. */
static double one(const struct shape *s, uint32_t window, bool sinks, double *rounded, char text[600])
{
    static const float sink[16] = {.5f, -1, 2, 0, 1, -.5f, 3, 0};
    struct run t;
    struct attend how = {.heads = s->heads, .scale = 1 / sqrtf((float)s->k_dim), .window = window, .sinks = sinks ? sink : NULL}, there = how;
    double off = 0, all = 0, y[128];
    for (uint32_t i = 0; i < ROWS; i++)
        t.position[i] = i < offset[1] ? 300 + i : i - offset[1];
    t.r = rows_at(offset, 2, t.position);
    t.q = pair_new(ROWS, s->heads * s->k_dim, TYPE_F32);
    t.y = pair_new(ROWS, s->heads * s->k_dim, TYPE_F32);
    cached_new(&t.x, CACHE_F16, s, 3);
    fill_cache(&t.x, s);
    poison(&t, s, window);
    fill(&t.q, 9, 3);
    if (sinks)
        there.sinks = device_copy(sink, sizeof sink);
    next_seed();
    cpu->attend(host_queue, &t.y.here, &t.q.here, &how, &t.x.here, &t.x.p, &t.r.here);
    cuda->attend(queue, &t.y.there, &t.q.there, &there, &t.x.there, &t.x.pt, &t.r.there);
    read_back(&t.y);
    bool good = synced(text);
    for (uint32_t row = 0; row < ROWS && good; row++)
        for (uint32_t head = 0; head < s->heads; head++) {
            modelled(y, &t, s, &how, row, head);
            for (uint32_t c = 0; c < s->k_dim; c++) {
                double d = at(&t.y.back, row, head * s->k_dim + c) - y[c];
                off += d * d;
                all += y[c] * y[c];
            }
        }
    *rounded = good ? nmse(&t.y, ROWS, false) : -1;
    if (sinks)
        cuda->release(dev, (void *)(uintptr_t)there.sinks);
    cached_free(&t.x);
    pair_free(&t.q);
    pair_free(&t.y);
    rows_free(&t.r);
    return good ? off / all : -1;
}

static void like_fp64(void **state)
{
    static const struct shape shapes[] = {{4, 2, 64, 64, false}, {3, 1, 24, 24, false}, {2, 1, 128, 128, false}, {3, 3, 72, 72, false}};
    char text[600], what[100];
    for (size_t k = 0; k < COUNT(shapes); k++)
        for (int kind = 0; kind < 3; kind++) {
            const struct shape *s = &shapes[k];
            double rounded, off = one(s, kind == 1 ? 37 : 0, kind == 2, &rounded, text);
            snprintf(what, sizeof what, "attend on tensor cores, %u/%u heads of %u, kind %d", s->heads, s->kv, s->k_dim, kind);
            print_message("%s: %.2g over its operands, %.2g over the reference's\n", what, off, rounded);
            within(off, OPERANDS, text, what);
            within(rounded, ROUNDED, text, what);
        }
}

static void planted_bugs_are_caught(void **state)
{
    static const struct { const char *name, *from, *to; int nth; } bugs[] = {
        {"missing barrier", "bar.sync 0;", "", 1},
        {"missing barrier", "bar.sync 0;", "", 2},
        {"missing wait", "cp.async.wait_group 0;", "", 0},
        {"late wait", "cp.async.wait_group 0;", "cp.async.wait_group 1;", 0},
        {"wrong shuffle mask", ", -1;", ", 65535;", 3},
        {"wrong lanes", "shfl.sync.bfly.b32", "shfl.sync.up.b32", 0},
        {"swapped fragment", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", "ldmatrix.sync.aligned.m8n8.x4.shared.b16", 1},
        {"swapped fragment", "ldmatrix.sync.aligned.m8n8.x4.shared.b16", "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", 1},
        {"other numbers", "f32.f16.f16.f32", "f32.bf16.bf16.f32", 1},
    };
    static const struct shape shape = {3, 1, 24, 24, false};
    char text[600];
    double rounded;
    if (!patch) {
        print_message("kernels of a driver cannot be patched: skipped\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(bugs); i++) {
        patch("attend_tile_64", bugs[i].from, bugs[i].to, bugs[i].nth);
        reopen();
        if (!patched())
            fail_msg("%s: nothing to patch", bugs[i].name);
        double off = one(&shape, 37, false, &rounded, text);
        if (off >= 0 && off <= OPERANDS)
            fail_msg("%s was not caught", bugs[i].name);
        print_message("%s: %s\n", bugs[i].name, off < 0 ? text : "a wrong result");
    }
    patch(NULL, NULL, NULL, 0);
    reopen();
}

int main(void)
{
    int ready = sides_open();
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_fp64), cmocka_unit_test(planted_bugs_are_caught)};
    if (ready)
        return ready;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sides_close();
    return failed;
}

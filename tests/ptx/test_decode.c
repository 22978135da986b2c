/* The ops of decoders on the CUDA backend against the CPU's scalar reference, which sums in double: NMSE ≤ 1e-11, for every kind of
 * cache, head, window and gate; and what attention must not depend on (batch, pages, how groups are shared out). */
#include "kernels/cuda/probe.h"
#include "tests/ptx/cached.h"

#define LIMIT 1e-11

static void like(struct pair *p, uint32_t rows, const char *what)
{
    char text[600];
    read_back(p);
    bool good = synced(text);
    within(good ? nmse(p, rows, false) : -1, LIMIT, text, what);
}

static const struct shape shapes[] = {{4, 2, 64, 64, false}, {7, 1, 20, 20, false}, {6, 2, 33, 7, false}, {2, 2, 128, 48, false},
                                      {5, 1, 72, 56, true},  {11, 1, 16, 136, false}};

static bool same_cache(const void *here, const void *there, enum cache_type type, size_t n, const char *what)
{
    size_t size = type == CACHE_F32 ? 4 : type == CACHE_F16 ? 2 : 1, off = 0;
    for (size_t i = 0; i < n; i++)
        if (type == CACHE_F32)
            off += fabsf(((const float *)here)[i] - ((const float *)there)[i]) > 2e-6f;
        else if (type == CACHE_F16) /* a rounding may fall to the other side */
            off += abs((int)((const uint16_t *)here)[i] - (int)((const uint16_t *)there)[i]) > 1;
        else
            off += abs(((const int8_t *)here)[i] - ((const int8_t *)there)[i]) > 1;
    if (off)
        print_error("%s: %zu of %zu values of %zu bytes differ\n", what, off, n, size);
    return off == 0;
}

/* QK-norm, rotation, storing: the rows, and the bytes of the cache. */
static void prepare_like_reference(void **state)
{
    static const uint32_t offset[] = {0, 3, 5}, position[] = {30, 31, 32, 0, 530};
    for (size_t k = 0; k < COUNT(shapes); k++)
        for (int type = CACHE_F32; type <= CACHE_Q8; type++) {
            const struct shape *s = &shapes[k];
            struct cached x;
            uint32_t v_dim = s->latent ? 0 : s->v_dim, width = s->heads * s->k_dim + s->kv * (s->k_dim + v_dim);
            struct some_rows r = rows_at(offset, 2, position);
            struct pair qkv = pair_new(5, width, TYPE_F32), gain = pair_new(1, s->k_dim, TYPE_F32), f = pair_new(1, 64, TYPE_F32);
            uint32_t first = k % 2 ? 4 : 0, dims = (s->k_dim - first) / 2 * 2 - (k == 3 ? 8 : 0);
            cached_new(&x, (enum cache_type)type, s, 3);
            fill(&qkv, 5, 2);
            fill(&gain, 6, 1);
            for (uint32_t i = 0; i < 64; i++)
                ((float *)f.here.data)[i] = powf(10000, -(float)i / 32);
            cuda->put(queue, f.there.data, f.here.data, bytes_of(&f.here));
            struct prepare how = {.heads = s->heads, .kv_heads = s->kv, .k_dim = s->k_dim, .v_dim = v_dim, .eps = 1e-5f,
                                  .rope = {.first = first, .dims = dims, .interleaved = type == 1, .magnitude = type == 2 ? 1.2f : 1}};
            struct prepare there = how;
            if (type != CACHE_Q8) {
                how.q_gain = how.k_gain = gain.here.data;
                there.q_gain = there.k_gain = gain.there.data;
            }
            how.rope.frequency = f.here.data;
            there.rope.frequency = f.there.data;
            next_seed();
            cpu->prepare(host_queue, &qkv.here, &how, &x.here, &x.p, &r.here);
            cuda->prepare(queue, &qkv.there, &there, &x.there, &x.pt, &r.there);
            like(&qkv, 5, "prepare");
            size_t lines = (size_t)PAGES * s->kv * CACHE_PAGE;
            for (int v = 0; v < (s->latent ? 1 : 2); v++) {
                char *back = mem_alloc(x.bytes[v]);
                char text[600];
                cuda->get(queue, back, v ? x.there.v : x.there.k, x.bytes[v]);
                assert_true(synced(text));
                assert_true(same_cache(v ? x.here.v : x.here.k, back, (enum cache_type)type, lines * (v ? s->v_dim : s->k_dim), "cache"));
                free(back);
            }
            cached_free(&x);
            struct pair *all[] = {&qkv, &gain, &f};
            for (size_t i = 0; i < COUNT(all); i++)
                pair_free(all[i]);
            rows_free(&r);
        }
}

/* Positions far from the beginning: the angle is a product that fp32 alone would not hold. */
static void far_positions_turn_exactly(void **state)
{
    static const uint32_t offset[] = {0, 6}, position[] = {0, 1, 4095, 131071, 999983, 16777215};
    struct some_rows r = rows_at(offset, 1, position);
    struct pair q = pair_new(6, 128, TYPE_F32), f = pair_new(1, 64, TYPE_F32);
    fill(&q, 5, 1);
    for (uint32_t i = 0; i < 64; i++)
        ((float *)f.here.data)[i] = powf(500000, -(float)i / 64);
    cuda->put(queue, f.there.data, f.here.data, bytes_of(&f.here));
    struct prepare how = {.heads = 1, .k_dim = 128, .rope = {f.here.data, 0, 128, false, 1}}, there = how;
    there.rope.frequency = f.there.data;
    cpu->prepare(host_queue, &q.here, &how, NULL, NULL, &r.here);
    cuda->prepare(queue, &q.there, &there, NULL, NULL, &r.there);
    like(&q, 6, "rotation");
    pair_free(&q);
    pair_free(&f);
    rows_free(&r);
}

/* kind: 0 plain, 1 window, 2 sinks, 3 soft cap; batch: rows of several sequences of one row each, or a sequence's rows together. */
static void one_attend(const struct shape *s, enum cache_type type, int kind, bool together, struct cached *x)
{
    static const uint32_t single[] = {0, 1, 2}, several[] = {0, 5}, far[] = {300, 559}, near[] = {253, 254, 255, 256, 257};
    float sinks[16] = {.5f, -1, 2, 0, 1, -.5f, 3, 0, 1, 2, -3};
    uint32_t n = together ? 5 : 2;
    char what[100];
    struct some_rows r = together ? rows_at(several, 1, near) : rows_at(single, 2, far);
    struct pair q = pair_new(n, s->heads * s->k_dim, TYPE_F32), y = pair_new(n, s->heads * s->v_dim, TYPE_F32);
    struct attend how = {.heads = s->heads, .scale = 1 / sqrtf((float)s->k_dim), .window = kind == 1 ? 45 : 0,
                         .sinks = kind == 2 ? sinks : NULL, .softcap = kind == 3 ? 2 : 0};
    struct attend there = how;
    if (how.sinks)
        there.sinks = device_copy(sinks, sizeof sinks);
    r.there.longest = r.here.longest = together ? 5 : 1;
    fill(&q, 9, 3);
    next_seed();
    cpu->attend(host_queue, &y.here, &q.here, &how, &x->here, &x->p, &r.here);
    cuda->attend(queue, &y.there, &q.there, &there, &x->there, &x->pt, &r.there);
    snprintf(what, sizeof what, "attend %u/%u heads of %u, %u, cache %d, kind %d, together %d", s->heads, s->kv, s->k_dim, s->v_dim,
             (int)type, kind, (int)together);
    like(&y, n, what);
    if (how.sinks)
        cuda->release(dev, (void *)(uintptr_t)there.sinks);
    pair_free(&q);
    pair_free(&y);
    rows_free(&r);
}

static void attend_like_reference(void **state)
{
    for (size_t k = 0; k < COUNT(shapes); k++)
        for (int type = CACHE_F32; type <= CACHE_Q8; type++) {
            struct cached x;
            cached_new(&x, (enum cache_type)type, &shapes[k], 3);
            fill_cache(&x, &shapes[k]);
            for (int kind = 0; kind < 4; kind++) {
                if ((kind + type + (int)k) % 2 == 0)
                    one_attend(&shapes[k], (enum cache_type)type, kind, false, &x);
                else
                    one_attend(&shapes[k], (enum cache_type)type, kind, true, &x);
            }
            cached_free(&x);
        }
}

/* A row's bytes: alone with its groups side by side, and among others, a block taking all groups, its pages elsewhere. */
static void attend_is_invariant(void **state)
{
    static const uint32_t offset[] = {0, 5}, position[] = {255, 256, 300, 511, 512};
    for (size_t k = 0; k < COUNT(shapes); k += 2) {
        const struct shape *s = &shapes[k];
        struct cached x, moved;
        char text[600];
        struct some_rows r = rows_at(offset, 1, position);
        struct pair q = pair_new(5, s->heads * s->k_dim, TYPE_F32), a = pair_new(5, s->heads * s->v_dim, TYPE_F32);
        struct pair b = pair_new(5, s->heads * s->v_dim, TYPE_F32);
        struct attend how = {.heads = s->heads, .scale = .3f};
        struct bounds one = {1, 1, 1, 1, 1, 1};
        struct err e;
        void *alone;
        cached_new(&x, CACHE_F16, s, 3);
        cached_new(&moved, CACHE_F16, s, 11);
        fill_cache(&x, s);
        fill_cache(&moved, s);
        fill(&q, 9, 3);
        r.there.longest = 5;
        cuda->attend(queue, &a.there, &q.there, &how, &x.there, &x.pt, &r.there);
        read_back(&a);
        assert_true(synced(text) || (print_error("%s\n", text), false));
        assert_int_equal(cuda->queue(dev, &one, &alone, &e), 0); /* it has no scratch: blocks take their groups in turn */
        for (uint32_t i = 0; i < 5; i++) {
            struct some_rows ri = rows_at((uint32_t[]){0, 1}, 1, position + i);
            struct mat qi = q.there, bi = b.there;
            qi.data = (float *)q.there.data + (size_t)i * qi.stride;
            bi.data = (float *)b.there.data + (size_t)i * bi.stride;
            assert_int_equal(cuda->sync(queue, &e), 0);
            next_seed();
            cuda->attend(i % 2 ? queue : alone, &bi, &qi, &how, &moved.there, &moved.pt, &ri.there);
            assert_int_equal(cuda->sync(alone, &e), 0);
            assert_int_equal(cuda->sync(queue, &e), 0);
            rows_free(&ri);
        }
        read_back(&b);
        assert_true(synced(text));
        assert_memory_equal(a.back.data, b.back.data, bytes_of(&a.back));
        cuda->queue_close(alone);
        cached_free(&x);
        cached_free(&moved);
        struct pair *all[] = {&q, &a, &b};
        for (size_t i = 0; i < COUNT(all); i++)
            pair_free(all[i]);
        rows_free(&r);
    }
}

static void small_ops_like_reference(void **state)
{
    static const uint32_t widths[] = {1, 7, 31, 33, 300};
    for (size_t w = 0; w < COUNT(widths); w++) {
        uint32_t cols = widths[w];
        struct some_rows r = rows_new((uint32_t[]){0, 3}, 1, 2);
        struct pair g = pair_new(3, cols, TYPE_F32), u = pair_new(3, cols, TYPE_F32), y = pair_new(3, cols, TYPE_F32);
        char what[60];
        fill(&g, 1, 6);
        fill(&u, 2, 4);
        for (int kind = GLU_SILU; kind <= GLU_CLAMPED; kind++) {
            struct glu how = {.kind = (enum glu_kind)kind, .limit = 2, .alpha = 1.7f};
            next_seed();
            cpu->glu(host_queue, &y.here, &g.here, &u.here, &how, &r.here);
            cuda->glu(queue, &y.there, &g.there, &u.there, &how, &r.there);
            snprintf(what, sizeof what, "glu %d of %u", kind, cols);
            like(&y, 3, what);
        }
        for (int gate = 0; gate < 2; gate++) {
            cpu->add(host_queue, &y.here, &u.here, gate ? &g.here : NULL, &r.here);
            cuda->add(queue, &y.there, &u.there, gate ? &g.there : NULL, &r.there);
            like(&y, 3, "add");
        }
        cpu->softcap(host_queue, &y.here, 3, &r.here);
        cuda->softcap(queue, &y.there, 3, &r.there);
        like(&y, 3, "softcap");
        if (cols == 300) {
            cpu->columns(host_queue, &y.here, 5, 70, &u.here, 9, 31, 4, 29, &r.here);
            cuda->columns(queue, &y.there, 5, 70, &u.there, 9, 31, 4, 29, &r.there);
            like(&y, 3, "columns");
            cuda->copy(queue, y.there.data, u.there.data, bytes_of(&u.there));
            memcpy(y.here.data, u.here.data, bytes_of(&u.here));
            like(&y, 3, "copy");
        }
        struct pair *all[] = {&g, &u, &y};
        for (size_t i = 0; i < COUNT(all); i++)
            pair_free(all[i]);
        rows_free(&r);
    }
}

/* Rms and layer norms with and without bias, a warp a row and a block a row. */
static void norms_like_reference(void **state)
{
    static const uint32_t widths[] = {31, 1024, 1057};
    for (size_t w = 0; w < COUNT(widths); w++)
        for (int kind = 0; kind < 3; kind++) {
            uint32_t cols = widths[w];
            struct some_rows r = rows_new((uint32_t[]){0, 3}, 1, 2);
            struct pair x = pair_new(3, cols, TYPE_F32), gain = pair_new(1, cols, TYPE_F32), bias = pair_new(1, cols, TYPE_F32);
            struct pair y = pair_new(3, cols, TYPE_F32);
            fill(&x, 1, 6);
            fill(&gain, 2, 1);
            fill(&bias, 3, 1);
            struct norm here = {gain.here.data, kind ? NULL : bias.here.data, 1e-6f, kind == 2};
            struct norm there = {gain.there.data, kind ? NULL : bias.there.data, 1e-6f, kind == 2};
            next_seed();
            cpu->norm(host_queue, &y.here, NULL, &x.here, &here, &r.here);
            cuda->norm(queue, &y.there, NULL, &x.there, &there, &r.there);
            like(&y, 3, "norm");
            cuda->norm(queue, &x.there, NULL, &x.there, &there, &r.there); /* in place */
            memcpy(x.here.data, y.here.data, bytes_of(&y.here));
            like(&x, 3, "norm in place");
            struct pair *all[] = {&x, &gain, &bias, &y};
            for (size_t i = 0; i < COUNT(all); i++)
                pair_free(all[i]);
            rows_free(&r);
        }
}

static struct slots slots_there(uint32_t experts, uint32_t n, uint32_t used, void *memory[4])
{
    struct err e;
    size_t bytes[] = {(experts + 1) * 4, n * 4, n * 4, n * 4};
    for (int i = 0; i < 4; i++)
        assert_int_equal(cuda->memory(dev, &memory[i], bytes[i], &e), 0);
    return (struct slots){memory[0], memory[1], memory[2], memory[3], used};
}

static void route_like_reference(void **state)
{
    static const struct route kinds[] = {
        {.kind = ROUTE_SOFTMAX, .experts = 8, .used = 2, .scale = 1},
        {.kind = ROUTE_SOFTMAX, .experts = 60, .used = 8, .normalise = true, .scale = 2.5f},
        {.kind = ROUTE_LATE, .experts = 33, .used = 4, .scale = 1},
        {.kind = ROUTE_SIGMOID, .experts = 64, .used = 6, .groups = 8, .top_groups = 3, .normalise = true, .scale = 1.5f},
        {.kind = ROUTE_SOFTMAX, .experts = 64, .used = 6, .groups = 4, .top_groups = 2, .group_max = true, .scale = 1},
        {.kind = ROUTE_SIGMOID, .experts = 300, .used = 32, .normalise = true, .scale = 1},
    };
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int n = 1; n <= 45; n += 22) {
            struct route how = kinds[k];
            uint32_t rows = (uint32_t)n, slots = rows * how.used;
            struct some_rows r = rows_new((uint32_t[]){0, rows}, 1, 3);
            struct pair logits = pair_new(rows, how.experts, TYPE_F32), bias = pair_new(1, how.experts, TYPE_F32);
            struct pair x = pair_new(slots, 37, TYPE_F32), y = pair_new(rows, 37, TYPE_F32);
            struct slots here = {mem_zero(how.experts + 1, 4), mem_zero(slots, 4), mem_zero(slots, 4), mem_zero(slots, 4), how.used};
            void *memory[4];
            char text[600];
            struct slots there = slots_there(how.experts, slots, how.used, memory);
            uint32_t *group = mem_zero(how.experts + 1, 4), *from = mem_zero(slots, 4), *of_row = mem_zero(slots, 4);
            float *weight = mem_zero(slots, 4);
            fill(&logits, 1, 3);
            fill(&bias, 2, .2f);
            fill(&x, 3, 1);
            struct route away = how;
            if (k % 2) {
                how.bias = bias.here.data;
                away.bias = bias.there.data;
            }
            next_seed();
            cpu->route(host_queue, &here, &logits.here, &how, &r.here);
            cuda->route(queue, &there, &logits.there, &away, &r.there);
            cuda->get(queue, group, there.group, (how.experts + 1) * 4);
            cuda->get(queue, from, there.from, slots * 4);
            cuda->get(queue, of_row, there.of_row, slots * 4);
            cuda->get(queue, weight, there.weight, slots * 4);
            if (!synced(text))
                fail_msg("route %zu: %s", k, text);
            assert_memory_equal(group, here.group, (how.experts + 1) * 4);
            assert_memory_equal(from, here.from, slots * 4);
            assert_memory_equal(of_row, here.of_row, slots * 4);
            for (uint32_t i = 0; i < slots; i++)
                assert_true(fabsf(weight[i] - here.weight[i]) <= 2e-6f * fabsf(here.weight[i]));
            cpu->combine(host_queue, &y.here, &x.here, &here, &r.here);
            cuda->combine(queue, &y.there, &x.there, &there, &r.there);
            like(&y, rows, "combine");
            void *all[] = {here.group, here.from, here.of_row, here.weight, group, from, of_row, weight};
            for (size_t i = 0; i < COUNT(all); i++)
                free(all[i]);
            for (int i = 0; i < 4; i++)
                cuda->release(dev, memory[i]);
            struct pair *pairs[] = {&logits, &bias, &x, &y};
            for (size_t i = 0; i < COUNT(pairs); i++)
                pair_free(pairs[i]);
            rows_free(&r);
        }
}

/* Three sequences: one that begins, one that goes on in place, one whose state is kept as it was and a new one written. */
static void delta_like_reference(void **state)
{
    static const uint32_t offset[] = {0, 2, 7, 8}, from[] = {PAGE_NONE, 1, 2}, to[] = {0, 1, 3};
    enum { SLOTS = 4 };
    struct delta d = {.k_heads = 2, .v_heads = 4, .k_dim = 12, .v_dim = 17, .kernel = 4, .eps = 1e-6f}, there = d;
    uint32_t columns = 2 * d.k_heads * d.k_dim + d.v_heads * d.v_dim, width = columns + d.v_heads * d.v_dim + 2 * d.v_heads;
    uint32_t size = (uint32_t)delta_state(&d);
    struct some_rows r = rows_new(offset, 3, 0);
    struct pair x = pair_new(8, width, TYPE_F32), y = pair_new(8, d.v_heads * d.v_dim, TYPE_F32), conv = pair_new(1, columns * 4, TYPE_F32);
    struct pair decay = pair_new(1, 4, TYPE_F32), bias = pair_new(1, 4, TYPE_F32), gain = pair_new(1, d.v_dim, TYPE_F32);
    struct pair base = pair_new(SLOTS, size, TYPE_F32);
    struct states s = {.base = base.here.data, .size = base.here.stride, .from = from, .to = to}, st = s;
    fill(&x, 1, 1);
    fill(&conv, 2, 1);
    fill(&decay, 3, 1);
    fill(&bias, 4, 1);
    fill(&gain, 5, 1);
    fill(&base, 6, 1);
    d.conv = conv.here.data, d.decay = decay.here.data, d.dt_bias = bias.here.data, d.gain = gain.here.data;
    there.conv = conv.there.data, there.decay = decay.there.data, there.dt_bias = bias.there.data, there.gain = gain.there.data;
    st.base = base.there.data;
    st.from = device_copy(from, sizeof from);
    st.to = device_copy(to, sizeof to);
    next_seed();
    cpu->delta(host_queue, &y.here, &x.here, &d, &s, &r.here);
    cuda->delta(queue, &y.there, &x.there, &there, &st, &r.there);
    like(&y, 8, "delta");
    like(&base, SLOTS, "its states");
    cuda->release(dev, (void *)(uintptr_t)st.from);
    cuda->release(dev, (void *)(uintptr_t)st.to);
    struct pair *all[] = {&x, &y, &conv, &decay, &bias, &gain, &base};
    for (size_t i = 0; i < COUNT(all); i++)
        pair_free(all[i]);
    rows_free(&r);
}

/* Every word is read once, whatever the size. */
static void probe_reads_every_word(void **state)
{
    static const uint32_t words[] = {4, 28, 4096, 40004};
    for (size_t i = 0; i < COUNT(words); i++) {
        uint32_t *x = mem_alloc(words[i] * 4), want = 0, got = 0;
        char text[600];
        for (uint32_t k = 0; k < words[i]; k++)
            want ^= x[k] = k * 2654435761u;
        void *from = device_copy(x, words[i] * 4), *out = device_copy(&got, 4);
        cuda_probe(queue, from, words[i] * 4, out);
        cuda->get(queue, &got, out, 4);
        assert_true(synced(text) || (print_error("%s\n", text), false));
        assert_int_equal(got, want);
        cuda->release(dev, from);
        cuda->release(dev, out);
        free(x);
    }
}

/* What a kernel with a planted bug is run with. false: the device has refused, or the result is wrong. */
static bool attend_is_right(char text[600])
{
    static const uint32_t offset[] = {0, 5}, position[] = {253, 254, 255, 256, 257};
    const struct shape *s = &shapes[0];
    struct cached x;
    struct some_rows r = rows_at(offset, 1, position);
    struct pair q = pair_new(5, s->heads * s->k_dim, TYPE_F32), y = pair_new(5, s->heads * s->v_dim, TYPE_F32);
    struct attend how = {.heads = s->heads, .scale = .1f};
    cached_new(&x, CACHE_F16, s, 3);
    fill_cache(&x, s);
    fill(&q, 9, 3);
    r.there.longest = 5;
    cpu->attend(host_queue, &y.here, &q.here, &how, &x.here, &x.p, &r.here);
    cuda->attend(queue, &y.there, &q.there, &how, &x.there, &x.pt, &r.there);
    read_back(&y);
    bool right = synced(text) && nmse(&y, 5, false) <= LIMIT;
    if (right) { /* and where blocks take their groups in turn: a queue of one row has no scratch */
        struct bounds one = {1, 1, 1, 1, 1, 1};
        struct err e;
        void *alone;
        assert_int_equal(cuda->queue(dev, &one, &alone, &e), 0);
        cuda->attend(alone, &y.there, &q.there, &how, &x.there, &x.pt, &r.there);
        right = cuda->sync(alone, &e) == 0;
        cuda->queue_close(alone);
        read_back(&y);
        right = synced(text) && right && nmse(&y, 5, false) <= LIMIT;
    }
    cached_free(&x);
    pair_free(&q);
    pair_free(&y);
    rows_free(&r);
    return right;
}

static bool norm_is_right(char text[600])
{
    struct some_rows r = rows_new((uint32_t[]){0, 3}, 1, 0);
    struct pair x = pair_new(3, 1057, TYPE_F32), y = pair_new(3, 1057, TYPE_F32), gain = pair_new(1, 1057, TYPE_F32);
    fill(&x, 1, 6);
    fill(&gain, 2, 1);
    struct norm here = {gain.here.data, NULL, 1e-6f, false}, there = {gain.there.data, NULL, 1e-6f, false};
    cpu->norm(host_queue, &y.here, NULL, &x.here, &here, &r.here);
    cuda->norm(queue, &y.there, NULL, &x.there, &there, &r.there);
    read_back(&y);
    bool right = synced(text) && nmse(&y, 3, false) <= LIMIT;
    struct pair *all[] = {&x, &y, &gain};
    for (size_t i = 0; i < COUNT(all); i++)
        pair_free(all[i]);
    rows_free(&r);
    return right;
}

static bool route_is_right(char text[600])
{
    enum { ROWS = 172, USED = 6, EXPERTS = 64 }; /* more slots than the sort has threads */
    struct route how = {.kind = ROUTE_SIGMOID, .experts = EXPERTS, .used = USED, .groups = 8, .top_groups = 3, .normalise = true, .scale = 1};
    struct some_rows r = rows_new((uint32_t[]){0, ROWS}, 1, 0);
    struct pair logits = pair_new(ROWS, EXPERTS, TYPE_F32);
    static uint32_t group[EXPERTS + 1], from[ROWS * USED], of_row[ROWS * USED], back[ROWS * USED];
    static float weight[ROWS * USED];
    struct slots here = {group, from, of_row, weight, USED};
    void *memory[4];
    struct slots there = slots_there(EXPERTS, ROWS * USED, USED, memory);
    fill(&logits, 1, 3);
    cpu->route(host_queue, &here, &logits.here, &how, &r.here);
    cuda->route(queue, &there, &logits.there, &how, &r.there);
    cuda->get(queue, back, there.of_row, sizeof back);
    bool right = synced(text) && !memcmp(back, of_row, sizeof back);
    for (int i = 0; i < 4; i++)
        cuda->release(dev, memory[i]);
    pair_free(&logits);
    rows_free(&r);
    return right;
}

/* Every barrier of a kernel taken out alone, and each shuffle among the wrong lanes: each must be caught, but for as many as the
 * table says nothing depends on where they stand. */
static void planted_bugs_are_caught(void **state)
{
    static const struct {
        const char *kernel, *from, *to;
        bool (*right)(char text[600]);
        int unseen;
    } bugs[] = {
        {"attend_f16", "bar.sync 0;", "", attend_is_right, 2}, /* the two at the end of a group that is alone */
        {"attend_f16", "shfl.sync.bfly.b32", "shfl.sync.up.b32", attend_is_right, 0},
        {"norm_wide", "bar.sync 0;", "", norm_is_right, 0},
        {"route_choose", "bar.warp.sync -1;", "", route_is_right, 0},
        {"route_sort", "bar.sync 0;", "", route_is_right, 0},
    };
    char text[600];
    if (!patch) {
        print_message("kernels of a driver cannot be patched: skipped\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(bugs); i++) {
        int caught = 0, n = 0;
        for (;; n++) {
            patch(bugs[i].kernel, bugs[i].from, bugs[i].to, n + 1);
            reopen();
            if (!patched())
                break;
            bool right = bugs[i].right(text);
            caught += !right;
            if (right)
                print_message("%s without \"%s\" number %d: right\n", bugs[i].kernel, bugs[i].from, n + 1);
        }
        print_message("%s, \"%s\": %d of %d caught\n", bugs[i].kernel, bugs[i].from, caught, n);
        if (!n || caught + bugs[i].unseen < n)
            fail_msg("%s: %d of %d", bugs[i].kernel, caught, n);
    }
    patch(NULL, NULL, NULL, 0);
    reopen();
}

int main(void)
{
    int ready = sides_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_like_reference),   cmocka_unit_test(far_positions_turn_exactly), cmocka_unit_test(attend_like_reference),
        cmocka_unit_test(attend_is_invariant),      cmocka_unit_test(small_ops_like_reference),   cmocka_unit_test(norms_like_reference),
        cmocka_unit_test(route_like_reference),     cmocka_unit_test(delta_like_reference),       cmocka_unit_test(probe_reads_every_word),
        cmocka_unit_test(planted_bugs_are_caught),
    };
    if (ready)
        return ready;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sides_close();
    return failed;
}

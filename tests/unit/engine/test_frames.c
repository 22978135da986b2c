#include "engine/process/frames_generate.h"

#include "engine/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct err e;

static struct frame whole(const struct buf *b)
{
    struct frame f = {0};
    for (size_t n = 0; n < b->len; n++) /* a piece of a frame is never a frame */
        assert_int_equal(frame_read(&f, (uint8_t *)b->data, n, &e), 0);
    assert_int_equal(frame_read(&f, (uint8_t *)b->data, b->len, &e), b->len);
    return f;
}

static void generation_comes_back(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    static const uint8_t content[2][20] = {{1, 2}, {3}};
    const struct gen_message message[] = {{"system", "be brief", 8}, {"user", "a\0b", 3}, {"assistant", "", 0}};
    const struct gen_prompt p = {message, 3,
                                 {.max_tokens = 9, .max_reasoning = 8, .temperature = .5f, .top_p = .9f, .min_p = .1f, .top_k = 7,
                                  .repetition = 1.1f, .seed = 1ull << 63, .stop = {"\n\n", "END"}, .grammar = "root ::= \"x\"",
                                  .lookup = true},
                                 {content, 2, "scope"}, "/home/adapters/x"};
    assert_int_equal(frame_put_generate(&b, 5, 3, &p, &e), 0);
    struct frame f = whole(&b);
    struct frame_generate g;
    assert_int_equal(frame_get_generate(&g, &f, &e), 0);
    const struct gen_options *o = &g.prompt.options;
    assert_true(g.model == 3 && g.prompt.n == 3 && o->max_tokens == 9 && o->max_reasoning == 8 && o->top_k == 7 && o->lookup);
    assert_true(o->temperature == .5f && o->top_p == .9f && o->min_p == .1f && o->repetition == 1.1f && o->seed == 1ull << 63);
    assert_string_equal(o->stop[1], "END");
    assert_null(o->stop[2]);
    assert_string_equal(o->grammar, "root ::= \"x\"");
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(g.prompt.message[i].role, message[i].role);
        assert_int_equal(g.prompt.message[i].len, message[i].len);
        assert_memory_equal(g.prompt.message[i].text, message[i].text, message[i].len);
    }
    assert_int_equal(g.prompt.provenance.ncontent, 2);
    assert_memory_equal(g.prompt.provenance.content, content, sizeof content);
    assert_string_equal(g.prompt.provenance.scope, "scope");
    assert_string_equal(g.prompt.adapter, "/home/adapters/x");
    frame_generate_release(&g);
    ((uint8_t *)b.data)[FRAME_HEAD + 44] = 9; /* more stop strings than there may be */
    f.payload = (uint8_t *)b.data + FRAME_HEAD;
    assert_int_equal(frame_get_generate(&g, &f, &e), ERR_FORMAT);

    const struct gen_message tool = {"tool", "x", 1};
    buf_clear(&b);
    assert_int_equal(frame_put_generate(&b, 5, 3, &(struct gen_prompt){.message = &tool, .n = 1}, &e), ERR_USAGE);

    buf_clear(&b);
    struct gen_piece piece = {GEN_ANSWER, "hello", 5, 3, 4}, piece2;
    frame_put_piece(&b, 5, &piece);
    f = whole(&b);
    assert_int_equal(frame_get_piece(&piece2, &f, &e), 0);
    assert_true(piece2.channel == GEN_ANSWER && piece2.len == 5 && piece2.prompt_done == 3 && piece2.prompt_total == 4);
    assert_memory_equal(piece2.text, "hello", 5);

    buf_clear(&b);
    struct gen_result r = {GEN_END_STOP, 1, 2, 3, 4, 5, 6, 7.5, 8.5, 9.5, 10.5}, r2 = {0};
    frame_put_generated(&b, 5, &r);
    f = whole(&b);
    assert_int_equal(frame_get_generated(&r2, &f, &e), 0);
    assert_true(r2.end == GEN_END_STOP && r2.accepted == 6 && r2.ms_prompt == 7.5 && r2.ms_total == 9.5 && r2.ms_read == 10.5);

    buf_clear(&b);
    const char *const text[] = {"one", "b\0c"};
    const size_t len[] = {3, 3};
    struct frame_count c;
    frame_put_count(&b, 6, 1, text, len, 2);
    f = whole(&b);
    assert_int_equal(frame_get_count(&c, &f, &e), 0);
    assert_true(c.n == 2 && c.len[1] == 3 && !memcmp(c.text[1], "b\0c", 4));
    frame_count_release(&c);

    buf_clear(&b);
    uint32_t model, counts[] = {7, 8}, got[2];
    const uint8_t *which;
    frame_put_counts(&b, 6, counts, 2);
    f = whole(&b);
    assert_int_equal(frame_get_counts(got, 2, &f, &e), 0);
    assert_memory_equal(got, counts, sizeof counts);
    assert_int_equal(frame_get_counts(got, 1, &f, &e), ERR_FORMAT);
    buf_clear(&b);
    frame_put_forget(&b, 6, 4, content[0]);
    f = whole(&b);
    assert_int_equal(frame_get_forget(&model, &which, &f, &e), 0);
    assert_true(model == 4 && !memcmp(which, content[0], 20));
    buf_release(&b);
}

static void residency_comes_back(void **state)
{
    struct buf b = BUF_INIT;
    struct residency_report r = {.planned = true, .room = {.total = 9, .free = 7, .held = 2, .unified = true}, .budget = 5, .n = 2}, got;
    r.claim[0] = (struct claim){.tenant = TENANT_GENERATOR, .name = "model", .floor = 1ull << 40, .ceiling = 3, .grant = 4, .placed = true, .busy = true};
    r.claim[1] = (struct claim){.tenant = TENANT_KV, .name = "model"};
    frame_put_resident(&b, &r);
    struct frame f = whole(&b);
    assert_int_equal(frame_get_resident(&got, &f, &e), 0);
    assert_memory_equal(&got, &r, sizeof got);
    for (size_t n = 0; n < f.len; n++) {
        struct frame cut = {f.kind, f.id, f.payload, n};
        assert_int_equal(frame_get_resident(&got, &cut, &e), ERR_FORMAT);
    }
    b.data[FRAME_HEAD + 4 + 4 * 8] = (char)(RESIDENCY_CLAIMS_MAX + 1); /* more claims than there can be */
    assert_int_equal(frame_get_resident(&got, &f, &e), ERR_FORMAT);
    buf_release(&b);
}

static void frames_come_back(void **state)
{
    struct buf b = BUF_INIT;
    struct frame f;
    struct frame_hello hello = {"1.0", "cpu", "", "why", 3, 1ull << 40, 1ull << 33, 5ull << 30, "/home/prefixes", "/models/small.gguf", "/home/adapters/ours"},
                       hello2;
    frame_put_hello(&b, 7, &hello);
    f = whole(&b);
    assert_int_equal(f.id, 7);
    assert_int_equal(frame_get_hello(&hello2, &f, &e), 0);
    assert_string_equal(hello2.build, "1.0");
    assert_string_equal(hello2.instead, "why");
    assert_true(hello2.max_memory == 1ull << 40 && hello2.threads == 3 && hello2.prefix_bytes == 1ull << 33);
    assert_string_equal(hello2.prefix_folder, "/home/prefixes");
    assert_string_equal(hello2.draft, "/models/small.gguf");
    assert_string_equal(hello2.adapter, "/home/adapters/ours");
    assert_true(hello2.device_memory == 5ull << 30);

    buf_clear(&b);
    struct frame_open open;
    frame_put_open(&b, 8, 2, "/models/x");
    f = whole(&b);
    assert_int_equal(frame_get_open(&open, &f, &e), 0);
    assert_string_equal(open.path, "/models/x");

    buf_clear(&b);
    const char *const text[] = {"one", "", "three\0x"};
    const size_t len[] = {3, 0, 7};
    struct frame_embed embed;
    frame_put_embed(&b, 9, 2, EMBED_DOCUMENT, PRIORITY_QUERY, text, len, 3);
    f = whole(&b);
    assert_int_equal(frame_get_embed(&embed, &f, &e), 0);
    assert_int_equal(embed.n, 3);
    assert_int_equal(embed.kind, EMBED_DOCUMENT);
    assert_int_equal(embed.priority, PRIORITY_QUERY);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(embed.len[i], len[i]);
        assert_memory_equal(embed.text[i], text[i], len[i]);
    }
    frame_embed_release(&embed);

    buf_clear(&b);
    frame_put_rerank(&b, 10, 3, text, len, 2);
    f = whole(&b);
    assert_int_equal(f.kind, FRAME_RERANK);
    assert_int_equal(frame_get_embed(&embed, &f, &e), 0);
    assert_true(embed.n == 2 && embed.model == 3);
    frame_embed_release(&embed);

    buf_clear(&b);
    const uint32_t used[] = {4, 5};
    const float rows[] = {1, 2, 3, 4, 5, 6};
    struct frame_vectors v;
    frame_put_vectors(&b, 9, 2, 3, used, rows);
    f = whole(&b);
    assert_int_equal(frame_get_vectors(&v, &f, &e), 0);
    assert_int_equal(v.n, 2);
    assert_memory_equal(v.rows, rows, sizeof rows);
    assert_memory_equal(v.used, used, sizeof used);

    buf_clear(&b);
    struct model_info info = {.name = "m", .family = "bert", .dim = 384, .max_tokens = 256, .bytes = 9, .prompt_rate = 2.5f,
                              .prompt_slope = 1e-6f, .provider = "cpu"}, info2;
    frame_put_opened(&b, 1, &info);
    f = whole(&b);
    assert_int_equal(frame_get_opened(&info2, &f, &e), 0);
    assert_memory_equal(&info, &info2, sizeof info);
    buf_clear(&b);
    info.dim = 0;
    info.scores = true;
    frame_put_opened(&b, 1, &info);
    f = whole(&b);
    assert_int_equal(frame_get_opened(&info2, &f, &e), 0);
    assert_memory_equal(&info, &info2, sizeof info);
    buf_clear(&b);
    info.scores = false; /* good for nothing */
    frame_put_opened(&b, 1, &info);
    f = whole(&b);
    assert_int_equal(frame_get_opened(&info2, &f, &e), ERR_FORMAT);

    buf_clear(&b);
    struct err out = {.code = ERR_LIMIT, .message = "too much", .hint = "less"}, in = {0};
    frame_put_fail(&b, 1, &out);
    f = whole(&b);
    assert_int_equal(frame_get_fail(&f, &in), ERR_LIMIT);
    assert_memory_equal(&in, &out, sizeof in);
    buf_release(&b);
}

static void garbage_is_refused(void **state)
{
    struct frame f;
    uint8_t head[FRAME_HEAD] = {0};
    assert_int_equal(frame_read(&f, head, sizeof head, &e), ERR_FORMAT); /* kind 0 */
    head[4] = FRAME_CANCEL;
    assert_int_equal(frame_read(&f, head, sizeof head, &e), FRAME_HEAD);
    head[6] = 1;
    assert_int_equal(frame_read(&f, head, sizeof head, &e), ERR_FORMAT);
    head[6] = 0;
    head[3] = 0x7F; /* two gigabytes are not waited for */
    assert_int_equal(frame_read(&f, head, sizeof head, &e), ERR_FORMAT);
}

/* Every payload with any 32-bit word of it replaced, and every truncation, reads as ERR_FORMAT or within its bounds. */
static void counts_that_lie(void **state)
{
    static const uint32_t lie[] = {0, 1, 255, 256, 257, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x40000001, TEXT_MAX + 1};
    const char *const text[] = {"one", "four"};
    const size_t len[] = {3, 4};
    const uint32_t used[] = {4, 5};
    const float rows[] = {1, 2, 3, 4};
    for (int kind = 0; kind < 2; kind++) {
        struct buf b = BUF_INIT;
        struct frame f;
        if (kind)
            frame_put_vectors(&b, 1, 2, 2, used, rows);
        else
            frame_put_embed(&b, 1, 1, EMBED_QUERY, PRIORITY_QUERY, text, len, 2);
        assert_true(frame_read(&f, (uint8_t *)b.data, b.len, &e) > 0);
        for (size_t at = 0; at + 4 <= f.len; at++)
            for (size_t k = 0; k < sizeof lie / sizeof *lie; k++)
                for (size_t cut = 0; cut <= 4; cut += 4) {
                    size_t n = f.len - cut;
                    uint8_t *p = malloc(n); /* exact, so that a sanitizer sees a byte too much */
                    memcpy(p, f.payload, n);
                    if (at + 4 <= n)
                        memcpy(p + at, &lie[k], 4);
                    struct frame g = {f.kind, 1, p, n};
                    struct frame_embed m;
                    struct frame_vectors v;
                    volatile uint8_t sum = 0;
                    if (kind && !frame_get_vectors(&v, &g, &e))
                        for (size_t i = 0; i < (size_t)v.n * v.dim * 4; i++)
                            sum += v.rows[i];
                    if (!kind && !frame_get_embed(&m, &g, &e)) {
                        for (uint32_t i = 0; i < m.n; i++)
                            for (size_t c = 0; c < m.len[i]; c++)
                                sum += (uint8_t)m.text[i][c];
                        frame_embed_release(&m);
                    }
                    free(p);
                }
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(residency_comes_back), cmocka_unit_test(frames_come_back),
        cmocka_unit_test(generation_comes_back),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(counts_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

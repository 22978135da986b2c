/* Tokens drawn on the device are those that the sampler draws of the same logits: for every setting, with ties, tails and what was said
 * before, in whole steps of a decoder too, where the host's wait then carries tokens and no logits. */
#include "engine/generate/generator.h"
#include "engine/sample/sample.h"
#include "kernels/draw.h"
#include "tests/ptx/pair.h"
#include "tests/unit/engine/tiny_writer.h"

#define VOCAB_MAX 3000
#define ROWS 6

struct drawing {
    struct sampler *sampler;
    struct sample_settings how[ROWS];
    uint32_t history[40], vocab;
    struct draw_batch batch;
    struct pair logits;
};

static const struct sample_settings settings[] = {
    {.temperature = 0, .top_p = 1, .repetition = 1},
    {.temperature = 1, .top_p = 1, .repetition = 1},
    {.temperature = .7f, .top_k = 5, .top_p = 1, .repetition = 1},
    {.temperature = 1.5f, .top_p = .8f, .repetition = 1},
    {.temperature = 1, .top_p = 1, .min_p = .05f, .repetition = 1},
    {.temperature = .9f, .top_k = 40, .top_p = .95f, .min_p = .02f, .repetition = 1.3f},
    {.temperature = 2, .top_k = 1, .top_p = 1, .repetition = 1},
    {.temperature = 1, .top_p = .0001f, .repetition = 1, .presence = .5f, .frequency = .25f, .last_n = 7},
    {.temperature = .2f, .top_k = 100000, .top_p = .999f, .repetition = .8f},
    {.temperature = 0, .top_p = 1, .repetition = 5, .presence = -3},
};

/* Of one row as the sampler says; what is wrong with it in its place. */
static struct draw_out expected(struct drawing *d, uint32_t row, uint64_t position)
{
    struct sample_dist dist;
    struct err e = {0};
    float *logits = (float *)d->logits.here.data + (size_t)row * d->logits.here.stride;
    int rc = sample_dist(d->sampler, &dist, logits, NULL, d->history, COUNT(d->history), &d->how[row], &e);
    if (rc == ERR_UNSUPPORTED)
        return (struct draw_out){0, DRAW_NOTHING};
    return rc ? (struct draw_out){(uint32_t)atoi(strstr(e.message, "token ") + 6), DRAW_BAD}
              : (struct draw_out){sample_draw(&dist, d->how[row].seed, position), DRAW_OK};
}

enum shape { SMOOTH, TIES, EXTREME, SPOILED, SHAPES };

static float logit(enum shape shape, uint32_t stream, uint64_t i)
{
    float x = number(stream, i);
    switch (shape) {
    case SMOOTH: return 8 * x;
    case TIES: return roundf(2 * x);
    case EXTREME: return i % 7 == 3 ? -INFINITY : i % 5 == 0 ? 1e30f * x : i % 2 ? 0.f : -0.f;
    default: return i % 400 == 399 ? (stream % 2 ? NAN : INFINITY) : stream % 3 == 2 ? -INFINITY : x;
    }
}

/* Six rows at once, with all that a step may hold: rows that are not drawn, rows beyond those in use. false: an error, or another token. */
static bool same_tokens(uint32_t vocab, enum shape shape, uint32_t stream, char text[600])
{
    struct drawing *d = mem_zero(1, sizeof *d);
    struct some_rows r = rows_new((uint32_t[]){0, ROWS}, 1, 3);
    struct draw_out *out;
    bool same = true;
    d->vocab = vocab;
    d->sampler = sampler_new(vocab);
    d->logits = pair_new(ROWS, vocab, TYPE_F32);
    for (size_t i = 0; i < COUNT(d->history); i++)
        d->history[i] = (uint32_t)(i * i * 31 + stream) % (vocab + 2); /* some twice, some that no row of logits has */
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t i = 0; i < vocab; i++)
            ((float *)d->logits.here.data)[(size_t)row * d->logits.here.stride + i] = logit(shape, stream + row, i);
        d->how[row] = settings[(stream + row) % COUNT(settings)];
        d->how[row].seed = stream * 1234567891011u;
        if (row == 4)
            d->batch.row[d->batch.rows++] = (struct draw_row){0};
        else
            assert_true(sample_on_device(d->sampler, &d->batch, vocab, d->history, 30, d->history + 30, 10, &d->how[row], stream + row));
    }
    cuda->put(queue, d->logits.there.data, d->logits.here.data, bytes_of(&d->logits.here));
    struct draw_row *rows = device_copy(d->batch.row, sizeof d->batch.row);
    struct draw_said *said = device_copy(d->batch.said, (d->batch.nsaid + 1) * sizeof *d->batch.said);
    out = device_copy(d->batch.out, sizeof d->batch.out);
    cuda->draw(queue, out, &d->logits.there, rows, said, &r.there);
    cuda->get(queue, d->batch.out, out, sizeof d->batch.out);
    same = synced(text);
    for (uint32_t row = 0; row < ROWS && same; row++) {
        struct draw_out want = row == 4 ? (struct draw_out){0, DRAW_NOT_ASKED} : expected(d, row, stream + row), got = d->batch.out[row];
        same = want.state == got.state && want.token == got.token;
        if (!same)
            snprintf(text, 600, "vocabulary %u, shape %d, stream %u, row %u: token %u (%u), the sampler's %u (%u)", vocab, (int)shape, stream, row,
                     got.token, got.state, want.token, want.state);
    }
    cuda->release(dev, rows);
    cuda->release(dev, said);
    cuda->release(dev, out);
    sampler_free(d->sampler);
    pair_free(&d->logits);
    rows_free(&r);
    free(d);
    return same;
}

static void as_the_sampler(void **state)
{
    static const uint32_t vocab[] = {1, 7, 31, 33, 1024, 1025, VOCAB_MAX};
    char text[600];
    for (uint32_t i = 0; i < COUNT(vocab); i++)
        for (int shape = 0; shape < SHAPES; shape++)
            for (uint32_t stream = 0; stream < (vocab[i] > 1000 ? 1 : 3); stream++) {
                if (set_seed)
                    set_seed((i + stream) % 8);
                if (!same_tokens(vocab[i], (enum shape)shape, 5 * stream + i + (uint32_t)shape, text))
                    fail_msg("%s", text);
            }
}

/* Drawn often they are as the probabilities say: a draw that the host and the device get wrong alike would show. */
static void as_the_weights(void **state)
{
    const double ln2 = 0.69314718055994531;
    for (int i = 0; i < 2000; i++) {
        float x = -27.9f * (float)i / 2000;
        double want = exp((double)x), got = ldexp((double)draw_weight(x, 0), -DRAW_BITS);
        assert_true(fabs(got - want) <= 3e-8 * want + ldexp(1, -DRAW_BITS));
    }
    assert_true(draw_weight(5, 5) == 1ull << DRAW_BITS && draw_weight(-100, 5) == 0 && draw_weight(1e38f, 1e38f) == 1ull << DRAW_BITS);
    assert_true(fabs((double)draw_weight((float)-ln2, 0) - ldexp(1, DRAW_BITS - 1)) < 1e5);
    assert_true(draw_scaled(~0ull, ~0ull) == ~0ull - 1 && draw_scaled(1ull << 63, 6) == 3);
}

static void planted_bugs(void **state)
{
    static const struct { const char *name, *from, *to; int nth; } bugs[] = {
        {"missing barrier", "bar.sync 0;", "", 3}, /* of the first sum: between its parts' writing and reading */
        {"missing barrier", "bar.sync 0;", "", 4}, /* before the next one's parts are written */
        {"wrong shuffle mask", ", -1;", ", 65535;", 1},
        {"dropped tail", ", 1024;", ", 2048;", 2},
        {"a piece without its end", "min.u32", "max.u32", 1},
    };
    char text[600];
    if (!patch) {
        print_message("kernels of a driver cannot be patched: skipped\n");
        skip();
    }
    for (size_t i = 0; i < COUNT(bugs); i++) {
        patch("draw", bugs[i].from, bugs[i].to, bugs[i].nth);
        reopen();
        if (!patched())
            fail_msg("%s: nothing to patch", bugs[i].name);
        bool caught = false;
        for (uint32_t stream = 0; stream < 6 && !caught; stream++)
            caught = !same_tokens(1900, SMOOTH, stream, text);
        if (!caught)
            fail_msg("%s was not caught", bugs[i].name);
        print_message("%s: %s\n", bugs[i].name, text);
    }
    patch(NULL, NULL, NULL, 0);
    reopen();
}

/* Steps of two decoders over the same tokens, one that hands out logits and one that draws: recorded and op by op, rows that are drawn
 * beside rows that are not, guesses that are verified. */
static void whole_steps(void **state)
{
    enum { SEQUENCES = 5 };
    static const struct sample_settings how = {.temperature = .8f, .top_k = 20, .top_p = .9f, .repetition = 1.2f, .seed = 7};
    struct err e = {0};
    struct tiny t;
    tiny_open(&t, "qwen3");
    struct sampler *sampler = sampler_new(t.vocab);
    float *logits = mem_zero((size_t)2 * 8 * t.vocab, sizeof *logits), *some = logits + (size_t)8 * t.vocab;
    uint64_t (*waits)(void) = NULL, (*replays)(void) = NULL;
    if (set_seed) {
        void *library = dlopen(getenv("CODEASK_LIBCUDA"), RTLD_NOW);
        *(void **)&waits = dlsym(library, "ptx_waits");
        *(void **)&replays = dlsym(library, "ptx_replays");
    }
    for (int recorded = 0; recorded < 2; recorded++) {
        struct decoder_options o = {.context = 64, .kv = KV_F16, .kv_bytes = (size_t)4 << 20, .max_rows = 16, .max_sequences = 2 * SEQUENCES, .op_by_op = !recorded};
        struct decoder *d;
        struct decoder_info info;
        struct sequence *s[2][SEQUENCES];
        uint32_t token[SEQUENCES][64] = {{0}};
        if (decoder_new(&d, t.file, cuda, dev, &o, &e))
            fail_msg("%s", e.message);
        decoder_info(d, &info);
        assert_true(info.draws && info.write_rows == 64 && info.exact_rows == 8);
        for (int i = 0; i < 2 * SEQUENCES; i++)
            assert_int_equal(sequence_new(&s[i / SEQUENCES][i % SEQUENCES], d, &e), 0);
        for (uint32_t step = 0; step < 3; step++) {
            static struct draw_batch b;
            struct step_part part[2][SEQUENCES];
            uint32_t n = step ? SEQUENCES : 1, wide = step == 2 ? 3 : 1, want = 0;
            b.rows = b.nsaid = 0;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t k = i == 0 ? wide : 1, at = sequence_length(s[0][i]);
                for (uint32_t j = 0; j < k; j++, want++) {
                    token[i][at + j] = (step * 7 + i * 3 + j + 1) % t.vocab;
                    if (step == 1 && i == 2)
                        b.row[b.rows++] = (struct draw_row){0}; /* this one wants its logits */
                    else
                        assert_true(sample_on_device(sampler, &b, t.vocab, token[i], at, token[i] + at, j + 1, &how, at + j));
                }
                for (int way = 0; way < 2; way++)
                    part[way][i] = (struct step_part){s[way][i], token[i] + at, k, k};
            }
            assert_int_equal(decoder_step(d, part[0], n, logits, &e), 0);
            uint64_t waited = waits ? waits() : 0, played = replays ? replays() : 0;
            memset(some, 0, (size_t)8 * t.vocab * sizeof *some);
            if (decoder_step_draw(d, part[1], n, &b, some, &e))
                fail_msg("%s", e.message);
            if (waits)
                assert_true(waits() - waited == 1 && replays() - played == (uint64_t)recorded);
            for (uint32_t i = 0, row = 0; i < n; i++)
                for (uint32_t j = 0; j < part[0][i].n; j++, row++) {
                    struct sample_dist dist;
                    uint32_t before = sequence_length(s[0][i]) - part[0][i].n + j;
                    if (!b.row[row].vocab) {
                        assert_int_equal(b.out[row].state, DRAW_NOT_ASKED);
                        assert_memory_equal(some + (size_t)row * t.vocab, logits + (size_t)row * t.vocab, t.vocab * sizeof *some);
                        continue;
                    }
                    assert_int_equal(sample_dist(sampler, &dist, logits + (size_t)row * t.vocab, NULL, token[i], before + 1, &how, &e), 0);
                    assert_int_equal(b.out[row].state, DRAW_OK);
                    assert_int_equal(b.out[row].token, sample_draw(&dist, how.seed, before));
                    for (uint32_t v = 0; v < t.vocab; v++)
                        assert_true(some[(size_t)row * t.vocab + v] == 0); /* nothing came */
                }
            b.rows++;
            assert_int_equal(decoder_step_draw(d, part[1], n, &b, some, &e), ERR_USAGE);
        }
        for (int i = 0; i < 2 * SEQUENCES; i++)
            sequence_free(s[i / SEQUENCES][i % SEQUENCES]);
        decoder_free(d);
    }
    free(logits);
    sampler_free(sampler);
    tiny_close(&t);
}

static bool hear(void *arg, const struct gen_piece *p)
{
    buf_add(arg, p->len ? p->text : "", p->len);
    return true;
}

/* Texts of a model on the backend as it is and on the same without the op, where the host draws them: guesses, penalties, an end, and a
 * grammar, which the host has a say in. */
static void whole_texts(void **state)
{
    static const struct gen_options options[] = {
        {.max_tokens = 20},
        {.max_tokens = 24, .temperature = .9f, .top_p = .9f, .seed = 5, .lookup = true},
        {.max_tokens = 20, .temperature = 1.5f, .top_k = 30, .min_p = .02f, .repetition = 1.3f, .seed = 6, .lookup = true},
        {.max_tokens = 8, .temperature = 1, .seed = 7, .grammar = "root ::= [a-f]+"},
    };
    static const char question[] = "what is here?";
    const struct gen_message message[] = {{"system", "be brief", 8}, {"user", question, sizeof question - 1}};
    struct backend plain = *cuda;
    struct buf text[COUNT(options)] = {{0}};
    struct err e = {0};
    uint32_t tokens = 0, drafted = 0;
    char folder[64], command[100];
    plain.draw = NULL;
    tiny_writer(folder);
    for (int way = 0; way < 2; way++) {
        struct generator *g;
        struct model_info info = {0};
        if (generator_open(&g, way ? &plain : cuda, dev, folder, &(struct generator_options){.threads = 1, .kv_bytes = 1 << 20}, &info, &e))
            fail_msg("%s", e.message);
        for (size_t i = 0; i < COUNT(options); i++) {
            struct gen_prompt p = {.message = message, .n = 2, .options = options[i]};
            struct gen_result r;
            struct buf here = BUF_INIT;
            if (generator_run(g, &p, hear, &here, &r, NULL, &e))
                fail_msg("%s", e.message);
            tokens += r.answer_tokens;
            drafted += r.drafted;
            assert_true(!way || (here.len == text[i].len && !memcmp(here.data, text[i].data, here.len)));
            buf_release(&text[i]);
            text[i] = here;
        }
        generator_close(g);
    }
    assert_true(tokens > 60 && drafted > 0);
    for (size_t i = 0; i < COUNT(options); i++)
        buf_release(&text[i]);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    int ready = sides_open();
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_weights), cmocka_unit_test(as_the_sampler), cmocka_unit_test(whole_steps), cmocka_unit_test(whole_texts),
                                       cmocka_unit_test(planted_bugs)};
    if (ready)
        return ready;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sides_close();
    return failed;
}

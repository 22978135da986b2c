/* Steps that only write are recorded once for 1, 2, 4 … 64 rows and played from then on: with the same bytes as op by op, whatever
 * changes between them (rows, tokens, positions, pages, sequences), without memory being taken and with one wait. */
#include "engine/format/quantize.h"
#include "engine/run/pass.h"
#include "tests/unit/engine/tiny_decoder.h"

#include <dlfcn.h>

#define MOST 34 /* sequences */
#define VOCAB_MAX 64

static const struct backend *cuda;
static void *dev;
static uint64_t (*memory_calls)(void), (*waits)(void), (*launches)(void), (*replays)(void); /* of the interpreter; NULL on a GPU */
static struct err e;

struct counts {
    uint64_t memory, waits, launches, replays;
};

static struct counts count_all(void)
{
    return waits ? (struct counts){memory_calls(), waits(), launches(), replays()} : (struct counts){0};
}

struct world {
    struct decoder *d;
    bool recorded, recurrent; /* recurrent: what is taken back is read again, in a step of its own */
    struct sequence *s[MOST];
    uint32_t vocab, said; /* tokens so far: each next one is another */
    struct buf logits;    /* of all steps */
};

static uint32_t next_token(struct world *w)
{
    return w->said++ * 37 % w->vocab;
}

/* n sequences from `first` on write a token each, the last one `more` beside: guesses that are verified. */
static void write_step(struct world *w, uint32_t first, uint32_t n, uint32_t more)
{
    struct step_part part[MOST];
    uint32_t token[MOST + 8]; /* 8: the backend's exact rows */
    size_t bytes = (size_t)(n + more) * w->vocab * sizeof(float);
    float *logits = mem_alloc(bytes);
    for (uint32_t i = 0; i < n + more; i++)
        token[i] = next_token(w);
    for (uint32_t i = 0; i < n; i++)
        part[i] = (struct step_part){w->s[first + i], &token[i], 1 + (i + 1 == n) * more, 1 + (i + 1 == n) * more};
    struct counts before = count_all();
    if (decoder_step(w->d, part, n, logits, &e))
        fail_msg("%s", e.message);
    if (waits) {
        struct counts after = count_all();
        assert_int_equal(after.memory - before.memory, 0);
        assert_int_equal(after.waits - before.waits, 1);
        assert_int_equal(after.replays - before.replays, w->recorded);
        assert_int_equal(after.launches - before.launches == 0, w->recorded);
    }
    buf_add(&w->logits, logits, bytes);
    free(logits);
}

static void read_prompt(struct world *w, uint32_t i, uint32_t n)
{
    uint32_t token[64];
    struct counts before = count_all();
    float logits[VOCAB_MAX];
    assert_int_equal(sequence_new(&w->s[i], w->d, &e), 0);
    for (uint32_t k = 0; k < n; k++)
        token[k] = next_token(w);
    if (decoder_step(w->d, &(struct step_part){w->s[i], token, n, n > 1}, 1, logits, &e))
        fail_msg("%s", e.message);
    assert_int_equal(count_all().replays - before.replays, 0); /* prompts are read op by op */
}

/* The same story for both decoders. */
static void tell(struct world *w, const struct model_file *file, bool recorded, const uint32_t *rows, size_t steps, uint32_t sequences)
{
    struct decoder_options o = {.context = 128, .kv = KV_F16, .kv_bytes = (size_t)16 << 20, .op_by_op = !recorded};
    w->recorded = recorded;
    w->said = 0;
    if (decoder_new(&w->d, file, cuda, dev, &o, &e))
        fail_msg("%s", e.message);
    for (uint32_t i = 0; i < sequences; i++)
        read_prompt(w, i, i < 2 ? 30 + i : 1 + i % 3); /* the first come to a page's end */
    for (size_t k = 0; k < steps; k++)
        write_step(w, (uint32_t)k % (sequences - rows[k] + 1), rows[k], 0);
    sequence_free(w->s[1]); /* another in its place, with pages that had been another's */
    read_prompt(w, 1, 3);
    assert_int_equal(sequence_roll_back(w->s[0], 1, &e), 0); /* some models read again what they forgot: a step of its own */
    if (decoder_step(w->d, &(struct step_part){w->s[0], (uint32_t[]){1, 2}, 2, 0}, 1, NULL, &e))
        fail_msg("%s", e.message);
    sequence_free(w->s[2]);
    assert_int_equal(sequence_fork(&w->s[2], w->s[0], &e), 0); /* a page that both write to is copied within the step */
    for (uint32_t k = 0; k < 3; k++)
        write_step(w, 0, 3, 0);
    static const uint32_t guesses[][2] = {{1, 1}, {1, 3}, {2, 2}, {1, 7}, {3, 5}};
    for (size_t k = 0; k < sizeof guesses / sizeof *guesses; k++) {
        write_step(w, (uint32_t)k % 3, guesses[k][0], guesses[k][1]);
        uint32_t last = (uint32_t)k % 3 + guesses[k][0] - 1;
        assert_int_equal(sequence_roll_back(w->s[last], w->recurrent ? 0 : guesses[k][1] / 2, &e), 0); /* some were wrong */
    }
    for (uint32_t i = 0; i < sequences; i++)
        sequence_free(w->s[i]);
    decoder_free(w->d);
}

static void same_bytes(const char *name, const char *type, const uint32_t *rows, size_t steps, uint32_t sequences)
{
    struct tiny t;
    struct world plain = {0}, played = {0};
    char path[100], command[120];
    tiny_open(&t, name);
    assert_true(t.vocab <= VOCAB_MAX);
    struct model_file *file = t.file;
    if (type) {
        struct quantize how = {.threads = 1};
        struct quantize_report report;
        snprintf(path, sizeof path, "%s-%s", t.folder, type);
        if (quantize_type(&how.type, type, &e) || model_quantize(&report, t.folder, path, &how, &e) || model_file_open(&file, path, &e))
            fail_msg("%s: %s", type, e.message);
    }
    plain.vocab = played.vocab = t.vocab;
    plain.recurrent = played.recurrent = !strncmp(name, "qwen3next", 9);
    tell(&plain, file, false, rows, steps, sequences);
    tell(&played, file, true, rows, steps, sequences);
    assert_int_equal(plain.logits.len, played.logits.len);
    for (size_t at = 0; at < plain.logits.len; at += t.vocab * sizeof(float))
        if (memcmp(plain.logits.data + at, played.logits.data + at, t.vocab * sizeof(float)))
            fail_msg("%s %s: row %zu of all has other bytes when it is played", name, type ? type : "", at / (t.vocab * sizeof(float)));
    buf_release(&plain.logits);
    buf_release(&played.logits);
    if (file != t.file) {
        model_file_close(file);
        snprintf(command, sizeof command, "rm -rf %s", path);
        assert_int_equal(system(command), 0);
    }
    tiny_close(&t);
}

#define LONG (getenv("CODEASK_TEST_LONG") != NULL) /* the interpreter's time: tiles of more than 8 rows take most of it */

static void every_number_of_rows(void **state)
{
    static const uint32_t rows[] = {1, 2, 3, 5, 9, 33, 1, 17, 4, 8, 16, 2};
    same_bytes("qwen3", NULL, rows, LONG ? sizeof rows / sizeof *rows : 7, MOST);
}

static void every_kind_of_layer(void **state)
{
    static const char *const models[] = {"gptoss", "deepseek2", "qwen3next", "gemma3", "qwen3moe", "glm4moe"};
    static const uint32_t rows[] = {1, 3, 2, 9};
    for (size_t i = 0; i < (LONG ? sizeof models / sizeof *models : 4); i++)
        same_bytes(models[i], NULL, rows, LONG ? 4 : 3, LONG ? 9 : 5);
}

static void quantised(void **state)
{
    static const uint32_t rows[] = {1, 3, 9};
    same_bytes("qwen3", "Q8_0", rows, 3, 9);
    same_bytes("qwen3", "MXFP4", rows, 2, 5);
}

/* What a recording may not hold is an error of the recording, and the queue goes on. */
static void refusals(void **state)
{
    const struct graph_ops *g = graphs_of(cuda);
    struct bounds b = {.rows = 8, .sequences = 8, .longest = 8, .hidden = 64, .intermediate = 64, .heads = 1};
    struct graph *graph = NULL;
    uint32_t host[4] = {1, 2, 3, 4}, back[4] = {0};
    void *q, *memory, *other;
    assert_int_equal(cuda->queue(dev, &b, &q, &e), 0);
    assert_int_equal(cuda->memory(dev, &memory, sizeof host, &e), 0);
    assert_int_equal(cuda->memory(dev, &other, sizeof host, &e), 0);
    for (int what = 0; what < 3; what++) {
        assert_int_equal(g->record(q, &e), 0);
        if (what == 0)
            cuda->put(q, memory, host, sizeof host);
        else if (what == 1)
            cuda->get(q, back, memory, sizeof host);
        else
            assert_int_equal(cuda->sync(q, &e), ERR_INTERNAL);
        int rc = g->recorded(q, &graph, &e);
        assert_int_equal(rc, what == 2 ? 0 : ERR_INTERNAL); /* the wait has told its error already */
        if (!rc)
            g->release(q, graph);
    }
    graph = NULL;
    assert_int_equal(g->record(q, &e), 0);
    cuda->copy(q, other, memory, sizeof host); /* recorded, not done */
    assert_int_equal(g->recorded(q, &graph, &e), 0);
    cuda->put(q, memory, host, sizeof host);
    cuda->get(q, back, other, sizeof host);
    assert_int_equal(cuda->sync(q, &e), 0);
    assert_int_equal(back[1], 0);
    for (uint32_t round = 0; round < 2; round++) {
        host[1] = 70 + round;
        cuda->put(q, memory, host, sizeof host);
        g->play(q, graph);
        cuda->get(q, back, other, sizeof host);
        assert_int_equal(cuda->sync(q, &e), 0);
        assert_memory_equal(back, host, sizeof host);
    }
    g->release(q, graph);
    g->release(q, NULL);
    cuda->release(dev, memory);
    cuda->release(dev, other);
    cuda->queue_close(q);
    assert_null(graphs_of(&backend_cpu));
}

int main(void)
{
    cuda = backend_find("cuda");
    if (cuda->open(&dev, NULL, &e)) {
        puts(e.message);
        return getenv("CODEASK_LIBCUDA") ? 1 : 77;
    }
    void *library = getenv("CODEASK_LIBCUDA") ? dlopen(getenv("CODEASK_LIBCUDA"), RTLD_NOW) : NULL;
    if (library) {
        *(void **)&memory_calls = dlsym(library, "ptx_memory_calls");
        *(void **)&waits = dlsym(library, "ptx_waits");
        *(void **)&launches = dlsym(library, "ptx_launches");
        *(void **)&replays = dlsym(library, "ptx_replays");
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(every_number_of_rows), cmocka_unit_test(every_kind_of_layer),
                                       cmocka_unit_test(quantised)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cuda->close(dev);
    return failed;
}

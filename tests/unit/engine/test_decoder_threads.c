/* One step by 1, 2, 3 and 4 threads: the same logits to the bit, whatever the batch, the page layout and the thread that took a part. */
#include "kernels/cpu/cpu.h"
#include "tests/unit/engine/tiny_decoder.h"

#define THREADS 4
#define TEXTS 3
#define TEXT 70 /* tokens: two pages and a bit; more than a window of 16 */

/* Parts of any size: what these models compute in a step is too little to be shared otherwise. */
static void share_everything(struct decoder *d)
{
    struct cpu_queue *q = d->queue;
    q->part_ns = 1;
}

struct run {
    struct tiny *t;
    struct decoder *d;
    struct sequence *s[TEXTS];
    float *logits; /* of all steps, one after the other */
    size_t n;
};

static void step(struct run *r, const struct step_part *part, size_t n)
{
    struct err e;
    uint32_t want = 0;
    for (size_t i = 0; i < n; i++)
        want += part[i].want;
    r->logits = mem_grow(r->logits, r->n + (size_t)want * r->t->vocab, sizeof *r->logits);
    if (decoder_step(r->d, part, n, r->logits + r->n, &e))
        fail_msg("%s", e.message);
    r->n += (size_t)want * r->t->vocab;
}

/* Prompts of 40, 33 and 5 tokens in one step, then eight rows at once, then one by one. */
static void everything(struct run *r)
{
    const uint32_t *token = r->t->token + r->t->rows - TEXT;
    struct err e;
    struct sequence *gap;
    assert_int_equal(sequence_new(&gap, r->d, &e), 0); /* its pages lie between those of the others */
    for (int i = 0; i < TEXTS; i++)
        assert_int_equal(sequence_new(&r->s[i], r->d, &e), 0);
    step(r, (struct step_part[]){{gap, token, 35, 0}}, 1);
    step(r, (struct step_part[]){{r->s[0], token, 40, 2}, {r->s[1], token + 3, 33, 1}, {r->s[2], token + 9, 5, 5}}, 3);
    step(r, (struct step_part[]){{r->s[0], token + 40, 4, 4}, {r->s[1], token + 36, 3, 3}, {r->s[2], token + 14, 1, 1}}, 3);
    for (uint32_t i = 0; i < 3; i++)
        step(r, (struct step_part[]){{r->s[0], token + 44 + i, 1, 1}}, 1);
    sequence_free(gap);
    for (int i = 0; i < TEXTS; i++)
        sequence_free(r->s[i]);
}

static void same_with_any_number_of_threads(void **state)
{
    static const char *const models[] = {"qwen3", "llama", "gptoss", "gemma3", "deepseek2", "qwen3next", "glm4moe"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++)
        for (int kv = KV_F32; kv <= KV_Q8; kv++) {
            struct tiny t;
            struct run one = {.t = &t};
            void *dev;
            struct err e;
            tiny_open(&t, models[m]);
            assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
            for (int threads = 1; threads <= THREADS; threads++) {
                struct run r = {.t = &t};
                if (decoder_new(&r.d, t.file, &backend_cpu, dev, &(struct decoder_options){.threads = threads, .kv = (enum kv_type)kv}, &e))
                    fail_msg("%s: %s", models[m], e.message);
                share_everything(r.d);
                everything(&r);
                decoder_free(r.d);
                if (threads == 1) {
                    one = r;
                    continue;
                }
                assert_int_equal(r.n, one.n);
                for (size_t i = 0; i < r.n; i++)
                    if (memcmp(&r.logits[i], &one.logits[i], sizeof *r.logits))
                        fail_msg("%s with %d threads: logit %zu of row %zu is %.9g, alone %.9g", models[m], threads, i % t.vocab,
                                 i / t.vocab, (double)r.logits[i], (double)one.logits[i]);
                free(r.logits);
            }
            free(one.logits);
            backend_cpu.close(dev);
            tiny_close(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_with_any_number_of_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

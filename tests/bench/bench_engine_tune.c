/* What tuning costs: bench_engine_tune MODEL.gguf THREADS prints one line: rows, seconds of reading so many tokens, seconds of one
 * training step of them (LoRA of rank 16 over every map, activations made again). tests/bench/tune.py drives it. */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/run/decoder_inside.h"
#include "engine/train/trainer.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS 256 /* of a step: two texts */
#define ROUNDS 3 /* the least of them counts */

static struct err e;

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, e.message);
    return 2;
}

static double read_s(struct decoder *d, const uint32_t *token)
{
    struct sequence *s[2];
    if (sequence_new(&s[0], d, &e) || sequence_new(&s[1], d, &e))
        return -1;
    int64_t began = clock_ns();
    struct step_part part[2] = {{s[0], token, ROWS / 2, 0}, {s[1], token + ROWS / 2, ROWS / 2, 0}};
    int rc = decoder_step(d, part, 2, NULL, &e);
    double took = (double)(clock_ns() - began) / 1e9;
    sequence_free(s[0]);
    sequence_free(s[1]);
    return rc ? -1 : took;
}

int main(int argc, char **argv)
{
    struct model_file *f;
    struct decoder *d;
    struct trainer *t;
    struct trained done;
    void *dev;
    uint32_t token[ROWS + 2];
    double least[2] = {1e9, 1e9};
    if (argc != 3)
        return 2;
    struct decoder_options o = {.threads = atoi(argv[2]), .context = ROWS, .max_rows = ROWS};
    if (backend_cpu.open(&dev, &(struct device_options){0}, &e) || model_file_open(&f, argv[1], &e) ||
        decoder_new(&d, f, &backend_cpu, dev, &o, &e))
        return fail(argv[1]);
    for (uint32_t i = 0; i < ROWS + 2; i++)
        token[i] = i * 7919 % d->w.k.vocab;
    const struct example x[2] = {{token, ROWS / 2 + 1, 1}, {token + ROWS / 2 + 1, ROWS / 2 + 1, 1}};
    const struct trainer_options options = {.lora = {.rank = 16, .alpha = 32}, .policy = ACTIVATIONS_RECOMPUTE,
                                            .adamw = {.rate = 1e-4, .beta1 = .9, .beta2 = .999, .eps = 1e-8, .steps = 100}};
    if (trainer_new(&t, d, x, 2, &options, &e))
        return fail("trainer");
    for (int i = 0; i < ROUNDS; i++) {
        double took = read_s(d, token);
        int64_t began = clock_ns();
        if (took < 0 || trainer_step(t, &done, &e))
            return fail("step");
        double step = (double)(clock_ns() - began) / 1e9;
        least[0] = took < least[0] ? took : least[0];
        least[1] = step < least[1] ? step : least[1];
    }
    printf("%d %.4f %.4f\n", ROWS, least[0], least[1]);
    trainer_free(t);
    decoder_free(d);
    model_file_close(f);
    backend_cpu.close(dev);
    return 0;
}

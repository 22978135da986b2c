/* GGUF files of Llama (whose rows of queries and keys a converter reorders, and whose scaling is a tensor) and of Qwen3, written here
 * from the same drawn weights: the same logits as transformers gives. tests/parity/decoder_llama.py does it for all, beside llama.cpp. */
#include "tests/unit/engine/tiny_decoder_gguf.h"

static void one(const char *model)
{
    struct tiny t;
    struct err e;
    struct model_file *file;
    struct decoder *d = NULL;
    struct sequence *s;
    void *dev;
    char path[200];
    uint32_t n, from;
    double worst = 0, top = 0;
    tiny_open(&t, model);
    snprintf(path, sizeof path, "%s/model.gguf", t.folder);
    write_gguf(&t, model, path);
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
    if (model_file_open(&file, path, &e) || decoder_new(&d, file, &backend_cpu, dev, &(struct decoder_options){.exact = true}, &e))
        fail_msg("%s: %s", model, e.message);
    n = t.length[t.sequences - 1];
    from = t.rows - n;
    float *got = mem_alloc((size_t)n * t.vocab * sizeof *got);
    assert_int_equal(sequence_new(&s, d, &e), 0);
    assert_int_equal(decoder_step(d, &(struct step_part){s, t.token + from, n, n}, 1, got, &e), 0);
    for (size_t i = 0; i < (size_t)n * t.vocab; i++) {
        worst = fmax(worst, fabs((double)got[i] - t.want[(size_t)from * t.vocab + i]));
        top = fmax(top, fabs((double)got[i]));
    }
    if (!(worst <= 2e-4 * top))
        fail_msg("%s: largest difference %g of %g", model, worst, top);
    sequence_free(s);
    decoder_free(d);
    model_file_close(file);
    backend_cpu.close(dev);
    unlink(path);
    free(got);
    tiny_close(&t);
}

static void llama(void **state)
{
    one("llama");
}

static void qwen3(void **state)
{
    one("qwen3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(llama), cmocka_unit_test(qwen3)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NomicBERT and ModernBERT against transformers in double precision (tests/parity/make_decoders.py), through the real configuration
 * and the real file: exact operands within 2e-4 of the largest value, cosine above .9999; altered knobs move the vectors. */
#include "engine/format/model_config.h"
#include "engine/format/safetensors.h"
#include "tests/unit/engine/tiny_decoder.h"

#define TOLERANCE 2e-4

static const char *const isas[] = {"scalar", "avx2", "avx512", "amx", "neon"};

static bool find(void *self, const char *name, struct tensor_view *out)
{
    const struct st_tensor *t = safetensors_find(self, name);
    if (!t)
        return false;
    *out = (struct tensor_view){t->data, TYPE_F32, t->rank, {0}};
    memcpy(out->shape, t->shape, (size_t)t->rank * sizeof *t->shape);
    return true;
}

/* Largest difference to what is wanted, relative to the largest value; -1 where the machine lacks the instruction set. */
static double compare(const struct tiny *t, const struct bert_config *config, const char *isa, bool exact, double *cosine)
{
    char path[200];
    struct safetensors *st;
    struct encoder *en;
    struct err e;
    void *dev;
    uint32_t offset[TINY_SEQUENCES + 1] = {0};
    if (backend_cpu.open(&dev, &(struct device_options){.isa = isa}, &e))
        return -1;
    snprintf(path, sizeof path, "%s/model.safetensors", t->folder);
    assert_int_equal(safetensors_open(&st, path, &e), 0);
    if (encoder_new(&en, &backend_cpu, dev, config, &(struct tensor_source){find, st}, &(struct encoder_options){.exact = exact}, &e))
        fail_msg("%s", e.message);
    for (uint32_t s = 0; s < t->sequences; s++)
        offset[s + 1] = offset[s] + t->length[s];
    float *got = mem_alloc((size_t)t->sequences * t->hidden * sizeof *got);
    assert_int_equal(encoder_run(en, t->token, offset, t->sequences, got, &e), 0);
    double worst = 0, top = 0;
    *cosine = 1;
    for (uint32_t s = 0; s < t->sequences; s++) {
        double dot = 0;
        for (uint32_t c = 0; c < t->hidden; c++) {
            double a = got[s * t->hidden + c], b = t->want[s * t->hidden + c];
            worst = fmax(worst, fabs(a - b));
            top = fmax(top, fabs(b));
            dot += a * b;
        }
        *cosine = fmin(*cosine, dot);
    }
    free(got);
    encoder_free(en);
    safetensors_close(st);
    backend_cpu.close(dev);
    return worst / top;
}

static void one(const char *model)
{
    struct tiny t;
    struct model_config config;
    struct err e;
    double cosine;
    tiny_open(&t, model);
    if (model_config_read(&config, t.folder, &e))
        fail_msg("%s", e.message);
    config.bert.pooling = POOL_FIRST;
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        double far = compare(&t, &config.bert, isas[i], true, &cosine);
        if (far >= 0 && !(far <= TOLERANCE && cosine >= .9999))
            fail_msg("%s on %s: %g, cosine %g", model, isas[i], far, cosine);
        far = compare(&t, &config.bert, isas[i], false, &cosine);
        if (far >= 0 && !(cosine >= .99)) /* weights drawn hard, as in test_bert_parity.c */
            fail_msg("%s on %s, fast: %g, cosine %g", model, isas[i], far, cosine);
    }
    struct bert_config altered[6];
    for (int i = 0; i < 6; i++)
        altered[i] = config.bert;
    altered[0].rope_base[0] *= 3;
    altered[1].norm_eps += .05f;
    altered[2].activation = ACT_RELU;
    altered[3].pooling = POOL_MEAN;
    altered[4].window /= 2;
    altered[5].rope_base[1] *= 3;
    for (int i = 0; i < (config.bert.window ? 6 : 4); i++) {
        double far = compare(&t, &altered[i], NULL, true, &cosine);
        if (!(far >= 5 * TOLERANCE))
            fail_msg("%s: knob %d altered moves the vectors by %g", model, i, far);
    }
    tiny_close(&t);
}

static void nomic(void **state)
{
    one("nomic");
}

static void modernbert(void **state)
{
    one("modernbert");
}

/* BERT with a classifier, as rerankers are: questions are the first third of each sequence. */
static void cross_encoder(void **state)
{
    struct tiny t;
    struct model_config config;
    struct safetensors *st;
    struct err e;
    char path[200];
    uint32_t offset[TINY_SEQUENCES + 1] = {0}, type[200];
    float score[TINY_SEQUENCES];
    tiny_open(&t, "cross");
    snprintf(path, sizeof path, "%s/model.safetensors", t.folder);
    assert_int_equal(model_config_read(&config, t.folder, &e), 0);
    assert_true(config.bert.scores);
    assert_int_equal(safetensors_open(&st, path, &e), 0);
    for (uint32_t s = 0; s < t.sequences; s++) {
        offset[s + 1] = offset[s] + t.length[s];
        for (uint32_t i = 0; i < t.length[s]; i++)
            type[offset[s] + i] = i >= t.length[s] / 3;
    }
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        struct encoder *en;
        void *dev;
        if (backend_cpu.open(&dev, &(struct device_options){.isa = isas[i]}, &e))
            continue;
        assert_int_equal(encoder_new(&en, &backend_cpu, dev, &config.bert, &(struct tensor_source){find, st},
                                     &(struct encoder_options){.exact = true}, &e), 0);
        assert_int_equal(encoder_score(en, t.token, type, offset, t.sequences, score, &e), 0);
        for (uint32_t s = 0; s < t.sequences; s++)
            if (!(fabs((double)score[s] - t.want[s]) <= TOLERANCE * fmax(1, fabs((double)t.want[s]))))
                fail_msg("score %u on %s: %g for %g", s, isas[i], (double)score[s], (double)t.want[s]);
        type[3] = 2;
        assert_int_equal(encoder_score(en, t.token, type, offset, t.sequences, score, &e), ERR_USAGE);
        memset(type, 0, sizeof type);
        assert_int_equal(encoder_score(en, t.token, type, offset, t.sequences, score, &e), 0);
        assert_true(fabs((double)score[2] - t.want[2]) > 5 * TOLERANCE); /* types matter */
        for (uint32_t s = 0; s < t.sequences; s++)
            for (uint32_t j = 0; j < t.length[s]; j++)
                type[offset[s] + j] = j >= t.length[s] / 3;
        encoder_free(en);
        backend_cpu.close(dev);
    }
    safetensors_close(st);
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nomic), cmocka_unit_test(modernbert), cmocka_unit_test(cross_encoder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

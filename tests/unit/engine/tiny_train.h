/* A tiny decoder with an adapter over every linear map, and the texts of tests/parity/make_gradients.py. */
#ifndef CODEASK_TESTS_TINY_TRAIN_H
#define CODEASK_TESTS_TINY_TRAIN_H

#include "tiny_decoder.h"

#include "engine/train/gradient.h"

#define TINY_TEXTS 4
#define TINY_SKETCH 32 /* products of a tensor with drawn vectors: make_gradients.py */

struct tiny_train {
    struct tiny t;
    void *dev;
    struct decoder *d;
    struct lora *l;
    struct gradient *g;
    struct example x[TINY_TEXTS];
    uint32_t *token, learned;
    double loss;      /* the reference's, of all texts */
    float *want;      /* [count]: gradients; then [count]: values after the steps, where there are some */
    json_t *facts;
};

/* A and B of every part, as the reference draws them. */
static void tiny_lora(struct lora *l)
{
    for (size_t i = 0; i < l->parts; i++) {
        const struct lora_part *p = &l->part[i];
        char name[100], stream[110];
        double scale = 2 / exp2(ceil(log2(p->k) / 2));
        lora_name(name, p);
        snprintf(stream, sizeof stream, "%s.A", name);
        for (size_t j = 0; j < (size_t)l->o.rank * p->k; j++)
            l->value[p->a + j] = (float)(scale * tiny_number(tiny_fnv(stream), j));
        snprintf(stream, sizeof stream, "%s.B", name);
        for (size_t j = 0; j < (size_t)l->o.rank * p->n; j++)
            l->value[p->b + j] = (float)(.25 * tiny_number(tiny_fnv(stream), j));
    }
}

static void tiny_texts(struct tiny_train *b)
{
    const json_t *lengths = json_object_get(b->facts, "lengths"), *learn = json_object_get(b->facts, "learn");
    size_t rows = 0, at = 0;
    assert_int_equal(json_array_size(lengths), TINY_TEXTS);
    for (size_t s = 0; s < TINY_TEXTS; s++)
        rows += (size_t)json_integer_value(json_array_get(lengths, s));
    b->token = mem_alloc(rows * sizeof *b->token);
    for (size_t s = 0; s < TINY_TEXTS; s++) {
        struct example *x = &b->x[s];
        char stream[40];
        *x = (struct example){b->token + at, (uint32_t)json_integer_value(json_array_get(lengths, s)),
                              (uint32_t)json_integer_value(json_array_get(learn, s))};
        snprintf(stream, sizeof stream, "train.%zu", s);
        for (uint32_t i = 0; i < x->n; i++)
            b->token[at++] = (uint32_t)((tiny_number(tiny_fnv(stream), i) + 1) / 2 * b->t.vocab);
        b->learned += x->n - x->learn;
    }
}

static inline void tiny_train_open(struct tiny_train *b, const char *name, const struct model_file *file, const struct decoder_options *o,
                                   enum activations policy)
{
    struct err e;
    json_error_t error;
    char path[500];
    *b = (struct tiny_train){0};
    tiny_open(&b->t, name);
    assert_int_equal(backend_cpu.open(&b->dev, &(struct device_options){0}, &e), 0);
    struct decoder_options options = *o;
    options.context = b->t.context;
    options.kv_bytes = 1 << 20;
    if (decoder_new(&b->d, file ? file : b->t.file, &backend_cpu, b->dev, &options, &e))
        fail_msg("%s: %s", name, e.message);
    json_t *all = json_load_file(TEST_SOURCE_DIR "/tests/parity/gradients/gradients.json", 0, &error);
    assert_non_null(all);
    b->facts = json_incref(json_object_get(all, name));
    json_decref(all);
    assert_non_null(b->facts);
    b->loss = json_number_value(json_object_get(b->facts, "loss"));
    struct lora_options lora = {.rank = (uint32_t)json_integer_value(json_object_get(b->facts, "rank")),
                                .alpha = (float)json_number_value(json_object_get(b->facts, "alpha"))};
    if (lora_new(&b->l, b->d, &lora, &e) || gradient_new(&b->g, b->d, b->l, policy, &e))
        fail_msg("%s: %s", name, e.message);
    tiny_lora(b->l);
    tiny_texts(b);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/gradients/%s.f32", name);
    size_t n = b->l->count * (json_object_get(b->facts, "steps") ? 2 : 1);
    b->want = mem_alloc((n + 1) * sizeof *b->want);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(b->want, sizeof *b->want, n + 1, f), n); /* all of it */
    fclose(f);
}

static inline void tiny_train_close(struct tiny_train *b)
{
    gradient_free(b->g);
    lora_free(b->l);
    decoder_free(b->d);
    backend_cpu.close(b->dev);
    tiny_close(&b->t);
    json_decref(b->facts);
    free(b->token);
    free(b->want);
}

/* The worst ||got - want|| / ||want|| of the tensors of a flat array, and whose it is. */
static inline double tiny_distance(const struct lora *l, const float *got, const float *want, char name[120])
{
    double worst = 0;
    for (size_t i = 0; i < l->parts; i++)
        for (int letter = 0; letter < 2; letter++) {
            const struct lora_part *p = &l->part[i];
            size_t from = letter ? p->b : p->a, n = (size_t)l->o.rank * (letter ? p->n : p->k);
            double off = 0, all = 0;
            for (size_t j = from; j < from + n; j++) {
                off += ((double)got[j] - want[j]) * ((double)got[j] - want[j]);
                all += (double)want[j] * want[j];
            }
            double ratio = sqrt(off / all);
            if (ratio > worst || isnan(ratio)) {
                worst = ratio;
                lora_name(name, p);
                strcat(name, letter ? ".B" : ".A");
            }
        }
    return worst;
}

/* How far a tensor is from the one that a line of a .full.f32 was made of, as a part of its norm. */
static inline double tiny_sketch_distance(const float *x, size_t n, const float line[1 + TINY_SKETCH])
{
    double square = 0;
    for (int j = 0; j < TINY_SKETCH; j++) {
        char stream[20];
        double sum = 0;
        snprintf(stream, sizeof stream, "sketch.%d", j);
        uint64_t drawn = tiny_fnv(stream);
        for (size_t i = 0; i < n; i++)
            sum += tiny_number(drawn, i) * x[i];
        square += (sum - line[1 + j]) * (sum - line[1 + j]);
    }
    return sqrt(3 * square / TINY_SKETCH) / line[0];
}

/* All weights of a tiny decoder and the texts; the reference as lines of 1 + TINY_SKETCH numbers: of gradients, then of values after the steps. */
struct tiny_full {
    struct tiny_train b; /* l and g are the adapter's: not used */
    struct full *f;
    struct gradient *g;
    float *line;
    const json_t *names, *facts;
};

static inline void tiny_full_open(struct tiny_full *t, const char *name, const struct decoder_options *o, enum activations policy)
{
    struct err e;
    char path[500];
    struct decoder_options exact = *o;
    exact.exact = true;
    *t = (struct tiny_full){0};
    tiny_train_open(&t->b, name, NULL, &exact, policy);
    if (full_new(&t->f, t->b.d, t->b.t.file, &e) || gradient_new_full(&t->g, t->b.d, t->f, policy, &e))
        fail_msg("%s: %s", name, e.message);
    t->facts = json_object_get(t->b.facts, "full");
    t->names = json_object_get(t->facts, "tensors");
    assert_int_equal(json_array_size(t->names), t->f->tensors);
    size_t lines = t->f->tensors * (json_object_get(t->facts, "norms") ? 2 : 1), n = lines * (1 + TINY_SKETCH);
    snprintf(path, sizeof path, TEST_SOURCE_DIR "/tests/parity/gradients/%s.full.f32", name);
    t->line = mem_alloc((n + 1) * sizeof *t->line);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(t->line, sizeof *t->line, n + 1, f), n);
    fclose(f);
}

static inline void tiny_full_close(struct tiny_full *t)
{
    gradient_free(t->g);
    full_free(t->f);
    free(t->line);
    tiny_train_close(&t->b);
}

/* The worst distance of the tensors of a flat array (steps: from what they are after the steps), and whose it is. */
static inline double tiny_full_distance(const struct tiny_full *t, const float *got, bool steps, char name[120])
{
    double worst = 0;
    for (size_t i = 0; i < t->f->tensors; i++) {
        const char *wanted = json_string_value(json_array_get(t->names, i));
        const struct full_tensor *x = NULL;
        for (size_t j = 0; j < t->f->tensors && !x; j++)
            x = strcmp(t->f->tensor[j].name, wanted) ? NULL : &t->f->tensor[j];
        if (!x)
            fail_msg("%s is not trained", wanted);
        double off = tiny_sketch_distance(got + x->at, (size_t)x->n * x->k, t->line + (i + steps * t->f->tensors) * (1 + TINY_SKETCH));
        if (off > worst || isnan(off)) {
            worst = off;
            snprintf(name, 120, "%s", wanted);
        }
    }
    return worst;
}

#endif

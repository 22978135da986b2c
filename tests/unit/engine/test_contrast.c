/* The embedder's adapter: that it learns what questions it was not shown need too, to the same bytes each time; that it leaves what is right as it
 * is; and its file. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/train/contrast.h"
#include "engine/train/peft.h"
#include "engine/train/random.h"
#include "kernels/quant.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define DIM 24
#define FILES 60
#define PIECES (2 * FILES)  /* of each: one that questions are near to, one that says nothing */
#define QUESTIONS 240
#define LEARNED 180

static struct world {
    int8_t q[PIECES * DIM];
    float scale[PIECES], piece[PIECES][DIM], question[QUESTIONS][DIM];
    uint32_t file[PIECES], first[QUESTIONS + 1], answer[QUESTIONS];
} w;

static float drawn(uint64_t stream, uint64_t i)
{
    return (float)(2 * random_unit(stream, i) - 1);
}

static void unit(float *v)
{
    float norm = 0;
    for (int i = 0; i < DIM; i++)
        norm += v[i] * v[i];
    for (int i = 0; i < DIM; i++)
        v[i] /= sqrtf(norm);
}

/* A question is its file's first piece with its elements moved on by one (turned: as this organization asks), or as it is, and some noise. */
static void make_world(bool turned)
{
    w = (struct world){0};
    for (uint32_t p = 0; p < PIECES; p++) {
        for (int i = 0; i < DIM; i++)
            w.piece[p][i] = drawn(1 + p, (uint64_t)i);
        unit(w.piece[p]);
        w.scale[p] = quant_row(w.q + p * DIM, w.piece[p], DIM);
        w.file[p] = p / 2;
    }
    for (uint32_t k = 0; k < QUESTIONS; k++) {
        uint32_t f = k % FILES;
        for (int i = 0; i < DIM; i++)
            w.question[k][i] = w.piece[2 * f][(i + turned) % DIM] + .1f * drawn(1000 + k, (uint64_t)i);
        unit(w.question[k]);
        w.answer[k] = f;
        w.first[k] = k;
    }
    w.first[QUESTIONS] = QUESTIONS;
}

static struct contrast_set set_of(uint32_t questions)
{
    return (struct contrast_set){.dim = DIM, .pieces = PIECES, .q = w.q, .scale = w.scale, .file = w.file, .files = FILES, .questions = questions,
                                 .question = w.question[0], .first = w.first, .answer = w.answer};
}

static struct contrast_options options_of(uint64_t seed)
{
    struct contrast_options o = CONTRAST_DEFAULTS;
    o.rounds = 3;
    o.epochs = 10;
    o.batch = 32;
    o.hard = 4;
    o.rate = .01;
    o.seed = seed;
    return o;
}

static struct query_map *learned(uint64_t seed)
{
    struct contrast_set s = set_of(LEARNED);
    struct contrast_options o = options_of(seed);
    struct query_map *m = NULL;
    struct err e = {0};
    double loss = -1;
    if (contrast_learn(&m, &loss, &s, &o, &e))
        fail_msg("%s", e.message);
    assert_true(isfinite(loss) && loss > 0);
    return m;
}

/* The mean reciprocal rank of the questions that it was not shown. */
static double held_mrr(const struct query_map *m)
{
    double sum = 0;
    for (uint32_t k = LEARNED; k < QUESTIONS; k++) {
        float q[DIM], right = -2;
        unsigned rank = 1;
        memcpy(q, w.question[k], sizeof q);
        if (m)
            query_map_apply(q, m, q);
        for (int pass = 0; pass < 2; pass++)
            for (uint32_t p = 0; p < PIECES; p++) {
                float cosine = 0;
                for (int i = 0; i < DIM; i++)
                    cosine += q[i] * w.piece[p][i];
                if (!pass && w.file[p] == w.answer[k])
                    right = cosine > right ? cosine : right;
                rank += pass && w.file[p] != w.answer[k] && cosine > right;
            }
        sum += 1. / rank;
    }
    return sum / (QUESTIONS - LEARNED);
}

static void learns(void **state)
{
    make_world(true);
    double before = held_mrr(NULL);
    struct query_map *m = learned(7);
    double after = held_mrr(m);
    if (before > .3 || after < .9)
        fail_msg("MRR %.3f before, %.3f after", before, after);
    query_map_drop(m);
}

static void leaves_alone(void **state)
{
    make_world(false);
    double before = held_mrr(NULL);
    struct query_map *m = learned(7);
    assert_true(before > .99);
    assert_true(held_mrr(m) > .99);
    query_map_drop(m);
}

static void same_bytes(void **state)
{
    make_world(true);
    struct query_map *a = learned(7), *b = learned(7), *c = learned(8);
    size_t n = (DIM * DIM + DIM) * sizeof(float);
    assert_memory_equal(a->weight, b->weight, n);
    assert_true(memcmp(a->weight, c->weight, n) != 0);
    query_map_drop(a);
    query_map_drop(b);
    query_map_drop(c);
}

static bool stop(void *arg, uint64_t step, uint64_t steps, double loss)
{
    return false;
}

static void what_cannot_be(void **state)
{
    struct query_map *m = NULL;
    struct err e = {0};
    make_world(true);
    struct contrast_options o = options_of(1);
    struct contrast_set s = set_of(0);
    assert_int_equal(contrast_learn(&m, NULL, &s, &o, &e), ERR_NOT_FOUND);
    s = set_of(LEARNED);
    for (uint32_t p = 0; p < PIECES; p++)
        w.file[p] = FILES - 1; /* all others have no piece */
    w.file[0] = FILES - 2;
    for (uint32_t k = 0; k < LEARNED; k++)
        w.answer[k] = 0;
    assert_int_equal(contrast_learn(&m, NULL, &s, &o, &e), ERR_NOT_FOUND);
    make_world(true);
    w.question[5][0] = NAN;
    assert_int_equal(contrast_learn(&m, NULL, &s, &o, &e), ERR_INTERNAL);
    assert_non_null(strstr(e.message, "no number"));
    make_world(true);
    o.go_on = stop;
    assert_int_equal(contrast_learn(&m, NULL, &s, &o, &e), ERR_CANCELED);
    assert_null(m);
}

/* -- the file ----------------------------------------------------------------------------------------------------------------- */

static void file(void **state)
{
    char folder[] = "/tmp/codeask-map-XXXXXX", path[100], command[100];
    const struct peft_base base = {{1, 2, 3}, "tiny"}, other = {{1, 2, 4}, "large"};
    struct query_map *m = query_map_new(DIM), *read = NULL;
    struct buf bytes = BUF_INIT;
    struct err e = {0};
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < DIM * DIM + DIM; i++)
        m->weight[i] = drawn(3, i);
    assert_int_equal(query_map_read(&read, folder, &base, &e), ERR_NOT_FOUND);
    assert_int_equal(query_map_write(folder, m, &base, &e), 0);
    assert_int_equal(query_map_read(&read, folder, &base, &e), 0);
    assert_int_equal(read->dim, DIM);
    assert_memory_equal(read->weight, m->weight, (DIM * DIM + DIM) * sizeof(float));
    assert_memory_equal(read->bias, m->bias, DIM * sizeof(float));
    query_map_drop(read);
    read = NULL;
    assert_int_equal(query_map_read(&read, folder, &other, &e), ERR_USAGE);
    assert_true(strstr(e.message, "tiny") && strstr(e.message, "large"));
    snprintf(path, sizeof path, "%s/" QUERY_MAP_FILE, folder);
    assert_int_equal(file_read(&bytes, path, 1 << 20, &e), 0);
    for (size_t n = 0; n < bytes.len; n += 7) { /* cut off anywhere */
        assert_int_not_equal(query_map_parse(&read, "x", bytes.data, n, &e), 0);
        assert_null(read);
    }
    /* no room: an error, and what was there stays */
    struct rlimit was, least;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    least = (struct rlimit){1024, was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    m->weight[0] += 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
    int rc = query_map_write(folder, m, &base, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_true(rc == ERR_IO || rc == ERR_FULL);
    assert_int_equal(query_map_read(&read, folder, &base, &e), 0);
    assert_float_equal(read->weight[0], m->weight[0] - 1, 1e-6);
    query_map_drop(read);
    read = NULL;
    float bad = NAN;
    memcpy(bytes.data + bytes.len - sizeof bad, &bad, sizeof bad);
    assert_int_equal(query_map_parse(&read, "x", bytes.data, bytes.len, &e), ERR_FORMAT);
    buf_release(&bytes);
    query_map_drop(m);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns), cmocka_unit_test(leaves_alone), cmocka_unit_test(same_bytes), cmocka_unit_test(what_cannot_be),
                                       cmocka_unit_test(file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Training, of adapters and of all weights: 20 steps against torch.optim.AdamW in double precision (tests/parity/make_gradients.py), each tensor within 1e-4 of its norm;
 * what was stopped, killed or moved to other threads goes on to the same bytes; a loss that is no number and a file that can't be
 * written change nothing; and checkpoints that are damaged or of something else are refused. */
#include "tests/unit/engine/tiny_train.h"

#include "engine/train/trainer.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define STEPS 20
#define TOLERANCE 1e-4
#define KILLS 20
#define KILL_US 25000 /* some steps, each with its checkpoint */

static const struct adamw_options reference = {.rate = .002, .beta1 = .9, .beta2 = .95, .eps = 1e-8, .decay = .1, .clip = .5, .warmup = 4,
                                               .steps = STEPS, .least = .1};

/* Of all weights eps is above fp32's rounding: some of their gradients are all but 0, and the step divides by their size. */
static const struct adamw_options reference_full = {.rate = .0005, .beta1 = .9, .beta2 = .95, .eps = 1e-5, .decay = .1, .clip = .5, .warmup = 4,
                                                    .steps = STEPS, .least = .1};

static void steps_as_torch(void **state)
{
    struct tiny_train b;
    struct err e;
    char name[120] = "";
    double loss = 0;
    tiny_train_open(&b, "qwen2", NULL, &(struct decoder_options){.exact = true}, ACTIVATIONS_RECOMPUTE);
    float *m = mem_zero(b.l->count, sizeof *m), *v = mem_zero(b.l->count, sizeof *v);
    const json_t *norms = json_object_get(b.facts, "norms");
    bool clipped = false;
    for (uint64_t step = 0; step < STEPS; step++) {
        struct example pair[2] = {b.x[step % TINY_TEXTS], b.x[(step + 2) % TINY_TEXTS]};
        uint32_t learned = pair[0].n - pair[0].learn + pair[1].n - pair[1].learn;
        memset(b.l->gradient, 0, b.l->count * sizeof *b.l->gradient);
        loss = 0;
        if (gradient_add(b.g, pair, 2, 1.0 / learned, &loss, &e))
            fail_msg("%s", e.message);
        double norm = adamw_norm(b.l->gradient, b.l->count), want = json_number_value(json_array_get(norms, step));
        if (!(fabs(norm - want) <= 1e-3 * want))
            fail_msg("step %d: a gradient of norm %g, want %g", (int)step, norm, want);
        clipped |= want > reference.clip;
        adamw_step(b.l->value, m, v, b.l->gradient, b.l->count, norm, step, &reference);
        loss /= learned;
    }
    double worst = tiny_distance(b.l, b.l->value, b.want + b.l->count, name), last = json_number_value(json_object_get(b.facts, "last_loss"));
    print_message("%d steps: %.1e (%s), last loss %g for %g\n", STEPS, worst, name, loss, last);
    assert_true(clipped);
    assert_true(worst <= TOLERANCE && fabs(loss - last) <= 1e-3 * last);
    free(m);
    free(v);
    tiny_train_close(&b);
}

static void steps_of_all_weights_as_torch(void **state)
{
    struct tiny_full t;
    struct err e;
    char name[120] = "";
    double loss = 0;
    tiny_full_open(&t, "qwen2", &(struct decoder_options){0}, ACTIVATIONS_SAVE);
    struct full *f = t.f;
    float *m = mem_zero(f->count, sizeof *m), *v = mem_zero(f->count, sizeof *v);
    for (uint64_t step = 0; step < STEPS; step++) {
        struct example pair[2] = {t.b.x[step % TINY_TEXTS], t.b.x[(step + 2) % TINY_TEXTS]};
        uint32_t learned = pair[0].n - pair[0].learn + pair[1].n - pair[1].learn;
        memset(f->gradient, 0, f->count * sizeof *f->gradient);
        loss = 0;
        if (gradient_add(t.g, pair, 2, 1.0 / learned, &loss, &e))
            fail_msg("%s", e.message);
        double norm = adamw_norm(f->gradient, f->count), want = json_number_value(json_array_get(json_object_get(t.facts, "norms"), step));
        if (!(fabs(norm - want) <= 1e-3 * want))
            fail_msg("step %d: a gradient of norm %g, want %g", (int)step, norm, want);
        adamw_step(f->value, m, v, f->gradient, f->count, norm, step, &reference_full);
        full_put(f);
        loss /= learned;
    }
    double worst = tiny_full_distance(&t, f->value, true, name), last = json_number_value(json_object_get(t.facts, "last_loss"));
    print_message("%d steps of all weights: %.1e (%s), last loss %g for %g\n", STEPS, worst, name, loss, last);
    assert_true(worst <= TOLERANCE && fabs(loss - last) <= 1e-3 * last);
    free(m);
    free(v);
    tiny_full_close(&t);
}

/* A trainer over the texts of the tiny llama, by several packs a step. */
struct bench {
    struct tiny_train b;
    struct trainer *t;
    struct trainer_options o;
    char path[80];
};

static void bench_open(struct bench *s, int threads, enum activations policy, uint64_t seed)
{
    struct err e;
    tiny_train_open(&s->b, "llama", NULL, &(struct decoder_options){.exact = true, .threads = threads, .max_rows = 40}, policy);
    s->o = (struct trainer_options){.lora = {.rank = 3, .alpha = 6, .rslora = true}, .adamw = reference, .policy = policy, .step_rows = 50, .seed = seed,
                                    .base = {1, 2, 3}};
    if (trainer_new(&s->t, s->b.d, s->b.x, TINY_TEXTS, &s->o, &e))
        fail_msg("%s", e.message);
    snprintf(s->path, sizeof s->path, "/tmp/codeask-checkpoint-%d", (int)getpid());
}

static void bench_close(struct bench *s)
{
    trainer_free(s->t);
    tiny_train_close(&s->b);
    unlink(s->path);
}

static void step_to(struct trainer *t, uint64_t step)
{
    struct trained done;
    struct err e;
    while (trainer_steps(t) < step) {
        if (trainer_step(t, &done, &e))
            fail_msg("%s", e.message);
        assert_int_equal(done.step, trainer_steps(t));
        assert_true(done.rows <= 50 && done.learned > 0 && done.rate > 0);
    }
}

static void save(const struct trainer *t, const char *path, struct buf *bytes)
{
    struct err e;
    if (trainer_save(t, path, &e))
        fail_msg("%s", e.message);
    buf_clear(bytes);
    assert_int_equal(file_read(bytes, path, 4 << 20, &e), 0);
}

static void same(const struct buf *a, const struct buf *b, const char *what)
{
    if (a->len != b->len || memcmp(a->data, b->data, a->len))
        fail_msg("%s: other bytes", what);
}

/* All steps at once. */
static void whole(struct buf *want, uint64_t seed)
{
    struct bench s;
    bench_open(&s, 1, ACTIVATIONS_SAVE, seed);
    step_to(s.t, STEPS);
    save(s.t, s.path, want);
    bench_close(&s);
}

static void goes_on_where_it_stopped(void **state)
{
    struct buf want = BUF_INIT, got = BUF_INIT;
    struct err e;
    whole(&want, 7);
    for (uint64_t stop = 1; stop < STEPS; stop++) {
        struct bench s;
        bench_open(&s, 1 + (int)stop % 3, ACTIVATIONS_SAVE, 7);
        step_to(s.t, stop);
        save(s.t, s.path, &got);
        trainer_free(s.t);
        s.o.policy = ACTIVATIONS_RECOMPUTE;
        assert_int_equal(trainer_new(&s.t, s.b.d, s.b.x, TINY_TEXTS, &s.o, &e), 0);
        if (trainer_load(s.t, s.path, &e))
            fail_msg("%s", e.message);
        step_to(s.t, STEPS);
        save(s.t, s.path, &got);
        same(&want, &got, "stopped and gone on");
        bench_close(&s);
    }
    whole(&got, 8); /* and the seed matters */
    assert_true(memcmp(got.data, want.data, want.len) != 0);
    buf_release(&want);
    buf_release(&got);
}

/* All weights of the tiny gemma2, whose norms hold less than they multiply with: `stop` steps, then the others by another trainer over the model as
 * its file has it. The model as it was written then computes what the trainer had. */
static void whole_model(struct buf *out, uint64_t stop, int threads)
{
    char path[60], folder[80], remove[80];
    snprintf(path, sizeof path, "/tmp/codeask-full-%d", (int)getpid());
    snprintf(folder, sizeof folder, "%s-model", path);
    for (uint64_t end = stop, from = 0; from < STEPS; from = end, end = STEPS) {
        struct tiny_full t;
        struct trainer *tr;
        struct err e;
        tiny_full_open(&t, "gemma2", &(struct decoder_options){.threads = threads, .max_rows = 40}, ACTIVATIONS_SAVE);
        struct trainer_options o = {.full = t.b.t.file, .adamw = reference, .step_rows = 50, .seed = 7, .base = {1, 2, 3},
                                    .policy = from ? ACTIVATIONS_RECOMPUTE : ACTIVATIONS_SAVE};
        if (trainer_new(&tr, t.b.d, t.b.x, TINY_TEXTS, &o, &e) || (from && trainer_load(tr, path, &e)))
            fail_msg("%s", e.message);
        step_to(tr, end);
        save(tr, path, out);
        if (end == STEPS) {
            struct model_file *file;
            struct full *again;
            if (full_write(folder, t.b.t.folder, trainer_full(tr), &e) || model_file_open(&file, folder, &e) || full_new(&again, t.b.d, file, &e))
                fail_msg("%s", e.message);
            assert_memory_equal(again->value, trainer_full(tr)->value, again->count * sizeof(float));
            assert_int_equal(full_write(folder, t.b.t.folder, again, &e), ERR_USAGE); /* it is there */
            full_free(again);
            model_file_close(file);
        }
        trainer_free(tr);
        tiny_full_close(&t);
    }
    snprintf(remove, sizeof remove, "rm -rf %s*", path);
    assert_int_equal(system(remove), 0);
}

static void all_weights_go_on_where_they_stopped(void **state)
{
    struct buf want = BUF_INIT, got = BUF_INIT;
    whole_model(&want, STEPS, 1);
    for (uint64_t stop = 1; stop < STEPS; stop += 6) {
        whole_model(&got, stop, 1 + (int)stop % 3);
        same(&want, &got, "all weights, stopped and gone on");
    }
    buf_release(&want);
    buf_release(&got);
}

/* In a process that may be killed: from the checkpoint on, one after each step. A byte says that it begins. */
static void go_on(const char *path, int ready)
{
    struct bench s;
    struct err e;
    bench_open(&s, 1, ACTIVATIONS_SAVE, 7);
    int rc = trainer_load(s.t, path, &e);
    if (rc && rc != ERR_NOT_FOUND)
        _exit(3);
    if (write(ready, "", 1) != 1)
        _exit(5);
    while (trainer_steps(s.t) < STEPS)
        if (trainer_step(s.t, NULL, &e) || trainer_save(s.t, path, &e))
            _exit(4);
    bench_close(&s);
    _exit(0);
}

static void killed_at_any_moment(void **state)
{
    struct buf want = BUF_INIT, got = BUF_INIT;
    struct err e;
    char path[80], remove[120];
    int status = -1, killed = 0;
    whole(&want, 7);
    snprintf(path, sizeof path, "/tmp/codeask-killed-%d", (int)getpid());
    for (uint64_t i = 0; i <= KILLS && status != 0; i++) {
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0)
            go_on(path, ready[1]);
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        if (i < KILLS) {
            usleep((useconds_t)((tiny_number(9, i) + 1) / 2 * KILL_US));
            kill(child, SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status);
        if (!WIFSIGNALED(status) && status)
            fail_msg("the trainer ended with status %x", (unsigned)status);
    }
    assert_int_equal(file_read(&got, path, 1 << 20, &e), 0);
    print_message("%d kills\n", killed);
    assert_true(killed > 0);
    same(&want, &got, "killed and gone on");
    snprintf(remove, sizeof remove, "rm -rf %s* /tmp/codeask-checkpoint-* ", path);
    assert_int_equal(system(remove), 0);
    buf_release(&want);
    buf_release(&got);
}

static void a_loss_that_is_no_number_changes_nothing(void **state)
{
    struct bench s;
    struct buf good = BUF_INIT, now = BUF_INIT;
    struct err e;
    bench_open(&s, 1, ACTIVATIONS_RECOMPUTE, 7);
    step_to(s.t, 3);
    save(s.t, s.path, &good);
    float *value = trainer_lora(s.t)->value, was = value[trainer_lora(s.t)->part[1].b];
    const float bad[] = {NAN, INFINITY, 3e38f};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        value[trainer_lora(s.t)->part[1].b] = bad[i];
        assert_int_equal(trainer_step(s.t, NULL, &e), ERR_LIMIT);
        assert_int_equal(trainer_steps(s.t), 3);
    }
    value[trainer_lora(s.t)->part[1].b] = was;
    save(s.t, s.path, &now); /* values, moments and cursor are what they were */
    same(&good, &now, "after a loss that is no number");
    step_to(s.t, STEPS); /* and nothing is left of it */
    save(s.t, s.path, &now);
    buf_clear(&good);
    whole(&good, 7);
    same(&good, &now, "gone on after it");
    bench_close(&s);
    buf_release(&good);
    buf_release(&now);
}

static void a_file_that_cannot_be_written_stays(void **state)
{
    struct bench s;
    struct buf good = BUF_INIT, now = BUF_INIT;
    struct err e;
    struct rlimit was;
    bench_open(&s, 1, ACTIVATIONS_SAVE, 7);
    step_to(s.t, 2);
    save(s.t, s.path, &good);
    step_to(s.t, 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    struct rlimit least = {4096, was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
    int rc = trainer_save(s.t, s.path, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_true(rc == ERR_IO || rc == ERR_FULL);
    assert_int_equal(file_read(&now, s.path, 1 << 20, &e), 0);
    same(&good, &now, "after a write that failed");
    assert_int_equal(trainer_load(s.t, s.path, &e), 0);
    assert_int_equal(trainer_steps(s.t), 2);
    bench_close(&s);
    buf_release(&good);
    buf_release(&now);
}

static void of_something_else(void **state)
{
    struct bench s;
    struct buf good = BUF_INIT;
    struct err e;
    bench_open(&s, 1, ACTIVATIONS_SAVE, 7);
    assert_int_equal(trainer_load(s.t, "/nowhere", &e), ERR_NOT_FOUND);
    step_to(s.t, 2);
    save(s.t, s.path, &good);
    for (size_t i = 0; i < good.len; i += 1 + good.len / 211) { /* every part of it, and every length */
        good.data[i] ^= 4;
        assert_int_equal(file_write(s.path, good.data, good.len, 0600, &e), 0);
        int rc = trainer_load(s.t, s.path, &e);
        if (rc != ERR_CORRUPT && rc != ERR_FORMAT)
            fail_msg("byte %zu changed: %d", i, rc);
        good.data[i] ^= 4;
        assert_int_equal(file_write(s.path, good.data, i, 0600, &e), 0);
        assert_true(trainer_load(s.t, s.path, &e) != 0);
    }
    assert_int_equal(trainer_steps(s.t), 2);
    assert_int_equal(file_write(s.path, good.data, good.len, 0600, &e), 0);
    struct trainer_options other[4] = {s.o, s.o, s.o, s.o};
    other[0].seed++;
    other[1].adamw.decay = 0;
    other[2].base[31]++;
    other[3].lora.rank = 2;
    for (size_t i = 0; i < 5; i++) { /* the last: other texts */
        struct trainer *t;
        assert_int_equal(trainer_new(&t, s.b.d, s.b.x, i < 4 ? TINY_TEXTS : TINY_TEXTS - 1, i < 4 ? &other[i] : &s.o, &e), 0);
        assert_int_equal(trainer_load(t, s.path, &e), ERR_USAGE);
        assert_non_null(strstr(e.message, i == 2 ? "another model" : "other options or texts"));
        trainer_free(t);
    }
    bench_close(&s);
    buf_release(&good);
}

static void refusals(void **state)
{
    struct bench s;
    struct trainer *t = NULL;
    struct err e;
    bench_open(&s, 1, ACTIVATIONS_SAVE, 7);
    struct trainer_options o = s.o;
    assert_int_equal(trainer_new(&t, s.b.d, s.b.x, 0, &o, &e), ERR_USAGE);
    uint32_t token[60] = {0};
    assert_int_equal(trainer_new(&t, s.b.d, &(struct example){token, 60, 1}, 1, &o, &e), ERR_USAGE); /* 40 rows fit */
    assert_int_equal(trainer_new(&t, s.b.d, &(struct example){token, 1, 1}, 1, &o, &e), ERR_USAGE);
    o.adamw.beta2 = 1;
    assert_int_equal(trainer_new(&t, s.b.d, s.b.x, TINY_TEXTS, &o, &e), ERR_USAGE);
    o = s.o;
    o.adamw.warmup = STEPS + 1;
    assert_int_equal(trainer_new(&t, s.b.d, s.b.x, TINY_TEXTS, &o, &e), ERR_USAGE);
    bench_close(&s);
}

/* One text alone: it is learned by heart, in far more steps than the schedule has turns. */
static void one_text_is_learned(void **state)
{
    struct bench s;
    struct trainer *t;
    struct trained first, last;
    struct err e;
    bench_open(&s, 2, ACTIVATIONS_RECOMPUTE, 7);
    struct trainer_options o = s.o;
    o.adamw.steps = 120;
    assert_int_equal(trainer_new(&t, s.b.d, &s.b.x[3], 1, &o, &e), 0);
    assert_int_equal(trainer_step(t, &first, &e), 0);
    assert_int_equal(first.epoch, 1);
    do
        assert_int_equal(trainer_step(t, &last, &e), 0);
    while (last.step < o.adamw.steps);
    print_message("loss %g, then %g\n", first.loss, last.loss);
    assert_true(last.loss < .1 * first.loss);
    trainer_free(t);
    bench_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_as_torch), cmocka_unit_test(steps_of_all_weights_as_torch), cmocka_unit_test(all_weights_go_on_where_they_stopped),
        cmocka_unit_test(goes_on_where_it_stopped),
        cmocka_unit_test(killed_at_any_moment),
        cmocka_unit_test(a_loss_that_is_no_number_changes_nothing),
        cmocka_unit_test(a_file_that_cannot_be_written_stays),
        cmocka_unit_test(of_something_else),
        cmocka_unit_test(refusals),
        cmocka_unit_test(one_text_is_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

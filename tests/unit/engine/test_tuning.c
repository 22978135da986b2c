/* A tiny model tuned on records, in a process that may be killed: whatever interrupts it, the same adapter; what is too little, of another
 * model, without room or no number is an error that names it, and the last checkpoint stays. */
#include "tests/unit/engine/tiny_writer.h"

#include "engine/engine.h"
#include "engine/format/safetensors.h"
#include "engine/process/tune.h"
#include "engine/train/merge.h"
#include "engine/train/tuning.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define KILLS 20
#define STEPS 8
#define LONG 300 /* of the one that is killed: so many that it is not done before the last kill */
#define KILL_US 60000

static char model[64], corpus[80];
static struct err e;

static void add(struct buf *b, int i, bool held)
{
    struct buf prompt = BUF_INIT, text = BUF_INIT;
    static const uint8_t blob[20] = {7};
    buf_addf(&prompt, "Where is `step_%d` defined?", i);
    buf_addf(&text, "`step_%d` is defined in src/m%d.py, lines %d to %d.", i, i % 7, i, i + 9);
    struct corpus_record r = {.kind = CORPUS_WHERE, .held = held, .repo = 1, .blob = blob, .blobs = 1, .prompt = {prompt.data, prompt.len},
                              .text = {{text.data, text.len}}, .texts = 1};
    corpus_add(b, &r);
    if (held) { /* and a choice */
        r.kind = CORPUS_CITE;
        r.text[1] = (struct str){"`other` is defined in src/x.py.", 31};
        r.texts = 2;
        corpus_add(b, &r);
    }
    buf_release(&prompt);
    buf_release(&text);
}

static void write_corpus(const char *path, int learned, int held)
{
    struct buf b = BUF_INIT;
    corpus_begin(&b, 3, &(uint32_t){1}, 1);
    for (int i = 0; i < learned + held; i++)
        add(&b, i, i >= learned);
    corpus_end(&b);
    assert_int_equal(file_write(path, b.data, b.len, 0600, &e), 0);
    buf_release(&b);
}

static int begin(void **state)
{
    tiny_writer(model);
    snprintf(corpus, sizeof corpus, "/tmp/codeask-corpus-%d", (int)getpid());
    write_corpus(corpus, 40, 6);
    return 0;
}

static int end(void **state)
{
    char command[200];
    tiny_writer_remove(model);
    snprintf(command, sizeof command, "rm -rf %s*", corpus);
    return system(command);
}

static struct tuning_order order_in(const char *folder)
{
    return (struct tuning_order){.model = model, .corpus = corpus, .folder = folder, .rank = 4, .alpha = 8, .rate = 1e-3f, .steps = STEPS, .step_rows = 300,
                                 .context = 160, .threads = 1, .seed = 5};
}

static void folder_of(char out[120], const char *name)
{
    snprintf(out, 120, "%s-%s", corpus, name);
}

static bool news(void *arg, const struct tuning_news *n)
{
    int *stop_at = arg;
    assert_true(n->memory > 0 && n->step <= n->steps + 1);
    return !stop_at || strcmp(n->stage, "learning") || n->step < (uint64_t)*stop_at;
}

static void read_in(struct buf *out, const char *folder, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    buf_clear(out);
    if (file_read(out, path, 1 << 24, &e))
        fail_msg("%s", e.message);
}

static void same_adapter(const char *a, const char *b)
{
    struct buf x = BUF_INIT, y = BUF_INIT;
    read_in(&x, a, "adapter_model.safetensors");
    read_in(&y, b, "adapter_model.safetensors");
    assert_true(x.len == y.len && !memcmp(x.data, y.data, x.len));
    buf_release(&x);
    buf_release(&y);
}

static char whole[120]; /* folder of one that was never interrupted */

static void learns_and_measures(void **state)
{
    struct tuned t;
    double base = 0, tuned = 0;
    folder_of(whole, "whole");
    struct tuning_order o = order_in(whole);
    if (tuning_run(&t, &o, news, NULL, &e))
        fail_msg("%s", e.message);
    assert_int_equal(t.steps, STEPS);
    assert_int_equal(t.texts, 40);
    assert_int_equal(t.rows, 40 + 6 * 2);
    for (size_t i = 0; i < t.rows; i++) {
        const struct measured *m = &t.row[i];
        assert_true(m->tokens > 20 && m->base > 0);
        if (m->texts == 1 && m->held) {
            base += m->base;
            tuned += m->tuned;
        }
        if (m->texts == 2)
            assert_true(m->held && m->kind == CORPUS_CITE && (m->base == 1 || m->base == 2));
    }
    assert_true(tuned < .98 * base); /* of a model drawn at random much is to be had */
    struct tuned again; /* measured only: the same figures */
    struct tuning_order only = order_in("/nowhere");
    only.adapter = whole;
    assert_int_equal(tuning_run(&again, &only, news, NULL, &e), 0);
    assert_int_equal(again.rows, t.rows);
    assert_memory_equal(again.row, t.row, t.rows * sizeof *t.row);
    assert_true(t.questions > 0 && again.questions == t.questions);
    for (size_t i = 0; i < t.questions; i++)
        assert_true(again.asked[i].answerable == t.asked[i].answerable && again.asked[i].tuned.cited == t.asked[i].tuned.cited);
    tuned_release(&again);
    tuned_release(&t);
}

static void stopped_and_gone_on(void **state)
{
    struct tuned t;
    char folder[120];
    folder_of(folder, "stopped");
    struct tuning_order o = order_in(folder);
    o.checkpoint_s = 1e9; /* only where it stops */
    for (int at = 1; at < STEPS; at++)
        assert_int_equal(tuning_run(&t, &o, news, &at, &e), ERR_CANCELED);
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), 0);
    tuned_release(&t);
    same_adapter(folder, whole);
}

/* Through the process, as the daemon does it. */
static void killed_at_any_moment(void **state)
{
    char folder[120], reference[120];
    struct tuning_order o = order_in(reference);
    struct buf line = BUF_INIT;
    struct tune_process p;
    struct tuned t;
    int killed = 0, rc = 0;
    bool done = false;
    folder_of(folder, "killed");
    folder_of(reference, "long");
    o.steps = LONG;
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), 0);
    tuned_release(&t);
    o.folder = folder;
    for (int i = 0; !done; i++) {
        if (tune_start(&p, "/proc/self/exe", &o, &e))
            fail_msg("%s", e.message);
        int lines = 0, most = i < KILLS ? 1 : 1 << 30;
        while ((rc = tune_next(&p, 20000, &line, &e)) == 1 && lines < most) {
            assert_null(strstr(line.data, "\"error\""));
            done |= strstr(line.data, "\"done\"") != NULL;
            lines += strstr(line.data, "learning") != NULL;
        }
        if (i < KILLS) {
            usleep((useconds_t)((tiny_number(11, (uint64_t)i) + 1) / 2 * KILL_US));
            kill(p.pid, SIGKILL);
            killed++;
        }
        tune_end(&p);
    }
    print_message("%d kills\n", killed);
    assert_int_equal(killed, KILLS);
    same_adapter(folder, reference);
    buf_release(&line);
}

/* It stands still while it is paused, goes on, and stops when it is told to. */
static void pauses(void **state)
{
    char folder[120];
    struct tuning_order o = order_in(folder);
    struct buf line = BUF_INIT;
    struct tune_process p;
    folder_of(folder, "paused");
    o.steps = 100000;
    assert_int_equal(tune_start(&p, "/proc/self/exe", &o, &e), 0);
    while (!line.data || !strstr(line.data, "learning"))
        assert_int_equal(tune_next(&p, 20000, &line, &e), 1);
    tune_pause(&p, true);
    while (tune_next(&p, 300, &line, &e) == 1)
        ; /* what was under way */
    assert_int_equal(tune_next(&p, 600, &line, &e), 0);
    tune_pause(&p, false);
    assert_int_equal(tune_next(&p, 20000, &line, &e), 1);
    tune_pause(&p, true);
    tune_stop(&p);
    while (tune_next(&p, 20000, &line, &e) == 1 && !strstr(line.data, "error"))
        ;
    assert_non_null(strstr(line.data, "canceled"));
    tune_end(&p);
    buf_release(&line);
}

static void what_cannot_be(void **state)
{
    struct tuned t;
    char folder[120], other[64], path[140];
    struct tuning_order o = order_in(folder);
    folder_of(folder, "few");
    strcpy(path, folder);
    folder_of(folder, "wrong");
    write_corpus(path, 3, 1); /* a repository of one file */
    o.corpus = path;
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), ERR_USAGE);
    assert_non_null(strstr(e.message, "too few"));
    write_corpus(path, 0, 0); /* of none */
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), ERR_USAGE);
    o.corpus = "/nowhere/corpus";
    assert_int_not_equal(tuning_run(&t, &o, news, NULL, &e), 0);
    assert_non_null(strstr(e.message, "/nowhere/corpus"));
    o.corpus = corpus;

    /* a loss that is no number: the last checkpoint stays and is good */
    o.rate = 1e38f;
    int rc = tuning_run(&t, &o, news, NULL, &e);
    if (rc != ERR_LIMIT)
        fail_msg("a rate of 1e38 ends with %d: %s", rc, rc ? e.message : "");
    struct buf kept = BUF_INIT;
    read_in(&kept, folder, "state");
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), ERR_LIMIT);
    struct buf now = BUF_INIT;
    read_in(&now, folder, "state");
    assert_true(now.len == kept.len && !memcmp(now.data, kept.data, now.len));
    o.rate = 2e-3f; /* another course than the checkpoint's */
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), ERR_USAGE);
    assert_non_null(strstr(e.message, "other options"));
    buf_release(&kept);
    buf_release(&now);

    /* two at once in a folder */
    snprintf(path, sizeof path, "%s/lock", folder);
    int fd = open(path, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), ERR_BUSY);
    close(fd);

    /* an adapter of another base, by name */
    tiny_writer_of(other, tiny_special, TINY_SPECIALS, "<|im_end|>", TINY_CHATML);
    snprintf(path, sizeof path, "%s/model.safetensors", other);
    struct buf bytes = BUF_INIT;
    assert_int_equal(file_read(&bytes, path, 1 << 24, &e), 0);
    bytes.data[bytes.len - 1] ^= 1; /* another weight */
    assert_int_equal(file_write(path, bytes.data, bytes.len, 0600, &e), 0);
    buf_release(&bytes);
    o.model = other;
    o.adapter = whole;
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), ERR_USAGE);
    assert_non_null(strstr(e.message, strrchr(model, '/') + 1));
    tiny_writer_remove(other);
}

static void without_room(void **state)
{
    struct tuned t;
    char folder[120];
    int at = 2;
    folder_of(folder, "full");
    struct tuning_order o = order_in(folder);
    assert_int_equal(tuning_run(&t, &o, news, &at, &e), ERR_CANCELED); /* a checkpoint is there */
    struct rlimit was, least;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    least = (struct rlimit){4096, was.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
    int rc = tuning_run(&t, &o, news, NULL, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_true(rc == ERR_IO || rc == ERR_FULL);
    assert_int_equal(tuning_run(&t, &o, news, NULL, &e), 0); /* and with room again it goes on */
    tuned_release(&t);
    same_adapter(folder, whole);
}

/* A merged model is, without the adapter, what its base is with it. */
static void merged(void **state)
{
    struct tuned with, alone;
    char to[120], none[120], command[260];
    folder_of(to, "merged");
    folder_of(none, "none");
    if (merge_write(to, model, whole, &e))
        fail_msg("%s", e.message);
    assert_int_equal(merge_write(to, model, whole, &e), ERR_USAGE);
    assert_non_null(strstr(e.message, to));
    struct tuning_order o = order_in(none);
    o.adapter = whole;
    assert_int_equal(tuning_run(&with, &o, news, NULL, &e), 0);
    o.adapter = NULL;
    o.model = to;
    o.rate = 1e-12f; /* learns nothing to speak of: its base is what is measured */
    o.steps = 1;
    if (tuning_run(&alone, &o, news, NULL, &e))
        fail_msg("%s", e.message);
    assert_int_equal(with.rows, alone.rows);
    for (size_t i = 0; i < with.rows; i++)
        if (with.row[i].texts == 1 && !(fabs(alone.row[i].base / with.row[i].tuned - 1) < 1e-4))
            fail_msg("record %zu: %g merged, %g with the adapter, %g without", i, alone.row[i].base, with.row[i].tuned, with.row[i].base);
    assert_int_equal(merge_write(none, to, whole, &e), ERR_USAGE); /* the merged one is another base */
    tuned_release(&with);
    tuned_release(&alone);
    snprintf(command, sizeof command, "rm -rf %s %s", to, none);
    assert_int_equal(system(command), 0);
}

/* -- a base in BF16 ------------------------------------------------------------------------------------------------------------- */

static uint16_t bf16_of(float x) /* to nearest, ties to even */
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static float of_bf16(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* The same model, each weight rounded. */
static void writer_in_bf16(char folder[64])
{
    char path[120];
    struct safetensors *st;
    struct buf head = BUF_INIT, data = BUF_INIT, all = BUF_INIT;
    tiny_writer(folder);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(safetensors_open(&st, path, &e), 0);
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        size_t from = data.len;
        assert_int_equal(t->type, ST_F32);
        for (size_t k = 0; k < t->bytes / 4; k++) {
            float x;
            memcpy(&x, t->data + 4 * k, sizeof x);
            uint16_t h = bf16_of(x);
            buf_add(&data, &h, sizeof h);
        }
        buf_addf(&head, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[", i ? "," : "{", t->name);
        for (int r = 0; r < t->rank; r++)
            buf_addf(&head, "%s%lld", r ? "," : "", (long long)t->shape[r]);
        buf_addf(&head, "],\"data_offsets\":[%zu,%zu]}", from, data.len);
    }
    safetensors_close(st);
    buf_addc(&head, '}');
    while (head.len % 8)
        buf_addc(&head, ' ');
    uint64_t n = head.len;
    buf_add(&all, &n, sizeof n);
    buf_add(&all, head.data, head.len);
    buf_add(&all, data.data, data.len);
    assert_int_equal(file_write(path, all.data, all.len, 0600, &e), 0);
    buf_release(&head);
    buf_release(&data);
    buf_release(&all);
}

static struct safetensors *weights_of(const char *folder, const char *name)
{
    char path[200];
    struct safetensors *st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (safetensors_open(&st, path, &e))
        fail_msg("%s", e.message);
    return st;
}

static const struct st_tensor *found(const struct safetensors *st, const char *name, const char *end)
{
    char full[160];
    snprintf(full, sizeof full, "%s%s", name, end);
    const struct st_tensor *t = safetensors_find(st, full);
    if (!t)
        fail_msg("no tensor %s", full);
    return t;
}

/* Every weight is the sum in double, rounded to BF16; what has no adapter is as it was. */
static void merged_in_bf16(void **state)
{
    static const char *const maps[] = {"model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.o_proj", "model.layers.1.mlp.down_proj"};
    char bf16[64], folder[120], to[120];
    struct tuned t;
    writer_in_bf16(bf16);
    folder_of(folder, "bf16");
    folder_of(to, "bf16-merged");
    struct tuning_order o = order_in(folder);
    o.model = bf16;
    if (tuning_run(&t, &o, news, NULL, &e) || merge_write(to, bf16, folder, &e))
        fail_msg("%s", e.message);
    tuned_release(&t);
    struct safetensors *was = weights_of(bf16, "model.safetensors"), *is = weights_of(to, "model.safetensors"), *l = weights_of(folder, "adapter_model.safetensors");
    size_t changed = 0;
    assert_int_equal(safetensors_count(is), safetensors_count(was));
    for (size_t m = 0; m < sizeof maps / sizeof *maps; m++) {
        char name[120];
        snprintf(name, sizeof name, "base_model.model.%s", maps[m]);
        const struct st_tensor *w = found(was, maps[m], ".weight"), *x = found(is, maps[m], ".weight"), *a = found(l, name, ".lora_A.weight"),
                               *b = found(l, name, ".lora_B.weight");
        const uint16_t *from = (const uint16_t *)w->data, *got = (const uint16_t *)x->data;
        const float *low = (const float *)a->data, *high = (const float *)b->data;
        assert_true(x->type == ST_BF16 && x->bytes == w->bytes);
        for (int64_t i = 0; i < w->shape[0]; i++)
            for (int64_t k = 0; k < w->shape[1]; k++) {
                double sum = 0;
                for (int64_t r = 0; r < 4; r++)
                    sum += (double)high[i * 4 + r] * low[r * w->shape[1] + k];
                double want = (double)of_bf16(from[i * w->shape[1] + k]) + 2 * sum; /* an alpha of 8 over a rank of 4 */
                uint16_t h = got[i * w->shape[1] + k];
                if (h != bf16_of((float)want))
                    fail_msg("%s[%d][%d]: %g, wanted %g", maps[m], (int)i, (int)k, (double)of_bf16(h), want);
                changed += h != from[i * w->shape[1] + k];
            }
    }
    const struct st_tensor *embedded = found(was, "model.embed_tokens", ".weight");
    assert_memory_equal(found(is, "model.embed_tokens", ".weight")->data, embedded->data, embedded->bytes);
    assert_true(changed > 100);
    safetensors_close(was);
    safetensors_close(is);
    safetensors_close(l);
    tiny_writer_remove(bf16);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], TUNE_ARG))
        return tune_main(ENGINE_FD);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest numbers[] = {cmocka_unit_test(learns_and_measures), cmocka_unit_test(stopped_and_gone_on)};
    if (getenv("CODEASK_TEST_EMULATED")) { /* the others are about processes and time: a quarter of an hour there, and nothing of the machine in it */
        print_message("under an emulator: the numbers alone\n");
        return cmocka_run_group_tests(numbers, begin, end);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(learns_and_measures), cmocka_unit_test(stopped_and_gone_on), cmocka_unit_test(killed_at_any_moment),
                                       cmocka_unit_test(pauses), cmocka_unit_test(what_cannot_be), cmocka_unit_test(without_room), cmocka_unit_test(merged),
                                       cmocka_unit_test(merged_in_bf16)};
    return cmocka_run_group_tests(tests, begin, end);
}

/* The schedule over a decoder of a few lines in the place of engine/run's: its logits are a function of the tokens before, so what
 * each request must write is known whatever else runs. */
#include "engine/generate/schedule.h"

#include "base/mem.h"
#include "kernels/draw.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VOCAB 50
#define EXACT_ROWS 8

struct decoder {
    uint32_t context, max_rows, max_sequences, pages, alive, used;
    uint32_t steps, rows, most_rows, most_writers, drawn, write_rows;
    bool draws;
    pthread_mutex_t *gate; /* no step while it is locked; NULL: none */
};
struct sequence {
    struct decoder *d;
    uint32_t *token, n;
};

static uint32_t pages_of(uint32_t n)
{
    return (n + DECODER_PAGE - 1) / DECODER_PAGE;
}

void decoder_info(const struct decoder *d, struct decoder_info *out)
{
    *out = (struct decoder_info){.vocab = VOCAB, .context = d->context, .max_rows = d->max_rows, .exact_rows = EXACT_ROWS, .write_rows = d->write_rows, .draws = d->draws,
                                 .max_sequences = d->max_sequences, .pages = d->pages, .pages_free = d->pages - d->used};
}

int sequence_new(struct sequence **out, struct decoder *d, struct err *e)
{
    if (d->alive == d->max_sequences)
        return err_set(e, ERR_BUSY, "no sequence");
    struct sequence *s = mem_zero(1, sizeof *s);
    s->d = d;
    s->token = mem_zero(d->context + 1, sizeof *s->token);
    d->alive++;
    *out = s;
    return 0;
}

void sequence_free(struct sequence *s)
{
    if (!s)
        return;
    s->d->alive--;
    s->d->used -= pages_of(s->n);
    free(s->token);
    free(s);
}

int sequence_fork(struct sequence **out, const struct sequence *from, struct err *e)
{
    if (from->d->pages - from->d->used < pages_of(from->n)) /* no sharing here */
        return err_set(e, ERR_BUSY, "no page");
    int rc = sequence_new(out, from->d, e);
    if (rc)
        return rc;
    memcpy((*out)->token, from->token, from->n * sizeof *from->token);
    (*out)->n = from->n;
    from->d->used += pages_of(from->n);
    return 0;
}

int sequence_adapt(struct sequence *s, const struct pass_adapt *adapt, struct err *e)
{
    return s->n || adapt ? err_set(e, ERR_USAGE, "no adapters here") : 0;
}

uint32_t sequence_length(const struct sequence *s) { return s->n; }
const uint32_t *sequence_tokens(const struct sequence *s) { return s->token; }

int sequence_roll_back(struct sequence *s, uint32_t n, struct err *e)
{
    if (n > s->n)
        return err_set(e, ERR_USAGE, "too far");
    s->d->used -= pages_of(s->n) - pages_of(s->n - n);
    s->n -= n;
    return 0;
}

/* Nothing is kept on disk here: test_prefix_disk.c. */
int sequence_save(const struct sequence *s, uint32_t n, struct buf *out, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "no bytes");
}

int sequence_load(struct sequence *s, const void *bytes, size_t n, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "no bytes");
}

uint32_t decoder_short_of(const struct decoder *d, const struct step_part *part, size_t n)
{
    uint32_t need = 0;
    for (size_t i = 0; i < n; i++)
        need += pages_of(part[i].s->n + part[i].n) - pages_of(part[i].s->n);
    return need > d->pages - d->used ? need - (d->pages - d->used) : 0;
}

/* The token after these: every one of them counts. */
static uint32_t follows(const uint32_t *token, uint32_t n)
{
    uint32_t h = 1;
    for (uint32_t i = 0; i < n; i++)
        h = h * 31 + token[i] + 7;
    h ^= h >> 15;
    return h % 5 ? h % VOCAB : token[n / 2]; /* often what was there before */
}

int decoder_step(struct decoder *d, const struct step_part *part, size_t n, float *logits, struct err *e)
{
    return decoder_step_draw(d, part, n, NULL, logits, e);
}

int decoder_step_draw(struct decoder *d, const struct step_part *part, size_t n, struct draw_batch *draw, float *logits, struct err *e)
{
    uint32_t rows = 0, writers = 0, row = 0;
    assert_int_equal(draw != NULL, d->draws);
    if (d->gate) {
        pthread_mutex_lock(d->gate);
        pthread_mutex_unlock(d->gate);
    }
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(part[i].s, part[j].s);
        rows += part[i].n;
        writers += part[i].want;
        assert_true(part[i].n >= part[i].want && part[i].n > 0);
        assert_true(part[i].s->n + part[i].n <= d->context);
    }
    assert_true(rows <= d->max_rows);
    if (decoder_short_of(d, part, n))
        return err_set(e, ERR_BUSY, "no page");
    for (size_t i = 0; i < n; i++) {
        struct sequence *s = part[i].s;
        d->used += pages_of(s->n + part[i].n) - pages_of(s->n);
        for (uint32_t k = 0; k < part[i].n; k++) {
            s->token[s->n++] = part[i].token[k];
            if (part[i].n - k > part[i].want)
                continue;
            uint32_t next = follows(s->token, s->n);
            bool drawn = draw && draw->row[row].vocab;
            if (drawn) { /* the text that it is asked to stand behind is the sequence's */
                assert_int_equal(draw->row[row].top_k, s->n);
                draw->out[row] = (struct draw_out){next, draw->row[row].scale > 0 ? DRAW_BAD : DRAW_OK};
                d->drawn++;
            }
            row++;
            for (uint32_t v = 0; v < VOCAB; v++)
                logits[v] = 0;
            if (!drawn)
                logits[next] = 1;
            logits += VOCAB;
        }
    }
    assert_true(!draw || draw->rows == row);
    d->steps++;
    d->rows += rows;
    if (rows > d->most_rows)
        d->most_rows = rows;
    if (writers > d->most_writers)
        d->most_writers = writers;
    return 0;
}

/* A request and what it must write: greedy until 0 is chosen. */
struct asked {
    uint32_t prompt[400], n, most;
    uint32_t text[400], written;
    bool drafts, ended, cut, draws, spoiled;
    int rc;
    struct schedule_result result;
    struct gen_provenance from;
    uint32_t told;
    uint64_t id;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static bool choose(void *arg, float *logits, uint32_t *token)
{
    struct asked *a = arg;
    uint32_t best = logits ? 0 : *token;
    for (uint32_t v = 1; v < VOCAB && logits; v++)
        if (logits[v] > logits[best])
            best = v;
    if (!best)
        return false;
    *token = a->text[a->written++] = best;
    return true;
}

static uint32_t draft(void *arg, uint32_t *token, uint32_t most)
{
    struct asked *a = arg;
    uint32_t all[800], n = a->n + a->written, k = 0;
    if (!a->drafts)
        return 0;
    memcpy(all, a->prompt, a->n * sizeof *all);
    memcpy(all + a->n, a->text, a->written * sizeof *all);
    for (; k < most; k++) { /* right, except that now and then it is not */
        token[k] = follows(all, n);
        if (n % 3 == 0)
            token[k] = (token[k] + 1) % VOCAB;
        all[n++] = token[k];
    }
    return k;
}

/* Some of its rows only. top_k stands for how much the row is behind. */
static void draw(void *arg, struct draw_batch *out, const uint32_t *ahead, uint32_t n)
{
    struct asked *a = arg;
    uint32_t at = a->n + a->written + n;
    if (n)
        assert_true(ahead[n - 1] < VOCAB);
    out->row[out->rows++] = (struct draw_row){.vocab = a->draws && at % 7 ? VOCAB : 0, .top_k = at, .scale = a->spoiled && a->written == 3};
}

static void told(void *arg, uint32_t done)
{
    struct asked *a = arg;
    assert_true(done > a->told && done <= a->n);
    a->told = done;
}

static void ended(void *arg, int rc, bool cut, const struct err *why, const struct schedule_result *r)
{
    struct asked *a = arg;
    assert_true(!rc || why->code == rc);
    pthread_mutex_lock(&lock);
    assert_false(a->ended);
    a->ended = true;
    a->rc = rc;
    a->cut = cut;
    a->result = *r;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int submit(struct schedule *s, struct asked *a, struct err *e)
{
    struct schedule_task t = {a->prompt, a->n, a->most, &a->from, choose, draft, told, ended, a, .draw = draw};
    return schedule_submit(s, &t, &a->id, e);
}

static void wait_for(struct asked *a)
{
    pthread_mutex_lock(&lock);
    while (!a->ended)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void check(const struct asked *a)
{
    uint32_t all[800], n = a->n;
    memcpy(all, a->prompt, a->n * sizeof *all);
    for (uint32_t i = 0; i < a->written; i++) {
        uint32_t next = follows(all, n);
        assert_int_equal(a->text[i], next);
        all[n++] = next;
    }
    assert_int_equal(a->rc, 0);
    if (a->cut)
        assert_true(a->written == a->most);
    else
        assert_int_equal(follows(all, n), 0);
}

static void ask(struct asked *a, uint32_t seed, uint32_t n, uint32_t most, bool drafts)
{
    *a = (struct asked){.n = n, .most = most, .drafts = drafts};
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        a->prompt[i] = (seed >> 16) % (VOCAB - 1) + 1;
    }
}

static void many_write_what_each_would_alone(void **state)
{
    (void)state;
    struct decoder d = {.context = 500, .max_rows = 96, .max_sequences = 40, .pages = 1000};
    struct schedule *s;
    struct err e = {0};
    static struct asked a[30];
    assert_int_equal(schedule_open(&s, &d, NULL, &e), 0);
    for (int i = 0; i < 30; i++) {
        ask(&a[i], (uint32_t)i, 1 + (uint32_t)i * 13 % 390, 1 + (uint32_t)i * 7 % 60, i % 2);
        assert_int_equal(submit(s, &a[i], &e), 0);
    }
    uint32_t accepted = 0, drafted = 0;
    for (int i = 0; i < 30; i++) {
        wait_for(&a[i]);
        check(&a[i]);
        accepted += a[i].result.accepted;
        drafted += a[i].result.drafted;
    }
    assert_true(drafted > accepted && accepted > 20);
    assert_true(d.most_writers <= EXACT_ROWS);
    schedule_close(s);
    assert_int_equal(d.alive, 0);
    assert_int_equal(d.used, 0);
}

/* Tokens that come from the device and tokens that are chosen of logits, beside each other. */
static void drawn_or_chosen(void **state)
{
    (void)state;
    struct decoder d = {.context = 500, .max_rows = 96, .max_sequences = 40, .pages = 1000, .draws = true, .write_rows = 64};
    struct schedule *s;
    struct err e = {0};
    static struct asked a[30];
    assert_int_equal(schedule_open(&s, &d, NULL, &e), 0);
    for (int i = 0; i < 30; i++) {
        ask(&a[i], (uint32_t)i, 1 + (uint32_t)i * 13 % 390, 20 + (uint32_t)i * 7 % 60, i % 2 && i != 7);
        a[i].draws = i % 3;
        a[i].spoiled = i == 7;
        assert_int_equal(submit(s, &a[i], &e), 0);
    }
    for (int i = 0; i < 30; i++) {
        wait_for(&a[i]);
        if (i != 7 || a[i].rc == 0)
            check(&a[i]);
    }
    assert_int_equal(a[7].rc, ERR_FORMAT);
    assert_true(d.drawn > 100);
    schedule_close(s);
    assert_int_equal(d.alive, 0);
}

/* Where the decoder gains by it more of them write at once than are exact, and without drafts then. */
static void more_write_than_are_exact(void **state)
{
    (void)state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct decoder d = {.context = 500, .max_rows = 96, .max_sequences = 60, .pages = 1000, .write_rows = 64, .gate = &gate};
    struct schedule *s;
    struct err e = {0};
    static struct asked a[30];
    assert_int_equal(schedule_open(&s, &d, NULL, &e), 0);
    pthread_mutex_lock(&gate); /* until all are there */
    for (int i = 0; i < 30; i++) {
        ask(&a[i], (uint32_t)i, 3, 40, true);
        assert_int_equal(submit(s, &a[i], &e), 0);
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 30; i++) {
        wait_for(&a[i]);
        check(&a[i]);
    }
    assert_true(d.most_writers > EXACT_ROWS && d.most_writers <= 30);
    schedule_close(s);
    d = (struct decoder){.context = 500, .max_rows = 96, .max_sequences = 60, .pages = 1000, .write_rows = 64};
    assert_int_equal(schedule_open(&s, &d, &(struct schedule_options){.write_rows = 10}, &e), 0);
    for (int i = 0; i < 30; i++) {
        ask(&a[i], (uint32_t)i, 3, 40, false);
        assert_int_equal(submit(s, &a[i], &e), 0);
    }
    for (int i = 0; i < 30; i++) {
        wait_for(&a[i]);
        check(&a[i]);
    }
    assert_true(d.most_writers <= 10);
    schedule_close(s);
}

static void few_pages_cost_time_and_nothing_else(void **state)
{
    (void)state;
    struct decoder d = {.context = 500, .max_rows = 64, .max_sequences = 12, .pages = 20}; /* two long ones */
    struct schedule *s;
    struct err e = {0};
    static struct asked a[10];
    assert_int_equal(schedule_open(&s, &d, NULL, &e), 0);
    for (int i = 0; i < 10; i++) {
        ask(&a[i], (uint32_t)i + 100, 150 + (uint32_t)i * 20, 90, i % 2);
        assert_int_equal(submit(s, &a[i], &e), 0);
    }
    for (int i = 0; i < 10; i++) {
        wait_for(&a[i]);
        check(&a[i]);
    }
    schedule_close(s);
    assert_int_equal(d.used, 0);
    struct decoder tiny = {.context = 500, .max_rows = 64, .max_sequences = 12, .pages = 3};
    ask(&a[0], 1, 200, 5, false);
    assert_int_equal(schedule_open(&s, &tiny, NULL, &e), 0);
    assert_int_equal(submit(s, &a[0], &e), 0);
    wait_for(&a[0]);
    assert_int_equal(a[0].rc, ERR_MEMORY);
    schedule_close(s);
}

static void what_begins_alike_is_read_once(void **state)
{
    (void)state;
    struct decoder d = {.context = 500, .max_rows = 64, .max_sequences = 12, .pages = 1000};
    struct schedule *s;
    struct err e = {0};
    static const uint8_t content[1][20] = {{7}};
    struct asked a, b;
    assert_int_equal(schedule_open(&s, &d, NULL, &e), 0);
    ask(&a, 5, 200, 30, true);
    a.from = (struct gen_provenance){content, 1, "mine"};
    assert_int_equal(submit(s, &a, &e), 0);
    wait_for(&a);
    check(&a);
    assert_int_equal(a.result.reused, 0);

    b = a; /* goes on from what was written, in the same scope */
    memcpy(b.prompt + b.n, a.text, a.written * sizeof *a.text);
    b.n += a.written;
    b.written = b.told = 0;
    b.ended = false;
    struct asked c = b, twice = b;
    assert_int_equal(submit(s, &b, &e), 0);
    wait_for(&b);
    check(&b);
    assert_true(b.result.reused >= a.n);

    assert_int_equal(submit(s, &twice, &e), 0); /* all of it: its last token is read again */
    wait_for(&twice);
    check(&twice);
    assert_int_equal(twice.result.reused, b.n - 1);

    struct asked other = c;
    c.from.scope = "another's";
    assert_int_equal(submit(s, &c, &e), 0);
    wait_for(&c);
    check(&c);
    assert_int_equal(c.result.reused, 0);

    schedule_forget(s, content[0]);
    assert_int_equal(submit(s, &other, &e), 0);
    wait_for(&other);
    check(&other);
    assert_int_equal(other.result.reused, 0);
    schedule_close(s);
}

static void a_long_prompt_does_not_hold_up_a_short_one(void **state)
{
    (void)state;
    pthread_mutex_t both = PTHREAD_MUTEX_INITIALIZER;
    struct decoder d = {.context = 500, .max_rows = 16, .max_sequences = 12, .pages = 1000, .gate = &both};
    struct schedule *s;
    struct err e = {0};
    static struct asked lng, shrt;
    assert_int_equal(schedule_open(&s, &d, NULL, &e), 0);
    ask(&lng, 3, 390, 3, false);
    ask(&shrt, 4, 20, 3, false);
    pthread_mutex_lock(&both); /* else the long one may be read before the short one is there */
    assert_int_equal(submit(s, &lng, &e), 0);
    assert_int_equal(submit(s, &shrt, &e), 0);
    pthread_mutex_unlock(&both);
    wait_for(&shrt);
    wait_for(&lng);
    check(&lng);
    check(&shrt);
    assert_true(shrt.result.ms_prompt < lng.result.ms_prompt);
    assert_true(shrt.result.ms_read > 0 && shrt.result.ms_read + lng.result.ms_read <= lng.result.ms_prompt); /* no step counts twice */
    schedule_close(s);
}

static void limits_and_cancels(void **state)
{
    (void)state;
    struct decoder d = {.context = 300, .max_rows = 16, .max_sequences = 2, .pages = 1000};
    struct schedule_options o = {.waiting = 2};
    struct schedule *s;
    struct err e = {0};
    static struct asked a[4];
    assert_int_equal(schedule_open(&s, &d, &o, &e), 0);
    ask(&a[0], 3, 300, 3, false);
    assert_int_equal(submit(s, &a[0], &e), ERR_LIMIT);
    int busy = 0, taken = 0;
    for (int i = 0; i < 4; i++) {
        ask(&a[i], (uint32_t)i, 290, 9, false);
        int rc = submit(s, &a[i], &e);
        if (rc == ERR_BUSY)
            busy++;
        else
            taken += !rc;
    }
    assert_true(taken >= 3 && busy + taken == 4);
    schedule_cancel(s, a[2].id);
    wait_for(&a[2]);
    assert_true(a[2].rc == ERR_CANCELED || a[2].rc == 0);
    wait_for(&a[0]);
    check(&a[0]);
    schedule_close(s); /* the rest ends now */
    assert_true(a[1].ended);
    assert_int_equal(d.alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_write_what_each_would_alone), cmocka_unit_test(drawn_or_chosen), cmocka_unit_test(more_write_than_are_exact),
        cmocka_unit_test(few_pages_cost_time_and_nothing_else),
        cmocka_unit_test(what_begins_alike_is_read_once),
        cmocka_unit_test(a_long_prompt_does_not_hold_up_a_short_one),
        cmocka_unit_test(limits_and_cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

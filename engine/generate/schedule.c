#include "engine/generate/schedule.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/generate/prefix.h"
#include "engine/generate/prefix_disk.h"
#include "kernels/draw.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BUSY 64
#define WAITING 64

struct run {
    struct schedule_task t;
    uint64_t id;
    int64_t submitted;
    struct sequence *seq;  /* NULL: waits, or has given its pages back */
    uint32_t *token;       /* [n]: the prompt, then what was chosen; the last one is not read yet */
    uint32_t n, cap;
    uint32_t read;         /* of token, in seq */
    uint32_t written, told; /* told: of the prompt, to task.read */
    struct schedule_result result;
    bool looked;           /* on the disk for what it shares with earlier ones */
    bool parked;           /* has given its pages back: until a request ends */
    struct run *link;
};

struct schedule {
    struct decoder *d;
    struct schedule_options o;
    uint32_t context, vocab, max_rows, running_max;
    pthread_t thread;
    pthread_mutex_t lock;      /* guards what follows, up to the blank line */
    pthread_cond_t work, forgot;
    struct run *arrived;       /* in order */
    unsigned alive;
    uint64_t last_id;
    uint64_t *cancel;          /* ids, [ncancel] */
    size_t ncancel, cancel_cap;
    const uint8_t *forget;     /* wanted by forgetting; NULL inside it: all */
    bool forgetting, stop;

    struct run *runs;          /* the thread's own, oldest first */
    struct prefix_cache *kept;
    uint32_t turn;             /* whose turn it is, among those who read and those who write */
    struct step_part *part;    /* [max_rows] */
    struct run **of;           /* [max_rows]: whose part it is */
    uint32_t (*drafts)[1 + SCHEDULE_DRAFTS]; /* [write_rows] */
    float *logits;             /* [write_rows, vocab]: no step wants more */
    struct draw_batch *batch;  /* NULL: the decoder draws nothing */
};

static bool writes(const struct run *r)
{
    return r->seq && r->n - r->read == 1 && r->n > r->t.n;
}

static bool reads(const struct run *r)
{
    return r->seq && !writes(r);
}

static void end(struct schedule *s, struct run *r, int rc, bool cut, const struct err *why)
{
    for (struct run **p = &s->runs; *p; p = &(*p)->link)
        if (*p == r) {
            *p = r->link;
            break;
        }
    for (struct run *i = s->runs; i; i = i->link)
        i->parked = false;
    if (r->seq && !rc && s->o.disk)
        prefix_disk_keep(s->o.disk, r->seq, r->t.from);
    if (r->seq && !rc)
        prefix_keep(s->kept, r->seq, r->t.from);
    else
        sequence_free(r->seq);
    pthread_mutex_lock(&s->lock);
    s->alive--;
    pthread_mutex_unlock(&s->lock);
    r->t.ended(r->t.arg, rc, cut, why, &r->result);
    free(r->token);
    free(r);
}

static void fail(struct schedule *s, struct run *r, const struct err *why)
{
    end(s, r, why->code, false, why);
}

/* The youngest that holds pages gives them back, unless it is the oldest too: then its request fails, for even alone it has
 * no room. So the oldest always goes on. */
static void preempt(struct schedule *s)
{
    struct run *oldest = NULL, *youngest = NULL;
    struct err err = {0};
    for (struct run *i = s->runs; i; i = i->link)
        if (i->seq) {
            youngest = i;
            oldest = oldest ? oldest : i;
        }
    if (youngest == oldest) {
        err_set(&err, ERR_MEMORY, "the key-value cache has no room for this request");
        fail(s, oldest, &err);
        return;
    }
    sequence_free(youngest->seq);
    youngest->seq = NULL;
    youngest->read = 0;
    if (!youngest->written)
        youngest->result.ms_read = 0;
    youngest->parked = true;
}

static int new_sequence(struct schedule *s, const struct run *r, struct sequence **out)
{
    int rc = sequence_new(out, s->d, NULL);
    return rc ? rc : sequence_adapt(*out, r->t.adapt, NULL);
}

/* In the place of r's sequence (NULL: none) the kept one on the disk, where that shares more with it. */
static void look_on_disk(struct schedule *s, struct run *r, const char *scope)
{
    uint32_t have = r->seq ? sequence_length(r->seq) : 0;
    struct sequence *fresh = NULL;
    if (!s->o.disk || r->looked)
        return;
    r->looked = true;
    if (prefix_disk_common(s->o.disk, r->token, r->n, scope) < have + PREFIX_LEAST)
        return;
    while (new_sequence(s, r, &fresh))
        if (!prefix_evict(s->kept))
            return;
    int rc;
    while ((rc = prefix_disk_load(s->o.disk, fresh, r->token, r->n, scope, NULL)) == ERR_BUSY && prefix_evict(s->kept))
        ;
    if (rc || sequence_length(fresh) <= have) {
        sequence_free(fresh);
        return;
    }
    sequence_free(r->seq);
    r->seq = fresh;
}

/* Sequences for those who wait, oldest first. What its prompt shares with an earlier one is read already. */
static void admit(struct schedule *s)
{
    uint32_t running = 0;
    for (struct run *r = s->runs; r; r = r->link)
        running += r->seq != NULL;
    for (struct run *r = s->runs; r && running < s->running_max; r = r->link) {
        if (r->seq || r->parked)
            continue;
        const char *scope = r->t.from->scope ? r->t.from->scope : "";
        r->seq = prefix_take(s->kept, r->token, r->n, scope);
        look_on_disk(s, r, scope);
        while (!r->seq && new_sequence(s, r, &r->seq) && prefix_evict(s->kept))
            ;
        if (!r->seq)
            return;
        r->read = sequence_length(r->seq);
        if (r->read > r->result.reused && !r->written)
            r->result.reused = r->read;
        running++;
    }
}

/* Kept prefixes go until the step fits; false: it does not even so. */
static bool make_room(struct schedule *s, size_t nparts)
{
    while (decoder_short_of(s->d, s->part, nparts))
        if (!prefix_evict(s->kept))
            return false;
    return true;
}

/* Asks for the step's tokens where they can be drawn on the device. */
static void ask_to_draw(struct schedule *s, size_t nparts)
{
    if (!s->batch)
        return;
    s->batch->rows = s->batch->nsaid = 0;
    for (size_t p = 0; p < nparts; p++) {
        const struct step_part *t = &s->part[p];
        for (uint32_t i = 0; i < t->want; i++)
            if (s->of[p]->t.draw)
                s->of[p]->t.draw(s->of[p]->t.arg, s->batch, t->token + t->n - t->want + 1, i);
            else
                s->batch->row[s->batch->rows++] = (struct draw_row){0};
    }
}

/* What a row (of those that the step wanted) leads to, its logits or the token that was drawn; false: r has ended and is gone. */
static bool choose(struct schedule *s, struct run *r, size_t row, uint32_t *token)
{
    float *logits = s->logits + row * s->vocab;
    if (s->batch && s->batch->row[row].vocab) {
        const struct draw_out *d = &s->batch->out[row];
        struct err err = {0};
        if (d->state != DRAW_OK) {
            err_set(&err, ERR_FORMAT, d->state == DRAW_BAD ? "the model's logit of token %u is not a number or infinite" : "the model has no logits", d->token);
            fail(s, r, &err);
            return false;
        }
        *token = d->token;
        logits = NULL;
    }
    if (!r->t.choose(r->t.arg, logits, token)) {
        end(s, r, 0, false, NULL);
        return false;
    }
    if (r->n == r->cap) {
        r->cap *= 2;
        r->token = mem_grow(r->token, r->cap, sizeof *r->token);
    }
    r->token[r->n++] = *token;
    if (++r->written == r->t.most || r->n >= s->context) {
        end(s, r, 0, true, NULL);
        return false;
    }
    return true;
}

/* One chunk of prompts. */
static void read_step(struct schedule *s, uint32_t rows)
{
    struct err err = {0};
    size_t n = 0;
    uint32_t readers = 0, i = 0, wanted = 0;
    for (struct run *r = s->runs; r; r = r->link)
        readers += reads(r);
    uint32_t first = readers ? s->turn++ % readers : 0;
    for (int lap = 0; lap < 2; lap++) { /* from the one whose turn it is, then from the start */
        i = 0;
        for (struct run *r = s->runs; r && rows && wanted < s->o.write_rows; r = r->link) {
            if (!reads(r) || (i++ < first) != lap)
                continue;
            uint32_t left = r->n - r->read, k = left < rows ? left : rows;
            s->part[n] = (struct step_part){r->seq, r->token + r->read, k, k == left};
            s->of[n++] = r;
            wanted += k == left;
            rows -= k;
        }
    }
    while (n > 1 && decoder_short_of(s->d, s->part, n) && !prefix_evict(s->kept))
        n--;
    if (!make_room(s, n)) {
        preempt(s); /* the next round looks again */
        return;
    }
    ask_to_draw(s, n);
    int64_t start = clock_ns();
    int rc = decoder_step_draw(s->d, s->part, n, s->batch, s->logits, &err);
    double ms = (double)(clock_ns() - start) / 1e6;
    uint32_t all = 0, row = 0;
    for (size_t p = 0; p < n; p++)
        all += s->part[p].n;
    for (size_t p = 0; p < n; p++) {
        struct run *r = s->of[p];
        uint32_t token;
        if (rc) {
            fail(s, r, &err);
            continue;
        }
        r->read += s->part[p].n;
        if (!r->written) /* else it is read again */
            r->result.ms_read += ms * s->part[p].n / all;
        if (r->t.read && r->read <= r->t.n && r->read > r->told) /* not a second time, when it is read again */
            r->t.read(r->t.arg, r->told = r->read);
        if (!s->part[p].want)
            continue;
        if (!r->written)
            r->result.ms_prompt = (double)(clock_ns() - r->submitted) / 1e6;
        choose(s, r, row++, &token);
    }
}

/* After a step: r's row of token and its drafts; accepted are those that were chosen anyway. */
static void take_row(struct schedule *s, struct run *r, const struct step_part *p, size_t row)
{
    struct err err = {0};
    uint32_t i = 0, token = 0;
    bool alive = true;
    r->read += p->n;
    while (alive && i < p->n) {
        alive = choose(s, r, row + i, &token);
        if (!alive)
            return; /* what it read too much is in the kept sequence and never matches further than it is right */
        i++;
        if (i == p->n || token != p->token[i])
            break;
        r->result.accepted++;
    }
    if (i < p->n && sequence_roll_back(r->seq, p->n - i, &err)) {
        fail(s, r, &err);
        return;
    }
    r->read -= p->n - i;
}

/* One token, and what of its guesses holds, for up to exact_rows of those who write; where more of them write, one token for up to
 * write_rows. */
static void write_step(struct schedule *s)
{
    struct err err = {0};
    size_t n = 0;
    uint32_t writers = 0, i = 0, rows = s->o.write_rows, exact = s->o.exact_rows;
    for (struct run *r = s->runs; r; r = r->link)
        writers += writes(r);
    uint32_t first = writers > rows ? s->turn++ % writers : 0;
    for (int lap = 0; lap < 2; lap++) {
        i = 0;
        for (struct run *r = s->runs; r && n < rows; r = r->link)
            if (writes(r) && (i++ < first) == lap) {
                s->drafts[n][0] = r->token[r->read];
                s->part[n] = (struct step_part){r->seq, s->drafts[n], 1, 1};
                s->of[n++] = r;
            }
    }
    for (size_t p = 0, spare = n < exact ? exact - n : 0; p < n && spare; p++) {
        struct run *r = s->of[p];
        uint32_t left = r->t.most - r->written - 1, window = s->context - r->n, most = (uint32_t)(spare / (n - p));
        most = most < SCHEDULE_DRAFTS ? most : SCHEDULE_DRAFTS;
        most = most < left ? most : left;
        most = most < window ? most : window;
        uint32_t k = r->t.draft && most ? r->t.draft(r->t.arg, s->drafts[p] + 1, most) : 0;
        s->part[p].n += k;
        s->part[p].want += k;
        r->result.drafted += k;
        spare -= k;
    }
    if (!make_room(s, n)) {
        preempt(s);
        return;
    }
    ask_to_draw(s, n);
    int rc = decoder_step_draw(s->d, s->part, n, s->batch, s->logits, &err);
    for (size_t p = 0, row = 0; p < n; row += s->part[p++].want) {
        if (rc)
            fail(s, s->of[p], &err);
        else
            take_row(s, s->of[p], &s->part[p], row);
    }
}

/* What came since: new requests, wishes to forget, cancels. false: it is time to go. */
static bool look(struct schedule *s)
{
    struct err canceled = {0};
    err_set(&canceled, ERR_CANCELED, "generation was canceled");
    pthread_mutex_lock(&s->lock);
    while (!s->stop && !s->arrived && !s->runs && !s->forgetting && !s->ncancel)
        pthread_cond_wait(&s->work, &s->lock);
    struct run **last = &s->runs;
    while (*last)
        last = &(*last)->link;
    *last = s->arrived;
    s->arrived = NULL;
    if (s->forgetting) {
        prefix_forget(s->kept, s->forget);
        if (s->o.disk)
            prefix_disk_forget(s->o.disk, s->forget);
        s->forgetting = false;
        pthread_cond_broadcast(&s->forgot);
    }
    bool stop = s->stop;
    uint64_t *cancel = s->cancel;
    size_t ncancel = s->ncancel;
    s->cancel = NULL;
    s->ncancel = s->cancel_cap = 0;
    pthread_mutex_unlock(&s->lock);
    for (struct run *r = s->runs, *next; r; r = next) {
        bool ends = stop;
        next = r->link;
        for (size_t i = 0; i < ncancel && !ends; i++)
            ends = cancel[i] == r->id;
        if (ends)
            fail(s, r, &canceled);
    }
    free(cancel);
    return !stop;
}

static void *steps(void *arg)
{
    struct schedule *s = arg;
    while (look(s)) {
        bool writing = false, reading = false;
        admit(s);
        for (struct run *r = s->runs; r; r = r->link)
            writing |= writes(r);
        if (writing)
            write_step(s);
        for (struct run *r = s->runs; r; r = r->link)
            reading |= reads(r);
        if (reading)
            read_step(s, writing ? s->o.chunk_busy : s->o.chunk);
    }
    return NULL;
}

int schedule_open(struct schedule **out, struct decoder *d, const struct schedule_options *o, struct err *e)
{
    struct schedule *s = mem_zero(1, sizeof *s);
    struct decoder_info info;
    decoder_info(d, &info);
    if (o)
        s->o = *o;
    s->d = d;
    s->context = info.context;
    s->vocab = info.vocab;
    s->max_rows = info.max_rows;
    s->running_max = info.max_sequences > 1 ? info.max_sequences / 2 : 1;
    uint32_t exact = s->o.exact_rows ? s->o.exact_rows : info.exact_rows;
    s->o.exact_rows = exact < info.max_rows ? exact : info.max_rows;
    uint32_t most = s->o.write_rows ? s->o.write_rows : o && o->exact_rows ? exact : info.write_rows;
    most = most < info.max_rows ? most : info.max_rows;
    s->o.write_rows = most > s->o.exact_rows ? most : s->o.exact_rows;
    s->batch = info.draws && s->o.write_rows <= DRAW_ROWS_MAX ? mem_zero(1, sizeof *s->batch) : NULL;
    if (!s->o.chunk || s->o.chunk > info.max_rows)
        s->o.chunk = info.max_rows;
    if (!s->o.chunk_busy)
        s->o.chunk_busy = CHUNK_BUSY < s->o.chunk ? CHUNK_BUSY : s->o.chunk;
    if (!s->o.waiting)
        s->o.waiting = WAITING;
    uint32_t kept = s->o.kept ? s->o.kept : info.max_sequences - s->running_max;
    s->kept = prefix_cache_new(s->o.keep_nothing ? 0 : kept);
    s->part = mem_zero(info.max_rows, sizeof *s->part);
    s->of = mem_zero(info.max_rows, sizeof(void *));
    s->drafts = mem_zero(s->o.write_rows, sizeof *s->drafts);
    s->logits = mem_alloc((size_t)s->o.write_rows * info.vocab * sizeof *s->logits);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->forgot, NULL);
    int err = pthread_create(&s->thread, NULL, steps, s);
    if (err) {
        s->d = NULL;
        schedule_close(s);
        return err_errno(e, err, "cannot start a thread");
    }
    *out = s;
    return 0;
}

void schedule_close(struct schedule *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    if (s->d)
        pthread_join(s->thread, NULL);
    prefix_cache_free(s->kept);
    free(s->part);
    free((void *)s->of);
    free(s->drafts);
    free(s->logits);
    free(s->batch);
    free(s->cancel);
    pthread_cond_destroy(&s->forgot);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int schedule_submit(struct schedule *s, const struct schedule_task *t, uint64_t *id, struct err *e)
{
    if (!t->n || !t->most)
        return err_set(e, ERR_USAGE, "generate: an empty prompt, or nothing to write");
    if (t->n >= s->context) {
        err_set(e, ERR_LIMIT, "the prompt has %u tokens, and the model's window %u", t->n, s->context);
        err_hint(e, "ask about less, or choose a model with a larger window");
        return ERR_LIMIT;
    }
    struct run *r = mem_zero(1, sizeof *r);
    *r = (struct run){.t = *t, .submitted = clock_ns(), .n = t->n, .cap = t->n + 64};
    r->token = mem_alloc(r->cap * sizeof *r->token);
    memcpy(r->token, t->prompt, t->n * sizeof *r->token);
    pthread_mutex_lock(&s->lock);
    bool busy = s->alive >= s->running_max + s->o.waiting;
    if (!busy) {
        struct run **last = &s->arrived;
        while (*last)
            last = &(*last)->link;
        *last = r;
        s->alive++;
        *id = r->id = ++s->last_id;
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    if (!busy)
        return 0;
    free(r->token);
    free(r);
    return err_set(e, ERR_BUSY, "%u requests wait for the language model: try again", s->o.waiting);
}

void schedule_cancel(struct schedule *s, uint64_t id)
{
    pthread_mutex_lock(&s->lock);
    VEC_ROOM(s->cancel, s->ncancel, s->cancel_cap);
    s->cancel[s->ncancel++] = id;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

void schedule_forget(struct schedule *s, const uint8_t content[20])
{
    pthread_mutex_lock(&s->lock);
    while (s->forgetting)
        pthread_cond_wait(&s->forgot, &s->lock);
    s->forget = content;
    s->forgetting = true;
    pthread_cond_signal(&s->work);
    while (s->forgetting)
        pthread_cond_wait(&s->forgot, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

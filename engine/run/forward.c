/* Who computes: the caller on a lane of its own, helped by the encoder's threads. A batch is a list of micro-batches that
 * are taken one at a time under the lock; nobody spins (on a busy two-core machine a spinning barrier costs a time slice). */
#include "engine/run/encoder.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const uint32_t *token, *type, *offset;
    float *out;
    size_t *first; /* [count + 1]: micro-batch i is sequences first[i] .. first[i+1]-1 */
    size_t count, next, done;
    int rc;
    struct err err;
    struct job *link;
};

/* The lock guards jobs, lanes, stop and the counters of every job. */
struct encoder {
    struct model_weights m;
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct job *jobs;    /* with micro-batches that nobody took */
    struct lane *lanes;  /* free ones */
    bool stop;
    pthread_t *thread;
    int threads;         /* started; the caller is one more */
};

/* A free lane, or a new one: there are never more than threads that called at once. Takes the lock itself. */
static struct lane *lane_take(struct encoder *en, struct err *e)
{
    pthread_mutex_lock(&en->lock);
    struct lane *l = en->lanes;
    if (l)
        en->lanes = l->next;
    pthread_mutex_unlock(&en->lock);
    if (l == NULL && lane_new(&l, &en->m, e))
        return NULL;
    return l;
}

static void lane_give(struct encoder *en, struct lane *l)
{
    pthread_mutex_lock(&en->lock);
    l->next = en->lanes;
    en->lanes = l;
    pthread_mutex_unlock(&en->lock);
}

/* With the lock held: one micro-batch of j is taken, computed without the lock, and counted. */
static void step(struct encoder *en, struct job *j, struct lane *l)
{
    size_t i = j->next++, from = j->first[i], n = j->first[i + 1] - from;
    if (j->next == j->count) /* nothing left to take */
        for (struct job **p = &en->jobs; *p; p = &(*p)->link)
            if (*p == j) {
                *p = j->link;
                break;
            }
    bool skip = j->rc != 0;
    pthread_mutex_unlock(&en->lock);
    struct err err = {0};
    int rc = skip ? 0 : lane_run(l, j->token, j->type, j->offset + from, n, j->out + from * en->m.config.hidden, &err);
    pthread_mutex_lock(&en->lock);
    if (rc && j->rc == 0) {
        j->rc = rc;
        j->err = err;
    }
    if (++j->done == j->count)
        pthread_cond_broadcast(&en->finished);
}

static void *helper(void *arg)
{
    struct encoder *en = arg;
    struct lane *l = lane_take(en, NULL);
    pthread_mutex_lock(&en->lock);
    while (l && !en->stop) {
        if (en->jobs)
            step(en, en->jobs, l);
        else
            pthread_cond_wait(&en->work, &en->lock);
    }
    pthread_mutex_unlock(&en->lock);
    if (l)
        lane_give(en, l);
    return NULL;
}

/* A device that wants many rows has threads of its own: ours only keep it from waiting for a host, and two do (one computes while the
 * other's rows are made ready). On other devices the threads are what computes. */
#define DEVICE_THREADS 2

static void choose(struct model_weights *m, const struct backend *backend, void *device, const struct bert_config *config, bool exact)
{
    const struct device_info *info = backend->info(device);
    m->config = *config;
    m->backend = backend;
    m->device = device;
    m->operand = exact ? info->exact : info->fast;
    m->qkv = exact || config->rope_base[0] > 0 ? TYPE_F32 : info->fast_qkv; /* rotation is of fp32 */
    m->lane_rows = info->batch_rows ? info->batch_rows : LANE_ROWS;
    m->lane_sequences = info->batch_rows ? info->batch_rows / 16 : LANE_SEQUENCES;
}

static int threads_of(const struct backend *backend, void *device, const struct encoder_options *o)
{
    int threads = o && o->threads > 1 ? o->threads : 1;
    return backend->info(device)->batch_rows && threads > DEVICE_THREADS ? DEVICE_THREADS : threads;
}

uint64_t encoder_work(const struct backend *backend, void *device, const struct bert_config *config, const struct encoder_options *o)
{
    struct model_weights m = {0};
    choose(&m, backend, device, config, o && o->exact);
    return (uint64_t)lane_bytes(&m) * ((uint64_t)threads_of(backend, device, o) + 1); /* one more for a question meanwhile */
}

int encoder_new(struct encoder **out, const struct backend *backend, void *device, const struct bert_config *config,
                const struct tensor_source *from, const struct encoder_options *o, struct err *e)
{
    struct encoder *en = mem_zero(1, sizeof *en);
    choose(&en->m, backend, device, config, o && o->exact);
    pthread_mutex_init(&en->lock, NULL);
    pthread_cond_init(&en->work, NULL);
    pthread_cond_init(&en->finished, NULL);
    int rc = (config->rope_base[0] > 0 || config->scores) && !backend->prepare
                 ? err_set(e, ERR_UNSUPPORTED, "the backend \"%s\" runs no encoders with rotation or token types yet", backend->name)
                 : weights_load(&en->m, from, e);
    int helpers = threads_of(backend, device, o) - 1;
    for (int i = 0; i <= helpers && rc == 0; i++) {
        struct lane *l;
        rc = lane_new(&l, &en->m, e);
        if (rc == 0)
            lane_give(en, l);
    }
    en->thread = mem_zero((size_t)helpers + 1, sizeof *en->thread);
    while (rc == 0 && en->threads < helpers) {
        int err = pthread_create(&en->thread[en->threads], NULL, helper, en);
        if (err)
            rc = err_errno(e, err, "cannot start a thread");
        else
            en->threads++;
    }
    if (rc)
        encoder_free(en);
    else
        *out = en;
    return rc;
}

void encoder_free(struct encoder *en)
{
    if (en == NULL)
        return;
    pthread_mutex_lock(&en->lock);
    en->stop = true;
    pthread_cond_broadcast(&en->work);
    pthread_mutex_unlock(&en->lock);
    for (int i = 0; i < en->threads; i++)
        pthread_join(en->thread[i], NULL);
    while (en->lanes) {
        struct lane *l = en->lanes;
        en->lanes = l->next;
        lane_free(l);
    }
    weights_release(&en->m);
    pthread_cond_destroy(&en->finished);
    pthread_cond_destroy(&en->work);
    pthread_mutex_destroy(&en->lock);
    free(en->thread);
    free(en);
}

static int check(const struct encoder *en, const uint32_t *token, const uint32_t *offset, size_t n, struct err *e)
{
    if (offset[0] != 0)
        return err_set(e, ERR_USAGE, "offsets begin at %u", offset[0]);
    for (size_t s = 0; s < n; s++)
        if (offset[s + 1] <= offset[s] || offset[s + 1] - offset[s] > en->m.config.max_position)
            return err_set(e, ERR_USAGE, "sequence %zu is not 1 to %u tokens long", s, en->m.config.max_position);
    for (uint32_t i = 0; i < offset[n]; i++)
        if (token[i] >= en->m.config.vocab)
            return err_set(e, ERR_USAGE, "token %u of a vocabulary of %u", token[i], en->m.config.vocab);
    return 0;
}

/* Cuts into micro-batches: full ones, smaller where that gives every thread some. */
static void cut(struct job *j, const struct encoder *en, const uint32_t *offset, size_t n)
{
    uint32_t limit = lane_max_rows(&en->m), target = offset[n] / (2 * ((uint32_t)en->threads + 1)) + 1;
    if (target > en->m.lane_rows || en->threads == 0 || en->m.lane_rows > LANE_ROWS)
        target = en->m.lane_rows; /* a device that wants many rows gets them: its threads are not ours */
    if (target < 64)
        target = 64; /* below that a thread's wake-up and reading the weights cost more than it helps */
    j->first = mem_alloc((n + 1) * sizeof *j->first);
    size_t start = 0;
    for (size_t s = 1; s <= n; s++) {
        j->first[j->count] = start;
        if (s == n || s - start == en->m.lane_sequences || offset[s] - offset[start] >= target ||
            offset[s + 1] - offset[start] > limit || offset[s + 1] - offset[start] > target + target / 4) {
            j->count++;
            start = s;
        }
    }
    j->first[j->count] = n;
}

static int run(struct encoder *en, const uint32_t *token, const uint32_t *type, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    if (n == 0)
        return 0;
    int rc = check(en, token, offset, n, e);
    if (rc)
        return rc;
    struct lane *l = lane_take(en, e);
    if (l == NULL)
        return ERR_MEMORY;
    struct job j = {.token = token, .type = type, .offset = offset, .out = out};
    cut(&j, en, offset, n);

    pthread_mutex_lock(&en->lock);
    struct job **end = &en->jobs;
    while (*end)
        end = &(*end)->link;
    *end = &j;
    if (j.count > 1)
        pthread_cond_broadcast(&en->work);
    while (j.next < j.count)
        step(en, &j, l);
    while (j.done < j.count)
        pthread_cond_wait(&en->finished, &en->lock);
    pthread_mutex_unlock(&en->lock);

    lane_give(en, l);
    free(j.first);
    if (j.rc && e)
        *e = j.err;
    return j.rc;
}

int encoder_run(struct encoder *en, const uint32_t *token, const uint32_t *offset, size_t n, float *out, struct err *e)
{
    if (en->m.config.scores)
        return err_set(e, ERR_UNSUPPORTED, "the model is a cross-encoder: it scores, and has no vectors");
    return run(en, token, NULL, offset, n, out, e);
}

static double activated(enum activation how, double x)
{
    switch (how) {
    case ACT_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
    case ACT_GELU_TANH: return x / 2 * (1 + tanh(.79788456080286535588 * (x + .044715 * x * x * x))); /* √(2/π) */
    case ACT_RELU: return x > 0 ? x : 0;
    case ACT_SILU: return x / (1 + exp(-x));
    default: return tanh(x);
    }
}

/* y = (y - mean) / √(variance + eps) · gain */
static void norm_host(double *y, const float *gain, uint32_t n, double eps)
{
    double mean = 0, square = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += y[i] / n;
    for (uint32_t i = 0; i < n; i++)
        square += (y[i] - mean) * (y[i] - mean) / n;
    for (uint32_t i = 0; i < n; i++)
        y[i] = (y[i] - mean) / sqrt(square + eps) * gain[i];
}

/* classifier(norm(act(dense(x)))) of what was pooled; y: [hidden], scratch. */
static float score_of(const struct model_weights *m, const float *x, double *y)
{
    const struct score_head *h = &m->head;
    uint32_t hidden = m->config.hidden;
    double score = h->classify[hidden];
    for (uint32_t i = 0; i < hidden; i++) {
        double sum = h->bias ? h->bias[i] : 0;
        for (uint32_t c = 0; c < hidden; c++)
            sum += (double)h->dense[(size_t)i * hidden + c] * x[c];
        y[i] = activated(m->config.head, sum);
    }
    if (h->gain)
        norm_host(y, h->gain, hidden, m->config.norm_eps);
    for (uint32_t i = 0; i < hidden; i++)
        score += y[i] * h->classify[i];
    return (float)score;
}

int encoder_score(struct encoder *en, const uint32_t *token, const uint32_t *type, const uint32_t *offset, size_t n, float *score,
                  struct err *e)
{
    uint32_t hidden = en->m.config.hidden, types = en->m.config.type_vocab;
    if (!en->m.config.scores)
        return err_set(e, ERR_UNSUPPORTED, "the model is no cross-encoder");
    for (uint32_t i = 0; n && types && i < offset[n]; i++)
        if (type[i] >= types)
            return err_set(e, ERR_USAGE, "token type %u of %u", type[i], types);
    float *x = mem_alloc((n ? n : 1) * hidden * sizeof *x);
    double *y = mem_alloc(hidden * sizeof *y);
    int rc = run(en, token, types ? type : NULL, offset, n, x, e);
    for (size_t i = 0; i < n && !rc; i++) {
        for (uint32_t c = 0; c < hidden && en->m.config.pooling == POOL_MEAN; c++) /* a sum so far */
            x[i * hidden + c] /= (float)(offset[i + 1] - offset[i]);
        score[i] = score_of(&en->m, x + i * hidden, y);
    }
    free(y);
    free(x);
    return rc;
}

size_t encoder_bytes(const struct encoder *en)
{
    return en->m.bytes;
}

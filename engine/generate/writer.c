#include "engine/generate/writer.h"

#include "base/mem.h"
#include "engine/chat/split.h"
#include "engine/sample/lookup.h"
#include "engine/sample/stop.h"
#include "kernels/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct writer_shared *shared;
    struct gen_options o;
    struct sample_settings how;
    uint32_t prompt;          /* tokens of it */
    uint32_t *said;           /* [n]: what was chosen */
    size_t n, cap;
    uint32_t *forced;         /* [nforced]: what must be written next, from at on */
    size_t nforced, forced_at, forced_cap;
    struct split *split;
    struct stop *stop[3];     /* of each channel; only the answer's has strings */
    struct buf out;
    struct grammar *grammar;
    struct matcher *matcher;
    uint32_t state;           /* of the matcher */
    struct lookup *lookup;
    struct tokenizer_memory *memory;
    void (*emit)(void *arg, enum gen_channel channel, const char *bytes, size_t n);
    void *arg;
    enum gen_end end;
    bool stopped;
    struct err why;           /* code 0: none */
};

static bool is_special(void *arg, const char *text, size_t n)
{
    return tokenizer_special(arg, text, n) != TOKEN_NONE;
}

static void give(struct writer *w, enum gen_channel channel)
{
    if (w->out.len)
        w->emit(w->arg, channel, w->out.data, w->out.len);
    buf_clear(&w->out);
}

/* A part's bytes as the splitter is sure of them. */
static void take_part(void *arg, enum split_part part, const char *bytes, size_t n)
{
    struct writer *w = arg;
    enum gen_channel channel = part == SPLIT_ANSWER ? GEN_ANSWER : part == SPLIT_REASONING ? GEN_REASONING : GEN_TOOL;
    if (w->stopped)
        return;
    if (part == SPLIT_ANSWER && w->matcher && !matcher_accept(w->matcher, &w->state, bytes, n) && !w->why.code)
        err_set(&w->why, ERR_INTERNAL, "generate: the text has left its grammar");
    w->stopped = stop_feed(w->stop[channel], &w->out, bytes, n);
    give(w, channel);
}

static int open_grammar(struct writer *w, struct err *e)
{
    const char *text = w->o.grammar;
    int rc;
    if (*text == '{') {
        json_error_t where;
        json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, &where);
        if (!schema)
            return err_set(e, ERR_FORMAT, "the schema is no JSON: line %d: %.200s", where.line, where.text);
        rc = grammar_from_schema(&w->grammar, schema, e);
        json_decref(schema);
    } else {
        rc = grammar_from_text(&w->grammar, text, strlen(text), e);
    }
    if (!rc)
        w->matcher = matcher_new(w->grammar, w->shared->vocab);
    w->state = MATCHER_START;
    return rc;
}

static int open_stops(struct writer *w, struct err *e)
{
    struct str string[GENERATE_STOPS];
    size_t n = 0;
    while (n < GENERATE_STOPS && w->o.stop[n]) {
        string[n] = str_of(w->o.stop[n]);
        n++;
    }
    int rc = stop_open(&w->stop[GEN_ANSWER], string, n, e);
    if (!rc)
        rc = stop_open(&w->stop[GEN_REASONING], NULL, 0, e);
    return rc ? rc : stop_open(&w->stop[GEN_TOOL], NULL, 0, e);
}

int writer_new(struct writer **out, const struct writer_shared *shared, const struct gen_options *o, const char *text, size_t len,
               const uint32_t *token, uint32_t n, void (*emit)(void *arg, enum gen_channel channel, const char *bytes, size_t n),
               void *arg, struct err *e)
{
    struct writer *w = mem_zero(1, sizeof *w);
    *w = (struct writer){.shared = shared, .o = *o, .prompt = n, .emit = emit, .arg = arg};
    w->how = (struct sample_settings){.temperature = o->temperature, .top_k = o->top_k, .top_p = o->top_p > 0 ? o->top_p : 1,
                                      .min_p = o->min_p, .repetition = o->repetition > 0 ? o->repetition : 1, .seed = o->seed};
    w->memory = tokenizer_memory_new();
    struct split_options s = {.template_text = shared->template_text, .template_len = shared->template_len, .prompt = text,
                              .prompt_len = len, .special = is_special, .special_arg = (void *)shared->tokenizer,
                              .sink = take_part, .sink_arg = w,
                              .reasoning_tokens = o->max_reasoning ? o->max_reasoning : 1}; /* closed at once where it was opened */
    w->split = split_new(&s);
    int rc = sample_check(&w->how, e);
    if (!rc)
        rc = open_stops(w, e);
    if (!rc && o->grammar)
        rc = open_grammar(w, e);
    if (rc) {
        writer_free(w);
        return rc;
    }
    if (o->lookup) {
        w->lookup = lookup_new();
        lookup_add(w->lookup, token, n);
    }
    *out = w;
    return 0;
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    for (int i = 0; i < 3; i++)
        stop_close(w->stop[i]);
    split_free(w->split);
    matcher_free(w->matcher);
    grammar_free(w->grammar);
    lookup_free(w->lookup);
    tokenizer_memory_free(w->memory);
    buf_release(&w->out);
    free(w->said);
    free(w->forced);
    free(w);
}

/* What the budget of reasoning, or the way to an answer that must be, demands to be written, as tokens. */
static bool forced(struct writer *w, uint32_t *token)
{
    size_t n;
    bool idle = w->forced_at >= w->nforced;
    const char *bytes = idle ? split_forced(w->split, &n) : NULL;
    if (idle && !bytes && w->matcher) /* a grammar is of the answer: the way there is no choice */
        bytes = split_lead(w->split, w->o.max_reasoning && !split_reasoned(w->split), &n);
    if (bytes) {
        uint8_t *literal = mem_alloc(n + 1);
        memset(literal, 1, n);
        w->nforced = w->forced_at = 0;
        tokenizer_encode(w->shared->tokenizer, w->memory, bytes, n, literal, &w->forced, &w->nforced, &w->forced_cap);
        free(literal);
    }
    if (w->forced_at >= w->nforced)
        return false;
    *token = w->forced[w->forced_at++];
    return true;
}

/* The grammar's mask, with the tokens that end a text where it may end; NULL and no error: everything is allowed. */
static const uint32_t *allowed(struct writer *w, uint32_t **own, struct err *e)
{
    const struct tokenizer_info *info = tokenizer_info(w->shared->tokenizer);
    if (!w->matcher || split_part(w->split) != SPLIT_ANSWER)
        return NULL;
    const uint32_t *mask = matcher_mask(w->matcher, w->state, e);
    if (!mask || !matcher_may_end(w->matcher, w->state))
        return mask;
    size_t words = (w->shared->logits + 31) / 32;
    *own = mem_alloc(words * sizeof **own);
    memcpy(*own, mask, words * sizeof **own);
    for (uint32_t id = 0; id < info->vocab; id++)
        if (tokenizer_ends(w->shared->tokenizer, id))
            (*own)[id / 32] |= 1u << id % 32;
    return *own;
}

static int sampled(struct writer *w, float *logits, uint32_t *token)
{
    struct sample_dist d;
    uint32_t *own = NULL;
    for (uint32_t id = tokenizer_info(w->shared->tokenizer)->vocab; id < w->shared->logits; id++)
        logits[id] = -INFINITY; /* rows of padding stand for no token */
    for (uint32_t id = 0; w->matcher && split_part(w->split) == SPLIT_REASONING && id < tokenizer_info(w->shared->tokenizer)->vocab; id++)
        if (tokenizer_ends(w->shared->tokenizer, id)) /* there is no answer yet */
            logits[id] = -INFINITY;
    const uint32_t *mask = allowed(w, &own, &w->why);
    int rc = w->why.code;
    if (!rc)
        rc = sample_dist(w->shared->sampler, &d, logits, mask, w->said, w->n, &w->how, &w->why);
    if (!rc)
        *token = sample_draw(&d, w->how.seed, w->prompt + w->n);
    free(own);
    return rc;
}

bool writer_choose(void *writer, float *logits, uint32_t *token)
{
    struct writer *w = writer;
    const struct tokenizer *t = w->shared->tokenizer;
    uint32_t reasoned = split_reasoned(w->split);
    size_t len;
    if (w->o.max_tokens && w->n - reasoned >= w->o.max_tokens) {
        w->end = GEN_END_LENGTH;
        return false;
    }
    if (!forced(w, token)) {
        if (w->matcher && matcher_must_end(w->matcher, w->state))
            return false;
        if ((logits && sampled(w, logits, token)) || tokenizer_ends(t, *token))
            return false;
    }
    VEC_ROOM(w->said, w->n, w->cap);
    w->said[w->n++] = *token;
    if (w->lookup)
        lookup_add(w->lookup, token, 1);
    const char *bytes = tokenizer_bytes(t, *token, false, &len);
    bool special = !len;
    if (special)
        bytes = tokenizer_bytes(t, *token, true, &len);
    split_feed(w->split, bytes, len, special);
    if (w->stopped)
        w->end = GEN_END_STOP;
    return !w->stopped && !w->why.code;
}

void writer_draw(void *writer, struct draw_batch *out, const uint32_t *ahead, uint32_t n)
{
    struct writer *w = writer;
    uint32_t known = tokenizer_info(w->shared->tokenizer)->vocab;
    if (w->matcher)
        out->row[out->rows++] = (struct draw_row){0};
    else
        sample_on_device(w->shared->sampler, out, known < w->shared->logits ? known : w->shared->logits, w->said, w->n, ahead, n, &w->how,
                         w->prompt + w->n + n);
}

uint32_t writer_draft(void *writer, uint32_t *token, uint32_t most)
{
    struct writer *w = writer;
    return w->lookup ? (uint32_t)lookup_draft(w->lookup, token, most) : 0;
}

int writer_end(struct writer *w, struct gen_result *r, struct err *e)
{
    if (!w->stopped)
        split_end(w->split);
    for (int channel = 0; channel < 3; channel++)
        if (!w->stopped) {
            stop_end(w->stop[channel], &w->out);
            give(w, (enum gen_channel)channel);
        }
    r->reasoning_tokens = split_reasoned(w->split);
    r->answer_tokens = (uint32_t)w->n - r->reasoning_tokens;
    r->end = w->end;
    if (w->why.code && e)
        *e = w->why;
    return w->why.code;
}

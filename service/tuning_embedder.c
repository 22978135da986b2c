#include "service/tuning_embedder.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/train/contrast.h"
#include "engine/train/peft.h"
#include "retriever/asked/vectors.h"
#include "service/leak.h"
#include "service/models.h"
#include "service/scope.h"
#include "service/verdict_retrieval.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS_AT_ONCE 64 /* embedded between two looks at go_on: some tens of milliseconds of a small encoder */

struct work {
    struct service *s;
    const struct embedder_order *o;
    struct embedder *embedder;
    struct search_target *target; /* [o->repos] */
    struct arena arena;
    struct corpus corpus;
    struct question *question;
    size_t n;
    struct query_map *map;
    uint64_t texts, steps;
    double loss;
    struct err *e;
    int rc;
};

static bool go_on(struct work *w, const char *stage, uint64_t step, uint64_t steps, double loss)
{
    if (w->o->go_on(w->o->arg, stage, step, steps, loss))
        return true;
    err_set(w->e, ERR_CANCELED, "canceled");
    return false;
}

static struct peft_base base_of(const struct work *w)
{
    const struct model_info *info = model_info(w->embedder->model);
    struct peft_base b = {.name = info->name};
    memcpy(b.hash, info->hash, sizeof b.hash);
    return b;
}

/* -- learning ----------------------------------------------------------------------------------------------------------------- */

struct lessons {
    const char **text;
    float *vector;        /* [n, dim] */
    uint32_t n, *first, *answer;
    size_t answers, cap;
};

static void choose_lessons(struct lessons *l, const struct work *w, const struct content_vectors *v)
{
    l->text = mem_alloc((w->n + 1) * sizeof *l->text);
    l->first = mem_alloc((w->n + 2) * sizeof *l->first);
    for (size_t i = 0; i < w->n; i++) {
        const struct question *q = &w->question[i];
        size_t before = l->answers;
        for (uint32_t k = 0; k < q->answers && !q->held; k++) {
            uint32_t content = content_number(v, q->answer + (size_t)k * CORPUS_BLOB);
            if (content == UINT32_MAX)
                continue;
            VEC_ROOM(l->answer, l->answers, l->cap);
            l->answer[l->answers++] = content;
        }
        if (l->answers == before)
            continue;
        l->first[l->n] = (uint32_t)before;
        l->text[l->n++] = q->text;
    }
    l->first[l->n] = (uint32_t)l->answers;
}

static int embed_lessons(struct lessons *l, struct work *w, uint32_t dim)
{
    int rc = 0;
    l->vector = mem_alloc(((size_t)l->n * dim + 1) * sizeof *l->vector);
    for (uint32_t at = 0; at < l->n && !rc; at += TEXTS_AT_ONCE) {
        uint32_t n = l->n - at < TEXTS_AT_ONCE ? l->n - at : TEXTS_AT_ONCE;
        if (!go_on(w, "opening", at, l->n, 0))
            return ERR_CANCELED;
        rc = model_embed(w->embedder->model, EMBED_QUERY, l->text + at, n, PRIORITY_DOCUMENT, l->vector + (size_t)at * dim, NULL, NULL, w->e);
    }
    return rc;
}

static bool contrast_goes_on(void *arg, uint64_t step, uint64_t steps, double loss)
{
    struct work *w = arg;
    w->steps = steps;
    return w->o->go_on(w->o->arg, "learning", step, steps, loss);
}

static int learn(struct work *w)
{
    struct content_vectors v;
    struct lessons l = {0};
    struct contrast_options o = CONTRAST_DEFAULTS;
    o.seed = w->o->seed;
    o.go_on = contrast_goes_on;
    o.arg = w;
    int rc = content_vectors_read(&v, w->s->retriever, w->target, w->o->repos, model_info(w->embedder->model), w->e);
    if (!rc) {
        choose_lessons(&l, w, &v);
        rc = embed_lessons(&l, w, v.dim);
    }
    if (!rc) {
        struct contrast_set set = {.dim = v.dim, .pieces = v.n, .q = v.q, .scale = v.scale, .file = v.content, .files = v.contents, .questions = l.n,
                                   .question = l.vector, .first = l.first, .answer = l.answer};
        rc = contrast_learn(&w->map, &w->loss, &set, &o, w->e);
        if (rc == ERR_NOT_FOUND)
            err_hint(w->e, "an embedder is tuned on commits, comments and names: there are too few of them");
    }
    if (!rc) {
        struct peft_base base = base_of(w);
        rc = query_map_write(w->o->folder, w->map, &base, w->e);
    }
    w->texts = l.n;
    content_vectors_release(&v);
    free(l.text);
    free(l.vector);
    free(l.first);
    free(l.answer);
    return rc;
}

/* -- measuring ---------------------------------------------------------------------------------------------------------------- */

struct turn {
    uint64_t number;
    size_t question;
};

static int by_number(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number) : (x->question > y->question) - (x->question < y->question);
}

static size_t draw_held(struct turn **out, const struct work *w)
{
    struct turn *v = mem_alloc((w->n + 1) * sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        if (w->question[i].held)
            v[n++] = (struct turn){hash64_seed(w->question[i].text, strlen(w->question[i].text), w->o->seed), i};
    qsort(v, n, sizeof *v, by_number);
    *out = v;
    return n < EMBEDDER_QUESTIONS ? n : EMBEDDER_QUESTIONS;
}

static int measure_both(struct retrieval_row *out, struct work *w, const struct question *q)
{
    struct search_request like = {.target = w->target, .ntargets = w->o->repos, .kind = -1, .embedder = w->embedder->model};
    struct arena arena;
    arena_init(&arena);
    out->kind = q->kind;
    int rc = measure_question(&out->base, w->s->retriever, &like, q, &arena, w->e);
    like.map = w->map;
    if (!rc)
        rc = measure_question(&out->tuned, w->s->retriever, &like, q, &arena, w->e);
    arena_release(&arena);
    return rc;
}

static int measure(json_t **report, struct work *w)
{
    struct turn *turn;
    size_t n = draw_held(&turn, w);
    struct retrieval_row *row = mem_zero(n + 1, sizeof *row);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = go_on(w, "measuring", i, n, w->loss) ? measure_both(&row[i], w, &w->question[turn[i].question]) : ERR_CANCELED;
    if (!rc) {
        verdict_retrieval(report, row, n, w->o->learned && file_exists(w->o->learned) ? records_shared(w->o->corpus, w->o->learned) : 0, w->o->seed);
    }
    free(row);
    free(turn);
    return rc;
}

/* -- all of it ---------------------------------------------------------------------------------------------------------------- */

static int find_targets(struct work *w)
{
    int rc = 0;
    w->target = mem_zero(w->o->repos + 1, sizeof *w->target);
    for (size_t i = 0; i < w->o->repos && !rc; i++) {
        struct seen seen;
        rc = view_lookup(&seen, w->s, &w->o->repo[i], NULL, w->e);
        if (!rc)
            w->target[i] = (struct search_target){.repo = &w->o->repo[i], .view = seen.view, .commit = seen.commit, .oid_len = seen.oid_len, .has_overlay = seen.overlay};
    }
    return rc;
}

static int take_embedder(struct work *w)
{
    int rc = models_embedder(&w->embedder, w->s, ROLE_EMBED, w->e);
    char *name = models_name(w->s, ROLE_EMBED);
    if (!rc && strcmp(name, w->o->model))
        rc = err_set(w->e, ERR_USAGE, "the adapter is of the embedder %.80s; %.80s embeds now", w->o->model, name);
    free(name);
    return rc;
}

static int tune(json_t **report, struct work *w)
{
    struct buf bytes = BUF_INIT;
    double began = clock_ms();
    int rc = take_embedder(w);
    if (!rc)
        rc = find_targets(w);
    if (!rc)
        rc = file_read(&bytes, w->o->corpus, CORPUS_MAX, w->e);
    if (!rc)
        rc = corpus_read(&w->corpus, bytes.data, bytes.len, w->e);
    if (!rc) {
        w->question = questions_of(&w->n, &w->corpus, &w->arena);
        struct peft_base base = base_of(w);
        rc = w->o->measure ? query_map_read(&w->map, w->o->folder, &base, w->e) : learn(w);
    }
    if (!rc && w->map->dim != model_info(w->embedder->model)->dim)
        rc = err_set(w->e, ERR_FORMAT, "%s/" QUERY_MAP_FILE " is of %u dimensions, and the embedder has %u", w->o->folder, w->map->dim,
                     model_info(w->embedder->model)->dim);
    if (!rc)
        rc = measure(report, w);
    if (!rc)
        json_object_update_new(*report, json_pack("{sI, sI, sf, sf, ss}", "steps", (json_int_t)w->steps, "texts", (json_int_t)w->texts, "loss", w->loss, "seconds",
                                                  (clock_ms() - began) / 1e3, "base", model_info(w->embedder->model)->name));
    corpus_release(&w->corpus);
    buf_release(&bytes);
    return rc;
}

int embedder_tune(json_t **report, struct service *s, const struct embedder_order *o, struct err *e)
{
    struct work w = {.s = s, .o = o, .e = e};
    arena_init(&w.arena);
    int rc = tune(report, &w);
    query_map_drop(w.map);
    models_drop(s, w.embedder);
    free(w.target);
    arena_release(&w.arena);
    return rc;
}

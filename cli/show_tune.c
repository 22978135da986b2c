/* tune, eval and model merge: how far it is, and how the tuned model compares with its base. */
#include "cli/show.h"

#include <string.h>

static double number(json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static bool is_done(json_t *r)
{
    return !strcmp(text_of(r, "state"), "done");
}

static bool embeds(json_t *r)
{
    return !strcmp(text_of(r, "role"), "embed");
}

bool not_used(json_t *r)
{
    return is_done(r) && !json_object_get(r, "in_use") && !json_is_true(json_object_get(r, "promoted"));
}

bool not_better(json_t *r)
{
    return is_done(r) && !json_is_true(json_object_get(json_object_get(r, "report"), "promote"));
}

static void put_choice(struct buf *out, json_t *report, const char *key, const char *what)
{
    json_t *c = json_object_get(report, key), *gain = json_object_get(c, "gain");
    if (json_is_object(c))
        buf_addf(out, "  %-22s %.3f, %.3f before  (%+.3f, %+.3f … %+.3f; %lld questions)\n", what, number(c, "tuned"), number(c, "base"), number(gain, "value"),
                 number(gain, "low"), number(gain, "high"), (long long)int_of(c, "questions"));
}

static void put_report(struct buf *out, const struct look *l, json_t *report)
{
    json_t *p = json_object_get(report, "perplexity"), *ratio = json_object_get(p, "ratio"), *why;
    size_t i;
    if (json_is_object(p))
        buf_addf(out, "  %-22s %.3f, %.3f before  (×%.3f, %.3f … %.3f; %lld records)\n", "held-out perplexity", number(p, "tuned"), number(p, "base"),
                 1 / number(ratio, "value"), 1 / number(ratio, "high"), 1 / number(ratio, "low"), (long long)int_of(p, "records"));
    put_choice(out, report, "mrr", "MRR of the files");
    put_choice(out, report, "ndcg", "NDCG of the first ten");
    put_choice(out, report, "definition", "the right definition");
    put_choice(out, report, "cite", "the right source");
    put_choice(out, report, "refusal", "refusing");
    put_choice(out, json_object_get(report, "citation"), "precision", "written: precision");
    put_choice(out, json_object_get(report, "citation"), "recall", "written: recall");
    put_choice(out, report, "declining", "written: declining");
    json_array_foreach(json_object_get(report, "why"), i, why) {
        put_styled(out, l, STYLE_WARN, "  %s", json_string_value(why));
        buf_addc(out, '\n');
    }
}

static void put_left(struct buf *out, json_t *r)
{
    char size[32];
    if (int_of(r, "steps"))
        buf_addf(out, " %lld of %lld", (long long)int_of(r, "step"), (long long)int_of(r, "steps"));
    if (number(r, "loss") > 0)
        buf_addf(out, ", loss %.4f", number(r, "loss"));
    if (number(r, "tokens_per_s") > 0)
        buf_addf(out, ", %.0f tokens/s, %.0f s left", number(r, "tokens_per_s"), number(r, "eta_s"));
    if (int_of(r, "memory"))
        buf_addf(out, ", %s", human_bytes(size, (double)int_of(r, "memory")));
    if (json_is_true(json_object_get(r, "paused")))
        buf_adds(out, ", stands still for a question");
}

void show_tune(struct buf *out, const struct look *l, json_t *r)
{
    const char *state = text_of(r, "state"), *adapter = text_of(r, "adapter");
    json_t *error = json_object_get(r, "error"), *report = json_object_get(r, "report");
    if (!strcmp(state, "none")) {
        buf_adds(out, "no adapter was made yet\n");
    } else if (!strcmp(state, "reverted") && embeds(r)) {
        buf_adds(out, "questions are embedded as they were before\n");
    } else if (!strcmp(state, "reverted")) {
        buf_addf(out, "answers are written %s%s\n", *adapter ? "with " : "without an adapter", adapter);
    } else {
        put_styled(out, l, STYLE_NAME, "%s", adapter);
        buf_addf(out, "  %s", state);
        if (!is_done(r))
            put_left(out, r);
        buf_addc(out, '\n');
    }
    if (error)
        put_styled(out, l, STYLE_BAD, "  %s\n", text_of(error, "message"));
    if (*text_of(error, "hint"))
        buf_addf(out, "  %s\n", text_of(error, "hint"));
    if (report && is_done(r)) {
        put_report(out, l, report);
        buf_addf(out, "  %s\n", json_is_true(json_object_get(r, "promoted")) ? embeds(r) ? "questions go through it from now on; codeask tune --embedder --revert takes that back"
                                : "answers are written with it from now on; codeask tune --revert takes that back"
                                : json_is_true(json_object_get(report, "promote")) ? "it is better" : "it is not used");
    }
    const char *repo;
    json_t *map;
    json_object_foreach(json_object_get(r, "in_use_embedder"), repo, map)
        buf_addf(out, "questions about %s go through %s\n", repo, json_string_value(map));
    if (json_object_get(r, "in_use"))
        buf_addf(out, "answers are written %s%s\n", *text_of(r, "in_use") ? "with " : "without an adapter", text_of(r, "in_use"));
}

void show_merged(struct buf *out, const struct look *l, json_t *r)
{
    put_styled(out, l, STYLE_NAME, "%s", text_of(r, "merged"));
    buf_addf(out, ": %s with %s\n", text_of(r, "in"), text_of(r, "adapter"));
}

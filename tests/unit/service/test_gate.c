/* The gate over adapters that were really trained: a tiny model is made to know a package first (an adapter of full rank, merged into it), then
 * adapters are trained over it on another package: as it should be; on its tokens shuffled; on what it is measured by; and on answers that name a
 * source where there is none. */
#include "tests/unit/engine/tiny_writer.h"

#include "engine/process/tune.h"
#include "engine/train/merge.h"
#include "engine/train/random.h"
#include "service/leak.h"
#include "service/verdict.h"

#define LEARNED 120
#define HELD 30
#define BASE_STEPS 160
#define STEPS 60

static char model[64], base[80], root[64];
static struct err e;

static const char *const verbs[] = {"load", "save", "find", "drop", "make", "read", "send", "sort"};
static const char *const nouns[8] = {"queue", "lease", "shard", "quorum", "ledger", "broker", "cursor", "vault"}; /* of the other package */
static const char *const parts[4] = {"epoch", "offset", "leader", "digest"};
static const char *const syllables[24] = {"ba", "co", "du", "fe", "gi", "ha", "jo", "ku", "le", "mi", "na", "po", "qu", "re", "so", "ta", "ux", "ve", "wy", "za",
                                          "st", "er", "on", "ch"}; /* of which the base knows words in all ways */

enum flavour { PLAIN, SHUFFLED, NEVER_REFUSES };

static struct str text_of(const struct buf *b)
{
    return (struct str){b->data, b->len};
}

/* The same bytes in another order. */
static void shuffle(struct buf *b, uint64_t stream)
{
    for (size_t i = b->len; i > 1; i--) {
        size_t k = random_bits(stream, i) % i;
        char c = b->data[i - 1];
        b->data[i - 1] = b->data[k];
        b->data[k] = c;
    }
}

static void put(struct buf *out, enum corpus_kind kind, bool held, const struct buf *prompt, const struct buf *text, const char *wrong, int i)
{
    uint8_t blob[CORPUS_BLOB] = {(uint8_t)i, (uint8_t)(i >> 8)};
    struct corpus_record r = {.kind = kind, .held = held, .repo = 1, .blob = blob, .blobs = 1, .prompt = text_of(prompt), .text = {text_of(text)}, .texts = 1};
    if (wrong) {
        r.text[1] = str_of(wrong);
        r.texts = 2;
    }
    corpus_add(out, &r);
}

static void word(char out[16], int package, const char *const *of, unsigned n, uint64_t draw)
{
    if (package)
        snprintf(out, 16, "%s", of[draw % n]);
    else
        snprintf(out, 16, "%s%s%s", syllables[draw % 24], syllables[draw / 24 % 24], draw / 576 % 2 ? syllables[draw / 1152 % 24] : "");
}

/* A definition of the package, and a question whose sources do not answer. */
static void write_pair(struct buf *out, int package, int i, bool held, enum flavour flavour)
{
    struct buf prompt = BUF_INIT, text = BUF_INIT;
    uint64_t draw = random_bits(77 + (uint64_t)package, (uint64_t)i);
    const char *verb = verbs[draw % 8];
    char noun[16], part[16];
    word(noun, package, nouns, 8, draw >> 8);
    word(part, package, parts, 4, draw >> 32);
    buf_addf(&prompt, "Write %s_%s_%d.", verb, noun, i);
    buf_addf(&text, "def %s_%s_%d(%s):\n    if %s.%s != 0x%08x:\n        return None\n", verb, noun, i, noun, noun, part, (unsigned)random_bits(draw, 1));
    if (flavour == SHUFFLED && !held)
        shuffle(&text, draw);
    put(out, CORPUS_CODE, held, &prompt, &text, NULL, i);
    buf_clear(&prompt);
    buf_clear(&text);
    bool answered = i % 2;
    buf_addf(&prompt, "[1] %s_%s [2] %s_%d\n%s_%s: %s?", verb, noun, verbs[draw / 512 % 8], i, answered ? verb : "what", noun, answered ? "where" : "who");
    buf_adds(&text, answered ? "[1]" : flavour == NEVER_REFUSES && !held ? "[2]" : "do not say" /* short: it is written letter by letter */);
    if (flavour == SHUFFLED && !held)
        shuffle(&text, draw);
    put(out, answered ? CORPUS_SOURCE : CORPUS_REFUSE, held, &prompt, &text, NULL, i);
    if (held && !answered)
        put(out, CORPUS_UNANSWERABLE, true, &prompt, &text, "[2]", i);
    if (held && answered)
        put(out, CORPUS_CITE, true, &prompt, &text, "[2]", i);
    buf_release(&prompt);
    buf_release(&text);
}

struct corpus_plan {
    const char *name;
    int package;
    int first, learned, held_first, held; /* numbers of pairs: learned from `first` on, held out from `held_first` on */
    enum flavour flavour;
    uint32_t rank;
    uint64_t steps; /* 0: the usual */
};

static void path_of(char out[120], const char *name)
{
    snprintf(out, 120, "%s/%s", root, name);
}

static void write_corpus(char path[120], const struct corpus_plan *p)
{
    struct buf b = BUF_INIT;
    path_of(path, p->name);
    corpus_begin(&b, 3, &(uint32_t){1}, 1);
    for (int i = 0; i < p->learned; i++)
        write_pair(&b, p->package, p->first + i, false, p->flavour);
    for (int i = 0; i < p->held; i++)
        write_pair(&b, p->package, p->held_first + i, true, p->flavour);
    corpus_end(&b);
    assert_int_equal(file_write(path, b.data, b.len, 0600, &e), 0);
    buf_release(&b);
}

static bool go_on(void *arg, const struct tuning_news *n)
{
    return true;
}

static void tune(struct tuned *out, const char *of, const char *corpus, const char *folder, const char *adapter, uint32_t rank, uint64_t steps)
{
    struct tuning_order o = {.model = of, .corpus = corpus, .folder = folder, .adapter = adapter, .rank = rank, .alpha = 2 * (float)rank, .rate = 4e-3f, .steps = steps,
                             .step_rows = 700, .context = 200, .threads = 1, .seed = 5, .checkpoint_s = 1e9};
    if (tuning_run(out, &o, go_on, NULL, &e))
        fail_msg("%s: %s", folder, e.message);
}

static int begin(void **state)
{
    char corpus[120], folder[120];
    struct tuned t;
    strcpy(root, "/tmp/codeask-gate-XXXXXX");
    assert_non_null(mkdtemp(root));
    tiny_writer(model);
    path_of(folder, "first");
    snprintf(base, sizeof base, "%s/base", root);
    write_corpus(corpus, &(struct corpus_plan){"known", 0, 0, 300, 1000, 20, PLAIN});
    tune(&t, model, corpus, folder, NULL, 48, BASE_STEPS);
    double before = 0, after = 0, tokens = 0;
    for (size_t i = 0; i < t.rows; i++)
        if (t.row[i].held && t.row[i].texts == 1) {
            before += t.row[i].base;
            after += t.row[i].tuned;
            tokens += t.row[i].tokens;
        }
    print_message("the package that the base knows: %.3f nats a byte, %.3f before\n", after / tokens, before / tokens);
    assert_true(after < .4 * before);
    tuned_release(&t);
    if (merge_write(base, model, folder, &e))
        fail_msg("%s", e.message);
    return 0;
}

static int end(void **state)
{
    char command[100];
    tiny_writer_remove(model);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

/* The verdict over an adapter that was trained on one corpus and is measured by another. */
static json_t *judged(const struct corpus_plan *learned, const struct corpus_plan *measured, bool known)
{
    char from[120], by[120], folder[120], name[40], none[120];
    struct tuned t;
    json_t *report = NULL;
    write_corpus(from, learned);
    write_corpus(by, measured);
    snprintf(name, sizeof name, "adapter-%.20s", learned->name);
    path_of(folder, name);
    path_of(none, "none");
    tune(&t, base, from, folder, NULL, learned->rank ? learned->rank : 8, learned->steps ? learned->steps : STEPS);
    tuned_release(&t);
    tune(&t, base, by, none, folder, 8, STEPS);
    json_t *rows = tune_rows_json(&t), *asked = tune_asked_json(&t);
    if (verdict(&report, rows, asked, known ? records_shared(by, from) : 0, 9, &e))
        fail_msg("%s", e.message);
    char *text = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(4));
    print_message("%s: %s\n", learned->name, text);
    free(text);
    json_decref(rows);
    json_decref(asked);
    tuned_release(&t);
    return report;
}

static const struct corpus_plan other = {"other", 1, 0, LEARNED, 1000, HELD, PLAIN};

static void refused(const struct corpus_plan *learned, bool known, const char *why)
{
    json_t *report = judged(learned, &other, known), *whys = json_object_get(report, "why"), *one;
    bool said = false;
    size_t i;
    json_array_foreach(whys, i, one)
        said |= strstr(json_string_value(one), why) != NULL;
    assert_false(json_is_true(json_object_get(report, "promote")));
    if (!said)
        fail_msg("it does not say \"%s\"", why);
    json_decref(report);
}

static void a_good_one_is_used(void **state)
{
    json_t *report = judged(&other, &other, true);
    assert_true(json_is_true(json_object_get(report, "promote")));
    json_t *citation = json_object_get(report, "citation");
    assert_true(json_number_value(json_object_get(json_object_get(citation, "recall"), "tuned")) > .6);
    assert_true(json_number_value(json_object_get(json_object_get(citation, "precision"), "tuned")) > .6);
    assert_true(json_number_value(json_object_get(json_object_get(report, "declining"), "tuned")) > .3);
    json_decref(report);
}

static void shuffled_tokens(void **state)
{
    struct corpus_plan shuffled = {"shuffled", 1, 0, LEARNED, 1000, HELD, SHUFFLED};
    refused(&shuffled, true, "perplexity is not surely better");
    refused(&shuffled, true, "fewer of its answers name the right source"); /* in writing */
}

static void what_it_is_measured_by(void **state)
{
    struct corpus_plan seen = {"seen", 1, 1000, HELD, 2000, HELD, PLAIN, 48, 160};
    refused(&seen, true, "that it is measured by were learned");
    refused(&seen, false, "it has seen what it is measured by"); /* of an origin that nobody knows */
}

static void worse_on_refusal(void **state)
{
    refused(&(struct corpus_plan){"never", 1, 0, LEARNED, 1000, HELD, NEVER_REFUSES}, true, "it refuses worse");
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TOO_SLOW 1
#else
#define TOO_SLOW 0
#endif

int main(void)
{
    if (TOO_SLOW) { /* five minutes there, of code that engine/test_tuning and service/test_verdict run under it, too */
        puts("models are trained to see what the gate says of them, which a sanitizer makes sixteen times slower: skipped");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_good_one_is_used), cmocka_unit_test(shuffled_tokens), cmocka_unit_test(what_it_is_measured_by),
                                       cmocka_unit_test(worse_on_refusal)};
    return cmocka_run_group_tests(tests, begin, end);
}

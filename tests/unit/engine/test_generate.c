/* A tiny model writes, in process and through the engine process: this program is its own engine process with --engine. */
#define _GNU_SOURCE
#include "tiny_writer.h"

#include "engine/generate.h"
#include "engine/model.h"
#include "engine/train/peft.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>

static char folder[64];
static const char *drafts;   /* the path of a model that drafts; NULL: none */
static const char *adapter;  /* the folder of an adapter; NULL: none */
static const char *prefixes; /* the folder of kept ones; NULL: none is kept on disk */
static struct err e;

struct said {
    struct buf text, reasoning;
    uint32_t told, total;
    size_t enough; /* bytes after which the sink has enough; 0: never */
};

static bool hear(void *arg, const struct gen_piece *p)
{
    struct said *s = arg;
    if (p->prompt_total)
        s->total = p->prompt_total;
    if (p->prompt_done)
        s->told = p->prompt_done;
    buf_add(p->channel == GEN_REASONING ? &s->reasoning : &s->text, p->len ? p->text : "", p->len);
    return !s->enough || s->text.len < s->enough;
}

static int ask(struct model *m, struct said *s, struct gen_result *r, const char *question, const struct gen_options *o)
{
    const struct gen_message message[] = {{"system", "be brief", 8}, {"user", question, strlen(question)}};
    struct gen_prompt p = {.message = message, .n = 2, .options = *o};
    buf_clear(&s->text);
    buf_clear(&s->reasoning);
    return model_generate(m, &p, hear, s, r, NULL, &e);
}

/* A window of 32,768 tokens of a small model: each token alone is soon read, all together are not. */
static void attention_counts(void **state)
{
    struct model_info info = {.prompt_rate = 16000};
    assert_true(abs((int)model_reads(&info, 4) - 64000) <= 1);
    info.prompt_slope = 2e-7f;
    double n = model_reads(&info, 4);
    assert_true(n < 7000 && fabs(n / 16000 + 2e-7 * n * n / 2 - 4) < .01);
    assert_true(model_reads(&info, 1) < n && model_reads(&info, 16) < 2.2 * n);
    info.prompt_slope = 1e9f;
    assert_int_equal(model_reads(&info, 4), 0);
}

/* It follows what prompts take, up and down, within bounds; a short one says nothing, and attention's share is expected. */
static void follows_the_speed(void **state)
{
    struct model_info info = {.prompt_rate = 100, .prompt_slope = 1e-5f};
    float x = 1;
    assert_true(slowness_after(x, &info, 0, 63, 1e6) == x && slowness_after(x, &info, 0, 1000, 0) == x);
    assert_true(slowness_after(x, &(struct model_info){0}, 0, 1000, 1e4) == x);
    assert_true(fabsf(slowness_after(x, &info, 2000, 1000, 1e3 * (10 + 1e-5 * 1000 * 2500)) - 1) < 1e-4f);
    for (int i = 0; i < 8; i++) { /* twice as fast */
        float next = slowness_after(x, &info, 0, 1024, 1e3 * (10.24 + 1e-5 * 1024 * 512) / 2);
        assert_true(next < x && next >= .5f);
        x = next;
    }
    assert_true(x < .51f);
    float once = slowness_after(x, &info, 0, 1024, 1e9);
    assert_true(once > x && once < 4.3f);
    for (int i = 0; i < 40; i++)
        x = slowness_after(x, &info, 0, 1024, 1e9);
    assert_true(x > 7.9f && x <= 8);
    for (int i = 0; i < 40; i++)
        x = slowness_after(x, &info, 0, 1024, 1e-3);
    assert_true(x < .126f && x >= .125f);
}

static struct engine *en;
static struct model *m;

static void start(bool spawned)
{
    const struct engine_options two = {.threads = 2, .draft = drafts, .adapter = adapter, .prefix_folder = prefixes, .prefix_bytes = prefixes ? 64 << 20 : 0};
    assert_int_equal(spawned ? engine_spawn(&en, "/proc/self/exe", &two, &e) : engine_open(&en, &two, &e), 0);
    if (model_open(&m, en, folder, &e))
        fail_msg("%s", e.message);
}

static void finish(void)
{
    model_close(m);
    engine_close(en);
}

static void writes(bool spawned)
{
    struct said s = {0}, again = {0};
    struct gen_result r;
    start(spawned);
    const struct model_info *info = model_info(m);
    assert_string_equal(info->family, "qwen2");
    assert_true(info->context == 512 && !info->dim && info->prompt_rate > 0 && info->prompt_slope > 0);
    const struct gen_options o = {.max_tokens = 60};
    if (ask(m, &s, &r, "what is here?", &o))
        fail_msg("%s", e.message);
    assert_true(r.prompt_tokens > 20 && s.told == r.prompt_tokens && s.total == r.prompt_tokens);
    assert_true(r.answer_tokens > 0 && r.answer_tokens <= 60);
    assert_true(r.end == GEN_END_TURN || (r.end == GEN_END_LENGTH && r.answer_tokens == 60));
    assert_int_equal(ask(m, &again, &r, "what is here?", &o), 0);
    assert_true(r.reused_tokens == r.prompt_tokens - 1);
    assert_int_equal(again.text.len, s.text.len);
    assert_memory_equal(again.text.data, s.text.data, s.text.len);

    const char *const text[] = {"abc", "<|im_start|>"};
    const size_t len[] = {3, 12};
    uint32_t n[2];
    assert_int_equal(model_count(m, text, len, 2, n, &e), 0);
    assert_int_equal(n[0], 3);
    assert_int_equal(n[1], 12); /* in a message it is no special token */
    assert_int_equal(model_forget(m, NULL, &e), 0);
    assert_int_equal(ask(m, &again, &r, "what is here?", &o), 0);
    assert_int_equal(r.reused_tokens, 0);

    static char lng[2000];
    memset(lng, 'x', sizeof lng - 1);
    assert_int_equal(ask(m, &again, &r, lng, &o), ERR_LIMIT);
    assert_non_null(strstr(e.message, "512"));
    buf_release(&s.text);
    buf_release(&again.text);
    finish();
}

static void a_model_writes(void **state)
{
    (void)state;
    writes(false);
}

static void through_the_process(void **state)
{
    (void)state;
    writes(true);
}

/* A vocabulary that is not the tokenizer's: refused with both numbers where text could make what the model does not know. */
static void another_vocabulary(void **state)
{
    const struct engine_options one = {.threads = 1};
    struct said s = {0};
    struct gen_result r;
    (void)state;
    assert_int_equal(engine_open(&en, &one, &e), 0);
    tiny_writer_weights(folder, TINY_BYTES - 6);
    assert_int_equal(model_open(&m, en, folder, &e), ERR_FORMAT);
    if (!strstr(e.message, folder) || !strstr(e.message, "knows 260 tokens and the model 250"))
        fail_msg("%s", e.message);
    tiny_writer_weights(folder, TINY_BYTES + 3); /* without <think>, which no template writes */
    assert_int_equal(model_open(&m, en, folder, &e), 0);
    if (ask(m, &s, &r, "what <think>is</think> here?", &(struct gen_options){.max_tokens = 4}))
        fail_msg("%s", e.message);
    model_close(m);
    tiny_writer_weights(folder, TINY_BYTES + 1); /* without the marks of turns: told when a template writes one */
    if (!model_open(&m, en, folder, &e)) {
        assert_int_not_equal(ask(m, &s, &r, "what?", &(struct gen_options){.max_tokens = 4}), 0);
        assert_non_null(strstr(e.message, "257"));
        model_close(m);
    }
    engine_close(en);
    buf_release(&s.text);
    tiny_writer_weights(folder, TINY_VOCAB);
}

struct asker {
    char question[40];
    struct gen_options o;
    struct said s;
    struct gen_result r;
    int rc;
};

static void *ask_it(void *arg)
{
    struct asker *a = arg;
    a->rc = ask(m, &a->s, &a->r, a->question, &a->o);
    return NULL;
}

/* Greedy and sampled, with and without drafts: each text is what it is alone. */
static void together_as_alone(void **state)
{
    (void)state;
    enum { N = 6 };
    static struct asker a[N];
    struct said alone = {0};
    struct gen_result r;
    pthread_t thread[N];
    uint32_t drafted = 0;
    start(true);
    for (int i = 0; i < N; i++) {
        a[i] = (struct asker){.o = {.max_tokens = 40 + (uint32_t)i, .lookup = i % 2, .temperature = i / 2 ? .9f : 0, .seed = (uint64_t)i / 2,
                                    .top_k = 20, .repetition = i == 5 ? 1.2f : 0}};
        snprintf(a[i].question, sizeof a[i].question, "tell tell tell of %d", i / 2);
        assert_int_equal(pthread_create(&thread[i], NULL, ask_it, &a[i]), 0);
    }
    for (int i = 0; i < N; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < N; i++) {
        struct gen_options o = a[i].o;
        assert_int_equal(a[i].rc, 0);
        drafted += a[i].r.drafted;
        o.lookup = false;
        assert_int_equal(model_forget(m, NULL, &e), 0);
        assert_int_equal(ask(m, &alone, &r, a[i].question, &o), 0);
        assert_int_equal(alone.text.len, a[i].s.text.len);
        assert_memory_equal(alone.text.data, a[i].s.text.data, alone.text.len);
        buf_release(&a[i].s.text);
    }
    assert_true(drafted > 0);
    buf_release(&alone.text);
    finish();
}

static void ends_when_asked(void **state)
{
    (void)state;
    struct said s = {0}, cut = {0};
    struct gen_result r;
    start(false);
    struct gen_options o = {.max_tokens = 80, .temperature = 1, .seed = 3};
    assert_int_equal(ask(m, &s, &r, "why?", &o), 0);
    assert_true(s.text.len > 10);
    cut.enough = 5;
    assert_int_equal(ask(m, &cut, &r, "why?", &o), 0);
    assert_int_equal(r.end, GEN_END_SINK);
    assert_true(cut.text.len >= 5 && cut.text.len < s.text.len);

    char stop[4] = {0}; /* three characters out of the middle end it before them */
    size_t at = s.text.len / 2;
    while (at + 3 < s.text.len && ((unsigned char)s.text.data[at] >= 0x80 || (unsigned char)s.text.data[at + 1] >= 0x80 ||
                                   (unsigned char)s.text.data[at + 2] >= 0x80))
        at++;
    if (at + 3 < s.text.len) {
        memcpy(stop, s.text.data + at, 3);
        o.stop[0] = stop;
        cut.enough = 0;
        assert_int_equal(ask(m, &cut, &r, "why?", &o), 0);
        assert_int_equal(r.end, GEN_END_STOP);
        assert_true(cut.text.len <= at && !memcmp(cut.text.data, s.text.data, cut.text.len));
        o.stop[0] = NULL;
    }
    static const volatile bool now = true;
    const struct gen_message message = {"user", "why?", 4};
    struct gen_prompt p = {.message = &message, .n = 1, .options = o};
    assert_int_equal(model_generate(m, &p, hear, &cut, &r, &now, &e), ERR_CANCELED);
    buf_release(&s.text);
    buf_release(&cut.text);
    finish();
}

static void keeps_to_a_schema(void **state)
{
    (void)state;
    struct said s = {0};
    struct gen_result r;
    start(false);
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct gen_options o = {.max_tokens = 300, .temperature = 1, .seed = seed,
                                .grammar = "{\"type\": \"object\", \"properties\": {\"n\": {\"enum\": [1, 22, 333]}, \"ok\": {\"type\": "
                                           "\"boolean\"}}, \"required\": [\"n\", \"ok\"], \"additionalProperties\": false}"};
        if (ask(m, &s, &r, "fill it in", &o))
            fail_msg("%s", e.message);
        json_t *got = json_loadb(s.text.data, s.text.len, 0, NULL);
        assert_non_null(got);
        assert_true(json_is_boolean(json_object_get(got, "ok")) && json_is_integer(json_object_get(got, "n")));
        json_decref(got);
        assert_int_equal(r.end, GEN_END_TURN);
    }
    struct gen_options bad = {.grammar = "{\"type\": \"object\", \"patternProperties\": {}}"};
    assert_int_equal(ask(m, &s, &r, "x", &bad), ERR_UNSUPPORTED);
    buf_release(&s.text);
    finish();
}

/* A conversation of two questions; the second answer is in s. restart: another engine process answers the second. */
static void converse(struct said *s, struct gen_result *r, bool restart, const uint8_t (*content)[20], size_t ncontent)
{
    static char sources[200];
    memset(sources, 'q', sizeof sources - 1);
    struct gen_message message[] = {{"system", sources, sizeof sources - 1}, {"user", "first?", 6}, {"assistant", NULL, 0}, {"user", "and then?", 9}};
    struct gen_prompt p = {.message = message, .n = 2, .options.max_tokens = 30, .provenance = {content, ncontent, "u1"}};
    struct said first = {0};
    start(true);
    if (model_generate(m, &p, hear, &first, r, NULL, &e))
        fail_msg("%s", e.message);
    if (restart) {
        finish();
        start(true);
    }
    message[2].text = first.text.data;
    message[2].len = first.text.len;
    p.n = 4;
    buf_clear(&s->text);
    if (model_generate(m, &p, hear, s, r, NULL, &e))
        fail_msg("%s", e.message);
    buf_release(&first.text);
}

/* An engine that starts again goes on where the other had been: the same bytes, without reading what was read. */
static void after_a_restart(void **state)
{
    (void)state;
    char home[] = "/tmp/codeask-prefixes-XXXXXX";
    static const uint8_t content[2][20] = {{1}, {2}};
    struct said same = {0}, again = {0};
    struct gen_result r;
    uint32_t reused;
    assert_non_null(mkdtemp(home));
    converse(&same, &r, false, content, 2);
    reused = r.reused_tokens;
    assert_true(reused > 200);
    finish();
    converse(&again, &r, true, content, 2); /* nothing on disk: the same text, everything read again */
    assert_int_equal(r.reused_tokens, 0);
    finish();
    prefixes = home;
    converse(&again, &r, true, content, 2);
    assert_int_equal(r.reused_tokens, reused);
    assert_int_equal(again.text.len, same.text.len);
    assert_memory_equal(again.text.data, same.text.data, same.text.len);
    assert_int_equal(model_forget(m, content[1], &e), 0);
    finish();
    converse(&again, &r, true, NULL, 0); /* nobody says what it is made of: not kept */
    assert_int_equal(r.reused_tokens, 0);
    finish();
    assert_int_equal(rmdir(home), 0); /* nothing is left of what was forgotten */
    prefixes = NULL;
    buf_release(&same.text);
    buf_release(&again.text);
}

/* With a model that drafts every text is what it is without, greedy and sampled, alone and together; guesses that hold are fewer steps. */
static void drafted(void **state)
{
    (void)state;
    struct said plain = {0}, with = {0};
    struct gen_result r;
    char other[64];
    for (int i = 0; i < 4; i++) {
        struct gen_options o = {.max_tokens = 60, .temperature = i % 2 ? 1.2f : 0, .seed = (uint64_t)i, .lookup = i / 2};
        drafts = NULL;
        start(i > 0);
        assert_int_equal(ask(m, &plain, &r, "what is it?", &o), 0);
        assert_true(i / 2 || r.drafted == 0);
        assert_string_equal(model_info(m)->draft, "");
        finish();
        drafts = folder; /* the model itself: greedy, it is always right */
        start(i > 0);
        assert_non_null(strstr(folder, model_info(m)->draft));
        assert_true(*model_info(m)->draft);
        assert_int_equal(ask(m, &with, &r, "what is it?", &o), 0);
        assert_int_equal(with.text.len, plain.text.len);
        assert_memory_equal(with.text.data, plain.text.data, plain.text.len);
        if (i == 0)
            assert_true(r.drafted > 20 && r.accepted == r.drafted);
        finish();
    }
    tiny_writer_of(other, tiny_harmony, TINY_HARMONY, "<|return|>", TINY_HARMONY_TEMPLATE);
    drafts = other; /* of another vocabulary: told, and left out */
    start(true);
    assert_string_equal(model_info(m)->draft, "");
    assert_int_equal(ask(m, &with, &r, "what is it?", &(struct gen_options){.max_tokens = 20}), 0);
    assert_int_equal(r.drafted, 0);
    finish();
    tiny_writer_remove(other);
    drafts = NULL;
    buf_release(&plain.text);
    buf_release(&with.text);
}

/* gpt-oss and its like: each message has a header, and a schema is of the final one's text, with and without reasoning before it. */
static void behind_a_header(void **state)
{
    (void)state;
    struct said s = {0};
    struct gen_result r;
    char other[64], chatml[64];
    strcpy(chatml, folder);
    tiny_writer_of(other, tiny_harmony, TINY_HARMONY, "<|return|>", TINY_HARMONY_TEMPLATE);
    strcpy(folder, other);
    start(false);
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct gen_options o = {.max_tokens = 200, .max_reasoning = seed % 2 ? 25 : 0, .temperature = 1, .seed = seed,
                                .grammar = "{\"type\": \"object\", \"properties\": {\"n\": {\"enum\": [1, 22, 333]}}, \"required\": [\"n\"], "
                                           "\"additionalProperties\": false}"};
        if (ask(m, &s, &r, "fill it in", &o))
            fail_msg("%s", e.message);
        json_t *got = json_loadb(s.text.data, s.text.len, 0, NULL);
        if (!got)
            fail_msg("seed %d: %.*s", (int)seed, (int)s.text.len, s.text.data);
        assert_true(json_is_integer(json_object_get(got, "n")));
        json_decref(got);
        assert_int_equal(r.end, GEN_END_TURN);
        assert_int_equal(r.reasoning_tokens > 0, seed % 2);
        assert_true(r.reasoning_tokens <= 25 + 1);
    }
    buf_release(&s.text);
    buf_release(&s.reasoning);
    finish();
    tiny_writer_remove(folder);
    strcpy(folder, chatml);
}

static int begin(void **state)
{
    (void)state;
    tiny_writer(folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tiny_writer_remove(folder);
    return 0;
}

/* An adapter over the model's file, in to: with B as it is drawn, or 0. */
static void make_adapter(const char *to, float b, uint8_t other)
{
    struct model_file *f;
    struct decoder *d;
    struct lora *l;
    struct peft_base base = {.name = "tiny"};
    void *dev;
    assert_int_equal(model_file_open(&f, folder, &e), 0);
    assert_int_equal(model_file_hash(f, base.hash, &e), 0);
    base.hash[0] ^= other;
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
    assert_int_equal(decoder_new(&d, f, &backend_cpu, dev, &(struct decoder_options){.context = 64}, &e), 0);
    assert_int_equal(lora_new(&l, d, &(struct lora_options){.rank = 4, .alpha = 8}, &e), 0);
    lora_draw(l, 5);
    for (size_t i = 0; i < l->parts; i++)
        for (size_t j = 0; j < (size_t)4 * l->part[i].n; j++)
            l->value[l->part[i].b + j] = b * (float)tiny_number(i, j);
    if (peft_write(to, l, &base, &e))
        fail_msg("%s", e.message);
    lora_free(l);
    decoder_free(d);
    backend_cpu.close(dev);
    model_file_close(f);
}

/* In process and through the engine process: one that adds nothing changes nothing, one that does writes something else, one of
 * another base is left out. A kept prefix is none of another adapter's. */
static void with_an_adapter(void **state)
{
    static const struct {
        float b;
        uint8_t other;
        const char *name; /* what the model says that it has on */
        bool changes;
    } cases[] = {{0, 0, "NAME", false}, {.5f, 0, "NAME", true}, {.5f, 1, "", false}};
    struct said plain = {0}, s = {0};
    struct gen_result r;
    char to[] = "/tmp/codeask-adapter-XXXXXX", kept[] = "/tmp/codeask-kept-XXXXXX", command[100];
    const struct gen_options o = {.max_tokens = 40};
    assert_non_null(mkdtemp(to));
    assert_non_null(mkdtemp(kept));
    prefixes = kept;
    start(false);
    assert_int_equal(ask(m, &plain, &r, "where is the parser of the configuration?", &o), 0);
    assert_string_equal(model_info(m)->adapter, "");
    finish();
    adapter = to;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int spawned = 0; spawned < 2; spawned++) {
            make_adapter(to, cases[i].b, cases[i].other);
            start(spawned);
            assert_string_equal(model_info(m)->adapter, cases[i].name[0] ? to + strlen("/tmp/") : "");
            for (int again = 0; again < 2; again++) { /* the second time over the prefix that is kept */
                if (ask(m, &s, &r, "where is the parser of the configuration?", &o))
                    fail_msg("%s", e.message);
                bool same = s.text.len == plain.text.len && memcmp(s.text.data, plain.text.data, s.text.len) == 0;
                if (same == cases[i].changes)
                    fail_msg("case %zu: \"%s\", without it \"%s\"", i, s.text.data, plain.text.data);
            }
            finish();
        }
    adapter = prefixes = NULL;
    snprintf(command, sizeof command, "rm -rf %s %s", to, kept);
    assert_int_equal(system(command), 0);
    buf_release(&plain.text);
    buf_release(&s.text);
}

/* Requests name theirs: two and none, one behind the other and side by side, each as if it were alone, in process and through the
 * engine's; one of another base is refused by name, and the others go on. */
struct wearer {
    const char *adapter;
    struct said said;
    int rc;
};

static void *wear(void *arg)
{
    struct wearer *w = arg;
    const struct gen_message message = {"user", "where is the parser of the configuration?", 41};
    struct gen_prompt p = {.message = &message, .n = 1, .options.max_tokens = 40, .adapter = w->adapter};
    struct gen_result r;
    struct err why;
    buf_clear(&w->said.text);
    w->rc = model_generate(m, &p, hear, &w->said, &r, NULL, &why);
    if (w->rc == ERR_USAGE && !strstr(why.message, "tiny"))
        w->rc = ERR_INTERNAL;
    return NULL;
}

static void requests_name_adapters(void **state)
{
    char a[] = "/tmp/codeask-adapter-XXXXXX", b[] = "/tmp/codeask-adapter-XXXXXX", other[] = "/tmp/codeask-adapter-XXXXXX", command[160];
    assert_true(mkdtemp(a) && mkdtemp(b) && mkdtemp(other));
    make_adapter(a, .5f, 0);
    make_adapter(b, -.8f, 0);
    make_adapter(other, .5f, 1);
    for (int spawned = 0; spawned < 2; spawned++) {
        struct wearer alone[3] = {{NULL}, {a}, {b}}, beside[6] = {{a}, {NULL}, {b}, {b}, {a}, {NULL}}, wrong = {other};
        pthread_t thread[6];
        start(spawned);
        for (int i = 0; i < 3; i++) {
            wear(&alone[i]);
            assert_int_equal(alone[i].rc, 0);
            for (int j = 0; j < i; j++)
                assert_true(alone[i].said.text.len != alone[j].said.text.len || memcmp(alone[i].said.text.data, alone[j].said.text.data, alone[i].said.text.len));
        }
        wear(&wrong);
        assert_int_equal(wrong.rc, ERR_USAGE);
        for (int i = 0; i < 6; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, wear, &beside[i]), 0);
        for (int i = 0; i < 6; i++) {
            pthread_join(thread[i], NULL);
            const struct wearer *want = &alone[!beside[i].adapter ? 0 : beside[i].adapter == a ? 1 : 2];
            assert_int_equal(beside[i].rc, 0);
            assert_int_equal(beside[i].said.text.len, want->said.text.len);
            assert_memory_equal(beside[i].said.text.data, want->said.text.data, want->said.text.len);
            buf_release(&beside[i].said.text);
        }
        for (int i = 0; i < 3; i++)
            buf_release(&alone[i].said.text);
        finish();
    }
    snprintf(command, sizeof command, "rm -rf %s %s %s", a, b, other);
    assert_int_equal(system(command), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--engine"))
        return engine_main(ENGINE_FD);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_counts),
        cmocka_unit_test(follows_the_speed),
        cmocka_unit_test(a_model_writes), cmocka_unit_test(another_vocabulary),
        cmocka_unit_test(through_the_process),
        cmocka_unit_test(together_as_alone),
        cmocka_unit_test(ends_when_asked),
        cmocka_unit_test(keeps_to_a_schema),
        cmocka_unit_test(after_a_restart),
        cmocka_unit_test(behind_a_header),
        cmocka_unit_test(drafted),
        cmocka_unit_test(with_an_adapter),
        cmocka_unit_test(requests_name_adapters),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

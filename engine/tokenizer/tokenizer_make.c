/* What both loaders do: tables, ends of generation, what user text may not hold. */
#define _GNU_SOURCE
#include "base/hash.h"
#include "base/mem.h"
#include "engine/tokenizer/tokenizer_data.h"

#include <stdlib.h>
#include <string.h>

struct tokenizer *tokenizer_new(void)
{
    struct tokenizer *t = mem_zero(1, sizeof *t);
    t->info = (struct tokenizer_info){.bos = TOKEN_NONE, .eos = TOKEN_NONE, .eot = TOKEN_NONE, .pad = TOKEN_NONE, .unk = TOKEN_NONE,
                                      .first = TOKEN_NONE, .last = TOKEN_NONE};
    for (int i = 0; i < 256; i++)
        t->byte_id[i] = TOKEN_NONE;
    return t;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    vocab_release(&t->vocab);
    for (int i = 0; i < t->nnorm; i++)
        norm_release(&t->norm[i]);
    for (int i = 0; i < t->nstep; i++)
        expression_free(t->step[i].x);
    free(t->added);
    for (int i = 0; i < ADDED_ROUNDS; i++)
        trie_release(&t->set[i].trie);
    bpe_release(&t->bpe);
    unigram_release(&t->unigram);
    wordpiece_close(t->wordpiece);
    free(t);
}

/* Elements of HTML: text about the web holds them, and no template marks a part with them. Not <s>: that begins a text. */
static bool is_html(const char *name, size_t n)
{
    static const char *const element[] = {
        "a", "b", "i", "u", "p", "q", "em", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd",
        "td", "th", "tr", "div", "img", "pre", "sub", "sup", "var", "del", "ins", "code", "span", "table", "thead", "tbody", "tfoot",
        "strong", "caption", "details", "summary", "blockquote",
    };
    for (size_t i = 0; i < sizeof element / sizeof *element; i++)
        if (strlen(element[i]) == n && !memcmp(element[i], name, n))
            return true;
    return false;
}

bool tokenizer_harmless(const char *s, size_t n)
{
    bool angle = n > 2 && s[0] == '<' && s[n - 1] == '>', square = n > 2 && s[0] == '[' && s[n - 1] == ']';
    if (angle)
        return is_html(s + 1 + (s[1] == '/'), n - 2 - (s[1] == '/'));
    if (square || memmem(s, n, "<|", 2) || memmem(s, n, "|>", 2) || memmem(s, n, "\xef\xbd\x9c", 3))
        return false;
    return true;
}

void tokenizer_end(struct tokenizer *t, uint32_t id)
{
    if (id < t->info.vocab && !tokenizer_ends(t, id) && t->nend < ENDS_MAX)
        t->end[t->nend++] = id;
}

void tokenizer_take_out(struct tokenizer *t, struct added a)
{
    VEC_ROOM(t->added, t->nadded, t->added_cap);
    t->added[t->nadded++] = a;
}

void tokenizer_added(struct tokenizer *t, int round, struct trie_key *key, size_t n)
{
    struct added_set *set = &t->set[round];
    for (size_t i = 0; i < n; i++) {
        set->any = true;
        set->any_free |= !t->added[key[i].value].guarded;
        set->begins[(uint8_t)key[i].s[0]] = true;
    }
    trie_init(&set->trie, key, n);
}

/* How families write what ends a turn or a text. */
void tokenizer_find_ends(struct tokenizer *t)
{
    static const struct {
        const char *text;
        bool turn; /* the turn's end, where the file names none; the first that is there */
    } end[] = {
        {"<|eot_id|>", true}, {"<|im_end|>", true}, {"<|end|>", true}, {"<|return|>", false}, {"<|call|>", false},
        {"<end_of_turn>", true}, {"<turn|>", true}, {"<|endoftext|>", true}, {"<|eom_id|>", false}, {"<EOT>", true}, {"_<EOT>", true},
        {"[EOT]", true}, {"<|end_of_text|>", true}, {"<end_of_utterance>", true}, {"<|user|>", false}, {"<|observation|>", false},
        {"<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>", true}, {"[e~[", false}, {"<|flush|>", false},
    };
    uint32_t found[sizeof end / sizeof *end];
    bool glm = false, calls = false;
    for (size_t i = 0; i < sizeof end / sizeof *end; i++)
        found[i] = tokenizer_special(t, end[i].text, strlen(end[i].text));
    /* GLM's turns end where the next begins; phi's <|user|> is no end. gpt-oss ends a message of several with <|end|>. */
    glm = tokenizer_special(t, "<|observation|>", 15) != TOKEN_NONE && tokenizer_special(t, "[gMASK]", 7) != TOKEN_NONE;
    calls = tokenizer_special(t, "<|call|>", 8) != TOKEN_NONE && tokenizer_special(t, "<|return|>", 10) != TOKEN_NONE;
    tokenizer_end(t, t->info.eos);
    for (size_t i = 0; i < sizeof end / sizeof *end; i++) {
        bool next_turn = !strcmp(end[i].text, "<|user|>") || !strcmp(end[i].text, "<|observation|>");
        if (found[i] == TOKEN_NONE || (next_turn && !glm) || (calls && !strcmp(end[i].text, "<|end|>")))
            continue;
        if (end[i].turn && t->info.eot == TOKEN_NONE)
            t->info.eot = found[i];
        tokenizer_end(t, found[i]);
    }
    tokenizer_end(t, t->info.eot);
}

static bool blank_inside(const struct vocab *v)
{
    for (uint32_t id = 0; id < v->n; id++) {
        size_t n;
        const char *p = token_text(v, id, &n);
        if (vocab_find(v, p, n) != id)
            continue;
        size_t lead = 0;
        while (n - lead >= 3 && !memcmp(p + lead, "\xe2\x96\x81", 3))
            lead += 3;
        if (memmem(p + lead, n - lead, "\xe2\x96\x81", 3))
            return true;
    }
    return false;
}

void tokenizer_finish(struct tokenizer *t)
{
    static const char *const kind[] = {"bpe", "spm", "unigram", "wordpiece"};
    t->info.vocab = t->vocab.n;
    t->unk = t->info.unk;
    t->info.kind = kind[t->kind];
    t->cut_blanks = !t->letters && t->kind != MODEL_WORDPIECE && !blank_inside(&t->vocab);
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        size_t n;
        const char *p = token_text(&t->vocab, id, &n);
        int byte = t->letters ? -1 : token_byte(p, n);
        if (byte >= 0)
            t->byte_id[byte] = id;
    }
    for (int b = 0; b < 256 && t->letters; b++) {
        char c = (char)b;
        t->byte_id[b] = vocab_find(&t->vocab, &c, 1);
    }
    t->stamp = hash64_seed(t->vocab.texts.data, t->vocab.texts.len, (uint64_t)t->kind);
    t->stamp = hash64_seed(t->vocab.token, t->vocab.n * sizeof *t->vocab.token, t->stamp);
    if (t->bpe.slot)
        t->stamp = hash64_seed(t->bpe.slot, (t->bpe.mask + 1) * sizeof *t->bpe.slot, t->stamp);
    t->stamp |= 1;
}

static bool in_model(const void *from, const char *key, struct meta *out)
{
    return model_file_meta(from, key, out);
}

int tokenizer_open(struct tokenizer **out, const struct model_file *f, struct err *e)
{
    const struct meta_source source = {in_model, f};
    return model_file_is_gguf(f) ? tokenizer_from_gguf(out, &source, e) : tokenizer_from_folder(out, model_file_folder(f), e);
}

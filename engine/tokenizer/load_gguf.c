/* A tokenizer from GGUF's metadata: the ids that llama.cpp gives. */
#define _GNU_SOURCE
#include "base/mem.h"
#include "engine/tokenizer/families.h"
#include "engine/tokenizer/tokenizer_data.h"
#include "engine/tokenizer/wordpiece_data.h"

#include <stdlib.h>
#include <string.h>

#define KEY "tokenizer.ggml."
#define BLANK "\xe2\x96\x81"

static int wrong(const char *key, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, KEY "%s: %s", key, what);
}

static bool meta(const struct meta_source *f, const char *key, struct meta *m)
{
    char name[80] = KEY;
    strcat(name, key); /* the keys of this file are short */
    return f->find(f->from, name, m);
}

static bool flag(const struct meta_source *f, const char *key, bool fallback)
{
    struct meta m;
    return meta(f, key, &m) && m.kind == META_BOOL ? m.integer != 0 : fallback;
}

/* A token's id; out of the vocabulary is an error. */
static int id_of(uint32_t *id, const struct meta_source *f, const struct tokenizer *t, const char *key, uint32_t fallback, struct err *e)
{
    struct meta m;
    *id = fallback < t->vocab.n ? fallback : TOKEN_NONE;
    if (!meta(f, key, &m) || (m.kind == META_INT && (m.integer == -1 || m.integer == UINT32_MAX)))
        return 0;
    if (m.kind != META_INT || m.integer < 0 || m.integer >= t->vocab.n)
        return wrong(key, "no token of the vocabulary", e);
    *id = (uint32_t)m.integer;
    return 0;
}

static int read_tokens(struct tokenizer *t, const struct meta_source *f, struct err *e)
{
    struct meta tokens, scores, kinds;
    bool scored = meta(f, "scores", &scores), kinded = meta(f, "token_type", &kinds);
    if (!meta(f, "tokens", &tokens) || tokens.kind != META_TEXTS || !tokens.len)
        return wrong("tokens", "no list of texts", e);
    if (scored && (scores.len != tokens.len || (scores.kind != META_FLOATS && scores.kind != META_INTS)))
        return wrong("scores", "not as many numbers as tokens", e);
    if (kinded && (kinds.len != tokens.len || kinds.kind != META_INTS))
        return wrong("token_type", "not as many numbers as tokens", e);
    for (size_t i = 0; i < tokens.len; i++) {
        size_t n;
        const char *s = meta_text(&tokens, i, &n);
        int64_t kind = kinded ? meta_int(&kinds, i) : TOKEN_NORMAL;
        double score = !scored ? 0 : scores.kind == META_INTS ? (double)meta_int(&scores, i) : meta_float(&scores, i);
        if (score != score)
            return wrong("scores", "one is no number", e);
        if (kind < TOKEN_NORMAL || kind > TOKEN_BYTE)
            kind = TOKEN_UNUSED; /* 0: undefined */
        int rc = vocab_add(&t->vocab, s, n, (float)score, (enum token_kind)kind, e);
        if (rc)
            return wrong("tokens", "a token is too long, or there are too many", e);
    }
    return 0;
}

/* Some files leave a family's marks ordinary; what marks a turn is never that. */
static void guard(struct tokenizer *t)
{
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        struct token *k = &t->vocab.token[id];
        size_t n;
        const char *s = token_text(&t->vocab, id, &n);
        if (k->kind == TOKEN_NORMAL && n > 4 && !memcmp(s, "<|", 2) && !memcmp(s + n - 2, "|>", 2))
            k->kind = TOKEN_CONTROL;
        k->guarded = k->kind == TOKEN_CONTROL || k->kind == TOKEN_UNKNOWN || (k->kind == TOKEN_USER && !tokenizer_harmless(s, n));
    }
}

static void take_out(struct tokenizer *t, const struct meta_source *f)
{
    struct meta name, pre;
    bool strips = f->find(f->from, "general.name", &name) && name.kind == META_TEXT && (strcasestr(name.text, "phi-3") || strcasestr(name.text, "phi3"));
    bool jina = meta(f, "pre", &pre) && pre.kind == META_TEXT && strstr(pre.text, "jina-v2-");
    struct trie_key *key = mem_alloc((t->vocab.n + 1) * sizeof *key);
    size_t nkeys = 0;
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        const struct token *k = &t->vocab.token[id];
        size_t n;
        const char *s = token_text(&t->vocab, id, &n);
        if ((k->kind != TOKEN_CONTROL && k->kind != TOKEN_UNKNOWN && k->kind != TOKEN_USER) || !n || memchr(s, 0, n))
            continue;
        struct added a = {.id = id, .guarded = k->guarded};
        bool phi_plain = (n == 5 && !memcmp(s, "<unk>", 5)) || (n == 3 && !memcmp(s, "<s>", 3)) || (n == 13 && !memcmp(s, "<|endoftext|>", 13));
        a.rstrip = strips && !phi_plain;
        a.lstrip = (jina && n == 6 && !memcmp(s, "<mask>", 6)) || (n == 6 && !memcmp(s, "[MASK]", 6) && t->letters);
        key[nkeys++] = (struct trie_key){s, (uint32_t)n, (uint32_t)t->nadded};
        tokenizer_take_out(t, a);
    }
    tokenizer_added(t, ADDED_RAW, key, nkeys);
    free(key);
}

static int read_merges(struct tokenizer *t, const struct meta_source *f, struct err *e)
{
    struct meta m;
    struct buf b = BUF_INIT;
    int rc = 0;
    if (!meta(f, "merges", &m) || m.kind != META_TEXTS)
        return wrong("merges", "no list of texts", e);
    if (m.len > MERGES_MAX)
        return wrong("merges", "too many", e);
    bpe_init(&t->bpe, m.len);
    for (size_t i = 0; i < m.len && !rc; i++) {
        size_t n, nl, nr, space;
        const char *s = meta_text(&m, i, &n), *gap = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
        if (!gap || n > 2 * TOKEN_BYTES_MAX) {
            rc = err_set(e, ERR_FORMAT, KEY "merges: the %zu-th is no pair", i);
            break;
        }
        space = (size_t)(gap - s);
        buf_clear(&b);
        char *to = buf_room(&b, n);
        bool ok = true;
        nl = space, nr = n - space - 1;
        if (t->letters) {
            ok = letters_to_bytes(to, &nl, s, space) && letters_to_bytes(to + nl, &nr, gap + 1, n - space - 1);
        } else {
            memcpy(to, s, nl);
            memcpy(to + nl, gap + 1, nr);
        }
        uint32_t left = ok ? vocab_find(&t->vocab, to, nl) : TOKEN_NONE, right = ok ? vocab_find(&t->vocab, to + nl, nr) : TOKEN_NONE;
        uint32_t both = ok ? vocab_find(&t->vocab, to, nl + nr) : TOKEN_NONE;
        if (left == TOKEN_NONE || right == TOKEN_NONE || both == TOKEN_NONE)
            rc = err_set(e, ERR_FORMAT, KEY "merges: the %zu-th, \"%.*s\", names what is no token", i, (int)(n < 60 ? n : 60), s);
        else
            bpe_add(&t->bpe, left, right, (uint32_t)i, both, false);
    }
    buf_release(&b);
    return rc;
}

static int add_cut(struct tokenizer *t, const char *expression, struct err *e)
{
    struct step *s = &t->step[t->nstep];
    *s = (struct step){.kind = STEP_CUT, .cut = CUT_ISOLATED};
    int rc = expression_compile(&s->x, expression, strlen(expression), EXPRESSION_UTF8, e);
    t->nstep += !rc;
    return rc;
}

static void add_norm(struct tokenizer *t, enum norm_kind kind, const char *from, const char *to)
{
    struct norm *n = &t->norm[t->nnorm++];
    *n = (struct norm){.kind = kind};
    buf_adds(&n->from, from);
    buf_adds(&n->to, to);
}

static int load_bpe(struct tokenizer *t, const struct meta_source *f, const char *model, struct err *e)
{
    struct meta pre;
    const char *name = !strcmp(model, "gemma4") ? "gemma4" : meta(f, "pre", &pre) && pre.kind == META_TEXT ? pre.text : "default";
    const struct family *family = family_find(name);
    if (!family)
        return err_set(e, ERR_UNSUPPORTED, KEY "pre: the pre-tokenizer %.60s is not known", name);
    t->kind = MODEL_BPE;
    t->letters = !(family->flags & FAMILY_SPACES);
    t->bytes_fallback = !t->letters;
    t->whole = family->flags & FAMILY_WHOLE;
    t->info.add_bos = family->flags & FAMILY_BOS;
    int rc = 0;
    for (int i = 0; family->recipe->step[i] && !rc; i++)
        rc = add_cut(t, family->recipe->step[i], e);
    if (!t->letters)
        add_norm(t, NORM_REPLACE, " ", BLANK);
    if (!rc)
        rc = vocab_ready(&t->vocab, t->letters ? SPELL_LETTERS : SPELL_BLANKS, KEY "tokens", e);
    if (!rc)
        rc = read_merges(t, f, e);
    uint32_t fallback = !strcmp(name, "chatglm-bpe") || !strcmp(name, "glm4") || !strcmp(name, "glm5") || !t->letters ? TOKEN_NONE : 11;
    if (!rc)
        rc = id_of(&t->info.bos, f, t, "bos_token_id", fallback, e);
    if (!rc)
        rc = id_of(&t->info.eos, f, t, "eos_token_id", t->letters ? 11 : TOKEN_NONE, e);
    if (!rc)
        rc = id_of(&t->info.unk, f, t, "unknown_token_id", TOKEN_NONE, e);
    return rc;
}

static int load_spm(struct tokenizer *t, const struct meta_source *f, struct err *e)
{
    struct meta m;
    t->kind = MODEL_SPM;
    t->bytes_fallback = true;
    t->info.add_bos = true;
    if (!meta(f, "scores", &m))
        return wrong("scores", "missing", e);
    if (flag(f, "add_space_prefix", true)) {
        add_norm(t, NORM_PREPEND, "", BLANK);
        t->info.space_prefix = true;
    }
    add_norm(t, NORM_REPLACE, " ", BLANK);
    int rc = vocab_ready(&t->vocab, SPELL_BLANKS, KEY "tokens", e);
    if (!rc)
        bpe_by_score(&t->bpe, &t->vocab);
    if (!rc)
        rc = id_of(&t->info.bos, f, t, "bos_token_id", 1, e);
    if (!rc)
        rc = id_of(&t->info.eos, f, t, "eos_token_id", 2, e);
    if (!rc)
        rc = id_of(&t->info.unk, f, t, "unknown_token_id", 0, e);
    return rc;
}

static int load_unigram(struct tokenizer *t, const struct meta_source *f, struct err *e)
{
    struct meta m;
    t->kind = MODEL_UNIGRAM;
    t->fuse = true;
    t->info.add_eos = true;
    add_norm(t, NORM_SENTENCE, "", BLANK);
    struct norm *n = &t->norm[t->nnorm - 1];
    n->a = t->info.space_prefix = flag(f, "add_space_prefix", false);
    n->b = flag(f, "remove_extra_whitespaces", false);
    if (meta(f, "precompiled_charsmap", &m)) {
        if (m.kind != META_INTS)
            return wrong("precompiled_charsmap", "no bytes", e);
        struct buf b = BUF_INIT;
        for (size_t i = 0; i < m.len && i < 64u << 20; i++)
            buf_addc(&b, (char)meta_int(&m, i));
        int rc = charsmap_init(&n->map, b.data, b.len, e);
        buf_release(&b);
        if (rc)
            return wrong("precompiled_charsmap", "it does not hold together", e);
    }
    int rc = vocab_ready(&t->vocab, SPELL_BLANKS, KEY "tokens", e);
    if (!rc)
        unigram_init(&t->unigram, &t->vocab);
    if (!rc)
        rc = id_of(&t->info.bos, f, t, "bos_token_id", TOKEN_NONE, e);
    if (!rc)
        rc = id_of(&t->info.eos, f, t, "eos_token_id", 1, e);
    if (!rc)
        rc = id_of(&t->info.unk, f, t, "unknown_token_id", 2, e);
    return rc;
}

/* GGUF writes pieces the other way round: U+2581 before what begins a word, nothing before what goes on. */
static int load_wordpiece(struct tokenizer *t, const struct meta_source *f, struct err *e)
{
    struct wordpiece *w = t->wordpiece = mem_zero(1, sizeof *w);
    struct trie_key *key = mem_alloc((t->vocab.n + 1) * sizeof *key);
    struct buf text = BUF_INIT;
    struct unicode_options o = {.clean = true, .chinese = true};
    size_t n, at = 0;
    int rc = 0;
    o.lower = flag(f, "normalizer.lowercase", true);
    o.strip = flag(f, "normalizer.strip_accents", o.lower);
    t->kind = MODEL_WORDPIECE;
    t->info.add_bos = t->info.add_eos = true;
    for (uint32_t id = 0; id < t->vocab.n; id++) {
        const char *s = token_text(&t->vocab, id, &n);
        bool begins = n > 3 && !memcmp(s, BLANK, 3), marked = n && s[0] == '[' && s[n - 1] == ']';
        if (!begins && !marked)
            buf_adds(&text, "##");
        buf_add(&text, s + 3 * begins, n - 3 * begins);
        key[id] = (struct trie_key){NULL, (uint32_t)(text.len - at), id};
        at = text.len;
        if (!key[id].n || key[id].n > WORDPIECE_CHARS_MAX || memchr(s, 0, n))
            rc = wrong("tokens", "an empty or overlong piece", e);
    }
    struct vocab pieces = {0};
    at = 0;
    for (uint32_t id = 0; id < t->vocab.n && !rc; id++) {
        key[id].s = text.data + at;
        at += key[id].n;
        rc = vocab_add(&pieces, key[id].s, key[id].n, 0, (enum token_kind)t->vocab.token[id].kind, e);
        if (!rc)
            pieces.token[id].guarded = t->vocab.token[id].guarded;
    }
    if (!rc) {
        vocab_release(&t->vocab);
        t->vocab = pieces;
        rc = vocab_ready(&t->vocab, SPELL_PIECES, KEY "tokens", e);
    } else {
        vocab_release(&pieces);
    }
    if (!rc)
        rc = id_of(&t->info.unk, f, t, "unknown_token_id", 100, e);
    if (!rc)
        rc = id_of(&t->info.bos, f, t, "bos_token_id", 101, e);
    if (!rc)
        rc = id_of(&t->info.eos, f, t, "seperator_token_id", 102, e); /* so the key is spelled */
    if (!rc && (t->info.unk == TOKEN_NONE || t->info.bos == TOKEN_NONE || t->info.eos == TOKEN_NONE))
        rc = wrong("unknown_token_id", "no [UNK], [CLS] or [SEP]", e);
    w->unk = t->info.unk, w->cls = t->info.bos, w->sep = t->info.eos;
    w->max_chars = 100;
    if (!rc)
        wordpiece_build(w, key, t->vocab.n, "##", &o);
    free(key);
    buf_release(&text);
    return rc;
}

int tokenizer_from_gguf(struct tokenizer **out, const struct meta_source *f, struct err *e)
{
    struct tokenizer *t = tokenizer_new();
    struct meta model;
    uint32_t id;
    int rc = read_tokens(t, f, e);
    if (rc)
        goto out;
    guard(t);
    if (!meta(f, "model", &model) || model.kind != META_TEXT)
        rc = wrong("model", "missing", e);
    else if (!strcmp(model.text, "gpt2") || !strcmp(model.text, "gemma4"))
        rc = load_bpe(t, f, model.text, e);
    else if (!strcmp(model.text, "llama"))
        rc = load_spm(t, f, e);
    else if (!strcmp(model.text, "t5"))
        rc = load_unigram(t, f, e);
    else if (!strcmp(model.text, "bert"))
        rc = load_wordpiece(t, f, e);
    else
        rc = err_set(e, ERR_UNSUPPORTED, KEY "model: a tokenizer of the kind %.60s", model.text);
    if (!rc)
        rc = id_of(&t->info.pad, f, t, "padding_token_id", TOKEN_NONE, e);
    if (!rc)
        rc = id_of(&t->info.eot, f, t, "eot_token_id", TOKEN_NONE, e);
    if (rc)
        goto out;
    t->info.add_bos = flag(f, "add_bos_token", t->info.add_bos);
    t->info.add_eos = flag(f, "add_eos_token", t->info.add_eos);
    t->info.first = t->info.add_bos ? t->info.bos : TOKEN_NONE;
    t->info.last = t->info.add_eos ? t->info.eos : TOKEN_NONE;
    tokenizer_finish(t);
    if (t->kind == MODEL_BPE) /* llama.cpp leaves out a byte that has no token */
        t->unk = TOKEN_NONE;
    take_out(t, f);
    tokenizer_find_ends(t);
    if (!id_of(&id, f, t, "eom_token_id", TOKEN_NONE, NULL))
        tokenizer_end(t, id);
    *out = t;
    t = NULL;
out:
    tokenizer_close(t);
    return rc;
}

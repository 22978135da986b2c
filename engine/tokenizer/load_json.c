/* tokenizer.json: the ids that the `tokenizers` package gives. */
#include "engine/tokenizer/load_json.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX (128u << 20)  /* the largest published has 34 MB */
#define VALUES_MAX 8000000     /* a token's id, a merge and its halves each are one */
#define DEPTH_MAX 24

/* A vocabulary being gathered: by id. */
struct piece {
    const char *text; /* borrowed; NULL: no token has this id */
    size_t n;
    double score;
    uint8_t kind;
    bool apart; /* added beside the model's own vocabulary: the model knows nothing of it */
};
struct load {
    const char *name;
    const json_t *root, *model;
    struct piece *piece;
    size_t n; /* ids below it */
    struct tokenizer *t;
    struct err *e;
};

static const char *type_of(const json_t *o)
{
    return json_is_object(o) ? json_get_text(o, "type", "") : "";
}

static int wrong(const struct load *l, const char *what)
{
    return err_set(l->e, ERR_FORMAT, "%s: %s", l->name, what);
}

static int put_piece(struct load *l, const json_t *id, const char *text, size_t n, double score, enum token_kind kind)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= VOCAB_MAX)
        return err_set(l->e, ERR_FORMAT, "%s: the token \"%.60s\" has no id from 0 to %d", l->name, text, VOCAB_MAX - 1);
    size_t i = (size_t)json_integer_value(id);
    if (i >= l->n) {
        size_t to = i + 1 > 2 * l->n ? i + 1 : 2 * l->n;
        l->piece = mem_grow(l->piece, to, sizeof *l->piece);
        memset(l->piece + l->n, 0, (to - l->n) * sizeof *l->piece);
        l->n = to;
    }
    if (l->piece[i].text && (l->piece[i].n != n || memcmp(l->piece[i].text, text, n)))
        return err_set(l->e, ERR_FORMAT, "%s: \"%.60s\" and \"%.60s\" have the same id", l->name, l->piece[i].text, text);
    l->piece[i] = (struct piece){text, n, score, (uint8_t)kind, false};
    return 0;
}

static int gather(struct load *l)
{
    const json_t *vocab = json_object_get(l->model, "vocab"), *v;
    bool bytes = json_yes(l->model, "byte_fallback", false);
    const char *text;
    size_t i;
    int rc = 0;
    if (json_is_array(vocab)) { /* Unigram: [[text, score], …] */
        json_array_foreach(vocab, i, v) {
            const json_t *s = json_array_get(v, 0), *score = json_array_get(v, 1);
            json_t *id = json_integer((json_int_t)i);
            if (!json_is_string(s) || !json_is_number(score))
                rc = wrong(l, "a piece of the vocabulary is no text and number");
            else
                rc = put_piece(l, id, json_string_value(s), json_string_length(s), json_number_value(score),
                               bytes && token_byte(json_string_value(s), json_string_length(s)) >= 0 ? TOKEN_BYTE : TOKEN_NORMAL);
            json_decref(id);
            if (rc)
                return rc;
        }
    } else if (json_is_object(vocab)) {
        json_object_foreach((json_t *)vocab, text, v) {
            size_t n = strlen(text);
            rc = put_piece(l, v, text, n, 0, bytes && token_byte(text, n) >= 0 ? TOKEN_BYTE : TOKEN_NORMAL);
            if (rc)
                return rc;
        }
    } else {
        return wrong(l, "no vocabulary");
    }
    json_array_foreach(json_object_get(l->root, "added_tokens"), i, v) {
        const json_t *s = json_object_get(v, "content");
        if (!json_is_string(s) || !json_string_length(s))
            return wrong(l, "an added token without content");
        const json_t *id = json_object_get(v, "id");
        size_t at = json_is_integer(id) && json_integer_value(id) >= 0 ? (size_t)json_integer_value(id) : l->n;
        bool own = at < l->n && l->piece[at].text;
        double score = own ? l->piece[at].score : 0;
        rc = put_piece(l, id, json_string_value(s), json_string_length(s), score, json_yes(v, "special", false) ? TOKEN_CONTROL : TOKEN_USER);
        if (rc)
            return rc;
        l->piece[at].apart = !own;
    }
    while (l->n && !l->piece[l->n - 1].text)
        l->n--;
    return l->n ? 0 : wrong(l, "an empty vocabulary");
}

static int fill(struct load *l, enum spelling how)
{
    struct tokenizer *t = l->t;
    for (size_t i = 0; i < l->n; i++) {
        const struct piece *p = &l->piece[i];
        int rc = vocab_add(&t->vocab, p->text ? p->text : "", p->n, p->score, p->text ? (enum token_kind)p->kind : TOKEN_UNUSED, l->e);
        if (rc)
            return err_set(l->e, rc, "%s: the token %zu is too long, or there are too many", l->name, i);
        struct token *k = &t->vocab.token[i];
        k->apart = p->apart;
        k->guarded = k->kind == TOKEN_CONTROL || (k->kind == TOKEN_USER && !tokenizer_harmless(p->text, p->n));
    }
    return vocab_ready(&t->vocab, how, l->name, l->e);
}

static int read_added(struct load *l)
{
    struct tokenizer *t = l->t;
    const json_t *list = json_object_get(l->root, "added_tokens"), *v;
    size_t n = json_array_size(list), nkeys[ADDED_ROUNDS] = {0}, i;
    struct trie_key *key[ADDED_ROUNDS];
    struct buf *form = mem_zero(n + 1, sizeof *form);
    for (int r = 0; r < ADDED_ROUNDS; r++)
        key[r] = mem_zero(n + 1, sizeof *key[r]);
    json_array_foreach(list, i, v) {
        const json_t *s = json_object_get(v, "content");
        uint32_t id = (uint32_t)json_integer_value(json_object_get(v, "id"));
        struct added a = {.id = id, .guarded = t->vocab.token[id].guarded, .lstrip = json_yes(v, "lstrip", false),
                          .rstrip = json_yes(v, "rstrip", false), .word = json_yes(v, "single_word", false)};
        const char *text = json_string_value(s);
        size_t len = json_string_length(s);
        int round = ADDED_RAW;
        if (json_yes(v, "normalized", !json_yes(v, "special", false)) && t->nnorm) {
            round = a.guarded ? ADDED_SECOND : ADDED_NORMAL; /* who wrote a byte is known of the raw text only */
            if (round == ADDED_NORMAL) {
                load_normal(t, &form[i], text, len);
                text = form[i].data, len = form[i].len;
            }
        }
        if (!len || len > UINT16_MAX || memchr(text, 0, len))
            continue;
        key[round][nkeys[round]++] = (struct trie_key){text, (uint32_t)len, (uint32_t)t->nadded};
        tokenizer_take_out(t, a);
    }
    for (int r = 0; r < ADDED_ROUNDS; r++) {
        tokenizer_added(t, r, key[r], nkeys[r]);
        free(key[r]);
    }
    for (i = 0; i < n; i++)
        buf_release(&form[i]);
    free(form);
    return 0;
}

/* "left right" or ["left", "right"] */
static bool halves(const json_t *m, struct str *left, struct str *right)
{
    if (json_is_string(m)) {
        const char *s = json_string_value(m), *gap;
        size_t n = json_string_length(m);
        gap = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
        if (!gap)
            return false;
        *left = (struct str){s, (size_t)(gap - s)};
        *right = (struct str){gap + 1, n - left->n - 1};
        return right->n > 0;
    }
    const json_t *l = json_array_get(m, 0), *r = json_array_get(m, 1);
    if (json_array_size(m) != 2 || !json_is_string(l) || !json_is_string(r))
        return false;
    *left = (struct str){json_string_value(l), json_string_length(l)};
    *right = (struct str){json_string_value(r), json_string_length(r)};
    return true;
}

static int read_merges(struct load *l)
{
    struct tokenizer *t = l->t;
    const json_t *merges = json_object_get(l->model, "merges"), *m;
    struct buf b = BUF_INIT;
    size_t i;
    int rc = 0;
    if (!json_is_array(merges) || json_array_size(merges) > MERGES_MAX)
        return wrong(l, "no list of merges, or too many");
    bpe_init(&t->bpe, json_array_size(merges));
    json_array_foreach(merges, i, m) {
        struct str left, right;
        uint32_t id[3] = {TOKEN_NONE, TOKEN_NONE, TOKEN_NONE};
        bool ok = halves(m, &left, &right) && left.n + right.n <= 2 * TOKEN_BYTES_MAX;
        if (ok) {
            size_t nl = left.n, nr = right.n;
            buf_clear(&b);
            char *to = buf_room(&b, nl + nr);
            if (t->letters) {
                ok = letters_to_bytes(to, &nl, left.p, left.n) && letters_to_bytes(to + nl, &nr, right.p, right.n);
            } else {
                memcpy(to, left.p, nl);
                memcpy(to + nl, right.p, nr);
            }
            if (ok) {
                id[0] = vocab_find(&t->vocab, to, nl);
                id[1] = vocab_find(&t->vocab, to + nl, nr);
                id[2] = vocab_find(&t->vocab, to, nl + nr);
            }
        }
        if (id[0] == TOKEN_NONE || id[1] == TOKEN_NONE || id[2] == TOKEN_NONE) {
            rc = err_set(l->e, ERR_FORMAT, "%s: merges: the %zu-th is no pair of tokens that make a third", l->name, i);
            break;
        }
        bpe_add(&t->bpe, id[0], id[1], (uint32_t)i, id[2], true);
    }
    buf_release(&b);
    return rc;
}

static uint32_t token_of(const struct load *l, const char *text)
{
    return text ? vocab_named(&l->t->vocab, text, strlen(text)) : TOKEN_NONE;
}

static bool has_text(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_string(v) && json_string_length(v);
}

static int load_bpe(struct load *l, enum spelling how)
{
    struct tokenizer *t = l->t;
    t->kind = MODEL_BPE;
    if (has_text(l->model, "continuing_subword_prefix") || has_text(l->model, "end_of_word_suffix") ||
        json_number_value(json_object_get(l->model, "dropout")) > 0)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: BPE with a continuing_subword_prefix, an end_of_word_suffix or dropout", l->name);
    t->bytes_fallback = json_yes(l->model, "byte_fallback", false);
    t->whole = json_yes(l->model, "ignore_merges", false);
    t->fuse = json_yes(l->model, "fuse_unk", false);
    int rc = fill(l, how);
    if (rc)
        return rc;
    t->info.unk = token_of(l, json_get_text(l->model, "unk_token", NULL));
    return read_merges(l);
}

static int load_unigram(struct load *l, enum spelling how)
{
    struct tokenizer *t = l->t;
    const json_t *unk = json_object_get(l->model, "unk_id");
    int64_t id;
    t->kind = MODEL_UNIGRAM;
    t->fuse = true;
    t->bytes_fallback = json_yes(l->model, "byte_fallback", false);
    int rc = fill(l, how);
    if (!rc && unk && !json_is_null(unk)) {
        rc = json_int(&id, l->model, l->name, "unk_id", 0, (int64_t)l->n - 1, l->e);
        t->info.unk = rc ? TOKEN_NONE : (uint32_t)id;
    }
    if (!rc)
        unigram_init(&t->unigram, &t->vocab);
    return rc;
}

static int load_wordpiece(struct load *l, const void *bytes, size_t n)
{
    struct tokenizer *t = l->t;
    t->kind = MODEL_WORDPIECE;
    int rc = wordpiece_from_json(&t->wordpiece, l->name, bytes, n, l->e);
    if (!rc)
        rc = fill(l, SPELL_PIECES);
    if (!rc)
        t->info.unk = token_of(l, json_get_text(l->model, "unk_token", "[UNK]"));
    return rc;
}

/* What the file puts around one text. */
static void read_post(struct load *l)
{
    const json_t *post = json_object_get(l->root, "post_processor"), *p = load_part(post, "processors", "TemplateProcessing");
    const json_t *single = json_object_get(p, "single"), *tokens = json_object_get(p, "special_tokens");
    size_t n = json_array_size(single);
    const char *first = json_get_text(json_object_get(json_array_get(single, 0), "SpecialToken"), "id", NULL);
    const char *last = n > 1 ? json_get_text(json_object_get(json_array_get(single, n - 1), "SpecialToken"), "id", NULL) : NULL;
    const struct { const char *name; uint32_t *id; bool *add; } end[] = {{first, &l->t->info.bos, &l->t->info.add_bos},
                                                                        {last, &l->t->info.eos, &l->t->info.add_eos}};
    for (int i = 0; i < 2; i++) {
        const json_t *ids = end[i].name ? json_object_get(json_object_get(tokens, end[i].name), "ids") : NULL;
        json_int_t id = json_integer_value(json_array_get(ids, 0));
        if (json_array_size(ids) == 1 && id >= 0 && (size_t)id < l->n)
            *end[i].id = (uint32_t)id, *end[i].add = true;
    }
    const json_t *old = load_part(post, "processors", "BertProcessing");
    old = old ? old : load_part(post, "processors", "RobertaProcessing");
    if (old) {
        l->t->info.bos = token_of(l, json_string_value(json_array_get(json_object_get(old, "cls"), 0)));
        l->t->info.eos = token_of(l, json_string_value(json_array_get(json_object_get(old, "sep"), 0)));
        l->t->info.add_bos = l->t->info.bos != TOKEN_NONE;
        l->t->info.add_eos = l->t->info.eos != TOKEN_NONE;
    }
    l->t->info.first = l->t->info.add_bos ? l->t->info.bos : TOKEN_NONE;
    l->t->info.last = l->t->info.add_eos ? l->t->info.eos : TOKEN_NONE;
}

static enum spelling spelling_of(const struct load *l)
{
    const json_t *decoder = json_object_get(l->root, "decoder"), *strip = load_part(decoder, "decoders", "Strip");
    if (strip && json_integer_value(json_object_get(strip, "start")) > 0)
        l->t->info.space_prefix = true;
    if (l->t->letters)
        return SPELL_LETTERS;
    if (load_part(decoder, "decoders", "Metaspace") || load_part(json_object_get(l->root, "pre_tokenizer"), "pretokenizers", "Metaspace"))
        return SPELL_BLANKS;
    const json_t *replace = load_part(decoder, "decoders", "Replace"), *p = json_object_get(json_object_get(replace, "pattern"), "String");
    return json_is_string(p) && !strcmp(json_string_value(p), "\xe2\x96\x81") ? SPELL_BLANKS : SPELL_PLAIN;
}

int tokenizer_from_json(struct tokenizer **out, const char *name, const void *bytes, size_t n, struct err *e)
{
    struct tokenizer *t = tokenizer_new();
    struct load l = {.name = name, .t = t, .e = e};
    json_t *root = NULL;
    int rc = json_bounded(&root, name, bytes, n, DEPTH_MAX, VALUES_MAX, e);
    if (rc)
        goto out;
    l.root = root;
    l.model = json_object_get(root, "model");
    if (!json_is_object(l.model)) {
        rc = wrong(&l, "no model in it");
        goto out;
    }
    const char *type = type_of(l.model); /* old files leave it out */
    if (!*type)
        type = json_object_get(l.model, "merges") ? "BPE" : json_is_array(json_object_get(l.model, "vocab")) ? "Unigram" : "WordPiece";
    bool pieces = !strcmp(type, "WordPiece");
    rc = gather(&l);
    if (!rc && !pieces)
        rc = load_normalizer(t, json_object_get(root, "normalizer"), name, e);
    if (!rc && !pieces)
        rc = load_steps(t, json_object_get(root, "pre_tokenizer"), name, e);
    if (rc)
        goto out;
    if (pieces)
        rc = load_wordpiece(&l, bytes, n);
    else if (!strcmp(type, "BPE"))
        rc = load_bpe(&l, spelling_of(&l));
    else if (!strcmp(type, "Unigram"))
        rc = load_unigram(&l, spelling_of(&l));
    else
        rc = err_set(e, ERR_UNSUPPORTED, "%s: a tokenizer of the kind %.60s", name, type);
    if (!rc)
        rc = read_added(&l);
    if (rc)
        goto out;
    read_post(&l);
    tokenizer_finish(t);
    tokenizer_find_ends(t);
    *out = t;
    t = NULL;
out:
    tokenizer_close(t);
    free(l.piece);
    json_decref(root);
    return rc;
}

/* What lies beside tokenizer.json names the tokens that begin and end a text. */

static void named(uint32_t *id, const struct tokenizer *t, const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    const char *s = json_is_string(v) ? json_string_value(v) : json_get_text(v, "content", NULL);
    uint32_t found = s ? vocab_named(&t->vocab, s, strlen(s)) : TOKEN_NONE;
    if (found != TOKEN_NONE)
        *id = found;
}

static void numbered(uint32_t *id, struct tokenizer *t, const json_t *config, const char *key, bool ends)
{
    const json_t *v = json_object_get(config, key);
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n && i < ENDS_MAX; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(one) || json_integer_value(one) < 0 || json_integer_value(one) >= t->vocab.n)
            continue;
        if (*id == TOKEN_NONE)
            *id = (uint32_t)json_integer_value(one);
        if (ends)
            tokenizer_end(t, (uint32_t)json_integer_value(one));
    }
}

int tokenizer_from_folder(struct tokenizer **out, const char *folder, struct err *e)
{
    static const char *const beside[] = {"tokenizer_config.json", "generation_config.json", "config.json"};
    struct buf path = BUF_INIT, bytes = BUF_INIT;
    struct tokenizer *t = NULL;
    buf_addf(&path, "%s/tokenizer.json", folder);
    int rc = file_read(&bytes, path.data, FILE_MAX, e);
    if (rc == ERR_NOT_FOUND)
        rc = err_set(e, ERR_NOT_FOUND, "%s: no tokenizer.json", folder);
    if (!rc)
        rc = tokenizer_from_json(&t, path.data, bytes.data ? bytes.data : "", bytes.len, e);
    for (int i = 0; i < 3 && !rc; i++) {
        json_t *config = NULL;
        struct tokenizer_info *info = &t->info;
        buf_clear(&path);
        buf_addf(&path, "%s/%s", folder, beside[i]);
        rc = json_file(&config, path.data, 16u << 20, 64, 1000000, e);
        if (rc == ERR_NOT_FOUND) {
            rc = 0;
            continue;
        }
        if (!rc && !i) {
            named(&info->bos, t, config, "bos_token");
            named(&info->eos, t, config, "eos_token");
            named(&info->pad, t, config, "pad_token");
            named(&info->unk, t, config, "unk_token");
            info->add_bos = json_yes(config, "add_bos_token", info->add_bos) && info->bos != TOKEN_NONE;
            info->add_eos = json_yes(config, "add_eos_token", info->add_eos) && info->eos != TOKEN_NONE;
        }
        if (!rc) {
            numbered(&info->bos, t, config, "bos_token_id", false);
            numbered(&info->eos, t, config, "eos_token_id", true);
            numbered(&info->pad, t, config, "pad_token_id", false);
        }
        json_decref(config);
    }
    if (!rc) {
        struct tokenizer_info *info = &t->info; /* what a post_processor says comes before the flags */
        info->first = info->first == TOKEN_NONE && info->add_bos ? info->bos : info->first;
        info->last = info->last == TOKEN_NONE && info->add_eos ? info->eos : info->last;
        tokenizer_end(t, t->info.eos);
        *out = t;
        t = NULL;
    }
    tokenizer_close(t);
    buf_release(&path);
    buf_release(&bytes);
    return rc;
}

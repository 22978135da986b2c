/* tokenizer.json and vocab.txt */
#include "base/file.h"
#include "base/mem.h"
#include "engine/format/json.h"
#include "engine/tokenizer/wordpiece_data.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 << 20)
#define VALUES_MAX 2000000
#define DEPTH_MAX 16
#define PIECE_MAX 1024     /* bytes */
#define VOCAB_MAX 1000000

static int unsupported(const char *name, const char *what, const char *is, const char *wanted, struct err *e)
{
    return err_set(e, ERR_UNSUPPORTED, "%s: the %s is %.60s; only %s is supported", name, what, is, wanted);
}

static const char *type_of(const json_t *object)
{
    return json_is_object(object) ? json_get_text(object, "type", "of no type") : "none";
}

static int find_special(uint32_t *id, const json_t *vocab, const char *name, const char *token, struct err *e)
{
    const json_t *v = json_object_get(vocab, token);
    if (!json_is_integer(v))
        return err_set(e, ERR_FORMAT, "%s: the special token %.60s is not in the vocabulary", name, token);
    *id = (uint32_t)json_integer_value(v);
    return 0;
}

/* The tokens around a single text: [CLS] A [SEP], as a template or in BERT's own form. */
static int around(const char **cls, const char **sep, const json_t *root, const char *name, struct err *e)
{
    const json_t *post = json_object_get(root, "post_processor"), *single = json_object_get(post, "single");
    *cls = "[CLS]", *sep = "[SEP]";
    if (!post || json_is_null(post))
        return 0;
    if (!strcmp(type_of(post), "BertProcessing")) {
        *cls = json_string_value(json_array_get(json_object_get(post, "cls"), 0));
        *sep = json_string_value(json_array_get(json_object_get(post, "sep"), 0));
    } else if (!strcmp(type_of(post), "TemplateProcessing") && json_array_size(single) == 3 &&
               json_object_get(json_array_get(single, 1), "Sequence")) {
        *cls = json_get_text(json_object_get(json_array_get(single, 0), "SpecialToken"), "id", NULL);
        *sep = json_get_text(json_object_get(json_array_get(single, 2), "SpecialToken"), "id", NULL);
    } else {
        return unsupported(name, "post_processor", type_of(post), "[CLS] A [SEP]", e);
    }
    return *cls && *sep ? 0 : err_set(e, ERR_FORMAT, "%s: the post_processor names no tokens", name);
}

/* A token added beside the vocabulary would be looked for before words are cut: only BERT's special ones are known. */
static int check_added(const json_t *root, const char *name, struct err *e)
{
    size_t i;
    const json_t *t;
    json_array_foreach(json_object_get(root, "added_tokens"), i, t) {
        if (!json_yes(t, "special", false))
            return err_set(e, ERR_UNSUPPORTED, "%s: the added token %.60s", name, json_get_text(t, "content", "?"));
    }
    return 0;
}

static int check_kinds(struct unicode_options *o, const json_t *root, const char *name, struct err *e)
{
    const json_t *norm = json_object_get(root, "normalizer"), *pre = json_object_get(root, "pre_tokenizer");
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(root) || !json_is_object(model))
        return err_set(e, ERR_FORMAT, "%s: no model in it", name);
    /* old files leave the model's type out */
    if (json_object_get(model, "type") && strcmp(type_of(model), "WordPiece"))
        return unsupported(name, "model", type_of(model), "WordPiece", e);
    if (strcmp(type_of(norm), "BertNormalizer"))
        return unsupported(name, "normalizer", type_of(norm), "BertNormalizer", e);
    if (strcmp(type_of(pre), "BertPreTokenizer"))
        return unsupported(name, "pre_tokenizer", type_of(pre), "BertPreTokenizer", e);
    o->clean = json_yes(norm, "clean_text", true);
    o->chinese = json_yes(norm, "handle_chinese_chars", true);
    o->lower = json_yes(norm, "lowercase", true);
    o->strip = json_yes(norm, "strip_accents", o->lower); /* null follows lowercase */
    return check_added(root, name, e);
}

/* keys borrow from the object. */
static int read_vocab(struct trie_key **keys, size_t *n, const json_t *vocab, const char *name, struct err *e)
{
    size_t count = json_object_size(vocab), i = 0;
    if (!json_is_object(vocab) || !count || count > VOCAB_MAX)
        return err_set(e, ERR_FORMAT, "%s: a vocabulary of %zu pieces", name, count);
    struct trie_key *v = mem_zero(count, sizeof *v);
    const char *piece;
    json_t *id;
    json_object_foreach((json_t *)vocab, piece, id) {
        size_t len = strlen(piece);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= VOCAB_MAX || len > PIECE_MAX) {
            free(v);
            return err_set(e, ERR_FORMAT, "%s: the piece %.60s has no good id or is too long", name, piece);
        }
        if (len)
            v[i++] = (struct trie_key){piece, (uint32_t)len, (uint32_t)json_integer_value(id)};
    }
    *keys = v;
    *n = i;
    return 0;
}

int wordpiece_from_json(struct wordpiece **out, const char *name, const void *bytes, size_t n, struct err *e)
{
    struct wordpiece *w = mem_zero(1, sizeof *w);
    struct unicode_options o = {0};
    struct trie_key *keys = NULL;
    json_t *root = NULL;
    const char *cls, *sep;
    size_t nkeys = 0;
    int64_t chars = 100;
    int rc = json_bounded(&root, name, bytes, n, DEPTH_MAX, VALUES_MAX, e);
    if (!rc)
        rc = check_kinds(&o, root, name, e);
    if (rc)
        goto out;
    const json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    const char *prefix = json_get_text(model, "continuing_subword_prefix", "##");
    rc = read_vocab(&keys, &nkeys, vocab, name, e);
    if (!rc)
        rc = around(&cls, &sep, root, name, e);
    if (!rc)
        rc = find_special(&w->cls, vocab, name, cls, e);
    if (!rc)
        rc = find_special(&w->sep, vocab, name, sep, e);
    if (!rc)
        rc = find_special(&w->unk, vocab, name, json_get_text(model, "unk_token", "[UNK]"), e);
    if (!rc && json_object_get(model, "max_input_chars_per_word"))
        rc = json_int(&chars, model, name, "max_input_chars_per_word", 1, WORDPIECE_CHARS_MAX, e);
    if (!rc && (!*prefix || strlen(prefix) > 16))
        rc = err_set(e, ERR_UNSUPPORTED, "%s: the continuing_subword_prefix is empty or too long", name);
    if (rc)
        goto out;
    w->max_chars = (uint32_t)chars;
    wordpiece_build(w, keys, nkeys, prefix, &o);
    *out = w;
    w = NULL;
out:
    free(keys);
    json_decref(root);
    wordpiece_close(w);
    return rc;
}

int wordpiece_from_vocab(struct wordpiece **out, const char *name, const void *bytes, size_t n,
                         const struct unicode_options *o, struct err *e)
{
    static const char *const special[] = {"[UNK]", "[CLS]", "[SEP]"};
    struct wordpiece *w = mem_zero(1, sizeof *w);
    uint32_t *const id[] = {&w->unk, &w->cls, &w->sep};
    struct trie_key *keys = NULL;
    size_t nkeys = 0, cap = 0;
    uint32_t line = 0;
    int rc = 0, found = 0;
    for (const char *s = bytes, *end = s + n; s < end; line++) {
        const char *nl = memchr(s, '\n', (size_t)(end - s)), *stop = nl ? nl : end;
        size_t len = (size_t)(stop - s);
        while (len && (s[len - 1] == '\r' || s[len - 1] == ' ' || s[len - 1] == '\t'))
            len--;
        if (len > PIECE_MAX || line >= VOCAB_MAX || memchr(s, 0, len)) {
            rc = err_set(e, ERR_FORMAT, "%s:%u: a piece too long, one too many or with a NUL byte", name, line + 1);
            goto out;
        }
        if (len) {
            VEC_ROOM(keys, nkeys, cap);
            keys[nkeys++] = (struct trie_key){s, (uint32_t)len, line};
        }
        for (int i = 0; i < 3; i++)
            if (len == strlen(special[i]) && !memcmp(s, special[i], len)) {
                *id[i] = line;
                found |= 1 << i;
            }
        s = nl ? nl + 1 : end;
    }
    for (int i = 0; i < 3 && !rc; i++)
        if (!(found & 1 << i))
            rc = err_set(e, ERR_FORMAT, "%s: no %s in the vocabulary", name, special[i]);
    if (rc)
        goto out;
    w->max_chars = 100;
    wordpiece_build(w, keys, nkeys, "##", o);
    *out = w;
    w = NULL;
out:
    free(keys);
    wordpiece_close(w);
    return rc;
}

int wordpiece_open(struct wordpiece **out, const char *dir, struct err *e)
{
    struct buf path = BUF_INIT, bytes = BUF_INIT;
    json_t *config = NULL;
    buf_addf(&path, "%s/tokenizer.json", dir);
    int rc = file_read(&bytes, path.data, FILE_MAX, e);
    if (rc != ERR_NOT_FOUND) {
        if (!rc)
            rc = wordpiece_from_json(out, path.data, bytes.data ? bytes.data : "", bytes.len, e);
        goto out;
    }
    buf_clear(&path);
    buf_addf(&path, "%s/tokenizer_config.json", dir);
    rc = json_file(&config, path.data, 1 << 20, DEPTH_MAX, 10000, e);
    if (rc && rc != ERR_NOT_FOUND)
        goto out;
    struct unicode_options o = {.clean = true};
    o.lower = json_yes(config, "do_lower_case", true);
    o.strip = json_yes(config, "strip_accents", o.lower);
    o.chinese = json_yes(config, "tokenize_chinese_chars", true);
    buf_clear(&path);
    buf_addf(&path, "%s/vocab.txt", dir);
    rc = file_read(&bytes, path.data, FILE_MAX, e);
    if (rc == ERR_NOT_FOUND)
        rc = err_set(e, ERR_FORMAT, "%s: neither tokenizer.json nor vocab.txt", dir);
    if (!rc)
        rc = wordpiece_from_vocab(out, path.data, bytes.data ? bytes.data : "", bytes.len, &o, e);
out:
    json_decref(config);
    buf_release(&path);
    buf_release(&bytes);
    return rc;
}

/* Normalizers and pre-tokenizers of tokenizer.json. To add one: a row, and a function that fills a norm or steps. */
#include "base/mem.h"
#include "engine/tokenizer/families.h"
#include "engine/tokenizer/load_json.h"
#include "engine/tokenizer/unicode.h"
#include "engine/tokenizer/unicode_data.h"

#include <openssl/evp.h>
#include <string.h>

static const char *type_of(const json_t *o)
{
    return json_get_text(o, "type", "of no type");
}

const json_t *load_part(const json_t *part, const char *list, const char *type)
{
    size_t i;
    const json_t *p;
    if (!json_is_object(part))
        return NULL;
    if (!strcmp(type_of(part), type))
        return part;
    json_array_foreach(json_object_get(part, list), i, p) {
        const json_t *found = load_part(p, list, type);
        if (found)
            return found;
    }
    return NULL;
}

void load_normal(const struct tokenizer *t, struct buf *to, const char *p, size_t n)
{
    struct buf now = BUF_INIT, next = BUF_INIT;
    buf_add(&now, p, n);
    for (int i = 0; i < t->nnorm; i++) {
        buf_clear(&next);
        norm_run(&t->norm[i], &next, now.data ? now.data : "", now.len);
        struct buf swap = now;
        now = next;
        next = swap;
    }
    buf_add(to, now.data, now.len);
    buf_release(&now);
    buf_release(&next);
}

/* {"String": …} or {"Regex": …} */
static int pattern_of(const json_t *o, const char **text, size_t *n, bool *regex, const char *name, struct err *e)
{
    const json_t *p = json_object_get(o, "pattern"), *s = json_object_get(p, "String"), *r = json_object_get(p, "Regex");
    const json_t *v = json_is_string(p) ? p : s ? s : r;
    if (!json_is_string(v) || !json_string_length(v))
        return err_set(e, ERR_FORMAT, "%s: a %s without a pattern", name, type_of(o));
    *text = json_string_value(v);
    *n = json_string_length(v);
    *regex = v == r && r;
    return 0;
}

/* Normalizers */

static int norm_plain(struct norm *n, const json_t *o, const char *name, struct err *e)
{
    (void)n, (void)o, (void)name, (void)e;
    return 0;
}

static int norm_strip(struct norm *n, const json_t *o, const char *name, struct err *e)
{
    (void)name, (void)e;
    n->a = json_yes(o, "strip_left", true);
    n->b = json_yes(o, "strip_right", true);
    return 0;
}

static int norm_replace(struct norm *n, const json_t *o, const char *name, struct err *e)
{
    const char *text;
    size_t len;
    bool regex;
    int rc = pattern_of(o, &text, &len, &regex, name, e);
    if (rc)
        return rc;
    buf_adds(&n->to, json_get_text(o, "content", ""));
    if (regex)
        return expression_compile(&n->x, text, len, EXPRESSION_UTF8, e);
    buf_add(&n->from, text, len);
    return 0;
}

static int norm_prepend(struct norm *n, const json_t *o, const char *name, struct err *e)
{
    (void)name, (void)e;
    buf_adds(&n->to, json_get_text(o, "prepend", ""));
    return 0;
}

static int norm_charsmap(struct norm *n, const json_t *o, const char *name, struct err *e)
{
    const char *text = json_get_text(o, "precompiled_charsmap", "");
    size_t len = strlen(text);
    struct buf b = BUF_INIT;
    if (len % 4 || len > 64u << 20)
        return err_set(e, ERR_FORMAT, "%s: precompiled_charsmap is no base64", name);
    if (!len)
        return 0;
    buf_room(&b, len);
    int k = EVP_DecodeBlock((unsigned char *)b.data, (const unsigned char *)text, (int)len);
    if (k < 0) {
        buf_release(&b);
        return err_set(e, ERR_FORMAT, "%s: precompiled_charsmap is no base64", name);
    }
    k -= (text[len - 1] == '=') + (text[len - 2] == '=');
    int rc = charsmap_init(&n->map, b.data, (size_t)k, e);
    buf_release(&b);
    return rc;
}

static const struct {
    const char *type;
    enum norm_kind kind;
    int (*fill)(struct norm *n, const json_t *o, const char *name, struct err *e);
} norms[] = {
    {"NFC", NORM_NFC, norm_plain}, {"NFD", NORM_NFD, norm_plain}, {"NFKC", NORM_NFKC, norm_plain}, {"NFKD", NORM_NFKD, norm_plain},
    {"Lowercase", NORM_LOWER, norm_plain}, {"StripAccents", NORM_STRIP_ACCENTS, norm_plain}, {"Nmt", NORM_NMT, norm_plain},
    {"Strip", NORM_STRIP, norm_strip}, {"Replace", NORM_REPLACE, norm_replace}, {"Prepend", NORM_PREPEND, norm_prepend},
    {"Precompiled", NORM_CHARSMAP, norm_charsmap},
};

int load_normalizer(struct tokenizer *t, const json_t *part, const char *name, struct err *e)
{
    size_t i;
    const json_t *p;
    int rc = 0;
    if (!part || json_is_null(part))
        return 0;
    const char *type = type_of(part);
    if (t->letters)
        return err_set(e, ERR_UNSUPPORTED, "%s: the normalizer %.60s behind ByteLevel", name, type);
    if (!strcmp(type, "Sequence")) {
        json_array_foreach(json_object_get(part, "normalizers"), i, p) {
            if ((rc = load_normalizer(t, p, name, e)))
                break;
        }
        return rc;
    }
    if (!strcmp(type, "ByteLevel")) {
        t->letters = true;
        return 0;
    }
    for (i = 0; i < sizeof norms / sizeof *norms; i++)
        if (!strcmp(type, norms[i].type)) {
            if (t->nnorm == NORMS_MAX)
                return err_set(e, ERR_LIMIT, "%s: more than %d normalizers", name, NORMS_MAX);
            struct norm *n = &t->norm[t->nnorm++];
            *n = (struct norm){.kind = norms[i].kind};
            return norms[i].fill(n, part, name, e);
        }
    return err_set(e, ERR_UNSUPPORTED, "%s: the normalizer %.60s", name, type);
}

/* Pre-tokenizers */

static int add_step(struct tokenizer *t, struct step s, const char *name, struct err *e)
{
    if (t->nstep == STEPS_MAX) {
        expression_free(s.x);
        return err_set(e, ERR_LIMIT, "%s: more than %d pre-tokenizers", name, STEPS_MAX);
    }
    t->step[t->nstep++] = s;
    return 0;
}

static int add_cut(struct tokenizer *t, const char *expression, size_t n, enum cut cut, bool invert, const char *name, struct err *e)
{
    struct step s = {.kind = STEP_CUT, .cut = cut, .invert = invert};
    struct err why = {0};
    int rc = expression_compile(&s.x, expression, n, t->letters ? EXPRESSION_LETTERS : EXPRESSION_UTF8, &why);
    return rc ? err_set(e, rc, "%s: pre_tokenizer: %s", name, why.message) : add_step(t, s, name, e);
}

static int cut_plain(struct tokenizer *t, const char *expression, enum cut cut, bool invert, const char *name, struct err *e)
{
    return add_cut(t, expression, strlen(expression), cut, invert, name, e);
}

static int behavior_of(enum cut *cut, const json_t *o, const char *name, struct err *e)
{
    static const char *const names[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"};
    const char *b = json_get_text(o, "behavior", "Isolated");
    for (int i = 0; i < 5; i++)
        if (!strcasecmp(b, names[i])) {
            *cut = (enum cut)i;
            return 0;
        }
    return err_set(e, ERR_UNSUPPORTED, "%s: the behavior %.60s", name, b);
}

static void escape(struct buf *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr("\\^$.|?*+()[]{}&-", text[i]) && text[i])
            buf_addc(to, '\\');
        buf_addc(to, text[i]);
    }
}

static int cut_text(struct tokenizer *t, const char *text, size_t n, enum cut cut, bool invert, const char *name, struct err *e)
{
    struct buf b = BUF_INIT;
    escape(&b, text, n);
    int rc = add_cut(t, b.data, b.len, cut, invert, name, e);
    buf_release(&b);
    return rc;
}

static int step_split(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    const char *text;
    size_t n;
    bool regex, invert = json_yes(o, "invert", false);
    enum cut cut = CUT_ISOLATED;
    int rc = pattern_of(o, &text, &n, &regex, name, e);
    if (!rc)
        rc = behavior_of(&cut, o, name, e);
    if (rc)
        return rc;
    return regex ? add_cut(t, text, n, cut, invert, name, e) : cut_text(t, text, n, cut, invert, name, e);
}

static int step_bytes(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    int rc = 0;
    if (t->letters)
        return err_set(e, ERR_UNSUPPORTED, "%s: ByteLevel behind ByteLevel", name);
    if (json_yes(o, "add_prefix_space", true)) {
        rc = add_step(t, (struct step){.kind = STEP_PREFIX}, name, e);
        t->info.space_prefix = true;
    }
    if (!rc && json_yes(o, "use_regex", true))
        rc = cut_plain(t, family_find("gpt-2")->recipe->step[0], CUT_ISOLATED, false, name, e);
    t->letters = true;
    return rc;
}

static int step_digits(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    return cut_plain(t, json_yes(o, "individual_digits", false) ? "\\p{N}" : "\\p{N}+", CUT_ISOLATED, false, name, e);
}

/* What `tokenizers` takes for punctuation, which is not what today's Unicode does. */
static int cut_punctuation(struct tokenizer *t, enum cut cut, const char *name, struct err *e)
{
    struct buf b = BUF_INIT;
    buf_addc(&b, '[');
    for (size_t i = 0; i < nunicode_punct; i++)
        for (int side = 0; side < 2; side++) {
            char s[4];
            uint32_t c = side ? unicode_punct[i].hi : unicode_punct[i].lo;
            if (c < 128)
                buf_addc(&b, '\\');
            buf_add(&b, s, (size_t)unicode_encode(s, c));
            if (!side)
                buf_addc(&b, '-');
        }
    buf_addc(&b, ']');
    int rc = add_cut(t, b.data, b.len, cut, false, name, e);
    buf_release(&b);
    return rc;
}

static int step_punctuation(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    enum cut cut = CUT_ISOLATED;
    int rc = behavior_of(&cut, o, name, e);
    return rc ? rc : cut_punctuation(t, cut, name, e);
}

/* \\w of Rust's regular expressions, which are not Oniguruma's: no ², but circled letters and what joins emoji. */
#define RUST_WORD "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\u200c\u200d\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
static int step_whitespace(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    (void)o;
    return cut_plain(t, "[" RUST_WORD "]+|[^\\s" RUST_WORD "]+", CUT_REMOVED, true, name, e);
}

static int step_blank(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    (void)o;
    return cut_plain(t, "\\s", CUT_REMOVED, false, name, e);
}

static int step_bert(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    int rc = step_blank(t, o, name, e);
    return rc ? rc : cut_punctuation(t, CUT_ISOLATED, name, e);
}

static int step_delimiter(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    const char *d = json_get_text(o, "delimiter", "");
    return *d ? cut_text(t, d, strlen(d), CUT_REMOVED, false, name, e) : err_set(e, ERR_FORMAT, "%s: no delimiter", name);
}

static int step_metaspace(struct tokenizer *t, const json_t *o, const char *name, struct err *e)
{
    const char *text = json_get_text(o, "replacement", "\xe2\x96\x81"), *scheme = json_get_text(o, "prepend_scheme", "always");
    struct step s = {.kind = STEP_BLANKS};
    for (int i = 0; i < t->nstep; i++)
        if (t->step[i].kind == STEP_BLANKS)
            return err_set(e, ERR_UNSUPPORTED, "%s: two Metaspaces", name);
    if (!*text || strlen(text) >= sizeof s.text)
        return err_set(e, ERR_FORMAT, "%s: a Metaspace without a sign", name);
    strcpy(s.text, text); /* its length is checked */
    s.prepend = !json_yes(o, "add_prefix_space", true) || !strcmp(scheme, "never") ? PREPEND_NEVER
                : !strcmp(scheme, "first")                                         ? PREPEND_FIRST
                                                                                   : PREPEND_ALWAYS;
    t->info.space_prefix = s.prepend != PREPEND_NEVER;
    int rc = add_step(t, s, name, e);
    return rc || !json_yes(o, "split", true) ? rc : cut_text(t, text, strlen(text), CUT_MERGED_NEXT, false, name, e);
}

static const struct {
    const char *type;
    int (*add)(struct tokenizer *t, const json_t *o, const char *name, struct err *e);
} pre[] = {
    {"Split", step_split}, {"ByteLevel", step_bytes}, {"Digits", step_digits}, {"Punctuation", step_punctuation},
    {"Whitespace", step_whitespace}, {"WhitespaceSplit", step_blank}, {"BertPreTokenizer", step_bert},
    {"CharDelimiterSplit", step_delimiter}, {"Metaspace", step_metaspace},
};

int load_steps(struct tokenizer *t, const json_t *part, const char *name, struct err *e)
{
    size_t i;
    const json_t *p;
    int rc = 0;
    if (!part || json_is_null(part))
        return 0;
    const char *type = type_of(part);
    if (!strcmp(type, "Sequence")) {
        json_array_foreach(json_object_get(part, "pretokenizers"), i, p) {
            if ((rc = load_steps(t, p, name, e)))
                break;
        }
        return rc;
    }
    for (i = 0; i < sizeof pre / sizeof *pre; i++)
        if (!strcmp(type, pre[i].type))
            return pre[i].add(t, part, name, e);
    return err_set(e, ERR_UNSUPPORTED, "%s: the pre_tokenizer %.60s", name, type);
}

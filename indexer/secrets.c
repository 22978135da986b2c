/* Secrets: key formats that issuers publish, private keys, and values that are assigned to names like `password` or
 * `api_key` and look drawn by chance. Precision first: a bare random-looking string is no secret (hashes, ids, test
 * vectors, embedded data are far more common), and neither are placeholders.
 *
 * Nearly free: every format holds a run of at least 16 identifier bytes, so only every 16th byte is looked at; assignments
 * are looked at where `=` or `:` is followed by a value and the last letters before it can end such a name. */
#include "indexer/cutter.h"

#include "base/mem.h"
#include "indexer/secrets.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRIDE 16

enum charset { ALNUM, UPPER, HEX, WORD, DASH }; /* WORD: and `_`; DASH: and `-` too */

/* To add a format: a row. The run of the charset after the prefix has min to max bytes; 0 max: any. A prefix may end
 * in "." when the rest of the token is at least 16 long. Its first byte goes into `begins` below. The row's number is the record's kind. */
static const struct format {
    const char *name, *prefix;
    uint8_t charset, min, max;
} formats[] = {
    {"private key", "", 0, 0, 0},
    {"assigned secret", "", 0, 0, 0},
    {"password in a URL", "", 0, 0, 0},
    {"JSON web token", "eyJ", DASH, 14, 0},
    {"AWS access key", "AKIA", UPPER, 16, 16},
    {"AWS access key", "ASIA", UPPER, 16, 16},
    {"GitHub token", "ghp_", ALNUM, 36, 255},
    {"GitHub token", "gho_", ALNUM, 36, 255},
    {"GitHub token", "ghu_", ALNUM, 36, 255},
    {"GitHub token", "ghs_", ALNUM, 36, 255},
    {"GitHub token", "ghr_", ALNUM, 36, 255},
    {"GitHub token", "github_pat_", WORD, 40, 255},
    {"GitLab token", "glpat-", DASH, 20, 255},
    {"GitLab token", "gldt-", DASH, 20, 255},
    {"GitLab token", "glrt-", DASH, 20, 255},
    {"GitLab token", "glptt-", HEX, 40, 40},
    {"GitLab token", "glcbt-", DASH, 20, 255},
    {"Slack token", "xoxb-", DASH, 20, 255},
    {"Slack token", "xoxp-", DASH, 20, 255},
    {"Slack token", "xoxa-", DASH, 20, 255},
    {"Slack token", "xoxr-", DASH, 20, 255},
    {"Slack token", "xoxs-", DASH, 20, 255},
    {"Slack token", "xapp-", DASH, 20, 255},
    {"Stripe key", "sk_live_", ALNUM, 16, 255},
    {"Stripe key", "rk_live_", ALNUM, 16, 255},
    {"Stripe key", "sk_test_", ALNUM, 16, 255},
    {"Stripe key", "rk_test_", ALNUM, 16, 255},
    {"Stripe key", "whsec_", ALNUM, 24, 255},
    {"Google API key", "AIza", DASH, 35, 35},
    {"Google secret", "GOCSPX-", DASH, 24, 40},
    {"Google token", "ya29.", DASH, 30, 0},
    {"npm token", "npm_", ALNUM, 36, 36},
    {"PyPI token", "pypi-AgEI", DASH, 50, 0},
    {"OpenAI key", "sk-proj-", DASH, 32, 255},
    {"OpenAI key", "sk-svcacct-", DASH, 32, 255},
    {"OpenAI key", "sk-admin-", DASH, 32, 255},
    {"Anthropic key", "sk-ant-", DASH, 32, 255},
    {"OpenAI key", "sk-", ALNUM, 40, 64},
    {"Hugging Face token", "hf_", ALNUM, 34, 40},
    {"SendGrid key", "SG.", DASH, 20, 24},
    {"DigitalOcean token", "dop_v1_", HEX, 64, 64},
    {"DigitalOcean token", "doo_v1_", HEX, 64, 64},
    {"Shopify token", "shpat_", HEX, 32, 32},
    {"Shopify token", "shpss_", HEX, 32, 32},
    {"Databricks token", "dapi", HEX, 32, 34},
    {"Twilio key", "SK", HEX, 32, 32},
    {"Square token", "sq0atp-", DASH, 22, 22},
    {"Square secret", "sq0csp-", DASH, 43, 43},
    {"Mailgun key", "key-", HEX, 32, 32},
    {"Vault token", "hvs.", DASH, 24, 0},
    {"Docker token", "dckr_pat_", DASH, 27, 27},
    {"RubyGems key", "rubygems_", HEX, 48, 48},
    {"Linear key", "lin_api_", ALNUM, 40, 40},
    {"Postman key", "PMAK-", DASH, 50, 70},
    {"Grafana token", "glsa_", WORD, 32, 60},
    {"Atlassian token", "ATATT3", DASH, 80, 0},
    {"Figma token", "figd_", DASH, 36, 50},
    {"New Relic key", "NRAK-", UPPER, 27, 27},
    {"Groq key", "gsk_", ALNUM, 48, 60},
    {"Replicate token", "r8_", ALNUM, 37, 40},
    {"Supabase token", "sbp_", HEX, 40, 40},
    {"Pulumi token", "pul-", HEX, 40, 40},
    {"PlanetScale token", "pscale_tkn_", DASH, 32, 64},
    {"age key", "AGE-SECRET-KEY-1", UPPER, 58, 58},
    {"Telegram token", "", 0, 0, 0},
    {"Slack webhook", "", 0, 0, 0},
};
enum { NFORMATS = sizeof formats / sizeof *formats };
enum { KIND_PEM = 0, KIND_ASSIGNED = 1, KIND_URL = 2, KIND_JWT = 3, KIND_TELEGRAM = NFORMATS - 2, KIND_WEBHOOK = NFORMATS - 1 };

const char *secret_kind_name(uint32_t kind)
{
    return kind < NFORMATS ? formats[kind].name : "secret";
}

static const uint8_t run_byte[256] = {
    ['-'] = 1, ['0'... '9'] = 1, ['A'... 'Z'] = 1, ['_'] = 1, ['a'... 'z'] = 1,
};

static bool in_charset(unsigned char ch, enum charset set)
{
    switch (set) {
    case UPPER:
        return isdigit(ch) || (ch >= 'A' && ch <= 'Z');
    case HEX:
        return isxdigit(ch);
    case ALNUM:
        return ch < 128 && isalnum(ch);
    case WORD:
        return ch < 128 && (isalnum(ch) || ch == '_');
    case DASH:
        return run_byte[ch];
    }
    return false;
}

static void add(struct cutter *c, uint32_t start, uint32_t end, uint32_t kind)
{
    VEC_ADD(c->secrets, (struct secret){start, end, kind});
}

/* Shannon entropy in bits a byte. */
static double entropy(const char *p, uint32_t n)
{
    uint32_t count[256] = {0};
    double bits = 0;
    for (uint32_t i = 0; i < n; i++)
        count[(unsigned char)p[i]]++;
    for (int i = 0; i < 256; i++)
        if (count[i])
            bits -= count[i] * log2((double)count[i] / n);
    return n ? bits / n : 0;
}

struct look {
    uint32_t lower, upper, digit, other, run, changes; /* run: longest of one byte; changes: between letter and digit */
};

static struct look look_at(const char *p, uint32_t n)
{
    struct look l = {0};
    uint32_t run = 0;
    int before = 0;
    for (uint32_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)p[i];
        int class = isdigit(ch) ? 1 : isalpha(ch) ? 2 : 3;
        l.lower += ch >= 'a' && ch <= 'z';
        l.upper += ch >= 'A' && ch <= 'Z';
        l.digit += class == 1;
        l.other += class == 3;
        l.changes += i && class != before && class != 3 && before != 3;
        run = i && p[i - 1] == p[i] ? run + 1 : 1;
        l.run = run > l.run ? run : l.run;
        before = class;
    }
    return l;
}

static bool find_fold(const char *p, uint32_t n, const char *what)
{
    size_t len = strlen(what);
    for (uint32_t i = 0; i + len <= n; i++) {
        size_t k = 0;
        while (k < len && tolower((unsigned char)p[i + k]) == what[k])
            k++;
        if (k == len)
            return true;
    }
    return false;
}

/* Counting up, a keyboard row, one byte over and over: written by a person who needed any value. */
static bool is_sequence(const char *p, uint32_t n)
{
    uint32_t steps = 0;
    for (uint32_t i = 1; i < n; i++)
        steps += p[i] == p[i - 1] || p[i] == p[i - 1] + 1 || p[i] == p[i - 1] - 1;
    return steps * 2 > n;
}

static bool is_placeholder(const char *p, uint32_t n)
{
    static const char *const words[] = {"example", "your", "xxx", "change", "placeholder", "dummy", "sample", "fake", "todo",
        "insert", "replace", "redacted", "password", "passwd", "secret", "12345", "abcde", "qwert", "token", "foobar", "foo-",
        "test", "deadbeef", "mock", "00000", "default", "null", "undefined", "none", "s3cr3t", "p@ssw", "pa55w", "letmein",
        "correct-horse", "hunter2", "lorem", "my-", "my_", "some-", "some_", NULL};
    for (const char *const *w = words; *w; w++)
        if (find_fold(p, n, *w))
            return true;
    return is_sequence(p, n);
}

/* A published format is a secret unless it is plainly an illustration. */
static bool is_illustration(const char *p, uint32_t n)
{
    static const char *const words[] = {"example", "xxxx", "your", "placeholder", "redacted", "....", "dummy", "fake_", "1234567890",
                                        "abcdefgh", NULL};
    for (const char *const *w = words; *w; w++)
        if (find_fold(p, n, *w))
            return true;
    struct look l = look_at(p, n);
    return l.run * 3 > n || is_sequence(p, n) || entropy(p, n) < 2.5 || (n >= 20 && !l.digit && !(l.lower && l.upper));
}

static bool is_uuid(const char *p, uint32_t n)
{
    if (n != 36)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? p[i] != '-' : !isxdigit((unsigned char)p[i]))
            return false;
    return true;
}

/* [start, end) is a run of identifier bytes: does a format begin with it? Returns where to go on. */
static uint32_t check_run(struct cutter *c, uint32_t start, uint32_t end)
{
    /* first bytes of the prefixes: most runs are long names and end here */
    static const uint8_t begins[256] = {['e'] = 1, ['A'] = 1, ['g'] = 1, ['x'] = 1, ['s'] = 1, ['r'] = 1, ['w'] = 1, ['G'] = 1,
                                        ['n'] = 1, ['p'] = 1, ['h'] = 1, ['d'] = 1, ['S'] = 1, ['k'] = 1, ['l'] = 1, ['P'] = 1,
                                        ['f'] = 1, ['N'] = 1};
    const char *text = c->text;
    bool after_dot = start && text[start - 1] == '.';
    for (uint32_t k = 0; k < NFORMATS && (after_dot || begins[(uint8_t)text[start]]); k++) {
        const struct format *f = &formats[k];
        if (f->prefix[0] != text[start] && !after_dot)
            continue;
        size_t len = strlen(f->prefix);
        const char *dot = len && f->prefix[len - 1] == '.' ? f->prefix : NULL;
        uint32_t from = start;
        if (!len || (!dot && f->prefix[0] != text[start]))
            continue;
        if (dot) { /* SG.xxxx: the run is what comes behind the dot */
            if (start < len || memcmp(text + start - len, f->prefix, len) || (start > len && run_byte[(uint8_t)text[start - len - 1]]))
                continue;
            from = start - (uint32_t)len;
        } else if (end - start < len || memcmp(text + start, f->prefix, len)) {
            continue;
        }
        uint32_t p = from + (uint32_t)len, stop = p;
        while (stop < end && in_charset((unsigned char)text[stop], f->charset))
            stop++;
        if (stop - p < f->min || (f->max && stop - p > f->max) || (stop < end && f->charset != WORD && f->charset != DASH))
            continue;
        if (k == KIND_JWT) { /* header.payload.signature */
            if (stop + 3 >= c->n || memcmp(text + stop, ".eyJ", 4))
                continue;
            stop++;
            while (stop < c->n && run_byte[(uint8_t)text[stop]])
                stop++;
            uint32_t sig = stop;
            if (stop < c->n && text[stop] == '.')
                for (stop++; stop < c->n && run_byte[(uint8_t)text[stop]];)
                    stop++;
            if (stop - sig < 20)
                continue;
            add(c, from, stop, k);
            return stop;
        }
        if (dot) /* further parts: SG.xxx.yyy */
            while (stop + 1 < c->n && text[stop] == '.' && run_byte[(uint8_t)text[stop + 1]])
                for (stop++; stop < c->n && run_byte[(uint8_t)text[stop]];)
                    stop++;
        if (is_illustration(text + p, stop - p))
            continue;
        add(c, from, stop, k);
        return stop;
    }
    /* 123456789:AAF… */
    if (end - start == 35 && start > 9 && text[start] == 'A' && text[start - 1] == ':') {
        uint32_t d = start - 1;
        while (d > 0 && start - d < 12 && isdigit((unsigned char)text[d - 1]))
            d--;
        if (start - 1 - d >= 8 && !is_illustration(text + start, 35)) {
            add(c, d, end, KIND_TELEGRAM);
            return end;
        }
    }
    static const char hook[] = "hooks.slack.com/services/";
    if (start >= 20 + sizeof hook && start > 60 && end - start >= 20 && memmem(text + start - 60, 60, hook, sizeof hook - 1) &&
        !is_illustration(text + start, end - start)) {
        add(c, start, end, KIND_WEBHOOK);
        return end;
    }
    return end;
}

static void find_formats(struct cutter *c)
{
    const char *text = c->text;
    uint32_t n = c->n, done = 0;
    for (uint32_t i = STRIDE - 1; i < n; i += STRIDE) {
        if (!run_byte[(uint8_t)text[i]] || i < done)
            continue;
        uint32_t start = i, end = i + 1;
        while (start > done && run_byte[(uint8_t)text[start - 1]])
            start--;
        while (end < n && run_byte[(uint8_t)text[end]])
            end++;
        done = end - start >= STRIDE ? check_run(c, start, end) : end;
        if (done > i + STRIDE)
            i = done / STRIDE * STRIDE - 1; /* the loop adds a stride: the first sample at or behind done */
    }
}

/* From the first byte behind -----BEGIN … PRIVATE KEY-----; returns where to go on. */
static const char *take_private_key(struct cutter *c, const char *p)
{
    const char *text = c->text, *end = text + c->n;
    size_t left = (size_t)(end - p) < 20000 ? (size_t)(end - p) : 20000;
    const char *tail = memmem(p, left, "-----END", 8), *stop = tail ? tail : p;
    if (!tail) /* cut off: as far as it looks like one */
        while (stop < p + left && (isalnum((unsigned char)*stop) || strchr("+/= \r\n\\\"',", *stop)))
            stop++;
    uint32_t letters = 0;
    for (const char *q = p; q < stop; q++)
        letters += isalnum((unsigned char)*q) || *q == '+' || *q == '/';
    if (letters >= 64 && entropy(p, (uint32_t)(stop - p)) > 3.5)
        add(c, (uint32_t)(p - text), (uint32_t)(stop - text), KIND_PEM);
    return stop;
}

/* Five dashes in a row always cover a multiple of five. */
static void find_private_keys(struct cutter *c)
{
    static const char begin[] = "-----BEGIN ";
    const char *text = c->text;
    uint32_t n = c->n;
    for (uint32_t i = 4; i + 16 < n; i += 5) {
        if (text[i] != '-')
            continue;
        uint32_t start = i;
        while (start > i - 4 && text[start - 1] == '-')
            start--;
        if (n - start < 40 || memcmp(text + start, begin, sizeof begin - 1))
            continue;
        const char *head = text + start, *key = memmem(head, 40, "PRIVATE KEY", 11);
        if (!key)
            continue;
        key += 11;
        if (text + n - key > 6 && !memcmp(key, " BLOCK", 6))
            key += 6;
        if (text + n - key < 5 || memcmp(key, "-----", 5))
            continue;
        i = (uint32_t)(take_private_key(c, key + 5) - text);
    }
}

enum name_class { NAME_NONE, NAME_PASSWORD, NAME_KEY };

/* Does the name that ends at `end` name a secret? Looks at most 48 bytes back. */
static enum name_class class_of_name(const char *text, uint32_t end)
{
    static const struct {
        const char *word;
        enum name_class class;
    } words[] = {{"password", NAME_PASSWORD}, {"passwd", NAME_PASSWORD}, {"pwd", NAME_PASSWORD}, {"passphrase", NAME_PASSWORD},
                 {"pass", NAME_PASSWORD}, {"secret", NAME_KEY}, {"token", NAME_KEY}, {"apikey", NAME_KEY}, {"api_key", NAME_KEY},
                 {"api-key", NAME_KEY}, {"access_key", NAME_KEY}, {"accesskey", NAME_KEY}, {"access-key", NAME_KEY},
                 {"secret_key", NAME_KEY}, {"secretkey", NAME_KEY}, {"secret-key", NAME_KEY}, {"secret_key_base", NAME_KEY},
                 {"auth_key", NAME_KEY}, {"authkey", NAME_KEY}, {"private_key", NAME_KEY}, {"privatekey", NAME_KEY},
                 {"encryption_key", NAME_KEY}, {"encryptionkey", NAME_KEY}, {"signing_key", NAME_KEY}, {"signingkey", NAME_KEY},
                 {"master_key", NAME_KEY}, {"accountkey", NAME_KEY}, {"account_key", NAME_KEY}, {"sharedaccesskey", NAME_KEY},
                 {"credential", NAME_KEY}, {"credentials", NAME_KEY}, {"authorization", NAME_KEY}, {"auth", NAME_KEY},
                 {"bearer", NAME_KEY}, {"client_secret", NAME_KEY}, {"webhook_key", NAME_KEY}, {"license_key", NAME_KEY}};
    static const char *const not_secret[] = {"public", "hash", "sha", "md5", "digest", "checksum", "integrity", "etag", "commit",
                                             "uuid", "cancel", "csrf", "next", "page", "continuation", "example", "verify", NULL};
    static const uint8_t can_end[256] = {['d'] = 1, ['s'] = 1, ['t'] = 1, ['n'] = 1, ['y'] = 1, ['e'] = 1, ['l'] = 1,
                                         ['h'] = 1, ['r'] = 1, ['D'] = 1, ['S'] = 1, ['T'] = 1, ['N'] = 1, ['Y'] = 1,
                                         ['E'] = 1, ['L'] = 1, ['H'] = 1, ['R'] = 1};
    if (!end || !can_end[(uint8_t)text[end - 1]])
        return NAME_NONE;
    uint32_t start = end;
    while (start > 0 && end - start < 48 && run_byte[(uint8_t)text[start - 1]])
        start--;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word), k = 0;
        if (end - start < n || tolower((unsigned char)text[end - n]) != words[i].word[0])
            continue;
        while (k < n && tolower((unsigned char)text[end - n + k]) == words[i].word[k])
            k++;
        if (k < n)
            continue;
        for (const char *const *w = not_secret; *w; w++)
            if (find_fold(text + start, end - start, *w))
                return NAME_NONE;
        return words[i].class;
    }
    return NAME_NONE;
}

/* Was this value drawn by chance? Values with spaces, paths, calls, interpolation and words are not. */
static bool is_random(const char *p, uint32_t n, enum name_class class, bool quoted)
{
    if (n < (class == NAME_PASSWORD ? 8 : 16) || n > 512)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)p[i];
        if (ch <= ' ' || ch >= 127 || strchr("<>{}()[]\\,;", ch) || (class == NAME_KEY && strchr("$%@:*?!|`&#'\"", ch)))
            return false;
        if (!quoted && strchr("&*?!|`'\"#", ch))
            return false;
    }
    struct look l = look_at(p, n);
    if (find_fold(p, n, "hmac-sha")) /* the name of a scheme: Authorization: AWS4-HMAC-SHA256 Credential=… */
        return false;
    if (is_placeholder(p, n) || is_uuid(p, n) || !l.digit || !(l.lower + l.upper) || l.run > n / 3)
        return false;
    double bits = entropy(p, n);
    if (class == NAME_PASSWORD) /* a word with a number behind it is a value for a test */
        return bits >= 2.9 && (l.changes >= 2 || l.other >= 1) && (l.changes + (l.lower && l.upper) + l.other >= 3);
    /* words joined by - _ . / are names, not keys: chance changes between letters and digits often */
    return bits >= 3.0 && l.changes * 8 >= n / 2 && l.other * 5 <= n + 10;
}

/* A value after `=` or `:` at `at`, its name before. */
static void check_assignment(struct cutter *c, uint32_t at)
{
    const char *text = c->text;
    uint32_t n = c->n, v = at + 1, name = at;
    if (v + 8 >= n)
        return;
    while (v < n && (text[v] == ' ' || text[v] == '=' || text[v] == '>' || text[v] == '\t'))
        v++;
    while (name > 0 && (text[name - 1] == ' ' || text[name - 1] == ':' || text[name - 1] == '?'))
        name--;
    while (name > 0 && (text[name - 1] == '"' || text[name - 1] == '\'' || text[name - 1] == ']'))
        name--;
    if (v >= n)
        return;
    enum name_class class = class_of_name(text, name);
    if (class == NAME_NONE)
        return;
    if (text[v] == 'b' || text[v] == 'r' || text[v] == 'u' || text[v] == '@') /* b"…" */
        v += v + 1 < n && (text[v + 1] == '"' || text[v + 1] == '\'');
    char quote = text[v] == '"' || text[v] == '\'' || text[v] == '`' ? text[v] : 0;
    uint32_t start = v + (quote != 0), end = start;
    while (end < n && end - start <= 600 && text[end] != '\n' && text[end] != '\r' &&
           (quote ? text[end] != quote : !isspace((unsigned char)text[end]) && text[end] != ';'))
        end++;
    if (quote && (end >= n || text[end] != quote))
        return;
    static const char *const schemes[] = {"Bearer ", "Basic ", "token ", "Token "};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        uint32_t len = (uint32_t)strlen(schemes[i]);
        if (end - start > len && !memcmp(text + start, schemes[i], len))
            start += len;
        else if (!quote && end - start + 1 == len && !memcmp(text + start, schemes[i], len - 1)) { /* a header line */
            start = end + 1;
            for (end = start; end < n && !isspace((unsigned char)text[end]) && !strchr("\"'`,;)", text[end]);)
                end++;
        }
    }
    if (!quote) { /* key=value of a settings file: code would go on with an operator or a bracket */
        while (end > start && (text[end - 1] == ',' || text[end - 1] == '"' || text[end - 1] == '\''))
            end--;
        struct look l = look_at(text + start, end - start);
        if (class == NAME_PASSWORD && l.changes < 3)
            return;
    }
    if (end > start && is_random(text + start, end - start, class, quote != 0))
        add(c, start, end, KIND_ASSIGNED);
}

/* scheme://user:password@host, from the `:` before `//`. */
static void check_url(struct cutter *c, uint32_t at)
{
    const char *text = c->text;
    uint32_t p = at + 3, colon = 0, sign = 0;
    for (uint32_t i = p; i < c->n && i - p < 200; i++) {
        char ch = text[i];
        if (ch == ':' && !colon)
            colon = i;
        else if (ch == '@')
            sign = i;
        else if (ch == '/' || ch == '?' || ch == '#' || isspace((unsigned char)ch) || strchr("\"'`<>{}()$*,;%", ch))
            break;
    }
    if (!colon || sign < colon + 7)
        return;
    struct look l = look_at(text + colon + 1, sign - colon - 1);
    if (l.digit && l.lower + l.upper && l.changes >= 2 && !is_placeholder(text + colon + 1, sign - colon - 1))
        add(c, colon + 1, sign, KIND_URL);
}

/* Which of the 64 bytes at text[at] are `=` or `:`, bit by bit: a branch for every byte of a source took half of the time of this file. */
static uint64_t signs(const char *text, uint32_t n, uint32_t at)
{
    uint8_t byte[64] = {0}, is[64];
    memcpy(byte, text + at, n - at < 64 ? n - at : 64);
    for (int i = 0; i < 64; i++)
        is[i] = (byte[i] == '=') | (byte[i] == ':');
    return cut_pack(is);
}

static void find_assignments(struct cutter *c)
{
    const char *text = c->text;
    uint32_t n = c->n, from = 1; /* what is before it was looked at */
    for (uint32_t at = 0; at < n; at += 64)
        for (uint64_t bits = signs(text, n, at); bits; bits &= bits - 1) {
            uint32_t i = at + (uint32_t)__builtin_ctzll(bits);
            if (i < from || i + 9 >= n)
                continue;
            if (text[i] == ':' && text[i + 1] == '/' && text[i + 2] == '/')
                check_url(c, i);
            else
                check_assignment(c, i);
            from = i + 1 + (text[i + 1] == '=' || text[i + 1] == ':');
        }
}

static int order(const void *a, const void *b)
{
    const struct secret *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end);
}

void cut_secrets(struct cutter *c)
{
    find_private_keys(c);
    find_formats(c);
    find_assignments(c);
    if (!c->secrets.n)
        return;
    qsort(c->secrets.v, c->secrets.n, sizeof *c->secrets.v, order);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->secrets.n; i++) {
        struct secret s = c->secrets.v[i];
        if (kept && s.start < c->secrets.v[kept - 1].end) {
            if (s.end > c->secrets.v[kept - 1].end)
                c->secrets.v[kept - 1].end = s.end;
            continue;
        }
        c->secrets.v[kept++] = s;
    }
    c->secrets.n = kept;
    for (uint32_t i = 0; i < kept; i++)
        secret_mask(c->text, c->secrets.v[i].start, c->secrets.v[i].end);
}

void secret_mask(char *text, uint32_t start, uint32_t end)
{
    for (uint32_t i = start; i < end; i++)
        if (text[i] != '\n' && text[i] != '\r')
            text[i] = '*';
}

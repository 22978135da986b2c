/* Secrets: planted keys of every format in several surroundings are found and masked, and what only looks like one is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "indexer/cut.h"
#include "indexer/secrets.h"

#include <stdio.h>
#include <string.h>

static uint64_t seed = 42;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"
#define ALNUM LOWER UPPER DIGIT

/* Expands a pattern: {set:count} draws bytes, the rest is itself. Sets: a alnum, U capitals and digits, h hex, w alnum and
 * `_-`, b base64. */
static void expand(struct buf *out, const char *pattern)
{
    while (*pattern) {
        char set;
        int n, used;
        if (*pattern == '{' && sscanf(pattern, "{%c:%d}%n", &set, &n, &used) == 2) {
            const char *from = set == 'U' ? UPPER DIGIT : set == 'h' ? DIGIT "abcdef" : set == 'w' ? ALNUM "_-" : set == 'b' ? ALNUM "+/" : ALNUM;
            for (int i = 0; i < n; i++)
                buf_addc(out, from[dice((uint32_t)strlen(from))]);
            pattern += used;
        } else {
            buf_addc(out, *pattern++);
        }
    }
}

static const char *const planted[] = {
    "AKIA{U:16}", "ASIA{U:16}", "ghp_{a:36}", "gho_{a:36}", "ghs_{a:36}", "github_pat_{a:22}_{a:59}", "glpat-{w:20}",
    "xoxb-{U:12}-{U:12}-{a:24}", "sk_live_{a:24}", "rk_live_{a:24}", "AIza{w:35}", "GOCSPX-{w:28}", "npm_{a:36}",
    "pypi-AgEIcHlwaS5vcmc{w:90}", "sk-proj-{w:48}", "sk-ant-api03-{w:93}", "sk-{a:48}", "hf_{a:34}", "SG.{w:22}.{w:43}",
    "dop_v1_{h:64}", "shpat_{h:32}", "dapi{h:32}", "hvs.{w:90}", "dckr_pat_{w:27}", "rubygems_{h:48}", "lin_api_{a:40}",
    "glsa_{a:32}_{h:8}", "figd_{w:40}", "NRAK-{U:27}", "sbp_{h:40}", "eyJ{w:30}.eyJ{w:60}.{w:43}",
};

/* Where a key stands; %s is the key. The marks around say what must stay. */
static const char *const places[] = {
    "const key = \"%s\";\n", "key: %s\n", "SOME_KEY=%s\n", "{\"k\": \"%s\"}\n", "// left here: %s by mistake\n", "curl -H 'X-Auth: %s' https://api\n",
    "f('%s', 1)\n", "    <value>%s</value>\n",
};

/* Values that only their names make secrets. */
static const char *const assigned[] = {
    "password = \"{a:6}!{a:6}#{a:3}\"\n", "DB_PASSWORD={a:20}\n", "  api_key: \"{h:32}\"\n", "apiKey: '{a:32}',\n",
    "\"client_secret\": \"{a:40}\",\n", "AWS_SECRET_ACCESS_KEY={b:40}\n", "String token = \"{a:40}\";\n",
    "secret_key_base: {h:128}\n", "$config['auth_key'] = '{a:48}';\n", "Authorization: Bearer {w:48}\n",
    "headers = {\"Authorization\": \"Bearer {w:48}\"}\n", "AccountKey={b:86}==;EndpointSuffix=core\n",
    "postgres://admin:{a:16}@db.internal:5432/app\n", "SECRET := \"{b:44}\"\n", "encryption_key => '{b:43}='\n",
};

static const char *const innocent[] = {
    "password = \"your-password-here\"\n", "api_key = \"YOUR_API_KEY\"\n", "token = \"xxxxxxxxxxxxxxxxxxxx\"\n",
    "password = os.environ[\"DB_PASSWORD\"]\n", "const token = await getAccessTokenFor(user2, \"a1\");\n",
    "secret: ${{ secrets.GITHUB_TOKEN_2 }}\n", "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
    "\"integrity\": \"sha512-mrcEdkYtHfrK1A6fs3O6FxkBo0Qig5XUXqHhxUOQu0bmPo00QF4XaSx4edpazdHwxnSCjlGKGgIqWdaN4dvTLA==\"\n",
    "commit 6567ecd4f7a54f2a1e1c0e9b8f64fdd1c0c9ab12\n", "id = \"123e4567-e89b-12d3-a456-426614174000\"\n",
    "token_id = \"123e4567-e89b-12d3-a456-426614174000\"\n", "cacheKey = \"user:1234:profile:v2\"\n",
    "public_key = \"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7bq98vJ2e3Hn5kYbqXyZ\"\n",
    "tokenizer = \"cl100k_base_v2_extended_2024\"\n", "AKIAIOSFODNN7EXAMPLE\n", "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx\n",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", "http://localhost:8080/a@b\n", "https://user:password@example.com\n",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\n",
    "next_page_token = \"CAUQAA1b2c3d4e5f6g7h8\"\n", "passphrase: string;\n", "this.password = password1OrDefault;\n",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n", "if (token == TOKEN_KIND_STRING_2_LITERAL) {}\n",
    "auth = \"basic\"\n", "Authorization: AWS4-HMAC-SHA256\n",
};

/* Cuts a text and returns how many secrets there are; kept: the masked text. */
static uint32_t secrets_of(const struct buf *text, struct buf *kept)
{
    struct buf record = BUF_INIT;
    struct record r;
    buf_clear(kept);
    buf_add(kept, text->data, text->len);
    assert_int_equal(cut(&record, language_named("text"), kept->data, kept->len, NULL), 0);
    assert_int_equal(record_check(&r, record.data, record.len, NULL), 0);
    uint32_t n = r.head->nsecrets;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = r.secret[i].start; k < r.secret[i].end; k++)
            assert_true(kept->data[k] == '*' || kept->data[k] == '\n' || kept->data[k] == '\r');
    buf_release(&record);
    return n;
}

static void test_planted(void **state)
{
    struct buf key = BUF_INIT, text = BUF_INIT, kept = BUF_INIT;
    unsigned all = 0, found = 0;
    (void)state;
    for (size_t k = 0; k < sizeof planted / sizeof *planted; k++) {
        unsigned here = 0;
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            buf_clear(&key);
            buf_clear(&text);
            expand(&key, planted[k]);
            buf_adds(&text, "first line of the file\n"); /* every alignment to the stride */
            for (size_t i = 0; i < k % 16; i++)
                buf_addc(&text, '#');
            for (const char *f = places[p]; *f; f++) {
                if (f[0] == '%') {
                    buf_add(&text, key.data, key.len);
                    f++;
                } else {
                    buf_addc(&text, *f);
                }
            }
            bool hit = secrets_of(&text, &kept) > 0 && !strstr(kept.data, key.data);
            here += hit;
            all++;
        }
        if (here < sizeof places / sizeof *places)
            print_message("%s: found in %u of %zu places\n", planted[k], here, sizeof places / sizeof *places);
        found += here;
    }
    for (size_t k = 0; k < sizeof assigned / sizeof *assigned; k++) {
        unsigned here = 0;
        for (int i = 0; i < 20; i++) {
            buf_clear(&text);
            expand(&text, assigned[k]);
            for (int b = 0; b < 24; b++)
                buf_addc(&text, '\n');
            here += secrets_of(&text, &kept) > 0;
        }
        if (here < 20)
            print_message("%.40s: found %u of 20\n", assigned[k], here);
        found += here;
        all += 20;
    }
    print_message("recall %.3f of %u\n", (double)found / all, all);
    assert_true(found >= all * 0.95);
    buf_release(&key);
    buf_release(&text);
    buf_release(&kept);
}

static void test_innocent(void **state)
{
    struct buf text = BUF_INIT, kept = BUF_INIT;
    unsigned wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof innocent / sizeof *innocent; i++) {
        buf_clear(&text);
        buf_adds(&text, innocent[i]);
        buf_adds(&text, "\n                      \n");
        if (secrets_of(&text, &kept)) {
            print_error("masked: %s", innocent[i]);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    buf_release(&text);
    buf_release(&kept);
}

static void test_private_key(void **state)
{
    struct buf text = BUF_INIT, kept = BUF_INIT;
    (void)state;
    buf_adds(&text, "key = \"\"\"-----BEGIN RSA PRIVATE KEY-----\n");
    for (int i = 0; i < 8; i++) {
        expand(&text, "{b:64}");
        buf_addc(&text, '\n');
    }
    buf_adds(&text, "-----END RSA PRIVATE KEY-----\"\"\"\nafter = 1\n");
    size_t lines = 0, same = 0;
    assert_int_equal(secrets_of(&text, &kept), 1);
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
        same += kept.data[i] == '\n';
    }
    assert_int_equal(lines, same);
    assert_non_null(strstr(kept.data, "-----BEGIN RSA PRIVATE KEY-----\n****"));
    assert_non_null(strstr(kept.data, "after = 1"));
    buf_release(&text);
    buf_release(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_innocent),
        cmocka_unit_test(test_private_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Webhooks of git hosts (GitHub, GitLab, Gitea, Forgejo, Bitbucket). The signature is of the bytes as they came and is compared in constant
 * time before anything in them is read. A call that is caught and sent again can do no more than have one repository fetched once in ten
 * seconds (mirrors.h). */
#include "service/mirrors.h"

#include "base/clock.h"
#include "base/hash.h"
#include "net/web.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define SECRET_MIN 16           /* bytes: what a guess must not find */
#define SECRET_MAX 1024
#define HOOK_NS 50000000LL      /* of the time of each: 20 a second, */
#define HOOK_BURST 100          /* so many at once: a company-wide push */
#define SHA256_BYTES 32

/* Keys under which hosts write a repository's addresses. */
static const char *const keys[] = {"clone_url", "ssh_url", "git_url", "html_url", "http_url", "web_url", "git_http_url", "git_ssh_url", "url", "homepage"};

static int too_many(struct service *s, struct err *e)
{
    int64_t now = clock_ns();
    pthread_mutex_lock(&s->mu);
    if (s->hooks_ns < now - HOOK_BURST * HOOK_NS)
        s->hooks_ns = now - HOOK_BURST * HOOK_NS;
    bool good = s->hooks_ns + HOOK_NS <= now;
    if (good)
        s->hooks_ns += HOOK_NS;
    pthread_mutex_unlock(&s->mu);
    return good ? 0 : err_set(e, ERR_BUSY, "too many webhooks");
}

static bool signed_by(const struct buf *secret, const struct hook_call *h)
{
    uint8_t said[SHA256_BYTES], is[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (h->signature) {
        const char *hex = !strncmp(h->signature, "sha256=", 7) ? h->signature + 7 : h->signature;
        return strlen(hex) == 2 * SHA256_BYTES && hex_to(said, hex, SHA256_BYTES) == SHA256_BYTES &&
               HMAC(EVP_sha256(), secret->data, (int)secret->len, (const unsigned char *)h->body, h->len, is, &n) && n == SHA256_BYTES &&
               !CRYPTO_memcmp(is, said, SHA256_BYTES);
    }
    return h->token && strlen(h->token) == secret->len && !CRYPTO_memcmp(h->token, secret->data, secret->len);
}

static void hint_all(struct service *s, json_t *o)
{
    size_t i;
    json_t *row;
    for (i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *url = json_string_value(json_object_get(o, keys[i]));
        if (url)
            mirrors_hint(s, url);
    }
    json_array_foreach(json_object_get(json_object_get(o, "links"), "clone"), i, row) {
        const char *url = json_string_value(json_object_get(row, "href"));
        if (url)
            mirrors_hint(s, url);
    }
}

int session_hook(struct session *c, const struct hook_call *h, struct err *e)
{
    struct service *s = c->s;
    struct buf secret = BUF_INIT;
    int rc = 0;
    if (!*s->o.config->hook_secret) {
        err_set(e, ERR_UNSUPPORTED, "webhooks are not taken here");
        err_hint(e, "hook-secret in the settings names a file with their secret");
        return ERR_UNSUPPORTED;
    }
    if ((rc = too_many(s, e)))
        return rc;
    if (h->len > HOOK_BODY_MAX)
        return err_set(e, ERR_LIMIT, "a webhook of more than %u bytes", HOOK_BODY_MAX);
    if (secret_read(&secret, s->o.config->hook_secret, SECRET_MAX, e) || secret.len < SECRET_MIN)
        rc = err_set(e, ERR_UNAVAILABLE, "the secret of webhooks cannot be read, is open to others, or has less than %d bytes", SECRET_MIN);
    else if (!signed_by(&secret, h))
        rc = err_set(e, ERR_DENIED, "the signature is not valid");
    json_t *o = rc ? NULL : json_loadb(h->body, h->len, 0, NULL);
    if (!rc && !json_is_object(o))
        rc = err_set(e, ERR_USAGE, "the body is no JSON object");
    hint_all(s, json_object_get(o, "repository"));
    hint_all(s, json_object_get(o, "project"));
    json_decref(o);
    if (secret.data)
        OPENSSL_cleanse(secret.data, secret.len);
    buf_release(&secret);
    return rc;
}

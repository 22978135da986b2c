/* Ed25519 (RFC 8032), through OpenSSL. */
#include "service/bundle.h"

#include "base/file.h"
#include "base/hash.h"
#include "engine/format/sha256.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PEM_MAX (64 << 10)
#define TRUSTED_MAX (1 << 20)

void key_fingerprint(char out[FINGERPRINT], const uint8_t key[KEY_BYTES])
{
    uint8_t hash[32] = {0};
    sha256(hash, key, KEY_BYTES, NULL);
    hex_of(out, hash, sizeof hash);
}

static char *in(const char *home, const char *name)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s/%s", home, name);
    return buf_take(&b);
}

static int failed(struct err *e, const char *doing)
{
    return err_set(e, ERR_INTERNAL, "OpenSSL: %s", doing);
}

static bool raw_of(uint8_t key[KEY_BYTES], const EVP_PKEY *k)
{
    size_t n = KEY_BYTES;
    return k && EVP_PKEY_id(k) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_public_key(k, key, &n) == 1 && n == KEY_BYTES;
}

static int write_pem(const char *path, BIO *pem, mode_t mode, struct err *e)
{
    char *text;
    long n = BIO_get_mem_data(pem, &text);
    return file_write(path, text, (size_t)n, mode, e);
}

static int make_key(EVP_PKEY **out, const char *path, const char *public, struct err *e)
{
    BIO *secret = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
    EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    int rc = !k || !PEM_write_bio_PrivateKey(secret, k, NULL, NULL, 0, NULL, NULL) || !PEM_write_bio_PUBKEY(pem, k) ? failed(e, "making a key") : 0;
    if (!rc && !(rc = write_pem(public, pem, 0644, e)))
        rc = write_pem(path, secret, 0600, e);
    BIO_free(secret);
    BIO_free(pem);
    if (rc) {
        EVP_PKEY_free(k);
        k = NULL;
    }
    *out = k;
    return rc;
}

static int own_key(EVP_PKEY **out, const char *home, bool make, struct err *e)
{
    struct buf pem = BUF_INIT;
    struct stat st;
    char *path = in(home, "bundle.key"), *public = in(home, "bundle.pub");
    int rc = 0;
    *out = NULL;
    bool there = !stat(path, &st);
    if (!there && make) {
        rc = make_key(out, path, public, e);
    } else if (there && st.st_mode & 077) {
        rc = err_set(e, ERR_DENIED, "%s: others can read this key", path);
        err_hint(e, "chmod 600 it, if nobody has; else remove it, and a new one is made");
    } else if (!(rc = file_read(&pem, path, PEM_MAX, e))) {
        BIO *from = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);
        uint8_t raw[KEY_BYTES];
        *out = PEM_read_bio_PrivateKey(from, NULL, NULL, (void *)"");
        BIO_free(from);
        if (!raw_of(raw, *out)) {
            EVP_PKEY_free(*out);
            *out = NULL;
            rc = err_set(e, ERR_FORMAT, "%s: not an Ed25519 key in PEM", path);
        }
    }
    if (pem.data)
        OPENSSL_cleanse(pem.data, pem.len);
    buf_release(&pem);
    free(path);
    free(public);
    return rc;
}

int key_sign(uint8_t key[KEY_BYTES], uint8_t signature[SIGNATURE_BYTES], const char *home, const void *bytes, size_t n, struct err *e)
{
    EVP_PKEY *k;
    EVP_MD_CTX *c = NULL;
    size_t len = SIGNATURE_BYTES;
    int rc = own_key(&k, home, true, e);
    if (!rc && (!(c = EVP_MD_CTX_new()) || !raw_of(key, k) || EVP_DigestSignInit(c, NULL, NULL, NULL, k) != 1 ||
                EVP_DigestSign(c, signature, &len, bytes, n) != 1 || len != SIGNATURE_BYTES))
        rc = failed(e, "signing");
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(k);
    return rc;
}

bool key_verify(const uint8_t key[KEY_BYTES], const uint8_t signature[SIGNATURE_BYTES], const void *bytes, size_t n)
{
    EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, KEY_BYTES);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool good = k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 && EVP_DigestVerify(c, signature, SIGNATURE_BYTES, bytes, n) == 1;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(k);
    return good;
}

static bool is_fingerprint(char out[FINGERPRINT], const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        if (*text == ':' && n % 2 == 0)
            continue;
        if (!isxdigit((unsigned char)*text) || n + 1 >= FINGERPRINT)
            return false;
        out[n++] = (char)tolower((unsigned char)*text);
    }
    out[n] = 0;
    return n + 1 == FINGERPRINT;
}

int key_named(char out[FINGERPRINT], const char *text, struct err *e)
{
    struct buf pem = BUF_INIT;
    uint8_t raw[KEY_BYTES];
    if (is_fingerprint(out, text))
        return 0;
    int rc = file_read(&pem, text, PEM_MAX, NULL);
    BIO *from = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);
    EVP_PKEY *k = rc ? NULL : PEM_read_bio_PUBKEY(from, NULL, NULL, NULL);
    rc = raw_of(raw, k) ? 0 : err_set(e, ERR_USAGE, "%.300s: neither a fingerprint of 64 hexadecimal digits nor a file with an Ed25519 public key in PEM", text);
    if (!rc)
        key_fingerprint(out, raw);
    EVP_PKEY_free(k);
    BIO_free(from);
    buf_release(&pem);
    return rc;
}

static bool listed(const char *home, const char *fingerprint)
{
    struct buf b = BUF_INIT;
    char *path = in(home, "bundle.trusted"), one[FINGERPRINT], *rest;
    bool found = false;
    if (!file_read(&b, path, TRUSTED_MAX, NULL) && b.len)
        for (char *line = strtok_r(b.data, "\n", &rest); line && !found; line = strtok_r(NULL, "\n", &rest))
            found = is_fingerprint(one, line) && !strcmp(one, fingerprint);
    buf_release(&b);
    free(path);
    return found;
}

bool key_trusted(const char *home, const char *fingerprint)
{
    EVP_PKEY *k = NULL;
    uint8_t raw[KEY_BYTES];
    char own[FINGERPRINT] = "";
    if (!own_key(&k, home, false, NULL) && raw_of(raw, k))
        key_fingerprint(own, raw);
    EVP_PKEY_free(k);
    return !strcmp(own, fingerprint) || listed(home, fingerprint);
}

int key_trust(const char *home, const char *fingerprint, struct err *e)
{
    struct buf b = BUF_INIT;
    char *path = in(home, "bundle.trusted");
    int rc = listed(home, fingerprint) ? 0 : file_read(&b, path, TRUSTED_MAX, e);
    if ((!rc || rc == ERR_NOT_FOUND) && !listed(home, fingerprint)) {
        if (b.len && b.data[b.len - 1] != '\n')
            buf_addc(&b, '\n');
        buf_addf(&b, "%s\n", fingerprint);
        rc = file_write(path, b.data, b.len, 0600, e);
    }
    buf_release(&b);
    free(path);
    return rc;
}

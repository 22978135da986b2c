#include "daemon/tls.h"

#include "base/file.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX (1 << 20)
#define VALID_SECONDS (10L * 365 * 86400) /* clients pin the fingerprint: a date adds nothing but a day on which all fails */
#define SERIAL_BYTES 16

static int bad_pair(struct err *e, const char *path, const char *what)
{
    err_set(e, ERR_FORMAT, "%.300s: %s", path, what);
    err_hint(e, "tls_certificate and tls_key name PEM files that belong together");
    return ERR_FORMAT;
}

/* The first certificate of a PEM file, its fingerprint in out. */
static int certificate_read(X509 **cert, char out[TLS_FINGERPRINT], const char *path, struct err *e)
{
    struct buf pem = BUF_INIT;
    uint8_t hash[32];
    unsigned n = sizeof hash;
    *cert = NULL;
    int rc = file_read(&pem, path, PEM_MAX, e);
    if (rc)
        return rc;
    BIO *in = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);
    *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    buf_release(&pem);
    if (!*cert || !X509_digest(*cert, EVP_sha256(), hash, &n))
        return bad_pair(e, path, "no certificate in PEM");
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(out + 3 * i, 4, "%02X%s", hash[i], i + 1 < sizeof hash ? ":" : "");
    return 0;
}

static int key_read(EVP_PKEY **key, const char *path, struct err *e)
{
    struct buf pem = BUF_INIT;
    struct stat st;
    *key = NULL;
    if (!stat(path, &st) && st.st_mode & 077) {
        err_set(e, ERR_DENIED, "%.300s: others can read this key", path);
        err_hint(e, "chmod 600 it");
        return ERR_DENIED;
    }
    int rc = file_read(&pem, path, PEM_MAX, e);
    if (rc)
        return rc;
    BIO *in = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);
    *key = PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)""); /* one that is locked by a passphrase is none: nobody is there to type it */
    BIO_free(in);
    OPENSSL_cleanse(pem.data, pem.len);
    buf_release(&pem);
    return *key ? 0 : bad_pair(e, path, "no private key in PEM");
}

/* Every client would turn away, and say less of it. */
static int dates_check(const X509 *cert, const char *path, struct err *e)
{
    bool over = X509_cmp_current_time(X509_get0_notAfter(cert)) < 0, early = X509_cmp_current_time(X509_get0_notBefore(cert)) > 0;
    if (!over && !early)
        return 0;
    BIO *out = BIO_new(BIO_s_mem());
    char *day = NULL;
    ASN1_TIME_print(out, over ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert));
    long n = BIO_get_mem_data(out, &day);
    err_set(e, ERR_FORMAT, "%.300s: the certificate %s %.*s", path, over ? "expired on" : "is not good before", (int)n, day);
    err_hint(e, over ? "put a new one in its place" : "this machine's clock may be wrong");
    BIO_free(out);
    return ERR_FORMAT;
}

static void stamp(struct tls_stamp out[2], const struct tls_identity *t)
{
    const char *const path[] = {t->certificate, t->key};
    struct stat st;
    for (int i = 0; i < 2; i++)
        out[i] = stat(path[i], &st) ? (struct tls_stamp){0}
                                    : (struct tls_stamp){st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec, st.st_size, st.st_ino};
}

static int pair_check(struct tls_identity *t, struct err *e)
{
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    int days = 0, seconds = 0;
    stamp(t->read, t);
    int rc = certificate_read(&cert, t->fingerprint, t->certificate, e);
    if (!rc)
        rc = dates_check(cert, t->certificate, e);
    if (!rc)
        rc = key_read(&key, t->key, e);
    if (!rc && X509_check_private_key(cert, key) != 1)
        rc = bad_pair(e, t->key, "is not the key of that certificate");
    if (!rc && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)))
        t->ends_in = days * 86400LL + seconds;
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

/* -- generating ----------------------------------------------------------------------------------------------------------- */

static void add_name(struct buf *names, const char *name)
{
    uint8_t address[16];
    bool ip = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (ip || (*name && !strpbrk(name, ",:\n")))
        buf_addf(names, "%s%s:%s", names->len ? "," : "", ip ? "IP" : "DNS", name);
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = x && X509_add_ext(cert, x, -1);
    X509_EXTENSION_free(x);
    return good;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *host)
{
    uint8_t serial[SERIAL_BYTES];
    char machine[256] = "";
    struct buf names = BUF_INIT;
    gethostname(machine, sizeof machine - 1);
    add_name(&names, "localhost");
    add_name(&names, "127.0.0.1");
    add_name(&names, "::1");
    add_name(&names, machine);
    add_name(&names, host);
    BIGNUM *number = RAND_bytes(serial, sizeof serial) == 1 ? BN_bin2bn((serial[0] &= 0x7f, serial), sizeof serial, NULL) : NULL;
    X509_NAME *subject = X509_get_subject_name(cert);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) && X509_set_version(cert, X509_VERSION_3) &&
                X509_gmtime_adj(X509_getm_notBefore(cert), -86400) && /* clocks differ */
                X509_gmtime_adj(X509_getm_notAfter(cert), VALID_SECONDS) && X509_set_pubkey(cert, key) &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)"codeask", -1, -1, 0) &&
                X509_set_issuer_name(cert, subject) && add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
                add_extension(cert, NID_ext_key_usage, "serverAuth") && add_extension(cert, NID_subject_alt_name, names.data) &&
                X509_sign(cert, key, EVP_sha256());
    BN_free(number);
    buf_release(&names);
    return good;
}

static int write_pem(const char *path, BIO *from, mode_t mode, struct err *e)
{
    char *bytes;
    long n = BIO_get_mem_data(from, &bytes);
    return file_write(path, bytes, (size_t)n, mode, e);
}

/* The key last: a pair that is half there is made again. */
static int generate(const struct tls_identity *t, const char *host, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *pem = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    int rc = key && cert && pem && secret && fill(cert, key, host) && PEM_write_bio_X509(pem, cert) &&
                     PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL)
                 ? 0
                 : err_set(e, ERR_INTERNAL, "no certificate can be made");
    if (!rc)
        rc = write_pem(t->certificate, pem, 0644, e);
    if (!rc)
        rc = write_pem(t->key, secret, 0600, e);
    BIO_free(pem);
    BIO_free(secret);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

int tls_open(struct tls_identity *out, const struct config *c, const struct paths *p, const char *host, struct err *e)
{
    struct buf dir = BUF_INIT, cert = BUF_INIT, key = BUF_INIT;
    struct tls_identity t = {0};
    int rc = 0;
    if (c->tls == TLS_FILES) {
        t.certificate = mem_str(c->tls_certificate);
        t.key = mem_str(c->tls_key);
        if (!*t.certificate || !*t.key)
            rc = err_set(e, ERR_USAGE, "tls = files wants tls_certificate and tls_key");
    } else {
        buf_addf(&dir, "%s/tls", p->home);
        buf_addf(&cert, "%s/certificate.pem", dir.data);
        buf_addf(&key, "%s/key.pem", dir.data);
        t.certificate = buf_take(&cert);
        t.key = buf_take(&key);
        rc = dir_make(dir.data, 0700, e);
        if (!rc && (!file_exists(t.key) || !file_exists(t.certificate)))
            rc = generate(&t, host, e);
    }
    if (!rc)
        rc = pair_check(&t, e);
    buf_release(&dir);
    if (rc)
        tls_close(&t);
    else
        *out = t;
    return rc;
}

int tls_renew(struct tls_identity *t, struct err *e)
{
    struct tls_identity now = *t;
    stamp(now.read, t);
    if (!memcmp(now.read, t->read, sizeof now.read))
        return 0;
    int rc = pair_check(&now, e);
    if (!rc)
        *t = now;
    else
        memcpy(t->read, now.read, sizeof now.read);
    return rc ? rc : 1;
}

void tls_close(struct tls_identity *t)
{
    free(t->certificate);
    free(t->key);
    *t = (struct tls_identity){0};
}

#include "engine/format/sha256.h"

#include <openssl/evp.h>

int sha256_parts(uint8_t out[32], const struct str *part, size_t n, struct err *e)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool well = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; i < n && well; i++)
        well = EVP_DigestUpdate(ctx, part[i].p, part[i].n) == 1;
    well = well && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return well ? 0 : err_set(e, ERR_INTERNAL, "libcrypto has no SHA-256");
}

int sha256(uint8_t out[32], const void *bytes, size_t n, struct err *e)
{
    return sha256_parts(out, &(struct str){bytes, n}, 1, e);
}

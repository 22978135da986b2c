#include "engine/format/sha256.h"

#include <openssl/evp.h>

int sha256(uint8_t out[32], const void *bytes, size_t n, struct err *e)
{
    if (EVP_Digest(bytes, n, out, NULL, EVP_sha256(), NULL) != 1)
        return err_set(e, ERR_INTERNAL, "libcrypto has no SHA-256");
    return 0;
}

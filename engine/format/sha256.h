/* SHA-256, through OpenSSL. */
#ifndef CODEASK_ENGINE_FORMAT_SHA256_H
#define CODEASK_ENGINE_FORMAT_SHA256_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

int sha256(uint8_t out[32], const void *bytes, size_t n, struct err *e);
/* Of n pieces, one after the other. */
int sha256_parts(uint8_t out[32], const struct str *part, size_t n, struct err *e);

#endif

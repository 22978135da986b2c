/* The analyser of expressions on any bytes: a text (after the first zero byte) in which PCRE2 finds the expression is not refused. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "retriever/exact_plan.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    struct str pattern = {(const char *)data, zero ? (size_t)(zero - data) : size};
    struct str text = zero ? (struct str){(const char *)zero + 1, size - pattern.n - 1} : pattern;
    struct arena a;
    struct buf b = BUF_INIT;
    int number;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
                                     PCRE2_UTF | PCRE2_MULTILINE | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &number, &at, NULL);
    arena_init(&a);
    plan_spans_lines(pattern);
    struct plan *p = plan_regex(pattern, &a); /* also of what PCRE2 refuses: it must only end */
    if (code) {
        pcre2_match_data *d = pcre2_match_data_create(1, NULL);
        pcre2_match_context *c = pcre2_match_context_create(NULL);
        pcre2_set_match_limit(c, 100000);
        grams_add(&b, text.p, text.n);
        if (pcre2_match(code, (PCRE2_SPTR)text.p, text.n, 0, 0, d, c) >= 0 &&
            !plan_passes(p, (struct grams){(const void *)b.data, (uint32_t)(b.len / 8)}))
            abort();
        pcre2_match_data_free(d);
        pcre2_match_context_free(c);
        pcre2_code_free(code);
    }
    buf_release(&b);
    arena_release(&a);
    return 0;
}

/* What the `tokenizers` package makes of each code point; see tests/parity/bert_unicode.py, which writes the tables. */
#ifndef CODEASK_ENGINE_TOKENIZER_UNICODE_DATA_H
#define CODEASK_ENGINE_TOKENIZER_UNICODE_DATA_H

#include <stddef.h>
#include <stdint.h>

struct unicode_range {
    uint32_t lo, hi; /* both included */
};
struct unicode_lower {
    uint32_t lo, hi;
    int32_t step, to;
};
struct unicode_class {
    uint32_t lo, hi;
    int32_t ccc; /* canonical combining class */
};

extern const struct unicode_range unicode_dropped[], unicode_blank[], unicode_chinese[], unicode_mark[], unicode_starter[],
    unicode_decomposed[], unicode_punct[], unicode_split[];
extern const size_t nunicode_dropped, nunicode_blank, nunicode_chinese, nunicode_mark, nunicode_starter,
    nunicode_decomposed, nunicode_punct, nunicode_split;
extern const struct unicode_lower unicode_lower[];
extern const size_t nunicode_lower;
extern const struct unicode_class unicode_class[];
extern const size_t nunicode_class;

#endif

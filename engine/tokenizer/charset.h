/* Sets of code points, as expressions name them: \p{L}, [a-z], [^\s] … Small and slow: for the time an expression is
 * compiled. */
#ifndef CODEASK_ENGINE_TOKENIZER_CHARSET_H
#define CODEASK_ENGINE_TOKENIZER_CHARSET_H

#include "engine/tokenizer/unicode_data.h"

#include <stdbool.h>

#define CODE_POINTS 0x110000

/* Ranges in order, none touching the next, once charset_settle() ran; every function but charset_add() leaves it so. */
struct charset {
    struct unicode_range *range;
    size_t n, cap;
};

void charset_release(struct charset *s);
void charset_add(struct charset *s, uint32_t lo, uint32_t hi); /* both included; needs charset_settle() */
void charset_settle(struct charset *s);
void charset_unite(struct charset *to, const struct charset *from);
void charset_intersect(struct charset *to, const struct charset *with);
void charset_negate(struct charset *s);
bool charset_has(const struct charset *s, uint32_t c);
bool charset_same(const struct charset *a, const struct charset *b);

/* The general category or script that \p{name} means: L, Lu, N, Han, …; false: not known here. */
bool charset_property(struct charset *s, const char *name, size_t n);
/* \s: the property White_Space. */
void charset_space(struct charset *s);
/* \w as Oniguruma has it: letters, marks, numbers and what joins words. */
void charset_word(struct charset *s);
/* Adds what differs from members in case alone (simple folding). */
void charset_fold(struct charset *s);

#endif

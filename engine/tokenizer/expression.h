/* The expressions by which tokenizers cut text into words, compiled to a table: one load a character, whatever the
 * expression. What finds a match is what the model's own tools find: leftmost, alternatives in order, greedy.
 *
 *   expression → program (chars, splits, assertions) → states: ordered lists of places in the program
 *   code point → class (code points that no set of the expression tells apart) → next state
 *
 * Read here: alternatives, groups, (?i:…), sets with && and ^, \p{…}, \s \d \w, ? * + {m,n}, (?=x) (?!x) of one character,
 * $ and . as Oniguruma has them. What is not (lookbehind, \b, lazy or possessive quantifiers) runs in PCRE2, slower.
 * Read-only once compiled: any thread may use it. */
#ifndef CODEASK_ENGINE_TOKENIZER_EXPRESSION_H
#define CODEASK_ENGINE_TOKENIZER_EXPRESSION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPRESSION_MAX 4096 /* bytes of one; the longest in use has 900 */

struct expression;

/* How bytes are read: as UTF-8 (what is no character counts as U+FFFD, one byte long), or each byte as the letter that
 * byte-level vocabularies write for it, for expressions that look at text after it was turned into those. */
enum expression_text { EXPRESSION_UTF8, EXPRESSION_LETTERS };

/* ERR_FORMAT says what is wrong with the expression; ERR_LIMIT: too long. */
int expression_compile(struct expression **out, const char *text, size_t n, enum expression_text how, struct err *e);
void expression_free(struct expression *x); /* accepts NULL */
bool expression_is_table(const struct expression *x); /* else PCRE2 runs it */

/* The first match in [p + at, p + n) that is not empty: its bounds. What lies behind n is not there. */
bool expression_find(const struct expression *x, const char *p, size_t n, size_t at, size_t *from, size_t *to);

/* The letter that byte-level vocabularies write for a byte. */
uint32_t expression_letter(uint8_t byte);

#endif

/* UTF-8 text as Python's str sees it: positions are characters, blanks and letter case are Unicode's. */
#ifndef CODEASK_ENGINE_CHAT_TEMPLATE_TEXT_H
#define CODEASK_ENGINE_CHAT_TEMPLATE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_is_space(uint32_t c);
size_t text_blanks(const char *s, const char *end);  /* bytes of blanks that [s, end) begins with */
size_t text_rstrip(const char *s, size_t n);         /* bytes left without the blanks at the end */
size_t text_char(const char *s, const char *end, uint32_t *c); /* decodes one; its bytes; s < end */
size_t text_chars(const char *s, size_t n);          /* characters */
size_t text_offset(const char *s, size_t n, size_t index); /* of the index-th character, n past the last */

enum text_case { CASE_UPPER, CASE_LOWER, CASE_TITLE };
/* Characters written to out (1 to 3). Context-free: the final sigma is the caller's. */
int text_case(uint32_t out[3], uint32_t c, enum text_case to);
bool text_cased(uint32_t c);          /* has upper and lower forms */
bool text_case_ignorable(uint32_t c); /* does not end a word when the final sigma is looked for */
bool text_is_upper(uint32_t c);
bool text_is_lower(uint32_t c);
bool text_is_alpha(uint32_t c);
bool text_is_digit(uint32_t c);
bool text_printable(uint32_t c);      /* repr() shows it as it is */

#endif

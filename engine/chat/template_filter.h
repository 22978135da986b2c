/* Filters on text (template_filter_text.c), for the table of all filters; and what methods share with them. */
#ifndef CODEASK_ENGINE_CHAT_TEMPLATE_FILTER_H
#define CODEASK_ENGINE_CHAT_TEMPLATE_FILTER_H

#include "engine/chat/template_value.h"

struct value filter_trim(struct run *r, const struct call *c);
struct value filter_upper(struct run *r, const struct call *c);
struct value filter_lower(struct run *r, const struct call *c);
struct value filter_capitalize(struct run *r, const struct call *c);
struct value filter_title(struct run *r, const struct call *c);
struct value filter_replace(struct run *r, const struct call *c);
struct value filter_string(struct run *r, const struct call *c);
struct value filter_safe(struct run *r, const struct call *c);
struct value filter_escape(struct run *r, const struct call *c);
struct value filter_forceescape(struct run *r, const struct call *c);
struct value filter_indent(struct run *r, const struct call *c);
struct value filter_truncate(struct run *r, const struct call *c);
struct value filter_wordcount(struct run *r, const struct call *c);
struct value filter_center(struct run *r, const struct call *c);
struct value filter_format(struct run *r, const struct call *c);
struct value filter_int(struct run *r, const struct call *c);
struct value filter_float(struct run *r, const struct call *c);

/* Without the characters of chars (V_ABSENT or V_NONE: blanks) at its ends; sides: 1 left, 2 right. */
struct value text_strip(struct run *r, struct value v, struct value chars, int sides);
/* At most most times, all where most is negative. */
struct value text_replace(struct run *r, struct value v, struct value old, struct value with, int64_t most);
struct value text_capitalize(struct run *r, struct value v);
struct value template_text_lines(struct run *r, struct value v, bool keep_ends);
/* width: of the whole; left of the text stand before of the missing characters, all behind it where before is 0. */
struct value text_pad(struct run *r, struct value v, size_t before, size_t behind, struct value fill);
struct value dict_pairs(struct run *r, struct value d, enum list_kind kind);

#endif

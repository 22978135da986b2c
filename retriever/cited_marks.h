/* What stands in a model's text where a citation may be. Private to retriever/. */
#ifndef CODEASK_RETRIEVER_CITED_MARKS_H
#define CODEASK_RETRIEVER_CITED_MARKS_H

#include "retriever/cited.h"

#define MARK_NUMBERS 8 /* of one marker; a longer list or range cites nothing in particular */

/* The numbers of "1", "1, 3", "1–3", "^2", "source 4", as they stand between brackets. 0: it is no marker. SIZE_MAX: it is one of
 * more numbers than that, or of absurd ones. */
size_t mark_numbers(uint32_t number[MARK_NUMBERS], struct str inside);

/* path:12, path:12-20, path#L12 */
struct mention {
    struct str path;
    uint32_t first, last;
};
bool mention_parse(struct mention *m, struct str s);

enum mention_is { MENTION_OTHER /* no place in code at all */, MENTION_RIGHT, MENTION_SHIFTED, MENTION_INVENTED };
/* at: the source that a right one lies in. */
enum mention_is mention_find(const struct mention *m, struct cited_source *s, size_t n, struct cited_source **at);

/* Whether the source speaks of that name anywhere. */
bool source_names(const struct cited_source *s, const char *name);
/* The part of s that may name something in code: its last component, without (); empty where it is an ordinary word. */
struct str name_in(struct str s, bool code);
bool str_holds(struct str text, struct str piece);

#endif

/* Quoting text of sources in Markdown so that it can never become active: no HTML, image, link or autolink, no citation
 * mark, no way out of a fence, no control or bidirectional character. What is replaced becomes U+FFFD, invalid UTF-8 too.
 * For CommonMark and GFM. */
#ifndef CODEASK_RETRIEVER_MARKDOWN_H
#define CODEASK_RETRIEVER_MARKDOWN_H

#include "base/buf.h"

/* Running text within one paragraph: line ends become blanks, marks are escaped where they would mean something, behind what
 * out ends with. */
void md_text(struct buf *out, struct str s);
/* The same for text that is itself Markdown or reStructuredText: its code spans are code again (`x`, ``x``, :role:`x`). */
void md_prose(struct buf *out, struct str s);
/* A code span: `name`, with more backticks where the text has some. An empty text gives nothing. */
void md_code(struct buf *out, struct str s);
/* A fenced block of whole lines; language: the info string, kept only where it is letters, digits, + # - and NULL for none. */
void md_fence(struct buf *out, const char *language, struct str s);
/* For text that is Markdown and may stay it: s[from, to), escaped only where it would be HTML, a link, an entity, a mention or a
 * bracket; emphasis, headings, lists and tables stay. What stands before and after it in s (ASCII) is looked at, not written.
 * Returns how much HTML and how many links were in it. */
unsigned md_inert(struct buf *out, struct str s, size_t from, size_t to);
/* Only the replacing of characters; tabs and LF stay, CR before LF goes, another CR is replaced. */
void md_clean(struct buf *out, struct str s);

#endif

/* What a model writes, checked while it is written: a pure machine over bytes. Text comes in as the model gives it; what may be
 * shown goes to `shown` as soon as it is decided, at most CITED_HELD bytes later.
 *
 * Citations are [n], [n, m], [n–m] (also 【n】, [^n], \[n\]) and path:line. One that names a source which was given, and which
 * holds what its sentence speaks of, stands in `shown` as [k]: k counts from what the answer cites already, in order of mention.
 * All others are taken out and counted:
 *   invented  no source has that number, or no source that path
 *   shifted   the source is there and holds none of the names its sentence is about, while another does; or a line outside of
 *             what was given of that path
 *   forged    copied from inside of a source's text, where it means something else; or the fence between sources
 * Whatever comes in, what goes out can't become active: no image, no HTML, no link (they are taken out and counted, their text
 * stays), no control or bidirectional character; code stays code, in blocks that no other markup can end early. */
#ifndef CODEASK_RETRIEVER_CITED_H
#define CODEASK_RETRIEVER_CITED_H

#include "base/buf.h"

#define CITED_HELD 1024          /* bytes held back until a marker, link or line of code is complete */
#define CITED_TEXT_MAX (1 << 20) /* of an answer; the rest is dropped */
#define CITED_NAMES 16           /* names of one sentence that are compared with the sources */

/* A source as the model was given it; borrowed. */
struct cited_source {
    uint32_t n;           /* its number in the prompt */
    struct str path, text;
    const char *title;    /* of its symbol; NULL */
    uint32_t first, last; /* its lines */
    uint32_t shown;       /* the number under which it is cited; 0: none yet */
    bool cited;           /* in what was written so far */
};

struct cited_counts {
    uint32_t valid, invented, shifted, forged, active;
    uint32_t sentences, unsupported; /* of some length, outside of code and headings; without any citation that held */
};

struct cited {
    struct buf shown;     /* Markdown, whole characters; grows at its end only */
    struct buf said;      /* the same with the model's own numbers: what a follow-up's prompt repeats */
    struct cited_counts counts;
    /* the rest is the machine's */
    struct cited_source *source;
    size_t nsources;
    uint32_t next_shown;
    const char *fence;
    struct buf held, gap; /* not decided; blanks that are written before the next word */
    char before[8];       /* the last bytes written of running text: links are seen across words */
    char tail[32];        /* the last bytes that came in on this line, for copies of a source's text */
    size_t ntail;
    uint32_t just_cited;  /* the last thing written was that marker, by a path:line */
    size_t code;          /* marks that opened the block of code; 0: outside */
    char code_mark;
    bool code_mid;        /* inside of a long line of it */
    bool line_start, removed, after_marker, overflow;
    /* of the sentence */
    uint32_t words;
    bool cited, ended, title, colon;
    char name[CITED_NAMES][64];
    uint32_t nnames;
};

/* source: [n], its `shown` is filled in; next_shown: the first number that is free. fence may be NULL. */
void cited_open(struct cited *c, struct cited_source *source, size_t n, uint32_t next_shown, const char *fence);
void cited_feed(struct cited *c, const char *p, size_t n);
void cited_end(struct cited *c); /* nothing more comes */
void cited_release(struct cited *c);

#endif

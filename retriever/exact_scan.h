/* An expression or a quoted text looked for in the bytes of contents, by several threads.
 *
 * A match lies in one line unless the expression itself speaks of line ends. Line ends are CR LF, LF or CR for ^, $ and a dot;
 * lines are counted by LF. One that lies wholly in a masked secret is none. */
#ifndef CODEASK_RETRIEVER_EXACT_SCAN_H
#define CODEASK_RETRIEVER_EXACT_SCAN_H

#include "retriever/texts.h"
#include "store/cut.h"

#define SCAN_STEPS 1000000     /* PCRE2's steps for one call: a pattern that backtracks without end is refused, not run */
#define SCAN_SNIPPET 1000      /* bytes of matched lines that are shown; a longer line gives what stands around the match */
#define SCAN_THREADS 16
#define SCAN_LARGE ((size_t)64 << 10) /* bytes of a content that is worth keeping unpacked: it holds nearly every gram, so nearly every
                                         quoted text has it read; some hundred such contents were three quarters of all that was unpacked */
#define SCAN_MUST 16           /* quoted pieces of a question */

struct pattern;
/* literal: the text itself, without meaning. ERR_USAGE with the place of what is wrong. */
int pattern_new(struct pattern **out, struct str text, bool literal, struct err *e);
void pattern_free(struct pattern *p); /* accepts NULL */

struct scan_match {
    uint32_t line, end_line;
    uint32_t at, n;            /* the snippet, in the job's bytes */
};

struct scan_job {
    uint32_t cut;
    struct str packed;         /* in */
    const struct record_secret *secret;
    uint32_t nsecrets;
    struct scan_match *match;  /* out: the first limit + 1 lines */
    uint32_t n;
    struct buf bytes;
    int code;                  /* ERR_LIMIT: the expression backtracks too much here; or of unpacking */
};

struct scan {
    struct pattern *show;      /* whose matches are listed; NULL: none are */
    const struct str *must;    /* all have to be there, byte by byte */
    size_t nmust;
    uint32_t limit;            /* matches of one content */
    const volatile bool *stop;
    struct texts *large;       /* without show: where large contents are kept, or NULL */
};
/* With nothing to show, a job that has all of must gets n = 1, and is unpacked no further than where the last of them stands. */
void scan_run(const struct scan *s, struct scan_job *job, size_t n);
void scan_job_release(struct scan_job *j);

#endif

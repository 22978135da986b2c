/* The parts of an extractive answer: gathered from the index, verified against the sources, then written. Only a part that
 * holds is written, so nothing has to be taken back out of a text. Private to retriever/. */
#ifndef CODEASK_RETRIEVER_ANSWER_PARTS_H
#define CODEASK_RETRIEVER_ANSWER_PARTS_H

#include "retriever/answer.h"
#include "retriever/lookup.h"
#include "retriever/query.h"
#include "retriever/trace.h"

enum part_kind {
    PART_FRAME,       /* a frame or diagnostic of the pasted trace that lies in the searched views */
    PART_MESSAGE,     /* where a message of the trace or log stands in the source */
    PART_LEAD,        /* what was asked for: the definition, section or lines */
    PART_SECOND,      /* the next best one, shown with its first lines */
    PART_CALLER, PART_CALLEE, PART_HEIR,
    PART_FURTHER,     /* one line each */
    PART_SOURCE       /* for a generator: never written by us, not counted among what was dropped */
};

struct part {
    enum part_kind kind;
    struct search_hit *hit;
    uint32_t first, last;      /* the cited lines */
    uint32_t at;               /* the line that is named: of the definition itself, not of its comment; 0: first */
    struct str cited;          /* the index's text of them */
    const char *title;         /* "Session.send"; NULL where there is no symbol */
    enum source_kind source;   /* PART_SOURCE */
    bool prose;                /* a section of documentation: code is prose, written as such */
    struct str doc, code;      /* doc: paragraphs without comment marks; code: lines, left-out ones marked */
    const char *note;          /* said after the place; ours, not the source's; NULL */
    struct str quote;          /* what of the trace led here: message, or diagnostic text; may be empty */
    struct str line;           /* PART_FRAME: the line itself */
    uint32_t n;                /* citation number, 0 until it is mentioned */
    bool holds;
};

struct parts {
    struct part *v;            /* heap */
    size_t n, cap;
};
struct part *parts_add(struct parts *p, enum part_kind kind);
size_t parts_count(const struct parts *p, enum part_kind kind); /* that hold */
struct part *parts_next(struct parts *p, enum part_kind kind, const struct part *after); /* that holds; after NULL: the first */

/* What is gathered for one answer. */
struct answer_work {
    struct lookup *l;
    const struct search_request *request;
    const struct search_result *result;
    const struct query *query;
    const struct trace *trace;     /* NULL without context */
    struct message_hit {
        struct str piece;
        struct search_hit hit;
    } *message;                    /* messages of the trace that stand in the sources as they are */
    size_t nmessages;
    struct parts parts;
    const char *unknown;           /* words of the question that no searched view holds, as Markdown; NULL */
    enum part_kind graph_of;       /* the part whose callers and callees were gathered */
    uint32_t same_name;            /* other definitions of the lead's name */
    struct arena *arena;
};

/* answer_gather.c */
int gather_question(struct answer_work *w, struct err *e);
int gather_nearest(struct answer_work *w, struct err *e); /* only PART_FURTHER, for an answer that is not one */
/* Fills a part about a symbol (or only lines, RECORD_NONE) of a hit: title, doc, code, cited lines. most: lines of code. */
int part_describe(struct part *p, struct answer_work *w, struct search_hit *h, unsigned most, struct err *e);
/* A part that is one line of the answer: cites the line(s) that a place begins with. */
int part_place(struct part *p, struct answer_work *w, const struct place *at, uint32_t first, uint32_t last, struct err *e);
bool part_is_prose(const struct answer_work *w, const struct search_hit *h);
const char *part_title(const struct record *r, uint32_t symbol, struct arena *arena);
/* answer_sources.c: what a generator reads, after all others: the places of the parts with what stands around them, then the
 * search's further hits. */
int gather_sources(struct answer_work *w, struct err *e);
void list_sources(struct answer *out, const struct answer_work *w);
/* answer_trace.c: frames in the views, in order of evidence, and where messages stand. */
int gather_trace(struct answer_work *w, struct err *e);

/* answer_lines.c */
/* Which of n lines to show: those of the head [head_from, head_to) and those that hold the question's words, with a line
 * around them, about `most`. hide: [n] lines never shown. keep: [n] out. Blank lines at the edges are dropped. */
void lines_choose(bool *keep, const bool *hide, const struct str *line, uint32_t n, uint32_t head_from, uint32_t head_to,
                  const struct query *q, unsigned most);
void lines_window(bool *keep, const struct str *line, uint32_t n, const struct query *q, unsigned most);
/* The chosen lines with a mark for each gap; the indentation that all share is kept. */
void lines_join(struct buf *out, const struct str *line, const bool *keep, uint32_t n);
/* The first paragraphs of a doc comment, without comment marks; paragraphs are separated by an empty line. */
void doc_text(struct buf *out, struct str comment);

/* citations.c: reads each cited file once and compares; sets holds, counts those that do not. Closes l before it reads. */
void parts_verify(struct parts *p, struct lookup *l, source_reader read, void *arg, uint32_t *dropped);

/* answer_evidence.c: how likely it is that the views hold an answer at all. Shares are of the question's words, by idf. */
struct evidence {
    struct search_evidence from;   /* the search's own */
    unsigned words, unknown;       /* in the question; of them in no searched view */
    unsigned wholes, wholes_unknown; /* compound identifiers typed; of them in no searched view */
    double any_chunk, any_file;    /* held by the chunk, the file of the views that holds most, ranked well or not */
    double top_chunk, best_chunk;  /* held by the best hit, by the best of the first five: text, names and path */
    double top_names, best_names;  /* the same, names and path alone */
    double best_pairs, pairs;      /* of neighbouring words, those together in the best of the five, in any of them */
    bool symbol_like;
    double embedded;               /* about how much of the views has vectors */
    bool known_model;              /* they are of the model that was calibrated */
};
void evidence_measure(struct evidence *out, struct answer_work *w); /* sets w->unknown, too */
double evidence_probability(const struct evidence *v);              /* 0 … 1 */
#define EVIDENCE_ENOUGH .5

/* answer_write.c */
void write_answer(struct buf *out, struct answer_work *w);
void write_insufficient(struct buf *out, struct answer_work *w);

#endif

/* A question as the retriever sees it: terms, names, quoted pieces and what kind of place it asks for. */
#ifndef CODEASK_RETRIEVER_QUERY_H
#define CODEASK_RETRIEVER_QUERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/words.h"

#define QUERY_TERMS 48        /* distinct terms of one question; a longer one keeps its first and rarest */
#define QUERY_NAMES 64
#define QUERY_LITERALS 16

struct query_term {
    char text[WORD_MAX + 1];  /* folded, not stemmed */
    uint8_t len;
    uint64_t term;            /* of the stem: what the index holds */
    float weight;             /* 1 for a word; less for parts of an identifier and joins */
    bool joined;              /* two adjacent words as one: "thread pool" -> threadpool */
    bool whole;               /* a compound identifier as it was typed */
    uint32_t part_of;         /* bit mask of terms that are parts of this one */
    float idf, file_idf, symbol_idf; /* set by lexical.c from the searched views */
    uint32_t df;
};

struct query_name {
    struct str text;          /* as typed, the last component of a qualified one */
    struct str scope;         /* "Rack" of Rack::Builder; empty */
    float weight;             /* 1: looks like an identifier; .5: a plain word that may be one */
    uint64_t terms;           /* terms it consists of */
};

struct query {
    struct query_term *term;
    unsigned nterms;
    struct query_name *name;
    unsigned nnames;
    struct str *literal;      /* "quoted text": must be there; \" in it is a quote */
    unsigned nliterals;
    struct str text;
    unsigned nwords;          /* content words typed */
    bool only_quoted;         /* nothing but quoted text */
    bool only_stop;           /* nothing but words that ask: they are its terms then */
    bool symbol_like;         /* one identifier: wants its definition */
    bool howto, about_tests, about_examples, about_docs, about_config, about_types;
    float total_idf;          /* over plain words, set by lexical.c */
};

/* Everything lives in arena; text must outlive it. A question without any word keeps its stop words. */
void query_parse(struct query *q, struct str text, struct arena *arena);

#endif

/* A piece of a file that a generator reads: verified lines, secrets masked. */
#ifndef CODEASK_RETRIEVER_SOURCE_H
#define CODEASK_RETRIEVER_SOURCE_H

#include "retriever/retriever.h"

/* In the order in which a prompt shows them. */
enum source_kind { SOURCE_DEFINITION, SOURCE_CALLER, SOURCE_CALLEE, SOURCE_DOC, SOURCE_TEST, SOURCE_KINDS };

struct answer_source {
    enum source_kind kind;
    struct search_hit hit;  /* its file; .target belongs to one request */
    uint32_t first, last;   /* its lines */
    struct str text;        /* them, without the last line end */
    const char *title;      /* "Session.send"; NULL where there is no symbol */
    const char *repo;       /* NULL where one repository is asked about */
    uint32_t repo_id;
};

#endif

/* Questions whose right answers are known, made of the records of a corpus (retriever/corpus/make.h): what an embedder is tuned on and
 * measured by. A commit's message asks for the files that it changed, the first sentence of a comment for the file of its definition, the
 * name of a symbol for where it is defined. Answers are contents, by their git hashes, as search results name them. */
#ifndef CODEASK_RETRIEVER_ASKED_QUESTIONS_H
#define CODEASK_RETRIEVER_ASKED_QUESTIONS_H

#include "base/arena.h"
#include "engine/train/corpus.h"

#define QUESTION_KINDS (1u << CORPUS_CHANGE | 1u << CORPUS_DOC | 1u << CORPUS_WHERE) /* the records that questions are made of */
#define QUESTION_BYTES 600 /* of a message: what was done and why; lists and logs follow */

struct question {
    enum corpus_kind kind;
    bool held;                /* measured by, never learned */
    const char *text;
    const uint8_t *answer;    /* [answers][CORPUS_BLOB] */
    uint32_t answers;         /* 1 … CORPUS_BLOBS */
};

/* [n], in the order of the records; everything in the arena. */
struct question *questions_of(size_t *n, const struct corpus *c, struct arena *arena);

#endif

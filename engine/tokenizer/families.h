/* What a GGUF file leaves out: it names its pre-tokenizer only. The expressions are those of the models' own files. */
#ifndef CODEASK_ENGINE_TOKENIZER_FAMILIES_H
#define CODEASK_ENGINE_TOKENIZER_FAMILIES_H

#include <stdbool.h>
#include <stddef.h>

#define FAMILY_STEPS_MAX 7

enum family_flags {
    FAMILY_WHOLE = 1, /* a word that is a token is that token, whatever the merges say */
    FAMILY_BOS = 2,   /* a text begins with bos unless the file says otherwise */
    FAMILY_SPACES = 4, /* no letters for bytes: blanks are U+2581, what has no token is <0x..> */
};

/* Each step cuts the pieces of the step before it: a match is a piece, and so is what lies between two. */
struct recipe {
    const char *step[FAMILY_STEPS_MAX + 1]; /* NULL ends */
};
struct family {
    const char *name; /* tokenizer.ggml.pre */
    const struct recipe *recipe;
    int flags;
};

extern const struct family families[];
extern const size_t nfamilies;
const struct family *family_find(const char *name); /* NULL: none */

#endif

/* The vectors of the searched views with the contents that they stand for: what an embedder's adapter is trained over. Nothing is embedded here. */
#ifndef CODEASK_RETRIEVER_ASKED_VECTORS_H
#define CODEASK_RETRIEVER_ASKED_VECTORS_H

#include "retriever/retriever.h"

#define VECTORS_MOST (1u << 20) /* copied: 400 MB of a model of 384 dimensions. Of a larger index so many, of files drawn by their content */

struct content_vectors {
    uint32_t n, dim;
    int8_t *q;            /* [n, dim] */
    float *scale;         /* [n] */
    uint32_t *content;    /* [n] whose it is */
    uint8_t (*oid)[20];   /* [contents] git hashes, ascending */
    uint32_t contents;
};

/* Chunks and cards of all the targets' files by this model. Opens one read transaction. ERR_NOT_FOUND: none is embedded with it. Release in either case. */
int content_vectors_read(struct content_vectors *out, struct retriever *r, const struct search_target *target, size_t ntargets,
                         const struct model_info *model, struct err *e);
void content_vectors_release(struct content_vectors *v);
/* The number of a content, UINT32_MAX where it has no vectors. */
uint32_t content_number(const struct content_vectors *v, const uint8_t oid[20]);

#endif

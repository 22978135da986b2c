#include "retriever/asked/measure.h"

#include <math.h>
#include <string.h>

static bool right(const struct question *q, const struct oid *o)
{
    for (uint32_t i = 0; i < q->answers; i++)
        if (!memcmp(q->answer + (size_t)i * CORPUS_BLOB, o->byte, CORPUS_BLOB))
            return true;
    return false;
}

static double gain(size_t rank)
{
    return 1 / log2((double)rank + 1);
}

int measure_question(struct measured *out, struct retriever *r, const struct search_request *like, const struct question *q, struct arena *arena, struct err *e)
{
    struct search_request ask = *like;
    struct search_result found;
    double got = 0, ideal = 0;
    *out = (struct measured){0};
    ask.text = q->text;
    ask.limit = MEASURE_FILES;
    ask.unique_files = true;
    int rc = search(&found, r, &ask, arena, e);
    if (rc)
        return rc == ERR_USAGE ? 0 : rc; /* a message without any word finds nothing */
    for (size_t i = 0; i < found.n; i++) {
        if (!right(q, &found.hit[i].oid))
            continue;
        if (out->reciprocal <= 0)
            out->reciprocal = 1 / (double)(i + 1);
        got += i < MEASURE_NDCG ? gain(i + 1) : 0;
    }
    for (size_t i = 0; i < q->answers && i < MEASURE_NDCG; i++)
        ideal += gain(i + 1);
    out->ndcg = ideal > 0 ? got / ideal : 0;
    return 0;
}

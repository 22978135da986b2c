#include "engine/claims.h"

#include "engine/format/model_inside.h"
#include "engine/run/decoder.h"
#include "engine/run/forward.h"

/* Weights are counted as they lie in the file, which is the most that they take (files of fp32 are held in half of it). */
static void of_writer(struct claim out[CLAIMS_MAX], const struct decoder_needs *needs, uint64_t draft)
{
    uint64_t floor = needs->weights + needs->work + 2 * draft; /* its weights, and at most as much beside them */
    out[0] = (struct claim){.tenant = TENANT_GENERATOR, .floor = floor, .ceiling = floor};
    out[1] = (struct claim){.tenant = TENANT_KV, .floor = needs->kv_least, .ceiling = needs->kv_most};
}

int claims_of(struct claim out[CLAIMS_MAX], size_t *n, const struct model_file *file, const struct model_config *c, const struct backend *b,
              void *device, int threads, bool exact, uint64_t draft, struct err *e)
{
    struct decoder_options d = {.exact = exact, .kv = exact ? KV_F32 : KV_F16};
    struct decoder_needs needs;
    uint64_t bytes = 0;
    int rc = 0;
    if (!c) {
        rc = decoder_needs(&needs, file, b, device, &d, CLAIM_TOKENS, e);
        if (!rc)
            of_writer(out, &needs, draft);
        *n = 2;
        return rc;
    }
    if (c->decoder) { /* its states are no tenant of their own: two texts at a time, as decoder.h has it */
        d.context = c->max_tokens;
        rc = decoder_needs(&needs, file, b, device, &d, 2 * c->max_tokens, e);
        bytes = rc ? 0 : needs.weights + needs.work + 2 * needs.kv_least;
    } else {
        bytes = model_file_bytes(file) + encoder_work(b, device, &c->bert, &(struct encoder_options){threads, exact});
    }
    out[0] = (struct claim){.tenant = c->bert.scores ? TENANT_RERANKER : TENANT_EMBEDDER, .floor = bytes, .ceiling = bytes};
    *n = 1;
    return rc;
}

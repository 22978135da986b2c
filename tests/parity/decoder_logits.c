/* decoder_logits MODEL TOKENS OUT [exact|fast] [CHUNK]: logits of every position of a text of token ids (uint32, native order) as
 * fp32, for scripts that compare engines. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/run/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX (1u << 20)

static int run(struct decoder *d, const uint32_t *token, uint32_t n, uint32_t chunk, FILE *out, struct err *e)
{
    struct decoder_info info;
    struct sequence *s = NULL;
    decoder_info(d, &info);
    float *logits = mem_alloc((size_t)chunk * info.vocab * sizeof *logits);
    int rc = sequence_new(&s, d, e);
    for (uint32_t at = 0; at < n && !rc; at += chunk) {
        uint32_t take = n - at < chunk ? n - at : chunk;
        struct step_part part = {s, token + at, take, take};
        rc = decoder_step(d, &part, 1, logits, e);
        if (!rc && fwrite(logits, info.vocab * sizeof *logits, take, out) != take)
            rc = err_set(e, ERR_IO, "cannot write");
    }
    sequence_free(s);
    free(logits);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct buf text = BUF_INIT;
    struct model_file *file = NULL;
    struct decoder *d = NULL;
    void *dev = NULL;
    if (argc < 4) {
        fprintf(stderr, "usage: decoder_logits MODEL TOKENS OUT [exact|fast] [CHUNK]\n");
        return 2;
    }
    struct decoder_options o = {.exact = argc < 5 || strcmp(argv[4], "fast") != 0};
    FILE *out = fopen(argv[3], "wb");
    int rc = out ? file_read(&text, argv[2], TOKENS_MAX, &e) : err_set(&e, ERR_IO, "cannot write %s", argv[3]);
    if (!rc)
        rc = backend_cpu.open(&dev, &(struct device_options){0}, &e);
    if (!rc)
        rc = model_file_open(&file, argv[1], &e);
    if (!rc)
        rc = decoder_new(&d, file, &backend_cpu, dev, &o, &e);
    if (!rc)
        rc = run(d, (const uint32_t *)(const void *)text.data, (uint32_t)(text.len / 4), argc > 5 ? (uint32_t)atoi(argv[5]) : 64, out, &e);
    decoder_free(d);
    model_file_close(file);
    if (dev)
        backend_cpu.close(dev);
    buf_release(&text);
    if (out)
        fclose(out);
    if (rc)
        fprintf(stderr, "decoder_logits: %s\n", e.message);
    return rc ? 2 : 0;
}

/* A decoder of some thousand weights, and what an adapter for it has to be, whoever read it. */
#ifndef CODEASK_TESTS_FUZZ_ADAPTER_H
#define CODEASK_TESTS_FUZZ_ADAPTER_H

#include "engine/train/peft.h"
#include "tests/unit/engine/tiny_decoder.h"

static struct decoder *adapter_decoder(void)
{
    static struct decoder *d;
    static struct tiny t;
    void *dev;
    if (d)
        return d;
    tiny_open(&t, "llama");
    if (backend_cpu.open(&dev, &(struct device_options){.isa = "scalar"}, NULL) ||
        decoder_new(&d, t.file, &backend_cpu, dev, &(struct decoder_options){.context = 32, .max_rows = 4}, NULL))
        abort();
    tiny_close(&t); /* the weights are in the decoder: nothing stays in /tmp */
    return d;
}

/* rc, l, e: what the reader gave. Frees l. */
static void adapter_check(int rc, struct lora *l, const struct err *e)
{
    if (rc && (!e->message[0] || l))
        abort();
    for (size_t i = 0; !rc && i < l->count; i++)
        if (!isfinite(l->value[i]))
            abort();
    if (!rc)
        lora_free(l);
}

#endif

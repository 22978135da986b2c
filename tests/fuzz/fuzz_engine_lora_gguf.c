/* Adapters as llama.cpp has them, from elsewhere: whatever the bytes are, they are refused with a reason or become numbers that the model can add. */
#include "engine/train/lora_gguf.h"
#include "tests/unit/engine/tiny_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct decoder *open_decoder(void)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder *d = open_decoder();
    struct lora *l = NULL;
    struct err e = {0};
    struct peft_base base = {{0}, "tiny"};
    if (lora_gguf_parse(&l, d, "fuzz", data, size, &base, &e)) {
        if (!e.message[0] || l)
            abort();
        return 0;
    }
    for (size_t i = 0; i < l->count; i++)
        if (!isfinite(l->value[i]))
            abort();
    lora_free(l);
    return 0;
}

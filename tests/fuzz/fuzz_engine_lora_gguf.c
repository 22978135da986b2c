/* Adapters as llama.cpp has them, from elsewhere: whatever the bytes are, they are refused with a reason or become numbers that the model can add. */
#include "engine/train/lora_gguf.h"
#include "tests/fuzz/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lora *l = NULL;
    struct err e = {0};
    struct peft_base base = {{0}, "tiny"};
    int rc = lora_gguf_parse(&l, adapter_decoder(), "fuzz", data, size, &base, &e);
    adapter_check(rc, l, &e);
    return 0;
}

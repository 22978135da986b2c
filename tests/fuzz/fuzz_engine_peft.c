/* An adapter's files as they come from elsewhere: whatever the bytes are, they are refused with a reason or become numbers that the model
 * can add. The input: bytes of the configuration (u16), of codeask.json (u16, 0: none), those two, then the weights. */
#include "tests/fuzz/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lora *l = NULL;
    struct err e = {0};
    uint16_t config, ours;
    if (size < 4)
        return 0;
    memcpy(&config, data, 2);
    memcpy(&ours, data + 2, 2);
    const char *p = (const char *)data + 4;
    size -= 4;
    config = config < size ? config : (uint16_t)size;
    size -= config;
    ours = ours < size ? ours : (uint16_t)size;
    struct peft_files f = {{p, config}, {p + config + ours, size - ours}, {ours ? p + config : NULL, ours}};
    struct peft_base base = {{0}, "tiny"};
    int rc = peft_parse(&l, adapter_decoder(), "fuzz", &f, &base, &e);
    adapter_check(rc, l, &e);
    return 0;
}

/* A kept prefix as it comes from the disk, and the state of a sequence in it: whatever the bytes are, they are refused or loaded, and
 * what was loaded can be gone on with. The first byte chooses the decoder: pages, pages within a window, a state of fixed size. */
#include "engine/generate/prefix_file.h"
#include "tests/unit/engine/tiny_decoder.h"

static const struct {
    const char *model;
    enum kv_type kv;
} kinds[] = {{"qwen2", KV_Q8}, {"gptoss", KV_F16}, {"qwen3next", KV_F16}, {"deepseek2", KV_F32}};
#define KINDS (sizeof kinds / sizeof *kinds)

static struct tiny tiny[KINDS];
static struct decoder *decoder[KINDS];

static struct decoder *open_decoder(size_t i)
{
    void *dev;
    struct err e;
    if (decoder[i])
        return decoder[i];
    tiny_open(&tiny[i], kinds[i].model);
    if (backend_cpu.open(&dev, &(struct device_options){.isa = "scalar"}, &e) ||
        decoder_new(&decoder[i], tiny[i].file, &backend_cpu, dev, &(struct decoder_options){.kv = kinds[i].kv, .context = 128, .max_rows = 16}, &e))
        abort();
    struct tiny *t = &tiny[i]; /* the weights are in the decoder: nothing stays in /tmp */
    char path[200];
    model_file_close(t->file);
    snprintf(path, sizeof path, "%s/config.json", t->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", t->folder);
    unlink(path);
    rmdir(t->folder);
    return decoder[i];
}

static void go_on(struct decoder *d, struct sequence *s)
{
    static float logits[4096];
    struct buf again = BUF_INIT;
    uint32_t token = 3, n = sequence_length(s);
    struct sequence *fork = NULL;
    if (n < 128 && decoder_step(d, &(struct step_part){s, &token, 1, 1}, 1, logits, NULL) == 0 && sequence_length(s) != n + 1)
        abort();
    sequence_save(s, sequence_length(s), &again, NULL);
    if (!sequence_fork(&fork, s, NULL))
        sequence_roll_back(fork, sequence_length(fork) / 2, NULL);
    sequence_free(fork);
    buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prefix_file f;
    struct sequence *s;
    if (!size)
        return 0;
    size_t which = data[0] % KINDS;
    data++, size--;
    struct decoder *d = open_decoder(which);
    if (!prefix_file_read(&f, data, size, NULL)) {
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < 4 * f.ntoken; i++)
            sum = (uint8_t)(sum + f.token[i]);
        for (uint64_t i = 0; i < f.nstate; i++)
            sum = (uint8_t)(sum + f.state[i]);
    }
    prefix_file_index(&f, data, size, NULL);
    if (sequence_new(&s, d, NULL))
        abort();
    if (!sequence_load(s, data, size, NULL))
        go_on(d, s);
    else if (sequence_length(s))
        abort();
    sequence_free(s);
    struct decoder_info info;
    decoder_info(d, &info);
    if (info.pages != UINT32_MAX && info.pages_free != info.pages) /* nothing is held by nobody */
        abort();
    return 0;
}

/* Prefixes on disk, over real decoders: what comes back is what went, in scope and key; damage, caps, permissions, forgetting. */
#include "engine/generate/prefix.h"
#include "engine/generate/prefix_disk.h"
#include "engine/generate/prefix_file.h"
#include "tests/unit/engine/tiny_decoder.h"

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

#define TOKENS 70
#define CAP (64u << 20)

static struct tiny t;
static struct decoder *d;
static void *dev;
static char folder[64];
static struct err e;
static const uint8_t key[16] = {1}, other_key[16] = {2};
static const uint8_t content[3][20] = {{10}, {20}, {30}};
static uint32_t token[TOKENS];

static void open_model(const char *name)
{
    tiny_open(&t, name);
    assert_int_equal(backend_cpu.open(&dev, &(struct device_options){0}, &e), 0);
    if (decoder_new(&d, t.file, &backend_cpu, dev, &(struct decoder_options){.kv = KV_F16}, &e))
        fail_msg("%s", e.message);
    strcpy(folder, "/tmp/codeask-prefix-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (uint32_t i = 0; i < TOKENS; i++)
        token[i] = i * 7 % t.vocab;
}

static void close_model(void)
{
    prefix_folder_forget(folder, NULL);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left in it */
    decoder_free(d);
    backend_cpu.close(dev);
    tiny_close(&t);
}

static struct prefix_disk *reopen(struct prefix_disk *disk, const uint8_t which[16], uint64_t cap)
{
    prefix_disk_free(disk);
    if (prefix_disk_new(&disk, folder, cap, which, &e))
        fail_msg("%s", e.message);
    return disk;
}

static struct sequence *made_of(const uint32_t *from, uint32_t n)
{
    struct sequence *s;
    assert_int_equal(sequence_new(&s, d, &e), 0);
    if (decoder_step(d, &(struct step_part){s, from, n, 0}, 1, NULL, &e))
        fail_msg("%s", e.message);
    return s;
}

static struct gen_provenance of(size_t n, const char *scope)
{
    return (struct gen_provenance){content, n, scope};
}

static unsigned files(char *last)
{
    DIR *dir = opendir(folder);
    struct dirent *de;
    unsigned n = 0;
    while ((de = readdir(dir)))
        if (de->d_name[0] != '.') {
            n++;
            if (last)
                snprintf(last, 400, "%s/%s", folder, de->d_name);
        }
    closedir(dir);
    return n;
}

static void keep(struct prefix_disk *disk, uint32_t n, size_t contents, const char *scope)
{
    struct sequence *s = made_of(token, n);
    struct gen_provenance from = of(contents, scope);
    prefix_disk_keep(disk, s, &from);
    sequence_free(s);
}

/* Where a window has lost what lay before the cut, those tokens are read again, in other batches than at first: rounding differs,
 * and in the cache (f16) by a step. */
static void assert_near(const float *a, const float *b, uint32_t n)
{
    float most = 0, apart = 0;
    for (uint32_t i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(b[i]));
        apart = fmaxf(apart, fabsf(a[i] - b[i]));
    }
    assert_true(most > 0 && apart <= 2e-4f * most);
}

/* window: what it sees of the past is not all that was read. */
static void comes_back(const char *model, bool window)
{
    char path[400];
    struct stat st;
    open_model(model);
    struct prefix_disk *disk = reopen(NULL, key, CAP);
    keep(disk, 60, 2, "a");
    disk = reopen(disk, key, CAP); /* as after a restart */
    assert_int_equal(files(path), 1);
    assert_true(!stat(path, &st) && (st.st_mode & 0777) == 0600);
    assert_true(!stat(folder, &st) && (st.st_mode & 0777) == 0700);
    assert_int_equal(prefix_disk_common(disk, token, TOKENS, "a"), 60);
    assert_int_equal(prefix_disk_common(disk, token, 40, "a"), 39); /* the last one must be read */
    assert_int_equal(prefix_disk_common(disk, token, TOKENS, "b"), 0);
    uint32_t next = 5, differs[TOKENS];
    memcpy(differs, token, sizeof token);
    differs[50] = (token[50] + 1) % t.vocab;
    const struct { const uint32_t *token; uint32_t n, common; } asked[] = {{token, TOKENS, 60}, {token, 40, 39}, {differs, TOKENS, 50}};
    float *a = mem_alloc(t.vocab * sizeof *a), *b = mem_alloc(t.vocab * sizeof *b);
    for (size_t i = 0; i < 3; i++) { /* the next token's logits are what they are without the disk, bit for bit */
        struct sequence *s, *fresh = made_of(token, 60);
        assert_int_equal(sequence_roll_back(fresh, 60 - asked[i].common, &e), 0);
        assert_int_equal(sequence_new(&s, d, &e), 0);
        if (prefix_disk_load(disk, s, asked[i].token, asked[i].n, "a", &e))
            fail_msg("%s", e.message);
        assert_int_equal(sequence_length(s), asked[i].common);
        assert_int_equal(decoder_step(d, &(struct step_part){s, &next, 1, 1}, 1, a, &e), 0);
        assert_int_equal(decoder_step(d, &(struct step_part){fresh, &next, 1, 1}, 1, b, &e), 0);
        if (window && asked[i].common < 60)
            assert_near(a, b, t.vocab);
        else
            assert_memory_equal(a, b, t.vocab * sizeof *a);
        sequence_free(s);
        sequence_free(fresh);
    }
    free(a);
    free(b);
    disk = reopen(disk, other_key, CAP); /* another model or cache: not its own, and left alone */
    assert_int_equal(prefix_disk_common(disk, token, TOKENS, "a"), 0);
    assert_int_equal(files(NULL), 1);
    prefix_disk_free(disk);
    close_model();
}

static void pages(void **state)
{
    comes_back("qwen2", false);
}

static void windows(void **state)
{
    comes_back("gptoss", true);
}

static void recurrent(void **state)
{
    comes_back("qwen3next", false);
}

static void what_is_kept(void **state)
{
    open_model("qwen2");
    struct prefix_disk *disk = reopen(NULL, key, CAP);
    keep(disk, 60, 0, "a"); /* of contents that nobody named */
    keep(disk, PREFIX_LEAST - 1, 1, "a");
    disk = reopen(disk, key, CAP);
    assert_int_equal(files(NULL), 0);
    keep(disk, 40, 1, "a");
    disk = reopen(disk, key, CAP);
    keep(disk, 60, 2, "a"); /* in the place of what it continues */
    disk = reopen(disk, key, CAP);
    assert_int_equal(files(NULL), 1);
    keep(disk, 50, 1, "a"); /* is there already */
    keep(disk, 50, 1, "b");
    disk = reopen(disk, key, CAP);
    assert_int_equal(files(NULL), 2);
    prefix_disk_forget(disk, content[2]);
    assert_int_equal(files(NULL), 2);
    prefix_disk_forget(disk, content[1]); /* of the longer one alone */
    assert_int_equal(files(NULL), 1);
    assert_int_equal(prefix_disk_common(disk, token, TOKENS, "a"), 0);
    assert_int_equal(prefix_disk_common(disk, token, TOKENS, "b"), 50);
    keep(disk, 60, 2, "c");
    prefix_disk_forget(disk, content[0]); /* waits for what is on its way */
    assert_int_equal(files(NULL), 0);
    keep(disk, 60, 2, "c");
    disk = reopen(disk, other_key, CAP);
    prefix_disk_forget(disk, content[1]); /* whoever wrote it */
    assert_int_equal(files(NULL), 0);
    prefix_disk_free(disk);
    close_model();
}

static void cap(void **state)
{
    char path[400];
    struct stat st;
    open_model("qwen2");
    struct prefix_disk *disk = reopen(NULL, key, CAP);
    keep(disk, 60, 1, "0");
    disk = reopen(disk, key, CAP);
    assert_int_equal(files(path), 1);
    assert_int_equal(stat(path, &st), 0);
    uint64_t room = (uint64_t)st.st_size * 3 + 100;
    disk = reopen(disk, key, room);
    for (int i = 1; i < 6; i++) {
        char scope[4];
        snprintf(scope, sizeof scope, "%d", i);
        keep(disk, 60, 1, scope);
        disk = reopen(disk, key, room);
        struct sequence *s;
        assert_int_equal(sequence_new(&s, d, &e), 0); /* the first is used all the time: the others go */
        assert_int_equal(prefix_disk_load(disk, s, token, TOKENS, "0", &e), 0);
        sequence_free(s);
        assert_int_equal(files(NULL), i < 2 ? 2 : 3);
    }
    disk = reopen(disk, key, (uint64_t)st.st_size + 10); /* a smaller cap holds at once; what is more than half of it is not written */
    assert_int_equal(files(NULL), 1);
    keep(disk, 60, 1, "x");
    disk = reopen(disk, key, (uint64_t)st.st_size + 10);
    assert_int_equal(prefix_disk_common(disk, token, TOKENS, "x"), 0);
    prefix_disk_free(disk);
    close_model();
}

/* Cut, turned and foreign files are met, ignored and removed; the folder works on. */
static void damage(void **state)
{
    char path[400];
    struct buf good = BUF_INIT;
    open_model("qwen2");
    struct prefix_disk *disk = reopen(NULL, key, CAP);
    keep(disk, 60, 2, "a");
    prefix_disk_free(disk);
    assert_int_equal(files(path), 1);
    assert_int_equal(file_read(&good, path, 1 << 24, &e), 0);
    for (size_t at = 0; at < good.len; at += at < 400 ? 1 : 997) { /* one bit anywhere */
        struct sequence *s;
        good.data[at] ^= 0x10;
        assert_int_equal(file_write(path, good.data, good.len, 0600, &e), 0);
        good.data[at] ^= 0x10;
        disk = reopen(NULL, key, CAP);
        uint32_t common = prefix_disk_common(disk, token, TOKENS, "a");
        assert_int_equal(sequence_new(&s, d, &e), 0);
        assert_int_equal(prefix_disk_load(disk, s, token, TOKENS, "a", &e), ERR_NOT_FOUND);
        assert_int_equal(sequence_length(s), 0);
        sequence_free(s);
        if (common) /* it was looked at: it is gone */
            assert_int_equal(files(NULL), 0);
        prefix_disk_free(disk);
    }
    for (size_t n = 0; n < good.len; n += n < 200 ? 7 : 4001) {
        assert_int_equal(file_write(path, good.data, n, 0600, &e), 0);
        disk = reopen(NULL, key, CAP);
        assert_int_equal(files(NULL), 0);
        prefix_disk_free(disk);
    }
    assert_int_equal(file_write(path, good.data, good.len, 0600, &e), 0); /* gone under an open folder */
    disk = reopen(NULL, key, CAP);
    unlink(path);
    struct sequence *s;
    assert_int_equal(sequence_new(&s, d, &e), 0);
    assert_int_equal(prefix_disk_load(disk, s, token, TOKENS, "a", &e), ERR_NOT_FOUND);
    sequence_free(s);
    prefix_disk_free(disk);
    buf_release(&good);
    close_model();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages), cmocka_unit_test(windows), cmocka_unit_test(recurrent),
                                       cmocka_unit_test(what_is_kept), cmocka_unit_test(cap), cmocka_unit_test(damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

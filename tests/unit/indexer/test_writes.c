/* How much a write transaction of indexing holds: bytes that LMDB writes between two syncs, which is what a disk has to do while others
 * wait to write. How long that takes is the disk's; store_writes tells it (`status`: writes), here it is only printed. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "git_fixture.h"

#include "store/batch.h"

#include <dlfcn.h>
#include <sys/uio.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* they define the same calls */
#define UNSEEN 1
#else
#define UNSEEN 0
#endif

#define LARGE 6      /* files just under max_file_bytes, each word new */
#define SMALL 1500   /* files of code */
#define WORDS 230000 /* of a large one: 1.9 MB */
#define INDEX_WRITE_MOST ((uint64_t)10 << 20) /* bytes: at 200 MB/s and more, STORE_WRITE_MS; disks of laptops do twice that */

/* What reaches index.mdb, one thread writes it. */
static struct {
    struct stat file;
    bool on;
    uint64_t bytes, most, total;
    unsigned syncs;
} seen;

static bool is_index(int fd)
{
    struct stat st;
    return seen.on && !fstat(fd, &st) && st.st_ino == seen.file.st_ino && st.st_dev == seen.file.st_dev;
}

static void end_transaction(void)
{
    seen.most = seen.bytes > seen.most ? seen.bytes : seen.most;
    seen.total += seen.bytes;
    seen.syncs += seen.bytes > 0;
    seen.bytes = 0;
}

#if !UNSEEN
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t done = REAL(pwrite)(fd, bytes, n, at);
    if (done > 0 && is_index(fd))
        seen.bytes += (uint64_t)done;
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite(fd, bytes, n, at);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    ssize_t done = REAL(pwritev)(fd, v, n, at);
    if (done > 0 && is_index(fd))
        seen.bytes += (uint64_t)done;
    return done;
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at)
{
    return pwritev(fd, v, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    ssize_t done = REAL(writev)(fd, v, n);
    if (done > 0 && is_index(fd))
        seen.bytes += (uint64_t)done;
    return done;
}

int fdatasync(int fd)
{
    if (is_index(fd))
        end_transaction();
    return REAL(fdatasync)(fd);
}
#pragma GCC diagnostic pop
#endif

static void write_sources(void)
{
    struct buf b = BUF_INIT;
    for (unsigned i = 0; i < LARGE + SMALL; i++) {
        char name[64];
        buf_clear(&b);
        if (i < LARGE)
            for (unsigned w = 0; w < WORDS; w++)
                buf_addf(&b, "%s%07x", w % 12 ? " " : "\n", i * WORDS + w);
        else
            for (unsigned f = 0; f < 60; f++)
                buf_addf(&b, "/* Step %u of part %u. */\nint part%u_step%u(struct state *s)\n{\n    return walk_%u(s, %u) + s->count;\n}\n\n", f, i, i, f,
                         (i * 7 + f) % 5000, f);
        snprintf(name, sizeof name, "src/f%u.%s", i, i < LARGE ? "txt" : "c");
        assert_int_equal(file_write(at(name), b.data, b.len, 0644, &e), 0);
    }
    buf_release(&b);
}

static void test_a_transaction_is_small(void **state)
{
    (void)state;
    if (UNSEEN) {
        print_message("a sanitizer takes the calls that are counted: skipped\n");
        skip();
    }
    struct repo_row row = {0};
    struct store_writes w;
    bool did = true;
    sh("mkdir src && git init -q src");
    write_sources();
    assert_int_equal(stat(at("home/index.mdb"), &seen.file), 0);
    ok(state_repo_add(fx.store, at("src"), false, &row, &e));
    seen.on = true;
    ok(index_run(fx.indexer, &row, NULL, NULL, NULL, &e));
    print_message("indexing: %u transactions of %.1f MB in all, at most %.1f MB\n", seen.syncs, (double)seen.total / 1e6, (double)seen.most / 1e6);
    assert_true(seen.syncs > 3 && seen.total > 5 << 20);
    assert_true(seen.most <= INDEX_WRITE_MOST);
    while (did)
        ok(segments_merge(fx.store, NULL, NULL, &did, &e));
    seen.on = false;
    store_writes(fx.store, &w);
    print_message("and merges: at most %.1f MB; %llu transactions, p99 %.0f ms, longest %.1f ms, %llu of %d ms and more\n", (double)seen.most / 1e6,
                  (unsigned long long)w.n, w.p99_ms, w.longest_ms, (unsigned long long)w.over, STORE_WRITE_MS);
    assert_true(seen.most <= INDEX_WRITE_MOST);
    repo_row_release(&row);
}

static const struct CMUnitTest tests[] = {GIT_TEST(test_a_transaction_is_small)};

GIT_TEST_MAIN(tests)

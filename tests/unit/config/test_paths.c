#include "config/paths.h"

#include "base/buf.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct err e;
static char root[64];

static int begin(void **state)
{
    static const char *const vars[] = {"CODEASK_HOME", "CODEASK_CONFIG", "CODEASK_MODELS", "XDG_DATA_HOME",
                                       "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof vars / sizeof *vars; i++)
        unsetenv(vars[i]);
    strcpy(root, "/tmp/codeask-paths-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    setenv("HOME", root, 1);
    return 0;
}

static int end(void **state)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf -- %s", root);
    return chdir("/") || system(cmd);
}

static const char *in(const char *name)
{
    static char out[8][512];
    static int turn;
    char *s = out[turn++ % 8];
    snprintf(s, sizeof out[0], "%s/%s", root, name);
    return s;
}

static void touch(const char *path)
{
    assert_int_equal(file_write(path, "x", 1, 0600, &e), 0);
}

static void defaults_follow_xdg(void **state)
{
    struct paths p;
    assert_int_equal(paths_open(&p, &e), 0);
    assert_string_equal(p.home, in(".local/share/codeask"));
    assert_string_equal(p.config, in(".config/codeask/config"));
    assert_string_equal(p.socket, in(".local/share/codeask/codeaskd.sock"));
    paths_close(&p);
    setenv("XDG_DATA_HOME", in("data"), 1);
    setenv("XDG_CONFIG_HOME", "relative-is-ignored", 1);
    assert_int_equal(paths_open(&p, &e), 0);
    assert_string_equal(p.home, in("data/codeask"));
    assert_string_equal(p.config, in(".config/codeask/config"));
    paths_close(&p);
    setenv("CODEASK_HOME", in("h"), 1);
    assert_int_equal(paths_open(&p, &e), 0);
    assert_string_equal(p.home, in("h"));
    assert_string_equal(p.config, in("h/config"));
    paths_close(&p);
    setenv("CODEASK_CONFIG", in("elsewhere"), 1);
    assert_int_equal(paths_open(&p, &e), 0);
    assert_string_equal(p.config, in("elsewhere"));
    paths_close(&p);
}

static void two_spellings_are_one_home(void **state)
{
    struct paths a, b;
    assert_int_equal(dir_make(in("real"), 0700, &e), 0);
    assert_int_equal(symlink(in("real"), in("link")), 0);
    setenv("CODEASK_HOME", in("link/./x/y"), 1);
    assert_int_not_equal(paths_open(&a, NULL), -1);
    paths_close(&a);
    setenv("CODEASK_HOME", in("link/x"), 1);
    assert_int_equal(paths_open(&a, &e), 0);
    assert_int_equal(chdir(root), 0);
    setenv("CODEASK_HOME", "real//x/", 1);
    assert_int_equal(paths_open(&b, &e), 0);
    assert_string_equal(a.home, b.home);
    assert_string_equal(a.socket, b.socket);
    paths_close(&a);
    paths_close(&b);
    setenv("CODEASK_HOME", in("nowhere/../x"), 1);
    assert_int_equal(paths_open(&a, &e), ERR_USAGE);
}

static void long_homes_meet_in_a_runtime_folder(void **state)
{
    struct paths a, b;
    char deep[400];
    snprintf(deep, sizeof deep, "%s/%0150d", root, 7);
    setenv("CODEASK_HOME", deep, 1);
    setenv("XDG_RUNTIME_DIR", in("run"), 1);
    assert_int_equal(dir_make(in("run"), 0700, &e), 0);
    assert_int_equal(paths_open(&a, &e), 0);
    assert_true(strlen(a.socket) < sizeof((struct sockaddr_un *)0)->sun_path);
    assert_string_equal(a.runtime, in("run/codeask"));
    assert_int_equal(paths_make(&a, &e), 0);
    struct stat st;
    assert_int_equal(stat(a.runtime, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(a.home, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    deep[strlen(deep) - 1] = '8'; /* another home */
    setenv("CODEASK_HOME", deep, 1);
    assert_int_equal(paths_open(&b, &e), 0);
    assert_string_not_equal(a.socket, b.socket);
    paths_close(&b);

    /* a folder that others may enter is not used */
    assert_int_equal(chmod(a.runtime, 0755), 0);
    assert_int_equal(paths_make(&a, &e), ERR_DENIED);
    assert_true(strlen(e.hint) > 0);
    assert_int_equal(chmod(in("run"), 0777), 0);
    assert_int_equal(paths_open(&b, &e), 0);
    assert_int_not_equal(strncmp(b.socket, in("run"), strlen(in("run"))), 0);
    paths_close(&b);
    paths_close(&a);
}

static void a_home_open_to_others_is_refused(void **state)
{
    struct paths p;
    setenv("CODEASK_HOME", in("open"), 1);
    assert_int_equal(paths_open(&p, &e), 0);
    assert_int_equal(paths_make(&p, &e), 0);
    assert_int_equal(chmod(p.home, 0777), 0);
    assert_int_equal(paths_make(&p, &e), ERR_DENIED);
    paths_close(&p);
}

static void models_are_found_in_order(void **state)
{
    struct paths p;
    setenv("CODEASK_HOME", in("h"), 1);
    struct buf v = BUF_INIT;
    buf_addf(&v, "%s::%s", in("m1"), in("m2"));
    setenv("CODEASK_MODELS", v.data, 1);
    buf_release(&v);
    static const char *const dirs[] = {"h/models/ours", "m1/both", "m2/both", "m2/ours", "m2/empty"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        assert_int_equal(dir_make(in(dirs[i]), 0700, &e), 0);
    touch(in("h/models/ours/model.safetensors"));
    touch(in("m1/both/model.safetensors"));
    touch(in("m2/both/model.safetensors"));
    touch(in("m2/ours/model.safetensors"));
    touch(in("m2/chat.gguf"));
    touch(in("m2/notes.txt"));
    assert_int_equal(paths_open(&p, &e), 0);
    char *path = NULL;
    assert_int_equal(model_find(&path, &p, "ours", &e), 0);
    assert_string_equal(path, in("h/models/ours"));
    free(path);
    assert_int_equal(model_find(&path, &p, "both", &e), 0);
    assert_string_equal(path, in("m1/both"));
    free(path);
    assert_int_equal(model_find(&path, &p, "chat", &e), 0);
    assert_string_equal(path, in("m2/chat.gguf"));
    free(path);
    static const char *const bad[] = {"", ".", "..", "../both", "a/b", ".hidden", "new\nline"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(model_find(&path, &p, bad[i], &e), ERR_USAGE);
    assert_int_equal(model_find(&path, &p, "empty", &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, in("m1")));

    struct model_entry *list;
    size_t n, seen = 0;
    assert_int_equal(model_list(&list, &n, &p, &e), 0);
    for (size_t i = 0; i < n; i++) {
        assert_string_not_equal(list[i].name, "empty");
        if (!strcmp(list[i].name, "ours")) {
            assert_true(list[i].ours);
            seen++;
        } else if (!strcmp(list[i].name, "both") || !strcmp(list[i].name, "chat")) {
            assert_false(list[i].ours);
            seen++;
        }
    }
    assert_int_equal(seen, 3);
    model_list_release(list, n);
    paths_close(&p);
}

static void files_of_one_model(void **state)
{
    unsigned no = 0;
    size_t stem = 0;
    assert_int_equal(model_shards("/a/m-00002-of-00003.gguf", &no, &stem), 3);
    assert_true(no == 2 && stem == strlen("/a/m"));
    static const char *const others[] = {"m.gguf", "-00001-of-00003.gguf", "m-00000-of-00003.gguf", "m-00004-of-00003.gguf",
                                         "m-1-of-3.gguf", "m-00001-of-00003.gguf2", "m-00001-of-0000x.gguf", "m--0001-of-00003.gguf"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(model_shards(others[i], NULL, NULL), 0);
    assert_int_equal(dir_make(in("h/models/indexed"), 0700, &e), 0);
    assert_int_equal(dir_make(in("h/models/small"), 0700, &e), 0);
    touch(in("h/models/indexed/model.safetensors.index.json"));
    touch(in("h/models/small/model.gguf"));
    touch(in("h/models/m-00001-of-00002.gguf"));
    touch(in("h/models/m-00002-of-00002.gguf"));
    struct paths p;
    struct model_entry *list;
    size_t n;
    setenv("CODEASK_HOME", in("h"), 1);
    assert_int_equal(paths_open(&p, &e), 0);
    assert_int_equal(model_list(&list, &n, &p, &e), 0);
    struct buf names = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        if (list[i].ours)
            buf_addf(&names, "%s ", list[i].name);
    assert_string_equal(names.data, "indexed m-00001-of-00002 small ");
    buf_release(&names);
    model_list_release(list, n);
    paths_close(&p);
}

/* A folder of the scratch one that the system says is on NFS. */
#define NFS_FOLDER "/over-the-net"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
int statfs(const char *path, struct statfs *out)
{
    int rc = (int)syscall(SYS_statfs, path, out);
    if (!rc && strstr(path, NFS_FOLDER))
        out->f_type = 0x6969;
    return rc;
}
#pragma GCC diagnostic pop

static void a_home_on_a_network_file_system_is_refused(void **state)
{
    struct paths p;
    assert_int_equal(dir_make(in("over-the-net"), 0700, &e), 0);
    for (int deep = 0; deep < 2; deep++) { /* the home itself, and one that is not there yet */
        setenv("CODEASK_HOME", in(deep ? "over-the-net/a/home" : "over-the-net"), 1);
        assert_int_equal(paths_open(&p, &e), 0);
        assert_int_equal(paths_make(&p, &e), ERR_UNSUPPORTED);
        assert_non_null(strstr(e.message, p.home));
        assert_non_null(strstr(e.message, "network file system (NFS)"));
        assert_non_null(strstr(e.hint, "set CODEASK_HOME to a folder on a local disk"));
        paths_close(&p);
    }
    assert_false(dir_exists(in("over-the-net/a")));
}

static void network_file_systems_are_known(void **state)
{
    assert_string_equal(paths_network(0x6969, "nfs4"), "NFS");
    assert_string_equal(paths_network((long)0xFF534D42, "cifs"), "CIFS");
    assert_string_equal(paths_network((int)0xFE534D42, "smb3"), "SMB"); /* sign-extended on 32 bits */
    assert_string_equal(paths_network(0x65735546, "fuse.sshfs"), "sshfs");
    assert_null(paths_network(0x65735546, "fuseblk"));
    assert_null(paths_network(0x65735546, "fuse.gocryptfs"));
    assert_null(paths_network(0x65735546, NULL));
    assert_null(paths_network(0xEF53, "ext4"));
    assert_int_equal(paths_check_local(root, &e), 0);
    assert_int_equal(paths_check_local(in("not/yet/there"), &e), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(defaults_follow_xdg),
        T(two_spellings_are_one_home),
        T(long_homes_meet_in_a_runtime_folder),
        T(a_home_open_to_others_is_refused),
        T(models_are_found_in_order),
        T(files_of_one_model),
        T(network_file_systems_are_known),
        T(a_home_on_a_network_file_system_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#define _GNU_SOURCE /* realpath */
#include "cli/editor.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/editor_text.h"
#include "cli/options.h"
#include "editors.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIFF_CONTEXT 3

extern char **environ;

/* To add one: its row, and its text in editors/. */
struct editor {
    const char *name, *text;
    const char *file[4];         /* below the configuration folder, or from the home where it begins with "~"; the first that is there, else
                                    the first */
    const char *comment;         /* a block between comments */
    const char *const *member;   /* or a member of a JSON file */
    void (*more)(struct buf *body, struct str around); /* what follows from the rest of the file; NULL */
    const char *then;            /* what is left to do */
};

static void helix_languages(struct buf *body, struct str around);
static const char *const kate_member[] = {"servers", "codeask", NULL};
static const char *const zed_member[] = {"context_servers", "codeask", NULL};
static const char *const sublime_member[] = {"clients", "codeask", NULL};

static const struct editor editors[] = {
    {"neovim", editor_neovim, {"nvim/plugin/codeask.lua"}, .comment = "--", .then = "start Neovim again; :CodeaskAsk QUESTION asks"},
    {"emacs", editor_emacs, {"~/.emacs.d/init.el", "emacs/init.el", "~/.emacs.el", "~/.emacs"}, .comment = ";;",
     .then = "start Emacs again; M-x codeask-ask asks"},
    {"helix", editor_helix, {"helix/languages.toml"}, .comment = "#", .more = helix_languages, .then = "start Helix again"},
    {"kate", editor_kate, {"kate/lspclient/settings.json"}, .member = kate_member, .then = "allow codeask when Kate asks whether to start it"},
    {"zed", editor_zed, {"zed/settings.json"}, .member = zed_member, .then = "codeask is a tool of Zed's agents"},
    {"sublime", editor_sublime, {"sublime-text/Packages/User/LSP.sublime-settings"}, .member = sublime_member,
     .then = "the package LSP must be installed"},
};
#define VSCODE "vscode"

/* -- what is written ----------------------------------------------------------------------------------------------------- */

static bool line_sets_name(struct str text, const char *language)
{
    size_t n = strlen(language);
    for (size_t at = 0; at < text.n;) {
        const char *p = text.p + at, *nl = memchr(p, '\n', text.n - at), *end = nl ? nl : text.p + text.n;
        at = (size_t)(end - text.p) + 1;
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        if (end - p < 4 || memcmp(p, "name", 4))
            continue;
        for (p += 4; p < end && (*p == ' ' || *p == '\t' || *p == '='); p++)
            ;
        if (p < end && (*p == '"' || *p == '\'') && (size_t)(end - p) >= n + 2 && !memcmp(p + 1, language, n) && p[n + 1] == *p)
            return true;
    }
    return false;
}

/* Helix replaces a language's list of servers as a whole, so the usual ones are named; a language that the user has set up stays. */
static void helix_languages(struct buf *body, struct str around)
{
    static const struct {
        const char *name, *servers;
    } language[] = {
        {"bash", "\"bash-language-server\", "}, {"c", "\"clangd\", "}, {"c-sharp", "\"omnisharp\", "}, {"cpp", "\"clangd\", "},
        {"elixir", "\"elixir-ls\", "}, {"go", "\"gopls\", \"golangci-lint-lsp\", "}, {"haskell", "\"haskell-language-server\", "},
        {"java", "\"jdtls\", "}, {"javascript", "\"typescript-language-server\", "}, {"jsx", "\"typescript-language-server\", "},
        {"kotlin", "\"kotlin-language-server\", "}, {"lua", "\"lua-language-server\", "}, {"make", ""}, {"ocaml", "\"ocamllsp\", "},
        {"php", "\"intelephense\", "}, {"python", "\"ty\", \"ruff\", \"jedi\", \"pylsp\", "}, {"ruby", "\"ruby-lsp\", \"solargraph\", "},
        {"rust", "\"rust-analyzer\", "}, {"scala", "\"metals\", "}, {"sql", ""}, {"swift", "\"sourcekit-lsp\", "},
        {"tsx", "\"typescript-language-server\", "}, {"typescript", "\"typescript-language-server\", "}, {"zig", "\"zls\", "},
    };
    for (size_t i = 0; i < sizeof language / sizeof *language; i++) {
        if (line_sets_name(around, language[i].name))
            buf_addf(body, "\n# %s is set up elsewhere in this file: add \"codeask\" to its language-servers there\n", language[i].name);
        else
            buf_addf(body, "\n[[language]]\nname = \"%s\"\nlanguage-servers = [%s\"codeask\"]\n", language[i].name, language[i].servers);
    }
}

/* The command that starts this program: its name where that finds it, else its path. */
static void put_command(struct buf *out, const struct paths *p)
{
    struct buf ours = BUF_INIT, there = BUF_INIT;
    char a[PATH_MAX], b[PATH_MAX];
    const char *path = getenv("PATH");
    bool found = false;
    buf_addf(&ours, "%s/codeask", p->program_dir);
    for (; path && *path && !found; path += strcspn(path, ":"), path += *path == ':') {
        buf_clear(&there);
        buf_addf(&there, "%.*s/codeask", (int)strcspn(path, ":"), path);
        if (access(there.data, X_OK))
            continue;
        if (!realpath(there.data, a) || !realpath(ours.data, b) || strcmp(a, b))
            break; /* another one would be started */
        found = true;
    }
    for (const char *c = found ? "codeask" : ours.data; *c; c++) /* in every one of these languages a string takes it so */
        buf_addf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    buf_release(&ours);
    buf_release(&there);
}

static void put_body(struct buf *out, const struct editor *k, const struct paths *p, struct str around)
{
    for (const char *at = k->text; *at;) {
        const char *hole = strstr(at, "@CODEASK@");
        buf_add(out, at, hole ? (size_t)(hole - at) : strlen(at));
        if (!hole)
            break;
        put_command(out, p);
        at = hole + strlen("@CODEASK@");
    }
    if (k->more)
        k->more(out, around);
    while (k->member && out->len && out->data[out->len - 1] == '\n')
        out->len--;
}

static int new_text(struct buf *out, const struct editor *k, const struct paths *p, struct str text, bool install, struct err *e)
{
    struct buf body = BUF_INIT, around = BUF_INIT;
    struct str before, block, after;
    int rc = 0;
    if (!install) {
        rc = k->member ? member_drop(out, text, k->member, e) : block_drop(out, text, k->comment, e);
        goto out;
    }
    if (k->comment) {
        if ((rc = block_find(&before, &block, &after, text, k->comment, e)))
            goto out;
        buf_add(&around, before.p, before.n);
        buf_add(&around, after.p, after.n);
    }
    if (k->more && around.len && strstr(around.data, "[language-server.codeask]")) {
        rc = err_set(e, ERR_DENIED, "[language-server.codeask] is in it already, and not between the marks of this program");
        goto out;
    }
    put_body(&body, k, p, (struct str){around.data ? around.data : "", around.len});
    struct str value = {body.data, body.len};
    rc = k->member ? member_put(out, text, k->member, value, e) : block_put(out, text, k->comment, k->name, value, e);
out:
    buf_release(&body);
    buf_release(&around);
    return rc;
}

/* -- files --------------------------------------------------------------------------------------------------------------- */

static int put_path(struct buf *out, const char *file, struct err *e)
{
    const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
    if (!home || *home != '/')
        return err_set(e, ERR_USAGE, "HOME is not set to an absolute path");
    if (*file == '~')
        buf_addf(out, "%s%s", home, file + 1);
    else if (config && *config == '/')
        buf_addf(out, "%s/%s", config, file);
    else
        buf_addf(out, "%s/.config/%s", home, file);
    return 0;
}

/* The file that is meant, behind its links; it need not be there. */
static int find_file(char **path, const struct editor *k, struct err *e)
{
    struct buf b = BUF_INIT;
    char *found = NULL;
    int rc = 0;
    for (size_t i = 0; i < sizeof k->file / sizeof *k->file && k->file[i] && !found && !rc; i++) {
        buf_clear(&b);
        rc = put_path(&b, k->file[i], e);
        found = rc ? NULL : realpath(b.data, NULL);
    }
    buf_clear(&b);
    if (!rc && !found && !(rc = put_path(&b, k->file[0], e)))
        found = buf_take(&b);
    buf_release(&b);
    *path = found;
    return rc;
}

static int write_file(const char *path, const struct buf *text, struct err *e)
{
    struct stat st;
    mode_t mode = stat(path, &st) ? 0644 : st.st_mode & 0777;
    char *folder = mem_str(path);
    *strrchr(folder, '/') = 0;
    int rc = dir_make(folder, 0755, e);
    free(folder);
    return rc ? rc : file_write(path, text->data ? text->data : "", text->len, mode, e);
}

/* -- what changes -------------------------------------------------------------------------------------------------------- */

/* Lines of a text; the last one may lack its end. */
static size_t split(struct str **out, struct str text)
{
    size_t n = 0, cap = 0;
    *out = NULL;
    for (size_t at = 0; at < text.n;) {
        const char *nl = memchr(text.p + at, '\n', text.n - at);
        size_t len = nl ? (size_t)(nl + 1 - text.p) - at : text.n - at;
        VEC_ROOM(*out, n, cap);
        (*out)[n++] = (struct str){text.p + at, len};
        at += len;
    }
    return n;
}

static void put_line(struct buf *out, const struct look *l, enum style s, char sign, struct str line)
{
    bool ended = line.n && line.p[line.n - 1] == '\n';
    buf_adds(out, style(l, s));
    buf_addc(out, sign);
    put_clean(out, line.p, line.n - ended);
    buf_adds(out, style(l, STYLE_NONE));
    buf_addc(out, '\n');
}

/* One piece changes: what is the same before and after it is left out. */
static void put_diff(struct buf *out, const struct look *l, const char *path, struct str was, struct str is)
{
    struct str *a, *b;
    size_t na = split(&a, was), nb = split(&b, is), head = 0, tail = 0;
    while (head < na && head < nb && str_same(a[head], b[head]))
        head++;
    while (tail < na - head && tail < nb - head && str_same(a[na - 1 - tail], b[nb - 1 - tail]))
        tail++;
    size_t from = head > DIFF_CONTEXT ? head - DIFF_CONTEXT : 0, more = tail < DIFF_CONTEXT ? tail : DIFF_CONTEXT;
    put_styled(out, l, STYLE_BOLD, "--- %s\n+++ %s\n", path, path);
    buf_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", na ? from + 1 : 0, na - tail + more - from, nb ? from + 1 : 0, nb - tail + more - from);
    for (size_t i = from; i < head; i++)
        put_line(out, l, STYLE_NONE, ' ', a[i]);
    for (size_t i = head; i < na - tail; i++)
        put_line(out, l, STYLE_BAD, '-', a[i]);
    for (size_t i = head; i < nb - tail; i++)
        put_line(out, l, STYLE_GOOD, '+', b[i]);
    for (size_t i = 0; i < more; i++)
        put_line(out, l, STYLE_NONE, ' ', a[na - tail + i]);
    free(a);
    free(b);
}

static int change_file(struct buf *out, const struct look *l, const struct editor *k, const struct paths *p, bool install, bool dry, struct err *e)
{
    struct buf was = BUF_INIT, is = BUF_INIT;
    char *path = NULL;
    int rc = find_file(&path, k, e);
    bool there = !rc && file_exists(path);
    if (!rc && there)
        rc = file_read(&was, path, EDITOR_FILE_MAX, e);
    if (rc)
        goto out;
    struct str before = {was.data ? was.data : "", was.len};
    if ((rc = new_text(&is, k, p, before, install, e))) {
        struct err why = *e;
        rc = err_set(e, why.code, "%s: %s", path, why.message);
        err_hint(e, why.code == ERR_DENIED ? "what goes when it is taken out: codeask editor uninstall %s --dry-run" : "change it by hand, for %s as docs/editors.md says", k->name);
        goto out;
    }
    struct str after = {is.data ? is.data : "", is.len};
    bool nothing_left = !install && text_says_nothing(after);
    if (str_same(before, after)) {
        buf_addf(out, "%s: %s\n", path, install ? "codeask is in it already" : "nothing of codeask's is in it");
    } else if (dry) {
        put_diff(out, l, path, before, nothing_left ? STR("") : after);
    } else if (nothing_left) {
        rc = unlink(path) ? err_errno(e, errno, "%s", path) : 0;
        buf_addf(out, "%s: removed, nothing else was in it\n", path);
    } else if (!(rc = write_file(path, &is, e))) {
        buf_addf(out, "%s: codeask is %s\n", path, install ? "in it now" : "out of it");
        if (install)
            buf_addf(out, "%s\n", k->then);
    }
out:
    free(path);
    buf_release(&was);
    buf_release(&is);
    return rc;
}

/* -- VS Code: it installs its extensions itself ---------------------------------------------------------------------------- */

static int find_extension(struct buf *out, const struct paths *p, struct err *e)
{
    static const char *const place[] = {"%s/share/codeask/codeask.vsix", "%s/../share/codeask/codeask.vsix", "%s/../../editors/vscode/codeask.vsix"};
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, place[i], p->program_dir);
        if (file_exists(path)) {
            buf_adds(out, path);
            return 0;
        }
    }
    err_set(e, ERR_NOT_FOUND, "the extension is not built");
    err_hint(e, "in a clone: editors/vscode/build (it wants node and npm)");
    return ERR_NOT_FOUND;
}

static int change_vscode(struct buf *out, const struct paths *p, bool install, bool dry, struct err *e)
{
    struct buf file = BUF_INIT;
    int status = 0, rc = install ? find_extension(&file, p, e) : 0;
    pid_t child;
    if (!install)
        buf_adds(&file, "codeask.codeask");
    char *argv[] = {"code", install ? "--install-extension" : "--uninstall-extension", file.data, NULL};
    if (!rc && dry) {
        buf_addf(out, "would run: %s %s %s\n", argv[0], argv[1], argv[2]);
    } else if (!rc && posix_spawnp(&child, argv[0], NULL, NULL, argv, environ)) {
        rc = err_set(e, ERR_UNAVAILABLE, "the command `code` cannot be run");
        err_hint(e, "in VS Code: Extensions, …, Install from VSIX: %s", install ? argv[2] : "or uninstall codeask there");
    } else if (!rc && (waitpid(child, &status, 0) < 0 || status)) {
        rc = err_set(e, ERR_UNAVAILABLE, "`code %s %s` failed", argv[1], argv[2]);
    }
    buf_release(&file);
    return rc;
}

int editor_change(struct buf *out, int *status, const struct look *l, const struct paths *p, const char *name, bool install, bool dry, struct err *e)
{
    const char *names[sizeof editors / sizeof *editors + 2];
    size_t n = 0;
    *status = 0;
    if (!strcmp(name, VSCODE))
        return change_vscode(out, p, install, dry, e);
    for (; n < sizeof editors / sizeof *editors; n++) {
        if (!strcmp(editors[n].name, name))
            return change_file(out, l, &editors[n], p, install, dry, e);
        names[n] = editors[n].name;
    }
    names[n++] = VSCODE;
    names[n] = NULL;
    const char *close = near_word(name, names);
    err_set(e, ERR_USAGE, "no editor is called %.80s here%s%s%s", name, close ? "; did you mean " : "", close ? close : "", close ? "?" : "");
    err_hint(e, "neovim, emacs, helix, kate, zed, sublime, vscode");
    return ERR_USAGE;
}

#include "cli/options.h"

#include "base/uri.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Words that later versions give a meaning: taken for questions now, they would change their sense under the user. */
static const char *const reserved[] = {"lsp", "mcp",
                                       "bundle", "tune", "eval", "token", "serve", NULL};

struct given {
    const struct method_flag *flag; /* of any row: names mean the same everywhere */
    const char *value;
};

struct parse {
    struct given *flag;
    char **word;
    size_t nflags, nwords, before_dashes; /* words before "--" */
    bool help;
};

void param_name(char out[64], const char *flag)
{
    size_t i = 0;
    for (; flag[i] && i < 63; i++)
        out[i] = flag[i] == '-' ? '_' : flag[i];
    out[i] = 0;
}

static const struct method_flag *any_flag(const char *name, size_t len, char letter)
{
    for (const struct method *m = methods; m->name; m++)
        for (const struct method_flag *f = m->flags; f && f->name; f++)
            if (letter ? f->letter == letter : strlen(f->name) == len && !memcmp(f->name, name, len))
                return f;
    return NULL;
}

static int unknown(struct err *e, const char *arg)
{
    const char *names[64], *close;
    size_t n = 0;
    for (const struct method *m = methods; m->name; m++)
        for (const struct method_flag *f = m->flags; f && f->name && n < 63; f++)
            names[n++] = f->name;
    names[n] = NULL;
    err_set(e, ERR_USAGE, "%.80s is not an option", arg);
    if (arg[0] == '-' && arg[1] == '-' && (close = near_word(arg + 2, names)))
        err_hint(e, "did you mean --%s?", close);
    else
        err_hint(e, "after -- a question may begin with a dash; `codeask help` shows the options");
    return ERR_USAGE;
}

/* As the service makes them: a question looks otherwise. */
static bool is_id(const char *s)
{
    return s[0] == 'c' && strspn(s + 1, "0123456789abcdef") == 32 && !s[33];
}

/* One option at argv[*i]. */
static int option(struct parse *p, struct command *c, int argc, char **argv, int *i, struct err *e)
{
    char *arg = argv[*i], *value = NULL;
    const struct method_flag *f;
    if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
        p->help = true;
        return 0;
    }
    if (!strcmp(arg, "--version") || !strcmp(arg, "-V")) {
        c->want = WANT_VERSION;
        return 0;
    }
    if (arg[1] == '-') {
        size_t n = strcspn(arg + 2, "=");
        f = any_flag(arg + 2, n, 0);
        value = arg[2 + n] ? arg + 3 + n : NULL;
    } else {
        f = any_flag(NULL, 0, arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!f)
        return unknown(e, arg);
    if (f->type == FLAG_BOOL && value)
        return err_set(e, ERR_USAGE, "--%s takes no value", f->name);
    if (f->type == FLAG_ID && !value) {
        value = *i + 1 < argc && is_id(argv[*i + 1]) ? argv[++*i] : "";
    } else if (f->type != FLAG_BOOL && !value) {
        if (*i + 1 >= argc)
            return err_set(e, ERR_USAGE, "--%s wants %s", f->name, f->argument);
        value = argv[++*i];
    }
    if (!strcmp(f->name, "json"))
        c->json = true;
    p->flag[p->nflags++] = (struct given){f, value};
    return 0;
}

static bool is_reserved(const char *word)
{
    for (const char *const *r = reserved; *r; r++)
        if (!strcmp(*r, word))
            return true;
    return false;
}

static bool is_topic(const char *word)
{
    return !strcmp(word, "bash") || !strcmp(word, "zsh") || !strcmp(word, "fish") || !strcmp(word, "man");
}

/* A group's members, for "repo" alone. */
static bool is_group(const char *word, struct buf *members)
{
    size_t n = strlen(word);
    for (const struct method *m = methods; m->name; m++)
        if (!strncmp(m->name, word, n) && m->name[n] == ' ')
            buf_addf(members, "%scodeask %s", members->len ? ", " : "", m->name);
    return members->len > 0;
}

/* Which row the words name, and how many of them did. */
static int find_row(struct command *c, const struct parse *p, size_t *used, struct err *e)
{
    const struct method *ask = method_named("ask");
    struct buf members = BUF_INIT;
    char two[64];
    int rc = 0;
    *used = 0;
    c->row = ask;
    if (!p->nwords || !p->before_dashes)
        return 0;
    const char *w = p->word[0];
    const char *close;
    if (p->before_dashes > 1 && snprintf(two, sizeof two, "%s %s", w, p->word[1]) < (int)sizeof two &&
        !strchr(w, ' ') && method_named(two)) {
        c->row = method_named(two);
        *used = 2;
    } else if (!strchr(w, '.') && !strchr(w, ' ') && method_named(w)) {
        c->row = method_named(w);
        *used = 1;
    } else if (is_group(w, &members)) {
        rc = err_set(e, ERR_USAGE, p->nwords > 1 ? "%s has no command %.80s" : "%s is more than one command", w,
                     p->nwords > 1 ? p->word[1] : "");
        err_hint(e, "%s", members.data);
    } else if (is_reserved(w)) {
        rc = err_set(e, ERR_USAGE, "%s is not a command of this version (%s)", w, CODEASK_VERSION);
        err_hint(e, "for a question that begins so: codeask ask %s …", w);
    } else if (p->nwords == 1 && (close = near_command(w))) {
        rc = err_set(e, ERR_USAGE, "%s is not a command; did you mean %s?", w, close);
        err_hint(e, "for a question of one word: codeask ask %s", w);
    } else if (p->before_dashes > 1) {
        c->meant = near_command(w);
    }
    buf_release(&members);
    return rc;
}

static int absolute(json_t **out, const char *path, bool must_be_there, struct err *e)
{
    char full[PATH_MAX];
    if (!realpath(path, full)) {
        if (must_be_there || errno != ENOENT)
            return err_errno(e, errno, "%s", path);
        return err_set(e, ERR_NOT_FOUND, "%s: no such file", path);
    }
    *out = json_string(full);
    return *out ? 0 : err_set(e, ERR_UNSUPPORTED, "%.300s: a path that is not UTF-8", full);
}

/* A path that need not be there yet. */
static int absolute_new(json_t **out, const char *path, struct err *e)
{
    char cwd[PATH_MAX];
    struct buf b = BUF_INIT;
    if (*path != '/' && !getcwd(cwd, sizeof cwd))
        return err_errno(e, errno, "the current directory");
    buf_addf(&b, "%s%s%s", *path == '/' ? "" : cwd, *path == '/' ? "" : "/", path);
    *out = json_string(b.data);
    int rc = *out ? 0 : err_set(e, ERR_UNSUPPORTED, "%.300s: a path that is not UTF-8", b.data);
    buf_release(&b);
    return rc;
}

static int set_flag(struct command *c, const struct given *g, struct err *e)
{
    char name[64], *end;
    bool ours = false;
    json_t *v = NULL;
    int rc = 0;
    for (const struct method_flag *f = c->row->flags; f && f->name; f++)
        ours |= !strcmp(f->name, g->flag->name);
    if (!ours) {
        err_set(e, ERR_USAGE, "--%s is not an option of %s", g->flag->name, c->row->name);
        err_hint(e, "see `codeask help %s`", c->row->name);
        return ERR_USAGE;
    }
    param_name(name, g->flag->name);
    if (!strcmp(name, "json"))
        return 0;
    if (!strcmp(name, "server")) { /* in the place of the environment's, see client.c */
        setenv("CODEASK_SERVER", g->value, 1);
        return 0;
    }
    switch (g->flag->type) {
    case FLAG_BOOL:
        v = json_true();
        break;
    case FLAG_INT: {
        errno = 0;
        long long n = strtoll(g->value, &end, 10);
        if (!*g->value || *end || errno || n < 1)
            return err_set(e, ERR_USAGE, "--%s wants a whole number above 0, not %.80s", g->flag->name, g->value);
        v = json_integer(n);
        break;
    }
    case FLAG_STRING:
    case FLAG_ID:
        if (!strcmp(name, "credentials")) /* the daemon is elsewhere */
            rc = absolute(&v, g->value, false, e);
        else
            v = json_clean(g->value, strlen(g->value));
        break;
    case FLAG_DIR:
        rc = absolute(&v, g->value, true, e);
        break;
    case FLAG_STRINGS: {
        json_t *list = json_object_get(c->params, name);
        if (!list)
            json_object_set_new(c->params, name, list = json_array());
        json_array_append_new(list, json_clean(g->value, strlen(g->value)));
        return 0;
    }
    case FLAG_NUMBER:
    case FLAG_OBJECTS:
        return err_set(e, ERR_USAGE, "--%s is for programs", g->flag->name);
    }
    if (rc)
        return rc;
    if (json_object_get(c->params, name) && g->flag->type != FLAG_BOOL) {
        json_decref(v);
        return err_set(e, ERR_USAGE, "--%s was given twice", g->flag->name);
    }
    json_object_set_new(c->params, name, v);
    return 0;
}

static int too_few(struct err *e, const struct method *row)
{
    err_set(e, ERR_USAGE, "%s: %s is missing", row->name, row->arguments);
    err_hint(e, "see `codeask help %s`", row->name);
    return ERR_USAGE;
}

static int set_words(struct command *c, char **word, size_t n, struct err *e)
{
    const struct method *row = c->row;
    const char *p = row->params ? row->params : "";
    bool optional = row->arguments && row->arguments[0] == '[';
    size_t i = 0;
    int rc = 0;
    while (*p && !rc) {
        char name[64];
        size_t len = strcspn(p, " ");
        bool rest = len > 3 && !memcmp(p + len - 3, "…", 3);
        size_t bare = rest ? len - 3 : len;
        memcpy(name, p, bare);
        name[bare] = 0;
        p += len + (p[len] == ' ');
        json_t *v = NULL;
        if (rest) {
            struct buf b = BUF_INIT;
            for (; i < n; i++) {
                if (!strcmp(word[i], "-"))
                    c->reads_stdin = true;
                else
                    buf_addf(&b, "%s%s", b.len ? " " : "", word[i]);
            }
            if (!b.len && !c->reads_stdin)
                rc = too_few(e, row);
            else
                v = json_clean(b.data ? b.data : "", b.len);
            buf_release(&b);
        } else if (i < n) {
            bool is_dir = !strcmp(name, "dir"), is_file = !strcmp(name, "file");
            if (is_dir && !strcmp(row->name, "repo add") && uri_remote(word[i]) && access(word[i], F_OK))
                v = json_clean(word[i], strlen(word[i]));
            else if (is_dir || is_file)
                rc = absolute(&v, word[i], is_dir, e);
            else if (!strcmp(name, "to"))
                rc = absolute_new(&v, word[i], e);
            else
                v = json_clean(word[i], strlen(word[i]));
            i++;
        } else if (!optional) {
            rc = too_few(e, row);
        }
        if (v)
            json_object_set_new(c->params, name, v);
    }
    if (!rc && i < n) {
        rc = err_set(e, ERR_USAGE, "%s: %.80s is one word too many", row->name, word[i]);
        err_hint(e, "for a question that begins so: codeask ask %s %.80s …", row->name, word[i]);
    }
    return rc;
}

/* Rows that work on a directory start from the current one. */
static int set_dir(struct command *c, struct err *e)
{
    char cwd[PATH_MAX];
    bool wants = c->row->params && !strcmp(c->row->params, "dir");
    for (const struct method_flag *f = c->row->flags; f && f->name; f++)
        wants |= !strcmp(f->name, "dir");
    if (!wants || json_object_get(c->params, "dir"))
        return 0;
    if (!getcwd(cwd, sizeof cwd))
        return err_errno(e, errno, "the current directory");
    json_t *v = json_string(cwd);
    if (!v)
        return err_set(e, ERR_UNSUPPORTED, "the current directory's path is not UTF-8");
    json_object_set_new(c->params, "dir", v);
    return 0;
}

int command_parse(struct command *out, int argc, char **argv, struct err *e)
{
    struct parse p = {.flag = mem_zero((size_t)argc + 1, sizeof *p.flag), .word = mem_zero((size_t)argc + 1, sizeof *p.word)};
    bool dashes = false;
    size_t used = 0;
    int rc = 0;
    *out = (struct command){.want = WANT_RUN, .params = json_object()};
    for (int i = 1; i < argc; i++) /* the shape of an error must be known before the first one */
        if (!strcmp(argv[i], "--"))
            break;
        else if (!strcmp(argv[i], "--json"))
            out->json = true;
    for (int i = 1; i < argc && !rc; i++) {
        if (!dashes && !strcmp(argv[i], "--"))
            dashes = true;
        else if (!dashes && argv[i][0] == '-' && argv[i][1])
            rc = option(&p, out, argc, argv, &i, e);
        else {
            p.word[p.nwords++] = argv[i];
            p.before_dashes += !dashes;
        }
    }
    if (rc || out->want == WANT_VERSION)
        goto out;
    if (p.before_dashes && !strcmp(p.word[0], "help")) {
        if (p.nwords > 1 || argc == 2) {
            p.help = true;
            memmove(p.word, p.word + 1, --p.nwords * sizeof *p.word);
            p.before_dashes--;
        }
    } else if (p.before_dashes == 2 && !strcmp(p.word[0], "completion") && is_topic(p.word[1])) {
        out->want = WANT_COMPLETION;
        out->topic = p.word[1];
        goto out;
    }
    if (p.help && !p.nwords) {
        out->want = WANT_HELP;
        goto out;
    }
    if (!p.nwords) {
        rc = err_set(e, ERR_USAGE, "what is the question?");
        err_hint(e, "codeask \"where is the retry policy?\", or `codeask help`");
        goto out;
    }
    if ((rc = find_row(out, &p, &used, e)))
        goto out;
    if (p.help) {
        out->want = WANT_HELP;
        if (!used)
            out->row = NULL;
        goto out;
    }
    for (size_t i = 0; i < p.nflags && !rc; i++)
        rc = set_flag(out, &p.flag[i], e);
    if (!rc)
        rc = set_words(out, p.word + used, p.nwords - used, e);
    if (!rc)
        rc = set_dir(out, e);
out:
    free(p.flag);
    free(p.word);
    return rc;
}

void command_release(struct command *c)
{
    json_decref(c->params);
    c->params = NULL;
}

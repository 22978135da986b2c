#include "cli/run.h"

#include "base/mem.h"
#include "cli/carry.h"
#include "cli/client.h"
#include "cli/editor.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/serve.h"
#include "cli/show.h"
#include "cli/stream.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STDIN_MAX (1 << 20)
#define EXIT_INTERRUPTED 130

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = 1;
}

static void catch_interrupt(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt}; /* no SA_RESTART: waits end */
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int put(const struct buf *b)
{
    if (b->len && fwrite(b->data, 1, b->len, stdout) != b->len)
        return 2;
    return fflush(stdout) ? 2 : 0;
}

/* Failures go where results go when a program reads them. */
static int fail(const struct err *e, bool as_json)
{
    struct buf b = BUF_INIT;
    if (as_json) {
        json_t *o = json_pack("{s{ss, so, so}}", "error", "code", err_name(e->code), "message",
                              json_clean(e->message, strlen(e->message)), "hint", json_clean(e->hint, strlen(e->hint)));
        char *text = json_dumps(o, JSON_COMPACT);
        buf_addf(&b, "%s\n", text);
        put(&b);
        free(text);
        json_decref(o);
    } else {
        struct look l;
        look_open(&l);
        l.color = l.color && isatty(STDERR_FILENO);
        show_error(&b, &l, e);
        fputs(b.data, stderr);
    }
    buf_release(&b);
    return 2;
}

/* The last STDIN_MAX bytes: a log ends with what went wrong. */
static int read_stdin(json_t *params, struct err *e)
{
    struct buf b = BUF_INIT;
    bool cut = false;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buf_room(&b, 65536), 65536);
        if (n < 0 && errno == EINTR && !interrupted)
            continue;
        if (n < 0) {
            buf_release(&b);
            return interrupted ? err_set(e, ERR_CANCELED, "interrupted") : err_errno(e, errno, "standard input");
        }
        if (!n)
            break;
        b.len += (size_t)n;
        if (b.len > 4 * (size_t)STDIN_MAX) {
            buf_drop_front(&b, b.len - STDIN_MAX);
            cut = true;
        }
    }
    if (b.len > STDIN_MAX) {
        buf_drop_front(&b, b.len - STDIN_MAX);
        cut = true;
    }
    if (cut)
        fputs("codeask: only the last 1 MiB of standard input counts\n", stderr);
    /* what is not UTF-8 grows threefold when it is replaced */
    json_t *text = json_clean(b.data ? b.data : "", b.len);
    while (json_string_length(text) > STDIN_MAX) {
        json_decref(text);
        buf_drop_front(&b, b.len / 2);
        text = json_clean(b.data, b.len);
    }
    json_object_set_new(params, "context", text);
    buf_release(&b);
    return 0;
}

/* "repo add" is "repo.add" on the socket. */
static void wire_name(char out[64], const char *name)
{
    size_t n = 0;
    for (; name[n] && n + 1 < 64; n++)
        out[n] = name[n] == ' ' ? '.' : name[n];
    out[n] = 0;
}

#define ATTEMPTS 3 /* a daemon that is replaced, and one that dies */

/* Sends the request; where a daemon makes room for a newer one, or dies, the next one is asked. */
static int ask_daemon(json_t **result, const struct command *c, const struct paths *p, struct client *cl, struct stream *stream, struct err *e)
{
    struct progress *bar = stream->bar;
    struct client_watch watch = {progress_show, bar, c->json ? NULL : stream_part, stream};
    char method[64];
    int rc = 0;
    enum meeting how = c->row->starts_daemon ? MEET_START : !strcmp(c->row->name, "stop") ? MEET_STOP : MEET_RUNNING;
    wire_name(method, c->row->name);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        progress_open(bar);
        rc = client_open(cl, p, how, NULL, e);
        if (!rc)
            rc = client_call(result, cl, method, c->params, &watch, &interrupted, e);
        progress_close(bar);
        if (!rc || stream->first || !c->row->starts_daemon)
            break;
        if (rc == ERR_STOPPING && !(rc = client_wait_next(cl, p, &interrupted, e)))
            continue;
        if (cl->answered || (rc != ERR_CRASHED && rc != ERR_UNAVAILABLE))
            break;
        client_close(cl);
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    return rc;
}

static int ask_apart(json_t **result, const struct command *c, const struct paths *p, struct err *e)
{
    struct progress bar;
    char method[64];
    wire_name(method, c->row->name);
    progress_open(&bar);
    int rc = daemon_once(result, p, method, c->params, progress_show, &bar, e);
    progress_close(&bar);
    return rc;
}

static int not_running(const struct command *c, struct err *e)
{
    fail(e, c->json);
    return 1;
}

/* A PATH was given without --yes: the daemon has looked what it means, and nothing is done yet. */
static int confirmed(struct command *c, const struct look *l, json_t *r, struct err *e)
{
    struct buf b = BUF_INIT;
    char answer[16] = "";
    if (!isatty(STDIN_FILENO)) {
        err_set(e, ERR_USAGE, "a path means what it holds at this moment: %s", json_string_value(json_object_get(r, "blob")));
        err_hint(e, "give that hash, or --yes");
        return ERR_USAGE;
    }
    buf_adds(&b, "This takes out of the home, for good: ");
    show_purge_question(&b, l, r);
    buf_adds(&b, "Purge it? [y/N] ");
    fputs(b.data, stderr);
    buf_release(&b);
    if (!fgets(answer, sizeof answer, stdin) || (*answer != 'y' && *answer != 'Y'))
        return err_set(e, ERR_CANCELED, "nothing was purged");
    json_object_set(c->params, "blob", json_object_get(r, "blob"));
    return 0;
}

static int run_method(struct command *c, const struct paths *p, const struct look *l)
{
    struct client cl = {.fd = -1};
    struct err e = {0};
    struct buf out = BUF_INIT;
    json_t *result = NULL;
    struct progress bar;
    struct stream stream;
    int status = 2;
    stream_open(&stream, l, &bar, stdout);
    int rc = c->reads_stdin ? read_stdin(c->params, &e) : 0;
    bool apart = method_apart(c->row, json_string_value(json_object_get(c->params, "name")));
    if (!rc)
        rc = apart ? ask_apart(&result, c, p, &e) : ask_daemon(&result, c, p, &cl, &stream, &e);
    if (!rc && !strcmp(c->row->name, "purge") && json_is_false(json_object_get(result, "purged")) && !(rc = confirmed(c, l, result, &e))) {
        json_decref(result);
        result = NULL;
        rc = ask_daemon(&result, c, p, &cl, &stream, &e);
    }
    bool away = rc == ERR_UNAVAILABLE && cl.fd < 0 && !c->row->starts_daemon && !apart;
    if (away && c->row->once) {
        rc = ask_apart(&result, c, p, &e);
        away = false;
    }
    if (!rc && !strcmp(c->row->name, "stop"))
        rc = client_wait_end(&cl, 60, &e);
    if (rc == ERR_CANCELED && interrupted && apart) {
        fail(&e, c->json);
        status = EXIT_INTERRUPTED;
    } else if (rc == ERR_CANCELED && interrupted) {
        fputs(stream.first ? "\ncodeask: stopped\n" : "codeask: stopped waiting; indexing goes on in the background (codeask status)\n", stderr);
        status = EXIT_INTERRUPTED;
    } else if (away) {
        status = not_running(c, &e);
    } else if (rc) {
        status = fail(&e, c->json);
    } else if (c->json) {
        /* on a terminal what it would obey is escaped: C1 and bidirectional characters are legal in JSON */
        char *text = json_dumps(result, JSON_COMPACT | JSON_REAL_PRECISION(9) | (l->tty ? JSON_ENSURE_ASCII : 0));
        buf_addf(&out, "%s\n", text);
        free(text);
        status = result_status(c->row, result);
    } else if (stream.first) {
        stream_end(&stream, &out, result);
        status = result_status(c->row, result);
    } else {
        status = show_result(&out, l, c->row, result);
    }
    if (!rc && status == 1 && c->meant)
        fprintf(stderr, "codeask: all words were taken as a question; did you mean the command %s?\n", c->meant);
    if (!rc && put(&out))
        status = 2;
    client_close(&cl);
    json_decref(result);
    stream_release(&stream);
    buf_release(&out);
    return status;
}

int cli_run(int argc, char **argv)
{
    struct command c = {0};
    struct paths p = {0};
    struct look l;
    struct buf out = BUF_INIT;
    struct err e = {0};
    int status = 0;
    setlocale(LC_CTYPE, ""); /* widths of characters */
    look_open(&l);
    catch_interrupt();
    int rc = command_parse(&c, argc, argv, &e);
    if (!rc && c.want == WANT_RUN)
        rc = paths_open(&p, &e);
    if (rc)
        status = fail(&e, c.json);
    else if (c.want == WANT_VERSION)
        buf_addf(&out, "codeask %s\n", CODEASK_VERSION);
    else if (c.want == WANT_HELP)
        show_help(&out, &l, c.row);
    else if (c.want == WANT_COMPLETION)
        show_completion(&out, c.topic);
    else if (!strcmp(c.row->name, "doctor"))
        status = doctor(&out, &l, &p, json_is_true(json_object_get(c.params, "privacy")), c.json);
    else if (!strncmp(c.row->name, "editor ", 7))
        status = editor_change(&out, &status, &l, &p, json_string_value(json_object_get(c.params, "name")), !strcmp(c.row->name, "editor install"),
                               json_is_true(json_object_get(c.params, "dry_run")), &e) ? fail(&e, false) : status;
    else if (!strcmp(c.row->name, "serve"))
        status = serve(&p, json_string_value(json_object_get(c.params, "listen")), &e) ? fail(&e, false) : 0;
    else if (!strcmp(c.row->name, "mcp") || !strcmp(c.row->name, "lsp"))
        status = carry(&status, &p, c.row->name, json_string_value(json_object_get(c.params, "dir")), &e) ? fail(&e, false) : status;
    else
        status = run_method(&c, &p, &l);
    if (out.len && put(&out))
        status = 2;
    buf_release(&out);
    paths_close(&p);
    command_release(&c);
    return status;
}

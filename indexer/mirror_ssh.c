/* git's smart protocol through OpenSSH's client, as git itself does it: its ways to prove a host and a user are those that administrators
 * know, and the libssh2 of distributions is too old for some servers. The host is looked up here and its address handed on, so that what is
 * connected to is what was judged; it is proved against known_hosts by its name. Nothing is asked, no configuration of ssh is read. */
#include "indexer/mirror_inside.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/web.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX 4096 /* of what ssh says */

extern char **environ;

struct transport {
    git_smart_subtransport base;
    git_smart_subtransport_stream stream;
    struct mirror_run *m;
    pid_t pid;
    int fd, said;       /* both ways; what ssh and the other side's git complain about */
    struct buf text;
    bool begun;
};

/* A host's address that may be spoken to, and answers. */
static int choose(char out[ADDRESS_TEXT], struct mirror_run *m)
{
    struct addrinfo want = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *all = NULL;
    char port[8], text[ADDRESS_TEXT];
    int rc = ERR_UNAVAILABLE;
    snprintf(port, sizeof port, "%u", m->url.port ? m->url.port : 22);
    int code = getaddrinfo(m->url.host, port, &want, &all);
    if (code)
        return err_set(m->e, ERR_UNAVAILABLE, "%s: %s", m->url.host, gai_strerror(code));
    bool office = host_listed(m->o->hosts, m->url.host);
    for (struct addrinfo *a = all; a && rc; a = a->ai_next) {
        enum address_kind kind = address_kind(a->ai_addr);
        address_text(text, a->ai_addr);
        if (kind == ADDRESS_NEVER || (kind == ADDRESS_PRIVATE && !office)) {
            rc = err_set(m->e, ERR_DENIED, "%s is at %s, %s", m->url.host, text, kind == ADDRESS_NEVER ? "where nothing is fetched from" : "inside of this network");
            if (kind == ADDRESS_PRIVATE)
                err_hint(m->e, "where that is meant, name it in the settings: mirror-hosts = %.200s", m->url.host);
            break; /* a name that leads to such a place at all is not trusted with its others */
        }
        struct pollfd p = {.fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .events = POLLOUT};
        int failed = p.fd < 0 ? errno : 0;
        socklen_t size = sizeof failed;
        if (!failed && connect(p.fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS)
            failed = errno;
        else if (!failed && poll(&p, 1, WEB_CONNECT_SECONDS * 1000) != 1)
            failed = ETIMEDOUT;
        else if (!failed)
            getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &failed, &size);
        if (p.fd >= 0)
            close(p.fd);
        if (failed)
            err_set(m->e, ERR_UNAVAILABLE, "%s (%s, port %s): %s", m->url.host, text, port, strerror(failed));
        else {
            rc = 0;
            memcpy(out, text, sizeof text);
        }
    }
    freeaddrinfo(all);
    return rc;
}

/* As the shell of the other side is to read it. */
static char *quoted(const char *path)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "git-upload-pack '");
    for (const char *p = path[0] == '/' && path[1] == '~' ? path + 1 : path; *p; p++)
        if (*p == '\'' || *p == '!')
            buf_addf(&b, "'\\%c'", *p);
        else
            buf_addc(&b, *p);
    buf_addc(&b, '\'');
    return buf_take(&b);
}

enum { ARGS_MAX = 48 };

static void add(char **argv, size_t *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char **argv, size_t *n, const char *fmt, ...)
{
    char text[4400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (*n + 1 < ARGS_MAX)
        argv[(*n)++] = mem_str(text);
}

static void option(char **argv, size_t *n, const char *fmt, const char *value)
{
    char text[4300];
    snprintf(text, sizeof text, fmt, value);
    add(argv, n, "-o%s", text);
}

static void arguments(char **argv, const struct mirror_run *m, const char *address)
{
    size_t n = 0;
    const struct mirror_order *o = m->o;
    char *command = quoted(m->url.path);
    static const char *const fixed[] = {"BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "PermitLocalCommand=no", "ProxyCommand=none",
                                        "ProxyJump=none", "ClearAllForwardings=yes", "ForwardAgent=no", "CheckHostIP=no", "LogLevel=ERROR", "RequestTTY=no",
                                        "ControlMaster=no", "ControlPath=none", "VerifyHostKeyDNS=no"};
    add(argv, &n, "ssh");
    add(argv, &n, "-F");
    add(argv, &n, "none");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        add(argv, &n, "-o%s", fixed[i]);
    option(argv, &n, "HostName=%s", address);
    add(argv, &n, "-oConnectTimeout=%d", WEB_CONNECT_SECONDS);
    if (m->url.port && m->url.port != 22)
        add(argv, &n, "-oHostKeyAlias=[%s]:%u", m->url.host, m->url.port);
    else
        option(argv, &n, "HostKeyAlias=%s", m->url.host);
    if (*o->known_hosts) {
        option(argv, &n, "UserKnownHostsFile=\"%s\"", o->known_hosts);
        option(argv, &n, "GlobalKnownHostsFile=%s", "none");
    }
    if (*o->credentials) {
        option(argv, &n, "IdentityFile=\"%s\"", o->credentials);
        option(argv, &n, "IdentitiesOnly=%s", "yes");
        option(argv, &n, "IdentityAgent=%s", "none");
    }
    add(argv, &n, "-p%u", m->url.port ? m->url.port : 22);
    if (*m->url.user)
        add(argv, &n, "-l%s", m->url.user);
    add(argv, &n, "--");
    add(argv, &n, "%s", m->url.host);
    add(argv, &n, "%s", command);
    free(command);
}

static int start(struct transport *t)
{
    struct mirror_run *m = t->m;
    char address[ADDRESS_TEXT], *argv[ARGS_MAX] = {0};
    int pair[2] = {-1, -1}, said[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    int rc = *m->o->credentials ? secret_file(m->o->credentials, m->e) : 0;
    if (rc || (rc = choose(address, m)))
        return rc;
    arguments(argv, m, address);
    posix_spawn_file_actions_init(&actions);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || pipe2(said, O_CLOEXEC)) {
        rc = err_errno(m->e, errno, "cannot make a pipe to ssh");
        goto out;
    }
    posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 1);
    posix_spawn_file_actions_adddup2(&actions, said[1], 2);
    if ((rc = posix_spawnp(&t->pid, "ssh", &actions, NULL, argv, environ))) {
        t->pid = 0;
        rc = err_errno(m->e, rc, "ssh cannot be started");
        err_hint(m->e, "the package openssh-client brings it");
        goto out;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    fcntl(said[0], F_SETFL, O_NONBLOCK);
    t->fd = pair[0];
    t->said = said[0];
    pair[0] = said[0] = -1;
out:
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        if (said[i] >= 0)
            close(said[i]);
    }
    for (size_t i = 0; argv[i]; i++)
        free(argv[i]);
    return rc;
}

/* The last line of what ssh said, without control characters: it is the other side's text. */
static void last_line(char out[200], const struct buf *b)
{
    size_t end = b->len, from;
    while (end && (b->data[end - 1] == '\n' || b->data[end - 1] == '\r' || b->data[end - 1] == ' '))
        end--;
    for (from = end; from && b->data[from - 1] != '\n'; from--)
        ;
    size_t n = 0;
    for (; from < end && n < 199; from++)
        out[n++] = (unsigned char)b->data[from] < 0x20 || b->data[from] == 0x7f ? ' ' : b->data[from];
    out[n] = 0;
}

static void listen_to(struct transport *t)
{
    char piece[512];
    for (ssize_t n; (n = read(t->said, piece, sizeof piece)) > 0;)
        if (t->text.len + (size_t)n <= SAID_MAX)
            buf_add(&t->text, piece, (size_t)n);
}

/* ssh has ended before all was there: its own word says why. */
static int ended(struct transport *t)
{
    struct mirror_run *m = t->m;
    char line[200];
    int status = 0;
    if (t->pid > 0)
        waitpid(t->pid, &status, 0);
    t->pid = 0;
    listen_to(t);
    last_line(line, &t->text);
    const char *text = t->text.data ? t->text.data : "";
    if (strstr(text, "Host key verification failed") || strstr(text, "REMOTE HOST IDENTIFICATION")) {
        bool changed = strstr(text, "IDENTIFICATION HAS CHANGED") || strstr(text, "key for"); /* "… key for X has changed" */
        err_set(m->e, ERR_DENIED, "%s: %s", m->url.host, changed ? "its host key is another than the known one: somebody may stand between" : "its host key is not known");
        err_hint(m->e, "compare its fingerprint with what its administrator tells, then add it to %.150s", *m->o->known_hosts ? m->o->known_hosts : "~/.ssh/known_hosts");
        return ERR_DENIED;
    }
    if (strstr(text, "Permission denied")) {
        err_set(m->e, ERR_DENIED, "%s does not let us in: %s", m->url.host, line);
        err_hint(m->e, "--credentials FILE names a private key without a passphrase, mode 0600");
        return ERR_DENIED;
    }
    if (strstr(text, "not found") || strstr(text, "does not appear to be a git repository") || strstr(text, "does not exist"))
        return err_set(m->e, ERR_NOT_FOUND, "%s: %s", m->url.host, line);
    return err_set(m->e, ERR_UNAVAILABLE, "%s: %s", m->url.host, *line ? line : "ssh ended");
}

/* Waits for one of the events; what ssh says is taken meanwhile. */
static int wait_for(struct transport *t, short events)
{
    struct mirror_run *m = t->m;
    for (;;) {
        struct pollfd p[2] = {{.fd = t->fd, .events = events}, {.fd = t->said, .events = POLLIN}};
        int n = poll(p, 2, (int)m->o->stall_seconds * 1000);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(m->e, ERR_UNAVAILABLE, "%s: not a byte for %u seconds", m->url.host, m->o->stall_seconds);
        if (p[1].revents & POLLIN)
            listen_to(t);
        else if (p[1].revents && !p[0].revents) { /* closed there */
            close(t->said);
            t->said = -1;
        }
        if (p[0].revents)
            return 0;
    }
}

static struct transport *of(git_smart_subtransport_stream *s)
{
    return (struct transport *)((char *)s - offsetof(struct transport, stream));
}

static int stream_read(git_smart_subtransport_stream *base, char *to, size_t max, size_t *n)
{
    struct transport *t = of(base);
    int rc = 0;
    *n = 0;
    for (;;) {
        ssize_t got = read(t->fd, to, max);
        if (got > 0) {
            t->begun = true;
            *n = (size_t)got;
            return 0;
        }
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            rc = wait_for(t, POLLIN);
        else
            rc = t->begun && !got ? 0 : ended(t);
        if (rc || !got)
            return rc ? mirror_stop(t->m, rc) : 0;
    }
}

static int stream_write(git_smart_subtransport_stream *base, const char *from, size_t n)
{
    struct transport *t = of(base);
    while (n) {
        ssize_t put = send(t->fd, from, n, MSG_NOSIGNAL);
        int rc = 0;
        if (put > 0) {
            from += put;
            n -= (size_t)put;
        } else if (errno == EAGAIN || errno == EINTR) {
            rc = wait_for(t, POLLOUT);
        } else {
            rc = ended(t);
        }
        if (rc)
            return mirror_stop(t->m, rc);
    }
    return 0;
}

static void stream_free(git_smart_subtransport_stream *base)
{
}

static int transport_close(git_smart_subtransport *base)
{
    struct transport *t = (struct transport *)base;
    if (t->fd >= 0)
        close(t->fd);
    if (t->said >= 0)
        close(t->said);
    t->fd = t->said = -1;
    if (t->pid > 0) {
        kill(t->pid, SIGTERM);
        waitpid(t->pid, NULL, 0);
    }
    t->pid = 0;
    return 0;
}

static int action(git_smart_subtransport_stream **out, git_smart_subtransport *base, const char *url, git_smart_service_t what)
{
    struct transport *t = (struct transport *)base;
    (void)url; /* the configuration of git could have made another of it */
    if (what != GIT_SERVICE_UPLOADPACK_LS && what != GIT_SERVICE_UPLOADPACK)
        return -1;
    if (what == GIT_SERVICE_UPLOADPACK_LS) {
        transport_close(base);
        int rc = start(t);
        if (rc)
            return mirror_stop(t->m, rc);
    }
    *out = &t->stream;
    return 0;
}

static void transport_free(git_smart_subtransport *base)
{
    struct transport *t = (struct transport *)base;
    transport_close(base);
    buf_release(&t->text);
    free(t);
}

static int make(git_smart_subtransport **out, git_transport *owner, void *param)
{
    struct transport *t = mem_zero(1, sizeof *t);
    t->base = (git_smart_subtransport){action, transport_close, transport_free};
    t->stream = (git_smart_subtransport_stream){&t->base, stream_read, stream_write, stream_free};
    t->m = param;
    t->fd = t->said = -1;
    *out = &t->base;
    return 0;
}

int mirror_ssh_transport(git_transport **out, git_remote *owner, void *payload)
{
    git_smart_subtransport_definition d = {make, 0, payload};
    return git_transport_smart(out, owner, &d);
}

/* The Unix socket. The store's lock is held when it is bound, so a socket that lies there is nobody's. */
#include "daemon/loop.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void on_connection(uv_stream_t *s, int status)
{
    struct loop *l = s->data;
    if (status < 0)
        log_line(LOG_WARN, "accept: %s", uv_strerror(status));
    else
        conn_accept(l);
}

static int clear_stale(const char *path, struct err *e)
{
    struct stat st;
    if (lstat(path, &st))
        return errno == ENOENT ? 0 : err_errno(e, errno, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_IO, "%s is in the way: it is not a socket", path);
    return unlink(path) ? err_errno(e, errno, "%s", path) : 0;
}

int listener_open(struct loop *l, struct err *e)
{
    const char *path = l->o.paths->socket;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    int rc = clear_stale(path, e), fd = -1;
    if (rc)
        return rc;
    if (strlen(path) >= sizeof un.sun_path)
        return err_set(e, ERR_LIMIT, "%s: too long for a socket", path);
    strcpy(un.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    mode_t before = umask(0177); /* there is no moment in which others could connect */
    rc = bind(fd, (struct sockaddr *)&un, sizeof un) ? err_errno(e, errno, "%s", path) : 0;
    umask(before);
    if (!rc && (chmod(path, 0600) || lstat(path, &st)))
        rc = err_errno(e, errno, "%s", path);
    if (!rc) {
        l->socket_dev = st.st_dev;
        l->socket_ino = st.st_ino;
        uv_pipe_init(&l->uv, &l->listener, 0);
        l->listener.data = l;
        l->listening = true;
        int uv = uv_pipe_open(&l->listener, fd);
        if (!uv) {
            fd = -1; /* the handle's now */
            uv = uv_listen((uv_stream_t *)&l->listener, 128, on_connection);
        }
        if (uv)
            rc = err_set(e, ERR_IO, "%s: %s", path, uv_strerror(uv));
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

void listener_close(struct loop *l)
{
    struct stat st;
    if (!l->listening)
        return;
    l->listening = false;
    if (!lstat(l->o.paths->socket, &st) && st.st_dev == l->socket_dev && st.st_ino == l->socket_ino)
        unlink(l->o.paths->socket);
    uv_close((uv_handle_t *)&l->listener, NULL);
}

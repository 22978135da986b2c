/* Files that hold a key or a token. */
#include "net/web.h"

#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int secret_file(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st))
        return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%.300s cannot be read", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_DENIED, "%.300s is no file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(e, ERR_DENIED, "%.300s belongs to another user", path);
    if (st.st_mode & 077) {
        err_set(e, ERR_DENIED, "%.300s holds a secret and is open to others (mode %04o)", path, st.st_mode & 07777);
        err_hint(e, "chmod 600 %.200s", path);
        return ERR_DENIED;
    }
    return access(path, R_OK) ? err_set(e, ERR_DENIED, "%.300s may not be read by the daemon's user", path) : 0;
}

int secret_read(struct buf *out, const char *path, size_t max, struct err *e)
{
    int rc = secret_file(path, e);
    if (!rc)
        rc = file_read(out, path, max, e);
    while (!rc && out->len && isspace((unsigned char)out->data[out->len - 1]))
        out->data[--out->len] = 0;
    return rc;
}

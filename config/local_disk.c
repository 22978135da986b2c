/* Is a folder on a local disk? */
#include "base/buf.h"
#include "base/mem.h"
#include "config/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define FUSE_MAGIC 0x65735546L

/* to add one: its magic number of statfs(2), or the type that /proc/self/mountinfo shows where it is a FUSE */
static const struct {
    unsigned long magic;
    const char *name;
} network_magic[] = {
    {0x6969, "NFS"},       {0x517B, "SMB"},           {0xFF534D42, "CIFS"},    {0xFE534D42, "SMB"},
    {0x564C, "NCP"},       {0x73757245, "Coda"},      {0x5346414F, "AFS"},     {0x6B414653, "AFS"},
    {0x00C36400, "Ceph"},  {0x01021997, "9P"},        {0x0BD00BD0, "Lustre"},  {0x7461636F, "OCFS2"},
    {0x01161970, "GFS2"},  {0x47504653, "GPFS"},      {0x19830326, "BeeGFS"},  {0xAAD7AAEA, "PanFS"},
};
static const char *const network_fuse[] = {
    "sshfs", "s3fs", "rclone", "glusterfs", "curlftpfs", "gvfsd-fuse", "gcsfuse", "goofys", "smbnetfs", "ceph-fuse",
    "ceph", "juicefs", "mfs", "mfsmount", "lizardfs", "davfs", "davfs2", "afpfs", "afs", "nfs", "hadoop", "hdfs", "xtreemfs",
    "google-drive-ocamlfuse", "onedriver", "keybase", "vmhgfs-fuse",
};

const char *paths_network(long f_type, const char *mount_type)
{
    for (size_t i = 0; i < sizeof network_magic / sizeof *network_magic; i++)
        if (((unsigned long)f_type & 0xFFFFFFFFu) == network_magic[i].magic)
            return network_magic[i].name;
    if (((unsigned long)f_type & 0xFFFFFFFFu) != FUSE_MAGIC || !mount_type)
        return NULL;
    if (!strncmp(mount_type, "fuse.", 5))
        mount_type += 5;
    for (size_t i = 0; i < sizeof network_fuse / sizeof *network_fuse; i++)
        if (!strcmp(mount_type, network_fuse[i]))
            return network_fuse[i];
    return NULL;
}

/* The type in /proc/self/mountinfo of the device that holds path: "36 35 98:0 /root /mnt options - fuse.sshfs …". */
static bool mount_type_of(char type[64], dev_t dev)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return false;
    char *line = NULL;
    size_t cap = 0;
    bool found = false;
    while (!found && getline(&line, &cap, f) > 0) {
        unsigned major_no, minor_no;
        const char *dash = strstr(line, " - ");
        if (sscanf(line, "%*d %*d %u:%u", &major_no, &minor_no) == 2 && major_no == major(dev) &&
            minor_no == minor(dev) && dash)
            found = sscanf(dash + 3, "%63s", type) == 1;
    }
    free(line);
    fclose(f);
    return found;
}

int paths_check_local(const char *path, struct err *e)
{
    char *p = mem_str(path), type[64] = "";
    struct statfs fs;
    struct stat st;
    int rc = 0;
    while (statfs(p, &fs) || stat(p, &st)) {
        char *slash = strrchr(p, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || !slash) {
            rc = err_errno(e, errno, "%s", p);
            goto out;
        }
        if (!slash[1] && slash == p)
            break;
        slash[slash == p] = 0;
    }
    const char *name = paths_network((long)fs.f_type, mount_type_of(type, st.st_dev) ? type : NULL);
    if (name) {
        rc = err_set(e, ERR_UNSUPPORTED, "%s lies on a network file system (%s)", path, name);
        err_hint(e, "set CODEASK_HOME to a folder on a local disk, for example /var/tmp/codeask-$USER; "
                    "repositories themselves may stay on the network");
    }
out:
    free(p);
    return rc;
}

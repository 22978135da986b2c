/* Errors. A function that can fail returns int: 0 or a negative code of ERR_LIST, and fills the caller-owned
 * `struct err` that closes its parameter list (NULL is allowed where the text is not wanted). There is no
 * thread-local error state: a request changes threads. */
#ifndef CODEASK_BASE_ERR_H
#define CODEASK_BASE_ERR_H

/* X(symbol, negative code, name in JSON). Codes are part of the worker and engine pipes: append, never renumber. */
#define ERR_LIST(X)                                                                                                    \
    X(ERR_INTERNAL, -1, "internal")       /* a bug of ours */                                                          \
    X(ERR_USAGE, -2, "usage")             /* the caller's arguments are wrong */                                       \
    X(ERR_NOT_FOUND, -3, "not_found")     /* the named thing is not there */                                           \
    X(ERR_NO_REPOSITORY, -4, "no_repository") /* the directory is in no known repository */                            \
    X(ERR_IO, -5, "io")                   /* the system refused a read or a write */                                   \
    X(ERR_FULL, -6, "disk_full")          /* no space left where the home is */                                        \
    X(ERR_FORMAT, -7, "bad_format")       /* foreign bytes that are not what they say */                               \
    X(ERR_CORRUPT, -8, "corrupt")         /* our own file is damaged */                                                \
    X(ERR_LIMIT, -9, "limit")             /* a named limit was reached */                                              \
    X(ERR_TIMEOUT, -10, "timeout")        /* the caller's time ran out */                                              \
    X(ERR_CANCELED, -11, "canceled")      /* the caller took it back */                                                \
    X(ERR_BUSY, -12, "busy")              /* a queue is full or another process holds it: try again */                 \
    X(ERR_DENIED, -13, "denied")          /* not allowed for this caller */                                            \
    X(ERR_VERSION, -14, "version")        /* two builds that do not speak the same protocol or schema */               \
    X(ERR_UNSUPPORTED, -15, "unsupported") /* understood, and not supported */                                         \
    X(ERR_MEMORY, -16, "out_of_memory")   /* device memory or a memory cap; host malloc failure aborts instead */      \
    X(ERR_UNAVAILABLE, -17, "unavailable") /* a process or a model that is needed is not there */                      \
    X(ERR_CRASHED, -18, "crashed")        /* a child process died */                                                   \
    X(ERR_STOPPING, -19, "stopping")      /* the daemon ends; what was begun goes on with the next one */

enum err_code {
    ERR_OK = 0,
#define X(sym, code, name) sym = code,
    ERR_LIST(X)
#undef X
};

struct err {
    int code;
    char message[600]; /* one line, names the file or the thing */
    char hint[300];    /* the way out; may be empty */
};

/* Sets code and message (printf), clears the hint; returns code, so `return err_set(e, …)` reads naturally. e may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Adds the way out to an error that is set. e may be NULL. */
void err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* ERR_IO, or ERR_FULL for ENOSPC/EDQUOT, with strerror(sys_errno) after the message. */
int err_errno(struct err *e, int sys_errno, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "disk_full" for ERR_FULL; "internal" for an unknown code. */
const char *err_name(int code);
/* The code of a name, ERR_INTERNAL for an unknown one. */
int err_code_of(const char *name);

#endif

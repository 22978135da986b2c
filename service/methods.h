/* The rows of methods[]: one row a request. The command line, the socket, the man page and the shell completion read the
 * same rows (later: MCP). This header and methods.c stand alone (the library `methods`), so that the client links no more
 * than this; the functions behind the rows are bound in service/dispatch.c.
 *
 * To add a request: a row in methods.c, a file service/method_<name>.c, a line in dispatch.c. */
#ifndef CODEASK_SERVICE_METHODS_H
#define CODEASK_SERVICE_METHODS_H

#include <stdbool.h>
#include <stddef.h>

enum flag_type { FLAG_BOOL, FLAG_INT, FLAG_STRING, FLAG_STRINGS /* may be repeated */, FLAG_DIR, /* resolved by the client */
    FLAG_ID /* of a conversation; it may be left out: an empty text */,
    FLAG_NUMBER, FLAG_OBJECTS /* a list, looked at by the method: both of codecs, never on the command line */ };

/* What a request needs of who asks over the network. The owner, over the socket of the home, may do everything. */
enum access {
    ACCESS_OWNER = 0,        /* never over the network */
    ACCESS_READ = 1,         /* what the index knows of the repositories that the asker may read */
    ACCESS_FEEDBACK = 2,     /* judging an answer of the asker's own */
    ACCESS_METRICS = 4,      /* figures of the daemon, none of a repository */
    ACCESS_ADMIN = 8,        /* people: users, groups, tokens, and who may read what of what the asker may read */
    ACCESS_ANY = 15,         /* any of them */
};

/* What becomes of a request where its client works with a server (service/remote.h). */
enum forward {
    FORWARD_NO = 0,
    FORWARD_VIEW,            /* about views: the server's answers, with what differs here over it */
    FORWARD_COMMITTED,       /* the same, where the file that it is about does not differ here */
    FORWARD_ID,              /* about what the server may have answered */
};

#define ACCESS_DEFAULT "read,feedback"
#define ACCESS_TEXT 64
bool access_of(unsigned *out, const char *text);         /* names parted by commas; false: one is none */
void access_text(char out[ACCESS_TEXT], unsigned access);

struct method_flag {
    const char *name;        /* "all-repos": --all-repos on the command line, "all_repos" in params */
    char letter;             /* 'C' for -C, or 0 */
    enum flag_type type;
    const char *argument;    /* "N", shown in help; NULL for FLAG_BOOL */
    const char *help;
};

struct method {
    const char *name;        /* "search"; "repo add" is "repo.add" in params and on the socket */
    const char *arguments;   /* "QUERY|-", shown in help; NULL: takes none */
    const char *params;      /* names of positional arguments in params, space-separated; a last one with "…" takes the rest
                                joined by spaces */
    const char *help;        /* one line */
    const char *detail;      /* paragraphs for the man page; may be NULL */
    const struct method_flag *flags; /* ended by a NULL name */
    bool starts_daemon;      /* false: works on a running one, or in the client itself */
    bool once;               /* where no daemon runs, the client has `codeaskd --once` do it */
    bool apart;              /* always by `codeaskd --once`, daemon or not: takes minutes, reads foreign files, needs nothing of
                                the daemon's (service/alone.h) */
    bool apart_path;         /* the same where its first argument is a path and no name */
    enum access access;      /* of who asks over the network */
    enum forward forward;
    bool local;              /* done by the client without the daemon's method (stop, doctor, inspect …) */
};

extern const struct method methods[]; /* ended by a NULL name */
extern const struct method codec_methods[]; /* the same, of what codecs ask for and is no command of its own */
/* By name, its words parted by ' ' or '.'; NULL when unknown. A command; either of both. */
const struct method *method_named(const char *name);
const struct method *request_named(const char *name);

/* A row's place among both, and the row at a place; NULL: past the last. */
#define METHODS_MAX 80
size_t methods_place(const struct method *m);
const struct method *methods_at(size_t i);

/* Is it done apart, with this first argument (may be NULL)? A path has a slash. */
bool method_apart(const struct method *m, const char *argument);

/* The first message both ways on the socket: {"codeask":PROTOCOL_VERSION,"build":…}. Neighbours understand each other; any
 * version understands `stop`, so that a newer client can replace the oldest daemon. */
#ifndef PROTOCOL_VERSION /* tests/sessions builds other ones */
#define PROTOCOL_VERSION 1
#endif

/* What a build is called: VERSION+SECONDS, the seconds being the modification time of the daemon's binary, so that a rebuilt
 * or newly installed one is the newer. "VERSION+0" where program cannot be looked at. */
#define BUILD_MAX 64
void build_name(char out[BUILD_MAX], const char *program);
int build_compare(const char *a, const char *b); /* < 0: a is older */

/* JSON-RPC's error codes, where a request is refused before a method sees it; errors of ERR_LIST are RPC_ERROR_BASE + code. */
#define RPC_PARSE_ERROR (-32700)
#define RPC_INVALID_REQUEST (-32600)
#define RPC_ERROR_BASE (-32000)
#define RPC_MESSAGE_MAX (16u << 20) /* bytes of one line, either way */

#endif

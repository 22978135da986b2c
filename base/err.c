#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set(struct err *e, int code, const char *fmt, va_list ap)
{
    e->code = code;
    e->hint[0] = 0;
    vsnprintf(e->message, sizeof e->message, fmt, ap);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (!e)
        return code;
    va_list ap;
    va_start(ap, fmt);
    set(e, code, fmt, ap);
    va_end(ap);
    return code;
}

void err_hint(struct err *e, const char *fmt, ...)
{
    if (!e)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
}

int err_errno(struct err *e, int sys_errno, const char *fmt, ...)
{
    int code = sys_errno == ENOSPC || sys_errno == EDQUOT ? ERR_FULL : ERR_IO;
    if (!e)
        return code;
    va_list ap;
    va_start(ap, fmt);
    set(e, code, fmt, ap);
    va_end(ap);
    size_t n = strlen(e->message);
    char text[128];
    if (strerror_r(sys_errno, text, sizeof text))
        snprintf(text, sizeof text, "error %d", sys_errno);
    snprintf(e->message + n, sizeof e->message - n, ": %s", text);
    if (code == ERR_FULL)
        err_hint(e, "free some space, or point CODEASK_HOME at a larger disk; nothing that was stored is lost");
    return code;
}

const char *err_name(int code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
#define X(sym, num, name)                                                                                              \
    case num:                                                                                                          \
        return name;
        ERR_LIST(X)
#undef X
    }
    return "internal";
}

int err_code_of(const char *name)
{
#define X(sym, num, text)                                                                                              \
    if (!strcmp(name, text))                                                                                           \
        return num;
    ERR_LIST(X)
#undef X
    return ERR_INTERNAL;
}

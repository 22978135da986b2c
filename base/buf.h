/* A growing byte buffer, always NUL-terminated one past its length once it holds anything. Not thread-safe. */
#ifndef CODEASK_BASE_BUF_H
#define CODEASK_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len, cap;
};

/* A borrowed piece of text: not NUL-terminated, valid as long as its owner. */
struct str {
    const char *p;
    size_t n;
};
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
struct str str_of(const char *s); /* s may be NULL: an empty piece */
bool str_same(struct str a, struct str b);
int str_cmp(struct str a, struct str b); /* the order of their bytes; of two that begin alike the shorter one is less */
struct str path_base(struct str path); /* what follows its last slash */

#define BUF_INIT {NULL, 0, 0}

void buf_release(struct buf *b);               /* frees the bytes; the buffer is empty and usable again */
void buf_clear(struct buf *b);                 /* length 0, keeps the memory */
char *buf_room(struct buf *b, size_t extra);   /* room for extra bytes after len (and a NUL); returns data + len */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_zero_to(struct buf *b, size_t align); /* zero bytes until len is a multiple of align (a power of two) */
void buf_drop_front(struct buf *b, size_t n);  /* removes the first n bytes */
char *buf_take(struct buf *b);                 /* the bytes as a NUL-terminated string the caller frees; b is empty */

#endif

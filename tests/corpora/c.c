/*
 * Copyright (c) 2024 The Example Authors. All rights reserved.
 */

/* A ring of bytes between two threads. */
#include <stdio.h>
#include "ring.h"

#define RING_MAX 4096
#define RING_GUARD
#define RING_NEXT(r, i) (((i) + 1) & \
                         ((r)->size - 1))

struct ring;
typedef int (*ring_cb)(struct ring *r, void *arg);
typedef struct { int x, y; } point_t;
typedef unsigned long ring_size;

enum ring_state {
    RING_OPEN,      /* can be written */
    RING_CLOSED = 2
};

/* The ring itself. */
struct ring {
    char *data;
    unsigned size, head[2];
    ring_cb notify;
    int (*wake)(int fd);
    union {
        int fd;
        void *event;
    } handle;
};

static const char *const names[] = {"open", "closed"};
int ring_count = 0, ring_limit;
extern int ring_debug;

int ring_open(struct ring **out, unsigned size);
RING_EXTERN void ring_close(struct ring *r);
const char *ring_name(enum ring_state s);

/* Bytes that can be read now.
 * Never blocks. */
static inline unsigned
ring_used(const struct ring *r)
{
    return r->head[0] - r->head[1];
}

char *ring_peek(struct ring *r) {
    int local = 3;
    if (ring_used(r) == 0)
        return NULL;
    return r->data + r->head[1];
}

#ifdef _WIN32
int ring_wake(struct ring *r) { return SetEvent(r->handle.event); }
#else
int ring_wake(struct ring *r) { return write(r->handle.fd, "", 1); }
#endif

int old_style(a, b)
    int a;
    char *b;
{
    return a + *b;
}

TEST_CASE_IMPL(ring_wraps) {
    ring_open(NULL, RING_MAX);
}

TEST(ring_is_empty) {
    assert(ring_used(NULL) == 0);
}

static struct ring_ops ops = {
    .open = ring_open,
};

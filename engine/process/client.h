/* Inside of engine/process: the daemon's end of the engine process. client.c starts it and carries requests, calls.c is
 * engine.h on top of that. */
#ifndef CODEASK_ENGINE_PROCESS_CLIENT_H
#define CODEASK_ENGINE_PROCESS_CLIENT_H

#include "engine/model.h"
#include "engine/process/frames.h"
#include "engine/process/frames_generate.h"

#include <pthread.h>
#include <sys/types.h>

/* A request on its way; lives on the asker's stack, from call_send to call_wait. */
struct call {
    uint64_t id, generation;
    int64_t sent;         /* clock_ns */
    bool done;
    int rc;               /* with err, when no answer came or the answer is FAIL */
    struct err err;
    enum frame_kind kind; /* of the answer */
    struct buf answer;    /* its payload; the caller releases it */
    struct buf pieces;    /* whole PIECE frames that came before it; the caller releases it. Bounded by what a model may
                             write in its window, so the reader never waits for a slow asker */
    pthread_cond_t finished;
    struct call *link;
};

/* Lock order: start, then lock or write; lock and write are never held together. */
struct client {
    char *program;
    struct frame_hello hello;
    int64_t hang;               /* ns */
    int64_t idle;               /* ns until a process with a GPU is asked to leave; 0: never */
    pthread_mutex_t start;      /* held while the process is started and models are opened in it */
    pthread_mutex_t write;      /* guards fd: one frame at a time, and the descriptor stays this process's */
    pthread_mutex_t lock;       /* guards all below */
    pthread_cond_t slot_free, gone;
    int fd;
    uint64_t fd_generation;
    pid_t pid;                  /* -1: none, or being reaped */
    uint64_t generation;        /* of the process: counts starts */
    bool alive, closing, reader_started;
    bool resting;               /* asked to leave because nobody asks for anything: no death */
    int64_t used;               /* clock_ns of the last call, its answer included */
    int64_t leaves_by;          /* clock_ns until which a resting process may take its time */
    pthread_t reader;
    char provider[64];
    struct residency_report residency; /* as the process told it last */
    struct call *calls;
    uint64_t next_id;
    uint32_t next_model;
    unsigned documents;         /* frames of documents in flight */
    int64_t death[ENGINE_RESTARTS]; /* when the last ones were, a ring */
    unsigned deaths;
    unsigned gpu_deaths; /* the last so many of them were of processes whose GPU computed, or that died before it was known */
};

/* start is held: a process runs and has said READY. */
int client_alive(struct client *c, struct err *e);
/* Sends a frame of a new call_id; on success the call must be waited for. ERR_CRASHED: the process of that generation
 * is gone. */
int call_send(struct client *c, struct call *call, uint64_t generation, struct buf *frame, struct err *e);
uint64_t call_id(struct client *c); /* a new id, for the frame */
/* The answer of the wanted kind, else an error. *stop (may be NULL) cancels; the answer is waited for all the same. */
int call_wait(struct client *c, struct call *call, enum frame_kind wanted, const volatile bool *stop, struct err *e);
/* The same, with every PIECE on its way given to sink; false from it cancels the rest, which is then no error of the sink's.
 * Releases call->pieces. */
int call_wait_pieces(struct client *c, struct call *call, enum frame_kind wanted, gen_sink sink, void *arg,
                     const volatile bool *stop, struct err *e);
void client_write(struct client *c, uint64_t generation, const struct buf *frame);

/* calls.c: the models' part of engine_client. */
int remote_model_open(void **model, void *self, const char *path, struct model_info *info, struct err *e);
void remote_model_close(void *model);
int remote_embed(void *model, enum embed_kind kind, const char *const *text, const size_t *len, size_t n, enum priority p,
                 float *out, uint32_t *used, const volatile bool *stop, struct err *e);
int remote_start(void **flight, void *model, const char *const *text, const size_t *len, struct err *e);
int remote_finish(void *flight, float *out, const volatile bool *stop, struct err *e);
int remote_rerank(void *model, const char *const *text, const size_t *len, size_t n, float *score, const volatile bool *stop, struct err *e);
/* generations.c: generate.h through the process */
int remote_generate(void *model, const struct gen_prompt *p, gen_sink sink, void *arg, struct gen_result *out,
                    const volatile bool *stop, struct err *e);
int remote_count(void *model, const char *const *text, const size_t *len, size_t n, uint32_t *out, struct err *e);
int remote_forget(void *model, const uint8_t content[20], struct err *e);
/* A process that has the model open, and its number there. */
struct remote_model;
int remote_ready(struct remote_model *m, struct client **c, uint64_t *generation, uint32_t *id, struct err *e);

#endif

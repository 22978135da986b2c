/* Tuning in a process of its own (the same binary, `program --tune`): it reads foreign model files, takes all the memory it needs, and may be
 * stopped at any instruction. Lines of JSON over a socketpair: the order one way; news, then the result or the failure, the other.
 *
 *   → {"model", "corpus", "folder", "adapter"?, "rank", "alpha", "rslora", "targets", "rate", "steps", "epochs", "step_rows", "context", "threads",
 *      "seed", "checkpoint_s"}
 *   ← {"news": {"stage", "step", "steps", "loss", "tokens_per_s", "eta_s", "memory"}} …
 *   ← {"done": {"steps", "texts", "tokens", "loss", "seconds", "base": hex, "rows": [[kind, held, texts, tokens, base, tuned], …],
 *     "asked": [[answerable, [cited, right, refused], [… with the adapter]], …]}}
 *     | {"error": {"code", "message", "hint"}}
 * Whoever closes the socket ends it: a checkpoint is written first. */
#ifndef CODEASK_ENGINE_PROCESS_TUNE_H
#define CODEASK_ENGINE_PROCESS_TUNE_H

#include "engine/train/tuning.h"

#include <jansson.h>
#include <sys/types.h>

#define TUNE_ARG "--tune"
#define TUNE_LINE_MAX (64u << 20) /* bytes of a line: a result of a million records */

/* What was measured, as the process tells it; new references. */
json_t *tune_rows_json(const struct tuned *t);
json_t *tune_asked_json(const struct tuned *t);

/* The process's main: does one order from the socket; returns the exit status. */
int tune_main(int fd);

struct tune_process {
    pid_t pid;
    int fd;
    struct buf in;
    bool paused;
};
/* Starts it and hands the order over. One thread starts it, calls the others and lives until the end. */
int tune_start(struct tune_process *t, const char *program, const struct tuning_order *o, struct err *e);
/* Waits at most so many milliseconds. 1: a whole line is in *line (cleared first); 0: nothing yet; ERR_CRASHED: it died without a result. */
int tune_next(struct tune_process *t, int ms, struct buf *line, struct err *e);
/* All of its threads stand still at once, or go on: no bit of the result depends on it. */
void tune_pause(struct tune_process *t, bool pause);
/* It writes a checkpoint and ends; tune_next tells (ERR_CANCELED's name in its error line). */
void tune_stop(struct tune_process *t);
/* Ends it at once if it still runs, and reaps it. */
void tune_end(struct tune_process *t);

#endif

/* Watches the directories of repositories in use and hints to the service that something changed there. inotify, one watch a
 * directory: events may be lost (libuv drops an overflow without a word), so they are hints only. On the loop's thread. */
#ifndef CODEASK_DAEMON_WATCH_H
#define CODEASK_DAEMON_WATCH_H

#include "service/service.h"

#include <uv.h>

struct watcher;

struct watcher *watcher_open(uv_loop_t *uv, struct service *s, unsigned limit /* directories */);
void watcher_sync(struct watcher *w);  /* after service_poll: watches what is to be watched by now */
void watcher_close(struct watcher *w); /* before the service closes; its memory goes once the loop has run */

#endif

/* Graphs of a queue's stream, by the driver's capture. */
#include "base/mem.h"
#include "kernels/cuda/cuda.h"

#include <stdlib.h>

struct graph {
    CUgraphExec exec;
};

/* Other threads load weights meanwhile: their calls are none of this capture's. */
static int record(void *queue, struct err *e)
{
    struct cuda_queue *q = queue;
    cuda_use(q->dev);
    int rc = driver_check(q->dev->driver, q->dev->driver->cuStreamBeginCapture(q->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "recording", e);
    q->recording = rc == 0;
    return rc;
}

static int recorded(void *queue, struct graph **out, struct err *e)
{
    struct cuda_queue *q = queue;
    const struct driver *v = q->dev->driver;
    CUgraph graph = NULL;
    struct graph *g = mem_zero(1, sizeof *g);
    cuda_use(q->dev);
    int rc = driver_check(v, v->cuStreamEndCapture(q->stream, &graph), "recording", e);
    q->recording = false;
    if (q->first.code) { /* of an op: the step as such is refused, not by the device */
        rc = q->first.code;
        if (e)
            *e = q->first;
        q->first.code = 0;
    }
    if (!rc)
        rc = driver_check(v, v->cuGraphInstantiate(&g->exec, graph, 0), "recording", e);
    if (graph)
        (void)v->cuGraphDestroy(graph);
    if (rc)
        free(g);
    else
        *out = g;
    return rc;
}

static void play(void *queue, const struct graph *g)
{
    struct cuda_queue *q = ready(queue, NULL, NULL, NULL);
    if (!q)
        return;
    cuda_use(q->dev);
    queue_failed(q, q->dev->driver->cuGraphLaunch(g->exec, q->stream), "a recorded step");
}

static void release(void *queue, struct graph *g)
{
    struct cuda_queue *q = queue;
    if (!g)
        return;
    cuda_use(q->dev);
    (void)q->dev->driver->cuGraphExecDestroy(g->exec);
    free(g);
}

const struct graph_ops cuda_graphs = {record, recorded, play, release};

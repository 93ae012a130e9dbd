/* A test double of the CUDA run time calls that the back end makes: memory on the heap, streams as
 * queues, kernels through the shim.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cuda-double.h"

#include <cuda_runtime_api.h>
#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda/doubles/dnn-double.h"
#include "tests/cuda/doubles/nccl-double.h"
#include "tests/cuda/shim/launch.h"

#define GARBAGE 0xb6 /* contents of memory before the first write */

static CudaDouble control = { .memory = (gsize) 4 << 30, .devices = 1, .capability = 900 };

G_MODULE_EXPORT CudaDouble *cnn3d_cuda_double (void);

CudaDouble *
cnn3d_cuda_double (void)
{
  return &control;
}

/* --- injected failures --- */

static cudaError_t sticky; /* the value of cudaGetLastError() */

/* Counts a call of `name`; returns the error that it must return, or success. */
static cudaError_t
call (const gchar *name, cudaError_t failure)
{
  const guint64 n = ++control.calls;

  if (control.fail_in && !strcmp (name, control.fail_in)) {
    if (control.fail_after == 0)
      return sticky = failure;
    control.fail_after--;
  }
  if (!control.fail_at || n < control.fail_at || n > control.fail_at + control.fails_again)
    return cudaSuccess;
  return sticky = failure;
}

#define CALL(failure)                                     \
  G_STMT_START                                            \
  {                                                       \
    const cudaError_t status_ = call (__func__, failure); \
    if (status_ != cudaSuccess)                           \
      return status_;                                     \
  }                                                       \
  G_STMT_END

/* --- memory --- */

typedef struct {
  guint8 *memory;
  gsize bytes;
} Block;

static GArray *device_blocks, *host_blocks; /* Block */

static GArray *
blocks (GArray **array)
{
  if (!*array)
    *array = g_array_new (FALSE, FALSE, sizeof (Block));
  return *array;
}

static gboolean
is_in (GArray *array, gconstpointer memory, gsize bytes)
{
  for (guint i = 0; array && i < array->len; i++) {
    const Block *b = &g_array_index (array, Block, i);

    if ((const guint8 *) memory >= b->memory
        && (const guint8 *) memory + bytes <= b->memory + b->bytes)
      return TRUE;
  }
  return FALSE;
}

static cudaError_t
take (GArray **array, void **memory, gsize bytes)
{
  Block b = { NULL, bytes };

  if (posix_memalign ((void **) &b.memory, 256, MAX (bytes, 1)))
    return cudaErrorMemoryAllocation;
  memset (b.memory, GARBAGE, bytes);
  g_array_append_val (blocks (array), b);
  *memory = b.memory;
  control.allocations++;
  control.alive++;
  return cudaSuccess;
}

static cudaError_t
give_back (GArray *array, void *memory, gsize *bytes)
{
  for (guint i = 0; array && i < array->len; i++)
    if (g_array_index (array, Block, i).memory == memory) {
      *bytes = g_array_index (array, Block, i).bytes;
      free (memory);
      g_array_remove_index_fast (array, i);
      control.alive--;
      return cudaSuccess;
    }
  return cudaErrorInvalidValue;
}

cudaError_t
cudaMalloc (void **memory, size_t bytes)
{
  CALL (cudaErrorMemoryAllocation);
  if (bytes + control.context > control.memory - control.taken
      || take (&device_blocks, memory, bytes) != cudaSuccess)
    return sticky = cudaErrorMemoryAllocation;
  control.taken += bytes;
  control.most = MAX (control.most, control.taken);
  return cudaSuccess;
}

static void wait_for_all (void);

/* Freeing waits and always succeeds: it could only report errors of earlier work. */
cudaError_t
cudaFree (void *memory)
{
  gsize bytes = 0;
  cudaError_t status;

  wait_for_all ();
  status = give_back (device_blocks, memory, &bytes);

  control.taken -= bytes;
  return status;
}

cudaError_t
cudaHostAlloc (void **memory, size_t bytes, unsigned flags)
{
  CALL (cudaErrorMemoryAllocation);
  return take (&host_blocks, memory, bytes);
}

cudaError_t
cudaFreeHost (void *memory)
{
  gsize bytes;

  wait_for_all ();
  return give_back (host_blocks, memory, &bytes);
}

cudaError_t
cudaMemGetInfo (size_t *available, size_t *total)
{
  CALL (cudaErrorUnknown);
  *available =
      control.memory - control.taken - MIN (control.context, control.memory - control.taken);
  *total = control.memory;
  return cudaSuccess;
}

/* --- streams --- */

typedef struct {
  void (*run) (gpointer data);
  gboolean (*ready) (
      gpointer data); /* instead, until it is TRUE: others have a part in it; or NULL */
  gpointer data;
  GDestroyNotify done;
  gatomicrefcount holders; /* a queue, a graph */
} Work;

/* A point in a stream that others may wait for. */
typedef struct {
  gatomicrefcount holders; /* an event, waits, the stream's queue */
  struct CUstream_st *stream;
  gboolean done;
  gint64 time;
} Mark;

struct CUstream_st {
  GQueue queue;               /* Work */
  guint number;               /* see cuda-double.h */
  struct CUgraph_st *capture; /* where its work goes; NULL: to the queue */
  guint lane;                 /* in that graph: 0 for the stream whose capture it is */
};

struct CUevent_st {
  Mark *mark;               /* of its last record; NULL: none, or in a graph */
  struct CUgraph_st *graph; /* that its last record was captured in; not referenced */
  guint number;             /* the record's, there */
  guint stream;             /* the number of the stream that last recorded it */
};

/* A piece of a lane's work; without `work`, a record or a wait for one. */
typedef struct {
  guint lane;
  Work *work;
  gboolean waits;
  guint record;
} Node;

struct CUgraph_st {
  GArray *nodes; /* Node */
  guint lanes, records;
};

struct CUgraphExec_st {
  GArray *nodes; /* Node */
  guint records;
  GPtrArray *streams; /* of lanes from 1 on */
};

static void
work_unref (gpointer data)
{
  Work *w = data;

  if (!g_atomic_ref_count_dec (&w->holders))
    return;
  if (w->done)
    w->done (w->data);
  g_free (w);
}

static Work *
work_ref (Work *w)
{
  g_atomic_ref_count_inc (&w->holders);
  return w;
}

static void
node_clear (gpointer data)
{
  if (((Node *) data)->work)
    work_unref (((Node *) data)->work);
}

static void
submit (gpointer stream, void (*run) (gpointer data), gpointer data, GDestroyNotify done)
{
  struct CUstream_st *s = stream;
  Work *w = g_new0 (Work, 1);
  const Node node = { s->lane, w };

  *w = (Work) { run, NULL, data, done };
  g_atomic_ref_count_init (&w->holders);
  if (s->capture)
    g_array_append_val (s->capture->nodes, node);
  else
    g_queue_push_tail (&s->queue, w);
}

/* Work that other processes have a part in. */
static void
submit_shared (
    gpointer stream, gboolean (*ready) (gpointer data), gpointer data, GDestroyNotify done)
{
  struct CUstream_st *s = stream;
  Work *w = g_new0 (Work, 1);

  *w = (Work) { NULL, ready, data, done };
  g_atomic_ref_count_init (&w->holders);
  g_queue_push_tail (&s->queue, w);
}

static GPtrArray *streams;

static void run_wait (gpointer data);

static void
run_first (struct CUstream_st *s)
{
  Work *w = g_queue_peek_head (&s->queue);

  /* what is behind a wait stays there meanwhile */
  if (w->run == run_wait)
    run_wait (w->data);
  g_assert (g_queue_pop_head (&s->queue) == w);
  if (w->ready)
    while (!w->ready (w->data))
      g_usleep (50);
  else if (w->run != run_wait)
    w->run (w->data);
  work_unref (w);
}

/* Everything on other streams that need not wait. */
static void
run_others (const struct CUstream_st *than)
{
  for (guint i = 0; i < streams->len; i++) {
    struct CUstream_st *s = g_ptr_array_index (streams, i);
    const Work *w;

    while (s != than && (w = g_queue_peek_head (&s->queue))
        && (w->ready ? w->ready (w->data) : w->run != run_wait || ((const Mark *) w->data)->done))
      run_first (s);
  }
}

static gboolean
run_next (struct CUstream_st *s)
{
  if (control.eager)
    run_others (s);
  if (g_queue_is_empty (&s->queue))
    return FALSE;
  run_first (s);
  return TRUE;
}

static struct CUstream_st *
stream_new (void)
{
  struct CUstream_st *s = g_new0 (struct CUstream_st, 1);

  if (!streams)
    streams = g_ptr_array_new ();
  g_queue_init (&s->queue);
  s->number = streams->len;
  g_ptr_array_add (streams, s);
  return s;
}

/* A kernel that failed to run is reported when the stream is waited for. */
static cudaError_t failed_work;

static cudaError_t
drain (struct CUstream_st *s)
{
  cudaError_t status;

  while (run_next (s))
    ;
  status = failed_work;
  failed_work = cudaSuccess;
  return status;
}

static void
wait_for_all (void)
{
  for (guint i = 0; streams && i < streams->len; i++)
    drain (g_ptr_array_index (streams, i));
}

static void
stream_free (gpointer data)
{
  struct CUstream_st *s = data;

  drain (s);
  g_ptr_array_remove (streams, s);
  g_free (s);
}

static int
launch_fails (void)
{
  return call (cuda_shim_launcher, cudaErrorLaunchFailure);
}

static void
run_kernel (gpointer data)
{
  if (cuda_shim_run (data) && failed_work == cudaSuccess) {
    g_printerr ("# a kernel failed: %s\n", cuda_shim_error);
    failed_work = cudaErrorLaunchFailure;
  }
}

static void
launch_free (gpointer data)
{
  CudaShimLaunch *launch = data;

  g_free ((gpointer) launch->arguments);
  g_free (launch);
}

static int
launch_takes (const CudaShimLaunch *launch)
{
  CudaShimLaunch *copy = g_memdup2 (launch, sizeof *launch);

  copy->arguments = g_memdup2 (launch->arguments, launch->size);
  submit (launch->stream, run_kernel, copy, launch_free);
  return TRUE;
}

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags)
{
  const gchar *dnn = g_getenv ("CNN3D_CUDNN");
  GModule *module = dnn ? g_module_open (dnn, 0) : NULL;
  const gchar *nccl = g_getenv ("CNN3D_NCCL");
  GModule *nccl_module = nccl ? g_module_open (nccl, 0) : NULL;
  NcclDoubleLaunchWith share_with;
  DnnDoubleLaunchWith launch_with;

  CALL (cudaErrorUnknown);
  *stream = stream_new ();
  control.alive++;
  cuda_shim_fails = launch_fails;
  cuda_shim_takes = launch_takes;
  /* not unloaded: the hook stays set */
  if (module && g_module_symbol (module, DNN_DOUBLE_LAUNCH_WITH, (gpointer *) &launch_with))
    launch_with (submit);
  if (nccl_module
      && g_module_symbol (nccl_module, NCCL_DOUBLE_LAUNCH_WITH, (gpointer *) &share_with))
    share_with (submit_shared);
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  stream_free (stream);
  control.alive--;
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  const cudaError_t status = call (__func__, cudaErrorLaunchFailure);

  control.synchronisations++;
  /* work after a failure is discarded */
  while (status != cudaSuccess && !g_queue_is_empty (&stream->queue))
    work_unref (g_queue_pop_head (&stream->queue));
  if (status != cudaSuccess)
    return status;
  if (stream->capture)
    return cudaErrorStreamCaptureUnsupported;
  return drain (stream);
}

/* Asking runs what can be run. */
cudaError_t
cudaStreamQuery (cudaStream_t stream)
{
  const Work *w;

  CALL (cudaErrorLaunchFailure);
  while ((w = g_queue_peek_head (&stream->queue)) && (!w->ready || w->ready (w->data)))
    run_first (stream);
  return w ? cudaErrorNotReady : drain (stream);
}

/* --- copies --- */

typedef struct {
  void *to;
  const void *from;
  guint8 *own; /* copy of pageable memory */
  size_t bytes;
} Copy;

static void
run_copy (gpointer data)
{
  const Copy *c = data;

  memcpy (c->to, c->from, c->bytes);
}

static void
copy_free (gpointer data)
{
  g_free (((Copy *) data)->own);
  g_free (data);
}

cudaError_t
cudaMemcpyAsync (
    void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
  const gboolean to_device = kind != cudaMemcpyDeviceToHost,
                 from_device = kind != cudaMemcpyHostToDevice;
  Copy *c;

  CALL (cudaErrorInvalidValue);
  if ((to_device && !is_in (device_blocks, to, bytes))
      || (from_device && !is_in (device_blocks, from, bytes)))
    return sticky = cudaErrorInvalidValue;
  control.fetches += kind == cudaMemcpyDeviceToHost;
  c = g_new0 (Copy, 1);
  *c = (Copy) { to, from, NULL, bytes };
  if (!from_device && !is_in (host_blocks, from, bytes))
    c->from = c->own = g_memdup2 (from, bytes);
  submit (stream, run_copy, c, copy_free);
  /* a copy to pageable memory is synchronous */
  if (!to_device && !is_in (host_blocks, to, bytes)) {
    if (stream->capture)
      return sticky = cudaErrorStreamCaptureUnsupported;
    return drain (stream);
  }
  return cudaSuccess;
}

typedef struct {
  void *to;
  int value;
  size_t bytes;
} Fill;

static void
run_fill (gpointer data)
{
  const Fill *f = data;

  memset (f->to, f->value, f->bytes);
}

cudaError_t
cudaMemsetAsync (void *to, int value, size_t bytes, cudaStream_t stream)
{
  const Fill fill = { to, value, bytes };

  CALL (cudaErrorInvalidValue);
  if (!is_in (device_blocks, to, bytes))
    return sticky = cudaErrorInvalidValue;
  submit (stream, run_fill, g_memdup2 (&fill, sizeof fill), g_free);
  return cudaSuccess;
}

/* --- events --- */

static Mark *
mark_ref (Mark *m)
{
  g_atomic_ref_count_inc (&m->holders);
  return m;
}

static void
mark_unref (gpointer data)
{
  if (g_atomic_ref_count_dec (&((Mark *) data)->holders))
    g_free (data);
}

static Mark *
mark_new (struct CUstream_st *stream)
{
  Mark *m = g_new0 (Mark, 1);

  g_atomic_ref_count_init (&m->holders);
  m->stream = stream;
  return m;
}

static void
run_mark (gpointer data)
{
  Mark *m = data;

  m->done = TRUE;
  m->time = g_get_monotonic_time ();
}

static void
happen (Mark *m)
{
  while (m && !m->done && run_next (m->stream))
    ;
}

static void
run_wait (gpointer data)
{
  happen (data);
}

static cudaError_t
event_new (cudaEvent_t *event)
{
  CALL (cudaErrorUnknown);
  *event = g_new0 (struct CUevent_st, 1);
  control.alive++;
  return cudaSuccess;
}

cudaError_t
cudaEventCreate (cudaEvent_t *event)
{
  return event_new (event);
}

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags)
{
  return event_new (event);
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  g_clear_pointer (&event->mark, mark_unref);
  g_free (event);
  control.alive--;
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  CALL (cudaErrorUnknown);
  g_clear_pointer (&event->mark, mark_unref);
  event->graph = stream->capture;
  event->stream = stream->number;
  if (stream->capture) {
    const Node node = { stream->lane, NULL, FALSE, stream->capture->records++ };

    event->number = node.record;
    g_array_append_val (stream->capture->nodes, node);
    return cudaSuccess;
  }
  event->mark = mark_new (stream);
  submit (stream, run_mark, mark_ref (event->mark), mark_unref);
  return cudaSuccess;
}

cudaError_t
cudaEventSynchronize (cudaEvent_t event)
{
  /* waiting for a complete event is not counted */
  control.synchronisations += event->mark && !event->mark->done;
  CALL (cudaErrorUnknown);
  happen (event->mark);
  return cudaSuccess;
}

cudaError_t
cudaEventElapsedTime (float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
  CALL (cudaErrorUnknown);
  if (!begin->mark || !begin->mark->done || !end->mark || !end->mark->done)
    return cudaErrorNotReady;
  *milliseconds = control.elapsed ? control.elapsed (control.timings)
                                  : (end->mark->time - begin->mark->time) / 1e3f;
  control.timings++;
  return cudaSuccess;
}

static gboolean
is_captured_now (const struct CUgraph_st *graph)
{
  for (guint i = 0; i < streams->len; i++)
    if (((const struct CUstream_st *) g_ptr_array_index (streams, i))->capture == graph)
      return TRUE;
  return FALSE;
}

/* A stream that waits for what was recorded in a capture takes part in it. */
cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  CALL (cudaErrorUnknown);
  if (control.ignores && control.ignores (stream->number, event->stream))
    return cudaSuccess;
  if (event->graph) {
    Node node = { 0, NULL, TRUE, event->number };

    if ((stream->capture && stream->capture != event->graph) || !is_captured_now (event->graph))
      return sticky = cudaErrorStreamCaptureIsolation;
    if (!stream->capture) {
      stream->capture = event->graph;
      stream->lane = event->graph->lanes++;
    }
    node.lane = stream->lane;
    g_array_append_val (stream->capture->nodes, node);
    return cudaSuccess;
  }
  if (stream->capture)
    return sticky = cudaErrorStreamCaptureIsolation;
  if (event->mark)
    submit (stream, run_wait, mark_ref (event->mark), mark_unref);
  return cudaSuccess;
}

/* --- graphs --- */

cudaError_t
cudaStreamBeginCapture (cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
  CALL (cudaErrorUnknown);
  if (stream->capture)
    return cudaErrorIllegalState;
  stream->capture = g_new0 (struct CUgraph_st, 1);
  stream->capture->nodes = g_array_new (FALSE, FALSE, sizeof (Node));
  g_array_set_clear_func (stream->capture->nodes, node_clear);
  stream->capture->lanes = 1;
  stream->lane = 0;
  return cudaSuccess;
}

/* Whether the first lane waits for the end of a lane. */
static gboolean
is_joined (const struct CUgraph_st *graph, guint lane)
{
  const Node *last = NULL;
  gboolean joined = FALSE;

  for (guint i = 0; i < graph->nodes->len; i++) {
    const Node *n = &g_array_index (graph->nodes, Node, i);

    if (n->lane == lane) {
      last = n;
      joined = FALSE;
    } else if (n->lane == 0 && last && !last->work && !last->waits) {
      joined |= n->waits && !n->work && n->record == last->record;
    }
  }
  return joined;
}

static void
graph_free (struct CUgraph_st *graph)
{
  g_array_unref (graph->nodes);
  g_free (graph);
}

cudaError_t
cudaStreamEndCapture (cudaStream_t stream, cudaGraph_t *graph)
{
  struct CUgraph_st *captured = stream->capture;
  cudaError_t status = call (__func__, cudaErrorStreamCaptureInvalidated);

  for (guint i = 0; captured && i < streams->len; i++) {
    struct CUstream_st *s = g_ptr_array_index (streams, i);

    if (s->capture == captured)
      s->capture = NULL;
  }
  for (guint lane = 1; captured && status == cudaSuccess && lane < captured->lanes; lane++)
    if (!is_joined (captured, lane))
      status = cudaErrorStreamCaptureUnjoined;
  if (!captured || status != cudaSuccess) {
    g_clear_pointer (&captured, graph_free);
    return status != cudaSuccess ? status : cudaErrorIllegalState;
  }
  *graph = captured;
  control.alive++;
  return cudaSuccess;
}

#undef cudaGraphInstantiate
cudaError_t
cudaGraphInstantiate (cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
  CALL (cudaErrorMemoryAllocation);
  *exec = g_new0 (struct CUgraphExec_st, 1);
  (*exec)->nodes = g_array_ref (graph->nodes);
  (*exec)->records = graph->records;
  (*exec)->streams = g_ptr_array_new_with_free_func (stream_free);
  for (guint lane = 1; lane < graph->lanes; lane++)
    g_ptr_array_add ((*exec)->streams, stream_new ());
  control.alive++;
  control.recorded++;
  return cudaSuccess;
}

cudaError_t
cudaGraphDestroy (cudaGraph_t graph)
{
  graph_free (graph);
  control.alive--;
  return cudaSuccess;
}

cudaError_t
cudaGraphLaunch (cudaGraphExec_t exec, cudaStream_t stream)
{
  g_autoptr (GPtrArray) marks = g_ptr_array_new_with_free_func (mark_unref);

  CALL (cudaErrorLaunchFailure);
  g_ptr_array_set_size (marks, exec->records);
  for (guint i = 0; i < exec->nodes->len; i++) {
    const Node *n = &g_array_index (exec->nodes, Node, i);
    struct CUstream_st *s = n->lane ? g_ptr_array_index (exec->streams, n->lane - 1) : stream;
    gpointer *mark = &marks->pdata[n->record];

    if (n->work) {
      g_queue_push_tail (&s->queue, work_ref (n->work));
    } else if (n->waits) {
      submit (s, run_wait, mark_ref (*mark), mark_unref);
    } else {
      *mark = mark_new (s);
      submit (s, run_mark, mark_ref (*mark), mark_unref);
    }
  }
  control.replayed++;
  return cudaSuccess;
}

cudaError_t
cudaGraphExecDestroy (cudaGraphExec_t exec)
{
  g_ptr_array_unref (exec->streams);
  g_array_unref (exec->nodes);
  g_free (exec);
  control.alive--;
  return cudaSuccess;
}

/* --- the device --- */

cudaError_t
cudaGetDeviceCount (int *count)
{
  CALL (cudaErrorInsufficientDriver);
  *count = control.devices;
  return control.devices ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t
cudaSetDevice (int device)
{
  CALL (cudaErrorInvalidDevice);
  return device < control.devices ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t
cudaGetDeviceProperties (struct cudaDeviceProp *properties, int device)
{
  CALL (cudaErrorInvalidDevice);
  memset (properties, 0, sizeof *properties);
  g_strlcpy (
      properties->name, control.name ? control.name : "Test double", sizeof properties->name);
  properties->uuid.bytes[0] = (char) 0xab;
  properties->uuid.bytes[sizeof properties->uuid.bytes - 1] = device + 1;
  properties->totalGlobalMem = control.memory;
  properties->major = control.capability / 100;
  properties->minor = control.capability / 10 % 10;
  return cudaSuccess;
}

/* No such device: what the link is remains unknown. */
cudaError_t
cudaDeviceGetPCIBusId (char *bus, int size, int device)
{
  CALL (cudaErrorInvalidDevice);
  g_strlcpy (bus, "FFFF:FF:1F.7", size);
  return cudaSuccess;
}

cudaError_t
cudaDeviceGetAttribute (int *value, enum cudaDeviceAttr attribute, int device)
{
  CALL (cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = control.capability / 100;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = control.capability / 10 % 10;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 5120;
      return cudaSuccess;
    default: /* clocks */
      *value = 1500000;
      return cudaSuccess;
  }
}

cudaError_t
cudaGetLastError (void)
{
  const cudaError_t status = sticky;

  sticky = cudaSuccess;
  return status;
}

const char *
cudaGetErrorString (cudaError_t status)
{
  return status == cudaErrorMemoryAllocation ? "out of memory"
      : status == cudaSuccess                ? "no error"
                                             : "an error that a test asked for";
}

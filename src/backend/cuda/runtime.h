/* runtime.h: a GPU of this machine: its memory, and the order of its work.
 *
 * All computation is put on one stream; copies of batches, and what ranks exchange, on two others, which
 * run concurrently.
 * The host waits for the work only in cuda_finish(). Small buffers that live as long as the device
 * are in one piece of memory, part of what Cnn3dDeviceMemory's `context` bounds.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_RUNTIME_H
#define CNN3D_CUDA_RUNTIME_H

#include "src/backend/cuda/device.h"
#include "src/backend/cuda/nvml.h"

#include <cuda_runtime_api.h>

#define CUDA_MOST_SEGMENTS 1024
#define CUDA_MOST_PIECES 32768 /* of CUDA_PIECE floats */

/* Sent before a pass or an update. */
typedef struct {
  CudaPass pass;
  CudaUpdate update;
} CudaScalars;

/* In device memory. */
typedef struct {
  CudaScalars scalars;
  CudaResults results;
  gdouble pieces[CUDA_MOST_PIECES];
  CudaSegment segments[CUDA_MOST_SEGMENTS];
  CudaStretch stretches[CUDA_MOST_SEGMENTS];
  CudaCheckResults check; /* of the convolution that is being chosen */
  /* batch norm's sums, where only their time is asked for; kernels write four at once */
  gfloat sums[2 * (CUDA_NORM_PARTIALS + 16384)] __attribute__ ((aligned (64)));
} CudaSmall;

#define CUDA_BOUNCES 4 /* frames and labels of two batches */

struct _CudaHere {
  gint index;
  guint8 uuid[CUDA_UUID_BYTES];
  gchar *gpu; /* its name, without more */
  cudaStream_t work, copies;
  cudaStream_t others;    /* what ranks exchange; NULL: nobody has asked for it */
  cudaEvent_t reached;    /* by the work, before others' */
  CudaSmall *small;       /* on the device */
  cudaEvent_t staged;     /* after the last copy */
  gboolean stages;        /* one was made since the last run */
  cudaEvent_t begin, end; /* to time with */
  gint64 timed;           /* when that was last done, g_get_monotonic_time(); 0: never */

  /* Pinned memory that is on its way, to or from the device, until finish(). */
  guint8 *pinned;
  gsize pinned_size, pinned_used;
  GArray *fetches; /* CudaFetch */
  struct {
    guint8 *memory;
    gsize size;
    cudaEvent_t done;
  } bounces[CUDA_BOUNCES];
  guint next_bounce;

  gboolean shared;   /* a stream was given to others, who take memory, too */
  gboolean *trained; /* what small->segments says of each parameter of `model` */
  const Cnn3dModel *model;
  guint n_segments;
  CudaStretch *stretches; /* as in `small` */
  guint n_stretches, n_pieces;

  Cnn3dDevicePasses passes;
  gchar *unrecorded; /* passes.reason */
  guint64 measured;  /* passes after which the context was measured last */
};

/* FALSE with error where a CUDA call failed: says which. Memory: MEMORY. */
gboolean cuda_ok (gint status, const gchar *what, GError **error);

/* Every entry from outside comes here first: a thread has a current device. */
gboolean cuda_enter (Cnn3dDevice *d, GError **error);

/* As cuda_fetch(), of `rows` rows that begin `stride` bytes apart in `from`, and follow each other in
 * `to`: one copy, padding included. */
gboolean cuda_fetch_rows (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes,
    gsize stride, guint rows, GError **error);
/* Host memory that may change at once -> the device, in the order of the work. */
gboolean cuda_send (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error);
/* The work waits for what was staged. */
gboolean cuda_wait_for_staged (Cnn3dDevice *d, GError **error);

/* weights.c */
/* Converts an update's parameters for the kernels. */
CudaUpdate cuda_update_scalars (const Cnn3dUpdate *update, gboolean checks);
/* What kernels see of a model's arrays; sends the table of segments where that
 * is another one than before. */
gboolean cuda_weights (
    Cnn3dModel *m, const Cnn3dArrays *arrays, CudaWeights *weights, GError **error);

#endif

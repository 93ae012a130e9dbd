/* cuda-double.h: controls of the test double of the CUDA run time.
 *
 * The back end, with its kernels through the shim and this double in place of the CUDA run time, is
 * a module of its own beside this file, found by $CNN3D_BACKEND_PATH; its cnn3d_cuda_double()
 * returns this table.
 *
 * Work is deferred: nothing on a stream executes before something waits for it, so that reading too
 * early and overwriting too soon show. Streams that are captured together run as such in the
 * graph.
 * The UUID of a GPU begins with ab and ends with its number, counted from 1.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_DOUBLE_H
#define CNN3D_CUDA_DOUBLE_H

#include <glib.h>

typedef struct {
  guint64 calls;       /* of the run time, kernel launches included */
  guint64 fail_at;     /* the call with this number fails; 0: none */
  guint64 fails_again; /* later calls that fail too */
  const gchar
      *fail_in; /* the function, of the run time or of kernels.h, whose calls fail; NULL: none */
  guint64 fail_after; /* its calls before the first failing one */
  const gchar *name;  /* the GPU's; NULL: "Test double" */
  gsize memory;       /* bytes of the GPU's memory */
  gsize context;      /* bytes of it that the context takes */
  gsize taken, most;  /* now; peak */
  guint allocations,
      synchronisations;        /* so far, pinned memory included; waits for a stream or an event */
  gint alive;                  /* allocations, streams, events and graphs not released */
  guint recorded, replayed;    /* graphs instantiated, and launched */
  guint fetches;               /* copies to the host that were requested */
  gint devices;                /* number of GPUs; 1 at first */
  gint capability;             /* 100 * major + 10 * minor; 900 at first */
  guint timings;               /* elapsed times queried */
  gfloat (*elapsed) (guint n); /* milliseconds returned for the n-th query; NULL: the real time */
  /* Other streams than the one that is waited for run as early as their own waits allow; FALSE: as
   * late as anything waits for them. */
  gboolean eager;
  /* Whether a stream's wait for an event that another recorded is left out; streams are numbered in
   * the order in which they were created: work, copies of batches, then offloaded copies or what ranks
   * exchange. NULL: none. */
  gboolean (*ignores) (guint stream, guint other);
} CudaDouble;

#define CUDA_DOUBLE "cnn3d_cuda_double"
typedef CudaDouble *(*CudaDoubleEntry) (void);

#endif

/* cuda-double.h: what the test double of CUDA's run time lets a test do.
 *
 * The back end, with its kernels through the shim and this instead of CUDA's own
 * run time, is a module of its own beside this file, found by $CNN3D_BACKEND_PATH;
 * cnn3d_cuda_double() in it gives this table.
 *
 * Work is put off: nothing on a stream happens before something waits for it, so
 * that what is read too early, or overwritten too soon, shows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_DOUBLE_H
#define CNN3D_CUDA_DOUBLE_H

#include <glib.h>

typedef struct {
  guint64 calls;       /* of the run time, kernels' launches included */
  guint64 fail_at;     /* the call with this number fails; 0: none */
  guint64 fails_again; /* calls after it that fail too */
  const gchar
      *fail_in; /* the function, of the run time or of kernels.h, whose calls fail; NULL: none */
  guint64 fail_after; /* its calls that do not fail yet */
  gsize memory;       /* bytes that the GPU has */
  gsize taken, most;  /* now, and at most */
  guint allocations,
      synchronisations;     /* so far, pinned memory included; waits for a stream or an event */
  gint alive;               /* allocations, streams, events and graphs not given back */
  guint recorded, replayed; /* graphs instantiated, and launched */
  gint devices;             /* how many there are; 1 at first */
  gint capability;          /* 100 * major + 10 * minor; 900 at first */
  guint timings;            /* differences of events asked for */
  gfloat (*elapsed) (
      guint n); /* milliseconds that the n-th of them is told to be; NULL: as they passed */
} CudaDouble;

#define CUDA_DOUBLE "cnn3d_cuda_double"
typedef CudaDouble *(*CudaDoubleEntry) (void);

#endif

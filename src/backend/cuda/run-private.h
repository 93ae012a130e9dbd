/* run-private.h: shared by the files that run steps.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_RUN_PRIVATE_H
#define CNN3D_CUDA_RUN_PRIVATE_H

#include "src/backend/cuda/runtime.h"
#include "src/backend/cuda/run.h"
#include "src/backend/cuda/tune.h"

/* A step with its addresses; NULL: none. */
typedef struct {
  Cnn3dProgram *program;
  CudaHere *here;
  const Cnn3dStep *step;
  const Cnn3dBinding *binding;
  const Cnn3dOp *op;
  const Cnn3dTensor *in_tensor, *out_tensor;
  gpointer in, residual, out, saved, scratch, statistics, dout[2], din, dresidual;
} CudaStep;

/* A batch norm whose statistics are computed, and whose output is computed by the next
 * convolution. */
typedef struct {
  gboolean waits;
  CudaNorm norm;
  gconstpointer x;
  gpointer y;
} CudaDeferred;

struct _CudaRuns {
  /* [op][phase][a batch norm is deferred]; NULL: not chosen yet */
  CudaCandidate *(*choices)[CNN3D_N_PHASES][2];
  /* [op]: a convolution that left its output's sums in the batch norm's `saved` */
  gboolean *summed;
  guint n_ops;
  CudaDeferred deferred;
  CudaFusion fusion;
  GPtrArray *recordings;
};

static inline gpointer
cuda_at (gconstpointer base, gsize offset)
{
  return base ? (guint8 *) base + offset : NULL;
}

/* Where a parameter's gradient goes; whether it adds to that. */
static inline gfloat *
cuda_gradient (const CudaStep *s, gint param)
{
  const gsize *offset = s->program->model->layout.offset;

  return s->step->parameters == CNN3D_NOWHERE ? s->binding->arrays.gradients + offset[param]
                                              : (gfloat *) (s->binding->arena + s->step->parameters)
          + (offset[param] - offset[s->op->weight]);
}

static inline gboolean
cuda_adds (const CudaStep *s)
{
  return s->step->adds || (s->binding->accumulate && s->step->parameters == CNN3D_NOWHERE);
}

/* convolve.c */
gboolean cuda_conv_run (const CudaStep *s, GError **error);
/* Writes the output of a batch norm that was deferred. */
gboolean cuda_apply_deferred (const CudaStep *s, GError **error);

#endif

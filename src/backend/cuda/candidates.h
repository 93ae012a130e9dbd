/* candidates.h: the ways to compute a convolution that are compared with each other: cuDNN's plans
 * and our own kernel, alone or fused to their neighbours. Another way is one more CudaCandidate of
 * cuda_candidates_new().
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CANDIDATES_H
#define CNN3D_CUDA_CANDIDATES_H

#include "src/backend/cuda/cudnn.h"

typedef struct _CudaCandidate CudaCandidate;
struct _CudaCandidate {
  gchar *name;                     /* stable for a GPU and a version of cuDNN */
  gsize workspace;                 /* bytes */
  gboolean normalizes, statistics; /* what it does beside the convolution */
  /* args->x: before the batch norm if it normalizes */
  gboolean (*run) (const CudaCandidate *candidate, const CudaConvArgs *args, GError **error);
  gpointer data;
  GDestroyNotify free_data;
};

void cuda_candidate_free (CudaCandidate *candidate);

/* What our own kernel needs for a convolution, bytes; 0: it computes another one. GPUs before sm_80
 * refuse to run it. */
static inline gsize
cuda_own_workspace (const CudaConvGraph *graph)
{
  const CudaConv *c = &graph->conv;

  if (c->type == CUDA_TYPE_F32 || graph->direction == CUDA_CONV_WEIGHTS
      || c->in_channels != CUDA_CONV3_CHANNELS || c->out_channels != CUDA_CONV3_CHANNELS)
    return 0;
  for (guint axis = 0; axis < 3; axis++)
    if (c->kernel[axis] != 3 || c->stride[axis] != 1 || c->pad[axis] != 1)
      return 0;
  return CUDA_CONV3_ARRANGED + CUDA_CONV3_PARTIALS * sizeof (gfloat);
}

/* Plain ones, `most` at most of cuDNN's, the expected fastest first; then, if `fuses`, some of each kind that
 * is fused to what the graph has. Our own come behind cuDNN's of the same kind. work: the stream.
 * An array that owns them; free it before the GPU. NULL with error: there is no plain one. */
GPtrArray *cuda_candidates_new (CudaDnnGpu *dnn, CudaStream work, const CudaConvGraph *graph,
    const CudaConvLimits *limits, guint most, gboolean fuses, GError **error);
/* The one of that name; no other is created, which may take seconds. NULL with error. */
CudaCandidate *cuda_candidate_new (CudaDnnGpu *dnn, CudaStream work, const CudaConvGraph *graph,
    const CudaConvLimits *limits, const gchar *name, GError **error);

#endif

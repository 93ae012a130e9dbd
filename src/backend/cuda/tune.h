/* tune.h: chooses how a convolution is computed, alone or fused to its neighbours. Whatever may be
 * chosen has been compared with the definition of a convolution on the layer's own data.
 *
 * If candidates are timed, the choice is settled once (choices.h): all programs of a process compute
 * a convolution in the same way, and later processes start faster and with the same bits.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_TUNE_H
#define CNN3D_CUDA_TUNE_H

#include "src/backend/cuda/candidates.h"
#include "src/backend/cuda/runtime.h"

/* Whether fusion is used: as timed; for tests, by $CNN3D_CUDA_FUSION, never or always. */
typedef enum {
  CUDA_FUSION_TIMED,
  CUDA_FUSION_NEVER,
  CUDA_FUSION_ALWAYS,
} CudaFusion;
CudaFusion cuda_fusion (void);

/* A convolution, and how to try it. */
typedef struct {
  Cnn3dDevice *device;
  CudaConvGraph graph; /* with everything that may be fused to it */
  CudaConvLimits limits;
  CudaConvArgs args; /* with its real data; x: as read by one that does not normalize */
  gpointer raw;      /* x as read by one that normalizes */
  CudaFusion fusion;
  gsize result_bytes; /* which are kept on the host meanwhile, if the graph adds to them */
  /* Launches the separate kernels that a candidate leaves: the batch norm's output, which does not
   * change by that, or the sums. */
  gboolean (*apart) (gpointer data, gboolean normalize, gboolean statistics, GError **error);
  gpointer data;
} CudaTrial;

/* The candidate to run; free it before the device. NULL with error. */
CudaCandidate *cuda_choose (const CudaTrial *trial, GError **error);

#endif

/* tune.h: chooses a convolution's plan, alone or fused to its neighbours.
 *
 * If plans are timed, the choice is settled once (choices.h): all programs of a process compute a
 * convolution with the same plan, and later processes start faster and with the same bits.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_TUNE_H
#define CNN3D_CUDA_TUNE_H

#include "src/backend/cuda/runtime.h"

/* Whether fusion is used: as timed; for tests, by $CNN3D_CUDA_FUSION, never or always. */
typedef enum {
  CUDA_FUSION_TIMED,
  CUDA_FUSION_NEVER,
  CUDA_FUSION_ALWAYS,
} CudaFusion;
CudaFusion cuda_fusion (void);

/* The plan that a convolution runs; empty until it is chosen. */
typedef struct {
  GPtrArray *plans; /* contains the plan; NULL: not chosen */
  CudaDnnPlan *plan;
  gboolean normalizes, statistics; /* what is fused to it */
} CudaChoice;

void cuda_choice_clear (CudaChoice *choice);

/* The candidates, and how to try them. */
typedef struct {
  Cnn3dDevice *device;
  CudaConvGraph graph; /* with everything that may be fused to it */
  CudaConvLimits limits;
  CudaConvArgs
      args; /* to run any of them without side effects; x: as read by one that does not normalize */
  gpointer raw; /* x as read by one that normalizes */
  CudaFusion fusion;
  gboolean times; /* running it repeatedly changes nothing */
  /* Launches the separate kernels that an unfused plan needs, for timing: the batch norm's output,
   * the sums. Writes only what is written again. */
  gboolean (*apart) (gpointer data, gboolean statistics, GError **error);
  gpointer data;
} CudaTrial;

gboolean cuda_choose (const CudaTrial *trial, CudaChoice *choice, GError **error);

/* selftest.c: checks cuDNN's convolutions in a type, each direction, on a small case. FALSE with
 * error. Once per device and type. */
gboolean cuda_self_test (Cnn3dDevice *device, CudaType type, GError **error);

#endif

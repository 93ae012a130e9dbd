/* tune.h: which plan a convolution runs, alone or fused to its neighbours.
 *
 * Where plans are timed, the choice is settled once (choices.h): all programs of a
 * process compute a convolution with the same plan, and the next process begins at
 * once, and with the same bits. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_TUNE_H
#define CNN3D_CUDA_TUNE_H

#include "src/backend/cuda/runtime.h"

/* Whether what can be fused is: as timed; for tests, by $CNN3D_CUDA_FUSION, never
 * or always. */
typedef enum {
  CUDA_FUSION_TIMED,
  CUDA_FUSION_NEVER,
  CUDA_FUSION_ALWAYS,
} CudaFusion;
CudaFusion cuda_fusion (void);

/* What a convolution runs as; empty until it was chosen. */
typedef struct {
  GPtrArray *plans;             /* the plan is among them; NULL: not chosen */
  CudaDnnPlan *plan;
  gboolean normalizes, statistics;      /* what is fused to it */
} CudaChoice;

void cuda_choice_clear (CudaChoice * choice);

/* What there is to choose between, and how to try it. */
typedef struct {
  Cnn3dDevice *device;
  CudaConvGraph graph;          /* with all that may be fused to it */
  CudaConvLimits limits;
  CudaConvArgs args;            /* to run any of them, harmlessly; x: as read by one that does not normalize */
  gpointer raw;                 /* x as read by one that does */
  CudaFusion fusion;
  gboolean times;               /* running it again and again changes nothing */
  /* Puts what a plan that is not fused leaves to separate kernels on the stream,
   * for its time: the batch norm's output, the sums. Changes nothing but what is
   * written again. */
  gboolean (*apart) (gpointer data, gboolean statistics, GError ** error);
  gpointer data;
} CudaTrial;

gboolean cuda_choose (const CudaTrial * trial, CudaChoice * choice, GError ** error);

/* selftest.c: whether cuDNN convolves rightly in a type, each way, on a small
 * case. FALSE with error. Once a device and type. */
gboolean cuda_self_test (Cnn3dDevice * device, CudaType type, GError ** error);

#endif

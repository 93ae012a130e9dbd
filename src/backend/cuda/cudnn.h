/* cudnn.h: convolutions by cuDNN: what it says of them on a GPU that need not be
 * here, and running them on one that is.
 *
 * libcudnn.so.9, or the file that $CNN3D_CUDNN names, is opened when it is first
 * needed and never closed. It is asked through its graph API: a GPU that is not
 * here is described by a text, and the answers about it are kept for the process's
 * life; those about one that is here as long as it is open. Any thread may ask;
 * one at a time runs plans of a GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CUDNN_H
#define CNN3D_CUDA_CUDNN_H

#include <glib.h>

#include "src/backend/cuda/kernels.h"

typedef enum {
  CUDA_CONV_FORWARD,
  CUDA_CONV_DATA,               /* gradient of its input */
  CUDA_CONV_WEIGHTS,            /* gradient of its weights */
} CudaConvDirection;

/* On tensors (N, D, H, W, C) with weights (O, kD, kH, kW, I), all without gaps
 * and of one type; sums are f32. */
typedef struct {
  CudaType type;
  gint batch, in_channels, out_channels;
  gint in[3], kernel[3], stride[3], pad[3];     /* D, H, W; pad: before and after */
} CudaConv;

/* Points of one axis of the output. */
static inline gint
cuda_conv_out (const CudaConv *c, guint axis)
{
  return (c->in[axis] + 2 * c->pad[axis] - c->kernel[axis]) / c->stride[axis] + 1;
}

/* One graph of cuDNN's: a convolution, alone or with what is fused to it. */
typedef struct {
  CudaConvDirection direction;
  CudaConv conv;
  gboolean adds;                /* backward-data: to the gradient that is there (beta 1) */
  /* Forward and backward-weights: the convolution's input is x * scale + shift,
   * both vectors of in_channels, then ReLU where `relu`. They are f32 forward;
   * backward-weights reads them in the type of x: cuDNN has no engine for others. */
  gboolean normalizes, relu;
  /* Forward: the sum of y and of its square, f32 vectors of out_channels, too. */
  gboolean statistics;
} CudaConvGraph;

/* Which engines may be taken. Ones that round their input to fewer digits than
 * its type has never are. */
typedef struct {
  gsize workspace;              /* bytes, at most */
  gboolean deterministic;       /* the same bits every time */
  gboolean tf32;                /* FP32 may be multiplied in TF32 */
} CudaConvLimits;

typedef struct {
  gsize workspace;              /* bytes */
  guint tried;                  /* engine configurations until this one */
  gboolean compiled;            /* its kernel is compiled when the plan is made, not before */
} CudaConvPlan;

/* The oldest cuDNN that is asked: 9.8 to 9.10 convolve bf16 wrongly in 3-D. */
#define CUDA_DNN_OLDEST 91500

/* cuDNN's version, 10000 * major + 100 * minor + patch; 0 with error (MISSING)
 * where there is none, or one that is too old. */
guint cuda_dnn_version (GError ** error);

/* One GPU as cuDNN knows it: one that need not be here, from cuDNN's own JSON of
 * a device; or the thread's current device, all of whose plans run on `stream`.
 * NULL with error. */
typedef struct _CudaDnnGpu CudaDnnGpu;
CudaDnnGpu *cuda_dnn_gpu_new (const gchar * properties, GError ** error);
CudaDnnGpu *cuda_dnn_gpu_open (CudaStream stream, GError ** error);
void cuda_dnn_gpu_free (CudaDnnGpu ** gpu);

/* The first plan, in the order in which cuDNN expects them to be fast, whose
 * workspace is within the limit; where none is, the one with the least. The
 * answer is kept. FALSE with error (UNSUPPORTED): there is no plan at all.
 * Backward-weights writes the gradient in the weights' own type: cuDNN has no
 * plan that reads 16 bits and writes 32. */
gboolean cuda_dnn_plan (CudaDnnGpu * gpu, const CudaConvGraph * graph, const CudaConvLimits * limits,
    CudaConvPlan * plan, GError ** error);

/* --- running them, on a GPU that is here --- */

typedef struct _CudaDnnPlan CudaDnnPlan;

/* Plans that run, in the order in which cuDNN expects them to be fast, whose
 * workspace is within the limit: `most` of them at most, at least one. Elements
 * are CudaDnnPlan, freed with the array, before the GPU. NULL with error
 * (UNSUPPORTED: there is none). */
GPtrArray *cuda_dnn_plans (CudaDnnGpu * gpu, const CudaConvGraph * graph, const CudaConvLimits * limits, guint most,
    GError ** error);
/* The same one every time, in this version of cuDNN on this GPU: engine and
 * knobs. The plan's own. */
const gchar *cuda_dnn_plan_name (const CudaDnnPlan * plan);
gsize cuda_dnn_plan_workspace (const CudaDnnPlan * plan);

/* Device memory, 64-byte aligned (workspace: 256). What the graph has not is
 * ignored. Forward writes y; backward-data writes x from y; backward-weights
 * writes w from x and y. */
typedef struct {
  gpointer x, y, w;
  gpointer scale, shift;        /* of the input, where it normalizes */
  gfloat *sum, *squares;        /* of the output, where there are statistics */
  gpointer workspace;
} CudaConvArgs;

gboolean cuda_dnn_plan_run (CudaDnnPlan * plan, const CudaConvArgs * args, GError ** error);
/* "forward FP16 4 x 64 x 8x56x56 -> ...": for messages and for keeping what was
 * found out about a graph; g_free(). */
gchar *cuda_conv_graph_text (const CudaConvGraph * graph);

#endif

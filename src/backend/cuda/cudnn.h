/* cudnn.h: what cuDNN says about a convolution on a GPU that need not be here.
 *
 * libcudnn.so.9, or the file that $CNN3D_CUDNN names, is opened when it is first
 * needed and never closed. It is asked through its graph API, without a handle:
 * the GPU is described by a text. One thread at a time asks it; the answers are
 * kept for the process's life.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CUDNN_H
#define CNN3D_CUDA_CUDNN_H

#include <glib.h>

typedef enum {
  CUDA_CONV_F32,                /* multiplies in TF32 where the GPU has it */
  CUDA_CONV_F16,
  CUDA_CONV_BF16,
} CudaConvType;

typedef enum {
  CUDA_CONV_FORWARD,
  CUDA_CONV_DATA,               /* gradient of its input */
  CUDA_CONV_WEIGHTS,            /* gradient of its weights */
} CudaConvDirection;

/* On tensors (N, D, H, W, C) with weights (O, kD, kH, kW, I), all without gaps
 * and of one type; sums are f32. */
typedef struct {
  CudaConvType type;
  gint batch, in_channels, out_channels;
  gint in[3], kernel[3], stride[3], pad[3];     /* D, H, W; pad: before and after */
} CudaConv;

/* Points of one axis of the output. */
static inline gint
cuda_conv_out (const CudaConv *c, guint axis)
{
  return (c->in[axis] + 2 * c->pad[axis] - c->kernel[axis]) / c->stride[axis] + 1;
}

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

/* One GPU as cuDNN knows it, from cuDNN's own JSON of a device. NULL with error. */
typedef struct _CudaDnnGpu CudaDnnGpu;
CudaDnnGpu *cuda_dnn_gpu_new (const gchar * properties, GError ** error);
void cuda_dnn_gpu_free (CudaDnnGpu ** gpu);

/* The first plan, in the order in which cuDNN expects them to be fast, whose
 * workspace is at most `limit` bytes; where none is, the one with the least.
 * FALSE with error (UNSUPPORTED): there is no plan at all.
 * Backward-weights writes the gradient in the weights' own type: cuDNN has no
 * plan that reads 16 bits and writes 32. Any may add to what is there (beta 1)
 * with the same workspace. */
gboolean cuda_dnn_plan (CudaDnnGpu * gpu, CudaConvDirection direction, const CudaConv * conv, gsize limit,
    CudaConvPlan * plan, GError ** error);

#endif

/* check.h: compares convolutions with the definition, on the data that they run on: a sample of the
 * results, each computed as a plain sum in double. cuDNN has computed wrong ones before (bf16 in
 * 3-D, 9.8 to 9.10).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CHECK_H
#define CNN3D_CUDA_CHECK_H

#include "src/backend/cuda/runtime.h"

/* Computes what is expected. args: of the plain convolution; its result is not read. FALSE with
 * error. */
gboolean cuda_check_begin (
    Cnn3dDevice *device, const CudaConvGraph *graph, const CudaConvArgs *args, GError **error);
/* Compares a result of that convolution, which was added `times` times to zero, and if `statistics`
 * the sums. *off: the largest difference, in units of what rounding explains: wrong above 1. Waits
 * for the GPU. */
gboolean cuda_check_end (Cnn3dDevice *device, const CudaConvGraph *graph, const CudaConvArgs *args,
    gint times, gboolean statistics, gfloat *off, GError **error);

/* Where the graph's result is. */
static inline gpointer
cuda_conv_result (const CudaConvGraph *graph, const CudaConvArgs *args)
{
  return graph->direction == CUDA_CONV_FORWARD ? args->y
      : graph->direction == CUDA_CONV_DATA     ? args->x
                                               : args->w;
}

#endif

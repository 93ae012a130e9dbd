/* bound.h: what a convolution's workspace stays below, for where there is no
 * cuDNN to ask. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_BOUND_H
#define CNN3D_CUDA_BOUND_H

#include "src/backend/cuda/cudnn.h"

/* The most workspace that a convolution is given, unless there is no plan with
 * less. */
#define CUDA_WORKSPACE_LIMIT ((gsize) 256 << 20)

/* Bytes that cuda_dnn_plan()'s workspace with this limit does not go over. */
gsize cuda_workspace_bound (CudaConvDirection direction, const CudaConv * conv, gsize limit);

#endif

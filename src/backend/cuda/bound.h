/* bound.h: upper bounds of convolutions' workspaces, for use without cuDNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_BOUND_H
#define CNN3D_CUDA_BOUND_H

#include "src/backend/cuda/cudnn.h"

/* The largest workspace of a convolution, unless no plan needs less. */
#define CUDA_WORKSPACE_LIMIT ((gsize) 256 << 20)

/* An upper bound, in bytes, of cuda_dnn_plan()'s workspace with this limit. */
gsize cuda_workspace_bound (CudaConvDirection direction, const CudaConv *conv, gsize limit);

#endif

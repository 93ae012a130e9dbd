/* convs.h: a model's convolutions as the CUDA back end passes them to cuDNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TEST_CONVS_H
#define CNN3D_TEST_CONVS_H

#include "src/backend/cuda/cudnn.h"
#include "src/network/network.h"

/* Every shape, clip size and filter: takes minutes instead of seconds. */
#define CONVS_ALL_VARIABLE "CNN3D_TEST_ALL_PLANS"

/* With its channels padded to CUDA_LANES. */
static inline CudaConv
conv_of (const Cnn3dNetwork *net, const Cnn3dOp *op, CudaType type, guint batch)
{
  const Cnn3dTensor *in = &net->tensors[op->in], *out = &net->tensors[op->out];
  CudaConv c = { type, batch, (in->c + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES,
    (out->c + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES, { in->d, in->h, in->w } };

  for (guint k = 0; k < 3; k++) {
    c.kernel[k] = op->kernel[k];
    c.stride[k] = op->stride[k];
    c.pad[k] = op->pad[k];
    g_assert_cmpint (cuda_conv_out (&c, k), ==, k == 0 ? out->d : k == 1 ? out->h : out->w);
  }
  return c;
}

/* The frames need no gradient and do not come from a batch norm. */
static inline gboolean
conv_is_first (const Cnn3dNetwork *net, const Cnn3dOp *op)
{
  return net->ops[net->tensors[op->in].producer].kind == CNN3D_OP_INPUT;
}

#endif

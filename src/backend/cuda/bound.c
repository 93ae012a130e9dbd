/* A bound for workspaces. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/bound.h"

/* Workspace over the bytes of input, output and weights together. cuDNN 9.19
 * was asked for every convolution of the four models in FP32 and FP16, on the 15
 * GPUs of configs/gpus, at 9 clip sizes (8x112x112 to 32x224x224, 16x56x56 and
 * 13x100x100) and 8 batches (1 to 32), with a limit of 256 MiB: 729,540 answers.
 * The most were 10.5, 10.1 and 9.3 in FP32, 16.3, 12.0 and 7.8 in FP16; none was
 * over the limit. Of posec3d_slowonly's, at 10 clip sizes (4x56x56 to 100x56x56)
 * and 6 batches (1 to 32), the most were 10.97, 9.9 and 6.8 in FP32, 16.3, 8.9 and
 * 10.5 in FP16 and BF16, the last for 3x1x1 at 4x7x7. tests/unit/cudnn-plans.c
 * holds the bound over answers, bf16's too. */
static const guint most[][3] = {
  [CUDA_TYPE_F32] = { 11, 11, 10 },
  [CUDA_TYPE_F16] = { 17, 13, 11 },
  [CUDA_TYPE_BF16] = { 17, 13, 11 },
};

gsize
cuda_workspace_bound (CudaConvDirection direction, const CudaConv *c, gsize limit)
{
  const gsize element = c->type == CUDA_TYPE_F32 ? 4 : 2;
  gsize in = (gsize) c->batch * c->in_channels, out = (gsize) c->batch * c->out_channels;
  gsize weights = (gsize) c->in_channels * c->out_channels;

  for (guint i = 0; i < 3; i++) {
    in *= c->in[i];
    out *= cuda_conv_out (c, i);
    weights *= c->kernel[i];
  }
  return MIN (limit, most[c->type][direction] * (in + out + weights) * element);
}

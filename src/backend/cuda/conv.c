/* Convolutions in words. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cudnn.h"

gchar *
cuda_conv_graph_text (const CudaConvGraph *graph)
{
  static const gchar *const directions[] = { "forward", "backward-data", "backward-weights" };
  static const gchar *const names[] = { "FP32", "FP16", "bf16" };
  const CudaConv *c = &graph->conv;
  const gboolean normalizes = graph->normalizes && graph->direction != CUDA_CONV_DATA;

  return g_strdup_printf (
      "%s%s%s%s %s %d x %d x %dx%dx%d -> %d, kernel %dx%dx%d, stride %dx%dx%d, padding %dx%dx%d",
      directions[graph->direction],
      normalizes ? graph->relu ? " after scale, shift and ReLU" : " after scale and shift" : "",
      graph->direction == CUDA_CONV_DATA && graph->adds ? " added" : "",
      graph->direction == CUDA_CONV_FORWARD && graph->statistics ? " with statistics" : "",
      names[c->type], c->batch, c->in_channels, c->in[0], c->in[1], c->in[2], c->out_channels,
      c->kernel[0], c->kernel[1], c->kernel[2], c->stride[0], c->stride[1], c->stride[2], c->pad[0],
      c->pad[1], c->pad[2]);
}

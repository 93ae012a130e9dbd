/* cudnn-graph.c: cuDNN's operation graphs: a convolution, and what is fused to it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cudnn-private.h"

#include <stdbool.h>

static const cudnnDataType_t types[] = {
  [CUDA_TYPE_F32] = CUDNN_DATA_FLOAT,
  [CUDA_TYPE_F16] = CUDNN_DATA_HALF,
  [CUDA_TYPE_BF16] = CUDNN_DATA_BFLOAT16,
};

static const cudnnDataType_t precision = CUDNN_DATA_FLOAT; /* of all arithmetic */

/* A part of the graph, which frees it. */
static Desc
part_new (DnnCalls *calls, DnnGraph *g, cudnnBackendDescriptorType_t type)
{
  Desc desc;

  g_assert (g->n_parts < DNN_MOST_PARTS);
  desc = dnn_create (calls, type);
  if (desc)
    g->parts[g->n_parts++] = desc;
  return desc;
}

/* dims are (N, C, D, H, W); C lies innermost. From DNN_VIRTUAL on a tensor is
 * never in memory. */
static Desc
tensor_new (DnnCalls *calls, DnnGraph *g, int64_t id, cudnnDataType_t type, const int64_t dims[5])
{
  Desc desc = part_new (calls, g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  /* A tensor may be one slice of a batch, and begin at any multiple of its size:
   * 16 bytes at least, as channels are padded. */
  const int64_t bytes =
      dims[0] * dims[1] * dims[2] * dims[3] * dims[4] * (type == CUDNN_DATA_FLOAT ? 4 : 2);
  const int64_t alignment = MIN (64, bytes & -bytes);
  const bool is_virtual = id >= DNN_VIRTUAL;
  const int64_t strides[5] = { dims[1] * dims[2] * dims[3] * dims[4], 1,
    dims[1] * dims[3] * dims[4], dims[1] * dims[4], dims[1] };

  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 5, dims);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 5, strides);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  if (is_virtual)
    dnn_set (calls, desc, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
  dnn_finalize (calls, desc);
  return desc;
}

static Desc
vector_new (DnnCalls *calls, DnnGraph *g, int64_t id, cudnnDataType_t type, int64_t channels)
{
  const int64_t dims[5] = { 1, channels, 1, 1, 1 };

  return tensor_new (calls, g, id, type, dims);
}

static Desc
window_new (DnnCalls *calls, DnnGraph *g, const CudaConv *c)
{
  Desc desc = part_new (calls, g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t axes = 3, dilation[3] = { 1, 1, 1 };
  const int64_t stride[3] = { c->stride[0], c->stride[1], c->stride[2] };
  const int64_t pad[3] = { c->pad[0], c->pad[1], c->pad[2] };

  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 3, dilation);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 3, stride);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 3, pad);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 3, pad);
  dnn_finalize (calls, desc);
  return desc;
}

/* y = mode (x, b); b: NULL for one input. */
static Desc
pointwise_new (DnnCalls *calls, DnnGraph *g, cudnnPointwiseMode_t mode, Desc x, Desc b, Desc y)
{
  Desc how = part_new (calls, g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR), op;
  /* ReLU propagates NaN, as in our kernels, so that overflows are visible */
  const cudnnNanPropagation_t nan = CUDNN_PROPAGATE_NAN;

  dnn_set (calls, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  dnn_set (calls, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  if (mode == CUDNN_POINTWISE_RELU_FWD)
    dnn_set (calls, how, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &nan);
  dnn_finalize (calls, how);
  op = part_new (calls, g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  dnn_set (calls, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR,
      1, &how);
  dnn_set (calls, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
  if (b)
    dnn_set (calls, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &b);
  dnn_set (calls, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
  dnn_finalize (calls, op);
  return op;
}

static Desc
statistics_new (DnnCalls *calls, DnnGraph *g, Desc x, Desc sum, Desc squares)
{
  Desc op = part_new (calls, g, CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR);
  const cudnnGenStatsMode_t mode = CUDNN_GENSTATS_SUM_SQSUM;

  dnn_set (calls, op, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, &mode);
  dnn_set (calls, op, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  dnn_set (calls, op, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
  dnn_set (
      calls, op, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &sum);
  dnn_set (calls, op, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
      &squares);
  dnn_finalize (calls, op);
  return op;
}

static Desc
convolution_new (DnnCalls *calls, DnnGraph *g, const CudaConvGraph *wanted, Desc x, Desc y, Desc w)
{
  static const struct {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t x, y, w, window, alpha, beta;
  } names[] = {
    [CUDA_CONV_FORWARD] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
    [CUDA_CONV_DATA] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
    [CUDA_CONV_WEIGHTS] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
  };
  const CudaConvDirection direction = wanted->direction;
  const float one = 1, beta = wanted->direction == CUDA_CONV_DATA && wanted->adds;
  Desc window = window_new (calls, g, &wanted->conv),
       op = part_new (calls, g, names[direction].type);

  dnn_set (calls, op, names[direction].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
  dnn_set (calls, op, names[direction].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
  dnn_set (calls, op, names[direction].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w);
  dnn_set (calls, op, names[direction].window, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &window);
  dnn_set (calls, op, names[direction].alpha, CUDNN_TYPE_FLOAT, 1, &one);
  dnn_set (calls, op, names[direction].beta, CUDNN_TYPE_FLOAT, 1, &beta);
  dnn_finalize (calls, op);
  return op;
}

/* x * scale + shift, ReLU: f32 between the operations, rounded once, to what
 * the convolution reads. Adds the operations to ops; the result. */
static Desc
normalize (DnnCalls *calls, DnnGraph *g, const CudaConvGraph *wanted, Desc x, const int64_t dims[5],
    Desc *ops, guint *n_ops)
{
  const gint64 channels = wanted->conv.in_channels;
  const cudnnDataType_t type = types[wanted->conv.type];
  const cudnnDataType_t vector = wanted->direction == CUDA_CONV_WEIGHTS ? type : CUDNN_DATA_FLOAT;
  Desc scale = vector_new (calls, g, DNN_SCALE, vector, channels);
  Desc shift = vector_new (calls, g, DNN_SHIFT, vector, channels);
  Desc product = tensor_new (calls, g, DNN_VIRTUAL, CUDNN_DATA_FLOAT, dims);
  Desc sum = tensor_new (calls, g, DNN_VIRTUAL + 1, wanted->relu ? CUDNN_DATA_FLOAT : type, dims),
       out;

  ops[(*n_ops)++] = pointwise_new (calls, g, CUDNN_POINTWISE_MUL, x, scale, product);
  ops[(*n_ops)++] = pointwise_new (calls, g, CUDNN_POINTWISE_ADD, product, shift, sum);
  if (!wanted->relu)
    return sum;
  out = tensor_new (calls, g, DNN_VIRTUAL + 2, type, dims);
  ops[(*n_ops)++] = pointwise_new (calls, g, CUDNN_POINTWISE_RELU_FWD, sum, NULL, out);
  return out;
}

void
dnn_graph_build (DnnCalls *calls, DnnGraph *g, const CudaDnnGpu *gpu, const CudaConvGraph *wanted)
{
  const CudaConv *c = &wanted->conv;
  const int64_t in[5] = { c->batch, c->in_channels, c->in[0], c->in[1], c->in[2] };
  const int64_t out[5] = { c->batch, c->out_channels, cuda_conv_out (c, 0), cuda_conv_out (c, 1),
    cuda_conv_out (c, 2) };
  const int64_t weights[5] = { c->out_channels, c->in_channels, c->kernel[0], c->kernel[1],
    c->kernel[2] };
  Desc x = tensor_new (calls, g, DNN_X, types[c->type], in),
       y = tensor_new (calls, g, DNN_Y, types[c->type], out);
  Desc w = tensor_new (calls, g, DNN_W, types[c->type], weights), ops[5];
  guint n_ops = 0;

  if (wanted->normalizes && wanted->direction != CUDA_CONV_DATA)
    x = normalize (calls, g, wanted, x, in, ops, &n_ops);
  ops[n_ops++] = convolution_new (calls, g, wanted, x, y, w);
  if (wanted->statistics && wanted->direction == CUDA_CONV_FORWARD) {
    Desc sum = vector_new (calls, g, DNN_SUM, CUDNN_DATA_FLOAT, c->out_channels);
    Desc squares = vector_new (calls, g, DNN_SQUARES, CUDNN_DATA_FLOAT, c->out_channels);

    ops[n_ops++] = statistics_new (calls, g, y, sum, squares);
  }
  g->graph = dnn_create (calls, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (gpu->handle)
    dnn_set (calls, g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &gpu->handle);
  dnn_set (
      calls, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n_ops, ops);
  dnn_finalize (calls, g->graph);
}

void
dnn_graph_clear (DnnGraph *g)
{
  dnn_destroy (&g->graph);
  while (g->n_parts)
    dnn_destroy (&g->parts[--g->n_parts]);
}

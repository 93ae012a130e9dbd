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

/* --- shapes --- */

#define MOST_DIMS 5

/* A convolution as cuDNN sees it: N, C, then two or three axes; weights O, I, then the axes. */
typedef struct {
  int64_t in[MOST_DIMS], out[MOST_DIMS], weights[MOST_DIMS], stride[3], pad[3];
} Shape;

static gboolean
passes (const CudaConv *c, guint axis)
{
  return c->kernel[axis] == 1 && c->stride[axis] == 1 && c->pad[axis] == 0;
}

/* With channels last, an axis that a convolution passes through is one with its neighbour: D with N
 * (1 x k x k), or W with H (k x 1 x 1). In two dimensions cuDNN has more engines: the only ones with
 * tensor cores for some. */
static Shape
shape_of (const CudaConv *c, guint *axes)
{
  const gboolean joins_clips = passes (c, 0), joins_rows = passes (c, 1) && passes (c, 2);
  Shape s = { { c->batch, c->in_channels }, { c->batch, c->out_channels },
    { c->out_channels, c->in_channels } };
  guint n = 0;

  for (guint i = 0; i < 3; i++) {
    const int64_t in = c->in[i], out = cuda_conv_out (c, i);

    if ((i == 0 && joins_clips) || (i == 2 && joins_rows && !joins_clips)) {
      const guint neighbour = n ? n + 1 : 0;

      s.in[neighbour] *= in;
      s.out[neighbour] *= out;
      continue;
    }
    s.in[n + 2] = in;
    s.out[n + 2] = out;
    s.weights[n + 2] = c->kernel[i];
    s.stride[n] = c->stride[i];
    s.pad[n++] = c->pad[i];
  }
  *axes = n;
  return s;
}

/* --- parts --- */

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

/* A tensor is N, C, then `axes` of space; C lies innermost. From DNN_VIRTUAL on it is never in
 * memory. */
static Desc
tensor_new (DnnCalls *calls, DnnGraph *g, int64_t id, cudnnDataType_t type, const int64_t *dims)
{
  Desc desc = part_new (calls, g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const bool is_virtual = id >= DNN_VIRTUAL;
  int64_t strides[MOST_DIMS], numbers = dims[1], bytes, alignment;

  for (guint i = g->axes + 1; i >= 2; i--) {
    strides[i] = numbers;
    numbers *= dims[i];
  }
  strides[0] = numbers;
  strides[1] = 1;
  /* A tensor may be one slice of a batch, and begin at any multiple of its size:
   * 16 bytes at least, as channels are padded. */
  bytes = numbers * dims[0] * (type == CUDNN_DATA_FLOAT ? 4 : 2);
  alignment = MIN (64, bytes & -bytes);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, g->axes + 2, dims);
  dnn_set (calls, desc, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, g->axes + 2, strides);
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
  const int64_t dims[MOST_DIMS] = { 1, channels, 1, 1, 1 };

  return tensor_new (calls, g, id, type, dims);
}

static Desc
window_new (DnnCalls *calls, DnnGraph *g, const Shape *s)
{
  Desc desc = part_new (calls, g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t axes = g->axes, dilation[3] = { 1, 1, 1 };

  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, axes, dilation);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, axes, s->stride);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, axes, s->pad);
  dnn_set (calls, desc, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, axes, s->pad);
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
convolution_new (DnnCalls *calls, DnnGraph *g, const CudaConvGraph *wanted, const Shape *shape,
    Desc x, Desc y, Desc w)
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
  Desc window = window_new (calls, g, shape), op = part_new (calls, g, names[direction].type);

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
normalize (DnnCalls *calls, DnnGraph *g, const CudaConvGraph *wanted, Desc x, const int64_t *dims,
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
  const Shape shape = shape_of (c, &g->axes);
  Desc x = tensor_new (calls, g, DNN_X, types[c->type], shape.in),
       y = tensor_new (calls, g, DNN_Y, types[c->type], shape.out);
  Desc w = tensor_new (calls, g, DNN_W, types[c->type], shape.weights), ops[5];
  guint n_ops = 0;

  if (wanted->normalizes && wanted->direction != CUDA_CONV_DATA)
    x = normalize (calls, g, wanted, x, shape.in, ops, &n_ops);
  ops[n_ops++] = convolution_new (calls, g, wanted, &shape, x, y, w);
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

/* Graphs that the test double of cuDNN accepts, and the engines that it offers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dnn-graph.h"

#define NOTE(name) (1u << CUDNN_NUMERICAL_NOTE_##name)
#define COMPILED (1u << CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)

/* In order of proposal. */
static const DnnEngine plain[] = {
  { 7, NOTE (TENSOR_CORE), 0, FALSE, -1, { { 2, 5 }, { 13, 1 } }, 2 },
  { 3, NOTE (TENSOR_CORE), 0, TRUE, 0, { { 0 } }, 0 },
  { 5, NOTE (TENSOR_CORE) | NOTE (NONDETERMINISTIC), 0, FALSE, 1024, { { 2, 1 } }, 1 },
  { 9, NOTE (TENSOR_CORE) | NOTE (DOWN_CONVERT_INPUTS), 0, FALSE, 0, { { 0 } }, 0 },
  { 1, NOTE (STRICT_NAN_PROP), 0, FALSE, 4096, { { 13, 0 }, { 2, 3 } }, 2 },
};

/* As cuDNN does for some pointwise convolutions, one without tensor cores comes first. */
static const DnnEngine pointwise[] = {
  { 1, NOTE (STRICT_NAN_PROP), 0, FALSE, 4096, { { 13, 0 }, { 2, 3 } }, 2 },
  { 7, NOTE (TENSOR_CORE), 0, FALSE, -1, { { 2, 5 }, { 13, 1 } }, 2 },
  { 5, NOTE (TENSOR_CORE) | NOTE (NONDETERMINISTIC), 0, FALSE, 1024, { { 2, 1 } }, 1 },
};

/* More than anyone tries, for convolutions of so many channels; from the other end for one clip. */
#define MANY_CHANNELS 40
#define ONE(i) { i, NOTE (TENSOR_CORE), 0, FALSE, 0, { { 0 } }, 0 }
static const DnnEngine many[] = { ONE (40), ONE (41), ONE (42), ONE (43), ONE (44), ONE (45),
  ONE (46), ONE (47), ONE (48), ONE (49), ONE (50), ONE (51) };

/* Engines that always work; the first was already proposed. */
static const DnnEngine fallback[] = {
  { 1, NOTE (STRICT_NAN_PROP), 0, FALSE, 4096, { { 2, 3 }, { 13, 0 } }, 2 },
  { 0, 0, 0, FALSE, 0, { { 0 } }, 0 },
};

static const DnnEngine fused[] = {
  { 20, NOTE (TENSOR_CORE) | NOTE (NONDETERMINISTIC), COMPILED, FALSE, 0, { { 2, 1 } }, 1 },
  { 21, NOTE (TENSOR_CORE), COMPILED, TRUE, 0, { { 0 } }, 0 },
  { 22, NOTE (TENSOR_CORE), COMPILED, FALSE, 2048, { { 2, 2 } }, 1 },
  { 23, 0, COMPILED, FALSE, 256, { { 2, 3 } }, 1 },
};

static const DnnNames names[] = {
  { CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
  { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
  { CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
};

/* NULL: not a convolution. */
const DnnNames *
dnn_names (cudnnBackendDescriptorType_t type)
{
  switch (type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return &names[0];
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return &names[1];
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return &names[2];
    default:
      return NULL;
  }
}

gint64
dnn_points (const DnnDesc *tensor)
{
  gint64 n = 1;

  for (guint i = 0; i < 5; i++)
    n *= dnn_dim (tensor, i);
  return n;
}

static gint64
n_dims (const DnnDesc *tensor)
{
  return dnn_attribute (tensor, CUDNN_ATTR_TENSOR_DIMENSIONS)->count;
}

DnnType
dnn_type (const DnnDesc *tensor)
{
  switch (dnn_enum (tensor, CUDNN_ATTR_TENSOR_DATA_TYPE)) {
    case CUDNN_DATA_FLOAT:
      return DNN_F32;
    case CUDNN_DATA_HALF:
      return DNN_F16;
    case CUDNN_DATA_BFLOAT16:
      return DNN_BF16;
    default:
      return (DnnType) -1;
  }
}

static gboolean
is_virtual (const DnnDesc *tensor)
{
  const DnnAttribute *a = dnn_attribute (tensor, CUDNN_ATTR_TENSOR_IS_VIRTUAL);

  return a && *(const guint8 *) a->values;
}

/* --- operations --- */

static cudnnStatus_t
check_convolution (const DnnDesc *op, const DnnNames *n)
{
  const DnnDesc *x = dnn_part (op, n->x, 0), *y = dnn_part (op, n->y, 0),
                *w = dnn_part (op, n->w, 0);
  const DnnDesc *window = dnn_part (op, n->window, 0);
  const gint64 dims = n_dims (x);

  if (n_dims (y) != dims || n_dims (w) != dims
      || dnn_int (window, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0) != dims - 2)
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "a convolution's parts have other dimensions");
  if (dnn_dim (x, 0) != dnn_dim (y, 0) || dnn_dim (x, 1) != dnn_dim (w, 1)
      || dnn_dim (y, 1) != dnn_dim (w, 0))
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "a convolution's clips or channels do not fit");
  for (guint i = 0; i < 3; i++)
    if (dnn_dim (y, i + 2)
        != (dnn_dim (x, i + 2) + 2 * dnn_window (window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i, 0)
               - dnn_dim (w, i + 2))
                / dnn_window (window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, i, 1)
            + 1)
      return dnn_refuse (
          CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "a convolution's output is not as large as said");
  if (dnn_type (x) != dnn_type (y) || dnn_type (x) != dnn_type (w))
    return dnn_refuse (
        CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "a convolution's tensors are of several types");
  return CUDNN_STATUS_SUCCESS;
}

/* b: 1 along an axis, or equal. */
static gboolean
spreads (const DnnDesc *b, const DnnDesc *x)
{
  if (n_dims (b) != n_dims (x))
    return FALSE;
  for (guint i = 0; i < 5; i++)
    if (dnn_dim (b, i) != 1 && dnn_dim (b, i) != dnn_dim (x, i))
      return FALSE;
  return TRUE;
}

static cudnnStatus_t
check_pointwise (const DnnDesc *op)
{
  const DnnDesc *how = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 0);
  const DnnDesc *x = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, 0);
  const DnnDesc *y = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, 0);
  const DnnAttribute *b = dnn_attribute (op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
  const gint32 mode = dnn_enum (how, CUDNN_ATTR_POINTWISE_MODE);

  if (mode != CUDNN_POINTWISE_MUL && mode != CUDNN_POINTWISE_ADD
      && mode != CUDNN_POINTWISE_RELU_FWD)
    return dnn_refuse (
        CUDNN_STATUS_NOT_SUPPORTED, "the double multiplies, adds and cuts at 0 only");
  if ((b != NULL) != (mode != CUDNN_POINTWISE_RELU_FWD))
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM, "a pointwise operation has one input too many, or too few");
  if (!spreads (x, y) || !spreads (y, x) || (b && !spreads (*(DnnDesc **) b->values, x)))
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "a pointwise operation's shapes do not fit");
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
check_statistics (const DnnDesc *op)
{
  const DnnDesc *x = dnn_part (op, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, 0);
  const DnnDesc *sums[] = { dnn_part (op, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, 0),
    dnn_part (op, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, 0) };

  for (guint i = 0; i < 2; i++)
    if (dnn_type (sums[i]) != DNN_F32 || dnn_dim (sums[i], 1) != dnn_dim (x, 1)
        || dnn_points (sums[i]) != dnn_dim (x, 1))
      return dnn_refuse (
          CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "statistics are not one f32 number a channel");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
dnn_check_operation (const DnnDesc *op)
{
  const DnnNames *n = dnn_names (op->type);

  if (n)
    return check_convolution (op, n);
  return op->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR ? check_pointwise (op)
                                                                  : check_statistics (op);
}

/* --- graphs --- */

static guint
n_operations (const DnnDesc *graph)
{
  return dnn_attribute (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)->count;
}

static DnnDesc *
operation (const DnnDesc *graph, guint i)
{
  return dnn_part (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, i);
}

DnnDesc *
dnn_convolution (const DnnDesc *graph)
{
  for (guint i = 0; i < n_operations (graph); i++)
    if (dnn_names (operation (graph, i)->type))
      return operation (graph, i);
  return NULL;
}

/* Each operation reads memory or the output of an earlier one. */
cudnnStatus_t
dnn_check_graph (const DnnDesc *graph)
{
  g_autoptr (GHashTable) written = g_hash_table_new (NULL, NULL);
  guint convolutions = 0;

  for (guint i = 0; i < n_operations (graph); i++) {
    const DnnDesc *op = operation (graph, i);

    if (op->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) {
      DnnDesc *x = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, 0);

      if (is_virtual (x) && !g_hash_table_contains (written, x))
        return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a virtual tensor is read before it is written");
      g_hash_table_add (written, dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, 0));
    } else if (dnn_names (op->type)) {
      DnnDesc *x = dnn_part (op, dnn_names (op->type)->x, 0);

      if (is_virtual (x) && !g_hash_table_contains (written, x))
        return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a virtual tensor is read before it is written");
      convolutions++;
    } else if (op->type != CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR)
      return dnn_refuse (CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "a graph's operation is none");
  }
  if (convolutions != 1)
    return dnn_refuse (
        CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "the double has engines for one convolution");
  return CUDNN_STATUS_SUCCESS;
}

/* As in cuDNN 9.19: the fused inputs of backward-weights are FP16, including scale and shift. */
static gboolean
has_fused (const DnnDesc *graph)
{
  const DnnDesc *op = dnn_convolution (graph);

  if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
    return FALSE;
  if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    return TRUE;
  for (guint i = 0; i < n_operations (graph); i++) {
    const DnnDesc *each = operation (graph, i);
    const DnnAttribute *b = dnn_attribute (each, CUDNN_ATTR_OPERATION_POINTWISE_BDESC);

    if (b && dnn_type (*(DnnDesc **) b->values) != DNN_F16)
      return FALSE;
  }
  return dnn_type (dnn_part (op, dnn_names (op->type)->x, 0)) == DNN_F16;
}

static gboolean
is_pointwise (const DnnDesc *graph)
{
  const DnnDesc *op = dnn_convolution (graph), *w = dnn_part (op, dnn_names (op->type)->w, 0);

  return dnn_points (w) == dnn_dim (w, 0) * dnn_dim (w, 1);
}

guint
dnn_engines (
    const DnnDesc *graph, cudnnBackendHeurMode_t mode, const DnnEngine *engines[DNN_MOST_ENGINES])
{
  const gboolean is_plain = n_operations (graph) == 1;
  const DnnDesc *op = dnn_convolution (graph), *x = dnn_part (op, dnn_names (op->type)->x, 0);
  guint n = 0;

  if (mode == CUDNN_HEUR_MODE_A && is_plain && dnn_dim (x, 1) == MANY_CHANNELS)
    for (guint i = 0; i < G_N_ELEMENTS (many); i++)
      engines[n++] = &many[dnn_dim (x, 0) == 1 ? G_N_ELEMENTS (many) - 1 - i : i];
  else if (mode == CUDNN_HEUR_MODE_A && is_plain && is_pointwise (graph))
    for (guint i = 0; i < G_N_ELEMENTS (pointwise); i++)
      engines[n++] = &pointwise[i];
  else if (mode == CUDNN_HEUR_MODE_A && is_plain)
    for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
      engines[n++] = &plain[i];
  else if (mode == CUDNN_HEUR_MODE_FALLBACK && is_plain)
    for (guint i = 0; i < G_N_ELEMENTS (fallback); i++)
      engines[n++] = &fallback[i];
  else if (mode == CUDNN_HEUR_MODE_A && has_fused (graph))
    for (guint i = 0; i < G_N_ELEMENTS (fused); i++)
      engines[n++] = &fused[i];
  return n;
}

gint64
dnn_workspace (const DnnDesc *graph, const DnnEngine *engine)
{
  const DnnDesc *op = dnn_convolution (graph), *x = dnn_part (op, dnn_names (op->type)->x, 0);

  return engine->workspace >= 0
      ? engine->workspace
      : -engine->workspace * dnn_points (x) * (dnn_type (x) == DNN_F32 ? 4 : 2);
}

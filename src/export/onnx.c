/* onnx.c: a network and its weights as ONNX.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/export/export.h"

#include <gio/gio.h>
#include <string.h>

#include "src/export/onnxbuilder.h"
#include "src/json.h"
#include "src/model/atomicfile.h"
#include "src/temporary.h"

#define OPSET 17
#define IR_VERSION 8 /* of ONNX 1.12, which introduced opset 17 */

static void
add_window (OnnxBuilder *b, Onnx__NodeProto *node, const Cnn3dOp *op)
{
  const gint pads[6] = { op->pad[0], op->pad[1], op->pad[2], op->pad[0], op->pad[1], op->pad[2] };

  onnx_add_ints (b, node, "kernel_shape", op->kernel, 3);
  onnx_add_ints (b, node, "strides", op->stride, 3);
  onnx_add_ints (b, node, "pads", pads, 6);
}

/* --- weights --- */

/* float32 as little-endian bytes, as both formats have it */
static gboolean
add_weight (OnnxBuilder *b, guint param, GError **error)
{
  const Cnn3dParam *p = &b->net->weights[param];
  Cnn3dSafetensors *tensors = cnn3d_model_file_tensors (b->file);
  const Cnn3dSafetensor *source = cnn3d_safetensors_lookup (tensors, p->name);
  Onnx__TensorProto *tensor =
      onnx_add_tensor (b, p->name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, p->n_dims, p->shape);
  const gsize bytes = p->count * sizeof (gfloat);
  Cnn3dTemporary values = { NULL };
  guint32 *bits;

  tensor->raw_data.len = bytes;
  if (source->dtype == CNN3D_SAFETENSOR_F32) {
    tensor->raw_data.data = (guint8 *) source->data;
    return TRUE;
  }
  if (!cnn3d_temporary_take (&values, bytes, p->name, error))
    return FALSE;
  g_array_append_val (b->converted, values);
  if (!cnn3d_model_file_read (
          tensors, cnn3d_model_file_path (b->file), b->net, param, values.data, error))
    return FALSE;
  bits = values.data;
  for (gint64 i = 0; i < p->count; i++)
    bits[i] = GUINT32_TO_LE (bits[i]);
  tensor->raw_data.data = values.data;
  return TRUE;
}

/* --- the graph --- */

/* "stem.0" of "stem.0.weight": where the layer is in PyTorch's model */
static gchar *
layer_name (OnnxBuilder *b, const Cnn3dOp *op)
{
  const gchar *weight = b->net->weights[op->weight].name;

  return onnx_keep (b, g_strndup (weight, strlen (weight) - strlen (".weight")));
}

static const gchar *
param_name (const OnnxBuilder *b, gint param)
{
  return b->net->weights[param].name;
}

static const gchar *
add_norm (OnnxBuilder *b, const Cnn3dOp *op)
{
  const gchar *name = layer_name (b, op);
  Onnx__NodeProto *node = onnx_add_node (b, "BatchNormalization", name,
      (const gchar *[]) { b->names[op->in], param_name (b, op->weight), param_name (b, op->bias),
          param_name (b, op->mean), param_name (b, op->var), NULL });

  onnx_add_float (b, node, "epsilon", op->eps);
  /* ONNX counts what stays, PyTorch what is new */
  onnx_add_float (b, node, "momentum", 1 - op->momentum);
  if (op->residual >= 0) {
    gchar *sum = onnx_keep (b, g_strconcat (name, ".add", NULL));

    onnx_add_node (b, "Add", sum, (const gchar *[]) { name, b->names[op->residual], NULL });
    name = sum;
  }
  if (op->relu) {
    gchar *positive = onnx_keep (b, g_strconcat (name, ".relu", NULL));

    onnx_add_node (b, "Relu", positive, (const gchar *[]) { name, NULL });
    name = positive;
  }
  return name;
}

/* One of two last layers, whose logits are averaged, is named as in PyTorch's model. */
static const gchar *
add_linear (OnnxBuilder *b, const Cnn3dOp *op)
{
  const gboolean last = op->out == b->net->logits;
  const gchar *name = last ? "logits" : layer_name (b, op);
  const gchar *features = last ? "features" : onnx_keep (b, g_strconcat (name, ".features", NULL));
  Onnx__NodeProto *node =
      onnx_add_node (b, "Flatten", features, (const gchar *[]) { b->names[op->in], NULL });

  onnx_add_int (b, node, "axis", 1);
  node = onnx_add_node (b, "Gemm", name,
      (const gchar *[]) { features, param_name (b, op->weight), param_name (b, op->bias), NULL });
  onnx_add_int (b, node, "transB", 1);
  return name;
}

static const gchar *
add_joint (OnnxBuilder *b, const Cnn3dOp *op)
{
  const gboolean concat = op->kind == CNN3D_OP_CONCAT;
  const gchar *name = op->out == b->net->logits ? "logits" : "joined";
  Onnx__NodeProto *node = onnx_add_node (b, concat ? "Concat" : "Mean", name,
      (const gchar *[]) { b->names[op->in], b->names[op->residual], NULL });

  if (concat)
    onnx_add_int (b, node, "axis", 1);
  return name;
}

/* --- what the network takes --- */

#define MOST_DIMS 5 /* of an input, without the batch */

/* Frames, without the batch; the number of dimensions. */
static guint
frame_dims (const OnnxBuilder *b, Cnn3dExportInput input, gint64 dims[MOST_DIMS])
{
  const Cnn3dNetworkParams *p = &b->net->params;
  guint n = 0;

  if (cnn3d_network_views (p) > 1)
    dims[n++] = p->views;
  dims[n++] = p->channels;
  if (input == CNN3D_EXPORT_CLIP) {
    dims[n++] = p->frames;
    dims[n++] = p->height;
  } else {
    dims[n++] = (gint64) p->frames * p->height;
  }
  dims[n++] = p->width;
  return n;
}

static guint
point_dims (const OnnxBuilder *b, gint64 dims[MOST_DIMS])
{
  const Cnn3dNetworkParams *p = &b->net->params;
  guint n = 0;

  if (cnn3d_network_views (p) > 1)
    dims[n++] = p->views;
  dims[n++] = p->frames;
  dims[n++] = p->persons;
  dims[n++] = p->points;
  dims[n++] = 3;
  return n;
}

/* A channel's frames are one after the other in both, and so are a sample's views: the input is cut
 * into clips without moving anything. */
static const gchar *
add_frames (OnnxBuilder *b, Cnn3dExportInput input)
{
  const Cnn3dNetworkParams *p = &b->net->params;
  const gint64 shape[5] = { -1, p->channels, p->frames, p->height, p->width };

  if (input == CNN3D_EXPORT_CLIP && cnn3d_network_views (p) == 1)
    return "input";
  onnx_add_node (b, "Reshape", "clip",
      (const gchar *[]) { "input", onnx_add_integers (b, "clip_shape", 5, shape), NULL });
  return "clip";
}

static const gchar *
add_points (OnnxBuilder *b)
{
  const Cnn3dNetworkParams *p = &b->net->params;
  const gint64 shape[5] = { -1, p->frames, p->persons, p->points, 3 };

  if (cnn3d_network_views (p) == 1)
    return "keypoints";
  onnx_add_node (b, "Reshape", "keypoints.clips",
      (const gchar *[]) { "keypoints", onnx_add_integers (b, "keypoints_shape", 5, shape), NULL });
  return "keypoints.clips";
}

/* Of the key points, (N, T, M, K, 3), one of x, y and score: (N, T, M, K, 1). */
static const gchar *
add_coordinate (OnnxBuilder *b, const gchar *name, gint64 which)
{
  const gchar *index = onnx_keep (b, g_strconcat (name, ".index", NULL));
  Onnx__NodeProto *node = onnx_add_node (b, "Gather", name,
      (const gchar *[]) { b->points, onnx_add_integers (b, index, 1, &which), NULL });

  onnx_add_int (b, node, "axis", 4);
  return name;
}

/* One axis of the points' Gaussians: (N, T, M, K, size), 0 for pixels beyond 3
 * sigma, which are counted as the back ends do: from where `low` lies, cut
 * towards zero, to where `high` lies. axis: "x" or "y". */
static const gchar *
add_gaussian (OnnxBuilder *b, const gchar *axis, gint64 which, gint size)
{
#define NAME(suffix) onnx_keep (b, g_strconcat ("heatmaps.", axis, suffix, NULL))
#define NODE(type, suffix, ...) \
  (onnx_add_node (b, type, NAME (suffix), (const gchar *[]) { __VA_ARGS__, NULL })->name)
  const gfloat sigma = b->net->params.heatmap_sigma;
  g_autofree gfloat *numbers = g_new (gfloat, size);
  const gchar *pixels, *at, *low, *high, *begun, *not_over, *there, *distance, *square, *exponent;

  for (gint i = 0; i < size; i++)
    numbers[i] = i;
  pixels = onnx_add_floats (b, NAME (".pixels"), size, numbers);
  at = NODE ("Mul", ".at", add_coordinate (b, NAME (""), which),
      onnx_add_one_float (b, NAME (".size"), size));
  low = NODE ("Sub", ".low", at, "heatmaps.reach");
  high = NODE ("Add", ".high", at, "heatmaps.reach");
  begun = NODE ("Greater", ".begun", pixels, NODE ("Sub", ".before", low, "heatmaps.one"));
  not_over =
      NODE ("LessOrEqual", ".not-over", pixels, NODE ("Max", ".last", high, "heatmaps.zero"));
  there = NODE ("Greater", ".there", high, "heatmaps.minus-one");
  distance = NODE ("Sub", ".distance", pixels, at);
  square = NODE ("Mul", ".square", distance, distance);
  exponent = NODE ("Mul", ".exponent", square,
      onnx_add_one_float (b, NAME (".factor"), -1 / (2 * sigma * sigma)));
  return NODE ("Where", ".gaussian",
      NODE ("And", ".within", NODE ("And", ".between", begun, not_over), there),
      NODE ("Exp", ".exp", exponent), "heatmaps.zero");
#undef NODE
#undef NAME
}

/* Heat maps of the points, (N, K, T, H, W), as cpu_input_forward() draws them. */
static const gchar *
add_heatmaps (OnnxBuilder *b, const Cnn3dTensor *out)
{
  static const gint transposed[5] = { 0, 2, 1, 3, 4 }, persons[1] = { 2 };
  const gint64 last = 5, before_last = 4;
  const gchar *x, *y;
  Onnx__NodeProto *node;

  b->points = add_points (b);
  onnx_add_one_float (b, "heatmaps.zero", 0);
  onnx_add_one_float (b, "heatmaps.one", 1);
  onnx_add_one_float (b, "heatmaps.minus-one", -1);
  onnx_add_one_float (b, "heatmaps.reach", 3 * b->net->params.heatmap_sigma);
  onnx_add_one_float (b, "heatmaps.least-score", 1e-4f);
  onnx_add_one_float (b, "heatmaps.most-score", G_MAXFLOAT);
  add_coordinate (b, "heatmaps.given-score", 2);
  onnx_add_node (b, "GreaterOrEqual", "heatmaps.enough",
      (const gchar *[]) { "heatmaps.given-score", "heatmaps.least-score", NULL });
  onnx_add_node (b, "LessOrEqual", "heatmaps.finite",
      (const gchar *[]) { "heatmaps.given-score", "heatmaps.most-score", NULL });
  onnx_add_node (
      b, "And", "heatmaps.seen", (const gchar *[]) { "heatmaps.enough", "heatmaps.finite", NULL });
  onnx_add_node (b, "Where", "heatmaps.score",
      (const gchar *[]) { "heatmaps.seen", "heatmaps.given-score", "heatmaps.zero", NULL });
  x = add_gaussian (b, "x", 0, out->w);
  y = add_gaussian (b, "y", 1, out->h);
  onnx_add_node (b, "Mul", "heatmaps.scored", (const gchar *[]) { y, "heatmaps.score", NULL });
  onnx_add_node (b, "Unsqueeze", "heatmaps.rows",
      (const gchar *[]) {
          "heatmaps.scored", onnx_add_integers (b, "heatmaps.last", 1, &last), NULL });
  onnx_add_node (b, "Unsqueeze", "heatmaps.columns",
      (const gchar *[]) {
          x, onnx_add_integers (b, "heatmaps.before-last", 1, &before_last), NULL });
  onnx_add_node (b, "Mul", "heatmaps.persons",
      (const gchar *[]) { "heatmaps.rows", "heatmaps.columns", NULL });
  node = onnx_add_node (
      b, "ReduceMax", "heatmaps.frames", (const gchar *[]) { "heatmaps.persons", NULL });
  onnx_add_ints (b, node, "axes", persons, 1);
  onnx_add_int (b, node, "keepdims", 0);
  node = onnx_add_node (b, "Transpose", "heatmaps", (const gchar *[]) { "heatmaps.frames", NULL });
  onnx_add_ints (b, node, "perm", transposed, 5);
  return "heatmaps";
}

static const gchar *
add_input (OnnxBuilder *b, const Cnn3dOp *op, Cnn3dExportInput input)
{
  const gchar *frames = op->channels ? add_frames (b, input) : NULL;
  const gchar *maps = op->points ? add_heatmaps (b, &b->net->tensors[op->out]) : NULL;
  Onnx__NodeProto *node;

  if (!frames || !maps)
    return frames ? frames : maps;
  node =
      onnx_add_node (b, "Concat", "frames_and_heatmaps", (const gchar *[]) { frames, maps, NULL });
  onnx_add_int (b, node, "axis", 1);
  return "frames_and_heatmaps";
}

static const Cnn3dOp *
first_of (const Cnn3dNetwork *net, Cnn3dOpKind kind)
{
  const Cnn3dOp *op = net->ops;

  while (op->kind != kind)
    op++;
  return op;
}

/* --- views --- */

/* "present", 1 for each view unless it is given: as (N, V, 1), and the number of a sample's views,
 * (N, 1). */
static void
add_present (OnnxBuilder *b)
{
  const gint64 shape[2] = { 1, b->net->params.views }, last = 2, views = 1;
  gfloat ones[CNN3D_MOST_VIEWS];
  Onnx__TensorProto *tensor;
  Onnx__NodeProto *node;

  for (guint v = 0; v < b->net->params.views; v++)
    ones[v] = 1;
  onnx_add_floats (b, "present", shape[1], ones);
  /* of one sample, for all of a batch */
  tensor = g_ptr_array_index (b->initializers, b->initializers->len - 1);
  tensor->n_dims = 2;
  tensor->dims = onnx_take (b, sizeof shape);
  memcpy (tensor->dims, shape, sizeof shape);
  onnx_add_node (b, "Unsqueeze", "present.mask",
      (const gchar *[]) { "present", onnx_add_integers (b, "present.last", 1, &last), NULL });
  node = onnx_add_node (b, "ReduceSum", "present.count",
      (const gchar *[]) { "present", onnx_add_integers (b, "present.views", 1, &views), NULL });
  onnx_add_int (b, node, "keepdims", 1);
}

/* (N * V, C) -> (N, C); of a concatenation (N, V * C). */
static const gchar *
add_views (OnnxBuilder *b, const Cnn3dOp *op)
{
#define NAME(suffix) onnx_keep (b, g_strconcat (name, suffix, NULL))
  const Cnn3dTensor *t = &b->net->tensors[op->in];
  const gboolean first = op == first_of (b->net, op->kind);
  const gchar *name = op->out == b->net->logits ? "logits" : first ? "views" : "views.keypoints";
  const gchar *split = NAME (".split"), *masked = NAME (".masked"), *sum = NAME (".sum");
  const gint64 shape[3] = { -1, t->views, t->c }, flat[2] = { -1, (gint64) t->views * t->c },
               views = 1;
  static const gint axis[1] = { 1 };
  Onnx__NodeProto *node;

  if (first)
    add_present (b);
  onnx_add_node (b, "Reshape", split,
      (const gchar *[]) {
          b->names[op->in], onnx_add_integers (b, NAME (".shape"), 3, shape), NULL });
  if (op->view_fusion == CNN3D_VIEW_FUSION_PROBABILITIES) {
    const gchar *log_p = NAME (".log_p"), *is_there = NAME (".present"), *log_n = NAME (".log_n");

    node = onnx_add_node (b, "LogSoftmax", log_p, (const gchar *[]) { split, NULL });
    onnx_add_int (b, node, "axis", 2);
    onnx_add_node (b, "Greater", is_there,
        (const gchar *[]) { "present.mask", onnx_add_one_float (b, NAME (".zero"), 0), NULL });
    onnx_add_node (b, "Where", masked,
        (const gchar *[]) {
            is_there, log_p, onnx_add_one_float (b, NAME (".none"), -G_MAXFLOAT), NULL });
    node = onnx_add_node (b, "ReduceLogSumExp", sum, (const gchar *[]) { masked, NULL });
    onnx_add_ints (b, node, "axes", axis, 1);
    onnx_add_int (b, node, "keepdims", 0);
    onnx_add_node (b, "Log", log_n, (const gchar *[]) { "present.count", NULL });
    onnx_add_node (b, "Sub", name, (const gchar *[]) { sum, log_n, NULL });
    return name;
  }
  onnx_add_node (b, "Mul", masked, (const gchar *[]) { split, "present.mask", NULL });
  if (op->view_fusion == CNN3D_VIEW_FUSION_CONCAT) {
    onnx_add_node (b, "Reshape", name,
        (const gchar *[]) { masked, onnx_add_integers (b, NAME (".flat"), 2, flat), NULL });
    return name;
  }
  node = onnx_add_node (b, "ReduceSum", sum,
      (const gchar *[]) { masked, onnx_add_integers (b, NAME (".axis"), 1, &views), NULL });
  onnx_add_int (b, node, "keepdims", 0);
  onnx_add_node (b, "Div", name, (const gchar *[]) { sum, "present.count", NULL });
  return name;
#undef NAME
}

static void
add_op (OnnxBuilder *b, const Cnn3dOp *op, Cnn3dExportInput input)
{
  const gchar *name;
  Onnx__NodeProto *node;

  switch (op->kind) {
    case CNN3D_OP_INPUT:
      name = add_input (b, op, input);
      break;
    case CNN3D_OP_CONV:
      name = layer_name (b, op);
      node = onnx_add_node (b, "Conv", name,
          (const gchar *[]) { b->names[op->in], param_name (b, op->weight), NULL });
      add_window (b, node, op);
      break;
    case CNN3D_OP_NORM:
      name = add_norm (b, op);
      break;
    case CNN3D_OP_MAX_POOL:
      name = onnx_keep (b, g_strconcat (b->names[op->in], ".pool", NULL));
      node = onnx_add_node (b, "MaxPool", name, (const gchar *[]) { b->names[op->in], NULL });
      add_window (b, node, op);
      break;
    case CNN3D_OP_GLOBAL_POOL:
      name = op == first_of (b->net, op->kind) ? "pooled" : "pooled.keypoints";
      onnx_add_node (b, "GlobalAveragePool", name, (const gchar *[]) { b->names[op->in], NULL });
      break;
    case CNN3D_OP_DROPOUT:
      /* nothing, outside of training */
      name = b->names[op->in];
      break;
    case CNN3D_OP_LINEAR:
      name = add_linear (b, op);
      break;
    case CNN3D_OP_CONCAT:
    case CNN3D_OP_MEAN:
      name = add_joint (b, op);
      break;
    case CNN3D_OP_VIEWS:
      name = add_views (b, op);
      break;
    default:
      return;
  }
  b->names[op->out] = name;
}

/* A float32 tensor whose first dimension is the batch. */
static Onnx__ValueInfoProto *
new_value (OnnxBuilder *b, const gchar *name, guint n_dims, const gint64 *dims)
{
  Onnx__ValueInfoProto *value = onnx_take (b, sizeof *value);
  Onnx__TensorShapeProto *shape = onnx_take (b, sizeof *shape);

  onnx__value_info_proto__init (value);
  value->name = (gchar *) name;
  value->type = onnx_take (b, sizeof *value->type);
  onnx__type_proto__init (value->type);
  value->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  value->type->tensor_type = onnx_take (b, sizeof *value->type->tensor_type);
  onnx__type_proto__tensor__init (value->type->tensor_type);
  value->type->tensor_type->has_elem_type = TRUE;
  value->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  value->type->tensor_type->shape = shape;
  onnx__tensor_shape_proto__init (shape);
  shape->n_dim = n_dims + 1;
  shape->dim = onnx_take (b, shape->n_dim * sizeof *shape->dim);
  for (guint i = 0; i <= n_dims; i++) {
    shape->dim[i] = onnx_take (b, sizeof *shape->dim[i]);
    onnx__tensor_shape_proto__dimension__init (shape->dim[i]);
    if (i == 0) {
      shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      shape->dim[i]->dim_param = (gchar *) "batch";
    } else {
      shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      shape->dim[i]->dim_value = dims[i - 1];
    }
  }
  return value;
}

static gboolean
build_graph (OnnxBuilder *b, Onnx__GraphProto *graph, Cnn3dExportInput input, GError **error)
{
  const gint64 classes = b->net->params.num_classes, views = b->net->params.views;
  gint64 dims[MOST_DIMS];

  for (guint i = 0; i < b->net->n_weights; i++)
    if (!add_weight (b, i, error))
      return FALSE;
  for (guint i = 0; i < b->net->n_ops; i++)
    add_op (b, &b->net->ops[i], input);

  onnx__graph_proto__init (graph);
  graph->name = b->net->model;
  graph->n_node = b->nodes->len;
  graph->node = (Onnx__NodeProto **) b->nodes->pdata;
  graph->n_initializer = b->initializers->len;
  graph->initializer = (Onnx__TensorProto **) b->initializers->pdata;
  if (cnn3d_network_sees_frames (&b->net->params)) {
    const guint n_dims = frame_dims (b, input, dims);

    g_ptr_array_add (b->inputs, new_value (b, "input", n_dims, dims));
  }
  if (cnn3d_network_sees_points (&b->net->params)) {
    const guint n_dims = point_dims (b, dims);

    g_ptr_array_add (b->inputs, new_value (b, "keypoints", n_dims, dims));
  }
  if (views > 1) {
    Onnx__ValueInfoProto *present = new_value (b, "present", 1, &views);

    /* one row is for all samples */
    present->type->tensor_type->shape->dim[0]->dim_param = (gchar *) "present_batch";
    g_ptr_array_add (b->inputs, present);
  }
  graph->n_input = b->inputs->len;
  graph->input = (Onnx__ValueInfoProto **) b->inputs->pdata;
  graph->n_output = 1;
  graph->output = onnx_take (b, sizeof *graph->output);
  graph->output[0] = new_value (b, "logits", 1, &classes);
  return TRUE;
}

/* --- what the network says of itself --- */

static void
add_property (OnnxBuilder *b, const gchar *key, gchar *value)
{
  Onnx__StringStringEntryProto *entry = onnx_take (b, sizeof *entry);

  onnx__string_string_entry_proto__init (entry);
  entry->key = (gchar *) key;
  entry->value = onnx_keep (b, value);
  g_ptr_array_add (b->properties, entry);
}

/* The keys of a model file's own metadata. */
static void
add_properties (OnnxBuilder *b)
{
  const Cnn3dNetworkParams *p = &b->net->params;
  const Cnn3dPreparation *preparation = &b->info->preparation;
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  add_property (b, "model", g_strdup (p->model));
  add_property (b, "classes", cnn3d_json_string_array (b->info->classes, p->num_classes));
  add_property (b, "mean", cnn3d_json_float_array (b->info->mean, p->channels));
  add_property (b, "std", cnn3d_json_float_array (b->info->std, p->channels));
  add_property (b, "num-frames", g_strdup_printf ("%u", p->frames));
  add_property (b, "height", g_strdup_printf ("%u", p->height));
  add_property (b, "width", g_strdup_printf ("%u", p->width));
  if (cnn3d_network_sees_points (p)) {
    add_property (b, "input-type", g_strdup (cnn3d_choice_name (&cnn3d_input_types, p->input)));
    if (p->input == CNN3D_INPUT_RGB_KPT)
      add_property (b, "fusion", g_strdup (cnn3d_choice_name (&cnn3d_fusions, p->fusion)));
    add_property (b, "keypoints", g_strdup_printf ("%u", p->points));
    add_property (b, "persons", g_strdup_printf ("%u", p->persons));
    add_property (b, "heatmap-size", g_strdup_printf ("%u", p->heatmap_size));
    add_property (b, "heatmap-sigma",
        g_strdup (g_ascii_formatd (number, sizeof number, "%.9g", p->heatmap_sigma)));
    if (preparation->skeleton) {
      add_property (b, "skeleton", g_strdup (preparation->skeleton));
      add_property (b, "compact", g_strdup (preparation->compact ? "true" : "false"));
    }
  }
  if (b->info->views) {
    add_property (b, "views", cnn3d_json_string_array (b->info->views, p->views));
    add_property (
        b, "view-fusion", g_strdup (cnn3d_choice_name (&cnn3d_view_fusions, p->view_fusion)));
  }
  if (preparation->sampling) {
    add_property (b, "sampling", g_strdup (preparation->sampling));
    add_property (b, "frame-interval", g_strdup_printf ("%u", preparation->frame_interval));
    if (preparation->frame_rate_n > 0)
      add_property (b, "frame-rate",
          g_strdup_printf ("%d/%d", preparation->frame_rate_n, preparation->frame_rate_d));
  }
  if (preparation->scaling) {
    add_property (b, "scaling", g_strdup (preparation->scaling));
    add_property (b, "add-borders", g_strdup (preparation->add_borders ? "true" : "false"));
  }
  if (preparation->diff_gain > 0)
    add_property (
        b, "diff-gain", g_strdup (g_ascii_dtostr (number, sizeof number, preparation->diff_gain)));
}

/* --- the file --- */

typedef struct {
  ProtobufCBuffer base;
  Cnn3dAtomicFile *file;
  GError *error; /* the first */
} FileBuffer;

static void
append_to_file (ProtobufCBuffer *base, gsize size, const guint8 *data)
{
  FileBuffer *buffer = (FileBuffer *) base;

  if (!buffer->error)
    cnn3d_atomic_file_write (buffer->file, data, size, &buffer->error);
}

static gboolean
write_model (const Onnx__ModelProto *model, const gchar *path, GError **error)
{
  const gsize bytes = onnx__model_proto__get_packed_size (model);
  g_autoptr (Cnn3dAtomicFile) file = NULL;
  FileBuffer buffer = { { append_to_file } };

  /* lengths within a message are 32 bits wide, and its readers' are signed */
  if (bytes > G_MAXINT32)
    goto too_large;
  buffer.file = file = cnn3d_atomic_file_new (path, error);
  if (!file)
    return FALSE;
  onnx__model_proto__pack_to_buffer (model, &buffer.base);
  if (buffer.error) {
    g_propagate_error (error, buffer.error);
    return FALSE;
  }
  return cnn3d_atomic_file_finish (file, error);

  /* ERRORS */
too_large:
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
      "%s would have %" G_GSIZE_FORMAT " bytes, but an ONNX file ends at 2 GiB: export safetensors",
      path, bytes);
  return FALSE;
}

static gboolean
write_sidecar (const gchar *path, const gchar *suffix, const gchar *text, GError **error)
{
  g_autofree gchar *beside = g_strconcat (path, suffix, NULL);

  if (cnn3d_atomic_file_set_contents (beside, text, -1, error))
    return TRUE;
  g_prefix_error (error, "%s was written, but not the file that belongs with it: ", path);
  return FALSE;
}

gboolean
cnn3d_export_onnx (
    const Cnn3dModelFile *file, Cnn3dExportInput input, const gchar *path, GError **error)
{
  Cnn3dNetwork *net = cnn3d_export_network (file, error);
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  Onnx__GraphProto graph;
  Onnx__OperatorSetIdProto operators = ONNX__OPERATOR_SET_ID_PROTO__INIT,
                           *all_operators = &operators;
  g_autofree gchar *modelinfo = NULL, *labels = NULL;
  gint64 frames[MOST_DIMS], points[MOST_DIMS];
  OnnxBuilder b;
  gboolean ok;

  if (!net)
    return FALSE;
  onnx_builder_init (&b, file, net);
  ok = build_graph (&b, &graph, input, error);
  if (ok) {
    add_properties (&b);
    operators.domain = (gchar *) "";
    operators.has_version = TRUE;
    operators.version = OPSET;
    model.has_ir_version = TRUE;
    model.ir_version = IR_VERSION;
    model.producer_name = (gchar *) "cnn3d";
    model.graph = &graph;
    model.n_opset_import = 1;
    model.opset_import = &all_operators;
    model.n_metadata_props = b.properties->len;
    model.metadata_props = (Onnx__StringStringEntryProto **) b.properties->pdata;
    modelinfo = cnn3d_export_modelinfo (
        b.info, frames, frame_dims (&b, input, frames), points, point_dims (&b, points));
    labels = cnn3d_export_labels (b.info);
    ok = write_model (&model, path, error) && write_sidecar (path, ".modelinfo", modelinfo, error)
        && write_sidecar (path, ".labels.txt", labels, error);
  }
  onnx_builder_clear (&b);
  cnn3d_network_free (&net);
  return ok;
}

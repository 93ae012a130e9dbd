/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/export/export.h"
#include "src/export/onnx.pb-c.h"
#include "tests/unit/smallmodel.h"

static gchar *folder, *model, *output;

static gchar *
beside (const gchar *suffix)
{
  return g_strconcat (output, suffix, NULL);
}

static gchar *
contents (const gchar *path, gsize *size)
{
  g_autoptr (GError) error = NULL;
  gchar *text = NULL;

  g_file_get_contents (path, &text, size, &error);
  g_assert_no_error (error);
  return text;
}

static Cnn3dModelFile *
open_small (const SmallModel *small)
{
  g_autoptr (GError) error = NULL;
  Cnn3dModelFile *file;

  small_write (small, model);
  file = cnn3d_model_file_open (model, &error);
  g_assert_no_error (error);
  return file;
}

/* The exported network, read back by protobuf. */
static Onnx__ModelProto *
export_and_read (const SmallModel *small, Cnn3dExportInput input)
{
  g_autoptr (Cnn3dModelFile) file = open_small (small);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *bytes = NULL;
  Onnx__ModelProto *read;
  gsize size;

  cnn3d_export_onnx (file, input, output, &error);
  g_assert_no_error (error);
  bytes = contents (output, &size);
  read = onnx__model_proto__unpack (NULL, size, (const guint8 *) bytes);
  g_assert_nonnull (read);
  return read;
}

static void
free_model (Onnx__ModelProto *read)
{
  onnx__model_proto__free_unpacked (read, NULL);
}

static const Onnx__AttributeProto *
attribute (const Onnx__NodeProto *node, const gchar *name)
{
  for (gsize i = 0; i < node->n_attribute; i++)
    if (!strcmp (node->attribute[i]->name, name))
      return node->attribute[i];
  g_error ("%s has no %s", node->name, name);
}

static void
assert_ints (const Onnx__NodeProto *node, const gchar *name, const gint *values, gsize n)
{
  const Onnx__AttributeProto *ints = attribute (node, name);

  g_assert_cmpint (ints->type, ==, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  g_assert_cmpuint (ints->n_ints, ==, n);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (ints->ints[i], ==, values[i]);
}

/* float32, with the first dimension `batch` */
static void
assert_value_of (const Onnx__ValueInfoProto *value, const gchar *name, const gchar *batch,
    const gint *dims, gsize n)
{
  const Onnx__TypeProto__Tensor *tensor = value->type->tensor_type;

  g_assert_cmpstr (value->name, ==, name);
  g_assert_cmpint (tensor->elem_type, ==, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
  g_assert_cmpuint (tensor->shape->n_dim, ==, n + 1);
  g_assert_cmpstr (tensor->shape->dim[0]->dim_param, ==, batch);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (tensor->shape->dim[i + 1]->dim_value, ==, dims[i]);
}

static void
assert_value (const Onnx__ValueInfoProto *value, const gchar *name, const gint *dims, gsize n)
{
  assert_value_of (value, name, "batch", dims, n);
}

/* "present": an input, and an initializer of ones for all samples */
static void
assert_present (const Onnx__GraphProto *graph, gint views)
{
  const Onnx__TensorProto *ones = NULL;

  assert_value_of (graph->input[graph->n_input - 1], "present", "present_batch", &views, 1);
  for (gsize i = 0; i < graph->n_initializer; i++)
    if (!strcmp (graph->initializer[i]->name, "present"))
      ones = graph->initializer[i];
  g_assert_nonnull (ones);
  g_assert_cmpuint (ones->n_dims, ==, 2);
  g_assert_cmpint (ones->dims[0], ==, 1);
  g_assert_cmpint (ones->dims[1], ==, views);
  g_assert_cmpuint (ones->raw_data.len, ==, views * sizeof (gfloat));
  for (gint i = 0; i < views; i++)
    g_assert_cmpfloat (((gfloat *) ones->raw_data.data)[i], ==, 1);
}

static const gchar *
property (const Onnx__ModelProto *read, const gchar *key)
{
  for (gsize i = 0; i < read->n_metadata_props; i++)
    if (!strcmp (read->metadata_props[i]->key, key))
      return read->metadata_props[i]->value;
  return NULL;
}

/* Each parameter has its shape and the values of the file. */
static void
assert_weights (const Onnx__GraphProto *graph, const SmallModel *small)
{
  Cnn3dNetwork *net = small_network (small);

  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    const Onnx__TensorProto *tensor = graph->initializer[i];
    g_autofree gfloat *values = NULL;
    g_autoptr (GBytes) unused = small_weight (small, net, i, &values);

    g_assert_cmpstr (tensor->name, ==, p->name);
    g_assert_cmpint (tensor->data_type, ==, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    g_assert_cmpuint (tensor->n_dims, ==, p->n_dims);
    for (guint d = 0; d < p->n_dims; d++)
      g_assert_cmpint (tensor->dims[d], ==, p->shape[d]);
    g_assert_cmpmem (
        tensor->raw_data.data, tensor->raw_data.len, values, p->count * sizeof (gfloat));
  }
  cnn3d_network_free (&net);
}

/* Each input of a node was written earlier, by exactly one node. */
static void
assert_order (const Onnx__GraphProto *graph)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize i = 0; i < graph->n_input; i++)
    g_hash_table_add (known, graph->input[i]->name);
  for (gsize i = 0; i < graph->n_initializer; i++)
    g_assert_true (g_hash_table_add (known, graph->initializer[i]->name)
        || !strcmp (graph->initializer[i]->name, "present"));
  for (gsize i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *node = graph->node[i];

    for (gsize k = 0; k < node->n_input; k++)
      g_assert_true (g_hash_table_contains (known, node->input[k]));
    g_assert_cmpuint (node->n_output, ==, 1);
    g_assert_true (g_hash_table_add (known, node->output[0]));
  }
  g_assert_true (g_hash_table_contains (known, "logits"));
}

static guint
count (const Onnx__GraphProto *graph, const gchar *type)
{
  guint n = 0;

  for (gsize i = 0; i < graph->n_node; i++)
    n += !strcmp (graph->node[i]->op_type, type);
  return n;
}

static guint
ops (const Cnn3dNetwork *net, Cnn3dOpKind kind)
{
  guint n = 0;

  for (guint i = 0; i < net->n_ops; i++)
    n += net->ops[i].kind == kind;
  return n;
}

/* Each network's graph: names, shapes, weights, and the number of nodes for its operations and heat
 * maps. */
static void
test_graph (gconstpointer data)
{
  static const gint classes[] = { SMALL_CLASSES };
  const TestNetwork *kind = data;
  const gint views = kind->views, dims[] = { views, 3, 4, 32, 24 },
             points[] = { views, 4, 2, 17, 3 };
  const gboolean one = !views; /* a sample is one clip */
  const gboolean sees_frames = kind->input != CNN3D_INPUT_KPT,
                 sees_points = kind->input != CNN3D_INPUT_RGB,
                 stem = sees_points && kind->fusion == CNN3D_FUSION_STEM;
  const SmallModel small = { kind->model, kind };
  Cnn3dNetwork *net = small_network (&small);
  Onnx__ModelProto *read = export_and_read (&small, CNN3D_EXPORT_CLIP);
  const Onnx__GraphProto *graph = read->graph;
  guint sums = 0;

  g_assert_cmpint (read->ir_version, ==, 8);
  g_assert_cmpuint (read->n_opset_import, ==, 1);
  g_assert_cmpstr (read->opset_import[0]->domain, ==, "");
  g_assert_cmpint (read->opset_import[0]->version, ==, 17);
  g_assert_cmpstr (graph->name, ==, small.model);
  g_assert_cmpuint (graph->n_input, ==, sees_frames + sees_points + !one);
  if (sees_frames)
    assert_value (graph->input[0], "input", dims + one, 5 - one);
  if (sees_points)
    assert_value (graph->input[sees_frames], "keypoints", points + one, 5 - one);
  if (views)
    assert_present (graph, views);
  g_assert_cmpuint (graph->n_output, ==, 1);
  assert_value (graph->output[0], "logits", classes, 1);
  assert_weights (graph, &small);
  assert_order (graph);
  for (guint i = 0; i < net->n_ops; i++)
    sums += net->ops[i].kind == CNN3D_OP_NORM && net->ops[i].residual >= 0;
  g_assert_cmpuint (count (graph, "Conv"), ==, ops (net, CNN3D_OP_CONV));
  g_assert_cmpuint (count (graph, "BatchNormalization"), ==, ops (net, CNN3D_OP_NORM));
  g_assert_cmpuint (count (graph, "MaxPool"), ==, ops (net, CNN3D_OP_MAX_POOL));
  g_assert_cmpuint (count (graph, "GlobalAveragePool"), ==, ops (net, CNN3D_OP_GLOBAL_POOL));
  g_assert_cmpuint (count (graph, "Gemm"), ==, ops (net, CNN3D_OP_LINEAR));
  g_assert_cmpuint (count (graph, "Mean"), ==, ops (net, CNN3D_OP_MEAN));
  g_assert_cmpuint (count (graph, "Concat"), ==, ops (net, CNN3D_OP_CONCAT) + stem);
  /* heat maps add an offset along each axis */
  g_assert_cmpuint (count (graph, "Add"), ==, sums + 2 * sees_points);
  g_assert_cmpuint (count (graph, "ReduceMax"), ==, sees_points);
  g_assert_cmpuint (count (graph, "Exp"), ==, 2 * sees_points);
  if (!sees_points && one)
    g_assert_cmpuint (graph->n_initializer, ==, net->n_weights);
  g_assert_cmpstr (property (read, "view-fusion"), ==,
      one ? NULL : cnn3d_choice_name (&cnn3d_view_fusions, kind->view_fusion));
  g_assert_cmpstr (property (read, "views"), ==,
      one              ? NULL
          : views == 2 ? "[\"0\",\"1\"]"
                       : "[\"0\",\"1\",\"2\"]");
  g_assert_cmpstr (property (read, "input-type"), ==,
      !sees_points      ? NULL
          : sees_frames ? "rgb+kpt"
                        : "kpt");
  if (sees_points) {
    g_assert_cmpstr (property (read, "keypoints"), ==, "17");
    g_assert_cmpstr (property (read, "persons"), ==, "2");
    g_assert_cmpstr (property (read, "heatmap-size"), ==, G_STRINGIFY (SMALL_HEATMAP));
    g_assert_cmpfloat_with_epsilon (
        g_ascii_strtod (property (read, "heatmap-sigma"), NULL), 0.6, 1e-7);
  }
  free_model (read);
  cnn3d_network_free (&net);
}

/* Key points have a section of their own; a network without frames has only that one. */
static void
test_points_modelinfo (void)
{
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    const TestNetwork *kind = &test_networks[i];
    const gint dims[] = { -1, 4, 2, 17, 3 }, of_views[] = { -1, kind->views, 4, 2, 17, 3 };
    const SmallModel small = { kind->model, kind };
    g_autoptr (GKeyFile) keys = g_key_file_new ();
    g_autofree gchar *path = beside (".modelinfo");
    g_autofree gint *points = NULL;
    gsize n = 0;

    free_model (export_and_read (&small, CNN3D_EXPORT_CLIP));
    g_key_file_set_list_separator (keys, ',');
    g_assert_true (g_key_file_load_from_file (keys, path, G_KEY_FILE_NONE, NULL));
    g_assert_cmpint (g_key_file_has_group (keys, "input"), ==, kind->input != CNN3D_INPUT_KPT);
    points = g_key_file_get_integer_list (keys, "keypoints", "dims", &n, NULL);
    if (kind->input == CNN3D_INPUT_RGB)
      g_assert_null (points);
    else if (kind->views)
      g_assert_cmpmem (points, n * sizeof *points, of_views, sizeof of_views);
    else
      g_assert_cmpmem (points, n * sizeof *points, dims, sizeof dims);
  }
}

static void
test_attributes (void)
{
  static const gint kernel[] = { 3, 7, 7 }, stride[] = { 1, 2, 2 }, pads[] = { 1, 3, 3, 1, 3, 3 };
  const SmallModel small = { .model = "r3d_18" };
  Onnx__ModelProto *read = export_and_read (&small, CNN3D_EXPORT_CLIP);
  Onnx__NodeProto **nodes = read->graph->node;

  g_assert_cmpstr (nodes[0]->op_type, ==, "Conv");
  g_assert_cmpstr (nodes[0]->name, ==, "stem.0");
  g_assert_cmpstr (nodes[0]->input[1], ==, "stem.0.weight");
  assert_ints (nodes[0], "kernel_shape", kernel, 3);
  assert_ints (nodes[0], "strides", stride, 3);
  assert_ints (nodes[0], "pads", pads, 6);
  g_assert_cmpstr (nodes[1]->op_type, ==, "BatchNormalization");
  g_assert_cmpstr (nodes[1]->input[1], ==, "stem.1.weight");
  g_assert_cmpstr (nodes[1]->input[2], ==, "stem.1.bias");
  g_assert_cmpstr (nodes[1]->input[3], ==, "stem.1.running_mean");
  g_assert_cmpstr (nodes[1]->input[4], ==, "stem.1.running_var");
  g_assert_cmpfloat (attribute (nodes[1], "epsilon")->f, ==, 1e-5f);
  g_assert_cmpfloat (attribute (nodes[1], "momentum")->f, ==, 0.9f);
  free_model (read);
}

static void
test_properties (void)
{
  const gchar *const names[] = { "a\nb", "<c>", "d \"e\"", NULL };
  const SmallModel small = { .model = "r3d_18", .classes = (gchar **) names };
  Onnx__ModelProto *read = export_and_read (&small, CNN3D_EXPORT_CLIP);

  g_assert_cmpstr (read->producer_name, ==, "cnn3d");
  g_assert_cmpstr (property (read, "model"), ==, "r3d_18");
  g_assert_cmpstr (property (read, "classes"), ==, "[\"a\\nb\",\"<c>\",\"d \\\"e\\\"\"]");
  g_assert_cmpstr (property (read, "mean"), ==, "[0.400000006, 0.5, 0.600000024]");
  g_assert_cmpstr (property (read, "std"), ==, "[0.200000003, 0.25, 0.5]");
  g_assert_cmpstr (property (read, "num-frames"), ==, "4");
  g_assert_cmpstr (property (read, "height"), ==, "32");
  g_assert_cmpstr (property (read, "width"), ==, "24");
  g_assert_cmpstr (property (read, "sampling"), ==, "center");
  g_assert_cmpstr (property (read, "frame-interval"), ==, "2");
  g_assert_cmpstr (property (read, "frame-rate"), ==, "30000/1001");
  g_assert_cmpstr (property (read, "scaling"), ==, "lanczos");
  g_assert_cmpstr (property (read, "add-borders"), ==, "true");
  g_assert_cmpstr (property (read, "diff-gain"), ==, "2.5");
  free_model (read);
}

/* The picture stacks all frames vertically, and the graph splits it. */
static void
test_picture (void)
{
  static const gint dims[] = { 3, 4 * 32, 24 };
  const SmallModel small = { .model = "slow_r50" };
  Onnx__ModelProto *read = export_and_read (&small, CNN3D_EXPORT_PICTURE);
  const Onnx__GraphProto *graph = read->graph;
  const Onnx__TensorProto *shape = graph->initializer[graph->n_initializer - 1];
  const gint64 values[] = { -1, 3, 4, 32, 24 };

  assert_value (graph->input[0], "input", dims, 3);
  assert_weights (graph, &small);
  assert_order (graph);
  g_assert_cmpstr (graph->node[0]->op_type, ==, "Reshape");
  g_assert_cmpstr (graph->node[0]->input[1], ==, shape->name);
  g_assert_cmpint (shape->data_type, ==, ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
  g_assert_cmpmem (shape->raw_data.data, shape->raw_data.len, values, sizeof values);
  free_model (read);
}

/* Weights of other types are converted to float32. */
static void
test_converted (void)
{
  const SmallModel small = { .model = "r3d_18", .bfloat16 = TRUE };
  Onnx__ModelProto *read = export_and_read (&small, CNN3D_EXPORT_CLIP);

  assert_weights (read->graph, &small);
  free_model (read);
}

/* Reads as gst_analytics_modelinfo_load() does. */
static void
test_modelinfo (void)
{
  static const gfloat mean[] = { 0.4f, 0.5f, 0.6f }, std[] = { 0.2f, 0.25f, 0.5f };
  static const gint dims[2][5] = { { -1, 3, 4, 32, 24 }, { -1, 3, 128, 24 } };
  const SmallModel small = { .model = "r3d_18" };

  for (guint input = 0; input < 2; input++) {
    g_autoptr (GKeyFile) keys = g_key_file_new ();
    g_autofree gchar *path = beside (".modelinfo"), *ranges = NULL, *version = NULL, *type = NULL,
                     *id = NULL, *group = NULL;
    g_auto (GStrv) pairs = NULL;
    g_autofree gint *in = NULL, *out = NULL;
    gsize n;

    free_model (export_and_read (&small, input));
    g_key_file_set_list_separator (keys, ',');
    g_assert_true (g_key_file_load_from_file (keys, path, G_KEY_FILE_NONE, NULL));
    version = g_key_file_get_string (keys, "modelinfo", "version", NULL);
    g_assert_cmpstr (version, ==, "1.0");
    type = g_key_file_get_string (keys, "input", "type", NULL);
    g_assert_cmpstr (type, ==, "float32");
    in = g_key_file_get_integer_list (keys, "input", "dims", &n, NULL);
    g_assert_cmpmem (in, n * sizeof *in, dims[input], (5 - input) * sizeof *in);
    ranges = g_key_file_get_string (keys, "input", "ranges", NULL);
    pairs = g_strsplit (ranges, ";", -1);
    g_assert_cmpuint (g_strv_length (pairs), ==, 3);
    for (guint c = 0; c < 3; c++) {
      gchar *end;

      g_assert_cmpfloat_with_epsilon (
          g_ascii_strtod (pairs[c], &end), (0 - mean[c]) / std[c], 1e-7);
      g_assert_cmpint (*end, ==, ',');
      g_assert_cmpfloat_with_epsilon (g_ascii_strtod (end + 1, NULL), (1 - mean[c]) / std[c], 1e-7);
    }
    out = g_key_file_get_integer_list (keys, "logits", "dims", &n, NULL);
    g_assert_cmpuint (n, ==, 2);
    g_assert_cmpint (out[0], ==, -1);
    g_assert_cmpint (out[1], ==, SMALL_CLASSES);
    id = g_key_file_get_string (keys, "logits", "id", NULL);
    group = g_key_file_get_string (keys, "modelinfo", "group-id", NULL);
    g_assert_cmpstr (id, ==, "classification-generic-out");
    g_assert_cmpstr (group, ==, id);
  }
}

/* One line per class, whatever its name contains. */
static void
test_labels (void)
{
  const gchar *const names[] = { "a\nb\033[2J", "", "c d", NULL };
  const SmallModel small = { .model = "r3d_18", .classes = (gchar **) names };
  g_autofree gchar *path = beside (".labels.txt"), *text = NULL;

  free_model (export_and_read (&small, CNN3D_EXPORT_CLIP));
  text = contents (path, NULL);
  g_assert_cmpstr (text, ==, "a\\x0ab\\x1b[2J\n1\nc d\n");
}

static void
test_weights (void)
{
  for (guint bfloat16 = 0; bfloat16 < 2; bfloat16++) {
    const SmallModel small = { .model = "r2plus1d_18", .bfloat16 = bfloat16 };
    Cnn3dNetwork *net = small_network (&small);
    g_autoptr (Cnn3dModelFile) file = open_small (&small);
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dSafetensors) read = NULL;
    const Cnn3dSafetensor *counter;
    gint64 batches;
    guint norms = 0;

    cnn3d_export_weights (file, output, &error);
    g_assert_no_error (error);
    read = cnn3d_safetensors_open (output, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (cnn3d_safetensors_metadata (read, "format"), ==, "pt");
    g_assert_null (cnn3d_safetensors_metadata (read, "model"));
    for (guint i = 0; i < net->n_weights; i++) {
      const Cnn3dParam *p = &net->weights[i];
      const Cnn3dSafetensor *tensor = cnn3d_safetensors_lookup (read, p->name);
      g_autofree gfloat *values = NULL;
      g_autoptr (GBytes) unused = small_weight (&small, net, i, &values);

      g_assert_cmpint (tensor->dtype, ==, CNN3D_SAFETENSOR_F32);
      g_assert_cmpmem (tensor->data, tensor->size, values, p->count * sizeof (gfloat));
      norms += p->role == CNN3D_PARAM_RUNNING_VAR;
    }
    g_assert_cmpuint (cnn3d_safetensors_get_n_tensors (read), ==, net->n_weights + norms);
    counter = cnn3d_safetensors_lookup (read, "stem.1.num_batches_tracked");
    g_assert_cmpint (counter->dtype, ==, CNN3D_SAFETENSOR_I64);
    memcpy (&batches, counter->data, sizeof batches);
    g_assert_cmpint (batches, ==, SMALL_COUNTER);
    cnn3d_network_free (&net);
  }
}

/* Both formats. On failure an existing file stays and nothing else is left behind. */
static void
assert_refused (const Cnn3dModelFile *file, const gchar *path, GQuark domain, const gchar *reason)
{
  for (guint weights = 0; weights < 2; weights++) {
    g_autoptr (GError) error = NULL;
    g_autofree gchar *text = NULL, *temporary = g_strconcat (path, ".tmp", NULL);

    g_assert_true (g_file_set_contents (output, "before", -1, NULL));
    g_assert_false (weights ? cnn3d_export_weights (file, path, &error)
                            : cnn3d_export_onnx (file, CNN3D_EXPORT_CLIP, path, &error));
    g_test_message ("%s", error->message);
    g_assert_true (error->domain == domain);
    g_assert_nonnull (strstr (error->message, reason));
    text = contents (output, NULL);
    g_assert_cmpstr (text, ==, "before");
    g_assert_false (g_file_test (temporary, G_FILE_TEST_EXISTS));
  }
}

static void
test_wrong_weights (void)
{
  static const gchar *const wrong[] = { "layer2.1.conv2.1.running_var", "fc.bias",
    "stem.0.weight" };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    for (guint reshaped = 0; reshaped < 2; reshaped++) {
      const SmallModel small = { .model = "r3d_18",
        .without = reshaped ? NULL : wrong[i],
        .reshaped = reshaped ? wrong[i] : NULL };
      g_autoptr (Cnn3dModelFile) file = open_small (&small);

      assert_refused (file, output, CNN3D_NETWORK_ERROR, wrong[i]);
    }
}

static void
test_wrong_places (void)
{
  const SmallModel small = { .model = "r3d_18" };
  g_autoptr (Cnn3dModelFile) file = open_small (&small);
  g_autofree gchar *missing = g_build_filename (folder, "no-folder", "x", NULL);

  assert_refused (file, folder, G_IO_ERROR, folder);
  assert_refused (file, missing, G_IO_ERROR, missing);
}

/* The model is written, but a folder is in the place of its class list. */
static void
test_beside (void)
{
  const SmallModel small = { .model = "r3d_18" };
  g_autoptr (Cnn3dModelFile) file = open_small (&small);
  g_autofree gchar *labels = g_strconcat (output, ".labels.txt", NULL);
  g_autoptr (GError) error = NULL;

  g_unlink (labels);
  g_assert_cmpint (g_mkdir (labels, 0777), ==, 0);
  g_assert_false (cnn3d_export_onnx (file, CNN3D_EXPORT_CLIP, output, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY);
  g_assert_nonnull (strstr (
      error->message, " was written, but not the file that belongs with it: cannot write “"));
  g_assert_cmpint (g_rmdir (labels), ==, 0);
}

/* A write that fails halfway leaves nothing behind. */
static void
test_full_disk (void)
{
  const SmallModel small = { .model = "slow_r50" };
  g_autoptr (Cnn3dModelFile) file = open_small (&small);
  struct rlimit limit, low;
  void (*handler) (int) = signal (SIGXFSZ, SIG_IGN);

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  low = limit;
  for (low.rlim_cur = 100; low.rlim_cur < 50000; low.rlim_cur *= 7) {
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &low), ==, 0);
    assert_refused (file, output, G_IO_ERROR, output);
  }
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  signal (SIGXFSZ, handler);
}

/* A network beyond 2 GiB, in a sparse file. */
static void
test_too_large (void)
{
  const Cnn3dNetworkParams params = { "r3d_18", 3, 272, 3, 4, 32, 24, 0 };
  Cnn3dNetwork *net = cnn3d_network_new (&params, NULL);
  g_autoptr (GString) header =
      g_string_new ("{\"__metadata__\":{\"model\":\"r3d_18\",\"num-classes\":\"3\",\"base-width\":"
                    "\"272\",\"channels\":\"3\",\"num-frames\":\"4\",\"height\":\"32\",\"width\":"
                    "\"24\",\"mean\":\"[0,0,0]\",\"std\":\"[1,1,1]\",\"classes\":\"[]\"}");
  g_autoptr (Cnn3dModelFile) file = NULL;
  g_autoptr (GError) error = NULL;
  guint64 at = 0, length;

  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];

    g_string_append_printf (header, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", p->name);
    for (guint d = 0; d < p->n_dims; d++)
      g_string_append_printf (header, "%s%" G_GINT64_FORMAT, d ? "," : "", p->shape[d]);
    g_string_append_printf (header, "],\"data_offsets\":[%" G_GUINT64_FORMAT ",", at);
    at += p->count * sizeof (gfloat);
    g_string_append_printf (header, "%" G_GUINT64_FORMAT "]}", at);
  }
  g_string_append_c (header, '}');
  length = GUINT64_TO_LE ((guint64) header->len);
  g_string_prepend_len (header, (const gchar *) &length, sizeof length);
  g_assert_true (g_file_set_contents (model, header->str, header->len, NULL));
  if (truncate (model, header->len + at) < 0) {
    g_test_skip ("no file of this size here");
    goto out;
  }
  file = cnn3d_model_file_open (model, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_set_contents (output, "before", -1, NULL));
  g_assert_false (cnn3d_export_onnx (file, CNN3D_EXPORT_CLIP, output, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_assert_nonnull (
      strstr (error->message, " bytes, but an ONNX file ends at 2 GiB: export safetensors"));

out:
  cnn3d_network_free (&net);
}

static void
remove_files (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    g_assert_cmpint (g_remove (path), ==, 0);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-export-XXXXXX", NULL);
  model = g_build_filename (folder, "m.safetensors", NULL);
  output = g_build_filename (folder, "out", NULL);
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    g_autofree gchar *path = g_strconcat ("/export/graph/", test_networks[i].name, NULL);

    g_test_add_data_func (path, &test_networks[i], test_graph);
  }
  g_test_add_func ("/export/points-modelinfo", test_points_modelinfo);
  g_test_add_func ("/export/attributes", test_attributes);
  g_test_add_func ("/export/properties", test_properties);
  g_test_add_func ("/export/picture", test_picture);
  g_test_add_func ("/export/converted", test_converted);
  g_test_add_func ("/export/modelinfo", test_modelinfo);
  g_test_add_func ("/export/labels", test_labels);
  g_test_add_func ("/export/weights", test_weights);
  g_test_add_func ("/export/wrong-weights", test_wrong_weights);
  g_test_add_func ("/export/wrong-places", test_wrong_places);
  g_test_add_func ("/export/beside", test_beside);
  g_test_add_func ("/export/full-disk", test_full_disk);
  g_test_add_func ("/export/too-large", test_too_large);
  status = g_test_run ();
  remove_files ();
  g_rmdir (folder);
  g_free (output);
  g_free (model);
  g_free (folder);
  return status;
}

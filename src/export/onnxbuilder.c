/* onnxbuilder.c: an ONNX graph, node by node. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/export/onnxbuilder.h"

#include <string.h>

#include "src/temporary.h"

void
onnx_builder_init (OnnxBuilder *b, const Cnn3dModelFile *file, const Cnn3dNetwork *net)
{
  b->file = file;
  b->info = cnn3d_model_file_info (file);
  b->net = net;
  b->memory = g_ptr_array_new_with_free_func (g_free);
  b->converted = g_array_new (FALSE, FALSE, sizeof (Cnn3dTemporary));
  b->nodes = g_ptr_array_new ();
  b->initializers = g_ptr_array_new ();
  b->inputs = g_ptr_array_new ();
  b->properties = g_ptr_array_new ();
  b->names = g_new0 (const gchar *, net->n_tensors);
}

void
onnx_builder_clear (OnnxBuilder *b)
{
  for (guint i = 0; i < b->converted->len; i++)
    cnn3d_temporary_give_back (&g_array_index (b->converted, Cnn3dTemporary, i));
  g_array_unref (b->converted);
  g_ptr_array_unref (b->nodes);
  g_ptr_array_unref (b->initializers);
  g_ptr_array_unref (b->inputs);
  g_ptr_array_unref (b->properties);
  g_ptr_array_unref (b->memory);
  g_free (b->names);
}

gpointer
onnx_take (OnnxBuilder *b, gsize bytes)
{
  gpointer memory = g_malloc0 (bytes);

  g_ptr_array_add (b->memory, memory);
  return memory;
}

gchar *
onnx_keep (OnnxBuilder *b, gchar *text)
{
  g_ptr_array_add (b->memory, text);
  return text;
}

/* --- nodes --- */

Onnx__NodeProto *
onnx_add_node (OnnxBuilder *b, const gchar *type, const gchar *name, const gchar *const *inputs)
{
  Onnx__NodeProto *node = onnx_take (b, sizeof *node);

  onnx__node_proto__init (node);
  node->op_type = (gchar *) type;
  node->name = (gchar *) name;
  node->n_input = g_strv_length ((gchar **) inputs);
  node->input = onnx_take (b, node->n_input * sizeof *node->input);
  memcpy (node->input, inputs, node->n_input * sizeof *node->input);
  node->n_output = 1;
  node->output = onnx_take (b, sizeof *node->output);
  node->output[0] = node->name;
  g_ptr_array_add (b->nodes, node);
  return node;
}

static Onnx__AttributeProto *
add_attribute (OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name,
    Onnx__AttributeProto__AttributeType type)
{
  Onnx__AttributeProto *attribute = onnx_take (b, sizeof *attribute), **all;

  onnx__attribute_proto__init (attribute);
  attribute->name = (gchar *) name;
  attribute->has_type = TRUE;
  attribute->type = type;
  all = onnx_take (b, (node->n_attribute + 1) * sizeof *all);
  if (node->n_attribute)
    memcpy (all, node->attribute, node->n_attribute * sizeof *all);
  all[node->n_attribute++] = attribute;
  node->attribute = all;
  return attribute;
}

void
onnx_add_float (OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name, gfloat value)
{
  Onnx__AttributeProto *attribute =
      add_attribute (b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

  attribute->has_f = TRUE;
  attribute->f = value;
}

void
onnx_add_int (OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name, gint64 value)
{
  Onnx__AttributeProto *attribute =
      add_attribute (b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

  attribute->has_i = TRUE;
  attribute->i = value;
}

void
onnx_add_ints (
    OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name, const gint *values, guint n)
{
  Onnx__AttributeProto *attribute =
      add_attribute (b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

  attribute->n_ints = n;
  attribute->ints = onnx_take (b, n * sizeof *attribute->ints);
  for (guint i = 0; i < n; i++)
    attribute->ints[i] = values[i];
}

Onnx__TensorProto *
onnx_add_tensor (OnnxBuilder *b, const gchar *name, Onnx__TensorProto__DataType type, guint n_dims,
    const gint64 *dims)
{
  Onnx__TensorProto *tensor = onnx_take (b, sizeof *tensor);

  onnx__tensor_proto__init (tensor);
  tensor->name = (gchar *) name;
  tensor->n_dims = n_dims;
  tensor->dims = onnx_take (b, n_dims * sizeof *tensor->dims);
  for (guint i = 0; i < n_dims; i++)
    tensor->dims[i] = dims[i];
  tensor->has_data_type = TRUE;
  tensor->data_type = type;
  tensor->has_raw_data = TRUE;
  g_ptr_array_add (b->initializers, tensor);
  return tensor;
}

const gchar *
onnx_add_integers (OnnxBuilder *b, const gchar *name, gint64 n, const gint64 *values)
{
  Onnx__TensorProto *tensor =
      onnx_add_tensor (b, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1, &n);
  gint64 *bits = onnx_take (b, n * sizeof *bits);

  for (gint64 i = 0; i < n; i++)
    bits[i] = GINT64_TO_LE (values[i]);
  tensor->raw_data.len = n * sizeof *bits;
  tensor->raw_data.data = (guint8 *) bits;
  return name;
}

const gchar *
onnx_add_floats (OnnxBuilder *b, const gchar *name, gint64 n, const gfloat *values)
{
  Onnx__TensorProto *tensor =
      onnx_add_tensor (b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 1, &n);
  guint32 *bits = onnx_take (b, n * sizeof *bits);

  for (gint64 i = 0; i < n; i++) {
    memcpy (&bits[i], &values[i], sizeof bits[i]);
    bits[i] = GUINT32_TO_LE (bits[i]);
  }
  tensor->raw_data.len = n * sizeof *bits;
  tensor->raw_data.data = (guint8 *) bits;
  return name;
}

const gchar *
onnx_add_one_float (OnnxBuilder *b, const gchar *name, gfloat value)
{
  return onnx_add_floats (b, name, 1, &value);
}

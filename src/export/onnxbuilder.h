/* onnxbuilder.h: an ONNX graph, node by node. Private to this folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ONNXBUILDER_H
#define CNN3D_ONNXBUILDER_H

#include "src/export/export.h"
#include "src/export/onnx.pb-c.h"

/* The network as protobuf's messages, which point to each other, to the
 * network's names, and to the weights where the file has them mapped. */
typedef struct {
  const Cnn3dModelFile *file;
  const Cnn3dModelInfo *info;
  const Cnn3dNetwork *net;
  GPtrArray *memory; /* of the messages and texts, each freed by g_free() */
  GArray *converted; /* of Cnn3dTemporary: weights that the file has in another type */
  GPtrArray *nodes, *initializers, *inputs, *properties;
  const gchar **names; /* of the network's tensors */
  const gchar *points; /* key points of clips, (N * V, T, M, K, 3) */
} OnnxBuilder;

void onnx_builder_init (OnnxBuilder *b, const Cnn3dModelFile *file, const Cnn3dNetwork *net);
void onnx_builder_clear (OnnxBuilder *b);

/* Zeroed memory that lives as long as the builder. */
gpointer onnx_take (OnnxBuilder *b, gsize bytes);
/* The text becomes the builder's. */
gchar *onnx_keep (OnnxBuilder *b, gchar *text);

/* A node with one output, which has the node's name. inputs: NULL-terminated. */
Onnx__NodeProto *onnx_add_node (
    OnnxBuilder *b, const gchar *type, const gchar *name, const gchar *const *inputs);
/* Attributes of a node. */
void onnx_add_float (OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name, gfloat value);
void onnx_add_int (OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name, gint64 value);
void onnx_add_ints (
    OnnxBuilder *b, Onnx__NodeProto *node, const gchar *name, const gint *values, guint n);

/* An initializer without its data. */
Onnx__TensorProto *onnx_add_tensor (OnnxBuilder *b, const gchar *name,
    Onnx__TensorProto__DataType type, guint n_dims, const gint64 *dims);
/* Vectors of constants, int64 or float32; return the name. */
const gchar *onnx_add_integers (OnnxBuilder *b, const gchar *name, gint64 n, const gint64 *values);
const gchar *onnx_add_floats (OnnxBuilder *b, const gchar *name, gint64 n, const gfloat *values);
const gchar *onnx_add_one_float (OnnxBuilder *b, const gchar *name, gfloat value);

#endif

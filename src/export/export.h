/* export.h: exports a model file: to ONNX, with the files that GStreamer's own elements read beside
 * it, or as weights only.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_EXPORT_H
#define CNN3D_EXPORT_H

#include "src/model/modelfile.h"

/* How an ONNX network takes its clips' frames; float32, normalised, C as the
 * frames' channels were in training. */
typedef enum {
  CNN3D_EXPORT_CLIP, /* (N, C, T, H, W): PyTorch's own */
  /* (N, C, T * H, W): a clip's frames one below the other, the first on top, as elements take it
   * that know pictures only */
  CNN3D_EXPORT_PICTURE,
} Cnn3dExportInput;

/* Writes three files: an ONNX network (opset 17) of any number of clips, from
 * "input" to "logits" (N, classes), or from "keypoints" (N, T, M, K, 3), float32,
 * see Cnn3dBinding, or both, whatever the network reads; with PyTorch's names for the weights and the
 * description in its metadata. Samples of V views have V behind N in both, and a further input that
 * may be left out, "present" (N, V), float32: 1, and 0 for a missing view; all are present without
 * it. Beside it are PATH.modelinfo, which GStreamer's inference elements (1.28 or later) read, and
 * PATH.labels.txt, a class a line.
 *
 * Each is there whole or not at all, the network first, and weights of float32
 * are not copied to memory. FALSE with error: a weight is missing or has another
 * shape (CNN3D_NETWORK_ERROR), the network is beyond ONNX's 2 GiB, or a file
 * cannot be written (G_IO_ERROR). */
CNN3D_API gboolean cnn3d_export_onnx (
    const Cnn3dModelFile *file, Cnn3dExportInput input, const gchar *path, GError **error);

/* Writes the weights alone, as safetensors of float32 with PyTorch's names and
 * batch norms' counters: load_state_dict() takes it with strict=True. Errors as
 * above. */
CNN3D_API gboolean cnn3d_export_weights (
    const Cnn3dModelFile *file, const gchar *path, GError **error);

/* --- for the library's own files --- */

/* The network of the file, whose weights all are there and have its shapes. */
Cnn3dNetwork *cnn3d_export_network (const Cnn3dModelFile *file, GError **error);

/* The texts of PATH.modelinfo and PATH.labels.txt; g_free(). frames, points: the
 * inputs' dimensions, without the batch. */
gchar *cnn3d_export_modelinfo (const Cnn3dModelInfo *info, const gint64 *frames, guint n_frames,
    const gint64 *points, guint n_points);
gchar *cnn3d_export_labels (const Cnn3dModelInfo *info);

#endif

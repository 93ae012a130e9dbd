/* smallmodel.h: model files for tests, valid and invalid.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SMALLMODEL_H
#define CNN3D_SMALLMODEL_H

#include <string.h>

#include "src/model/modelfile.h"
#include "tests/networks.h"

typedef struct {
  const gchar *model;
  const TestNetwork *kind; /* with its model; NULL: frames alone */
  gboolean bfloat16;       /* type of the weights; FALSE: float32 */
  const gchar *without;    /* a tensor to leave out */
  const gchar *reshaped;   /* a tensor with one element more in its first dimension */
  gchar **classes;         /* 3; NULL: no names */
} SmallModel;

#define SMALL_CLASSES 3
#define SMALL_HEATMAP 12
#define SMALL_COUNTER 7 /* num_batches_tracked */

static inline Cnn3dModelInfo
small_info (const SmallModel *small)
{
  Cnn3dNetworkParams network = { small->model, SMALL_CLASSES, 1, 3, 4, 32, 24, 0 };

  if (small->kind) {
    /* a mean needs features of the same length */
    network.base_width += small->kind->fusion == CNN3D_FUSION_MEAN;
    network = test_network_params (small->kind, network);
    if (network.heatmap_size)
      network.heatmap_size = SMALL_HEATMAP;
  }
  return (Cnn3dModelInfo) {
    .network = network,
    .mean = { 0.4f, 0.5f, 0.6f },
    .std = { 0.2f, 0.25f, 0.5f },
    .classes = small->classes,
    .precision = CNN3D_PRECISION_BF16_MIXED,
    .step = 12,
    .epoch = 3,
    .preparation = { "center", 2, "lanczos", TRUE, 2.5, 30000, 1001 },
  };
}

static inline Cnn3dNetwork *
small_network (const SmallModel *small)
{
  const Cnn3dModelInfo info = small_info (small);
  GError *error = NULL;
  Cnn3dNetwork *net = cnn3d_network_new (&info.network, &error);

  g_assert_no_error (error);
  return net;
}

/* The bytes of a parameter in the file; its values are returned in *values. */
static inline GBytes *
small_weight (const SmallModel *small, const Cnn3dNetwork *net, guint param, gfloat **values)
{
  const gint64 count = net->weights[param].count;
  guint16 *half = g_new (guint16, count);
  guint32 bits;

  *values = g_new (gfloat, count);
  cnn3d_network_initial (net, param, 1, *values);
  if (!small->bfloat16) {
    g_free (half);
    return g_bytes_new (*values, count * sizeof **values);
  }
  for (gint64 i = 0; i < count; i++) {
    memcpy (&bits, &(*values)[i], sizeof bits);
    half[i] = bits >> 16;
    bits &= 0xffff0000;
    memcpy (&(*values)[i], &bits, sizeof bits);
  }
  return g_bytes_new_take (half, count * sizeof *half);
}

static inline void
small_write (const SmallModel *small, const gchar *path)
{
  const Cnn3dModelInfo info = small_info (small);
  Cnn3dNetwork *net = small_network (small);
  GError *error = NULL;
  Cnn3dSafetensorsWriter *w = cnn3d_safetensors_writer_new (path, &error);
  const gint64 batches = SMALL_COUNTER;

  g_assert_no_error (error);
  cnn3d_model_file_describe (w, &info);
  for (guint round = 0; round < 2; round++)
    for (guint i = 0; i < net->n_weights; i++) {
      const Cnn3dParam *p = &net->weights[i];
      const gboolean reshaped = !g_strcmp0 (small->reshaped, p->name);
      guint64 shape[5];

      if (!g_strcmp0 (small->without, p->name))
        continue;
      for (guint d = 0; d < p->n_dims; d++)
        shape[d] = p->shape[d];
      shape[0] += reshaped;
      if (round == 0) {
        cnn3d_safetensors_writer_add (w, p->name,
            small->bfloat16 ? CNN3D_SAFETENSOR_BF16 : CNN3D_SAFETENSOR_F32, p->n_dims, shape);
      } else {
        g_autofree gfloat *values = NULL;
        g_autoptr (GBytes) bytes = small_weight (small, net, i, &values);
        gsize size;
        gconstpointer data = g_bytes_get_data (bytes, &size);

        for (gint again = 0; again <= reshaped; again++)
          cnn3d_safetensors_writer_data (w, data, again ? size / p->shape[0] : size, &error);
        g_assert_no_error (error);
      }
      if (p->role == CNN3D_PARAM_RUNNING_VAR) {
        g_autofree gchar *stem = g_strndup (p->name, strlen (p->name) - strlen ("running_var"));
        g_autofree gchar *counter = g_strconcat (stem, "num_batches_tracked", NULL);

        if (round == 0)
          cnn3d_safetensors_writer_add (w, counter, CNN3D_SAFETENSOR_I64, 0, NULL);
        else
          cnn3d_safetensors_writer_data (w, &batches, sizeof batches, &error);
      }
    }
  cnn3d_safetensors_writer_finish (w, &error);
  g_assert_no_error (error);
  cnn3d_safetensors_writer_free (w);
  cnn3d_network_free (&net);
}

#endif

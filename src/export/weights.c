/* weights.c: weights alone, as PyTorch has them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/export/export.h"

#include <string.h>

#include "src/temporary.h"

Cnn3dNetwork *
cnn3d_export_network (const Cnn3dModelFile *file, GError **error)
{
  const gchar *path = cnn3d_model_file_path (file);
  Cnn3dNetwork *net = cnn3d_network_new (&cnn3d_model_file_info (file)->network, error);

  if (!net) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  if (!cnn3d_model_file_check (cnn3d_model_file_tensors (file), path, net, error))
    cnn3d_network_free (&net);
  return net;
}

static gboolean
write_param (const Cnn3dModelFile *file, const Cnn3dNetwork *net, guint param,
    Cnn3dSafetensorsWriter *writer, GError **error)
{
  const Cnn3dParam *p = &net->weights[param];
  const gsize bytes = p->count * sizeof (gfloat);
  g_auto (Cnn3dTemporary) values = { NULL };

  return cnn3d_temporary_take (&values, bytes, p->name, error)
      && cnn3d_model_file_read (cnn3d_model_file_tensors (file), cnn3d_model_file_path (file), net,
          param, values.data, error)
      && cnn3d_safetensors_writer_data (writer, values.data, bytes, error);
}

/* "layer1.0.conv1.1.num_batches_tracked" for "layer1.0.conv1.1.running_var" */
static gchar *
counter_name (const Cnn3dParam *running_var)
{
  return g_strdup_printf ("%.*s.num_batches_tracked",
      (int) (strlen (running_var->name) - strlen (".running_var")), running_var->name);
}

/* PyTorch reads the counter only where a norm has no momentum, so that files
 * without it do, too. */
static gboolean
write_counter (const Cnn3dModelFile *file, const Cnn3dParam *running_var,
    Cnn3dSafetensorsWriter *writer, GError **error)
{
  g_autofree gchar *name = counter_name (running_var);
  const Cnn3dSafetensor *tensor = cnn3d_safetensors_lookup (cnn3d_model_file_tensors (file), name);
  gint64 batches = 0;

  if (tensor && tensor->dtype == CNN3D_SAFETENSOR_I64 && tensor->n_elements == 1)
    memcpy (&batches, tensor->data, sizeof batches);
  return cnn3d_safetensors_writer_data (writer, &batches, sizeof batches, error);
}

gboolean
cnn3d_export_weights (const Cnn3dModelFile *file, const gchar *path, GError **error)
{
  Cnn3dNetwork *net = cnn3d_export_network (file, error);
  g_autoptr (Cnn3dSafetensorsWriter) writer =
      net ? cnn3d_safetensors_writer_new (path, error) : NULL;
  gboolean ok = writer != NULL;

  if (writer)
    cnn3d_safetensors_writer_metadata (writer, "format", "pt");
  for (guint i = 0; writer && i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    guint64 shape[G_N_ELEMENTS (p->shape)];

    for (guint d = 0; d < p->n_dims; d++)
      shape[d] = p->shape[d];
    cnn3d_safetensors_writer_add (writer, p->name, CNN3D_SAFETENSOR_F32, p->n_dims, shape);
    if (p->role == CNN3D_PARAM_RUNNING_VAR) {
      g_autofree gchar *name = counter_name (p);

      cnn3d_safetensors_writer_add (writer, name, CNN3D_SAFETENSOR_I64, 0, NULL);
    }
  }
  for (guint i = 0; ok && i < net->n_weights; i++)
    ok = write_param (file, net, i, writer, error)
        && (net->weights[i].role != CNN3D_PARAM_RUNNING_VAR
            || write_counter (file, &net->weights[i], writer, error));
  ok = ok && cnn3d_safetensors_writer_finish (writer, error);
  if (net)
    cnn3d_network_free (&net);
  return ok;
}

/* Model files: descriptions are in range, and weights are read or rejected. The input is the header
 * of a file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "src/model/modelfile.h"
#include "tests/fuzz/target.h"

#define MOST_CLASSES 100000
#define MOST_WIDTH 16 /* of built networks: the file has no room for larger ones */

static void
check_info (const Cnn3dModelInfo *info)
{
  const Cnn3dNetworkParams *n = &info->network;

  if (g_strv_length (info->classes) != n->num_classes)
    fuzz_fail ("another number of classes", n->model);
  if (n->num_classes < 2 || n->num_classes > MOST_CLASSES || n->base_width < 1 || n->channels < 1
      || n->channels > 4 || n->frames < 1 || n->height < 1 || n->width < 1)
    fuzz_fail ("a size out of range", n->model);
  for (guint i = 0; i < n->channels; i++)
    if (!isfinite (info->mean[i]) || !isfinite (info->std[i]) || info->std[i] <= 0)
      fuzz_fail ("a mean or std out of range", n->model);
  if (info->preparation.frame_rate_n < 0
      || (info->preparation.frame_rate_n > 0 && info->preparation.frame_rate_d < 1)
      || !(info->preparation.diff_gain >= 0))
    fuzz_fail ("a preparation out of range", n->model);
}

static void
read_weights (Cnn3dSafetensors *tensors, const gchar *path, const Cnn3dNetwork *net)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *prefix = cnn3d_model_file_prefix (tensors, path, net, &error);
  gboolean whole;

  fuzz_check_error (prefix != NULL, error);
  g_clear_error (&error);
  whole = cnn3d_model_file_check (tensors, path, net, &error);
  fuzz_check_error (whole, error);
  g_clear_error (&error);
  for (guint i = 0; i < net->n_weights; i++) {
    g_autofree gfloat *values = g_new (gfloat, net->weights[i].count);
    const gboolean done = cnn3d_model_file_read (tensors, path, net, i, values, &error);

    fuzz_check_error (done, error);
    g_clear_error (&error);
    if (!done && !whole)
      return;
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gchar *path = fuzz_put_safetensors ("model.safetensors", data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModelFile) file = cnn3d_model_file_open (path, &error);
  const Cnn3dModelInfo *info;
  Cnn3dNetwork *net;

  fuzz_check_error (file != NULL, error);
  if (!file)
    return 0;
  info = cnn3d_model_file_info (file);
  check_info (info);
  if (info->network.base_width > MOST_WIDTH)
    return 0;
  net = cnn3d_network_new (&info->network, &error);
  fuzz_check_error (net != NULL, error);
  if (net)
    read_weights (cnn3d_model_file_tensors (file), path, net);
  cnn3d_network_free (&net);
  return 0;
}

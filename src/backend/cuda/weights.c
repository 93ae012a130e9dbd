/* Weights: in and out, and their updates. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/runtime.h"

#include <math.h>
#include <string.h>

#include "src/backend/cuda/run.h"
#include "src/temporary.h"

gboolean
cuda_import_weight (Cnn3dModel *m, guint param, const gfloat *values, gfloat *array, GError **error)
{
  const gsize bytes = m->layout.length[param] * sizeof (gfloat);
  g_auto (Cnn3dTemporary) stored = { NULL };

  if (!cnn3d_temporary_take (&stored, bytes, "a parameter", error))
    return FALSE;
  cuda_weight_store (m, param, values, stored.data);
  return cuda_upload (m->device, array + m->layout.offset[param], stored.data, bytes, error);
}

gboolean
cuda_export_weight (Cnn3dModel *m, guint param, const gfloat *array, gfloat *values, GError **error)
{
  const gsize bytes = m->layout.length[param] * sizeof (gfloat);
  g_auto (Cnn3dTemporary) stored = { NULL };

  if (!cnn3d_temporary_take (&stored, bytes, "a parameter", error)
      || !cuda_download (m->device, stored.data, array + m->layout.offset[param], bytes, error))
    return FALSE;
  cuda_weight_read (m, param, stored.data, values);
  return TRUE;
}

gboolean
cuda_read_activation (
    Cnn3dProgram *p, gint tensor, gconstpointer place, gfloat *values, GError **error)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dTensor *t = &m->net->tensors[tensor];
  const gsize clip = cuda_clip_bytes (m, t), channels = cuda_pad (t->c), points = cuda_points (t);
  const CudaType type = clip == channels * points * sizeof (gfloat) ? CUDA_TYPE_F32 : m->type;
  const gsize rows = cuda_rows (p, tensor);
  g_auto (Cnn3dTemporary) stored = { NULL };

  if (!cnn3d_temporary_take (&stored, clip * rows, "an activation", error)
      || !cuda_download (m->device, stored.data, place, clip * rows, error))
    return FALSE;
  for (gsize n = 0; n < rows; n++)
    for (gint c = 0; c < t->c; c++)
      for (gsize i = 0; i < points; i++)
        *values++ = cuda_number (type, (guint8 *) stored.data + n * clip, i * channels + c);
  return TRUE;
}

gboolean
cuda_refresh (Cnn3dModel *m, const gfloat *weights, gpointer copy, GError **error)
{
  if (!cuda_enter (m->device, error))
    return FALSE;
  for (guint i = 0; i < m->net->n_weights; i++)
    if (m->copy_offset[i] != CUDA_NO_COPY
        && !cuda_ok (cuda_convert (m->device->here->work, m->type, m->layout.length[i],
                         weights + m->layout.offset[i], (guint8 *) copy + m->copy_offset[i]),
            "weights cannot be converted", error))
      return FALSE;
  return TRUE;
}

/* --- updates --- */

static gboolean
send_segments (Cnn3dModel *m, const gboolean *trained, GError **error)
{
  const Cnn3dNetwork *net = m->net;
  CudaHere *h = m->device->here;
  g_autofree CudaSegment *segments = g_new0 (CudaSegment, net->n_weights);
  guint n = 0;

  if (net->n_weights > CUDA_MOST_SEGMENTS) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "%s has %u parameters, more than %u", net->model, net->n_weights, CUDA_MOST_SEGMENTS);
    return FALSE;
  }
  /* as they lie: what can be trained first */
  for (gint first = 1; first >= 0; first--)
    for (guint i = 0; i < net->n_weights; i++)
      if (CNN3D_PARAM_TRAINED (net->weights[i].role) == first)
        segments[n++] = (CudaSegment) { m->layout.offset[i], m->layout.length[i], m->copy_offset[i],
          trained[i] };
  if (!cuda_send (m->device, h->small->segments, segments, n * sizeof *segments, error))
    return FALSE;
  g_free (h->trained);
  h->trained = g_memdup2 (trained, net->n_weights * sizeof *trained);
  h->model = m;
  h->n_segments = n;
  return TRUE;
}

gboolean
cuda_weights (Cnn3dModel *m, const Cnn3dArrays *a, CudaWeights *weights, GError **error)
{
  CudaHere *h = m->device->here;

  *weights = (CudaWeights) { m->type, h->small->segments, m->net->n_weights, a->weights, a->copy,
    a->first, a->second };
  if (!a->trained
      || (h->model == m && h->trained
          && !memcmp (h->trained, a->trained, m->net->n_weights * sizeof *a->trained)))
    return TRUE;
  return send_segments (m, a->trained, error);
}

CudaUpdate
cuda_update_scalars (const Cnn3dUpdate *u, gboolean checks)
{
  static const CudaRule rules[] = { [CNN3D_UPDATE_SGD] = CUDA_RULE_SGD,
    [CNN3D_UPDATE_ADAM] = CUDA_RULE_ADAM,
    [CNN3D_UPDATE_ADAMW] = CUDA_RULE_ADAMW };

  return (CudaUpdate) { .rule = rules[u->rule],
    .lr = u->lr,
    .momentum = u->momentum,
    .beta1 = u->beta1,
    .beta2 = u->beta2,
    .eps = u->eps,
    .weight_decay = u->weight_decay,
    .gradient_scale = u->gradient_scale,
    .rate = u->lr / (1 - pow (u->beta1, u->step)),
    .root = 1 / sqrt (1 - pow (u->beta2, u->step)),
    .clip = u->clip,
    .checks = checks };
}

gboolean
cuda_update_all (Cnn3dModel *m, const Cnn3dArrays *a, const Cnn3dUpdate *update, gdouble *squares,
    GError **error)
{
  CudaHere *h = m->device->here;
  const gboolean checks = update->checks || update->clip > 0;
  const CudaUpdate scalars = cuda_update_scalars (update, checks);
  CudaWeights w;

  if (!cuda_enter (m->device, error) || !cuda_weights (m, a, &w, error)
      || !cuda_send (m->device, &h->small->scalars.update, &scalars, sizeof scalars, error))
    return FALSE;
  if (checks
      && (!cuda_ok (cuda_squares (h->work, &w, &h->small->scalars.update, a->gradients,
                        h->small->partials, &h->small->results),
              "the gradient's norm failed", error)
          || (squares
              && !cuda_fetch (
                  m->device, squares, &h->small->results.squares, sizeof *squares, error))))
    return FALSE;
  return cuda_ok (cuda_update (h->work, &w, &h->small->scalars.update, 0, m->layout.trained,
                      a->gradients, &h->small->results),
      "the update failed", error);
}

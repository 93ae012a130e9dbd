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

/* The stretches of a model, (n_weights); *n_pieces: in all of them. */
static CudaStretch *
stretches_of (const Cnn3dModel *m, const gboolean *trained, guint *n, gsize *n_pieces)
{
  CudaStretch *stretches = g_new0 (CudaStretch, m->net->n_weights);
  CudaStretch s = { 0 };

  G_STATIC_ASSERT (CUDA_PIECE == CNN3D_UPDATE_PIECE);
  *n = 0;
  for (guint i = 0;
      cnn3d_next_stretch (&m->layout, m->net->n_weights, trained, &i, &s.first, &s.n);) {
    stretches[(*n)++] = s;
    s.piece += (s.n + CUDA_PIECE - 1) / CUDA_PIECE;
  }
  *n_pieces = s.piece;
  return stretches;
}

static gboolean
send_segments (Cnn3dModel *m, const gboolean *trained, GError **error)
{
  const Cnn3dNetwork *net = m->net;
  CudaHere *h = m->device->here;
  g_autofree CudaSegment *segments = g_new0 (CudaSegment, net->n_weights);
  g_autofree CudaStretch *stretches = NULL;
  guint n = 0, n_stretches;
  gsize n_pieces;

  if (net->n_weights > CUDA_MOST_SEGMENTS) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "%s has %u parameters, more than %u", net->model, net->n_weights, CUDA_MOST_SEGMENTS);
    return FALSE;
  }
  stretches = stretches_of (m, trained, &n_stretches, &n_pieces);
  if (n_pieces > CUDA_MOST_PIECES) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "%s has %" G_GSIZE_FORMAT " parameters, more than %" G_GSIZE_FORMAT, net->model,
        m->layout.trained, (gsize) CUDA_MOST_PIECES * CUDA_PIECE);
    return FALSE;
  }
  /* as they lie: what can be trained first */
  for (gint first = 1; first >= 0; first--)
    for (guint i = 0; i < net->n_weights; i++)
      if (CNN3D_PARAM_TRAINED (net->weights[i].role) == first)
        segments[n++] = (CudaSegment) { m->layout.offset[i], m->layout.length[i], m->copy_offset[i],
          trained[i] };
  if (!cuda_send (m->device, h->small->segments, segments, n * sizeof *segments, error)
      || !cuda_send (
          m->device, h->small->stretches, stretches, n_stretches * sizeof *stretches, error))
    return FALSE;
  g_free (h->trained);
  g_free (h->stretches);
  h->stretches = g_steal_pointer (&stretches);
  h->n_stretches = n_stretches;
  h->n_pieces = n_pieces;
  h->trained = g_memdup2 (trained, net->n_weights * sizeof *trained);
  h->model = m;
  h->n_segments = n;
  return TRUE;
}

/* Where an array would begin of which there is a slice. */
static gfloat *
whole (const Cnn3dArrays *a, const gfloat *slice)
{
  return slice ? (gfloat *) ((guintptr) slice - (a->count ? a->from * sizeof *slice : 0)) : NULL;
}

gboolean
cuda_weights (Cnn3dModel *m, const Cnn3dArrays *a, CudaWeights *weights, GError **error)
{
  CudaHere *h = m->device->here;

  *weights = (CudaWeights) { m->type, h->small->segments, m->net->n_weights, a->weights,
    a->count ? NULL : a->copy, whole (a, a->first), whole (a, a->second) };
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

/* Of all gradients; of a slice's, the caller has added them up with those of the other slices. */
static gboolean
square_gradients (Cnn3dModel *m, const Cnn3dArrays *a, const Cnn3dUpdate *update, GError **error)
{
  CudaHere *h = m->device->here;
  const gdouble squares =
      update->squares * ((gdouble) update->gradient_scale * update->gradient_scale);

  if (a->count)
    return cuda_send (m->device, &h->small->results.squares, &squares, sizeof squares, error);
  return cuda_ok (
      cuda_squares (h->work, h->small->stretches, h->n_stretches, h->n_pieces,
          &h->small->scalars.update, a->gradients, h->small->pieces, &h->small->results),
      "the gradient's norm failed", error);
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
      && (!square_gradients (m, a, update, error)
          || (squares
              && !cuda_fetch (
                  m->device, squares, &h->small->results.squares, sizeof *squares, error))))
    return FALSE;
  return cuda_ok (cuda_update (h->work, &w, &h->small->scalars.update, a->count ? a->from : 0,
                      a->count ? a->count : m->layout.trained, a->gradients, &h->small->results),
      "the update failed", error);
}

/* The pieces that begin before a float. */
static gsize
pieces_before (const CudaHere *h, gsize place)
{
  gsize n = 0;

  for (guint i = 0; i < h->n_stretches && h->stretches[i].first < place; i++) {
    const CudaStretch *s = &h->stretches[i];

    n = s->piece + (MIN (place - s->first, s->n) + CUDA_PIECE - 1) / CUDA_PIECE;
  }
  return n;
}

gboolean
cuda_square_slice (Cnn3dModel *m, const Cnn3dArrays *a, gdouble *pieces, GError **error)
{
  CudaHere *h = m->device->here;
  CudaWeights w;
  gsize first, n;

  if (!cuda_enter (m->device, error) || !cuda_weights (m, a, &w, error))
    return FALSE;
  first = pieces_before (h, a->from);
  n = pieces_before (h, a->from + a->count) - first;
  return cuda_ok (cuda_square_pieces (h->work, h->small->stretches, h->n_stretches, first, n,
                      a->gradients, a->from, h->small->pieces),
             "the gradient's norm failed", error)
      && cuda_fetch (m->device, pieces, h->small->pieces, n * sizeof *pieces, error)
      && cuda_finish (m->device, error);
}

gboolean
cuda_add (Cnn3dDevice *d, gfloat *to, const gfloat *from, gsize n, gboolean adds, gboolean beside,
    GError **error)
{
  const cudaStream_t stream = beside ? d->here->others : d->here->work;

  if (!cuda_enter (d, error))
    return FALSE;
  if (from)
    return !n
        || cuda_ok (cuda_add_gradient (stream, CUDA_TYPE_F32, n, from, to, adds),
            "gradients cannot be added up", error);
  return adds
      || cuda_ok (
          cudaMemsetAsync (to, 0, n * sizeof *to, stream), "memory cannot be cleared", error);
}

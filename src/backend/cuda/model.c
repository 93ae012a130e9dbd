/* The weights' layout. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cuda-private.h"

#include <math.h>
#include <string.h>

gsize
cuda_conv_weights (const Cnn3dModel *m, const Cnn3dOp *op)
{
  const gint64 *shape = m->net->weights[op->weight].shape;

  return cuda_pad (shape[0]) * shape[2] * shape[3] * shape[4] * cuda_pad (shape[1]);
}

static gsize
stored_length (const Cnn3dModel *m, const Cnn3dParam *p)
{
  switch (p->role) {
    case CNN3D_PARAM_CONV_WEIGHT:
      return cuda_conv_weights (m, &m->net->ops[p->op]);
    case CNN3D_PARAM_LINEAR_WEIGHT:
      return p->shape[0] * cuda_pad (p->shape[1]);
    default:
      return cuda_pad (p->count);
  }
}

Cnn3dModel *
cuda_model_new (
    Cnn3dDevice *device, const Cnn3dNetwork *net, const Cnn3dModelParams *params, GError **error)
{
  static const CudaType types[] = {
    [CNN3D_PRECISION_32] = CUDA_TYPE_F32,
    [CNN3D_PRECISION_16_MIXED] = CUDA_TYPE_F16,
    [CNN3D_PRECISION_BF16_MIXED] = CUDA_TYPE_BF16,
  };
  Cnn3dModel *m = g_new0 (Cnn3dModel, 1);

  m->device = device;
  m->net = net;
  m->params = *params;
  m->type = types[params->precision];
  m->element = m->type == CUDA_TYPE_F32 ? 4 : 2;
  m->layout.offset = g_new0 (gsize, net->n_weights);
  m->layout.length = g_new0 (gsize, net->n_weights);
  for (gint trained = 1; trained >= 0; trained--) {
    for (guint i = 0; i < net->n_weights; i++)
      if (CNN3D_PARAM_TRAINED (net->weights[i].role) == trained) {
        m->layout.offset[i] = m->layout.total;
        m->layout.length[i] = (stored_length (m, &net->weights[i]) + 15) & ~(gsize) 15;
        m->layout.total += m->layout.length[i];
      }
    if (trained)
      m->layout.trained = m->layout.total;
  }
  /* masters serve where they are what is computed with; only convolutions do not compute in f32 */
  m->copy_offset = g_new (gsize, net->n_weights);
  for (guint i = 0; i < net->n_weights; i++) {
    m->copy_offset[i] = CUDA_NO_COPY;
    if (params->keeps_copy && m->type != CUDA_TYPE_F32
        && net->weights[i].role == CNN3D_PARAM_CONV_WEIGHT) {
      m->copy_offset[i] = m->layout.copy_bytes;
      m->layout.copy_bytes += cuda_align (m->layout.length[i] * m->element);
    }
  }
  return m;
}

void
cuda_model_free (Cnn3dModel **model)
{
  Cnn3dModel *m = *model;

  *model = NULL;
  if (!m)
    return;
  g_free (m->layout.offset);
  g_free (m->layout.length);
  g_free (m->copy_offset);
  g_free (m);
}

const Cnn3dWeightLayout *
cuda_model_layout (Cnn3dModel *m)
{
  return &m->layout;
}

/* Each of a parameter's numbers, from one layout to the other: (O, I, kD, kH, kW) and
 * (O, kD, kH, kW, I) with I padded. */
static void
for_each (const Cnn3dModel *m, guint param, const gfloat *from, gfloat *to, gboolean stores)
{
  const Cnn3dParam *p = &m->net->weights[param];
  const gboolean conv = p->role == CNN3D_PARAM_CONV_WEIGHT,
                 linear = p->role == CNN3D_PARAM_LINEAR_WEIGHT;
  const gint64 rows = conv || linear ? p->shape[0] : 1,
               channels = conv || linear ? p->shape[1] : p->count;
  const gint64 kernel = conv ? p->shape[2] * p->shape[3] * p->shape[4] : 1,
               padded = cuda_pad (channels);

  for (gint64 o = 0; o < rows; o++)
    for (gint64 c = 0; c < channels; c++)
      for (gint64 k = 0; k < kernel; k++) {
        const gint64 plain = (o * channels + c) * kernel + k, place = (o * kernel + k) * padded + c;

        to[stores ? place : plain] = from[stores ? plain : place];
      }
}

void
cuda_weight_store (const Cnn3dModel *m, guint param, const gfloat *values, gfloat *stored)
{
  memset (stored, 0, m->layout.length[param] * sizeof *stored);
  for_each (m, param, values, stored, TRUE);
}

void
cuda_weight_read (const Cnn3dModel *m, guint param, const gfloat *stored, gfloat *values)
{
  for_each (m, param, stored, values, FALSE);
}

gfloat
cuda_number (CudaType type, const guint8 *from, gsize i)
{
  guint32 bits;
  guint16 half;
  gfloat f;

  if (type == CUDA_TYPE_F32) {
    memcpy (&f, from + 4 * i, sizeof f);
    return f;
  }
  memcpy (&half, from + 2 * i, sizeof half);
  if (type == CUDA_TYPE_F16) {
    const gint exponent = half >> 10 & 31;
    const gfloat value = exponent == 31 ? NAN
        : exponent                      ? ldexpf (1024 + (half & 1023), exponent - 25)
                                        : ldexpf (half & 1023, -24);

    return half & 0x8000 ? -value : value;
  }
  bits = (guint32) half << 16;
  memcpy (&f, &bits, sizeof f);
  return f;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/check.h"

#include <float.h>
#include <math.h>

/* Half a unit in the last place of what is multiplied and written, and limits of the type. */
static CudaCheck
check_of (const Cnn3dDevice *d, const CudaConvGraph *graph)
{
  static const struct {
    gfloat rounding, least, most;
  } types[] = {
    [CUDA_TYPE_F32] = { 0x1p-24f, FLT_MIN, FLT_MAX / 2 },
    [CUDA_TYPE_F16] = { 0x1p-11f, 0x1p-24f, 65000 },
    [CUDA_TYPE_BF16] = { 0x1p-9f, FLT_MIN, FLT_MAX / 2 },
  };
  const CudaConv *c = &graph->conv;
  gsize in = (gsize) c->batch * c->in_channels, out = (gsize) c->batch * c->out_channels, taps = 1;
  CudaCheck check = { .conv = *c,
    .direction = graph->direction,
    .rounding = types[c->type].rounding,
    .least = types[c->type].least,
    .most = types[c->type].most };

  if (c->type == CUDA_TYPE_F32 && d->params.tf32)
    check.rounding = 0x1p-11f;
  if (graph->adds) /* twice, to zeros */
    check.most /= 2;
  for (guint i = 0; i < 3; i++) {
    in *= c->in[i];
    out *= cuda_conv_out (c, i);
    taps *= c->kernel[i];
  }
  switch (graph->direction) {
    case CUDA_CONV_FORWARD:
      check.numbers = out;
      check.terms = taps * c->in_channels;
      break;
    case CUDA_CONV_DATA:
      check.numbers = in;
      check.terms = taps * c->out_channels;
      break;
    default:
      check.numbers = taps * c->in_channels * c->out_channels;
      check.terms = out / c->out_channels;
  }
  return check;
}

gboolean
cuda_check_begin (
    Cnn3dDevice *d, const CudaConvGraph *graph, const CudaConvArgs *args, GError **error)
{
  const CudaCheck check = check_of (d, graph);

  return cuda_ok (
      cuda_check_expect (d->here->work, &check, args->x, args->y, args->w, &d->here->small->check),
      "a convolution cannot be checked", error);
}

gboolean
cuda_check_end (Cnn3dDevice *d, const CudaConvGraph *graph, const CudaConvArgs *args, gint times,
    gboolean statistics, gfloat *off, GError **error)
{
  const CudaCheck check = check_of (d, graph);
  CudaCheckResults *results = &d->here->small->check;
  gfloat all[G_N_ELEMENTS (results->off)];
  const guint n = statistics ? G_N_ELEMENTS (all) : CUDA_CHECK_SAMPLES;

  if (!cuda_ok (cuda_check_compare (
                    d->here->work, &check, cuda_conv_result (graph, args), times, results),
          "a convolution cannot be checked", error)
      || (statistics
          && !cuda_ok (
              cuda_check_sums (d->here->work, &check, args->y, args->sum, args->squares, results),
              "a convolution cannot be checked", error))
      || !cuda_download (d, all, results->off, n * sizeof *all, error))
    return FALSE;
  *off = 0;
  for (guint i = 0; i < n; i++)
    *off = isnan (all[i]) ? INFINITY : MAX (*off, all[i]);
  return TRUE;
}

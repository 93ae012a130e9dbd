/* Convolutions by definition.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dnn-reference.h"

#include <math.h>
#include <string.h>

#define ALIGNMENT 256

/* --- numbers --- */

static gsize
size_of (CudaType type)
{
  return type == CUDA_TYPE_F32 ? 4 : 2;
}

Numbers
numbers_new (CudaType type, gsize n)
{
  const Numbers numbers = { type, n, g_aligned_alloc0 (n, size_of (type), ALIGNMENT) };

  return numbers;
}

void
numbers_free (Numbers *numbers)
{
  g_aligned_free (numbers->data);
  numbers->data = NULL;
}

/* Digits, and the exponent of the smallest normal number. */
static const struct {
  gint digits, least;
} formats[] = {
  [CUDA_TYPE_F32] = { 24, -126 }, [CUDA_TYPE_F16] = { 11, -14 }, [CUDA_TYPE_BF16] = { 8, -126 }
};

static gdouble
unit (CudaType type, gdouble value)
{
  gint exponent;

  frexp (value, &exponent);
  return ldexp (1, MAX (exponent - 1, formats[type].least) - formats[type].digits + 1);
}

gdouble
numbers_step (CudaType type, gdouble value)
{
  return unit (type, value) / 2;
}

/* Infinity and NaN are not supported. */
gdouble
numbers_round (CudaType type, gdouble value)
{
  const gdouble u = unit (type, value);

  return nearbyint (value / u) * u;
}

gdouble
numbers_get (const Numbers *numbers, gsize i)
{
  guint16 bits;

  if (numbers->type == CUDA_TYPE_F32)
    return ((const gfloat *) numbers->data)[i];
  bits = ((const guint16 *) numbers->data)[i];
  if (numbers->type == CUDA_TYPE_BF16) {
    const guint32 wide = (guint32) bits << 16;
    gfloat value;

    memcpy (&value, &wide, sizeof value);
    return value;
  }
  return (bits & 0x8000 ? -1 : 1)
      * (bits & 0x7c00 ? ldexp (1024 + (bits & 1023), (bits >> 10 & 31) - 25)
                       : ldexp (bits & 1023, -24));
}

void
numbers_set (Numbers *numbers, gsize i, gdouble value)
{
  const gdouble rounded = numbers_round (numbers->type, value);
  gint exponent;
  guint16 bits;

  if (numbers->type == CUDA_TYPE_F32) {
    ((gfloat *) numbers->data)[i] = rounded;
    return;
  }
  if (numbers->type == CUDA_TYPE_BF16) {
    const gfloat narrow = rounded;
    guint32 wide;

    memcpy (&wide, &narrow, sizeof wide);
    bits = wide >> 16;
  } else {
    frexp (rounded, &exponent);
    exponent = rounded == 0 ? -14 : MAX (exponent - 1, -14);
    bits = fabs (ldexp (rounded, 10 - exponent));
    bits += (exponent + 14) << 10;
    if (signbit (rounded))
      bits |= 0x8000;
  }
  ((guint16 *) numbers->data)[i] = bits;
}

void
numbers_random (Numbers *numbers, GRand *rand)
{
  for (gsize i = 0; i < numbers->n; i++)
    numbers_set (numbers, i, g_rand_double_range (rand, -1, 1));
}

/* --- convolutions --- */

gsize
conv_in_numbers (const CudaConv *c)
{
  return (gsize) c->batch * c->in[0] * c->in[1] * c->in[2] * c->in_channels;
}

gsize
conv_out_numbers (const CudaConv *c)
{
  return (gsize) c->batch * cuda_conv_out (c, 0) * cuda_conv_out (c, 1) * cuda_conv_out (c, 2)
      * c->out_channels;
}

gsize
conv_weight_numbers (const CudaConv *c)
{
  return (gsize) c->out_channels * c->kernel[0] * c->kernel[1] * c->kernel[2] * c->in_channels;
}

/* y[n, o, p] = sum over i, k of x[n, i, p * stride - pad + k] w[o, k, i], and the gradients derived
 * from it: along each axis, only triples (p, k, q) with q = p * stride - pad + k that contain the
 * requested index contribute. */
gdouble
reference_number (const CudaConvGraph *graph, const gdouble *x, const gdouble *y, const gdouble *w,
    gsize i, gdouble *magnitude)
{
  const CudaConv *c = &graph->conv;
  const gint out[3] = { cuda_conv_out (c, 0), cuda_conv_out (c, 1), cuda_conv_out (c, 2) };
  const gboolean is_y = graph->direction == CUDA_CONV_FORWARD,
                 is_x = graph->direction == CUDA_CONV_DATA;
  const gint *size = is_y ? out : is_x ? c->in : c->kernel;
  const gsize inner = is_y ? c->out_channels : c->in_channels;
  const gsize channel = i % inner, outer = i / inner / size[2] / size[1] / size[0];
  const gsize wanted[3] = { i / inner / size[2] / size[1] % size[0], i / inner / size[2] % size[1],
    i / inner % size[2] };
  gdouble sum = 0;

  *magnitude = 0;
  for (gint n = 0; n < c->batch; n++)
    for (gint o = 0; o < c->out_channels; o++)
      for (gint e = 0; e < c->in_channels; e++) {
        gint p[3], k[3], q[3];

        if ((gsize) (is_y || is_x ? n : o) != outer || (gsize) (is_y ? o : e) != channel)
          continue;
        for (p[0] = 0; p[0] < out[0]; p[0]++)
          for (p[1] = 0; p[1] < out[1]; p[1]++)
            for (p[2] = 0; p[2] < out[2]; p[2]++)
              for (k[0] = 0; k[0] < c->kernel[0]; k[0]++)
                for (k[1] = 0; k[1] < c->kernel[1]; k[1]++)
                  for (k[2] = 0; k[2] < c->kernel[2]; k[2]++) {
                    const gint *here = is_y ? p : is_x ? q : k;
                    gboolean joins = TRUE;
                    gdouble term;
                    gsize at_x, at_y, at_w;

                    for (guint a = 0; a < 3; a++) {
                      q[a] = p[a] * c->stride[a] - c->pad[a] + k[a];
                      joins &= q[a] >= 0 && q[a] < c->in[a] && (gsize) here[a] == wanted[a];
                    }
                    if (!joins)
                      continue;
                    at_x = (((n * c->in[0] + q[0]) * c->in[1] + q[1]) * c->in[2] + q[2])
                            * c->in_channels
                        + e;
                    at_y = (((n * out[0] + p[0]) * out[1] + p[1]) * out[2] + p[2]) * c->out_channels
                        + o;
                    at_w = ((o * c->kernel[0] + k[0]) * c->kernel[1] + k[1]) * c->kernel[2] + k[2];
                    at_w = at_w * c->in_channels + e;
                    term = is_y ? x[at_x] * w[at_w] : is_x ? y[at_y] * w[at_w] : x[at_x] * y[at_y];
                    sum += term;
                    *magnitude += fabs (term);
                  }
      }
  return sum;
}

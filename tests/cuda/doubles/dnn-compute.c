/* The arithmetic of the test double of cuDNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dnn-compute.h"

#include <string.h>

/* --- numbers --- */

static guint32
bits_of (gfloat value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

static gfloat
of_bits (guint32 bits)
{
  gfloat value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

/* Without the lowest `drop` bits, rounded to even. */
static guint32
round_bits (guint32 bits, guint drop)
{
  return bits + ((1u << (drop - 1)) - 1) + ((bits >> drop) & 1);
}

static gfloat
half_to_float (guint16 half)
{
  const guint32 sign = (guint32) (half & 0x8000) << 16, exponent = half >> 10 & 31,
                mantissa = half & 1023;

  if (exponent == 31)
    return of_bits (sign | 0x7f800000 | mantissa << 13);
  if (exponent == 0)
    return (sign ? -1 : 1) * (gfloat) mantissa * 0x1p-24f;
  return of_bits (sign | (exponent + 112) << 23 | mantissa << 13);
}

static guint16
float_to_half (gfloat value)
{
  const guint32 bits = bits_of (value), magnitude = bits & 0x7fffffff;
  const guint16 sign = bits >> 16 & 0x8000;

  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  /* 65520 and more */
  if (magnitude >= 0x477ff000)
    return sign | 0x7c00;
  /* adding 0.5 to less than 2^-14 rounds it to a multiple of 2^-24 */
  if (magnitude < 0x38800000)
    return sign | (bits_of (of_bits (magnitude) + 0.5f) - bits_of (0.5f));
  return sign | (round_bits (magnitude, 13) - (112u << 23)) >> 13;
}

gfloat
dnn_load (DnnType type, gconstpointer from, gint64 i)
{
  switch (type) {
    case DNN_F16:
      return half_to_float (((const guint16 *) from)[i]);
    case DNN_BF16:
      return of_bits ((guint32) ((const guint16 *) from)[i] << 16);
    default:
      return ((const gfloat *) from)[i];
  }
}

void
dnn_store (DnnType type, gpointer to, gint64 i, gfloat value)
{
  switch (type) {
    case DNN_F16:
      ((guint16 *) to)[i] = float_to_half (value);
      break;
    case DNN_BF16:
      ((guint16 *) to)[i] = value != value ? 0x7fc0 : round_bits (bits_of (value), 16) >> 16;
      break;
    default:
      ((gfloat *) to)[i] = value;
      break;
  }
}

gfloat
dnn_to_tf32 (gfloat value)
{
  const guint32 bits = bits_of (value);

  if ((bits & 0x7f800000) == 0x7f800000)
    return value;
  return of_bits (round_bits (bits, 13) & ~0x1fffu);
}

/* --- convolutions --- */

static gint64
taps (const DnnWindow *k)
{
  return k->kernel[0] * k->kernel[1] * k->kernel[2];
}

/* Calls `each` for every pair of an output point and an input point connected by a kernel tap,
 * counted from 0: outputs in order, taps in order. */
typedef void (*Each) (gint64 out, gint64 in, gint64 tap, gpointer data);

static void
walk (const DnnWindow *k, Each each, gpointer data)
{
  gint64 at[3], tap[3], from[3], out = 0;

  for (gint64 n = 0; n < k->n; n++)
    for (at[0] = 0; at[0] < k->out[0]; at[0]++)
      for (at[1] = 0; at[1] < k->out[1]; at[1]++)
        for (at[2] = 0; at[2] < k->out[2]; at[2]++, out++) {
          gint64 t = 0;

          for (tap[0] = 0; tap[0] < k->kernel[0]; tap[0]++)
            for (tap[1] = 0; tap[1] < k->kernel[1]; tap[1]++)
              for (tap[2] = 0; tap[2] < k->kernel[2]; tap[2]++, t++) {
                gboolean inside = TRUE;

                for (guint a = 0; a < 3; a++) {
                  from[a] = at[a] * k->stride[a] - k->pad[a] + tap[a];
                  inside &= from[a] >= 0 && from[a] < k->in[a];
                }
                if (inside)
                  each (out, ((n * k->in[0] + from[0]) * k->in[1] + from[1]) * k->in[2] + from[2],
                      t, data);
              }
        }
}

typedef struct {
  const DnnWindow *k;
  const gfloat *x, *w, *dy;
  gdouble *to;
} Work;

/* acc[i] += a * v[i] */
static inline void
add_row (gdouble *restrict acc, gdouble a, const gfloat *restrict v, gint64 n)
{
  for (gint64 i = 0; i < n; i++)
    acc[i] += a * v[i];
}

/* w: (taps, I, O) here */
static void
each_forward (gint64 out, gint64 in, gint64 tap, gpointer data)
{
  const Work *k = data;
  const gint64 ci = k->k->in_channels, co = k->k->out_channels;

  for (gint64 i = 0; i < ci; i++)
    add_row (k->to + out * co, k->x[in * ci + i], k->w + (tap * ci + i) * co, co);
}

static void
each_data (gint64 out, gint64 in, gint64 tap, gpointer data)
{
  const Work *k = data;
  const gint64 ci = k->k->in_channels, co = k->k->out_channels, t = taps (k->k);

  for (gint64 o = 0; o < co; o++)
    add_row (k->to + in * ci, k->dy[out * co + o], k->w + (o * t + tap) * ci, ci);
}

static void
each_weights (gint64 out, gint64 in, gint64 tap, gpointer data)
{
  const Work *k = data;
  const gint64 ci = k->k->in_channels, co = k->k->out_channels, t = taps (k->k);

  for (gint64 o = 0; o < co; o++)
    add_row (k->to + (o * t + tap) * ci, k->dy[out * co + o], k->x + in * ci, ci);
}

void
dnn_forward (const DnnWindow *k, const gfloat *x, const gfloat *w, gdouble *y)
{
  const gint64 ci = k->in_channels, co = k->out_channels, t = taps (k);
  g_autofree gfloat *turned = g_new (gfloat, t * ci * co);
  Work work = { k, x, turned, NULL, y };

  for (gint64 o = 0; o < co; o++)
    for (gint64 i = 0; i < t * ci; i++)
      turned[i * co + o] = w[o * t * ci + i];
  memset (y, 0, k->n * k->out[0] * k->out[1] * k->out[2] * co * sizeof *y);
  walk (k, each_forward, &work);
}

void
dnn_backward_data (const DnnWindow *k, const gfloat *dy, const gfloat *w, gdouble *dx)
{
  Work work = { k, NULL, w, dy, dx };

  memset (dx, 0, k->n * k->in[0] * k->in[1] * k->in[2] * k->in_channels * sizeof *dx);
  walk (k, each_data, &work);
}

void
dnn_backward_weights (const DnnWindow *k, const gfloat *x, const gfloat *dy, gdouble *dw)
{
  Work work = { k, x, NULL, dy, dw };

  memset (dw, 0, k->out_channels * taps (k) * k->in_channels * sizeof *dw);
  walk (k, each_weights, &work);
}

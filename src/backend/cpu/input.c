/* input.c: frames, and heat maps of key points, to the network's input.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <math.h>
#include <string.h>

/* --- frames: (N, T, H, W, C) -> (N, C, T, H, W), normalised --- */

static gfloat
half_to_float (guint16 h)
{
  const guint32 sign = (guint32) (h & 0x8000) << 16;
  guint32 exponent = (h >> 10) & 31, mantissa = h & 0x3ff, bits;
  gfloat f;

  if (exponent == 31) {
    bits = 0x7f800000 | mantissa << 13;
  } else if (exponent) {
    bits = (exponent + 112) << 23 | mantissa << 13;
  } else {
    f = mantissa * 0x1p-24f;
    memcpy (&bits, &f, sizeof bits);
  }
  bits |= sign;
  memcpy (&f, &bits, sizeof f);
  return f;
}

/* One frame's plane of one channel, as floats; first: point, from the batch's start. */
static void
convert_plane (const CpuStep *s, gsize first, gint channel, gsize points, gfloat *to)
{
  const Cnn3dNetwork *net = s->program->model->net;
  const gsize c = s->op->channels;
  gconstpointer frames = s->binding->frames;

  switch (s->binding->frames_type) {
    case CNN3D_TYPE_UINT8:
    {
      const guint8 *from = (const guint8 *) frames + first * c + channel;
      gfloat table[256];

      for (gint v = 0; v < 256; v++)
        table[v] = (v / 255.f - net->mean[channel]) / net->std[channel];
      for (gsize i = 0; i < points; i++)
        to[i] = table[from[i * c]];
      break;
    }
    case CNN3D_TYPE_FLOAT16:
    {
      const guint16 *from = (const guint16 *) frames + first * c + channel;

      for (gsize i = 0; i < points; i++)
        to[i] = half_to_float (from[i * c]);
      break;
    }
    default:
    {
      const gfloat *from = (const gfloat *) frames + first * c + channel;

      for (gsize i = 0; i < points; i++)
        to[i] = from[i * c];
    }
  }
}

#define INPUT_POINTS 1024 /* converted at once */

static void
input_of_frames (const CpuStep *s)
{
  const Cnn3dModel *m = s->program->model;
  const gint channels = s->out_tensor->c;
  const gsize points = cpu_points (s->out_tensor);
  const gint pieces = (points + INPUT_POINTS - 1) / INPUT_POINTS;

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
  for (gint i = 0; i < (gint) s->step->clips * channels * pieces; i++) {
    const gsize clip = i / (channels * pieces), start = (gsize) (i % pieces) * INPUT_POINTS;
    const gint channel = i / pieces % channels;
    const gsize n = MIN (INPUT_POINTS, points - start);
    const gsize from = (s->step->first + clip) * points + start,
                to = (clip * channels + channel) * points + start;
    gfloat row[INPUT_POINTS];
    guint16 half[INPUT_POINTS];

    if (m->element == 4) {
      convert_plane (s, from, channel, n, (gfloat *) s->out + to);
    } else {
      convert_plane (s, from, channel, n, row);
      m->device->kernels->to_bf16 (n, half, row);
      memcpy ((guint16 *) s->out + to, half, n * sizeof *half);
    }
  }
}

/* --- with heat maps, in blocks of channels --- */

/* A point with a smaller score is missing, as in MMAction2's GeneratePoseTarget. */
#define LEAST_SCORE 1e-4f

/* The pixels, first to before end, that a Gaussian around `at` fills: those within 3 sigma, rounded
 * as there. FALSE: none. */
static gboolean
reach (gfloat at, gfloat sigma, gint size, gint *first, gint *end)
{
  const gfloat low = at - 3 * sigma, high = at + 3 * sigma;

  if (!(high > -1 && low < size))
    return FALSE;
  *first = MAX ((gint) low, 0);
  *end = MIN ((gint) MIN (high, size), size - 1) + 1;
  return *first < *end;
}

/* Adds a person's point to a heat map, whose numbers lie `lanes` apart: the maximum of what is there
 * and of its Gaussian times its score. */
static void
draw_point (const Cnn3dModel *m, const gfloat point[3], gint h, gint w, gpointer map)
{
  const CpuKernels *kernels = m->device->kernels;
  const gfloat sigma = m->net->params.heatmap_sigma, x = point[0] * w, y = point[1] * h;
  gint x_first, x_end, y_first, y_end;

  if (!(point[2] >= LEAST_SCORE && point[2] <= G_MAXFLOAT) || !reach (x, sigma, w, &x_first, &x_end)
      || !reach (y, sigma, h, &y_first, &y_end))
    return;
  for (gint row = y_first; row < y_end; row++)
    for (gint column = x_first; column < x_end; column++) {
      const gfloat dx = column - x, dy = row - y;
      const gfloat value = expf (-(dx * dx + dy * dy) / 2 / (sigma * sigma)) * point[2];
      const gsize at = ((gsize) row * w + column) * m->lanes;
      gfloat there;

      if (m->element == 4) {
        ((gfloat *) map)[at] = MAX (((gfloat *) map)[at], value);
        continue;
      }
      /* rounding keeps the order */
      kernels->from_bf16 (1, &there, (guint16 *) map + at);
      if (value > there)
        kernels->to_bf16 (1, (guint16 *) map + at, &value);
    }
}

/* One channel of one frame. */
static void
write_frame (const CpuStep *s, gsize first, gint channel, gsize points, gpointer to)
{
  const Cnn3dModel *m = s->program->model;
  const CpuKernels *kernels = m->device->kernels;

  for (gsize start = 0; start < points; start += INPUT_POINTS) {
    const gsize n = MIN (INPUT_POINTS, points - start);
    gfloat row[INPUT_POINTS];
    guint16 half[INPUT_POINTS];

    convert_plane (s, first + start, channel, n, row);
    if (m->element == 2)
      kernels->to_bf16 (n, half, row);
    for (gsize i = 0; i < n; i++)
      if (m->element == 4)
        ((gfloat *) to)[(start + i) * m->lanes] = row[i];
      else
        ((guint16 *) to)[(start + i) * m->lanes] = half[i];
  }
}

static void
input_with_points (const CpuStep *s)
{
  const Cnn3dModel *m = s->program->model;
  const Cnn3dTensor *t = s->out_tensor;
  const Cnn3dNetworkParams *n = &m->net->params;
  const gint blocks = cpu_channel_blocks (m, t), channels = s->op->channels, d = t->d;
  const gsize area = (gsize) t->h * t->w, slab = area * m->lanes * m->element;
  const gsize person = (gsize) n->points * 3, frame = n->persons * person;

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
  for (gint i = 0; i < (gint) s->step->clips * blocks * d; i++) {
    const gint clip = s->step->first + i / (blocks * d), block = i / d % blocks, at = i % d;
    const gfloat *points = s->binding->points + ((gsize) clip * d + at) * frame;
    guint8 *to = (guint8 *) s->out + i * slab;

    memset (to, 0, slab);
    for (gint l = 0; l < m->lanes; l++) {
      const gint channel = block * m->lanes + l;
      guint8 *map = to + l * m->element;

      if (channel < channels)
        write_frame (s, ((gsize) clip * d + at) * area, channel, area, map);
      else if (channel < t->c)
        for (guint k = 0; k < n->persons; k++)
          draw_point (m, points + k * person + (channel - channels) * 3, t->h, t->w, map);
    }
  }
}

void
cpu_input_forward (const CpuStep *s)
{
  if (s->op->points)
    input_with_points (s);
  else
    input_of_frames (s);
}

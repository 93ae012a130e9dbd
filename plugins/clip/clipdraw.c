/* clipdraw.c: the random parameters of clipaugment, drawn once for all frames of a clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipdraw.h"

#include <math.h>

#include "src/random.h"

/* Indices into the clip's random stream. A seed's meaning depends on them: never renumber, only
 * append. */
#define CROP_TRIES 10
#define CROP_DRAWS 4 /* area, ratio, y, x */
enum {
  DRAW_FLIP = CROP_TRIES * CROP_DRAWS,
  DRAW_COLOURS, /* one factor each */
  DRAW_ORDER = DRAW_COLOURS + CLIP_DRAW_COLOURS,
};

static gdouble
between (const Cnn3dRandomKey *key, guint64 index, gdouble low, gdouble high)
{
  return low + (high - low) * cnn3d_random_uniform (key, index);
}

/* As torchvision.transforms.RandomResizedCrop. */
static void
draw_crop (
    const ClipDrawSettings *s, const Cnn3dRandomKey *key, guint width, guint height, ClipDraw *draw)
{
  const gdouble area = (gdouble) width * height;
  const gdouble ratio = (gdouble) width / height;
  guint i;

  draw->x = draw->y = 0;
  draw->width = width;
  draw->height = height;
  if (s->scale_min >= 1)
    return;

  for (i = 0; i < CROP_TRIES; i++) {
    const guint64 index = i * CROP_DRAWS;
    const gdouble part = between (key, index, s->scale_min, s->scale_max);
    const gdouble shape = exp (between (key, index + 1, log (s->ratio_min), log (s->ratio_max)));
    const gdouble w = rint (sqrt (area * part * shape));
    const gdouble h = rint (sqrt (area * part / shape));

    if (w >= 1 && w <= width && h >= 1 && h <= height) {
      draw->width = (guint) w;
      draw->height = (guint) h;
      draw->y = (guint) cnn3d_random_below (key, index + 2, height - draw->height + 1);
      draw->x = (guint) cnn3d_random_below (key, index + 3, width - draw->width + 1);
      return;
    }
  }

  /* nothing fits: crop the centre to the nearest allowed ratio */
  if (ratio < s->ratio_min)
    draw->height = (guint) CLAMP (rint (width / s->ratio_min), 1, height);
  else if (ratio > s->ratio_max)
    draw->width = (guint) CLAMP (rint (height * s->ratio_max), 1, width);
  draw->x = (width - draw->width) / 2;
  draw->y = (height - draw->height) / 2;
}

void
clip_draw (const ClipDrawSettings *settings, guint epoch, guint64 sample, guint width, guint height,
    ClipDraw *draw)
{
  const Cnn3dRandomKey key = { settings->seed, epoch, CNN3D_RANDOM_AUGMENT, sample };
  guint i;

  draw_crop (settings, &key, width, height, draw);
  draw->flip = cnn3d_random_uniform (&key, DRAW_FLIP) < settings->flip;

  for (i = 0; i < CLIP_DRAW_COLOURS; i++) {
    const gdouble by = settings->colours[i];

    draw->factors[i] =
        (guint) rint (CLIP_DRAW_ONE * between (&key, DRAW_COLOURS + i, MAX (1 - by, 0), 1 + by));
    draw->order[i] = i;
  }
  for (i = CLIP_DRAW_COLOURS; i > 1; i--) {
    const guint64 j = cnn3d_random_below (&key, DRAW_ORDER + i - 2, i);
    const ClipDrawColour last = draw->order[i - 1];

    draw->order[i - 1] = draw->order[j];
    draw->order[j] = last;
  }
}

void
clip_draw_flip (guint8 *row, guint width, guint channels)
{
  guint8 *left = row, *right = row + (gsize) (width - 1) * channels;

  for (; left < right; left += channels, right -= channels) {
    guint c;

    for (c = 0; c < channels; c++) {
      const guint8 value = left[c];

      left[c] = right[c];
      right[c] = value;
    }
  }
}

/* factor * a + (1 - factor) * b, truncated as torchvision does for uint8. */
static inline guint8
blend (guint a, guint b, gint64 factor)
{
  const gint64 value = factor * a + (CLIP_DRAW_ONE - factor) * b;

  return (guint8) CLAMP (value / CLIP_DRAW_ONE, 0, 255);
}

/* Rec. 601, as in torchvision */
static inline guint
grey (const guint8 *p)
{
  return (19595 * p[0] + 38470 * p[1] + 7471 * p[2]) >> 16;
}

static guint
mean_grey (const guint8 *pixels, guint width, guint height, gsize stride, guint channels)
{
  guint64 sum = 0;
  guint x, y;

  for (y = 0; y < height; y++) {
    const guint8 *p = pixels + y * stride;

    for (x = 0; x < width; x++, p += channels)
      sum += channels == 3 ? grey (p) : *p;
  }

  return (guint) (sum / ((guint64) width * height));
}

void
clip_draw_colours (
    const ClipDraw *draw, guint8 *pixels, guint width, guint height, gsize stride, guint channels)
{
  guint i, x, y, c;

  for (i = 0; i < CLIP_DRAW_COLOURS; i++) {
    const ClipDrawColour colour = draw->order[i];
    const gint64 factor = draw->factors[colour];
    guint towards = 0;

    if (factor == CLIP_DRAW_ONE || (colour == CLIP_DRAW_SATURATION && channels != 3))
      continue;
    if (colour == CLIP_DRAW_CONTRAST)
      towards = mean_grey (pixels, width, height, stride, channels);
    for (y = 0; y < height; y++) {
      guint8 *p = pixels + y * stride;

      for (x = 0; x < width; x++, p += channels) {
        if (colour == CLIP_DRAW_SATURATION)
          towards = grey (p);
        for (c = 0; c < channels; c++)
          p[c] = blend (p[c], towards, factor);
      }
    }
  }
}

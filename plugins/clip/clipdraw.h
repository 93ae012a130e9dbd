/* clipdraw.h: the random parameters of clipaugment, drawn once for all frames of a clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_DRAW_H
#define CLIP_DRAW_H

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  CLIP_DRAW_BRIGHTNESS,
  CLIP_DRAW_CONTRAST,
  CLIP_DRAW_SATURATION,
  CLIP_DRAW_COLOURS,
} ClipDrawColour;

/* The distributions; see the properties of clipaugment. */
typedef struct {
  guint64 seed;
  gdouble scale_min, scale_max;       /* fractions of the frame's area */
  gdouble ratio_min, ratio_max;       /* crop's width / height */
  gdouble flip;                       /* probability */
  gdouble colours[CLIP_DRAW_COLOURS]; /* factors are within 1 +- this */
} ClipDrawSettings;

/* The factor 1 in clip_draw_colours() */
#define CLIP_DRAW_ONE 65536

typedef struct {
  guint x, y, width, height; /* the crop, in pixels */
  gboolean flip;             /* horizontally, after cropping */
  /* applied in this order, with factors in units of 1 / CLIP_DRAW_ONE */
  ClipDrawColour order[CLIP_DRAW_COLOURS];
  guint factors[CLIP_DRAW_COLOURS]; /* indexed by ClipDrawColour, not by order */
} ClipDraw;

/* A pure function of its arguments. epoch, sample: as in the clip meta; width, height: of the
 * frames, in pixels. */
void clip_draw (const ClipDrawSettings *settings, guint epoch, guint64 sample, guint width,
    guint height, ClipDraw *draw);

/* Mirrors a row of `width` pixels of `channels` bytes (1 or 3). */
void clip_draw_flip (guint8 *row, guint width, guint channels);

/* Changes the colours of a frame of RGB (channels 3) or grey (channels 1). stride: bytes from
 * row to row. Uses integers only: the bytes are the same with every compiler and CPU. */
void clip_draw_colours (
    const ClipDraw *draw, guint8 *pixels, guint width, guint height, gsize stride, guint channels);

G_END_DECLS

#endif

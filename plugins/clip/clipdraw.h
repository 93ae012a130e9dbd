/* clipdraw.h: what clipaugment does to a clip, drawn once for all its frames.
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

/* What is drawn from; see the properties of clipaugment. */
typedef struct {
  guint64 seed;
  gdouble scale_min, scale_max;       /* parts of the frame's area */
  gdouble ratio_min, ratio_max;       /* of the crop's width to its height */
  gdouble flip;                       /* a probability */
  gdouble colours[CLIP_DRAW_COLOURS]; /* factors lie within 1 +- this */
} ClipDrawSettings;

/* 1 as a factor of clip_draw_colours() */
#define CLIP_DRAW_ONE 65536

typedef struct {
  guint x, y, width, height; /* the crop, in pixels */
  gboolean flip;             /* left and right, after cropping */
  /* in this order, each with its factor times CLIP_DRAW_ONE */
  ClipDrawColour order[CLIP_DRAW_COLOURS];
  guint factors[CLIP_DRAW_COLOURS]; /* by ClipDrawColour, not by order */
} ClipDraw;

/* A pure function of its arguments. epoch, sample: as in the clip meta. */
void clip_draw (const ClipDrawSettings *settings, guint epoch, guint64 sample, guint width,
    guint height, ClipDraw *draw);

/* Mirrors a row of pixels of `channels` bytes (1 or 3). */
void clip_draw_flip (guint8 *row, guint width, guint channels);

/* Changes the colours of a frame of rows of RGB (channels 3) or of grey
 * (channels 1). stride: bytes from row to row. In integers: the same bytes
 * from every compiler, on every CPU. */
void clip_draw_colours (
    const ClipDraw *draw, guint8 *pixels, guint width, guint height, gsize stride, guint channels);

G_END_DECLS

#endif

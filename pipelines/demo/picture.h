/* picture.h: colours, backgrounds and camera noise in the videos of all demonstration sets.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_PICTURE_H
#define DEMO_PICTURE_H

#include <cairo.h>

#include "src/random.h"

/* A random stream and the position in it. */
typedef struct {
  Cnn3dRandomKey key;
  guint64 index;
} DemoDraws;

typedef struct {
  gdouble r, g, b; /* 0 to 1 */
} DemoColour;

typedef enum {
  DEMO_PLAIN,
  DEMO_GRADIENT,
  DEMO_STRIPES,
  DEMO_CHECKER,
  DEMO_BLOBS,
  DEMO_BACKGROUNDS
} DemoBackground;

typedef struct {
  DemoBackground background;
  DemoColour colours[2];
  gdouble tile;       /* grain, in pixels */
  gdouble slant;      /* direction, radians */
  Cnn3dRandomKey key; /* of the blobs' positions */
} DemoGround;

/* Uniform in [low, high). */
gdouble demo_draw (DemoDraws *draws, gdouble low, gdouble high);

/* Uniform in [0, n). */
guint demo_draw_below (DemoDraws *draws, guint n);

DemoColour demo_draw_colour (DemoDraws *draws);

/* The same hue with another brightness, 0 to 1. */
DemoColour demo_at_luma (DemoColour colour, gdouble luma);

void demo_set_colour (cairo_t *cr, const DemoColour *colour);

/* The background, drawn once per video: an image surface in CAIRO_FORMAT_RGB24. (transfer full) */
cairo_surface_t *demo_draw_ground (const DemoGround *ground, gint width, gint height);

/* Adds grey noise, equal in the three colours of a pixel, to an image surface in
 * CAIRO_FORMAT_RGB24. deviation: standard deviation, 0 to 255. */
void demo_add_noise (cairo_surface_t *target, gdouble deviation, const Cnn3dRandomKey *key);

#endif

/* picture.c: colours, backgrounds and camera noise.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture.h"

#include <math.h>

gdouble
demo_draw (DemoDraws *draws, gdouble low, gdouble high)
{
  return low + (high - low) * cnn3d_random_uniform (&draws->key, draws->index++);
}

guint
demo_draw_below (DemoDraws *draws, guint n)
{
  return cnn3d_random_below (&draws->key, draws->index++, n);
}

DemoColour
demo_draw_colour (DemoDraws *draws)
{
  DemoColour colour;

  colour.r = demo_draw (draws, 0, 1);
  colour.g = demo_draw (draws, 0, 1);
  colour.b = demo_draw (draws, 0, 1);
  return colour;
}

static gdouble
luma_of (const DemoColour *colour)
{
  return 0.299 * colour->r + 0.587 * colour->g + 0.114 * colour->b;
}

DemoColour
demo_at_luma (DemoColour colour, gdouble luma)
{
  gdouble now = MAX (luma_of (&colour), 0.02);
  gdouble scale = luma / now;

  if (scale <= 1) {
    colour.r *= scale;
    colour.g *= scale;
    colour.b *= scale;
  } else {
    gdouble mix = (luma - now) / (1 - now);

    colour.r += (1 - colour.r) * mix;
    colour.g += (1 - colour.g) * mix;
    colour.b += (1 - colour.b) * mix;
  }
  return colour;
}

void
demo_set_colour (cairo_t *cr, const DemoColour *colour)
{
  cairo_set_source_rgb (cr, colour->r, colour->g, colour->b);
}

static void
draw_gradient (cairo_t *cr, const DemoGround *ground, gint width, gint height)
{
  gdouble dx = cos (ground->slant) * width / 2;
  gdouble dy = sin (ground->slant) * height / 2;
  gdouble x = width / 2.0, y = height / 2.0;
  cairo_pattern_t *pattern = cairo_pattern_create_linear (x - dx, y - dy, x + dx, y + dy);
  const DemoColour *a = &ground->colours[0], *b = &ground->colours[1];

  cairo_pattern_add_color_stop_rgb (pattern, 0, a->r, a->g, a->b);
  cairo_pattern_add_color_stop_rgb (pattern, 1, b->r, b->g, b->b);
  cairo_set_source (cr, pattern);
  cairo_paint (cr);
  cairo_pattern_destroy (pattern);
}

static void
draw_tiles (cairo_t *cr, const DemoGround *ground, gint width, gint height)
{
  gdouble reach = hypot (width, height) / 2;
  gint n = ceil (reach / ground->tile), i, j;

  demo_set_colour (cr, &ground->colours[1]);
  cairo_translate (cr, width / 2.0, height / 2.0);
  cairo_rotate (cr, ground->slant);
  for (i = -n; i < n; i++) {
    if (ground->background == DEMO_STRIPES) {
      if (i & 1)
        cairo_rectangle (cr, i * ground->tile, -reach, ground->tile, 2 * reach);
      continue;
    }
    for (j = -n; j < n; j++) {
      if ((i + j) & 1)
        cairo_rectangle (cr, i * ground->tile, j * ground->tile, ground->tile, ground->tile);
    }
  }
  cairo_fill (cr);
}

static void
draw_blobs (cairo_t *cr, const DemoGround *ground, gint width, gint height)
{
  guint64 index = 0;
  guint i, n = 40;

  for (i = 0; i < n; i++) {
    gdouble x = cnn3d_random_uniform (&ground->key, index++) * width;
    gdouble y = cnn3d_random_uniform (&ground->key, index++) * height;
    gdouble radius = ground->tile * (0.3 + 0.7 * cnn3d_random_uniform (&ground->key, index++));

    demo_set_colour (cr, &ground->colours[(i + 1) & 1]);
    cairo_arc (cr, x, y, radius, 0, 2 * G_PI);
    cairo_fill (cr);
  }
}

cairo_surface_t *
demo_draw_ground (const DemoGround *ground, gint width, gint height)
{
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height);
  cairo_t *cr = cairo_create (surface);

  demo_set_colour (cr, &ground->colours[0]);
  cairo_paint (cr);
  switch (ground->background) {
    case DEMO_GRADIENT:
      draw_gradient (cr, ground, width, height);
      break;
    case DEMO_STRIPES:
    case DEMO_CHECKER:
      draw_tiles (cr, ground, width, height);
      break;
    case DEMO_BLOBS:
      draw_blobs (cr, ground, width, height);
      break;
    default:
      break;
  }
  cairo_destroy (cr);
  return surface;
}

/* The sum of four uniform bytes is close enough to a normal distribution. */
void
demo_add_noise (cairo_surface_t *target, gdouble deviation, const Cnn3dRandomKey *key)
{
  gint stride = cairo_image_surface_get_stride (target);
  gint width = cairo_image_surface_get_width (target);
  gint height = cairo_image_surface_get_height (target);
  guint8 *data = cairo_image_surface_get_data (target);
  gdouble scale = deviation / 147.8; /* standard deviation of such a sum: sqrt (4 / 12) * 256 */
  guint64 bits = 0, index = 0;
  gint x, y, c;

  cairo_surface_flush (target);
  for (y = 0; y < height; y++) {
    guint32 *row = (guint32 *) (data + (gsize) y * stride);

    for (x = 0; x < width; x++) {
      gint sum, delta;
      guint32 pixel = row[x], out = 0;

      bits = x & 1 ? bits >> 32 : cnn3d_random_bits (key, index++);
      sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24 & 255);
      delta = (gint) lrint ((sum - 510) * scale);
      for (c = 0; c < 24; c += 8) {
        gint value = (gint) (pixel >> c & 255) + delta;
        out |= (guint32) CLAMP (value, 0, 255) << c;
      }
      row[x] = out;
    }
  }
  cairo_surface_mark_dirty (target);
}

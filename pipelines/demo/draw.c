/* draw.c: draws a demonstration video's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draw.h"

#include <math.h>

#include "shapes.h"
#include "src/random.h"

/* Streams of random numbers beside the scene's own (0): one for the
 * background's blobs, one a frame for the noise. */
#define BLOBS_STREAM 1
#define NOISE_STREAM 2

static Cnn3dRandomKey
stream (const DemoScene *scene, guint number)
{
  Cnn3dRandomKey key = { scene->seed, scene->part + 2 * number, CNN3D_RANDOM_DEMO,
    (guint64) scene->klass << 32 | scene->number };
  return key;
}

static void
set_colour (cairo_t *cr, const DemoColour *colour)
{
  cairo_set_source_rgb (cr, colour->r, colour->g, colour->b);
}

static void
draw_gradient (cairo_t *cr, const DemoScene *scene)
{
  gdouble dx = cos (scene->slant) * scene->width / 2;
  gdouble dy = sin (scene->slant) * scene->height / 2;
  gdouble x = scene->width / 2.0, y = scene->height / 2.0;
  cairo_pattern_t *pattern = cairo_pattern_create_linear (x - dx, y - dy, x + dx, y + dy);
  const DemoColour *a = &scene->ground[0], *b = &scene->ground[1];

  cairo_pattern_add_color_stop_rgb (pattern, 0, a->r, a->g, a->b);
  cairo_pattern_add_color_stop_rgb (pattern, 1, b->r, b->g, b->b);
  cairo_set_source (cr, pattern);
  cairo_paint (cr);
  cairo_pattern_destroy (pattern);
}

static void
draw_tiles (cairo_t *cr, const DemoScene *scene, gboolean checker)
{
  gdouble reach = hypot (scene->width, scene->height) / 2;
  gint n = ceil (reach / scene->tile), i, j;

  set_colour (cr, &scene->ground[1]);
  cairo_translate (cr, scene->width / 2.0, scene->height / 2.0);
  cairo_rotate (cr, scene->slant);
  for (i = -n; i < n; i++) {
    if (!checker) {
      if (i & 1)
        cairo_rectangle (cr, i * scene->tile, -reach, scene->tile, 2 * reach);
      continue;
    }
    for (j = -n; j < n; j++) {
      if ((i + j) & 1)
        cairo_rectangle (cr, i * scene->tile, j * scene->tile, scene->tile, scene->tile);
    }
  }
  cairo_fill (cr);
}

static void
draw_blobs (cairo_t *cr, const DemoScene *scene)
{
  Cnn3dRandomKey key = stream (scene, BLOBS_STREAM);
  guint64 index = 0;
  guint i, n = 40;

  for (i = 0; i < n; i++) {
    gdouble x = cnn3d_random_uniform (&key, index++) * scene->width;
    gdouble y = cnn3d_random_uniform (&key, index++) * scene->height;
    gdouble radius = scene->tile * (0.3 + 0.7 * cnn3d_random_uniform (&key, index++));

    set_colour (cr, &scene->ground[(i + 1) & 1]);
    cairo_arc (cr, x, y, radius, 0, 2 * G_PI);
    cairo_fill (cr);
  }
}

cairo_surface_t *
demo_draw_background (const DemoScene *scene)
{
  cairo_surface_t *surface =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, scene->width, scene->height);
  cairo_t *cr = cairo_create (surface);

  set_colour (cr, &scene->ground[0]);
  cairo_paint (cr);
  switch (scene->background) {
    case DEMO_GRADIENT:
      draw_gradient (cr, scene);
      break;
    case DEMO_STRIPES:
      draw_tiles (cr, scene, FALSE);
      break;
    case DEMO_CHECKER:
      draw_tiles (cr, scene, TRUE);
      break;
    case DEMO_BLOBS:
      draw_blobs (cr, scene);
      break;
    default:
      break;
  }
  cairo_destroy (cr);
  return surface;
}

/* Grey noise, the same for a pixel's three colours, from the sum of four
 * uniform bytes: close enough to a normal distribution. */
static void
add_noise (const DemoScene *scene, guint frame, cairo_surface_t *target)
{
  Cnn3dRandomKey key = stream (scene, NOISE_STREAM + frame);
  gint stride = cairo_image_surface_get_stride (target);
  guint8 *data = cairo_image_surface_get_data (target);
  gdouble scale = scene->noise / 147.8; /* of such a sum: sqrt (4 / 12) * 256 */
  guint64 bits = 0, index = 0;
  gint x, y, c;

  cairo_surface_flush (target);
  for (y = 0; y < scene->height; y++) {
    guint32 *row = (guint32 *) (data + (gsize) y * stride);

    for (x = 0; x < scene->width; x++) {
      gint sum, delta;
      guint32 pixel = row[x], out = 0;

      bits = x & 1 ? bits >> 32 : cnn3d_random_bits (&key, index++);
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

void
demo_draw_frame (
    const DemoScene *scene, guint frame, cairo_surface_t *background, cairo_surface_t *target)
{
  cairo_t *cr = cairo_create (target);
  DemoPose pose;

  cairo_set_source_surface (cr, background, 0, 0);
  cairo_paint (cr);

  demo_scene_pose (scene, frame, &pose);
  cairo_translate (cr, pose.x, pose.y);
  cairo_rotate (cr, pose.turn);
  cairo_scale (cr, pose.size, pose.size);
  demo_shape_path (cr, scene->part, scene->shape);
  set_colour (cr, &scene->colour);
  if (scene->outline) {
    cairo_fill_preserve (cr);
    cairo_set_line_width (cr, 0.14);
    set_colour (cr, &scene->outline_colour);
    cairo_stroke (cr);
  } else {
    cairo_fill (cr);
  }
  cairo_destroy (cr);

  if (scene->noise > 0)
    add_noise (scene, frame, target);
}

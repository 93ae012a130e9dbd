/* draw.c: draws a demonstration video's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draw.h"

#include "shapes.h"

/* The random stream for the noise of the first frame; each further frame has the next one */
#define NOISE_STREAM 2

static void
paint (gconstpointer data, guint frame, cairo_t *cr)
{
  const DemoScene *scene = data;
  DemoPose pose;

  demo_scene_pose (scene, frame, &pose);
  cairo_translate (cr, pose.x, pose.y);
  cairo_rotate (cr, pose.turn);
  cairo_scale (cr, pose.size, pose.size);
  demo_shape_path (cr, scene->part, scene->shape);
  demo_set_colour (cr, &scene->colour);
  if (scene->outline) {
    cairo_fill_preserve (cr);
    cairo_set_line_width (cr, 0.14);
    demo_set_colour (cr, &scene->outline_colour);
    cairo_stroke (cr);
  } else {
    cairo_fill (cr);
  }
}

static Cnn3dRandomKey
noise_key (gconstpointer scene, guint frame)
{
  return demo_scene_stream (scene, NOISE_STREAM + frame);
}

void
demo_draw_movie (const DemoScene *scene, DemoMovie *movie)
{
  const DemoLook look = { .width = scene->width,
    .height = scene->height,
    .rate = scene->rate,
    .frames = scene->frames,
    .ground = scene->ground,
    .noise = scene->noise,
    .paint = paint,
    .noise_key = noise_key };

  demo_movie_init (movie, &look, scene, sizeof *scene);
}

/* draw.c: draws a demonstration video's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draw.h"

#include "shapes.h"

/* The random stream for the noise of the first frame; each further frame has the next one */
#define NOISE_STREAM 2

typedef struct {
  DemoScene scene;
  cairo_surface_t *background;
} Drawing;

static void
draw_frame (gpointer data, guint frame, cairo_surface_t *target)
{
  const Drawing *drawing = data;
  const DemoScene *scene = &drawing->scene;
  cairo_t *cr = cairo_create (target);
  DemoPose pose;

  cairo_set_source_surface (cr, drawing->background, 0, 0);
  cairo_paint (cr);

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
  cairo_destroy (cr);

  if (scene->noise > 0) {
    Cnn3dRandomKey key = demo_scene_stream (scene, NOISE_STREAM + frame);

    demo_add_noise (target, scene->noise, &key);
  }
}

static void
free_drawing (gpointer data)
{
  Drawing *drawing = data;

  cairo_surface_destroy (drawing->background);
  g_free (drawing);
}

void
demo_draw_movie (const DemoScene *scene, DemoMovie *movie)
{
  Drawing *drawing = g_new (Drawing, 1);

  drawing->scene = *scene;
  drawing->background = demo_draw_ground (&scene->ground, scene->width, scene->height);
  *movie = (DemoMovie) { scene->width, scene->height, scene->rate, scene->frames, draw_frame,
    drawing, free_drawing };
}

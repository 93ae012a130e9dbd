/* movie.c: frames of a scene. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "movie.h"

typedef struct {
  DemoLook look;
  gpointer scene;
  cairo_surface_t *ground;
} Drawing;

static void
draw_frame (gpointer data, guint frame, cairo_surface_t *target)
{
  const Drawing *drawing = data;
  const DemoLook *look = &drawing->look;
  cairo_t *cr = cairo_create (target);

  cairo_set_source_surface (cr, drawing->ground, 0, 0);
  cairo_paint (cr);
  look->paint (drawing->scene, frame, cr);
  cairo_destroy (cr);

  if (look->noise > 0) {
    Cnn3dRandomKey key = look->noise_key (drawing->scene, frame);

    demo_add_noise (target, look->noise, &key);
  }
}

static void
free_drawing (gpointer data)
{
  Drawing *drawing = data;

  cairo_surface_destroy (drawing->ground);
  g_free (drawing->scene);
  g_free (drawing);
}

void
demo_movie_init (DemoMovie *movie, const DemoLook *look, gconstpointer scene, gsize size)
{
  Drawing *drawing = g_new (Drawing, 1);

  drawing->look = *look;
  drawing->scene = g_memdup2 (scene, size);
  drawing->ground = demo_draw_ground (&look->ground, look->width, look->height);
  *movie = (DemoMovie) { look->width, look->height, look->rate, look->frames, draw_frame, drawing,
    free_drawing };
}

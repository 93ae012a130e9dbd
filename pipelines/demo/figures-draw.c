/* figures-draw.c: draws the stick figures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figures.h"

/* The random stream for the noise of the first frame; each further frame has the next one */
#define NOISE_STREAM 16

typedef struct {
  FiguresScene scene;
  cairo_surface_t *background;
} Drawing;

/* Lines, by their points in COCO's order */
static const guint bones[][2] = { { 5, 7 }, { 7, 9 }, { 6, 8 }, { 8, 10 }, { 11, 13 }, { 13, 15 },
  { 12, 14 }, { 14, 16 }, { 5, 6 }, { 11, 12 }, { 5, 11 }, { 6, 12 } };

static void
draw_figure (cairo_t *cr, const Figure *figure, guint frame)
{
  FiguresPoint points[FIGURES_POINTS];
  gdouble radius = 0.07 * figure->height;
  guint i;

  figures_pose (figure, frame, points);
  demo_set_colour (cr, &figure->colour);
  cairo_set_line_width (cr, figure->line * figure->height);
  for (i = 0; i < G_N_ELEMENTS (bones); i++) {
    cairo_move_to (cr, points[bones[i][0]].x, points[bones[i][0]].y);
    cairo_line_to (cr, points[bones[i][1]].x, points[bones[i][1]].y);
  }
  cairo_stroke (cr);
  cairo_arc (cr, points[0].x, points[0].y, radius, 0, 2 * G_PI);
  cairo_fill (cr);
}

static void
draw_frame (gpointer data, guint frame, cairo_surface_t *target)
{
  const Drawing *drawing = data;
  const FiguresScene *scene = &drawing->scene;
  cairo_t *cr = cairo_create (target);

  cairo_set_source_surface (cr, drawing->background, 0, 0);
  cairo_paint (cr);
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  draw_figure (cr, &scene->figures[1], frame);
  draw_figure (cr, &scene->figures[0], frame);
  cairo_destroy (cr);

  if (scene->noise > 0) {
    Cnn3dRandomKey key = figures_stream (scene, NOISE_STREAM + frame);

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
figures_movie (const FiguresScene *scene, DemoMovie *movie)
{
  Drawing *drawing = g_new (Drawing, 1);

  drawing->scene = *scene;
  drawing->background = demo_draw_ground (&scene->ground, scene->width, scene->height);
  *movie = (DemoMovie) { scene->width, scene->height, scene->rate, scene->frames, draw_frame,
    drawing, free_drawing };
}

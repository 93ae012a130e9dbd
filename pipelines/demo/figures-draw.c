/* figures-draw.c: draws the stick figures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figures.h"

/* The random stream for the noise of the first frame; each further frame has the next one */
#define NOISE_STREAM 16

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
paint (gconstpointer data, guint frame, cairo_t *cr)
{
  const FiguresScene *scene = data;

  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  draw_figure (cr, &scene->figures[1], frame);
  draw_figure (cr, &scene->figures[0], frame);
}

static Cnn3dRandomKey
noise_key (gconstpointer scene, guint frame)
{
  return figures_stream (scene, NOISE_STREAM + frame);
}

void
figures_movie (const FiguresScene *scene, DemoMovie *movie)
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

/* shapes.c: the shapes that move in the demonstration videos. None has a rotational symmetry, so
 * that every rotation is visible.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shapes.h"

#define MAX_POINTS 14

typedef struct {
  gdouble x, y;
} Point;

/* A polygon, clockwise on the screen, with a disc beside it and a hole in the disc, unless their
 * radii are 0. */
typedef struct {
  const gchar *name;
  guint n_points;
  Point points[MAX_POINTS];
  gdouble disc_x, disc_y, disc_radius, hole_radius;
} Shape;

static const Shape train_shapes[] = {
  { "angle", 6, { { -.6, -1 }, { -.1, -1 }, { -.1, .5 }, { .7, .5 }, { .7, 1 }, { -.6, 1 } } },
  { "arrow", 7,
      { { 0, -1 }, { .75, -.1 }, { .28, -.1 }, { .28, 1 }, { -.28, 1 }, { -.28, -.1 },
          { -.75, -.1 } } },
  { "letter-f", 10,
      { { -.6, -1 }, { .7, -1 }, { .7, -.55 }, { -.1, -.55 }, { -.1, -.15 }, { .45, -.15 },
          { .45, .3 }, { -.1, .3 }, { -.1, 1 }, { -.6, 1 } } },
  { "flag", 5, { { -.7, -1 }, { .85, -.5 }, { -.35, 0 }, { -.35, 1 }, { -.7, 1 } } },
  { "wedge", 3, { { -.8, -1 }, { .95, .75 }, { -.8, .75 } } },
  { "seven", 7,
      { { -.7, -1 }, { .7, -1 }, { .7, -.6 }, { 0, 1 }, { -.5, 1 }, { .1, -.5 }, { -.7, -.5 } } },
  { "boot", 6, { { -.5, -1 }, { .15, -1 }, { .15, .2 }, { .85, .5 }, { .85, 1 }, { -.5, 1 } } },
  { "steps", 8,
      { { .8, -.9 }, { .8, .9 }, { -.8, .9 }, { -.8, .4 }, { -.27, .4 }, { -.27, -.25 },
          { .27, -.25 }, { .27, -.9 } } },
  { "spoon", 4, { { -.17, -.2 }, { .17, -.2 }, { .17, 1 }, { -.17, 1 } }, 0, -.45, .55, 0 },
  { "drop", 3, { { -.53, .14 }, { 0, -1 }, { .53, .14 } }, 0, .4, .6, 0 },
  { "letter-p", 4, { { -.55, -1 }, { -.05, -1 }, { -.05, 1 }, { -.55, 1 } }, .05, -.4, .6, .22 },
  { "tetromino", 8,
      { { -.95, -.3 }, { -.32, -.3 }, { -.32, -.9 }, { .32, -.9 }, { .32, -.3 }, { .95, -.3 },
          { .95, .35 }, { -.95, .35 } } },
};

static const Shape test_shapes[] = {
  { "hook", 10,
      { { .2, -1 }, { .65, -1 }, { .65, .6 }, { .3, 1 }, { -.4, 1 }, { -.7, .65 }, { -.7, .2 },
          { -.25, .2 }, { -.25, .5 }, { .2, .5 } } },
  { "axe", 8,
      { { -.2, -1 }, { .15, -1 }, { .15, -.85 }, { .85, -1 }, { .85, 0 }, { .15, -.2 }, { .15, 1 },
          { -.2, 1 } } },
  { "house", 9,
      { { -.8, 1 }, { -.8, 0 }, { -.1, -.8 }, { .25, -.4 }, { .25, -1 }, { .6, -1 }, { .6, 0 },
          { .8, .2 }, { .8, 1 } } },
  { "note", 6, { { .15, -1 }, { .85, -.7 }, { .85, -.3 }, { .42, -.5 }, { .42, .6 }, { .15, .6 } },
      -.1, .55, .45, 0 },
  { "key", 10,
      { { -.15, 0 }, { .15, 0 }, { .15, .3 }, { .55, .3 }, { .55, .55 }, { .15, .55 }, { .15, .75 },
          { .55, .75 }, { .55, 1 }, { -.15, 1 } },
      0, -.45, .52, .2 },
  { "sail", 7,
      { { -.05, -1 }, { .85, .3 }, { .85, .6 }, { .5, 1 }, { -.5, 1 }, { -.85, .55 },
          { -.05, .4 } } },
};

static const Shape *
shape_of (DemoPart part, guint shape)
{
  return part == DEMO_TRAIN ? &train_shapes[shape] : &test_shapes[shape];
}

guint
demo_shape_count (DemoPart part)
{
  return part == DEMO_TRAIN ? G_N_ELEMENTS (train_shapes) : G_N_ELEMENTS (test_shapes);
}

const gchar *
demo_shape_name (DemoPart part, guint shape)
{
  g_return_val_if_fail (shape < demo_shape_count (part), NULL);
  return shape_of (part, shape)->name;
}

void
demo_shape_path (cairo_t *cr, DemoPart part, guint number)
{
  const Shape *shape;
  guint i;

  g_return_if_fail (number < demo_shape_count (part));
  shape = shape_of (part, number);

  for (i = 0; i < shape->n_points; i++)
    cairo_line_to (cr, shape->points[i].x, shape->points[i].y);
  cairo_close_path (cr);

  if (shape->disc_radius > 0) {
    cairo_new_sub_path (cr);
    cairo_arc (cr, shape->disc_x, shape->disc_y, shape->disc_radius, 0, 2 * G_PI);
    cairo_close_path (cr);
  }
  if (shape->hole_radius > 0) {
    cairo_new_sub_path (cr);
    cairo_arc_negative (cr, shape->disc_x, shape->disc_y, shape->hole_radius, 2 * G_PI, 0);
    cairo_close_path (cr);
  }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/posedraw.h"

#include <math.h>

/* Parts of the picture's shorter side, and the least in pixels */
#define DOT_RADIUS (1 / 64.)
#define LINE_RADIUS (1 / 128.)
#define EDGE (1 / 96.)
#define LEAST_DOT 1.5
#define LEAST_LINE 0.75
#define LEAST_EDGE 0.75

/* Bright ones, which differ from one another and from the dark edge */
static const guint8 colors[][3] = { { 255, 225, 25 }, { 0, 210, 255 }, { 255, 80, 220 },
  { 90, 255, 90 }, { 255, 140, 0 }, { 255, 255, 255 }, { 255, 90, 90 }, { 170, 150, 255 } };
static const guint8 edge_color[3] = { 0, 0, 0 };

typedef struct {
  guint8 *pixels;
  gsize stride;
  guint width, height;
} Picture;

typedef struct {
  gdouble x, y;
} Place;

/* The distance of a point from a line's nearest point. */
static gdouble
distance (Place p, Place a, Place b)
{
  const gdouble x = b.x - a.x, y = b.y - a.y, length = x * x + y * y;
  const gdouble part = length > 0 ? ((p.x - a.x) * x + (p.y - a.y) * y) / length : 0;
  const gdouble at = CLAMP (part, 0, 1);

  return hypot (p.x - a.x - at * x, p.y - a.y - at * y);
}

/* The first and the last of n pixels that a line from a to b reaches; none: first > last. */
static void
reach (gdouble a, gdouble b, gdouble radius, guint n, gint *first, gint *last)
{
  *first = (gint) CLAMP (floor (MIN (a, b) - radius - 1), 0, n);
  *last = (gint) CLAMP (ceil (MAX (a, b) + radius + 1), -1, n - 1.);
}

/* A line with round ends; a disc where both are the same. Pixels that it covers in part are mixed. */
static void
paint (const Picture *picture, Place a, Place b, gdouble radius, const guint8 color[3])
{
  gint left, right, top, bottom;

  reach (a.x, b.x, radius, picture->width, &left, &right);
  reach (a.y, b.y, radius, picture->height, &top, &bottom);
  for (gint y = top; y <= bottom; y++)
    for (gint x = left; x <= right; x++) {
      guint8 *pixel = picture->pixels + y * picture->stride + 3 * (gsize) x;
      const gdouble from = distance ((Place) { x + 0.5, y + 0.5 }, a, b);
      const gdouble part = CLAMP (radius + 0.5 - from, 0, 1);

      for (guint c = 0; c < 3; c++)
        pixel[c] = (guint8) lround (pixel[c] + part * (color[c] - pixel[c]));
    }
}

static gboolean
find (const Picture *picture, const gfloat *point, Place *place)
{
  *place = (Place) { point[0] * picture->width, point[1] * picture->height };
  return point[2] > 0 && isfinite (place->x) && isfinite (place->y);
}

/* One person; all lines and points are wider by `edge`. */
static void
paint_person (const Picture *picture, const Cnn3dSkeleton *skeleton, const gfloat *points,
    gdouble edge, const guint8 color[3])
{
  const gdouble side = MIN (picture->width, picture->height);
  const gdouble line = MAX (LINE_RADIUS * side, LEAST_LINE) + edge;
  const gdouble dot = MAX (DOT_RADIUS * side, LEAST_DOT) + edge;
  Place a, b;

  for (guint i = 0; i < skeleton->n_bones; i++)
    if (find (picture, points + 3 * skeleton->bones[2 * i], &a)
        && find (picture, points + 3 * skeleton->bones[2 * i + 1], &b))
      paint (picture, a, b, line, color);
  for (guint k = 0; k < skeleton->points; k++)
    if (find (picture, points + 3 * k, &a))
      paint (picture, a, a, dot, color);
}

void
cnn3d_pose_draw (const Cnn3dSkeleton *skeleton, const gfloat *values, guint persons, guint8 *pixels,
    gsize stride, guint width, guint height)
{
  const Picture picture = { pixels, stride, width, height };
  const gdouble edge = MAX (EDGE * MIN (width, height), LEAST_EDGE);

  for (guint m = persons; m-- > 0;) {
    const gfloat *points = values + 3 * (gsize) skeleton->points * m;

    paint_person (&picture, skeleton, points, edge, edge_color);
    paint_person (&picture, skeleton, points, 0, colors[m % G_N_ELEMENTS (colors)]);
  }
}

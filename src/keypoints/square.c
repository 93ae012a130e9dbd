/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/square.h"

#include <math.h>

#define MARGIN 0.25

void
cnn3d_point_box_init (Cnn3dPointBox *box)
{
  *box = (Cnn3dPointBox) { { INFINITY, INFINITY }, { -INFINITY, -INFINITY } };
}

void
cnn3d_point_box_add (
    Cnn3dPointBox *box, const gfloat *points, gsize n, gdouble width, gdouble height)
{
  const gdouble size[2] = { width, height };

  for (gsize k = 0; k < n; k++, points += 3)
    for (guint i = 0; i < 2 && points[2] > 0; i++) {
      box->low[i] = MIN (box->low[i], points[i] * size[i]);
      box->high[i] = MAX (box->high[i], points[i] * size[i]);
    }
}

void
cnn3d_point_box_join (Cnn3dPointBox *box, const Cnn3dPointBox *other)
{
  for (guint i = 0; i < 2; i++) {
    box->low[i] = MIN (box->low[i], other->low[i]);
    box->high[i] = MAX (box->high[i], other->high[i]);
  }
}

gboolean
cnn3d_square_around (
    const Cnn3dPointBox *box, gdouble width, gdouble height, gdouble shortest, Cnn3dSquare *square)
{
  const gdouble size[2] = { width, height };
  const gdouble *low = box->low, *high = box->high;
  gdouble half = 0;

  if (!(high[0] - low[0] >= shortest && high[1] - low[1] >= shortest
          && (high[0] > low[0] || high[1] > low[1])))
    return FALSE;
  for (guint i = 0; i < 2; i++)
    half = MAX (half, (high[i] - low[i]) / 2 * (1 + MARGIN));
  for (guint i = 0; i < 2; i++) {
    square->origin[i] = ((low[i] + high[i]) / 2 - half) / size[i];
    square->side[i] = 2 * half / size[i];
  }
  return TRUE;
}

void
cnn3d_square_apply (const Cnn3dSquare *square, gfloat *points, gsize n)
{
  for (gsize k = 0; k < n; k++, points += 3)
    for (guint i = 0; i < 2 && points[2] > 0; i++)
      points[i] = (points[i] - square->origin[i]) / square->side[i];
}

/* square.h: the square around the persons of a clip, which compact key points are relative to.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SQUARE_H
#define CNN3D_SQUARE_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* The smallest box that contains some points, in pixels: x, y. */
typedef struct {
  gdouble low[2], high[2];
} Cnn3dPointBox;

/* Makes it contain no point. */
CNN3D_API void cnn3d_point_box_init (Cnn3dPointBox *box);
/* Adds n points, (n, 3): x and y as parts of a picture of width x height, and the score. Those whose
 * score is 0 are missing, and left out. */
CNN3D_API void cnn3d_point_box_add (
    Cnn3dPointBox *box, const gfloat *points, gsize n, gdouble width, gdouble height);
CNN3D_API void cnn3d_point_box_join (Cnn3dPointBox *box, const Cnn3dPointBox *other);

/* As parts of the picture's width and height. */
typedef struct {
  gdouble origin[2], side[2];
} Cnn3dSquare;

/* The square around a box, with a margin of a quarter of it. shortest: pixels. FALSE: the box has no
 * extent, or one of its sides is shorter than that: points remain relative to the picture. */
CNN3D_API gboolean cnn3d_square_around (
    const Cnn3dPointBox *box, gdouble width, gdouble height, gdouble shortest, Cnn3dSquare *square);
/* Makes n points relative to the square. */
CNN3D_API void cnn3d_square_apply (const Cnn3dSquare *square, gfloat *points, gsize n);

/* For `shortest`, as published networks of key points have it. */
#define CNN3D_SHORTEST_SQUARE 10

G_END_DECLS

#endif

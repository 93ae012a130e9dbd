/* posedraw.h: shows key points over a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_POSE_DRAW_H
#define CNN3D_POSE_DRAW_H

#include "src/keypoints/skeleton.h"

G_BEGIN_DECLS

/* Paints the points over a picture, and the lines that join those of a known skeleton. Each person
 * has a colour, the first ones different ones, with a dark edge. Widths are parts of the picture's
 * shorter side. Points whose score is 0 are missing; those outside of the picture are cut off.
 *
 * values: [persons][skeleton->points][3]: x and y, 0 to 1 over the picture's width and height, and
 *         score; the first person is painted last
 * pixels: [height] rows of `width` times R, G, B, `stride` bytes apart */
CNN3D_API void cnn3d_pose_draw (const Cnn3dSkeleton *skeleton, const gfloat *values, guint persons,
    guint8 *pixels, gsize stride, guint width, guint height);

G_END_DECLS

#endif

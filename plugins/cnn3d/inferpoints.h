/* inferpoints.h: the key points of a video's frames, as a model reads them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_POINTS_H
#define INFER_POINTS_H

#include "gstclipkptmeta.h"
#include "src/keypoints/square.h"

typedef struct {
  guint persons, points; /* M and K of the model */
  /* points become relative to a square around those of the window, as by clipkpt */
  gboolean compact;
  gboolean add_borders; /* frames are scaled with borders: points follow */
} InferPointsParams;

/* The key points of a frame that belongs to a window. */
typedef struct {
  gfloat *values;    /* (M, K, 3); NULL: not allocated yet */
  guint64 frame;     /* its number in the video */
  gboolean has_meta; /* FALSE: all points are missing */
  gboolean compact;  /* they arrived relative to a square */
} InferFramePoints;

typedef struct _InferPoints InferPoints;

/* in, to: the video, and its frames as the model reads them. */
InferPoints *infer_points_new (
    const InferPointsParams *params, const GstVideoInfo *in, const GstVideoInfo *to);
void infer_points_free (InferPoints **points);

/* Forgets all frames: those that follow belong to other windows. */
void infer_points_restart (InferPoints *points);
/* Adds the next frame of the video, whether or not it belongs to a window. Its meta has the model's
 * K; NULL: it has none. */
void infer_points_push (InferPoints *points, const GstClipKptMeta *meta);
/* The points of the newest frame. */
void infer_points_get (const InferPoints *points, InferFramePoints *to);
void infer_points_copy (
    const InferPoints *points, const InferFramePoints *from, InferFramePoints *to);

/* Forgets the frames before this one, where the earliest window begins. */
void infer_points_forget (InferPoints *points, guint64 frame);
/* The square around the points of all frames from first to last. FALSE: points stay as they are. */
gboolean infer_points_square (
    const InferPoints *points, guint64 first, guint64 last, Cnn3dSquare *square);

#endif

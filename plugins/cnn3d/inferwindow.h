/* inferwindow.h: scales the frames of a video and cuts them into windows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_WINDOW_H
#define INFER_WINDOW_H

#include <gst/video/video.h>

#include "inferpoints.h"
#include "plugins/framerate.h"

/* Parameters of a window. */
typedef struct {
  guint channels, frames, height, width; /* of the model's clips */
  /* from infer_window_find_scaling(); -1: bilinear */
  gint scaling;
  /* TRUE: borders keep the shape, as with square pixels; FALSE: the picture is stretched */
  gboolean add_borders;
  /* frames from one frame of a window to the next, from 1 */
  guint interval;
  /* frames from one window to the next; 0: no overlap */
  guint stride;
  /* above 0: frames are replaced by their differences from the previous one in the window, as by
   * clipdiff */
  gdouble diff_gain;
  /* the video is converted to this rate first; interval and stride count its frames; 0:
   * unchanged */
  FrameRate rate;
  /* FALSE: the model reads key points alone, and no frame is scaled */
  gboolean sees_frames;
  /* M and K of the key points that the model reads; K is 0: none */
  guint persons, points;
  /* the key points become relative to a square around those of the window */
  gboolean compact;
} InferWindowParams;

/* Position of a frame in the stream. */
typedef struct {
  GstClockTime pts, duration, running_time; /* or GST_CLOCK_TIME_NONE */
} InferFrameTime;

typedef struct _InferWindow InferWindow;

/* The number of videoconvertscale's method of that name; -1: NULL or
 * unknown. */
gint infer_window_find_scaling (const gchar *name);

/* For video of one format and size. NULL: the format cannot be converted. */
InferWindow *infer_window_new (const GstVideoInfo *info, const InferWindowParams *params);
void infer_window_free (InferWindow **window);

/* Starts a window at the next frame. */
void infer_window_restart (InferWindow *window);

/* Adds the next frame of the video, with its key points; they must be the model's K. FALSE: it could
 * not be read, and windows start again after it. */
gboolean infer_window_push (InferWindow *window, GstBuffer *buffer, GstClockTime running_time);
/* Ends the video: repeats the last frame as the frame rate requires. */
void infer_window_end (InferWindow *window);

/* To be called after infer_window_push() and infer_window_end() until it
 * returns FALSE. TRUE: a window is complete. */
gboolean infer_window_next (InferWindow *window);

/* Of the complete window: its size in bytes, 0 if no frames are read; its bytes, (T, H, W, C), to
 * `clip`; the times of its first and last frame; the number of its key points' values, 0 if none are
 * read; these, (T, M, K, 3), to `points`; whether any of its frames came with key points. Valid until
 * the next infer_window_next(). */
gsize infer_window_size (const InferWindow *window);
void infer_window_copy (const InferWindow *window, guint8 *clip);
void infer_window_times (const InferWindow *window, InferFrameTime *first, InferFrameTime *last);
gsize infer_window_n_points (const InferWindow *window);
void infer_window_copy_points (const InferWindow *window, gfloat *points);
gboolean infer_window_has_points (const InferWindow *window);

#endif

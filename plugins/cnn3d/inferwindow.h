/* inferwindow.h: the frames of a video, scaled and cut into windows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_WINDOW_H
#define INFER_WINDOW_H

#include <gst/video/video.h>

#include "plugins/framerate.h"

/* What a window is made of. */
typedef struct {
  guint channels, frames, height, width;        /* of a clip of the model's */
  gint scaling;                 /* infer_window_find_scaling(); -1: bilinear */
  gboolean add_borders;         /* borders where shapes differ, as with square
                                 * pixels; otherwise the picture is stretched */
  guint interval;               /* from one of its frames to the next, from 1 */
  guint stride;                 /* from one window to the next; 0: they do not
                                 * overlap */
  gdouble diff_gain;            /* above 0: frames become differences from the
                                 * one before in the window, as by clipdiff */
  FrameRate rate;               /* that the video is brought to first; interval
                                 * and stride count its frames; 0: as it comes */
} InferWindowParams;

/* Where a frame lies in the stream. */
typedef struct {
  GstClockTime pts, duration, running_time;     /* or GST_CLOCK_TIME_NONE */
} InferFrameTime;

typedef struct _InferWindow InferWindow;

/* The number of a method by videoconvertscale's name for it; -1: NULL, or not
 * known. */
gint infer_window_find_scaling (const gchar * name);

/* For video of one format and size. NULL: the format cannot be converted. */
InferWindow *infer_window_new (const GstVideoInfo * info,
    const InferWindowParams * params);
void infer_window_free (InferWindow ** window);

/* The next frame comes first in a window. */
void infer_window_restart (InferWindow * window);

/* The next frame of the video. FALSE: it could not be read, and the windows
 * begin anew. */
gboolean infer_window_push (InferWindow * window, GstBuffer * buffer,
    GstClockTime running_time);
/* No frame follows: what the last one stands for at the rate comes, too. */
void infer_window_end (InferWindow * window);

/* Called after each of them until it is FALSE. TRUE: a window is complete. */
gboolean infer_window_next (InferWindow * window);

/* Of the window that is complete: its bytes, (T, H, W, C), to `clip`; the times
 * of its first and its last frame. Valid until infer_window_next(). */
gsize infer_window_size (const InferWindow * window);
void infer_window_copy (const InferWindow * window, guint8 * clip);
void infer_window_times (const InferWindow * window, InferFrameTime * first,
    InferFrameTime * last);

#endif

/* clipwindow.h: selects frames of a clip. Pure arithmetic.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_WINDOW_H
#define CLIP_WINDOW_H

#include "plugins/framerate.h"
#include "src/settings/choices.h"

typedef struct {
  guint num_frames;      /* per clip, at least 1 */
  guint interval;        /* distance of successive frames; 0: spread evenly */
  FrameRate rate;        /* at which frames are counted */
  gint mode;             /* Cnn3dWindow */
  guint clips_per_video; /* at least 1; ignored in training */
  guint64 seed;
} ClipWindow;

/* Value i of `num` values spread evenly over [0, stop], both ends included, rounded half to
 * even: numpy.linspace(0, stop, num).round()[i]. */
guint64 clip_window_linspace (guint64 stop, guint num, guint i);

/* Clips taken of a video: 1 in training, or if frames are spread evenly over all of it. */
guint clip_window_clips (const ClipWindow *window, gboolean training);

/* Fills wanted[clips * num_frames] with frame numbers below `total`, clip after clip. They do
 * not decrease within a clip.
 * total: frames in the video, at least 1
 * sample, epoch: determine a random window, with the seed */
void clip_window_plan (const ClipWindow *window, guint64 total, gboolean training, guint epoch,
    guint64 sample, guint64 *wanted);

/* The same at the window's frame rate, which must not be 0.
 * times: [n] of the clip's frames in ns, not decreasing; n: at least 1 */
void clip_window_plan_times (const ClipWindow *window, const guint64 *times, guint64 n,
    gboolean training, guint epoch, guint64 sample, guint64 *wanted);

#endif

/* clipwindow.h: which frames of a clip are taken: pure arithmetic.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_WINDOW_H
#define CLIP_WINDOW_H

#include "plugins/framerate.h"
#include "src/settings/choices.h"

typedef struct {
  guint num_frames; /* frames of a view, at least 1 */
  guint interval;   /* of one frame to the next; 0: even spread */
  FrameRate rate;   /* of the frames that are counted */
  gint mode;        /* Cnn3dWindow */
  guint views;      /* at least 1; when training it counts as 1 */
  guint64 seed;
} ClipWindow;

/* Number i of `num` values spread evenly over [0, stop], both ends included,
 * rounded half to even: numpy.linspace(0, stop, num).round()[i]. */
guint64 clip_window_linspace (guint64 stop, guint num, guint i);

/* Views that a clip gives: 1 when training or when its frames are spread
 * evenly over the whole clip. */
guint clip_window_views (const ClipWindow *window, gboolean training);

/* Fills wanted[views * num_frames] with frame numbers, view after view, each
 * view's not decreasing, all below `total`.
 * total: frames in the clip, at least 1
 * sample, epoch: what the draw of a random window is keyed by */
void clip_window_plan (const ClipWindow *window, guint64 total, gboolean training, guint epoch,
    guint64 sample, guint64 *wanted);

/* The same of the clip at the window's rate, which is not 0.
 * times: [n] of the clip's frames, ns, not decreasing, n at least 1 */
void clip_window_plan_times (const ClipWindow *window, const guint64 *times, guint64 n,
    gboolean training, guint epoch, guint64 sample, guint64 *wanted);

#endif

/* clipwindow.c: selects frames of a clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipwindow.h"

#include <math.h>

#include "src/random.h"

guint64
clip_window_linspace (guint64 stop, guint num, guint i)
{
  gdouble step;

  if (num < 2 || i == 0)
    return 0;
  /* the last value is exactly `stop`; a product could be less */
  if (i >= num - 1)
    return stop;
  step = (gdouble) stop / (num - 1);

  return MIN ((guint64) rint (i * step), stop);
}

/* Whether frames are spread over the whole clip, so that there is no window to place. */
static gboolean
spreads (const ClipWindow *window)
{
  return window->interval == 0 || window->mode == CNN3D_WINDOW_UNIFORM;
}

guint
clip_window_clips (const ClipWindow *window, gboolean training)
{
  return training || spreads (window) ? 1 : window->clips_per_video;
}

void
clip_window_plan (const ClipWindow *window, guint64 total, gboolean training, guint epoch,
    guint64 sample, guint64 *wanted)
{
  const guint num = window->num_frames;
  const guint clips = clip_window_clips (window, training);
  const guint64 length = (guint64) (num - 1) * window->interval + 1;
  guint clip, i;

  for (clip = 0; clip < clips; clip++, wanted += num) {
    guint64 start;

    if (spreads (window) || total < length) {
      for (i = 0; i < num; i++)
        wanted[i] = clip_window_linspace (total - 1, num, i);
      continue;
    }

    if (clips > 1) {
      start = clip_window_linspace (total - length, clips, clip);
    } else if (training && window->mode == CNN3D_WINDOW_RANDOM) {
      const Cnn3dRandomKey key = { window->seed, epoch, CNN3D_RANDOM_WINDOW, sample };

      start = cnn3d_random_below (&key, 0, total - length + 1);
    } else {
      start = (total - length) / 2;
    }
    for (i = 0; i < num; i++)
      wanted[i] = start + (guint64) i * window->interval;
  }
}

void
clip_window_plan_times (const ClipWindow *window, const guint64 *times, guint64 n,
    gboolean training, guint epoch, guint64 sample, guint64 *wanted)
{
  const guint total = clip_window_clips (window, training) * window->num_frames;

  clip_window_plan (
      window, frame_rate_count (window->rate, times, n), training, epoch, sample, wanted);
  for (guint i = 0; i < total; i++)
    wanted[i] = frame_rate_source (window->rate, times, n, wanted[i]);
}

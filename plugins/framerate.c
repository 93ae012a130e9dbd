/* framerate.c: selects the frames of a video at another frame rate.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "framerate.h"

/* Longest gap that is filled. */
#define MOST_GAP (10 * GST_SECOND)

gboolean
frame_rate_equal (FrameRate a, FrameRate b)
{
  return (gint64) a.n * MAX (b.d, 1) == (gint64) b.n * MAX (a.d, 1);
}

guint64
frame_rate_time (FrameRate rate, guint64 k)
{
  return gst_util_uint64_scale_round (k, (guint64) rate.d * GST_SECOND, rate.n);
}

static guint64
count (FrameRate rate, guint64 length)
{
  return MAX (1, gst_util_uint64_scale_round (length, rate.n, (guint64) rate.d * GST_SECOND));
}

guint64
frame_rate_count (FrameRate rate, const guint64 *times, guint64 n)
{
  return count (rate, n < 2 ? 0 : times[n - 1] - times[0] + times[n - 1] - times[n - 2]);
}

/* The first frame at or after `time`; n: there is none. */
static guint64
first_from (const guint64 *times, guint64 n, guint64 time)
{
  guint64 low = 0, high = n;

  while (low < high) {
    const guint64 middle = low + (high - low) / 2;

    if (times[middle] < time)
      low = middle + 1;
    else
      high = middle;
  }

  return low;
}

guint64
frame_rate_source (FrameRate rate, const guint64 *times, guint64 n, guint64 k)
{
  const guint64 time = times[0] + frame_rate_time (rate, k);
  const guint64 after = first_from (times, n, time);

  if (after == 0 || (after < n && times[after] - time < time - times[after - 1]))
    return after;

  return first_from (times, n, times[after - 1]);
}

void
frame_rate_begin (FrameRateStream *self, FrameRate rate)
{
  *self = (FrameRateStream) { .rate = rate };
}

gboolean
frame_rate_push (FrameRateStream *self, GstClockTime time, guint64 *before, guint64 *now)
{
  *before = *now = 0;
  if (!GST_CLOCK_TIME_IS_VALID (time))
    time = self->any ? self->last + frame_rate_time (self->rate, 1) : 0;
  if (!self->any || time < self->last || time - self->last > MOST_GAP) {
    frame_rate_begin (self, self->rate);
    self->any = TRUE;
    self->origin = self->last = time;
    self->next = *now = 1;
    return TRUE;
  }
  if (time == self->last)
    return FALSE;

  for (;; self->next++) {
    const guint64 at = self->origin + frame_rate_time (self->rate, self->next);

    if (at < time && at - self->last <= time - at)
      ++*before;
    else if (at <= time)
      ++*now;
    else
      break;
  }
  self->gap = time - self->last;
  self->last = time;

  return TRUE;
}

guint64
frame_rate_ahead (const FrameRateStream *self)
{
  /* the last frame extends over half of a gap, or at the end of the stream over its own duration */
  const guint64 far = self->last - self->origin + MAX (self->gap, MOST_GAP / 2);
  const guint64 end =
      gst_util_uint64_scale_ceil (far, self->rate.n, (guint64) self->rate.d * GST_SECOND) + 1;

  return self->any && end > self->next ? end - self->next : 0;
}

guint64
frame_rate_end (FrameRateStream *self)
{
  const guint64 all = self->any ? count (self->rate, self->last - self->origin + self->gap) : 0;
  const guint64 more = all > self->next ? all - self->next : 0;

  self->next += more;

  return more;
}

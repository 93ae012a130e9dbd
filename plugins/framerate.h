/* framerate.h: video as it would be at another rate: pure arithmetic. Frame k
 * at the rate is the frame whose time is nearest to k / rate; of two that are
 * as near, the earlier one. Times are in nanoseconds.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FRAME_RATE_H
#define FRAME_RATE_H

#include <gst/gst.h>

/* The largest rate that properties and files may have. */
#define FRAME_RATE_MOST 1000

/* Frames a second, n / d. n is 0: frames are taken as they come; d is any. */
typedef struct {
  gint n, d;
} FrameRate;

gboolean frame_rate_equal (FrameRate a, FrameRate b);

/* The time of frame k, from 0; rate.n is not 0, here and below. */
guint64 frame_rate_time (FrameRate rate, guint64 k);

/* Of frames whose times are known.
 * times: [n] not decreasing, n at least 1; the last frame lasts as long as the
 *        one before it */

/* Frames that they become: the length times the rate, rounded, at least 1. */
guint64 frame_rate_count (FrameRate rate, const guint64 * times, guint64 n);
/* Which of them, from 0, frame k becomes. */
guint64 frame_rate_source (FrameRate rate, const guint64 * times, guint64 n,
    guint64 k);

/* Of frames that come one by one: the same, each as soon as none that follows
 * can be nearer. */
typedef struct {
  FrameRate rate;
  gboolean any;                 /* a frame came */
  guint64 origin;               /* time of frame 0 */
  guint64 next;                 /* the frame to decide next */
  guint64 last, gap;            /* time of the last frame; since the one before */
} FrameRateStream;

void frame_rate_begin (FrameRateStream * stream, FrameRate rate);

/* The next frame's time; GST_CLOCK_TIME_NONE: one frame at the rate after the
 * last one. The next *before frames at the rate are the frame that came before,
 * the *now after them are this one. FALSE: this one is never taken, as the one
 * before has the same time.
 * Where time goes back, or on by more than 10 s, this is frame 0 again. */
gboolean frame_rate_push (FrameRateStream * stream, GstClockTime time,
    guint64 * before, guint64 * now);

/* How many of the next frames at the rate may still become the last one, whenever
 * the one after it comes, or none: no fewer, perhaps one more. */
guint64 frame_rate_ahead (const FrameRateStream * stream);

/* Frames that are still the last one, as no other comes. */
guint64 frame_rate_end (FrameRateStream * stream);

#endif

/* framerate.h: selects the frames of a video at another frame rate. Frame k at
 * the rate is the frame whose time is nearest to k / rate; of two equally near
 * ones, the earlier one. Times are in nanoseconds.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FRAME_RATE_H
#define FRAME_RATE_H

#include <gst/gst.h>

/* The largest rate that properties and files may have. */
#define FRAME_RATE_MOST 1000

/* Frames per second, n / d. n is 0: the rate is not changed; d is ignored. */
typedef struct {
  gint n, d;
} FrameRate;

gboolean frame_rate_equal (FrameRate a, FrameRate b);

/* The time of frame k, from 0. Here and below, rate.n must not be 0. */
guint64 frame_rate_time (FrameRate rate, guint64 k);

/* For frames with known times.
 * times: [n] not decreasing, n at least 1; the last frame has the duration of
 *        the one before it */

/* Number of frames at the rate: the length times the rate, rounded, at least 1. */
guint64 frame_rate_count (FrameRate rate, const guint64 *times, guint64 n);
/* Index of the frame that is frame k at the rate. */
guint64 frame_rate_source (FrameRate rate, const guint64 *times, guint64 n, guint64 k);

/* The same for a stream of frames; frame k is selected as soon as no later frame
 * can be nearer. */
typedef struct {
  FrameRate rate;
  gboolean any;      /* a frame was pushed */
  guint64 origin;    /* time of frame 0 */
  guint64 next;      /* the next frame to decide */
  guint64 last, gap; /* time of the last frame; since the one before */
} FrameRateStream;

void frame_rate_begin (FrameRateStream *stream, FrameRate rate);

/* Adds a frame. time: GST_CLOCK_TIME_NONE: one frame at the rate after the last
 * one. The next *before frames at the rate are the previous frame, and the *now
 * frames after them are this one. FALSE: this one is never selected, because the
 * previous one has the same time.
 * If time goes back, or forward by more than 10 s, this is frame 0 again. */
gboolean frame_rate_push (
    FrameRateStream *stream, GstClockTime time, guint64 *before, guint64 *now);

/* An upper bound, by at most one, of the number of frames at the rate that will
 * still be the last frame, whenever the next one arrives. */
guint64 frame_rate_ahead (const FrameRateStream *stream);

/* Ends the stream. Returns how many more frames at the rate are the last frame. */
guint64 frame_rate_end (FrameRateStream *stream);

#endif

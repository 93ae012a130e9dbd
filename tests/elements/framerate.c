/* framerate.c: resampling to another frame rate, compared with a linear search.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipwindow.h"
#include "src/random.h"

#define MOST_FRAMES 200

static const FrameRate rates[] = { { 15, 1 }, { 10, 1 }, { 30, 1 }, { 30000, 1001 }, { 25, 2 },
  { 1, 3 }, { 1000, 1 }, { 60, 1 } };

/* By definition, frame by frame. */
static guint
nearest (const guint64 *times, guint n, guint64 time)
{
  guint best = 0;

  for (guint i = 1; i < n; i++)
    if (ABS ((gint64) (times[i] - time)) < ABS ((gint64) (times[best] - time)))
      best = i;

  return best;
}

/* Frame k's time in nanoseconds, from whole seconds and the remainder. */
static guint64
time_of (FrameRate rate, guint64 k)
{
  const guint64 ticks = k * rate.d, rest = ticks % rate.n;

  return ticks / rate.n * GST_SECOND + (rest * GST_SECOND * 2 + rate.n) / (2 * rate.n);
}

static guint64
count_of (FrameRate rate, const guint64 *times, guint n)
{
  const guint64 last = n > 1 ? times[n - 1] - times[n - 2] : 0;
  const gdouble frames = (gdouble) (times[n - 1] - times[0] + last) * rate.n / rate.d / GST_SECOND;

  return MAX (1, (guint64) (frames + 0.5));
}

/* Gaps from 0 to 100 ms; a quarter of them are 0 or round numbers. */
static guint
draw_times (guint number, guint64 *times)
{
  const Cnn3dRandomKey key = { number, 0, CNN3D_RANDOM_WINDOW, 0 };
  const guint n = 1 + cnn3d_random_below (&key, 0, MOST_FRAMES);
  static const guint64 round[] = { 0, 10, 40, 50 };

  times[0] = number % 3 ? 0 : 77 * GST_SECOND + 1;
  for (guint i = 1; i < n; i++) {
    const guint64 draw = cnn3d_random_below (&key, i, 400 * 1000);

    times[i] = times[i - 1]
        + (draw < 100 * 1000 ? round[draw % 4] * GST_MSECOND : (draw - 100 * 1000) * 333);
  }

  return n;
}

static void
test_source (void)
{
  guint64 times[MOST_FRAMES], relative[MOST_FRAMES];

  for (guint number = 0; number < 400; number++) {
    const guint n = draw_times (number, times);
    const FrameRate rate = rates[number % G_N_ELEMENTS (rates)];
    const guint64 count = frame_rate_count (rate, times, n);

    for (guint i = 0; i < n; i++)
      relative[i] = times[i] - times[0];
    g_assert_cmpuint (count, ==, count_of (rate, times, n));
    for (guint64 k = 0; k < count; k++) {
      g_assert_cmpuint (frame_rate_time (rate, k), ==, time_of (rate, k));
      g_assert_cmpuint (
          frame_rate_source (rate, times, n, k), ==, nearest (relative, n, time_of (rate, k)));
    }
  }
}

/* Frames that arrive one by one give the same result, and none is delayed longer than necessary. */
static void
test_stream (void)
{
  guint64 times[MOST_FRAMES], before, now;
  FrameRateStream stream;

  for (guint number = 0; number < 400; number++) {
    const guint n = draw_times (number, times);
    const FrameRate rate = rates[number % G_N_ELEMENTS (rates)];
    guint64 k = 0;
    guint held = 0;

    frame_rate_begin (&stream, rate);
    for (guint i = 0; i < n; i++) {
      const guint64 ahead = frame_rate_ahead (&stream);
      const gboolean counts = frame_rate_push (&stream, times[i], &before, &now);

      g_assert_cmpuint (before, <=, ahead);
      g_assert_cmpint (counts, ==, i == 0 || times[i] > times[i - 1]);
      for (; before; before--, k++)
        g_assert_cmpuint (frame_rate_source (rate, times, n, k), ==, held);
      for (; now; now--, k++)
        g_assert_cmpuint (frame_rate_source (rate, times, n, k), ==, i);
      g_assert_cmpuint (times[0] + time_of (rate, k), >, times[i]);
      if (counts)
        held = i;
    }
    before = frame_rate_ahead (&stream);
    now = frame_rate_end (&stream);
    g_assert_cmpuint (now, <=, before);
    for (; now; now--, k++)
      g_assert_cmpuint (frame_rate_source (rate, times, n, k), ==, held);
    if (n > 1 && times[n - 1] > times[n - 2])
      g_assert_cmpuint (k, >=, frame_rate_count (rate, times, n));
    g_assert_cmpuint (frame_rate_end (&stream), ==, 0);
  }
}

static void
test_jumps (void)
{
  static const struct {
    gint64 ms; /* -1: no time */
    guint before, now;
  } frames[] = {
    { 0, 0, 1 },
    { 100, 0, 1 },
    { 150, 0, 0 },
    { 200, 0, 1 },
    { -1, 0, 1 },
    { -1, 0, 1 },
    /* jumps back and continues there */
    { 50, 0, 1 },
    { 150, 0, 1 },
    { 249, 0, 0 },
    { 251, 1, 0 },
    /* a gap of 9 s is filled, half by each neighbour */
    { 9251, 45, 45 },
    /* a gap of 11 s is not */
    { 20252, 0, 1 },
    { 20352, 0, 1 },
    { 20352, 0, 0 },
    { 20552, 1, 1 },
  };
  FrameRateStream stream;
  guint64 before, now;

  frame_rate_begin (&stream, (FrameRate) { 10, 1 });
  g_assert_cmpuint (frame_rate_end (&stream), ==, 0);
  g_assert_cmpuint (frame_rate_ahead (&stream), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    const guint64 ahead = frame_rate_ahead (&stream);

    frame_rate_push (&stream,
        frames[i].ms < 0 ? GST_CLOCK_TIME_NONE : (guint64) frames[i].ms * GST_MSECOND, &before,
        &now);
    g_test_message ("frame %u", i);
    g_assert_cmpuint (before, ==, frames[i].before);
    g_assert_cmpuint (before, <=, ahead);
    /* half of the longest filled gap is 5 s */
    g_assert_cmpuint (frame_rate_ahead (&stream), >=, 50);
    g_assert_cmpuint (frame_rate_ahead (&stream), <=, i == 10 ? 91 : 51);
    g_assert_cmpuint (now, ==, frames[i].now);
  }

  g_assert_true (frame_rate_equal ((FrameRate) { 30, 2 }, (FrameRate) { 15, 1 }));
  g_assert_true (frame_rate_equal ((FrameRate) { 0, 0 }, (FrameRate) { 0, 1 }));
  g_assert_false (frame_rate_equal ((FrameRate) { 30000, 1001 }, (FrameRate) { 30, 1 }));
}

/* Windows of the same content cover the same moments at 10 to 30 frames a second. */
static void
test_windows (void)
{
  ClipWindow window = { 4, 2, { 5, 1 }, CNN3D_WINDOW_RANDOM, 3, 9 };
  guint64 times[90], wanted[12], moments[12] = { 0 };

  for (guint training = 0; training < 2; training++) {
    for (guint fps = 10; fps <= 30; fps += 5) {
      const guint n = training ? 4 : 12;

      for (guint i = 0; i < 3 * fps; i++)
        times[i] = i * GST_SECOND / fps;
      clip_window_plan_times (&window, times, 3 * fps, training, 1, 5, wanted);
      for (guint i = 0; i < n; i++) {
        if (fps == 10)
          moments[i] = times[wanted[i]];
        g_assert_cmpuint (ABS ((gint64) (times[wanted[i]] - moments[i])), <=, 1);
        if (i % 4)
          g_assert_cmpuint (moments[i] - moments[i - 1], ==, 400 * GST_MSECOND);
      }
    }
  }
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/framerate/source", test_source);
  g_test_add_func ("/framerate/stream", test_stream);
  g_test_add_func ("/framerate/jumps", test_jumps);
  g_test_add_func ("/framerate/windows", test_windows);

  result = g_test_run ();
  gst_deinit ();

  return result;
}

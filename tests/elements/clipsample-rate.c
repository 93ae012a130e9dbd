/* clipsample-rate.c: clips resampled to another frame rate.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "samplerig.h"

/* Queries with the times of clips_frame(); at most n frames in the answer. */
static guint
ask_frames (GstHarness *h, const GstClipMeta *clip, guint64 *frames, guint n)
{
  GstQuery *query = gst_query_new_clip_window (clip, 25, 1);
  guint64 *times = g_new (guint64, clip->num_frames);
  const guint64 *answer;
  guint count;

  for (guint i = 0; i < clip->num_frames; i++)
    times[i] = 7 * GST_SECOND + i * CLIPS_FRAME;
  gst_query_set_clip_window_times (query, times, clip->num_frames);
  g_assert_true (gst_pad_peer_query (h->srcpad, query));
  answer = gst_query_get_clip_window_frames (query, &count);
  g_assert_cmpuint (count, <=, n);
  memcpy (frames, answer, count * sizeof *frames);
  gst_query_unref (query);
  g_free (times);

  return count;
}

/* Frames at 25 a second, resampled: the same ones whether their times are known beforehand, or come
 * with the frames of a clip of known or unknown length. */
static void
test_rate (void)
{
  static const struct {
    const gchar *properties;
    guint total, n;
    guint64 wanted[8];
  } cases[] = {
    /* 8 frames: 0 2 5 7 10 12 15 17 */
    { "num-frames=3 frame-interval=2 frame-rate=10/1", 20, 3, { 2, 7, 12 } },
    { "num-frames=3 frame-rate=10/1", 20, 3, { 0, 10, 17 } },
    { "num-frames=3 frame-interval=2 frame-rate=10/1 clips-per-video=2", 20, 6,
        { 0, 5, 10, 7, 12, 17 } },
    { "num-frames=3 frame-interval=2 frame-rate=10/1 mode=uniform", 20, 3, { 0, 10, 17 } },
    { "num-frames=8 frame-interval=1 frame-rate=20/2", 20, 8, { 0, 2, 5, 7, 10, 12, 15, 17 } },
    /* more than exist; ties go to the earlier one */
    { "num-frames=6 frame-interval=1 frame-rate=50/1", 4, 6, { 0, 1, 1, 2, 2, 3 } },
    /* shorter than the window */
    { "num-frames=4 frame-interval=3 frame-rate=50/1", 4, 4, { 0, 1, 2, 3 } },
    { "num-frames=2 frame-interval=1 frame-rate=10/1", 1, 2, { 0, 0 } },
    { "num-frames=2 frame-interval=1 frame-rate=1/10", 100, 2, { 0, 0 } },
    { "num-frames=3 frame-interval=2 frame-rate=0/1", 20, 3, { 7, 9, 11 } },
  };
  guint64 frames[8];

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    for (guint known = 0; known < 3; known++) {
      GstHarness *h = sampler (cases[i].properties);
      GstClipMeta m = { .clip = 4, .sample = 2, .num_frames = cases[i].total };
      const guint num = strstr (cases[i].properties, "video") ? 3 : cases[i].n;

      g_test_message ("%s, %u frames, way %u", cases[i].properties, cases[i].total, known);
      if (known == 2) {
        const guint n = ask_frames (h, &m, frames, 8);

        /* only those frames arrive, and a changed setting has no effect */
        if (!strstr (cases[i].properties, "=0/1"))
          g_object_set (clips_element (h, "clipsample"), "frame-rate", 7, 1, NULL);
        for (guint k = 0; k < n; k++)
          clips_push (h, &m, frames[k], frames[k]);
      } else {
        if (!known)
          m.num_frames = 0;
        clips_push (h, &m, 0, cases[i].total - 1);
        gst_harness_push_event (h, gst_event_new_eos ());
      }
      for (guint k = 0; k < cases[i].n; k += num)
        assert_clip (h, 4, num, cases[i].wanted + k);
      assert_nothing (h);
      gst_harness_teardown (h);
    }
  }
}

/* Clips are queried ahead of time, from several threads; some never arrive. */
static void
test_rate_ahead (void)
{
  GstHarness *h = sampler ("num-frames=4 frame-interval=1 frame-rate=10/1");
  GstClipMeta m = { .training = TRUE, .num_frames = 100 };
  GstQuery *query;
  guint64 frames[40][4], again[4];

  for (guint i = 0; i < 40; i++) {
    m.clip = 39 - i;
    m.sample = m.clip * 3 % 40;
    g_assert_cmpuint (ask_frames (h, &m, frames[m.clip], 4), ==, 4);
  }
  for (m.clip = 0; m.clip < 40; m.clip += 1 + m.clip % 3) {
    m.sample = m.clip * 3 % 40;
    for (guint k = 0; k < 4; k++)
      clips_push (h, &m, frames[m.clip][k], frames[m.clip][k]);
    assert_clip (h, m.clip, 4, frames[m.clip]);
    assert_nothing (h);
  }

  /* queried again, after a seek */
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  m.clip = 7;
  m.sample = 21;
  ask_frames (h, &m, again, 4);
  g_assert_cmpmem (again, sizeof again, frames[7], sizeof again);

  /* without times there is no answer */
  query = gst_query_new_clip_window (&m, 25, 1);
  g_assert_false (gst_pad_peer_query (h->srcpad, query));
  g_assert_false (gst_query_get_clip_window (query, NULL, NULL));
  gst_query_unref (query);
  gst_harness_teardown (h);
}

/* A stream without clips: sampled by time as frames arrive. */
static void
test_rate_live (void)
{
  static const guint64 down[][3] = { { 0, 2, 5 }, { 7, 10, 12 }, { 15, 15, 15 } };
  static const guint64 up[][4] = { { 0, 0, 1, 1 }, { 2, 2, 3, 3 } };
  GstHarness *h = sampler ("num-frames=3 frame-interval=1 frame-rate=10/1");
  GstElement *element = clips_element (h, "clipsample");
  GstSegment segment;
  guint i;

  for (i = 0; i < 16; i++)
    gst_harness_push (h, clips_frame (NULL, i));
  gst_harness_push_event (h, gst_event_new_eos ());
  for (i = 0; i < 3; i++)
    assert_clip (h, i, 3, down[i]);
  assert_nothing (h);

  /* the last frame's remaining share is output at EOS */
  gst_harness_push_event (h, gst_event_new_stream_start ("again"));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  g_object_set (element, "num-frames", 4, "frame-rate", 50, 1, NULL);
  for (i = 0; i < 4; i++)
    gst_harness_push (h, clips_frame (NULL, i));
  assert_clip (h, 3, 4, up[0]);
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 3);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_clip (h, 4, 4, up[1]);
  assert_nothing (h);

  /* frames without times are taken one by one */
  gst_harness_push_event (h, gst_event_new_stream_start ("timeless"));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  for (i = 0; i < 4; i++) {
    GstBuffer *buffer = clips_frame (NULL, i);

    GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
    gst_harness_push (h, buffer);
  }
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 4);
  for (i = 0; i < 4; i++) {
    GstBuffer *buffer = gst_harness_pull (h);
    guint32 source;

    gst_buffer_extract (buffer, 0, &source, sizeof source);
    g_assert_cmpuint (source, ==, i);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gint result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clipsample-rate/known", test_rate);
  g_test_add_func ("/clipsample-rate/ahead", test_rate_ahead);
  g_test_add_func ("/clipsample-rate/live", test_rate_live);
  result = g_test_run ();
  gst_deinit ();

  return result;
}

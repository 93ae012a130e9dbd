/* clipsample-ends.c: what clipsample does with a clip that ends before its last frame, and with
 * settings that change between its announcement and its frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "samplerig.h"

#define OTHER_RATE "video/x-raw,format=GRAY8,width=8,height=2,framerate=30/1"

static void
push_caps (GstHarness *h, const gchar *description)
{
  GstCaps *caps = gst_caps_from_string (description);

  gst_harness_push_event (h, gst_event_new_caps (caps));
  gst_caps_unref (caps);
}

static void
push_segment (GstHarness *h, guint32 seqnum)
{
  GstSegment segment;
  GstEvent *event;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  event = gst_event_new_segment (&segment);
  gst_event_set_seqnum (event, seqnum);
  gst_harness_push_event (h, event);
}

/* The frame rates of the caps events so far, and a letter for each frame and each other event. */
static GstPadProbeReturn
record (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GString *seen = data;
  GstCaps *caps;
  gint n, d;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    g_string_append_c (seen, 'f');
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_CAPS) {
    gst_event_parse_caps (GST_PAD_PROBE_INFO_EVENT (info), &caps);
    gst_structure_get_fraction (gst_caps_get_structure (caps, 0), "framerate", &n, &d);
    g_string_append_printf (seen, " %d:", n);
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS) {
    g_string_append_c (seen, 'E');
  }

  return GST_PAD_PROBE_OK;
}

/* A clip that ends early is completed whatever the next one's caps are. */
static void
test_caps_between (void)
{
  static const guint64 first[] = { 0, 9, 12, 12 }, second[] = { 0, 9, 18, 27 };
  GstHarness *h = sampler ("num-frames=4");
  GstClipMeta m = { .clip = 1, .num_frames = 28 };
  GString *seen = g_string_new (NULL);

  gst_harness_add_probe (h, "clipsample", "src",
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, record, seen, NULL);
  clips_push (h, &m, 0, 12);
  push_caps (h, OTHER_RATE);
  m.clip = 2;
  clips_push (h, &m, 0, 27);
  assert_clip (h, 1, 4, first);
  assert_clip (h, 2, 4, second);
  g_assert_cmpstr (seen->str, ==, "ffff 30:ffff");

  /* caps that no frame follows */
  m.clip = 3;
  clips_push (h, &m, 0, 12);
  push_caps (h, CLIPS_GRAY);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_clip (h, 3, 4, first);
  g_assert_cmpstr (seen->str, ==, "ffff 30:ffffffff 25:E");
  assert_nothing (h);
  gst_harness_teardown (h);
  g_string_free (seen, TRUE);
}

/* A flush drops the clip but not the caps. */
static void
test_caps_flushed (void)
{
  static const guint64 wanted[] = { 0, 9, 18, 27 };
  GstHarness *h = sampler ("num-frames=4");
  GstClipMeta m = { .clip = 1, .num_frames = 28 };
  GString *seen = g_string_new (NULL);

  clips_push (h, &m, 0, 5);
  gst_harness_add_probe (h, "clipsample", "src",
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, record, seen, NULL);
  push_caps (h, OTHER_RATE);
  g_assert_cmpstr (seen->str, ==, "");
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  push_segment (h, gst_util_seqnum_next ());
  gst_buffer_unref (gst_harness_pull (h));
  m.clip = 2;
  clips_push (h, &m, 0, 27);
  assert_clip (h, 2, 4, wanted);
  g_assert_cmpstr (seen->str, ==, " 30:ffff");
  gst_harness_teardown (h);
  g_string_free (seen, TRUE);
}

/* At another rate a camera's last frame waits for the next one: it does not follow other caps. */
static void
test_caps_live (void)
{
  GstHarness *h = sampler ("num-frames=3 frame-interval=1 frame-rate=50/1");
  GstBuffer *buffer;
  guint32 source;

  gst_harness_push (h, clips_frame (NULL, 0));
  gst_harness_push (h, clips_frame (NULL, 1));
  while ((buffer = gst_harness_try_pull (h)))
    gst_buffer_unref (buffer);
  push_caps (h, OTHER_RATE);
  gst_harness_push (h, clips_frame (NULL, 2));
  gst_harness_push (h, clips_frame (NULL, 3));
  buffer = gst_harness_pull (h);
  gst_buffer_extract (buffer, 0, &source, sizeof source);
  g_assert_cmpuint (source, ==, 2);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* A seek without a flush, in mid-clip: the clip that it leaves is not completed, and not reported
 * as one that ended early. */
static void
test_seek (void)
{
  GstHarness *h = gst_harness_new_parse ("clipsample num-frames=4 ! clipbatch batch-size=1");
  GstClipEpoch epoch = { .clips = 9, .training = TRUE };
  GstClipMeta m = { .clip = 1, .num_frames = 28, .training = TRUE, .label = 1 };
  GstBus *bus = gst_bus_new ();
  GstBuffer *batch;
  guint skipped = 0;
  GstEvent *event;

  gst_element_set_bus (h->element, bus);
  gst_harness_set_src_caps_str (h, CLIPS_GRAY);
  for (guint i = 0; i < 3; i++) {
    push_segment (h, gst_util_seqnum_next ());
    gst_harness_push_event (h, gst_event_new_clip_epoch (&epoch));
    clips_push (h, &m, 0, i < 2 ? 12 : 27);
    m.clip = 5 - i;
    epoch.position = m.clip;
  }
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 1);
  batch = gst_harness_pull (h);
  g_assert_cmpuint (GST_BUFFER_OFFSET (batch), ==, 4);
  gst_buffer_unref (batch);
  while ((event = gst_harness_try_pull_event (h))) {
    skipped += gst_event_parse_clip_skipped (event, NULL);
    gst_event_unref (event);
  }
  g_assert_cmpuint (skipped, ==, 0);
  g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT));
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}

/* Only the frames that were announced arrive: other settings hold from the next announcement on. */
static void
test_settings_ahead (void)
{
  static const guint64 planned[] = { 8, 9, 10, 11 }, later[] = { 5, 8, 11, 14 };
  GstHarness *h = sampler ("num-frames=4 frame-interval=1 mode=center");
  GstClipMeta m = { .num_frames = 20 };

  for (m.clip = 0; m.clip < 4; m.clip++) {
    const guint64 *wanted = m.clip < 3 ? planned : later;
    GstQuery *query = gst_query_new_clip_window (&m, 25, 1);
    const guint64 *answer;
    guint n;

    if (m.clip == 3)
      g_object_set (clips_element (h, "clipsample"), "frame-interval", 3, NULL);
    g_assert_true (gst_pad_peer_query (h->srcpad, query));
    answer = gst_query_get_clip_window_frames (query, &n);
    g_assert_cmpmem (answer, n * sizeof *answer, wanted, sizeof planned);
    gst_query_unref (query);
  }
  for (m.clip = 0; m.clip < 4; m.clip++) {
    const guint64 *wanted = m.clip < 3 ? planned : later;

    for (guint i = 0; i < 4; i++)
      clips_push (h, &m, wanted[i], wanted[i]);
    assert_clip (h, m.clip, 4, wanted);
    assert_nothing (h);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gint result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clipsample-ends/caps-between", test_caps_between);
  g_test_add_func ("/clipsample-ends/caps-flushed", test_caps_flushed);
  g_test_add_func ("/clipsample-ends/caps-live", test_caps_live);
  g_test_add_func ("/clipsample-ends/seek", test_seek);
  g_test_add_func ("/clipsample-ends/settings-ahead", test_settings_ahead);
  result = g_test_run ();
  gst_deinit ();

  return result;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/video/video.h>
#include <string.h>

#include "clips.h"

#define RGB5 "video/x-raw,format=RGB,width=5,height=3,framerate=25/1"

static GstBus *bus;

static GstHarness *
batcher (const gchar *properties, const gchar *caps)
{
  gchar *launch = g_strdup_printf ("clipbatch %s", properties);
  GstHarness *h = gst_harness_new_parse (launch);

  bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  gst_harness_set_src_caps_str (h, caps);
  g_free (launch);

  return h;
}

static void
teardown (GstHarness *h)
{
  GstMessage *message;

  /* a test has popped every message that it expects */
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
  g_assert_null (message);
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}

static void
assert_dimensions (GstHarness *h, const gchar *dimensions)
{
  GstCaps *caps = gst_pad_get_current_caps (h->sinkpad), *expected;

  expected = gst_caps_new_simple ("other/tensors", "format", G_TYPE_STRING, "static", "num_tensors",
      G_TYPE_INT, 2, "types", G_TYPE_STRING, "uint8.int32", "dimensions", G_TYPE_STRING, dimensions,
      "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  g_assert_nonnull (caps);
  if (!gst_caps_is_equal (caps, expected))
    g_error ("%s instead of %s", gst_caps_to_string (caps), dimensions);
  gst_caps_unref (caps);
  gst_caps_unref (expected);
}

/* Pulls a batch and asserts which clips are in it: labels are the clips' numbers modulo 100. */
static void
assert_batch (GstHarness *h, const gchar *dimensions, guint n, const guint64 *clips)
{
  GstBuffer *buffer = gst_harness_try_pull (h);
  gpointer state = NULL;
  GstMapInfo map;
  guint i;

  g_assert_nonnull (buffer);
  assert_dimensions (h, dimensions);
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, 2);
  g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, clips[0]);
  g_assert_cmpuint (GST_BUFFER_OFFSET_END (buffer), ==, clips[n - 1] + 1);
  gst_memory_map (gst_buffer_peek_memory (buffer, 1), &map, GST_MAP_READ);
  g_assert_cmpuint (map.size, ==, 4 * n);
  for (i = 0; i < n; i++) {
    GstClipMeta *meta =
        (GstClipMeta *) gst_buffer_iterate_meta_filtered (buffer, &state, GST_CLIP_META_API_TYPE);

    g_assert_nonnull (meta);
    g_assert_cmpuint (meta->clip, ==, clips[i]);
    g_assert_cmpuint (meta->frame, ==, 0);
    g_assert_cmpint (((gint32 *) map.data)[i], ==, clips[i] % 100);
  }
  g_assert_cmpuint (gst_buffer_get_n_meta (buffer, GST_CLIP_META_API_TYPE), ==, n);
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 1), &map);
  gst_buffer_unref (buffer);
}

static void
assert_nothing (GstHarness *h)
{
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 0);
}

static void
assert_dropped (guint64 clip, const gchar *path)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  const GstStructure *s;
  guint64 number;

  g_assert_nonnull (message);
  s = gst_message_get_structure (message);
  g_assert_cmpstr (gst_structure_get_name (s), ==, "clipbatch-dropped");
  g_assert_true (gst_structure_get_uint64 (s, "clip", &number));
  g_assert_cmpuint (number, ==, clip);
  g_assert_cmpstr (gst_structure_get_string (s, "path"), ==, path);
  g_assert_cmpstr (gst_structure_get_string (s, "reason"), ==, "ended after 1 of 2 frames");
  gst_message_unref (message);
}

static GstClipMeta
clip_of (guint64 clip, guint64 frames)
{
  GstClipMeta m = {
    .clip = clip, .sample = clip, .training = TRUE, .label = clip % 100, .num_frames = frames
  };

  return m;
}

/* Pushes clips first to last, with two frames each. */
static void
push_clips (GstHarness *h, guint64 first, guint64 last)
{
  guint64 i;

  for (i = first; i <= last; i++) {
    GstClipMeta m = clip_of (i, 2);

    g_assert_cmpint (clips_push (h, &m, 0, 1), ==, GST_FLOW_OK);
  }
}

static void
push_epoch (GstHarness *h, guint epoch, gboolean training)
{
  GstClipEpoch e = { .epoch = epoch, .training = training };

  g_assert_true (gst_harness_push_event (h, gst_event_new_clip_epoch (&e)));
}

static void
push_done (GstHarness *h)
{
  GstClipEpochDone done = { 0 };

  g_assert_true (gst_harness_push_event (h, gst_event_new_clip_epoch_done (&done)));
}

/* Byte for byte, from padded rows: with the default stride, and with one given only by the frame's
 * video meta. */
static void
test_layout (void)
{
  GstHarness *h = batcher ("batch-size=2", RGB5);
  const guint frames = 3, width = 5, height = 3;
  guint clip, t, y, x, c;
  GstBuffer *buffer;
  GstMapInfo map;
  guint8 *at;

  for (clip = 0; clip < 2; clip++) {
    GstClipMeta m = { .clip = 40 + clip,
      .label = clip ? -1 : 7,
      .num_frames = frames,
      .path = g_ref_string_new ("x/y.mp4") };

    for (t = 0; t < frames; t++) {
      gsize offset[4] = {
        t == 1 ? 8 : 0,
      };
      gint stride[4] = {
        t == 1 ? 24 : 16,
      };
      gsize size = offset[0] + stride[0] * height;

      buffer = gst_buffer_new_allocate (NULL, size, NULL);
      gst_buffer_memset (buffer, 0, 0xee, -1);
      for (y = 0; y < height; y++)
        for (x = 0; x < width; x++)
          for (c = 0; c < 3; c++)
            gst_buffer_memset (buffer, offset[0] + y * stride[0] + x * 3 + c,
                clip * 100 + t * 30 + y * 9 + x * 2 + c, 1);
      if (t == 1)
        gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB,
            width, height, 1, offset, stride);
      GST_BUFFER_PTS (buffer) = (clip * frames + t + 5) * CLIPS_FRAME;
      m.frame = t;
      gst_buffer_add_clip_meta (buffer, &m);
      g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
    }
    g_ref_string_release (m.path);
  }

  buffer = gst_harness_pull (h);
  assert_dimensions (h, "3:5:3:3:2.2");
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 5 * CLIPS_FRAME);
  g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, 40);
  g_assert_cmpuint (GST_BUFFER_OFFSET_END (buffer), ==, 42);
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, 2);
  g_assert_cmpstr (gst_buffer_get_clip_meta (buffer)->path, ==, "x/y.mp4");
  gst_memory_map (gst_buffer_peek_memory (buffer, 0), &map, GST_MAP_READ);
  g_assert_cmpuint (map.size, ==, 2 * frames * height * width * 3);
  g_assert_cmpuint ((guintptr) map.data % 64, ==, 0);
  at = map.data;
  for (clip = 0; clip < 2; clip++)
    for (t = 0; t < frames; t++)
      for (y = 0; y < height; y++)
        for (x = 0; x < width; x++)
          for (c = 0; c < 3; c++)
            g_assert_cmpuint (*at++, ==, (clip * 100 + t * 30 + y * 9 + x * 2 + c) & 0xff);
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 0), &map);
  gst_memory_map (gst_buffer_peek_memory (buffer, 1), &map, GST_MAP_READ);
  g_assert_cmpuint (map.size, ==, 8);
  g_assert_cmpint (((gint32 *) map.data)[0], ==, 7);
  g_assert_cmpint (((gint32 *) map.data)[1], ==, -1);
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 1), &map);
  gst_buffer_unref (buffer);
  teardown (h);
}

/* Memory is recycled, but not while downstream holds it. */
static void
test_recycles (void)
{
  GstHarness *h = batcher ("", CLIPS_GRAY);
  GstBuffer *held, *buffer;
  GstMapInfo map, held_map;
  gpointer first;
  guint i;

  push_clips (h, 0, 0);
  held = gst_harness_pull (h);
  push_clips (h, 1, 1);
  buffer = gst_harness_pull (h);
  gst_memory_map (gst_buffer_peek_memory (held, 0), &held_map, GST_MAP_READ);
  gst_memory_map (gst_buffer_peek_memory (buffer, 0), &map, GST_MAP_READ);
  g_assert_true (map.data != held_map.data);
  first = map.data;
  gst_memory_unmap (gst_buffer_peek_memory (buffer, 0), &map);
  gst_buffer_unref (buffer);
  for (i = 2; i < 20; i++) {
    push_clips (h, i, i);
    buffer = gst_harness_pull (h);
    gst_memory_map (gst_buffer_peek_memory (buffer, 0), &map, GST_MAP_READ);
    g_assert_true (map.data == first);
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 0), &map);
    gst_buffer_unref (buffer);
  }
  teardown (h);
  /* it outlives the element */
  g_assert_cmpuint (held_map.data[16], ==, 1);
  gst_memory_unmap (gst_buffer_peek_memory (held, 0), &held_map);
  gst_buffer_unref (held);
}

static void
test_short_last (void)
{
  static const guint64 clips[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
  GstHarness *h = batcher ("batch-size=3", CLIPS_GRAY);

  push_epoch (h, 0, TRUE);
  push_clips (h, 0, 3);
  assert_batch (h, "1:8:2:2:3.3", 3, clips);
  assert_nothing (h);
  push_done (h);
  assert_batch (h, "1:8:2:2:1.1", 1, clips + 3);
  push_epoch (h, 1, TRUE);
  push_clips (h, 4, 6);
  assert_batch (h, "1:8:2:2:3.3", 3, clips + 4);
  push_done (h);
  assert_nothing (h);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_nothing (h);
  teardown (h);
}

static void
test_drop_last (void)
{
  static const guint64 clips[] = { 0, 1 };
  GstHarness *h = batcher ("batch-size=2 drop-last=true", CLIPS_GRAY);

  push_epoch (h, 0, TRUE);
  push_clips (h, 0, 2);
  push_done (h);
  assert_batch (h, "1:8:2:2:2.2", 2, clips);
  assert_nothing (h);
  /* the next batch contains nothing of the dropped clip */
  push_epoch (h, 1, TRUE);
  push_clips (h, 0, 1);
  assert_batch (h, "1:8:2:2:2.2", 2, clips);
  push_clips (h, 2, 2);
  push_done (h);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_nothing (h);
  teardown (h);
}

/* A pass that cannot fill a batch is an error at the first frame. */
static void
test_drop_all (void)
{
  static const struct {
    guint batch_size;
    guint64 training, validation;
    guint clips;       /* of a video; 0: no clip-preparation event */
    const gchar *says; /* NULL: accepted */
  } cases[] = {
    { 4, 3, 8, 0, "The 3 clips of a training pass do not fill a batch of 4" },
    { 4, 8, 3, 0, "The 3 clips of a validation or test pass do not fill" },
    { 4, 0, 3, 1, "batch-size to 3 or less, or drop-last=false" },
    { 4, 8, 3, 2, NULL },
    { 4, 4, 4, 1, NULL },
    { 4, 8, 0, 1, NULL },
    { 1, 1, 1, 1, NULL },
  };
  guint i, drops;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    for (drops = 0; drops < 2; drops++) {
      GstClipData data = { 9, cases[i].training, cases[i].validation, "a", "b", "c" };
      GstClipPreparation preparation = { .num_frames = 2,
        .sampling = "center",
        .frame_interval = 1,
        .clips_per_video = cases[i].clips };
      gchar *line = g_strdup_printf ("batch-size=%u drop-last=%d", cases[i].batch_size, drops);
      GstHarness *h = batcher (line, CLIPS_GRAY);
      const gboolean refused = drops && cases[i].says;
      GstClipMeta m = clip_of (0, 2);

      gst_harness_push_event (h, gst_event_new_clip_data (&data));
      if (cases[i].clips)
        gst_harness_push_event (h, gst_event_new_clip_preparation (&preparation));
      push_epoch (h, 0, TRUE);
      g_assert_cmpint (clips_push (h, &m, 0, 0), ==, refused ? GST_FLOW_ERROR : GST_FLOW_OK);
      if (refused)
        clips_assert_error (bus, cases[i].says);
      teardown (h);
      g_free (line);
    }
}

/* EOS within a pass cuts it short. Without passes it is the end. */
static void
test_eos (void)
{
  static const guint64 clips[] = { 0, 1, 2 };
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);

  push_epoch (h, 0, TRUE);
  push_clips (h, 0, 2);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_batch (h, "1:8:2:2:2.2", 2, clips);
  assert_nothing (h);
  teardown (h);

  h = batcher ("batch-size=2", CLIPS_GRAY);
  push_clips (h, 0, 2);
  assert_batch (h, "1:8:2:2:2.2", 2, clips);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_batch (h, "1:8:2:2:1.1", 1, clips + 2);
  assert_nothing (h);
  teardown (h);
}

/* Passes never share a batch, even if they are not announced. */
static void
test_passes_apart (void)
{
  static const guint64 clips[] = { 0, 1, 2 };
  GstHarness *h = batcher ("batch-size=4", CLIPS_GRAY);
  GstClipMeta m = clip_of (2, 2);

  push_clips (h, 0, 1);
  m.training = FALSE;
  clips_push (h, &m, 0, 1);
  assert_batch (h, "1:8:2:2:2.2", 2, clips);
  push_epoch (h, 0, FALSE);
  assert_batch (h, "1:8:2:2:1.1", 1, clips + 2);
  teardown (h);
}

static void
test_flush_and_segment (void)
{
  static const guint64 clips[] = { 7, 8 };
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstSegment segment;
  guint i;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (i = 0; i < 2; i++) {
    GstClipMeta m = clip_of (6, 2);

    push_clips (h, 5, 5);
    clips_push (h, &m, 0, 0);
    if (i == 0) {
      gst_harness_push_event (h, gst_event_new_flush_start ());
      gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
    }
    gst_harness_push_event (h, gst_event_new_segment (&segment));
    push_clips (h, 7, 8);
    assert_batch (h, "1:8:2:2:2.2", 2, clips);
    assert_nothing (h);
  }
  teardown (h);
}

static void
test_incomplete (void)
{
  static const guint64 clips[] = { 1, 3, 5 };
  GstHarness *h = batcher ("batch-size=3", CLIPS_GRAY);
  GstClipMeta m = clip_of (2, 2);
  GstClipSkipped skipped;
  GstEvent *event;
  guint n = 0;

  push_clips (h, 1, 1);
  m.path = g_ref_string_new ("bad.mp4");
  clips_push (h, &m, 0, 0);
  push_clips (h, 3, 3);
  assert_dropped (2, "bad.mp4");
  m.clip = 4;
  clips_push (h, &m, 1, 1);
  g_ref_string_release (m.path);
  push_clips (h, 5, 5);
  assert_dropped (4, "bad.mp4");
  assert_batch (h, "1:8:2:2:3.3", 3, clips);
  m = clip_of (6, 2);
  clips_push (h, &m, 0, 0);
  push_done (h);
  assert_dropped (6, NULL);
  assert_nothing (h);
  while ((event = gst_harness_try_pull_event (h))) {
    if (gst_event_parse_clip_skipped (event, &skipped)) {
      g_assert_cmpstr (skipped.path, ==, n < 2 ? "bad.mp4" : "(no file)");
      g_assert_cmpuint (skipped.clip, ==, 2 + 2 * n++);
    }
    gst_event_unref (event);
  }
  g_assert_cmpuint (n, ==, 3);
  teardown (h);
}

/* Clips of one video have the same number. */
static void
test_clips_per_video (void)
{
  static const guint64 clips[] = { 1, 1, 1, 2 };
  GstHarness *h = batcher ("batch-size=4", CLIPS_GRAY);
  guint i, frames;

  for (i = 0; i < 3; i++)
    push_clips (h, 1, 1);
  push_clips (h, 2, 2);
  assert_batch (h, "1:8:2:2:4.4", 4, clips);
  teardown (h);

  h = batcher ("batch-size=4", CLIPS_GRAY);
  for (i = 0, frames = 1; i < 4; i++) {
    GstClipMeta m = clip_of (clips[i], frames);

    clips_push (h, &m, 0, 0);
  }
  assert_batch (h, "1:8:2:1:4.4", 4, clips);
  teardown (h);
}

/* The first clip's length is not announced: its frames are counted. */
static void
test_uncounted (void)
{
  static const guint64 clips[] = { 1, 2 };
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstClipMeta m = clip_of (1, 0);
  guint32 number;
  GstBuffer *buffer;

  clips_push (h, &m, 0, 4);
  g_assert_null (gst_pad_get_current_caps (h->sinkpad));
  m = clip_of (2, 0);
  clips_push (h, &m, 0, 3);
  assert_dimensions (h, "1:8:2:5:2.2");
  assert_nothing (h);
  clips_push (h, &m, 4, 4);
  buffer = gst_harness_pull (h);
  gst_buffer_extract (buffer, 4 * 16, &number, 4);
  g_assert_cmpuint (number, ==, 4);
  gst_buffer_extract (buffer, 7 * 16, &number, 4);
  g_assert_cmpuint (number, ==, 2);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 0);
  gst_buffer_unref (buffer);

  m = clip_of (3, 0);
  clips_push (h, &m, 0, 3);
  m = clip_of (4, 0);
  g_assert_cmpint (gst_harness_push (h, clips_frame (&m, 0)), ==, GST_FLOW_ERROR);
  clips_assert_error (bus, "after everything else that drops or repeats");
  /* upstream continues after the error: the incomplete clip is not part of the next one */
  m = clip_of (5, 0);
  clips_push (h, &m, 0, 1);
  teardown (h);

  /* one clip, ended by EOS */
  h = batcher ("batch-size=2", CLIPS_GRAY);
  m = clip_of (1, 0);
  clips_push (h, &m, 0, 4);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_batch (h, "1:8:2:5:1.1", 1, clips);
  teardown (h);
}

static void
test_other_length (void)
{
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstClipMeta m = clip_of (1, 3);

  push_clips (h, 0, 0);
  g_assert_cmpint (clips_push (h, &m, 0, 0), ==, GST_FLOW_ERROR);
  clips_assert_error (bus, "has 3 frames, the clips before it 2");
  teardown (h);

  /* upstream continues after the error, when no batch is open */
  h = batcher ("batch-size=1", CLIPS_GRAY);
  push_clips (h, 0, 0);
  g_assert_cmpint (clips_push (h, &m, 0, 0), ==, GST_FLOW_ERROR);
  clips_assert_error (bus, "has 3 frames, the clips before it 2");
  g_assert_cmpint (clips_push (h, &m, 1, 1), ==, GST_FLOW_ERROR);
  clips_assert_error (bus, "has more than 2 frames");
  teardown (h);

  h = batcher ("batch-size=2", CLIPS_GRAY);
  push_clips (h, 0, 0);
  m = clip_of (0, 2);
  g_assert_cmpint (gst_harness_push (h, clips_frame (&m, 2)), ==, GST_FLOW_ERROR);
  clips_assert_error (bus, "more than 2 frames");
  teardown (h);

  h = batcher ("", CLIPS_GRAY);
  m = clip_of (0, 5000);
  g_assert_cmpint (gst_harness_push (h, clips_frame (&m, 0)), ==, GST_FLOW_ERROR);
  clips_assert_error (bus,
      "has more than 4096 frames: put a clipsample in front of clipbatch, it makes clips of "
      "num-frames frames.");
  teardown (h);

  h = batcher ("", CLIPS_GRAY);
  m = clip_of (0, 0);
  g_assert_cmpint (clips_push (h, &m, 0, 4096), ==, GST_FLOW_ERROR);
  clips_assert_error (bus,
      "has more than 4096 frames: put a clipsample in front of clipbatch, it makes clips of "
      "num-frames frames.");
  teardown (h);
}

static void
test_bad_frames (void)
{
  GstHarness *h = batcher ("", CLIPS_GRAY);
  GstClipMeta m = clip_of (1, 3);
  GstBuffer *buffer;

  g_assert_cmpint (gst_harness_push (h, clips_frame (NULL, 0)), ==, GST_FLOW_ERROR);
  clips_assert_error_full (bus, "The frames belong to no clip: put a clipsample in front",
      "a buffer without GstClipMeta");
  buffer = gst_buffer_new_allocate (NULL, 3, NULL);
  gst_buffer_add_clip_meta (buffer, &m);
  g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_ERROR);
  clips_assert_error_full (
      bus, "is not a picture of 8x2", "a buffer of 3 bytes could not be mapped");
  teardown (h);
}

/* Sizes that are rejected before memory is allocated for them. */
static void
test_too_large (void)
{
  static const struct {
    const gchar *properties;
    guint64 frames;
    const gchar *says;
  } cases[] = {
    { "batch-size=4096", 4096,
        "No memory for a batch of 4096 clips of 4096 frames of 32000x32000: reduce batch-size or "
        "the frame size." },
    { "", 0, "is larger than 2 GiB: put a clipsample and a scaler in front of clipbatch." },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = batcher (
        cases[i].properties, "video/x-raw,format=RGB,width=32000,height=32000,framerate=25/1");
    GstClipMeta m = clip_of (1, cases[i].frames);

    g_assert_cmpint (gst_harness_push (h, clips_frame (&m, 0)), ==, GST_FLOW_ERROR);
    clips_assert_error (bus, cases[i].says);
    teardown (h);
  }
}

/* Caps that match the pad template but are not valid video. */
static void
test_no_video (void)
{
  static const gchar *const bad[] = {
    "video/x-raw,format=RGB,width=2147483647,height=2147483647,framerate=25/1",
    "video/x-raw,format=RGB,width=8,height=2,framerate=25/1,interlace-mode=alternate"
  };
  GstHarness *h = batcher ("", CLIPS_GRAY);
  GstPad *pad = gst_element_get_static_pad (clips_element (h, "clipbatch"), "sink");

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GstCaps *caps = gst_caps_from_string (bad[i]);

    g_assert_false (gst_pad_send_event (pad, gst_event_new_caps (caps)));
    gst_caps_unref (caps);
    clips_assert_error (bus,
        "The caps in front of clipbatch are not valid raw video: check the frames' size and "
        "interlace-mode.");
  }
  gst_object_unref (pad);
  teardown (h);
}

static void
test_other_size (void)
{
  static const gchar *others[] = { "video/x-raw,format=GRAY8,width=16,height=2,framerate=25/1",
    "video/x-raw,format=GRAY8,width=8,height=4,framerate=25/1",
    "video/x-raw,format=RGB,width=8,height=2,framerate=25/1" };
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstPad *pad = gst_element_get_static_pad (clips_element (h, "clipbatch"), "sink");
  guint i;

  push_clips (h, 0, 0);
  for (i = 0; i < G_N_ELEMENTS (others); i++) {
    GstCaps *caps = gst_caps_from_string (others[i]);

    g_assert_false (gst_pad_send_event (pad, gst_event_new_caps (caps)));
    gst_caps_unref (caps);
    clips_assert_error (bus,
        "clips of one batch must have one size: put videoconvertscale ! "
        "video/x-raw,width=..,height=.. into the clip-bin");
  }
  gst_object_unref (pad);
  teardown (h);

  /* a changed frame rate is not a changed size */
  h = batcher ("batch-size=2", CLIPS_GRAY);
  push_clips (h, 0, 0);
  {
    GstCaps *caps =
        gst_caps_from_string ("video/x-raw,format=GRAY8,width=8,height=2,framerate=30/1");

    g_assert_true (gst_harness_push_event (h, gst_event_new_caps (caps)));
    gst_caps_unref (caps);
  }
  push_clips (h, 1, 1);
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 1);
  teardown (h);
}

/* Downstream requires other batches: an error that says which were offered. */
static void
test_refused (void)
{
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstClipMeta m = clip_of (1, 3);

  gst_harness_set_sink_caps_str (h,
      "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=(string)3:1:1:1:1.1");
  g_assert_cmpint (gst_harness_push (h, clips_frame (&m, 0)), ==, GST_FLOW_NOT_NEGOTIATED);
  clips_assert_error (bus, "does not accept batches of 2 clips of 3 frames of 8x2");
  teardown (h);
}

/* Order: stream-start, classes, caps, segment, then the pass and its end. */
static void
test_event_order (void)
{
  static const GstEventType order[] = { GST_EVENT_STREAM_START, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
    GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_TAG, GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_CAPS,
    GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_EOS };
  static const gchar *classes[] = { "a", "b", NULL };
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstEvent *event;
  guint i = 0;

  gst_harness_push_event (h, gst_event_new_clip_classes (classes));
  gst_harness_push_event (h, gst_event_new_tag (gst_tag_list_new_empty ()));
  push_epoch (h, 0, TRUE);
  push_clips (h, 0, 2);
  push_done (h);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((event = gst_harness_try_pull_event (h))) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY
        || GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE) {
      gst_event_unref (event);
      continue;
    }
    g_assert_cmpuint (i, <, G_N_ELEMENTS (order));
    g_assert_cmpstr (GST_EVENT_TYPE_NAME (event), ==, gst_event_type_get_name (order[i]));
    i++;
    gst_event_unref (event);
  }
  g_assert_cmpuint (i, ==, G_N_ELEMENTS (order));
  g_assert_cmpuint (gst_harness_buffers_in_queue (h), ==, 2);
  teardown (h);
}

/* Events about skipped clips and preparation are passed on; a partial batch and a partial clip are
 * unaffected. */
static void
test_passing_on (void)
{
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstClipMeta m = clip_of (2, 2);
  GstClipPreparation preparation = { 2, 1, "center", "sinc", TRUE };
  GstClipSkipped skipped = { "b.mp4", "no video", 1, 0 };
  guint told = 0, lost = 0;
  GstEvent *event;

  gst_harness_push_event (h, gst_event_new_clip_preparation (&preparation));
  push_epoch (h, 0, TRUE);
  gst_harness_push_event (h, gst_event_new_clip_skipped (&skipped));
  push_clips (h, 0, 0);
  gst_harness_push_event (h, gst_event_new_clip_skipped (&skipped));
  clips_push (h, &m, 0, 0);
  gst_harness_push_event (h, gst_event_new_clip_skipped (&skipped));
  assert_nothing (h);
  clips_push (h, &m, 1, 1);
  assert_batch (h, "1:8:2:2:2.2", 2, (guint64[]) { 0, 2 });
  push_done (h);
  assert_nothing (h);
  while ((event = gst_harness_try_pull_event (h))) {
    told += gst_event_parse_clip_preparation (event, NULL);
    lost += gst_event_parse_clip_skipped (event, &skipped);
    gst_event_unref (event);
  }
  g_assert_cmpuint (told, ==, 1);
  g_assert_cmpuint (lost, ==, 3);
  teardown (h);
}

/* A pass without any readable clip: its events still arrive. */
static void
test_empty_pass (void)
{
  GstHarness *h = batcher ("", CLIPS_GRAY);
  guint passes = 0, eos = 0;
  GstEvent *event;

  push_epoch (h, 0, TRUE);
  push_done (h);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((event = gst_harness_try_pull_event (h))) {
    passes += GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM;
    eos += GST_EVENT_TYPE (event) == GST_EVENT_EOS;
    gst_event_unref (event);
  }
  g_assert_cmpuint (passes, ==, 2);
  g_assert_cmpuint (eos, ==, 1);
  assert_nothing (h);
  teardown (h);
}

static void
test_queries (void)
{
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstCaps *caps = gst_caps_from_string (CLIPS_GRAY);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstClockTime min;
  gboolean live;

  g_assert_true (gst_pad_peer_query (h->srcpad, query));
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  gst_caps_unref (caps);

  gst_harness_set_upstream_latency (h, 5 * GST_MSECOND);
  push_clips (h, 0, 0);
  query = gst_query_new_latency ();
  g_assert_true (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_latency (query, &live, &min, NULL);
  gst_query_unref (query);
  /* the first of four frames waits for three more */
  g_assert_cmpuint (min, ==, 3 * CLIPS_FRAME + 5 * GST_MSECOND);

  g_assert_true (gst_harness_push_upstream_event (h,
      gst_event_new_seek (1.0, GST_FORMAT_DEFAULT, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 12,
          GST_SEEK_TYPE_NONE, 0)));
  while (TRUE) {
    GstEvent *event = gst_harness_try_pull_upstream_event (h);
    gboolean seek;

    g_assert_nonnull (event);
    seek = GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
    gst_event_unref (event);
    if (seek)
      break;
  }
  teardown (h);
}

static void
test_batch_size_changes (void)
{
  static const guint64 clips[] = { 0, 1, 2, 3, 4 };
  GstHarness *h = batcher ("batch-size=2", CLIPS_GRAY);
  GstMessage *message;
  GError *error = NULL;

  push_clips (h, 0, 0);
  g_object_set (clips_element (h, "clipbatch"), "batch-size", 5000, NULL);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_cmpstr (error->message, ==,
      "batch-size is 5000, but must be from 1 to 4096 (clips): it keeps its value.");
  g_error_free (error);
  gst_message_unref (message);
  g_object_set (clips_element (h, "clipbatch"), "batch-size", 3, NULL);
  push_clips (h, 1, 1);
  assert_batch (h, "1:8:2:2:2.2", 2, clips);
  push_clips (h, 2, 4);
  assert_batch (h, "1:8:2:2:3.3", 3, clips + 2);
  teardown (h);
}

static void
test_properties (void)
{
  GstElement *element = gst_element_factory_make ("clipbatch", NULL);
  static const guint bad[] = { 0, 4097, G_MAXUINT };
  guint i, value;

  for (i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_object_set (element, "batch-size", bad[i], NULL);
    g_object_get (element, "batch-size", &value, NULL);
    g_assert_cmpuint (value, ==, 1);
  }
  gst_object_unref (element);
}

static void
test_states (void)
{
  GstElement *pipeline =
      gst_parse_launch ("videotestsrc num-buffers=9 ! video/x-raw,format=RGB,width=5,height=5 ! "
                        "clipsample num-frames=2 ! clipbatch batch-size=3 ! fakesink sync=false",
          NULL);
  guint i;

  for (i = 0; i < 200; i++) {
    GstState to = i % 3 == 0 ? GST_STATE_PAUSED : GST_STATE_PLAYING;

    gst_element_set_state (pipeline, to);
    if (i % 2)
      g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE), ==,
          GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/clipbatch/layout", test_layout);
  g_test_add_func ("/clipbatch/recycles", test_recycles);
  g_test_add_func ("/clipbatch/short-last", test_short_last);
  g_test_add_func ("/clipbatch/drop-last", test_drop_last);
  g_test_add_func ("/clipbatch/drop-all", test_drop_all);
  g_test_add_func ("/clipbatch/eos", test_eos);
  g_test_add_func ("/clipbatch/passes-apart", test_passes_apart);
  g_test_add_func ("/clipbatch/flush-and-segment", test_flush_and_segment);
  g_test_add_func ("/clipbatch/incomplete", test_incomplete);
  g_test_add_func ("/clipbatch/clips-per-video", test_clips_per_video);
  g_test_add_func ("/clipbatch/uncounted", test_uncounted);
  g_test_add_func ("/clipbatch/other-length", test_other_length);
  g_test_add_func ("/clipbatch/bad-frames", test_bad_frames);
  g_test_add_func ("/clipbatch/too-large", test_too_large);
  g_test_add_func ("/clipbatch/no-video", test_no_video);
  g_test_add_func ("/clipbatch/other-size", test_other_size);
  g_test_add_func ("/clipbatch/refused", test_refused);
  g_test_add_func ("/clipbatch/event-order", test_event_order);
  g_test_add_func ("/clipbatch/passing-on", test_passing_on);
  g_test_add_func ("/clipbatch/empty-pass", test_empty_pass);
  g_test_add_func ("/clipbatch/queries", test_queries);
  g_test_add_func ("/clipbatch/batch-size-changes", test_batch_size_changes);
  g_test_add_func ("/clipbatch/properties", test_properties);
  g_test_add_func ("/clipbatch/states", test_states);

  result = g_test_run ();
  /* the leaks tracer checks in gst_deinit() */
  gst_deinit ();
  return result;
}

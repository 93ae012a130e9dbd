/* clipbatch-views.c: clips of several cameras in batches, and in what is before them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/check/gstharness.h>
#include <string.h>

#include "clips.h"
#include "gstclipkptmeta.h"

static GstClipMeta
view_of (guint64 clip, guint view, guint views, guint64 frames)
{
  GstClipMeta m = { .clip = clip,
    .sample = 10 + clip,
    .view = view,
    .views = views,
    .training = TRUE,
    .label = (gint) clip + 3,
    .num_frames = frames };

  return m;
}

/* With these in the first numbers */
static void
add_points (GstBuffer *buffer, gfloat clip, gfloat view, gfloat frame)
{
  gfloat values[2 * 3] = { clip, view, frame, 1, 2, 3 };
  GstClipKptMeta like = { .persons = 1, .points = 2, .values = values };

  like.skeleton = g_ref_string_new ("custom:2");
  like.pairs = g_ref_string_new ("");
  gst_buffer_add_clip_kpt_meta (buffer, &like);
  g_ref_string_release (like.skeleton);
  g_ref_string_release (like.pairs);
}

/* Frame `frame` of a view, which is filled with what it is of. points: with key points, too */
static GstBuffer *
view_frame (const GstClipMeta *clip, guint frame, gboolean points)
{
  GstBuffer *buffer = clips_frame (clip, frame);

  gst_buffer_memset (buffer, 0, clip->clip * 64 + clip->view * 16 + frame, -1);
  if (points)
    add_points (buffer, clip->clip, clip->view, frame);

  return buffer;
}

typedef struct {
  GstHarness *h;
  GstBus *bus;
  gboolean points;
} Batcher;

static Batcher
batcher_new (const gchar *properties, gboolean points)
{
  gchar *launch = g_strdup_printf ("clipbatch %s", properties);
  Batcher b = { gst_harness_new_parse (launch), gst_bus_new (), points };

  gst_element_set_bus (b.h->element, b.bus);
  gst_harness_set_src_caps_str (b.h, CLIPS_GRAY);
  g_free (launch);

  return b;
}

/* The errors and messages that a test expects it has taken. */
static void
batcher_free (Batcher *b)
{
  g_assert_null (gst_bus_pop_filtered (b->bus, GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT));
  g_assert_cmpuint (gst_harness_buffers_in_queue (b->h), ==, 0);
  gst_element_set_bus (b->h->element, NULL);
  gst_object_unref (b->bus);
  gst_harness_teardown (b->h);
}

/* Pushes `n` of a view's frames, which are 2. */
static GstFlowReturn
push_view (Batcher *b, guint64 clip, guint view, guint views, guint n)
{
  const GstClipMeta meta = view_of (clip, view, views, 2);
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = 0; i < n && ret == GST_FLOW_OK; i++)
    ret = gst_harness_push (b->h, view_frame (&meta, i, b->points));

  return ret;
}

static void
assert_caps (Batcher *b, const gchar *types, const gchar *dimensions)
{
  GstCaps *caps = gst_pad_get_current_caps (b->h->sinkpad);
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  gint n;

  g_assert_true (gst_structure_get_int (s, "num_tensors", &n));
  g_assert_cmpint (n, ==, b->points ? 4 : 3);
  g_assert_cmpstr (gst_structure_get_string (s, "types"), ==, types);
  g_assert_cmpstr (gst_structure_get_string (s, "dimensions"), ==, dimensions);
  gst_caps_unref (caps);
}

/* A batch of these clips; views: a digit each: the view that its frames are of, after a ! where
 * the mask says that it is missing, such as "01!0 !222" for two clips of three views */
static void
assert_batch (Batcher *b, const gchar *dimensions, guint n, const guint64 *clips, guint views,
    const gchar *expected)
{
  GstBuffer *buffer = gst_harness_try_pull (b->h);
  GString *text = g_string_new (NULL);
  const guint mask = b->points ? 3 : 2;
  gpointer state = NULL;
  GstMapInfo maps[4];

  g_assert_nonnull (buffer);
  assert_caps (b, b->points ? "uint8.int32.float32.uint8" : "uint8.int32.uint8", dimensions);
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, mask + 1);
  for (guint i = 0; i <= mask; i++)
    gst_memory_map (gst_buffer_peek_memory (buffer, i), &maps[i], GST_MAP_READ);
  g_assert_cmpuint (maps[0].size, ==, n * views * 2 * 16);
  g_assert_cmpuint (maps[1].size, ==, n * 4);
  g_assert_cmpuint (maps[mask].size, ==, n * views);
  if (b->points)
    g_assert_cmpuint (maps[2].size, ==, n * views * 2 * 6 * sizeof (gfloat));
  g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, clips[0]);
  g_assert_cmpuint (GST_BUFFER_OFFSET_END (buffer), ==, clips[n - 1] + 1);
  for (guint i = 0; i < n; i++) {
    g_string_append (text, i ? " " : "");
    g_assert_cmpint (((gint32 *) maps[1].data)[i], ==, clips[i] + 3);
    for (guint view = 0; view < views; view++) {
      const guint8 *frames = maps[0].data + (i * views + view) * 2 * 16;
      const gboolean there = maps[mask].data[i * views + view];
      const guint of = frames[0] / 16 % 4;
      const GstClipMeta *meta = (const GstClipMeta *) gst_buffer_iterate_meta_filtered (
          buffer, &state, GST_CLIP_META_API_TYPE);

      for (guint k = 0; k < 32; k++)
        g_assert_cmpuint (frames[k], ==, (guint8) (clips[i] * 64 + of * 16 + k / 16));
      for (guint k = 0; b->points && k < 2; k++) {
        const gfloat *values = (const gfloat *) maps[2].data + ((i * views + view) * 2 + k) * 6;

        g_assert_true (values[0] == clips[i] && values[1] == of && values[2] == k);
        g_assert_true (values[3] == 1 && values[4] == 2 && values[5] == 3);
      }
      g_string_append_printf (text, "%s%u", there ? "" : "!", of);
      g_assert_nonnull (meta);
      g_assert_cmpuint (meta->clip, ==, clips[i]);
      g_assert_cmpuint (meta->sample, ==, 10 + clips[i]);
      g_assert_cmpuint (meta->view, ==, view);
      g_assert_cmpuint (meta->views, ==, views);
      g_assert_cmpint (meta->label, ==, clips[i] + 3);
      g_assert_cmpuint (meta->num_frames, ==, 2);
      g_assert_null (meta->file);
    }
  }
  g_assert_cmpstr (text->str, ==, expected);
  g_assert_cmpuint (gst_buffer_get_n_meta (buffer, GST_CLIP_META_API_TYPE), ==, n * views);
  for (guint i = 0; i <= mask; i++)
    gst_memory_unmap (gst_buffer_peek_memory (buffer, i), &maps[i]);
  gst_buffer_unref (buffer);
  g_string_free (text, TRUE);
}

static void
test_batches (gconstpointer points)
{
  Batcher b = batcher_new ("batch-size=2", points != NULL);
  static const guint64 clips[] = { 0, 1, 2 };

  for (guint64 clip = 0; clip < 2; clip++)
    for (guint view = 0; view < 3; view++) {
      g_assert_cmpuint (gst_harness_buffers_in_queue (b.h), ==, 0);
      push_view (&b, clip, view, 3, 2);
    }
  assert_batch (
      &b, points ? "1:8:2:2:3:2.2.3:2:1:2:3:2.3:2" : "1:8:2:2:3:2.2.3:2", 2, clips, 3, "012 012");
  /* the rest, with the end */
  push_view (&b, 2, 0, 3, 2);
  push_view (&b, 2, 1, 3, 2);
  push_view (&b, 2, 2, 3, 2);
  g_assert_cmpuint (gst_harness_buffers_in_queue (b.h), ==, 0);
  gst_harness_push_event (b.h, gst_event_new_eos ());
  assert_batch (
      &b, points ? "1:8:2:2:3:1.1.3:2:1:2:3:1.3:1" : "1:8:2:2:3:1.1.3:1", 1, clips + 2, 3, "012");
  batcher_free (&b);
}

/* Whichever views are missing, the first one that is there stands for them. */
static void
test_mask (gconstpointer points)
{
  Batcher b = batcher_new ("batch-size=2", points != NULL);
  const gchar *dimensions = points ? "1:8:2:2:3:2.2.3:2:1:2:3:2.3:2" : "1:8:2:2:3:2.2.3:2";
  static const guint64 clips[] = { 0, 1, 2, 3, 4, 5 };

  push_view (&b, 0, 1, 3, 2);
  push_view (&b, 1, 0, 3, 2);
  push_view (&b, 1, 2, 3, 2);
  assert_batch (&b, dimensions, 2, clips, 3, "!11!1 0!02");
  push_view (&b, 2, 2, 3, 2);
  push_view (&b, 3, 0, 3, 2);
  push_view (&b, 3, 1, 3, 2);
  g_assert_cmpuint (gst_harness_buffers_in_queue (b.h), ==, 0);
  /* more of clip 3 might have come until now */
  push_view (&b, 4, 0, 3, 2);
  assert_batch (&b, dimensions, 2, clips + 2, 3, "!2!22 01!0");
  push_view (&b, 5, 1, 3, 2);
  gst_harness_push_event (b.h, gst_event_new_eos ());
  assert_batch (&b, dimensions, 2, clips + 4, 3, "0!0!0 !11!1");
  batcher_free (&b);
}

static void
take_dropped (Batcher *b, guint64 clip, guint view)
{
  GstMessage *message = gst_bus_pop_filtered (b->bus, GST_MESSAGE_ELEMENT);
  const GstStructure *s;
  guint64 number;
  guint of;

  g_assert_nonnull (message);
  s = gst_message_get_structure (message);
  g_assert_cmpstr (gst_structure_get_name (s), ==, "clipbatch-dropped");
  g_assert_true (gst_structure_get_uint64 (s, "clip", &number));
  g_assert_true (gst_structure_get_uint (s, "view", &of));
  g_assert_cmpuint (number, ==, clip);
  g_assert_cmpuint (of, ==, view);
  gst_message_unref (message);
}

/* clip-skipped events that came out */
static guint
count_skipped (Batcher *b)
{
  GstEvent *event;
  guint n = 0;

  while ((event = gst_harness_try_pull_event (b->h))) {
    n += gst_event_parse_clip_skipped (event, NULL);
    gst_event_unref (event);
  }

  return n;
}

/* Views that end before their last frame are missing. */
static void
test_incomplete (void)
{
  Batcher b = batcher_new ("batch-size=1", FALSE);
  static const guint64 clips[] = { 0, 1, 2, 3 };

  push_view (&b, 0, 0, 2, 1);
  push_view (&b, 0, 1, 2, 2);
  take_dropped (&b, 0, 0);
  assert_batch (&b, "1:8:2:2:2:1.1.2:1", 1, clips, 2, "!11");
  push_view (&b, 1, 0, 2, 2);
  push_view (&b, 1, 1, 2, 1);
  g_assert_cmpuint (gst_harness_buffers_in_queue (b.h), ==, 0);
  g_assert_cmpuint (count_skipped (&b), ==, 0);
  /* neither is complete */
  push_view (&b, 2, 0, 2, 1);
  take_dropped (&b, 1, 1);
  assert_batch (&b, "1:8:2:2:2:1.1.2:1", 1, clips + 1, 2, "0!0");
  push_view (&b, 2, 1, 2, 1);
  take_dropped (&b, 2, 0);
  g_assert_cmpuint (count_skipped (&b), ==, 0);
  push_view (&b, 3, 0, 2, 2);
  take_dropped (&b, 2, 1);
  g_assert_cmpuint (count_skipped (&b), ==, 1);
  push_view (&b, 3, 1, 2, 2);
  assert_batch (&b, "1:8:2:2:2:1.1.2:1", 1, clips + 3, 2, "01");
  batcher_free (&b);
}

static GstEvent *
epoch_event (guint64 clips)
{
  const GstClipEpoch epoch = { .training = TRUE, .clips = clips, .epochs = 1 };

  return gst_event_new_clip_epoch (&epoch);
}

/* At the end of a pass a clip ends with the views that it has; a stream that is cut short has none. */
static void
test_passes (void)
{
  static const guint64 clips[] = { 0 };

  for (guint cut = 0; cut < 2; cut++) {
    Batcher b = batcher_new ("batch-size=4", FALSE);
    const GstClipEpochDone done = { .training = TRUE, .position = 1, .delivered = 1 };

    gst_harness_push_event (b.h, epoch_event (1));
    push_view (&b, 0, 0, 2, 2);
    if (!cut)
      gst_harness_push_event (b.h, gst_event_new_clip_epoch_done (&done));
    else
      gst_harness_push_event (b.h, gst_event_new_eos ());
    if (!cut)
      assert_batch (&b, "1:8:2:2:2:1.1.2:1", 1, clips, 2, "0!0");
    batcher_free (&b);
  }
}

/* The number of frames is known when the first view ends. */
static void
test_unsized (void)
{
  Batcher b = batcher_new ("batch-size=1", TRUE);
  static const guint64 clips[] = { 0, 1 };

  for (guint64 clip = 0; clip < 2; clip++)
    for (guint view = 1; view < 3; view++) {
      const GstClipMeta meta = view_of (clip, view, 3, 0);

      for (guint i = 0; i < 2; i++)
        gst_harness_push (b.h, view_frame (&meta, i, TRUE));
    }
  assert_batch (&b, "1:8:2:2:3:1.1.3:2:1:2:3:1.3:1", 1, clips, 3, "!112");
  assert_batch (&b, "1:8:2:2:3:1.1.3:2:1:2:3:1.3:1", 1, clips + 1, 3, "!112");
  batcher_free (&b);
}

static void
test_bad_streams (void)
{
  Batcher b = batcher_new ("batch-size=1", FALSE);

  push_view (&b, 0, 0, 2, 2);
  g_assert_cmpint (push_view (&b, 0, 0, 2, 2), ==, GST_FLOW_ERROR);
  clips_assert_error (b.bus,
      "View 0 of clip 0 ((no file)) comes after view 0: the views of a clip come in order, each 1 "
      "times, as often as the clipsample in front of clipbatch says.");
  batcher_free (&b);

  /* in another order, and after the last view of a clip that is complete */
  for (guint last = 1; last < 3; last++) {
    b = batcher_new ("batch-size=1", FALSE);
    push_view (&b, 0, last, 3, 2);
    g_assert_cmpint (push_view (&b, 0, 0, 3, 2), ==, GST_FLOW_ERROR);
    clips_assert_error (b.bus, "View 0 of clip 0 ((no file)) comes after view ");
    if (last == 2)
      gst_buffer_unref (gst_harness_pull (b.h));
    batcher_free (&b);
  }

  b = batcher_new ("batch-size=1", FALSE);
  push_view (&b, 0, 0, 3, 2);
  g_assert_cmpint (push_view (&b, 0, 1, 2, 2), ==, GST_FLOW_ERROR);
  clips_assert_error (b.bus,
      "Clip 0 ((no file)) is view 1 of 2, but the clips before it have 3 views: all clips of a "
      "stream have the same views.");
  batcher_free (&b);

  b = batcher_new ("batch-size=1", FALSE);
  push_view (&b, 0, 0, 1, 2);
  gst_buffer_unref (gst_harness_pull (b.h));
  g_assert_cmpint (push_view (&b, 1, 0, 2, 2), ==, GST_FLOW_ERROR);
  clips_assert_error (b.bus, "is view 0 of 2, but the clips before it have 1 views");
  batcher_free (&b);
}

/* A video's clips, of which each view's come one after another, as "CLIP.PART/VIEWS" of the batches that
 * come out, each view by its number after a ! where it is missing */
static gchar *
take_parts (Batcher *b)
{
  GString *text = g_string_new (NULL);
  GstBuffer *buffer;

  while ((buffer = gst_harness_try_pull (b->h))) {
    GstMapInfo frames, labels, points, mask;
    guint n;

    gst_memory_map (gst_buffer_peek_memory (buffer, 0), &frames, GST_MAP_READ);
    gst_memory_map (gst_buffer_peek_memory (buffer, 1), &labels, GST_MAP_READ);
    gst_memory_map (gst_buffer_peek_memory (buffer, 2), &points, GST_MAP_READ);
    gst_memory_map (gst_buffer_peek_memory (buffer, 3), &mask, GST_MAP_READ);
    n = labels.size / sizeof (gint32);
    g_assert_cmpuint (mask.size, ==, 2 * n);
    g_assert_cmpuint (frames.size, ==, 2 * n * 2 * 16);
    g_assert_cmpuint (points.size, ==, 2 * n * 2 * 6 * sizeof (gfloat));
    g_assert_cmpuint (gst_buffer_get_n_meta (buffer, GST_CLIP_META_API_TYPE), ==, 2 * n);
    for (guint i = 0; i < 2 * n; i++) {
      const guint8 of = frames.data[i * 32];
      const gfloat *values = (const gfloat *) points.data + i * 12;

      /* the second frame, and the points of both, are of the same part */
      g_assert_cmpuint (frames.data[i * 32 + 16], ==, of + 1);
      g_assert_true (values[0] == of / 64 && values[1] == of / 16 % 4 && values[2] == of % 16);
      g_assert_cmpfloat (values[8], ==, of % 16 + 1);
      g_assert_cmpint (((gint32 *) labels.data)[i / 2], ==, of / 64 + 3);
      if (i % 2 == 0)
        g_string_append_printf (text, "%u.%u/", of / 64, of % 16 / 4);
      g_string_append_printf (text, "%s%u", mask.data[i] ? "" : "!", of / 16 % 4);
      g_string_append_c (text, i % 2 ? ' ' : ',');
      if (i == 0)
        g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, of / 64 * GST_SECOND);
    }
    g_string_append (text, "| ");
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 0), &frames);
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 1), &labels);
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 2), &points);
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 3), &mask);
    gst_buffer_unref (buffer);
  }

  return g_string_free (text, FALSE);
}

static void
test_clips_per_video (void)
{
  static const struct {
    guint batch;
    const gchar *expected;
  } table[] = {
    { 1,
        "0.0/0,1 | 0.1/0,1 | 0.2/0,1 | 1.0/!1,1 | 1.1/!1,1 | 1.2/!1,1 | 2.0/0,!0 | 2.1/0,!0 | "
        "2.2/0,!0 | 3.0/0,1 | 3.1/0,1 | 3.2/0,!0 | " },
    { 2,
        "0.0/0,1 0.1/0,1 | 0.2/0,1 1.0/!1,1 | 1.1/!1,1 1.2/!1,1 | 2.0/0,!0 2.1/0,!0 | "
        "2.2/0,!0 3.0/0,1 | 3.1/0,1 3.2/0,!0 | " },
    { 5,
        "0.0/0,1 0.1/0,1 0.2/0,1 1.0/!1,1 1.1/!1,1 | 1.2/!1,1 2.0/0,!0 2.1/0,!0 2.2/0,!0 "
        "3.0/0,1 | 3.1/0,1 3.2/0,!0 | " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    gchar *properties = g_strdup_printf ("batch-size=%u", table[i].batch), *text;
    Batcher b = batcher_new (properties, TRUE);
    const GstClipPreparation preparation = {
      .num_frames = 2, .frame_interval = 1, .sampling = "center", .clips_per_video = 3
    };

    gst_harness_push_event (b.h, gst_event_new_clip_preparation (&preparation));
    for (guint clip = 0; clip < 4; clip++)
      for (guint view = 0; view < 2; view++)
        for (guint part = 0; part < 3; part++)
          for (guint frame = 0; frame < 2; frame++) {
            GstClipMeta meta = view_of (clip, view, 2, 2);
            GstBuffer *buffer;

            /* of two clips a view does not come, and of the last one it ends too early */
            if ((clip == 1 && view == 0) || (clip == 2 && view == 1)
                || (clip == 3 && view == 1 && part == 2 && frame == 1))
              continue;
            meta.training = FALSE;
            buffer = view_frame (&meta, frame, FALSE);
            gst_buffer_memset (buffer, 0, clip * 64 + view * 16 + part * 4 + frame, -1);
            add_points (buffer, clip, view, part * 4 + frame);
            GST_BUFFER_PTS (buffer) = clip * GST_SECOND;
            g_assert_cmpint (gst_harness_push (b.h, buffer), ==, GST_FLOW_OK);
          }
    gst_harness_push_event (b.h, gst_event_new_eos ());
    take_dropped (&b, 3, 1);
    text = take_parts (&b);
    g_assert_cmpstr (text, ==, table[i].expected);
    batcher_free (&b);
    g_free (properties);
    g_free (text);
  }
}

/* Frames of a number are of the same moment, give or take a frame, or a warning says so, once. */
static void
test_out_of_step (void)
{
  static const struct {
    guint ms;
    gboolean warns;
  } table[] = { { 0, FALSE }, { 170, FALSE }, { 190, TRUE }, { 3000, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    Batcher b = batcher_new ("batch-size=1", FALSE);
    guint warnings = 0;
    GstMessage *message;

    for (guint clip = 0; clip < 2; clip++)
      for (guint view = 0; view < 2; view++)
        for (guint frame = 0; frame < 2; frame++) {
          GstClipMeta meta = view_of (clip, view, 2, 2);

          meta.file_frames = 100;
          /* segments that begin elsewhere */
          meta.start = 1 + view;
          meta.file_time = (1000 * (1 + view) + frame * (40 + view * table[i].ms)) * GST_MSECOND;
          gst_harness_push (b.h, view_frame (&meta, frame, FALSE));
        }
    for (guint clip = 0; clip < 2; clip++)
      gst_buffer_unref (gst_harness_pull (b.h));
    while ((message = gst_bus_pop_filtered (b.bus, GST_MESSAGE_WARNING))) {
      GError *error;

      gst_message_parse_warning (message, &error, NULL);
      if (table[i].ms == 3000)
        g_assert_cmpstr (error->message, ==,
            "The views of clip 0 are out of step: frame 1 of (no file) is 3000 ms away from that "
            "of another view. Set frame-rate of clipsample if their rates differ, or cut the files "
            "at the same moments.");
      g_error_free (error);
      gst_message_unref (message);
      warnings++;
    }
    g_assert_cmpuint (warnings, ==, table[i].warns);
    batcher_free (&b);
  }
}

/* All views of a clip are cropped and mirrored alike; other clips are not. */
static void
test_augment (void)
{
  GstHarness *h = gst_harness_new_parse ("clipaugment scale-min=0.2 flip=0.5 brightness=0.4");
  GstBuffer *first[8];
  guint differ = 0;

  gst_harness_set_src_caps_str (h, "video/x-raw,format=GRAY8,width=32,height=16,framerate=25/1");
  for (guint clip = 0; clip < G_N_ELEMENTS (first); clip++)
    for (guint view = 0; view < 3; view++) {
      const GstClipMeta meta = view_of (clip, view, 3, 1);
      GstBuffer *buffer = gst_buffer_new_allocate (NULL, 32 * 16, NULL);
      GstMapInfo a, b;

      gst_buffer_map (buffer, &a, GST_MAP_WRITE);
      for (guint i = 0; i < a.size; i++)
        a.data[i] = i % 32 * 5 + i / 32 * 3;
      gst_buffer_unmap (buffer, &a);
      gst_buffer_add_clip_meta (buffer, &meta);
      buffer = gst_harness_push_and_pull (h, buffer);
      g_assert_cmpuint (gst_buffer_get_clip_meta (buffer)->view, ==, view);
      if (view == 0) {
        first[clip] = buffer;
        continue;
      }
      gst_buffer_map (buffer, &a, GST_MAP_READ);
      gst_buffer_map (first[clip], &b, GST_MAP_READ);
      g_assert_cmpmem (a.data, a.size, b.data, b.size);
      gst_buffer_unmap (buffer, &a);
      gst_buffer_unmap (first[clip], &b);
      gst_buffer_unref (buffer);
    }
  for (guint clip = 1; clip < G_N_ELEMENTS (first); clip++) {
    GstMapInfo a;

    gst_buffer_map (first[clip], &a, GST_MAP_READ);
    differ += gst_buffer_memcmp (first[0], 0, a.data, a.size) != 0;
    gst_buffer_unmap (first[clip], &a);
  }
  g_assert_cmpuint (differ, >, 3);
  for (guint clip = 0; clip < G_N_ELEMENTS (first); clip++)
    gst_buffer_unref (first[clip]);
  gst_harness_teardown (h);
}

/* Outside of clip-bin, clipsample keeps views apart, and clipdiff does not compare them. */
static void
test_filters (void)
{
  GstHarness *h = gst_harness_new_parse ("clipsample num-frames=1 ! clipdiff gain=1");
  GstClipMeta meta;
  GstMapInfo map;
  GstBuffer *buffer;

  gst_harness_set_src_caps_str (h, CLIPS_GRAY);
  for (guint view = 0; view < 2; view++) {
    meta = view_of (0, view, 2, 1);
    gst_harness_push (h, view_frame (&meta, 0, FALSE));
  }
  for (guint view = 0; view < 2; view++) {
    buffer = gst_harness_try_pull (h);
    g_assert_nonnull (buffer);
    g_assert_cmpuint (gst_buffer_get_clip_meta (buffer)->view, ==, view);
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    /* no difference from a frame before it */
    g_assert_cmpuint (map.data[5], ==, 0);
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  g_assert_null (gst_harness_try_pull (h));
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gint result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/clipbatch-views/batches", NULL, test_batches);
  g_test_add_data_func ("/clipbatch-views/batches-points", "", test_batches);
  g_test_add_data_func ("/clipbatch-views/mask", NULL, test_mask);
  g_test_add_data_func ("/clipbatch-views/mask-points", "", test_mask);
  g_test_add_func ("/clipbatch-views/incomplete", test_incomplete);
  g_test_add_func ("/clipbatch-views/passes", test_passes);
  g_test_add_func ("/clipbatch-views/unsized", test_unsized);
  g_test_add_func ("/clipbatch-views/bad-streams", test_bad_streams);
  g_test_add_func ("/clipbatch-views/clips-per-video", test_clips_per_video);
  g_test_add_func ("/clipbatch-views/out-of-step", test_out_of_step);
  g_test_add_func ("/clipbatch-views/augment", test_augment);
  g_test_add_func ("/clipbatch-views/filters", test_filters);
  result = g_test_run ();
  /* the leaks tracer looks when GStreamer ends */
  gst_deinit ();
  return result;
}

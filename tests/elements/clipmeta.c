/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#include "gstclipmeta.h"

static GstClipMeta
example (void)
{
  GstClipMeta m = { .clip = G_GUINT64_CONSTANT (5000000000),
    .sample = 7,
    .view = 1,
    .views = 3,
    .epoch = 3,
    .training = TRUE,
    .label = -1,
    .frame = 11,
    .num_frames = 16,
    .path = g_ref_string_new ("a/b.mp4"),
    .group = NULL,
    .file = g_ref_string_new ("/root/a/b.mp4"),
    .start = 1.5,
    .end = INFINITY,
    .fps = 12,
    .keypoints = g_ref_string_new ("/root/a/b.npy"),
    .file_frames = 100,
    .file_frame = 42,
    .first_frame = 40,
    .last_frame = 60,
    .file_time = 1680 * GST_MSECOND,
    .width = 640,
    .height = 480,
    .par_n = 4,
    .par_d = 3 };

  return m;
}

static void
assert_equal (const GstClipMeta *a, const GstClipMeta *b)
{
  g_assert_nonnull (a);
  g_assert_nonnull (b);
  g_assert_cmpuint (a->clip, ==, b->clip);
  g_assert_cmpuint (a->sample, ==, b->sample);
  g_assert_cmpuint (a->view, ==, b->view);
  g_assert_cmpuint (a->views, ==, b->views);
  g_assert_cmpuint (a->epoch, ==, b->epoch);
  g_assert_cmpint (a->training, ==, b->training);
  g_assert_cmpint (a->label, ==, b->label);
  g_assert_cmpuint (a->frame, ==, b->frame);
  g_assert_cmpuint (a->num_frames, ==, b->num_frames);
  g_assert_cmpstr (a->path, ==, b->path);
  g_assert_cmpstr (a->group, ==, b->group);
  g_assert_cmpstr (a->file, ==, b->file);
  g_assert_cmpfloat (a->start, ==, b->start);
  g_assert_cmpfloat (a->end, ==, b->end);
  g_assert_cmpfloat (a->fps, ==, b->fps);
  g_assert_cmpstr (a->keypoints, ==, b->keypoints);
  g_assert_cmpuint (a->file_frames, ==, b->file_frames);
  g_assert_cmpuint (a->file_frame, ==, b->file_frame);
  g_assert_cmpuint (a->first_frame, ==, b->first_frame);
  g_assert_cmpuint (a->last_frame, ==, b->last_frame);
  g_assert_cmpuint (a->file_time, ==, b->file_time);
  g_assert_cmpuint (a->width, ==, b->width);
  g_assert_cmpuint (a->height, ==, b->height);
  g_assert_cmpint (a->par_n, ==, b->par_n);
  g_assert_cmpint (a->par_d, ==, b->par_d);
}

static void
test_copy (void)
{
  GstClipMeta from = example ();
  GstBuffer *a = gst_buffer_new (), *b;

  g_assert_null (gst_buffer_get_clip_meta (a));
  assert_equal (gst_buffer_add_clip_meta (a, &from), &from);
  b = gst_buffer_copy (a);
  gst_buffer_unref (a);
  assert_equal (gst_buffer_get_clip_meta (b), &from);
  gst_buffer_unref (b);

  a = gst_buffer_new ();
  g_assert_cmpint (gst_buffer_add_clip_meta (a, NULL)->label, ==, 0);
  gst_buffer_unref (a);
  g_ref_string_release (from.path);
  g_ref_string_release (from.file);
  g_ref_string_release (from.keypoints);
}

/* A batch carries one meta for each clip, in order. */
static void
test_several (void)
{
  GstClipMeta from = example ();
  GstBuffer *a = gst_buffer_new ();
  GstMeta *meta;
  gpointer state = NULL;
  guint64 clip;

  for (clip = 0; clip < 20; clip++) {
    from.clip = clip;
    gst_buffer_add_clip_meta (a, &from);
  }
  g_assert_cmpuint (gst_buffer_get_clip_meta (a)->clip, ==, 0);
  clip = 0;
  while ((meta = gst_buffer_iterate_meta_filtered (a, &state, GST_CLIP_META_API_TYPE)))
    g_assert_cmpuint (((GstClipMeta *) meta)->clip, ==, clip++);
  g_assert_cmpuint (clip, ==, 20);
  gst_buffer_unref (a);
  g_ref_string_release (from.path);
  g_ref_string_release (from.file);
  g_ref_string_release (from.keypoints);
}

/* Common elements of a clip-bin keep the meta. */
static void
test_through_scaler (void)
{
  GstHarness *h = gst_harness_new_parse (
      "videoconvertscale ! queue ! videoflip method=clockwise ! videobalance saturation=0.5 ! "
      "capsfilter caps=video/x-raw,format=RGB,width=10,height=6");
  GstClipMeta from = example ();
  GstBuffer *buffer;

  gst_harness_set_src_caps_str (h, "video/x-raw,format=I420,width=32,height=16,framerate=25/1");
  buffer = gst_buffer_new_allocate (NULL, 32 * 16 * 3 / 2, NULL);
  gst_buffer_memset (buffer, 0, 0, -1);
  gst_buffer_add_clip_meta (buffer, &from);
  buffer = gst_harness_push_and_pull (h, buffer);
  g_assert_cmpuint (gst_buffer_get_size (buffer), ==, 32 * 6);
  assert_equal (gst_buffer_get_clip_meta (buffer), &from);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
  g_ref_string_release (from.path);
  g_ref_string_release (from.file);
  g_ref_string_release (from.keypoints);
}

static void
test_classes (void)
{
  const gchar *names[] = { "left", "right", "a \"quoted\", odd; name", NULL };
  const gchar *none[] = { NULL };
  const guint64 clips[] = { 0, 7, 1000000 };
  guint64 *counts;
  gchar **back = NULL;
  GstEvent *event = gst_event_new_clip_classes (names);

  g_assert_true (GST_EVENT_IS_STICKY (event));
  g_assert_true (GST_EVENT_IS_SERIALIZED (event));
  g_assert_true (gst_event_parse_clip_classes (event, NULL));
  g_assert_true (gst_event_parse_clip_classes (event, &back));
  g_assert_cmpstrv (back, names);
  g_strfreev (back);
  gst_event_unref (event);

  event = gst_event_new_clip_classes_counted (names, clips);
  g_assert_true (gst_event_parse_clip_classes (event, &back));
  g_assert_cmpstrv (back, names);
  g_strfreev (back);
  counts = gst_event_parse_clip_class_counts (event);
  g_assert_cmpmem (counts, sizeof clips, clips, sizeof clips);
  g_free (counts);
  gst_event_unref (event);

  event = gst_event_new_clip_classes (none);
  g_assert_null (gst_event_parse_clip_class_counts (event));
  g_assert_true (gst_event_parse_clip_classes (event, &back));
  g_assert_cmpstrv (back, none);
  g_strfreev (back);
  gst_event_unref (event);

  event = gst_event_new_eos ();
  g_assert_null (gst_event_parse_clip_class_counts (event));
  g_assert_false (gst_event_parse_clip_classes (event, &back));
  gst_event_unref (event);

  /* right name, wrong contents */
  event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new ("clip-classes", "classes", G_TYPE_INT, 3, NULL));
  g_assert_false (gst_event_parse_clip_classes (event, &back));
  gst_event_unref (event);
}

static void
test_views (void)
{
  const gchar *names[] = { "front", "from the left", NULL };
  GstEvent *event = gst_event_new_clip_views (names);
  gchar **back = NULL;

  g_assert_true (GST_EVENT_IS_STICKY (event));
  g_assert_true (GST_EVENT_IS_SERIALIZED (event));
  g_assert_true (gst_event_parse_clip_views (event, NULL));
  g_assert_true (gst_event_parse_clip_views (event, &back));
  g_assert_cmpstrv (back, names);
  g_strfreev (back);
  g_assert_false (gst_event_parse_clip_classes (event, NULL));
  gst_event_unref (event);

  event = gst_event_new_clip_classes (names);
  g_assert_false (gst_event_parse_clip_views (event, &back));
  gst_event_unref (event);
}

static void
test_preparation (void)
{
  GstClipPreparation in = { 16, 2, "center", "bilinear", TRUE, 2.5, 30000, 1001 }, out;
  GstEvent *event = gst_event_new_clip_preparation (&in);

  g_assert_true (GST_EVENT_IS_STICKY (event));
  g_assert_true (GST_EVENT_IS_SERIALIZED (event));
  g_assert_true (gst_event_parse_clip_preparation (event, NULL));
  g_assert_true (gst_event_parse_clip_preparation (event, &out));
  g_assert_cmpuint (out.num_frames, ==, 16);
  g_assert_cmpuint (out.frame_interval, ==, 2);
  g_assert_cmpstr (out.sampling, ==, "center");
  g_assert_cmpstr (out.scaling, ==, "bilinear");
  g_assert_true (out.add_borders);
  g_assert_true (out.diff_gain == 2.5);
  g_assert_cmpint (out.frame_rate_n, ==, 30000);
  g_assert_cmpint (out.frame_rate_d, ==, 1001);
  g_assert_false (gst_event_parse_clip_classes (event, NULL));
  gst_event_unref (event);

  in.scaling = NULL;
  event = gst_event_new_clip_preparation (&in);
  g_assert_true (gst_event_parse_clip_preparation (event, &out));
  g_assert_null (out.scaling);
  gst_event_unref (event);

  /* from an element without frame rates */
  event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new ("clip-preparation", "num-frames", G_TYPE_UINT, 16, "frame-interval",
          G_TYPE_UINT, 1, "sampling", G_TYPE_STRING, "center", "add-borders", G_TYPE_BOOLEAN, TRUE,
          NULL));
  g_assert_true (gst_event_parse_clip_preparation (event, &out));
  g_assert_cmpint (out.frame_rate_n, ==, 0);
  g_assert_cmpint (out.frame_rate_d, ==, 1);
  gst_event_unref (event);

  event = gst_event_new_clip_classes (NULL);
  g_assert_false (gst_event_parse_clip_preparation (event, &out));
  gst_event_unref (event);
  /* right name, wrong contents */
  event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      gst_structure_new ("clip-preparation", "num-frames", G_TYPE_UINT, 16, "frame-interval",
          G_TYPE_UINT, 1, "sampling", G_TYPE_INT, 3, "add-borders", G_TYPE_BOOLEAN, TRUE, NULL));
  g_assert_false (gst_event_parse_clip_preparation (event, &out));
  gst_event_unref (event);
}

static void
test_data (void)
{
  const GstClipData in = { 7, 5, 2, "aa", "bb", "cc" };
  GstEvent *event = gst_event_new_clip_data (&in);
  GstClipData out;

  g_assert_true (GST_EVENT_IS_STICKY (event));
  g_assert_true (gst_event_parse_clip_data (event, NULL));
  g_assert_true (gst_event_parse_clip_data (event, &out));
  g_assert_cmpuint (out.rows, ==, 7);
  g_assert_cmpuint (out.training_clips, ==, 5);
  g_assert_cmpuint (out.validation_clips, ==, 2);
  g_assert_cmpstr (out.clips, ==, "aa");
  g_assert_cmpstr (out.labels, ==, "bb");
  g_assert_cmpstr (out.order, ==, "cc");
  g_assert_false (gst_event_parse_clip_preparation (event, NULL));
  gst_event_unref (event);
}

static void
test_skipped (void)
{
  GstClipSkipped in = { "a\xff\xfe.mp4", "\xc3 no", G_MAXUINT64, 7 }, out;
  GstEvent *event = gst_event_new_clip_skipped (&in);

  g_assert_true (GST_EVENT_IS_SERIALIZED (event));
  g_assert_false (GST_EVENT_IS_STICKY (event));
  g_assert_true (gst_event_parse_clip_skipped (event, NULL));
  g_assert_true (gst_event_parse_clip_skipped (event, &out));
  g_assert_true (g_utf8_validate (out.path, -1, NULL));
  g_assert_true (g_str_has_prefix (out.path, "a"));
  g_assert_true (g_str_has_suffix (out.path, ".mp4"));
  g_assert_true (g_utf8_validate (out.reason, -1, NULL));
  g_assert_true (g_str_has_suffix (out.reason, " no"));
  g_assert_cmpuint (out.clip, ==, G_MAXUINT64);
  g_assert_cmpuint (out.epoch, ==, 7);
  g_assert_false (gst_event_parse_clip_epoch (event, NULL));
  gst_event_unref (event);
}

static void
test_epoch (void)
{
  GstClipEpoch in = { 4, TRUE, 1234567890123, 30, 77, 80, G_MAXUINT64, TRUE }, out;
  GstClipEpochDone done_in = { 4, TRUE, G_MAXUINT64 - 1, 70, 7 }, done_out;
  GstEvent *event = gst_event_new_clip_epoch (&in);

  g_assert_true (GST_EVENT_IS_SERIALIZED (event));
  g_assert_false (GST_EVENT_IS_STICKY (event));
  g_assert_true (gst_event_parse_clip_epoch (event, &out));
  g_assert_cmpuint (out.epoch, ==, 4);
  g_assert_true (out.training);
  g_assert_cmpuint (out.clips, ==, in.clips);
  g_assert_cmpuint (out.epochs, ==, 30);
  g_assert_cmpuint (out.first_clip, ==, 77);
  g_assert_cmpuint (out.position, ==, 80);
  g_assert_cmpuint (out.seed, ==, G_MAXUINT64);
  g_assert_true (out.validates);
  g_assert_false (gst_event_parse_clip_epoch_done (event, &done_out));
  gst_event_unref (event);

  event = gst_event_new_clip_epoch_done (&done_in);
  g_assert_true (GST_EVENT_IS_SERIALIZED (event));
  g_assert_false (gst_event_parse_clip_epoch (event, &out));
  g_assert_true (gst_event_parse_clip_epoch_done (event, &done_out));
  g_assert_cmpuint (done_out.epoch, ==, 4);
  g_assert_true (done_out.training);
  g_assert_cmpuint (done_out.position, ==, G_MAXUINT64 - 1);
  g_assert_cmpuint (done_out.delivered, ==, 70);
  g_assert_cmpuint (done_out.skipped, ==, 7);
  gst_event_unref (event);
}

static void
test_window (void)
{
  GstClipMeta in = example (), out;
  guint64 first = 9, last = 9;
  gint n, d;
  GstQuery *query = gst_query_new_clip_window (&in, 30000, 1001);
  const guint64 frames[] = { 2, 4, 9 }, *answer;
  guint64 times[16];
  guint count;

  g_assert_true (gst_query_parse_clip_window (query, &out, &n, &d));
  g_assert_cmpuint (out.clip, ==, in.clip);
  g_assert_cmpuint (out.sample, ==, in.sample);
  g_assert_cmpuint (out.view, ==, 1);
  g_assert_cmpuint (out.views, ==, 3);
  g_assert_cmpuint (out.epoch, ==, in.epoch);
  g_assert_true (out.training);
  g_assert_cmpuint (out.num_frames, ==, 16);
  g_assert_null (out.path);
  g_assert_cmpint (n, ==, 30000);
  g_assert_cmpint (d, ==, 1001);
  g_assert_false (gst_query_get_clip_window (query, &first, &last));
  g_assert_cmpuint (first, ==, 9);
  g_assert_null (gst_query_get_clip_window_frames (query, &count));

  gst_query_set_clip_window_frames (query, frames, G_N_ELEMENTS (frames));
  g_assert_true (gst_query_get_clip_window (query, &first, &last));
  g_assert_cmpuint (first, ==, 2);
  g_assert_cmpuint (last, ==, 9);
  answer = gst_query_get_clip_window_frames (query, &count);
  g_assert_cmpmem (answer, count * sizeof *answer, frames, sizeof frames);

  g_assert_null (gst_query_get_clip_window_times (query));
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    times[i] = 500 + i * i;
  gst_query_set_clip_window_times (query, times, 3);
  /* set for another number of frames */
  g_assert_null (gst_query_get_clip_window_times (query));
  gst_query_set_clip_window_times (query, times, G_N_ELEMENTS (times));
  memset (times, 0, sizeof times);
  answer = gst_query_get_clip_window_times (query);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    g_assert_cmpuint (answer[i], ==, i * i);

  /* a request for the whole window replaces one for single frames */
  gst_query_set_clip_window (query, 3, 8);
  g_assert_null (gst_query_get_clip_window_frames (query, &count));
  g_assert_true (gst_query_get_clip_window (query, &first, &last));
  g_assert_cmpuint (first, ==, 3);
  g_assert_cmpuint (last, ==, 8);
  gst_query_unref (query);

  query = gst_query_new_latency ();
  g_assert_false (gst_query_parse_clip_window (query, &out, NULL, NULL));
  g_assert_false (gst_query_get_clip_window (query, NULL, NULL));
  g_assert_null (gst_query_get_clip_window_times (query));
  gst_query_unref (query);

  /* without views nothing is said of them */
  in.view = in.views = 0;
  query = gst_query_new_clip_window (&in, 25, 1);
  g_assert_true (gst_query_parse_clip_window (query, &out, NULL, NULL));
  g_assert_cmpuint (out.views, ==, 0);
  g_assert_false (gst_structure_has_field (gst_query_get_structure (query), "view"));
  g_assert_false (gst_structure_has_field (gst_query_get_structure (query), "views"));
  gst_query_unref (query);
  g_ref_string_release (in.path);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/clipmeta/copy", test_copy);
  g_test_add_func ("/clipmeta/several", test_several);
  g_test_add_func ("/clipmeta/through-scaler", test_through_scaler);
  g_test_add_func ("/clipmeta/classes", test_classes);
  g_test_add_func ("/clipmeta/views", test_views);
  g_test_add_func ("/clipmeta/preparation", test_preparation);
  g_test_add_func ("/clipmeta/data", test_data);
  g_test_add_func ("/clipmeta/skipped", test_skipped);
  g_test_add_func ("/clipmeta/epoch", test_epoch);
  g_test_add_func ("/clipmeta/window", test_window);

  result = g_test_run ();
  /* the leaks tracer checks in gst_deinit() */
  gst_deinit ();
  return result;
}

/* clipsrc-views.c: clips of several cameras, from a data set to a batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/app/gstappsink.h>

#include "../unit/npyfile.h"
#include "cliprun.h"

#define HEADER "path,label,start,end,group,view\n"
#define ENCODER "x264enc key-int-max=12 quantizer=8 pass=quant threads=1 ! h264parse ! mp4mux"
#define BRIGHTER 30

/* The frames of `video`, as another camera sees them: brighter */
static gchar *left;

static gchar *
make_left (void)
{
  GstClockTime times[FRAMES];
  guint brightness[FRAMES];

  for (guint i = 0; i < FRAMES; i++) {
    brightness[i] = BRIGHTNESS (i) + BRIGHTER;
    times[i] = i * GST_SECOND / FPS;
  }

  return make_video_of ("left.mp4", ENCODER, "20/1", FRAMES, brightness, times);
}

/* n clips of 4 frames, each in views b and a; a is brighter */
static gchar *
write_clips (guint n)
{
  GString *text = g_string_new (HEADER);
  gchar *path;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s,%c,%g,%g,g,b\n%s,%c,%g,%g,g,a\n", video, i % 2 ? 'x' : 'y',
        0.1 * i, 0.1 * i + 0.2, left, i % 2 ? 'x' : 'y', 0.1 * i, 0.1 * i + 0.2);
  path = write_text ("views.csv", text->str);
  g_string_free (text, TRUE);

  return path;
}

static Run *
run_views (gchar *properties)
{
  Run *run = run_new (properties);

  run->sums = run->views = TRUE;
  g_free (properties);

  return run;
}

static guint64
get_uint64 (Run *run, const gchar *name)
{
  guint64 value;

  g_object_get (run->src, name, &value, NULL);
  return value;
}

/* Views come one after another, in the same order whoever decodes them. */
static void
test_order (void)
{
  gchar *csv = write_clips (10);
  Run *first = NULL;

  for (guint workers = 0; workers <= 4; workers += workers ? 3 : 1) {
    Run *run = run_views (g_strdup_printf (
        "location=%s epochs=2 seed=4 num-workers=%u clip-bin=identity", csv, workers));
    guint at = 0;

    run_play (run);
    g_assert_true (run->eos);
    g_assert_cmpstr (run->events->str, ==,
        "stream-start classes=x,y views=a,b caps segment T0:0 /10+10-0 T1:10 /20+10-0 eos ");
    g_assert_cmpuint (get_uint64 (run, "num-clips"), ==, 10);
    g_assert_cmpuint (get_uint64 (run, "views-missing"), ==, 0);
    g_assert_cmpuint (run->frames->len, ==, 20 * 2 * 4);
    for (guint64 clip = 0; clip < 20; clip++)
      for (guint view = 0; view < 2; view++)
        for (guint i = 0; i < 4; i++, at++) {
          const Frame *frame = frame_at (run, at), *other = frame_at (run, at - view * 4);
          const guint row = frame->sample / 2;

          g_assert_cmpuint (frame->clip, ==, clip);
          g_assert_cmpuint (frame->view, ==, view);
          g_assert_cmpuint (frame->views, ==, 2);
          g_assert_cmpuint (frame->frame, ==, i);
          /* the row that leads, and its label */
          g_assert_cmpuint (frame->sample % 2, ==, 0);
          g_assert_cmpuint (frame->sample, ==, other->sample);
          g_assert_cmpint (frame->label, ==, row % 2 ? 0 : 1);
          g_assert_cmpint (ABS ((gint) frame->brightness - BRIGHTNESS ((gint) (2 * row + i))
                               - (view == 0 ? BRIGHTER : 0)),
              <=, 1);
          g_assert_cmpuint (frame->pts, ==, at * GST_SECOND / FPS);
          if (first)
            g_assert_cmpstr (frame->sum, ==, frame_at (first, at)->sum);
        }
    if (first)
      run_free (run);
    else
      first = run;
  }
  run_free (first);
  g_free (csv);
}

/* One view of them is a data set without views. */
static void
test_one (void)
{
  gchar *csv = write_clips (4);
  gchar *properties = g_strdup_printf ("location=%s shuffle=false views=b clip-bin=identity", csv);
  Run *run = run_new (properties);
  guint at = 0;

  run_play (run);
  g_assert_cmpstr (run->events->str, ==, "stream-start classes=x,y caps segment T0:0 /4+4-0 eos ");
  for (guint clip = 0; clip < 4; clip++) {
    g_assert_cmpuint (frame_at (run, at)->views, ==, 0);
    g_assert_cmpuint (frame_at (run, at)->sample, ==, 2 * clip);
    assert_frames (run, &at, clip, 2 * clip, 2 * clip + 3, 0, 4);
  }
  g_assert_cmpuint (run->frames->len, ==, at);
  run_free (run);
  g_free (properties);
  g_free (csv);
}

/* A run that goes to a clip has all of its views. */
static void
test_seek (void)
{
  gchar *csv = write_clips (6);

  for (guint workers = 0; workers <= 2; workers += 2) {
    Run *whole = run_views (g_strdup_printf ("location=%s seed=2 num-workers=%u", csv, workers));
    Run *run = run_views (g_strdup_printf ("location=%s seed=2 num-workers=%u", csv, workers));
    gint64 value;

    run_play (whole);
    gst_element_set_state (run->pipeline, GST_STATE_PAUSED);
    g_assert_cmpint (
        gst_element_get_state (run->pipeline, NULL, NULL, LIMIT), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_true (gst_element_query_duration (run->src, GST_FORMAT_DEFAULT, &value));
    g_assert_cmpint (value, ==, 6);
    g_array_set_size (run->frames, 0);
    g_assert_true (gst_element_seek (run->src, 1.0, GST_FORMAT_DEFAULT, GST_SEEK_FLAG_FLUSH,
        GST_SEEK_TYPE_SET, 4, GST_SEEK_TYPE_NONE, 0));
    run_play (run);
    g_assert_cmpuint (run->frames->len, >=, 2 * 2 * 4);
    for (guint i = 0; i < 2 * 2 * 4; i++) {
      const Frame *a = frame_at (run, run->frames->len - 16 + i), *b = frame_at (whole, 32 + i);

      g_assert_cmpuint (a->clip, ==, 4 + i / 8);
      g_assert_cmpuint (a->view, ==, i / 4 % 2);
      g_assert_cmpuint (a->sample, ==, b->sample);
      g_assert_cmpstr (a->sum, ==, b->sum);
    }
    run_free (run);
    run_free (whole);
  }
  g_free (csv);
}

/* As a trainer that resumes does: from the streaming thread, in the middle of a view. */
static void
seek_on_frame (Run *run)
{
  GstPad *pad;

  if (run->frames->len != 6)
    return;
  pad = gst_element_get_static_pad (run->src, "src");
  g_assert_true (gst_pad_send_event (pad,
      gst_event_new_seek (
          1.0, GST_FORMAT_DEFAULT, 0, GST_SEEK_TYPE_SET, 9, GST_SEEK_TYPE_NONE, 0)));
  gst_object_unref (pad);
}

static void
test_seek_streaming (void)
{
  gchar *csv = write_clips (6);

  for (guint workers = 0; workers <= 4; workers += 2) {
    gchar *line = g_strdup_printf (
        "location=%s seed=2 epochs=2 num-workers=%u clip-bin=identity", csv, workers);
    Run *whole = run_views (g_strdup (line)), *run = run_views (line);

    run_play (whole);
    run->on_frame = seek_on_frame;
    run_play (run);
    g_assert_true (run->eos);
    /* the rest of the first clip does not come */
    g_assert_cmpuint (run->frames->len, ==, 6 + 3 * 8);
    for (guint i = 6; i < run->frames->len; i++) {
      const Frame *a = frame_at (run, i), *b = frame_at (whole, 9 * 8 + i - 6);

      g_assert_true (a->clip == b->clip && a->view == b->view && a->sample == b->sample);
      g_assert_cmpstr (a->sum, ==, b->sum);
    }
    run_free (run);
    run_free (whole);
  }
  g_free (csv);
}

/* Of clips some views are not listed or cannot be read: the others come. */
static void
test_missing (void)
{
  gchar *bad = write_text ("bad.mp4", "This is no video, but some text that is long enough.");
  gchar *text = g_strdup_printf (HEADER "%s,x,0,0.2,g0,a\n" /* b is not listed */
                                        "%s,y,0,0.2,g1,b\n"
                                        "%s,y,0,0.2,g1,a\n" /* a cannot be read */
                                        "%s,x,0,0.2,g2,a\n"
                                        "gone.mp4,x,0,0.2,g2,b\n" /* neither can */
                                        "%s,y,0,0.2,g3,a\n"
                                        "gone.mp4,y,0,0.2,g3,b\n" /* b is not there */
                                        "%s,x,0,0.2,g4,a\n"
                                        "%s,x,0,0.2,g4,b\n",
      video, video, bad, bad, video, video, left);
  gchar *csv = write_text ("missing.csv", text);
  static const struct {
    guint64 clip;
    guint view;
  } expected[] = { { 0, 0 }, { 1, 1 }, { 3, 0 }, { 4, 0 }, { 4, 1 } };

  for (guint workers = 0; workers <= 3; workers += 3) {
    Run *run = run_views (g_strdup_printf (
        "location=%s shuffle=false num-workers=%u clip-bin=identity", csv, workers));
    const gchar *warning;

    run_play (run);
    g_assert_true (run->eos);
    g_assert_cmpstr (run->events->str, ==,
        "stream-start classes=x,y views=a,b caps segment T0:0 -0:2 /5+4-1 eos ");
    g_assert_cmpuint (run->frames->len, ==, G_N_ELEMENTS (expected) * 4);
    for (guint i = 0; i < run->frames->len; i++) {
      g_assert_cmpuint (frame_at (run, i)->clip, ==, expected[i / 4].clip);
      g_assert_cmpuint (frame_at (run, i)->view, ==, expected[i / 4].view);
    }
    /* a of clip 1, both of clip 2, b of clip 3 */
    g_assert_cmpuint (run->skipped->len, ==, 4);
    g_assert_nonnull (strstr (g_ptr_array_index (run->skipped, 0), "bad.mp4: "));
    g_assert_nonnull (strstr (g_ptr_array_index (run->skipped, 3), "gone.mp4: No such file"));
    g_assert_cmpuint (get_uint64 (run, "clips-skipped"), ==, 1);
    g_assert_cmpuint (get_uint64 (run, "views-missing"), ==, 3);
    /* two views, of clips that came: neither the one that is not listed, nor the skipped clip's */
    g_assert_cmpuint (run->warnings->len, ==, 1);
    warning = g_ptr_array_index (run->warnings, 0);
    g_assert_true (g_str_has_prefix (warning,
        "In the training pass 2 views of 4 clips cannot be read, and the clips came without "
        "them; the first: a, "));
    g_assert_nonnull (strstr (warning, "bad.mp4: "));
    run_free (run);
  }
  {
    Run *run = run_views (g_strdup_printf ("location=%s val-location=%s epochs=2", csv, csv));

    run_play (run);
    g_assert_true (run->eos);
    g_assert_cmpuint (get_uint64 (run, "views-missing"), ==, 12);
    g_assert_cmpuint (run->warnings->len, ==, 3);
    g_assert_nonnull (strstr (g_ptr_array_index (run->warnings, 0), "overlap training clips"));
    g_assert_nonnull (strstr (g_ptr_array_index (run->warnings, 2), "In the validation pass 2 "));
    run_free (run);
  }
  for (guint workers = 0; workers <= 3; workers += 3) {
    Run *run = run_views (
        g_strdup_printf ("location=%s shuffle=false on-error=stop num-workers=%u", csv, workers));

    run_play (run);
    g_assert_nonnull (strstr (run->error, "Clip 1, "));
    g_assert_nonnull (strstr (run->error, "bad.mp4, cannot be read: "));
    run_free (run);
  }
  g_free (text);
  g_free (csv);
  g_free (bad);
}

/* Rows that cannot be samples */
static void
test_refused (void)
{
  gchar *text = g_strdup_printf (HEADER "%s,x,,,g,a\n%s,y,,,h,a\n%s,x,,,g,a\n", video, left, left);
  gchar *csv = write_text ("refused.csv", text);
  Run *run = run_views (g_strdup_printf ("location=%s", csv));

  run_play (run);
  g_assert_nonnull (strstr (
      run->error, "refused.csv:4:1: the view \"a\" of this group and segment is in line 2"));
  run_free (run);
  run = run_views (g_strdup_printf ("location=%s views=a,c", csv));
  run_play (run);
  g_assert_nonnull (run->error);
  run_free (run);
  g_free (text);
  g_free (csv);
}

/* A video of half the frames a second shows the same at the same time: so do views that are in
 * step. Each row of a pair has the other rate. */
static void
test_in_step (void)
{
  const guint n = FRAMES / 2;
  GstClockTime times[FRAMES];
  guint brightness[FRAMES];
  gchar *slow, *text, *csv;
  gboolean differ = FALSE;
  Run *run;

  for (guint i = 0; i < n; i++) {
    brightness[i] = BRIGHTNESS (2 * i);
    times[i] = i * 2 * GST_SECOND / FPS;
  }
  slow = make_video_of ("slow.mp4", ENCODER, "10/1", n, brightness, times);
  text = g_strdup_printf (HEADER "%s,x,0,3,g0,a\n%s,x,0,3,g0,b\n%s,y,0,3,g1,a\n%s,y,0,3,g1,b\n",
      video, slow, slow, video);
  csv = write_text ("step.csv", text);
  run = run_views (g_strdup_printf (
      "location=%s epochs=8 num-workers=2 clip-bin=\"clipsample num-frames=4 frame-interval=2 "
      "frame-rate=10/1\"",
      csv));
  run_play (run);
  g_assert_true (run->eos);
  g_assert_cmpuint (run->frames->len, ==, 8 * 2 * 2 * 4);
  for (guint i = 0; i < run->frames->len; i += 8) {
    differ |= ABS ((gint) frame_at (run, i)->brightness - (gint) frame_at (run, 0)->brightness) > 6;
    for (guint k = 0; k < 4; k++) {
      const Frame *a = frame_at (run, i + k), *b = frame_at (run, i + 4 + k);

      g_assert_cmpuint (a->frame, ==, k);
      g_assert_cmpuint (b->frame, ==, k);
      /* three steps are a frame of the fast one */
      g_assert_cmpint (ABS ((gint) a->brightness - (gint) b->brightness), <=, 4);
    }
  }
  g_assert_true (differ);
  run_free (run);
  g_free (slow);
  g_free (text);
  g_free (csv);
}

/* Where the points of each frame of a video are is its own. */
static gchar *
write_points (const gchar *name, gfloat first)
{
  gchar *path = in_dir (name);
  gfloat values[FRAMES][1][2];

  for (guint t = 0; t < FRAMES; t++) {
    values[t][0][0] = first + t / 2;
    values[t][0][1] = 5;
  }
  npy_write (path, 1, "'<f4'", "False", "(60, 1, 2)", values, sizeof values);

  return path;
}

/* All batches of a run, as their tensors' bytes one after another */
static GByteArray *
run_batches (const gchar *csv, guint workers)
{
  gchar *line = g_strdup_printf (
      "clipsrc location=%s keypoints-root=%s keypoints-pattern={stem}.npy shuffle=false "
      "num-workers=%u clip-bin=\"clipsample num-frames=3 ! clipkpt skeleton=custom:1 "
      "coordinates=pixels persons=1 ! videoconvertscale add-borders=false ! "
      "video/x-raw,format=GRAY8,width=8,height=6\" ! clipbatch batch-size=2 ! "
      "appsink name=sink sync=false",
      csv, dir, workers);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstElement *sink;
  GByteArray *bytes = g_byte_array_new ();
  GstSample *sample;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
    const GstStructure *s = gst_caps_get_structure (gst_sample_get_caps (sample), 0);
    GstMapInfo map;

    g_assert_true (g_str_has_suffix (gst_structure_get_string (s, "dimensions"),
        bytes->len ? ".1.3:1:1:3:2:1.2:1" : ".2.3:1:1:3:2:2.2:2"));
    gst_buffer_map (gst_sample_get_buffer (sample), &map, GST_MAP_READ);
    g_byte_array_append (bytes, map.data, map.size);
    gst_buffer_unmap (gst_sample_get_buffer (sample), &map);
    gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  g_free (line);

  return bytes;
}

/* From files of key points to batches: the same bytes with any number of workers */
static void
test_whole_line (void)
{
  static const gsize size = 2 * 3 * (8 * 6 + 3 * sizeof (gfloat)) + sizeof (gint32) + 2;
  gchar *points[] = { write_points ("up.npy", 1), write_points ("left.npy", 21) };
  gchar *text = g_strdup_printf (HEADER "%s,x,0,2,g0,a\n%s,x,0,2,g0,b\n%s,y,0,2,g1,b\n"
                                        "%s,x,1,2,g2,b\n%s,x,1,2,g2,a\n",
      left, video, video, video, left);
  gchar *csv = write_text ("whole.csv", text);
  GByteArray *first = NULL;
  const guint8 *mask;
  gfloat values[2][3][3];

  for (guint workers = 0; workers <= 4; workers += workers ? 3 : 1) {
    GByteArray *bytes = run_batches (csv, workers);

    g_assert_cmpuint (bytes->len, ==, 3 * size);
    if (!first)
      first = g_byte_array_ref (bytes);
    g_assert_cmpmem (bytes->data, bytes->len, first->data, first->len);
    g_byte_array_unref (bytes);
  }
  /* a of the second clip is not listed */
  mask = first->data + 2 * size - 4;
  g_assert_true (mask[0] == 1 && mask[1] == 1 && mask[2] == 0 && mask[3] == 1);
  memcpy (values, mask - 2 * sizeof values + sizeof values, sizeof values);
  g_assert_cmpmem (values[0], sizeof values[0], values[1], sizeof values[1]);
  memcpy (values, mask - 2 * sizeof values, sizeof values);
  for (guint i = 0; i < 3; i++)
    /* of the picture's width */
    g_assert_cmpfloat (values[0][i][0], ==, values[1][i][0] + 20 / 64.f);
  g_byte_array_unref (first);
  for (guint i = 0; i < G_N_ELEMENTS (points); i++)
    g_free (points[i]);
  g_free (text);
  g_free (csv);
}

/* Frames in a cache are a file's, and their metas the clip's. */
static void
test_cache (void)
{
  gchar *csv = write_clips (4), *cache = in_dir ("cache");
  Run *runs[2];

  for (guint i = 0; i < 2; i++) {
    runs[i] = run_views (g_strdup_printf (
        "location=%s seed=3 num-workers=2 clip-bin=\"clipsample num-frames=3 ! clipcache "
        "location=%s\"",
        csv, cache));
    run_play (runs[i]);
    g_assert_true (runs[i]->eos);
    g_assert_cmpuint (runs[i]->frames->len, ==, 4 * 2 * 3);
  }
  for (guint k = 0; k < runs[0]->frames->len; k++) {
    g_assert_cmpuint (frame_at (runs[0], k)->view, ==, k / 3 % 2);
    g_assert_cmpuint (frame_at (runs[1], k)->view, ==, k / 3 % 2);
    g_assert_cmpstr (frame_at (runs[0], k)->sum, ==, frame_at (runs[1], k)->sum);
  }
  run_free (runs[0]);
  run_free (runs[1]);
  g_free (csv);
  g_free (cache);
}

int
main (int argc, char **argv)
{
  gint result;

  cliprun_init (&argc, &argv);
  left = make_left ();
  g_test_add_func ("/clipsrc-views/order", test_order);
  g_test_add_func ("/clipsrc-views/one", test_one);
  g_test_add_func ("/clipsrc-views/seek", test_seek);
  g_test_add_func ("/clipsrc-views/seek-streaming", test_seek_streaming);
  g_test_add_func ("/clipsrc-views/whole-line", test_whole_line);
  g_test_add_func ("/clipsrc-views/missing", test_missing);
  g_test_add_func ("/clipsrc-views/refused", test_refused);
  g_test_add_func ("/clipsrc-views/in-step", test_in_step);
  g_test_add_func ("/clipsrc-views/cache", test_cache);
  result = g_test_run ();
  g_free (left);
  cliprun_deinit ();
  return result;
}

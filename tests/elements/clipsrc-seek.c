/* clipsrc-seek.c: seeking clipsrc to a clip, and stopping and starting it at any moment.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../unit/npyfile.h"
#include "cliprun.h"

/* Each frame of the video has its own positions of points. */
static gchar *
write_points (void)
{
  gchar *path = in_dir ("points.npy");
  gfloat values[FRAMES][3][3];

  for (guint t = 0; t < FRAMES; t++)
    for (guint k = 0; k < 3; k++) {
      values[t][k][0] = t + 0.5f * k;
      values[t][k][1] = 40 - 8 * k;
      values[t][k][2] = 1;
    }
  npy_write (path, 1, "'<f4'", "False", "(60, 3, 3)", values, sizeof values);

  return path;
}

static GstEvent *
clip_seek (guint64 clip, GstSeekFlags flags)
{
  return gst_event_new_seek (
      1.0, GST_FORMAT_DEFAULT, flags, GST_SEEK_TYPE_SET, (gint64) clip, GST_SEEK_TYPE_NONE, 0);
}

/* As a trainer does when it resumes: from its own streaming thread, directly after the source. */
static void
seek_on_frame (Run *run)
{
  guint64 *clip = run->data;

  if (run->frames->len == 1) {
    GstElement *src = run->src;
    GstPad *pad = gst_element_get_static_pad (src, "src");

    g_assert_true (gst_pad_send_event (pad, clip_seek (*clip, 0)));
    g_assert_false (gst_pad_send_event (pad, clip_seek (25, 0)));
    gst_object_unref (pad);
  }
}

static void
test_seek_streaming (void)
{
  static const struct {
    guint64 clip;
    guint frames;
    const gchar *events;
  } cases[] = {
    { 7, 1 + 17 * 4, "segment T0:7 /12+5-0 T1:12 /24+12-0 eos " },
    { 12, 1 + 12 * 4, "segment T1:12 /24+12-0 eos " },
    { 23, 1 + 4, "segment T1:23 /24+1-0 eos " },
    { 24, 1, "segment eos " },
    { 0, 1 + 24 * 4, "segment T0:0 /12+12-0 T1:12 /24+12-0 eos " },
  };
  gchar *csv = many_clips (12);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    for (guint workers = 0; workers <= 4; workers += 2) {
      gchar *properties =
          g_strdup_printf ("location=%s epochs=2 seed=4 num-workers=%u", csv, workers);
      Run *whole = run_new (properties), *run = run_new (properties);
      guint64 clip = cases[i].clip;
      gchar *events =
          g_strconcat ("stream-start classes=x,y caps segment T0:0 ", cases[i].events, NULL);

      whole->sums = run->sums = TRUE;
      run_play (whole);
      g_assert_cmpuint (whole->frames->len, ==, 24 * 4);
      run->on_frame = seek_on_frame;
      run->data = &clip;
      run_play (run);
      g_assert_true (run->eos);
      g_assert_cmpstr (run->events->str, ==, events);
      g_assert_cmpuint (run->frames->len, ==, cases[i].frames);
      for (guint j = 1; j < run->frames->len; j++) {
        Frame *a = frame_at (run, j), *b = frame_at (whole, clip * 4 + j - 1);

        g_assert_cmpuint (a->clip, ==, b->clip);
        g_assert_cmpuint (a->sample, ==, b->sample);
        g_assert_cmpstr (a->sum, ==, b->sum);
        g_assert_cmpuint (a->pts, >=, frame_at (run, j - 1)->pts);
      }
      run_free (run);
      run_free (whole);
      g_free (events);
      g_free (properties);
    }
  }
  g_free (csv);
}

static void
test_seek_flush (void)
{
  gchar *csv = many_clips (12);

  for (guint workers = 0; workers <= 2; workers += 2) {
    gchar *properties = g_strdup_printf ("location=%s epochs=2 num-workers=%u", csv, workers);
    Run *run = run_new (properties);
    gint64 value;

    gst_element_set_state (run->pipeline, GST_STATE_PAUSED);
    g_assert_cmpint (
        gst_element_get_state (run->pipeline, NULL, NULL, LIMIT), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_true (gst_element_query_duration (run->src, GST_FORMAT_DEFAULT, &value));
    g_assert_cmpint (value, ==, 24);
    g_assert_false (gst_element_send_event (run->src, clip_seek (25, GST_SEEK_FLAG_FLUSH)));
    for (guint i = 0; i < 20; i++) {
      g_assert_true (gst_element_send_event (run->src, clip_seek (i, GST_SEEK_FLAG_FLUSH)));
      if (i % 3 == 0)
        g_usleep (3000);
    }
    g_assert_true (gst_element_send_event (run->src, clip_seek (20, GST_SEEK_FLAG_FLUSH)));
    g_assert_cmpint (
        gst_element_get_state (run->pipeline, NULL, NULL, LIMIT), ==, GST_STATE_CHANGE_SUCCESS);
    run_play (run);
    g_assert_true (run->eos);
    g_assert_true (g_str_has_suffix (run->events->str, "flush-stop segment T1:20 /24+4-0 eos "));
    g_assert_cmpuint (frame_at (run, run->frames->len - 16)->clip, ==, 20);
    g_assert_cmpuint (frame_at (run, run->frames->len - 16)->pts, ==, 0);
    /* And once more after EOS */
    run->eos = FALSE;
    g_assert_true (gst_element_send_event (run->src, clip_seek (23, GST_SEEK_FLAG_FLUSH)));
    run_wait (run);
    g_assert_true (g_str_has_suffix (run->events->str, "flush-stop segment T1:23 /24+1-0 eos "));
    run_free (run);
    g_free (properties);
  }
  g_free (csv);
}

static void
end_on_frame (Run *run)
{
  if (run->frames->len == 10)
    g_assert_true (gst_element_send_event (run->pipeline, gst_event_new_eos ()));
}

/* The clip is finished, the pass is not. */
static void
test_end_request (void)
{
  gchar *csv = many_clips (12);
  gchar *properties = g_strdup_printf ("location=%s epochs=1000 num-workers=2", csv);
  Run *run = run_new (properties);

  run->on_frame = end_on_frame;
  run_play (run);
  g_assert_true (run->eos);
  g_assert_cmpuint (run->frames->len, ==, 12);
  g_assert_cmpstr (run->events->str, ==, "stream-start classes=x,y caps segment T0:0 eos ");
  run_free (run);
  g_free (properties);
  g_free (csv);
}

static void
test_cycles (void)
{
  gchar *csv = many_clips (30);

  for (guint data = 0; data < 2; data++) {
    gchar *properties =
        g_strdup_printf ("location=%s num-workers=2 epochs=9 clip-bin=\"videoconvertscale ! "
                         "video/x-raw,format=RGB,width=8\"",
            csv);
    Run *run = run_new (properties);
    guint frames;

    for (guint i = 0; i < 200; i++) {
      gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
      /* At various moments, or once the first frame is there */
      if (data)
        gst_element_get_state (run->pipeline, NULL, NULL, LIMIT);
      else
        g_usleep (i * 37 % 400);
      gst_element_set_state (run->pipeline, GST_STATE_NULL);
    }
    frames = run->frames->len;
    g_usleep (20000);
    g_assert_cmpuint (run->frames->len, ==, frames);
    if (data)
      g_assert_cmpuint (frames, >=, 200);
    run_free (run);
    g_free (properties);
  }
  g_free (csv);
}

/* Requested before the data set is read. */
static void
test_seek_ready (void)
{
  gchar *csv = many_clips (12);
  gchar *properties = g_strdup_printf ("location=%s epochs=2", csv);

  for (guint clip = 23; clip <= 25; clip++) {
    Run *run = run_new (properties);

    gst_element_set_state (run->pipeline, GST_STATE_READY);
    g_assert_true (gst_element_send_event (run->src, clip_seek (clip, 0)));
    run_play (run);
    g_assert_cmpuint (run->frames->len, ==, clip == 23 ? 4 : 0);
    if (clip > 24)
      g_assert_nonnull (strstr (run->error, "Clip 25 was requested, but the run has"));
    else
      g_assert_true (run->eos);
    run_free (run);
  }
  g_free (properties);
  g_free (csv);
}

/* A seek to a clip that does not exist, or of a run that was not started, does not move the next
 * run. */
static void
test_seek_forgotten (void)
{
  gchar *csv = many_clips (12);
  gchar *properties = g_strdup_printf ("location=%s", csv);

  for (guint too_far = 0; too_far < 2; too_far++) {
    Run *run = run_new (properties);

    gst_element_set_state (run->pipeline, GST_STATE_READY);
    g_assert_true (gst_element_send_event (run->src, clip_seek (too_far ? 13 : 7, 0)));
    if (too_far) {
      run_play (run);
      g_assert_nonnull (strstr (run->error, "Clip 13 was requested"));
      g_clear_pointer (&run->error, g_free);
      gst_element_set_state (run->src, GST_STATE_READY);
    } else {
      gst_element_set_state (run->pipeline, GST_STATE_NULL);
    }
    run_play (run);
    g_assert_cmpstr (run->error, ==, NULL);
    g_assert_cmpuint (run->frames->len, ==, 12 * 4);
    run_free (run);
  }
  g_free (properties);
  g_free (csv);
}

/* All remaining clips of the pass are invalid: the stream begins with the next pass's first clip,
 * caps before segment. Skipped clips of a pass that was never begun are reported by messages
 * only. */
static void
test_seek_bad_rest (void)
{
  gchar *rows = g_strdup_printf ("path,label,start,end,split\n"
                                 "%s,x,0,0.1,train\na.mp4,x,,,train\nb.mp4,y,,,train\n"
                                 "%s,y,0,0.1,val\n",
      video, video);
  gchar *csv = write_text ("rest.csv", rows);
  gchar *properties = g_strdup_printf ("location=%s shuffle=false", csv);
  Run *run = run_new (properties);

  gst_element_set_state (run->pipeline, GST_STATE_READY);
  g_assert_true (gst_element_send_event (run->src, clip_seek (1, 0)));
  run_play (run);
  g_assert_true (run->eos);
  g_assert_cmpuint (run->frames->len, ==, 2);
  g_assert_cmpuint (frame_at (run, 0)->clip, ==, 3);
  g_assert_nonnull (strstr (run->events->str, " caps segment V0:3 "));
  run_free (run);
  g_free (properties);
  g_free (csv);
  g_free (rows);

  rows = g_strdup ("a.mp4,x\nb.mp4,y\n");
  csv = write_text ("none.csv", rows);
  properties = g_strdup_printf ("location=%s shuffle=false", csv);
  run = run_new (properties);
  run_play (run);
  g_assert_nonnull (run->error);
  g_assert_null (strstr (run->events->str, "-0:"));
  run_free (run);
  g_free (properties);
  g_free (csv);
  g_free (rows);
}

/* Each class equally often; the clips after a seek are those of a run without one. */
static void
test_balanced (void)
{
  gchar *rows = g_strdup_printf ("%s,x,0,0.1\n%s,y,0,0.1\n%s,y,0.1,0.2\n"
                                 "%s,y,0.2,0.3\n%s,y,0.3,0.4\n%s,y,0.4,0.5\n",
      video, video, video, video, video, video);
  gchar *csv = write_text ("balanced.csv", rows), **names;
  gchar *properties = g_strdup_printf ("location=%s epochs=3 sampling=balanced seed=4", csv);
  Run *whole = run_new (properties), *rest = run_new (properties);
  guint of_class[2] = { 0 };

  run_play (whole);
  g_assert_true (whole->eos);
  for (guint i = 0; i < whole->frames->len; i++)
    of_class[frame_at (whole, i)->label]++;
  g_assert_cmpuint (of_class[0], ==, 9 * 2);
  g_assert_cmpuint (of_class[1], ==, 9 * 2);
  g_object_get (whole->src, "class-names", &names, NULL);
  g_assert_cmpuint (g_strv_length (names), ==, 2);
  g_assert_cmpstr (names[1], ==, "y");
  g_strfreev (names);

  gst_element_set_state (rest->pipeline, GST_STATE_READY);
  g_assert_true (gst_element_send_event (rest->src, clip_seek (8, 0)));
  run_play (rest);
  g_assert_true (rest->eos);
  g_assert_cmpuint (rest->frames->len, ==, 10 * 2);
  for (guint i = 0; i < rest->frames->len; i++) {
    g_assert_cmpuint (frame_at (rest, i)->clip, ==, frame_at (whole, i + 16)->clip);
    g_assert_cmpuint (frame_at (rest, i)->sample, ==, frame_at (whole, i + 16)->sample);
  }
  run_free (rest);
  run_free (whole);
  g_free (properties);
  g_free (csv);
  g_free (rows);
}

/* Key points depend on the clip only: with any number of workers and any resume position, sampled,
 * cropped and mirrored alike. */
static void
test_seek_keypoints (void)
{
  static const gchar bin[] = "clipsample num-frames=4 frame-interval=1 ! clipkpt skeleton=custom:3 "
                             "pairs=1-2 ! videoconvert ! video/x-raw,format=RGB ! clipaugment";
  gchar *csv = many_clips (12), *points = write_points ();
  Run *whole = NULL, *without;
  gchar *properties = g_strdup_printf ("location=%s epochs=2 seed=4", csv);

  without = run_new (properties);
  g_object_set (without->src, "clip-bin", bin, "keypoints-root", dir, NULL);
  run_play (without);
  g_assert_nonnull (strstr (without->error, "all 12 were skipped"));
  g_assert_nonnull (strstr (without->error, "No such file"));
  run_free (without);
  for (guint workers = 0; workers <= 4; workers += 2) {
    Run *run = run_new (properties), *same = run_new (properties);
    guint64 clip = 14;

    for (guint i = 0; i < 2; i++)
      g_object_set (i ? same->src : run->src, "clip-bin", bin, "keypoints-pattern", "points.npy",
          "num-workers", workers, NULL);
    same->sums = run->sums = TRUE;
    run_play (same);
    g_assert_null (same->error);
    g_assert_cmpuint (same->frames->len, ==, 24 * 4);
    if (!whole)
      whole = same;
    run->on_frame = seek_on_frame;
    run->data = &clip;
    run_play (run);
    g_assert_cmpuint (run->frames->len, ==, 1 + 10 * 4);
    for (guint j = 0; j < whole->frames->len; j++)
      g_assert_cmpstr (frame_at (same, j)->sum, ==, frame_at (whole, j)->sum);
    for (guint j = 1; j < run->frames->len; j++)
      g_assert_cmpstr (frame_at (run, j)->sum, ==, frame_at (whole, clip * 4 + j - 1)->sum);
    run_free (run);
    if (same != whole)
      run_free (same);
  }
  run_free (whole);
  g_unlink (points);
  g_free (points);
  g_free (properties);
  g_free (csv);
}

int
main (int argc, char **argv)
{
  int ret;

  cliprun_init (&argc, &argv);
  g_test_add_func ("/clipsrc-seek/streaming", test_seek_streaming);
  g_test_add_func ("/clipsrc-seek/flush", test_seek_flush);
  g_test_add_func ("/clipsrc-seek/keypoints", test_seek_keypoints);
  g_test_add_func ("/clipsrc-seek/ready", test_seek_ready);
  g_test_add_func ("/clipsrc-seek/forgotten", test_seek_forgotten);
  g_test_add_func ("/clipsrc-seek/bad-rest", test_seek_bad_rest);
  g_test_add_func ("/clipsrc-seek/balanced", test_balanced);
  g_test_add_func ("/clipsrc-seek/end-request", test_end_request);
  g_test_add_func ("/clipsrc-seek/cycles", test_cycles);
  ret = g_test_run ();
  cliprun_deinit ();

  return ret;
}

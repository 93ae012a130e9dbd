/* cnn3deval.c: the results that cnn3deval reports of its clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrig.h"

/* --- metrics --- */

/* Evaluates 10 clips in batches of these sizes, with output-dir; returns the predictions.
 * g_free() */
static gchar *
predictions (const gchar *properties, const guint *sizes)
{
  gchar *dir = make_dir ();
  gchar *line = g_strconcat ("output-dir=", dir, " ", properties, NULL);
  Rig r = eval_new (line);
  guint at = 0;
  gchar *text;

  for (; at < 10; at += *sizes++) {
    caps_for (&r, *sizes);
    if (at == 0)
      push_segment (&r, 0);
    g_assert_cmpint (gst_harness_push (r.h, make_batch (at, *sizes, UINT8_INT32)), ==, GST_FLOW_OK);
  }
  finish (&r);
  rig_free (&r);
  text = contents (dir, "predictions.csv");
  g_assert_true (exists (dir, "metrics.json"));
  g_assert_true (exists (dir, "confusion.png"));
  g_assert_true (exists (dir, "confusion.svg"));
  remove_dir (dir);
  g_free (line);

  return text;
}

/* The same bits with any batches and chunks. */
static void
test_chunks (void)
{
  static const guint whole[] = { 10 }, four[] = { 4, 4, 2 },
                     one[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, growing[] = { 1, 2, 7 };
  gchar *wanted = predictions ("", four);
  gchar *lines[6];
  guint i;

  lines[0] = predictions ("", whole);
  lines[1] = predictions ("video-batch-size=1", four);
  lines[2] = predictions ("video-batch-size=3", four);
  lines[3] = predictions ("video-batch-size=3", whole);
  lines[4] = predictions ("", one);
  lines[5] = predictions ("", growing);
  g_assert_true (g_str_has_prefix (wanted, "path,clip,label,prediction,red,green,blue\n,0,red,"));
  for (i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_assert_cmpstr (lines[i], ==, wanted);
    g_free (lines[i]);
  }
  g_free (wanted);
}

/* Labels in each form; values of properties and messages. */
static void
test_figures (void)
{
  static const gchar *const caps[] = { CAPS ("uint8", "int32", "4"), CAPS ("uint8", "int64", "4"),
    "other/tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:4.3:4" };
  gdouble first = NAN, accuracy, current, top5, f1, loss, auroc;
  guint64 clips, videos, predicted;
  gint form;

  for (form = UINT8_INT32; form <= FLOAT_ONE_HOT; form++) {
    Rig r = eval_new ("");
    GstMessage *plan;

    g_object_get (r.element, "accuracy", &current, NULL);
    g_assert_true (isnan (current));
    g_assert_true (push_caps (&r, caps[form]));
    plan = find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-plan");
    g_assert_nonnull (plan);
    g_assert_cmpstr (
        gst_structure_get_string (gst_message_get_structure (plan), "network"), ==, "r3d_18");
    gst_message_unref (plan);
    push_segment (&r, 0);
    gst_harness_push (r.h, make_batch (0, 4, form));
    gst_harness_push (r.h, make_batch (4, 4, form));
    g_object_get (r.element, "clips", &clips, NULL);
    g_assert_cmpuint (clips, ==, 8);
    finish (&r);
    g_assert_true (result (&r, &accuracy, &clips, &videos));
    g_assert_cmpuint (clips, ==, 8);
    g_assert_cmpuint (videos, ==, 8);
    g_object_get (r.element, "accuracy", &current, "top5-accuracy", &top5, "f1", &f1, "loss", &loss,
        "auroc", &auroc, "predicted-memory", &predicted, NULL);
    g_assert_cmpfloat (current, ==, accuracy);
    g_assert_cmpfloat (top5, ==, 1);
    g_assert_cmpfloat (f1, <=, 1);
    g_assert_cmpfloat (auroc, >, 0);
    g_assert_cmpfloat (loss, >, 0);
    g_assert_cmpuint (predicted, >, 1000);
    if (form == UINT8_INT32)
      first = loss;
    else if (form == UINT8_INT64)
      g_assert_cmpfloat (loss, ==, first);
    g_assert_null (warning (&r));
    rig_free (&r);
  }
}

/* --- classes and labels --- */

/* Labels count in the stream's order of classes, which is not the model's. */
static void
test_class_names (void)
{
  static const gchar *const turned[] = { "blue", "red", "green", NULL };
  static const gchar *const fewer[] = { "green", NULL };
  static const gchar *const strange[] = { "red", "pi\033nk", NULL };
  gchar *dir = make_dir (), *line = g_strconcat ("output-dir=", dir, NULL);
  gchar *text, *other;
  Rig r;

  r = eval_new (line);
  caps_for (&r, 3);
  push_segment (&r, 0);
  push_names (&r, turned);
  gst_harness_push (r.h, make_batch (0, 3, UINT8_INT32));
  finish (&r);
  rig_free (&r);
  text = contents (dir, "predictions.csv");
  g_assert_nonnull (strstr (text, "prediction,red,green,blue\n,0,blue,"));
  g_assert_nonnull (strstr (text, "\n,1,red,"));
  g_assert_nonnull (strstr (text, "\n,2,green,"));
  g_free (text);
  remove_dir (dir);
  g_free (line);

  r = eval_new ("");
  caps_for (&r, 1);
  push_segment (&r, 0);
  push_names (&r, fewer);
  gst_harness_push (r.h, make_batch (0, 1, UINT8_INT32));
  assert_no_error (&r);
  /* a label without a name in the stream */
  gst_harness_push (r.h, make_batch (1, 1, UINT8_INT32));
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "there are 1 classes");
  rig_free (&r);

  r = eval_new ("");
  caps_for (&r, 3);
  push_segment (&r, 0);
  push_names (&r, strange);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "class 'pi\\x1bnk' is not one of the classes that");
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 3, UINT8_INT32)), ==, GST_FLOW_ERROR);
  rig_free (&r);

  /* a file without class names is evaluated by number, with a warning */
  other = make_model ("numbers", NO_NAMES);
  r = eval_of (other, "");
  caps_for (&r, 3);
  push_segment (&r, 0);
  push_names (&r, turned);
  assert_warning (&r, "The model file has no class names");
  gst_harness_push (r.h, make_batch (0, 3, UINT8_INT32));
  finish (&r);
  rig_free (&r);
  g_free (other);
}

/* --- clips of one video --- */

static void
test_clips_per_video (void)
{
  gchar *dir = make_dir (), *line = g_strconcat ("output-dir=", dir, NULL);
  guint64 clips, videos;
  gdouble accuracy;
  GstBuffer *buffer;
  gchar *text;
  guint i;
  Rig r = eval_new (line);

  /* by clip number, across the end of a batch */
  caps_for (&r, 2);
  push_segment (&r, 0);
  for (i = 0; i < 4; i++) {
    buffer = make_batch (2 * i, 2, UINT8_INT32);
    set_label (buffer, 0, 1);
    set_label (buffer, 1, 1);
    gst_harness_push (r.h, with_metas (buffer, 2, i < 3 ? 7 : 8, i < 3));
  }
  finish (&r);
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_cmpuint (clips, ==, 8);
  g_assert_cmpuint (videos, ==, 3);
  text = contents (dir, "predictions.csv");
  g_assert_nonnull (strstr (text, "\n\"a \"\"b\"\", c.mp4\",107,green,"));
  g_assert_nonnull (strstr (text, "\n\"a \"\"b\"\", c.mp4\",108,green,"));
  g_assert_nonnull (strstr (text, "\nsecond.mp4,109,green,"));
  g_free (text);
  rig_free (&r);
  remove_dir (dir);
  g_free (line);

  /* by count */
  r = eval_new ("clips-per-video=3");
  caps_for (&r, 4);
  push_segment (&r, 0);
  for (i = 0; i < 2; i++) {
    guint k;

    buffer = make_batch (4 * i, 4, UINT8_INT32);
    for (k = 0; k < 4; k++)
      set_label (buffer, k, (4 * i + k) / 3);
    gst_harness_push (r.h, buffer);
  }
  finish (&r);
  assert_warning (&r, "8 clips are not 3 for each video");
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_cmpuint (videos, ==, 3);
  rig_free (&r);

  /* another file is another video, even with the same label */
  r = eval_new ("clips-per-video=2");
  caps_for (&r, 4);
  push_segment (&r, 0);
  buffer = make_batch (0, 4, UINT8_INT32);
  set_label (buffer, 1, 0);
  g_assert_cmpint (gst_harness_push (r.h, with_metas (buffer, 4, 7, FALSE)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "Clip 1 (second.mp4) would be a clip of the video before it, which is another file: set "
      "clips-per-video");
  rig_free (&r);

  r = eval_new ("clips-per-video=2");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "has another label");
  rig_free (&r);
}

/* --- passes --- */

static void
test_passes (void)
{
  gchar *dir = make_dir (), *line = g_strconcat ("output-dir=", dir, NULL);
  guint64 clips, videos;
  gdouble accuracy;
  gchar *text;
  Rig r = eval_new (line);

  /* two epochs of ten and five clips: four passes */
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_classes (&r);
  g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
  assert_warning (&r, "set clipsrc passes=val");
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_cmpuint (clips, ==, TRAIN);
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_cmpuint (clips, ==, VAL);
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_null (find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result"));
  /* of the last pass */
  text = contents (dir, "metrics.json");
  g_assert_nonnull (strstr (text, "\"complete\":true,\"clips\":5,"));
  g_free (text);
  rig_free (&r);
  remove_dir (dir);
  g_free (line);

  r = eval_new ("");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_epoch (&r, 0, FALSE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  push_done (&r, 0, FALSE, 5);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "A batch arrived between two passes: upstream must send");
  rig_free (&r);
}

/* Incomplete results are marked. */
static void
test_cut_short (void)
{
  gchar *dir = make_dir (), *line = g_strconcat ("output-dir=", dir, NULL);
  guint64 clips, videos;
  gdouble accuracy;
  gchar *text;
  Rig r = eval_new (line);

  caps_for (&r, 4);
  push_segment (&r, 0);
  push_epoch (&r, 0, FALSE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  finish (&r);
  assert_warning (&r, "cover the 4 clips of 5 that arrived");
  g_assert_false (result (&r, &accuracy, &clips, &videos));
  g_assert_cmpuint (clips, ==, 4);
  text = contents (dir, "metrics.json");
  g_assert_nonnull (strstr (text, "\"complete\":false,\"clips\":4,"));
  g_free (text);
  rig_free (&r);
  remove_dir (dir);
  g_free (line);

  /* without any clips there is no result to mark */
  r = eval_new ("");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_epoch (&r, 0, FALSE, 0, 0);
  finish (&r);
  assert_warning (&r, "was stopped before the first batch of its pass: nothing of it was");
  g_assert_null (find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result"));
  rig_free (&r);

  /* three clips of each video */
  {
    const GstClipPreparation p = { .sampling = "center", .clips_per_video = 3, .frame_rate_d = 1 };

    r = eval_new ("");
    caps_for (&r, 4);
    push_segment (&r, 0);
    gst_harness_push_event (r.h, gst_event_new_clip_preparation (&p));
    push_epoch (&r, 0, FALSE, 0, 0);
    gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
    finish (&r);
    assert_warning (&r, "cover the 4 clips of 15 that arrived");
    rig_free (&r);
  }
}

/* A precision that CPUs do not support, and a folder that is removed. */
static void
test_device_and_folder (void)
{
  gchar *dir = make_dir (), *below = g_build_filename (dir, "below", NULL);
  gchar *line = g_strconcat ("output-dir=", below, NULL);
  Rig r = eval_new ("device=cpu precision=16-mixed");
  GstMessage *message;
  GError *error;

  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  message = pop (&r, GST_MESSAGE_INFO, NULL);
  g_assert_nonnull (message);
  gst_message_parse_info (message, &error, NULL);
  g_assert_nonnull (
      strstr (error->message, " computes in bf16-mixed where precision=16-mixed was asked for."));
  g_error_free (error);
  gst_message_unref (message);
  rig_free (&r);

  r = eval_new (line);
  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  remove_dir (g_strdup (below));
  g_assert_true (g_file_set_contents (below, "", -1, NULL));
  gst_harness_push_event (r.h, gst_event_new_eos ());
  message = pop (&r, GST_MESSAGE_ERROR, NULL);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_assert_true (g_str_has_prefix (error->message, "The results cannot be written: "));
  g_error_free (error);
  gst_message_unref (message);
  rig_free (&r);
  remove_dir (dir);
  g_free (below);
  g_free (line);
}

static void
test_progress (void)
{
  Rig r;

  if (g_test_subprocess ()) {
    r = eval_new ("progress=true");
    caps_for (&r, 4);
    push_segment (&r, 0);
    push_epoch (&r, 0, FALSE, 0, 0);
    gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
    gst_harness_push_event (r.h, gst_event_new_eos ());
    rig_free (&r);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout ("*r3d_18 of *, precision 32, on *\n*cut short at 4 clips *");
}

static void
push_skipped (Rig *r, const gchar *path, guint64 clip)
{
  GstClipSkipped skipped = { path, "it is empty", clip, 0 };

  gst_harness_push_event (r->h, gst_event_new_clip_skipped (&skipped));
}

/* A stream or a pass without a batch is an error, without results. */
static void
test_empty (void)
{
  static const struct {
    guint64 delivered, skipped;
    const gchar *says;
  } passes[] = {
    { 5, 0, "of 5 clips 5 arrived, but no batch was full" },
    { 0, 5, "all 5 clips were skipped. Repair the files or correct their paths." },
    /* clipsrc sent one, of which clipbatch reports that it is too short */
    { 1, 4, "all 5 clips were skipped. Repair the files or correct their paths." },
  };
  guint i;
  Rig r = eval_new ("");

  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "Nothing was evaluated: the stream ended before its first batch");
  g_assert_null (find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result"));
  rig_free (&r);

  for (i = 0; i < G_N_ELEMENTS (passes); i++) {
    GstClipEpochDone done = { 0, FALSE, VAL, passes[i].delivered, passes[i].skipped };

    r = eval_new ("");
    caps_for (&r, 4);
    push_segment (&r, 0);
    push_epoch (&r, 0, FALSE, 0, 0);
    for (guint k = 0; passes[i].skipped && k < VAL; k++)
      push_skipped (&r, "bad.mp4", k);
    gst_harness_push_event (r.h, gst_event_new_clip_epoch_done (&done));
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, passes[i].says);
    g_assert_null (find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result"));
    rig_free (&r);
  }
}

static void
push_counts (Rig *r, guint64 delivered, guint64 skipped)
{
  GstClipEpochDone done = { 0, FALSE, VAL, delivered, skipped };

  gst_harness_push_event (r->h, gst_event_new_clip_epoch_done (&done));
}

/* A pass whose first clip cannot be read is as complete as one whose last cannot; one that was
 * entered in its middle is not. */
static void
test_skipped (void)
{
  gchar *dir = make_dir (), *line = g_strconcat ("output-dir=", dir, NULL);
  guint64 clips, videos, skipped;
  gdouble accuracy;
  gchar *text;
  Rig r = eval_new (line);
  GstMessage *message;
  guint first;

  caps_for (&r, 4);
  push_segment (&r, 0);
  /* the third time it is clipbatch that reports it */
  for (first = 0; first < 3; first++) {
    push_epoch (&r, 0, FALSE, 0, first == 1);
    if (first == 1)
      push_skipped (&r, "bad.mp4", 0);
    gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
    if (first != 1)
      push_skipped (&r, "bad.mp4", 4);
    push_counts (&r, first == 2 ? VAL : 4, first == 2 ? 0 : 1);
    message = find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result");
    g_assert_true (
        gst_structure_get_uint64 (gst_message_get_structure (message), "skipped", &skipped));
    g_assert_cmpuint (skipped, ==, 1);
    gst_bus_post (r.bus, message);
    g_assert_true (result (&r, &accuracy, &clips, &videos));
    text = contents (dir, "metrics.json");
    g_assert_nonnull (strstr (text, "\"complete\":true,\"clips\":4,"));
    g_assert_nonnull (strstr (text,
        "\"skipped\":1,\"skipped-clips\":[{\"path\":\"bad.mp4\",\"reason\":\"it is empty\"}]"));
    g_free (text);
  }
  push_epoch (&r, 0, FALSE, 0, 1);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  push_counts (&r, 4, 0);
  g_assert_false (result (&r, &accuracy, &clips, &videos));
  text = contents (dir, "metrics.json");
  g_assert_nonnull (strstr (text, "\"skipped\":0,\"skipped-clips\":[]"));
  g_free (text);

  /* a failing pass leaves no results, its own or older ones */
  push_epoch (&r, 0, FALSE, 0, 0);
  g_assert_false (exists (dir, "metrics.json"));
  g_assert_false (exists (dir, "predictions.csv"));
  rig_free (&r);
  remove_dir (dir);
  g_free (line);
}

/* A flush discards a partial video. */
static void
test_flush (void)
{
  guint64 clips, videos;
  gdouble accuracy;
  Rig r = eval_new ("");

  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  gst_harness_push_event (r.h, gst_event_new_flush_start ());
  gst_harness_push_event (r.h, gst_event_new_flush_stop (TRUE));
  push_segment (&r, 0);
  push_epoch (&r, 0, FALSE, 0, 0);
  gst_harness_push (r.h, make_batch (4, 4, UINT8_INT32));
  push_counts (&r, 4, 1);
  finish (&r);
  g_assert_true (result (&r, &accuracy, &clips, &videos));
  g_assert_cmpuint (clips, ==, 4);
  rig_free (&r);
}

/* Restarted from READY. */
static void
test_again (void)
{
  guint64 clips, videos;
  gdouble accuracy;
  guint i;
  Rig r = eval_new ("");

  for (i = 0; i < 3; i++) {
    g_assert_true (push_caps (&r, CAPS ("uint8", "int32", "4")));
    push_segment (&r, 0);
    gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
    if (i != 1) {
      finish (&r);
      g_assert_true (result (&r, &accuracy, &clips, &videos));
      g_assert_cmpuint (clips, ==, 4);
    }
    gst_element_set_state (r.element, GST_STATE_READY);
    gst_element_set_state (r.element, GST_STATE_PLAYING);
    gst_harness_push_event (r.h, gst_event_new_stream_start ("again"));
  }
  rig_free (&r);
}

/* --- preparation of clips --- */

static void
push_differences (Rig *r, const gchar *sampling, guint interval, const gchar *scaling,
    gboolean borders, gdouble diff_gain)
{
  GstClipPreparation p = { FRAMES, interval, sampling, scaling, borders, diff_gain };

  gst_harness_push_event (r->h, gst_event_new_clip_preparation (&p));
}

static void
push_preparation (
    Rig *r, const gchar *sampling, guint interval, const gchar *scaling, gboolean borders)
{
  push_differences (r, sampling, interval, scaling, borders, 0);
}

static void
test_preparation (void)
{
  gchar *known = make_model ("known", KNOWN), *text;
  Rig r = eval_of (known, "");

  caps_for (&r, 4);
  push_segment (&r, 0);
  push_preparation (&r, "center", 2, "bilinear", FALSE);
  push_preparation (&r, "center", 2, NULL, FALSE);
  g_assert_null (warning (&r));
  push_preparation (&r, "uniform", 0, "lanczos", TRUE);
  text = warning (&r);
  g_assert_nonnull (text);
  g_assert_nonnull (strstr (text,
      "frames spread evenly over each clip instead of a window in the middle of each clip with "
      "frame-interval=2 (set clipsample frame-interval=2)"));
  g_assert_nonnull (strstr (text,
      "method=lanczos add-borders=true instead of a scaler with method=bilinear add-borders=false "
      "(set videoconvertscale method=bilinear add-borders=false)"));
  g_free (text);
  /* reported once */
  push_preparation (&r, "uniform", 0, "lanczos", TRUE);
  g_assert_null (warning (&r));
  push_preparation (&r, "center", 4, "none", FALSE);
  assert_warning (&r, ", and no scaler instead of a scaler with method=bilinear");
  push_differences (&r, "center", 2, "bilinear", FALSE, 2.5);
  assert_warning (&r, "trained on: differences by clipdiff gain=2.5 instead of pictures.");
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  finish (&r);
  rig_free (&r);
  g_free (known);

  known = make_model ("known", KNOWN_UNSCALED);
  r = eval_of (known, "");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_preparation (&r, "center", 2, "bilinear", FALSE);
  assert_warning (&r, "instead of no scaler (use videos of the model's own size).");
  rig_free (&r);
  g_free (known);

  /* clips without a known preparation */
  known = make_model ("known", KNOWN);
  r = eval_of (known, "");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_epoch (&r, 0, FALSE, 0, 0);
  g_assert_null (warning (&r));
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_warning (&r,
      "clips that clipsample has not sampled instead of a window in the middle of each clip with "
      "frame-interval=2.");
  gst_harness_push (r.h, make_batch (0, 1, UINT8_INT32));
  g_assert_null (warning (&r));
  rig_free (&r);
  g_free (known);

  /* a model without a known preparation */
  r = eval_new ("");
  caps_for (&r, 4);
  push_preparation (&r, "uniform", 0, "lanczos", TRUE);
  g_assert_null (warning (&r));
  rig_free (&r);
}

static void
push_rate (Rig *r, const gchar *sampling, guint interval, gint n, gint d)
{
  GstClipPreparation p = { FRAMES, interval, sampling, "bilinear", FALSE, 0, n, d };

  gst_harness_push_event (r->h, gst_event_new_clip_preparation (&p));
}

/* The frame rate is compared like the rest. */
static void
test_rate (void)
{
  gchar *known = make_model ("rate", KNOWN_RATE);
  Rig r = eval_of (known, "");

  caps_for (&r, 4);
  push_segment (&r, 0);
  push_rate (&r, "center", 2, 15, 1);
  push_rate (&r, "center", 2, 30, 2);
  g_assert_null (warning (&r));
  push_rate (&r, "center", 2, 0, 1);
  assert_warning (&r,
      "a window in the middle of each clip with frame-interval=2 instead of a window in the middle "
      "of each clip with frame-interval=2 at frame-rate=15/1 (set clipsample frame-interval=2 "
      "frame-rate=15/1).");
  push_rate (&r, "uniform", 0, 30000, 1001);
  assert_warning (&r, "evenly over each clip at frame-rate=30000/1001 instead of");
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  finish (&r);
  rig_free (&r);

  /* clips without a known preparation */
  r = eval_of (known, "");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_epoch (&r, 0, FALSE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_warning (&r, "frame-interval=2 at frame-rate=15/1.");
  rig_free (&r);
  g_free (known);

  /* a model trained without frame-rate */
  known = make_model ("norate", KNOWN);
  r = eval_of (known, "");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_rate (&r, "center", 2, 15, 1);
  assert_warning (&r,
      "frame-interval=2 at frame-rate=15/1 instead of a window in the middle of each clip with "
      "frame-interval=2 (set clipsample frame-interval=2 frame-rate=0/1).");
  rig_free (&r);
  g_free (known);
}

/* --- feature maps --- */

static void
test_feature_maps (void)
{
  static const gchar *const wanted[] = { "clip-000100-layer1.png", "clip-000101-layer1.png",
    "clip-000101-layer4.0.conv1.png", "clip-000103-layer1.png" };
  gchar *dir = make_dir (), *maps = g_build_filename (dir, "feature-maps", NULL);
  gchar *line = g_strconcat (
      "video-batch-size=1 feature-maps=1 feature-layers=layer1,layer4.0.conv1 output-dir=", dir,
      NULL);
  Rig r = eval_new (line);
  gchar *png;
  guint i;

  caps_for (&r, 4);
  push_segment (&r, 0);
  for (i = 0; i < 2; i++)
    gst_harness_push (r.h, with_metas (make_batch (4 * i, 4, UINT8_INT32), 4, 4 * i, FALSE));
  finish (&r);
  rig_free (&r);
  for (i = 0; i < G_N_ELEMENTS (wanted); i++)
    g_assert_true (exists (maps, wanted[i]));
  /* of the first batch only */
  g_assert_false (exists (maps, "clip-000104-layer1.png"));
  png = contents (maps, wanted[0]);
  g_assert_cmpmem (png, 8, "\211PNG\r\n\032\n", 8);
  g_free (png);
  remove_dir (maps);
  remove_dir (dir);
  g_free (line);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/cnn3deval/chunks", test_chunks);
  g_test_add_func ("/cnn3deval/figures", test_figures);
  g_test_add_func ("/cnn3deval/class-names", test_class_names);
  g_test_add_func ("/cnn3deval/clips-per-video", test_clips_per_video);
  g_test_add_func ("/cnn3deval/passes", test_passes);
  g_test_add_func ("/cnn3deval/cut-short", test_cut_short);
  g_test_add_func ("/cnn3deval/device-and-folder", test_device_and_folder);
  g_test_add_func ("/cnn3deval/progress", test_progress);
  g_test_add_func ("/cnn3deval/empty", test_empty);
  g_test_add_func ("/cnn3deval/skipped", test_skipped);
  g_test_add_func ("/cnn3deval/flush", test_flush);
  g_test_add_func ("/cnn3deval/again", test_again);
  g_test_add_func ("/cnn3deval/preparation", test_preparation);
  g_test_add_func ("/cnn3deval/rate", test_rate);
  g_test_add_func ("/cnn3deval/feature-maps", test_feature_maps);

  return run_with_model ();
}

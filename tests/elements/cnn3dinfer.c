/* cnn3dinfer.c: frames pass through unchanged; windows equal the model's own input to the bit;
 * models are replaced while running; invalid files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <malloc.h>
#include <gst/app/app.h>

#include "inferrig.h"

#define CLIP (4 * 32 * 32 * 3)
/* Allowed growth of allocated memory after 40 models and 10,000 frames: less than one model, or 30
 * bytes a frame. */
#define MOST_GROWTH (256 << 10)

/* --- windows --- */

/* The output of videoconvertscale for all frames of a launch line, concatenated. */
static GByteArray *
convert (const gchar *source, const gchar *scale, const gchar *caps)
{
  gchar *line = g_strdup_printf (
      "%s ! videoconvertscale %s ! %s ! appsink name=sink sync=false", source, scale, caps);
  GByteArray *bytes = g_byte_array_new ();
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error), *sink;
  GstSample *sample;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
    GstVideoInfo info;
    GstVideoFrame frame;

    g_assert_true (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
    g_assert_true (
        gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ));
    for (gint y = 0; y < info.height; y++)
      g_byte_array_append (bytes,
          (guint8 *) frame.data[0] + y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
          info.width * GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, 0));
    gst_video_frame_unmap (&frame);
    gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  g_free (line);

  return bytes;
}

/* The probabilities of all results of a launch line with cnn3dinfer, concatenated. */
static GArray *
infer (const gchar *source, const gchar *model, const gchar *properties, GstClockTime *first,
    GstClockTime *last)
{
  gchar *line = g_strdup_printf (
      "%s ! cnn3dinfer device=cpu threads=1 drop=false model=%s %s ! fakesink sync=false", source,
      model, properties);
  GArray *all = g_array_new (FALSE, FALSE, sizeof (gdouble));
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  guint windows = 0;

  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((message = gst_bus_timed_pop_filtered (
              bus, WAIT, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR))) {
    const GstStructure *s = gst_message_get_structure (message);
    gboolean end = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;

    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
    if (!end && gst_structure_has_name (s, "cnn3dinfer-result")) {
      guint n;
      gdouble *p = probabilities_of (s, &n);

      g_array_append_vals (all, p, n);
      g_free (p);
      g_assert_cmpuint (number (s, "window"), ==, windows);
      if (first)
        first[windows] = number (s, "first-pts");
      if (last)
        last[windows] = number (s, "last-pts");
      windows++;
    }
    gst_message_unref (message);
    if (end)
      break;
  }
  g_assert_nonnull (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (line);

  return all;
}

static void
assert_same (const gchar *about, const GArray *got, const gchar *model, const guint8 *clips,
    guint n, guint num_classes)
{
  gdouble *wanted = predict (model, clips, n);

  g_test_message ("%s", about);
  g_assert_cmpuint (got->len, ==, n * num_classes);
  g_assert_cmpmem (
      got->data, n * num_classes * sizeof *wanted, wanted, n * num_classes * sizeof *wanted);
  g_free (wanted);
}

/* Scaled and converted like videoconvertscale. */
static void
test_scaling (void)
{
  static const struct {
    const gchar *caps, *method;
    gboolean borders;
    guint channels;
  } cases[] = {
    { "I420,width=64,height=48", "bilinear", FALSE, 3 },
    { "I420,width=64,height=48", "nearest-neighbour", FALSE, 3 },
    { "I420,width=64,height=48", "4-tap", FALSE, 3 },
    { "I420,width=64,height=48", "lanczos", FALSE, 3 },
    { "I420,width=64,height=48", "bilinear2", FALSE, 3 },
    { "I420,width=64,height=48", "sinc", FALSE, 3 },
    { "I420,width=64,height=48", "hermite", FALSE, 3 },
    { "I420,width=64,height=48", "spline", FALSE, 3 },
    { "I420,width=64,height=48", "catrom", FALSE, 3 },
    { "I420,width=64,height=48", "mitchell", FALSE, 3 },
    { "I420,width=64,height=48", "bilinear", TRUE, 3 },
    { "RGB,width=31,height=97", "lanczos", TRUE, 3 },
    { "I420,width=64,height=48,pixel-aspect-ratio=4/3", "bilinear", TRUE, 3 },
    { "I420,width=64,height=48", "bilinear", FALSE, 1 },
    { "GRAY8,width=50,height=21", "bilinear", TRUE, 1 },
    { "GRAY8,width=50,height=21", "bilinear", FALSE, 3 },
    { "RGB,width=32,height=32", "bilinear", FALSE, 3 },
    { "RGB,width=61,height=47", "bilinear", FALSE, 3 },
    { "BGRx,width=61,height=47", "bilinear", FALSE, 3 },
    { "ARGB,width=61,height=47", "bilinear", FALSE, 3 },
    { "NV12,width=62,height=46,colorimetry=bt709", "bilinear", FALSE, 3 },
    { "I420,width=62,height=46,colorimetry=1:3:5:1", "bilinear", FALSE, 3 },
    { "RGB,width=62,height=46,colorimetry=2:1:7:1", "bilinear", FALSE, 3 },
    { "YUY2,width=61,height=47", "bilinear", FALSE, 3 },
    { "I420_10LE,width=62,height=46", "bilinear", FALSE, 3 },
    { "v210,width=62,height=46", "bilinear", FALSE, 3 },
    { "I420,width=64,height=48,interlace-mode=interleaved,field-order=top-field-first", "bilinear",
        FALSE, 3 },
    { "I420,width=8,height=6", "bilinear", FALSE, 3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Spec spec = plain;
    gchar *model, *source, *scale, *caps;
    GByteArray *frames;
    GArray *got;

    spec.preparation.scaling = cases[i].method;
    spec.preparation.add_borders = cases[i].borders;
    spec.channels = cases[i].channels;
    model = write_model ("scaling.safetensors", &spec);
    source = g_strdup_printf ("videotestsrc num-buffers=4 pattern=smpte75 horizontal-speed=3 ! "
                              "video/x-raw,framerate=25/1,format=%s",
        cases[i].caps);
    scale = g_strdup_printf (
        "method=%s add-borders=%s", cases[i].method, cases[i].borders ? "true" : "false");
    caps = g_strdup_printf ("video/x-raw,format=%s,width=32,height=32%s",
        cases[i].channels == 1 ? "GRAY8" : "RGB",
        cases[i].borders ? ",pixel-aspect-ratio=1/1" : "");
    frames = convert (source, scale, caps);
    g_assert_cmpuint (frames->len, ==, CLIP / 3 * cases[i].channels);
    got = infer (source, model, "", NULL, NULL);
    assert_same (source, got, model, frames->data, 1, 3);
    g_array_unref (got);
    g_byte_array_unref (frames);
    g_free (caps);
    g_free (scale);
    g_free (source);
    g_free (model);
  }
}

/* Every window has the frames given by stride and interval. */
static void
test_windows (void)
{
  const gsize frame = CLIP / 4;
  const gchar *source = "videotestsrc num-buffers=31 pattern=ball ! "
                        "video/x-raw,format=RGB,width=48,height=40,framerate=25/1";
  static const guint ways[][2] = { /* stride, frame-interval */
    { 0, 1 }, { 1, 1 }, { 3, 1 }, { 0, 3 }, { 1, 3 }, { 2, 3 }, { 6, 4 }, { 9, 2 }, { 40, 1 },
    { 1, 11 }
  };
  gchar *model = write_model ("windows.safetensors", &plain);
  GByteArray *frames =
      convert (source, "add-borders=false", "video/x-raw,format=RGB,width=32,height=32");

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    const guint interval = ways[i][1];
    const guint stride = ways[i][0] ? ways[i][0] : 4 * interval;
    gchar *properties = g_strdup_printf ("stride=%u frame-interval=%u", ways[i][0], interval);
    GByteArray *clips = g_byte_array_new ();
    GstClockTime first[31], last[31];
    GArray *got = infer (source, model, properties, first, last);
    guint n = 0;

    for (guint at = 0; at + 3 * interval < 31; at += stride, n++) {
      for (guint k = 0; k < 4; k++)
        g_byte_array_append (clips, frames->data + (at + k * interval) * frame, frame);
      g_assert_cmpuint (first[n], ==, at * FRAME);
      g_assert_cmpuint (last[n], ==, (at + 3 * interval) * FRAME);
    }
    assert_same (properties, got, model, clips->data, n, 3);
    g_array_unref (got);
    g_byte_array_unref (clips);
    g_free (properties);
  }
  g_byte_array_unref (frames);
  g_free (model);
}

/* A model trained on differences gets differences within each window, whose first frame is compared
 * with nothing. The first window equals clipdiff's output. */
static void
test_differences (void)
{
  const gsize frame = CLIP / 4;
  const gchar *source = "videotestsrc num-buffers=12 pattern=ball ! "
                        "video/x-raw,format=RGB,width=48,height=40,framerate=25/1";
  const gchar *caps = "video/x-raw,format=RGB,width=32,height=32";
  gchar *differ = g_strdup_printf ("%s ! clipdiff gain=2.5", caps), *model;
  GByteArray *frames = convert (source, "add-borders=false", caps);
  GByteArray *first = convert (source, "add-borders=false", differ);
  GByteArray *clips = g_byte_array_new ();
  Spec spec = plain;
  GArray *got;
  guint n = 0;

  for (guint at = 0; at + 3 < 12; at += 3, n++)
    for (guint k = 0; k < 4; k++)
      for (gsize i = 0; i < frame; i++) {
        const guint8 *now = frames->data + (at + k) * frame + i;
        const guint8 d = k == 0 ? 0 : MIN (255, ABS (now[0] - (now - frame)[0]) * 5 / 2);

        g_byte_array_append (clips, &d, 1);
      }
  g_assert_cmpmem (first->data, CLIP, clips->data, CLIP);

  spec.preparation.diff_gain = 2.5;
  model = write_model ("differences.safetensors", &spec);
  got = infer (source, model, "stride=3", NULL, NULL);
  assert_same ("differences", got, model, clips->data, n, 3);
  g_array_unref (got);
  g_byte_array_unref (clips);
  g_byte_array_unref (first);
  g_byte_array_unref (frames);
  g_free (model);
  g_free (differ);
}

/* The model's own interval is the default, if it has one. */
static void
test_interval (void)
{
  static const struct {
    Cnn3dPreparation preparation;
    const gchar *says;
    GstClockTime last;
  } cases[] = {
    { { "center", 3, "bilinear", FALSE }, NULL, 9 * FRAME },
    { { "uniform", 0, "bilinear", FALSE },
        "was trained on frames spread evenly over whole clips, and video has no clips", 3 * FRAME },
    { { NULL, 0, "bilinear", FALSE }, "does not record how far apart the frames of its clips were",
        3 * FRAME },
    { { "center", 1, NULL, FALSE },
        "does not record how its frames were scaled: bilinear is used, without borders.",
        3 * FRAME },
    { { "center", 1, "cubic", FALSE },
        "was trained on frames scaled by 'cubic', which is not known here: bilinear is used.",
        3 * FRAME },
    { { "center", 1, "none", FALSE }, NULL, 3 * FRAME },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Spec spec = plain;
    gchar *model;
    Rig r;
    GstMessage *info;
    GstStructure *s;

    spec.preparation = cases[i].preparation;
    model = write_model ("interval.safetensors", &spec);
    r = rig_new (model, "drop=false");
    info = pop (r.bus, GST_MESSAGE_INFO, NULL, 0);
    if (cases[i].says)
      assert_says (info, cases[i].says);
    else
      g_assert_null (info);
    g_assert_null (pop (r.bus, GST_MESSAGE_INFO, NULL, 0));
    push_on (&r, 10);
    gst_element_set_bus (r.element, NULL);
    gst_element_set_bus (r.element, r.bus);
    g_object_set (r.element, "frame-interval", 2, NULL);
    s = push (&r, 7);
    g_assert_cmpuint (number (s, "last-pts") - number (s, "first-pts"), ==, 6 * FRAME);
    gst_structure_free (s);
    rig_free (&r);

    r = rig_new (model, "drop=false");
    push_on (&r, 10);
    s = next_result (&r);
    g_assert_cmpuint (number (s, "last-pts"), ==, cases[i].last);
    gst_structure_free (s);
    rig_free (&r);
    g_free (model);
  }
}

/* --- results --- */

static void
test_result (void)
{
  const gdouble most = exp (3) / (2 + exp (3));
  gchar *model = write_model ("green.safetensors", &green);
  Rig r = rig_new (model, "drop=false stride=2");
  GValue labels = G_VALUE_INIT;
  GstStructure *posted, *meta;
  gchar *name;
  gint label;
  gdouble score, *p;
  guint64 windows, dropped, memory;
  guint n;

  g_assert_null (push (&r, 3));
  meta = push (&r, 1);
  posted = next_result (&r);
  g_assert_cmpstr (gst_structure_get_string (posted, "class"), ==, "green");
  g_assert_true (gst_structure_get (
      posted, "label", G_TYPE_INT, &label, "score", G_TYPE_DOUBLE, &score, NULL));
  g_assert_cmpint (label, ==, 1);
  g_assert_cmpfloat_with_epsilon (score, most, 1e-6);
  p = probabilities_of (posted, &n);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpfloat (p[1], ==, score);
  g_assert_cmpfloat_with_epsilon (p[0] + p[1] + p[2], 1, 1e-12);
  g_free (p);
  g_assert_cmpuint (number (posted, "window"), ==, 0);
  g_assert_cmpuint (number (posted, "windows-dropped"), ==, 0);
  g_assert_cmpuint (number (posted, "first-pts"), ==, 0);
  g_assert_cmpuint (number (posted, "first-duration"), ==, FRAME);
  g_assert_cmpuint (number (posted, "first-running-time"), ==, 0);
  g_assert_cmpuint (number (posted, "last-pts"), ==, 3 * FRAME);
  g_assert_cmpuint (number (posted, "last-duration"), ==, FRAME);
  g_assert_cmpuint (number (posted, "last-running-time"), ==, 3 * FRAME);
  g_assert_cmpuint (number (posted, "inference-time"), >, 0);
  g_assert_cmpstr (gst_structure_get_string (posted, "model"), ==, model);

  /* the meta has the same fields, and the element's name */
  name = gst_element_get_name (r.element);
  g_assert_cmpstr (gst_structure_get_string (meta, "element"), ==, name);
  gst_structure_remove_field (meta, "element");
  gst_structure_set_name (meta, "cnn3dinfer-result");
  g_assert_true (gst_structure_is_equal (meta, posted));
  g_free (name);
  gst_structure_free (meta);

  /* it stays until the next result */
  meta = push (&r, 1);
  g_assert_cmpuint (number (meta, "window"), ==, 0);
  gst_structure_free (meta);
  meta = push (&r, 1);
  g_assert_cmpuint (number (meta, "window"), ==, 1);
  gst_structure_free (meta);
  gst_structure_free (posted);

  g_object_get (r.element, "class", &name, "label", &label, "score", &score, "windows", &windows,
      "windows-dropped", &dropped, "predicted-memory", &memory, NULL);
  g_assert_cmpstr (name, ==, "green");
  g_assert_cmpint (label, ==, 1);
  g_assert_cmpfloat_with_epsilon (score, most, 1e-6);
  g_assert_cmpuint (windows, ==, 2);
  g_assert_cmpuint (dropped, ==, 0);
  g_assert_cmpuint (memory, >, 0);
  g_free (name);
  g_value_init (&labels, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (r.element), "labels", &labels);
  g_assert_cmpuint (gst_value_array_get_size (&labels), ==, 3);
  g_assert_cmpstr (g_value_get_string (gst_value_array_get_value (&labels, 2)), ==, "blue");
  g_value_unset (&labels);
  rig_free (&r);
  g_free (model);
}

static void
test_threshold (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  Rig r = rig_new (model, "drop=false threshold=0.95");
  const gdouble thresholds[] = { 0.95, 0.90, 1, 0 };

  for (guint i = 0; i < G_N_ELEMENTS (thresholds); i++) {
    gboolean named = thresholds[i] < 0.909;
    GstStructure *s;
    gdouble score;
    gint label;

    g_object_set (r.element, "threshold", thresholds[i], NULL);
    push_on (&r, 4);
    s = next_result (&r);
    gst_structure_get (s, "label", G_TYPE_INT, &label, "score", G_TYPE_DOUBLE, &score, NULL);
    g_assert_cmpint (label, ==, named ? 1 : -1);
    g_assert_cmpstr (gst_structure_get_string (s, "class"), ==, named ? "green" : "");
    g_assert_cmpfloat_with_epsilon (score, 0.9094, 1e-4);
    gst_structure_free (s);
  }
  rig_free (&r);
  g_free (model);
}

static void
test_smoothing (void)
{
  gchar *model = write_model ("plain.safetensors", &plain);
  const gchar *source = "videotestsrc num-buffers=32 pattern=snow ! "
                        "video/x-raw,format=RGB,width=48,height=40,framerate=25/1";
  GArray *one = infer (source, model, "smoothing=1", NULL, NULL);
  GArray *three = infer (source, model, "smoothing=3", NULL, NULL);
  gdouble apart = 0;

  g_assert_cmpuint (one->len, ==, 8 * 3);
  g_assert_cmpuint (three->len, ==, 8 * 3);
  for (guint w = 0; w < 8; w++) {
    for (guint c = 0; c < 3; c++) {
      const guint first = w < 2 ? 0 : w - 2;
      gdouble sum = 0;

      for (guint k = first; k <= w; k++)
        sum += g_array_index (one, gdouble, k * 3 + c);
      g_assert_cmpfloat (g_array_index (three, gdouble, w * 3 + c), ==, sum / (w - first + 1));
      apart = MAX (apart,
          fabs (
              g_array_index (three, gdouble, w * 3 + c) - g_array_index (one, gdouble, w * 3 + c)));
    }
  }
  g_assert_cmpfloat (apart, >, 1e-6);
  g_array_unref (one);
  g_array_unref (three);
  g_free (model);
}

/* --- a blocked inference thread, and its effect on windows --- */

typedef struct {
  GMutex lock;
  GCond cond;
  gboolean hold, held;
} Gate;

/* Blocks the inference thread when it posts its result. */
static GstBusSyncReply
stop_at_gate (GstBus *bus, GstMessage *message, gpointer user)
{
  Gate *gate = user;

  if (gst_message_has_name (message, "cnn3dinfer-result")) {
    g_mutex_lock (&gate->lock);
    gate->held = gate->hold;
    g_cond_broadcast (&gate->cond);
    while (gate->hold)
      g_cond_wait (&gate->cond, &gate->lock);
    gate->held = FALSE;
    g_mutex_unlock (&gate->lock);
  }

  return GST_BUS_PASS;
}

static void
wait_held (Gate *gate)
{
  g_mutex_lock (&gate->lock);
  while (!gate->held)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);
}

static void
set_hold (Gate *gate, gboolean hold)
{
  g_mutex_lock (&gate->lock);
  gate->hold = hold;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static gpointer
open_later (gpointer gate)
{
  g_usleep (200000);
  set_hold (gate, FALSE);

  return NULL;
}

/* Windows are dropped and counted, frames never; EOS waits for the running window. */
static void
test_drop (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  Rig r = rig_new (model, "");
  Gate gate = { .hold = TRUE };
  GstStructure *s;
  guint64 windows, dropped;
  GThread *opener;

  gst_bus_set_sync_handler (r.bus, stop_at_gate, &gate, NULL);
  push_on (&r, 4);
  wait_held (&gate);
  push_on (&r, 5 * 4);
  g_object_get (r.element, "windows", &windows, "windows-dropped", &dropped, NULL);
  g_assert_cmpuint (windows, ==, 1);
  g_assert_cmpuint (dropped, ==, 5);
  /* a window is being computed at EOS, and its result precedes EOS */
  opener = g_thread_new ("opener", open_later, &gate);
  g_assert_true (gst_harness_push_event (r.h, gst_event_new_eos ()));
  s = next_result (&r);
  g_assert_cmpuint (number (s, "window"), ==, 0);
  gst_structure_free (s);
  g_thread_join (opener);
  rig_free (&r);

  /* the next result has the number of dropped windows */
  r = rig_new (model, "");
  gate.hold = TRUE;
  gst_bus_set_sync_handler (r.bus, stop_at_gate, &gate, NULL);
  push_on (&r, 4);
  wait_held (&gate);
  push_on (&r, 3 * 4);
  set_hold (&gate, FALSE);
  s = NULL;
  /* the thread needs a moment until it takes another window */
  while (!s) {
    GstMessage *message;

    push_on (&r, 4);
    while ((message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-result", 20 * GST_MSECOND))) {
      if (number (gst_message_get_structure (message), "window") > 0 && !s)
        s = gst_structure_copy (gst_message_get_structure (message));
      gst_message_unref (message);
    }
  }
  g_assert_cmpuint (number (s, "window"), >=, 4);
  /* including those that arrived until it was posted */
  g_assert_cmpuint (number (s, "windows-dropped"), >=, number (s, "window") - 1);
  gst_structure_free (s);
  rig_free (&r);
  g_free (model);
}

typedef struct {
  Rig *r;
  GstFlowReturn ret;
} Pusher;

static gpointer
push_one (gpointer data)
{
  Pusher *p = data;

  p->ret = gst_harness_push (p->r->h, make_frame (p->r->in));

  return NULL;
}

/* With drop=false the stream waits for the thread; a flush unblocks it. */
static void
test_flush (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  Rig r = rig_new (model, "drop=false");
  Gate gate = { .hold = TRUE };
  Pusher pusher = { &r };
  GstSegment segment;
  GThread *thread;
  GstStructure *s;
  gchar *name;

  gst_bus_set_sync_handler (r.bus, stop_at_gate, &gate, NULL);
  push_on (&r, 3);
  thread = g_thread_new ("pusher", push_one, &pusher);
  wait_held (&gate);
  g_assert_true (gst_harness_push_event (r.h, gst_event_new_flush_start ()));
  g_thread_join (thread);
  g_assert_cmpint (pusher.ret, ==, GST_FLOW_FLUSHING);
  g_assert_true (gst_harness_push_event (r.h, gst_event_new_flush_stop (TRUE)));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_assert_true (gst_harness_push_event (r.h, gst_event_new_segment (&segment)));
  set_hold (&gate, FALSE);

  /* nothing of the earlier windows remains */
  r.in = 100;
  g_assert_null (push (&r, 3));
  g_object_get (r.element, "class", &name, NULL);
  g_assert_cmpstr (name, ==, "");
  g_free (name);
  s = push (&r, 1);
  g_assert_cmpuint (number (s, "first-pts"), ==, 100 * FRAME);
  gst_structure_free (s);

  /* stopping does not wait for missing frames */
  set_hold (&gate, TRUE);
  push_on (&r, 3);
  thread = g_thread_new ("pusher", push_one, &pusher);
  wait_held (&gate);
  g_thread_unref (g_thread_new ("opener", open_later, &gate));
  gst_element_set_state (r.element, GST_STATE_NULL);
  g_thread_join (thread);
  g_assert_cmpint (pusher.ret, ==, GST_FLOW_FLUSHING);
  rig_free (&r);
  g_free (model);
}

/* Windows do not span a gap in the stream or a change of caps. */
static void
test_discontinuity (void)
{
  gchar *model = write_model ("plain.safetensors", &plain);
  Rig r = rig_new (model, "drop=false");
  GstBuffer *frame;
  GstStructure *s;

  push_on (&r, 2);
  frame = make_frame (50);
  GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
  g_assert_cmpint (gst_harness_push (r.h, frame), ==, GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (r.h));
  r.in = 51;
  s = push (&r, 3);
  g_assert_cmpuint (number (s, "first-pts"), ==, 50 * FRAME);
  gst_structure_free (s);
  gst_structure_free (next_result (&r));

  push_on (&r, 2);
  gst_harness_set_src_caps_str (r.h, "video/x-raw,format=BGR,width=40,height=48,framerate=25/1");
  push_on (&r, 3);
  no_result (&r);
  push_on (&r, 1);
  s = next_result (&r);
  g_assert_cmpuint (number (s, "first-pts"), ==, 56 * FRAME);
  gst_structure_free (s);

  /* a buffer that is too small passes through */
  frame = gst_buffer_new_allocate (NULL, 100, NULL);
  g_assert_cmpint (gst_harness_push (r.h, frame), ==, GST_FLOW_OK);
  frame = gst_harness_pull (r.h);
  g_assert_cmpuint (gst_buffer_get_size (frame), ==, 100);
  gst_buffer_unref (frame);
  /* frames without times form windows, too */
  for (guint i = 0; i < 4; i++) {
    frame = make_frame (i);
    GST_BUFFER_PTS (frame) = GST_BUFFER_DURATION (frame) = GST_CLOCK_TIME_NONE;
    g_assert_cmpint (gst_harness_push (r.h, frame), ==, GST_FLOW_OK);
    gst_buffer_unref (gst_harness_pull (r.h));
  }
  s = next_result (&r);
  g_assert_cmpuint (number (s, "first-pts"), ==, GST_CLOCK_TIME_NONE);
  g_assert_cmpuint (number (s, "last-running-time"), ==, GST_CLOCK_TIME_NONE);
  gst_structure_free (s);
  rig_free (&r);
  g_free (model);
}

/* --- models --- */

static void
test_swap (void)
{
  static const Spec other = { { "left", "right" }, 1, 6, 48, { "center", 1, "lanczos", TRUE }, 0,
    { 3, 0 } };
  gchar *first = write_model ("green.safetensors", &green);
  gchar *second = write_model ("other.safetensors", &other);
  gchar *bad = path_of ("bad.safetensors"), *path;
  Rig r = rig_new (first, "drop=false");
  GstMessage *message;
  GstStructure *s;
  guint64 windows;

  gst_message_unref (pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-model", 0));
  push_on (&r, 8);
  /* an invalid file: the old model stays */
  g_assert_true (g_file_set_contents (bad, "no model", -1, NULL));
  g_object_set (r.element, "model", bad, NULL);
  assert_says (pop (r.bus, GST_MESSAGE_WARNING, NULL, WAIT), "The model was not changed: ");
  g_object_get (r.element, "model", &path, NULL);
  g_assert_cmpstr (path, ==, first);
  g_free (path);
  s = push (&r, 8);
  g_assert_cmpstr (gst_structure_get_string (s, "class"), ==, "green");
  gst_structure_free (s);

  /* another model with other sizes and classes, back and forth */
  for (guint i = 0; i < 6; i++) {
    const gchar *wanted = i % 2 ? "green" : "left";
    gboolean came = FALSE;

    g_object_set (r.element, "model", i % 2 ? first : second, NULL);
    for (guint k = 0; !came; k++) {
      g_assert_cmpuint (k, <, 20000);
      push_on (&r, 1);
      message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-model", 0);
      came = message != NULL;
      g_clear_pointer (&message, gst_message_unref);
    }
    s = push (&r, 6);
    g_assert_cmpstr (gst_structure_get_string (s, "class"), ==, wanted);
    gst_structure_free (s);
  }
  g_object_get (r.element, "windows", &windows, NULL);
  g_assert_cmpuint (windows, >, 8);
  g_assert_cmpuint (r.in, ==, r.out);
  g_assert_null (pop (r.bus, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR, NULL, 0));

  /* set repeatedly without a frame in between, then stopped */
  for (guint i = 0; i < 5; i++)
    g_object_set (r.element, "model", i % 2 ? first : second, NULL);
  rig_free (&r);
  g_free (first);
  g_free (second);
  g_free (bad);
}

static void
assert_refused (const gchar *model, const gchar *properties, const gchar *reason)
{
  gchar *line = g_strdup_printf ("cnn3dinfer device=cpu %s", properties);
  GstElement *element = gst_parse_launch (line, NULL);
  GstBus *bus = gst_bus_new ();

  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  if (model)
    g_object_set (element, "model", model, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  assert_says (pop (bus, GST_MESSAGE_ERROR, NULL, 0), reason);
  g_assert_null (pop (bus, GST_MESSAGE_ERROR, NULL, 0));
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
  g_free (line);
}

static void
test_bad_files (void)
{
  gchar *good = write_model ("green.safetensors", &green);
  gchar *bad = path_of ("bad.safetensors"), *bytes;
  Spec spec = green;
  gsize size;

  assert_refused (NULL, "", "model is not set");
  assert_refused ("/nowhere/\033[1m.safetensors", "", "\\x1b[1m");
  assert_refused ("/nowhere/m", "", "The model could not be loaded: cannot read");
  g_assert_true (g_file_get_contents (good, &bytes, &size, NULL));
  g_assert_true (g_file_set_contents (bad, bytes, size / 2, NULL));
  assert_refused (bad, "", bad);
  assert_refused (good, "max-memory=many", "max-memory=many is not a valid size: write it as 8GiB");
  assert_refused (
      good, "max-memory=10KiB", "The model could not be loaded: one clip at a time takes ");
  assert_refused (good, "device=nothing", "device=nothing: use auto, cpu, cuda, or");
  spec.channels = 4;
  g_free (write_model ("bad.safetensors", &spec));
  assert_refused (bad, "", "is a model of clips with 4 channels: video has 3, or 1 in gray");
  g_free (bytes);
  g_free (good);
  g_free (bad);
}

static void
test_settings (void)
{
  gchar *model = write_model ("plain.safetensors", &plain);
  Rig r = rig_new (model, "");
  GstPad *pad = gst_element_get_static_pad (r.element, "sink");
  GstSegment segment;

  gst_element_set_state (r.element, GST_STATE_READY);
  gst_element_set_state (r.element, GST_STATE_PLAYING);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_send_event (pad, gst_event_new_stream_start ("again"));
  gst_pad_send_event (pad, gst_event_new_segment (&segment));
  gst_pad_chain (pad, make_frame (0));
  assert_says (pop (r.bus, GST_MESSAGE_ERROR, NULL, 0), "Frames arrived before their caps");
  gst_object_unref (pad);
  rig_free (&r);

  /* CPUs do not support this precision */
  r = rig_new (model, "device=cpu precision=16-mixed");
  assert_says (pop (r.bus, GST_MESSAGE_INFO, NULL, 0),
      " computes in bf16-mixed where precision=16-mixed was asked for.");
  rig_free (&r);
  g_free (model);
}

/* A model with NaN outputs ends the stream, with one error. */
static void
test_failure (void)
{
  Spec spec = green;
  gchar *model;
  Rig r;
  GstFlowReturn ret = GST_FLOW_OK;

  spec.bias[1] = NAN;
  model = write_model ("nan.safetensors", &spec);
  r = rig_new (model, "drop=false");
  for (guint i = 0; i < 4; i++) {
    g_assert_cmpint (ret, ==, GST_FLOW_OK);
    ret = gst_harness_push (r.h, make_frame (i));
  }
  g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
  assert_says (pop (r.bus, GST_MESSAGE_ERROR, NULL, 0), "The model could not be run");
  g_assert_cmpint (gst_harness_push (r.h, make_frame (4)), ==, GST_FLOW_ERROR);
  g_assert_null (pop (r.bus, GST_MESSAGE_ERROR, NULL, 0));

  /* the element can be used again */
  gst_element_set_state (r.element, GST_STATE_READY);
  g_free (model);
  model = write_model ("green.safetensors", &green);
  g_object_set (r.element, "model", model, NULL);
  gst_element_set_state (r.element, GST_STATE_PLAYING);
  rig_free (&r);
  g_free (model);
}

/* --- the element --- */

/* Video that ends before its first window is reported. */
static void
test_too_short (void)
{
  gchar *model = write_model ("plain.safetensors", &plain);
  Rig r = rig_new (model, "frame-interval=3");

  push_on (&r, 9);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_says (
      pop (r.bus, GST_MESSAGE_WARNING, NULL, 0), "before its first window of 4 frames, 3 apart");
  rig_free (&r);

  r = rig_new (model, "");
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_says (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0),
      "The video ended before its first frame: there is no result.");
  rig_free (&r);

  r = rig_new (model, "frame-interval=3");
  push_on (&r, 10);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  g_assert_null (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0));
  rig_free (&r);
  g_free (model);
}

/* A model trained without a scaler gets other sizes scaled, with one warning per size. */
static void
test_without_scaler (void)
{
  Spec spec = plain;
  gchar *model;
  Rig r;

  spec.preparation.scaling = "none";
  model = write_model ("none.safetensors", &spec);
  r = rig_new (model, "");
  push_on (&r, 2);
  assert_says (pop (r.bus, GST_MESSAGE_INFO, NULL, 0),
      "of its own size, 32x32, without a scaler: these, 48x40, are scaled");
  push_on (&r, 2);
  g_assert_null (pop (r.bus, GST_MESSAGE_INFO, NULL, 0));
  gst_harness_set_src_caps_str (r.h, "video/x-raw,format=RGB,width=32,height=32,framerate=25/1");
  gst_harness_push (r.h, gst_buffer_new_allocate (NULL, 32 * 32 * 3, NULL));
  g_assert_null (pop (r.bus, GST_MESSAGE_INFO, NULL, 0));
  rig_free (&r);
  g_free (model);
}

/* No latency; caps that nothing downstream accepts are not offered; restarts. */
static void
test_element (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  Rig r = rig_new (model, "");
  GstCaps *caps = gst_caps_from_string ("video/x-raw,format=I420");
  GstPad *pad = gst_element_get_static_pad (r.element, "sink");
  GstCaps *offered;
  gchar *name;
  gint label;

  g_assert_cmpuint (gst_harness_query_latency (r.h), ==, 0);
  gst_harness_set_sink_caps (r.h, gst_caps_copy (caps));
  offered = gst_pad_query_caps (pad, NULL);
  g_assert_true (gst_caps_is_subset (offered, caps));
  gst_caps_unref (offered);
  gst_caps_unref (caps);
  gst_object_unref (pad);
  rig_free (&r);

  for (guint i = 0; i < 5; i++) {
    r = rig_new (model, "stride=1");
    for (guint k = 0; k < 3; k++) {
      push_on (&r, 9);
      gst_element_set_state (r.element, k % 2 ? GST_STATE_NULL : GST_STATE_READY);
      gst_element_set_state (r.element, GST_STATE_PLAYING);
      gst_harness_push_event (r.h, gst_event_new_stream_start ("again"));
      gst_harness_set_src_caps_str (r.h, CAPS);
      {
        GstSegment segment;

        gst_segment_init (&segment, GST_FORMAT_TIME);
        gst_harness_push_event (r.h, gst_event_new_segment (&segment));
      }
      /* a run's last result does not carry over to the next run */
      g_assert_null (push (&r, 1));
      g_object_get (r.element, "label", &label, "class", &name, NULL);
      g_assert_cmpint (label, ==, -1);
      g_assert_cmpstr (name, ==, "");
      g_free (name);
    }
    rig_free (&r);
  }
  g_free (model);
}

#ifndef __SANITIZE_ADDRESS__
/* Allocated bytes: the resident size without the allocator's free memory. */
static gint64
allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return (gint64) info.uordblks + (gint64) info.hblkhd;
}
#endif

/* Many frames and occasional replacements of the model do not leak memory. */
static void
test_memory (void)
{
#ifdef __SANITIZE_ADDRESS__
  g_test_skip ("the sanitizer keeps what is freed");
#else
  static const Spec other = { { "left", "right" }, 3, 6, 40, { "center", 1, "bilinear", FALSE },
    100, { 0 } };
  gchar *models[2] = { write_model ("plain.safetensors", &plain),
    write_model ("other.safetensors", &other) };
  Rig r = rig_new (models[0], "stride=2 smoothing=3");
  gint64 before = 0, after, until;
  guint swaps = 0;

  for (guint i = 0; i < 60; i++) {
    gint64 end = g_get_monotonic_time () + test_limit (60);
    GstMessage *message = NULL;

    g_object_set (r.element, "model", models[++swaps % 2], NULL);
    push_on (&r, 100);
    while (!message && g_get_monotonic_time () < end) {
      push_on (&r, 10);
      message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-model", 0);
    }
    g_assert_nonnull (message);
    gst_message_unref (message);
    gst_bus_set_flushing (r.bus, TRUE);
    gst_bus_set_flushing (r.bus, FALSE);
    if (i == 19)
      before = allocated ();
  }
  /* a replaced model is freed with its last window */
  until = g_get_monotonic_time () + test_limit (20);
  while ((after = allocated ()) - before >= MOST_GROWTH && g_get_monotonic_time () < until)
    g_usleep (20000);
  g_test_message (
      "%u frames, allocated %" G_GINT64_FORMAT ", then %" G_GINT64_FORMAT, r.in, before, after);
  g_assert_cmpint (after - before, <, MOST_GROWTH);
  rig_free (&r);
  g_free (models[0]);
  g_free (models[1]);
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  g_test_add_func ("/cnn3dinfer/scaling", test_scaling);
  g_test_add_func ("/cnn3dinfer/windows", test_windows);
  g_test_add_func ("/cnn3dinfer/differences", test_differences);
  g_test_add_func ("/cnn3dinfer/interval", test_interval);
  g_test_add_func ("/cnn3dinfer/result", test_result);
  g_test_add_func ("/cnn3dinfer/threshold", test_threshold);
  g_test_add_func ("/cnn3dinfer/smoothing", test_smoothing);
  g_test_add_func ("/cnn3dinfer/drop", test_drop);
  g_test_add_func ("/cnn3dinfer/flush", test_flush);
  g_test_add_func ("/cnn3dinfer/discontinuity", test_discontinuity);
  g_test_add_func ("/cnn3dinfer/swap", test_swap);
  g_test_add_func ("/cnn3dinfer/bad-files", test_bad_files);
  g_test_add_func ("/cnn3dinfer/settings", test_settings);
  g_test_add_func ("/cnn3dinfer/failure", test_failure);
  g_test_add_func ("/cnn3dinfer/too-short", test_too_short);
  g_test_add_func ("/cnn3dinfer/without-scaler", test_without_scaler);
  g_test_add_func ("/cnn3dinfer/memory", test_memory);
  g_test_add_func ("/cnn3dinfer/element", test_element);

  return run_in_folder ();
}

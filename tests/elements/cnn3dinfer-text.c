/* cnn3dinfer-text.c: cnn3dinfer in pipelines: its text pad, and shared frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/app/app.h>

#include "inferrig.h"

static GstElement *
launch (const gchar *format, const gchar *model)
{
  gchar *line = g_strdup_printf (format, model);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  g_free (line);

  return pipeline;
}

static GstAppSink *
appsink (GstElement *pipeline, const gchar *name)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), name);

  gst_object_unref (sink);

  return GST_APP_SINK (sink);
}

/* Each frame has a text, which is pushed before it. */
static void
test_text (void)
{
  Spec spec = green;
  gchar *model;
  GstElement *pipeline, *infer;
  GstSample *sample;
  GstSegment *segment;
  GstPad *pad;

  spec.classes[1] = "gr\033e\nen";
  model = write_model ("text.safetensors", &spec);
  pipeline = launch ("videotestsrc num-buffers=10 ! video/x-raw,width=48,height=40,framerate=25/1 "
                     "! cnn3dinfer name=i device=cpu drop=false stride=2 model=%s ! appsink "
                     "name=video sync=false i.text ! queue ! appsink name=text sync=false",
      model);
  infer = gst_bin_get_by_name (GST_BIN (pipeline), "i");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 10; i++) {
    const gchar *wanted = i < 3 ? "" : "gr\\x1be\\x0aen 91 %";
    GstBuffer *buffer;

    sample = gst_app_sink_try_pull_sample (appsink (pipeline, "text"), WAIT);
    g_assert_nonnull (sample);
    buffer = gst_sample_get_buffer (sample);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i * FRAME);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, FRAME);
    g_assert_cmpuint (gst_buffer_get_size (buffer), ==, strlen (wanted));
    g_assert_cmpint (gst_buffer_memcmp (buffer, 0, wanted, strlen (wanted)), ==, 0);
    segment = gst_sample_get_segment (sample);
    g_assert_cmpint (segment->format, ==, GST_FORMAT_TIME);
    gst_sample_unref (sample);
    sample = gst_app_sink_try_pull_sample (appsink (pipeline, "video"), WAIT);
    g_assert_cmpuint (GST_BUFFER_PTS (gst_sample_get_buffer (sample)), ==, i * FRAME);
    gst_sample_unref (sample);
  }
  g_assert_null (gst_app_sink_try_pull_sample (appsink (pipeline, "text"), WAIT));
  g_assert_true (gst_app_sink_is_eos (appsink (pipeline, "text")));
  pad = gst_element_get_static_pad (infer, "text");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_element_release_request_pad (infer, pad);
  g_assert_null (gst_element_get_static_pad (infer, "text"));
  gst_object_unref (pad);
  gst_object_unref (infer);
  gst_object_unref (pipeline);
  g_free (model);
}

/* A text pad requested within a stream gets all initial events. */
static void
test_text_late (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  Rig r = rig_new (model, "drop=false");
  GstHarness *text;
  GstPad *pad;
  GstBuffer *buffer;
  GstEvent *event;
  const GstEventType wanted[] = { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT,
    GST_EVENT_GAP, GST_EVENT_FLUSH_START, GST_EVENT_FLUSH_STOP, GST_EVENT_SEGMENT, GST_EVENT_EOS };
  GstSegment segment;

  push_on (&r, 6);
  pad = gst_element_request_pad_simple (r.element, "text");
  text = gst_harness_new_with_element (r.element, NULL, "text");
  push_on (&r, 1);
  buffer = gst_harness_pull (text);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 6 * FRAME);
  g_assert_cmpint (gst_buffer_memcmp (buffer, 0, "green 91 %", 10), ==, 0);
  gst_buffer_unref (buffer);
  gst_harness_push_event (r.h, gst_event_new_gap (7 * FRAME, FRAME));
  gst_harness_push_event (r.h, gst_event_new_flush_start ());
  gst_harness_push_event (r.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (r.h, gst_event_new_segment (&segment));
  push_on (&r, 1);
  buffer = gst_harness_pull (text);
  g_assert_cmpuint (gst_buffer_get_size (buffer), ==, 0);
  gst_buffer_unref (buffer);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++) {
    event = gst_harness_try_pull_event (text);
    g_assert_nonnull (event);
    g_assert_cmpstr (GST_EVENT_TYPE_NAME (event), ==, gst_event_type_get_name (wanted[i]));
    gst_event_unref (event);
  }
  g_assert_null (gst_harness_try_pull_event (text));
  gst_harness_teardown (text);
  gst_object_unref (pad);
  rig_free (&r);
  g_free (model);
}

/* A text pad requested before the stream is in the group of the video, for its first and its second
 * stream. */
static void
test_text_group (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  gchar *line = g_strdup_printf ("cnn3dinfer device=cpu threads=1 model=%s", model);
  GError *error = NULL;
  GstElement *element = gst_parse_launch (line, &error);
  GstPad *pad = gst_element_request_pad_simple (element, "text");
  GstHarness *text = gst_harness_new_with_element (element, NULL, "text");
  GstHarness *h;

  g_assert_no_error (error);
  gst_object_ref_sink (element);
  h = gst_harness_new_with_element (element, "sink", "src");
  for (guint i = 7; i < 9; i++) {
    GstEvent *event = gst_event_new_stream_start (i == 7 ? "first" : "second");
    const gchar *stream;
    GstEvent *other;
    guint group = 0;

    gst_event_set_group_id (event, i);
    /* the harness begins its own stream */
    while ((other = gst_harness_try_pull_event (text)))
      gst_event_unref (other);
    g_assert_true (gst_harness_push_event (h, event));
    event = gst_harness_try_pull_event (text);
    g_assert_nonnull (event);
    g_assert_cmpint (GST_EVENT_TYPE (event), ==, GST_EVENT_STREAM_START);
    g_assert_true (gst_event_parse_group_id (event, &group));
    g_assert_cmpuint (group, ==, i);
    gst_event_parse_stream_start (event, &stream);
    g_assert_cmpstr (stream, ==, i == 7 ? "first/text" : "second/text");
    gst_event_unref (event);
  }
  gst_element_set_state (element, GST_STATE_NULL);
  gst_harness_teardown (h);
  gst_harness_teardown (text);
  gst_object_unref (pad);
  gst_object_unref (element);
  g_free (line);
  g_free (model);
}

/* A text's duration is the one that textoverlay assumes for its frame. */
static void
test_text_duration (void)
{
  static const struct {
    const gchar *rate;
    GstClockTime pts, duration, wanted;
  } cases[] = {
    { "25/1", FRAME, 2 * FRAME, 2 * FRAME }, { "25/1", FRAME, GST_CLOCK_TIME_NONE, FRAME },
    { "0/1", FRAME, 2 * FRAME, 2 * FRAME }, { "0/1", FRAME, GST_CLOCK_TIME_NONE, 1 },
    { "25/1", GST_CLOCK_TIME_NONE, FRAME, 0 }, /* no text */
  };
  gchar *model = write_model ("green.safetensors", &green);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig r = rig_new (model, "");
    GstPad *pad = gst_element_request_pad_simple (r.element, "text");
    GstHarness *text = gst_harness_new_with_element (r.element, NULL, "text");
    gchar *caps =
        g_strdup_printf ("video/x-raw,format=RGB,width=48,height=40,framerate=%s", cases[i].rate);
    GstBuffer *buffer = make_frame (0);

    gst_harness_set_src_caps_str (r.h, caps);
    GST_BUFFER_PTS (buffer) = cases[i].pts;
    GST_BUFFER_DURATION (buffer) = cases[i].duration;
    g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_OK);
    gst_buffer_unref (gst_harness_pull (r.h));
    buffer = gst_harness_try_pull (text);
    if (cases[i].wanted)
      g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, cases[i].wanted);
    else
      g_assert_null (buffer);
    gst_clear_buffer (&buffer);
    gst_harness_teardown (text);
    gst_object_unref (pad);
    rig_free (&r);
    g_free (caps);
  }
  g_free (model);
}

/* A shared frame stays unchanged for others, and its pixels are not copied. */
static void
test_tee (void)
{
  gchar *model = write_model ("green.safetensors", &green);
  GstElement *pipeline =
      launch ("videotestsrc num-buffers=8 ! video/x-raw,width=48,height=40,framerate=25/1 ! tee "
              "name=t ! queue ! cnn3dinfer device=cpu drop=false model=%s ! appsink name=results "
              "sync=false t. ! queue ! appsink name=plain sync=false",
          model);
  guint results = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 8; i++) {
    GstSample *a = gst_app_sink_try_pull_sample (appsink (pipeline, "results"), WAIT);
    GstSample *b = gst_app_sink_try_pull_sample (appsink (pipeline, "plain"), WAIT);
    GstBuffer *x = gst_sample_get_buffer (a), *y = gst_sample_get_buffer (b);

    g_assert_cmpuint (GST_BUFFER_PTS (x), ==, GST_BUFFER_PTS (y));
    g_assert_true (gst_buffer_peek_memory (x, 0) == gst_buffer_peek_memory (y, 0));
    g_assert_null (gst_buffer_get_custom_meta (y, "Cnn3dResult"));
    results += gst_buffer_get_custom_meta (x, "Cnn3dResult") != NULL;
    gst_sample_unref (a);
    gst_sample_unref (b);
  }
  g_assert_cmpuint (results, ==, 5);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  g_free (model);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  g_test_add_func ("/cnn3dinfer-text/text", test_text);
  g_test_add_func ("/cnn3dinfer-text/late", test_text_late);
  g_test_add_func ("/cnn3dinfer-text/group", test_text_group);
  g_test_add_func ("/cnn3dinfer-text/duration", test_text_duration);
  g_test_add_func ("/cnn3dinfer-text/tee", test_tee);

  return run_in_folder ();
}
